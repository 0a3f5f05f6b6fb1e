"""The verdict never says more than its figures."""

import msgspec
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.contract import events
from studio.contract.events import Verdict
from studio.ui import theme
from studio.ui.widgets.data_report import DataReportCard
from studio.ui.widgets.run_feed import RunFeed
from studio.ui.widgets.run_progress import RunProgress
from studio.ui.widgets.run_view import RunView
from studio.ui.widgets.sample_answer import SampleAnswerCard
from studio.ui.widgets.verdict import VerdictCard
from studio.ui.widgets.verdict_words import judge
from tests.ui import run_stream

LONG = Verdict(rows=119, rows_better=84, loss_base=3.2, loss_tuned=1.1)


def test_right_answers_are_counted_and_so_is_what_was_kept() -> None:
    said = judge(run_stream.VERDICT)
    assert said.headline == "Answers 55 of 58 new questions right, word for word; before: 0."
    assert said.sentences == ("Still answers 174 of 180 that it could before.",)
    assert (said.mood, said.short) == ("success", "55 of 58 right")


def test_long_answers_are_judged_by_their_loss() -> None:
    said = judge(LONG)
    assert said.headline == "Better on 84 of 119 unseen examples; loss on them fell from 3.20 to 1.10."
    assert said.short == "better on 84 of 119"


LIKELIER = Verdict(asked=5, right_before=0, right_after=0, rows=5, rows_better=5, loss_base=5.06, loss_tuned=4.99)


def test_a_lower_loss_without_a_right_answer_is_no_success() -> None:
    said = judge(LIKELIER)
    assert said.headline == "Answers 0 of 5 new questions right, word for word; before: 0."
    assert said.sentences == (
        (
            "A little more likely, but no new question is answered right yet: train longer or with a higher "
            "learning speed."
        ),
        "Better on 5 of 5 unseen examples; loss on them fell from 5.06 to 4.99.",
    )
    assert (said.mood, said.short) == ("info", "0 of 5 right")


def test_a_few_right_answers_that_may_be_luck_are_called_so() -> None:
    said = judge(msgspec.structs.replace(LIKELIER, asked=58, right_before=20, right_after=21, rows=58, rows_better=58))
    assert said.headline == "Answers 21 of 58 new questions right, word for word; before: 20."
    assert "may be luck" in said.sentences[0]
    assert said.mood == "info"


FREE_TEXT = Verdict(asked=28, right_before=0, right_after=0, rows=28, rows_better=28, loss_base=9.48, loss_tuned=0.91)


def test_free_text_that_got_much_better_is_told_by_its_loss_and_word_for_word_is_explained() -> None:
    said = judge(msgspec.structs.replace(FREE_TEXT, settled=True))
    assert said.headline == "Better on 28 of 28 unseen examples; loss on them fell from 9.48 to 0.91."
    assert said.sentences == (
        "Answers 0 of 28 new questions right, word for word; before: 0.",
        (
            "The same in other words counts as wrong there: read some answers in Compare. It had stopped getting "
            "better before the end: longer training would hardly help."
        ),
    )
    assert (said.mood, said.short) == ("info", "better on 28 of 28")


@pytest.mark.parametrize("verdict", [FREE_TEXT, LIKELIER])
def test_longer_training_is_advised_only_where_unseen_loss_was_still_falling(verdict: Verdict) -> None:
    falling = " ".join(judge(msgspec.structs.replace(verdict, settled=False)).sentences)
    settled = " ".join(judge(msgspec.structs.replace(verdict, settled=True)).sentences)
    assert "train longer" in falling or "longer training may help" in falling
    assert "longer training would hardly help" in settled
    assert "train longer" not in settled


def test_an_old_run_of_free_text_without_tests_on_the_way_gets_no_advice_to_train_longer() -> None:
    assert "longer" not in " ".join(judge(FREE_TEXT).sentences)


