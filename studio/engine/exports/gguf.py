"""One GGUF file of the whole model: for llama.cpp and the programs built on it."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from studio.contract.events import Exported, Progress
from studio.contract.exports import EXPORTS, K_QUANTS
from studio.contract.parity import Parity
from studio.data.licence import licence
from studio.data.model_card import write_card
from studio.data.model_search import hub_id
from studio.engine import export_folder, gguf_file, gguf_model, gguf_tokenizer, k_quants, model_config, parity
from studio.engine.export_source import Source, Watch, Wish, find_base, open_source, prove, with_base
from studio.engine.gguf_model import Array
from studio.engine.merging import Merging
from studio.engine.tokens import load_tokenizer

KNOWN_TO_READER = ("gpt-2", "default", *gguf_tokenizer.SPLITS.values())
"""Names of ways to cut text that transformers' reader knows."""
OVERHEAD_BYTES = 30_000_000
"""Room for the tokenizer and the card."""


def write(run: Path, destination: Path, wish: Wish = Wish(), watch: Watch = Watch()) -> Exported:  # noqa: B008
    """Export the base model with a run's adapter built in, as GGUF.

    Args:
        run: A run's folder.
        destination: Folder that does not exist yet.
        wish: Number format; whether the result is compared with the adapter.
        watch: Who is told, and who may end it.

    Raises:
        StudioError: What was learned cannot be built in, the model cannot be told in GGUF, or the disk fails.
    """
    return write_folder("gguf", run, destination, wish, watch)


def write_folder(
    form: str,
    run: Path,
    destination: Path,
    wish: Wish,
    watch: Watch,
    inside: str = "",
    finish: Callable[[Path, Path], None] = lambda path, base: None,
) -> Exported:
    """Write one of the forms that are a GGUF file and what stands beside it.

    Args:
        form: Key of EXPORTS.
        run, destination, wish, watch: See `write`.
        inside: Folders in which the file lies, if not in the export's own.
        finish: Called with the file and the base model; adds what the form has beside the file.

    Raises:
        StudioError: See `write`.
    """
    source = open_source(run, form)
    destination = Path(os.path.abspath(destination))
    export_folder.require_free(destination)
    numbers = wish.numbers or next(iter(EXPORTS[form].numbers))
    k_quants.require(numbers)
    base = find_base(source)
    noted = prove(source, base, watch)
    with export_folder.new_export(destination) as temporary:
        place = temporary / inside
        place.mkdir(parents=True, exist_ok=True)
        path, found = _fill(place, source, base, numbers, wish.check, watch, destination.name)
        found = with_base(found, noted)
        finish(path, base)
        write_card(temporary / "README.md", source.folder, source.summary, form, found, wish.numbers)
    return export_folder.told(destination, source.folder.id, found)


def file_stem(name: str) -> str:
    """A name of a file that every program takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "model"


def _fill(
    temporary: Path, source: Source, base: Path, numbers: str, check: bool, watch: Watch, name: str
) -> tuple[Path, Parity | None]:
    """Write a merged model as one GGUF file into a folder, read it again, and compare it with the adapter.

    Args:
        temporary: Exists.
        source: The run.
        base: Its base model.
        numbers: Number format.
        check: Whether it is compared with the adapter.
        watch: See `write`.
        name: Of the model, for the file's name.

    Returns:
        The file, and how it compares; None where nobody wished to know.

    Raises:
        StudioError: See `write`.
    """
    import gguf

    written = k_quants.ROUNDED_FROM if numbers in K_QUANTS else numbers
    watch.emit(Progress(stage="Reading the base model"))
    merging = Merging(base, source.adapter, "f32")  # first: it looks at the base's files before anything reads them
    config = model_config.read(base)
    arch = gguf_model.require_supported(config)
    tokenizer = load_tokenizer(base)
    pieces = gguf_tokenizer.read_pieces(tokenizer, config.vocab_size)
    names = gguf_model.Names(config)
    extra = list(gguf_model.extra_tensors(config))
    planned = [gguf_file.plan(name, value.shape, "f32") for name, value in extra]
    planned += [gguf_file.plan(names.of(name), shape, written) for name, shape in merging.shapes.items()]
    total = sum(tensor.nbytes for tensor in planned)
    export_folder.require_room(temporary, total * (2 if written != numbers else 1) + OVERHEAD_BYTES)

    path = temporary / f"{file_stem(name)}-{written.upper()}.gguf"
    writer = gguf.GGUFWriter(None, arch)
    _describe_run(writer, source, base)
    writer.add_file_type(gguf_file.file_type(written))
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    gguf_model.describe(writer, config)
    gguf_tokenizer.describe(writer, tokenizer, pieces)

    def values() -> Iterator[Array]:
        yield from (value for _, value in extra)
        for name, value in merging.tensors():
            yield gguf_model.as_stored(config, name, value.numpy())

    stage = "Building what was learned into the model"
    hashes = gguf_file.write_tensors(writer, path, planned, values(), _teller(watch, stage, total))
    gguf_file.require_same(path, planned, hashes, _teller(watch, f"Reading {path.name} again", total))
    if written != numbers:
        path = _rounded(path, planned, numbers, watch)
    if not check:
        return path, None
    config.tie_word_embeddings = merging.tied
    cuts = None if pieces.pre in KNOWN_TO_READER and pieces.kind != "llama" else tokenizer
    return path, parity.compare(source, base, numbers, parity.of_gguf(path, config, cuts), watch)


def _rounded(path: Path, planned: list[gguf_file.Planned], numbers: str, watch: Watch) -> Path:
    """The same model in a number format of llama.cpp's own, in place of the file it was rounded from."""
    export_folder.require_going(watch.control)
    watch.emit(Progress(stage=f"llama.cpp rounds the numbers to {numbers.upper()}"))
    smaller = path.with_name(f"{path.stem.removesuffix(k_quants.ROUNDED_FROM.upper())}{numbers.upper()}.gguf")
    k_quants.write(path, smaller, numbers)
    k_quants.require_same_names(smaller, planned)
    path.unlink()
    return smaller


def _describe_run(writer: Any, source: Source, base: Path) -> None:
    writer.add_type("model")
    writer.add_name(source.work.name)
    writer.add_description(f"{source.work.model_name} with what was learned by {source.work.name}; Apprentice Studio")
    named = licence(base)
    if named:
        writer.add_license(named)
    writer.add_base_model_count(1)
    writer.add_base_model_name(0, hub_id(source.work.model_name))


def _teller(watch: Watch, stage: str, total: int) -> Callable[[int], None]:
    def told(done: int) -> None:
        export_folder.require_going(watch.control)
        watch.emit(Progress(stage=stage, done=done, total=total, unit="bytes"))

    return told
