"""The export job: finds the module of the export's row."""

import importlib
from pathlib import Path
from typing import cast

from studio.contract.control import Control, Emit
from studio.contract.errors import StudioError
from studio.contract.events import Exported
from studio.contract.exports import EXPORTS
from studio.contract.job import ExportJob


def export(work: ExportJob, emit: Emit, control: Control) -> Exported:
    """Write what a run trained in the wanted form.

    Args:
        work: What, as what, where to.
        emit: Gets how far it is.
        control: May end it.

    Raises:
        StudioError: No such form, the run has no adapter, or the destination cannot be written.
    """
    if work.export not in EXPORTS:
        raise StudioError(
            "export.unknown", f"There is no export named {work.export!r}.", fix=f"Known: {', '.join(EXPORTS)}."
        )
    numbers = EXPORTS[work.export].numbers
    if work.numbers and work.numbers not in numbers:
        known = f"Known for this form: {', '.join(numbers)}." if numbers else "This form has none to choose from."
        raise StudioError("export.unknown_numbers", f"There is no number format {work.numbers!r} here.", fix=known)
    from studio.engine.export_source import Watch, Wish

    module = importlib.import_module(f"studio.engine.exports.{work.export}")
    wish = Wish(numbers=work.numbers, check=work.check)
    return cast(Exported, module.write(Path(work.run), Path(work.destination), wish, Watch(emit, control)))
