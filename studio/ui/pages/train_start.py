"""What a run on the Train page begins with: the model as it is, or what an earlier run has learned."""

from collections.abc import Collection
from pathlib import Path

import msgspec

from studio.contract.continuing import Made, cannot_continue, going_on, refusal, remark
from studio.contract.errors import Problem
from studio.contract.run_folder import RunFolder
from studio.contract.settings import TrainSettings
from studio.data import made_adapter
from studio.data.run_history import RunSummary
from studio.supervisor.workplace import Workplace

BROUGHT = ("learning_rate", "quantisation", "packing", "gradient_checkpointing")
"""Settings that come from the earlier run beside its way of tuning: they suit it."""


class Beginning:
    """The choice and what follows from it. The adapter's folder is read when it is chosen.

    Attributes:
        run: The run that is gone on from; None: the model as it is.
    """

    def __init__(self, workplace: Workplace) -> None:
        self.workplace = workplace
        self.run: RunSummary | None = None
        self._made = Made()
        self._layers: Collection[str] = ()

    def choices(self) -> list[RunSummary]:
        """Runs of the chosen model whose adapter can be gone on from; a choice that is none of them is forgotten."""
        model = self.workplace.model
        fitting = [
            run
            for run in self.workplace.runs()
            if model is not None
            and run.job.model == model.path
            and run.has_adapter
            and ((never := cannot_continue(run.job.settings.method)) is None or never.sets)
        ]
        if self.id not in [run.id for run in fitting]:
            self.run = None
        return fitting

    @property
    def id(self) -> str:
        """Of the run; "" for the model as it is."""
        return self.run.id if self.run is not None else ""

    def folder(self, settings: TrainSettings | None) -> str:
        """Of the adapter; "" for the model as it is, or where the settings are wrong or do not fit the adapter."""
        if self.run is None or settings is None or self.refusal(settings) is not None:
            return ""
        return str(RunFolder(self.run.folder).adapter)

    def pick(self, identity: str, settings: TrainSettings) -> TrainSettings:
        """Settings that the choice brings along: going on needs the adapter's own way of tuning and size.

        Args:
            identity: Of a run, or "".
            settings: As they stand.

        Raises:
            StudioError: The adapter is larger than settings can say; nothing is chosen then.
        """
        self.run = None
        run = next((run for run in self.workplace.runs() if run.id == identity), None)
        if run is None:
            return settings
        made = made_adapter.read(RunFolder(run.folder).adapter)
        layers = made_adapter.linear_layers(Path(run.job.model))
        brought = {name: getattr(run.job.settings, name) for name in BROUGHT}
        taken = going_on(msgspec.structs.replace(settings, **brought), made, layers)
        self.run, self._made, self._layers = run, made, layers
        return taken

    def forget(self) -> None:
        """Begin with the model as it is."""
        self.run = None

    def refusal(self, settings: TrainSettings) -> Problem | None:
        """Why these settings do not fit what was chosen; None where they do."""
        return refusal(settings, self._made, self._layers) if self.run is not None else None

    def remark(self) -> str:
        """What is told of the adapter's size, where it is not that of the run that made it; "" where it is."""
        told = remark(self._made) if self.run is not None else None
        return told.what if told is not None else ""
