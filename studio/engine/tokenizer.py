"""A model's tokenizer: loaded from its folder alone, its template checked, its end and pad tokens settled."""

import json
import os
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from studio.contract.errors import Problem, StudioError
from studio.contract.records import Message
from studio.data.own_files import is_own
from studio.engine import model_config
from studio.engine.chat_template import ChatTemplate, Span
from studio.engine.template_guard import check_source
from studio.engine.tokenizer_file import LARGEST_CONFIG
from studio.engine.weights_file import Damaged, read_json

GENERIC_CLASSES = ("PreTrainedTokenizerFast", "TokenizersBackend")
GENERIC_KINDS = ("llama", "qwen3", "mistral", "gemma2", "gemma3_text", "phi3")
"""Of these AutoTokenizer believes a config that declares a generic class; it does not of qwen2 (transformers 5.23)."""

TRIAL = (Message("user", "a"), Message("assistant", "b"))
PROBE = Message("user", "\ue000\ue001")
"""Another question, of another length."""


def load_tokenizer(folder: Path) -> Any:
    """Load a model's tokenizer from its folder alone.

    Four attributes are added to it: `context`, the longest text in tokens (where the model says it); `end_ids`, the
    tokens that end an answer, the chat template's own first;
    `notices`, a tuple of `Problem` that are risky but allowed (a pad token that had to be chosen); `chat`, its
    `ChatTemplate`. Its pad token is never an end token.

    Raises:
        StudioError: Files are missing or damaged, there is no chat template, or it is broken or hostile.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if not is_own(folder / "tokenizer.json"):
        raise StudioError(
            "model.no_tokenizer",
            "The model has no tokenizer.",
            f"The file tokenizer.json is missing in {folder.name}.",
            "Get the model's files again, all of them.",
            where=folder.name,
        )
    try:
        tokenizer = _load(folder)
    except StudioError:
        raise
    except BaseException as error:  # foreign files: Rust and Python parsers raise whatever they like
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise StudioError(
            "model.tokenizer_unreadable",
            "The model's tokenizer cannot be read.",
            f"{type(error).__name__}: {str(error)[:500]}",
            "Get the model's files again.",
            where="tokenizer.json",
        ) from error
    if not tokenizer.is_fast:
        raise StudioError(
            "model.tokenizer_slow",
            "The model's tokenizer is of a kind that is not supported.",
            "It cannot tell which part of the text a token stands for.",
            "Choose a model whose tokenizer.json is a fast tokenizer.",
            where="tokenizer.json",
        )
    prepare(tokenizer, folder)
    if (context := _context(folder)) is not None:
        tokenizer.context = context
    return tokenizer


def _context(folder: Path) -> int | None:
    """Longest text that the model in the folder was made for, in tokens; None where it does not say."""
    try:
        path = folder / "config.json"
        config = json.loads(path.read_text(encoding="utf-8")) if is_own(path) else {}
    except (OSError, ValueError):
        return None  # the check of the model folder says what is wrong with it
    most = config.get("max_position_embeddings") if isinstance(config, dict) else None
    return most if isinstance(most, int) and most > 0 else None


def _load(folder: Path) -> Any:
    """By the class that `AutoTokenizer` would choose; found without it where that is certain.

    AutoTokenizer needs the model's config, whose classes import torch, which costs the preview seconds.
    """
    try:
        declared = read_json(folder / "tokenizer_config.json", LARGEST_CONFIG).get("tokenizer_class")
        kind = read_json(folder / "config.json", LARGEST_CONFIG).get("model_type")
    except Damaged:
        declared = kind = None
    if declared in GENERIC_CLASSES and kind in GENERIC_KINDS and not (folder / "tekken.json").exists():
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)
    from transformers import AutoTokenizer

    given = {"config": model_config.read(folder)} if (folder / "config.json").exists() else {}
    return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, **given)


def prepare(tokenizer: Any, folder: Path | None = None) -> None:
    """Check the template, then add what `load_tokenizer` names: end tokens, pad token, template, control tokens.

    Raises:
        StudioError: There is no chat template, or it is broken or hostile.
    """
    template = _template_source(tokenizer)
    check_source(template)
    tokenizer.chat = ChatTemplate(tokenizer)
    _require_shown(tokenizer.chat)
    added = tokenizer.backend_tokenizer.get_added_tokens_decoder()
    tokenizer.control_ids = frozenset(i for i, token in added.items() if token.special)
    marks = sorted((token.content for token in added.values() if token.special), key=len, reverse=True)
    tokenizer.control_pattern = re.compile("|".join(map(re.escape, marks)) or r"(?!)")
    tokenizer.end_ids = _end_ids(tokenizer, folder)
    tokenizer.notices = tuple(_choose_pad(tokenizer))
    tokenizer.padding_side = "left"


def _require_shown(chat: ChatTemplate) -> None:
    """Refuse a template that writes the same whatever is asked: the model would read nothing of a question."""
    if chat.render(TRIAL) != chat.render((PROBE, TRIAL[1])) or chat.render(TRIAL[:1], True) != chat.render(
        (PROBE,), True
    ):
        return
    raise StudioError(
        "model.template_empty",
        "The model's chat template shows nothing of a conversation.",
        "What the model would read is the same whatever is asked.",
        "Get the model's files again, or choose another model.",
        where="chat template",
    )


def _template_source(tokenizer: Any) -> str:
    try:
        source = tokenizer.get_chat_template()
    except ValueError as error:
        raise StudioError(
            "model.no_template",
            "The model has no chat template.",
            "Without one it is not known how a conversation is written for this model; base models, which only "
            "continue text, have none.",
            "Choose the chat or instruct version of the model.",
            where="tokenizer_config.json",
        ) from error
    return str(source)


def _end_ids(tokenizer: Any, folder: Path | None) -> tuple[int, ...]:
    """The tokens after which an answer is over: what the template writes, the end token, generation_config's."""
    found: list[int] = []
    try:
        traced = tokenizer.chat.trace(TRIAL)
    except StudioError:
        traced = None
    if traced is not None:
        ids, offsets = tokenise(tokenizer, traced.text)
        end = traced.contents[-1][1]
        after = (i for i, (start, _) in zip(ids, offsets, strict=True) if start >= end)
        found += [i for i in after if i in tokenizer.control_ids or i == tokenizer.eos_token_id][:1]
    if tokenizer.eos_token_id is not None:
        found.append(tokenizer.eos_token_id)
    config = folder / "generation_config.json" if folder else None
    if config is not None and is_own(config) and config.stat().st_size < 1_000_000:
        try:
            told = json.loads(config.read_bytes())
        except ValueError:
            told = {}
        more = told.get("eos_token_id") if isinstance(told, dict) else None
        found += [i for i in (more if isinstance(more, list) else [more]) if type(i) is int and 0 <= i < len(tokenizer)]
    return tuple(dict.fromkeys(found))


