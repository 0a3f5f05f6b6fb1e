"""Which columns hold what, and what makes a row unfit to learn from."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.contract.errors import StudioError
from studio.contract.job import Mapping
from studio.contract.records import Message
from studio.data.mapping import check, guess, to_record
from studio.data.row_faults import FAULTS
from tests.data.files import QA, refused

CHAT = Mapping(shape="chat", messages="messages")
PAIR = Mapping(shape="prompt_completion", prompt="q", completion="a", context="c", system="s")


def guessed(*rows: dict[str, Any]) -> Mapping:
    return guess(list(dict.fromkeys(name for row in rows for name in row)), rows)


def turns(*pairs: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in pairs]


def fault_of(row: dict[str, Any], mapping: Mapping = CHAT) -> str:
    problem = refused(lambda: to_record(row, mapping, 7))
    assert problem.where == "row 7"
    assert problem.code in FAULTS
    assert problem.fix
    return problem.code


# --- guessing ---------------------------------------------------------------------------------------------


def test_chat_messages_are_recognised() -> None:
    mapping = guessed({"id": "1", "messages": turns(("user", "Hi"), ("assistant", "Hello"))})
    assert (mapping.shape, mapping.messages) == ("chat", "messages")
    assert '"messages"' in mapping.reason


def test_sharegpt_is_recognised_with_its_system_column() -> None:
    mapping = guessed({"conversations": [{"from": "human", "value": "Hi"}], "system": "Be kind."})
    assert (mapping.shape, mapping.messages, mapping.system) == ("sharegpt", "conversations", "system")


def test_turns_under_any_name_and_as_json_text_in_a_table_are_recognised() -> None:
    assert guessed({"thread_17": turns(("user", "Hi"), ("assistant", "Hello"))}).messages == "thread_17"
    mapping = guessed({"chat": '[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]'})
    assert (mapping.shape, mapping.messages) == ("chat", "chat")


def test_alpaca_is_recognised_with_its_input() -> None:
    mapping = guessed({"output": "4", "instruction": "Add.", "input": "2 + 2"})
    assert mapping.shape == "alpaca"
    assert (mapping.prompt, mapping.context, mapping.completion) == ("instruction", "input", "output")


def test_an_instruction_beside_a_question_does_not_push_the_question_out() -> None:
    mapping = guessed({"instruction": "Answer.", "question": "Who?", "answer": "Me."})
    assert (mapping.prompt, mapping.context, mapping.completion) == ("instruction", "question", "answer")


@pytest.mark.parametrize(
    ("prompt", "completion"),
    [
        ("question", "answer"),
        ("Question", "ANSWER"),
        ("prompt", "completion"),
        ("input", "output"),
        ("userMessage", "assistantMessage"),
        ("Question (EN)", "Answer (EN)"),
        ("query", "response"),
        ("Frage", "Antwort"),
        ("Aufgabe", "Lösung"),
        ("Kundenfrage", "Musterantwort"),
        ("Question posée", "Réponse"),
        ("pregunta", "respuesta"),
        ("instrucción", "Salida"),
        ("domanda", "risposta"),
        ("pergunta", "resposta"),
        ("vraag", "antwoord"),
        ("pytanie", "odpowiedź"),
        ("вопрос", "ответ"),
        ("问题", "答案"),
        ("質問", "回答"),
        ("질문", "답변"),
        ("question_text", "answer_text"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_names_of_many_languages_are_known(prompt: str, completion: str, turned: bool) -> None:
    columns = ["nr", completion, prompt] if turned else ["nr", prompt, completion]
    rows = [{column: "1" if column == "nr" else "x" for column in columns}]
    mapping = guess(columns, rows)
    assert (mapping.prompt, mapping.completion) == (prompt, completion)
    assert f'"{prompt}"' in mapping.reason


def test_a_column_of_numbers_named_like_a_question_is_none() -> None:
    rows = [{"question_id": "17", "question": "Who?", "answer_id": "3", "reply": "Me."}]
    mapping = guessed(*rows)
    assert (mapping.prompt, mapping.completion) == ("question", "reply")
    assert guessed({"question": 7, "prompt": "Who?", "answer": "Me."}).prompt == "prompt"


def test_unknown_names_are_told_apart_by_question_marks() -> None:
    rows = [{"alpha": f"It is {n}.", "beta": f"What comes after {n}, if anything does?"} for n in range(12)]
    mapping = guessed(*rows)
    assert (mapping.prompt, mapping.completion) == ("beta", "alpha")
    assert "Guessed from the content" in mapping.reason


def test_unknown_names_are_told_apart_by_length_and_then_by_order() -> None:
    long = [{"alpha": f"A long text about {n} " * 5, "beta": f"Number {n}"} for n in range(12)]
    assert guessed(*long).completion == "alpha"
    even = [{"alpha": f"Number {n}", "beta": f"Figure {n}"} for n in range(12)]
    assert guessed(*even).completion == "beta"


def test_one_known_name_leaves_the_other_to_the_content() -> None:
    rows = [{"date": f"2026-01-{n:02}", "Frage": f"Was ist {n}?", "Bemerkung": f"Das ist die {n}."} for n in range(12)]
    mapping = guessed(*rows)
    assert (mapping.prompt, mapping.completion) == ("Frage", "Bemerkung")


def test_categories_dates_and_addresses_are_no_questions() -> None:
    rows = [
        {"kind": "plain", "url": f"https://example.org/page/{n}", "when": f"2026-01-{n:02}", "say": f"Text {n}"}
        for n in range(12)
    ]
    problem = refused(lambda: guessed(*rows))
    assert problem.code == "data.no_mapping"
    assert '"kind", "url", "when", "say"' in problem.why


def test_a_conversation_as_prompt_is_recognised() -> None:
    row = {"prompt": turns(("user", "Hi")), "completion": turns(("assistant", "Hello"))}
    record = to_record(row, guessed(row), 1)
    assert [message.role for message in record.messages] == ["user", "assistant"]


def test_one_column_that_is_no_text_cannot_be_mapped() -> None:
    problem = refused(lambda: guessed(*({"a~b": f"Chapter {n}."} for n in range(5))))
    assert problem.code == "data.no_mapping"
    assert "two columns" in problem.fix
    assert '"a~b"' in problem.why


def test_preference_conversations_can_be_mapped_by_hand() -> None:
    row = {"conversations": [{"from": "human", "value": "Hi"}], "chosen": {"from": "gpt", "value": "Hello"}}
    record = to_record(row, Mapping(shape="prompt_completion", prompt="conversations", completion="chosen"), 1)
    assert record.messages == (Message("user", "Hi"), Message("assistant", "Hello"))


def test_a_label_that_is_no_rating_does_no_harm() -> None:
    assert guessed({"question": "Who?", "answer": "Me.", "label": "people"}).prompt == "question"


@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=8),
            st.none()
            | st.booleans()
            | st.integers()
            | st.text(max_size=20)
            | st.lists(st.text(max_size=5), max_size=3),
            max_size=4,
        ),
        max_size=6,
    )
)
@settings(deadline=None)
def test_whatever_the_rows_are_guessing_ends_in_a_mapping_or_in_words(rows: list[dict[str, object]]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    code = ""
    try:
        check(guess(columns, rows), columns)
    except StudioError as error:
        code = error.problem.code
    assert code in ("", "data.no_mapping")


# --- a mapping of the user's own --------------------------------------------------------------------------


def test_a_chosen_column_must_exist_and_both_must_be_chosen() -> None:
    columns = ["q", "a"]
    pair = Mapping(shape="prompt_completion", prompt="q", completion="a")
    check(pair, columns)
    wrong = Mapping(shape="prompt_completion", prompt="q", completion="b")
    assert refused(lambda: check(wrong, columns)).code == "data.mapping_column"
    empty = Mapping(shape="prompt_completion", prompt="q")
    assert refused(lambda: check(empty, columns)).code == "data.mapping_incomplete"
    same = Mapping(shape="prompt_completion", prompt="q", completion="q")
    assert refused(lambda: check(same, columns)).code == "data.mapping_same"
    assert refused(lambda: check(Mapping(shape="chat"), columns)).code == "data.mapping_incomplete"


# --- rows -------------------------------------------------------------------------------------------------


def test_a_chat_row_becomes_its_messages() -> None:
    row = {"messages": turns(("system", "Be kind."), ("user", "Hi"), ("assistant", " Hello\n"))}
    record = to_record(row, CHAT, 3)
    assert record.source_row == 3
    assert record.messages == (
        Message("system", "Be kind."),
        Message("user", "Hi"),
        Message("assistant", " Hello\n"),
    )


def test_a_blank_system_message_is_left_away() -> None:
    row = {"messages": turns(("system", " "), ("user", "Hi"), ("assistant", "Hello"))}
    assert [message.role for message in to_record(row, CHAT, 1).messages] == ["user", "assistant"]


def test_roles_are_known_under_many_spellings() -> None:
    row = {"messages": [{"from": "Human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}
    assert [message.role for message in to_record(row, CHAT, 1).messages] == ["user", "assistant"]
    row = {"messages": [{"role": "developer", "content": "S"}, *turns(("user", "Hi"), ("model", "Hello"))]}
    assert [message.role for message in to_record(row, CHAT, 1).messages] == ["system", "user", "assistant"]


def test_a_list_of_text_parts_is_one_text() -> None:
    parts = [{"type": "text", "text": "Good "}, {"type": "text", "text": "day"}]
    row = {"messages": turns(("user", parts), ("assistant", "Hello"))}
    assert to_record(row, CHAT, 1).messages[0].content == "Good day"


def test_the_context_goes_below_the_question_and_the_system_column_first() -> None:
    row = {"q": "Add.", "a": "4", "c": "2 + 2", "s": "Be exact."}
    messages = to_record(row, PAIR, 1).messages
    assert messages == (Message("system", "Be exact."), Message("user", "Add.\n\n2 + 2"), Message("assistant", "4"))
    for blank in ("", "  ", None):
        messages = to_record({"q": "Add.", "a": "4", "c": blank, "s": blank}, PAIR, 1).messages
        assert messages == (Message("user", "Add."), Message("assistant", "4"))


def test_text_that_looks_like_turns_stays_text_in_a_pair() -> None:
    text = '[{"role": "user", "content": "Hi"}]'
    assert to_record({"q": "Make a chat.", "a": text}, PAIR, 1).messages[1].content == text


def test_an_own_system_message_wins_over_the_system_column() -> None:
    mapping = Mapping(shape="chat", messages="messages", system="s")
    row = {"messages": turns(("system", "Mine"), ("user", "Hi"), ("assistant", "Hello")), "s": "Theirs"}
    assert to_record(row, mapping, 1).messages[0].content == "Mine"


@pytest.mark.parametrize(
    ("conversation", "code"),
    [
        ([("user", "Hi"), ("assistant", "")], "row.empty_answer"),
        ([("user", "Hi"), ("assistant", " \n")], "row.empty_answer"),
        ([("user", ""), ("assistant", "Hello")], "row.empty_question"),
        ([("user", "Hi"), ("narrator", "Hello")], "row.unknown_role"),
        ([("user", "Hi")], "row.ends_on_user"),
        ([("system", "S")], "row.ends_on_user"),
        ([("user", "Hi"), ("assistant", "Hello"), ("user", "Bye")], "row.ends_on_user"),
        ([("assistant", "Hello"), ("user", "Hi"), ("assistant", "Ah")], "row.assistant_first"),
        ([("system", "S"), ("assistant", "Hello")], "row.assistant_first"),
        ([("user", "Hi"), ("user", "Hi?"), ("assistant", "Hello")], "row.two_in_a_row"),
        ([("user", "Hi"), ("assistant", "Hello"), ("assistant", "Hello?")], "row.two_in_a_row"),
        ([("user", "Hi"), ("system", "S"), ("assistant", "Hello")], "row.system_not_first"),
        ([("user", None), ("assistant", "Hello")], "row.content_not_text"),
        ([("user", "Hi"), ("assistant", 7)], "row.content_not_text"),
        ([("user", [{"type": "image_url"}]), ("assistant", "Hello")], "row.not_words"),
        ([("user", [{"type": "text", "text": 7}]), ("assistant", "Hello")], "row.content_not_text"),
        ([("user", "Hi"), ("assistant", "\ud83d")], "row.broken_character"),
        ([], "row.no_turns"),
    ],
)
def test_a_conversation_that_cannot_be_learned_from_is_refused(conversation: list[Any], code: str) -> None:
    assert fault_of({"messages": turns(*conversation)}) == code


@pytest.mark.parametrize("value", [None, "Hi", 7, {}, ["Hi"], [[]]])
def test_what_is_no_list_of_turns_is_refused(value: object) -> None:
    assert fault_of({"messages": value}) in ("row.no_turns", "row.unknown_role")


def test_odd_turns_are_refused() -> None:
    assert fault_of({"messages": [{"content": "Hi"}]}) == "row.unknown_role"
    assert fault_of({"messages": [{"role": 7, "content": "Hi"}]}) == "row.unknown_role"
    assert fault_of({"messages": [{"role": "user"}]}) == "row.content_not_text"
    call = {"role": "assistant", "content": "x", "tool_calls": [{"arguments": {}}]}
    assert fault_of({"messages": [*turns(("user", "Hi")), call]}) == "row.bad_tool_call"


def test_a_pair_with_something_missing_is_refused() -> None:
    assert fault_of({"q": "Who?"}, PAIR) == "row.missing_column"
    assert fault_of({"q": "Who?", "a": None}, PAIR) == "row.empty_answer"
    assert fault_of({"q": None, "a": "Me."}, PAIR) == "row.empty_question"
    assert fault_of({"q": "Who?", "a": 42}, PAIR) == "row.content_not_text"
    assert fault_of({"q": " ", "a": "Me.", "c": "More"}, PAIR) == "row.empty_question"
    assert fault_of({"q": "Who?", "a": "Me.", "s": 7}, PAIR) == "row.content_not_text"


def test_an_unknown_role_is_named_even_when_it_is_hostile() -> None:
    row = {"messages": [{"role": "evil\n\u202e\ud800" * 50, "content": "x"}]}
    problem = refused(lambda: to_record(row, CHAT, 1))
    assert "evil" in problem.why
    assert len(problem.why) < 80
    assert "\n" not in problem.why
    assert "\u202e" not in problem.why


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "x"]), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_whatever_a_row_holds_it_becomes_a_record_or_a_fault_in_words(value: object) -> None:
    for row, mapping in (({"messages": value}, CHAT), ({"q": value, "a": value, "c": value, "s": value}, PAIR)):
        try:
            ending: str = to_record(row, mapping, 1).messages[-1].role
        except StudioError as error:
            ending = error.problem.code
        assert ending == "assistant" or ending in FAULTS


def test_the_plain_case_reads_as_expected() -> None:
    mapping = guess(["question", "answer"], QA)
    assert to_record(QA[2], mapping, 3).messages == (
        Message("user", "What is 2 plus one?"),
        Message("assistant", "It is 3."),
    )


def test_a_column_that_is_not_there_is_named_before_one_that_was_not_chosen() -> None:
    with pytest.raises(StudioError) as caught:
        check(Mapping(shape="prompt_completion", prompt="nope"), ["question", "answer"])
    problem = caught.value.problem
    assert (problem.code, problem.what) == ("data.mapping_column", 'There is no column "nope".')
    assert '"question", "answer"' in problem.why
