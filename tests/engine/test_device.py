"""What a computer offers, for computers that are not at hand."""

import subprocess
import sys
from pathlib import Path

import pytest

from studio.contract.events import DeviceReport
from studio.engine import device, display_cards
from studio.engine.device import Memory, Nvidia, NvidiaCard, Sources, TorchBuild
from studio.engine.display_cards import Card

GIB = 2**30
CARD = NvidiaCard("NVIDIA GeForce RTX 4090", 24 * GIB, 23 * GIB, (8, 9), "GPU-aa")
SECOND = NvidiaCard("NVIDIA RTX A4000", 16 * GIB, 15 * GIB, (8, 6), "GPU-bb")
CUDA = TorchBuild("2.13.0+cu128", "12.8")
CPU = TorchBuild("2.13.0+cpu")
PCI = Card("NVIDIA", "NVIDIA graphics (10de:2684)")


def report(
    nvidia: Nvidia | None = None,
    torch: TorchBuild = CUDA,
    cards: tuple[Card, ...] = (),
    memory: Memory | None = None,
    visible: str | None = None,
) -> DeviceReport:
    found = nvidia or Nvidia(fault="NVML Shared Library Not Found")
    ram = memory or Memory(16 * GIB, 8 * GIB)
    return device.report(
        Sources(nvidia=lambda: found, torch=lambda: torch, cards=lambda: cards, memory=lambda: ram, visible=visible)
    )


def codes(told: DeviceReport) -> list[str]:
    return [problem.code for problem in told.problems]


@pytest.fixture(autouse=True)
def all_cards_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_working_card_trains_and_nothing_is_missing() -> None:
    told = report(Nvidia("570.1", (12, 8), (CARD, SECOND)), cards=(PCI, PCI))
    assert [(gpu.name, gpu.device) for gpu in told.gpus] == [(CARD.name, "cuda:0"), (SECOND.name, "cuda:1")]
    assert told.gpus[0].memory_bytes == 24 * GIB
    assert told.gpus[0].free_bytes == 23 * GIB
    assert told.driver == "570.1"
    assert told.torch == "2.13.0+cu128"
    assert codes(told) == []


def test_no_card_at_all_offers_the_cpu() -> None:
    told = report()
    assert codes(told) == ["device.no_nvidia"]
    assert "CPU works" in told.problems[0].fix
    assert told.gpus == ()


def test_a_card_without_driver_is_found_on_the_bus() -> None:
    told = report(cards=(PCI,))
    assert codes(told) == ["device.no_driver"]
    assert "Library Not Found" in told.problems[0].why
    assert [(gpu.vendor, gpu.device, gpu.problem) for gpu in told.gpus] == [("NVIDIA", "", told.problems[0])]


def test_a_driver_too_old_for_the_cuda_build_tells_both_versions() -> None:
    told = report(Nvidia("470.2", (11, 4), (CARD,)))
    assert codes(told) == ["device.driver_too_old"]
    assert "11.4" in told.problems[0].why
    assert "12.8" in told.problems[0].why
    assert told.gpus[0].device == ""


def test_an_older_driver_of_the_same_major_version_is_enough() -> None:
    assert codes(report(Nvidia("525.6", (12, 0), (CARD,)))) == []


def test_a_cpu_build_of_torch_on_a_machine_with_a_card_is_told() -> None:
    told = report(Nvidia("570.1", (12, 8), (CARD,)), torch=CPU)
    assert codes(told) == ["device.cpu_build"]
    assert "2.13.0+cpu" in told.problems[0].why
    assert told.gpus[0].device == ""


def test_a_missing_torch_is_told() -> None:
    assert codes(report(Nvidia("570.1", (12, 8), (CARD,)), torch=TorchBuild())) == ["device.no_torch"]


def test_a_card_too_old_for_the_build_cannot_train() -> None:
    pascal = NvidiaCard("NVIDIA GTX 1080", 8 * GIB, 8 * GIB, (6, 1))
    told = report(Nvidia("580.1", (13, 0), (pascal, CARD)), torch=TorchBuild("2.13.0+cu130", "13.0"))
    assert [gpu.device for gpu in told.gpus] == ["", "cuda:1"]
    assert told.gpus[0].problem is not None
    assert "7.5" in told.gpus[0].problem.why


