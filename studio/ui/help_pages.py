"""The help's texts: one Markdown file a page in resources/help, and one text a setting made from its declaration."""

from PySide6.QtCore import QCoreApplication

from studio.contract.fields import GROUPS, Field
from studio.contract.method_choice import all_fields
from studio.contract.methods import METHODS
from studio.contract.run_folder import resources_folder
from studio.ui import shortcuts
from studio.ui.pages import PAGES
from studio.ui.setting_words import explanation, told_field
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
    for path, declared in _by_group():
        table[SETTING + path] = told_field(declared[0][1]).label
    return table


def text(topic: str) -> str:
    """The Markdown of a topic."""
    if topic == SHORTCUTS:
        return _shortcuts()
    if topic.startswith(SETTING):
        path = topic.removeprefix(SETTING)
        return _setting([(label, told_field(field)) for label, field in all_fields()[path]])
    page = (resources_folder() / "help" / f"{topic}.md").read_text(encoding="utf-8")
    return page + _ways_of_tuning() + _all_settings() if topic == "train" else page


def _by_group() -> list[tuple[str, list[tuple[str, Field]]]]:
    """Every setting, those of all ways of tuning too, in the order of the form's groups."""
    order = list(GROUPS)
    return sorted(all_fields().items(), key=lambda entry: order.index(entry[1][0][1].group))


def _setting(declared: list[tuple[str, Field]]) -> str:
    field = declared[0][1]
    option = field.name.replace("_", "-")
    parts = [f"# {field.label}"]
    for label, one in declared:
        parts += ([f"**{told(label)}**"] if label else []) + explanation(one).split("\n")
    parts += [_tr("In a job file: `{path}`.").format(path=field.path)]
    command = f"--{option} / --no-{option}" if field.kind == "bool" else f"--{option}"
    parts.append(_tr("On the command line: `apprentice train {option}`.").format(option=command))
    parts.append(_tr("Group: {group}, on the [Train](help:train) page.").format(group=told(GROUPS[field.group])))
    return "\n\n".join(parts) + "\n"


def _ways_of_tuning() -> str:
    parts = ["\n\n## " + _tr("Ways of tuning")]
    parts += [f"**{told(row.label)}**: {told(row.help)} {told(row.when)}" for row in METHODS.values()]
    return "\n\n".join(parts) + "\n"


def _all_settings() -> str:
    parts = ["\n\n## " + _tr("All settings")]
    for group, title in GROUPS.items():
        mine = [told_field(declared[0][1]) for _, declared in _by_group() if declared[0][1].group == group]
        links = "\n".join(f"- [{field.label}](help:{SETTING}{field.path}): {field.help}" for field in mine)
        parts.append(f"### {told(title)}\n\n{links}")
    return "\n\n".join(parts) + "\n"


def _shortcuts() -> str:
    rows = "\n".join(f"| {keys} | {words} |" for words, keys in shortcuts.all_rows())
    return f"# {_tr('Keyboard shortcuts')}\n\n| {_tr('Keys')} | {_tr('What they do')} |\n| --- | --- |\n{rows}\n"
