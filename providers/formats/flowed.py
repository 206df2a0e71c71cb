"""Plain text that was wrapped for transport, unwrapped again: `format=flowed` (RFC 3676).

A line that ends with a blank goes on in the next one of the same quotation depth; a blank put before `>`, `From ` or another
blank is taken away (§4.4). The signature mark `-- ` never flows (§4.3). Knows nothing of charsets or parts.
"""

from __future__ import annotations


def unflowed(text: str, *, delete_space: bool = False) -> str:
    """The text with its paragraphs as single lines; `delete_space` is the parameter DelSp=yes (§4.2)."""
    out: list[str] = []
    paragraph: list[str] = []
    open_depth = -1  # quotation depth of the paragraph that still flows; -1: none does
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        content = line[depth:]
        if content.startswith(" "):
            content = content[1:]
        if open_depth >= 0 and (depth != open_depth or content == "-- "):
            out.append(_quoted(open_depth, "".join(paragraph)))  # §4.5: an improper end of a paragraph
            paragraph, open_depth = [], -1
        flows = content.endswith(" ") and content != "-- "
        paragraph.append(content[:-1] if flows and delete_space else content)
        if flows:
            open_depth = depth
        else:
            out.append(_quoted(depth, "".join(paragraph)))
            paragraph, open_depth = [], -1
    if paragraph:
        out.append(_quoted(max(open_depth, 0), "".join(paragraph)))
    return "\n".join(out)


def _quoted(depth: int, content: str) -> str:
    return ">" * depth + " " + content if depth and content else ">" * depth + content
