"""llama.cpp itself reads what is exported, and rounds to its own formats: where its Python package is installed.

It is no library of the program's, so these tests run where someone has installed it (`llama-cpp-python`); without it
they show that a K-quant is refused in words.
"""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.contract.errors import StudioError
from studio.contract.exports import EXPORTS, K_QUANTS
from studio.contract.run_folder import starter_folder
from studio.engine import device, k_quants, parity
from studio.engine.export_source import Watch, Wish
from studio.engine.exports import gguf, lm_studio, merged, ollama
from studio.engine.tokens import load_tokenizer
from tests.engine.exported_run import QUESTIONS, learned_run, said_with_adapter
from tests.engine.gguf_reader import the_file
from tests.engine.test_ollama_system import TALKS, TEMPLATES, as_learned, ids, template_of, with_begin
from tests.faults.numbers import talks
from tests.faults.taught_models import taught_run
from tests.helpers.go_text import as_ollama
from tests.helpers.tiny_models import ARCHITECTURES, tiny_model
from tests.helpers.tiny_tokenizers import sentencepiece

with_llama_cpp = pytest.mark.skipif(
    importlib.util.find_spec(k_quants.PACKAGE) is None, reason="llama-cpp-python is not installed"
)


def test_every_k_quant_is_a_number_format_of_the_whole_models_in_gguf() -> None:
    assert set(K_QUANTS) == set(k_quants.FILE_TYPES)
    for form in ("gguf", "ollama", "lm_studio"):
        assert set(K_QUANTS) < set(EXPORTS[form].numbers)


@pytest.mark.parametrize("form", [gguf, ollama, lm_studio])
def test_without_llama_cpp_a_k_quant_is_refused_before_anything_is_written(
    form: Any, llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(k_quants, "are_there", lambda: False)
    run = learned_run(tmp_path, llama)
    with pytest.raises(StudioError) as caught:
        form.write(run.path, tmp_path / "out", Wish(numbers="q4_k_m"))
    assert caught.value.problem.code == "export.no_k_quants"
    assert "llama-cpp-python" in caught.value.problem.why
    assert not (tmp_path / "out").exists()


def test_the_look_at_this_computer_says_whether_it_is_there() -> None:
    assert device.report().k_quants is k_quants.are_there()


@with_llama_cpp
@pytest.mark.parametrize("numbers", K_QUANTS)
def test_a_k_quant_of_the_starter_is_read_back_near_to_the_adapter(numbers: str, tmp_path: Path) -> None:
    run = learned_run(tmp_path, starter_folder())
    made = gguf.write(run.path, tmp_path / "out-F16", Wish(numbers=numbers))
    assert the_file(Path(made.path)).name == f"out-F16-{numbers.upper()}.gguf"
    assert made.parity is not None
    assert made.parity.holds, made.parity
    eight = gguf.write(run.path, tmp_path / "q8", Wish(numbers="q8_0", check=False))
    assert made.total_bytes < eight.total_bytes


@with_llama_cpp
def test_what_llama_cpp_cannot_round_leaves_nothing_behind(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = learned_run(tmp_path, llama)
    monkeypatch.setitem(k_quants.FILE_TYPES, "q4_k_m", "LLAMA_FTYPE_GUESSED")
    with pytest.raises(StudioError) as caught:
        gguf.write(run.path, tmp_path / "out", Wish(numbers="q4_k_m"))
    assert caught.value.problem.code == "export.k_quants_failed"
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name or "export" in path.name] == []


@with_llama_cpp
@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["starter", *ARCHITECTURES])
def test_llama_cpp_answers_as_the_merged_model_does(architecture: str, tmp_path: Path) -> None:
    """The same greedy answers everywhere, also where llama.cpp rounds what goes into a layer to F16, too."""
    from transformers import AutoModelForCausalLM

    model, run = taught_run(tmp_path, architecture)
    tokenizer = load_tokenizer(model)
    asked = [talk for talk in talks(40) if "\u0301" not in talk[-1].content]  # llama.cpp composes no letters (NFC)
    texts = [parity.rendered(tokenizer, talk) for talk in asked]
    for numbers, most in (("f32", 5e-3), ("f16", 0.1)):
        folder = merged.write(run.path, tmp_path / f"merged-{numbers}", Wish(numbers=numbers, check=False)).path
        ours = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        spoken = parity.says(ours, tokenizer, texts, Watch())
        made = Path(gguf.write(run.path, tmp_path / f"gguf-{numbers}", Wish(numbers=numbers, check=False)).path)
        theirs = opened(the_file(made))
        assert theirs.token_eos() == tokenizer.end_ids[0]
        assert theirs.metadata["tokenizer.chat_template"] == tokenizer.get_chat_template()
        same, difference = 0, 0.0
        for one in spoken:
            assert theirs.tokenize(one.text.encode(), add_bos=False, special=True) == one.prompt
            theirs.reset()
            theirs.eval(one.prompt + one.answer)
            scores = theirs.scores[: len(one.logits)]
            difference = max(difference, float(np.abs(scores - one.logits.numpy()[:, : scores.shape[1]]).max()))
            same += scores[len(one.prompt) - 1 :].argmax(-1).tolist() == one.answer
        assert same == len(spoken), (numbers, same, difference)
        assert difference <= most


