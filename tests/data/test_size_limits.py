"""What a model's sizes forbid is known from config.json alone, and what is proposed instead is allowed."""

from typing import Any

import msgspec
import pytest

from studio.contract.compatibility import REFUSED, Refused
from studio.contract.fields import build
from studio.contract.memory_fit import changed
from studio.contract.method_choice import values_of
from studio.contract.methods import METHODS
from studio.contract.model_shape import shape_of
from studio.contract.settings import TrainSettings
from studio.contract.size_limits import Sizes, sizes_of, unfitting
from studio.contract.together import check_together
from studio.contract.trainable import adapted, trainable_parameters

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 300,
    "max_position_embeddings": 128,
}


ORIGINAL = "original_max_position_embeddings"
LONG = {"rope_type": "longrope", "short_factor": [1.0] * 8, "long_factor": [4.0] * 8}


@pytest.mark.parametrize(
    ("config", "most"),
    [
        ({"model_type": "phi3", ORIGINAL: 48, "rope_scaling": LONG}, 48),
        ({"rope_parameters": {**LONG, ORIGINAL: 48}}, 48),
        ({"rope_parameters": {"full_attention": {**LONG, ORIGINAL: 48}, "sliding_attention": {}}}, 48),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, 128),
    ],
)
def test_rows_that_would_change_how_others_are_read_are_refused(config: dict[str, Any], most: int) -> None:
    shape = shape_of(CONFIG | config)
    assert shape is not None
    settings = settings_of("lora")
    (problem,) = unfitting(settings, sizes_of(shape), longest=most + 1)
    assert (problem.code, problem.where) == ("train.longer_than_original", "max_tokens")
    assert problem.sets == {"max_tokens": most}
    assert f"at most {most}." in problem.what
    assert not list(unfitting(settings, sizes_of(shape), longest=most))
    assert not list(unfitting(settings, sizes_of(shape), likely=200))  # a guess refuses nothing
    tuned = settings_of("prompt", method__virtual_tokens=20)
    less = [one for one in unfitting(tuned, sizes_of(shape), longest=most - 10) if one.where == "max_tokens"]
    assert [one.sets for one in less] == [{"max_tokens": most - 20}]


def sizes() -> Sizes:
    shape = shape_of(CONFIG)
    assert shape is not None
    return sizes_of(shape)


def settings_of(method: str, **values: Any) -> TrainSettings:
    chosen = {path.replace("__", "."): value for path, value in values.items()}
    return build(TrainSettings, chosen, build(TrainSettings, values_of(method)))


CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("lora", {"method__rank": 33}, {"method.rank": 32}),
    ("lora", {"method__rank": 65, "method__target_modules": "q_proj"}, {"method.rank": 64}),
    ("adalora", {"method__initial_rank": 64, "method__target_rank": 48},
     {"method.initial_rank": 32, "method.target_rank": 32}),
    ("oft", {"method__block_size": 5}, {"method.block_size": 4}),
    ("lora", {"method__target_modules": "q_prj, v_proj"}, {"method.target_modules": "q_proj, v_proj"}),
    ("lora", {"method__target_modules": "dense_of_another"}, {"method.target_modules": "all-linear"}),
    ("bottleneck", {"method__width": 65}, {"method.width": 64}),
    ("layers", {"method__last_layers": 3}, {"method.last_layers": 2}),
    ("prompt", {"method__virtual_tokens": 4000}, {"method.virtual_tokens": 98}),
    ("prompt", {"method__virtual_tokens": 99}, {"method.virtual_tokens": 98}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "values", "sets"), CASES)
def test_what_does_not_fit_is_refused_with_the_nearest_that_does(
    method: str, values: dict[str, Any], sets: dict[str, Any]
) -> None:
    settings = settings_of(method, **values)
    (problem,) = unfitting(settings, sizes(), longest=30)
    assert problem.sets == sets
    assert problem.where in sets
    assert problem.why
    assert problem.fix
    assert not list(unfitting(changed(settings, problem.sets), sizes(), longest=30))
    build(TrainSettings, dict(sets), settings)  # within the setting's own limits


@pytest.mark.parametrize(
    ("beginning", "tied", "is_refused"),
    [
        *(("pissa", True, True), ("olora", True, True), ("loftq", True, True), ("loftq", False, True)),
        *(("pissa", False, False), ("olora", False, False), ("eva", True, False), ("standard", True, False)),
    ],
)
def test_a_beginning_that_the_output_layer_cannot_have_is_refused(beginning: str, tied: bool, is_refused: bool) -> None:
    shape = shape_of(CONFIG | {"tie_word_embeddings": tied})
    assert shape is not None
    settings = settings_of("qlora", method__initialisation=beginning, method__target_modules="q_proj, lm_head")
    found = list(unfitting(settings, sizes_of(shape), longest=30))
    assert [one.where for one in found] == ["method.initialisation"] * is_refused
    for problem in found:
        assert not list(unfitting(changed(settings, problem.sets), sizes_of(shape), longest=30))
    others = changed(settings, {"method.target_modules": "all-linear"})
    assert not list(unfitting(others, sizes_of(shape), longest=30))


