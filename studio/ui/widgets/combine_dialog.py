"""Asks which adapters become one, how strongly each, and in which way."""

from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDoubleSpinBox,
    QGridLayout,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from studio.contract.combinations import COMBINATIONS, LARGEST_WEIGHT, MOST
from studio.contract.job import CombineJob
from studio.contract.methods import LoraSettings
from studio.contract.run_folder import RunFolder, runs_folder
from studio.data.base_identity import is_one_base
from studio.data.run_history import RunSummary
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.combo_box import ComboBox
from studio.ui.widgets.labels import label
from studio.ui.widgets.number_box import indent
from studio.ui.widgets.section import ScrollColumn, row


def can_be_combined(run: RunSummary) -> bool:
    """Whether a run's adapter is plain LoRA."""
    method = run.job.settings.method
    return run.has_adapter and isinstance(method, LoraSettings) and not method.dora


class CombineDialog(QDialog):
    """`chosen()` is the job that was asked for."""

    def __init__(self, runs: list[RunSummary], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Combine adapters"))
        self.boxes: list[QCheckBox] = []
        self.weights: list[QDoubleSpinBox] = []
        self._runs = [run for run in runs if can_be_combined(run)]
        self.how = ComboBox()
        self.how.setAccessibleName(self.tr("Way of combining"))
        for name, combination in COMBINATIONS.items():
            self.how.addItem(wording.told(combination.label), name)
        self.about = label("", "muted", wrap=True)
        self.density = QSpinBox()
        indent(self.density)
        self.density.setRange(1, 100)
        self.density.setValue(50)
        self.density.setSuffix(" %")
        self.density.setAccessibleName(self.tr("Share of each adapter that is kept"))
        self.rank = QSpinBox()
        indent(self.rank)
        self.rank.setRange(0, 1024)
        self.rank.setSpecialValueText(self.tr("the largest of theirs"))
        self.rank.setAccessibleName(self.tr("Size of the new adapter"))
        self.name = QLineEdit()
        self.name.setMaxLength(80)
        self.name.setPlaceholderText(self.tr("their names, joined by +"))
        self.name.setAccessibleName(self.tr("Name of the new adapter"))
        self._density_title, self._rank_title = label(self.density.accessibleName()), label(self.rank.accessibleName())
        self.state = label("", "muted", wrap=True)
        self.combine = buttons.primary(self.tr("Combine"), self.accept)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        column.addWidget(label(self.tr("Which, and how strongly (adapters of one base model)"), "strong"))
        column.addWidget(self._build_runs(), 1)
        column.addLayout(self._build_values())
        column.addWidget(self.state)
        column.addLayout(row(1, buttons.secondary(self.tr("Cancel"), self.reject), self.combine))
        self.how.currentIndexChanged.connect(self._show_state)
        self._show_state()
        line = self.fontMetrics().lineSpacing()
        self.resize(36 * line, 30 * line)

    def _build_runs(self) -> QWidget:
        listed = ScrollColumn(margin=0)
        for run in self._runs:
            box = QCheckBox(f"{run.job.name} · {run.job.model_name} · {run.job.dataset_name}")
            weight = QDoubleSpinBox()
            indent(weight)
            weight.setRange(0.01, LARGEST_WEIGHT)
            weight.setSingleStep(0.1)
            weight.setValue(0.5)
            weight.setAccessibleName(self.tr("Weight of {name}").format(name=run.job.name))
            weight.setEnabled(False)
            box.toggled.connect(weight.setEnabled)
            box.toggled.connect(self._show_state)
            self.boxes.append(box)
            self.weights.append(weight)
            line = row(box, weight)
            line.setStretch(0, 1)
            listed.body.addLayout(line)
        listed.body.addStretch(1)
        return listed

    def _build_values(self) -> QGridLayout:
        values = QGridLayout()
        values.setHorizontalSpacing(2 * GRID)
        values.setVerticalSpacing(GRID)
        values.setColumnStretch(1, 1)
        rows = (
            (label(self.tr("Way of combining")), self.how),
            (label(""), self.about),
            (self._density_title, self.density),
            (self._rank_title, self.rank),
            (label(self.tr("Name of the new adapter")), self.name),
        )
        for number, (title, editor) in enumerate(rows):
            title.setBuddy(editor)
            values.addWidget(title, number, 0)
            values.addWidget(editor, number, 1)
        return values

    def _chosen_runs(self) -> list[tuple[RunSummary, float]]:
        pairs = zip(self._runs, self.boxes, self.weights, strict=True)
        return [(run, weight.value()) for run, box, weight in pairs if box.isChecked()]

    def _show_state(self) -> None:
        combination = COMBINATIONS[str(self.how.currentData())]
        self.about.setText(wording.told(combination.help))
        for widget in (self._density_title, self.density):
            widget.setVisible(combination.thins)
        for widget in (self._rank_title, self.rank):
            widget.setVisible(combination.any_rank)
        chosen = self._chosen_runs()
        words = ""
        if not 2 <= len(chosen) <= MOST:
            words = self.tr("Choose two to {count} adapters.").format(count=MOST)
        elif not is_one_base([(RunFolder(run.folder), run.job.model) for run, _ in chosen]):
            words = self.tr("These were trained on different base models.")
        self.state.setText(words)
        self.combine.setEnabled(not words)

    def chosen(self) -> CombineJob:
        """What was asked for."""
        return CombineJob(
            runs=tuple((str(run.folder), weight) for run, weight in self._chosen_runs()),
            runs_folder=str(runs_folder()),
            how=str(self.how.currentData()),
            name=self.name.text().strip(),
            density=self.density.value() / 100,
            rank=self.rank.value(),
        )
