"""30 artefacts that were made to harm: each tries to create a file or to connect when it is opened.

A `Lure` is what they are given: the file that must not appear, and the port of a listener on this computer.
"""

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow
import pyarrow.parquet
from safetensors.torch import load_file

from tests.data.files import QA
from tests.data.samples import jsonl_bytes, sheet, workbook_bytes
from tests.helpers.tiny_models import tiny_model

Kind = Literal["model", "adapter", "data", "job", "chat"]


class Lure(NamedTuple):
    """What an artefact tries to reach."""

    canary: Path
    port: int

    @property
    def shell(self) -> str:
        """A command that creates the file."""
        return f"touch {self.canary}"

    @property
    def url(self) -> str:
        """An address that the listener would notice."""
        return f"http://127.0.0.1:{self.port}/{self.canary.name}"

    @property
    def python(self) -> str:
        """A program that creates the file."""
        return f"import pathlib\npathlib.Path({str(self.canary)!r}).touch()\n"

    @property
    def pickle(self) -> bytes:
        """A pickle that creates the file when it is loaded."""
        return f"cposix\nsystem\n(S{self.shell!r}\ntR.".encode()


class Artefact(NamedTuple):
    """One of them.

    Attributes:
        name: For people.
        kind: Which doors open it.
        make: Writes it into an empty folder; gives what is opened. An adapter is made of a good one.
    """

    name: str
    kind: Kind
    make: Callable[[Path, Lure, Path], Path]


def _model(change: Callable[[Path, Lure], None]) -> Callable[[Path, Lure, Path], Path]:
    def make(folder: Path, lure: Lure, good: Path) -> Path:
        made = tiny_model(folder / "model")
        change(made, lure)
        return made

    return make


def _edit(path: Path, **changes: Any) -> None:
    told = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(told | changes), encoding="utf-8")


def _template(source: Callable[[Lure], str]) -> Callable[[Path, Lure, Path], Path]:
    return _model(lambda made, lure: _edit(made / "tokenizer_config.json", chat_template=source(lure)))


def _pickle_alone(made: Path, lure: Lure) -> None:
    (made / "model.safetensors").unlink()
    (made / "pytorch_model.bin").write_bytes(lure.pickle)


def _pickle_beside(made: Path, lure: Lure) -> None:
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt", "rng_state.pth"):
        (made / name).write_bytes(lure.pickle)


def _code(made: Path, lure: Lure) -> None:
    (made / "modeling_own.py").write_text(lure.python + "class Own: pass\n")
    _edit(made / "config.json", auto_map={"AutoConfig": "modeling_own.Own", "AutoModelForCausalLM": "modeling_own.Own"})


def _tokenizer_code(made: Path, lure: Lure) -> None:
    (made / "tokenization_own.py").write_text(lure.python + "class Own: pass\n")
    _edit(made / "tokenizer_config.json", auto_map={"AutoTokenizer": ["tokenization_own.Own", None]})


def _shadows(made: Path, lure: Lure) -> None:
    """Files named as libraries: whoever puts the folder on Python's path runs them."""
    for name in ("torch", "transformers", "json", "sitecustomize", "tokenizers"):
        (made / f"{name}.py").write_text(lure.python)


def _custom_generate(made: Path, lure: Lure) -> None:
    (made / "custom_generate").mkdir()
    (made / "custom_generate" / "generate.py").write_text(lure.python + "def generate(*a, **k): pass\n")
    _edit(made / "generation_config.json", custom_generate=str(made), assistant_model=lure.url)


def _index_outside(made: Path, lure: Lure) -> None:
    names = list(load_file(made / "model.safetensors"))
    (made / "model.safetensors").unlink()
    index = {"weight_map": dict.fromkeys(names, "../../../../dev/stdin")}
    (made / "model.safetensors.index.json").write_text(json.dumps(index))


def _hub_names(made: Path, lure: Lure) -> None:
    _edit(made / "config.json", _name_or_path=lure.url)
    _edit(made / "tokenizer_config.json", name_or_path=lure.url, tokenizer_file=lure.url, processor_class=lure.url)


def _adapter(change: Callable[[Path, Lure], None]) -> Callable[[Path, Lure, Path], Path]:
    def make(folder: Path, lure: Lure, good: Path) -> Path:
        made = folder / "adapter"
        made.mkdir()
        for file in good.iterdir():
            (made / file.name).write_bytes(file.read_bytes())
        change(made, lure)
        return made

    return make


