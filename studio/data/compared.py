"""Datasets that compare or rate answers: what can be done with them until a method learns from them."""

import msgspec

from studio.contract.errors import Problem
from studio.contract.job import Mapping
from studio.data.dataset import DatasetInfo


def compared(info: DatasetInfo) -> Problem | None:
    """Why a dataset cannot be trained on yet, and what to do; None where it can."""
    if info.kind == "preference":
        return Problem(
            code="data.compared_rows",
            what="Rows that compare two answers cannot be trained on yet.",
            why="Learning from all of them would teach the worse answers, too.",
            fix="Learn from the better answers alone, or keep the dataset until choices can be learned.",
        )
    if info.kind == "label":
        return Problem(
            code="data.rated_rows",
            what="Rows that rate an answer as good or bad cannot be trained on yet.",
            why="Learning from all of them would teach the bad answers, too.",
            fix="Keep the good answers in a file of their own and import that.",
        )
    return None


def better_alone(mapping: Mapping) -> Mapping | None:
    """The mapping that reads the better answers of compared rows as ordinary examples; None for other shapes."""
    if mapping.shape != "preference":
        return None
    if not mapping.prompt:
        return Mapping(shape="chat", messages=mapping.completion, system=mapping.system, tools=mapping.tools)
    kept = {"rejected": "", "reason": "", "shape": "alpaca" if mapping.context else "prompt_completion"}
    return msgspec.structs.replace(mapping, **kept)
