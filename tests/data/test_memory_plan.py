"""The formula, the ways to make a run fit, the advice and the range test's reading: pure functions of the contract."""

import itertools

import pytest

from studio.contract.fields import build
from studio.contract.memory_fit import LARGEST_BATCH, Planner, changed, refusal
from studio.contract.memory_plan import (
    HOLES_INT8,
    PARTS,
    Calibration,
    Estimate,
    Lengths,
    Machine,
    calibrated,
    estimate,
    lengths_of,
)
from studio.contract.method_choice import values_of
from studio.contract.methods import METHODS
from studio.contract.model_shape import ModelShape, shape_of
from studio.contract.settings import TrainSettings
from studio.contract.trainable import trainable_parameters

GB = 2**30
LLAMA_8B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
}


def shape(**values: object) -> ModelShape:
    found = shape_of(LLAMA_8B | values)
    assert found is not None
    return found


def cpu(free: float) -> Machine:
    return Machine(device="cpu", total_bytes=32 * GB, free_bytes=int(free * GB))


def gpu(free: float) -> Machine:
    return Machine(device="cuda:0", total_bytes=80 * GB, free_bytes=int(free * GB))


SMALL = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 6, "num_attention_heads": 8}
SKEWED = lengths_of([40] * 700 + [200] * 250 + [900] * 50, 0.5, own=1000)


def planner(free: float, lengths: Lengths = SKEWED, on_gpu: bool = False, **values: object) -> Planner:
    return Planner(shape(**(SMALL | values)), lengths, gpu(free) if on_gpu else cpu(free))


def test_a_known_model_has_its_known_number_of_parameters() -> None:
    assert shape().parameters == 8_030_261_248  # Llama-3.1-8B
    assert shape_of({"model_type": "llama"}) is None
    assert shape_of(LLAMA_8B | {"model_type": "mamba"}) is None


def test_weights_follow_quantisation_and_number_format() -> None:
    def weights(machine: Machine, **values: object) -> float:
        told = estimate(shape(), build(TrainSettings, values), SKEWED, machine)
        return next(part.bytes for part in told.parts if part.name == "weights") / 1e9

    assert weights(gpu(80), quantisation="none") == pytest.approx(16.06, abs=0.05)
    assert weights(cpu(32), quantisation="none") == pytest.approx(32.1, abs=0.1)
    assert weights(gpu(80)) == pytest.approx(5.7, abs=0.3)  # QLoRA: 4-bit layers, bf16 embeddings and head
    assert weights(gpu(80), quantisation="int8") == pytest.approx(9.1, abs=0.3)


def test_what_is_kept_of_the_best_test_is_counted_where_it_lies() -> None:
    def best(machine: Machine, **values: object) -> int:
        told = estimate(shape(), build(TrainSettings, values), SKEWED, machine)
        return next(part.bytes for part in told.parts if part.name == "best")

    numbers = trainable_parameters(TrainSettings().method, shape())
    assert best(cpu(64)) == 4 * numbers
    assert best(gpu(80)) == 0  # it lies in the computer's memory, not the card's
    assert best(cpu(64), evaluations=1) == best(cpu(64), held_back_share=0.0) == 0
    assert best(cpu(64), **{"method.rank": 64}) == 0  # too large to be kept without being asked for
    assert best(cpu(64), early_stopping=3, **{"method.rank": 64}) > 512 * 2**20


def test_each_setting_that_saves_memory_saves_it() -> None:
    asked = planner(16)
    plain = TrainSettings()
    for values in (
        {"batch_size": 4},
        {"gradient_checkpointing": "on"},
        {"max_tokens": 256},
        {"method.rank": 4},
        {"optimiser": "adamw_8bit"},
        {"method.target_modules": "attention"},
    ):
        assert asked.estimate(build(TrainSettings, values)).total < asked.estimate(plain).total, values
    few_long = planner(16, lengths_of([*range(40, 240), 900], 0.5, own=201))
    padded = build(TrainSettings, {"packing": False})
    assert few_long.estimate(padded).pack_tokens == 8 * 900
    assert few_long.estimate(padded).total > few_long.estimate(plain).total
    for values in ({"method.dropout": 0.1}, {"method.dora": True}):
        assert asked.estimate(build(TrainSettings, values)).total > asked.estimate(plain).total, values