@pytest.mark.parametrize("after", [0, 1, 2, 5, 58, None])
@pytest.mark.parametrize("better", [0, 29, 58, None])
@pytest.mark.parametrize("tuned", [1.0, 2.9])
def test_what_was_asked_is_always_told_and_first_where_the_loss_is_not_far_lower(
    after: int | None, better: int | None, tuned: float
) -> None:
    verdict = Verdict(
        asked=58, right_before=1, right_after=after, rows=58, rows_better=better, loss_base=3.0, loss_tuned=tuned
    )
    said = judge(verdict)
    told = [words for words in (said.headline, *said.sentences) if any(letter.isdigit() for letter in words)]
    if after is not None:
        exact = f"Answers {after} of 58 new questions right, word for word; before: 1."
        assert exact in told
        assert told[0] == exact or (tuned < 2 and better == 58 and after <= 2)
        assert said.mood != "success" or after > 1


@pytest.mark.parametrize(
    "verdict",
    [
        msgspec.structs.replace(LONG, rows_better=62, loss_tuned=3.19),  # as good as chance
        Verdict(asked=58, right_before=20, right_after=22),  # two more may be luck
        Verdict(asked=58, right_before=20, right_after=20),
    ],
)
def test_what_may_be_luck_is_no_real_improvement(verdict: Verdict) -> None:
    said = judge(verdict)
    assert said.headline == "No real improvement on unseen examples."
    assert said.mood == "warning"
    assert said.sentences  # the figures are shown all the same


def test_worse_is_called_worse() -> None:
    verdict = Verdict(rows=50, rows_better=5, loss_base=1.0, loss_tuned=2.0)
    said = judge(verdict)
    assert said.headline == "Worse on unseen examples than before."
    assert said.sentences == ("Better on 5 of 50 unseen examples; loss on them rose from 1.00 to 2.00.",)


def test_forgetting_is_said_and_what_helps() -> None:
    said = judge(msgspec.structs.replace(run_stream.VERDICT, known_after=20))
    assert said.mood == "warning"
    assert said.sentences[-1].startswith("Still answers 20 of 180 that it could before. It forgot the rest")


@pytest.mark.parametrize("verdict", [None, Verdict(), Verdict(probes=200, known_before=180, known_after=180)])
def test_without_held_back_rows_nothing_is_claimed(verdict: Verdict | None) -> None:
    said = judge(verdict)
    assert "nobody can say" in said.headline
    assert said.short == "not tested"


def test_few_rows_that_all_got_better_are_still_too_few() -> None:
    assert judge(Verdict(rows=1, rows_better=1, loss_base=3.0, loss_tuned=1.0)).mood == "warning"


def test_a_discarded_run_offers_nothing_to_compare(qtbot: QtBot) -> None:
    card = VerdictCard()
    qtbot.addWidget(card)
    card.show()
    card.show_end(events.Finished(adapter="", reason="discarded", steps=4, seconds=1.0))
    assert "thrown away" in card.text()
    assert not card.compare.isVisible()
    card.show_end(run_stream.finished())
    assert card.compare.isVisible()
    assert card.text().splitlines()[-1] == "Done: 100 steps in 10 s with tests."


def test_a_part_that_was_thrown_away_leaves_curves_figures_and_card_as_they_were_saved(qtbot: QtBot) -> None:
    card, feed = VerdictCard(), RunFeed()
    qtbot.addWidget(card)
    saved = msgspec.structs.replace(run_stream.finished(42), at=1042.5, reason="stopped")
    part = [run_stream.step(number, 1.0) for number in range(43, 66)]
    feed.feed(run_stream.started())
    for event in (*(run_stream.step(number, 1.0) for number in range(1, 43)), saved, run_stream.started(43), *part):
        feed.feed(event)
    assert feed.curves.last_step == 65
    feed.feed(msgspec.structs.replace(saved, at=2000.0, went_back=True))
    step, finished = feed.progress.step, feed.progress.finished
    assert step is not None
    assert finished is not None
    assert (feed.curves.last_step, step.step, feed.progress.state) == (42, 42, "stopped")
    card.show_end(finished)
    assert card.headline.text() == judge(run_stream.VERDICT).headline
    assert card.ending.text() == "What came after step 42 was thrown away; the run is as it was saved at step 42."


def test_a_better_adapter_that_is_kept_aside_is_named_with_where_it_can_be_had(qtbot: QtBot) -> None:
    card = VerdictCard()
    qtbot.addWidget(card)
    card.show_end(msgspec.structs.replace(run_stream.finished(), best_aside=25))
    assert card.text().endswith("The best one on unseen examples, of step 25, is kept, too: Runs offers it.")


