"""The same prompts through the adapter and through what an export has written: does it behave there as it did here?

The adapter answers greedily; then the written model reads those very texts and is asked for the next token at every
place. Its greedy answer is the same as far as it names the same tokens, so one pass tells logits, answers and ends.
"""

import gc
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import msgspec
import psutil
import torch

from studio.contract.errors import StudioError
from studio.contract.events import Progress
from studio.contract.parity import GREEDY, Parity
from studio.contract.records import Message
from studio.data.dataset import open_dataset
from studio.engine import base_model, export_folder, gguf_lora, tokens
from studio.engine.base_model import Placement
from studio.engine.export_source import Source, Watch
from studio.engine.tokenizer import tokenise
from studio.engine.tokenizer_file import read_template
from studio.engine.weights_file import read_weights

PROMPTS = 8
LONGEST = 512
"""Tokens of a prompt that is tried."""
GENERAL = (
    "What can you do?",
    "Write one sentence about the sea.",
    "List three colours, one on a line.",
    "Who are you?\nAnswer in two words.",
    'Repeat exactly: "12 tables, 7.5 %"',
    "Why is the sky blue?",
    "Say hello to Zoë and José.",
    "2 + 2 =",
)
"""Asked where the run's own examples are gone."""
BYTES_A_NUMBER = 4
READ_ROOM, FOLDER_ROOM, GGUF_ROOM = 1.2, 1.7, 2.2
"""Times the model's size: what reading it again takes at its peak; of whole models with the file's own numbers beside
the model's (measured on 117 million numbers: 1.0 for an adapter, 1.1 to 1.5 for a merged folder, 1.5 for an F16
file, more where a file's numbers are as long as the model's)."""

PLACEMENT = Placement(device="cpu", quantisation="none", precision="fp32")
"""Where both are asked: everywhere the same sums."""


class Spoken(msgspec.Struct, frozen=True):
    """What the adapter said to one prompt: ids of both, and the logits at every place but the last."""

    text: str
    prompt: list[int]
    answer: list[int]
    logits: torch.Tensor


class Reread(msgspec.Struct, frozen=True):
    """What an export has written, read again.

    Attributes:
        load: Loads the model, in fp32.
        ids_of: The ids of a rendered prompt.
        template: The chat template.
        end_ids: Tokens that end an answer there.
        by: Who reads it, as the result says.
        lacks: What it does not hold itself: the base model's own is used, and said to be.
        room: Times the model's size that loading it takes at its peak.
    """

    load: Callable[[], Any]
    ids_of: Callable[[str], list[int]]
    template: str
    end_ids: frozenset[int]
    by: str = ""
    lacks: tuple[Literal["tokenizer", "template"], ...] = ()
    room: float = READ_ROOM


def compare(source: Source, base: Path, numbers: str, reread: Reread, watch: Watch) -> Parity:
    """Compare what was written with the adapter that it was made from.

    Args:
        source: The run.
        base: Its base model.
        numbers: Number format of what was written.
        reread: How it is read again.
        watch: Who is told, and who may end it.

    Raises:
        StudioError: The user stopped the export.
    """
    parameters = read_weights(base).parameters
    needed, free = int(parameters * BYTES_A_NUMBER * reread.room), psutil.virtual_memory().available
    if needed > free:
        skipped = f"that needs {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free"
        return Parity(numbers=numbers, skipped=skipped)
    tokenizer = tokens.load_tokenizer(base)
    texts = [rendered(tokenizer, (Message("user", question),)) for question in _questions(source, tokenizer)]
    spoken = adapter_says(source.adapter, base, tokenizer, texts, watch)
    watch.emit(Progress(stage="Reading what was written"))
    return against(spoken, numbers, tokenizer, reread, watch)


def against(spoken: Sequence[Spoken], numbers: str, tokenizer: Any, reread: Reread, watch: Watch) -> Parity:
    """Have what was written read the very texts that were spoken, and count where it agrees.

    Args:
        spoken: From `adapter_says` or `says`.
        numbers: Number format of what was written.
        tokenizer: Of the base model.
        reread: How it is read again.
        watch: Who is told, and who may end it.

    Raises:
        StudioError: The user stopped the export.
    """
    model = reread.load().eval()
    export_folder.require_going(watch.control)
    same_template = reread.template == str(tokenizer.get_chat_template())
    found = Parity(numbers=numbers, same_template=same_template, lacks=reread.lacks, read_by=reread.by)
    for number, one in enumerate(spoken, 1):
        watch.emit(Progress(stage="Comparing the answers", done=number, total=len(spoken), unit="rows"))
        export_folder.require_going(watch.control)
        found = _counted(found, one, model, reread, frozenset(tokenizer.end_ids))
    return found


