"""How an export is loaded, as its model card tells it."""

import re
from pathlib import Path

from studio.contract.compatibility import OWN_WEIGHTS
from studio.contract.methods import tag_of
from studio.contract.run_folder import starter_folder
from studio.data.run_history import RunSummary
from studio.data.system_prompt import fits_modelfile, learned_with

LONGEST_PROMPT = 4000
"""Characters of a system prompt that a card repeats."""


def plain(text: str) -> str:
    """Foreign text as one line that Markdown shows as it stands."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~])", r"\\\1", " ".join(line.split()))[:300]


LOADED_BY_PEFT = """```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = "FOLDER"  # {where}
tokenizer = AutoTokenizer.from_pretrained(base)
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), "folder of this adapter")
```"""
OWN_WEIGHTS_LOADED = """```python
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

base = "FOLDER"  # {where}
tokenizer = AutoTokenizer.from_pretrained(base)
model = AutoModelForCausalLM.from_pretrained(base, dtype="float32")
model.load_state_dict(load_file("folder of this adapter/adapter_model.safetensors"), strict=False)
```"""
ONLY_HERE = """```
apprentice chat --model FOLDER --adapter "folder of this adapter"
```

where FOLDER is {where}. Other programs do not know this layout."""


LOADED_WHOLE = """```python
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "FOLDER"  # this folder
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)
said = [{{"role": "user", "content": "Your question"}}]
ids = tokenizer.apply_chat_template(said, add_generation_prompt=True, return_tensors="pt", return_dict=True)
print(tokenizer.decode(model.generate(**ids, max_new_tokens=100)[0]))
```"""
GGUF = """Open the file that ends in .gguf with a program built on llama.cpp, for example:

```
llama-cli -m FILE.gguf -cnv
```

Tokenizer, chat template and end tokens are in the file. Greedy answers are had with temperature 0."""
GGUF_LORA = """Put it on a GGUF file of the same base model with a program built on llama.cpp, for example:

```
llama-cli -m BASE.gguf --lora FILE.gguf -cnv
```"""
OLLAMA = """In this folder:

```
ollama create NAME -f Modelfile
ollama run NAME
```"""
LM_STUDIO = """Move the folder apprentice-studio into the folder in which LM Studio keeps its models (My Models shows
where), so that the file lies in apprentice-studio/NAME/. Chat template and end tokens are in the file."""
NOT_IN_MODELFILE = (
    "The Modelfile does not send it, as the quotation marks around it would end too early: send it as the first "
    "message, of the role system"
)
FORMS = {"merged": LOADED_WHOLE, "gguf": GGUF, "gguf_adapter": GGUF_LORA, "ollama": OLLAMA, "lm_studio": LM_STUDIO}
"""Of the forms that are loaded alike whatever was learned."""


def use(summary: RunSummary, form: str) -> str:
    """The section that tells how an export is loaded.

    Args:
        summary: Of the run.
        form: Key of EXPORTS.
    """
    system = _system_told(learned_with(summary.folder), form)
    if form in FORMS:
        return f"## Use\n\n{FORMS[form].format(name=plain(summary.job.name))}{system}"
    name = summary.job.model_name
    where = f"the folder of {name}, the base model"
    if Path(summary.job.model) == starter_folder():
        where = "resources/starter in the folder of Apprentice Studio, which brings this model with it"
    tag = tag_of(summary.job.settings.method)
    how = OWN_WEIGHTS_LOADED if tag in OWN_WEIGHTS else ONLY_HERE if tag == "bottleneck" else LOADED_BY_PEFT
    return f"""## Use

{how.format(where=plain(where))}

Write conversations with the base model's chat template; chat_template.jinja, where it lies here,
is the one it was trained with.
{system}""".rstrip()


def _system_told(prompt: str, form: str) -> str:
    """What all examples began with, as a block that Markdown shows as it stands; nothing where they share nothing."""
    if not prompt or (form == "ollama" and fits_modelfile(prompt)):  # a Modelfile sends it
        return ""
    lines = "".join(c if c.isprintable() or c == "\n" else " " for c in prompt[:LONGEST_PROMPT]).split("\n")
    cut = f" (its first {LONGEST_PROMPT:,} characters)" if len(prompt) > LONGEST_PROMPT else ""
    block = "\n".join(f"    {line}".rstrip() for line in lines)
    told = f"All examples began with this system prompt{cut}; send it first, or answers will differ"
    if form == "ollama":
        told += f". {NOT_IN_MODELFILE}"
    return f"\n\n{told}:\n\n{block}"
