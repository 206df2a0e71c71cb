"""HTML of a mail to readable text, in one pass whose cost is linear in the input, whatever the input.

Follows the shape of the HTML standard's tokenizer (§13.2.5) as far as text needs it: comments, raw text elements, attributes
in quotes, character references. Blocks become lines, quotations get `> `, pictures and styles vanish. It builds no tree, so
that nothing nests, and loads nothing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

MAX_INPUT = 2_000_000  # characters of HTML that are looked at
MAX_QUOTES = 10  # levels of quotation that are shown

_SKIPPED = frozenset({"script", "style", "title", "textarea", "template", "noscript", "svg", "math", "object", "select", "xml"})
_PARAGRAPHS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre", "article", "section", "header"}
    | {"footer", "figure", "fieldset", "form", "hr"}
)
_LINES = frozenset(
    {"br", "div", "tr", "li", "dt", "dd", "address", "center", "body", "head", "html", "caption", "tbody", "thead"}
    | {"figcaption", "main", "nav", "aside"}
)
_TAG_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9:-]{0,30}")
_BLANKS = re.compile(r"[ \t\r\n\f\u00a0]+")
_INVISIBLE = re.compile("[\u200b-\u200f\u034f\u00ad\ufeff\u2060\u202a-\u202e]")


def text_of(source: str) -> str:
    """The text that a reader of the page would see, in lines."""
    source = source[:MAX_INPUT]
    out = _Lines()
    index = 0
    last: dict[str, int] = {}  # where each mark occurs for the last time: nothing is searched for in vain twice
    unclosed: set[str] = set()

    def find(what: str, start: int) -> int:
        if what not in last:
            last[what] = source.rfind(what)
        return source.find(what, start) if start <= last[what] else -1

    while index < len(source):
        opening = find("<", index)
        if opening < 0:
            out.text(source[index:])
            break
        if opening > index:
            out.text(source[index:opening])
        follow = source[opening + 1 : opening + 2]
        if source.startswith("<!--", opening):
            close = find("-->", opening + 4)
            index = close + 3 if close >= 0 else len(source)
            continue
        if follow in "!?" and follow:
            close = find(">", opening)
            index = close + 1 if close >= 0 else len(source)
            continue
        name = _TAG_NAME.match(source, opening + (2 if follow == "/" else 1))
        if name is None:  # a lone `<` is text
            out.text("<")
            index = opening + 1
            continue
        close = _tag_end(source, name.end(), find)
        if close < 0:
            index = len(source) if follow == "/" else name.end()
            continue
        tag = name[0].lower()
        index = close + 1
        if follow != "/" and tag in _SKIPPED and source[close - 1] != "/":
            index = _after_raw_text(source, tag, index, unclosed)
        else:
            out.tag(tag, follow == "/")
    return out.joined()


def _tag_end(source: str, index: int, find: Callable[[str, int], int]) -> int:
    """Where the `>` of a tag stands; one within a quoted attribute does not count, unless the quote never ends."""
    first = close = find(">", index)
    while close >= 0:
        quote = _open_quote(source[index:close])
        ending = find(quote, close) if quote else -1
        if ending < 0:
            return close
        index, close = ending + 1, find(">", ending + 1)
    return first


def _open_quote(part: str) -> str:
    """The quotation mark that is still open at the end of a piece of a tag; only one after `=` opens."""
    index = 0
    while True:
        equals = part.find("=", index)
        if equals < 0:
            return ""
        index = equals + 1
        while part[index : index + 1].isspace():
            index += 1
        quote = part[index : index + 1]
        if quote not in ('"', "'"):
            continue
        close = part.find(quote, index + 1)
        if close < 0:
            return quote
        index = close + 1


def _after_raw_text(source: str, tag: str, index: int, unclosed: set[str]) -> int:
    """The index after the end tag of an element whose content is no text to read."""
    ending = f"</{tag}"
    if ending in unclosed:
        return index
    found = re.compile(re.escape(ending), re.I).search(source, index)
    if found is None:
        unclosed.add(ending)
        # HTML §13.2.5.2: an unclosed script or style runs to the end; anything else is better read than lost
        return len(source) if tag in ("script", "style") else index
    close = source.find(">", found.end())
    return close + 1 if close >= 0 else len(source)


class _Lines:
    """Collects text as lines: blanks reduced, at most one empty line between paragraphs, quotations marked."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._current: list[str] = []
        self._quotes = 0
        self._preformatted = 0

    def text(self, data: str) -> None:
        if "&" in data:
            data = html.unescape(data)
        if not data.isascii():
            data = _INVISIBLE.sub("", data)
        if self._preformatted:
            first, *others = data.replace("\r\n", "\n").split("\n")
            self._current.append(first)
            for line in others:
                self._end_line()
                self._current.append(line)
        else:
            self._current.append(_BLANKS.sub(" ", data))

    def tag(self, name: str, closing: bool) -> None:
        if name in _PARAGRAPHS:
            self._paragraph()
            if name == "blockquote":
                self._quotes = max(0, self._quotes + (-1 if closing else 1))
            elif name == "pre":
                self._preformatted = 0 if closing else 1
            elif name == "hr":
                self._current.append("---")
                self._paragraph()
        elif name in _LINES:
            if name == "br":
                self._end_line(forced=not closing)
            elif self._has_text():
                self._end_line()
            else:
                self._current.clear()
            if name == "li" and not closing:
                self._current.append("- ")
        elif name in ("td", "th"):
            self._current.append(" ")

    def joined(self) -> str:
        if self._has_text():
            self._end_line()
        while self._lines and not self._lines[-1].strip("> "):
            self._lines.pop()
        return "\n".join(self._lines)

    def _has_text(self) -> bool:
        return any(piece.strip() for piece in self._current)

    def _paragraph(self) -> None:
        if self._has_text():
            self._end_line()
        self._current.clear()
        if self._lines and self._lines[-1].strip("> "):
            self._lines.append("")

    def _end_line(self, forced: bool = True) -> None:
        line = "".join(self._current)
        self._current.clear()
        line = line.rstrip() if self._preformatted else _BLANKS.sub(" ", line).strip()
        if not line and (not forced or not self._lines or (len(self._lines) > 1 and not self._lines[-1].strip("> "))):
            return
        marks = "> " * min(self._quotes, MAX_QUOTES)
        self._lines.append((marks + line).rstrip())
