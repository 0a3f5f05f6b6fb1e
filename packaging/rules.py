"""What no line of the product may do, checked on the syntax tree. Standard library only.

    python packaging/rules.py [ROOT]

Each rule has a name and says why and what to use instead. An exception is a row in ALLOWED with its reason, never a
comment in the code. tests/test_rules.py breaks every rule on purpose.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKED_FOLDERS = ("studio",)

PICKLING = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "multiprocessing"}
NETWORK = {
    "socket", "socketserver", "ssl", "http", "urllib.request", "ftplib", "smtplib", "xmlrpc", "telnetlib", "asyncio",
    "requests", "httpx", "httpx2", "huggingface_hub", "aiohttp", "urllib3", "websockets",
    "PySide6.QtNetwork", "PySide6.QtWebSockets",
}  # fmt: skip
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn"}
PICKLED_FILES = {"torch.load", "torch.save", "pandas.read_pickle", "numpy.load", "np.load", "torch.serialization.load"}
CONFIG_READERS = {"from_pretrained", "get_config_dict", "from_json_file"}
CODE_FROM_TEXT = {"eval", "exec", "compile", "__import__"}
SLEEPS = {"time.sleep"}
QTCORE = re.compile(r"PySide6(\.QtCore(\..*)?)?$")
BROAD = {"Exception", "BaseException"}

RICH = {"setHtml", "insertHtml", "setMarkdown", "appendHtml"}
RICH_FORMATS = {"RichText", "AutoText", "MarkdownText"}
TIPS = {"setToolTip", "setStatusTip", "setWhatsThis"}
LABELS = "studio/ui/widgets/labels.py"
"""The one module that may make a QLabel: its labels are plain text."""
DELETES_TREES = {"shutil.rmtree", "os.removedirs"}

# (path, rule) -> why it is right there.
ALLOWED: dict[tuple[str, str], str] = {
    ("studio/ui/help.py", "rich-text"): "the program's own help, written in Markdown; nothing foreign is in it",
    ("studio/ui/widgets/closed_browser.py", "rich-text"): "Markdown without HTML, in a view that loads nothing",
    ("studio/ui/widgets/mask_style.py", "rich-text"): "the legend's own words",
    ("studio/cli/data.py", "delete-tree"): "a short job's own folder, made a moment ago",
    ("studio/cli/places.py", "delete-tree"): "a run that never began; the marker is asked for",
    ("studio/cli/planning.py", "delete-tree"): "a short job's own folder, made a moment ago",
    ("studio/data/dataset.py", "delete-tree"): "`delete`, which asks for the marker and refuses links",
    ("studio/data/doctor/found.py", "delete-tree"): "a diagnosis inside a dataset's own folder",
    ("studio/data/new_folder.py", "delete-tree"): "a folder made a moment ago under a random name",
    ("studio/data/run_history.py", "delete-tree"): "`delete_for_good`, which asks for the marker and refuses links",
    ("studio/data/run_room.py", "delete-tree"): "`clean`, which asks for the marker and refuses links",
    ("studio/engine/checkpoint.py", "delete-tree"): "`_delete`, which asks for the marker and refuses links",
    ("studio/cli/shelf.py", "delete-tree"): "a copied model of our own; the marker is asked for and links are refused",
    ("studio/engine/model_download.py", "network"): "the one download, in a process that the user asked for",
    ("studio/engine/download_failures.py", "network"): "names the errors of that download",
    ("studio/engine/model_download.py", "delete-tree"): "its own folder; `_sweep` asks for the marker, refuses links",
    ("studio/cli/downloading.py", "delete-tree"): "a short job's own folder, made a moment ago",
    ("studio/engine/new_run.py", "delete-tree"): "a folder made a moment ago; `_sweep` asks for the marker",
    ("studio/engine/export_folder.py", "delete-tree"): "a folder made a moment ago; `_sweep` asks for the marker",
    ("studio/engine/model_adding.py", "delete-tree"): "a folder made a moment ago; `_sweep` asks for the marker",
    ("studio/supervisor/import_jobs.py", "delete-tree"): "`delete_ours`, which asks for the marker and refuses links",
}


@dataclass(frozen=True)
class Problem:
    """One broken rule: where, which, and what to do instead."""

    path: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: [{self.rule}] {self.text}"


def check_tree(root: Path) -> list[Problem]:
    """All broken rules under `root`, the project's folder."""
    problems = []
    for folder in CHECKED_FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            problems += check_source(path.read_text(encoding="utf-8"), path.relative_to(root).as_posix())
    if (root / "packaging" / "__init__.py").exists():
        text = "packaging/ must stay without __init__.py: it would hide the library of that name."
        problems.append(Problem("packaging/__init__.py", 1, "packaging-is-no-package", text))
    problems += check_texts(root)
    return [problem for problem in problems if (problem.path, problem.rule) not in ALLOWED]


