"""Collecting wheels, for this system and for Windows: from a small folder, by pip itself, without a network."""

import hashlib
import importlib
import os
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

PLAIN, WINDOWS, LINUX = "py3-none-any", "cp311-cp311-win_amd64", "cp311-cp311-manylinux_2_28_x86_64"


@pytest.fixture
def collector(scripts: None) -> ModuleType:
    return importlib.import_module("installers.windows_wheels")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name, value in {"CONFIG_FILE": os.devnull, "NO_INDEX": "1", "FIND_LINKS": folder.as_uri()}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    return folder


def add_wheel(index: Path, name: str, version: str, tag: str, *needs: str, **files: str) -> None:
    about = f"{name}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {one}" for one in needs)]
    kind = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n"
    contents = {f"{about}/METADATA": "\n".join(metadata) + "\n", f"{about}/WHEEL": kind, f"{about}/RECORD": ""}
    with zipfile.ZipFile(index / f"{name}-{version}-{tag}.whl", "w") as wheel:
        for path, text in {**contents, **files}.items():
            wheel.writestr(path, text)


def pins(collector: ModuleType, tmp_path: Path, *lines: str) -> dict[str, object]:
    path = tmp_path / "constraints.txt"
    path.write_text("\n".join(["# pins", *lines]) + "\n", encoding="utf-8")
    found: dict[str, object] = collector.pins([path])
    return found


def test_what_windows_needs_is_followed_and_what_only_linux_needs_is_not(
    collector: ModuleType, index: Path, tmp_path: Path
) -> None:
    needs = ('colour; sys_platform == "win32"', 'shell; sys_platform == "linux"', "plum[fast]>=1", 'old; extra == "x"')
    add_wheel(index, "apple", "1.0", PLAIN, *needs)
    add_wheel(index, "colour", "1.0", PLAIN)
    add_wheel(index, "plum", "1.5", LINUX)
    add_wheel(index, "plum", "1.5", WINDOWS, 'berry; extra == "fast"', "apple")
    add_wheel(index, "plum", "1.6", WINDOWS)  # newer than the pin
    add_wheel(index, "berry", "2", PLAIN)
    pinned = pins(collector, tmp_path, "apple==1.0", "colour==1.0", "shell==1", "plum==1.5", "berry==2", "old==1")
    place = tmp_path / "wheels"
    place.mkdir()
    (place / "apple-0.9-py3-none-any.whl").write_bytes(b"of earlier pins")

    wheels, problems = collector.collect(["apple>=1"], pinned, place)

    assert problems == []
    names = ["apple-1.0-py3-none-any", "berry-2-py3-none-any", "colour-1.0-py3-none-any", f"plum-1.5-{WINDOWS}"]
    assert sorted(path.stem for path in wheels.values()) == names
    assert sorted(path.stem for path in place.iterdir()) == names
    collector.write_sums(wheels, place)
    for line in (place / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((place / name).read_bytes()).hexdigest() == digest


def test_pins_without_a_wheel_for_windows_and_needs_without_a_pin_are_named(
    collector: ModuleType, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.txt").write_text("kernels<=9\n", encoding="utf-8")  # what this machine's pip is set up with
    monkeypatch.setenv("PIP_CONSTRAINT", str(tmp_path / "own.txt"))
    add_wheel(index, "kernels", "3.1", LINUX)
    add_wheel(index, "apple", "1.0", PLAIN, "nut>=2")
    wheels, problems = collector.collect(
        ["kernels", "apple"], pins(collector, tmp_path, "kernels==3.1", "apple==1.0"), tmp_path / "wheels"
    )
    assert list(wheels) == ["apple"]
    assert problems == ["kernels==3.1 has no wheel for Windows here", "nut is needed on Windows and has no pin"]


def test_a_place_that_cannot_be_reached_is_no_missing_wheel(
    collector: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"CONFIG_FILE": os.devnull, "INDEX_URL": "http://127.0.0.1:9/simple", "RETRIES": "0"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(SystemExit):
        collector.collect(["apple"], pins(collector, tmp_path, "apple==1.0"), tmp_path / "wheels")
    assert "pip could not fetch apple==1.0.\n" in (told := capsys.readouterr().err)
    assert "onnection" in told


def test_the_pins_of_windows_are_taken_from_the_files_of_both_systems(collector: ModuleType, tmp_path: Path) -> None:
    general, special = tmp_path / "general.txt", tmp_path / "special.txt"
    general.write_text('torch==2\nPy_Thing==1 ; sys_platform == "win32"  # with a word\n', encoding="utf-8")
    special.write_text('torch==2+cpu ; sys_platform == "linux"\n', encoding="utf-8")
    found = {name: str(one.specifier) for name, one in collector.pins([general, special]).items()}
    assert found == {"torch": "==2", "py-thing": "==1"}


def test_which_build_of_torch_it_is_stands_in_the_wheel(collector: ModuleType, index: Path) -> None:
    text = "from typing import Optional\r\n__version__ = '2.13.0+cpu'\r\ncuda: Optional[str] = None\r\nhip = None\r\n"
    add_wheel(index, "torch", "2.13.0", WINDOWS, **{"torch/version.py": text})
    told = collector.torch_build(next(index.iterdir()))
    assert told == "2.13.0+cpu, without CUDA"
    add_wheel(index, "torch", "2.13.0", LINUX, **{"torch/version.py": text.replace("None", "'13.0'", 1)})
    assert collector.torch_build(index / f"torch-2.13.0-{LINUX}.whl") == "2.13.0+cpu, with CUDA 13.0"


def test_without_its_own_torch_an_edition_is_not_built_and_says_so(
    scripts: None, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wheelhouse = importlib.import_module("installers.wheelhouse")

    class Build:
        edition = "cuda"
        environment = dict(os.environ)

    pins = tmp_path / "pins.txt"
    pins.write_text("torch===2.13.0\n", encoding="utf-8")
    monkeypatch.setattr(wheelhouse, "special_pins", lambda edition: pins)
    fetch = [sys.executable, *wheelhouse.PIP, "download", *wheelhouse._pins(Build()), "--dest", str(tmp_path / "got")]
    add_wheel(index, "torch", "2.13.0+cpu", PLAIN)
    with pytest.raises(SystemExit):
        wheelhouse._require_torch(Build(), fetch)
    told = capsys.readouterr().err
    assert "The edition cuda cannot be built here." in told
    assert "pip found no torch for this system by pins.txt" in told
    add_wheel(index, "torch", "2.13.0", PLAIN)
    wheelhouse._require_torch(Build(), fetch)
    assert [path.name for path in (tmp_path / "got").iterdir()] == [f"torch-2.13.0-{PLAIN}.whl"]
