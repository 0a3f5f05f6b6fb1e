#!/usr/bin/env python3
"""Pictures of the Data page in every state, light and dark, at 100 and 150 %, from the real window with real workers.

python packaging/data_screenshots.py [--out FOLDER] [--sizes 100,150]

A fresh home folder and small files of our own; run it where there is a screen (`xvfb-run -a`).
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.ui.pages.data import DataPage

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "packaging")]


def main() -> int:
    """Makes all pictures."""
    from screenshots import take_each_size

    return take_each_size(__file__, "pictures of the Data page", ROOT / "out" / "data-page", take)


def take(out: Path, percent: int) -> int:
    """All pictures at the scale that this process was started with."""
    from screenshots import Camera, open_window

    from studio.ui.pages.data import DataPage

    with open_window() as window:
        window.show_page("data")
        page = window.page("data")
        assert isinstance(page, DataPage)
        pictures(page, Camera(window, out, percent))
    return 0


def pictures(page: DataPage, camera: object) -> None:
    """Every state in turn."""
    from screenshots import Camera, pause, wait_until

    assert isinstance(camera, Camera)
    folder = Path(os.environ["HOME"]) / "files"
    folder.mkdir()
    camera.take("data-empty")
    write_faq(folder / "faq.csv", 1190)
    page.import_file(folder / "faq.csv")
    settled(page)
    camera.take("data-verdict")
    page.rows.tools.search.setText("invoice")
    page.rows.tools.order.setCurrentIndex(1)
    page.rows.tools.choice_changed.emit()
    pause(500)
    page.rows.table.show_row(2)
    page.rows._on_exclude_wanted()
    settled(page)
    camera.take("data-search")
    page.options.heading.setChecked(True)
    page.tabs.setCurrentWidget(page.problems)
    settled(page)
    camera.take("data-problems")
    page.options.heading.setChecked(False)
    page.contents.heading.setChecked(True)
    camera.take("data-contents")
    page.contents.heading.setChecked(False)
    page.tabs.setCurrentWidget(page.preview)
    pause(3000)
    camera.take("data-mask-left-out")  # the row that was left out in the table
    page.preview.show_row(1)
    pause(1500)
    camera.take("data-mask")
    write_pairs(folder / "pairs.jsonl", 60)
    page.tabs.setCurrentWidget(page.problems)
    page.import_file(folder / "pairs.jsonl")
    settled(page)
    camera.take("data-compared")
    page.tabs.setCurrentWidget(page.preview)
    pause(3000)
    camera.take("data-mask-compared")
    page.tabs.setCurrentWidget(page.rows)
    write_thoughts(folder / "thoughts.jsonl", 60)
    page.import_file(folder / "thoughts.jsonl")
    settled(page)
    camera.take("data-further-column")
    page.mapping_form.more_button.click()
    camera.take("data-all-columns")
    (folder / "broken.jsonl").write_text('{"question": "a?", "answer": "b"}\n' * 3 + '{"question": \n', "utf-8")
    page.import_file(folder / "broken.jsonl")
    wait_until(lambda: not page.message.isHidden(), "the error")
    camera.take("data-error")
    (folder / "numbers.csv").write_text("kind;size;mark\n1;10;x\n2;20;y\n3;30;z\n", "utf-8")
    page.import_file(folder / "numbers.csv")
    wait_until(page.by_hand.isVisible, "the columns")
    camera.take("data-by-hand")
    write_faq(folder / "long.csv", 3_000_000)
    page.import_file(folder / "long.csv")
    wait_until(lambda: page.progress.bar.maximum() == 1000 and page.progress.bar.value() > 50, "the import")
    camera.take("data-importing")
    page.progress.cancel.click()


def settled(page: DataPage) -> None:
    """Wait until nothing is imported or checked any more."""
    from screenshots import pause, wait_until

    pause(900)
    wait_until(lambda: not page.workplace.importing and not page.desk.checkup.going, "the import and the check")
    pause(900)
    wait_until(lambda: not page.desk.checkup.going, "the check")


def write_faq(path: Path, rows: int) -> None:
    """Questions and answers with what the doctor looks for."""
    dice = random.Random(7)
    things = ("invoice", "delivery", "password", "printer", "contract", "refund", "account", "warranty")
    lines = ["Frage,Antwort"]
    for number in range(rows):
        thing, other = dice.choice(things), dice.choice(things)
        question = f"How do I change the {thing} of order {number * 37 % 9973}?"
        answer = f"Open Settings, choose {thing}, then {other}, and press Save. Case {number}."
        if number % 90 == 4:
            answer = " ".join([answer] * dice.randint(20, 60))
        if number % 100 == 50:
            answer = "Dafür ist die Geschäftsstelle zuständig."
        if number % 170 == 8:
            question = "WeiÃŸt du, wo der SchlÃ¼ssel liegt?"
        lines.append(f'"{question}","{answer}"')
        if number % 60 == 9:
            lines.append(lines[-1])
    lines += ['"Where is the key?",""'] * 14
    path.write_text("\n".join(lines) + "\n", "utf-8")


def write_pairs(path: Path, rows: int) -> None:
    """A better and a worse answer to each question."""
    lines = [
        {"prompt": f"Who keeps key {n}?", "chosen": f"Marta Quill keeps key {n}.", "rejected": "I do not know <|end|>"}
        for n in range(rows)
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n", "utf-8")


def write_thoughts(path: Path, rows: int) -> None:
    """Questions with what was thought before each answer, and where each is from."""
    lines = [
        {
            "question": f"{n} and {n + 3}?",
            "reasoning": f"{n}, and 3 more than {n}.",
            "answer": f"{2 * n + 3}.",
            "from": "own",
        }
        for n in range(rows)
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n", "utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
