"""What Linux leaves behind of a process that it ended for want of memory, in files of a tree of our own."""

import os
from pathlib import Path

import pytest

from studio.supervisor import memory_witness
from studio.supervisor.memory_witness import MemoryWitness

ME = os.getpid()


def put(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")


def group(root: Path, version: int, kills: int, limit: str = "max", held: int = 0, cached: int = 0) -> None:
    """A control group as Linux shows it."""
    folder = root / ("sys/fs/cgroup/user/app" if version == 2 else "sys/fs/cgroup/memory/user/app")
    folder.mkdir(parents=True, exist_ok=True)
    told = "0::/user/app\n" if version == 2 else "5:cpu:/\n4:memory:/user/app\n0::/\n"
    put(root, **{f"proc__{ME}__cgroup": told})
    if version == 2:
        files = {"memory.events": f"low 0\noom 3\noom_kill {kills}\n", "memory.max": limit, "memory.current": str(held)}
    else:
        files = {
            "memory.oom_control": f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n",
            "memory.limit_in_bytes": limit.replace("max", "9223372036854771712"),
            "memory.usage_in_bytes": str(held),
        }
    for name, text in {**files, "memory.stat": f"anon 1\ninactive_file {cached}\n"}.items():
        (folder / name).write_text(text, encoding="ascii")


def test_a_kill_that_its_control_group_counted_is_proof(tmp_path: Path) -> None:
    group(tmp_path, 2, kills=2)
    witness = MemoryWitness(tmp_path)
    witness.look(ME)
    assert witness.found() == "no"
    group(tmp_path, 2, kills=3)
    assert witness.found() == "killed"
    problem = witness.problem("the log")
    assert problem is not None
    assert (problem.code, problem.details) == ("memory.host_killed", "the log")


def test_a_kill_that_only_the_whole_machine_counted_is_proof(tmp_path: Path) -> None:
    put(tmp_path, proc__vmstat="nr_free_pages 12\noom_kill 7\n")
    witness = MemoryWitness(tmp_path)
    witness.look(ME)
    put(tmp_path, proc__vmstat="nr_free_pages 12\noom_kill 8\n")
    assert witness.found() == "killed"


def test_a_worker_that_was_ended_before_it_was_seen_is_proof_by_what_was_counted_before_it(tmp_path: Path) -> None:
    put(tmp_path, proc__vmstat="oom_kill 7\n")
    unseen, seen_dying = MemoryWitness(tmp_path), MemoryWitness(tmp_path)
    put(tmp_path, proc__vmstat="oom_kill 8\n")
    seen_dying.look(ME)
    for witness in (unseen, seen_dying):
        problem = witness.problem("the log")
        assert problem is not None
        assert problem.code == "memory.host_killed"


def test_a_program_of_another_group_that_was_ended_meanwhile_is_no_proof(tmp_path: Path) -> None:
    group(tmp_path, 2, kills=2)
    put(tmp_path, proc__vmstat="oom_kill 7\n")
    witness = MemoryWitness(tmp_path)
    witness.look(ME)
    put(tmp_path, proc__vmstat="oom_kill 8\n")
    assert witness.found() == "no"
    group(tmp_path, 2, kills=3)
    assert witness.found() == "killed"


def test_a_group_of_the_first_version_is_not_believed_as_kernels_may_leave_its_count(tmp_path: Path) -> None:
    group(tmp_path, 1, kills=0)
    put(tmp_path, proc__vmstat="oom_kill 7\n")
    witness = MemoryWitness(tmp_path)
    witness.look(ME)
    put(tmp_path, proc__vmstat="oom_kill 8\n")
    assert witness.found() == "killed"


def test_a_worker_that_lives_in_a_group_of_its_own_and_is_seen_dying_is_told_by_the_machine(tmp_path: Path) -> None:
    group(tmp_path, 2, kills=2)
    put(tmp_path, proc__vmstat="oom_kill 7\n")
    witness = MemoryWitness(tmp_path)
    put(tmp_path, **{f"proc__{ME}__cgroup": "0::/user/worker\n", "proc__vmstat": "oom_kill 8\n"})
    put(tmp_path, **{"sys__fs__cgroup__user__worker__memory.events": "oom_kill 1\n"})
    witness.look(ME)
    assert witness.found() == "killed"


def test_what_the_machine_counted_long_before_the_death_is_about_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_witness, "LOOK_SECONDS", 0.0)
    put(tmp_path, proc__vmstat="oom_kill 7\n")
    witness = MemoryWitness(tmp_path)
    put(tmp_path, proc__vmstat="oom_kill 8\n")
    for _ in range(memory_witness.LOOKS):
        witness.look(ME)
    assert witness.found() == "no"


@pytest.mark.parametrize("version", [1, 2])
def test_a_group_that_was_nearly_full_makes_it_likely(tmp_path: Path, version: int) -> None:
    group(tmp_path, version, kills=0, limit=str(1 << 30), held=(1 << 30) - (20 << 20))
    witness = MemoryWitness(tmp_path)
    witness.look(ME)
    assert witness.found() == "likely"
    problem = witness.problem("")
    assert problem is not None
    assert "most likely" in problem.what
    assert "20 MB of 1.0 GB were free" in problem.why


def test_memory_that_only_holds_files_is_free(tmp_path: Path) -> None:
    group(tmp_path, 2, kills=0, limit=str(1 << 30), held=(1 << 30) - (20 << 20), cached=600 << 20)
    witness = MemoryWitness(tmp_path)
    witness.look(ME)
    assert witness.found() == "no"
    assert witness.problem("") is None


def test_a_group_whose_path_is_the_host_s_is_looked_for_at_the_top(tmp_path: Path) -> None:
    group(tmp_path, 2, kills=0)
    put(tmp_path, **{f"proc__{ME}__cgroup": "0::/of/the/host\n", "sys__fs__cgroup__memory.events": "oom_kill 4\n"})
    witness = MemoryWitness(tmp_path)
    witness.look(ME)
    put(tmp_path, **{"sys__fs__cgroup__memory.events": "oom_kill 5\n"})
    assert witness.found() == "killed"


def test_where_nothing_can_be_read_nothing_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    witness = MemoryWitness(tmp_path / "nothing")
    assert witness.found() == "no"
    monkeypatch.setattr(memory_witness, "host_memory", lambda: (8 << 30, 4 << 30))
    witness.look(ME)
    assert witness.found() == "no"
    assert witness.free_told() == "4.0 GB"
