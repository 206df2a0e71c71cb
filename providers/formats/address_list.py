"""Address fields of a mail to names and addresses (RFC 5322 §3.4), groups and comments included.

One pass over the characters, so that a hostile field of 32 kB costs what its length says. Names are decoded after the list is
taken apart (RFC 2047 §5: an encoded word may hold commas). What holds no address is left out: `undisclosed-recipients:;` is
nobody. Knows nothing of roles or people.
"""

from __future__ import annotations

import re
from functools import lru_cache

from providers.formats import email_address, mail_header

MAX_NAME = 300  # characters

_ONE = re.compile(r'[ \t]*(?:"([^"\\<>]*)"|([^"<>,;:()\\@]*))[ \t]*<([^<>\s"(),;:\\]+@[^<>\s"(),;:\\@]+)>[ \t]*\Z')
_BARE = re.compile(r"[ \t]*([^<>\s\"(),;:\\]+@[^<>\s\"(),;:\\@]+)[ \t]*\Z")
_ATOM = re.compile(r"[\w!#$%&'*+/=?^`{|}~.-]+\Z")
_TOKEN = re.compile(r'[^"(<,;:\\]+|.', re.S)
_QUOTES = "\"'`\u2018\u2019\u201c\u201d "

Mailbox = tuple[str, str]  # name (may be empty), normalised address


def mailboxes(value: str) -> tuple[Mailbox, ...]:
    """Everybody whom an address field names, in order."""
    if not value:
        return ()
    return _cached(value) if len(value) <= 400 else _mailboxes(value)


@lru_cache(maxsize=8192)
def _cached(value: str) -> tuple[Mailbox, ...]:
    return _mailboxes(value)


def _mailboxes(value: str) -> tuple[Mailbox, ...]:
    if (simple := _ONE.match(value)) is not None:
        address = email_address.normalised(simple[3])
        return ((_name(simple[1] or simple[2] or ""), address),) if address else ()
    if (bare := _BARE.match(value)) is not None:
        address = email_address.normalised(bare[1])
        return (("", address),) if address else ()
    found = _taken_apart(value)
    if not found and "=?" in value:  # some writers encode the whole field
        plain = mail_header.decoded(value)
        found = _taken_apart(plain) if plain != value else ()
    return found


def _taken_apart(value: str) -> tuple[Mailbox, ...]:
    found: list[Mailbox] = []
    words: list[str] = []
    comments: list[str] = []
    angle = ""

    def finish() -> None:
        nonlocal angle
        phrase = "".join(words).strip()
        candidate = angle or phrase
        address = email_address.normalised(candidate) if "@" in candidate else None
        if address is None and not angle and "@" in phrase:  # `Ada Example ada@example.org`, brackets forgotten
            before, _, last = phrase.rpartition(" ")
            address, phrase = email_address.normalised(last), before
        elif not angle:
            phrase = ""
        if address is not None:
            found.append((_name(phrase or " ".join(comments)), address))
        words.clear()
        comments.clear()
        angle = ""

    index, no_angle, no_quote = 0, False, False
    while index < len(value):
        token = _TOKEN.match(value, index)
        assert token is not None  # every character matches
        text = token[0]
        index = token.end()
        if text == '"' and not no_quote:
            quoted, after = _quoted(value, index)
            no_quote = after < 0
            if after >= 0:
                # RFC 5322 §3.4.1: a quoted local part keeps its quotes where it needs them
                bare = value[after : after + 1] != "@" or _ATOM.match(quoted)
                words.append(quoted if bare else f'"{quoted}"')
                index = after
        elif text == "<" and not no_angle:
            close = value.find(">", index)
            no_angle = close < 0
            if close >= 0:
                # RFC 5322 §4.4: a route before the address ends with a colon
                inside = value[index:close]
                angle = angle or (inside.rpartition(":")[2] if inside.startswith("@") else inside)
                index = close + 1
        elif text == "(":
            comment, index = _comment(value, index)
            comments.append(comment)
        elif text in (",", ";"):
            finish()
        elif text == ":":
            if "".join(words).strip().lower() == "mailto":
                words.append(":")
            else:
                words.clear()  # a group's name; its members follow
        elif text == "\\":
            words.append(value[index : index + 1])
            index += 1
        else:
            words.append(text)
    finish()
    return tuple(found)


def _quoted(value: str, index: int) -> tuple[str, int]:
    """The text of a quoted string, and the index after it; -1 when it never ends."""
    start = index
    out: list[str] = []
    while True:
        close = value.find('"', index)
        if close < 0:
            return "", -1
        back = value.find("\\", index, close)
        if back < 0:
            out.append(value[start:close] if start > index else value[index:close])
            return "".join(out), close + 1
        out.append(value[index:back] + value[back + 1 : back + 2])
        index = start = back + 2


def _comment(value: str, index: int) -> tuple[str, int]:
    """The text of a comment, nested ones flattened, and the index after it (the end of the field when it never ends)."""
    depth = 1
    out: list[str] = []
    for match in re.finditer(r"[^()\\]+|\\.|[()\\]", value[index:], re.S):
        text = match[0]
        depth += (text == "(") - (text == ")")
        if depth == 0:
            return "".join(out).strip(), index + match.end()
        if text not in ("(", ")"):
            out.append(text[1:] if text[0] == "\\" else text)
    return "".join(out).strip(), len(value)


def _name(phrase: str) -> str:
    """A display name as it is shown: decoded, one line, without the quotes that writers wrap around it."""
    text = mail_header.decoded(phrase)[:MAX_NAME]
    return text.strip(_QUOTES) if text[:1] in _QUOTES or text[-1:] in _QUOTES else text
