"""The Export page with the real export worker."""

import errno
import json
import shutil
import sys
from pathlib import Path

import msgspec
import pytest
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from studio.contract.exports import EXPORTS, K_QUANTS
from studio.contract.job import CombineJob
from studio.contract.methods import PromptSettings
from studio.contract.parity import Parity
from studio.contract.run_folder import RunFolder, runs_folder
from studio.data import base_identity
from studio.supervisor.workplace import Workplace
from studio.ui.pages.export import ExportPage, folder_name
from studio.ui.widgets.combine_dialog import CombineDialog
from tests.faults import disk_faults
from tests.ui.filled_window import device
from tests.ui.finished_run import finished_run, model_and_adapter

WAIT = 60_000


@pytest.fixture
def page(qtbot: QtBot, workplace: Workplace) -> ExportPage:
    page = ExportPage(workplace)
    qtbot.addWidget(page)
    page.resize(960, 640)
    page.show()
    return page


def export(qtbot: QtBot, page: ExportPage) -> None:
    assert page.start()
    assert not page.export_button.isEnabled()
    qtbot.waitUntil(lambda: not page.job.going and not page.workplace._tasks, timeout=WAIT)


def press(page: ExportPage, text: str) -> None:
    next(found for found in page.message.findChildren(QPushButton) if found.text() == text).click()


def test_without_an_adapter_the_page_says_how_one_comes_to_be(qtbot: QtBot, page: ExportPage) -> None:
    page.on_shown()
    assert page.empty.isVisible()
    with qtbot.waitSignal(page.page_wanted) as wanted:
        page.empty.action.click()
    assert wanted.args == ["train"]


def test_every_export_of_the_table_is_offered_with_its_help(page: ExportPage) -> None:
    assert [button.text() for button in page.forms.buttons.buttons()] == [form.label for form in EXPORTS.values()]
    assert page.forms.buttons.checkedButton() is not None


