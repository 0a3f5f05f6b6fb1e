"""Every check: a dataset that has just its fault, and one that has not."""

import importlib.util
from pathlib import Path

import pytest

from studio.contract.control import Going
from studio.contract.errors import Problem
from studio.contract.job import ImportJob
from studio.contract.records import Message, Record
from studio.data.dataset import open_dataset
from studio.data.doctor import CHECKS
from studio.data.doctor.check import Check, Measured
from studio.data.doctor.checks.lengths import percent
from studio.data.importing import import_dataset
from studio.data.remarks import is_remark
from tests.data.doctor.sets import examine, finding, found, rows_of, sentence, sound, write_set
from tests.data.files import refused, write_jsonl


@pytest.mark.parametrize("name", CHECKS)
def test_every_row_of_the_table_has_its_module(name: str) -> None:
    module = f"studio.data.doctor.checks.{name}"
    assert importlib.util.find_spec(module) is not None, f"CHECKS names {name}, and there is no {module}"
    assert issubclass(importlib.import_module(module).Check, Check)


def test_every_module_has_its_row() -> None:
    folder = Path(importlib.import_module("studio.data.doctor.checks").__file__ or "").parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(CHECKS)


def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path) -> None:
    diagnosed = examine(write_set(tmp_path / "set", sound(60)))
    assert diagnosed.findings == ()
    assert diagnosed.verdict == "All 60 rows are usable. Nothing else was found."
    assert diagnosed.rows == diagnosed.usable == 60


def test_exact_duplicates_are_counted_and_the_first_is_none(tmp_path: Path) -> None:
    rows = sound(30)
    diagnosed = examine(write_set(tmp_path / "set", [*rows, rows[3], rows[3], rows[9]]))
    one = found(diagnosed, "exact_duplicates")
    assert (one.count, rows_of(one), one.fix) == (3, [30, 31, 32], "drop_duplicates")
    assert finding(diagnosed, "near_duplicates") is None


def test_near_duplicates_are_rows_that_differ_in_a_word_or_in_capitals(tmp_path: Path) -> None:
    rows = sound(30)
    question, answer = rows[4][:2]
    near = (question, answer.rpartition(" ")[0] + " elsewhere.")
    capitals = (rows[5][0].upper(), rows[5][1].replace(".", "!"))
    half = (question, sentence(999))
    one = found(examine(write_set(tmp_path / "set", [*rows, near, capitals, half])), "near_duplicates")
    assert (one.count, rows_of(one), one.fix) == (2, [30, 31], "drop_near_duplicates")


def test_short_rows_that_differ_in_one_word_are_not_near_duplicates(tmp_path: Path) -> None:
    rows = [(f"What is {a} plus {b}?", str(a + b)) for a in range(20, 40) for b in range(50, 60)]
    assert finding(examine(write_set(tmp_path / "set", rows)), "near_duplicates") is None


def test_an_instruction_that_stands_in_every_row_makes_no_two_rows_alike(tmp_path: Path) -> None:
    instruction = sentence(77, 120)
    rows = [(f"{instruction} {sentence(n, 8)}", sentence(10_000 + n, 8)) for n in range(200)]
    assert finding(examine(write_set(tmp_path / "set", rows)), "near_duplicates") is None


def test_a_system_prompt_that_all_rows_share_makes_no_two_rows_alike(tmp_path: Path) -> None:
    rows = [
        Record(messages=(Message("system", sentence(5, 300)), Message("user", pair[0]), Message("assistant", pair[1])))
        for pair in sound(12)  # fewer than it takes to call a run of words common
    ]
    assert examine(write_set(tmp_path / "set", rows)).findings == ()


def test_a_held_back_row_that_is_also_learned_from_is_found_by_text_and_by_near_text(tmp_path: Path) -> None:
    train = [(*pair[:2], "train") for pair in sound(30)]
    question, answer = train[4][:2]
    tests = [
        (*train[2][:2], "held_back"),
        (question, answer.rpartition(" ")[0] + " elsewhere.", "held_back"),
        (*sound(1, 500)[0][:2], "held_back"),
    ]
    diagnosed = examine(write_set(tmp_path / "set", [*train, *tests]))
    one = found(diagnosed, "overlap")
    assert (one.count, one.fix_rows, rows_of(one), one.fix) == (2, 2, [2, 4], "drop_overlap")
    assert one.title == "2 held-back rows are also learned from, word for word or nearly."
    for number, how in enumerate(("word for word", "in almost the same words")):
        alone = found(examine(write_set(tmp_path / f"set{number}", [*train, tests[number]])), "overlap")
        assert alone.title == f"1 held-back row is also learned from, {how}."
    assert finding(diagnosed, "exact_duplicates") is None
    assert finding(diagnosed, "near_duplicates") is None
    clean = examine(write_set(tmp_path / "clean", [*train, tests[2]]))
    assert finding(clean, "overlap") is None


