"""Tools, reasoning, texts, compared and rated answers: found by guess, and what makes such a row unfit."""

import json
from pathlib import Path
from typing import Any

import pytest

from studio.contract.control import Going
from studio.contract.errors import StudioError
from studio.contract.job import ImportJob, Mapping
from studio.contract.records import Message, Record
from studio.data.importing import import_dataset
from studio.data.mapping import check, guess, rows_of, to_record
from studio.data.row_faults import FAULTS
from tests.data.files import refused

TOOL = {"name": "weather", "description": "Weather of a city", "parameters": {"type": "object", "properties": {}}}
DECLARED = json.dumps([{"type": "function", "function": TOOL}])
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Köln"}'}}
CALLED = '[{"id": "call_1", "name": "weather", "arguments": {"city": "Köln"}}]'
ASKED = {"role": "user", "content": "How is the weather?"}
HH = "\n\nHuman: Who are you?\n\nAssistant: Anna.\n\nHuman: And I?\n\nAssistant: "


def records(*rows: dict[str, Any]) -> tuple[Mapping, list[Record]]:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    mapping = guess(columns, rows)
    check(mapping, columns)
    return mapping, [
        to_record(part, mapping, number) for number, row in enumerate(rows, 1) for part in rows_of(row, mapping, number)
    ]


def fault_of(row: dict[str, Any], mapping: Mapping) -> str:
    problem = refused(lambda: to_record(row, mapping, 7))
    assert problem.where == "row 7"
    assert problem.code in FAULTS
    assert problem.fix
    return problem.code


# --- tools and reasoning ----------------------------------------------------------------------------------


def test_openai_calls_results_and_tools_are_kept() -> None:
    turns = [
        {"role": "developer", "content": "Be brief."},
        ASKED,
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "12 degrees"},
        {"role": "assistant", "content": "It is 12.", "reasoning_content": "Easy."},
    ]
    mapping, (record,) = records({"messages": turns, "tools": [TOOL]})
    assert (mapping.shape, mapping.tools) == ("chat", "tools")
    assert '"tools" holds the tools' in mapping.reason
    assert record.tools == DECLARED
    assert record.messages == (
        Message("system", "Be brief."),
        Message("user", "How is the weather?"),
        Message("assistant", "", tool_calls=CALLED),
        Message("tool", "12 degrees", name="weather", call_id="call_1"),
        Message("assistant", "It is 12.", reasoning="Easy."),
    )


def test_calls_of_the_old_kind_and_of_sharegpt_are_the_same() -> None:
    old = {"role": "assistant", "content": "", "function_call": {"name": "weather", "arguments": '{"city": "Köln"}'}}
    result = {"role": "function", "name": "weather", "content": "12 degrees"}
    end = {"role": "assistant", "content": "It is 12."}
    _, (one,) = records({"messages": [ASKED, old, result, end]})
    sharegpt = [
        {"from": "human", "value": "How is the weather?"},
        {"from": "function_call", "value": '{"name": "weather", "arguments": {"city": "Köln"}}'},
        {"from": "observation", "value": "12 degrees"},
        {"from": "gpt", "value": "It is 12."},
    ]
    mapping, (other,) = records({"conversations": sharegpt, "tools": json.dumps([TOOL])})
    assert mapping.shape == "sharegpt"
    assert other.tools == DECLARED
    assert one.messages == other.messages
    assert one.messages[2].call_id == "call00001"
    assert json.loads(one.messages[1].tool_calls)[0]["id"] == "call00001"