def _choose_pad(tokenizer: Any) -> list[Problem]:
    """A pad token that ends nothing. With pad = end the end would be masked and never learned (trl#976)."""
    if tokenizer.pad_token_id is not None and tokenizer.pad_token_id not in tokenizer.end_ids:
        return []
    before = tokenizer.pad_token
    added = sorted(tokenizer.backend_tokenizer.get_added_tokens_decoder().items())
    free = [(i, str(t.content)) for i, t in added if t.special and i not in tokenizer.end_ids]

    def rank(entry: tuple[int, str]) -> tuple[int, int]:
        word = entry[1].lower()
        kinds = ("pad", "reserved", "unused", "control_", "endoftext", "unk")
        place = next((n for n, kind in enumerate(kinds) if kind in word), len(kinds))
        return place + (10 if entry[0] == tokenizer.bos_token_id else 0), entry[0]

    if not free:
        raise StudioError(
            "model.no_pad",
            "The model's tokenizer has no token to fill gaps with.",
            "Its only control token ends answers; filling with that would keep the end from being learned.",
            "Choose another model.",
            where="tokenizer.json",
        )
    tokenizer.pad_token = min(free, key=rank)[1]
    why = (
        f"The tokenizer's own, {before!r}, ends answers; its end would never be learned." if before else "It had none."
    )
    return [
        Problem(
            code="model.pad_chosen",
            what=f"The token {tokenizer.pad_token!r} fills gaps between texts of different length.",
            why=why,
            fix="Nothing to do: gaps are neither read nor learned.",
        )
    ]


