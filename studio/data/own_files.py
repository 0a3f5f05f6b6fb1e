"""Which files of a stranger's folder are its own: plain ones that lie in it, never what a link leads to elsewhere.

Asked before a file is opened, for opening a pipe waits for ever, and a link may lead to a secret that would be copied.
"""

from collections.abc import Sequence
from pathlib import Path


def is_own(path: Path) -> bool:
    """Whether a path is a plain file of its folder, or of the Hugging Face cache that the folder is part of.

    Snapshots of that cache are folders of links to `blobs` beside them, by design.
    """
    try:
        folder, real = path.parent.resolve(), path.resolve()
        return real.is_file() and real.parent in (folder, folder.parent.parent / "blobs")
    except (OSError, RuntimeError, ValueError):  # links that lead to each other, names that no system takes
        return False


def own_files(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """The folder's own plain files of these names, in their order; none twice."""
    return sorted({path for pattern in patterns for path in folder.glob(pattern) if is_own(path)})


def strangers(folder: Path, patterns: Sequence[str]) -> list[str]:
    """Names of what is there, but is no plain file of the folder: links that lead out, pipes, folders."""
    return sorted({path.name for pattern in patterns for path in folder.glob(pattern) if not is_own(path)})