def test_calls_made_at_the_same_time_are_one_turn_and_results_find_theirs() -> None:
    turns = [
        {"from": "human", "value": "a and b?"},
        {"from": "gpt", "value": "I look."},
        {"from": "function_call", "value": '{"name": "f", "arguments": {"x": "a"}}'},
        {"from": "function_call", "value": '{"name": "g", "arguments": {"x": "b"}}'},
        {"from": "observation", "value": "1"},
        {"from": "observation", "value": {"is": 2}},
        {"from": "gpt", "value": "1 and 2."},
    ]
    _, (record,) = records({"conversations": turns})
    assert [message.role for message in record.messages] == ["user", "assistant", "tool", "tool", "assistant"]
    assert record.messages[1].content == "I look."
    assert [call["name"] for call in json.loads(record.messages[1].tool_calls)] == ["f", "g"]
    assert [(m.name, m.call_id, m.content) for m in record.messages[2:4]] == [
        ("f", "call00001", "1"),
        ("g", "call00002", '{"is": 2}'),
    ]


def test_typed_parts_are_text_and_reasoning() -> None:
    parts = [
        {"type": "thinking", "thinking": "Hm."},
        {"type": "text", "text": "A"},
        {"type": "output_text", "text": "B"},
    ]
    _, (record,) = records({"messages": [ASKED, {"role": "assistant", "content": parts}]})
    assert record.messages[1] == Message("assistant", "AB", reasoning="Hm.")


@pytest.mark.parametrize(
    ("turns", "code"),
    [
        ([ASKED, {"role": "tool", "content": "12"}, {"role": "assistant", "content": "x"}], "row.tool_without_call"),
        ([{"role": "tool", "content": "12"}, {"role": "assistant", "content": "x"}], "row.tool_without_call"),
        ([ASKED, {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "content": "12"}], "row.ends_on_user"),
        ([ASKED, {"role": "assistant", "tool_calls": "weather"}], "row.bad_tool_call"),
        ([ASKED, {"role": "assistant", "tool_calls": [7]}], "row.bad_tool_call"),
        ([ASKED, {"role": "assistant", "tool_calls": [{"name": "f", "arguments": "x"}]}], "row.bad_tool_call"),
        ([ASKED, {"role": "assistant", "tool_calls": [{"name": "f", "arguments": {"a": "\ud83d"}}]}],
         "row.broken_character"),
        ([ASKED, {"role": "assistant", "content": "x", "reasoning": "\ud83d"}], "row.broken_character"),
        ([ASKED, {"role": "assistant", "content": "x", "reasoning": 7}], "row.content_not_text"),
        ([ASKED, {"role": "assistant", "content": None, "reasoning": "Hm."}], "row.content_not_text"),
        ([ASKED, {"role": "assistant", "content": "", "reasoning": "Hm."}], "row.empty_answer"),
        ([ASKED, {"role": "assistant", "content": None, "tool_calls": []}], "row.content_not_text"),
        ([ASKED, {"from": "function_call", "value": ""}], "row.bad_tool_call"),
        ([ASKED, {"role": "assistant", "content": "x"}, {"role": "narrator", "content": "y"}], "row.unknown_role"),
    ],
)  # fmt: skip
def test_calls_that_cannot_be_learned_are_refused(turns: list[Any], code: str) -> None:
    assert fault_of({"messages": turns}, Mapping(shape="chat", messages="messages")) == code


@pytest.mark.parametrize("tools", ["weather", 7, [7], [{"type": "function"}], [{"function": {"name": ""}}]])
def test_tools_that_are_none_are_refused(tools: object) -> None:
    row = {"messages": [ASKED, {"role": "assistant", "content": "x"}], "tools": tools}
    assert fault_of(row, Mapping(shape="chat", messages="messages", tools="tools")) == "row.bad_tools"


@pytest.mark.parametrize("tools", [None, "", "[]", [], " "])
def test_a_row_without_tools_is_a_plain_one(tools: object) -> None:
    row = {"messages": [ASKED, {"role": "assistant", "content": "x"}], "tools": tools}
    assert to_record(row, Mapping(shape="chat", messages="messages", tools="tools"), 1).is_plain


def test_reasoning_of_a_column_of_its_own_is_kept() -> None:
    mapping = Mapping(shape="prompt_completion", prompt="q", completion="a", reasoning="cot")
    record = to_record({"q": "2 + 2?", "a": "4", "cot": "Add."}, mapping, 1)
    assert record.messages[1] == Message("assistant", "4", reasoning="Add.")
    assert to_record({"q": "2 + 2?", "a": "4", "cot": None}, mapping, 1).is_plain


