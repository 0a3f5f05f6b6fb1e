"""The adapter alone, in PEFT's layout, with a model card: safetensors, no path of this computer in it."""

import json
import os
import shutil
from pathlib import Path

from studio.contract.events import Exported
from studio.data.model_card import write_card
from studio.engine import export_folder, fingerprint
from studio.engine.export_source import CONFIG, WEIGHTS, Source, Watch, Wish, open_source
from studio.engine.tokenizer_file import read_template
from studio.engine.weights_file import Damaged, read_header, read_json


def write(run: Path, destination: Path, wish: Wish = Wish(), watch: Watch = Watch()) -> Exported:  # noqa: B008
    """Export a run's adapter.

    Args:
        run: A run's folder.
        destination: Folder that does not exist yet.
        wish, watch: Nothing to choose and nothing to wait for here.

    Raises:
        StudioError: The run has no adapter, or the destination exists or cannot be written.
    """
    del wish, watch
    source = open_source(run, "adapter")
    destination = Path(os.path.abspath(destination))
    with export_folder.new_export(destination) as temporary:
        _fill(temporary, source)
    return export_folder.told(destination)


def _fill(temporary: Path, source: Source) -> None:
    shutil.copyfile(source.adapter / WEIGHTS, temporary / WEIGHTS)
    read_header(temporary / WEIGHTS)
    config = read_json(source.adapter / CONFIG, 1_000_000)
    config["base_model_name_or_path"] = source.work.model_name
    (temporary / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if (source.adapter / fingerprint.FILE).is_file():
        shutil.copyfile(source.adapter / fingerprint.FILE, temporary / fingerprint.FILE)
    template = _template(Path(source.work.model))
    if template:
        (temporary / "chat_template.jinja").write_text(template, encoding="utf-8", newline="\n")
    write_card(temporary / "README.md", source.folder, source.summary)


def _template(model: Path) -> str | None:
    """The base model's chat template: the adapter was trained with it."""
    try:
        return read_template(model)
    except (Damaged, OSError):
        return None  # the base model may have been moved since; the adapter is whole without it
