"""HTML of a mail as it may be shown inside somebody's page: nothing of it runs, fetches, submits, or reaches out of its place.

Two walls. First the page is written anew from its tokens: only elements and attributes of the lists below, properly nested and
not deep, so that no parser can be kept busy by it. Then nh3 (ammonia, a browser's parser with an allow list) parses that and has
the last word. Styles keep colours, type and boxes, and nothing that loads or moves; pictures are either parts of the mail itself
(`cid:`, RFC 2392) or foreign: the caller says what stands for each, and what it does not name is left out. Pictures of a pixel or
two are there to report that a mail was opened: they go in any case. Loads nothing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

from providers.formats import html_tokens

MAX_INPUT: Final = 1_000_000  # characters
MAX_DEPTH: Final = 150  # elements within each other; what is deeper loses its element, never its text
MAX_TAGS: Final = 60_000
MAX_VALUE: Final = 8_000  # characters of an attribute
MAX_REFERENCES: Final = 500  # character references in one run of text
MAX_PIXELS: Final = 2  # edge of a picture that nobody can see

#: What stands for the address of a picture; None where it is left out.
Picture = Callable[[str], str | None]

_VOID: Final = frozenset({"br", "hr", "img", "col", "wbr"})
_BLOCKS: Final = frozenset(
    {"address", "article", "aside", "blockquote", "center", "dd", "div", "dl", "dt", "figcaption", "figure", "footer", "h1", "h2"}
    | {"h3", "h4", "h5", "h6", "header", "li", "main", "ol", "p", "pre", "section", "ul"}
)
_TABLES: Final = frozenset({"table", "caption", "colgroup", "thead", "tbody", "tfoot", "tr", "td", "th"})
_PHRASES: Final = frozenset(
    {
        "a",
        "abbr",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "mark",
        "q",
        "rp",
        "rt",
    }
    | {"ruby", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var"}
)
TAGS: Final = _VOID | _BLOCKS | _TABLES | _PHRASES
#: `id`, `class` and `name` could be taken for the page's own.
ATTRIBUTES: Final[dict[str, set[str]]] = {
    "*": {"align", "bgcolor", "dir", "height", "lang", "style", "title", "valign", "width"},
    "a": {"href"},
    "col": {"span"},
    "colgroup": {"span"},
    "font": {"color", "face", "size"},
    "img": {"alt", "border", "hspace", "src", "vspace"},
    "ol": {"start", "type"},
    "li": {"value", "type"},
    "table": {"border", "cellpadding", "cellspacing"},
    "td": {"colspan", "rowspan", "nowrap"},
    "th": {"colspan", "rowspan", "nowrap"},
}
_PROPERTIES: Final = re.compile(
    r"(?:color|background|background-color|direction|display|clear|float|opacity|overflow-wrap|table-layout|vertical-align|"
    r"(?:max-|min-)?(?:width|height)|line-height|letter-spacing|white-space|word-(?:break|spacing|wrap)|list-style(?:-type)?|"
    r"caption-side|empty-cells|unicode-bidi|font(?:-[a-z]+)*|text-(?:align|decoration|indent|overflow|transform)|"
    r"(?:margin|padding)(?:-[a-z]+)*|border(?:-[a-z]+)*)\Z"
)
_VALUE: Final = re.compile(r"[\w\s#.,%+()'\"-]{1,300}(?:![ ]?important)?\Z")
_FUNCTION: Final = re.compile(r"([\w-]*)\(")
_FUNCTIONS: Final = frozenset({"rgb", "rgba", "hsl", "hsla"})
_ATTRIBUTE: Final = re.compile(r"""([^\s"'<>/=]{1,40})(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")
_SCHEMES: Final = frozenset({"http", "https", "mailto", "tel", "cid"})
_SMALL: Final = re.compile(r"(?:width|height)\s*:\s*0*[0-2](?:\.\d+)?(?:px)?\s*(?:;|!|\Z)", re.I)


def sanitised(source: str, *, part: Picture, remote: Picture) -> str:
    """The page to show. `part` gives the address of a part by its Content-ID, `remote` what stands for a foreign http address."""
    ready = _rewritten(source[:MAX_INPUT])

    def value_of(tag: str, name: str, value: str) -> str | None:
        if name == "style":
            return _style(value)
        if name == "src":
            return _source(value.strip(), part, remote)
        if name == "href":
            link = value.strip()
            return link if link.partition(":")[0].lower() in ("http", "https", "mailto", "tel") else None
        return value

    import nh3  # two megabytes, which nobody needs before the first mail is shown

    return nh3.clean(
        ready,
        tags=set(TAGS),
        clean_content_tags=set(html_tokens.SKIPPED - {"title", "textarea", "xml"}) | {"title", "textarea"},
        attributes=ATTRIBUTES,
        attribute_filter=value_of,
        url_schemes=set(_SCHEMES),
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def _source(value: str, part: Picture, remote: Picture) -> str | None:
    scheme, _, rest = value.partition(":")
    if scheme.lower() == "cid":
        return part(unquote(rest))
    return remote(value) if scheme.lower() in ("http", "https") else None


def _style(value: str) -> str | None:
    """The declarations that only say how something looks (CSS Style Attributes §3); escapes and comments are none of them."""
    if "\\" in value or "/*" in value:
        return None
    kept = []
    for declaration in value.split(";")[:100]:
        name, colon, said = declaration.partition(":")
        name, said = name.strip().lower(), said.strip()
        if not colon or not _PROPERTIES.match(name) or not _VALUE.match(said):
            continue
        if all(function.lower() in _FUNCTIONS for function in _FUNCTION.findall(said)):
            kept.append(f"{name}: {said}")
    return "; ".join(kept) or None


def _rewritten(source: str) -> str:
    """The page from its tokens: known elements only, each closed before what it stands in, not deeper than MAX_DEPTH."""
    out: list[str] = []
    stack: list[str] = []
    open_of: dict[str, int] = {}
    tags = references = 0
    for kind, value, attributes in html_tokens.tokens(source):
        if kind == "text":
            text, references = _parted(value.replace("<", "&lt;").replace(">", "&gt;"), references)
            out.append(text)
            continue
        tags += 1
        if value not in TAGS or tags > MAX_TAGS:
            if value in ("br", "tr", "p", "div", "li"):
                out.append("\n")
            continue
        if kind == "open":
            _open(out, stack, open_of, value, attributes)
        elif open_of.get(value) and _reachable(stack, value):
            while True:
                inner = stack.pop()
                open_of[inner] -= 1
                out.append(f"</{inner}>")
                if inner == value:
                    break
    out += [f"</{tag}>" for tag in reversed(stack)]
    return "".join(out)


def _parted(text: str, references: int) -> tuple[str, int]:
    """A text with a comment, which is not shown, before every MAX_REFERENCES-th `&`; `references` counts on from the text before.

    The parser below copies a run of text at each reference in it: a megabyte of them would take it seconds.
    """
    found = text.count("&")
    if references + found < MAX_REFERENCES:
        return text, references + found
    pieces = text.split("&")
    out = [pieces[0]]
    for piece in pieces[1:]:
        references += 1
        out.append("&" if references % MAX_REFERENCES else "<!---->&")
        out.append(piece)
    return "".join(out), references % MAX_REFERENCES


def _open(out: list[str], stack: list[str], open_of: dict[str, int], tag: str, attributes: str) -> None:
    if tag in _VOID:
        if tag != "img" or not _is_pixel(attributes):
            out.append(f"<{tag}{_kept(tag, attributes)}>")
        return
    # HTML §13.2.6.4.7: a new item or paragraph ends the one before; a link holds no link
    if stack and stack[-1] == tag and tag in ("p", "li", "dt", "dd", "td", "th", "tr", "a"):
        stack.pop()
        open_of[tag] -= 1
        out.append(f"</{tag}>")
    if len(stack) >= MAX_DEPTH:
        return
    stack.append(tag)
    open_of[tag] = open_of.get(tag, 0) + 1
    out.append(f"<{tag}{_kept(tag, attributes)}>")


def _reachable(stack: list[str], tag: str) -> bool:
    """Whether an end tag may close its element: one that was opened outside of the present table cell may not."""
    for inner in reversed(stack):
        if inner == tag:
            return True
        if inner in ("td", "th") and tag not in _TABLES:
            return False
    return False


def _kept(tag: str, attributes: str) -> str:
    """The attributes that are known, written anew; character references stay, for the parser to decode once."""
    if not attributes.strip(" /\n\t"):
        return ""
    found: dict[str, str] = {}
    known = ATTRIBUTES.get(tag, set()) | ATTRIBUTES["*"]
    for match in _ATTRIBUTE.finditer(attributes):
        name = match[1].lower()
        if name in known and name not in found:
            value = match[2] if match[2] is not None else match[3] if match[3] is not None else match[4] or ""
            if len(value) <= MAX_VALUE:
                found[name] = value.replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f' {name}="{value}"' for name, value in found.items())


def _is_pixel(attributes: str) -> bool:
    """Whether a picture is too small to be seen: both edges said to be a pixel or two, or it is hidden."""
    edges = 0
    for match in _ATTRIBUTE.finditer(attributes):
        value = html.unescape((match[2] or match[3] or match[4] or "")[:MAX_VALUE]).strip().lower()
        if match[1].lower() in ("width", "height"):
            number = value.removesuffix("px").strip()
            edges += number.isdecimal() and len(number) < 5 and int(number) <= MAX_PIXELS
        elif match[1].lower() == "style":
            edges += len(_SMALL.findall(value)) + 2 * ("display:none" in value.replace(" ", ""))
    return edges >= 2
