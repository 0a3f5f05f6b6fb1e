"""What can go wrong with a download, in words."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from studio.contract import online
from studio.contract.errors import StudioError

AGAIN = "What was fetched is kept: download it again to go on."


@contextmanager
def told(repository: str, revision: str) -> Iterator[None]:
    """Turn the hub's refusals and a network's failures into problems for a person.

    Raises:
        StudioError: In place of what the libraries raise.
    """
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except StudioError:
        raise
    except errors.GatedRepoError as error:
        raise _gated(repository) from error
    except errors.RevisionNotFoundError as error:
        raise StudioError(
            "hub.no_revision",
            f"{repository} has no revision {revision}.",
            fix="Leave the revision at main, or copy it from the model's page.",
        ) from error
    except (errors.RepositoryNotFoundError, errors.RemoteEntryNotFoundError) as error:
        raise StudioError(
            "hub.no_such_model",
            f"{online.host()} knows no model {repository} that everybody may fetch.",
            "It may be written otherwise, be gone, or be private.",
            "Copy OWNER/NAME from the top of the model's page. A private model: fetch it where you are signed in, and "
            "add its folder.",
        ) from error
    except errors.OfflineModeIsEnabled as error:
        raise _lost("This process was not started for a download and stays offline.") from error
    except errors.HfHubHTTPError as error:
        if error.response.status_code in (401, 403):
            raise _gated(repository) from error
        raise _lost(f"{online.host()} answers with the error {error.response.status_code}.") from error
    except httpx2.HTTPError as error:
        if online.refused:
            raise StudioError(
                "hub.other_host",
                f"The download leads to another place: {online.refused[-1]}.",
                f"It may connect to {online.host()} only, so nothing was asked there.",
                "Fetch the model with another program if you trust that place, and add its folder.",
            ) from error
        raise _lost(f"{type(error).__name__}: {error}".removesuffix(": ") + ".") from error


@contextmanager
def of_disk(repository: str) -> Iterator[None]:
    """Turn failures of the disk into problems for a person.

    Raises:
        StudioError: In place of the system's error.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise StudioError(
            "model.disk_full" if full else "model.add_failed",
            f"{repository} could not be written to the disk.",
            "The disk is full." if full else error.strerror or str(error),
            f"Free some space. {AGAIN}" if full else f"See whether the disk is well. {AGAIN}",
        ) from error


def stopped(repository: str, done: int) -> StudioError:
    """The user has ended it."""
    return StudioError(
        "model.add_stopped",
        f"{repository} was not fetched to its end.",
        f"You stopped it; {done / 1e6:.1f} MB are kept for two weeks.",
        "Download it again to go on from there.",
    )


def _gated(repository: str) -> StudioError:
    return StudioError(
        "hub.gated",
        f"{repository} is not for everybody: {online.host()} asks for an account that was admitted.",
        "This program signs in nowhere and sends no access token.",
        "Accept the model's terms on its page, fetch it with a program where you are signed in, and add it here by "
        '"Hugging Face cache…" or its folder.',
    )


def _lost(why: str) -> StudioError:
    return StudioError(
        "hub.no_connection",
        f"{online.host()} cannot be reached.",
        why,
        f"See whether this computer has a connection to the internet. {AGAIN}",
    )
