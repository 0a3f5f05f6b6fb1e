"""What the packages are made from: small and quick checks. `dev.py package --check` tries the built ones."""

import importlib
import re
import struct
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from studio import __version__
from studio.cli.options import read_job_file
from studio.contract.job import JOB_SUFFIX
from studio.data.update_note import SUFFIX
from studio.engine.export_folder import PARTIAL
from tests.helpers.shared_data import PROJECT

LINUX, WINDOWS = PROJECT / "packaging" / "linux", PROJECT / "packaging" / "windows"
MIME = "{http://www.freedesktop.org/standards/shared-mime-info}"


@pytest.fixture
def parts(scripts: None) -> ModuleType:
    return importlib.import_module("installers.parts")


@pytest.fixture
def archives(scripts: None) -> ModuleType:
    return importlib.import_module("installers.archives")


@pytest.fixture
def layout(scripts: None) -> ModuleType:
    return importlib.import_module("installers.layout")


def desktop_entry(name: str) -> dict[str, str]:
    lines = (LINUX / name).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "[Desktop Entry]"
    return dict(line.split("=", 1) for line in lines[1:] if line)


# --- which library goes where --------------------------------------------------------------------------------------


def test_every_library_of_the_project_goes_to_a_process_and_no_name_is_stale(parts: ModuleType) -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    names = {canonicalize_name(Requirement(line).name) for line in declared}
    assert names >= parts.WINDOW_ONLY
    assert names >= parts.WORKER_ONLY
    pyproject = PROJECT / "pyproject.toml"
    window = {parts.normal(line) for line in parts.requirements("window", "cpu", pyproject)}
    worker = {parts.normal(line) for line in parts.requirements("worker", "cpu", pyproject)}
    assert window | worker == names
    assert "torch" not in window
    assert "pyside6-essentials" not in worker


def test_the_cuda_edition_brings_its_kernels_to_the_worker_alone(parts: ModuleType) -> None:
    pyproject = PROJECT / "pyproject.toml"
    assert any("liger" in line for line in parts.requirements("worker", "cuda", pyproject))
    assert not any("liger" in line for line in parts.requirements("worker", "cpu", pyproject))
    assert not any("liger" in line for line in parts.requirements("window", "cuda", pyproject))


@pytest.mark.parametrize(("edition", "kept"), [("cpu", {"cpu"}), ("cuda", {"cpu", "cuda130", "cuda132"})])
def test_an_edition_brings_what_its_torch_can_use_and_nothing_for_clusters(
    scripts: None, tmp_path: Path, edition: str, kept: set[str]
) -> None:
    worker = importlib.import_module("installers.worker")

    class Build:
        tree = tmp_path

    Build.edition = edition
    for kind in ("cpu", "cuda118", "cuda128", "cuda130", "cuda132", "rocm72", "xpu2026"):
        touch(tmp_path / "bitsandbytes" / f"libbitsandbytes_{kind}.so")
    for name in ("nvshmem_bootstrap_uid", "nvshmem_bootstrap_mpi", "nvshmem_transport_ucx", "libnvshmem_host"):
        touch(tmp_path / "nvidia" / "nvshmem" / "lib" / f"{name}.so.3")
    worker._prune(Build(), tmp_path)
    libraries = {path.stem.removeprefix("libbitsandbytes_") for path in (tmp_path / "bitsandbytes").iterdir()}
    assert libraries == kept
    if edition == "cuda":
        left = {path.name.partition(".")[0] for path in (tmp_path / "nvidia" / "nvshmem" / "lib").iterdir()}
        assert left == {"nvshmem_bootstrap_uid", "libnvshmem_host"}


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_the_pins_of_the_cpu_edition_are_those_of_the_project() -> None:
    pinned = (PROJECT / "packaging" / "constraints.txt").read_text(encoding="utf-8")
    special = (PROJECT / "packaging" / "constraints-cpu.txt").read_text(encoding="utf-8")
    (line,) = [line for line in special.splitlines() if not line.startswith("#")]
    version = re.search(r"^torch==(\S+)$", pinned, re.MULTILINE)
    assert version is not None
    assert line.startswith(f"torch=={version[1]}+cpu ")


def test_the_pins_of_the_cuda_edition_take_no_torch_without_cuda() -> None:
    pinned = (PROJECT / "packaging" / "constraints.txt").read_text(encoding="utf-8")
    special = (PROJECT / "packaging" / "constraints-cuda.txt").read_text(encoding="utf-8")
    lines = [Requirement(line) for line in special.splitlines() if not line.startswith("#")]
    version = re.search(r"^torch==(\S+)$", pinned, re.MULTILINE)
    assert version is not None
    on = {one.marker.evaluate({"sys_platform": "win32"}): one.specifier for one in lines if one.marker is not None}
    linux, windows = on[False], on[True]
    assert linux.contains(version[1])
    assert windows.contains(f"{version[1]}+cu130")
    for specifier in (linux, windows):
        assert not specifier.contains(f"{version[1]}+cpu")
    assert not windows.contains(version[1])  # for Windows the plain release has no CUDA