def check_source(source: str, path: str) -> list[Problem]:
    """All broken rules in one module; `path` is relative to the project and decides which room it is in."""
    tree = ast.parse(source, filename=path)
    names = _imported_names(tree)
    found = []
    for node in ast.walk(tree):
        for rule, text in _broken_by(node, names, path):
            found.append(Problem(path, getattr(node, "lineno", 1), rule, text))
    return sorted(found, key=lambda problem: problem.line)


# --- the rules -----------------------------------------------------------------------------------------------------


def _broken_by(node: ast.AST, names: dict[str, str], path: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from _import_rules(node, path)
    elif isinstance(node, ast.Call):
        yield from _call_rules(node, names, path)
    elif isinstance(node, ast.ExceptHandler):
        yield from _handler_rules(node)
    elif isinstance(node, ast.ClassDef):
        if path != LABELS and any(_name(base) == "QLabel" for base in node.bases):
            yield "rich-text", "a QLabel guesses whether a text is HTML; use labels.label or labels.ScaledLabel."
        if any(_name(base) == "QMessageBox" for base in node.bases) and not _sets_plain_text(node):
            yield "rich-text", "a QMessageBox guesses whether a text is HTML; setTextFormat(PlainText)."
    elif isinstance(node, ast.FunctionDef):
        if _calls(node, "QMessageBox") and not _sets_plain_text(node):
            yield "rich-text", "a QMessageBox guesses whether a text is HTML; setTextFormat(PlainText)."
    elif isinstance(node, ast.Attribute):
        if node.attr in RICH_FORMATS and path.startswith("studio/ui/"):
            yield "rich-text", f"{node.attr} reads foreign text as HTML; names and rows are plain text."
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "trust_remote_code" and not _is(value, False):
                yield "remote-code", "a model's own code is never run."


def _import_rules(node: ast.Import | ast.ImportFrom, path: str) -> Iterator[tuple[str, str]]:
    for module in _modules_of(node):
        if _within(module, PICKLING):
            yield "pickle", f"{module} runs code from data; use msgspec, JSON or safetensors, and subprocess."
        if _within(module, NETWORK):
            yield "network", f"{module} opens connections; nothing here connects or listens."
        if path.startswith("studio/supervisor/") and _within(module, {"PySide6"}) and not QTCORE.match(module):
            yield "supervisor-qtcore-only", f"{module}: the supervisor knows QtCore only, so that it runs unseen."


def _call_rules(node: ast.Call, names: dict[str, str], path: str) -> Iterator[tuple[str, str]]:
    called = _full_name(node.func, names)
    keywords = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    if "shell" in keywords and not _is(keywords["shell"], False):
        yield "shell", "shell= hands text to a shell; give subprocess a list of arguments."
    if called in SHELLS:
        yield "shell", f"{called} hands text to a shell; use subprocess with a list of arguments."
    if "trust_remote_code" in keywords and not _is(keywords["trust_remote_code"], False):
        yield "remote-code", "a model's own code is never run."
    holder, _, method = called.rpartition(".")
    if method in CONFIG_READERS and holder.endswith("Config") and not holder.endswith("GenerationConfig"):
        yield "unchecked-config", f"{called} reads a stranger's config.json as it is; use model_config.read."
    if called in PICKLED_FILES or ("allow_pickle" in keywords and not _is(keywords["allow_pickle"], False)):
        yield "pickle", f"{called} reads or writes pickles; use safetensors and JSON."
    if called in CODE_FROM_TEXT:
        yield "code-from-text", f"{called} runs text as code; use a table or a parser."
    if called in ("contextlib.suppress", "suppress") and any(_name(argument) in BROAD for argument in node.args):
        yield "swallowed-error", "suppress(Exception) hides every fault; name the one that is expected."
    if isinstance(node.func, ast.Attribute) and node.func.attr == "itemAt":
        yield "widget-of-layout", "PySide crashes when widgets that itemAt() gave out are deleted; keep them in a list."
    if called in DELETES_TREES:
        yield "delete-tree", "only folders with our marker are deleted, and never through links: call what asks for it."
    yield from _shown_text_rules(node, called, path)
    if called in SLEEPS and path.startswith(("studio/ui/", "studio/app", "studio/supervisor/")):
        yield "sleep-in-window", "a sleep freezes the window; wait on a signal, a condition or a timer."


def _shown_text_rules(node: ast.Call, called: str, path: str) -> Iterator[tuple[str, str]]:
    """Foreign text is plain text wherever the window shows it."""
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if called.endswith("QTextBrowser"):
        yield "rich-text", "a QTextBrowser reads local files that a text names; use closed_browser.ClosedBrowser."
    if called.endswith("QLabel") and path != LABELS:
        yield "rich-text", "a QLabel guesses whether a text is HTML; use labels.label."
    if method in RICH:
        yield "rich-text", f"{method} reads foreign text as HTML; use setPlainText."
    if method in ("setInformativeText", "setDetailedText") or re.search(
        r"QMessageBox\.(about|critical|information|question|warning)$", called
    ):
        yield "rich-text", "this part of a QMessageBox has no text format; put it into setText, as plain text."
    if method in TIPS and node.args and not all(map(_is_plain_tip, node.args)):
        yield "rich-tip", f"{method} guesses whether a text is HTML; give it labels.plain_tip(...) or words of ours."
    tip_role = any(isinstance(argument, ast.Attribute) and argument.attr == "ToolTipRole" for argument in node.args)
    if (
        tip_role
        and method.startswith("set")
        and not any(isinstance(argument, ast.Call) and _is_plain_tip(argument) for argument in node.args)
    ):
        yield "rich-tip", "a tooltip guesses whether its text is HTML; give it labels.plain_tip(...)."
    if method == "openUrl" and not any("fromLocalFile" in ast.dump(argument) for argument in node.args):
        yield "open-link", "links are not opened; only folders of this computer are, by QUrl.fromLocalFile."
    if method in ("setOpenExternalLinks", "setOpenLinks") and not all(_is(argument, False) for argument in node.args):
        yield "open-link", "a link in a text is never followed by itself."


def _is_plain_tip(node: ast.AST) -> bool:
    """plain_tip(...), a name that was made by it, a constant, our own translated words, or a choice of these."""
    if isinstance(node, ast.IfExp):
        return _is_plain_tip(node.body) and _is_plain_tip(node.orelse)
    if isinstance(node, ast.Call):
        own_words = _name(node.func) in ("tr", "_tr") and all(isinstance(a, ast.Constant) for a in node.args)
        return own_words or _name(node.func) in ("plain_tip", "windowTitle")
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id == "tip")


