"""A tokenizer in the words of GGUF: its pieces, which of them are marks, in which order they join, how text is cut."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from studio.contract.errors import StudioError
from studio.contract.records import Message
from studio.engine.tokens import Rules, encode

GPT2 = "gpt-2"
_TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
_UPPER = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
_LOWER = r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_SLASH_TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPLITS = {
    _WORDS + r"|\p{N}{1,3}" + _TAIL: "llama-bpe",
    _WORDS + r"|\p{N}" + _TAIL: "qwen2",
    _UPPER + _LOWER + r"|\p{N}" + _SLASH_TAIL: "tekken",
    _UPPER + _SHORT + _LOWER + _SHORT + r"|\p{N}{1,3}" + _SLASH_TAIL: "gpt-4o",
}
"""How a byte-level tokenizer cuts text (its regular expression) -> the name that readers of GGUF know it by."""
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
SPACE = "\u2581"


class Pieces(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that GGUF says of a tokenizer.

    Attributes:
        kind: "gpt2": bytes as letters; "llama": SentencePiece, with a score for each piece.
        pre: By which name its way of cutting text is known.
        tokens, types: Every piece and its kind, as many as the model has rows.
        scores: Of SentencePiece: higher joins first.
        merges: Of byte-level BPE: "a b", first joins first.
        space_prefix: Whether a text begins as if it had a space before it.
    """

    kind: str
    pre: str
    tokens: list[str]
    types: list[int]
    scores: list[float] = []
    merges: list[str] = []
    space_prefix: bool = False


def read_pieces(tokenizer: Any, rows: int) -> Pieces:
    """Take a fast tokenizer apart.

    Args:
        tokenizer: From `tokens.load_tokenizer`.
        rows: Of the model's table of words; further ones are filled up.

    Raises:
        StudioError: It is of a kind that GGUF has no words for.
    """
    told = json.loads(tokenizer.backend_tokenizer.to_str())
    model = told["model"]
    if model.get("type") != "BPE":
        raise _unsupported(f"Its tokenizer is of the kind {model.get('type')}; known is BPE.")
    tokens, types = _table(told, model["vocab"], rows)
    merges = [tuple(m.split(" ", 1)) if isinstance(m, str) else tuple(m) for m in model["merges"]]
    if model.get("byte_fallback"):
        for text, place in model["vocab"].items():
            if len(text) == 6 and text.startswith("<0x"):
                types[place] = BYTE
        unknown = model["vocab"].get(model.get("unk_token"))
        if unknown is not None:
            types[unknown] = UNKNOWN
        prefix = _space_prefix(told)
        return Pieces(
            kind="llama",
            pre="default",
            tokens=tokens,
            types=types,
            scores=_scores(tokens, merges),
            space_prefix=prefix,
        )
    return Pieces(kind="gpt2", pre=pre_name(told), tokens=tokens, types=types, merges=[" ".join(m) for m in merges])


def _table(told: Mapping[str, Any], vocabulary: Mapping[str, int], rows: int) -> tuple[list[str], list[int]]:
    """Pieces beyond the model's rows, which some classes of tokenizers add by themselves, are none of its own."""
    tokens, types = [f"[PAD{i}]" for i in range(rows)], [UNUSED] * rows
    for text, place in vocabulary.items():
        if place < rows:
            tokens[place], types[place] = text, NORMAL
    for added in told.get("added_tokens") or ():
        if added["id"] < rows:
            tokens[added["id"]] = added["content"]
            types[added["id"]] = CONTROL if added["special"] else USER_DEFINED
    return tokens, types


def _scores(tokens: list[str], merges: list[tuple[str, ...]]) -> list[float]:
    """A piece joins the sooner, the earlier the rule that makes it; pieces that no rule makes never join."""
    ranks: dict[str, int] = {}
    for rank, pair in enumerate(merges):
        ranks.setdefault("".join(pair), rank)
    return [-float(ranks[token]) if token in ranks else -1e9 for token in tokens]


