"""Letters that were read in the wrong encoding ("Ã¼" for "ü"), and how they are put right."""

import json

import ftfy

_CONFIG = ftfy.TextFixerConfig(
    unescape_html=False,
    remove_terminal_escapes=False,
    fix_encoding=True,
    restore_byte_a0=True,
    replace_lossy_sequences=False,
    decode_inconsistent_utf8=True,
    fix_c1_controls=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    fix_surrogates=False,
    remove_control_chars=False,
    normalization=None,
    explain=False,
)


def repaired(text: str) -> str:
    """The text with wrongly decoded parts decoded anew; itself where nothing is wrong, or where it cannot be told.

    Nothing but the encoding is touched. A repair is taken only where it loses nothing: no letter may become unreadable.
    """
    fixed = ftfy.fix_encoding(text, _CONFIG)
    return text if "\ufffd" in fixed and fixed.count("\ufffd") > text.count("\ufffd") else fixed


def repaired_json(text: str) -> str:
    """Calls or tools, as JSON text, with their texts repaired; names of tools and ids stay: others refer to them."""
    try:
        value = json.loads(text)
        mended = [_mended(one) for one in value]
    except (ValueError, RecursionError):  # deeper, or with larger numbers, than can be looked through here
        return text
    return text if mended == value else json.dumps(mended, ensure_ascii=False)


def _mended(one: dict[str, object]) -> dict[str, object]:
    """A call (id, name, arguments) or a tool (type, function: name, description, parameters)."""
    function = one.get("function")
    if isinstance(function, dict):
        return {**one, "function": _mended(function)}
    return {key: told if key in ("id", "name") else _repaired(told) for key, told in one.items()}


def _repaired(value: object) -> object:
    match value:
        case str():
            return repaired(value)
        case list():
            return [_repaired(part) for part in value]
        case dict():
            return {repaired(key): _repaired(part) for key, part in value.items()}
    return value
