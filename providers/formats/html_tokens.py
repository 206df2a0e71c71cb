"""HTML of a stranger taken apart into tags and texts, in one pass whose cost is linear in the input, whatever the input.

Follows the shape of the HTML standard's tokenizer (§13.2.5) as far as mail needs it: comments, raw text elements, attributes in
quotes. It builds no tree, so that nothing nests, and leaves out whole what nobody reads: scripts, styles, drawings, forms' menus.
Character references are left as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal

#: Elements whose content is left out together with them.
SKIPPED = frozenset({"script", "style", "title", "textarea", "template", "noscript", "svg", "math", "object", "select", "xml"})

Token = tuple[Literal["text", "open", "close"], str, str]  # a text, or a tag's name in lower case and its attributes as written

_TAG_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9:-]{0,30}")


def tokens(source: str) -> Iterator[Token]:
    """The texts and tags of a page in order."""
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
            yield "text", source[index:], ""
            break
        if opening > index:
            yield "text", source[index:opening], ""
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
            yield "text", "<", ""
            index = opening + 1
            continue
        close = _tag_end(source, name.end(), find)
        if close < 0:
            index = len(source) if follow == "/" else name.end()
            continue
        tag = name[0].lower()
        index = close + 1
        if follow != "/" and tag in SKIPPED and source[close - 1] != "/":
            index = _after_raw_text(source, tag, index, unclosed)
        elif follow == "/":
            yield "close", tag, ""
        else:
            yield "open", tag, source[name.end() : close]


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
