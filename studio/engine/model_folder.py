"""Look at a model folder from strangers: what it is, and every problem found, before transformers reads any of it.

Imports neither torch nor transformers. What is allowed is listed (architectures, classes, kinds of weights); what
names code is refused, whether or not a library would run it (CVE-2026-4372, CVE-2026-5241 bypassed its flag).
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from studio.contract.architectures import ARCHITECTURES, COUNTS, expected_shapes
from studio.contract.errors import Problem, StudioError
from studio.contract.events import ModelChecked
from studio.contract.run_folder import STARTER_NAME, starter_folder
from studio.data.licence import licence
from studio.data.model_library import is_our_copy, name_of_copy
from studio.data.model_search import current_snapshot
from studio.data.own_files import is_own, strangers
from studio.engine import config_keys, config_values, gguf_header
from studio.engine.model_faults import broken_file, implausible, unsafe_field
from studio.engine.model_files import USED
from studio.engine.tokenizer_file import tokenizer_problems
from studio.engine.weights_file import WHOLE, Damaged, Weights, inside, read_json, read_weights

LARGEST_CONFIG = 1_000_000
UNSAFE = (
    "auto_map",
    "trust_remote_code",
    "_attn_implementation_internal",
    "_experts_implementation_internal",
    "kernel",
)
"""Config keys that name code, at any depth."""
KNOWN_PRIVATE = frozenset(
    {
        "_name_or_path",
        "_commit_hash",
        "_sliding_window_pattern",
        "_attn_implementation_autoset",
        "_flash_attn_2_enabled",
    }
)
ATTENTION = frozenset({None, "eager", "sdpa", "flash_attention_2"})
SEVERAL_KINDS = ("vision_config", "audio_config", "text_config", "image_token_id", "image_token_index")


def check(path: Path) -> ModelChecked:
    """What a model folder holds. Never raises for what is in it: everything wrong is in `problems`.

    Args:
        path: A folder with config.json, tokenizer and safetensors weights, as model makers publish it.
    """
    path = Path(path)
    config, problems = _read_config(path)
    if config is None:
        return _checked(path, {}, Weights({}, 0, ()), problems, [])
    problems += _config_problems(config)
    weights = read_weights(path)
    problems += weights.problems
    if not problems:
        problems += _shape_problems(config, weights)
    template, more = tokenizer_problems(path, config)
    problems += more
    return _checked(path, config, weights, problems, _warnings(path, config), template)


def first_look(path: Path) -> Problem | None:
    """The first problem that config.json, the files' names and the headers of the weights tell, in a moment."""
    config, problems = _read_config(path)
    problems += _config_problems(config) if config is not None else []
    if not problems:
        problems += read_weights(path).problems
    if not problems and not (path / "tokenizer.json").exists():
        problems += tokenizer_problems(path, config or {})[1]
    return next(iter(problems), None)


def require_supported(path: Path) -> None:
    """Look at config.json alone, before the weights are there.

    Raises:
        StudioError: There is none, or it tells of a model that cannot be trained here.
    """
    config, problems = _read_config(path)
    problems = problems or _config_problems(config or {})
    if problems:
        raise StudioError.of(problems[0])


def require_usable(path: Path) -> ModelChecked:
    """Like `check`, for those who want to go on.

    Raises:
        StudioError: The first problem of the folder.
    """
    checked = check(path)
    if checked.problems:
        raise StudioError.of(checked.problems[0])
    return checked


def _checked(
    path: Path,
    config: Mapping[str, object],
    weights: Weights,
    problems: list[Problem],
    warnings: list[Problem],
    has_template: bool = False,
) -> ModelChecked:
    def count(key: str) -> int:
        told = config.get(key)
        return told if isinstance(told, int) and told > 0 else 0

    kind = config.get("model_type")
    return ModelChecked(
        path=str(path),
        name=model_name(path),
        architecture=_architecture(config),
        model_type=kind if isinstance(kind, str) else "",
        parameters=weights.parameters,
        file_bytes=weights.file_bytes,
        context=count("max_position_embeddings"),
        vocabulary=count("vocab_size"),
        licence=licence(path),
        has_template=has_template,
        usable=not problems,
        problems=tuple(problems),
        warnings=tuple(warnings),
        general=_beside(path, "general.jsonl"),
        probes=_beside(path, "probes.jsonl"),
        copied=is_our_copy(path),
    )


