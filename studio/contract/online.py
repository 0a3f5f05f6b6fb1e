"""The one exception to being offline: a process that fetches one model which the user asked for, from one host.

It is started for that download alone (`python -m studio.worker.online`) and ends with it; window, command line and all
other workers stay as `offline` says.
"""

import os
import re
import sys
from urllib.parse import urlsplit

from studio.contract import offline
from studio.contract.errors import StudioError

HUB = "https://huggingface.co"
HUB_HOSTS = ("huggingface.co", "hf.co")
"""The hub answers for files with addresses of its own stores, which have names under these."""
VARIABLES = offline.VARIABLES | {
    "HF_HUB_OFFLINE": "0",
    "TRANSFORMERS_OFFLINE": "0",
    "HF_HUB_DISABLE_XET": "1",  # native code, which no hook of Python's sees
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
LONGEST_NAME = 96
_PART = r"[A-Za-z0-9](?:[\w.-]*[\w])?"
_REPOSITORY = re.compile(rf"(?:{_PART}/)?{_PART}")
_REVISION = re.compile(r"[\w][\w./-]*")
_PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")

refused: list[str] = []
"""Hosts that something asked for in vain; libraries turn our refusal into errors of their own."""


def endpoint() -> str:
    """Address of the hub: huggingface.co, or a mirror that HF_ENDPOINT names.

    Raises:
        StudioError: The mirror's address is none that can be trusted with it.
    """
    told = (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    parts = urlsplit(told)
    here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and here)):
        raise StudioError(
            "hub.endpoint",
            f"{told} is no address that models are fetched from.",
            "HF_ENDPOINT names it; on the way from an address without https, files could be exchanged.",
            "Remove that variable, or set it to an address that begins with https://.",
        )
    return told


def host() -> str:
    """Name of the computer that a download connects to.

    Raises:
        StudioError: See `endpoint`.
    """
    return str(urlsplit(endpoint()).hostname)


def require_name(repository: str, revision: str) -> None:
    """See that a name is one that the hub could know.

    Raises:
        StudioError: It is none.
    """
    odd = ".." in repository or "--" in repository or len(repository) > LONGEST_NAME
    if odd or not _REPOSITORY.fullmatch(repository):
        raise StudioError(
            "hub.name",
            f"{repository!r} is no name of a model.",
            "On the hub a model is named by its owner and its own name.",
            "Write OWNER/NAME, as it stands at the top of the model's page.",
        )
    if ".." in revision or len(revision) > LONGEST_NAME or not _REVISION.fullmatch(revision):
        raise StudioError(
            "hub.revision",
            f"{revision!r} is no revision.",
            "A revision is a branch, a tag, or the number of a change.",
            "Leave it at main, or copy it from the model's page.",
        )


def allows(name: str) -> bool:
    """Whether this process may connect to a host: the hub's, or the proxy that this computer is set to use."""
    hub = host()
    under = HUB_HOSTS if hub in HUB_HOSTS else ()
    proxies = {urlsplit(os.environ.get(variable, "")).hostname for variable in _PROXIES}
    return name == hub or name in proxies or any(name == one or name.endswith(f".{one}") for one in under)


def go_online() -> None:
    """Allow connections to the hub's host, and refuse every other one. It cannot be taken back."""
    os.environ.update(VARIABLES)
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.getaddrinfo":
        name = arguments[0].decode() if isinstance(arguments[0], bytes) else str(arguments[0])
        if not allows(name):
            refused.append(name)
            raise PermissionError(f"This download may connect to {host()} only; something asked for {name}.")
    elif event in ("socket.bind", "socket.sendto", "socket.sendmsg"):
        family = getattr(getattr(arguments[0], "family", None), "name", "AF_INET")
        if family in ("AF_INET", "AF_INET6"):
            raise PermissionError(f"A download needs no {event}.")