def test_the_parts_are_shown_in_order_and_add_up() -> None:
    told = planner(16).estimate(TrainSettings())
    assert [part.name for part in told.parts] == [name for name in PARTS if name != "overhead"]
    assert sum(part.bytes for part in told.parts) == told.total


def test_a_dry_step_is_given_back_exactly_and_moves_other_settings_with_it() -> None:
    model, settings, machine = shape(**SMALL), TrainSettings(), cpu(16)
    plain = estimate(model, settings, SKEWED, machine)
    found = calibrated(model, settings, SKEWED, machine, 3000, 900 * 2**20, 2 * GB, 1 * GB)
    told = estimate(model, settings, SKEWED, machine, found)
    later = sum(part.bytes for part in told.parts if part.name in ("optimiser", "best"))  # not there in a dry step
    assert told.total == pytest.approx(2 * GB + later, rel=1e-6)
    assert told.measured
    assert told.pack_tokens == 3000
    assert told.high - told.low < plain.high - plain.low
    smaller = estimate(model, build(TrainSettings, {"batch_size": 4}), SKEWED, machine, found)
    assert not smaller.measured
    assert 1 * GB <= smaller.total < told.total


def test_int8_on_a_cpu_is_told_with_room_for_the_holes_that_its_later_steps_leave() -> None:
    model, settings = shape(**SMALL), build(TrainSettings, {"quantisation": "int8"})
    settled, peak = 900 * 2**20, 2 * GB

    def told(machine: Machine) -> float:
        found = calibrated(model, settings, SKEWED, machine, 3000, settled, peak, 0)
        parts = estimate(model, settings, SKEWED, machine, found).parts
        return sum(part.bytes for part in parts if part.name not in ("optimiser", "best"))

    assert told(cpu(16)) - settled == pytest.approx(HOLES_INT8 * (peak - settled), rel=1e-6)
    assert told(Machine(device="cuda:0", total_bytes=16 * GB, free_bytes=16 * GB)) == pytest.approx(peak, rel=1e-6)


def test_a_run_never_takes_less_than_loading_took() -> None:
    settings = TrainSettings()
    found = Calibration(settled_bytes=0, work=0.01, pack=1.0, least_bytes=5 * GB, settings=settings)
    assert estimate(shape(**SMALL), settings, SKEWED, cpu(16), found).total == 5 * GB


def test_make_it_fit_begins_with_what_costs_nothing_and_keeps_the_effective_batch() -> None:
    settings = build(TrainSettings, {"batch_size": 32, "accumulation": 2, "gradient_checkpointing": "off"})
    needed = planner(64).estimate(settings)
    fit = planner(0.6 * needed.high / GB).make_it_fit(settings)
    assert fit.fits
    assert [change.kind for change in fit.changes] == ["batch"]
    then = changed(settings, fit.sets)
    assert then.batch_size * then.accumulation == 64
    assert then.batch_size < 32
    change = fit.changes[0]
    assert needed.total - fit.estimate.total == change.gains_bytes > 0
    assert "same" in change.costs


def test_make_it_fit_goes_further_only_as_far_as_it_must() -> None:
    lengths = lengths_of([900] * 90 + [1000] * 10, 0.5, own=100)
    settings = build(TrainSettings, {"batch_size": 4, "gradient_checkpointing": "off"})
    kinds = []
    for free in (8.0, 1.2, 0.95, 0.85, 0.75, 0.7, 0.65):
        fit = planner(free, lengths).make_it_fit(settings)
        kinds.append([change.kind for change in fit.changes])
        if fit.fits:
            assert fit.estimate.high <= free * GB
            assert planner(free, lengths).fits(changed(settings, fit.sets))
    assert kinds[0] == []
    assert all(len(fewer) <= len(more) for fewer, more in itertools.pairwise(kinds))
    assert "checkpointing" in kinds[-1]


