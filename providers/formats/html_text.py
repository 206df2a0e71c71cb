"""HTML of a mail to readable text, in one pass whose cost is linear in the input, whatever the input.

Reads the tokens of `html_tokens.py`. Blocks become lines, quotations get `> `, character references are decoded once, pictures
and styles vanish. Loads nothing.
"""

from __future__ import annotations

import html
import re

from providers.formats import html_tokens

MAX_INPUT = 2_000_000  # characters of HTML that are looked at
MAX_QUOTES = 10  # levels of quotation that are shown

_PARAGRAPHS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre", "article", "section", "header"}
    | {"footer", "figure", "fieldset", "form", "hr"}
)
_LINES = frozenset(
    {"br", "div", "tr", "li", "dt", "dd", "address", "center", "body", "head", "html", "caption", "tbody", "thead"}
    | {"figcaption", "main", "nav", "aside"}
)
_BLANKS = re.compile(r"[ \t\r\n\f\u00a0]+")
_INVISIBLE = re.compile("[\u200b-\u200f\u034f\u00ad\ufeff\u2060\u202a-\u202e]")


def text_of(source: str) -> str:
    """The text that a reader of the page would see, in lines."""
    out = _Lines()
    for kind, value, _ in html_tokens.tokens(source[:MAX_INPUT]):
        if kind == "text":
            out.text(value)
        else:
            out.tag(value, kind == "close")
    return out.joined()


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
