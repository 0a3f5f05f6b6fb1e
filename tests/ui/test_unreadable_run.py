"""A run whose settings cannot be read is shown with its reason; what can be done with it is to delete it."""

from pytestqt.qtbot import QtBot

from studio.data.run_history import list_runs
from studio.supervisor.workplace import Workplace
from studio.ui.pages.home import RecentRun
from studio.ui.pages.runs import RunsPage
from tests.ui import run_stream
from tests.ui.seen import seen_button


def test_it_is_listed_says_why_and_can_be_deleted(workplace: Workplace, qtbot: QtBot) -> None:
    folder = run_stream.write_run("run-1", list(run_stream.run()), seed=1)
    folder.job.write_bytes(b"")
    page = RunsPage(workplace)
    qtbot.addWidget(page)
    page.show()
    page.on_shown()
    (summary,) = page.list.runs.summaries
    assert page.list.runs.lines(summary)[0].endswith("· Cannot be read")
    assert "not a job that this version understands" in page.list.runs.lines(summary)[2]
    page.show_run(folder)
    message = page.detail.message
    assert message.text().startswith("The settings of this run cannot be read, so it cannot go on.")
    assert not page.detail.resume.isVisible()
    assert not page.detail.export.isVisible()
    assert not page.detail.chat.isVisible()
    assert not page.detail.tabs.isTabVisible(1)
    with qtbot.waitSignal(page.detail.delete_wanted):
        seen_button(message, "Delete the run").click()
    assert list_runs() == []
    line = RecentRun(summary, None)
    qtbot.addWidget(line)
    assert "Cannot be read" in line.open_button.accessibleName()
