"""One model of the Models page: what it is, whether it can be used, and why not."""

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from studio.contract.events import ModelChecked
from studio.contract.run_folder import starter_folder
from studio.data.model_fit import USUAL_TOKENS, Fit, ModelFit
from studio.data.model_library import is_away
from studio.ui import wording
from studio.ui.theme import GRID
from studio.ui.widgets import buttons
from studio.ui.widgets.labels import ElidedLabel, IconLabel, label
from studio.ui.widgets.section import row


class ModelCard(QFrame):
    """A row of the list.

    Attributes:
        use_wanted, remove_wanted, check_wanted: A button was clicked; each carries the `ModelChecked`.
    """

    use_wanted = Signal(object)
    remove_wanted = Signal(object)
    check_wanted = Signal(object)

    def __init__(
        self, model: ModelChecked, chosen: bool, fit: ModelFit | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.model = model
        self.fit = fit
        self.built_in = Path(model.path) == starter_folder()
        self.away = is_away(model)
        self.setProperty("role", "card")
        self.setAccessibleName(self._name())
        texts = QVBoxLayout()
        texts.setSpacing(GRID // 2)
        name = ElidedLabel(self._name())
        name.setFont(label("", "strong").font())
        texts.addWidget(name)
        if self.built_in:
            texts.addWidget(label(self._about_starter(), wrap=True))
        texts.addWidget(label(self.facts(), "muted", wrap=True, selectable=True))
        if not self.built_in:
            texts.addWidget(ElidedLabel(self._place(), "muted", Qt.TextElideMode.ElideMiddle))
        if fit is not None:
            texts.addLayout(self._fit_line(self.tr("Chat"), fit.chat))
            longest = min(USUAL_TOKENS, self.model.context or USUAL_TOKENS)
            usual = self.tr("with the usual settings and texts of up to {count} tokens")
            usual = usual.format(count=wording.number(longest))
            texts.addLayout(self._fit_line(self.tr("Training"), fit.training, usual))
        kind = "warning" if self.away else "error"
        told = [(kind, problem) for problem in model.problems]
        told += [("warning", warning) for warning in model.warnings if not self.away]
        for kind, problem in told:
            texts.addLayout(self._line(kind, kind, wording.told_problem(problem).sentence().replace("\n", " ")))
        outer = QHBoxLayout(self)
        outer.setContentsMargins(2 * GRID, GRID + 4, 2 * GRID, GRID + 4)
        outer.setSpacing(2 * GRID)
        outer.addLayout(texts, 1)
        outer.addLayout(self._build_actions(chosen))

    def _build_actions(self, chosen: bool) -> QVBoxLayout:
        actions = QVBoxLayout()
        model = self.model
        if chosen:
            actions.addLayout(row(1, IconLabel("check", "success"), label(self.tr("In use"), "success")))
        elif self.away:
            look = buttons.secondary(self.tr("Look again"), lambda: self.check_wanted.emit(model), "refresh")
            look.setAccessibleName(self.tr("Look whether {model} is there again").format(model=model.name))
            actions.addWidget(look)
        elif model.usable:
            use = buttons.secondary(self.tr("Use"), lambda: self.use_wanted.emit(model))
            use.setAccessibleName(self.tr("Use {model}").format(model=model.name))
            actions.addWidget(use)
        else:
            again = buttons.secondary(self.tr("Check again"), lambda: self.check_wanted.emit(model), "refresh")
            again.setAccessibleName(self.tr("Check {model} again").format(model=model.name))
            actions.addWidget(again)
        if not self.built_in:
            words = self.tr("Remove from list")
            said = self.tr("Remove {model} from the list; its files stay")
            if model.copied and not self.away:
                words, said = self.tr("Move copy to trash"), self.tr("Move the copy of {model} to the trash")
            remove = buttons.flat(words, lambda: self.remove_wanted.emit(model))
            remove.setAccessibleName(said.format(model=model.name))
            actions.addWidget(remove)
        actions.addStretch(1)
        return actions

    def matches(self, words: str) -> bool:
        """Whether all searched words occur in what the card says."""
        text = f"{self._name()} {self.facts()} {self.model.path} {self.model.model_type}".lower()
        return all(word in text for word in words.lower().split())

    def facts(self) -> str:
        """Size, architecture and the like, in words; what is not known is left out."""
        model, parts = self.model, []
        if model.parameters:
            parts.append(self.tr("{count} parameters").format(count=parameters_in_words(model.parameters)))
        if model.file_bytes:
            parts.append(self.tr("{size} on disk").format(size=wording.size(model.file_bytes)))
        if model.context:
            parts.append(self.tr("reads up to {count} tokens").format(count=wording.number(model.context)))
        if model.architecture:
            parts.append(model.architecture)
        if model.licence:
            parts.append(self.tr("licence {licence}").format(licence=model.licence))
        else:
            parts.append(self.tr("licence not stated"))
        if model.sha256:
            parts.append(self.tr("{count} files noted (SHA-256)").format(count=wording.number(len(model.sha256))))
        if model.architecture:
            parts.append(self.tr("has a chat template") if model.has_template else self.tr("no chat template"))
        return "  ·  ".join(parts)

    def _name(self) -> str:
        if self.built_in:
            return self.tr("Starter (built in)")
        return self.model.name or Path(self.model.path).name

    def _place(self) -> str:
        if self.model.copied:
            return self.tr("Copied to {folder}").format(folder=self.model.path)
        return self.model.path

    def _fit_line(self, use: str, fit: Fit, what_for: str = "") -> QHBoxLayout:
        """Whether one use of it fits into the memory that is free now, and for what that is told."""
        assert self.fit is not None
        machine = self.fit.machine
        where = self.tr("of the graphics card") if machine.is_gpu else self.tr("of the computer's memory")
        words = {
            "fits": self.tr("{use}: fits. It needs about {needed}; {free} {where} are free."),
            "tight": self.tr("{use}: fits barely. It needs about {needed}; {free} {where} are free."),
            "too_large": self.tr("{use}: does not fit. It needs about {needed}; {free} {where} are free."),
        }[fit.how]
        icon, role = {"fits": ("check", "success"), "tight": ("warning", "warning"), "too_large": ("error", "error")}[
            fit.how
        ]
        needed = f"{wording.memory(fit.needed_bytes)} {what_for}".rstrip()
        free = wording.memory(machine.free_bytes)
        said = label(words.format(use=use, needed=needed, free=free, where=where), wrap=True)
        line = row(IconLabel(icon, role, 16), said)
        line.setStretch(1, 1)
        return line

    def _about_starter(self) -> str:
        return self.tr(
            "A very small model that speaks simple English about a workshop of apprentices and masters. It trains in "
            "one to two minutes without a graphics card: made for trying out how teaching works."
        )

    @staticmethod
    def _line(icon: str, role: str, text: str) -> QHBoxLayout:
        words = label(text, role, wrap=True, selectable=True)
        line = row(IconLabel(icon, role, 18), words)
        line.setStretch(1, 1)
        return line


def parameters_in_words(count: int) -> str:
    """3740000 -> "3.7 million", 7000000000 -> "7 billion"."""
    for factor, word in ((1e9, "billion"), (1e6, "million")):
        if count >= factor * 0.9995:
            value = count / factor
            text = wording.number(value, 1 if value < 99.5 and round(value, 1) != round(value) else 0)
            return f"{text} {word}"
    return wording.number(count)
