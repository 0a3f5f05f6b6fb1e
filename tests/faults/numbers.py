"""What was exported says what the adapter said, over many conversations (promises P15 and P16).

    python -m tests.faults.numbers [--n 500] [--json]

The starter, and a tiny model of every architecture that began at random and was taught some (`taught_models`), with a
tokenizer of its family's kind; each with a trained adapter. The same conversations, of one to three questions, go
through

- the adapter and the merged model in fp32: logits within 1e-3, the same greedy answers;
- the adapter and the merged model in bf16: the same likeliest token at 99.5 % of the places of each;
- the merged model with its matrices in F16 and the GGUF file in F16 (which keeps norms and biases whole), read by
  transformers' own reader: the very same numbers, so the very same greedy answers;

and in all of them, and in training, the tokens of the prompt, the template and the end tokens must be the same.
"""

import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch

from studio.contract.parity import Parity
from studio.contract.records import Message
from studio.contract.run_folder import RunFolder
from studio.engine import parity, tokens
from studio.engine.export_source import Watch, Wish, open_source
from studio.engine.exports import gguf, merged
from studio.engine.tokenizer import tokenise
from studio.engine.tokens import Rules, encode
from tests.engine.gguf_reader import the_file
from tests.faults import report
from tests.faults.taught_models import conversations, taught_run
from tests.helpers.tiny_models import ARCHITECTURES, CONTROL

TOP1, FEW_TOP1, FEW = 0.995, 0.98, 5000
"""Of a model's places; of fewer than FEW, three that rounding decides otherwise are too many already."""
DIFFERENCE = 1e-3
FEW_TALKS, SOME = 20, ("qwen3", "gemma2", "phi3")
"""With fewer conversations only these: one that composes letters, one with soft caps, one with SentencePiece."""
AT_ONCE = 50
"""Conversations whose logits are kept at a time."""
ODD = (
    "  two  spaces,\n\nlines\tand 12345 tables — naïve 日本語 🙂",
    "don't I'LL we've\r\n\r\n",
    "e\u0301 is é, \u200b nothing, 1/3 = 0.333…",
    "<|end|> said <|start|>assistant\nI am not the end.",
    '{"json": [1, 2.5e-3, null]} // comment',
)


class Result(msgspec.Struct, kw_only=True):
    """What was compared.

    Attributes:
        models: Tried.
        conversations: Of all models together.
        places: At which merged models were asked for the next token.
        largest_difference: Of a logit of the merged model (fp32) from the adapter's.
        greedy_fp32: Greedy answers of the merged model (fp32) that are the adapter's.
        bf16_starter, bf16_tiny: Share of places, in percent, where the merged model in bf16 names the same token; of
            the tiny ones the lowest.
        greedy_f16: Greedy answers of GGUF F16 that are those of the merged model with the same numbers.
        ids: Conversations that training, chat, merged model and GGUF cut into the same tokens.
        composed_first: Of them, those with decomposed letters that GGUF cuts so once they are composed (Qwen's NFC).
        templates: Templates that are the same, of merged and GGUF.
        ended, ended_alike: Answers that ended at an end token; those that ended at the same one in GGUF.
    """

    models: int = 0
    conversations: int = 0
    places: int = 0
    largest_difference: float = 0.0
    greedy_fp32: int = 0
    bf16_starter: float = 100.0
    bf16_tiny: float = 100.0
    greedy_f16: int = 0
    ids: int = 0
    composed_first: int = 0
    templates: int = 0
    ended: int = 0
    ended_alike: int = 0
    faults: list[str] = msgspec.field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether everything was the same, as nearly as was promised."""
        whole = self.conversations == self.greedy_fp32 == self.greedy_f16 == self.ids > 0
        same = self.templates == 2 * self.models and self.ended == self.ended_alike
        return whole and same and self.largest_difference <= DIFFERENCE and not self.faults


class _Exports(msgspec.Struct):
    """A model's exports, to be read again."""

    exact: parity.Reread
    bf16: parity.Reread
    gguf: parity.Reread


def compare(count: int, home: Path) -> Result:
    """See the module's text."""
    result = Result()
    asked = talks(count)
    for name in ("starter", *(ARCHITECTURES if count >= FEW_TALKS else SOME)):
        _compare_model(name, *taught_run(home / name, name), asked, result, home / name)
    return result