def tokenise(tokenizer: Any, text: str, contents: Sequence[Span] = ()) -> tuple[list[int], list[Span]]:
    """Ids of a text, and where in it each of them stands.

    Args:
        tokenizer: From `load_tokenizer`.
        text: With all of the template's own control tokens; none is added.
        contents: Where messages stand. A control token found there was typed by someone, not written by the template;
            it is read as ordinary text.

    Returns:
        Ids and (start, end) in characters, (tokens) each.

    Raises:
        StudioError: The tokenizer breaks down over the text.
    """
    machine = tokenizer.backend_tokenizer
    if machine.truncation is not None:
        machine.no_truncation()
    if machine.padding is not None:
        machine.no_padding()
    machine.encode_special_tokens = False
    read = _encoded(machine, text, tokenizer)
    ids, offsets = list(read.ids), list(read.offsets)
    controls = [i for i, id_ in enumerate(ids) if id_ in tokenizer.control_ids]
    own = [i for i in controls if not _is_typed(tokenizer, ids[i], offsets[i], text, contents)]
    if len(own) == len(controls):
        return ids, offsets
    edges = [-1, *own, len(ids)]
    # From the back, so that earlier places stay valid.
    for before, after in reversed(list(pairwise(edges))):
        if any(before < i < after for i in controls):
            start = offsets[before][1] if before >= 0 else 0
            end = offsets[after][0] if after < len(ids) else len(text)
            plain = _encoded(_plain_machine(tokenizer, start > 0), text[start:end], tokenizer)
            ids[before + 1 : after] = plain.ids
            offsets[before + 1 : after] = [(start + a, start + b) for a, b in plain.offsets]
    return ids, offsets


def is_panic(error: BaseException) -> bool:
    """Whether a library written in Rust broke down: no `Exception`, and of a class that cannot be imported."""
    return type(error).__name__ == "PanicException"


def _encoded(machine: Any, text: str, tokenizer: Any) -> Any:
    """A text as the tokenizer's machine reads it.

    Raises:
        StudioError: It breaks down, as over a pattern that takes too long for this text.
    """
    try:
        return machine.encode(text, add_special_tokens=False)
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise StudioError(
            "model.tokenizer_failed",
            "The model's tokenizer cannot read this text.",
            f"The tokenizer of {Path(str(tokenizer.name_or_path)).name or 'the model'} broke down over a text of "
            f"{len(text):,} characters that begins with {text.strip()[:60]!r}: {str(error)[:300]}",
            "Leave the row out or shorten it; if it happens with other texts, too, get the model's files again.",
        ) from error


def _is_typed(tokenizer: Any, id_: int, offset: Span, text: str, contents: Sequence[Span]) -> bool:
    """Whether a control token touches a message (a token may also swallow white space beside it)."""
    first, last = offset
    if not any(first < end and begin < last for begin, end in contents):
        return False
    mark = str(tokenizer.convert_ids_to_tokens(id_))
    start = max(text.find(mark, first, last), first)
    return any(start < end and begin < start + len(mark) for begin, end in contents)


def _plain_machine(tokenizer: Any, inside: bool) -> Any:
    """The tokenizer without control tokens; `inside` a text it must not put a space before what it reads."""
    cached = tokenizer.__dict__.setdefault("plain_machines", {})
    if inside not in cached:
        from tokenizers import Tokenizer

        told = json.loads(tokenizer.backend_tokenizer.to_str())
        if inside:
            _never_prepend(told.get("pre_tokenizer"))
        cached[inside] = Tokenizer.from_str(json.dumps(told))
        cached[inside].encode_special_tokens = True
    return cached[inside]


def _never_prepend(told: Any) -> None:
    if isinstance(told, dict):
        if told.get("prepend_scheme") == "first":
            told["prepend_scheme"] = "never"
        for part in told.get("pretokenizers") or ():
            _never_prepend(part)
