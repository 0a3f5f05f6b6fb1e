"""Conversations as people write them, two messages in a row and a greeting first, are kept where that is asked for."""

import json
from pathlib import Path
from typing import Any

import pytest

from studio.contract.control import Going
from studio.contract.events import Imported
from studio.contract.job import ImportJob, Mapping
from studio.contract.records import Message
from studio.data.dataset import open_dataset
from studio.data.importing import import_dataset
from studio.data.made_from import origin_of
from studio.data.turn_order import OPTION, MendTally, is_offered, mend
from tests.data.files import refused

Turns = list[tuple[str, str]]
CALL = '[{"id": "1", "name": "clock", "arguments": {}}]'
Q, A = ("user", "Where is it?"), ("assistant", "In the hall.")


def messages(*turns: tuple[str, str]) -> list[Message]:
    return [Message(role, text) for role, text in turns]  # type: ignore[arg-type]


def told(made: list[Message]) -> Turns:
    return [(message.role, message.content) for message in made]


@pytest.mark.parametrize(
    ("turns", "mended", "steps"),
    [
        ([Q, A], [Q, A], ()),
        ([("system", "Be brief."), Q, A, Q, A], [("system", "Be brief."), Q, A, Q, A], ()),
        ([("user", "Hi."), Q, A], [("user", "Hi.\n\nWhere is it?"), A], ("joined",)),
        (
            [Q, A, ("assistant", "On the left."), ("assistant", "By the door.")],
            [Q, ("assistant", "In the hall.\n\nOn the left.\n\nBy the door.")],
            ("joined",),
        ),
        ([("assistant", "Hello!"), ("assistant", "I am Tom."), Q, A], [Q, A], ("opening",)),
        ([("system", "S"), ("assistant", "Hello!"), Q, A], [("system", "S"), Q, A], ("opening",)),
        ([Q, A, ("user", "Thanks."), ("user", "Bye.")], [Q, A], ("ending",)),
        (
            [("assistant", "Hello!"), ("user", "Hi."), Q, A, ("user", "Thanks.")],
            [("user", "Hi.\n\nWhere is it?"), A],
            ("opening", "ending", "joined"),
        ),
        ([("user", " "), Q, A, ("assistant", "")], [Q, A], ("joined",)),
        ([("user", "Hi."), Q], [("user", "Hi.\n\nWhere is it?")], ("joined",)),
        ([("assistant", "Hello!")], [("assistant", "Hello!")], ()),
        ([Q, A, ("system", "S"), ("user", "?")], [Q, A, ("system", "S"), ("user", "?")], ()),
    ],
)
def test_only_neighbours_are_joined_and_only_ends_left_out(turns: Turns, mended: Turns, steps: tuple[str, ...]) -> None:
    made, done = mend(messages(*turns))
    assert (told(made), done) == (mended, steps)


def test_calls_of_tools_their_results_and_later_thoughts_stay_where_they_are() -> None:
    call, result = Message("assistant", "", tool_calls=CALL), Message("tool", "Noon.")
    for turns in (
        [*messages(Q, A), call, result, *messages(A)],
        [*messages(Q), call, *messages(A)],
        [call, result, *messages(Q, A)],
        [*messages(A), call, *messages(Q, A)],
        [*messages(Q), call, result, Message("tool", "One."), *messages(("user", "Thanks."))],
        [*messages(Q, A), Message("assistant", "Or there.", reasoning="Hm.")],
    ):
        assert mend(turns) == (turns, ())
    thought = [*messages(Q), Message("assistant", "Here.", reasoning="Hm."), *messages(A)]
    assert mend(thought)[0][1] == Message("assistant", "Here.\n\nIn the hall.", reasoning="Hm.")


# --- imports -------------------------------------------------------------------------------------------------------

CHATS: list[Turns] = [
    [Q, A],
    [Q, A],
    [("user", "Hi."), Q, A],
    [("assistant", "Hello!"), Q, A],
    [Q, A, ("user", "Thanks.")],
    [("assistant", "Hello!"), ("user", "Hi."), Q, A],
    [("user", "Only a question."), ("user", "And one more.")],
]


def chat_row(turns: Turns) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


def sharegpt_row(turns: Turns) -> dict[str, Any]:
    names = {"user": "human", "assistant": "gpt"}
    return {"system": "Be kind.", "conversations": [{"from": names[role], "value": text} for role, text in turns]}


def lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def turn_rows(path: Path) -> Path:
    cells = ["conversation_id,role,content"]
    cells += [f'{number},{role},"{text}"' for number, turns in enumerate(CHATS) for role, text in turns]
    path.write_text("\n".join(cells) + "\n", "utf-8")
    return path


