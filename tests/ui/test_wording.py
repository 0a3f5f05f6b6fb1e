"""Numbers in words, as a person reads them."""

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
