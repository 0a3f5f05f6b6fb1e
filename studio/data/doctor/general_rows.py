"""How long the general rows are that are mixed in while a model learns: they take memory as the user's own rows do."""

from pathlib import Path
from typing import Any

import numpy as np

from studio.contract.errors import StudioError
from studio.contract.job import DoctorJob
from studio.data.chat_rows import read_chat_rows
from studio.data.doctor.check import Context
from studio.data.doctor.checks.lengths import SAMPLE, histogram


def figures(work: DoctorJob, context: Context) -> dict[str, Any]:
    """What a diagnosis says of the general rows; nothing without a model, no lengths where they cannot be read.

    That they cannot be read is told where they are chosen, and by the run.

    Raises:
        StudioError: `doctor.cancelled`.
    """
    if context.measure is None or not work.general:
        return {}
    try:
        records = read_chat_rows(Path(work.general), left_out=[])
    except StudioError:
        return {"general": work.general}
    chosen = records
    if len(records) > SAMPLE:
        places = np.random.default_rng(0).choice(len(records), SAMPLE, replace=False)
        chosen = [records[place] for place in np.sort(places)]
    sizes = []
    for number, record in enumerate(chosen):
        if number % 200 == 0:
            context.tick("Counting tokens of the general rows", number, len(chosen))
        sizes.append(context.measure(record).tokens)
    sampled = 0 if len(chosen) == len(records) else len(chosen)
    lengths = histogram(np.array(sizes), "tokens", context.limit, sampled)
    return {"general": work.general, "general_rows": len(records), "general_lengths": lengths}
