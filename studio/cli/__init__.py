"""`apprentice`: the same jobs without a window."""

import argparse
import importlib
import re
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, cast, get_args

from studio import __version__
from studio.cli import output
from studio.cli.options import READING, add_import_options, add_settings, add_values
from studio.contract.combinations import COMBINATIONS
from studio.contract.diagnosis import Fix
from studio.contract.errors import StudioError
from studio.contract.exports import EXPORTS
from studio.contract.offline import stay_offline
from studio.contract.private_files import keep_private
from studio.contract.range_test import STEPS
from studio.contract.run_folder import keep_caches
from studio.contract.sampling import Sampling
from studio.contract.settings import Quantisation
from studio.data.model_search import MOST_UNASKED
from studio.data.source import KINDS
from studio.worker.failures import TOO_LONG, explain

stay_offline()  # before the libraries that could do otherwise: they are imported with the job
keep_caches()

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when it did what was asked; 2 on bad input, with one clear message; 130 on Ctrl+C.
    """
    keep_private()
    warnings.simplefilter("ignore", FutureWarning)  # a library's note to its developers is no news for a user
    words = _joined(sys.argv[1:] if argv is None else argv)
    try:
        return _run(words)
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        output.go_silent()
        return 0


def _run(words: list[str]) -> int:
    try:
        arguments = build_parser().parse_args(words)
    except StudioError as error:  # bad options are bad input like any other
        output.report_error(_naming_more(error, words), "--json" in words)
        return 2
    try:
        return int(_find(arguments.do)(arguments))
    except StudioError as error:
        output.report_error(error, arguments.json)
        return 2
    except KeyboardInterrupt:
        print("Ended.", file=sys.stderr)
        return 130
    except (BrokenPipeError, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - the last line of defence: one message, never a traceback
        problem = explain(error)
        output.report_error(StudioError.of(problem), arguments.json)
        return 2 if problem.code == TOO_LONG else 1


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the options as every other fault is said."""

    def error(self, message: str) -> NoReturn:
        raise StudioError(
            "cli.options",
            message[:1].upper() + message[1:].rstrip(".") + ".",
            fix=f"`{self.prog} --help` lists what there is.",
        )


def _naming_more(error: StudioError, words: list[str]) -> StudioError:
    """The error; where a second file stands behind the first, with the option that takes it."""
    problem = error.problem
    if words[:2] not in (["data", "import"], ["data", "inspect"]) or "nrecognized arguments" not in problem.what:
        return error
    fix = f"Each further file of the same dataset is named by --more FILE. {problem.fix}"
    return StudioError(problem.code, problem.what, problem.why, fix)


