"""What can be wrong with the files of a model, in words."""

from studio.contract.errors import Problem


def lfs_pointer(name: str) -> Problem:
    """The file is what git stores instead of a large file."""
    return Problem(
        code="model.lfs_pointer",
        where=name,
        what=f"The file {name} is a Git LFS pointer, not the file itself.",
        why="The folder was cloned without git-lfs, so large files are only named.",
        fix="Run 'git lfs pull' in the folder, or get the files again.",
    )


def broken_file(where: str, why: str) -> Problem:
    """A file that is there, but is not what it should be."""
    return Problem(
        code="model.file_damaged",
        where=where,
        what=f"The file {where} cannot be used.",
        why=why,
        fix="Get the model's files again.",
    )


def unsafe_field(file: str, key: str) -> Problem:
    """A field that names code."""
    if key.endswith("auto_map"):
        what = "The model needs code of its own, which is not supported."
        why = "auto_map in its config names Python files to run; the program never runs code that comes with a model."
    else:
        what = f"The model's config has the unsafe field {key}."
        why = "It could make a library run code that comes with the model, or fetch it."
    return Problem(
        code="model.auto_map" if key.endswith("auto_map") else "model.unsafe_field",
        where=f"{file}, {key}",
        what=what,
        why=why,
        fix="Choose a model of a supported architecture from a source you trust.",
    )


def implausible(where: str, value: object) -> Problem:
    """A value that no real model has."""
    return Problem(
        code="model.config_invalid",
        where=where,
        what=f"The model's files are damaged: {where} is {str(value)[:50]}.",
        fix="Get the model's files again.",
    )
