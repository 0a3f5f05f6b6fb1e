"""Letters that were read in the wrong encoding ("Ã¼" for "ü"), and how they are put right."""

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