def test_what_builds_the_packages_is_pinned_to_one_version_each() -> None:
    for line in (PROJECT / "packaging" / "constraints-tools.txt").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; sys_platform == \"\w+\")?", line), line


# --- Linux ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "program"), [("apprentice-studio", "apprentice-studio"), ("apprentice-studio-job", "apprentice")]
)
def test_the_desktop_entries_start_our_programs_and_name_known_kinds_of_files(name: str, program: str) -> None:
    entry = desktop_entry(f"{name}.desktop")
    assert entry["Type"] == "Application"
    assert entry["Exec"].split()[0] == entry["TryExec"] == program
    assert entry["Icon"] == "apprentice-studio"
    tree = ElementTree.parse(LINUX / "apprentice-studio.xml").getroot()
    declared = {kind.attrib["type"] for kind in tree.findall(f"{MIME}mime-type")}
    assert set(filter(None, entry["MimeType"].split(";"))) <= declared
    for key in ("Categories", "MimeType"):
        assert entry[key].endswith(";")


def test_the_desktop_entry_belongs_to_the_window_that_the_program_opens() -> None:
    source = (PROJECT / "studio" / "app.py").read_text(encoding="utf-8")
    assert f'setDesktopFileName("{desktop_entry("apprentice-studio.desktop")["StartupWMClass"]}")' in source


def test_the_kinds_of_files_have_the_endings_that_the_program_uses() -> None:
    tree = ElementTree.parse(LINUX / "apprentice-studio.xml").getroot()
    patterns = {glob.attrib["pattern"] for glob in tree.iter(f"{MIME}glob")}
    assert {f"*{JOB_SUFFIX}", f"*{SUFFIX}", "*.jsonl"} <= patterns


def test_a_job_with_its_own_ending_is_read_as_toml(tmp_path: Path) -> None:
    path = tmp_path / f"mine{JOB_SUFFIX}"
    path.write_text('data = "faq.csv"\n[settings]\nlearning_rate = 1e-3\n', encoding="utf-8")
    assert read_job_file(path).settings == {"learning_rate": 1e-3}


def test_the_control_file_is_one_that_dpkg_reads(archives: ModuleType) -> None:
    text = archives.control_text("1.2.3", ["libc6 (>= 2.35)", "libgl1"], 1500)
    lines = text.splitlines()
    fields = dict(line.split(": ", 1) for line in lines if not line.startswith(" "))
    assert fields["Package"] == "apprentice-studio"
    assert fields["Version"] == "1.2.3"
    assert fields["Depends"] == "libc6 (>= 2.35), libgl1"
    assert all(line.startswith((" ", *fields)) for line in lines)
    assert " ." in lines
    assert text.endswith("\n")


