"""One e-mail address from the wild to the form everything compares by (RFC 5321 §4.1.2, RFC 6532, RFC 5890).

The local part keeps its case (RFC 5321 §2.4 leaves it to the receiving host), the domain is lower-case and readable:
`xn--` labels are shown as the letters they stand for. Text is NFC. Deliverability, aliases and plus tags are not known here.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import idna

MAX_LENGTH = 320  # 64 of local part, one @, 255 of domain (RFC 3696 errata 1690)

_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060\ufeff\u00ad]")
_LOCAL = re.compile(r'(?:[^\s"(),:;<>@\[\\\]\x00-\x1f\x7f]+|"(?:[^"\\\x00-\x1f]|\\[^\x00-\x1f])*")\Z')
_DOMAIN = re.compile(r"(?:[\w-]+(?:\.[\w-]+)*|\[[0-9A-Fa-f:.]+(?:IPv6:)?[0-9A-Fa-f:.]*\])\Z")
_ANGLE = re.compile(r"<\s*([^<>\s]+@[^<>\s]+)\s*>")


def normalised(raw: str) -> str | None:
    """The address in `raw` (it may be in angle brackets, or a mailto: link), or None when there is none."""
    if len(raw) > 2000:
        return None
    return _normalised(raw)


@lru_cache(maxsize=16384)
def _normalised(raw: str) -> str | None:
    text = _INVISIBLE.sub("", raw).strip()
    if "<" in text and (inside := _ANGLE.search(text)):
        text = inside[1]
    if text[:7].lower() == "mailto:":
        text = text[7:].partition("?")[0].replace("%40", "@")
    text = unicodedata.normalize("NFC", text.strip().strip("'<>,;").strip())
    local, at, domain = text.rpartition("@")
    domain = domain.rstrip(".")
    if not at or len(text) > MAX_LENGTH or len(local) > 64 or not _LOCAL.match(local):
        return None
    domain = readable_domain(domain)
    return f"{local}@{domain}" if _DOMAIN.match(domain) else None


@lru_cache(maxsize=4096)
def readable_domain(domain: str) -> str:
    """A host name in lower case with its `xn--` labels decoded where they are valid (RFC 5891 §5)."""
    # NFKC folds full-width letters and dots as UTS 46 asks for.
    domain = unicodedata.normalize("NFKC", domain).lower().replace("\u3002", ".")
    if "xn--" not in domain:
        return domain
    return ".".join(_readable_label(label) for label in domain.split("."))


def _readable_label(label: str) -> str:
    if not label.startswith("xn--") or len(label) > 63:
        return label
    try:
        return idna.ulabel(label)
    except (idna.IDNAError, UnicodeError):
        return label
