"""The bad inputs 43 to 61 of the reliability notes, models: how each is made, and what must be said of it."""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from studio.engine.weights_file import LFS
from tests.helpers.tiny_models import TEMPLATE, tiny_model

Door = str
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Bad:
    """One input.

    Attributes:
        number: In the list of the reliability notes.
        name: For the test's name.
        make: Gets an empty folder; makes what is bad in it, and gives its path.
        code: Of the error, or of what is noted where `goes_on`.
        words: What the message must hold: the file, the field, the figures.
        door: What opens it: "check", "chat", "train", "adapter", "job", "export", or "options".
        goes_on: It is used all the same, and said so.
    """

    number: int
    name: str
    make: Callable[[Path], Any]
    code: str
    words: tuple[str, ...] = ()
    door: Door = "check"
    goes_on: bool = False


def model(change: Callable[[Path], None], architecture: str = "llama") -> Callable[[Path], Path]:
    """A good tiny model, then made bad."""

    def make(folder: Path) -> Path:
        made = tiny_model(folder / "bad model", architecture)
        change(made)
        return made

    return make


def edited(name: str, /, **changes: Any) -> Callable[[Path], None]:
    """A JSON file with other values."""

    def change(folder: Path) -> None:
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")

    return change


def without(name: str, key: str = "") -> Callable[[Path], None]:
    """A file less, or a key less in a JSON file."""

    def change(folder: Path) -> None:
        path = folder / name
        if not key:
            path.unlink()
            return
        told = json.loads(path.read_text(encoding="utf-8"))
        del told[key]
        path.write_text(json.dumps(told), encoding="utf-8")

    return change


def written(name: str, content: bytes) -> Callable[[Path], None]:
    """A file of these bytes."""
    return lambda folder: (folder / name).write_bytes(content) and None


def tensors(change: Callable[[dict[str, torch.Tensor]], None]) -> Callable[[Path], None]:
    """Other weights."""

    def rewrite(folder: Path) -> None:
        weights = load_file(folder / WEIGHTS)
        change(weights)
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})

    return rewrite


def header(change: Callable[[bytes], bytes], name: str = WEIGHTS) -> Callable[[Path], None]:
    """Another header before the same data."""

    def rewrite(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        made = change(data[8 : 8 + length])
        (folder / name).write_bytes(struct.pack("<Q", len(made)) + made + data[8 + length :])

    return rewrite


def twice(told: bytes) -> bytes:
    """The header with its first tensor named a second time."""
    name, entry = next((k, v) for k, v in json.loads(told).items() if k != "__metadata__")
    return told.rstrip()[:-1] + f", {json.dumps(name)}: {json.dumps(entry)}}}".encode()


def one_number(value: float) -> Callable[[dict[str, torch.Tensor]], None]:
    """One number of one layer becomes another."""

    def change(weights: dict[str, torch.Tensor]) -> None:
        weights["model.layers.1.mlp.up_proj.weight"][3, 5] = value

    return change


def sharded(folder: Path) -> None:
    """Two files, of which the second is missing."""
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    places = {tensor: names[n % 2] for n, tensor in enumerate(sorted(weights))}
    save_file({t: weights[t] for t in places if places[t] == names[0]}, folder / names[0])
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def cut(folder: Path) -> None:
    """The end of the weights is missing."""
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[:-1000])


def pickled(folder: Path) -> None:
    """Weights as a pickle alone."""
    (folder / WEIGHTS).unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")


def another_token(folder: Path) -> None:
    """A token whose number the model does not have."""
    told = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    told["added_tokens"].append(told["added_tokens"][0] | {"id": 999, "content": "<|more|>"})
    (folder / "tokenizer.json").write_text(json.dumps(told), encoding="utf-8")


def template(source: object) -> Callable[[Path], Path]:
    """A model with another chat template."""
    return model(edited("tokenizer_config.json", chat_template=source))


def gguf(tensor_count: int = 0, key_count: int = 0, rest: bytes = b"", magic: bytes = b"GGUF") -> bytes:
    """A GGUF file of this header."""
    return magic + struct.pack("<IQQ", 3, tensor_count, key_count) + rest