def test_the_card_that_is_shown_is_the_card_that_is_written(
    qtbot: QtBot, page: ExportPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished_run(model_and_adapter())
    page.on_shown()
    page.set_folder(tmp_path / "out")
    shown = page.card.toPlainText()
    assert "# run" in shown
    assert "## Limits" in shown
    export(qtbot, page)
    target = tmp_path / "out" / "run-1-tiny"
    written = (target / "README.md").read_text(encoding="utf-8")
    assert written == page.card.toPlainText()
    before, found = written.split("## Compared with the adapter")
    assert shown == before + found[found.index("## Settings") :]
    assert "Exported to run-1-tiny." in page.message.text()
    assert all(file.name in page.message.text() for file in target.iterdir())
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    press(page, "Open folder")
    assert opened == [str(target)]
    # A second export overwrites nothing and offers another name; its card tells nothing of the files of the first.
    export(qtbot, page)
    assert page.message.text().count("run-1-tiny") == 1  # where it lies
    assert "exists already" in page.message.text()
    assert page.card.toPlainText() == shown
    press(page, "Export under another name")
    qtbot.waitUntil(lambda: not page.job.going and not page.workplace._tasks, timeout=WAIT)
    assert (tmp_path / "out" / "run-1-tiny-2" / "adapter_model.safetensors").is_file()


def test_a_place_that_cannot_be_written_is_told_in_words(qtbot: QtBot, page: ExportPage, tmp_path: Path) -> None:
    finished_run(model_and_adapter())
    page.on_shown()
    (tmp_path / "file").write_text("no folder")
    page.set_folder(tmp_path / "file")
    export(qtbot, page)
    assert "could not be written" in page.message.text()
    assert page.export_button.isEnabled()
    assert (tmp_path / "file").read_text() == "no folder"


@pytest.mark.parametrize("name", ["", "a/b", "..", "a\\b", "a\tb", "a:b", "con"])
def test_a_name_that_is_no_new_folder_is_refused_before_the_start(page: ExportPage, name: str) -> None:
    finished_run(model_and_adapter())
    page.on_shown()
    page.name.setText(name)
    assert not page.export_button.isEnabled()
    assert not page.start()
    assert page.state.text()
    page.name.setText(".hidden")  # may be, and is said
    assert page.export_button.isEnabled()
    assert "begins with a dot" in page.state.text()


@pytest.mark.parametrize(("text", "name"), [("run-1-Qwen/Qwen3 4B", "run-1-Qwen-Qwen3-4B"), ("../..", "adapter")])
def test_a_folders_name_is_made_from_the_names_that_people_gave(text: str, name: str) -> None:
    assert folder_name(text) == name


# --- forms, progress, parity -----------------------------------------------------------------------------------------


def ready(page: ExportPage, folder: Path) -> None:
    finished_run(model_and_adapter())
    page.on_shown()
    page.set_folder(folder)


def test_each_form_offers_its_number_formats_and_its_card(page: ExportPage, tmp_path: Path) -> None:
    ready(page, tmp_path)
    assert not page.forms.numbers_combo.isVisible()
    for name, row in EXPORTS.items():
        page.forms.choose(name)
        shown = [page.forms.numbers_combo.itemData(i) for i in range(page.forms.numbers_combo.count())]
        assert shown == [numbers for numbers in row.numbers if numbers not in K_QUANTS]
        assert page.forms.check.isVisible()
        assert page.forms.wants_check()
    page.forms.choose("gguf")
    assert "library_name: gguf" in page.card.toPlainText()


def test_number_formats_of_llama_cpp_are_offered_where_its_package_is_installed(
    page: ExportPage, tmp_path: Path
) -> None:
    ready(page, tmp_path)
    page.forms.choose("gguf")
    page.forms.numbers_combo.setCurrentIndex(page.forms.numbers_combo.findData("q8_0"))
    page.workplace.device_reported.emit(msgspec.structs.replace(device(), k_quants=True))
    assert page.forms.numbers() == "q8_0"
    shown = [page.forms.numbers_combo.itemData(i) for i in range(page.forms.numbers_combo.count())]
    assert shown == list(EXPORTS["gguf"].numbers)
    page.forms.numbers_combo.setCurrentIndex(page.forms.numbers_combo.findData("q4_k_m"))
    page.workplace.device_reported.emit(device())
    assert page.forms.numbers() == "f16"


def test_a_whole_model_is_exported_compared_and_the_result_stays_on_the_page(
    qtbot: QtBot, page: ExportPage, tmp_path: Path
) -> None:
    ready(page, tmp_path)
    page.forms.choose("gguf")
    page.forms.numbers_combo.setCurrentIndex(page.forms.numbers_combo.findData("f32"))
    told: list[str] = []
    page.job.progressed.connect(lambda progress: told.append(page.progress.stage.text()))
    export(qtbot, page)
    assert page.parity.isVisible()
    assert "The files behave as the adapter does on the base model as it is now." in page.parity.text()
    assert "Cut into the same tokens: 8 of 8" in page.parity.text()
    assert any(text.startswith("Building what was learned into the model: ") for text in told)
    assert not page.progress.isVisible()
    (file,) = (tmp_path / "run-1-tiny").glob("*.gguf")
    assert file.name == "run-1-tiny-F32.gguf"
    assert (tmp_path / "run-1-tiny" / "README.md").read_text(encoding="utf-8") == page.card.toPlainText()


@pytest.mark.parametrize(("form", "template"), [("adapter", "the same"), ("gguf_adapter", "not compared: ")])
def test_an_adapter_alone_is_compared_and_what_it_has_from_the_base_is_said(
    qtbot: QtBot, page: ExportPage, tmp_path: Path, form: str, template: str
) -> None:
    ready(page, tmp_path)
    page.forms.choose(form)
    export(qtbot, page)
    assert page.parity.isVisible()
    said = page.parity.text()
    assert "The files behave as the adapter did." in said
    assert "Cut into the same tokens: not compared: these files have none, the base model's is used" in said
    assert f"Chat template: {template}" in said
    assert "These files were read: by " in said
    assert "put " in said
    assert "| The same next token is likeliest | 100.00 % of " in page.card.toPlainText()
    assert (tmp_path / "run-1-tiny" / "README.md").read_text(encoding="utf-8") == page.card.toPlainText()


def test_an_adapter_that_leaves_without_its_base_says_why_it_was_not_compared(
    qtbot: QtBot, page: ExportPage, tmp_path: Path
) -> None:
    ready(page, tmp_path)
    (run,) = page.workplace.runs()
    told = json.loads((run.folder / "job.json").read_text())
    (run.folder / "job.json").write_text(json.dumps(told | {"model": str(tmp_path / "gone")}))
    page.workplace.runs_changed.emit()
    export(qtbot, page)
    assert "Exported to run-1-tiny." in page.message.text()
    assert "The files were not compared with the adapter." in page.parity.text()
    assert "no: the base model is not on this computer any more" in page.parity.text()
    assert "no: the base model is not on this computer any more" in page.card.toPlainText()


def test_an_export_can_be_stopped_and_leaves_nothing(qtbot: QtBot, page: ExportPage, tmp_path: Path) -> None:
    ready(page, tmp_path)
    page.forms.choose("merged")
    page.job.progressed.connect(lambda progress: page.progress.stop.isEnabled() and page.progress.stop.click())
    export(qtbot, page)
    assert "The export was stopped." in page.message.text()
    assert list(tmp_path.glob("*run-1*")) == []
    assert page.export_button.isEnabled()


def test_what_a_way_of_tuning_cannot_leave_as_is_greyed_with_the_reason(page: ExportPage, tmp_path: Path) -> None:
    ready(page, tmp_path)
    (run,) = page.workplace.runs()
    method = PromptSettings()
    settings = msgspec.structs.replace(run.job.settings, method=method)
    page.forms.choose("gguf")
    page.forms.show_run(msgspec.structs.replace(run, job=msgspec.structs.replace(run.job, settings=settings)))
    enabled = {str(b.property("export")): b.isEnabled() for b in page.forms.buttons.buttons()}
    assert enabled == dict.fromkeys(EXPORTS, False) | {"adapter": True}
    assert page.forms.form() == "adapter"
    assert "It has learned places before the text, not weights." in page.forms._about["gguf"].text()


def test_a_missing_base_leads_to_the_models_page(qtbot: QtBot, page: ExportPage, tmp_path: Path) -> None:
    ready(page, tmp_path)
    (run,) = page.workplace.runs()
    told = json.loads((run.folder / "job.json").read_text())
    (run.folder / "job.json").write_text(json.dumps(told | {"model": str(tmp_path / "gone")}))
    page.workplace.runs_changed.emit()
    page.forms.choose("merged")
    export(qtbot, page)
    assert "is gone; without it the adapter cannot be built into it." in page.message.text()
    with qtbot.waitSignal(page.page_wanted) as wanted:
        press(page, "Open Models")
    assert wanted.args == ["models"]


@pytest.mark.parametrize(
    ("parity", "words"),
    [(Parity(numbers="f16", prompts=8, same_ids=8, places=100, same_top1=50), "Try another number format, or look at"),
     (Parity(numbers="f32", prompts=8, same_ids=8, places=100, same_top1=50), "of the places. Look at the rows below."),
     (Parity(numbers="f16", skipped="that needs 60 GB"), "The files were not compared"),
     (Parity(numbers="f16", prompts=8, same_ids=8, places=100, same_top1=100), "differ from the adapter: 8 of 8"),
     (Parity(numbers="f16", prompts=8, same_ids=8, places=100, same_top1=100, same_answers=7),
      "The files differ from the adapter, as rounding to F16 can make them: 1 of 8 answers is not the same."),
     (Parity(numbers="f16", prompts=8, same_ids=8, places=100, same_top1=100, same_answers=8),
      "The files behave as the adapter did.")],
)  # fmt: skip
def test_every_outcome_of_the_comparison_has_its_words(page: ExportPage, parity: Parity, words: str) -> None:
    page.parity.show_parity(parity)
    assert words in page.parity.text()
    page.parity.show_parity(None)
    assert page.parity.isHidden()


def test_what_was_told_of_one_form_does_not_stay_with_another(qtbot: QtBot, page: ExportPage, tmp_path: Path) -> None:
    ready(page, tmp_path)
    page.forms.choose("gguf")
    export(qtbot, page)
    assert page.parity.isVisible()
    assert "Exported to" in page.message.text()
    page.forms.choose("adapter")
    assert not page.parity.isVisible()
    assert not page.message.isVisible()
    page.message.show_text("success", "Exported to one.")
    other = finished_run(model_and_adapter(), name="run-2")
    page.show_run(other)
    assert not page.message.isVisible()


# --- combining -------------------------------------------------------------------------------------------------------


def dialog_of(page: ExportPage) -> CombineDialog:
    page.combine_button.click()
    return page.window().findChildren(CombineDialog)[-1]


def test_two_adapters_become_one_that_is_offered_and_chats(
    qtbot: QtBot, page: ExportPage, workplace: Workplace, tmp_path: Path
) -> None:
    finished_run(model_and_adapter(), name="run-1")
    page.on_shown()
    assert not page.combine_button.isEnabled()
    finished_run(model_and_adapter(), name="run-2")
    page.on_shown()
    dialog = dialog_of(page)
    assert not dialog.combine.isEnabled()
    assert "Choose two to 8 adapters." in dialog.state.text()
    for box, weight in zip(dialog.boxes, dialog.weights, strict=True):
        assert not weight.isEnabled()
        box.click()
        weight.setValue(0.3)
    dialog.how.setCurrentIndex(dialog.how.findData("ties"))
    assert dialog.density.isVisible()
    assert not dialog.rank.isVisible()
    dialog.name.setText("both")
    dialog.combine.click()
    qtbot.waitUntil(lambda: not page.combining.going and not workplace._tasks, timeout=WAIT)
    assert "both was made." in page.message.text()
    assert page.run_combo.currentText().startswith("both · tiny")
    assert page.run_facts.text().startswith("Combined ")
    assert "Agreeing parts only (TIES), keeping 50% of each" in page.card.toPlainText()
    with qtbot.waitSignal(workplace.chat_requested) as wanted:
        press(page, "Chat with it")
    assert wanted.args[0].path.name.startswith("combined-")


def combination(runs: list[RunFolder]) -> CombineJob:
    return CombineJob(runs=tuple((str(run.path), 1.0) for run in runs), runs_folder=str(runs_folder()))


def test_a_combination_that_was_stopped_says_so_in_its_own_words(qtbot: QtBot, page: ExportPage) -> None:
    page.combine(combination([finished_run(model_and_adapter(), name=name) for name in ("run-1", "run-2")]))
    page._on_stop_wanted()
    qtbot.waitUntil(lambda: not page.combining.going and not page.workplace._tasks, timeout=WAIT)
    assert "Combining the adapters was stopped." in page.message.text()
    assert "export" not in page.message.text()
    assert not any("Combine" in button.text() for button in page.message.findChildren(QPushButton))


def test_adapters_of_different_bases_cannot_be_chosen_together(page: ExportPage, tmp_path: Path) -> None:
    finished_run(model_and_adapter(), name="run-1")
    other = finished_run(model_and_adapter(), name="run-2")
    told = json.loads(other.job.read_text())
    other.job.write_text(json.dumps(told | {"model": str(tmp_path)}))
    page.on_shown()
    dialog = dialog_of(page)
    for box in dialog.boxes:
        box.click()
    assert "different base models" in dialog.state.text()
    assert not dialog.combine.isEnabled()
    dialog.reject()
    for run in runs_folder().glob("run-*"):  # the same model, copied elsewhere: its fingerprint says so
        base_identity.remember(RunFolder(run), base_identity.identify(model_and_adapter() / "model", "tiny"))
    dialog = dialog_of(page)
    for box in dialog.boxes:
        box.click()
    assert dialog.combine.isEnabled()
    dialog.reject()


# --- what goes wrong -------------------------------------------------------------------------------------------------


def run_on_own_base(page: ExportPage, place: Path) -> tuple[RunFolder, Path]:
    """A run whose base lies where nothing else uses it."""
    made = model_and_adapter()
    shutil.copytree(made, place / "own")
    run = finished_run(place / "own")
    base_identity.remember(run, base_identity.identify(place / "own" / "model", "tiny"))
    page.on_shown()
    page.set_folder(place / "out")
    page.forms.choose("gguf")
    return run, place / "own" / "model"


def test_a_base_that_is_gone_is_asked_for_by_name_and_hash(qtbot: QtBot, page: ExportPage, tmp_path: Path) -> None:
    _, base = run_on_own_base(page, tmp_path)
    base.rename(tmp_path / "away")
    export(qtbot, page)
    assert "The base model tiny is gone" in page.message.text()
    assert "Bring back the model tiny, fingerprint " in page.message.text()
    (tmp_path / "away").rename(base)
    export(qtbot, page)
    assert "Cut into the same tokens: 8 of 8" in page.parity.text()


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("gcc"), reason="calls of Linux are made to fail")
def test_a_disk_that_fills_up_in_the_middle_is_told_and_leaves_nothing(
    qtbot: QtBot, page: ExportPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_on_own_base(page, tmp_path)
    with monkeypatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(disk_faults.build_shim(tmp_path)))
        (tmp_path / "count").write_bytes(bytes(8))
        told = {"FOLDER": tmp_path / "out", "FAIL_AT": 10, "ERRNO": errno.ENOSPC, "COUNT": tmp_path / "count"}
        for name, value in told.items():
            patch.setenv(f"DISK_{name}", str(value))
        export(qtbot, page)
    assert "The export could not be written." in page.message.text()
    assert "The disk is full." in page.message.text()
    assert [path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")] == []
    export(qtbot, page)
    assert "Cut into the same tokens: 8 of 8" in page.parity.text()
    assert len(list((tmp_path / "out").iterdir())) == 1