# --- instances and history --------------------------------------------------------------------------------


def test_every_instance_of_an_instruction_is_an_example() -> None:
    row = {
        "id": "seed_1",
        "instruction": "Add.",
        "instances": [{"input": "1, 2", "output": "3"}, {"input": "", "output": "0"}],
    }
    mapping, found = records(row)
    assert (mapping.shape, mapping.instances) == ("alpaca", "instances")
    assert [record.messages for record in found] == [
        (Message("user", "Add.\n\n1, 2"), Message("assistant", "3")),
        (Message("user", "Add."), Message("assistant", "0")),
    ]
    for bad in (None, "x", [], [7]):
        problem = refused(lambda bad=bad: list(rows_of({**row, "instances": bad}, mapping, 7)))
        assert problem.code == "row.bad_instances"


def test_earlier_exchanges_come_before_the_question() -> None:
    row = {"instruction": "And I?", "input": "", "output": "Ben.", "history": [["Who are you?", "Anna."]]}
    mapping, (record,) = records(row)
    assert mapping.history == "history"
    assert [message.content for message in record.messages] == ["Who are you?", "Anna.", "And I?", "Ben."]
    assert records({**row, "history": json.dumps(row["history"])})[1] == [record]
    assert len(to_record({**row, "history": None}, mapping, 1).messages) == 2
    for bad in ("x", [7], [["a"]], [["a", None]], {"a": 1}):
        assert fault_of({**row, "history": bad}, mapping) == "row.bad_history"


# --- texts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [{"text": "Once."}, {"id": 7, "url": "https://x.org", "title": "A tale", "text": "Once."}, {"Absatz": "Once."}],
)
def test_texts_are_recognised(row: dict[str, Any]) -> None:
    mapping, (record,) = records(row)
    assert mapping.shape == "text"
    assert record == Record(text="Once.", source_row=1)
    assert all(f'"{name}"' in mapping.reason for name in row)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "row.empty_text"),
        (" \n", "row.empty_text"),
        (None, "row.empty_text"),
        (7, "row.content_not_text"),
        ("\ud83d", "row.broken_character"),
    ],
)
def test_a_text_that_cannot_be_learned_is_refused(text: object, code: str) -> None:
    assert fault_of({"text": text}, Mapping(shape="text", text="text")) == code


def test_a_class_beside_a_text_is_its_answer() -> None:
    rows = [{"text": f"I liked it {n} times.", "label": "good" if n % 2 else "bad"} for n in range(12)]
    mapping, found = records(*rows)
    assert (mapping.shape, mapping.prompt, mapping.completion) == ("prompt_completion", "text", "label")
    assert found[1].messages[1].content == "good"


def test_a_text_beside_a_summary_is_no_plain_text() -> None:
    rows = [{"text": f"A long tale about {n} " * 9, "summary": f"Tale {n}"} for n in range(12)]
    assert guess(["text", "summary"], rows).shape == "prompt_completion"


# --- compared answers -------------------------------------------------------------------------------------


def test_a_question_with_two_answers_is_compared() -> None:
    row = {"system": "Be kind.", "prompt": "Who?", "chosen": "Me.", "rejected": "You."}
    mapping, (record,) = records(row)
    assert (mapping.shape, mapping.prompt, mapping.completion, mapping.rejected) == (
        "preference", "prompt", "chosen", "rejected",
    )  # fmt: skip
    assert record.messages == (Message("system", "Be kind."), Message("user", "Who?"), Message("assistant", "Me."))
    assert record.rejected == (Message("assistant", "You."),)
    assert (record.shared, record.chosen) == (2, (Message("assistant", "Me."),))


