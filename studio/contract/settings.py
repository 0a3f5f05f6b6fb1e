"""Every hyperparameter, declared once: plain name, help, unit, limits, default, source.

The form, the command line, docs/settings.md and the checks are all made from these declarations.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from studio.contract.fields import about
from studio.contract.methods import ChosenMethod, LoraSettings

VERSION = 1
"""Version of saved settings; a rename is a row in MIGRATIONS."""

MIGRATIONS: dict[int, dict[str, str]] = {}
"""From version -> {old dotted path: new dotted path}."""


Quantisation = Literal["auto", "none", "nf4", "fp4", "int8"]
"""How a base model is loaded."""


class TrainSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that decides how an adapter is trained. Defaults suit a first run on a few hundred examples."""

    method: ChosenMethod = msgspec.field(default_factory=LoraSettings)

    # How long
    epochs: Annotated[
        float,
        Meta(
            gt=0,
            le=1000,
            title="Passes over data",
            description="How many times the model reads all examples; too many makes it memorise.",
            extra=about(
                "epochs", "length", "Common practice for instruction tuning: 1 to 5 (TRL's default is 3)", simple=True
            ),
        ),
    ] = 3.0
    max_steps: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000_000,
            title="Stop after",
            description="Ends the run after this many corrections, whatever the passes say; 0 means no limit.",
            extra=about("max steps", "length", "Off, so that passes decide", unit="steps"),
        ),
    ] = 0
    time_box_minutes: Annotated[
        float,
        Meta(
            ge=0,
            le=100_000,
            title="Time box",
            description="Fits the run into this time: after five steps it becomes a number of steps, which is recorded "
            "so that the run can be repeated; 0 means no limit.",
            extra=about("time box", "length", "Off, so that passes decide", unit="minutes", simple=True),
        ),
    ] = 0.0

    # What is learned
    learn_answers_only: Annotated[
        bool,
        Meta(
            title="Learn answers only",
            description="Your questions are read but not imitated.",
            extra=about(
                "completion-only loss", "data", "TRL's and LLaMA-Factory's practice for chat data", simple=True
            ),
        ),
    ] = True
    learned_turns: Annotated[
        Literal["all", "last"],
        Meta(
            title="Which answers of a conversation",
            description="Learns from every answer of a conversation, or from its last answer only.",
            extra=about(
                "learned turns",
                "data",
                "All assistant turns, as chat data is usually trained",
                choices={"all": "All of the assistant's", "last": "The last only"},
            ),
        ),
    ] = "all"
    max_tokens: Annotated[
        int,
        Meta(
            ge=16,
            le=1_048_576,
            title="Longest text",
            description="Longer examples are handled as chosen below; longer needs much more memory.",
            extra=about("max tokens", "data", "TRL's SFT default of 1,024", unit="tokens", simple=True),
        ),
    ] = 1024
    too_long: Annotated[
        Literal["leave_out", "cut_question", "cut_end"],
        Meta(
            title="Examples that are too long",
            description="Leaves them out, drops the beginning of the question, or cuts the end of the text.",
            extra=about(
                "truncation",
                "data",
                "Cutting silently removes answers and end tokens (trl#3927, LLaMA-Factory#5231), so they are left out",
                choices={
                    "leave_out": "Leave out",
                    "cut_question": "Cut the question's beginning",
                    "cut_end": "Cut the end",
                },
            ),
        ),
    ] = "leave_out"
    replay_share: Annotated[
        float,
        Meta(
            ge=0,
            le=0.9,
            title="Keep what it knew",
            description="Share of general examples mixed in, so that the model does not forget; needs general examples "
            "(the starter model brings its own).",
            extra=about(
                "replay",
                "data",
                "Measured on the starter: without replay it forgot 89 % of what it knew, with 20 % it kept over 93 %",
                unit="share",
                simple=True,
            ),
        ),
    ] = 0.2
    packing: Annotated[
        bool,
        Meta(
            title="Fill the gaps",
            description="Puts several short examples side by side instead of padding; they cannot see each other.",
            extra=about(
                "packing",
                "data",
                "Saves the work on padding: peers gained 2.0 to 2.7 times on a CPU",
            ),
        ),
    ] = True

    # Learning
    learning_rate: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            title="Learning speed",
            description="How big each correction is; too high becomes unstable, too low barely learns.",
            extra=about(
                "learning rate",
                "learning",
                "QLoRA paper (arXiv 2305.14314), table 9: 2e-4 for 7B and 13B models",
                simple=True,
            ),
        ),
    ] = 2e-4
    schedule: Annotated[
        Literal["cosine", "linear", "constant", "cosine_restarts", "wsd"],
        Meta(
            title="Slowing down",
            description="How the learning speed falls towards the end of the run.",
            extra=about(
                "schedule",
                "learning",
                "Cosine: common practice for fine-tuning",
                choices={
                    "cosine": "Gently (cosine)",
                    "linear": "Evenly (linear)",
                    "constant": "Not at all (constant)",
                    "cosine_restarts": "Gently, several times over (cosine with restarts)",
                    "wsd": "Only at the end (warm-up, stable, decay)",
                },
            ),
        ),
    ] = "cosine"
    schedule_cycles: Annotated[
        int,
        Meta(
            ge=2,
            le=100,
            title="How many times over",
            description="For cosine with restarts: how often the learning speed starts anew and falls.",
            extra=about("restarts", "learning", "3; the idea is from arXiv 1608.03983", unit="times"),
        ),
    ] = 3
    decay_share: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            title="Length of the end",
            description="For warm-up, stable, decay: over which share of the run the learning speed falls to nothing.",
            extra=about("decay share", "learning", "A fifth: arXiv 2405.18392, section 4", unit="share"),
        ),
    ] = 0.2
    warmup_share: Annotated[
        float,
        Meta(
            ge=0,
            le=0.5,
            title="Warm-up",
            description="Share of the run that starts with small corrections to avoid early damage.",
            extra=about("warm-up", "learning", "QLoRA paper: 3 %; rounded up for short runs", unit="share"),
        ),
    ] = 0.05
    weight_decay: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            title="Pull towards zero",
            description="Keeps the add-on's numbers small, which can reduce memorising.",
            extra=about("weight decay", "learning", "QLoRA paper: 0 for adapters"),
        ),
    ] = 0.0
    max_grad_norm: Annotated[
        float,
        Meta(
            ge=0,
            le=1000,
            title="Limit on one correction",
            description="Holds back single corrections that are far too big; 0 means no limit.",
            extra=about("gradient clipping", "learning", "1.0: the default of HF Trainer and TRL"),
        ),
    ] = 1.0
    neftune_alpha: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            title="Noise while reading",
            description="Adds a little noise to the words as they are read, which can enrich answers; 0 means off.",
            extra=about("NEFTune alpha", "learning", "Off; the paper (arXiv 2310.05914) uses 5 to 15"),
        ),
    ] = 0.0
    seed: Annotated[
        int,
        Meta(
            ge=0,
            le=2**31 - 1,
            title="Seed",
            description="Same number, same starting dice.",
            extra=about("seed", "learning", "42 by custom"),
        ),
    ] = 42

    # Memory and speed
    batch_size: Annotated[
        int,
        Meta(
            ge=1,
            le=4096,
            title="Examples at once",
            description="How many examples are read together; more needs more memory.",
            extra=about("batch", "memory", "8: fits short texts on small machines", unit="examples", simple=True),
        ),
    ] = 8
    accumulation: Annotated[
        int,
        Meta(
            ge=1,
            le=4096,
            title="Gather steps",
            description="Collects several small batches before correcting, saving memory but not time.",
            extra=about("accumulation", "memory", "1: every batch corrects", unit="batches"),
        ),
    ] = 1
    quantisation: Annotated[
        Quantisation,
        Meta(
            title="Compressed loading",
            description="Stores the base model compressed, so bigger models fit: QLoRA with an adapter, 4-bit always "
            "with double quantisation.",
            extra=about(
                "quantisation",
                "memory",
                "QLoRA paper (arXiv 2305.14314): NF4 with double quantisation on a GPU; none on a CPU",
                simple=True,
                choices={
                    "auto": "Automatic (4-bit on a GPU)",
                    "none": "Off",
                    "nf4": "4-bit (NF4, QLoRA)",
                    "fp4": "4-bit, evenly spaced (FP4)",
                    "int8": "8-bit (int8): finer, half as small",
                },
            ),
        ),
    ] = "auto"
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        Meta(
            title="Number format",
            description="How finely the model calculates; automatic picks what this computer does fastest.",
            extra=about(
                "precision",
                "memory",
                "bf16 on a GPU; fp32 on a CPU, where bf16 products were measured five times slower",
                choices={"auto": "Automatic", "fp32": "Fine (fp32)", "bf16": "Coarse, smaller (bf16)"},
            ),
        ),
    ] = "auto"
    optimiser: Annotated[
        Literal["adamw", "adamw_8bit", "paged_adamw_8bit", "adafactor", "lion", "schedule_free"],
        Meta(
            title="Correction method",
            description="How corrections are computed; the 8-bit kinds need less memory, the paged kind only works on "
            "an NVIDIA GPU.",
            extra=about(
                "optimiser",
                "memory",
                "AdamW: adapters are small, so its memory matters little",
                choices={
                    "adamw": "AdamW",
                    "adamw_8bit": "AdamW, 8-bit",
                    "paged_adamw_8bit": "AdamW, 8-bit, paged (NVIDIA GPU only)",
                    "adafactor": "Adafactor (least memory)",
                    "lion": "Lion (wants a third of AdamW's learning speed)",
                    "schedule_free": "AdamW without a schedule (schedule-free)",
                },
            ),
        ),
    ] = "adamw"
    gradient_checkpointing: Annotated[
        Literal["auto", "on", "offload", "off"],
        Meta(
            title="Save memory by computing twice",
            description="Needs far less memory for long texts and up to a third more time.",
            extra=about(
                "gradient checkpointing",
                "memory",
                "As many layers as it takes to fit: each that is not computed twice saves time",
                choices={
                    "auto": "Automatic (as many layers as memory asks)",
                    "on": "All layers",
                    "offload": "All layers, and keep texts being read in main memory (NVIDIA GPU only)",
                    "off": "Off",
                },
            ),
        ),
    ] = "auto"
    device: Annotated[
        str,
        Meta(
            pattern=r"^(auto|cpu|cuda:\d{1,2})$",
            title="Train on",
            description="Which processor trains: automatic takes the first usable NVIDIA GPU, else the CPU.",
            extra=about("device", "memory", "Automatic", form="auto, cpu, or a GPU such as cuda:0"),
        ),
    ] = "auto"

    # Testing and saving
    held_back_share: Annotated[
        float,
        Meta(
            ge=0,
            le=0.5,
            title="Held-back examples",
            description="Kept aside to check learning on unseen text.",
            extra=about("held-back share", "testing", "One in ten: common practice", unit="share", simple=True),
        ),
    ] = 0.1
    evaluations: Annotated[
        int,
        Meta(
            ge=0,
            le=1000,
            title="Tests during training",
            description="How many times the run stops shortly to test itself on the held-back examples, the end "
            "included; 0 means never.",
            extra=about("evaluation interval", "testing", "Ten times, every 10 % of the run", unit="times"),
        ),
    ] = 10
    early_stopping: Annotated[
        int,
        Meta(
            ge=0,
            le=1000,
            title="Stop when it gets no better",
            description="Ends the run after this many tests in a row without improvement and keeps the best adapter; "
            "0 means never.",
            extra=about("early stopping patience", "testing", "Off; the presets switch it on", unit="tests"),
        ),
    ] = 0
    save_every_minutes: Annotated[
        float,
        Meta(
            ge=0,
            le=10_000,
            title="Save every",
            description="How often a checkpoint is written, so that little is lost; 0 means only at the end.",
            extra=about("save interval", "testing", "Two minutes: what a person is ready to lose", unit="minutes"),
        ),
    ] = 2.0