def test_all_names_that_are_missing_are_told() -> None:
    (problem,) = unfitting(settings_of("lora", method__target_modules="q_prj, v_proj, foo"), sizes())
    assert problem.what == "The model has no layers named 'q_prj' and 'foo'."
    (problem,) = unfitting(settings_of("lora", method__target_modules="q_prj"), sizes())
    assert problem.what == "The model has no layer named 'q_prj'."


def test_all_linear_stands_alone() -> None:
    (problem,) = unfitting(settings_of("lora", method__target_modules="all-linear, q_proj"), sizes())
    assert "all-linear stands alone" in problem.what
    assert problem.sets == {"method.target_modules": "all-linear"}
    assert "all-linear" in problem.fix


def test_a_layer_that_is_missing_hides_no_size_that_is_too_large() -> None:
    settings = settings_of("lora", method__rank=1000, method__target_modules="dense_of_another")
    absent, large = unfitting(settings, sizes(), longest=30)
    assert (absent.where, large.where) == ("method.target_modules", "method.rank")
    assert not list(unfitting(changed(settings, {**absent.sets, **large.sets}), sizes(), longest=30))


def test_what_fits_is_not_refused() -> None:
    for method in METHODS:
        assert not list(unfitting(settings_of(method), sizes(), longest=30)), method
    assert not list(unfitting(settings_of("vera", method__rank=512), sizes()))  # its matrices are shared
    assert not list(unfitting(settings_of("lora", method__rank=1000), sizes(), goes_on=True))  # an adapter's own size


def test_learned_tokens_are_measured_by_the_longest_text_that_is_known() -> None:
    settings = settings_of("prompt", method__virtual_tokens=120)
    assert not list(unfitting(settings, sizes()))  # nothing is known of the examples
    assert not list(unfitting(settings, sizes(), likely=30))  # a guess refuses nothing that may work
    assert list(unfitting(settings, sizes(), longest=30))
    (problem,) = unfitting(settings_of("prompt", method__virtual_tokens=128), sizes(), likely=30)
    assert problem.sets == {"method.virtual_tokens": 98}
    assert "any text" in problem.what
    assert "about 98" in problem.fix


def test_texts_that_fill_the_context_are_to_be_shorter() -> None:
    settings = settings_of("prompt")
    (problem,) = unfitting(settings, sizes(), longest=128)
    assert problem.sets == {"max_tokens": 108}
    assert "shorter" in problem.fix


def test_widths_without_a_common_divisor_are_told_as_such() -> None:
    odd = msgspec.structs.replace(sizes(), linears={"a": (33, 5), "b": (64, 5)})
    (problem,) = unfitting(settings_of("oft"), odd)
    assert problem.sets == {}
    assert "LoRA" in problem.fix


def test_a_layer_named_in_full_counts_as_that_layer() -> None:
    named = settings_of("lora", method__target_modules="layers.1.self_attn.q_proj", method__rank=64)
    assert not list(unfitting(named, sizes()))
    shape = shape_of(CONFIG)
    assert shape is not None
    assert [one.name for one in adapted("self_attn.q_proj, mlp.up_proj", shape)] == ["q_proj", "up_proj"]
    assert not adapted("nothing_there", shape)
    assert trainable_parameters(settings_of("lora", method__target_modules="attention").method, shape) > 0


@pytest.mark.parametrize("row", [row for row in REFUSED if row.sets], ids=lambda row: row.code)
def test_one_click_puts_right_what_does_not_go_together(row: Refused) -> None:
    for method in row.methods:
        values = {row.path: row.values[0] if not row.allowed else "none"}
        if row.only:
            values[f"method.{row.only[0]}"] = row.only[1][0]
        settings = build(TrainSettings, values, build(TrainSettings, values_of(method)))
        problem = next(one for one in check_together(settings, False) if one.code == row.code)
        assert row.code not in [one.code for one in check_together(changed(settings, problem.sets), False)]


@pytest.mark.parametrize(
    "values",
    [
        {"optimiser": "paged_adamw_8bit"},
        {"optimiser": "schedule_free", "schedule": "cosine"},
        {"method": "full", "learning_rate": 0.09, "quantisation": "none"},
        {"method": "adalora", "method.initial_rank": 4, "method.target_rank": 8},
        {"early_stopping": 3, "evaluations": 0},
    ],
)
def test_one_click_puts_right_what_settings_ask_of_each_other(values: dict[str, Any]) -> None:
    settings = build(TrainSettings, values)
    (problem,) = check_together(settings, False)
    assert not check_together(changed(settings, problem.sets), False)
    build(TrainSettings, dict(problem.sets), settings)
