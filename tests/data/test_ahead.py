"""Work done in advance: same items, same order, errors at their place, and no thread that outlives its use."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from studio.contract.control import Going
from studio.contract.errors import StudioError
from studio.contract.job import ImportJob
from studio.data.ahead import ahead
from studio.data.importing import import_dataset


def numbers(until: int, fault: int = -1) -> Iterator[int]:
    for number in range(until):
        if number == fault:
            raise ValueError(f"no {number}")
        yield number


def helpers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "ahead"]


def test_the_items_come_in_their_order_through_any_number_of_stages() -> None:
    assert list(ahead(number * 2 for number in ahead(numbers(500)))) == [2 * number for number in range(500)]
    assert not helpers()


def test_an_error_comes_where_its_item_would_have_been() -> None:
    seen = []
    with pytest.raises(ValueError, match="no 7"):
        seen.extend(ahead(number for number in ahead(numbers(50, fault=7))))
    assert not helpers()
    items = ahead(numbers(50, fault=7))
    assert [next(items) for _ in range(7)] == list(range(7))


def stage(items: Iterator[int], fault: int = -1) -> Iterator[int]:
    with closing(ahead(items)) as before:
        for number in before:
            if number == fault:
                raise ValueError(f"no {number}")
            yield number


def test_who_leaves_early_leaves_no_thread_behind_in_any_stage() -> None:
    kept = stage(stage(stage(numbers(10_000))))
    assert next(kept) == 0
    assert len(helpers()) == 3
    kept.close()  # type: ignore[attr-defined]
    assert not helpers()


def test_an_error_in_a_stage_ends_those_before_it_while_it_is_still_held(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no 7") as caught:
        list(stage(stage(stage(numbers(10_000)), fault=7)))
    assert not helpers(), caught
    path = tmp_path / "a.csv"
    path.write_text("question,answer\n" + "a,b\n" * 3 + "a,b,c\n" + "a,b\n" * 3_000_000)
    job = ImportJob(source=str(path), destination=str(tmp_path / "set"), name="x")
    with pytest.raises(StudioError) as refused:
        import_dataset(job, lambda event: None, Going())
    assert refused.value.problem.code == "data.ragged_row"
    assert not helpers()
