"""Every rule of the house is broken on purpose here and must be caught.

A rule that names the wrong module passes everything and looks like one that holds.
"""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.helpers.project_copy import add_module, copy_project
from tests.helpers.shared_data import PROJECT

QT = ["PySide6", "shiboken6", "pyqtgraph", "qtpy", "superqt", "qtawesome"]
TRAINING = [
    "torch", "transformers", "tokenizers", "peft", "trl", "bitsandbytes", "accelerate", "datasets", "huggingface_hub",
    "pandas",
]  # fmt: skip
WINDOW_ROOMS = ["app", "ui", "supervisor"]
WORKER_ROOMS = ["cli", "worker", "engine"]

# What a module of each room may not import. Written out here a second time on purpose: pyproject.toml is under test.
FORBIDDEN = {
    "__main__": [*TRAINING, "studio.cli", "studio.worker", "studio.engine"],
    "app": [*TRAINING, "studio.cli", "studio.worker", "studio.engine", "studio.__main__"],
    "ui": [*TRAINING, "studio.cli", "studio.worker", "studio.engine", "studio.app", "studio.__main__"],
    "supervisor": [*TRAINING, *(f"studio.{room}" for room in [*WORKER_ROOMS, "app", "ui", "__main__"])],
    "cli": [*QT, "trl", *(f"studio.{room}" for room in [*WINDOW_ROOMS, "__main__"])],
    "worker": [*QT, "trl", "studio.cli", *(f"studio.{room}" for room in [*WINDOW_ROOMS, "__main__"])],
    "engine": [*QT, "trl", "studio.cli", "studio.worker", *(f"studio.{r}" for r in [*WINDOW_ROOMS, "__main__"])],
    "data": [*QT, *TRAINING, *(f"studio.{room}" for room in [*WINDOW_ROOMS, *WORKER_ROOMS, "__main__"])],
    "contract": [
        *QT, *TRAINING, "numpy", "pyarrow", "studio.data",
        *(f"studio.{room}" for room in [*WINDOW_ROOMS, *WORKER_ROOMS, "__main__"]),
    ],
}  # fmt: skip