def _sets_plain_text(node: ast.AST) -> bool:
    return any(
        isinstance(inner, ast.Call) and _name(inner.func) == "setTextFormat" and "PlainText" in ast.dump(inner)
        for inner in ast.walk(node)
    )


def _calls(node: ast.AST, name: str) -> bool:
    return any(isinstance(inner, ast.Call) and _name(inner.func) == name for inner in ast.walk(node))


def _handler_rules(node: ast.ExceptHandler) -> Iterator[tuple[str, str]]:
    if node.type is None:
        yield "swallowed-error", "a bare except takes interrupts and exits too; name what is expected."
        return
    caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    does_nothing = all(
        isinstance(step, ast.Pass | ast.Continue)
        or (isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant))
        for step in node.body
    )
    if does_nothing and any(_name(kind) in BROAD for kind in caught):
        yield "swallowed-error", "except Exception with nothing in it hides every fault; name the one expected."


# --- names ---------------------------------------------------------------------------------------------------------


def _imported_names(tree: ast.AST) -> dict[str, str]:
    """Local name -> full name, for what the module imports: `import numpy as np`, `from torch import load as l`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update({alias.asname: alias.name for alias in node.names if alias.asname})
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return names


def _modules_of(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if node.level or not node.module:
        return []
    return [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]


def _within(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def _full_name(node: ast.AST, names: dict[str, str]) -> str:
    """`np.load` -> `numpy.load`; "" for what is no plain dotted name."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        base = _full_name(node.value, names)
        return f"{base}.{node.attr}" if base else ""
    return ""


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _is(node: ast.AST, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


# --- what no committed text may hold -------------------------------------------------------------------------------

# Put together from parts, so that this file does not hold what it looks for.
TEXTS = {
    "machine-path": re.compile(r"(?<![\w.~-])/(?:wo" + r"rk|ro" + r"ot|fa" + r"rm)/"),
    "registry-address": re.compile(r"--(?:extra-)?inde" + r"x-url|\bpypi\.or" + r"g|pythonhos" + r"ted\.org"),
}
TEXT_SUFFIXES = {".py", ".toml", ".md", ".txt", ".json", ".sh", ".yml", ".yaml", ".cfg", ".ini", ""}


def check_texts(root: Path) -> list[Problem]:
    """Paths of one machine and addresses of package registries in the files that git knows."""
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-z"], capture_output=True, text=True)
    problems = []
    for name in listed.stdout.split("\0"):
        path = root / name
        if not name or path.suffix not in TEXT_SUFFIXES or not path.is_file() or path.stat().st_size > 1_000_000:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            for rule, pattern in TEXTS.items():
                if pattern.search(line):
                    problems.append(Problem(name, number, rule, f"belongs to one machine: {line.strip()[:80]}"))
    return problems


def main(arguments: list[str]) -> int:
    """Prints every broken rule; exit code 1 where there is one."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    problems = check_tree(root)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
