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

_ASKED = frozenset(
    f"socket.{call}"
    for call in (
        "__new__",
        "bind",
        "connect",
        "getaddrinfo",
        "gethostbyaddr",
        "gethostbyname",
        "getnameinfo",
        "sendmsg",
        "sendto",
    )
)
"""Python has no event for `listen`, which works without `bind`: so the socket itself is refused."""
_installed = False


def stay_offline() -> None:
    """Have libraries stay offline, and refuse what Python code of one of them tries all the same.

    Python reports each socket and each question for a name before it happens (sys.addaudithook); an internet socket
    ends in a PermissionError, pipes and sockets of this computer alone (X11, D-Bus) pass. It cannot be taken back.
    Native code and other programs are not seen here: that none of them connects is shown by tests.faults.network.
    """
    global _installed
    os.environ.update(VARIABLES)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    if not _installed:
        sys.addaudithook(_refuse)
        _installed = True


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if asks_internet(event, arguments):
        raise PermissionError(f"Apprentice Studio works offline; something asked for {event} {arguments[1:]}.")


def asks_internet(event: str, arguments: tuple[object, ...]) -> bool:
    """Whether an event of sys.addaudithook is about an internet socket, or asks for a name or an address."""
    if event not in _ASKED:
        return False
    family = arguments[1] if event == "socket.__new__" else getattr(arguments[0], "family", None)
    if family is None:  # a name or an address
        return True
    made = sys.modules["_socket"]  # which must be there by now; this module itself opens none
    return family in (made.AF_INET, made.AF_INET6)  # -1: made of a descriptor that is open already