def test_automatic_computes_as_few_layers_twice_as_it_takes_to_fit_and_never_the_last() -> None:
    layers = 24
    automatic = TrainSettings()
    off, on = (build(TrainSettings, {"gradient_checkpointing": value}) for value in ("off", "on"))
    ample = planner(64, num_hidden_layers=layers)
    assert ample.estimate(automatic) == ample.estimate(off)
    assert (ample.estimate(off).recomputed, ample.estimate(on).recomputed) == (0, layers)
    counts = []
    for share in (0.95, 0.8, 0.7, 0.6):
        asked = planner(share * ample.estimate(off).high / GB, num_hidden_layers=layers)
        told = asked.estimate(automatic)
        assert told.high <= asked.machine.free_bytes
        less = estimate(asked.shape, automatic, SKEWED, asked.machine, recomputed=told.recomputed - 1)
        assert less.high > asked.machine.free_bytes
        counts.append(told.recomputed)
    assert counts == sorted(set(counts))
    assert 0 < counts[0] < counts[-1] < layers
    hopeless = planner(0.3, num_hidden_layers=layers).estimate(automatic)
    assert hopeless.recomputed == layers - 1
    assert hopeless.total < ample.estimate(on).total  # the last layer's input need not be kept beside it


@pytest.mark.parametrize(
    ("name", "values", "learning"),
    [
        ("layers", {"method.last_layers": 2}, 2),
        ("llama_adapter", {"method.layers_share": 0.25}, 6),
        ("lora", {"method.target_modules": "layers.21.self_attn.q_proj, layers.23.mlp.up_proj"}, 3),
    ],
)
def test_layers_below_all_that_learns_keep_nothing_and_are_never_computed_twice(
    name: str, values: dict[str, object], learning: int
) -> None:
    def told(layers: int, checkpointing: str, free: float = 64) -> Estimate:
        settings = build(
            TrainSettings, {**values_of(name), "gradient_checkpointing": checkpointing, "max_tokens": 900, **own}
        )
        return planner(free, num_hidden_layers=layers).estimate(settings)

    def activations(one: Estimate) -> int:
        return next(part.bytes for part in one.parts if part.name == "activations")

    own: dict[str, object] = values
    tall, off, on = told(24, "auto", free=0.5), told(24, "off"), told(24, "on")
    assert (off.recomputed, on.recomputed, tall.recomputed) == (0, learning, learning - 1)
    own = {"lora": {"method.target_modules": "q_proj, up_proj"}, "llama_adapter": {"method.layers_share": 1.0}}.get(
        name, values
    )
    assert activations(off) == activations(told(learning, "off"))
    assert activations(on) == activations(told(learning, "on"))


def test_a_way_of_tuning_that_cannot_compute_twice_never_does() -> None:
    prefix = TrainSettings(method=METHODS["prefix"].settings(), packing=False)
    assert planner(0.3).estimate(prefix).recomputed == 0
    assert planner(0.3, on_gpu=True).estimate(prefix).recomputed == 0


