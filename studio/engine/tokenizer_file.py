"""A model's tokenizer files, looked at before transformers reads them: there, whole, fitting, with a sound template."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from studio.contract.errors import Problem, StudioError
from studio.data.own_files import strangers
from studio.engine.model_faults import broken_file, implausible, lfs_pointer, unsafe_field
from studio.engine.weights_file import LFS, Damaged, inside, read_json

LARGEST_CONFIG = 10_000_000
LARGEST_TEMPLATE = 1_000_000
LARGEST_TOKENIZER = 200_000_000
BESIDE = ("special_tokens_map.json", "added_tokens.json", "generation_config.json")
"""Files that transformers reads where they are there."""
OPENED = ("tokenizer.model", "vocab.json", "merges.txt", "tekken.json")
"""Files that it may open, and that nobody here reads."""
UNSAFE = ("auto_map", "trust_remote_code", "custom_pipelines")


def tokenizer_problems(path: Path, config: Mapping[str, object]) -> tuple[bool, list[Problem]]:
    """Whether there is a chat template, and what is wrong with the tokenizer."""
    problems: list[Problem] = []
    try:
        problems += _vocabulary_problems(inside(path, "tokenizer.json"), config)
    except Damaged as damage:
        why = "It has a tokenizer.model, but that old format is not supported." * (path / "tokenizer.model").exists()
        if damage.problem.code == "model.shard_missing":
            problems.append(
                Problem(
                    code="model.no_tokenizer",
                    where="tokenizer.json",
                    what="The model has no tokenizer: tokenizer.json is missing.",
                    why=why,
                    fix="Get the model's files again, all of them.",
                )
            )
        else:
            problems.append(damage.problem)
    told: dict[str, object] = {}
    try:
        if (path / "tokenizer_config.json").exists():
            told = read_json(inside(path, "tokenizer_config.json"), LARGEST_CONFIG)
            unsafe = next(_unsafe_keys(told), None)
            problems += [unsafe_field("tokenizer_config.json", unsafe)] if unsafe else []
        for name in BESIDE:
            if (path / name).exists():
                read_json(inside(path, name), LARGEST_CONFIG)
        for name in OPENED:
            if (path / name).exists():
                inside(path, name)
        for name in strangers(path / "additional_chat_templates", ["*.jinja"]):
            raise Damaged(broken_file(name[:100], "It is no plain file of this folder, but leads elsewhere."))
        source = _template(path, told)
    except Damaged as damage:
        return False, [*problems, damage.problem]
    if source is None:
        return False, [*problems, _no_template()]
    from studio.engine.template_guard import check_source

    try:
        check_source(source)
    except StudioError as error:
        problems.append(error.problem)
    return True, problems


def _unsafe_keys(value: object, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            here = f"{path}.{key}" if path else str(key)
            if key in UNSAFE:
                yield here
            yield from _unsafe_keys(inner, here)
    elif isinstance(value, list):
        for inner in value:
            yield from _unsafe_keys(inner, path)


def read_template(path: Path) -> str | None:
    """The chat template of a model folder, or None.

    Raises:
        Damaged: A file that should hold it cannot be read.
    """
    config = path / "tokenizer_config.json"
    return _template(path, read_json(inside(path, config.name), LARGEST_CONFIG) if config.exists() else {})


def _template(path: Path, told: Mapping[str, object]) -> str | None:
    if (path / "chat_template.jinja").exists():
        file = inside(path, "chat_template.jinja")
        if file.stat().st_size > LARGEST_CONFIG:
            raise Damaged(implausible("chat_template.jinja", "too long"))
        return file.read_text(encoding="utf-8", errors="replace")
    if (path / "chat_template.json").exists():
        told = read_json(inside(path, "chat_template.json"), LARGEST_TEMPLATE)
    source = told.get("chat_template")
    if isinstance(source, list):
        named = {entry.get("name"): entry.get("template") for entry in source if isinstance(entry, dict)}
        source = named.get("default")
    return source if isinstance(source, str) and source.strip() else None


def _no_template() -> Problem:
    return Problem(
        code="model.no_template",
        where="tokenizer_config.json",
        what="The model has no chat template.",
        why="Without one it is not known how a conversation is written for it; base models, which only continue "
        "text, have none.",
        fix="Choose the chat or instruct version of the model.",
    )


def _why(error: Exception) -> str:
    """Why a tokenizer cannot be read, in words."""
    if isinstance(error, RecursionError):
        return "Its parts lie too deeply inside each other."
    if isinstance(error, json.JSONDecodeError):
        return f"Line {error.lineno}, column {error.colno}: it is no JSON ({error.msg})."
    if isinstance(error, UnicodeDecodeError):
        return "It is no text."
    return "It does not have the parts of a tokenizer, or they hold something else."


def _vocabulary_problems(path: Path, config: Mapping[str, object]) -> list[Problem]:
    if path.stat().st_size > LARGEST_TOKENIZER:
        raise Damaged(implausible("tokenizer.json", "too long"))
    data = path.read_bytes()
    if data.startswith(LFS):
        raise Damaged(lfs_pointer(path.name))
    try:
        told = json.loads(data)
        vocabulary = told["model"]["vocab"]
        ids = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
        highest = max([*ids, *(token["id"] for token in told.get("added_tokens") or ())], default=-1)
        if not isinstance(highest, int):
            raise TypeError("ids are no numbers")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged(
            Problem(
                code="model.tokenizer_unreadable",
                where="tokenizer.json",
                what="The model's tokenizer is damaged.",
                why=_why(error),
                fix="Get the model's files again.",
            )
        ) from error
    rows = config.get("vocab_size")
    if isinstance(rows, int) and highest >= rows:
        return [
            Problem(
                code="model.vocabulary_mismatch",
                where="tokenizer.json",
                what="The tokenizer does not belong to this model.",
                why=f"It has token number {highest:,}; the model knows {rows:,} tokens, counted from 0.",
                fix="Get tokenizer and model from the same source.",
            )
        ]
    return []
