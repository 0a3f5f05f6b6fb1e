"""What is in a dataset, in lines: what `data doctor` counted that is no fault. The window shows the same as bars."""

from studio.contract.diagnosis import Diagnosed, Share
from studio.data.wording import count

MOST_NAMED = 5


def lines(found: Diagnosed) -> list[str]:
    """Lengths, languages, classes and first words, a line each; none where there is nothing to count."""
    said = []
    lengths = found.lengths
    if lengths is not None:
        line = f"Lengths in {lengths.unit}: half of the rows up to {lengths.median:,}, 95 % up to {lengths.most_95:,}"
        line += f", the longest {lengths.longest:,}"
        line += f"; the longest text is {lengths.limit:,}" if lengths.limit else ""
        line += f" ({lengths.sampled:,} rows were counted)" if lengths.sampled else ""
        said.append(f"{line}.")
    for name, shares in (
        ("Languages (a guess)", found.languages),
        ("Answers, as classes", found.classes),
        ("Answers begin with", tuple(share for share in found.first_words if share.count > 1)),
    ):
        if shares:
            said.append(f"{name}: {_listed(shares)}.")
    if found.first_words and found.first_words[0].count == 1:
        said.append("No two longer answers begin alike.")
    return said


def _listed(shares: tuple[Share, ...]) -> str:
    named = [f"{share.value} ({count(share.count, 'row')})" for share in shares[:MOST_NAMED]]
    rest = len(shares) - len(named)
    return ", ".join(named) + (f" and {rest} more" if rest > 0 else "")
