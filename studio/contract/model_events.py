"""Events about base models: what a folder holds, and where models lie."""

import msgspec

from studio.contract.errors import Problem
from studio.contract.event import Event


class ModelChecked(Event, frozen=True, kw_only=True, tag="model_checked"):
    """What a model folder holds. `problems` that are not warnings make it unusable.

    Attributes:
        file_bytes: Size of the weights on disk.
        context: Longest text the model was made for, tokens.
        general, probes: Files of general rows and probe questions that the folder brings, or "".
        sha256: Of each file when the model was added; empty where it was only checked.
        fingerprint: By which runs know their base (`data.base_identity`), or "".
        copied: Whether the folder is a copy of the program's own.
    """

    path: str
    name: str
    architecture: str
    model_type: str
    parameters: int
    file_bytes: int
    context: int
    vocabulary: int
    licence: str
    has_template: bool
    usable: bool
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    general: str = ""
    probes: str = ""
    sha256: dict[str, str] = {}
    fingerprint: str = ""
    copied: bool = False


class FoundModel(msgspec.Struct, frozen=True):
    """A folder that looks like a model's, the bytes of its weights, and what at the first look forbids its use."""

    path: str
    weight_bytes: int
    problem: Problem | None = None


class ModelsFound(Event, frozen=True, kw_only=True, tag="models_found"):
    """What lies in a folder that was looked through.

    Attributes:
        place: The folder.
        models: In the order of their names.
        holds_parts: No model, but the folder itself has some files of one.
    """

    place: str
    models: tuple[FoundModel, ...]
    holds_parts: bool = False