@pytest.mark.parametrize(
    ("better", "worse"),
    [("chosen", "rejected"), ("response_chosen", "response_rejected"), ("Bessere Antwort", "Schlechtere Antwort")],
)
def test_compared_answers_are_known_by_many_names(better: str, worse: str) -> None:
    mapping, (record,) = records({"id": "1", "question": "Who?", better: "Me.", worse: "You."})
    assert mapping.shape == "preference"
    assert record.chosen[0].content == "Me."


def test_conversations_that_begin_alike_are_compared_where_they_part() -> None:
    begun = [
        {"role": "user", "content": "Who are you?"},
        {"role": "assistant", "content": "Anna."},
        {"role": "user", "content": "And I?"},
    ]
    better, worse = ([*begun, {"role": "assistant", "content": said}] for said in ("Ben.", "No."))
    transcripts = {"chosen": f"{HH}Ben.", "rejected": f"{HH}No."}
    lists = {"chosen": better, "rejected": worse}
    with_prompt = {"prompt": "And I?", "prompt_id": "7", **lists, "score_chosen": 9.0, "score_rejected": 1.0}
    tables = {name: json.dumps(value) for name, value in lists.items()}
    for row in (transcripts, lists, with_prompt, tables):
        mapping, (record,) = records(row)
        assert (mapping.shape, mapping.prompt) == ("preference", "")
        assert [message.content for message in record.messages] == ["Who are you?", "Anna.", "And I?", "Ben."]
        assert (record.shared, record.rejected) == (3, (Message("assistant", "No."),))


def test_a_conversation_with_two_endings_is_compared() -> None:
    row = {"conversations": [{"from": "human", "value": "Hi"}], "chosen": {"from": "gpt", "value": "Hello"},
           "rejected": {"from": "gpt", "value": '{"go": "away"}'}}  # fmt: skip
    _, (record,) = records(row)
    assert record.messages == (Message("user", "Hi"), Message("assistant", "Hello"))
    assert record.rejected == (Message("assistant", '{"go": "away"}'),)


COMPARED = Mapping(shape="preference", prompt="prompt", completion="chosen", rejected="rejected")


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"prompt": "Who?", "chosen": "Me.", "rejected": "Me."}, "row.same_answers"),
        ({"prompt": "Who?", "chosen": "Me.", "rejected": " Me.\n"}, "row.same_answers"),
        ({"prompt": "Who?", "chosen": "Me."}, "row.missing_column"),
        ({"prompt": "Who?", "chosen": "Me.", "rejected": None}, "row.empty_answer"),
        ({"prompt": "Who?", "chosen": "", "rejected": "You."}, "row.empty_answer"),
        ({"prompt": "", "chosen": "Me.", "rejected": "You."}, "row.empty_question"),
        ({"prompt": "Who?", "chosen": 7, "rejected": "You."}, "row.content_not_text"),
    ],
)
def test_answers_that_cannot_be_compared_are_refused(row: dict[str, Any], code: str) -> None:
    assert fault_of(row, COMPARED) == code


def test_conversations_that_do_not_begin_alike_are_refused() -> None:
    whole = Mapping(shape="preference", completion="chosen", rejected="rejected")
    other = "\n\nHuman: What else?\n\nAssistant: No."
    assert fault_of({"chosen": f"{HH}Ben.", "rejected": other}, whole) == "row.other_question"
    short = "\n\nHuman: Who are you?\n\nAssistant: Anna."
    assert fault_of({"chosen": f"{HH}Ben.", "rejected": short}, whole) == "row.other_question"
    assert fault_of({"chosen": "Ben.", "rejected": "No."}, whole) == "row.assistant_first"


def test_the_better_answers_alone_can_be_chosen() -> None:
    row = {"prompt": "Who?", "chosen": "Me.", "rejected": "You."}
    record = to_record(row, Mapping(shape="prompt_completion", prompt="prompt", completion="chosen"), 1)
    assert record == Record(messages=(Message("user", "Who?"), Message("assistant", "Me.")), source_row=1)
    whole = to_record({"chosen": f"{HH}Ben."}, Mapping(shape="chat", messages="chosen"), 1)
    assert whole.messages[-1] == Message("assistant", "Ben.")


