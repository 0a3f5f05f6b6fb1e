"""The adapter alone as a GGUF file: low-rank matrices that llama.cpp puts on a GGUF file of the same base model."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from studio.contract.errors import StudioError
from studio.contract.events import Exported
from studio.contract.exports import EXPORTS
from studio.data.model_card import write_card
from studio.data.model_search import hub_id
from studio.engine import export_folder, gguf_file, gguf_model, model_config, parity
from studio.engine.export_source import Source, Watch, Wish, find_base, open_source, prove, with_base
from studio.engine.gguf_model import Array
from studio.engine.merging import Merging


def write(run: Path, destination: Path, wish: Wish = Wish(), watch: Watch = Watch()) -> Exported:  # noqa: B008
    """Export a run's LoRA as GGUF.

    Args:
        run: A run's folder.
        destination: Folder that does not exist yet.
        wish: Number format; whether the result is compared with the run's own adapter.
        watch: Who is told, and who may end it.

    Raises:
        StudioError: What was learned is no plain LoRA, the base is gone, or the disk fails.
    """
    source = open_source(run, "gguf_adapter")
    destination = Path(os.path.abspath(destination))
    export_folder.require_free(destination)
    base = find_base(source)
    noted = wish.check and prove(source, base, watch)  # no part of the file: only compared with
    merging = Merging(base, source.adapter)  # first: it looks at the base's files before anything reads them
    numbers = wish.numbers or next(iter(EXPORTS["gguf_adapter"].numbers))
    with export_folder.new_export(destination) as temporary:
        path = temporary / f"adapter-{numbers.upper()}.gguf"
        _write_file(path, source, merging, model_config.read(base), numbers, watch)
        found = None
        if wish.check:
            found = parity.compare(source, base, numbers, parity.of_gguf_adapter(path, base), watch)
            found = with_base(found, noted or None)
        write_card(temporary / "README.md", source.folder, source.summary, "gguf_adapter", found, wish.numbers)
    return export_folder.told(destination, source.folder.id, found)


def _write_file(path: Path, source: Source, merging: Merging, config: Any, numbers: str, watch: Watch) -> None:
    """Write the matrices, and read them again to see that they are what was meant.

    Raises:
        StudioError: See `write`.
    """
    import gguf

    arch = gguf_model.require_supported(config)
    pairs = list(_pairs(merging, config))
    alpha = pairs[0][3]
    tensors = [(name, a, b * np.float32(own / alpha)) for name, a, b, own in pairs]
    planned = [
        gguf_file.plan(f"{name}.{part}", value.shape, numbers)
        for name, a, b in tensors
        for part, value in (("lora_a", a), ("lora_b", b))
    ]
    writer = gguf.GGUFWriter(None, arch)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    writer.add_name(source.work.name)
    writer.add_base_model_count(1)
    writer.add_base_model_name(0, hub_id(source.work.model_name))
    values = (value for _, a, b in tensors for value in (a, b))

    def told(done: int) -> None:
        export_folder.require_going(watch.control)

    hashes = gguf_file.write_tensors(writer, path, planned, values, told)
    gguf_file.require_same(path, planned, hashes, told)


def _pairs(merging: Merging, config: Any) -> Iterator[tuple[str, Array, Array, float]]:
    """GGUF's name of each layer, its two matrices, and the strength by which its own rank is divided."""
    names = gguf_model.Names(config)
    for name, layer in merging.layers().items():
        if name == "lm_head" and config.tie_word_embeddings:
            raise StudioError(
                "export.not_lora",
                "This adapter changes the output layer alone, which GGUF files of this base do not have.",
                "There the output layer is the table of words.",
                "Export the whole model instead.",
                where="gguf_adapter",
            )
        a = layer.lora_A["default"].weight.detach().float().numpy()
        b = layer.lora_B["default"].weight.detach().float().numpy()
        b = gguf_model.as_stored(config, f"{name}.weight", b)
        yield names.of(f"{name}.weight"), a, b, float(layer.scaling["default"]) * a.shape[0]
