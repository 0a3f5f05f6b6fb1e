"""A tiny random model with an adapter on it, made once a session in another process: no torch beside the window."""

import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import msgspec

from studio.contract import events, job
from studio.contract.run_folder import RunFolder, runs_folder
from studio.contract.settings import TrainSettings
from tests.helpers.shared_data import PROJECT

_MAKE = """
import sys
from pathlib import Path
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM
from tests.helpers.tiny_models import tiny_model

folder = Path(sys.argv[1])
tiny_model(folder / "model")
base = AutoModelForCausalLM.from_pretrained(folder / "model")
torch.manual_seed(1)
config = LoraConfig(
    r=4, lora_alpha=64, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False, task_type="CAUSAL_LM"
)
get_peft_model(base, config).save_pretrained(folder / "adapter")
"""


_session = tempfile.TemporaryDirectory(prefix="apprentice-tiny-")


@cache
def model_and_adapter() -> Path:
    """A folder with `model` and `adapter`, made when the first test wants it."""
    folder = Path(_session.name)
    subprocess.run([sys.executable, "-c", _MAKE, str(folder)], check=True, cwd=PROJECT, capture_output=True)
    return folder


def checked_model(made: Path) -> events.ModelChecked:
    """What a check says of the tiny model."""
    return events.ModelChecked(
        path=str(made / "model"), name="tiny", architecture="LlamaForCausalLM", model_type="llama", parameters=115_008,
        file_bytes=462_176, context=512, vocabulary=320, licence="", has_template=True, usable=True,
    )  # fmt: skip


def finished_run(made: Path, dataset: str = "", name: str = "run-1") -> RunFolder:
    """A run of this home that ended well and left the adapter."""
    folder = RunFolder.create(runs_folder(), "run")
    work = job.TrainJob(
        name=name, model=str(made / "model"), model_name="tiny", dataset=dataset or "/data/none",
        dataset_name="Some data", settings=TrainSettings(device="cpu", quantisation="none", held_back_share=0.2),
    )  # fmt: skip
    job.save(work, folder.job)
    shutil.copytree(made / "adapter", folder.adapter)
    told: list[events.Event] = [
        events.Hello(protocol=events.PROTOCOL, pid=1, versions={"torch": "2"}),
        events.Step(
            step=6, total_steps=6, epoch=1.0, loss=2.0, learning_rate=1e-4, grad_norm=1.0, tokens=100,
            learned_tokens=50, step_seconds=0.1, train_seconds=1.0, memory_bytes=1 << 20,
        ),
        events.Finished(adapter=str(folder.adapter), reason="done", steps=6, seconds=1.0),
    ]  # fmt: skip
    with folder.events.open("ab") as file:
        for event in told:
            file.write(events.encode(msgspec.structs.replace(event, at=time.time())))
    return folder
