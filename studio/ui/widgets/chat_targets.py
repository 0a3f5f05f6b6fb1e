"""Who can be talked to: runs that left an adapter, and bare models; and which sides of a chat answer."""

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QWidget

from studio.contract.events import ModelChecked
from studio.data.run_history import RunSummary
from studio.supervisor.chats import BASE, Chat
from studio.supervisor.conversation import adapter_of
from studio.ui.widgets.combo_box import ComboBox


class TargetCombo(ComboBox):
    """`run_chosen` carries a `RunSummary`, `model_chosen` a `ModelChecked`; only for the user's own choice."""

    run_chosen = Signal(object)
    model_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.runs: list[RunSummary] = []
        self.models: list[ModelChecked] = []
        self.setAccessibleName(self.tr("Chat with"))
        self.setMinimumContentsLength(20)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.activated.connect(self._on_activated)

    def show_targets(self, runs: list[RunSummary], models: list[ModelChecked]) -> None:
        """List all; what is shown stays chosen where it is still there."""
        self.runs = [run for run in runs if run.has_adapter]
        self.models = [model for model in models if model.usable]
        shown = self.currentData()
        self.clear()
        for run in self.runs:
            self.addItem(f"{run.job.name} · {run.job.model_name}", run.id)
        if self.runs and self.models:
            self.insertSeparator(self.count())
        for model in self.models:
            self.addItem(self.tr("{model} (no adapter)").format(model=model.name), model.path)
        self.setCurrentIndex(self.findData(shown) if shown else -1)

    def show_chat(self, chat: Chat) -> None:
        """Mark who a chat is with; a run or model that is gone leaves nothing marked."""
        self.setCurrentIndex(self.findData(chat.run or chat.model))
        self.setPlaceholderText(chat.name_of(chat.run) if chat.run else chat.model_name)

    def run(self, run_id: str) -> RunSummary | None:
        """A run by the name of its folder."""
        return next((run for run in self.runs if run.id == run_id), None)

    def _on_activated(self) -> None:
        chosen = self.currentData()
        run = self.run(chosen)
        if run is not None:
            self.run_chosen.emit(run)
            return
        model = next((model for model in self.models if model.path == chosen), None)
        if model is not None:
            self.model_chosen.emit(model)


class SidesCombo(ComboBox):
    """Side by side or one alone; also beside another run of the same base. `sides_chosen`: sides, adapters."""

    sides_chosen = Signal(object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Who answers"))
        self.setMinimumContentsLength(20)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._runs: list[RunSummary] = []
        self.activated.connect(self._on_activated)

    def show_chat(self, chat: Chat, runs: list[RunSummary]) -> None:
        """Offer the sides of a chat; hidden for a bare model.

        Args:
            chat: Shown now.
            runs: All that have an adapter.
        """
        self._runs = [run for run in runs if Path(run.job.model) == Path(chat.model) and run.id != chat.run]
        self.clear()
        self.setVisible(bool(chat.run))
        if not chat.run:
            return
        name = chat.name_of(chat.run)
        choices: list[tuple[str, tuple[str, ...]]] = [
            (self.tr("Side by side with base"), (BASE, chat.run)),
            (self.tr("{run} alone").format(run=name), (chat.run,)),
            (self.tr("The base alone"), (BASE,)),
        ]
        beside = self.tr("Side by side with {run}")
        choices += [(beside.format(run=run.job.name), (run.id, chat.run)) for run in self._runs]
        for text, sides in choices:
            self.addItem(text, sides)
        at = [place for place, (_, sides) in enumerate(choices) if sides == tuple(chat.sides)]
        self.setCurrentIndex(at[0] if at else -1)

    def _on_activated(self) -> None:
        sides = tuple(self.currentData())
        self.sides_chosen.emit(sides, tuple(adapter_of(run) for run in self._runs if run.id in sides))