def _questions(source: Source, tokenizer: Any) -> list[str]:
    """First questions of the run's own examples that are not too long, else general ones."""
    found: list[str] = []
    try:
        for record in islice(open_dataset(Path(source.work.dataset)).records(), 200):
            first = next((turn.content for turn in record.messages if turn.role == "user"), "")
            if first.strip() and first not in found and len(tokenizer(first).input_ids) < LONGEST // 2:
                found.append(first)
            if len(found) == PROMPTS // 2:
                break
    except (StudioError, OSError):
        pass  # the dataset may have been deleted since
    return [*found, *GENERAL][:PROMPTS]


def rendered(tokenizer: Any, talk: Sequence[Message]) -> str:
    """A conversation as the chat writes it, up to where the answer begins."""
    return str(tokenizer.chat.render(tokenizer.chat.fold(talk), generation_prompt=True))


def adapter_says(adapter: Path, base: Path, tokenizer: Any, texts: Sequence[str], watch: Watch) -> list[Spoken]:
    """What the base with an adapter beside it answers to each rendered prompt.

    Raises:
        StudioError: The user stopped the export.
    """
    watch.emit(Progress(stage="Asking the adapter"))
    model = base_model.load(base, PLACEMENT)
    base_model.load_adapter(model, adapter, "a")
    with base_model.using_adapter(model, "a") as answering:
        spoken = says(answering, tokenizer, texts, watch)
    model.__dict__.pop("studio_adapters", None)
    del model, answering
    gc.collect()
    return spoken


@torch.no_grad()
def says(model: Any, tokenizer: Any, texts: Sequence[str], watch: Watch) -> list[Spoken]:
    """What a model answers to each rendered prompt, greedily, with its logits.

    Raises:
        StudioError: The user stopped the export.
    """
    spoken = []
    for number, text in enumerate(texts, 1):
        watch.emit(Progress(stage="Asking the adapter", done=number, total=len(texts), unit="rows"))
        export_folder.require_going(watch.control)
        prompt = tokenise(tokenizer, text)[0]
        answer = _greedy(model, prompt, frozenset(tokenizer.end_ids))
        logits = model(input_ids=torch.tensor([prompt + answer])).logits[0, :-1].float()
        spoken.append(Spoken(text, prompt, answer, logits))
    return spoken


@torch.no_grad()
def _greedy(model: Any, prompt: Sequence[int], end_ids: frozenset[int]) -> list[int]:
    """The likeliest tokens one after the other, the end token included."""
    answer: list[int] = []
    new, cache = torch.tensor([list(prompt)]), None
    while len(answer) < GREEDY:
        told = model(input_ids=new, past_key_values=cache, use_cache=True)
        cache, token = told.past_key_values, int(told.logits[0, -1].argmax())
        answer.append(token)
        if token in end_ids:
            break
        new = torch.tensor([[token]])
    return answer


@torch.no_grad()
def _counted(found: Parity, one: Spoken, model: Any, reread: Reread, end_ids: frozenset[int]) -> Parity:
    """The counts with one more prompt."""
    said = model(input_ids=torch.tensor([one.prompt + one.answer])).logits[0, :-1].float()
    width = min(said.shape[-1], one.logits.shape[-1])
    theirs, ours = said[:, :width].argmax(-1), one.logits[:, :width].argmax(-1)
    answered = theirs[len(one.prompt) - 1 :].tolist()
    ended = one.answer[-1] in end_ids
    return msgspec.structs.replace(
        found,
        prompts=found.prompts + 1,
        same_ids=found.same_ids + (reread.ids_of(one.text) == one.prompt),
        places=found.places + len(theirs),
        same_top1=found.same_top1 + int((theirs == ours).sum()),
        difference=max(found.difference, float((said[:, :width] - one.logits[:, :width]).abs().max())),
        same_answers=found.same_answers + (answered == one.answer),
        ended=found.ended + ended,
        ended_alike=found.ended_alike + (ended and answered[-1] == one.answer[-1] and answered[-1] in reread.end_ids),
    )


def of_adapter(folder: Path, base: Path) -> Reread:
    """An adapter folder, put on its base model as the chat does it.

    Args:
        folder: In PEFT's layout, with the chat template that it is to be asked with.
        base: The model that it was trained on.
    """
    template = read_template(folder)
    beside = _of_base(base)
    return msgspec.structs.replace(
        beside,
        load=lambda: _with_adapter(base, folder),
        template=beside.template if template is None else template,
        by="by this program, which put them on the base model as its chat does",
        lacks=("tokenizer", "template") if template is None else ("tokenizer",),
    )