@pytest.mark.parametrize("as_dataset", [False, True])
def test_rows_of_a_chosen_test_file_are_found_in_the_dataset(tmp_path: Path, as_dataset: bool) -> None:
    rows = sound(30)
    dataset = write_set(tmp_path / "set", rows)
    asked = [rows[7], (rows[8][0].lower(), rows[8][1]), *sound(3, 500)]
    if as_dataset:
        test = str(write_set(tmp_path / "test", asked).folder)
    else:
        test = str(write_jsonl(tmp_path / "t.jsonl", [{"question": q, "answer": a} for q, a, *_ in asked]))
    one = found(examine(dataset, test=test), "test_overlap")
    assert (one.count, rows_of(one), one.fix) == (2, [7, 8], "drop_test_overlap")
    other = str(write_jsonl(tmp_path / "o.jsonl", [{"question": q, "answer": a} for q, a, *_ in sound(5, 700)]))
    assert finding(examine(dataset, test=other), "test_overlap") is None


def test_questions_of_a_test_file_are_found_whatever_their_answers(tmp_path: Path) -> None:
    rows = sound(30)
    dataset = write_set(tmp_path / "set", rows)
    answered = [{"question": rows[3][0].upper(), "answer": "Quite another one."}, {"question": "Who?", "answer": "Me."}]
    one = found(examine(dataset, test=str(write_jsonl(tmp_path / "t.jsonl", answered))), "test_questions")
    assert (one.count, rows_of(one), one.fix) == (1, [3], "drop_test_overlap")
    bare = [{"question": rows[5][0]}, {"question": None}, {"question": "Is it raining over there?"}]
    diagnosed = examine(dataset, test=str(write_jsonl(tmp_path / "q.jsonl", bare)))
    assert rows_of(found(diagnosed, "test_questions")) == [5]
    assert (diagnosed.test_rows, diagnosed.test_unread) == (2, 1)
    probes = [{"messages": [{"role": "user", "content": rows[9][0]}], "answer": "x"} for _ in range(2)]
    diagnosed = examine(dataset, test=str(write_jsonl(tmp_path / "p.jsonl", probes)))
    assert (found(diagnosed, "test_questions").count, rows_of(found(diagnosed, "test_questions"))) == (2, [9])


def test_a_test_file_of_answers_alone_is_refused_since_nothing_could_be_found(tmp_path: Path) -> None:
    rows = sound(30)
    dataset = write_set(tmp_path / "set", rows)
    test = str(write_jsonl(tmp_path / "a.jsonl", [{"answer": row[1]} for row in rows[:3]]))
    assert refused(lambda: examine(dataset, test=test)).code == "data.no_questions"


def test_a_test_file_of_better_and_worse_answers_is_compared_by_its_better_ones(tmp_path: Path) -> None:
    rows = sound(30)
    dataset = write_set(tmp_path / "set", rows)
    pairs = [{"prompt": rows[4][0], "chosen": rows[4][1], "rejected": "I cannot tell."}]
    one = found(examine(dataset, test=str(write_jsonl(tmp_path / "t.jsonl", pairs))), "test_overlap")
    assert rows_of(one) == [4]


@pytest.mark.parametrize("blank", ["", "  \n", "\u200b", "\ufeff \u00a0"])
def test_an_empty_answer_is_an_error_and_does_not_count_as_usable(tmp_path: Path, blank: str) -> None:
    diagnosed = examine(write_set(tmp_path / "set", [*sound(30), ("Why?", blank)]))
    one = found(diagnosed, "empty_answers")
    assert (rows_of(one), one.level, one.fix) == ([30], "error", "drop_empty_answers")
    assert diagnosed.usable == 30
    assert diagnosed.verdict.startswith("30 of 31 rows are usable.")