def test_a_card_with_little_memory_trains_with_a_warning() -> None:
    small = NvidiaCard("NVIDIA T400", 2 * GIB, 2 * GIB, (7, 5))
    (gpu,) = report(Nvidia("570.1", (12, 8), (small,))).gpus
    assert gpu.device == "cuda:0"
    assert gpu.problem is not None
    assert "2.0 GB" in gpu.problem.what


@pytest.mark.parametrize(
    ("visible", "devices"),
    [
        ("1", ["", "cuda:0"]),
        ("1,0", ["cuda:1", "cuda:0"]),
        ("", ["", ""]),
        ("-1", ["", ""]),
        ("GPU-bb", ["", "cuda:0"]),
    ],
)
def test_hidden_cards_are_not_counted(visible: str, devices: list[str]) -> None:
    told = report(Nvidia("570.1", (12, 8), (CARD, SECOND)), visible=visible)
    assert [gpu.device for gpu in told.gpus] == devices
    assert all(gpu.device or (gpu.problem and gpu.problem.code == "device.gpu_hidden") for gpu in told.gpus)


@pytest.mark.parametrize("vendor", ["AMD", "Intel", "Apple"])
def test_cards_of_other_makers_are_named_as_not_yet_supported(vendor: str) -> None:
    told = report(cards=(Card(vendor, f"{vendor} card"),))
    (gpu,) = told.gpus
    assert gpu.problem is not None
    assert f"graphics processors of {vendor} are not yet supported for training" in gpu.problem.what
    assert "CPU works" in gpu.problem.fix
    assert gpu.device == ""


def test_an_integrated_card_beside_a_working_one_is_no_problem_of_the_computer() -> None:
    told = report(Nvidia("570.1", (12, 8), (CARD,)), cards=(PCI, Card("Intel", "Intel graphics")))
    assert [gpu.vendor for gpu in told.gpus] == ["NVIDIA", "Intel"]
    assert codes(told) == []


def test_little_free_memory_is_told() -> None:
    told = report(Nvidia("570.1", (12, 8), (CARD,)), memory=Memory(8 * GIB, GIB))
    assert codes(told) == ["device.little_memory"]
    assert "1.0 of 8.0 GB" in told.problems[0].what


def test_the_bus_names_cards_by_their_numbers(tmp_path: Path) -> None:
    def add(name: str, vendor: str, kind: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        for file, value in (("vendor", vendor), ("device", "0x744c"), ("class", kind)):
            (folder / file).write_text(value + "\n")

    add("0000:00:02.0", "0x8086", "0x030000")
    add("0000:01:00.0", "0x1002", "0x030000")
    add("0000:02:00.0", "0x10de", "0x030200")
    add("0000:02:00.1", "0x10de", "0x040300")  # its sound
    add("0000:03:00.0", "0x1af4", "0x030000")  # a virtual machine's
    add("0000:04:00.0", "junk", "0x030000")
    assert display_cards.pci_cards(tmp_path) == [
        Card("Intel", "Intel graphics (8086:744c)"),
        Card("AMD", "AMD graphics (1002:744c)"),
        Card("NVIDIA", "NVIDIA graphics (10de:744c)"),
    ]
    assert display_cards.pci_cards(tmp_path / "absent") == []


def test_apples_processors_have_a_card() -> None:
    assert display_cards.apple_cards("arm64") == [Card("Apple", "Apple GPU")]
    assert display_cards.apple_cards("x86_64") == []


def test_the_installed_torch_is_read_without_importing_it() -> None:
    code = (
        "import sys; from studio.engine import device; told = device.report(); build = device.read_torch_build()\n"
        "assert told.cores >= 1 and told.memory_bytes >= told.free_memory_bytes > 0 and told.disk_free_bytes > 0\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules\n"
        "import torch; assert build.version == torch.__version__ and build.cuda == (torch.version.cuda or '')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