def _adapter_pickle(made: Path, lure: Lure) -> None:
    (made / "adapter_model.safetensors").unlink()
    (made / "adapter_model.bin").write_bytes(lure.pickle)


def _adapter_library(made: Path, lure: Lure) -> None:
    """PEFT imports the modules that these two name."""
    (made / "own_library.py").write_text(lure.python)
    _edit(
        made / "adapter_config.json",
        auto_mapping={"base_model_class": "Own", "parent_library": "own_library"},
        megatron_config={"a": 1},
        megatron_core="own_library",
    )


def _adapter_base(made: Path, lure: Lure) -> None:
    _edit(made / "adapter_config.json", base_model_name_or_path=lure.url, revision=lure.url)
    _edit(made / "base_model.json", name=lure.url)


def _adapter_link(made: Path, lure: Lure) -> None:
    (made / "adapter_model.safetensors").unlink()
    (made / "adapter_model.safetensors").symlink_to(lure.canary)


def _file(name: str, content: Callable[[Lure], bytes | str]) -> Callable[[Path, Lure, Path], Path]:
    def make(folder: Path, lure: Lure, good: Path) -> Path:
        told = content(lure)
        (folder / name).write_bytes(told if isinstance(told, bytes) else told.encode())
        return folder / name

    return make


def _script_folder(folder: Path, lure: Lure, good: Path) -> Path:
    made = folder / "dataset"
    made.mkdir()
    (made / "rows.jsonl").write_bytes(jsonl_bytes(QA))
    for name in ("dataset.py", "__init__.py", "rows.py"):
        (made / name).write_text(lure.python)
    (made / "dataset_infos.json").write_text(json.dumps({"default": {"download_checksums": {lure.url: {}}}}))
    return made


def _zip(name: Callable[[Lure], str]) -> Callable[[Lure], bytes]:
    def content(lure: Lure) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("rows.jsonl", jsonl_bytes(QA))
            archive.writestr(name(lure), b"pwned")
        return out.getvalue()

    return content


def _tar(lure: Lure) -> bytes:
    """A link to the canary's folder, then a file through it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        link = tarfile.TarInfo("out")
        link.type, link.linkname = tarfile.SYMTYPE, str(lure.canary.parent)
        archive.addfile(link)
        file = tarfile.TarInfo(f"out/{lure.canary.name}")
        file.size = 5
        archive.addfile(file, io.BytesIO(b"pwned"))
    return out.getvalue()


def _pickled_type(lure: Lure) -> bytes:
    """Arrow's extension types of Python, once unpickled by whoever read the file (CVE-2023-47248)."""
    meta = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": lure.pickle}
    questions = pyarrow.field("question", pyarrow.string(), metadata=meta)
    schema = pyarrow.schema([questions, pyarrow.field("answer", pyarrow.string())])
    table = pyarrow.Table.from_pylist(QA, schema=schema.with_metadata({b"pandas": lure.pickle}))
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out)
    return out.getvalue()


def _formulas(lure: Lure) -> str:
    rows = [f'"=cmd|\' /C {lure.shell}\'!A0","=WEBSERVICE(""{lure.url}"")"', f'"@SUM(1)|{lure.shell}","+{lure.url}"']
    return "question,answer\n" + "\n".join(rows * 5) + "\n"


def _workbook(lure: Lure) -> bytes:
    """A workbook whose sheet names a file and an address as entities."""
    head = f'<!DOCTYPE s [<!ENTITY a SYSTEM "{lure.url}"><!ENTITY b SYSTEM "file://{lure.canary}">]>'
    return workbook_bytes({"S": head + sheet([["question", "answer"], ["&a;", "&b;"]])})


def _pictures(lure: Lure) -> bytes:
    parts = [{"type": "image_url", "image_url": {"url": lure.url}}, {"type": "text", "text": f"![]({lure.url})"}]
    turns = [{"role": "user", "content": parts}, {"role": "assistant", "content": f'<img src="{lure.url}">'}]
    return jsonl_bytes([{"messages": turns}] * 9)


