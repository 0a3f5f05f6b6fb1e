"""What this computer offers for training and what is missing, found without importing torch.

NVIDIA cards are asked through NVML; that a card is there without its driver, and cards of other makers, is told by
the system. Every source can be exchanged, so that tests cover machines that are not at hand.
"""

import ast
import importlib.metadata
import importlib.util
import os
import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from studio.contract.errors import Problem
from studio.contract.events import DeviceReport, Gpu
from studio.contract.run_folder import home_folder
from studio.engine.display_cards import Card, found_cards

SMALL_GPU_BYTES = 4 * 2**30
"""Below this not even a model of 1 billion parameters trains in 4-bit with texts of usual length."""
SMALL_FREE_BYTES = 2 * 2**30
OLDEST_CAPABILITY = {12: (5, 0), 13: (7, 5)}
"""CUDA's major version -> oldest compute capability that torch's wheels for it are built for."""
BF16 = (8, 0)
"""The oldest compute capability that calculates with bf16."""
CPU_IS_FINE = "Training on the CPU works: well for the starter model, slowly for larger ones."


class NvidiaCard(msgspec.Struct, frozen=True):
    """One card as NVML tells it."""

    name: str
    memory_bytes: int
    free_bytes: int
    capability: tuple[int, int]
    uuid: str = ""


class Nvidia(msgspec.Struct, frozen=True):
    """What NVML tells: `cuda` is the newest CUDA that the driver can run, (major, minor); `fault` why it is silent."""

    driver: str = ""
    cuda: tuple[int, int] = (0, 0)
    cards: tuple[NvidiaCard, ...] = ()
    fault: str = ""


class TorchBuild(msgspec.Struct, frozen=True):
    """The installed torch: what it was built for, "" where not."""

    version: str = ""
    cuda: str = ""
    hip: str = ""

    @property
    def cuda_major(self) -> int:
        head = self.cuda.partition(".")[0]
        return int(head) if head.isdigit() else 0


class Memory(msgspec.Struct, frozen=True):
    """The computer's memory, in bytes."""

    total: int
    free: int


def ask_nvml() -> Nvidia:
    """NVIDIA's own report; never parses nvidia-smi."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return Nvidia(fault=str(error))
    try:
        newest = pynvml.nvmlSystemGetCudaDriverVersion_v2()
        cards = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
            name, uuid = _text(pynvml.nvmlDeviceGetName(handle)), _text(pynvml.nvmlDeviceGetUUID(handle))
            cards.append(NvidiaCard(name, int(memory.total), int(memory.free), (major, minor), uuid))
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        return Nvidia(driver, (newest // 1000, newest % 1000 // 10), tuple(cards))
    except pynvml.NVMLError as error:
        return Nvidia(fault=str(error))
    finally:
        pynvml.nvmlShutdown()


def _text(told: str | bytes) -> str:
    return told.decode(errors="replace") if isinstance(told, bytes) else told


def read_torch_build() -> TorchBuild:
    """Version and CUDA build of the installed torch, read from its files: importing it costs seconds."""
    try:
        version = importlib.metadata.version("torch")
        spec = importlib.util.find_spec("torch")
        if spec is None or spec.origin is None:
            return TorchBuild(version)
        tree = ast.parse((Path(spec.origin).parent / "version.py").read_text(encoding="utf-8"))
    except (importlib.metadata.PackageNotFoundError, OSError, SyntaxError, ValueError):
        return TorchBuild()
    told: dict[str, str] = {}
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            told |= {target.id: value.value for target in targets if isinstance(target, ast.Name)}
    return TorchBuild(version, told.get("cuda", ""), told.get("hip", ""))


def measure_memory() -> Memory:
    """Memory that this process may use: a container's limit counts."""
    told = psutil.virtual_memory()
    total, free = int(told.total), int(told.available)
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):  # no limit ("max"), or no Linux
        return Memory(total, free)
    return Memory(min(total, limit), max(0, min(free, limit - used)))


@dataclass(frozen=True)
class Sources:
    """Where the report comes from."""

    nvidia: Callable[[], Nvidia] = ask_nvml
    torch: Callable[[], TorchBuild] = read_torch_build
    cards: Callable[[], Sequence[Card]] = found_cards
    memory: Callable[[], Memory] = measure_memory
    visible: str | None = None
    """CUDA_VISIBLE_DEVICES; None reads the environment."""


def report(sources: Sources | None = None) -> DeviceReport:
    """Find processor, memory and cards, and say what is missing for training on a GPU."""
    sources = sources or Sources()
    nvidia, torch, cards, memory = sources.nvidia(), sources.torch(), list(sources.cards()), sources.memory()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") if sources.visible is None else sources.visible
    blocker = _blocker(nvidia, torch, any(card.vendor == "NVIDIA" for card in cards))
    gpus = _nvidia_gpus(nvidia, torch, blocker, visible)
    if not nvidia.cards:
        gpus += [Gpu(name=c.name, vendor=c.vendor, problem=blocker) for c in cards if c.vendor == "NVIDIA"]
    gpus += [Gpu(name=c.name, vendor=c.vendor, problem=_other_maker(c)) for c in cards if c.vendor != "NVIDIA"]
    problems = [blocker] if blocker else []
    if memory.free < SMALL_FREE_BYTES:
        problems.append(_little_memory(memory))
    return DeviceReport(
        cpu=_cpu_name(),
        cores=_cores(),
        memory_bytes=memory.total,
        free_memory_bytes=memory.free,
        disk_free_bytes=shutil.disk_usage(home_folder()).free,
        gpus=tuple(gpus),
        torch=torch.version,
        driver=nvidia.driver,
        k_quants=importlib.util.find_spec("llama_cpp") is not None,
        problems=tuple(problems),
    )


