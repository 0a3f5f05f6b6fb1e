"""The part of a run that moves: step after step, tests, pauses, checkpoints, and the end."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import torch

from studio.contract.control import Control, Emit, Wish
from studio.contract.errors import Problem, StudioError
from studio.contract.events import CheckpointSaved, Evaluated, Finished, Paused, Progress, Resumed, Step, Verdict
from studio.contract.job import TrainJob
from studio.contract.plan import planned_steps
from studio.contract.run_folder import RunFolder
from studio.contract.verdict import has_settled
from studio.data.run_history import read_events
from studio.engine import best_weights, checkpoint, methods, recompute, resuming, room, sound_weights
from studio.engine.batches import Feed, Plan, collate
from studio.engine.checkpoint import Snapshot, State
from studio.engine.evaluate import Tester, UntilDiscarded
from studio.engine.examples import Examples
from studio.engine.loss import StepLosses, summed_loss
from studio.engine.memory import memory_bytes
from studio.engine.noise import EmbeddingNoise
from studio.engine.optimiser import clip_gradients, make_optimiser, set_learning_rate, settle, settled
from studio.engine.pace import MIN_STEPS, Pace
from studio.engine.resuming import Identity
from studio.engine.schedule import learning_rate
from studio.engine.verdict import Measured, compare

Reason = Literal["done", "stopped", "early", "time", "discarded"]


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What the recipe has made ready before the first step.

    Attributes:
        model: With its adapter, in training mode.
        examples: What is learned from.
        tester: Tests on held-back rows.
        before: What the base model could do.
        device: Where the model lies.
        bf16: Calculate in bf16 (the adapter's weights stay fp32).
        identity: Of the job and its rows, for checkpoints.
        spent_seconds: Time since the job began, for the time box.
        end_seconds: What the tests at the end will cost, by those at the start.
    """

    model: Any
    tokenizer: Any
    examples: Examples
    tester: Tester
    before: Measured
    device: torch.device
    bf16: bool
    identity: Identity
    spent_seconds: float
    end_seconds: float