def test_a_stand_in_for_an_answer_is_told_and_not_dropped(tmp_path: Path) -> None:
    diagnosed = examine(write_set(tmp_path / "set", [*sound(30), ("Why?", " N/A "), ("How?", "42"), ("So?", "👍")]))
    one = found(diagnosed, "placeholder_answers")
    assert (rows_of(one), one.fix) == ([30], "")
    assert finding(diagnosed, "empty_answers") is None


def test_answers_of_one_word_are_told(tmp_path: Path) -> None:
    diagnosed = examine(write_set(tmp_path / "set", [*sound(30), ("Why?", "Because."), ("How?", "By hand.")]))
    assert rows_of(found(diagnosed, "one_word_answers")) == [30]


def test_answers_of_one_word_are_right_where_they_are_classes(tmp_path: Path) -> None:
    rows = [(sentence(n), ("yes", "no")[n % 2]) for n in range(60)]
    diagnosed = examine(write_set(tmp_path / "set", rows))
    assert diagnosed.findings == ()
    assert [(share.value, share.count) for share in diagnosed.classes] == [("yes", 30), ("no", 30)]


def test_a_class_that_nearly_all_rows_have_and_one_that_hardly_any_has(tmp_path: Path) -> None:
    rows = [(sentence(n), "no" if n % 50 else "yes") for n in range(200)]
    diagnosed = examine(write_set(tmp_path / "set", rows))
    assert '98% of the answers are "no"' in found(diagnosed, "one_class").title.replace(" %", "%")
    assert rows_of(found(diagnosed, "rare_classes")) == [0, 50, 100, 150]


def test_one_answer_to_several_questions_is_told(tmp_path: Path) -> None:
    same = "Please ask our service, which will gladly help you further with this."
    diagnosed = examine(write_set(tmp_path / "set", [*sound(30), *((sentence(n, 9), same) for n in range(900, 905))]))
    one = found(diagnosed, "same_answers")
    assert (one.count, rows_of(one)) == (5, [30, 31, 32, 33, 34])
    assert "asked in several ways, it is as it should be" in one.why, "which is what the help advises"
    two = examine(write_set(tmp_path / "two", [*sound(30), *((sentence(n, 9), same) for n in range(900, 902))]))
    assert finding(two, "same_answers") is None


def test_one_question_with_several_worse_answers_is_one_question(tmp_path: Path) -> None:
    def pair(question: str, better: str, worse: str) -> Record:
        turns = (Message("user", question), Message("assistant", better))
        return Record(messages=turns, rejected=(Message("assistant", worse),), shared=1)

    pairs = [pair(q, a, sentence(n + 500, 9)) for n, (q, a, *_) in enumerate(sound(30))]
    question, answer = (turn.content for turn in pairs[0].messages)
    again = [pair(question, answer, sentence(n, 9)) for n in range(900, 905)]
    assert finding(examine(write_set(tmp_path / "one", [*pairs, *again])), "same_answers") is None
    others = [pair(sentence(n, 9), answer, sentence(n + 50, 9)) for n in range(900, 902)]
    both = found(examine(write_set(tmp_path / "both", [*pairs, *again, *others])), "same_answers")
    assert rows_of(both) == [0, 35, 36]


@pytest.mark.parametrize("beginning", ["As an AI", "Als KI kann"])
def test_answers_that_begin_alike_are_told(tmp_path: Path, beginning: str) -> None:
    rows = [(q, f"{beginning} {a}") if n % 2 else (q, a) for n, (q, a, *_) in enumerate(sound(80))]
    diagnosed = examine(write_set(tmp_path / "set", rows))
    one = found(diagnosed, "same_beginnings")
    assert beginning in one.title
    assert one.count == 40
    assert (diagnosed.first_words[0].value, diagnosed.first_words[0].count) == (beginning, 40)


def test_of_the_samples_test_rows_one_is_almost_learned_and_none_word_for_word(tmp_path: Path) -> None:
    folder = tmp_path / "sample"
    sample = Path(__file__).parents[3] / "resources" / "sample"
    tests = str(sample / "held_back.jsonl")
    work = ImportJob(source=str(sample / "sample.jsonl"), destination=str(folder), name="Sample", held_back=tests)
    import_dataset(work, lambda event: None, Going())
    one = found(examine(open_dataset(folder)), "overlap")
    assert one.title == "1 held-back row is also learned from, in almost the same words."
    assert "What colour is the whistle?" in one.examples[0].excerpt


