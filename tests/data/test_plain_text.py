"""What is printed, logged or given away neither steers a terminal nor tells a secret."""

from pathlib import Path

import pytest

from studio.contract.plain_text import harmless, one_line, redact, without_quotes


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
        "AWS_SECRET_ACCESS_KEY=abcdefgh/12345678+x",
        "Authorization: Basic abcdefgh01234567==",
        "https://user:hunter2@host/path",
        "my_hf_AbCdEfGhIj",
        "PASSWORD='hunter2 hunter2'",
        "hub_token=abcdefgh12345678",
        "Set-Cookie: sid=abcdefgh\n",
        "gho_01234567abcdefgh npm_abcdefgh01234567",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nabcdefgh01234567abcdefgh\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nabcdefgh01234567abcdefgh\nabcdefgh01234567abcdefgh\n",
    ],
)
def test_access_tokens_are_left_out(secret: str) -> None:
    told = redact(f"before {secret} after")
    assert told.startswith("before ")
    assert told.endswith("after")
    for word in ("AbCdEfGh", "abcdefgh", "01234567", "eyJhb", "hunter2"):
        assert word not in told


def test_ordinary_words_are_kept() -> None:
    text = "tokens: 1024, task-12345678, the password was wrong; skip-connection, a_token: 12345678, tokenizer=FastFast"
    assert redact(text) == text


def test_the_users_folder_and_the_programs_are_not_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    monkeypatch.setenv("USERPROFILE", "/home/anna")
    monkeypatch.setenv("APPRENTICE_HOME", str(tmp_path / "things"))
    told = redact(f"/home/anna/model and /home/annabel and {tmp_path}/things/runs/a")
    assert told == "~/model and /home/… and <program folder>/runs/a"


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("/media/anna/STICK/m", "/media/…/STICK/m"),
        ("/run/media/anna/STICK", "/run/media/…/STICK"),
        ("/Users/anna/m", "/Users/…/m"),
        ("C:\\Users\\anna\\m", "C:\\Users\\…\\m"),
    ],
)
def test_other_users_folders_are_not_told(place: str, told: str) -> None:
    assert redact(f"in {place}") == f"in {told}"
    assert redact(told) == told


def test_quoted_words_of_a_message_are_left_out_and_names_stay() -> None:
    line = "ValueError: row 'Dear Anna my phone is 555-123' of \"Müller\" has no b'\\xff'; see 'data.csv', 'max_tokens'"
    assert without_quotes(line) == "ValueError: row '…' of \"…\" has no '…'; see 'data.csv', 'max_tokens'"
    kept = "  File \"/some where/x.py\", line 3\ncan't do what isn't there"
    assert without_quotes(kept) == kept
