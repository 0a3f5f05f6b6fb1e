"""The adapter alone, in PEFT's layout, with a model card: safetensors, no path of this computer in it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from studio.contract.errors import StudioError
from studio.contract.events import Exported, Progress
from studio.contract.parity import Parity
from studio.data.model_card import write_card
from studio.data.model_search import hub_id
from studio.engine import export_folder, fingerprint, model_folder, parity
from studio.engine.export_source import CONFIG, WEIGHTS, Source, Watch, Wish, find_base, open_source, prove, with_base
from studio.engine.tokenizer_file import read_template
from studio.engine.weights_file import Damaged, read_header, read_json
from studio.engine.weights_writer import file_hash, require_written

OTHER = "where the base model lay, there is another model than the adapter was trained on"
WITHOUT_BASE = {
    "export.base_missing": "the base model is not on this computer any more",
    "export.other_base": OTHER,
    "export.base_changed": "files of the base model are not what they were when it was added",
    "adapter.other_base": OTHER,
    "adapter.damaged": "what the adapter says of its base model cannot be read",
}
"""Why nothing can be compared, in words that name no path: they stand in the card."""
UNUSABLE = "the base model's folder does not hold a usable model any more"


def write(run: Path, destination: Path, wish: Wish = Wish(), watch: Watch = Watch()) -> Exported:  # noqa: B008
    """Export a run's adapter.

    Args:
        run: A run's folder.
        destination: Folder that does not exist yet.
        wish: Whether the result is compared with the run's own adapter.
        watch: Who is told, and who may end it.

    Raises:
        StudioError: The run has no adapter, or the destination exists or cannot be written.
    """
    source = open_source(run, "adapter")
    destination = Path(os.path.abspath(destination))
    base, why = _base(source)
    with export_folder.new_export(destination) as temporary:
        _fill(temporary, source, base, watch)
        found = _compared(temporary, source, base, why, watch) if wish.check else None
        write_card(temporary / "README.md", source.folder, source.summary, parity=found)
    return export_folder.told(destination, source.folder.id, found)


def _base(source: Source) -> tuple[Path | None, str]:
    """The base model's folder; or None and the reason: an adapter is whole without it, and leaves all the same."""
    try:
        return find_base(source), ""
    except StudioError as error:
        return None, WITHOUT_BASE.get(error.problem.code, UNUSABLE)


def _fill(temporary: Path, source: Source, base: Path | None, watch: Watch) -> None:
    wanted = file_hash(source.adapter / WEIGHTS, _teller(source.adapter / WEIGHTS, "Reading the adapter", watch))
    shutil.copyfile(source.adapter / WEIGHTS, temporary / WEIGHTS)
    require_written(temporary / WEIGHTS, wanted, _teller(temporary / WEIGHTS, f"Reading {WEIGHTS} again", watch))
    read_header(temporary / WEIGHTS)
    config = read_json(source.adapter / CONFIG, 1_000_000)
    config["base_model_name_or_path"] = hub_id(source.work.model_name)
    (temporary / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if (source.adapter / fingerprint.FILE).is_file():
        shutil.copyfile(source.adapter / fingerprint.FILE, temporary / fingerprint.FILE)
    template = _template(base) if base is not None else None
    if template:
        (temporary / "chat_template.jinja").write_text(template, encoding="utf-8", newline="\n")


def _teller(path: Path, stage: str, watch: Watch) -> Callable[[int], None]:
    size = path.stat().st_size

    def told(done: int) -> None:
        export_folder.require_going(watch.control)
        watch.emit(Progress(stage=stage, done=done, total=size, unit="bytes"))

    return told


def _template(model: Path) -> str | None:
    """The base model's chat template: the adapter was trained with it."""
    try:
        return read_template(model)
    except (Damaged, OSError):
        return None  # the adapter is whole without it


def _compared(temporary: Path, source: Source, base: Path | None, why: str, watch: Watch) -> Parity | None:
    """How what was written behaves on the base model, beside the run's own adapter; nothing in it was rounded."""
    noted = False
    if base is not None:
        try:
            model_folder.require_usable(base)
            fingerprint.require_same(source.adapter, base)
            noted = prove(source, base, watch)
        except StudioError as error:
            if error.problem.code == "export.stopped":
                raise
            why = WITHOUT_BASE.get(error.problem.code, UNUSABLE)
    if base is None or why:
        return Parity(numbers="f32", skipped=why)
    return with_base(parity.compare(source, base, "f32", parity.of_adapter(temporary, base), watch), noted or None)