class Run:
    """One adapter, its optimiser, its place in the data.

    Attributes:
        step: Corrections made so far.
        total_steps: Corrections planned; a time box may shrink it once.
        boxed: Whether it did.
    """

    def __init__(self, job: TrainJob, folder: RunFolder, emit: Emit, control: Control, ready: Prepared) -> None:
        self.job, self.folder, self.emit, self.control, self.ready = job, folder, emit, control, ready
        self.settings = settings = job.settings
        self.model, self.rows, self.tester, self.device = ready.model, ready.examples.rows, ready.tester, ready.device
        self.learned_counts = self.rows.learned_counts
        trainable = {name: p for name, p in ready.model.named_parameters() if p.requires_grad}
        self.adapter: dict[str, torch.nn.Parameter] = trainable
        self.parameters = list(trainable.values())
        self.optimiser = make_optimiser(trainable, settings, ready.device)
        self.noise = EmbeddingNoise(ready.model, settings.neftune_alpha)
        effective = settings.batch_size * settings.accumulation
        plan = Plan(self.rows.lengths, ready.examples.train_rows, settings.replay_share, effective, settings.seed)
        self.feed = Feed(plan)
        self.step = 0
        self.total_steps = planned_steps(settings, plan.steps_per_epoch)
        self.companion = methods.companion(ready.model, settings.method, self.total_steps)
        self.boxed = False
        self.pace = Pace()
        self.evaluated_step = 0
        self.best_loss: float | None = None
        self.best_step = 0
        self.best: dict[str, torch.Tensor] = {}
        self.worse = 0
        self.saved_at = 0.0
        self.sample_seconds = 0.0

    # --- the loop -----------------------------------------------------------------------------------------

    def go(self) -> Reason:
        """Step after step, until the plan, the user, the clock or the tests end it."""
        self.pace = Pace(self.pace.train_seconds)
        self.pace.end_seconds = self.ready.end_seconds
        self.saved_at = self.pace.train_seconds
        while self.step < self.total_steps:
            wish = self._ask_user()
            if wish != "go":
                return "stopped" if wish == "stop" else "discarded"
            if not self._take_step():
                continue
            if self._is_test_due():
                with settled(self.optimiser, self.parameters):
                    if self._test():
                        return "early"
            if self._is_save_due():
                self._save_checkpoint()
        return "time" if self.boxed else "done"

    def _take_step(self) -> bool:
        """One correction over one effective batch; False where it was not finite and nothing was corrected."""
        began = time.monotonic()
        rate = learning_rate(self.settings, self.step + 1, self.total_steps)
        set_learning_rate(self.optimiser, rate)
        losses, read, learned = self.gradients(self.feed.next_step())
        self.companion.add_gradients()
        norm = clip_gradients(self.parameters, self.settings.max_grad_norm)
        if not (np.isfinite(losses.all) and np.isfinite(norm)):
            self.optimiser.zero_grad(set_to_none=True)
            self._pause_not_finite(losses.all, norm)
            return False
        self.optimiser.step()
        self.step += 1
        self.companion.after_step(self.step, self.total_steps)
        self.optimiser.zero_grad(set_to_none=True)
        seconds = time.monotonic() - began
        self.pace.took(seconds)
        self._fit_time_box()
        self.emit(
            Step(
                step=self.step,
                total_steps=self.total_steps,
                epoch=self.feed.epochs_read,
                loss=losses.own,
                general_loss=losses.general,
                learning_rate=rate,
                grad_norm=norm,
                tokens=read,
                learned_tokens=learned,
                step_seconds=seconds,
                train_seconds=self.pace.train_seconds,
                memory_bytes=memory_bytes(self.device),
                eta_seconds=self.pace.eta(self.total_steps - self.step, self._tests_left(), self.settings),
            )
        )
        return True

    def gradients(self, indices: np.ndarray) -> tuple[StepLosses, int, int]:
        """Gradients of the mean loss over the whole effective batch's learned tokens; losses, tokens read, learned."""
        size = self.settings.batch_size
        pad = self.ready.tokenizer.pad_token_id
        learned = int(self.learned_counts[indices].sum())
        losses, read = StepLosses(self.device), 0
        for start in range(0, len(indices), size):
            part = indices[start : start + size]
            batch = collate(self.rows, part.tolist(), pad, self.device, packed=self.settings.packing)
            self.noise.row_lengths = batch.row_lengths
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.ready.bf16):
                total, each = summed_loss(self.model, batch)
            (total / learned).backward()
            losses.add(each, part < self.feed.plan.train_rows, batch.row_of_learned)
            read += batch.tokens
        self.noise.row_lengths = None
        losses.close()
        return losses, read, learned

    # --- the user -----------------------------------------------------------------------------------------

    def _ask_user(self) -> Wish:
        """What is wanted now; holds while that is a pause."""
        wish = self.control.poll()
        if wish != "pause":
            return wish
        self.emit(Paused(step=self.step))
        return self._hold()

    def _hold(self) -> Wish:
        self.pace.hold()
        while (wish := self.control.poll()) == "pause":
            self.control.wait(1.0)
        self.pace.go_on()
        if wish == "go":
            self.emit(Resumed(step=self.step))
        return wish

    def _pause_not_finite(self, loss: float, norm: float) -> None:
        rate = self.optimiser.param_groups[0]["lr"]
        self._pause_for(sound_weights.not_finite(self.step + 1, loss, norm, rate))
        self._leave_broken_weights()

    def _leave_broken_weights(self) -> None:
        """Go back to what was saved last, if a weight is not a number any more; it would be none in every step."""
        if self.control.poll() != "discard" and not sound_weights.are_finite(self._learned()):
            sound_weights.go_back(self)

    def _learned(self) -> list[torch.Tensor]:
        return [*self.parameters, *sound_weights.state_of(self.optimiser)]

    def _pause_for(self, problem: Problem) -> None:
        """Hold because of a problem, until the user decides.

        Raises:
            StudioError: Nobody is there to decide.
        """
        if not self.control.hold():
            raise StudioError.of(problem)
        self.emit(Paused(step=self.step, problem=problem))
        self._hold()

    # --- tests --------------------------------------------------------------------------------------------

    def _test_steps(self) -> set[int]:
        count = min(self.settings.evaluations, self.total_steps)
        return {round(self.total_steps * (i + 1) / count) for i in range(count)} if self.tester.rows else set()

    def _is_test_due(self) -> bool:
        return self.step in self._test_steps() and self.evaluated_step < self.step

    def _tests_left(self) -> int:
        return sum(step > self.step for step in self._test_steps())

    def _test(self) -> bool:
        """Test on the held-back rows; True where the run should end early."""
        began = time.monotonic()
        losses = self.tester.losses(self.model, self.control)
        if losses is None or not np.isfinite(losses.mean):  # the latter is told when the run saves or steps next
            return False
        self.evaluated_step = self.step
        best = self.best_loss is None or losses.mean < self.best_loss
        best = best and sound_weights.are_finite(self.parameters)
        self.worse = 0 if best else self.worse + 1
        if best:
            self.best_loss, self.best_step = losses.mean, self.step
            if best_weights.are_kept(self.parameters, self.settings):
                self.best = best_weights.copied(self.adapter)
        kept = best and bool(self.best)
        self.emit(Evaluated(step=self.step, loss=losses.mean, best=best, rows=self.tester.rows, kept=kept))
        # A sample is worth little time: on a slow machine it is shown more rarely.
        if self.sample_seconds <= 0.05 * self.pace.train_seconds:
            sample_began = time.monotonic()
            sample = self.tester.sample_answer(self.model, self.step)
            self.sample_seconds += time.monotonic() - sample_began
            if sample is not None:
                self.emit(sample)
        self.pace.test_seconds = time.monotonic() - began
        return bool(self.settings.early_stopping) and self.worse >= self.settings.early_stopping

    def _fit_time_box(self) -> None:
        """After a few steps, turn the time box into a number of steps, once."""
        minutes = self.settings.time_box_minutes
        if not minutes or self.boxed or self.step != MIN_STEPS:
            return
        tests = len(self._test_steps()) / self.total_steps
        fitting = self.pace.steps_in_box(minutes * 60, self.ready.spent_seconds, self.step, tests)
        if fitting < self.total_steps:
            self.total_steps, self.boxed = max(self.step, fitting), True

    # --- saving -------------------------------------------------------------------------------------------

    def _is_save_due(self) -> bool:
        every = self.settings.save_every_minutes * 60
        return every > 0 and self.pace.train_seconds - self.saved_at >= every and self.step < self.total_steps

    def _save_checkpoint(self) -> None:
        """Save; where the disk refuses or there is nothing sound to save, pause until the user decides."""
        if not sound_weights.are_finite(self._learned()):
            self._pause_for(sound_weights.broken(self.step))
            self._leave_broken_weights()
            return
        saved = self._try_to_save(lambda: checkpoint.save(self.folder.checkpoints, self.snapshot()))
        if saved is not None:
            path, seconds = saved
            self.pace.save_seconds = seconds
            self.emit(CheckpointSaved(step=self.step, path=str(path), seconds=seconds))
        self.saved_at = self.pace.train_seconds

    def _try_to_save(self, save: Callable[[], Any]) -> tuple[Any, float] | None:
        """Call `save` until it succeeds; None where the user gives up."""
        while True:
            began = time.monotonic()
            try:
                return save(), time.monotonic() - began
            except OSError as error:
                problem = room.unsaved(error, self.folder.path, 16 * sum(p.numel() for p in self.parameters))
                if self.control.poll() in ("stop", "discard"):
                    raise StudioError.of(problem) from error
                self._pause_for(problem)
                if self.control.poll() in ("stop", "discard"):
                    return None

    def snapshot(self) -> Snapshot:
        """All that is needed to go on from here as if nothing had happened."""
        optimiser: dict[str, torch.Tensor] = {}
        generators: dict[str, torch.Tensor] = {}
        state = State(
            fingerprint=self.ready.identity.fingerprint,
            source=self.ready.identity.source,
            quantisation=self.ready.identity.quantisation,
            max_tokens=self.ready.identity.max_tokens,
            epoch_steps=self.feed.plan.steps_per_epoch,
            recomputed=recompute.count(self.model) if self.settings.gradient_checkpointing == "auto" else 0,
            step=self.step,
            total_steps=self.total_steps,
            boxed=self.boxed,
            epoch=self.feed.epoch,
            batch=self.feed.batch,
            train_seconds=self.pace.train_seconds,
            before=self.ready.before,
            evaluated_step=self.evaluated_step,
            best_loss=self.best_loss,
            best_step=self.best_step,
            worse=self.worse,
            end_seconds=self.pace.end_seconds,
            optimiser=checkpoint.take_apart(self.optimiser.state_dict(), optimiser),
            generators=checkpoint.take_apart(checkpoint.read_generators(), generators),
        )
        tensors: dict[str, dict[str, torch.Tensor]] = {"optimiser": optimiser, "generators": generators}
        tensors["adapter"] = dict(self.adapter)
        if self.best:
            tensors["best"] = self.best
        told = self.companion.tensors()
        if told:
            tensors["companion"] = told
        return Snapshot(state, tensors)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to where a snapshot was taken."""
        state = snapshot.state
        self.use_weights(snapshot.tensors["adapter"])
        self.optimiser.load_state_dict(checkpoint.put_together(state.optimiser, snapshot.tensors["optimiser"]))
        place = resuming.place(state, self.settings, self.feed.plan.steps_per_epoch)
        self.feed = Feed(self.feed.plan, place.epoch, place.batch)
        self.step, self.total_steps, self.boxed = state.step, place.total_steps, state.boxed
        self.evaluated_step = state.evaluated_step
        if resuming.is_read_alike(state, self.ready.identity):  # else earlier tests cannot be compared with later ones
            self.best_loss, self.best_step, self.worse = state.best_loss, state.best_step, state.worse
            self.best = snapshot.tensors.get("best", {})
        self.pace = Pace(state.train_seconds)
        self.companion.restore(snapshot.tensors.get("companion", {}))
        checkpoint.set_generators(checkpoint.put_together(state.generators, snapshot.tensors["generators"]))

    @torch.no_grad()
    def use_weights(self, weights: dict[str, torch.Tensor]) -> None:
        """Put other weights in the place of what was learned."""
        for name, parameter in self.adapter.items():
            parameter.copy_(weights[name])

    # --- the end ------------------------------------------------------------------------------------------

    def finish(self, reason: Reason) -> Finished:
        """Save the adapter, test it, and say how the run ended."""
        seconds = self.pace.train_seconds
        if reason == "discarded" or self.step == 0:
            return Finished(adapter="", reason=reason, steps=self.step, seconds=seconds)
        self._leave_broken_weights()
        self.emit(Progress(stage="Saving the adapter"))
        if reason == "stopped":
            self._save_checkpoint()
        settle(self.optimiser)
        uses_best = bool(self.settings.early_stopping and self.best)
        if uses_best and self.best_step != self.step:
            self.use_weights(self.best)
        if self._save_adapter() is None:
            return Finished(adapter="", reason="discarded", steps=self.step, seconds=seconds)
        aside = best_weights.save_aside(self)
        self.noise.remove()
        self.model.eval()
        after = self.tester.measure(self.model, "after", UntilDiscarded(self.control))
        found = compare(self.ready.before, after, self.tester.questions)
        return Finished(
            adapter=str(self.folder.adapter),
            reason=reason,
            steps=self.step,
            seconds=self.pace.train_seconds,
            verdict=None if found == Verdict() else self._told(found),
            best_step=self.best_step if uses_best else 0,
            best_aside=aside,
        )

    def _told(self, found: Verdict) -> Verdict:
        """With what the rows and the run's own tests tell; the tests of earlier parts of a resumed run, too."""
        tests = {told.step: told.loss for told in read_events(self.folder) if isinstance(told, Evaluated)}
        overlap = self.ready.examples.report.overlap
        return msgspec.structs.replace(found, also_learned=overlap, settled=has_settled(tests, self.step))

    def _save_adapter(self) -> tuple[Any, float] | None:
        def write(folder: Path) -> None:
            methods.save(self.model, self.settings.method, folder, self.job.model)

        return self._try_to_save(lambda: checkpoint.replace_folder(self.folder.adapter, write))