def _with_adapter(base: Path, folder: Path) -> Any:
    model = base_model.load(base, PLACEMENT)
    base_model.load_adapter(model, folder, "a")
    with base_model.using_adapter(model, "a") as answering:
        return answering


def of_gguf_adapter(path: Path, base: Path) -> Reread:
    """A GGUF file of low-rank matrices, put on the base model.

    Args:
        path: The file.
        base: The model that they were trained on, in safetensors.
    """
    return msgspec.structs.replace(
        _of_base(base),
        load=lambda: gguf_lora.put_on(base_model.load(base, PLACEMENT), path),
        by="by the package gguf and put on the base model by this program; llama.cpp itself was not asked",
        lacks=("tokenizer", "template"),
    )


def _of_base(base: Path) -> Reread:
    """What both forms of an adapter have from the base: how text becomes tokens, and where answers end."""
    tokenizer = tokens.load_tokenizer(base)
    return Reread(
        load=lambda: base_model.load(base, PLACEMENT),
        ids_of=lambda text: tokenise(tokenizer, text)[0],
        template=str(tokenizer.get_chat_template()),
        end_ids=frozenset(tokenizer.end_ids),
    )


def of_folder(folder: Path) -> Reread:
    """A merged model's folder, read as any program would read it."""
    from transformers import AutoModelForCausalLM, GenerationConfig

    tokenizer = tokens.load_tokenizer(folder)
    told = GenerationConfig.from_pretrained(str(folder)).eos_token_id
    return Reread(
        load=lambda: AutoModelForCausalLM.from_pretrained(
            str(folder), dtype=torch.float32, local_files_only=True, use_safetensors=True, attn_implementation="eager"
        ),
        ids_of=lambda text: list(tokenizer(text, add_special_tokens=False).input_ids),
        template=str(tokenizer.get_chat_template()),
        end_ids=frozenset(told if isinstance(told, list) else [told]),
        by="by transformers, as by any program that loads the folder",
        room=FOLDER_ROOM,
    )


def of_gguf(path: Path, config: Any, cuts: Any) -> Reread:
    """A GGUF file, read by transformers' own reader.

    Args:
        path: The file.
        config: The merged model's, as that reader does not know all that GGUF can say (stretched contexts, caps).
        cuts: The base's tokenizer where that reader does not know from the file how a text is cut into words (it knows
            some ways by name, and puts SentencePiece's spaces elsewhere), else None.
    """
    import gguf
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig
    from transformers import modeling_gguf_pytorch_utils as reader
    from transformers.utils import logging

    logging.disable_progress_bar()
    _silence(reader)
    if config.model_type == "mistral":  # written as Llama, which it is but for its window; the reader knows Llama alone
        told = {key: value for key, value in config.to_dict().items() if key not in ("model_type", "architectures")}
        config = LlamaConfig(**told)

    tokenizer = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name, local_files_only=True)
    if cuts is not None:
        told_by, reads = cuts.backend_tokenizer, tokenizer.backend_tokenizer
        reads.normalizer, reads.pre_tokenizer = told_by.normalizer, told_by.pre_tokenizer
    fields = gguf.GGUFReader(path).fields
    ends = (fields.get(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot"))
    begin = [int(fields["tokenizer.ggml.bos_token_id"].contents())] if told_to_begin(fields) else []
    return Reread(
        load=lambda: AutoModelForCausalLM.from_pretrained(
            str(path.parent),
            gguf_file=path.name,
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            attn_implementation="eager",
        ),
        ids_of=lambda text: _begun(list(tokenizer(text, add_special_tokens=False).input_ids), begin),
        template=str(fields["tokenizer.chat_template"].contents()),
        end_ids=frozenset(int(field.contents()) for field in ends if field is not None),
        by="by the GGUF reader of transformers; llama.cpp itself was not asked",
        room=GGUF_ROOM,
    )


def told_to_begin(fields: Mapping[str, Any]) -> bool:
    """Whether a GGUF file tells its readers to put the begin-of-text token before every prompt.

    Args:
        fields: Of `gguf.GGUFReader`.
    """
    told = fields.get("tokenizer.ggml.add_bos_token")
    return told is not None and bool(told.contents())


def _begun(ids: list[int], begin: list[int]) -> list[int]:
    """A prompt as llama.cpp begins it: with one begin-of-text token, also where the template wrote one itself."""
    return ids if ids[:1] == begin else [*begin, *ids]


def _silence(reader: Any) -> None:
    """The reader draws bars among our own, and a thread that watches them would stay."""
    bars = reader.tqdm
    if not isinstance(bars, partial):
        bars.monitor_interval = 0
        reader.tqdm = partial(bars, disable=True)
