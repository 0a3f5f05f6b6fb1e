"""What to bring for a model that speaks freely: which kinds, how large for this computer, which files. No network."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout

from studio.contract.events import DeviceReport
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets.labels import label
from studio.ui.widgets.model_card import parameters_in_words
from studio.ui.widgets.section import Section

FAMILIES: dict[str, tuple[str, ...]] = {
    "Llama": ("llama",),
    "Qwen 2 and 3": ("qwen2", "qwen3"),
    "Mistral": ("mistral",),
    "Gemma 2 and 3 (text)": ("gemma2", "gemma3_text"),
    "Phi-3": ("phi3",),
}
"""How people call them -> the engine's model types."""

BYTES_PLAIN = 4.0
"""A parameter of a plain LoRA on the processor: 32-bit weights. Adapter and optimiser are small beside them."""

BYTES_NF4 = 0.7
"""A parameter in 4 bits: half a byte (NF4, QLoRA paper), its scales, and the embeddings that stay in 16 bits."""

WORK_BYTES = 2 * 2**30
"""To work in: activations of short texts, libraries, the rest of the computer."""

SMALLEST = 100_000_000
"""Models of this size find room where there is hardly any left."""


class LargerModels(Section):
    """A card for the room below the list of models."""

    def __init__(self) -> None:
        super().__init__(self.tr("Want a model that speaks freely?"))
        names = ", ".join(FAMILIES)
        self.kind_words = label(
            self.tr("{families}; the chat (“Instruct”) kind is the best to begin with.").format(families=names),
            wrap=True,
        )
        self.size_words = label(self.tr("Looking at this computer…"), wrap=True)
        self.file_words = label(
            self.tr(
                "config.json, all *.safetensors and the tokenizer’s files, in one folder; a USB stick will do. "
                "Or download one by its name, above."
            ),
            wrap=True,
        )
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * GRID)
        grid.setVerticalSpacing(GRID // 2)
        grid.setColumnStretch(1, 1)
        parts = (
            (self.tr("Kind"), self.kind_words),
            (self.tr("Size"), self.size_words),
            (self.tr("Files"), self.file_words),
        )
        for index, (heading, words) in enumerate(parts):
            grid.addWidget(label(heading, "muted"), index, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(words, index, 1)
        self.add(grid)

    def show_report(self, report: DeviceReport) -> None:
        """Say how large a model this computer can teach."""
        said = []
        memory = max((gpu.memory_bytes for gpu in report.gpus if gpu.device.startswith("cuda")), default=0)
        if memory:
            words = self.tr("up to {size} in 4 bits on the graphics card ({memory})")
            said.append(words.format(size=self._size(memory, BYTES_NF4), memory=wording.memory(memory)))
        words = self.tr("up to {size} on the processor ({memory} free now), though larger ones learn slowly")
        free = report.free_memory_bytes
        said.append(words.format(size=self._size(free, BYTES_PLAIN), memory=wording.memory(free)))
        self.size_words.setText(self.tr("By a rule of thumb {sizes}.").format(sizes=self.tr("; ").join(said)))

    def _size(self, memory_bytes: int, bytes_each: float) -> str:
        count = max(largest(memory_bytes, bytes_each), SMALLEST)
        return self.tr("{count} parameters").format(count=parameters_in_words(count))


def largest(memory_bytes: int, bytes_each: float) -> int:
    """Parameters of the largest model that fits, roughly: rounded down, as a rule of thumb is no promise."""
    count = max(0.0, memory_bytes - WORK_BYTES) / bytes_each
    step = 1e9 if count >= 10e9 else 0.5e9 if count >= 1e9 else 0.1e9
    return int(count // step * step)
