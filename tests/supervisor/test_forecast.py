"""What the window says of memory before a run is what the trainer would say: the same rows, general ones included."""

from pathlib import Path

import pytest

from studio.contract import events, job
from studio.contract.control import Going
from studio.contract.memory_fit import Planner
from studio.contract.memory_plan import Calibration, Lengths, MemoryPlan, lengths_of
from studio.contract.presets import load_preset
from studio.contract.run_folder import datasets_folder, starter_folder
from studio.contract.sample import SAMPLE, sample_files
from studio.contract.settings import TrainSettings
from studio.data.dataset import DatasetInfo, open_dataset
from studio.data.importing import import_dataset
from studio.engine import model_folder, planner, tokens
from studio.engine.examples import read_examples
from studio.supervisor.forecast import Forecast
from studio.worker import doctor


def silent(event: events.Event) -> None:
    """Nobody looks."""


@pytest.fixture
def sample() -> DatasetInfo:
    rows, held_back = sample_files()
    folder = datasets_folder() / SAMPLE
    import_dataset(
        job.ImportJob(source=rows, destination=str(folder), name="Sample", held_back=held_back), silent, Going()
    )
    return open_dataset(folder).info


def told(sample: DatasetInfo, settings: TrainSettings) -> Planner:
    starter = model_folder.check(starter_folder())
    held_back = sum(open_dataset(Path(sample.folder)).sides(settings.held_back_share))
    found = Forecast().planner(starter, sample, settings, sample.usable - held_back, None)
    assert found is not None
    return found


def counted(sample: DatasetInfo, settings: TrainSettings) -> Lengths:
    """What the trainer counts."""
    starter = starter_folder()
    work = job.TrainJob(
        name="r", model=str(starter), model_name="S", dataset=sample.folder, dataset_name="D",
        general=str(starter / "general.jsonl"), settings=settings,
    )  # fmt: skip
    examples = read_examples(work, tokens.load_tokenizer(starter), silent, Going())
    return planner.lengths_in(examples)


def look(sample: DatasetInfo, settings: TrainSettings) -> None:
    starter = starter_folder()
    work = job.DoctorJob(
        dataset=sample.folder, model=str(starter), settings=settings, general=str(starter / "general.jsonl")
    )
    doctor.run(work, silent, Going())


def test_the_doctor_and_the_trainer_count_the_same_rows(sample: DatasetInfo) -> None:
    settings = load_preset("balanced").settings()
    look(sample, settings)
    ours, trainers = told(sample, settings), counted(sample, settings)
    assert ours.lengths.source == "doctor"
    assert (ours.lengths.longest, ours.lengths.rows) == (trainers.longest, trainers.rows)
    exact = Planner(ours.shape, trainers, ours.machine)
    assert ours.estimate(settings).total == pytest.approx(exact.estimate(settings).total, rel=0.03)


def test_general_rows_are_guessed_where_no_doctor_has_counted_them(sample: DatasetInfo) -> None:
    settings = load_preset("balanced").settings()
    lengths, trainers = told(sample, settings).lengths, counted(sample, settings)
    assert lengths.source == "guess"
    assert lengths.rows == pytest.approx(trainers.rows, rel=0.2)
    assert lengths.longest >= trainers.longest


def test_without_replay_general_rows_take_no_memory(sample: DatasetInfo) -> None:
    settings = TrainSettings(replay_share=0.0)
    look(sample, settings)
    assert told(sample, settings).lengths.rows == 300


def test_general_rows_that_cannot_be_read_leave_the_estimate_to_the_users_own(
    sample: DatasetInfo, tmp_path: Path
) -> None:
    settings = load_preset("balanced").settings()
    general = tmp_path / "general.jsonl"
    general.write_bytes(b"{broken")
    work = job.DoctorJob(dataset=sample.folder, model=str(starter_folder()), settings=settings, general=str(general))
    found = doctor.run(work, silent, Going())
    assert (found.general, found.general_lengths) == (str(general), None)


def test_a_dry_step_with_short_texts_says_nothing_of_those_that_it_left_out(sample: DatasetInfo) -> None:
    short, long = TrainSettings(max_tokens=48), TrainSettings(max_tokens=512)
    look(sample, long)
    starter, asked, usual = model_folder.check(starter_folder()), Forecast(), told(sample, short)
    asked.keep(
        job.TrainJob(
            name="r", model=starter.path, model_name="S", dataset=sample.folder, dataset_name="D",
            general=starter.general, settings=short,
        ),
        MemoryPlan(
            estimate=usual.estimate(short), formula_bytes=1, machine=usual.machine, lengths=counted(sample, short),
            calibration=Calibration(settled_bytes=0, work=1.0, pack=1.0, least_bytes=0, settings=short),
        ),
    )  # fmt: skip
    found = {one.max_tokens: asked.planner(starter, sample, one, 270, None) for one in (short, long)}
    assert found[48] is not None
    assert found[512] is not None
    assert found[48].lengths == counted(sample, short)
    assert found[48].lengths.longer > 0
    assert found[512].lengths.longest == counted(sample, long).longest > 48
    assert found[512].estimate(long).total > found[48].estimate(short).total


def test_lengths_that_are_mixed_keep_the_ranks_of_both() -> None:
    own, general = lengths_of([10] * 300, 0.5, own=300), lengths_of([50] * 700, 0.5, own=700)
    mixed = own.mixed_with(general)
    assert (mixed.rows, mixed.own, mixed.longest, mixed.at(0.29), mixed.at(0.31)) == (1000, 300, 50, 10, 50)
    few = lengths_of([7, 9], 0.5, own=2).mixed_with(lengths_of([100], 0.5, own=1))
    assert (few.points[0], few.longest, few.rows) == (7, 100, 3)
