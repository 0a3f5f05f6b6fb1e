"""Quick, Balanced, Thorough: files in resources/presets, each a table of dotted path -> value."""

import tomllib
from typing import Any

import msgspec

from studio.contract.fields import build
from studio.contract.run_folder import resources_folder
from studio.contract.settings import TrainSettings

PRESETS: tuple[str, ...] = ("quick", "balanced", "thorough")


class Preset(msgspec.Struct, frozen=True):
    """A named choice of settings; `values` holds only what differs from the defaults.

    Attributes:
        unsaid: Of them, those that play no part beside the others and are left out where a preset is summed up.
    """

    name: str
    label: str
    help: str
    values: dict[str, Any]
    unsaid: tuple[str, ...] = ()

    def settings(self) -> TrainSettings:
        """The defaults with this preset's values."""
        return build(TrainSettings, self.values)


def load_preset(name: str) -> Preset:
    """Read one of PRESETS (or "sample", the settings tuned for the sample on the starter model).

    Raises:
        SettingsError: The file names a setting that does not exist.
    """
    with (resources_folder() / "presets" / f"{name}.toml").open("rb") as file:
        table = tomllib.load(file)
    return Preset(name, table["label"], table["help"], table["settings"], tuple(table.get("unsaid", ())))
