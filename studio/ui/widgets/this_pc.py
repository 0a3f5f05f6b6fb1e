"""What this computer offers for training, in words, and what to do where something is missing."""

from PySide6.QtWidgets import QGridLayout, QVBoxLayout

from studio.contract.errors import Problem
from studio.contract.events import DeviceReport
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets.labels import IconLabel, label
from studio.ui.widgets.section import Section, clear_layout, line, row


class ThisPc(Section):
    """A card made from the device report."""

    def __init__(self, detailed: bool = False) -> None:
        super().__init__(self.tr("This computer"))
        self._detailed = detailed
        self._lines = QVBoxLayout()
        self._lines.setSpacing(GRID)
        self.add(self._lines)
        self._lines.addWidget(label(self.tr("Looking at this computer…"), "muted"))

    def show_report(self, report: DeviceReport) -> None:
        """Show what was found."""
        clear_layout(self._lines)
        usable = [gpu for gpu in report.gpus if gpu.device]
        self._verdict(report, bool(usable))
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * GRID)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        for index, (name, value) in enumerate(self._facts(report)):
            grid.addWidget(label(name, "muted"), index, 0)
            grid.addWidget(label(value, wrap=True, selectable=True), index, 1)
        self._lines.addLayout(grid)
        shown: set[str] = set()
        problems = [*report.problems, *(gpu.problem for gpu in report.gpus if gpu.problem is not None)]
        for problem in problems:
            if problem.sentence() not in shown:
                shown.add(problem.sentence())
                self._problem(problem)

    def _verdict(self, report: DeviceReport, has_gpu: bool) -> None:
        words = label(
            self.tr("Ready to train on the graphics processor.")
            if has_gpu
            else self.tr("Ready to train on the processor (CPU): small models, without a graphics card."),
            "strong",
            wrap=True,
        )
        line_of_words = row(IconLabel("check", "success"), words)
        line_of_words.setStretch(1, 1)
        self._lines.addLayout(line_of_words)

    def _facts(self, report: DeviceReport) -> list[tuple[str, str]]:
        facts = []
        for gpu in report.gpus:
            words = gpu.name
            if gpu.memory_bytes:
                words += self.tr(", {free} of {total} free").format(
                    free=wording.memory(gpu.free_bytes), total=wording.memory(gpu.memory_bytes)
                )
            facts.append((self.tr("Graphics"), words if gpu.device else self.tr("{gpu} (not used)").format(gpu=words)))
        if not report.gpus:
            facts.append((self.tr("Graphics"), self.tr("none found that can train")))
        cores = self.tr("{count} cores").format(count=report.cores)
        facts.append((self.tr("Processor"), f"{report.cpu}, {cores}" if report.cpu else cores))
        memory = self.tr("{free} of {total} free").format(
            free=wording.memory(report.free_memory_bytes), total=wording.memory(report.memory_bytes)
        )
        facts.append((self.tr("Memory"), memory))
        facts.append((self.tr("Disk"), self.tr("{free} free").format(free=wording.size(report.disk_free_bytes))))
        if self._detailed:
            facts.append((self.tr("PyTorch"), report.torch or self.tr("not installed")))
            facts.append((self.tr("GPU driver"), report.driver or self.tr("none")))
        return facts

    def _problem(self, problem: Problem) -> None:
        problem = wording.told_problem(problem)
        self._lines.addWidget(line())
        words = row(IconLabel("info", "warning"), label(problem.what, wrap=True))
        words.setStretch(1, 1)
        self._lines.addLayout(words)
        for text in (problem.why, problem.fix):
            if text:
                self._lines.addWidget(label(text, "muted", wrap=True, selectable=True))
