"""A folder for LM Studio: the GGUF file where it looks for models, in folders named by maker and model."""

import os
from pathlib import Path

from studio.contract.events import Exported
from studio.data.model_card import write_card
from studio.engine import export_folder
from studio.engine.export_source import Watch, Wish, find_base, open_source
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
    source = open_source(run, "lm_studio")
    destination = Path(os.path.abspath(destination))
    export_folder.require_free(destination)
    base = find_base(source)
    with export_folder.new_export(destination) as temporary:
        place = temporary / MAKER / gguf.file_stem(destination.name)
        place.mkdir(parents=True)
        _, parity = gguf.fill(place, source, base, wish, watch, destination.name, "lm_studio")
        write_card(temporary / "README.md", source.folder, source.summary, form="lm_studio", parity=parity)
    return export_folder.told(destination, parity)
