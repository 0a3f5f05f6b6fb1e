"""The tab "As the model sees it": one row at a time by the trainer's own labels, read in a preview worker."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from studio.contract.errors import Problem
from studio.contract.events import MaskedRow, Progress
from studio.contract.job import PreviewJob
from studio.contract.settings import TrainSettings
from studio.data.dataset import Dataset
from studio.supervisor.checkup import longest_text
from studio.supervisor.services import PreviewService
from studio.supervisor.workplace import Workplace
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.empty import EmptyState
from studio.ui.widgets.labels import label, set_role
from studio.ui.widgets.mask_style import marks_of
from studio.ui.widgets.mask_view import MaskView, learned_share
from studio.ui.widgets.message import MessageBar
from studio.ui.widgets.row_number import RowNumberBox
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
        self._dataset: Dataset | None = None
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
        self.number = RowNumberBox()
        self.number.setAccessibleName(self.tr("Row number"))
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

    def show_dataset(self, dataset: Dataset | None) -> None:
        """Take another dataset (or the same, imported anew); its first row is shown when the tab is."""
        self.service.close()
        self._dataset = dataset
        self.number.show_dataset(dataset)
        self._refresh()

    def show_row(self, stored: int) -> None:
        """Show a stored row of the dataset, counted from 0."""
        self.number.setValue(stored)

    def note_edits(self) -> None:
        """Rows read otherwise now: the worker sees it by itself."""
        if self.service.state in ("loading", "ready"):
            self._ask()
        self._tell_total()

    def set_shown(self, shown: bool) -> None:
        """The worker is only started while somebody looks."""
        self._shown = shown
        self._refresh()

    def close_service(self) -> None:
        """End the preview worker."""
        self._shown = False
        self.service.close()

    def _refresh(self) -> None:
        model, dataset = self._workplace.model, self._dataset
        self.stack.setCurrentIndex(0 if model is None or not model.usable else 1)
        if model is None or not model.usable or dataset is None:
            if model is not None and not model.usable:
                self.empty.set_sentence(
                    self.tr("{model} cannot be used.").format(model=model.name),
                    model.problems[0].what if model.problems else "",
                )
            self.service.close()
            return
        if not self._shown or not dataset.table.num_rows:
            return
        self._settings = self._workplace.settings_for(dataset.info)
        self._tell_rules(longest_text(self._settings, model))
        self._tell_total()
        work = PreviewJob(dataset=str(dataset.folder), model=model.path, settings=self._settings)
        if work == self.service.work and self.service.state in ("loading", "ready"):
            return
        self.message.clear()
        self.view.show_row(None)
        self.survey.clear()
        self.facts.setText(self.tr("Loading…"))
        self.fate.clear()
        self.service.open(work)
        self._ask()

    def _ask(self) -> None:
        dataset = self._dataset
        if dataset is None:
            return
        self.service.show_row(self.number.value())
        count = min(SURVEY_ROWS, len(dataset))
        self.service.survey(tuple(dataset.stored_row(index * len(dataset) // count) for index in range(count)))

    def _tell_rules(self, limit: int) -> None:
        """How rows are read; `limit` is the longest text in tokens that is really used."""
        settings, model = self._settings, self._workplace.model
        too_long = {
            "leave_out": self.tr("longer ones are left out"),
            "cut_question": self.tr("in longer ones the question's beginning is cut"),
            "cut_end": self.tr("in longer ones the end is cut"),
        }[settings.too_long]
        learned = self.tr("answers are learned") if settings.learn_answers_only else self.tr("all text is learned")
        longest = wording.number(limit)
        if limit < settings.max_tokens:
            words = self.tr("{tokens} tokens (the model reads no more; {set} are set)")
            longest = words.format(tokens=longest, set=wording.number(settings.max_tokens))
        else:
            longest = self.tr("{tokens} tokens").format(tokens=longest)
        self.rules.setText(
            self.tr("Read by {model}. Longest text {tokens}, {too_long}; {learned}.").format(
                model=model.name if model is not None else "", tokens=longest, too_long=too_long, learned=learned
            )
        )

    def _tell_total(self) -> None:
        dataset = self._dataset
        total = dataset.table.num_rows if dataset is not None else 0
        self.total.setText(self.tr("{total} rows in all").format(total=wording.number(total)))

    # --- facts from the worker --------------------------------------------------------------------------

    def _on_number_changed(self, stored: int) -> None:
        self.service.show_row(stored)
        self.row_changed.emit(stored)

    def _on_progressed(self, progress: Progress) -> None:
        self.facts.setText(progress.stage + "…")

    @property
    def _compared(self) -> bool:
        return self._dataset is not None and self._dataset.info.kind in ("preference", "label")

    def _on_row_shown(self, shown: MaskedRow) -> None:
        self.message.clear()
        self.view.show_row(shown, self._compared)
        if shown.limit:
            self._tell_rules(shown.limit)
        words = {
            "learned": self.tr("{tokens} tokens, {learned} learned ({share})"),
            "tested": self.tr("{tokens} tokens"),
            "none": self.tr("{tokens} tokens, 0 learned"),
        }[marks_of(shown, self._compared)]
        self.facts.setText(
            words.format(
                tokens=wording.number(len(shown.ids)),
                learned=wording.number(sum(shown.learned)),
                share=wording.percent(learned_share(shown)),
            )
        )
        fine = shown.fate == "kept" and not shown.excluded and not self._compared
        set_role(self.fate, "muted" if fine else "warning")
        self.fate.setText(f"{self.fate_in_words(shown)} {self._side_in_words(shown)}".strip())

    def fate_in_words(self, shown: MaskedRow) -> str:
        """What the settings do with a row."""
        limit = shown.limit or self._settings.max_tokens
        if shown.excluded:
            return self.tr("You left this row out: it is neither learned from nor tested with.")
        if self._compared:
            return self.tr("Rows that compare or rate answers cannot be trained on yet.")
        match shown.fate:
            case "kept" if len(shown.ids) > limit:
                parts = -(-len(shown.ids) // limit)
                return self.tr("This text is used whole, in {parts} stretches of about the same length.").format(
                    parts=wording.number(parts)
                )
            case "kept":
                return self.tr("This row is used whole.")
            case "cut":
                return self.tr("This row is cut: {tokens} tokens are lost, {answer} of them from the answer.").format(
                    tokens=wording.number(shown.cut_tokens), answer=wording.number(shown.cut_answer_tokens)
                )
            case "left_out":
                return self.tr("This row is left out: it is longer than {tokens} tokens.").format(
                    tokens=wording.number(limit)
                )
        return self.tr("This row is left out: nothing in it would be learned.")

    def _side_in_words(self, shown: MaskedRow) -> str:
        if shown.excluded or self._compared:
            return ""
        if shown.held_back:
            return self.tr("It is held back for testing, never learned from.")
        return self.tr("It is learned from.") if shown.fate in ("kept", "cut") else ""

    def _on_surveyed(self, rows: tuple[MaskedRow, ...]) -> None:
        if not rows or self._compared:  # of compared rows none is used yet
            self.survey.clear()
            return
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