def talks(count: int) -> list[list[Message]]:
    """Conversations of one to three questions, some with a system prompt, some with odd characters."""
    made = [talk[:-1] for talk in conversations(count)]
    for number, talk in enumerate(made):
        if number % 5 == 1:
            talk[-1] = Message("user", ODD[number // 5 % len(ODD)])
    return made


def _compare_model(
    name: str, model: Path, run: RunFolder, asked: Sequence[list[Message]], result: Result, home: Path
) -> None:
    source, tokenizer = open_source(run.path, "merged"), tokens.load_tokenizer(model)
    exports = _export(run, model, tokenizer, home)
    result.models += 1
    result.templates += sum(one.template == tokenizer.get_chat_template() for one in (exports.exact, exports.gguf))
    sums_of: dict[str, Parity] = {}
    watch, half = Watch(), _with_half_matrices(exports.exact.load())
    for start in range(0, len(asked), AT_ONCE):
        part = asked[start : start + AT_ONCE]
        texts = [parity.rendered(tokenizer, talk) for talk in part]
        adapter = parity.adapter_says(source.adapter, model, tokenizer, texts, watch)
        f16 = parity.says(half, tokenizer, texts, watch)
        for key, spoken, reread in (
            ("f32", adapter, exports.exact),
            ("bf16", adapter, exports.bf16),
            ("f16", f16, exports.gguf),
        ):
            sums_of[key] = _added(sums_of.get(key), parity.against(spoken, key, tokenizer, reread, watch))
        result.ids += sum(_cut_alike(tokenizer, exports, *pair, result) for pair in zip(part, texts, strict=True))
    _count(name, sums_of, result)


def _export(run: RunFolder, model: Path, tokenizer: Any, home: Path) -> _Exports:
    from transformers import AutoConfig

    def folder(numbers: str) -> parity.Reread:
        made = merged.write(run.path, home / f"merged-{numbers}", Wish(numbers=numbers, check=False))
        return parity.of_folder(Path(made.path))

    made = Path(gguf.write(run.path, home / "gguf", Wish(numbers="f16", check=False)).path)
    config = AutoConfig.from_pretrained(str(model), local_files_only=True)
    cuts = tokenizer if config.model_type == "phi3" else None  # the reader puts spaces elsewhere than SentencePiece
    of_file = parity.of_gguf(the_file(made), config, cuts)
    return _Exports(folder("f32"), folder("bf16"), of_file)


@torch.no_grad()
def _with_half_matrices(model: Any) -> Any:
    """The model as GGUF F16 stores it."""
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.copy_(parameter.half())
    return model.eval()


def _cut_alike(tokenizer: Any, exports: _Exports, talk: Sequence[Message], text: str, result: Result) -> bool:
    """Whether training, chat and both kinds of export read the same tokens.

    Training and chat take control tokens that someone typed for ordinary text; whoever is given the rendered text alone
    cannot. GGUF has no word for composing letters (NFC), as Qwen's tokenizers do: there the composed text is compared.
    """
    chat = list(encode(talk, tokenizer, Rules(), reply=True).ids)
    learned = encode([*talk, Message("assistant", "Yes.")], tokenizer, Rules())
    asked = tokenise(tokenizer, text)[0]
    typed = any(token in turn.content for turn in talk for token in CONTROL)
    composed = unicodedata.normalize("NFC", text)
    of_gguf = exports.gguf.ids_of(text)
    if of_gguf != asked and composed != text:
        result.composed_first += 1
        of_gguf = exports.gguf.ids_of(composed)
    same = asked == exports.exact.ids_of(text) == of_gguf
    return same and chat == list(learned.ids[: len(chat)]) and (typed or chat == asked)


def _added(one: Parity | None, other: Parity) -> Parity:
    if one is None:
        return other
    added = {
        name: getattr(one, name) + getattr(other, name)
        for name in ("prompts", "same_ids", "places", "same_top1", "same_answers", "ended", "ended_alike")
    }
    return msgspec.structs.replace(other, difference=max(one.difference, other.difference), **added)


def _count(name: str, found: dict[str, Parity], result: Result) -> None:
    exact, half, gguf_file = found["f32"], found["bf16"], found["f16"]
    result.conversations += exact.prompts
    result.places += exact.places
    result.largest_difference = max(result.largest_difference, exact.difference)
    result.greedy_fp32 += exact.same_answers
    result.greedy_f16 += gguf_file.same_answers
    result.ended += gguf_file.ended
    result.ended_alike += gguf_file.ended_alike
    share, least = half.same_top1 / half.places, TOP1 if half.places >= FEW else FEW_TOP1
    if name == "starter":
        result.bf16_starter = 100 * share
    else:
        result.bf16_tiny = min(result.bf16_tiny, 100 * share)
    if share < least:
        result.faults.append(f"{name}: in bf16 the same token is likeliest at {share:.2%} of the places only")
    for form, one in found.items():
        if form != "f16" and one.same_ids != one.prompts:
            result.faults.append(f"{name}, {form}: {one.prompts - one.same_ids} prompts are cut into other tokens")


if __name__ == "__main__":
    sys.exit(report.prove(sys.argv[1:], __doc__, 500, compare))
