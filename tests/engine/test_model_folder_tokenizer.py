"""The tokenizer files of a model folder, looked at before anything is loaded."""

import json
from pathlib import Path
from typing import Any

import pytest

from studio.engine import model_folder
from tests.helpers.tiny_models import TEMPLATE, tiny_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "tiny")


def first(folder: Path) -> str:
    checked = model_folder.check(folder)
    assert not checked.usable
    return checked.problems[0].code


def edit(folder: Path, name: str = "config.json", **changes: Any) -> None:
    path = folder / name
    told = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({k: v for k, v in told.items() if v != "absent"}), encoding="utf-8")


def test_a_missing_tokenizer_is_named(model: Path) -> None:
    (model / "tokenizer.json").unlink()
    problem = model_folder.check(model).problems[0]
    assert (problem.code, problem.where) == ("model.no_tokenizer", "tokenizer.json")
    (model / "tokenizer.model").write_bytes(b"x")
    assert "tokenizer.model" in model_folder.check(model).problems[0].why


@pytest.mark.parametrize("content", ["", "{}", '{"model": {"vocab": 3}}', '{"model": {"vocab": {"a": "b"}}}'])
def test_a_damaged_tokenizer_is_named(model: Path, content: str) -> None:
    (model / "tokenizer.json").write_text(content)
    assert first(model) == "model.tokenizer_unreadable"


def test_a_tokenizer_of_another_model_tells_both_sizes(model: Path) -> None:
    told = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    told["added_tokens"].append(told["added_tokens"][0] | {"id": 320, "content": "<|more|>"})
    (model / "tokenizer.json").write_text(json.dumps(told), encoding="utf-8")
    problem = model_folder.check(model).problems[0]
    assert problem.code == "model.vocabulary_mismatch"
    assert "token number 320" in problem.why
    assert "320 tokens" in problem.why


def test_a_tokenizer_that_names_code_is_refused(model: Path) -> None:
    edit(model, "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.T", None]})
    assert first(model) == "model.auto_map"


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("absent", "model.no_template"),
        ("  ", "model.no_template"),
        ([{"name": "tools", "template": TEMPLATE}], "model.no_template"),
        ("{% if %}", "model.template_broken"),
        ("{{ 'x' * 1500000000 }}", "model.template_bomb"),
    ],
)
def test_chat_templates_are_looked_at(model: Path, template: object, code: str) -> None:
    edit(model, "tokenizer_config.json", chat_template=template)
    assert first(model) == code


@pytest.mark.parametrize("where", ["chat_template.jinja", "chat_template.json", "list"])
def test_chat_templates_are_found_in_every_place(model: Path, where: str) -> None:
    listed = [{"name": "default", "template": TEMPLATE}] if where == "list" else "absent"
    edit(model, "tokenizer_config.json", chat_template=listed)
    if where == "chat_template.jinja":
        (model / where).write_text(TEMPLATE)
    elif where == "chat_template.json":
        (model / where).write_text(json.dumps({"chat_template": TEMPLATE}))
    checked = model_folder.check(model)
    assert checked.usable
    assert checked.has_template
