"""What an export has written is compared with the adapter: agreement is seen, and so is every kind of difference."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from studio.contract import events
from studio.contract.exports import EXPORTS
from studio.contract.parity import BOUNDS, GREEDY, Parity, outcome, sentences
from studio.contract.records import Message
from studio.contract.run_folder import starter_folder
from studio.engine import go_template, parity
from studio.engine.export_source import Watch, Wish, open_source
from studio.engine.exports import gguf as gguf_export
from studio.engine.exports import lm_studio, merged, ollama
from studio.engine.tokens import load_tokenizer
from tests.engine.exported_run import learned_run
from tests.engine.ground import Person
from tests.helpers.tiny_models import ARCHITECTURES, tiny_model


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("form", [merged, gguf_export])
def test_exact_files_of_every_architecture_behave_as_the_adapter(
    form: object, architecture: str, tmp_path: Path
) -> None:
    model = tiny_model(tmp_path / "model", architecture)
    run = learned_run(tmp_path, model)
    found = form.write(run.path, tmp_path / "out", Wish(numbers="f32")).parity  # type: ignore[attr-defined]
    assert found.same, found
    assert found.prompts == found.same_ids == found.same_answers == parity.PROMPTS
    assert found.places == found.same_top1 > 100
    assert found.difference < 1e-3
    assert found.ended == found.ended_alike


def test_the_starters_exports_hold_in_their_usual_formats(tmp_path: Path) -> None:
    run = learned_run(tmp_path, starter_folder())
    for form, module in (("merged", merged), ("gguf", gguf_export), ("ollama", ollama), ("lm_studio", lm_studio)):
        found = module.write(run.path, tmp_path / form).parity
        assert found is not None
        assert found.holds, (form, found)
        assert found.lacks == ()
        (card,) = (tmp_path / form).glob("README.md")
        told = card.read_text(encoding="utf-8").split("## Compared with the adapter")[1]
        assert all(f"| {name} | {value} |" in told for name, value in sentences(found)), form
        assert found.numbers == {"merged": "bf16", "gguf": "f16"}.get(form, "q8_0")


def test_what_was_found_stands_in_the_card_and_in_the_event(llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama)
    exported = merged.write(run.path, tmp_path / "out")
    assert events.decode(events.encode(exported)) == exported
    assert exported.run == run.id == "run-lora-1"
    assert f"The run is {run.id}." in (tmp_path / "out" / "README.md").read_text()
    card = (tmp_path / "out" / "README.md").read_text()
    assert (
        "## Compared with the adapter\n\nThese files behave as the adapter does on the base model as it is now." in card
    )
    assert "| Cut into the same tokens | 8 of 8 (all) |" in card
    unchecked = merged.write(run.path, tmp_path / "unchecked", Wish(check=False))
    assert unchecked.parity is None
    assert "Compared with" not in (tmp_path / "unchecked" / "README.md").read_text()


def test_weights_that_differ_are_seen(llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama)
    other = learned_run(tmp_path, llama, seed=2)
    made = Path(merged.write(other.path, tmp_path / "out", Wish(check=False)).path)
    found = compared(run.path, llama, made)
    assert not found.holds
    assert found.same_top1 < found.places / 2
    assert found.difference > 0.1
    assert found.same_answers < found.prompts


def compared(run: Path, base: Path, made: Path) -> Parity:
    person = Person()
    return parity.compare(open_source(run, "merged"), base, "f32", parity.of_folder(made), Watch(person, person))


def test_another_template_or_another_way_of_cutting_is_seen(llama: Path, tmp_path: Path) -> None:
    run = learned_run(tmp_path, llama)
    made = Path(merged.write(run.path, tmp_path / "out", Wish(check=False)).path)
    told = json.loads((made / "tokenizer_config.json").read_text())
    told["chat_template"] += "\n"
    (made / "tokenizer_config.json").write_text(json.dumps(told))
    tokenizer = json.loads((made / "tokenizer.json").read_text())
    tokenizer["model"]["merges"] = tokenizer["model"]["merges"][:-5]
    (made / "tokenizer.json").write_text(json.dumps(tokenizer))
    found = compared(run.path, llama, made)
    assert not found.same_template
    assert not found.holds


def test_an_end_token_that_the_export_does_not_know_is_seen(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    run = learned_run(tmp_path, model)
    made = Path(merged.write(run.path, tmp_path / "out", Wish(check=False)).path)
    reread = parity.of_folder(made)
    assert reread.end_ids == frozenset({3})
    answer = parity.Spoken("x", [5, 6], [7, 3], torch.zeros(3, 320))
    deaf = msgspec.structs.replace(reread, end_ids=frozenset({9}))

    class Ends:
        def __call__(self, input_ids: torch.Tensor) -> object:
            logits = torch.zeros(1, 4, 320)
            logits[0, 1, 7] = logits[0, 2, 3] = 1.0
            return type("Said", (), {"logits": logits})

    for one, alike in ((reread, 1), (deaf, 0)):
        found = parity._counted(Parity(numbers="f32"), answer, Ends(), one, frozenset({3}))
        assert (found.ended, found.ended_alike) == (1, alike)


def test_where_the_memory_is_too_small_nothing_is_compared_and_it_is_said(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = learned_run(tmp_path, llama)
    monkeypatch.setattr(parity, "BYTES_A_NUMBER", 10**9)
    exported = merged.write(run.path, tmp_path / "out")
    assert exported.parity is not None
    assert exported.parity.prompts == 0
    assert not exported.parity.holds
    ((name, told),) = sentences(exported.parity)
    assert name == "Compared with the adapter"
    assert told.startswith("no: that needs ")


def test_a_parity_says_what_it_counted() -> None:
    found = Parity(numbers="bf16", prompts=8, same_ids=8, places=200, same_top1=199, difference=0.02, same_answers=7,
                   ended=4, ended_alike=4)  # fmt: skip
    assert found.holds
    told = dict(sentences(found))
    assert told["The same next token is likeliest"] == "99.50 % of 200 places (at least 98.0 %)"
    assert told[f"The first {GREEDY} tokens of greedy answers are the same"] == "7 of 8 (at least 4)"
    assert not msgspec.structs.replace(found, same_top1=150).holds
    assert not msgspec.structs.replace(found, same_ids=7).holds
    assert not msgspec.structs.replace(found, numbers="f32").holds


def test_every_row_that_decides_tells_its_bound_and_the_one_that_failed() -> None:
    found = Parity(numbers="q8_0", prompts=8, same_ids=7, same_template=False, places=36, same_top1=35, same_answers=3,
                   ended=8, ended_alike=7, base_noted=False)  # fmt: skip
    told = dict(sentences(found))
    assert told["Cut into the same tokens"] == "7 of 8 (all: NOT REACHED)"
    assert told["Chat template"] == "ANOTHER (the same: NOT REACHED)"
    assert told["The same next token is likeliest"] == "97.22 % of 36 places (at least 97.0 %)"
    answers = f"The first {GREEDY} tokens of greedy answers are the same"
    assert told[answers] == "3 of 8 (at least 4: NOT REACHED)"
    assert told["Answers that end at the same end token"] == "7 of 8 (at least 8: NOT REACHED)"
    assert dict(sentences(msgspec.structs.replace(found, numbers="q4_0")))[answers] == "3 of 8 (Q4_0 promises none)"
    assert "no SHA-256 of its files is noted" in told["Base model"]
    exact = dict(sentences(msgspec.structs.replace(found, numbers="f32", difference=0.5, base_noted=True)))
    assert exact["Largest difference of logits"] == "0.5 (at most 0.001: NOT REACHED)"
    assert "SHA-256 that was noted of them" in exact["Base model"]


SAME = Parity(numbers="f16", prompts=8, same_ids=8, places=300, same_top1=300, same_answers=8, ended=8, ended_alike=8)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"ended_alike": 0}, "8 of 8 answers do not end where they did"),
        ({"ended_alike": 7}, "1 of 8 answers does not end where they did"),
        ({"same_answers": 0}, "8 of 8 answers are not the same"),
        ({"same_answers": 7, "numbers": "f32"}, "1 of 8 answers is not the same"),
        ({"same_answers": 3, "numbers": "bf16"}, "5 of 8 answers are not the same"),
        ({"same_top1": 290}, "another next token is likeliest at 3.33 % of the places"),
        ({"same_ids": 6}, "2 of 8 prompts are cut into other tokens"),
        ({"same_template": False}, "the chat template is another"),
        ({"difference": 0.5, "numbers": "f32"}, "logits differ by up to 0.5"),
        ({"ended_alike": 6, "numbers": "q4_0"}, "2 of 8 answers do not end where they did"),
    ],
)
def test_what_no_rounding_explains_is_called_different_and_said(values: dict[str, Any], words: str) -> None:
    found = msgspec.structs.replace(SAME, **values)
    assert not found.holds
    assert not found.same
    assert outcome(found) == f"THESE FILES DIFFER FROM THE ADAPTER: {words}."


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"same_answers": 7}, "F16 can make them: 1 of 8 answers is not the same"),
        ({"same_answers": 7, "same_top1": 299},
         "F16 can make them: 1 of 8 answers is not the same, another next token is likeliest at 0.33 % of the places"),
        ({"same_top1": 297, "numbers": "bf16"},
         "BF16 can make them: another next token is likeliest at 1.00 % of the places"),
        ({"same_answers": 0, "ended_alike": 7, "numbers": "q4_0"},
         "Q4_0 can make them: 8 of 8 answers are not the same, 1 of 8 answers does not end where they did"),
    ],
)  # fmt: skip
def test_what_rounding_can_do_is_told_and_never_called_the_same(values: dict[str, Any], words: str) -> None:
    found = msgspec.structs.replace(SAME, **values)
    assert found.holds
    assert not found.same
    assert outcome(found) == f"These files differ from the adapter, as rounding to {words}."


@pytest.mark.parametrize("numbers", BOUNDS)
def test_only_the_same_answers_and_ends_are_called_the_same(numbers: str) -> None:
    found = msgspec.structs.replace(SAME, numbers=numbers)
    assert found.same
    assert outcome(found) == "These files behave as the adapter did."
    for one in ({"same_answers": 7}, {"ended_alike": 7}, {"same_top1": 298}, {"same_template": False}):
        assert not msgspec.structs.replace(found, **one).same
    assert outcome(Parity(numbers=numbers, skipped="no room")) == ""


# --- Ollama and LM Studio -------------------------------------------------------------------------------------------


def test_an_ollama_folder_has_a_modelfile_that_writes_conversations_as_the_model_learned_them(tmp_path: Path) -> None:
    run = learned_run(tmp_path, starter_folder())
    made = Path(ollama.write(run.path, tmp_path / "tales of 1", Wish(check=False)).path)
    assert sorted(path.name for path in made.iterdir()) == ["Modelfile", "README.md", "tales-of-1-Q8_0.gguf"]
    lines = (made / "Modelfile").read_text()
    assert lines.startswith('FROM ./tales-of-1-Q8_0.gguf\nTEMPLATE """')
    assert 'PARAMETER stop "<|end|>"\nPARAMETER num_ctx 512\n' in lines
    assert "{{ range .Messages }}" in lines
    assert "ollama create" in (made / "README.md").read_text()


TEMPLATES = {
    "chatml": "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}",
    "default system": "{% if messages[0]['role'] != 'system' %}<|start|>system\nBe kind.<|end|>{% endif %}"
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}",
    "system in the first question": "{{ bos_token }}{% set s = '' %}{% if messages[0]['role'] == 'system' %}"
    "{% set s = messages[0]['content'] + '\n\n' %}{% set messages = messages[1:] %}{% endif %}{% for m in messages %}"
    "{% if m['role'] == 'user' %}[INST] {{ (s if loop.first else '') + m['content'] }} [/INST]{% else %} "
    "{{ m['content'] }}<|end|>{% endif %}{% endfor %}",
    "no system": "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}"
    "<|start|>{{ m['role'] }}{{ '{{' }}{{ m['content'] }}<|end|>{% endfor %}<|start|>assistant",
}  # fmt: skip


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_of_fixed_turns_are_found(name: str, llama: Path) -> None:
    tokenizer = load_tokenizer(llama)
    tokenizer.chat_template = TEMPLATES[name]
    turns = go_template.read_turns(tokenizer)
    assert turns is not None
    talk = [Message("user", "Hi"), Message("assistant", "Yes?"), Message("user", "How?")]
    for messages in (talk, talk[:1]) if name == "no system" else (talk, [Message("system", "S"), *talk]):
        assert turns.write(messages) == tokenizer.chat.render(messages, generation_prompt=True)
    assert turns.go().count("{{ end }}") == turns.go().count("{{ if") + turns.go().count("{{ range")
    assert ('{{ "{{" }}' in turns.go()) is (name == "no system")


def test_a_template_that_depends_on_more_is_not_guessed(llama: Path) -> None:
    tokenizer = load_tokenizer(llama)
    tokenizer.chat_template = "{% for m in messages %}{{ loop.index }}:{{ m['content'] }}{% endfor %}"
    assert go_template.read_turns(tokenizer) is None
    assert "cannot say" in ollama.modelfile("x.gguf", tokenizer)


def test_an_lm_studio_folder_lies_as_that_program_keeps_models(llama: Path, tmp_path: Path) -> None:
    made = lm_studio.write(learned_run(tmp_path, llama).path, tmp_path / "mine", Wish(check=False))
    assert made.files == ("README.md", "apprentice-studio/mine/mine-Q8_0.gguf")


def test_every_form_of_a_whole_model_says_how_it_is_used(tmp_path: Path) -> None:
    from studio.data.card_use import FORMS

    assert set(FORMS) == {name for name, row in EXPORTS.items() if name != "adapter"}
