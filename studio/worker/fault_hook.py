"""Faults on purpose, so that what a person sees of rare ones can be tried with the real worker.

APPRENTICE_FAULT names what happens in the worker right after a step: `gpu_lost@5`. A run that was taken up from a
checkpoint is spared, so that going on can be tried, too.
"""

import os
import signal
from collections.abc import Callable

from studio.contract.control import Emit
from studio.contract.errors import StudioError
from studio.contract.events import Event, Started, Step

VARIABLE = "APPRENTICE_FAULT"


def with_fault(emit: Emit) -> Emit:
    """The same `emit`, which lets the wanted fault happen; itself where none is wanted.

    Raises:
        StudioError: The variable names no fault.
    """
    wanted = os.environ.get(VARIABLE, "")
    if not wanted:
        return emit
    name, _, number = wanted.partition("@")
    if name not in FAULTS or not number.isdecimal():
        known = ", ".join(FAULTS)
        raise StudioError("fault.unknown", f"{VARIABLE}={wanted} names no fault.", fix=f"NAME@STEP, one of {known}.")
    taken_up = False

    def emit_then_fail(event: Event) -> None:
        nonlocal taken_up
        emit(event)
        if isinstance(event, Started):
            taken_up = event.first_step > 1
        elif isinstance(event, Step) and event.step == int(number) and not taken_up:
            FAULTS[name]()

    return emit_then_fail


def _run_out_of_gpu_memory() -> None:
    import torch

    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. (APPRENTICE_FAULT)")


def _run_out_of_memory() -> None:
    raise MemoryError("APPRENTICE_FAULT")


def _say(words: str) -> Callable[[], None]:
    def fail() -> None:
        raise RuntimeError(f"{words}\nAPPRENTICE_FAULT")

    return fail


def _signal(name: str) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), getattr(signal, name))


FAULTS: dict[str, Callable[[], None]] = {
    "gpu_memory": _run_out_of_gpu_memory,
    "host_memory": _run_out_of_memory,
    "gpu_lost": _say("CUDA error: unspecified launch failure"),
    "gpu_refused": _say("CUDA error: device-side assert triggered"),
    "killed": _signal("SIGKILL"),
    "hung": _signal("SIGSTOP"),
}
