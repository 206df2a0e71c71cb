"""A vCard 4.0 (RFC 6350) put together from the cells of a table or the attributes of a directory entry.

Other forms of address books become a card first and a record second, through the one reading in `vcard.py`: so the same person
is the same contact, with the same key, whatever the file was. What a card has no property for is kept in X-COLUMN (its name,
then its value), so that nothing of a row is lost. Knows no dialect.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final

from providers.formats.vcard_syntax import Card, escape, parse

TYPES: Final = frozenset({"home", "work", "cell", "fax", "pager", "main", "other", "car", "school", "isdn", "textphone", "video"})


class Draft:
    """Properties in the order in which they are added."""

    def __init__(self) -> None:
        self._lines: list[str] = ["BEGIN:VCARD", "VERSION:4.0"]
        self._groups = 0

    def add(self, name: str, text: str, label: str = "", *, preferred: bool = False) -> None:
        """A text property; `label` is what the user calls this value, in words of TYPES or others."""
        self._put(name, escape(text, "4.0"), label, preferred)

    def structure(self, name: str, parts: Sequence[str], label: str = "", *, printed: str = "") -> None:
        """A structured property (N, ORG, ADR); `printed` is an address as it is written on a letter (LABEL, RFC 6350 §6.3.1)."""
        self._put(name, ";".join(escape(part, "4.0") for part in parts), label, False, printed)

    def listed(self, name: str, items: Sequence[str]) -> None:
        """A list property (CATEGORIES)."""
        self._put(name, ",".join(escape(item, "4.0") for item in items), "", False)

    def picture(self, data: bytes, media_type: str) -> None:
        """A photo that came along."""
        self._lines.append(f"PHOTO:data:{media_type};base64,{base64.b64encode(data).decode()}")

    def kept(self, name: str, text: str) -> None:
        """What no property stands for."""
        self.structure("X-COLUMN", (name, text))

    def card(self) -> Card:
        """The card."""
        return parse("\r\n".join((*self._lines, "END:VCARD", "")).encode("utf-8", "replace"))

    def _put(self, name: str, value: str, label: str, preferred: bool, printed: str = "") -> None:
        value = value.replace("\r\n", "\\n").replace("\r", "\\n").replace("\n", "\\n")
        words = label.lower().split()
        head, beside = name, ""
        if words and all(word in TYPES for word in words):
            head += ";TYPE=" + ",".join(words)
        elif words:
            self._groups += 1
            head, beside = f"item{self._groups}.{name}", f"item{self._groups}.X-ABLABEL:{escape(' '.join(label.split()), '4.0')}"
        if preferred:
            head += ";PREF=1"
        if printed:  # RFC 6868 §3.1
            caret = printed.replace("^", "^^").replace("\r", "").replace("\n", "^n").replace('"', "^'")
            head += f';LABEL="{caret}"'
        self._lines.append(f"{head}:{value}")
        if beside:
            self._lines.append(beside)
