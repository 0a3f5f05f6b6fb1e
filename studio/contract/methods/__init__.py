"""Ways of tuning: a row each, with its settings class. `engine/methods/<module>.py` is the other half.

QLoRA is no method of its own: it is LoRA on a base model loaded in 4-bit, so `--method qlora` sets both.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from studio.contract.fields import about
from studio.contract.methods.few_numbers import (
    BottleneckSettings,
    FullSettings,
    Ia3Settings,
    LayersSettings,
    NormsSettings,
    OftSettings,
)
from studio.contract.methods.low_rank import (
    AdaLoraSettings,
    LohaSettings,
    LokrSettings,
    LoraSettings,
    TargetModules,
    VeraSettings,
)
from studio.contract.methods.virtual_tokens import (
    LlamaAdapterSettings,
    PrefixSettings,
    PromptSettings,
    PTuningSettings,
)

__all__ = [
    "METHODS", "AdaLoraSettings", "AnyMethod", "BottleneckSettings", "ChosenMethod", "FullSettings", "Ia3Settings",
    "LayersSettings", "LlamaAdapterSettings", "LohaSettings", "LokrSettings", "LoraSettings", "Method",
    "NormsSettings", "OftSettings", "PTuningSettings", "PrefixSettings", "PromptSettings", "TargetModules",
    "VeraSettings", "tag_of",
]  # fmt: skip

AnyMethod = (
    LoraSettings
    | AdaLoraSettings
    | VeraSettings
    | LohaSettings
    | LokrSettings
    | OftSettings
    | Ia3Settings
    | NormsSettings
    | BottleneckSettings
    | PrefixSettings
    | PromptSettings
    | PTuningSettings
    | LlamaAdapterSettings
    | LayersSettings
    | FullSettings
)
"""The settings of whichever way of tuning was chosen; saved with its tag."""


class Method(msgspec.Struct, frozen=True):
    """A row.

    Attributes:
        label: Plain name, with the term.
        help: What it is, one sentence.
        when: When to choose it, one sentence.
        settings: Its own settings.
        module: Of `studio.engine.methods`.
        sets: Settings that choosing it implies (dotted path -> value).
        rate_source: Where the learning rate in `sets` comes from.
        highest_rate: The largest learning rate that makes sense for it.
    """

    label: str
    help: str
    when: str
    settings: type[msgspec.Struct]
    module: str
    sets: dict[str, Any]
    rate_source: str = ""
    highest_rate: float = 0.1


METHODS: dict[str, Method] = {
    "lora": Method(
        "Adapter (LoRA)",
        "A small add-on learns; the model stays as it is.",
        "The usual choice: it learns nearly as much as the whole model would and forgets less.",
        LoraSettings,
        "lora",
        {},
    ),
    "qlora": Method(
        "Adapter on a 4-bit model (QLoRA)",
        "The same add-on while the model is stored compressed: needs far less memory.",
        "When the model does not fit into the memory otherwise.",
        LoraSettings,
        "lora",
        {"quantisation": "nf4"},
    ),
    "adalora": Method(
        "Adapter that finds its own sizes (AdaLoRA)",
        "Begins alike everywhere and keeps its size where it helps most; saved as an ordinary adapter.",
        "When the add-on must stay small and the run is long enough (hundreds of steps) to find out what matters.",
        AdaLoraSettings,
        "adalora",
        {"learning_rate": 1e-3},
        "arXiv 2303.10512: 5e-4 to 2.2e-3 by task",
    ),
    "vera": Method(
        "Vectors beside shared random parts (VeRA)",
        "All layers share one pair of random matrices; only two vectors a layer learn.",
        "When very many add-ons of one model must be kept: the learned part is about a tenth of an adapter's.",
        VeraSettings,
        "vera",
        {"learning_rate": 4e-3},
        "arXiv 2310.11454: 4e-3 for instruction tuning, up to 2e-2 elsewhere",
    ),
    "loha": Method(
        "Multiplied adapters (LoHa)",
        "Two small add-ons are multiplied number by number, so that the change can be richer than either.",
        "When an adapter of the same size learns too little; slower for each step.",
        LohaSettings,
        "loha",
        {"learning_rate": 1e-3, "quantisation": "none"},
        "Between the rates that arXiv 2309.14859 compared (5e-4 and 1e-3)",
    ),
    "lokr": Method(
        "Patterned adapters (LoKr)",
        "The change repeats a small pattern, each time with another strength: very few numbers.",
        "When the add-on should be tiny and still reach every part of a layer.",
        LokrSettings,
        "lokr",
        {"learning_rate": 1e-3, "quantisation": "none"},
        "Between the rates that arXiv 2309.14859 compared (5e-4 and 1e-3)",
    ),
    "oft": Method(
        "Turning what comes in (OFT)",
        "Turns the inputs of each layer without stretching them, in small blocks.",
        "When what the model knows must be kept as it is arranged; slower than an adapter.",
        OftSettings,
        "oft",
        {},
    ),
    "ia3": Method(
        "Factors (IA³)",
        "Learns one factor for each inner feature: strengthens or weakens what is there.",
        "With few examples, or when the add-on must be tiny; it cannot learn much that is new.",
        Ia3Settings,
        "ia3",
        {"learning_rate": 3e-3},
        "arXiv 2205.05638: 3e-3",
        1.0,
    ),
    "norms": Method(
        "Norms only (LayerNorm tuning)",
        "Only the factors inside the norms learn, a few thousand numbers.",
        "For a change of tone or form with the least memory.",
        NormsSettings,
        "norms",
        {"learning_rate": 2e-3},
        "arXiv 2312.11420 tried 2e-3 among others; norms bear high rates",
        1.0,
    ),
    "bottleneck": Method(
        "Small blocks inside the layers (bottleneck adapters)",
        "A small block with a bend is put into each layer; only the blocks learn.",
        "When the add-on should compute something of its own, not only shift weights; answers get a little slower.",
        BottleneckSettings,
        "bottleneck",
        {"learning_rate": 1e-3},
        "arXiv 1902.00751: between 3e-4 and 3e-3",
    ),
    "prefix": Method(
        "Learned memory before the text (prefix tuning)",
        "Every layer gets learned keys and values, as if it had read something before the text.",
        "When one loaded model serves many tasks; wants more steps and takes room from the text.",
        PrefixSettings,
        "prefix",
        {"learning_rate": 1e-2, "packing": False, "gradient_checkpointing": "off"},
        "arXiv 2110.07602: 5e-3 to 1e-2 for prefixes without a projection",
        1.0,
    ),
    "prompt": Method(
        "Learned words before the text (prompt tuning)",
        "A few words that exist in no dictionary are learned and put before every text.",
        "For large models and a simple task: the add-on is a few thousand numbers. Small models learn little this way.",
        PromptSettings,
        "prompt",
        {"learning_rate": 3e-2, "packing": False},
        "arXiv 2104.08691 uses 0.3 with Adafactor; a tenth of it with AdamW",
        1.0,
    ),
    "ptuning": Method(
        "Learned words from a small network (p-tuning)",
        "As learned words before the text, but a small network writes them while it learns.",
        "When learned words alone do not settle; steadier with small models.",
        PTuningSettings,
        "ptuning",
        {"learning_rate": 1e-3, "packing": False},
        "PEFT's example for p-tuning",
        1.0,
    ),
    "llama_adapter": Method(
        "Prompts inside the upper layers (LLaMA-Adapter)",
        "The upper layers also attend to a few learned places, which are switched on gradually.",
        "For Llama and Mistral models and instructions in one style; it begins exactly as the model is.",
        LlamaAdapterSettings,
        "llama_adapter",
        {"learning_rate": 9e-3},
        "arXiv 2303.16199: 9e-3",
        1.0,
    ),
    "layers": Method(
        "The last layers themselves (chosen layers)",
        "The model's own weights learn, in its last layers only.",
        "When an add-on learns too little and there is no memory for the whole model.",
        LayersSettings,
        "weights",
        {"learning_rate": 5e-5, "quantisation": "none"},
        "Between full fine-tuning's and LoRA's",
        0.01,
    ),
    "full": Method(
        "The whole model (full fine-tuning)",
        "Every weight of the model learns; what is saved is as large as the model.",
        "With many examples and much memory, or to go on with pretraining on plain text.",
        FullSettings,
        "weights",
        {"learning_rate": 2e-5, "quantisation": "none"},
        "A tenth of LoRA's ('LoRA without regret', 2025); 2e-5 as in Alpaca and Llama recipes",
        0.01,
    ),
}


def tag_of(settings: msgspec.Struct | type[msgspec.Struct]) -> str:
    """The name under which settings of a way of tuning are saved: "lora" for QLoRA too."""
    return str(settings.__struct_config__.tag)


ChosenMethod = Annotated[
    AnyMethod,
    Meta(
        title="Way of tuning",
        description="What of the model learns: a small add-on, learned words, a few layers, or all of it.",
        extra=about(
            "method",
            "adapter",
            "LoRA: nearly as good as the whole model at a fraction of the memory (arXiv 2106.09685)",
            simple=True,
            choices={tag_of(row.settings): row.label for name, row in METHODS.items() if name != "qlora"},
        ),
    ),
]
"""The field of `TrainSettings`."""
