"""One engine of `bench training` at work, in a process of its own: `_training_engine.py ORDER RESULT`, both JSON files.

ours        the recipe of the product, studio.engine.train.train; only rows and their order are given
stock       TRL's SFTTrainer as it is, with fp32 and without checkpointing, as ours has it on a CPU
compacted   the same, scoring only what is learned, as it does by itself on a GPU
varlen      compacted, rows in one line without padding, each attended to alone
hf          transformers' Trainer
trl         on a GPU: TRL's defaults; trl_best: its best flags (no padding; flash attention, Liger's kernels if there)
unsloth     on a GPU, where it is installed
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT)]

from _training_marks import Order, Watch  # noqa: E402
from _training_profile import Profile  # noqa: E402
from _training_work import RANK, RATE, Work, read_work  # noqa: E402

ALPHA, SEED = 2.0 * RANK, 42


# --- ours ------------------------------------------------------------------------------------------------------------


def run_ours(order: Order, work: Work, watch: Watch) -> None:
    """The product's own recipe on the given rows in the given order."""
    import numpy as np

    from studio.contract import events
    from studio.contract.control import Going
    from studio.contract.fields import build
    from studio.contract.job import TrainJob
    from studio.contract.records import Record
    from studio.contract.run_folder import RunFolder
    from studio.contract.settings import TrainSettings
    from studio.engine import batches, examples, train

    values: dict[str, Any] = {"max_steps": order.steps, "batch_size": work.batch, "learning_rate": RATE, "seed": SEED}
    values |= {"schedule": "constant", "warmup_share": 0.0, "evaluations": int(order.test), "replay_share": 0.0}
    values |= {"method.rank": RANK, "method.alpha": ALPHA, "method.target_modules": "all-linear", "max_tokens": 16_384}
    values |= {"quantisation": order.quantisation, "device": "cpu" if order.device == "cpu" else "cuda:0"}
    values |= {"save_every_minutes": 0.0}
    job = TrainJob(
        name="bench",
        model=str(Path(order.folder) / "model"),
        model_name="bench",
        dataset="",
        dataset_name="bench",
        settings=build(TrainSettings, values),
    )
    steps = [work.step(number) for number in range(1, order.steps + 1)]
    rows = batches.Rows((ids.tolist(), labels.tolist()) for ids, labels in map(work.row, range(steps[-1].stop)))
    held = [work.row(index) for index in work.held_back] if order.test else []
    given = examples.Examples(
        rows=rows,
        train_rows=len(rows),
        held=tuple(
            examples.Held(Record(messages=()), ids.tolist(), labels.tolist(), int((labels >= 0).sum()))
            for ids, labels in held
        ),
        asked=(),
        report=report_on(rows, len(held)),
        notices=(),
        fingerprint=rows.digest(),
    )

    def hear(event: events.Event) -> None:
        if isinstance(event, events.Step):
            watch.step_ended(event.loss, event.memory_bytes)
        elif isinstance(event, events.Evaluated):
            watch.held_back = event.loss
        elif isinstance(event, events.Started):
            watch.kernels = [f"layers computed twice: {event.recomputed_layers}", *event.kernels]

    # Only these two are given; all else is the recipe's.
    vars(train)["read_examples"] = lambda *_: given
    batches.Plan.epoch = lambda self, number: [np.array(step) for step in steps]  # type: ignore[method-assign]
    train.train(job, RunFolder.create(Path(order.folder) / "runs", "train"), hear, Going())


def report_on(rows: Any, held: int) -> Any:
    """The counts that the recipe tells before step 1."""
    from studio.contract.events import DataReport

    return DataReport(
        train_rows=len(rows),
        held_back_rows=held,
        general_rows=0,
        kept=len(rows),
        cut=0,
        left_out=0,
        nothing_to_learn=0,
        tokens=int(rows.lengths.sum()),
        learned_tokens=int(rows.learned_counts.sum()),
        end_token="",
        end_token_learned=True,
        bos_count=0,
        pad_token="",
        longest=rows.longest,
    )


# --- peers -----------------------------------------------------------------------------------------------------------


