"""The tab "As the model sees it": one row at a time by the trainer's own labels, read in a preview worker."""

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QScrollArea, QSpinBox, QStackedWidget, QVBoxLayout, QWidget

from studio.contract.errors import Problem
from studio.contract.events import MaskedRow, Progress
from studio.contract.job import PreviewJob
from studio.contract.presets import load_preset
from studio.contract.run_folder import starter_folder
from studio.contract.sample import SAMPLE
from studio.contract.settings import TrainSettings
from studio.data.dataset import DatasetInfo
from studio.supervisor.services import PreviewService
from studio.supervisor.workplace import Workplace
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.empty import EmptyState
from studio.ui.widgets.labels import label, set_role
from studio.ui.widgets.mask_view import MaskView, learned_share
from studio.ui.widgets.message import MessageBar
from studio.ui.widgets.section import column, row

SURVEY_ROWS = 200
"""So many rows, spread over the dataset, are looked at to say how many are too long."""


class PreviewPanel(QWidget):
    """Shows rows of one dataset for the chosen model and the settings that training would use.

    Attributes:
        models_wanted, settings_wanted: The user wants to choose a model, or change the settings.
    """

    models_wanted = Signal()
    settings_wanted = Signal()
    row_changed = Signal(int)

    def __init__(self, workplace: Workplace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workplace = workplace
        self.service = PreviewService(workplace, self)
        self._dataset: DatasetInfo | None = None
        self._settings = TrainSettings()
        self._shown = False
        self._build()
        self.service.row_shown.connect(self._on_row_shown)
        self.service.surveyed.connect(self._on_surveyed)
        self.service.progressed.connect(self._on_progressed)
        self.service.failed.connect(self._on_failed)
        self.service.noticed.connect(self._on_failed)
        workplace.model_chosen.connect(self._refresh)
        workplace.settings_changed.connect(self._refresh)

    def _build(self) -> None:
        self.message = MessageBar(closable=False)
        self.empty = EmptyState(
            self.tr("Choose a model to see your rows as it reads them."),
            self.tr("Open Models"),
            self.tr("Each model cuts text into tokens in its own way, so the preview needs to know which one."),
            "eye",
        )
        self.empty.action_wanted.connect(self.models_wanted)
        self.view = MaskView()
        self.number = QSpinBox()
        self.number.lineEdit().setTextMargins(6, 0, 0, 0)
        self.number.setAccessibleName(self.tr("Row number"))
        self.number.setKeyboardTracking(False)
        self.number.setGroupSeparatorShown(True)
        self.number.valueChanged.connect(self._on_number_changed)
        self.previous = buttons.icon_button("chevron-left", self.tr("Previous row"), self.number.stepDown)
        self.next = buttons.icon_button("chevron-right", self.tr("Next row"), self.number.stepUp)
        self.total = label("", "muted")
        self.facts = label()
        self.fate = label("", "muted", wrap=True)
        self.rules = label("", "muted", wrap=True)
        self.survey = label("", "muted", wrap=True)
        self.change = buttons.flat(self.tr("Change in Train"), self.settings_wanted.emit)
        rows = QWidget()
        content = QVBoxLayout(rows)
        content.setContentsMargins(0, GRID, 0, 0)
        content.setSpacing(GRID)
        content.addLayout(row(self.previous, self.number, self.next, self.total, 1, self.facts))
        content.addWidget(self.fate)
        content.addWidget(self.view, 1)
        below = row(column(self.rules, self.survey, spacing=2), self.change)
        below.setStretch(0, 1)
        content.addLayout(below)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        scroll = QScrollArea()  # large text in a low window: nothing is squeezed
        scroll.setWidgetResizable(True)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        rows.setObjectName("scroll_content")
        scroll.setWidget(rows)
        rows.setAutoFillBackground(False)
        scroll.viewport().setAutoFillBackground(False)
        self.stack.addWidget(scroll)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.message)
        outer.addWidget(self.stack, 1)

    # --- what is shown ----------------------------------------------------------------------------------

    def show_dataset(self, info: DatasetInfo | None) -> None:
        """Take another dataset (or the same, imported anew); its first row is shown when the tab is."""
        self.service.close()
        self._dataset = info
        self.number.blockSignals(True)
        self.number.setRange(1, max(1, info.usable if info is not None else 1))
        self.number.setValue(1)
        self.number.blockSignals(False)
        self._refresh()

    def show_row(self, index: int) -> None:
        """Show a row of the dataset, counted from 0."""
        self.number.setValue(index + 1)

    def set_shown(self, shown: bool) -> None:
        """The worker is only started while somebody looks."""
        self._shown = shown
        self._refresh()

    def close_service(self) -> None:
        """End the preview worker."""
        self._shown = False
        self.service.close()

    def _refresh(self) -> None:
        model, info = self._workplace.model, self._dataset
        self.stack.setCurrentIndex(0 if model is None or not model.usable else 1)
        if model is None or not model.usable or info is None:
            if model is not None and not model.usable:
                self.empty.set_sentence(
                    self.tr("{model} cannot be used.").format(model=model.name),
                    model.problems[0].what if model.problems else "",
                )
            self.service.close()
            return
        if not self._shown or not info.usable:
            return
        self._settings = self._current_settings()
        self._tell_rules(model.name)
        work = PreviewJob(dataset=info.folder, model=model.path, settings=self._settings)
        if work == self.service.work and self.service.state in ("loading", "ready"):
            return
        self.message.clear()
        self.view.show_row(None)
        self.survey.clear()
        self.facts.setText(self.tr("Loading…"))
        self.fate.clear()
        self.service.open(work)
        self.service.show_row(self.number.value() - 1)
        count = min(SURVEY_ROWS, info.usable)
        self.service.survey(tuple(index * info.usable // count for index in range(count)))

    def _current_settings(self) -> TrainSettings:
        """What a run started now would use."""
        if self._workplace.settings is not None:
            return self._workplace.settings
        info, model = self._dataset, self._workplace.model
        starter = model is not None and Path(model.path) == starter_folder()
        sample = info is not None and info.id == SAMPLE and starter
        return load_preset("sample" if sample else self._workplace.preset).settings()

    def _tell_rules(self, model: str) -> None:
        settings = self._settings
        too_long = {
            "leave_out": self.tr("longer ones are left out"),
            "cut_question": self.tr("in longer ones the question's beginning is cut"),
            "cut_end": self.tr("in longer ones the end is cut"),
        }[settings.too_long]
        learned = self.tr("answers are learned") if settings.learn_answers_only else self.tr("all text is learned")
        self.rules.setText(
            self.tr("Read by {model}. Longest text {tokens} tokens, {too_long}; {learned}.").format(
                model=model, tokens=wording.number(settings.max_tokens), too_long=too_long, learned=learned
            )
        )
        total = self._dataset.usable if self._dataset is not None else 0
        self.total.setText(self.tr("of {total} rows").format(total=wording.number(total)))

    # --- facts from the worker --------------------------------------------------------------------------

    def _on_number_changed(self, number: int) -> None:
        self.service.show_row(number - 1)
        self.row_changed.emit(number - 1)

    def _on_progressed(self, progress: Progress) -> None:
        self.facts.setText(progress.stage + "…")

    def _on_row_shown(self, shown: MaskedRow) -> None:
        self.message.clear()
        self.view.show_row(shown)
        self.facts.setText(
            self.tr("{tokens} tokens, {learned} learned ({share})").format(
                tokens=wording.number(len(shown.ids)),
                learned=wording.number(sum(shown.learned)),
                share=wording.percent(learned_share(shown)),
            )
        )
        fine = shown.fate == "kept"
        set_role(self.fate, "muted" if fine else "warning")
        self.fate.setText(f"{self.fate_in_words(shown)} {self._side_in_words(shown)}")

    def fate_in_words(self, shown: MaskedRow) -> str:
        """What the settings do with a row."""
        match shown.fate:
            case "kept":
                return self.tr("This row is used whole.")
            case "cut":
                return self.tr("This row is cut: {tokens} tokens are lost, {answer} of them from the answer.").format(
                    tokens=wording.number(shown.cut_tokens), answer=wording.number(shown.cut_answer_tokens)
                )
            case "left_out":
                return self.tr("This row is left out: it is longer than {tokens} tokens.").format(
                    tokens=wording.number(self._settings.max_tokens)
                )
        return self.tr("This row is left out: nothing in it would be learned.")

    def _side_in_words(self, shown: MaskedRow) -> str:
        if shown.held_back:
            return self.tr("It is held back for testing, never learned from.")
        return self.tr("It is learned from.") if shown.fate in ("kept", "cut") else ""

    def _on_surveyed(self, rows: tuple[MaskedRow, ...]) -> None:
        count = {fate: sum(row.fate == fate for row in rows) for fate in ("cut", "left_out", "nothing_to_learn")}
        parts = []
        if count["cut"]:
            parts.append(self.tr("{share} are cut").format(share=wording.percent(count["cut"] / len(rows))))
        if count["left_out"]:
            share = wording.percent(count["left_out"] / len(rows))
            parts.append(self.tr("{share} are too long and left out").format(share=share))
        if count["nothing_to_learn"]:
            share = wording.percent(count["nothing_to_learn"] / len(rows))
            parts.append(self.tr("{share} have nothing to learn").format(share=share))
        set_role(self.survey, "warning" if parts else "muted")
        seen = self.tr("Of {count} rows looked at").format(count=wording.number(len(rows)))
        self.survey.setText(f"{seen}: {', '.join(parts) if parts else self.tr('all are used whole')}.")

    def _on_failed(self, problem: Problem) -> None:
        self.facts.clear()
        self.message.show_problem(problem, [(self.tr("Try again"), self._refresh)])
