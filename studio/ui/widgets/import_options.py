"""How the files of a dataset are read, how often each counts, and which are held back; each choice imports anew."""

from pathlib import Path
from typing import Any

import msgspec
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QSizePolicy, QSpinBox, QWidget

from studio.contract.errors import StudioError
from studio.contract.job import Reading
from studio.contract.splits import Split
from studio.data.dataset import DatasetInfo
from studio.data.made_from import Origin
from studio.data.row_split import RowSplit
from studio.data.turn_order import is_offered
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.combo_box import ComboBox
from studio.ui.widgets.fold_heading import FoldHeading
from studio.ui.widgets.labels import ElidedLabel, label
from studio.ui.widgets.number_box import indent
from studio.ui.widgets.section import clear_layout, column, row

MOST_COUNTED = 20_000
"""Rows that are counted for the line that says what is held back."""
_MOST_FILES = 20
_TEXTS = ("text",)
_TABLES = ("csv", "xlsx")


class ImportOptions(QWidget):
    """Closed it is one line that says what is chosen.

    Attributes:
        import_wanted: `ImportJob`: import anew like this.
        split_wanted: `Split`: another rule that needs no import.
        test_file_wanted, no_test_file_wanted, more_wanted, settings_wanted: A button was clicked.
    """

    import_wanted = Signal(object)
    split_wanted = Signal(object)
    test_file_wanted = Signal()
    no_test_file_wanted = Signal()
    more_wanted = Signal()
    settings_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._info: DatasetInfo | None = None
        self._origin: Origin | None = None
        self.weights: list[QDoubleSpinBox] = []
        self.summary = ElidedLabel("", "muted")
        self.body = QWidget()
        self.body.setLayout(self._build())
        self.heading = FoldHeading(self.tr("Files and test rows"), self.body)
        outer = column(row(self.heading, self.summary), self.body, spacing=GRID // 2)
        outer.setContentsMargins(0, 0, 0, 0)
        self.setLayout(outer)

    # --- layout -----------------------------------------------------------------------------------------

    def _build(self) -> QGridLayout:
        self.sheet = self._combo(self.tr("Sheet"), self._on_reading_chosen)
        self.documents = self._combo(self.tr("One text is"), self._on_reading_chosen)
        for words, value in (
            (self.tr("as guessed"), ""),
            (self.tr("the whole file"), "file"),
            (self.tr("each line"), "line"),
            (self.tr("each block between blank lines"), "block"),
        ):
            self.documents.addItem(words, value)
        self.first_line = self._combo(self.tr("First line of the table"), self._on_reading_chosen)
        for words, value in (
            (self.tr("as guessed"), ""),
            (self.tr("names the columns"), "names"),
            (self.tr("is a row"), "row"),
        ):
            self.first_line.addItem(words, value)
        self.split = self._combo(self.tr("Learn from the part"), self._on_reading_chosen)
        self.turns = self._combo(self.tr("Order of turns"), self._on_turns_chosen)
        self.turns.addItem(self.tr("as in the file"), False)
        self.turns.addItem(self.tr("mended"), True)
        self.turns.setToolTip(
            self.tr(
                "Mended: messages of one side that follow each other are joined, a greeting before the first question "
                "and a last message without an answer are left out. As in the file: such rows are left out."
            )
        )
        self._files = QGridLayout()
        self._files.setSpacing(GRID // 2)
        self.more_button = buttons.flat(self.tr("Add files…"), self.more_wanted.emit, "plus")
        self.weights_button = buttons.secondary(self.tr("Use these weights"), self._on_weights_wanted)
        self.by = self._combo(self.tr("Hold back"), self._on_by_chosen)
        for words, value in (
            (self.tr("rows by chance"), "hash"),
            (self.tr("all rows of some groups"), "group"),
            (self.tr("the newest rows"), "time"),
        ):
            self.by.addItem(words, value)
        self.column = self._combo(self.tr("Column of the group or time"), self._on_column_chosen)
        self.seed = QSpinBox()
        self.seed.setRange(0, 999_999)
        self.seed.setAccessibleName(self.tr("Seed of the held-back rows"))
        self.seed.setKeyboardTracking(False)
        indent(self.seed)
        self.seed.valueChanged.connect(self._on_seed_changed)
        self.share = label("", "muted")
        self.share_button = buttons.flat(self.tr("Change in Train"), self.settings_wanted.emit)
        self.test_file = ElidedLabel("", "muted")
        self.test_button = buttons.flat(self.tr("Use an own test file…"), self.test_file_wanted.emit)
        self.no_test_button = buttons.flat(self.tr("Remove test file"), self.no_test_file_wanted.emit)
        return self._lay_out()

    def _lay_out(self) -> QGridLayout:
        self._titles = {
            name: label(words, "muted")
            for name, words in (
                ("sheet", self.tr("Sheet")),
                ("documents", self.tr("One text is")),
                ("first_line", self.tr("First line")),
                ("split", self.tr("Learn from the part")),
                ("turns", self.tr("Order of turns")),
                ("files", self.tr("Files and how often their rows count (1 = as they are)")),
                ("by", self.tr("Hold back for testing")),
                ("seed", self.tr("Seed")),
            )
        }
        title = self._titles
        reading = row(title["sheet"], self.sheet, title["documents"], self.documents)
        reading = row(reading, title["first_line"], self.first_line, title["split"], self.split)
        reading = row(reading, title["turns"], self.turns, 1)
        rule = row(title["by"], self.by, self.column, 1)
        share = row(title["seed"], self.seed, self.share, self.share_button, 1)
        own = row(self.more_button, self.test_button, self.no_test_button, self.test_file, 1)
        files = column(title["files"], self._files, row(self.weights_button, 1), spacing=GRID // 2)
        grid = QGridLayout()
        grid.setContentsMargins(3 * GRID, 0, 0, GRID)
        grid.setVerticalSpacing(GRID)
        for place, layout in enumerate((reading, files, rule, share, own)):
            grid.addLayout(layout, place, 0)
        return grid

    def _combo(self, name: str, on_chosen: object) -> ComboBox:
        combo = ComboBox()
        combo.setAccessibleName(name)
        combo.setSizeAdjustPolicy(ComboBox.SizeAdjustPolicy.AdjustToContents)
        combo.activated.connect(on_chosen)
        return combo

    # --- what is shown ----------------------------------------------------------------------------------

    def show_info(self, info: DatasetInfo, origin: Origin | None, share: float) -> None:
        """Show how a dataset was read and is split.

        Args:
            info: It.
            origin: How it came to be; None where that is not known: it cannot be imported anew.
            share: Of the rows that a run holds back where nothing else is said.
        """
        self._info, self._origin = info, origin
        seen = origin.seen if origin is not None else None
        self._fill(self.sheet, seen.sheets if seen else (), seen.reading.sheet if seen else "", "sheet")
        self._fill(self.split, seen.splits if seen else (), self._split_read(), "split")
        texts = any(source.format in _TEXTS for source in info.sources)
        self.documents.setVisible(texts)
        self._titles["documents"].setVisible(texts)
        self.documents.setCurrentIndex(max(0, self.documents.findData(seen.reading.documents if seen else "")))
        tables = any(source.format in _TABLES for source in info.sources)
        self.first_line.setVisible(tables)
        self._titles["first_line"].setVisible(tables)
        self.first_line.setCurrentIndex(max(0, self.first_line.findData(seen.reading.first_line if seen else "")))
        self._show_turns(info)
        self._show_files()
        self._show_split(info, share)
        for widget in (self.more_button, self.test_button, self.by):
            widget.setEnabled(origin is not None)
        self.summary.set_text(self._summed_up(info, share))

    def _fill(self, combo: ComboBox, names: tuple[str, ...], chosen: str, title: str) -> None:
        combo.clear()
        for name in names:
            combo.addItem(name, name)
        combo.setCurrentIndex(max(0, combo.findData(chosen)))
        combo.setVisible(len(names) > 1)
        self._titles[title].setVisible(len(names) > 1)

    def _show_turns(self, info: DatasetInfo) -> None:
        """The order of turns, where rows have any that might need it."""
        mended = self._origin is not None and self._origin.job.mend_turns
        can_be_mended = bool(info.mapping.messages) or any(is_offered(problem.fix) for problem in info.problems)
        self.turns.setCurrentIndex(self.turns.findData(mended))
        for widget in (self.turns, self._titles["turns"]):
            widget.setVisible(self._origin is not None and (mended or can_be_mended))

    def _split_read(self) -> str:
        """The split that is learned from."""
        assert self._info is not None
        seen = self._origin.seen if self._origin is not None else None
        if self._origin is not None and self._origin.job.reading.split:
            return self._origin.job.reading.split
        return "train" if seen is not None and "train" in seen.splits else ""

    def _show_files(self) -> None:
        clear_layout(self._files)
        self.weights = []
        work = self._origin.job if self._origin is not None else None
        paths = [work.source, *work.more] if work is not None else []
        several = len(paths) > 1
        self._titles["files"].setVisible(several)
        self.weights_button.setVisible(several)
        self.weights_button.setEnabled(False)
        if work is None or not several:
            return
        given = work.weights or (1.0,) * len(paths)
        for place, (path, weight) in enumerate(zip(paths[:_MOST_FILES], given, strict=False)):
            spin = QDoubleSpinBox()
            spin.setRange(0.01, 100)
            spin.setDecimals(2)
            spin.setSingleStep(0.5)
            spin.setValue(weight)
            indent(spin)
            spin.setAccessibleName(self.tr("How often the rows of {name} count").format(name=Path(path).name))
            spin.valueChanged.connect(lambda _: self.weights_button.setEnabled(True))
            name = ElidedLabel(Path(path).name)
            name.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
            self._files.addWidget(spin, place, 0)
            self._files.addWidget(name, place, 1)
            self.weights.append(spin)
        self._files.setColumnStretch(2, 1)

    def _show_split(self, info: DatasetInfo, share: float) -> None:
        rule, own = info.split, bool(info.held_back_rows)
        self.by.setCurrentIndex(max(0, self.by.findData(rule.by)))
        self._fill_columns(info, rule)
        self.seed.blockSignals(True)
        self.seed.setValue(rule.seed)
        self.seed.blockSignals(False)
        for widget in (self.by, self.seed, self._titles["by"], self._titles["seed"], self.share, self.share_button):
            widget.setVisible(not own)
        self.seed.setEnabled(rule.by != "time")
        self.column.setVisible(not own and rule.by != "hash")
        self.share.setText(self.tr("{share} of the rows").format(share=wording.percent(share)))
        tested = self.tr("Tested with {count} rows of {name}")
        name = Path(self._origin.job.held_back).name if self._origin and self._origin.job.held_back else ""
        name = name or self.tr("the test part")
        self.test_file.set_text(tested.format(count=wording.number(info.held_back_rows), name=name) if own else "")
        self.test_file.setVisible(own)
        self.test_button.setVisible(not own)
        self.no_test_button.setVisible(bool(self._origin and self._origin.job.held_back))

    def _fill_columns(self, info: DatasetInfo, rule: Split) -> None:
        self.column.clear()
        self.column.addItem(self.tr("Choose a column…"), "")
        for name in info.columns:
            self.column.addItem(" ".join(name.split())[:60], name)
        self.column.setCurrentIndex(max(0, self.column.findData(rule.column)))

    def _summed_up(self, info: DatasetInfo, share: float) -> str:
        files = self.tr("1 file") if len(info.sources) == 1 else self.tr("{count} files")
        parts = [files.format(count=wording.number(len(info.sources)))] if info.sources else []
        if self._origin is not None and self._origin.job.mend_turns:
            parts.append(self.tr("order of turns mended"))
        if info.held_back_rows:
            parts.append(self.test_file.text())
        else:
            parts.append(self._held_back(info, share))
            if info.split.by == "group":
                parts.append(self.tr("in groups by {column}").format(column=info.split.column))
            elif info.split.by == "time":
                parts.append(self.tr("the newest by {column}").format(column=info.split.column))
            if info.split.by != "time":
                parts.append(self.tr("seed {seed}").format(seed=info.split.seed))
        return " · ".join(parts)

    def _held_back(self, info: DatasetInfo, share: float) -> str:
        """How many rows are held back, counted where that takes no time: by groups the share alone says little."""
        try:
            split = RowSplit(Path(info.folder)) if info.usable <= MOST_COUNTED else None
        except StudioError:
            split = None  # it is told where the dataset is opened
        if split is None:
            return self.tr("{share} of the rows held back for testing").format(share=wording.percent(share))
        _, held_back = split.counts(share)
        words = self.tr("{count} of {rows} rows held back for testing")
        return words.format(count=wording.number(held_back), rows=wording.number(split.rows))

    # --- what is chosen ---------------------------------------------------------------------------------

    def _want(self, **changes: object) -> None:
        if self._origin is not None:
            self.import_wanted.emit(msgspec.structs.replace(self._origin.job, **changes))

    def _on_reading_chosen(self) -> None:
        if self._origin is None:
            return
        asked, read = self._origin.job.reading, self._origin.seen.reading
        sheet = self.sheet.currentData() or ""
        documents: Any = self.documents.currentData() or ""
        first_line: Any = self.first_line.currentData() or ""
        split = self.split.currentData() or ""
        chosen = Reading(
            sheet=sheet if self.sheet.count() > 1 and sheet != read.sheet else asked.sheet,
            documents=documents if documents != read.documents else asked.documents,
            first_line=first_line if first_line != read.first_line else asked.first_line,
            split=split if self.split.count() > 1 and split != self._split_read() else asked.split,
        )
        if chosen != asked:
            self._want(reading=chosen, mapping=None)  # other rows may have other columns

    def _on_turns_chosen(self) -> None:
        mend = bool(self.turns.currentData())
        if self._origin is not None and mend != self._origin.job.mend_turns:
            self._want(mend_turns=mend)

    def _on_weights_wanted(self) -> None:
        if self._origin is None:
            return
        rest = (self._origin.job.weights or (1.0,) * (1 + len(self._origin.job.more)))[len(self.weights) :]
        chosen = (*(spin.value() for spin in self.weights), *rest)
        self._want(weights=() if set(chosen) == {1.0} else chosen)

    def _on_by_chosen(self) -> None:
        by = self.by.currentData()
        self.column.setVisible(by != "hash")
        self.seed.setEnabled(by != "time")
        if by == "hash" and self._info is not None and self._info.split.by != "hash":
            self.split_wanted.emit(Split(seed=self.seed.value()))
        elif by != "hash":
            self._on_column_chosen()

    def _on_column_chosen(self) -> None:
        by, name = self.by.currentData(), self.column.currentData()
        if name and self._info is not None and (by, name) != (self._info.split.by, self._info.split.column):
            self._want(group=name if by == "group" else "", time=name if by == "time" else "")

    def _on_seed_changed(self, seed: int) -> None:
        if self._info is not None:
            self.split_wanted.emit(msgspec.structs.replace(self._info.split, seed=seed))