@with_llama_cpp
@pytest.mark.parametrize("scheme", ["first", "always", "never", ""])
def test_llama_cpp_puts_sentencepieces_spaces_where_the_tokenizer_does(scheme: str, tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model", "mistral", sentencepiece(tmp_path / "tokenizer", True, scheme))
    exported = gguf.write(learned_run(tmp_path, model).path, tmp_path / "out")
    assert exported.parity is not None
    assert exported.parity.same_ids == exported.parity.prompts
    ours, theirs = load_tokenizer(model), opened(the_file(Path(exported.path)))
    for talk in talks(12):
        text = parity.rendered(ours, talk)
        ids = ours(text, add_special_tokens=False).input_ids
        assert theirs.tokenize(text.encode(), add_bos=False, special=True) == ids


@with_llama_cpp
@pytest.mark.parametrize("architecture", ["llama", "qwen3"])
@pytest.mark.parametrize("also", [{}, {"attention_factor": 1.7}, {"mscale": 0.7, "mscale_all_dim": 1.3}])
def test_llama_cpp_stretches_by_yarn_as_the_adapter_learned(
    also: dict[str, float], architecture: str, tmp_path: Path
) -> None:
    model = tiny_model(tmp_path / "model", architecture)
    told = json.loads((model / "config.json").read_text())
    rope = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 128}
    (model / "config.json").write_text(json.dumps(told | {"rope_parameters": rope | also}))
    run = learned_run(tmp_path, model)
    theirs = opened(the_file(Path(gguf.write(run.path, tmp_path / "out", Wish(numbers="f32", check=False)).path)))
    theirs.eval(QUESTIONS[0].tolist())
    scores = said_with_adapter(model, run.adapter)[0].numpy()
    assert np.abs(theirs.scores[: len(scores)] - scores).max() < 1e-3


@with_llama_cpp
@pytest.mark.parametrize("name", ["gemma", "system", "none of its own"])
def test_ollamas_text_becomes_the_tokens_that_were_learned(name: str, tmp_path: Path) -> None:
    tokenizer = with_begin(tmp_path / "tokenizer", TEMPLATES[name])
    model = tiny_model(tmp_path / "model", "gemma2", tmp_path / "tokenizer")
    made = Path(ollama.write(learned_run(tmp_path, model).path, tmp_path / "out", Wish(check=False)).path)
    theirs = opened(the_file(made))
    for talk in TALKS.values():
        written = as_ollama(template_of((made / "Modelfile").read_text(encoding="utf-8")), talk)
        assert theirs.tokenize(written.encode(), add_bos=True, special=True) == ids(
            tokenizer, as_learned(tokenizer, talk)
        )


def opened(file: Path) -> Any:
    """A model in llama.cpp, on one thread, with exact caches."""
    from llama_cpp import Llama  # type: ignore[import-not-found, unused-ignore]

    exact = {"type_k": 0, "type_v": 0, "flash_attn": False, "n_gpu_layers": 0}
    return Llama(str(file), n_ctx=512, n_threads=1, n_threads_batch=1, logits_all=True, verbose=False, **exact)