def test_rejected_equal_to_chosen_cannot_be_told_without_rejected_answers(tmp_path: Path) -> None:
    assert finding(examine(write_set(tmp_path / "set", sound(5))), "equal_pairs") is None


def test_what_the_import_left_out_is_repeated_with_its_count(tmp_path: Path) -> None:
    problem = Problem(
        code="row.unknown_role",
        what="1,204 rows were left out: a turn has a role that is not known.",
        why='The role is "narrator".',
        fix="Use the roles system, user and assistant.",
        where="a.jsonl, rows 3, 4, 5 and 1,201 more",
    )
    diagnosed = examine(write_set(tmp_path / "set", sound(30), rows=1234, problems=(problem,)))
    one = found(diagnosed, "left_out.unknown_role")
    assert (one.count, one.title) == (1204, problem.what)
    assert "rows 3, 4, 5" in one.advice
    assert diagnosed.verdict == "30 of 1,234 rows are usable."


def test_a_german_row_among_english_ones_is_told(tmp_path: Path) -> None:
    english = "You can find it in the settings of the program, and that is all there is to do with this for now"
    german = "Das finden Sie in den Einstellungen, und mehr ist nicht zu tun, wenn es nicht auch noch andere gibt"
    rows = [(f"Where is the thing number {n} that I was told about in the book?", f"{english} {n}.") for n in range(40)]
    question = "Wo finde ich die Einstellungen, die in dem Buch für das Programm beschrieben sind?"
    diagnosed = examine(write_set(tmp_path / "set", [*rows, (question, german), (rows[0][0], german + " so.")]))
    assert 40 in rows_of(found(diagnosed, "mixed_languages"))
    assert "German" in found(diagnosed, "mixed_languages").title
    assert rows_of(found(diagnosed, "answer_language")) == [41]
    assert diagnosed.languages[0].value == "English"
    alone = examine(write_set(tmp_path / "alone", rows))
    assert finding(alone, "mixed_languages") is None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Где находится ближайшая аптека, скажите пожалуйста?", "Cyrillic script"),
        ("最寄りの薬局はどこにありますか。教えてください。", "Japanese"),
        ("请问最近的药店在哪里？谢谢您的帮助。", "Chinese"),
        ("가장 가까운 약국이 어디에 있습니까? 알려 주세요.", "Korean"),
        ("Πού είναι το πλησιέστερο φαρμακείο, παρακαλώ;", "Greek"),
        ("أين تقع أقرب صيدلية من فضلك؟", "Arabic script"),
        ("निकटतम दवा की दुकान कहाँ है, कृपया बताइए?", "Devanagari script"),
        ("ร้านขายยาที่ใกล้ที่สุดอยู่ที่ไหน", "Thai"),
        ("Où est la pharmacie la plus proche, et est-ce que vous pouvez me dire si elle est ouverte?", "French"),
        ("¿Dónde está la farmacia más cercana, y me puede decir si está abierta para los niños?", "Spanish"),
        ("x = 3\nprint(x)\nfoo = bar(baz, qux)", "language unclear"),
    ],
)
def test_a_language_is_told_by_its_script_or_its_frequent_words(tmp_path: Path, text: str, language: str) -> None:
    diagnosed = examine(write_set(tmp_path / "set", [(text, text)]))
    assert [share.value for share in diagnosed.languages] == [language]


def test_letters_of_a_wrong_encoding_are_found_and_right_ones_are_not(tmp_path: Path) -> None:
    right = [
        "Grüße aus München",
        "„Das MENÜ“, sagte sie",
        "naïve café, œuvre…",
        "“À bientôt” — dit-il",
        "Привет",
        "日本語",
        "½ × 3 °C",
    ]
    wrong = [text.encode().decode("cp1252") for text in ("Grüße aus München", "It’s fine – really")]
    rows = [(text, sentence(n)) for n, text in enumerate([*right, *wrong], 300)]
    one = found(examine(write_set(tmp_path / "set", rows)), "mojibake")
    assert (rows_of(one), one.fix) == ([7, 8], "repair_encoding")


def test_a_lost_letter_is_told_and_cannot_be_restored(tmp_path: Path) -> None:
    one = found(examine(write_set(tmp_path / "set", [*sound(10), ("Gr\ufffd\ufffde", sentence(1))])), "lost_letters")
    assert (rows_of(one), one.fix) == ([10], "")