def imported(source: Path, parent: Path, mend_turns: bool, **how: Any) -> Imported:
    folder = parent / ("mended" if mend_turns else "strict")
    work = ImportJob(source=str(source), destination=str(folder), name="x", mend_turns=mend_turns, **how)
    return import_dataset(work, lambda event: None, Going())


@pytest.mark.parametrize("form", ["chat", "sharegpt", "turn rows"])
def test_nothing_is_changed_unasked_and_the_way_on_is_told(own_home: Path, tmp_path: Path, form: str) -> None:
    source = tmp_path / "rows.jsonl"
    match form:
        case "chat":
            lines(source, [chat_row(turns) for turns in CHATS])
        case "sharegpt":
            lines(source, [sharegpt_row(turns) for turns in CHATS])
        case _:
            source = turn_rows(tmp_path / "rows.csv")
    strict, mended = (imported(source, tmp_path, mend_turns) for mend_turns in (False, True))
    assert (strict.usable, mended.usable, mended.rows) == (2, 6, 7)
    offered = {problem.code: problem for problem in strict.problems if is_offered(problem.fix)}
    assert set(offered) == {"row.two_in_a_row", "row.assistant_first", "row.ends_on_user"}
    assert OPTION in offered["row.two_in_a_row"].fix
    (refused_row,) = [problem for problem in mended.problems if problem.code.startswith("row.")]
    assert refused_row.what.startswith("1 row was left out")
    assert not is_offered(refused_row.fix)
    (remark,) = [problem for problem in mended.problems if problem.code == "data.turns_mended"]
    assert remark.what == (
        "The order of turns was mended: in 2 rows messages of one side that followed each other were joined, in 2 what "
        "the assistant says before the first question was left out, in 1 a last message without an answer was left out."
    )
    records = list(open_dataset(tmp_path / "mended").records())
    first = 1 if form == "sharegpt" else 0
    questions = [record.messages[first].content for record in records]
    assert questions == [Q[1], Q[1], "Hi.\n\nWhere is it?", Q[1], Q[1], "Hi.\n\nWhere is it?"]
    assert all(told(list(record.messages[first + 1 :])) == [A] for record in records)
    assert all((record.messages[0].role == "system") == (form == "sharegpt") for record in records)


def test_a_row_whose_order_is_wrong_at_a_tool_stays_refused_and_nothing_is_promised_for_it(
    own_home: Path, tmp_path: Path
) -> None:
    call = {"type": "function", "id": "1", "function": {"name": "clock", "arguments": "{}"}}
    asked, answered = {"role": "user", "content": "Time?"}, {"role": "assistant", "content": "Let me see."}
    result = {"role": "tool", "content": "Noon.", "tool_call_id": "1"}
    odd = {"messages": [asked, answered, {"role": "assistant", "content": "", "tool_calls": [call]}, result, answered]}
    even = {
        "messages": [{**asked, "content": "Hi."}, asked, {"role": "assistant", "tool_calls": [call]}, result, answered]
    }
    source = lines(tmp_path / "rows.jsonl", [chat_row([Q, A]), chat_row([Q, A]), odd, even])
    strict, mended = (imported(source, tmp_path, mend_turns) for mend_turns in (False, True))
    (fault,) = strict.problems[:1]
    assert (fault.code, strict.usable, mended.usable) == ("row.two_in_a_row", 2, 3)
    assert "1 of them is kept then" in fault.fix
    (left,) = [problem for problem in mended.problems if problem.code == "row.two_in_a_row"]
    assert (left.fix, left.what) == (
        "Join the two turns into one.",
        "1 row was left out: the same side speaks twice in a row.",
    )
    told = [problem.what for problem in mended.problems if problem.code.startswith("data.turns")]
    assert told[1:] == ["Not all rows whose order of turns was to be mended could be; the others were left out."]
    kept = list(open_dataset(tmp_path / "mended").records())[2].messages
    assert [message.role for message in kept] == ["user", "assistant", "tool", "assistant"]
    assert (kept[0].content, kept[2].content) == ("Hi.\n\nTime?", "Noon.")


def test_where_no_row_is_in_order_the_error_offers_to_mend_them(own_home: Path, tmp_path: Path) -> None:
    source = lines(tmp_path / "rows.jsonl", [chat_row([("assistant", "Hello!"), Q, A])] * 3)
    problem = refused(lambda: imported(source, tmp_path, False))
    assert problem.code == "data.no_usable_rows"
    assert is_offered(problem.fix)
    assert imported(source, tmp_path, True).usable == 3


