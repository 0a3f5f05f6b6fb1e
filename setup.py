"""Only what pyproject.toml cannot say: `resources/` lies beside `studio/` and travels inside it in a wheel."""

from pathlib import Path
from shutil import copytree

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


class BuildWithResources(build_py):
    """Copies `resources/` to `studio/resources/` in a wheel; an editable install reads it where it lies."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            copytree(ROOT / "resources", Path(self.build_lib) / "studio" / "resources", dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithResources})