def test_the_launcher_finds_the_worker_beside_itself_through_a_link(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("a shell script")
    folder = tmp_path / "a folder" / "apprentice-studio"
    (folder / "worker" / "bin").mkdir(parents=True)
    python = folder / "worker" / "bin" / "python3"
    python.write_text('#!/bin/sh\necho "$0" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    launcher = folder / "apprentice"
    launcher.write_bytes((LINUX / "apprentice").read_bytes())
    launcher.chmod(0o755)
    link = tmp_path / "apprentice"
    link.symlink_to(launcher)
    done = subprocess.run([str(link), "chat", "two words"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{python} -I -m studio.cli chat two words"


def test_the_manual_page_names_every_command(scripts: None) -> None:
    man_page = importlib.import_module("man_page")
    page = man_page.page("2026-11-28")
    for command in ("apprentice train", "apprentice models add", "apprentice update check", "apprentice range\\-test"):
        assert f".B {command}\n" in page
    assert not re.search(r"^'", page, re.MULTILINE)  # a request to roff, not a text


# --- Windows -------------------------------------------------------------------------------------------------------


def script() -> str:
    return (WINDOWS / "installer.iss").read_text(encoding="utf-8")


def setup_value(name: str) -> str:
    found = re.search(rf"^{name}=(.*)$", script(), re.MULTILINE)
    assert found is not None, name
    return found[1]


def test_the_setup_is_for_one_user_and_is_named_as_the_other_packages_are(layout: ModuleType) -> None:
    assert setup_value("PrivilegesRequired") == "lowest"
    assert setup_value("DefaultDirName").startswith("{localappdata}")
    name = setup_value("OutputBaseFilename").replace("{#Version}", __version__).replace("{#Edition}", "cpu")
    assert f"{layout.this_build('cpu').stem.replace('-linux-', '-windows-')}" == name


def test_the_setup_is_told_what_the_build_tells_it(scripts: None) -> None:
    setup = importlib.import_module("installers.windows_setup")
    told = {word.removeprefix("/D").partition("=")[0] for word in setup.arguments("1", "cpu", "tree", "out")}
    asked = set(re.findall(r"#ifndef (\w+)", script())) - {"AnyArchitecture", "Slice"}
    assert told == asked


def test_the_setup_of_several_gb_comes_in_files_that_windows_takes() -> None:
    told = re.search(r'^#if Edition == "cuda"\n(.*?)^#endif', script(), re.MULTILINE | re.DOTALL)
    assert told is not None
    assert "DiskSpanning=yes\nDiskSliceSize={#Slice}\n" in told[1]
    assert script().count("DiskSpanning=") == 1  # the edition cpu is one file
    slice_bytes = re.search(r'#define Slice "(\d+)"', script())
    assert slice_bytes is not None
    assert int(slice_bytes[1]) <= 2_100_000_000  # Inno Setup takes no more


def test_files_of_an_earlier_setup_are_not_handed_out_with_a_new_one(
    scripts: None, layout: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = importlib.import_module("installers.windows_setup")
    build = layout.this_build("cuda")
    names = [f"{build.stem}-1.bin", f"{build.stem}-2.bin", f"{build.stem.replace('cuda', 'cpu')}.exe"]
    for name in names:
        (tmp_path / name).write_bytes(b"old")
    monkeypatch.setattr(setup, "OUT", tmp_path)
    monkeypatch.setattr(setup, "find_compiler", lambda: tmp_path)
    monkeypatch.setattr(setup, "run", lambda *_: "")
    setup.make_setup(build)
    assert [path.name for path in tmp_path.iterdir()] == names[2:]


def test_public_runners_build_and_hand_out_every_edition_on_both_systems(layout: ModuleType) -> None:
    text = (PROJECT / ".github" / "workflows" / "package.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    kinds = {"linux": {".deb", ".zst"}, "windows": {".exe", ".bin"}}
    assert set(jobs) == set(kinds)
    for system, job in jobs.items():
        assert job["strategy"]["matrix"] == {"edition": list(layout.EDITIONS)}
        commands = [step["run"] for step in job["steps"] if "run" in step]
        assert any(line.endswith("dev.py package --edition ${{ matrix.edition }}") for line in commands)
        (handed,) = [step["with"]["path"].split() for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
        assert {Path(path).suffix for path in handed} == kinds[system] | {"", ".json"}


def test_the_setup_runs_nothing_unasked_and_fetches_nothing() -> None:
    run = re.search(r"^\[Run\]\n(.*?)\n\n", script(), re.MULTILINE | re.DOTALL)
    assert run is not None
    assert all("postinstall" in line and "skipifsilent" in line for line in run[1].splitlines())
    assert not re.search(r"download|https?://|powershell", script(), re.IGNORECASE)


def test_the_setup_knows_our_files_and_only_beneath_the_user() -> None:
    lines = [line for line in script().splitlines() if line.startswith("Root:")]
    assert all(line.startswith("Root: HKA;") for line in lines)
    for ending in (JOB_SUFFIX, SUFFIX, ".jsonl"):
        assert any(f"Software\\Classes\\{ending}" in line for line in lines), ending


def test_the_setup_deletes_data_only_with_our_mark_in_it_and_only_when_asked() -> None:
    code = script().split("[Code]")[1]
    assert code.count("DelTree") == 1
    assert "HoldsOurData" in code
    assert "MB_DEFBUTTON2" in code  # "no" is what Enter says
    assert "/REMOVEDATA=yes" in code


def test_an_icon_for_windows_holds_pictures_at_the_places_that_it_says(
    scripts: None, layout: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = importlib.import_module("installers.desktop_files")

    def draw(command: list[str], *_: object) -> str:
        for place in command[5::2]:
            Path(place).write_bytes(b"\x89PNG" + bytes(len(place)))
        return ""

    monkeypatch.setattr(files, "run", draw)
    files.write_ico(layout.this_build("cpu"), tmp_path / "x.ico")
    content = (tmp_path / "x.ico").read_bytes()
    _, kind, count = struct.unpack_from("<HHH", content)
    assert (kind, count) == (1, 7)
    for index in range(count):
        *_, length, offset = struct.unpack_from("<BBBBHHII", content, 6 + 16 * index)
        assert content[offset : offset + 4] == b"\x89PNG"
        assert offset + length <= len(content)


# --- the check -----------------------------------------------------------------------------------------------------


def test_what_is_written_outside_the_home_is_found(scripts: None) -> None:
    sandbox = importlib.import_module("installers.sandbox")
    before = {"etc/passwd": (10, 1), "opt/apprentice-studio/x": (5, 5)}
    after = {
        "etc/passwd": (11, 2),
        "opt/apprentice-studio/x": (5, 5),
        f"{sandbox.HOME}/.local/share/apprentice-studio/models.json": (3, 3),
        "home/other": (1, 1),
        "var/tmp/left": (2, 2),
    }
    assert sandbox.written_between(before, after) == ["etc/passwd", "home/other", "var/tmp/left"]


@pytest.mark.usefixtures("scripts")
def test_the_trial_of_a_package_waits_for_the_whole_export(tmp_path: Path) -> None:
    """It had closed the window while the export was still compared, and the window asks then."""
    journey = importlib.import_module("installers.journey")
    unfinished = tmp_path / "Documents" / f"{PARTIAL}1-ab"
    unfinished.mkdir(parents=True)
    (unfinished / "adapter_config.json").touch()
    assert not journey.has_export(tmp_path)
    unfinished.rename(tmp_path / "Documents" / "run-1-Starter")
    assert journey.has_export(tmp_path)
