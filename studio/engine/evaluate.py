"""Tests of a model: during training, and before and after it for the verdict."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from studio.contract.control import Control, Emit, Wish
from studio.contract.events import Progress, SampleAnswer
from studio.data.chat_rows import read_probes
from studio.engine import generate
from studio.engine.batches import Rows
from studio.engine.examples import Examples, Held
from studio.engine.metrics import exact_match, held_back_loss
from studio.engine.metrics.held_back_loss import Losses
from studio.engine.tokens import has_room
from studio.engine.verdict import Measured

SAMPLE_TOKENS = 64


class Tester:
    """Asks the same questions of every model it is shown."""

    def __init__(self, examples: Examples, probes: str, tokenizer: Any, device: torch.device, emit: Emit) -> None:
        """Args:
        examples: Held-back rows and questions.
        probes: File of probe questions, or "".
        tokenizer: The model's.
        device: The model's.
        emit: Told how far a long test is.
        """
        self._rows = Rows((held.ids, held.labels) for held in examples.held)
        self._asked = [held for held in examples.asked if has_room(held.question, tokenizer)]
        held_first = (
            held for held in self._asked or examples.held if held.question and has_room(held.question, tokenizer)
        )
        self._sample: Held | None = next(held_first, None)
        known = read_probes(Path(probes)) if probes else []
        self._probes = [probe for probe in known if has_room(probe.messages, tokenizer)]
        self._tokenizer, self._device = tokenizer, device
        self._emit = emit

    @property
    def rows(self) -> int:
        """Held-back rows that every test uses."""
        return len(self._rows)

    @property
    def questions(self) -> list[str]:
        """What is asked word for word, in the order of `Measured.right`."""
        return [held.question[-1].content for held in self._asked]

    def losses(self, model: Any, control: Control) -> Losses | None:
        """Test on the held-back rows; None where there are none, or the user ended the run."""
        if not len(self._rows):
            return None
        pad = self._tokenizer.pad_token_id
        return held_back_loss.measure(model, self._rows, pad, self._device, control)

    def measure(self, model: Any, which: str, control: Control) -> Measured:
        """Everything for the verdict.

        Args:
            model: In any mode; left as it was.
            which: "before" or "after", for the stage's name.
            control: Polled, so that a long test can be ended.
        """
        self._emit(Progress(stage=f"Testing on unseen examples, {which}"))
        was_training = model.training
        model.eval()
        try:
            losses = self.losses(model, control)
            return Measured(
                loss=losses.mean if losses else None,
                row_losses=losses.row_means if losses else [],
                right=self._ask(
                    model, [(h.question, h.answer) for h in self._asked], f"new questions, {which}", control
                ),
                known=self._ask(
                    model, [(p.messages, p.answer) for p in self._probes], f"what it knows, {which}", control
                ),
            )
        finally:
            model.train(was_training)

    def _ask(self, model: Any, questions: Sequence[exact_match.Question], what: str, control: Control) -> list[bool]:
        if not questions:
            return []
        longest = max(len(self._tokenizer(wanted, add_special_tokens=False)["input_ids"]) for _, wanted in questions)
        limit = min(128, longest + 8)
        return exact_match.ask(model, self._tokenizer, questions, limit, f"Asking {what}", self._emit, control)

    def sample_answer(self, model: Any, step: int) -> SampleAnswer | None:
        """What the model answers now to one held-back question, always the same one."""
        if self._sample is None or not self._sample.question:
            return None
        was_training = model.training
        model.eval()
        try:
            (reply,) = generate.answers(model, self._tokenizer, [list(self._sample.question)], SAMPLE_TOKENS)
        finally:
            model.train(was_training)
        last = self._sample.question[-1]
        return SampleAnswer(step=step, question=last.content, answer=reply, expected=self._sample.answer)


class UntilDiscarded:
    """A control for the tests at the end: only throwing the run away ends them."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def poll(self) -> Wish:
        return "discard" if self._control.poll() == "discard" else "go"

    def wait(self, seconds: float) -> None:
        self._control.wait(seconds)

    def hold(self) -> bool:
        return self._control.hold()
