"""Conversations that are written down as one text, as HH-RLHF has them: `Human: …`, blank line, `Assistant: …`."""

import re

_OPENING = re.compile(r"\s*(?:Human|User|System): ?")
_TURN = re.compile(r"(?:\A\s*|\n\n)(Human|User|System|Assistant): ?")


def is_transcript(text: str) -> bool:
    """Whether a text begins with a question's mark and has an answer's."""
    return _OPENING.match(text[:40]) is not None and "\n\nAssistant:" in text


def to_turns(text: str) -> list[dict[str, str]]:
    """The turns of a transcript, as chat messages have them; white space around them is dropped.

    Args:
        text: One that `is_transcript`.
    """
    pieces = _TURN.split(text)
    roles, contents = pieces[1::2], pieces[2::2]
    return [{"role": role.lower(), "content": said.strip()} for role, said in zip(roles, contents, strict=True)]