def test_pairs_of_answers_are_read_as_they_are(own_home: Path, tmp_path: Path) -> None:
    def pair(*turns: tuple[str, str]) -> dict[str, Any]:
        better = chat_row([*turns, ("assistant", "Yes, of course.")])["messages"]
        return {"chosen": better, "rejected": chat_row([*turns, ("assistant", "No.")])["messages"]}

    source = lines(tmp_path / "rows.jsonl", [pair(Q), pair(Q, A, Q), pair(("user", "Hi."), Q)])
    strict, mended = (imported(source, tmp_path, mend_turns) for mend_turns in (False, True))
    assert (strict.mapping.kind, strict.usable, mended.usable) == ("preference", 2, 2)
    (fault,) = [problem for problem in strict.problems if problem.code == "row.two_in_a_row"]
    assert not is_offered(fault.fix)
    one, other = (open_dataset(tmp_path / name).table.whole() for name in ("strict", "mended"))
    assert one.equals(other)
    (told,) = [problem for problem in mended.problems if problem.code.startswith("data.")]
    assert (told.code, told.what.endswith("none could be.")) == ("data.turns_unmended", True)


def test_a_rated_conversation_keeps_its_rating(own_home: Path, tmp_path: Path) -> None:
    rows = [{**chat_row(turns), "label": good} for turns, good in zip(CHATS[:6], [True, False] * 3, strict=True)]
    source = lines(tmp_path / "rows.jsonl", rows)
    done = imported(source, tmp_path, True, mapping=Mapping(shape="label", messages="messages", label="label"))
    assert done.usable == 6
    assert [record.label for record in open_dataset(tmp_path / "mended").records()] == [True, False] * 3


def test_the_dataset_knows_the_choice_and_an_own_test_file_is_read_alike(own_home: Path, tmp_path: Path) -> None:
    source = lines(tmp_path / "rows.jsonl", [chat_row(turns) for turns in CHATS])
    test = lines(
        tmp_path / "test.jsonl", [chat_row([("assistant", "Hello!"), ("user", "New?"), ("assistant", "Yes.")])]
    )
    done = imported(source, tmp_path, True, held_back=str(test))
    assert done.held_back_rows == 1
    origin = origin_of(open_dataset(tmp_path / "mended").info)
    assert origin is not None
    assert origin.job.mend_turns


def test_a_file_in_order_says_that_nothing_was_to_be_mended(own_home: Path, tmp_path: Path) -> None:
    source = lines(tmp_path / "rows.jsonl", [chat_row([Q, A])] * 3)
    strict, mended = (imported(source, tmp_path, mend_turns) for mend_turns in (False, True))
    assert "data.turns_in_order" in {problem.code for problem in mended.problems}
    assert "data.turns_in_order" not in {problem.code for problem in strict.problems}
    assert MendTally().problems("rows.jsonl") == []


SYSTEM = ("system", "Be brief.")


@pytest.mark.parametrize(
    "odd",
    [
        {"messages": [{"role": role, "content": text} for role, text in (SYSTEM, SYSTEM, Q, A)]},
        {
            "messages": [
                {"role": "user", "content": "Time?"},
                {"role": "assistant", "content": "A draft.", "weight": 0},
                {"role": "assistant", "content": "Noon.", "weight": 1},
            ]
        },
        {"messages": [{"role": "user", "content": "Anybody there?"}]},
    ],
)
def test_rows_that_cannot_be_mended_are_not_said_to_be_in_order(
    own_home: Path, tmp_path: Path, odd: dict[str, Any]
) -> None:
    source = lines(tmp_path / "rows.jsonl", [chat_row([Q, A])] * 3 + [odd] * 2)
    mended = imported(source, tmp_path, True)
    assert (mended.usable, [problem.code for problem in mended.problems if "turns" in problem.code]) == (
        3,
        ["data.turns_unmended"],
    )


def test_rows_in_order_between_others_make_no_batch_of_their_own(own_home: Path, tmp_path: Path) -> None:
    """A batch for each of them made a dataset slow to write and to open."""
    turns = [CHATS[3] if number % 3 == 0 else [("user", f"Where is {number}?"), A] for number in range(1500)]
    source = lines(tmp_path / "rows.jsonl", [chat_row(one) for one in turns])
    for mend_turns, rows in ((False, 1000), (True, 1500)):
        imported(source, tmp_path, mend_turns)
        opened = open_dataset(tmp_path / ("mended" if mend_turns else "strict"))
        assert len(list(opened.table.batches())) <= 3
        numbers = opened.table.column("source_row").to_pylist()
        assert (len(numbers), numbers) == (rows, sorted(numbers))
        assert [record.key for record in opened.records()] == opened.table.column("key").to_pylist()