def _space_prefix(told: Mapping[str, Any]) -> bool:
    """Whether a space is put before a text, also behind a mark: so llama.cpp reads `add_space_prefix`.

    "first" (Mistral's newer tokenizers) puts one at the very beginning alone, and chats begin with a mark.
    """
    words = json.dumps([told.get("normalizer"), told.get("pre_tokenizer")], ensure_ascii=False)
    return f'"prepend": "{SPACE}"' in words or '"prepend_scheme": "always"' in words


def pre_name(told: Mapping[str, Any]) -> str:
    """By which name a byte-level tokenizer's way of cutting text is known.

    Args:
        told: Its tokenizer.json.

    Raises:
        StudioError: It has none; read by another rule the model would see other tokens than it learned.
    """
    whole = told.get("pre_tokenizer") or {}
    parts = whole.get("pretokenizers", [whole]) if isinstance(whole, Mapping) else []
    kinds = [part.get("type") for part in parts]
    splits = [part["pattern"].get("Regex", "") for part in parts if part.get("type") == "Split"]
    bytes_last = bool(parts) and kinds[-1] == "ByteLevel" and not parts[-1].get("add_prefix_space")
    if bytes_last and told.get("normalizer") in (None, {"type": "NFC"}):
        own = bool(parts[-1].get("use_regex", True))
        if kinds == ["ByteLevel"] and own:
            return GPT2
        if kinds == ["Digits", "ByteLevel"] and own and parts[0].get("individual_digits"):
            return "smollm"
        if kinds == ["Split", "ByteLevel"] and not own and splits[0] in SPLITS and not parts[0].get("invert"):
            return SPLITS[splits[0]]
    raise _unsupported("Its tokenizer cuts text in a way that has no name in GGUF.")


def adds_bos(tokenizer: Any) -> bool:
    """Whether programs that read the file put its begin-of-text token before every prompt.

    Told so, they do it for chats, too, whatever the template writes. So they are told only where the tokenizer does it
    and the conversations of the training began with that token; a template that writes none was learned without.
    """
    begin = tokenizer.bos_token_id
    if begin is None or tokenizer("a").input_ids[:1] != [begin]:
        return False
    question = Message("user", "a")
    talks = ((question,), (Message("system", "a"), question))
    return all(encode(talk, tokenizer, Rules(), reply=True).ids[:1] == (begin,) for talk in talks)


def describe(writer: Any, tokenizer: Any, pieces: Pieces) -> None:
    """Write the tokenizer, its template and its marks.

    Args:
        writer: A `gguf.GGUFWriter`.
        tokenizer: From `tokens.load_tokenizer`.
        pieces: From `read_pieces`.
    """
    writer.add_tokenizer_model(pieces.kind)
    writer.add_tokenizer_pre(pieces.pre)
    writer.add_token_list(pieces.tokens)
    writer.add_token_types(pieces.types)
    if pieces.kind == "llama":
        writer.add_token_scores(pieces.scores)
        writer.add_add_space_prefix(pieces.space_prefix)
    elif pieces.merges:
        writer.add_token_merges(pieces.merges)
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else tokenizer.end_ids[0]
    writer.add_eos_token_id(end)
    if tokenizer.end_ids and tokenizer.end_ids[0] != end:
        writer.add_eot_token_id(tokenizer.end_ids[0])
    for id_, add in (
        (tokenizer.bos_token_id, writer.add_bos_token_id),
        (tokenizer.pad_token_id, writer.add_pad_token_id),
        (tokenizer.unk_token_id, writer.add_unk_token_id),
    ):
        if id_ is not None and id_ < len(pieces.tokens):
            add(id_)
    writer.add_add_bos_token(adds_bos(tokenizer))
    writer.add_add_eos_token(False)  # it would stand behind the prompt, where the answer is to begin
    writer.add_chat_template(tokenizer.get_chat_template())


def _unsupported(why: str) -> StudioError:
    return StudioError(
        "export.gguf_tokenizer",
        "This model's tokenizer cannot be written as GGUF.",
        why,
        "Export the whole model as safetensors instead.",
    )