def model_name(path: Path) -> str:
    """A name to show: the folder's, or "maker/model" for a folder of the Hugging Face cache and a copy of one.

    An older snapshot of that cache is told by its revision, too.
    """
    if path == starter_folder():
        return STARTER_NAME
    if is_our_copy(path) and (noted := name_of_copy(path)):
        return noted
    cached = re.fullmatch(r"models--(.+?)--(.+)", path.parent.parent.name)
    if path.parent.name == "snapshots" and cached:
        current = current_snapshot(path.parent.parent)
        revision = f"@{path.name[:7]}" if current is not None and current.name != path.name else ""
        return f"{cached[1]}/{cached[2]}{revision}"
    return path.name or path.resolve().name


def _beside(path: Path, name: str) -> str:
    return str(path / name) if is_own(path / name) else ""


# --- config.json --------------------------------------------------------------------------------------------


def _read_config(path: Path) -> tuple[dict[str, object] | None, list[Problem]]:
    ggufs = sorted(path.glob("*.gguf")) if path.is_dir() else []
    if path.suffix.lower() == ".gguf" or (ggufs and not (path / "config.json").exists()):
        return None, [_gguf_problem(ggufs[0] if ggufs else path)]
    if not path.is_dir():
        return None, [
            Problem(
                code="model.no_folder",
                where=str(path),
                what="There is no model folder here.",
                fix="Choose the folder that holds the model's config.json.",
            )
        ]
    if (path / "adapter_config.json").exists():
        return None, [
            Problem(
                code="model.is_adapter",
                where=path.name,
                what="This folder holds an adapter, not a base model.",
                why="It has an adapter_config.json.",
                fix="Choose the base model here, and the adapter on the Chat page.",
            )
        ]
    if not (path / "config.json").exists():
        return None, [
            Problem(
                code="model.no_config",
                where="config.json",
                what="The folder is no model folder: config.json is missing.",
                why="Without it the model's architecture is not known.",
                fix="Choose the folder that holds config.json, or get the model's files again.",
            )
        ]
    try:
        return read_json(inside(path, "config.json"), LARGEST_CONFIG), []
    except Damaged as damage:
        return None, [damage.problem]


def _gguf_problem(path: Path) -> Problem:
    try:
        if path.is_file():
            gguf_header.read_header(path)
    except Damaged as damage:
        return damage.problem
    except OSError as error:
        return broken_file(path.name, error.strerror or str(error))
    return Problem(
        code="model.gguf",
        where=path.name,
        what="A GGUF file cannot be trained: it is an export format only.",
        why="GGUF is a format to run finished models with; its weights are rounded for that.",
        fix="Choose the original model folder with config.json and safetensors files.",
    )


def _config_problems(config: Mapping[str, object]) -> list[Problem]:
    unsafe = next(_unsafe_keys(config), None)
    if unsafe is not None:
        return [unsafe_field("config.json", unsafe)]
    kind = config.get("model_type")
    architecture = _architecture(config)
    if any(config.get(key) is not None for key in SEVERAL_KINDS):
        return [_refused(kind, architecture, "It reads more than text (images or sound).")]
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        return [_refused(kind, architecture, f"Supported and tested are {', '.join(ARCHITECTURES)}.")]
    if config.get("architectures") is not None and architecture != ARCHITECTURES[kind]:
        return [_refused(kind, architecture, f"Of this kind only {ARCHITECTURES[kind]} is supported.")]
    layers = config.get("layer_types")
    if isinstance(layers, list) and not {"full_attention", "sliding_attention"}.issuperset(map(str, layers)):
        return [_refused(kind, architecture, "It mixes attention with layers of other kinds (hybrid).")]
    if config.get("quantization_config") is not None:
        return [
            Problem(
                code="model.quantised",
                where="config.json, quantization_config",
                what="The model is already quantised.",
                why="4-bit training starts from the original weights and rounds them itself.",
                fix="Choose the original model.",
            )
        ]
    for key, most in COUNTS.items():
        value = config.get(key)
        if type(value) is not int or not 0 < value <= most:
            return [implausible(f"config.json, {key}", value)]
    for key in ("num_key_value_heads", "head_dim", "max_position_embeddings"):
        value = config.get(key)
        if value is not None and (type(value) is not int or not 0 < value < 2**31):
            return [implausible(f"config.json, {key}", value)]
    wrong = next(config_values.wrong(config), None)
    return [implausible(f"config.json, {wrong[0]}", wrong[1])] if wrong else []


