#!/usr/bin/env python3
"""Pictures of the Models and the Export page in every state, light and dark, from the real window with real workers.

python packaging/models_screenshots.py [--out FOLDER] [--sizes 100,150]

A fresh home folder, the starter model on a "stick", two short runs, and a small hub on this computer's own address for
the download; run it where there is a screen (`xvfb-run -a`).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from screenshots import Camera

    from studio.ui.main_window import MainWindow
    from studio.ui.pages.export import ExportPage
    from studio.ui.pages.models import ModelsPage

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "packaging")]


def main() -> int:
    """Makes all pictures."""
    from screenshots import take_each_size

    return take_each_size(__file__, "pictures of the Models and the Export page", ROOT / "out" / "models-page", take)


def take(out: Path, percent: int) -> int:
    """All pictures at the scale that this process was started with."""
    from screenshots import Camera, open_window

    from studio.ui.pages.export import ExportPage
    from studio.ui.pages.models import ModelsPage

    with open_window() as window:
        camera = Camera(window, out, percent)
        models, export = window.page("models"), window.page("export")
        assert isinstance(models, ModelsPage)
        assert isinstance(export, ExportPage)
        files = Path(os.environ["HOME"]) / "files"
        camera.take("export-empty", "export")
        pictures_of_models(models, camera, files)
        pictures_of_downloads(models, camera, files)
        train_twice(window)
        pictures_of_exports(window, export, camera, files)
    return 0


def pictures_of_models(page: ModelsPage, camera: Camera, files: Path) -> None:
    """A stick looked through, what is found, what was added and what cannot be used."""
    from screenshots import wait_until

    from studio.contract.run_folder import starter_folder

    stick = files / "stick"
    for name in ("Helper", "No tokenizer", "Other kind"):
        shutil.copytree(starter_folder(), stick / name)
    make_another(stick / "Helper" / "model.safetensors")
    (stick / "No tokenizer" / "tokenizer.json").unlink()
    config = json.loads((stick / "Other kind" / "config.json").read_text("utf-8"))
    (stick / "Other kind" / "config.json").write_text(json.dumps(config | {"model_type": "mamba"}), "utf-8")
    camera.take("models-starter", "models")
    page.offer(stick)
    wait_until(page.source.isVisible, "what lies on the stick")
    page.source.copy_radio.click()
    camera.take("models-found")
    page.source.add_button.click()
    wait_until(lambda: not page.shelf.adding, "the models of the stick")
    camera.take("models-added")
    pictures_of_leaving(page, camera, files)
    page.offer(files)
    (files / "nothing").mkdir()
    page.offer(files / "nothing")
    wait_until(lambda: not page.message.isHidden(), "that nothing is there")
    camera.take("models-nothing-there")
    page.message.clear()
    page.looking.show_looking("stick", 1240)
    camera.take("models-looking")
    page.looking.show_looking("", 0)


def make_another(weights: Path) -> None:
    """The last bit of a number changed: a model that the built-in one cannot stand in for when it is missing."""
    content = bytearray(weights.read_bytes())
    content[8 + int.from_bytes(content[:8], "little")] ^= 1
    weights.write_bytes(content)


def pictures_of_leaving(page: ModelsPage, camera: Camera, files: Path) -> None:
    """A model taken off the list, with the way back, and one whose stick was pulled out."""
    from screenshots import wait_until

    from studio.contract.run_folder import starter_folder

    other = files / "other stick" / "Travelling helper"
    shutil.copytree(starter_folder(), other)
    page.shelf.add([other], copy=False)
    wait_until(lambda: not page.shelf.adding, "the model of the other stick")
    other.parent.rename(files / "pulled out")
    page.on_shown()
    page.search.setText("Travelling")
    camera.take("models-away", "models")
    page.search.clear()
    (files / "pulled out").rename(other.parent)
    page.on_shown()
    card = next(one for one in page.cards if Path(one.model.path) == other)
    card.remove_wanted.emit(card.model)
    camera.take("models-removed")


def pictures_of_downloads(page: ModelsPage, camera: Camera, files: Path) -> None:
    """The question before a download, the download, and one that cannot be had."""
    from screenshots import pause, wait_until

    from studio.contract.run_folder import starter_folder
    from studio.ui.widgets.download_dialog import DownloadDialog
    from tests.helpers.hub import Hub

    page.ask_download()
    dialog = page.window().findChildren(DownloadDialog)[-1]
    camera.take("download-question", widget=dialog)
    dialog.name.setText("not a name")
    camera.take("download-no-name", widget=dialog)
    dialog.reject()
    hub = Hub(files / "hub")
    os.environ["HF_ENDPOINT"] = hub.endpoint
    try:
        shutil.copytree(starter_folder(), hub.place("maker/helper"))
        hub.behave(hold_after=1_500_000)
        page.shelf.download("maker/helper", "main")
        wait_until(
            lambda: page.adding.bar.maximum() == 1000 and page.adding.bar.value() > 150, "a part of the download"
        )
        camera.take("models-downloading")
        page.shelf.stop()
        wait_until(lambda: not page.shelf.adding, "the end of the download")
        camera.take("models-download-stopped")
        hub.behave(gated=["maker/helper"])
        page.shelf.download("maker/helper", "main")
        wait_until(lambda: "not for everybody" in page.message.text(), "the refusal")
        camera.take("models-download-refused")
    finally:
        del os.environ["HF_ENDPOINT"]
        hub.close()
    page.message.clear()
    pause(200)


def train_twice(window: MainWindow) -> None:
    """Two short runs on the sample."""
    import msgspec
    from screenshots import choose_dataset, wait_until

    from studio.contract import events
    from studio.contract.presets import load_preset
    from studio.contract.sample import SAMPLE_NAME
    from tests.ui.filled_window import import_sample

    import_sample()
    choose_dataset(window, SAMPLE_NAME)
    ended: list[object] = []
    window.workplace.run_event.connect(lambda event: ended.append(event) if isinstance(event, events.FINAL) else None)
    copied = next(model for model in window.workplace.models.all() if model.name == "Helper")
    window.workplace.models.choose(copied)  # so that it can be missed when it is time to export
    for seed in (1, 2):
        usual = load_preset("sample").settings()
        settings = msgspec.structs.replace(usual, max_steps=8, seed=seed, replay_share=0.0, evaluations=0)
        window.workplace.start_training(window.workplace.training_job(settings))
        wait_until(lambda seed=seed: len(ended) == seed, "the end of a run")  # type: ignore[misc]


def pictures_of_exports(window: MainWindow, page: ExportPage, camera: Camera, files: Path) -> None:
    """Each kind of form chosen, an export that goes on, that has ended, that fails, and the dialog to combine."""
    from screenshots import wait_until

    from studio.ui.widgets.combine_dialog import CombineDialog

    page.set_folder(files / "out")
    camera.take("export-adapter", "export")
    page.forms.choose("gguf")
    camera.take("export-gguf")
    page.export_button.click()
    wait_until(lambda: page.progress.isVisible() or not page.job.going, "the export to begin")
    camera.save(window, "export-going-light")  # at once: an export of the starter takes a moment
    wait_until(lambda: not page.job.going, "the export")
    camera.take("export-done")
    page.export_button.click()
    wait_until(lambda: not page.job.going and not page.message.isHidden(), "the refusal")
    camera.take("export-exists")
    page.message.clear()
    page.combine_button.click()
    dialog = window.findChildren(CombineDialog)[-1]
    camera.take("combine-none-chosen", widget=dialog)
    for box in dialog.boxes:
        box.click()
    dialog.how.setCurrentIndex(dialog.how.findData("ties"))
    camera.take("combine", widget=dialog)
    dialog.accept()
    wait_until(lambda: not page.combining.going, "the combined adapter")
    camera.take("combine-done", "export")
    page.message.clear()
    base = Path(window.workplace.model.path) if window.workplace.model is not None else files
    base.rename(files / "base away")
    page.set_folder(files / "out 2")
    page.export_button.click()
    wait_until(lambda: not page.job.going and not page.message.isHidden(), "that the base model is missing")
    camera.take("export-base-missing")
    (files / "base away").rename(base)
    page.message.clear()
    page.set_folder(files / "out 3")
    page.forms.choose("gguf")
    page.forms.numbers_combo.setCurrentIndex(page.forms.numbers_combo.findData("q4_0"))
    page.export_button.click()
    wait_until(lambda: not page.job.going, "the rounded export")
    camera.take("export-rounded")


if __name__ == "__main__":
    raise SystemExit(main())
