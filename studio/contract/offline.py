"""Offline, by the process's own word: what every process of the program says before it imports anything else."""

import logging
import os
import sys

VARIABLES = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""What libraries read when they are imported."""

QUIET = ("bitsandbytes.backends.cpu.ops", "bitsandbytes.autograd._functions")
"""Loggers whose warnings ask people to install what would fetch code from the network, or say the same of every
product of an int8 model, a hundred thousand times a run."""

_ASKED = frozenset(("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"))
_installed = False


def stay_offline() -> None:
    """Have libraries stay offline, and refuse what one of them tries all the same.

    Python reports each use of a socket before it happens (sys.addaudithook); an internet socket ends in a
    PermissionError, pipes and sockets of this computer alone (X11, D-Bus) do not pass here. It cannot be taken back.
    """
    global _installed
    os.environ.update(VARIABLES)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    if not _installed:
        sys.addaudithook(_refuse)
        _installed = True


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event not in _ASKED:
        return
    family = getattr(getattr(arguments[0], "family", None), "name", "AF_INET")
    if family in ("AF_INET", "AF_INET6"):
        raise PermissionError(f"Apprentice Studio works offline; something asked for {event} {arguments[1:]}.")
