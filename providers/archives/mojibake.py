"""Text whose UTF-8 bytes were taken for characters of an older charset, once, and written down so (`Ã©` for `é`): put right.

Meta's exports write every text so, LinkedIn's some names. What is not such text is left as it is.
"""

from __future__ import annotations

from typing import Any, Final

LATIN_1: Final = ("latin-1",)
WINDOWS: Final = ("latin-1", "cp1252")


def repaired(text: str, charsets: tuple[str, ...] = LATIN_1) -> str:
    """The text that was meant; `charsets` are those for which its bytes may have been taken."""
    if text.isascii():
        return text
    for charset in charsets:
        try:
            return text.encode(charset).decode("utf-8")
        except UnicodeError:
            continue
    return text


def repaired_value(value: Any) -> Any:
    """A JSON value with all its texts put right, keys too. Raises RecursionError where it is nested without end."""
    if isinstance(value, str):
        return repaired(value)
    if isinstance(value, list):
        return [repaired_value(one) for one in value]
    if isinstance(value, dict):
        return {repaired(key): repaired_value(one) for key, one in value.items()}
    return value