def _blocker(nvidia: Nvidia, torch: TorchBuild, card_without_driver: bool) -> Problem | None:
    """Why no NVIDIA card can train, if so; what to mend first comes first."""
    if not nvidia.cards:
        if not card_without_driver:
            return Problem(
                code="device.no_nvidia",
                what="No NVIDIA graphics card was found.",
                why="Training on a graphics card needs one from NVIDIA.",
                fix=CPU_IS_FINE,
            )
        return Problem(
            code="device.no_driver",
            what="There is an NVIDIA graphics card, but its driver does not answer.",
            why=f"NVIDIA's library says: {nvidia.fault or 'no cards'}.",
            fix=f"Install NVIDIA's driver and restart the computer. Until then: {CPU_IS_FINE}",
        )
    if not torch.version:
        return Problem(
            code="device.no_torch",
            what="PyTorch, which does the training, is not installed.",
            fix="Install the program again.",
        )
    if not torch.cuda:
        return Problem(
            code="device.cpu_build",
            what="There is an NVIDIA graphics card, but the installed PyTorch can only use the CPU.",
            why=f"PyTorch {torch.version} is built without CUDA.",
            fix=f"Install the CUDA build of PyTorch {torch.version.partition('+')[0]} into the program's environment.",
        )
    if nvidia.cuda[0] < torch.cuda_major:
        return Problem(
            code="device.driver_too_old",
            what=f"The NVIDIA driver {nvidia.driver} is too old for the installed PyTorch.",
            why=f"It can run CUDA {nvidia.cuda[0]}.{nvidia.cuda[1]}; PyTorch {torch.version} needs CUDA {torch.cuda}.",
            fix=f"Install a newer NVIDIA driver. Until then: {CPU_IS_FINE}",
        )
    return None


def _nvidia_gpus(nvidia: Nvidia, torch: TorchBuild, blocker: Problem | None, visible: str | None) -> list[Gpu]:
    """Cards in the order of their PCI bus, which `base_model` has CUDA use, too."""
    shown = _visible(nvidia.cards, visible)
    gpus = []
    for index, card in enumerate(nvidia.cards):
        problem = blocker or _card_problem(card, torch)
        usable = blocker is None and index in shown and (problem is None or problem.code == "device.gpu_small")
        gpus.append(
            Gpu(
                name=card.name,
                vendor="NVIDIA",
                device=f"cuda:{shown.index(index)}" if usable else "",
                memory_bytes=card.memory_bytes,
                free_bytes=card.free_bytes,
                has_bf16=card.capability >= BF16,
                problem=problem if index in shown else _hidden(),
            )
        )
    return gpus


def _visible(cards: Sequence[NvidiaCard], wish: str | None) -> list[int]:
    """Indices of the cards that CUDA_VISIBLE_DEVICES leaves, in its order; it ends at the first that is not there."""
    if wish is None:
        return list(range(len(cards)))
    found: list[int] = []
    for word in (part.strip() for part in wish.split(",")):
        fits = [i for i, c in enumerate(cards) if word == str(i) or (word[:4] == "GPU-" and c.uuid.startswith(word))]
        if not fits:
            break
        found += fits[:1]
    return found


def _card_problem(card: NvidiaCard, torch: TorchBuild) -> Problem | None:
    oldest = OLDEST_CAPABILITY.get(torch.cuda_major, (0, 0))
    if card.capability < oldest:
        return Problem(
            code="device.gpu_too_old",
            what=f"{card.name} is too old for the installed PyTorch.",
            why=f"Its compute capability is {card.capability[0]}.{card.capability[1]}; "
            f"PyTorch {torch.version} needs {oldest[0]}.{oldest[1]}.",
            fix=CPU_IS_FINE,
        )
    if card.memory_bytes < SMALL_GPU_BYTES:
        return Problem(
            code="device.gpu_small",
            what=f"{card.name} has only {card.memory_bytes / 2**30:.1f} GB of memory.",
            why="Only very small models fit for training.",
            fix="Choose a small model, short texts and 4-bit loading, or train on the CPU.",
        )
    return None


def _hidden() -> Problem:
    return Problem(
        code="device.gpu_hidden",
        what="This card is hidden from the program.",
        why="The environment variable CUDA_VISIBLE_DEVICES does not name it.",
        fix="Change or remove that variable.",
    )


def _other_maker(card: Card) -> Problem:
    return Problem(
        code="device.vendor_unsupported",
        what=f"{card.name}: graphics processors of {card.vendor} are not yet supported for training.",
        fix=CPU_IS_FINE,
    )


def _little_memory(memory: Memory) -> Problem:
    return Problem(
        code="device.little_memory",
        what=f"Only {memory.free / 2**30:.1f} of {memory.total / 2**30:.1f} GB of memory are free.",
        why="The starter model needs about 2 GB to train, larger ones more.",
        fix="Close other programs.",
    )


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _cores() -> int:
    """Logical processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return psutil.cpu_count() or 1
