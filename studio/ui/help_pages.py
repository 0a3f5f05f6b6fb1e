"""The help's texts: one Markdown file a page in resources/help, and one text a setting made from its declaration."""

from PySide6.QtCore import QCoreApplication

from studio.contract.fields import GROUPS, Field
from studio.contract.run_folder import resources_folder
from studio.contract.settings import TrainSettings
from studio.ui import shortcuts
from studio.ui.pages import PAGES
from studio.ui.setting_words import explanation, told_fields
from studio.ui.wording import told

START = "start"
SHORTCUTS = "shortcuts"
SETTING = "setting/"


def _tr(text: str) -> str:
    return QCoreApplication.translate("help", text)


def topics() -> dict[str, str]:
    """Topic -> title, in reading order: how to begin, every page, shortcuts, every setting."""
    table = {START: _tr("First steps")}
    table.update({name: row.text for name, row in PAGES.items()})
    table[SHORTCUTS] = _tr("Keyboard shortcuts")
    for group in GROUPS:
        for field in told_fields(TrainSettings):
            if field.group == group:
                table[SETTING + field.path] = field.label
    return table


def text(topic: str) -> str:
    """The Markdown of a topic."""
    if topic == SHORTCUTS:
        return _shortcuts()
    if topic.startswith(SETTING):
        by_path = {field.path: field for field in told_fields(TrainSettings)}
        return _setting(by_path[topic.removeprefix(SETTING)])
    page = (resources_folder() / "help" / f"{topic}.md").read_text(encoding="utf-8")
    return page + _all_settings() if topic == "train" else page


def _setting(field: Field) -> str:
    lines = explanation(field).split("\n")
    option = field.name.replace("_", "-")
    parts = [f"# {field.label}", *lines, _tr("In a job file: `{path}`.").format(path=field.path)]
    command = f"--{option} / --no-{option}" if field.kind == "bool" else f"--{option}"
    parts.append(_tr("On the command line: `apprentice train {option}`.").format(option=command))
    parts.append(_tr("Group: {group}, on the [Train](help:train) page.").format(group=told(GROUPS[field.group])))
    return "\n\n".join(parts) + "\n"


def _all_settings() -> str:
    parts = ["\n\n## " + _tr("All settings")]
    for group, title in GROUPS.items():
        mine = [field for field in told_fields(TrainSettings) if field.group == group]
        links = "\n".join(f"- [{field.label}](help:{SETTING}{field.path}): {field.help}" for field in mine)
        parts.append(f"### {told(title)}\n\n{links}")
    return "\n\n".join(parts) + "\n"


def _shortcuts() -> str:
    rows = "\n".join(f"| {keys} | {words} |" for words, keys in shortcuts.all_rows())
    return f"# {_tr('Keyboard shortcuts')}\n\n| {_tr('Keys')} | {_tr('What they do')} |\n| --- | --- |\n{rows}\n"
