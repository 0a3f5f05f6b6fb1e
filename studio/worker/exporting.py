"""The export job: finds the module of the export's row."""

import importlib
from pathlib import Path
from typing import cast

from studio.contract.control import Control, Emit
from studio.contract.errors import StudioError
from studio.contract.events import Exported
from studio.contract.exports import EXPORTS
from studio.contract.job import ExportJob
from studio.contract.run_folder import home_folder


def export(work: ExportJob, emit: Emit, control: Control) -> Exported:
    """Write what a run trained in the wanted form.

    Args:
        work: What, as what, where to.
        emit: Gets how far it is.
        control: May end it.

    Raises:
        StudioError: No such form, the run has no adapter, or the destination is our own or cannot be written.
    """
    if work.export not in EXPORTS:
        raise StudioError(
            "export.unknown", f"There is no export named {work.export!r}.", fix=f"Known: {', '.join(EXPORTS)}."
        )
    numbers = EXPORTS[work.export].numbers
    if work.numbers and work.numbers not in numbers:
        raise _no_such_numbers(work)
    _require_outside(Path(work.destination))
    from studio.engine.export_source import Watch, Wish

    module = importlib.import_module(f"studio.engine.exports.{work.export}")
    wish = Wish(numbers=work.numbers, check=work.check)
    return cast(Exported, module.write(Path(work.run), Path(work.destination), wish, Watch(emit, control)))


def _no_such_numbers(work: ExportJob) -> StudioError:
    label, numbers = EXPORTS[work.export].label, EXPORTS[work.export].numbers
    why = f"It has {', '.join(numbers)}." if numbers else "It has none to choose from: its numbers stay as they are."
    having = [name for name, form in EXPORTS.items() if work.numbers in form.numbers]
    other = f", or choose a form that has it (--form): {', '.join(having)}" if having else ""
    fix = f"Choose one of these (--numbers){other}." if numbers else f"Leave --numbers out{other}."
    return StudioError("export.unknown_numbers", f"{label} has no number format {work.numbers!r}.", why, fix)


def _require_outside(destination: Path) -> None:
    """Keep exports out of the program's own folders, by whatever links or spelling they are reached.

    Raises:
        StudioError: The destination lies there.
    """
    home, place = home_folder(), destination.resolve()
    if any(folder.exists() and folder.samefile(home) for folder in (place, *place.parents)):
        raise StudioError(
            "export.own_folder",
            "An export does not go into the folders in which the program keeps its own things.",
            "It would be deleted with the run or model in whose folder it lies.",
            "Choose a folder elsewhere.",
            where=str(destination),
        )
