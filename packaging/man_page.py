#!/usr/bin/env python3
"""Prints the manual page of `apprentice` from its own options: `python packaging/man_page.py DATE`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from studio import __version__
from studio.cli import build_parser

HEAD = """.TH APPRENTICE 1 "{date}" "Apprentice Studio {version}" "User Commands"
.SH NAME
apprentice \\- fine-tune language models on your own computer, without a window
.SH SYNOPSIS
.B apprentice
.I COMMAND
.RI [ OPTIONS ]
.SH DESCRIPTION
{about} Every command tells its options with
.BR \\-\\-help ,
and prints one JSON object with
.BR \\-\\-json .
.SH COMMANDS"""
TAIL = """.SH EXIT STATUS
0 when it did what was asked; 2 on bad input, with one message; 130 on Ctrl+C.
.SH ENVIRONMENT
.TP
.B APPRENTICE_HOME
Another folder for runs, data, chats and models than the one in the user's data folder.
.TP
.B APPRENTICE_MEMORY_GB
Gigabytes of main memory that may be used; the rest is left to other programs.
.SH SEE ALSO
.BR apprentice\\-studio (1)"""


def page(date: str) -> str:
    """The whole page in roff."""
    parser = build_parser()
    about = _escaped(parser.description or "")
    parts = [HEAD.format(date=date, version=__version__, about=about)]
    parts += [f".TP\n.B apprentice {_escaped(name)}\n{_escaped(text)}." for name, text in sorted(commands(parser))]
    return "\n".join([*parts, TAIL, ""])


def commands(parser: argparse.ArgumentParser, before: str = "") -> Iterator[tuple[str, str]]:
    """Every command with its one line; one that has commands of its own stands for those."""
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        for choice in action._choices_actions:
            inner = action.choices[choice.dest]
            name = f"{before}{choice.dest}"
            below = list(commands(inner, f"{name} "))
            yield from below or [(name, (choice.help or "").rstrip("."))]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")


if __name__ == "__main__":
    print(page(sys.argv[1]), end="")
