"""Numbers in words, as a person reads them."""

import time

import pytest
from PySide6.QtCore import QLocale

from studio.ui import wording


@pytest.mark.parametrize(
    ("locale", "shown"),
    [("C", "1,204"), ("en_US", "1,204"), ("de_DE", "1.204")],
)
def test_thousands_are_grouped_in_every_locale_the_bare_one_too(locale: str, shown: str) -> None:
    before = QLocale()
    try:
        QLocale.setDefault(QLocale(locale))
        assert wording.number(1204) == shown
    finally:
        QLocale.setDefault(before)


def test_things_of_one_name_are_told_apart_by_when_they_were_made() -> None:
    noon = time.mktime((2020, 5, 4, 12, 0, 0, 0, 0, -1))
    made = [("faq.csv", noon), ("other.csv", noon), ("faq.csv", noon + 20), ("faq.csv", noon + 3600)]
    assert wording.told_apart(made) == [
        "faq.csv (2020-05-04 12:00:00)",
        "other.csv",
        "faq.csv (2020-05-04 12:00:20)",
        "faq.csv (2020-05-04 13:00)",
    ]


def test_things_made_in_one_second_are_numbered() -> None:
    noon = time.mktime((2020, 5, 4, 12, 0, 0, 0, 0, -1))
    assert wording.told_apart([("faq.csv", noon), ("faq.csv", noon), ("b.csv", noon)]) == [
        "faq.csv (2020-05-04 12:00:00) 1",
        "faq.csv (2020-05-04 12:00:00) 2",
        "b.csv",
    ]
