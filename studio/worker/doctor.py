"""The doctor's job: the data room looks through the rows; here its tokens are counted, by the trainer's own encoder."""

from pathlib import Path

from studio.contract.control import Control, Emit
from studio.contract.diagnosis import Diagnosed
from studio.contract.events import Progress
from studio.contract.job import DoctorJob
from studio.contract.records import Record
from studio.contract.settings import TrainSettings
from studio.data.doctor.check import Measure, Measured
from studio.data.doctor.diagnosing import diagnose


def run(work: DoctorJob, emit: Emit, control: Control) -> Diagnosed:
    """Look for what is wrong with a dataset.

    Raises:
        StudioError: The dataset, the test file or the model's tokenizer cannot be read; `doctor.cancelled`.
    """
    if not work.model:
        return diagnose(work, emit, control)
    emit(Progress(stage="Loading the tokenizer"))
    counter, limit = measure(Path(work.model), work.settings)
    return diagnose(work, emit, control, counter, limit)


def measure(model: Path, settings: TrainSettings) -> tuple[Measure, int]:
    """How a model and these settings see a row; in a process that has chosen no model, none of this is imported.

    Returns:
        What counts a row's tokens, and the longest text in tokens where it is the model that reads no more; else 0.

    Raises:
        StudioError: The model cannot be used.
    """
    from studio.engine import model_folder, tokens

    model_folder.require_usable(model)
    tokenizer = tokens.load_tokenizer(model)
    rules = tokens.Rules.of(settings)

    def measured(record: Record) -> Measured:
        encoded = tokens.encode(record, tokenizer, rules)
        left_out = encoded.fate == "left_out"
        learned = sum(label != tokens.NOTHING for label in encoded.labels)
        return Measured(
            tokens=len(encoded.ids) + encoded.cut_tokens,
            lost=learned if left_out else encoded.cut_answer_tokens,
            left_out=left_out,
            nothing=encoded.fate == "nothing_to_learn",
        )

    return measured, tokens.limit(tokenizer, rules) if tokens.is_models_limit(tokenizer, rules) else 0
