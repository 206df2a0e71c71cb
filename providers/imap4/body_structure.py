"""What a message is made of, as the server sees it (BODYSTRUCTURE, RFC 9051 §7.5.2): parts with their section numbers.

Only for messages too large to be fetched whole. Servers get it wrong for odd messages: what cannot be read is None, and the
caller makes do with the message's beginning.
"""

from __future__ import annotations

import msgspec

from providers.imap4.syntax import Value, number, text

MAX_PARTS = 200
MAX_LEVELS = 30


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part: `section` as FETCH names it (RFC 9051 §6.4.5.1), `octets` as encoded, `boundary` of a multipart."""

    section: str
    media_type: str
    encoding: str = ""
    octets: int = 0
    attachment: bool = False
    boundary: str = ""
    children: tuple[Part, ...] = ()
    enclosed: tuple[Part, ...] = ()  # the parts of a message in it (message/rfc822)

    @property
    def decoded_size(self) -> int:
        """About the size of the file in it: base64 has 76 characters and a line end for 57 bytes (RFC 2045 §6.8)."""
        return self.octets * 57 // 78 if self.encoding == "base64" else self.octets

    def leaves(self) -> list[Part]:
        """The parts that have content of their own, in order."""
        if not self.media_type.startswith("multipart/"):
            return [self]
        return [leaf for child in self.children for leaf in child.leaves()]


def read(value: Value) -> Part | None:
    """The root of a message, or None when the server's description cannot be read."""
    try:
        root = _part(value, "", 0)
    except (ValueError, IndexError, TypeError):
        return None
    return None if len(root.leaves()) > MAX_PARTS else root


def _part(value: Value, section: str, level: int) -> Part:
    if not isinstance(value, list) or not value or level > MAX_LEVELS:
        raise ValueError("no part")
    if isinstance(value[0], list):
        children = []
        at = 0
        while at < len(value) and isinstance(value[at], list):
            children.append(_part(value[at], f"{section}.{at + 1}" if section else str(at + 1), level + 1))
            at += 1
        parameters = _parameters(value[at + 1]) if len(value) > at + 1 else {}
        return Part(
            section=section or "0",
            media_type=f"multipart/{text(value[at]).lower()}",
            boundary=parameters.get("boundary", ""),
            children=tuple(children),
        )
    media_type = f"{text(value[0])}/{text(value[1])}".lower()
    enclosed: tuple[Part, ...] = ()
    if media_type in ("message/rfc822", "message/global") and len(value) > 8 and isinstance(value[8], list):
        inner = _part(value[8], section or "1", level + 1)
        # RFC 9051 §6.4.5.1: the parts of a multipart inside are counted below it; a single one is its part 1
        enclosed = inner.children or (msgspec.structs.replace(inner, section=f"{section or '1'}.1"),)
    # a disposition is a list with a string and a list in it; its place depends on the kind of part and on the server
    dispositions = [entry for entry in value[7:] if isinstance(entry, list) and entry and isinstance(entry[0], str | bytes)]
    return Part(
        section=section or "1",
        media_type=media_type,
        encoding=text(value[5]).lower(),
        octets=number(value[6]) or 0,
        enclosed=enclosed,
        attachment=any(text(entry[0]).lower() == "attachment" for entry in dispositions),
    )


def _parameters(value: Value) -> dict[str, str]:
    if not isinstance(value, list):
        return {}
    names = iter(value)
    return {text(name).lower(): text(found) for name, found in zip(names, names, strict=False)}
