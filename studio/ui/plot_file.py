"""`python -m studio.ui.plot_file RUN PICTURE`: a run's loss as PNG or SVG, drawn by the window's own plot.

The command line starts it as a process of its own, because it holds no Qt itself.
"""

import sys
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from studio.contract.run_folder import RunFolder
from studio.data.run_history import read_events, summarise
from studio.ui import theme
from studio.ui.widgets.loss_plot import LossPlot
from studio.ui.widgets.run_curves import PlottedRun, RunCurves


def main(arguments: list[str]) -> int:
    """Draw one run; the exit code is 2 where the folder holds none or the picture cannot be written."""
    folder, picture = RunFolder(Path(arguments[0])), Path(arguments[1])
    application = QApplication(sys.argv[:1])
    theme.apply(application, "light", 100)
    summary = summarise(folder)
    if summary is None:
        print(f"{folder.path} holds no training run.", file=sys.stderr)
        return 2
    curves = RunCurves()
    for event in read_events(folder):
        curves.feed(event)
    plot = LossPlot()
    plot.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)  # laid out as in the window, never shown
    plot.resize(1200, 760)
    plot.set_runs([PlottedRun(summary.job.name, curves)])
    plot.show()
    for _ in range(3):  # layouts settle in rounds: the axes' widths follow from what they show
        application.processEvents()
        plot.redraw()
    try:
        plot.save(picture)
    except OSError as error:
        print(str(error), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
