"""The export job: finds the module of the export's row."""

import importlib
from pathlib import Path
from typing import cast

from studio.contract.errors import StudioError
from studio.contract.events import Exported
from studio.contract.exports import EXPORTS
from studio.contract.job import ExportJob


def export(work: ExportJob) -> Exported:
    """Write what a run trained in the wanted form.

    Raises:
        StudioError: No such form, the run has no adapter, or the destination cannot be written.
    """
    if work.export not in EXPORTS:
        raise StudioError(
            "export.unknown", f"There is no export named {work.export!r}.", fix=f"Known: {', '.join(EXPORTS)}."
        )
    module = importlib.import_module(f"studio.engine.exports.{work.export}")
    return cast(Exported, module.write(Path(work.run), Path(work.destination)))
