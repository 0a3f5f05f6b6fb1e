"""What is printed, logged or given away neither steers a terminal nor tells a secret."""

from pathlib import Path

import pytest

from studio.contract.plain_text import harmless, one_line, redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, naïve, 日本語, 👍", "plain, naïve, 日本語, 👍"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("over\rwritten", "over\\x0dwritten"),
        ("access\u202egnp.exe", "access\\u202egnp.exe"),
        ("\u2066hidden\u2069\u2028\u200f", "\\u2066hidden\\u2069\\u2028\\u200f"),
        ("\x9b31m", "\\x9b31m"),
        ("half \ud800", "half ?"),
    ],
)
def test_what_steers_a_terminal_or_turns_the_writing_is_written_out(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_a_value_cannot_look_like_a_further_line_of_a_log() -> None:
    assert one_line("name\nERROR all is lost\r") == "name\\nERROR all is lost\\x0d"


@pytest.mark.parametrize(
    "secret",
    [
        "hf_AbCdEfGhIjKlMnOp",
        "sk-abcdefghijklmnop",
        "ghp_0123456789abcdef",
        "Authorization: Bearer eyJhbGciOi.abc",
        "api_key = 'abcdefgh12345'",
        "password: hunter2hunter2",
        '"token": "abcdefgh12345678"',
    ],
)
def test_access_tokens_are_left_out(secret: str) -> None:
    told = redact(f"before {secret} after")
    assert told.startswith("before ")
    assert told.endswith("after")
    for word in ("AbCdEfGh", "abcdefgh", "01234567", "eyJhb", "hunter2"):
        assert word not in told


def test_ordinary_words_are_kept() -> None:
    text = "tokens: 1024, task-12345678, the password was wrong; skip-connection"
    assert redact(text) == text


def test_the_users_folder_and_the_programs_are_not_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    monkeypatch.setenv("USERPROFILE", "/home/anna")
    monkeypatch.setenv("APPRENTICE_HOME", str(tmp_path / "things"))
    told = redact(f"/home/anna/model and /home/annabel and {tmp_path}/things/runs/a")
    assert told == "~/model and /home/annabel and <program folder>/runs/a"