def _joined(words: list[str]) -> list[str]:
    """`--learning-rate -1e-4` as `--learning-rate=-1e-4`: argparse takes -1e-4 for an option."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1].startswith("--") and "=" not in joined[-1] and _NEGATIVE.fullmatch(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


_NEGATIVE = re.compile(r"-(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|-inf|-nan", re.IGNORECASE)


def _find(name: str) -> Callable[[argparse.Namespace], int]:
    """Import a command's module only when it is the one that was asked for: `--help` must be quick."""
    module, _, function = name.partition(":")
    return cast(Callable[[argparse.Namespace], int], getattr(importlib.import_module(f"studio.cli.{module}"), function))


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser: argparse.ArgumentParser = _Parser(
        prog="apprentice", description="Fine-tune language models on your own computer. Nothing leaves it."
    )
    parser.add_argument("--version", action="version", version=f"apprentice {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _training(commands)
    _talking(commands)
    _data(commands)
    _looking(commands)
    _leaving(commands)
    return parser


def _add(commands: "Subparsers", name: str, do: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(do=do)
    return parser


def _training(commands: "Subparsers") -> None:
    demo = _add(commands, "demo", "training:demo", "teach the built-in starter model the sample, in one to two minutes")
    demo.add_argument("--method", choices=["lora", "qlora"], default="lora", help="qlora: on a 4-bit base model")
    demo.add_argument("--seed", type=int, default=0, help="starting dice (default: 0)")
    train = _add(commands, "train", "training:train", "train an adapter on a dataset, or by a job file")
    kinds = "DATA|JOB.toml|.json|.apprentice-job"
    train.add_argument("job", nargs="?", metavar=kinds, help="a file, an imported dataset, a job, or a run's job.json")
    train.add_argument("--resume", metavar="RUN", help="go on with a run from its newest checkpoint")
    train.add_argument(
        "--start-over",
        action="store_true",
        help="with --resume: begin at the first step again; what the run had saved is kept aside",
    )
    for parser in (demo, train):
        parser.add_argument("--beside", action="store_true", help="start at once, even while another run goes on")
    train.add_argument("--queue", action="store_true", help="put it in line: an open window starts it in its turn")
    train.add_argument(
        "--suggested",
        action="store_true",
        default=None,
        help="use the values that `plan` suggests for this model and data, but for those given here",
    )
    train.add_argument("--data", help=f"{KINDS} file, or an imported dataset")
    _sources(train)
    plan = _add(commands, "plan", "planning:plan", "memory of a run before it starts, what makes it fit, and advice")
    plan.add_argument("data", metavar="DATA", help=f"{KINDS} file, or an imported dataset")
    plan.add_argument(
        "--formula-only", action="store_true", help="compute it, without loading the model for a dry step"
    )
    _sources(plan)
    tried = _add(commands, "range-test", "planning:range_test", "try learning rates on real batches and suggest one")
    tried.add_argument("data", metavar="DATA", help=f"{KINDS} file, or an imported dataset")
    tried.add_argument("--steps", type=_steps, default=STEPS, help=f"steps of the sweep (default: {STEPS})")
    _sources(tried)


def _sources(parser: argparse.ArgumentParser) -> None:
    """What is trained on what, but for the data, and every setting."""
    parser.add_argument("--model", help="model folder, name of an added model, or 'starter' (default)")
    parser.add_argument("--held-back", metavar="FILE", help="an own test file")
    parser.add_argument("--general", metavar="FILE", help="general rows to mix in (default: what the model brings)")
    parser.add_argument("--probes", metavar="FILE", help="questions to test what it still knows")
    parser.add_argument("--name", help="name of the run")
    parser.add_argument("--from-adapter", metavar="RUN", help="go on from what an earlier run has learned")
    add_settings(parser)


def _steps(word: str) -> int:
    if not word.isdigit() or not 10 <= int(word) <= 1000:
        raise argparse.ArgumentTypeError(f"it must be a whole number from 10 to 1000, not {word}")
    return int(word)


def _talking(commands: "Subparsers") -> None:
    chat = _add(commands, "chat", "talking:chat", "ask a model, with or without an adapter")
    chat.add_argument(
        "--model", help="model folder, name of an added model, or 'starter' (default; with a run: its base)"
    )
    chat.add_argument("--adapter", metavar="RUN", help="a run's id or name, or an adapter folder")
    chat.add_argument("--prompt", help="the question; without it a conversation on the terminal")
    chat.add_argument("--system", help="system prompt (default: the one that all examples of the run share)")
    chat.add_argument("--compare", action="store_true", help="answer with the base too")
    chat.add_argument("--quantisation", choices=get_args(Quantisation), default="auto", help="compressed loading")
    chat.add_argument("--device", default="auto", help="auto, cpu or cuda:0")
    add_values(chat.add_argument_group("how the next word is drawn"), Sampling)


def _data(commands: "Subparsers") -> None:
    data = commands.add_parser("data", help="import datasets and look after them").add_subparsers(
        required=True, metavar="WHAT"
    )
    _add(data, "list", "data:data_list", "all imported datasets")
    add_import_options(_add(data, "inspect", "data:data_inspect", "what a file holds; nothing is kept"))
    importing = _add(data, "import", "data:data_import", "import files as a dataset")
    add_import_options(importing)
    importing.add_argument("--to", metavar="NAME", help="name of the dataset (default: the file's)")
    importing.add_argument("--seed", type=int, default=0, help="another number holds back other rows (default: 0)")
    split = _add(data, "split", "data:data_split", "which rows are held back for testing, and by what rule")
    split.add_argument("data", metavar="NAME", help="an imported dataset")
    split.add_argument("--seed", type=int, help="hold back other rows from now on")
    split.add_argument("--held-back-share", metavar="SHARE", help="count at this share (default: what runs use)")
    doctor = _add(data, "doctor", "checking:data_doctor", "what is wrong with a dataset, and what would mend it")
    doctor.add_argument("data", metavar="NAME", help="an imported dataset, or a file")
    doctor.add_argument("--model", help="model folder, added model, or 'starter': count its tokens")
    doctor.add_argument("--max-tokens", type=int, metavar="TOKENS", help="longest text (default: 1024)")
    doctor.add_argument("--test", metavar="FILE", help="rows that must not be among these")
    doctor.add_argument(
        "--fix",
        action="append",
        default=[],
        choices=[fix for fix in get_args(Fix) if fix],
        help="mend; may be repeated",
    )
    restore = _add(data, "restore", "data:data_restore", "take all changes of a dataset back")
    restore.add_argument("data", metavar="NAME", help="an imported dataset")
    deleting = _add(data, "delete", "data:data_delete", "delete an imported copy; the original file stays")
    deleting.add_argument("data", metavar="NAME", help="an imported dataset")
    deleting.add_argument("--for-good", action="store_true", help="do it: its edits are lost, too")
    export = _add(data, "export", "data:data_export", "write a dataset's rows, with all edits, as JSONL")
    export.add_argument("data", metavar="NAME", help="an imported dataset, or a file")
    export.add_argument("--to", metavar="FILE", help="the file to write (default: the dataset's name)")
    export.add_argument("--replace", action="store_true", help="replace a file of that name")


def _looking(commands: "Subparsers") -> None:
    preview = _add(
        commands, "preview", "looking:preview", "show one row as the model sees it: what is read, what learned"
    )
    preview.add_argument("data", help=f"{KINDS} file, or an imported dataset")
    preview.add_argument(
        "--model", default="starter", help="model folder, name of an added model, or 'starter' (default)"
    )
    preview.add_argument("--row", type=int, default=1, help="row, counted from 1")
    add_settings(preview, only=READING)
    runs = commands.add_parser("runs", help="list and show training runs").add_subparsers(required=True, metavar="WHAT")
    _add(runs, "list", "looking:runs_list", "all runs, newest first")
    _add(runs, "show", "looking:runs_show", "one run").add_argument("run", help="a run's id or name")
    label = _add(runs, "label", "looking:runs_label", "show or change a run's name, tags and note")
    label.add_argument("run", help="a run's id or name")
    label.add_argument("--name", help="its name from now on; the folder keeps its own")
    label.add_argument("--tag", action="append", metavar="TAG", help="its tags from now on; may be repeated")
    label.add_argument("--note", metavar="TEXT", help="its note from now on")
    using = _add(runs, "use", "looking:runs_use", "use a run's best adapter, or that of its last step")
    using.add_argument("run", help="a run's id or name")
    using.add_argument("which", choices=("best", "last"), help="the other one is kept, and can be used again")
    line = _add(runs, "queue", "waiting:runs_queue", "runs that wait for the device, in their order")
    line.add_argument("--remove", metavar="NAME", help="take a run out of the line")
    line.add_argument("--first", metavar="NAME", help="let a run start before the others")
    tidy = _add(runs, "clean", "looking:runs_clean", "what checkpoints of finished runs take on the disk")
    tidy.add_argument("--delete", action="store_true", help="delete them; adapters, curves and settings stay")
    deleting = _add(runs, "delete", "looking:runs_delete", "delete a run with its adapter, curves and settings")
    deleting.add_argument("run", help="a run's id, or its name where no other run bears it")
    deleting.add_argument("--for-good", action="store_true", help="do it: there is no way back")
    updates = commands.add_parser("update", help="whether a signed note tells of a newer version; nothing is fetched")
    update = _add(updates.add_subparsers(required=True, metavar="WHAT"), "check", "updating:check", "read such a note")
    update.add_argument("file", metavar="FILE.apprentice-update", help="the note, as it came from the makers")
    doctor = _add(commands, "doctor", "looking:doctor", "what this computer offers for training, and what is missing")
    doctor.add_argument("--report", metavar="FILE.zip", help="save a report for support, and say what is in it")


def _leaving(commands: "Subparsers") -> None:
    models = commands.add_parser("models", help="which models there are, and add others").add_subparsers(
        required=True, metavar="WHAT"
    )
    _add(models, "list", "shelf:models_list", "models that were added, and whether they fit this computer")
    adding = _add(models, "add", "shelf:models_add", "add a model folder, or all models in a folder")
    adding.add_argument("place", nargs="?", help="a model folder, or one that holds some (a USB stick, say)")
    adding.add_argument("--cache", action="store_true", help="look through the cache of the Hugging Face libraries")
    adding.add_argument("--copy", action="store_true", help="copy it among the program's own (else it stays there)")
    adding.add_argument("--all", action="store_true", help=f"also where there are more than {MOST_UNASKED} of them")
    adding.add_argument("--dry-run", action="store_true", help="say what is there, add nothing")
    fetching = _add(models, "download", "downloading:models_download", "fetch a model from the internet, by its name")
    fetching.add_argument("name", metavar="OWNER/NAME", help="as it stands at the top of its page on huggingface.co")
    fetching.add_argument("--revision", default="main", help="a branch, a tag or a change (default: main)")
    check = _add(models, "check", "shelf:models_check", "what a folder holds and every problem")
    check.add_argument("model", help="model folder, name of an added one, or 'starter'")
    check.add_argument("--files", action="store_true", help="also compare every file with what it was when added")
    removing = _add(models, "remove", "shelf:models_remove", "take a model off the list; its files stay")
    removing.add_argument("model", help="name or folder of an added model")
    removing.add_argument("--delete-copy", action="store_true", help="delete the copy among the program's own, too")
    export = _add(commands, "export", "leaving:export", "write what a run trained to a folder")
    export.add_argument("run", help="a run's id or name")
    export.add_argument("--to", required=True, metavar="FOLDER", help="a folder that does not exist yet")
    export.add_argument("--form", choices=list(EXPORTS), default="adapter", help="(default: adapter)")
    numbers = dict.fromkeys(name for row in EXPORTS.values() for name in row.numbers)
    export.add_argument("--numbers", choices=list(numbers), help="number format of the weights (default: the form's)")
    export.add_argument("--no-check", action="store_true", help="do not compare the result with the adapter")
    combine = _add(commands, "combine", "leaving:combine", "make one adapter of several")
    combine.add_argument("runs", nargs="+", metavar="RUN[=WEIGHT]", help="ids or names of runs, each with its weight")
    combine.add_argument("--how", choices=list(COMBINATIONS), default="weighted", help="(default: weighted)")
    combine.add_argument("--density", type=float, help="share that ties and dare keep (default: 0.5)")
    combine.add_argument("--rank", type=int, help="size of the new adapter (svd; default: the largest)")
    combine.add_argument("--seed", type=int, default=0, help="starting dice (dare)")
    combine.add_argument("--name", help="name of the new run")
