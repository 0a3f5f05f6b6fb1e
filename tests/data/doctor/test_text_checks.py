"""Checks that search the texts: marks of chat templates, and what looks like personal data."""

from pathlib import Path

import pytest

from studio.data.doctor.checks import personal_data
from studio.data.markers import mark_in_text
from tests.data.doctor.sets import examine, found, rows_of, sentence, sound, write_set

MARKED = [
    "<|im_start|>user\nHi", "before <|eot_id|> after", "[INST] Do this [/INST]", "text [/INST] text", "<<SYS>> be good",
    "<start_of_turn>model", "end</s>", "### Instruction:\nDo", "x <｜Assistant｜> y", "USER: hi\nASSISTANT: hello",
    "Ja <|END_OF_TURN_TOKEN|>", "Ja.\n### Human: noch\n### Assistant: nein", "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Ja",
    "[AVAILABLE_TOOLS] []", "[SYSTEM_PROMPT] be good", "<s>hello\nyou</s>", "new <unk> word",
]  # fmt: skip
UNMARKED = [
    "a < b and |x| > 0", "<html><b>bold</b></html>", "the [INSTALL] step", "### Instructions for use", "<s>old</s> new",
    "if x <| y", "user: hi", "## Response times",
    "Now <s>19 €</s>", "### Input: a file", "### Instructions: mix it", "<span>a</span> <s>b</s> <s>c</s>", "<|x|>",
]  # fmt: skip


def test_marks_of_a_template_in_the_text_are_found(tmp_path: Path) -> None:
    rows = [(text, sentence(n)) for n, text in enumerate([*MARKED, *UNMARKED], 800)]
    one = found(examine(write_set(tmp_path / "set", rows)), "template_markers")
    assert one.count == len(MARKED)
    told = {text: mark_in_text(text) for text in [*MARKED, *UNMARKED]}
    assert all(told[text] in text for text in MARKED)
    assert [text for text in told if told[text]] == MARKED, "the import tells of the same"
    for number, text in enumerate(MARKED):
        alone = examine(write_set(tmp_path / f"set{number}", [(text, sentence(1)), *sound(2)]))
        assert rows_of(found(alone, "template_markers")) == [0], text


PERSONAL = {
    "email": ["write to jane.doe@example.com today"],
    "telephone": ["+49 30 1234567", "call 0171-1234567 now", "(555) 123-4567", "0049 (0)30 901820", "555-123-4567"],
    "card": [
        "4111 1111 1111 1111",
        "5500-0000-0000-0004",
        "4111111111111111,5500000000000004",
        "for 0.5 by 4111 1111 1111 1111.",
    ],
    "keys": ["AKIA" + "ABCDEFGH" * 2, "hf_" + "a1B2" * 9, "-----BEGIN " + "RSA PRIVATE KEY-----"],
}
IMPERSONAL = [
    "look @home or a@b", "in 2024 there were 1234567 of them", "0.333333333", "4111 1111 1111 1112", "1000000000000000",
    "risk-assessment-of-the-whole-thing", "from 1999-2005", "10 000 000 people", "sk-short", "ISBN 978-3-16-148410-0",
    "0.35410936828887674", "at 0.006883695940555379,", "0,5338214948423172", "x=412,4077429699364221",
    "5500000000000004.5",
]  # fmt: skip


@pytest.mark.parametrize("kind", PERSONAL)
def test_what_looks_like_personal_data_is_told_as_a_guess(tmp_path: Path, kind: str) -> None:
    rows = [(text, sentence(n)) for n, text in enumerate([*PERSONAL[kind], *IMPERSONAL], 400)]
    diagnosed = examine(write_set(tmp_path / "set", rows))
    one = found(diagnosed, f"personal_data.{kind}")
    assert rows_of(one) == list(range(len(PERSONAL[kind]))), one.examples
    assert "looks like" in one.title
    assert [o.code for o in diagnosed.findings if o.code.startswith("doctor.personal")] == [one.code]


def test_the_quick_search_lets_nothing_through_that_the_exact_one_would_find() -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    for kind, (exact, wide) in personal_data.KINDS.items():
        texts = [text for texts in PERSONAL.values() for text in texts]
        hits = pc.match_substring_regex(pa.array(texts), wide).to_pylist()
        missed = [t for t, hit in zip(texts, hits, strict=True) if personal_data.holds(kind, exact, t) and not hit]
        assert missed == []