def _unsafe_keys(value: object, path: str = "") -> Iterator[str]:
    """Keys that name code, at any depth."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            here = f"{path}.{key}" if path else str(key)
            private = str(key).startswith("_") and key not in KNOWN_PRIVATE
            if key in ("_attn_implementation", "attn_implementation"):
                if not (inner is None or isinstance(inner, str)) or inner not in ATTENTION:
                    yield here
            elif private or any(word in str(key) for word in UNSAFE):
                yield here
            yield from _unsafe_keys(inner, here)
    elif isinstance(value, list):
        for inner in value:
            yield from _unsafe_keys(inner, path)


def _architecture(config: Mapping[str, object]) -> str:
    told = config.get("architectures")
    return (
        str(told[0])[:100] if isinstance(told, list) and told else ARCHITECTURES.get(str(config.get("model_type")), "")
    )


def _short(key: str) -> str:
    return key if len(key) <= 60 else f"{key[:60]}…"


def _refused(kind: object, architecture: str, why: str) -> Problem:
    return Problem(
        code="model.unsupported",
        where="config.json, model_type",
        what=f"Models of the kind {str(kind)[:100]!r} ({architecture or 'no class named'}) are not supported yet.",
        why=why,
        fix="Choose a text model of a supported architecture.",
    )


def _shape_problems(config: Mapping[str, object], weights: Weights) -> list[Problem]:
    expected = expected_shapes(config)
    bare = not any(name.startswith(("model.", "lm_head.")) for name in weights.tensors)
    found = {f"model.{name}" if bare else name: tensor for name, tensor in weights.tensors.items()}
    for name, shape in expected.items():
        if name not in found:
            return [_wrong(name, "is missing", "The files are not complete, or of another model.")]
        if found[name].shape != shape:
            told, wanted = list(found[name].shape), list(shape)
            return [_wrong(name, "has the wrong shape", f"It is {told}; config.json asks for {wanted}.", "shape")]
        if found[name].dtype not in WHOLE:
            return [_wrong(name, f"is stored as {found[name].dtype}", "The model is already quantised.", "quantised")]
    for name in found:
        if name not in expected and not name.endswith("rotary_emb.inv_freq") and name != "lm_head.weight":
            return [_wrong(name, "has no place in this architecture", "The config is of another model.")]
    return []


def _wrong(name: str, what: str, why: str, kind: str = "weights_incomplete") -> Problem:
    code = {"shape": "model.shape_mismatch", "quantised": "model.quantised"}.get(kind, f"model.{kind}")
    return Problem(
        code=code,
        where=name[:200],
        what=f"The tensor {name[:200]} {what}.",
        why=why,
        fix="Get the model's files again.",
    )


def _warnings(path: Path, config: Mapping[str, object]) -> list[Problem]:
    unknown = config_keys.left_out(config) if str(config.get("model_type")) in ARCHITECTURES else []
    code = sorted(file.name for file in path.glob("*.py"))
    warnings = []
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        warnings.append(
            Problem(
                code="model.keys_left_out",
                where="config.json",
                what=f"Keys that this version does not know are left out: {', '.join(map(_short, unknown[:5]))}{more}.",
                why="Only keys that are known for this architecture are handed to the library that builds the model.",
                fix="Nothing to do, unless the model answers nonsense: it may be made for a newer version.",
            )
        )
    elsewhere = strangers(path, USED)
    if elsewhere:
        more = f" and {len(elsewhere) - 5} more" if len(elsewhere) > 5 else ""
        warnings.append(
            Problem(
                code="model.leads_elsewhere",
                where=elsewhere[0][:100],
                what=f"Left out, for they are no plain files of this folder: {', '.join(map(_short, elsewhere[:5]))}"
                f"{more}.",
                why="A link may lead to any file of this computer, which would be copied and passed on with the model.",
                fix="Put the files themselves there, if they belong to the model.",
            )
        )
    if code:
        warnings.append(
            Problem(
                code="model.has_code",
                where=code[0],
                what="The folder holds Python files; they are never run.",
                fix="Nothing to do.",
            )
        )
    if not licence(path):
        warnings.append(
            Problem(
                code="model.no_licence",
                where=path.name,
                what="The folder does not say under which licence the model may be used.",
                fix="Look it up where you got the model before you pass on what you make with it.",
            )
        )
    return warnings