def test_compared_answers_without_a_question_are_explained() -> None:
    problem = refused(lambda: records({"chosen": "Me.", "rejected": "You.", "n": 7}))
    assert problem.code == "data.no_mapping"
    assert "question" in problem.what
    assert '"chosen"' in problem.why


# --- rated answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("good", "bad"), [(True, False), (1, 0), ("true", "False"), ("1", "0")])
def test_rated_answers_are_recognised_in_conversations_and_in_pairs(good: object, bad: object) -> None:
    talk = [ASKED, {"role": "assistant", "content": "Fine."}]
    for row in ({"messages": talk}, {"prompt": "How is the weather?", "completion": "Fine."},
                {"instruction": "How is the weather?", "input": "", "output": "Fine."}):  # fmt: skip
        mapping, (liked, disliked) = records({**row, "label": good}, {**row, "label": bad})
        assert (mapping.shape, mapping.label) == ("label", "label")
        assert (liked.label, disliked.label) == (True, False)
        assert liked.messages == (Message("user", "How is the weather?"), Message("assistant", "Fine."))


@pytest.mark.parametrize("label", [None, 2, "perhaps", [], 0.5])
def test_a_rating_that_says_nothing_is_refused(label: object) -> None:
    mapping = Mapping(shape="label", prompt="q", completion="a", label="label")
    assert fault_of({"q": "Who?", "a": "Me.", "label": label}, mapping) == "row.bad_label"


# --- mappings of the user's own -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mapping", "code", "words"),
    [
        (Mapping(shape="text"), "data.mapping_incomplete", "text"),
        (Mapping(shape="preference", prompt="q", completion="a"), "data.mapping_incomplete", "worse answer"),
        (Mapping(shape="preference", prompt="q", rejected="a"), "data.mapping_incomplete", "better answer"),
        (Mapping(shape="preference", prompt="q", completion="a", rejected="a"), "data.mapping_same", "worse answer"),
        (Mapping(shape="label", prompt="q", completion="a"), "data.mapping_incomplete", "label"),
        (Mapping(shape="label", label="l", completion="a"), "data.mapping_incomplete", "question"),
        (Mapping(shape="label", label="x", messages="q"), "data.mapping_column", '"x"'),
        (Mapping(shape="chat", messages="q", tools="x"), "data.mapping_column", '"x"'),
    ],
)
def test_a_choice_that_does_not_fit_is_explained(mapping: Mapping, code: str, words: str) -> None:
    problem = refused(lambda: check(mapping, ["q", "a", "l"]))
    assert problem.code == code
    assert words in problem.what


def test_instances_name_their_own_columns() -> None:
    check(Mapping(shape="alpaca", prompt="q", instances="a", completion="output"), ["q", "a"])


def test_columns_that_say_nothing_are_listed() -> None:
    with pytest.raises(StudioError) as caught:
        guess(["id", "when"], [{"id": 1, "when": "2026-01-01"}])
    assert '"id", "when"' in caught.value.problem.why


def test_ratings_in_words_are_read_and_others_are_told_of(tmp_path: Path) -> None:
    marks = ("schlecht", "gut")
    rows = [{"prompt": f"Is {n} even?", "completion": f"{n} is.", "label": marks[n % 2]} for n in range(8)]
    mapping, found = records(*rows)
    assert (mapping.shape, mapping.label) == ("label", "label")
    assert [record.label for record in found] == [False, True] * 4
    stars = [{"question": f"Is {n} even?", "answer": f"{n} is.", "rating": n % 5} for n in range(8)]
    path = tmp_path / "stars.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in stars))
    work = ImportJob(source=str(path), destination=str(tmp_path / "set"), name="x")
    imported = import_dataset(work, lambda event: None, Going())
    assert "data.rating_unread" in {problem.code for problem in imported.problems}
