"""Foreign text made fit to be printed, logged and given away: nothing in it steers a terminal, and no secret is left.

Programs, files and models that others made write such text: lines of a log, names of keys, replies.
"""

import os
import re
from pathlib import Path

_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters but line feed and tab, and what turns the direction of writing round (CVE-2021-42574)."""
_SECRETS = re.compile(r"\b(hf_|sk-|ghp_|gho_|github_pat_|glpat-|xox[abp]-|AKIA)[A-Za-z0-9_\-]{8,}")
_NAMED = re.compile(
    r"(?i)\b(bearer\s+|(?:api[_-]?key|token|password|secret)[\"']?\s*[=:]\s*[\"']?)[A-Za-z0-9_\-./+]{8,}"
)


def harmless(text: str) -> str:
    """The text with everything written out that would steer a terminal or turn the writing round.

    Line feeds and tabs stay; lone surrogates, which no terminal can be given, become question marks.
    """
    return _STEERS.sub(_written_out, text).encode("utf-8", "replace").decode("utf-8")


def one_line(text: str) -> str:
    """`harmless`, with line feeds written out, too: a value cannot look like a further line of a log."""
    return harmless(text).replace("\n", "\\n")


def redact(text: str) -> str:
    """The text without access tokens, and with the user's folder as `~`, so that it can be given away."""
    text = _SECRETS.sub(lambda found: f"{found[1]}…", text)
    text = _NAMED.sub(lambda found: f"{found[1]}…", text)
    for folder, word in _private_folders():
        for written in (folder, folder.replace("\\", "\\\\"), folder.replace("\\", "/")):
            text = re.sub(re.escape(written) + r"(?![\w-])", word, text)
    return text


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
