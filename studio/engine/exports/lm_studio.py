"""A folder for LM Studio: the GGUF file where it looks for models, in folders named by maker and model."""

import os
from pathlib import Path

from studio.contract.events import Exported
from studio.engine.export_source import Watch, Wish
from studio.engine.exports import gguf

MAKER = "apprentice-studio"


def write(run: Path, destination: Path, wish: Wish = Wish(), watch: Watch = Watch()) -> Exported:  # noqa: B008
    """Export the base model with a run's adapter built in, to be put among LM Studio's models.

    Args:
        run: A run's folder.
        destination: Folder that does not exist yet.
        wish: Number format; whether the result is compared with the adapter.
        watch: Who is told, and who may end it.

    Raises:
        StudioError: See `gguf.write`.
    """
    inside = f"{MAKER}/{gguf.file_stem(Path(os.path.abspath(destination)).name)}"
    return gguf.write_folder("lm_studio", run, destination, wish, watch, inside)