def text(words: str) -> bytes:
    """A text as GGUF holds it."""
    return struct.pack("<Q", len(words)) + words.encode()


def gguf_file(content: bytes) -> Callable[[Path], Path]:
    """A GGUF file alone."""

    def make(folder: Path) -> Path:
        path = folder / "model-q4.gguf"
        path.write_bytes(content)
        return path

    return make


LISTS_IN_LISTS = text("a") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 6 + struct.pack("<IQ", 0, 1) + b"\0"
LARGE_TENSOR = text("t") + struct.pack("<IQQIQ", 2, 2**31, 2**31, 0, 0)
BOMB = "{% set n = 40000 %}{{ 'x' * n * n }}"
LOOPS = "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}"
SSTI = "{{ cycler.__init__.__globals__.os.system('touch pwned') }}"

BAD = [
    Bad(43, "no config", model(without("config.json")), "model.no_config", ("config.json",)),
    Bad(44, "shard missing", model(sharded), "model.shard_missing", ("model-00002-of-00002.safetensors",)),
    Bad(45, "shard cut", model(cut), "model.shard_truncated", (WEIGHTS, "It should have", "and has")),
    Bad(46, "LFS weights", model(written(WEIGHTS, LFS + b"/spec/v1\n")), "model.lfs_pointer", (WEIGHTS, "git lfs")),
    Bad(46, "LFS config", model(written("config.json", LFS + b"/v1\n")), "model.lfs_pointer", ("config.json",)),
    Bad(
        *(47, "header of 2^40", model(written(WEIGHTS, struct.pack("<Q", 2**40) + b"{}"))),
        *("model.file_damaged", (WEIGHTS, "header is corrupt", "1,099,511,627,776")),
    ),
    Bad(48, "NaN", model(tensors(one_number(float("nan")))), "model.not_finite", ("layers.1.mlp.up_proj",), "chat"),
    Bad(
        48, "infinity", model(tensors(one_number(float("inf")))), "model.not_finite", ("layers.1.mlp.up_proj",), "train"
    ),
    Bad(49, "tensor twice", model(header(twice)), "model.file_damaged", (WEIGHTS, "occurs twice")),
    Bad(50, "pickle alone", model(pickled), "model.pickle", ("pytorch_model.bin", "safetensors format")),
    Bad(51, "auto_map", model(edited("config.json", auto_map={"AutoModel": "m.M"})), "model.auto_map", ("own",)),
    Bad(
        *(51, "auto_map of the tokenizer", model(edited("tokenizer_config.json", auto_map={"AutoTokenizer": ["t.T"]}))),
        *("model.auto_map", ("tokenizer_config.json, auto_map",)),
    ),
    Bad(
        *(52, "kernel", model(edited("config.json", _attn_implementation_internal="m/kernel"))),
        *("model.unsafe_field", ("config.json, _attn_implementation_internal",)),
    ),
    Bad(
        *(52, "trust nested", model(edited("config.json", rope_parameters={"a": [{"trust_remote_code": True}]}))),
        *("model.unsafe_field", ("rope_parameters.a.trust_remote_code",)),
    ),
    Bad(53, "unknown kind", model(edited("config.json", model_type="mamba9")), "model.unsupported", ("llama, qwen2",)),
    Bad(
        *(54, "other shape", model(edited("config.json", intermediate_size=129))),
        *("model.shape_mismatch", ("mlp.gate_proj.weight", "[128, 64]", "[129, 64]")),
    ),
    Bad(
        *(55, "vocabulary against embedding", model(edited("config.json", vocab_size=300))),
        *("model.shape_mismatch", ("embed_tokens", "[320, 64]", "[300, 64]")),
    ),
    Bad(
        55,
        "tokenizer of another",
        model(another_token),
        "model.vocabulary_mismatch",
        ("number 999", "320 tokens"),
    ),
    Bad(
        *(56, "deep tokenizer", model(written("tokenizer.json", b"[" * 200_000))),
        *("model.tokenizer_unreadable", ("too deeply inside each other",)),
    ),
    Bad(
        *(56, "cut tokenizer", model(written("tokenizer.json", b'{"model": {"vo'))),
        *("model.tokenizer_unreadable", ("it is no JSON",)),
    ),
    Bad(
        *(56, "another file as tokenizer", model(written("tokenizer.json", b"{}"))),
        *("model.tokenizer_unreadable", ("the parts of a tokenizer",)),
    ),
    Bad(
        *(55, "end token beyond the vocabulary", model(edited("config.json", eos_token_id=10**7))),
        *("model.config_invalid", ("config.json, eos_token_id",)),
    ),
    Bad(
        *(55, "speed of positions in words", model(edited("config.json", rope_theta="abc"))),
        *("model.config_invalid", ("config.json, rope_theta",), "chat"),
    ),
    Bad(56, "no tokenizer", model(without("tokenizer.json")), "model.no_tokenizer", ("tokenizer.json",)),
    Bad(
        *(57, "no pad token", model(without("tokenizer_config.json", "pad_token"))),
        *("model.pad_chosen", ("'<|pad|>' fills gaps", "had none"), "train", True),
    ),
    Bad(
        *(57, "pad is the end", model(edited("tokenizer_config.json", pad_token="<|end|>"))),
        *("model.pad_chosen", ("'<|pad|>' fills gaps", "ends answers"), "train", True),
    ),
    Bad(58, "no template", model(without("tokenizer_config.json", "chat_template")), "model.no_template", ("Choose",)),
    Bad(58, "broken template", template("{% for m in messages %}\n{{ m }\n"), "model.template_broken", ("line 2",)),
    Bad(58, "empty template", template("{# nothing #}"), "model.template_empty", ("shows nothing",), "chat"),
    Bad(58, "template that shows nothing", template("{{ bos_token }}"), "model.template_empty", ("shows",), "train"),
    Bad(59, "append", template("{{ messages.append(1) }}"), "model.template_unsafe", ("is unsafe.\n",), "train"),
    Bad(59, "SSTI", template(SSTI), "model.template_unsafe", ("refused", "it asks for __")),
    Bad(59, "template bomb", template(BOMB), "model.template_bomb", ("refused", "characters"), "train"),
    Bad(
        59,
        "endless template",
        template(LOOPS),
        "model.template_bomb",
        ("refused", "took it more"),
        "train",
    ),
    Bad(
        59,
        "late bomb",
        template(TEMPLATE + "{% if messages | length > 1 %}" + BOMB + "{% endif %}"),
        "model.template_bomb",
        ("refused",),
        "train",
    ),
    Bad(60, "GGUF", gguf_file(gguf()), "model.gguf", ("model-q4.gguf", "export format only")),
    Bad(60, "GGUF as base", gguf_file(gguf()), "model.gguf", ("export format only",), "train"),
    Bad(61, "forged tensors", gguf_file(gguf(2**63)), "model.gguf_damaged", ("tensors",)),
    Bad(61, "forged keys", gguf_file(gguf(0, 2**60)), "model.gguf_damaged", ("keys",)),
    Bad(
        61,
        "forged text",
        gguf_file(gguf(0, 1, struct.pack("<Q", 2**62) + b"abcdefgh")),
        "model.gguf_damaged",
        ("text",),
    ),
    Bad(
        *(61, "forged list", gguf_file(gguf(0, 1, text("a") + struct.pack("<IIQ", 9, 8, 2**61)))),
        *("model.gguf_damaged", ("values",)),
    ),
    Bad(61, "lists in lists", gguf_file(gguf(0, 1, LISTS_IN_LISTS)), "model.gguf_damaged", ("inside each other",)),
    Bad(61, "forged sizes", gguf_file(gguf(1, 0, LARGE_TENSOR)), "model.gguf_damaged", ("tensor t",)),
    Bad(61, "no GGUF at all", gguf_file(b"PK\x03\x04" + bytes(99)), "model.gguf_damaged", ("begin with GGUF",)),
]
"""43 to 61."""