# --- lengths ------------------------------------------------------------------------------------------------------


def by_words(limit: int, left_out: bool) -> object:
    def measure(record: Record) -> Measured:
        words = sum(len(message.content.split()) for message in record.messages)
        answer = len(record.messages[-1].content.split())
        over = max(0, words - limit)
        return Measured(
            tokens=words,
            lost=(answer if left_out else min(over, answer)) if over else 0,
            left_out=left_out and over > 0,
        )

    return measure


def test_answers_that_are_cut_are_counted_with_what_they_lose(tmp_path: Path) -> None:
    dataset = write_set(
        tmp_path / "set", [*sound(27), ("Why?", sentence(1, 80)), ("Why?", sentence(2, 90)), ("Why?", sentence(3, 100))]
    )
    diagnosed = examine(dataset, by_words(64, False), max_tokens=64)  # type: ignore[arg-type]
    one = found(diagnosed, "answers_cut")
    assert (one.count, rows_of(one), one.sampled) == (3, [29, 28, 27], 0)
    assert "lose 27 tokens" in one.why
    assert diagnosed.verdict == "All 30 rows are usable. 10 % lose part of their answer at 64 tokens."
    assert diagnosed.lengths is not None
    assert (diagnosed.lengths.unit, diagnosed.lengths.longest, diagnosed.lengths.limit) == ("tokens", 101, 64)
    assert sum(diagnosed.lengths.counts) == 30
    assert finding(examine(dataset, by_words(2000, False), max_tokens=2000), "answers_cut") is None  # type: ignore[arg-type]


def test_rows_that_are_left_out_as_too_long_are_told_apart_from_cut_ones(tmp_path: Path) -> None:
    dataset = write_set(tmp_path / "set", [*sound(29), ("Why?", sentence(1, 80))])
    diagnosed = examine(dataset, by_words(64, True), max_tokens=64)  # type: ignore[arg-type]
    assert found(diagnosed, "left_out_as_too_long").count == 1
    assert finding(diagnosed, "answers_cut") is None
    assert diagnosed.verdict == "29 of 30 rows are usable. 3 % are longer than 64 tokens and left out."


def test_a_large_dataset_is_judged_by_a_sample_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.data.doctor.checks.lengths.SAMPLE", 20)
    dataset = write_set(tmp_path / "set", [("Why?", sentence(n, 80 if n % 2 else 20)) for n in range(200)])
    diagnosed = examine(dataset, by_words(64, False), max_tokens=64)  # type: ignore[arg-type]
    one = found(diagnosed, "answers_cut")
    assert one.sampled == 20
    assert 40 <= one.count <= 160
    assert "20 rows were counted" in one.why
    assert one.title.startswith("About ")
    assert diagnosed.lengths is not None
    assert diagnosed.lengths.sampled == 20


def test_without_a_model_characters_are_counted(tmp_path: Path) -> None:
    diagnosed = examine(write_set(tmp_path / "set", [("ä" * n, "ß") for n in range(1, 41)]))
    assert diagnosed.lengths is not None
    assert (diagnosed.lengths.unit, diagnosed.lengths.longest, diagnosed.lengths.median) == ("characters", 41, 21)
    assert sum(diagnosed.lengths.counts) == 40
    assert len(diagnosed.lengths.edges) == len(diagnosed.lengths.counts) + 1


def test_a_share_is_neither_nothing_nor_all_unless_it_is() -> None:
    assert [percent(n, 1000) for n in (0, 1, 90, 999, 1000)] == [
        "0 %",
        "less than 1 %",
        "9 %",
        "more than 99 %",
        "100 %",
    ]


@pytest.mark.parametrize(("code", "more"), [("data.no_header", " Nothing else was found."), ("data.rating_unread", "")])
def test_nothing_else_is_said_only_where_the_import_told_of_nothing_either(
    tmp_path: Path, code: str, more: str
) -> None:
    diagnosed = examine(write_set(tmp_path / "set", sound(60), problems=(Problem(code=code, what="So it is."),)))
    assert diagnosed.verdict == f"All 60 rows are usable.{more}"


def test_a_first_line_read_as_a_row_is_a_remark() -> None:
    assert is_remark(Problem(code="data.no_header", what="It was read as a row."))