def test_a_dry_step_tells_how_many_layers_are_computed_twice_from_then_on() -> None:
    model, settings = shape(**(SMALL | {"num_hidden_layers": 24})), TrainSettings()
    tight = cpu(0.8 * estimate(model, settings, SKEWED, cpu(64)).high / GB)
    twice = estimate(model, settings, SKEWED, tight).recomputed
    told = {part.name: part.bytes for part in estimate(model, settings, SKEWED, tight).parts}
    settled = told["weights"] + told["adapter"] + told["runtime"]
    work = sum(told[name] for name in ("activations", "loss", "dequantisation", "gradients"))
    pack = estimate(model, settings, SKEWED, tight).pack_tokens
    leaner = calibrated(model, settings, SKEWED, tight, pack, settled, settled + work // 2, 0)
    assert leaner.recomputed == twice
    assert estimate(model, settings, SKEWED, tight, leaner).recomputed < twice
    greedier = calibrated(model, settings, SKEWED, tight, pack, settled, settled + work * 3 // 2, 0)
    assert estimate(model, settings, SKEWED, tight, greedier).recomputed > twice
    same = estimate(model, settings, SKEWED, tight, leaner, twice)
    assert same.measured
    assert not estimate(model, settings, SKEWED, tight, leaner, twice - 1).measured


def test_inputs_that_lie_in_main_memory_take_none_of_the_cards() -> None:
    card = planner(80, on_gpu=True, num_hidden_layers=24)
    on, offload = (
        card.estimate(build(TrainSettings, {"gradient_checkpointing": value})) for value in ("on", "offload")
    )
    assert on.total - offload.total == pytest.approx(22 * on.pack_tokens * 512 * 2, rel=1e-3)
    tight = planner(0.98 * on.high / GB, on_gpu=True, num_hidden_layers=24)
    settings = build(TrainSettings, {"batch_size": 1, "gradient_checkpointing": "on"})
    kinds = [change.sets for change in planner(0.5, on_gpu=True).make_it_fit(settings).changes]
    assert {"gradient_checkpointing": "offload"} in kinds
    assert tight.fits(build(TrainSettings, {"gradient_checkpointing": "offload"}))
    assert all("offload" not in str(change.sets) for change in planner(0.5).make_it_fit(settings).changes)


def test_using_the_memory_does_not_make_more_layers_compute_twice() -> None:
    ample = planner(64, num_hidden_layers=24)
    settings = build(TrainSettings, {"batch_size": 4, "accumulation": 4})
    asked = planner(1.05 * ample.estimate(settings).high / GB, num_hidden_layers=24)
    then = changed(settings, asked.use_memory(settings).sets)
    assert asked.estimate(then).recomputed == 0


def test_shorter_texts_are_said_to_leave_examples_out() -> None:
    lengths = lengths_of([100] * 90 + [8000] * 10, 0.5, own=100)
    settings = build(TrainSettings, {"batch_size": 1, "gradient_checkpointing": "on", "max_tokens": 8192})
    free = 0.6 * planner(64, lengths).estimate(settings).high / GB
    fit = planner(free, lengths).make_it_fit(settings)
    (change,) = [one for one in fit.changes if one.kind == "length"]
    assert change.sets["max_tokens"] < 8000
    assert "10 %" in change.costs


def test_what_cannot_fit_at_all_is_refused_with_the_nearest_way_out() -> None:
    settings = build(TrainSettings, {"batch_size": 256})
    assert refusal(planner(64), settings) is None
    problem = refusal(planner(1.5), settings)
    assert problem is not None
    assert problem.code == "memory.cannot_fit"
    assert "--batch-size" in problem.fix
    hopeless = refusal(Planner(shape(), SKEWED, cpu(2)), TrainSettings())
    assert hopeless is not None
    assert "smaller model" in hopeless.fix


@pytest.mark.parametrize(("batch", "accumulation"), [(511, 1), (102, 5), (8, 64)])
def test_no_proposal_gathers_more_examples_than_there_are(batch: int, accumulation: int) -> None:
    few = lengths_of([300] * 11, 0.5, own=11)
    settings = build(TrainSettings, {"batch_size": batch, "accumulation": accumulation, "gradient_checkpointing": "on"})
    needs = planner(64, few).estimate(changed(settings, {"batch_size": 1})).high
    tight, ample = planner(1.01 * needs / GB, few), planner(64, few)
    (change,) = [one for one in tight.make_it_fit(settings).changes if one.kind == "batch"]
    assert change.sets["batch_size"] * change.sets["accumulation"] == 11
    assert change.costs == "Each correction is made of all 11 examples: there are no more."
    for more in ample.use_memory(settings).changes:
        assert more.kind != "batch" or more.sets["batch_size"] * more.sets["accumulation"] <= 11


def test_using_the_memory_takes_the_largest_batch_and_no_more() -> None:
    settings = build(TrainSettings, {"batch_size": 2, "accumulation": 8, "gradient_checkpointing": "on"})
    more = planner(64).use_memory(settings)
    then = changed(settings, more.sets)
    assert then.gradient_checkpointing == "off"
    assert 16 <= then.batch_size * then.accumulation <= LARGEST_BATCH
    assert then.accumulation == 1
    assert more.fits
    tight = planner(planner(64).estimate(settings).high * 1.02 / GB)
    assert all(change.kind != "checkpointing" for change in tight.use_memory(settings).changes)


def test_every_way_of_tuning_has_its_count() -> None:
    for method in METHODS.values():
        assert planner(64).estimate(TrainSettings(method=method.settings())).total > 0
