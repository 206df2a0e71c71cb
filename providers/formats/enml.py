"""ENML, the markup of Evernote's notes (published DTD `enml2.dtd`), as HTML.

ENML is XHTML without what acts, plus three elements: `en-todo`, a box that is ticked or not, `en-media`, a file that stands elsewhere, and
`en-crypt`, what only its owner's word opens. The text of a note is a stranger's: it is made safe where it is shown, not here.
"""

from __future__ import annotations

import re
from typing import Final

TICKED, OPEN, SEALED = "\N{BALLOT BOX WITH CHECK}", "\N{BALLOT BOX}", "[encrypted]"
_ROOT: Final = re.compile(r"<en-note\b[^>]*>", re.I)
_OWN: Final = re.compile(r"<(/?)en-(todo|media|crypt|note)\b([^>]*)>", re.I)
_TICK: Final = re.compile(r"""\bchecked\s*=\s*["']?true""", re.I)


def to_html(content: str) -> str:
    """A note's document as a fragment of HTML; what stands around the note itself (declarations) is left out."""
    root = _ROOT.search(content)
    if root is None:
        return ""
    out: list[str] = []
    at, sealed = root.end(), False
    for own in _OWN.finditer(content, at):
        if not sealed:
            out.append(content[at : own.start()])
        at = own.end()
        closing, element, attributes = own[1] == "/", own[2].lower(), own[3]
        if element == "note" and closing:
            return "".join(out)
        if element == "crypt":
            sealed = not closing and not attributes.endswith("/")
            out.append("" if closing else SEALED)
        elif element == "todo" and not closing and not sealed:
            out.append(f"{TICKED if _TICK.search(attributes) else OPEN} ")
    return "".join([*out, "" if sealed else content[at:]])
