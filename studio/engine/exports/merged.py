"""The whole model: what was learned is built into the base, which is read from its files tensor by tensor."""

import json
import os
from pathlib import Path

from studio.contract.errors import StudioError
from studio.contract.events import Exported, Progress
from studio.contract.exports import EXPORTS
from studio.contract.parity import BOUNDS, Parity
from studio.data.model_card import write_card
from studio.engine import export_folder, model_files, model_folder, parity
from studio.engine.export_source import Source, Watch, Wish, find_base, open_source, prove, with_base
from studio.engine.merging import Merging
from studio.engine.tokens import load_tokenizer
from studio.engine.weights_file import read_weights
from studio.engine.weights_writer import SHARD_BYTES, require_written, write_shards

OVERHEAD_BYTES = 30_000_000
"""Room for the tokenizer and the card."""


def write(
    run: Path,
    destination: Path,
    wish: Wish = Wish(),  # noqa: B008 - frozen
    watch: Watch = Watch(),  # noqa: B008
    shard_bytes: int = SHARD_BYTES,
) -> Exported:
    """Export the base model with a run's adapter built in.

    Args:
        run: A run's folder.
        destination: Folder that does not exist yet.
        wish: Number format; whether the result is compared with the adapter.
        watch: Who is told, and who may end it.
        shard_bytes: Of one weight file.

    Raises:
        StudioError: What was learned cannot be built in, the base is gone or another one, or the disk fails.
    """
    source = open_source(run, "merged")
    destination = Path(os.path.abspath(destination))
    export_folder.require_free(destination)
    base = find_base(source)
    noted = prove(source, base, watch)
    with export_folder.new_export(destination) as temporary:
        fill(temporary, source, base, wish, watch, shard_bytes)
        found = with_base(_compared(temporary, source, base, wish, watch), noted)
        write_card(temporary / "README.md", source.folder, source.summary, "merged", found, wish.numbers)
    return export_folder.told(destination, source.folder.id, found)


def _compared(temporary: Path, source: Source, base: Path, wish: Wish, watch: Watch) -> Parity | None:
    """How what was written compares with the adapter; None where nobody wished to know."""
    if not wish.check:
        return None
    numbers = wish.numbers
    if numbers not in BOUNDS:
        stored = {tensor.dtype for tensor in read_weights(temporary).tensors.values()}
        numbers = "bf16" if "BF16" in stored else "f16" if "F16" in stored else "f32"
    return parity.compare(source, base, numbers, parity.of_folder(temporary), watch)


def fill(temporary: Path, source: Source, base: Path, wish: Wish, watch: Watch, shard_bytes: int = SHARD_BYTES) -> None:
    """Write a merged model into a folder, and read it again to see that it is what was meant.

    Raises:
        StudioError: See `write`.
    """
    watch.emit(Progress(stage="Reading the base model"))
    merging = Merging(base, source.adapter, wish.numbers or next(iter(EXPORTS["merged"].numbers)))
    total = merging.total_bytes
    export_folder.require_room(temporary, total + OVERHEAD_BYTES)
    tokenizer = load_tokenizer(base)

    def told(done: int) -> None:
        export_folder.require_going(watch.control)
        watch.emit(Progress(stage="Building what was learned into the model", done=done, total=total, unit="bytes"))

    hashes = write_shards(temporary, merging.shapes, merging.formats, merging.tensors(), told, shard_bytes)
    (temporary / "config.json").write_text(json.dumps(merging.config, indent=2) + "\n", encoding="utf-8")
    model_files.carry(base, temporary)
    model_files.write_generation_config(base, temporary, tokenizer.end_ids, tokenizer.pad_token_id)
    _verify(temporary, hashes, watch)


def _verify(folder: Path, hashes: dict[str, str], watch: Watch) -> None:
    """Read what lies on the disk: every byte is the one that was written, and the whole is a usable model."""
    for name, wanted in hashes.items():
        export_folder.require_going(watch.control)
        size = (folder / name).stat().st_size
        stage = f"Reading {name} again"

        def told(done: int, stage: str = stage, size: int = size) -> None:
            watch.emit(Progress(stage=stage, done=done, total=size, unit="bytes"))

        require_written(folder / name, wanted, told)
    checked = model_folder.check(folder)
    if checked.problems:
        raise StudioError.of(checked.problems[0])