def run_trl(order: Order, work: Work, watch: Watch) -> None:
    """TRL's SFTTrainer, as it is or helped."""
    best, stock_gpu = order.engine == "trl_best", order.engine == "trl"
    attention = "rows_of_bench" if order.engine == "varlen" or best else "sdpa"
    if best and order.device == "cuda" and find_spec("flash_attn"):
        attention = "flash_attention_2"
    if attention == "rows_of_bench":
        register_rows()
    model = adapted(order, attention)
    import trl
    import trl.trainer.utils
    from trl import SFTConfig, SFTTrainer

    if order.engine in ("compacted", "varlen"):
        trl.trainer.utils._use_triton = lambda device: True

    class InOrder(SFTTrainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return in_order(self.train_dataset)

    options: dict[str, Any] = {"max_length": None, "padding_free": order.engine == "varlen" or best}
    if not stock_gpu:
        options["activation_checkpointing"] = False
    if best and order.device == "cuda" and find_spec("liger_kernel"):
        options["use_liger_kernel"] = True
    config = SFTConfig(**options, **arguments(order, work))
    trainer = InOrder(
        model=model, args=config, train_dataset=rows_of(order, work), processing_class=tokenizer_of(order)
    )
    go(trainer, order, work, watch)


def run_hf(order: Order, work: Work, watch: Watch) -> None:
    """The Trainer of transformers with the model's own loss; rows padded on the right."""
    model = adapted(order, "sdpa")
    import torch
    from transformers import Trainer, TrainingArguments

    class InOrder(Trainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return in_order(self.train_dataset)

    def pad(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        longest = max(len(row["input_ids"]) for row in rows)
        fill = {"input_ids": 0, "labels": -100}
        made = {
            name: torch.tensor([row[name] + [value] * (longest - len(row[name])) for row in rows])
            for name, value in fill.items()
        }
        lengths = torch.tensor([len(row["input_ids"]) for row in rows])
        return made | {"attention_mask": (torch.arange(longest) < lengths[:, None]).long()}

    config = TrainingArguments(**arguments(order, work))
    go(InOrder(model=model, args=config, train_dataset=rows_of(order, work), data_collator=pad), order, work, watch)


def run_unsloth(order: Order, work: Work, watch: Watch) -> None:
    """Unsloth as its documentation has it."""
    from unsloth import FastLanguageModel  # type: ignore[import-not-found,unused-ignore] # before TRL, which it changes

    longest = int(max(lengths.max() for lengths in work.lengths(range(1, order.steps + 1))))
    model, _ = FastLanguageModel.from_pretrained(
        str(Path(order.folder) / "model"), max_seq_length=longest, load_in_4bit=order.quantisation == "nf4"
    )
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = FastLanguageModel.get_peft_model(
        model,
        r=RANK,
        lora_alpha=ALPHA,
        target_modules=targets,
        use_gradient_checkpointing="unsloth",
        random_state=SEED,
    )
    from trl import SFTConfig, SFTTrainer

    config = SFTConfig(max_length=None, padding_free=True, **arguments(order, work))
    trainer = SFTTrainer(
        model=model, args=config, train_dataset=rows_of(order, work), processing_class=tokenizer_of(order)
    )
    go(trainer, order, work, watch)


def adapted(order: Order, attention: str) -> Any:
    """The model with PEFT's LoRA; the adapter's first weights are those that ours has."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    dtype = torch.float32 if order.device == "cpu" else torch.bfloat16
    options: dict[str, Any] = {}
    if order.quantisation == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    model = AutoModelForCausalLM.from_pretrained(
        str(Path(order.folder) / "model"),
        dtype=dtype,
        attn_implementation=attention,
        device_map={"": order.device},
        local_files_only=True,
        **options,
    )
    config = LoraConfig(task_type="CAUSAL_LM", r=RANK, lora_alpha=int(ALPHA), target_modules="all-linear")
    torch.manual_seed(SEED)
    return get_peft_model(model, config)


def arguments(order: Order, work: Work) -> dict[str, Any]:
    """What all trainers are told."""
    return {
        "output_dir": str(Path(order.folder) / "peer"),
        "per_device_train_batch_size": work.batch,
        "max_steps": order.steps,
        "learning_rate": RATE,
        "lr_scheduler_type": "constant",
        "warmup_steps": 0,
        "max_grad_norm": 1.0,
        "bf16": order.device == "cuda",
        "use_cpu": order.device == "cpu",
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": SEED,
        "dataloader_pin_memory": order.device == "cuda",
    }


def register_rows() -> None:
    """Variable-length attention for a CPU, for peers: TRL names the rows, each is attended to alone."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    from studio.engine import attention

    lengths: dict[int, tuple[int, ...]] = {}

    def attend(module: Any, *states: Any, cu_seq_lens_q: Any = None, **options: Any) -> Any:
        if id(cu_seq_lens_q) not in lengths:  # read once a step
            lengths.clear()
            lengths[id(cu_seq_lens_q)] = tuple(cu_seq_lens_q.diff().tolist())
        rows = lengths[id(cu_seq_lens_q)]
        return attention._attend(sdpa_attention_forward, False, module, *states, row_lengths=rows, **options)

    AttentionInterface.register("rows_of_bench", attend)
    AttentionMaskInterface.register("rows_of_bench", lambda *_, **__: None)


def rows_of(order: Order, work: Work) -> Any:
    """The rows as the trainers read them."""
    from datasets import Dataset

    rows = [work.row(index) for index in range(work.step(order.steps).stop)]
    return Dataset.from_list([{"input_ids": ids.tolist(), "labels": labels.tolist()} for ids, labels in rows])


def tokenizer_of(order: Order) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(Path(order.folder) / "model"), local_files_only=True)


def in_order(dataset: Any) -> Any:
    from torch.utils.data import SequentialSampler

    return SequentialSampler(dataset)


def go(trainer: Any, order: Order, work: Work, watch: Watch) -> None:
    """Train, with a mark at the end of each step."""
    import torch
    from transformers import TrainerCallback

    class Marks(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            watch.step_ended(None)

    trainer.add_callback(Marks())
    trainer.train()
    watch.losses = [log["loss"] for log in trainer.state.log_history if "loss" in log]
    if order.test:
        model = trainer.model.eval()
        total, count = 0.0, 0
        for ids, labels in map(work.row, work.held_back):
            learned = int((labels >= 0).sum())
            with torch.no_grad():
                out = model.get_base_model()(
                    input_ids=torch.tensor(ids)[None].to(model.device), labels=torch.tensor(labels)[None]
                )
            total, count = total + float(out.loss) * learned, count + learned
        watch.held_back = total / count


# --- the machine -----------------------------------------------------------------------------------------------------


def run_gemm(order: Order, work: Work, watch: Watch) -> None:
    """Rate of plain matrix products in operations a second: the best median over the sizes of the model's layers."""
    import statistics

    import torch

    options = json.loads((Path(order.folder) / "model" / "config.json").read_text(encoding="utf-8"))
    width, inner = options["hidden_size"], options["intermediate_size"]
    dtype = torch.float32 if order.device == "cpu" else torch.bfloat16
    clock = time.process_time if order.device == "cpu" else time.perf_counter
    rates = []
    for tokens, a, b in ((2048, width, inner), (2048, inner, width), (1024, width, options["vocab_size"])):
        x = torch.randn(tokens, a, dtype=dtype, device=order.device)
        weight = torch.randn(b, a, dtype=dtype, device=order.device)
        taken = []
        for _ in range(12):
            began = clock()
            x @ weight.T
            if order.device == "cuda":
                torch.cuda.synchronize()
            taken.append(clock() - began)
        rates.append(2 * tokens * a * b / statistics.median(taken[2:]))
    watch.losses = [max(rates)]


ENGINES: dict[str, Callable[[Order, Work, Watch], None]] = {
    "ours": run_ours,
    "stock": run_trl,
    "compacted": run_trl,
    "varlen": run_trl,
    "trl": run_trl,
    "trl_best": run_trl,
    "hf": run_hf,
    "unsloth": run_unsloth,
    "gemm": run_gemm,
}


def main(arguments: list[str]) -> int:
    order = Order(**json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    watch = Watch(order.device)
    work = read_work(Path(order.folder) / "work.npz")
    profile = Profile(3, order.steps) if order.profile else None
    if profile is not None:
        watch.on_step = profile.step_ended
    ENGINES[order.engine](order, work, watch)
    told: dict[str, Any] = {"profile": profile.table if profile else "", "held_back": watch.held_back}
    told |= {"kernels": watch.kernels, "cpu": watch.cpu, "wall": watch.wall, "losses": watch.losses, "peak": watch.peak}
    Path(arguments[1]).write_text(json.dumps(told), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
