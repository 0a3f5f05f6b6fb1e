"""Same row, same side, always."""

from hypothesis import given
from hypothesis import strategies as st

from studio.contract.records import Message, Record
from studio.data.split import is_held_back, position

SHARES = st.floats(0, 1)


@given(st.text(), SHARES, SHARES)
def test_a_row_held_back_at_a_share_is_held_back_at_every_larger_one(key: str, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert is_held_back(key, large) or not is_held_back(key, small)


@given(st.text())
def test_nothing_is_held_back_at_none_and_everything_at_all(key: str) -> None:
    assert not is_held_back(key, 0.0)
    assert is_held_back(key, 1.0)


def test_the_share_is_kept_within_chance() -> None:
    keys = [f"{number:016x}" for number in range(20_000)]
    for share in (0.05, 0.1, 0.3):
        assert abs(sum(is_held_back(key, share) for key in keys) / len(keys) - share) < 0.01


def test_the_sides_never_change_between_versions() -> None:
    """Frozen values: a run of an older version must find its held-back rows again."""
    record = Record(messages=(Message("user", "Where is the lathe?"), Message("assistant", "In hall 2.")))
    assert record.key == "7d379fa6b2469192"
    assert position(record.key) == 0.635101031137124
