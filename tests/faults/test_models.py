"""Bad models, adapters, job files and places end in a named error: quickly, in little memory, harming nothing."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import bad_adapters, bad_models
from tests.faults.bad_models import Bad
from tests.faults.doors import Answer, Ground, make_ground, one_step
from tests.faults.test_datasets import MOST_EXTRA_BYTES, MOST_SECONDS, fingerprint

BAD = [*bad_models.BAD, *bad_adapters.BAD]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """One child for all, warmed up so that libraries do not count."""
    ground = make_ground(tmp_path_factory.mktemp("ground"))
    yield ground
    ground.doors.end()


def command(bad: Bad, folder: Path, ground: Ground) -> tuple[list[str], dict[str, str]]:
    """The words that open a bad thing as a user would, and the disk they meet."""
    made = bad.make(folder)
    env: dict[str, str] = {}
    chat = ["chat", "--prompt", "hi", "--max-new-tokens", "1", "--device", "cpu"]
    if isinstance(made, tuple):
        name, made = made
        env = {"DISK_FOLDER": str(folder), "DISK_FAIL_AT": "1", "DISK_ERRNO": str(getattr(errno, name))}
        count = folder.parent / "calls"
        count.write_bytes(bytes(8))
        env["DISK_COUNT"] = str(count)
    match bad.door:
        case "check":
            return ["models", "check", str(made)], env
        case "chat":
            return [*chat, "--model", str(made)], env
        case "train":
            return one_step(made, ground.rows)[:-1], env
        case "adapter":
            return [*chat, "--model", str(ground.model), "--adapter", str(made(ground.adapter))], env
        case "job":
            return ["train", str(made)], env
        case "export":
            return ["export", ground.run, "--to", str(made)], env
        case _:
            return [*one_step(ground.model, ground.rows)[:-1], *made], env


def test_every_bad_input_of_the_list_has_its_entry() -> None:
    assert {bad.number for bad in BAD} == set(range(43, 69))


@pytest.mark.skipif(os.name != "posix", reason="memory is measured the POSIX way")
@pytest.mark.parametrize("bad", [pytest.param(bad, id=f"{bad.number} {bad.name}") for bad in BAD])
def test_a_bad_input_is_named_quickly_in_little_memory_and_harms_nothing(
    bad: Bad, tmp_path: Path, ground: Ground
) -> None:
    folder = tmp_path / "from outside"
    folder.mkdir()
    words, disk = command(bad, folder, ground)
    if disk and "LD_PRELOAD" not in ground.doors.environment:
        pytest.skip("there is no compiler to make the disk fail")
    before, kept = fingerprint(folder), fingerprint(ground.doors.home / "runs")

    for_programs, for_people = ground.doors.ask([*words, "--json"], **disk), ground.doors.ask(words, **disk)

    if bad.goes_on:
        assert (for_people.code, for_programs.code) == (0, 0), for_people
        require_words(bad, for_people.err)
    else:
        require_refusal(bad, for_programs, for_people)
        assert for_programs.extra_bytes < MOST_EXTRA_BYTES
        assert {n: v for n, v in fingerprint(ground.doors.home / "runs").items() if n in kept} == kept
    assert for_programs.seconds < MOST_SECONDS
    assert fingerprint(folder) == before
    assert not list(tmp_path.rglob("pwned"))


def require_refusal(bad: Bad, for_programs: Answer, for_people: Answer) -> None:
    """The right error for both; for people one message a problem, without a traceback."""
    assert (for_programs.code, for_people.code) == (2, 2), (for_programs, for_people)
    problem = for_programs.problem
    assert problem["code"] == bad.code, problem
    assert problem["fix"]
    require_words(bad, for_people.err)
    assert for_people.err.count("apprentice: ") == for_programs.problems
    assert "Traceback" not in for_people.err + for_people.out


def require_words(bad: Bad, told: str) -> None:
    """What is wrong where, in the message."""
    for word in bad.words:
        assert word in told, told
