"""Foreign text made fit to be printed, logged and given away: nothing in it steers a terminal, and no secret is left.

Programs, files and models that others made write such text: lines of a log, names of keys, replies.
"""

import os
import re
from pathlib import Path

_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters but line feed and tab, and what turns the direction of writing round (CVE-2021-42574)."""
_CALLED_SECRET = r"passw(?:or)?d|pwd|passphrase|secret|credential|(?:api|access|private)[_-]?key|signature"
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, flags), instead)
    for pattern, flags, instead in (
        # A private key, to its end or as far as a cut text goes on with it.
        (
            r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)(?:.*?-----END [A-Z ]*PRIVATE KEY-----|(?:\s+[\w+/=:, -]{16,})*)",
            re.DOTALL,
            r"\1…",
        ),
        # What begins as the tokens of well-known services do, also behind an underscore.
        (
            r"(?<![A-Za-z0-9])(hf_|sk-|gh[opsur]_|github_pat_|glpat-|npm_|pypi-|xox[abeprs]-|A[KS]IA|AIza|eyJ)[\w\-.]{8,}",
            re.NOFLAG,
            r"\1…",
        ),
        # Name and password in an address.
        (r"([a-z][a-z0-9+.\-]*://)[^\s/@]+@", re.IGNORECASE, r"\1…@"),
        (r"\b((?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?)(?:[a-z]+\s+)?[^\s\"',;]+", re.IGNORECASE, r"\1…"),
        (r"\b((?:set-)?cookie[\"']?\s*[:=]\s*).+", re.IGNORECASE, r"\1…"),
        (r"\b(bearer\s+)[A-Za-z0-9_\-./+=]{8,}", re.IGNORECASE, r"\1…"),
        # What is called a secret; of `token` only what looks like one: tokens are counted here, and have names.
        (
            rf"((?:{_CALLED_SECRET})[\w\-]*[\"']?\s*[=:]\s*)(?:\"[^\"\n]+\"|'[^'\n]+'|[^\s\"',;&]{{4,}})",
            re.IGNORECASE,
            r"\1…",
        ),
        (r"(token[\"']?\s*[=:]\s*[\"']?)(?!\d+\b)[A-Za-z0-9_\-./+=]{8,}", re.IGNORECASE, r"\1…"),
        # Folders of other users, sticks under a user's name.
        (r"(/(?:home|Users|media|run/media|Volumes)/)(?!…)[^/\s\"':]+", re.NOFLAG, r"\1…"),
        (r"([A-Z]:(?:\\{1,2}|/)Users(?:\\{1,2}|/))(?!…)[^\\/\s\"':]+", re.IGNORECASE, r"\1…"),
    )
)
"""What known kinds of secrets look like, and what is written instead."""
_QUOTED = re.compile(
    r"""(?<![A-Za-z0-9])[bfru]{0,2}(?:'([^'\n]*)'|"([^"\n]*)"|`([^`\n]*)`|“([^”\n]*)”)(?![A-Za-z0-9])"""
)
_NAME = re.compile(r"[A-Za-z_~./<][\w./~<>\-\\:]*", re.ASCII)
"""A quoted name of a file, a module or a setting: it says what a message is about."""


def harmless(text: str) -> str:
    """The text with everything written out that would steer a terminal or turn the writing round.

    Line feeds and tabs stay; lone surrogates, which no terminal can be given, become question marks.
    """
    return _STEERS.sub(_written_out, text).encode("utf-8", "replace").decode("utf-8")


def one_line(text: str) -> str:
    """`harmless`, with line feeds written out, too: a value cannot look like a further line of a log."""
    return harmless(text).replace("\n", "\\n")


def redact(text: str) -> str:
    """The text without known kinds of secrets and without users' folders, so that it may be given away once read.

    What no rule knows stays: a password alone on a line, a name, a piece of a row.
    """
    for folder, word in _private_folders():
        for written in (folder, folder.replace("\\", "\\\\"), folder.replace("\\", "/")):
            text = re.sub(re.escape(written) + r"(?![\w-])", word, text)
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def without_quotes(text: str) -> str:
    """The text with quoted words left out, which in messages of libraries may be a piece of a row; names stay."""
    return "\n".join(
        line if line.lstrip().startswith('File "') else _QUOTED.sub(_left_out, line) for line in text.split("\n")
    )


def _left_out(found: re.Match[str]) -> str:
    inside = next(group for group in found.groups() if group is not None)
    return found[0] if not inside or _NAME.fullmatch(inside) else f"{found[0][-1]}…{found[0][-1]}"


def _private_folders() -> list[tuple[str, str]]:
    """Folders whose names may tell who the user is, the longest first."""
    folders = {str(Path.home()): "~"}
    chosen = os.environ.get("APPRENTICE_HOME")
    if chosen:
        folders[chosen] = "<program folder>"
        folders[str(Path(chosen).resolve())] = "<program folder>"
    return sorted(((f, word) for f, word in folders.items() if len(f) > 1), key=lambda pair: -len(pair[0]))


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
