"""Jobs about base models: looked for, looked at, added, fetched. None needs torch."""

import msgspec


class CheckModelJob(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True, tag="check_model"
):
    """Look at a model folder without loading it: what it is and every problem found. Needs no torch."""

    path: str


class AddModelJob(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True, tag="add_model"
):
    """Check a model folder and hash its files; with `copy`, copy it among the program's own. Needs no torch."""

    path: str
    copy: bool = False


class DownloadModelJob(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True, tag="download_model"
):
    """Fetch a model from the hub because the user asked for it: the one job whose worker may connect."""

    repository: str
    revision: str = "main"


class FindModelsJob(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True, tag="find_models"
):
    """Look for model folders in a folder; a stick or a network drive may take its time."""

    place: str
