"""Small tokenizers of the kinds that model families have: byte-level with a family's own cuts, or SentencePiece."""

import json
from pathlib import Path

from tests.helpers.tiny_models import CONTROL, TEMPLATE, TEXT


def byte_level(folder: Path, split: str, nfc: bool = False) -> Path:
    """A byte-level tokenizer that cuts text by a regular expression, as Llama 3, Qwen and Mistral have it.

    Args:
        folder: Is made.
        split: The regular expression.
        nfc: Whether texts are composed first (Qwen).
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    if nfc:
        made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(split), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    made.decoder = decoders.ByteLevel()
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=340, special_tokens=list(CONTROL), initial_alphabet=letters, show_progress=False
    )
    made.train_from_iterator(TEXT.splitlines() * 4, trainer)
    return _saved(made, folder, {})


def sentencepiece(folder: Path, prefix: bool, scheme: str = "") -> Path:
    """A tokenizer as Llama 2 and Gemma have it: spaces as marks, bytes for what is unknown.

    Args:
        folder: Is made.
        prefix: Whether a text begins as if it had a space before it.
        scheme: "first", "always" or "never": the space is put there by a Metaspace, as newer tokenizers have it.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    trained = Tokenizer(models.BPE())
    first = normalizers.Prepend("▁") if prefix else normalizers.Sequence([])
    trained.normalizer = normalizers.Sequence([first, normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=[], show_progress=False)
    trained.train_from_iterator(TEXT.splitlines() * 4, trainer)
    told = json.loads(trained.to_str())
    special = [*CONTROL, "<unk>"]
    pieces = [*special, *(f"<0x{i:02X}>" for i in range(256)), *told["model"]["vocab"]]
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    merges = [tuple(pair) for pair in told["model"]["merges"]]
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    if scheme:
        made.pre_tokenizer = pre_tokenizers.Metaspace("▁", scheme, split=False)
    else:
        made.normalizer = trained.normalizer
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    made.decoder = decoders.Sequence(steps + [decoders.Strip(" ", 1, 0)] * prefix)
    made.add_special_tokens([AddedToken(piece, normalized=False, special=True) for piece in special])
    return _saved(made, folder, {"unk_token": "<unk>"})


def _saved(made: object, folder: Path, also: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    made.save(str(folder / "tokenizer.json"))  # type: ignore[attr-defined]
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|bos|>", "eos_token": "<|end|>",
              "pad_token": "<|pad|>", "chat_template": TEMPLATE} | also  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder
