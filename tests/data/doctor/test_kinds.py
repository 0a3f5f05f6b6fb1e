"""Every check over every kind of dataset, and what a row says beside the contents of its turns."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from studio.contract.job import Mapping
from studio.contract.records import Message, Record
from studio.data.arrow_file import records_of
from studio.data.dataset import Dataset, open_dataset
from studio.data.doctor.check import Measured
from studio.data.doctor.fixes import operation
from studio.data.doctor.mojibake import repaired_json
from studio.data.edits import EditLog
from studio.data.markers import mark_in
from tests.data.doctor.sets import examine, finding, found, rows_of, sentence, sound, write_set
from tests.data.files import write_jsonl

CALL = '[{"id": "call00001", "name": "switch", "arguments": {"light": 3}}]'
TOOLS = '[{"type": "function", "function": {"name": "switch", "description": "Turns a light on."}}]'


def asked(question: str, *answers: Message) -> tuple[Message, ...]:
    return (Message("user", question), *answers)


def said(text: str, **more: str) -> Message:
    return Message("assistant", text, **more)  # type: ignore[arg-type]


KINDS: dict[str, Callable[[int, str], Record]] = {
    "chat": lambda n, told: Record(messages=asked(sentence(n, 9), said(told))),
    "prompt_completion": lambda n, told: Record(messages=asked(sentence(n, 9), said(told, reasoning=sentence(n + 1)))),
    "text": lambda n, told: Record(text=told),
    "preference": lambda n, told: Record(
        messages=asked(sentence(n, 9), said(told)), rejected=(said(sentence(n + 1)),), shared=1
    ),
    "label": lambda n, told: Record(messages=asked(sentence(n, 9), said(told)), label=n % 2 == 0),
    "tools": lambda n, told: Record(
        messages=asked(
            sentence(n, 9), said("", tool_calls=CALL), Message("tool", "Done.", name="switch"), said(told, weight="0")
        ),
        tools=TOOLS,
    ),
    "call at the end": lambda n, told: Record(messages=asked(told, said("", tool_calls=CALL)), tools=TOOLS),
}


@pytest.mark.parametrize("words", [1, 4, 30], ids=["classes", "short", "long"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_check_looks_at_every_kind_of_rows(tmp_path: Path, kind: str, words: int) -> None:
    few = 4 if words < 30 else 60
    rows = [KINDS[kind](n, sentence(n % few, words)) for n in range(60)]
    shape = kind if kind in ("text", "preference", "label") else "chat"
    dataset = write_set(tmp_path / "set", rows, mapping=Mapping(shape=shape))  # type: ignore[arg-type]
    for test in ("", str(dataset.folder)):
        diagnosed = examine(dataset, lambda record: Measured(tokens=9, lost=0, left_out=False), test)
        assert (diagnosed.rows, diagnosed.verdict != "") == (60, True)
    if kind != "call at the end" and words < 30:
        assert len(diagnosed.classes) == 4
        assert {share.value for share in diagnosed.classes} == {sentence(n, words) for n in range(4)}


# --- rows that differ in something else than the contents of their turns -------------------------------------------


def call(name: str, number: int, call_id: str = "") -> str:
    return json.dumps([{"id": call_id, "name": name, "arguments": {"light": number}}])


def compared(question: str, better: Message, worse: Message) -> Record:
    return Record(messages=asked(question, better), rejected=(worse,), shared=1)


def test_answers_that_differ_in_reasoning_or_calls_alone_are_no_equal_pairs(tmp_path: Path) -> None:
    rows = [
        compared(sentence(1), said("It is 3.", reasoning="Careful."), said("It is 3.", reasoning="Sloppy.")),
        compared(sentence(2), said("", tool_calls=call("on", 1)), said("", tool_calls=call("off", 1))),
        Record(
            messages=asked(sentence(3), said("", tool_calls=call("on", 1)), Message("tool", "Done."), said("OK.")),
            rejected=(said("", tool_calls=call("off", 1)), Message("tool", "Done."), said("OK.")),
            shared=1,
        ),
    ]
    diagnosed = examine(write_set(tmp_path / "set", rows, mapping=Mapping(shape="preference")))
    assert finding(diagnosed, "equal_pairs") is None
    assert diagnosed.usable == 3
    rows += [
        compared(sentence(4), said("It is 3.", reasoning="Careful."), said(" It is 3.\n", reasoning="Careful. ")),
        compared(sentence(5), said("", tool_calls=call("on", 1, "a1")), said("", tool_calls=call("on", 1, "b2"))),
    ]
    diagnosed = examine(write_set(tmp_path / "equal", rows, mapping=Mapping(shape="preference")))
    assert (rows_of(found(diagnosed, "equal_pairs")), diagnosed.usable) == ([3, 4], 3)


TWINS: dict[str, tuple[Record, Record]] = {
    "worse answer": (
        compared(sentence(1), said(sentence(2)), said("I do not know.")),
        compared(sentence(1), said(sentence(2)), said("Ask someone else.")),
    ),
    "reasoning": (
        Record(messages=asked(sentence(1), said(sentence(2), reasoning="Let me see."))),
        Record(messages=asked(sentence(1), said(sentence(2), reasoning="That is simple."))),
    ),
    "reasoning and none": (
        Record(messages=asked(sentence(1), said(sentence(2), reasoning="Let me see."))),
        Record(messages=asked(sentence(1), said(sentence(2)))),
    ),
    "call": (
        Record(messages=asked(sentence(1), said("", tool_calls=call("on", 1)))),
        Record(messages=asked(sentence(1), said("", tool_calls=call("on", 2)))),
    ),
    "rating": (
        Record(messages=asked(sentence(1), said(sentence(2))), label=True),
        Record(messages=asked(sentence(1), said(sentence(2))), label=False),
    ),
    "weight": (
        Record(messages=asked(sentence(1), said(sentence(2), weight="0"))),
        Record(messages=asked(sentence(1), said(sentence(2)))),
    ),
    "weight of another turn": (
        Record(messages=(*asked(sentence(1), said(sentence(2), weight="0")), *asked(sentence(3), said(sentence(4))))),
        Record(messages=(*asked(sentence(1), said(sentence(2))), *asked(sentence(3), said(sentence(4), weight="0")))),
    ),
    "tools": (
        Record(messages=asked(sentence(1), said(sentence(2))), tools=TOOLS),
        Record(messages=asked(sentence(1), said(sentence(2)))),
    ),
}


@pytest.mark.parametrize("what", TWINS)
def test_rows_that_differ_beside_their_text_are_not_offered_to_be_dropped(tmp_path: Path, what: str) -> None:
    rows = [msgspec.structs.replace(row, side="train") for row in TWINS[what]]
    assert finding(examine(write_set(tmp_path / "set", rows)), "near_duplicates") is None
    # Three alike, of which the first differs beside its text: the other two are found all the same.
    again = msgspec.structs.replace(rows[1], messages=in_capitals(rows[1]))
    one = found(examine(write_set(tmp_path / "near", [*rows, again])), "near_duplicates")
    assert (rows_of(one), one.fix) == ([2], "drop_near_duplicates")


def in_capitals(row: Record) -> tuple[Message, ...]:
    return tuple(msgspec.structs.replace(turn, content=turn.content.upper()) for turn in row.messages)


def test_ids_of_calls_make_no_rows_differ(tmp_path: Path) -> None:
    rows = [Record(messages=asked(sentence(1), said("", tool_calls=call("on", 1, f'c"{n}')))) for n in range(3)]
    rows = [msgspec.structs.replace(row, side="train") for row in rows]
    assert rows_of(found(examine(write_set(tmp_path / "set", rows)), "near_duplicates")) == [1, 2]


def test_a_test_row_with_another_call_is_not_learned_from_and_one_with_the_same_is(tmp_path: Path) -> None:
    rows = [
        Record(messages=asked(sentence(1), said("", tool_calls=call("on", n))), side=side)  # type: ignore[arg-type]
        for n, side in ((1, "train"), (2, "train"), (3, "held_back"))
    ]
    assert finding(examine(write_set(tmp_path / "set", rows)), "overlap") is None
    held = msgspec.structs.replace(rows[1], side="held_back")
    one = found(examine(write_set(tmp_path / "same", [*rows, held])), "overlap")
    assert (one.count, rows_of(one)) == (1, [1])


@pytest.mark.parametrize("what", ["worse answer", "reasoning", "rating"])
def test_a_test_row_of_the_same_question_and_answer_is_learned_from_all_the_same(tmp_path: Path, what: str) -> None:
    one, other = TWINS[what]
    rows = [msgspec.structs.replace(one, side="train"), msgspec.structs.replace(other, side="held_back")]
    assert rows_of(found(examine(write_set(tmp_path / "set", rows)), "overlap")) == [0]


def test_calls_of_a_test_file_are_compared_too(tmp_path: Path) -> None:
    rows = [Record(messages=asked(sentence(n), said("", tool_calls=call("on", n)))) for n in range(5)]
    dataset = write_set(tmp_path / "set", rows)
    wanted = [(2, 2), (3, 9)]  # the same call; the same question with another call
    turns = [
        [
            {"role": "user", "content": sentence(n)},
            {"role": "assistant", "content": "", "tool_calls": [{"name": "on", "arguments": {"light": light}}]},
        ]
        for n, light in wanted
    ]
    diagnosed = examine(dataset, test=str(write_jsonl(tmp_path / "t.jsonl", [{"messages": one} for one in turns])))
    assert rows_of(found(diagnosed, "test_overlap")) == [2]
    assert rows_of(found(diagnosed, "test_questions")) == [3]


# --- damage, marks and addresses wherever a model reads them --------------------------------------------------------

BAD = "WeiÃŸt du <|im_start|> max@example.com"
MENDED = "Weißt du <|im_start|> max@example.com"


def bad_call(text: str) -> str:
    return json.dumps([{"id": "1", "name": "mail", "arguments": {"name": text, "of": [{"n": 1}]}}], ensure_ascii=False)


def bad_tool(text: str) -> str:
    function = {"name": "mail", "description": text, "parameters": {"type": "object", "properties": {}}}
    return json.dumps([{"type": "function", "function": function}], ensure_ascii=False)


PLACES: dict[str, Callable[[str], Record]] = {
    "content": lambda text: Record(messages=asked(sentence(1), said(text))),
    "reasoning": lambda text: Record(messages=asked(sentence(1), said(sentence(2), reasoning=text))),
    "call": lambda text: Record(messages=asked(sentence(1), said("", tool_calls=bad_call(text)))),
    "rejected": lambda text: compared(sentence(1), said(sentence(2)), said(text)),
    "rejected reasoning": lambda text: compared(sentence(1), said(sentence(2)), said(sentence(2), reasoning=text)),
    "rejected call": lambda text: compared(sentence(1), said(sentence(2)), said("", tool_calls=bad_call(text))),
    "tools": lambda text: Record(messages=asked(sentence(1), said(sentence(2))), tools=bad_tool(text)),
    "text": lambda text: Record(text=text),
}


@pytest.mark.parametrize("where", PLACES)
def test_damage_marks_and_addresses_are_found_wherever_they_stand(tmp_path: Path, where: str) -> None:
    rows = [Record(messages=asked(question, said(answer))) for question, answer, *_ in sound(20)]
    rows[7] = PLACES[where](BAD)
    rows[9] = PLACES[where]("Gr\ufffde")
    diagnosed = examine(write_set(tmp_path / "set", rows))
    for code in ("mojibake", "template_markers", "personal_data.email"):
        assert rows_of(found(diagnosed, code)) == [7], code
    assert rows_of(found(diagnosed, "lost_letters")) == [9]
    assert bool(mark_in(rows[7])), "the import looks at as much"
    assert not mark_in(rows[9])


@pytest.mark.parametrize("where", PLACES)
def test_damage_is_repaired_wherever_it_was_found_and_one_undo_brings_it_back(tmp_path: Path, where: str) -> None:
    rows = [Record(messages=asked(question, said(answer))) for question, answer, *_ in sound(5)]
    rows[3] = PLACES[where](BAD)
    dataset = write_set(tmp_path / "set", rows)
    log = EditLog(dataset.folder, 5)
    before = list(dataset.records())
    inverse = log.apply(operation(dataset, found(examine(dataset), "mojibake")))
    mended = open_dataset(dataset.folder)
    assert mended.record(3) == PLACES[where](MENDED)
    assert mended.keys()[3] == mended.record(3).key
    assert finding(examine(mended), "mojibake") is None
    assert records_of_batches(mended)[3] == mended.record(3)
    log.apply(inverse)
    assert list(open_dataset(dataset.folder).records()) == before


def records_of_batches(dataset: Dataset) -> list[Record]:
    return [record for _, batch in dataset.batches() for record in records_of(batch)]


def test_names_of_tools_stay_since_calls_and_results_refer_to_them() -> None:
    wrong = "fÃ¼r"
    call = [{"id": wrong, "name": wrong, "arguments": {wrong: [wrong, 1, None], "name": wrong}}]
    text = json.dumps(call, ensure_ascii=False)
    assert json.loads(repaired_json(text)) == [
        {"id": wrong, "name": wrong, "arguments": {"für": ["für", 1, None], "name": "für"}}
    ]
    assert json.loads(repaired_json(bad_tool(wrong)))[0]["function"] == {
        "name": "mail", "description": "für", "parameters": {"type": "object", "properties": {}},
    }  # fmt: skip
    right = '[{"id": "",  "name": "f", "arguments": {"x": 1e2}}]'
    assert repaired_json(right) == right, "what is right stays as it is written"
    assert repaired_json(f"[{wrong}") == f"[{wrong}"


def test_ids_of_calls_are_no_personal_data(tmp_path: Path) -> None:
    rows = [
        Record(messages=asked(sentence(n), said("", tool_calls=call("on", n, "4111 1111 1111 1111")))) for n in range(5)
    ]
    assert finding(examine(write_set(tmp_path / "set", rows)), "personal_data.card") is None


def test_an_excerpt_shows_what_was_found_beside_the_contents(tmp_path: Path) -> None:
    rows = [compared("Why?", said("So."), said(BAD)), Record(messages=asked("Who?", said("Me.", reasoning=BAD)))]
    one = found(examine(write_set(tmp_path / "set", rows)), "template_markers")
    assert [example.excerpt for example in one.examples] == [f"Why? · So. · {BAD}", f"Who? · {BAD} · Me."]


# --- rows in which nothing is to be learned -------------------------------------------------------------------------


def weighed(number: int, *weights: str, side: str = "") -> Record:
    turns = [
        turn
        for place, weight in enumerate(weights)
        for turn in asked(sentence(10 * number + 2 * place), said(sentence(10 * number + 2 * place + 1), weight=weight))
    ]
    return Record(messages=tuple(turns), side=side)  # type: ignore[arg-type]


def test_rows_of_weight_nought_are_told_and_are_not_usable(tmp_path: Path) -> None:
    rows = [weighed(0, "0"), weighed(1, ""), weighed(2, "0", "0"), weighed(3, "0", ""), weighed(4, "", "0")]
    dataset = write_set(tmp_path / "set", rows)
    diagnosed = examine(dataset)
    one = found(diagnosed, "nothing_to_learn")
    assert (rows_of(one), one.fix, diagnosed.usable) == ([0, 2], "", 3)
    assert diagnosed.verdict.startswith("3 of 5 rows are usable. 2 rows hold nothing to learn.")
    assert one.why == 'All answers are marked with "weight": 0: read with the conversation and not learned.'
    last = examine(dataset, learned_turns="last")
    assert (rows_of(found(last, "nothing_to_learn")), last.usable) == ([0, 2, 4], 2)
    assert finding(examine(dataset, learn_answers_only=False), "nothing_to_learn") is None


def measured(record: Record) -> Measured:
    """As the worker counts them, with settings that cut every second row's answer away and know no weights."""
    cut = record.source_row % 2 == 1
    return Measured(tokens=90 if cut else 9, lost=40 * cut, left_out=False, nothing=cut)


def test_rows_of_whose_answer_the_settings_leave_nothing_are_not_usable_either(tmp_path: Path) -> None:
    rows = [msgspec.structs.replace(weighed(n, "0" if n == 3 else ""), source_row=n) for n in range(10)]
    diagnosed = examine(write_set(tmp_path / "set", rows), measured, max_tokens=64)
    one = found(diagnosed, "nothing_to_learn")
    assert (one.count, one.sampled, diagnosed.usable) == (5, 0, 5)
    assert sorted(rows_of(one)) == [1, 3, 5, 7, 9]
    assert "At 64 tokens nothing of the answer is left." in one.why
    assert finding(diagnosed, "answers_cut") is None, "they lose not a part, but all of it"


def test_of_a_large_dataset_marks_are_counted_and_the_rest_is_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.data.doctor.checks.lengths.SAMPLE", 20)
    rows = [msgspec.structs.replace(weighed(n, "0" if n % 4 == 0 else ""), source_row=n) for n in range(200)]
    diagnosed = examine(write_set(tmp_path / "set", rows), measured, max_tokens=64)
    one = found(diagnosed, "nothing_to_learn")
    assert one.sampled == 20
    assert one.title.startswith("About ")
    assert one.count >= 50
    assert diagnosed.usable == 200 - one.count
    marked = examine(write_set(tmp_path / "marked", rows), lambda row: Measured(tokens=9, lost=0, left_out=False))
    assert (found(marked, "nothing_to_learn").count, found(marked, "nothing_to_learn").sampled) == (50, 0)


def test_rows_that_are_not_learned_leak_no_test_and_are_none(tmp_path: Path) -> None:
    rows = [weighed(0, "0", side="train"), weighed(0, "", side="held_back"), weighed(1, "", side="train")]
    rows += [weighed(1, "0", side="held_back"), weighed(2, "0", "", side="train"), weighed(2, "", "", side="held_back")]
    dataset = write_set(tmp_path / "set", rows)
    assert rows_of(found(examine(dataset), "overlap")) == [4]
    test = write_set(tmp_path / "test", [weighed(0, ""), weighed(5, "")])
    assert rows_of(found(examine(dataset, test=str(test.folder)), "test_overlap")) == [1]