def _saved_job(lure: Lure) -> str:
    told = {"kind": "train", "name": f"$({lure.shell})", "model": lure.url, "model_name": f"`{lure.shell}`"}
    return json.dumps(told | {"dataset": f"; {lure.shell}", "dataset_name": f"| {lure.shell}", "version": 1})


def _chat(lure: Lure) -> str:
    """A saved chat whose texts are HTML and Markdown that fetch."""
    harm = f'<img src="{lure.url}"><iframe src="{lure.url}"></iframe>![a]({lure.url}) <file:///{lure.canary}>'
    reply = {"side": "", "name": harm, "text": harm, "ended": "end_token", "tokens": 1}
    exchange = {"question": harm, "replies": [reply], "sampling": {}, "system": harm, "expected": harm}
    told = {"id": f"../../{lure.canary.name}", "model": lure.url, "model_name": harm, "exchanges": [exchange]}
    return json.dumps(told)


ARTEFACTS = [
    Artefact("pickled weights", "model", _model(_pickle_alone)),
    Artefact("pickles beside good weights", "model", _model(_pickle_beside)),
    Artefact(
        *("weights that are a pickle", "model"),
        _model(lambda made, lure: (made / "model.safetensors").write_bytes(lure.pickle) and None),
    ),
    Artefact("code by auto_map", "model", _model(_code)),
    Artefact("code of the tokenizer", "model", _model(_tokenizer_code)),
    Artefact("files named as libraries", "model", _model(_shadows)),
    Artefact("custom generate", "model", _model(_custom_generate)),
    Artefact(
        *("a kernel to fetch", "model"),
        _model(lambda made, lure: _edit(made / "config.json", _attn_implementation_internal=lure.url, kernel=lure.url)),
    ),
    Artefact("an index that leads outside", "model", _model(_index_outside)),
    Artefact("names that are addresses", "model", _model(_hub_names)),
    Artefact(
        *("template: globals of a function", "model"),
        _template(lambda lure: f"{{{{ cycler.__init__.__globals__.os.system({lure.shell!r}) }}}}"),
    ),
    Artefact(
        *("template: subclasses by filter", "model"),
        _template(lambda lure: "{% set u = '_' ~ '_' %}{% for c in ''|attr(u ~ 'class' ~ u)|attr(u ~ 'base' ~ u)"
                  f"|attr(u ~ 'subclasses' ~ u)() %}}{{{{ c({lure.shell!r}, shell=true) }}}}{{% endfor %}}"),
    ),
    Artefact(
        *("template: by format", "model"),
        _template(lambda lure: "{{ '{0.__init__.__globals__[os]}'.format(lipsum).system(" + repr(lure.shell) + ") }}"),
    ),
    Artefact("pickled adapter", "adapter", _adapter(_adapter_pickle)),
    Artefact(
        *("adapter that is a pickle", "adapter"),
        _adapter(lambda made, lure: (made / "adapter_model.safetensors").write_bytes(lure.pickle) and None),
    ),
    Artefact("adapter that names libraries", "adapter", _adapter(_adapter_library)),
    Artefact("adapter whose base is an address", "adapter", _adapter(_adapter_base)),
    Artefact("adapter that is a link", "adapter", _adapter(_adapter_link)),
    Artefact("loading script", "data", _file("load.py", lambda lure: lure.python)),
    Artefact("scripts beside rows", "data", _script_folder),
    Artefact("ZIP with a path out", "data", _file("a.zip", _zip(lambda lure: f"../{lure.canary.name}"))),
    Artefact("ZIP with a whole path", "data", _file("a.zip", _zip(lambda lure: str(lure.canary)))),
    Artefact("tar with a link", "data", _file("a.tar.gz", _tar)),
    Artefact("pickled column type", "data", _file("a.parquet", _pickled_type)),
    Artefact("formulas", "data", _file("a.csv", _formulas)),
    Artefact("entities in a workbook", "data", _file("a.xlsx", _workbook)),
    Artefact("pictures to fetch", "data", _file("a.jsonl", _pictures)),
    Artefact("YAML that makes objects", "job", _file(
        "job.yaml", lambda lure: f"model: !!python/object/apply:os.system ['{lure.shell}']\ndata: rows.jsonl\n")),
    Artefact("job of shell words", "job", _file("job.json", _saved_job)),
    Artefact("chat of HTML", "chat", _file("chat-evil.json", _chat)),
]  # fmt: skip