def test_large_text_in_a_narrow_card_stands_above_the_buttons_instead_of_in_a_tower(
    qtbot: QtBot, qapp: QApplication
) -> None:
    card = VerdictCard()
    qtbot.addWidget(card)
    card.show_end(run_stream.finished())
    try:
        card.resize(1080, 120)
        card.show()
        assert not card.folding.folded
        theme.apply(qapp, "light", 150)
        card.resize(860, 300)
        qtbot.waitUntil(lambda: card.folding.folded)
        qtbot.waitUntil(lambda: card.headline.width() > 700)
    finally:
        theme.apply(qapp, "light", 100)


def test_a_plot_in_a_low_window_scrolls_instead_of_becoming_a_strip(qtbot: QtBot, qapp: QApplication) -> None:
    view = RunView(RunFeed())
    qtbot.addWidget(view)
    try:
        theme.apply(qapp, "light", 150)
        with qtbot.waitSignal(view.plot_made, timeout=60_000):
            view.load_plot()
        view.resize(540, 260)
        view.show()
        assert view.plot is not None
        line = view.fontMetrics().height()
        bar = view.plot_column.verticalScrollBar()
        qtbot.waitUntil(lambda: bar.maximum() > 0)
        assert view.plot.main.height() >= 8 * line
        assert all(panel.height() >= 4 * line for panel in view.plot.small.values())
        assert view.plot.controls.axis.height() >= view.plot.controls.axis.minimumSizeHint().height()
        theme.apply(qapp, "light", 100)
        view.resize(900, 600)
        qtbot.waitUntil(lambda: bar.maximum() == 0)
    finally:
        theme.apply(qapp, "light", 100)


def test_the_data_report_warns_of_what_is_not_learned(qtbot: QtBot) -> None:
    card = DataReportCard()
    qtbot.addWidget(card)
    report = msgspec.structs.replace(run_stream.report(), end_token_learned=False, pad_token="<|end|>", overlap=3)
    card.show_report(report)
    said = {words: fine for fine, words in card.sentences}
    assert said["300 examples to learn from, 58 held back; 75 of 400 general ones are mixed into each pass"]
    warned = [words for fine, words in card.sentences if not fine]
    assert len(warned) == 4
    assert any("2 left out as too long" in words for words in warned)
    assert any("may not know when to stop" in words for words in warned)
    assert any("padding token (<|end|>) is the end token" in words for words in warned)
    assert any("3 held-back examples are also learned from" in words for words in warned)


def test_sample_answers_stay_where_the_reader_paged_to(qtbot: QtBot) -> None:
    card = SampleAnswerCard()
    qtbot.addWidget(card)
    card.show()
    answers = [
        events.SampleAnswer(step=number, question="Q", answer=f"<b>A{number}</b>", expected="E") for number in (0, 10)
    ]
    card.show_answers(answers)
    assert card.answer.text() == "<b>A10</b>"  # never read as rich text
    card.earlier.click()
    assert card.answer_heading.text() == "Answer before training"
    card.show_answers([*answers, events.SampleAnswer(step=20, question="Q", answer="E ", expected="E")])
    assert card.answer.text() == "<b>A0</b>"
    card.later.click()
    card.later.click()
    assert card.answer_heading.text() == "Answer at step 20, word for word right"
    assert not card.later.isEnabled()


def test_a_run_taken_up_again_is_no_failed_run() -> None:
    progress = RunProgress()
    progress.feed(events.Failed(problem=run_stream.PROBLEM))
    assert progress.state == "failed"
    progress.feed(events.Hello(protocol=1, pid=2, versions={}))
    assert (progress.state, progress.failed) == ("preparing", None)


def test_a_stop_that_was_asked_for_stays_asked_for() -> None:
    progress = RunProgress()
    progress.feed(run_stream.started())
    progress.feed(events.Stopping(save=True))
    progress.feed(events.Resumed(step=3))
    assert progress.state == "stopping"
    progress.feed(events.Paused(step=3, problem=run_stream.PROBLEM))
    assert progress.state == "paused"