def lint_imports(project: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    # The copy must win over the editable install.
    environment = {**os.environ, "PYTHONPATH": str(project), "COLUMNS": "500"}
    command = [str(program), "--no-cache", "--no-logo", "--config", str(project / "pyproject.toml")]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def rules() -> ModuleType:
    spec = importlib.util.spec_from_file_location("house_rules", PROJECT / "packaging" / "rules.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["house_rules"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


# --- who may import whom -------------------------------------------------------------------------------------------


def test_the_tree_as_it_is_keeps_every_import_rule(tmp_path: Path) -> None:
    done = lint_imports(copy_project(tmp_path / "project"))
    assert done.returncode == 0, done.stdout


def test_every_forbidden_import_of_every_room_is_caught(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    expected = set()
    for room, modules in FORBIDDEN.items():
        is_file = (project / "studio" / f"{room}.py").exists()
        path = f"studio/{room}.py" if is_file else f"studio/{room}/seeded.py"
        importer = f"studio.{room}" if is_file else f"studio.{room}.seeded"
        before = (project / path).read_text(encoding="utf-8") if is_file else ""
        add_module(project, path, before + "".join(f"\nimport {module}" for module in modules) + "\n")
        expected |= {(importer, module) for module in modules}
    done = lint_imports(project)
    assert done.returncode != 0
    caught = set(re.findall(r"(studio[\w.]*) -> ([\w.]+)", done.stdout))
    assert expected - caught == set(), done.stdout[-3000:]


@pytest.mark.parametrize(
    ("room", "module"),
    [("ui", "torch"), ("engine", "PySide6"), ("contract", "studio.data"), ("data", "torch"), ("worker", "studio.ui")],
)
def test_one_single_forbidden_import_fails_the_check(tmp_path: Path, room: str, module: str) -> None:
    project = copy_project(tmp_path / "project")
    add_module(project, f"studio/{room}/seeded.py", f"def late() -> None:\n    import {module}\n")
    done = lint_imports(project)
    assert done.returncode != 0
    assert f"studio.{room}.seeded -> {module}" in done.stdout


def test_a_forbidden_library_reached_through_a_room_to_the_right_is_caught(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    add_module(project, "studio/data/carrier.py", "import torch\n")
    add_module(project, "studio/ui/seeded.py", "import studio.data.carrier\n")
    done = lint_imports(project)
    assert "The window's process never holds torch BROKEN" in done.stdout


# --- what no line may do -------------------------------------------------------------------------------------------

VIOLATIONS = [
    ("shell", "import subprocess\nsubprocess.run('ls', shell=True)"),
    ("shell", "import subprocess\nsubprocess.Popen('ls', shell=flag)"),
    ("shell", "import os\nos.system('ls')"),
    ("shell", "from os import popen as run\nrun('ls')"),
    ("shell", "import subprocess\nsubprocess.getoutput('ls')"),
    ("pickle", "import pickle"),
    ("pickle", "from pickle import loads"),
    ("pickle", "import dill as d"),
    ("pickle", "def late():\n    import shelve"),
    ("pickle", "import multiprocessing.pool"),
    ("pickle", "import torch\ntorch.load('x')"),
    ("pickle", "from torch import load\nload('x', weights_only=True)"),
    ("pickle", "import torch as t\nt.save({}, 'x')"),
    ("pickle", "import numpy as np\nnp.load('x')"),
    ("pickle", "import numpy\nnumpy.lib.npyio.anything('x', allow_pickle=True)"),
    ("remote-code", "AutoModel.from_pretrained('x', trust_remote_code=True)"),
    ("remote-code", "AutoModel.from_pretrained('x', trust_remote_code=flag)"),
    ("remote-code", "options = {'trust_remote_code': True}"),
    ("unchecked-config", "from transformers import AutoConfig\nAutoConfig.from_pretrained('x', local_files_only=True)"),
    ("unchecked-config", "def late():\n    from transformers import AutoConfig as A\n    A.from_pretrained('x')"),
    ("unchecked-config", "import transformers\ntransformers.LlamaConfig.from_json_file('x')"),
    ("unchecked-config", "import transformers as t\nt.PreTrainedConfig.get_config_dict('x')"),
    ("code-from-text", "eval('1 + 1')"),
    ("code-from-text", "exec('x = 1')"),
    ("code-from-text", "compile('1', '', 'eval')"),
    ("code-from-text", "__import__('torch')"),
    ("swallowed-error", "try:\n    pass\nexcept:\n    raise"),
    ("swallowed-error", "try:\n    f()\nexcept Exception:\n    pass"),
    ("swallowed-error", "try:\n    f()\nexcept (ValueError, BaseException):\n    ..."),
    ("swallowed-error", "for x in y:\n    try:\n        f()\n    except Exception:\n        continue"),
    ("swallowed-error", "import contextlib\nwith contextlib.suppress(Exception):\n    f()"),
    ("swallowed-error", "from contextlib import suppress\nwith suppress(OSError, BaseException):\n    f()"),
    ("widget-of-layout", "first = layout.itemAt(0).widget()"),
    ("delete-tree", "import shutil\nshutil.rmtree('x')"),
    ("network", "import socket"),
    ("network", "from http.server import HTTPServer"),
    ("network", "from urllib import request"),
    ("network", "import requests"),
    ("network", "from PySide6.QtNetwork import QLocalServer"),
    ("network", "from PySide6 import QtNetwork"),
]

INNOCENT = [
    "import subprocess\nsubprocess.run(['ls'], shell=False)",
    "model.eval()",
    "import re\nre.compile('x')",
    "from re import compile\ncompile('x')",
    "AutoModel.from_pretrained('x', trust_remote_code=False)",
    "from transformers import GenerationConfig\nGenerationConfig.from_pretrained('x')",
    "from transformers import LlamaConfig\nLlamaConfig(**told)",
    "try:\n    f()\nexcept Exception as error:\n    raise ValueError from error",
    "try:\n    f()\nexcept KeyError:\n    pass",
    "import contextlib\nwith contextlib.suppress(FileNotFoundError):\n    f()",
    "import msgspec.json\nmsgspec.json.decode(b'1')",
    "from urllib.parse import quote",
    "from safetensors.torch import load_file, save_file\nload_file('x')",
    "from studio.contract import presets\npresets.load('quick')",
]


@pytest.mark.parametrize(("rule", "source"), VIOLATIONS, ids=lambda value: value.replace("\n", " / ")[:60])
def test_a_line_that_breaks_a_safety_rule_is_caught(tmp_path: Path, rules: ModuleType, rule: str, source: str) -> None:
    add_module(tmp_path, "studio/engine/seeded.py", source + "\n")
    problems = rules.check_tree(tmp_path)
    assert {problem.rule for problem in problems} == {rule}
    assert problems[0].path == "studio/engine/seeded.py"


@pytest.mark.parametrize("source", INNOCENT, ids=lambda value: value.replace("\n", " / ")[:60])
def test_a_harmless_line_that_looks_like_a_broken_rule_passes(tmp_path: Path, rules: ModuleType, source: str) -> None:
    add_module(tmp_path, "studio/engine/innocent.py", source + "\n")
    assert rules.check_tree(tmp_path) == []


def test_the_supervisor_may_use_qtcore_but_no_other_part_of_qt(tmp_path: Path, rules: ModuleType) -> None:
    fine = "from PySide6 import QtCore\nfrom PySide6.QtCore import QThread\n"
    add_module(tmp_path, "studio/supervisor/fine.py", fine)
    assert rules.check_tree(tmp_path) == []
    add_module(tmp_path, "studio/supervisor/seeded.py", "from PySide6.QtWidgets import QWidget\n")
    assert {problem.rule for problem in rules.check_tree(tmp_path)} == {"supervisor-qtcore-only"}


@pytest.mark.parametrize("room", ["ui", "supervisor"])
def test_a_sleep_in_the_windows_process_is_caught(tmp_path: Path, rules: ModuleType, room: str) -> None:
    add_module(tmp_path, f"studio/{room}/seeded.py", "from time import sleep\nsleep(1)\n")
    assert [problem.rule for problem in rules.check_tree(tmp_path)] == ["sleep-in-window"]


FOREIGN_TEXT = [
    ("rich-text", "from PySide6.QtWidgets import QLabel\nQLabel(name)"),
    ("rich-text", "from PySide6 import QtWidgets\nQtWidgets.QLabel(name)"),
    ("rich-text", "from PySide6.QtWidgets import QTextBrowser\nQTextBrowser()"),
    ("rich-text", "class Title(QLabel):\n    pass"),
    ("rich-text", "made.setTextFormat(Qt.TextFormat.RichText)"),
    ("rich-text", "view.setHtml(text)"),
    ("rich-text", "view.setMarkdown(text)"),
    ("rich-text", "def ask():\n    box = QMessageBox(self)\n    box.setText(name)"),
    ("rich-text", "def ask(box):\n    box.setInformativeText(name)"),
    ("rich-text", "class Box(QMessageBox):\n    pass"),
    ("rich-text", "from PySide6.QtWidgets import QMessageBox\nQMessageBox.warning(self, 'a', name)"),
    ("rich-tip", "button.setToolTip(name)"),
    ("rich-tip", "button.setToolTip(self.tr('Open {name}').format(name=name))"),
    ("rich-tip", "box.setItemData(1, name, Qt.ItemDataRole.ToolTipRole)"),
    ("open-link", "QDesktopServices.openUrl(QUrl(link))"),
    ("open-link", "label.setOpenExternalLinks(True)"),
]

PLAIN_TEXT = [
    "from studio.ui.widgets.labels import label\nlabel(name)",
    "def ask():\n    box = QMessageBox(self)\n    box.setTextFormat(Qt.TextFormat.PlainText)\n    box.setText(name)",
    "button.setToolTip(plain_tip(name))",
    "button.setToolTip(plain_tip(name) if name else '')",
    "button.setToolTip(self.tr('Open'))",
    "box.setItemData(1, plain_tip(name), Qt.ItemDataRole.ToolTipRole)",
    "QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))",
    "view.setOpenLinks(False)",
]


@pytest.mark.parametrize(("rule", "source"), FOREIGN_TEXT, ids=lambda value: value.replace("\n", " / ")[:60])
def test_foreign_text_that_the_window_would_read_as_html_is_caught(
    tmp_path: Path, rules: ModuleType, rule: str, source: str
) -> None:
    add_module(tmp_path, "studio/ui/seeded.py", source + "\n")
    assert {problem.rule for problem in rules.check_tree(tmp_path)} == {rule}


@pytest.mark.parametrize("source", PLAIN_TEXT, ids=lambda value: value.replace("\n", " / ")[:60])
def test_foreign_text_that_is_shown_as_it_stands_passes(tmp_path: Path, rules: ModuleType, source: str) -> None:
    add_module(tmp_path, "studio/ui/innocent.py", source + "\n")
    assert rules.check_tree(tmp_path) == []


def test_an_init_file_that_would_hide_the_packaging_library_is_caught(tmp_path: Path, rules: ModuleType) -> None:
    add_module(tmp_path, "packaging/__init__.py", "")
    assert [problem.rule for problem in rules.check_tree(tmp_path)] == ["packaging-is-no-package"]


@pytest.mark.parametrize(
    ("rule", "line"),
    [("machine-path", "see /" + "root/x"), ("registry-address", "pip install --index" + "-url x")],
)
def test_a_machine_path_or_registry_address_in_a_committed_file_is_caught(
    tmp_path: Path, rules: ModuleType, rule: str, line: str
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "NOTES.md").write_text(f"fine\n{line}\n")
    subprocess.run(["git", "-C", str(tmp_path), "add", "NOTES.md"], check=True)
    assert [(problem.rule, problem.line) for problem in rules.check_tree(tmp_path)] == [(rule, 2)]


def test_the_tree_as_it_is_keeps_every_safety_rule(rules: ModuleType) -> None:
    assert [str(problem) for problem in rules.check_tree(PROJECT)] == []


def test_a_seeded_violation_fails_the_command_that_check_runs(tmp_path: Path) -> None:
    add_module(tmp_path, "studio/seeded.py", "import pickle\n")
    command = [sys.executable, str(PROJECT / "packaging" / "rules.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "studio/seeded.py:1: [pickle]" in done.stdout


# --- types and style -----------------------------------------------------------------------------------------------


def run_tool(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True)


@pytest.mark.parametrize("room", ["contract", "data", "supervisor", "worker"])
def test_the_type_check_is_strict_in_the_rooms_between_the_processes(tmp_path: Path, room: str) -> None:
    (tmp_path / "pyproject.toml").write_text((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    source = "from typing import Any\n\n\ndef read(line: Any) -> list:\n    return line.parts\n"
    for folder in (room, "ui"):
        add_module(tmp_path, f"studio/{folder}/__init__.py", "")
        add_module(tmp_path, f"studio/{folder}/seeded.py", source)
    add_module(tmp_path, "studio/__init__.py", "")
    done = run_tool(tmp_path, "mypy", "--cache-dir", str(tmp_path / "cache"))
    assert done.returncode == 1
    assert f"studio/{room}/seeded.py:4: error: Missing type" in done.stdout
    assert f"studio/{room}/seeded.py:5: error: Returning Any" in done.stdout
    assert "studio/ui/seeded.py" not in done.stdout


def test_a_function_without_types_fails_the_type_check_in_every_room(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    add_module(tmp_path, "studio/__init__.py", "")
    add_module(tmp_path, "studio/seeded.py", "def double(x):\n    return 2 * x\n")
    done = run_tool(tmp_path, "mypy", "--cache-dir", str(tmp_path / "cache"))
    assert "studio/seeded.py:1: error: Function is missing a type annotation" in done.stdout


@pytest.mark.parametrize(
    ("code", "source"),
    [
        ("F401", "import os\n"),
        ("E722", "try:\n    x = 1\nexcept:\n    x = 2\n"),
        ("BLE001", "try:\n    x = 1\nexcept Exception:\n    x = 2\n"),
    ],
)
def test_the_style_check_catches_what_it_is_there_for(tmp_path: Path, code: str, source: str) -> None:
    (tmp_path / "pyproject.toml").write_text((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    add_module(tmp_path, "studio/seeded.py", source)
    done = run_tool(tmp_path, "ruff", "check", "--no-cache", "--output-format", "concise", ".")
    assert done.returncode == 1
    assert code in done.stdout


# --- the window's process ------------------------------------------------------------------------------------------


def window_modules() -> list[str]:
    """Every module of the window's rooms, found on disk, so that a new page is tested as it comes."""
    found = ["studio.app"] if (PROJECT / "studio" / "app.py").exists() else []
    for room in ("ui", "supervisor"):
        for path in sorted((PROJECT / "studio" / room).rglob("*.py")):
            name = ".".join(path.relative_to(PROJECT).with_suffix("").parts)
            found.append(name.removesuffix(".__init__"))
    return found


def held_after(statement: str, heavy: list[str]) -> list[str]:
    """Which of the `heavy` libraries a fresh process holds after a statement."""
    code = f"{statement}\nimport sys\nprint('HELD', *[m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


def test_there_are_pages_to_look_at() -> None:
    assert [name for name in window_modules() if name.startswith("studio.ui.pages.")]
    assert "studio.app" in window_modules()


@pytest.mark.parametrize("module", [name for name in window_modules() if ".pages." in name])
def test_a_page_in_a_fresh_process_brings_no_training_library(module: str) -> None:
    assert held_after(f"import {module}", TRAINING) == []


def test_all_of_the_window_together_brings_no_training_library() -> None:
    assert held_after("; ".join(f"import {name}" for name in window_modules()), TRAINING) == []


@pytest.mark.parametrize("entry", ["studio.cli", "studio.worker.__main__"])
def test_the_workers_entries_bring_neither_qt_nor_torch_until_a_job_needs_it(entry: str) -> None:
    assert held_after(f"import {entry}", ["torch", "transformers", *QT]) == []


def test_this_check_itself_sees_a_library_that_is_held() -> None:
    assert held_after("import numpy", ["numpy", "torch"]) == ["numpy"]


def test_every_exception_to_a_rule_names_an_existing_file_and_a_reason(rules: ModuleType) -> None:
    for (path, _rule), reason in rules.ALLOWED.items():
        assert (PROJECT / path).exists()
        assert len(reason) > 10
