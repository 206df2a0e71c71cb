"""Whether a mail is from whom it says, as the receiving host found and wrote into it (RFC 8601).

Only what the receiving host itself wrote counts: everything else came with the mail and may be forged (§5, §7.1). Of networks that
are known to strip forgeries, that is every field with their name. Of other hosts it is what stands above the first Received, where
nothing from outside can stand (RFC 5321 §4.4: a host puts its own on top); what stands right below it may accuse a mail, never
vouch for it. DMARC (RFC 7489) decides; where the sender's domain has none, a signature or path of that same domain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from providers import records
from providers.formats import mail_header

MAX_FIELD: Final = 8_000
MAX_FIELDS: Final = 20
#: Networks that remove foreign fields in their name: the end of their IMAP host → ends of the names that they write.
RECEIVERS: Final[dict[str, tuple[str, ...]]] = {
    "gmail.com": ("google.com",),
    "googlemail.com": ("google.com",),
    "mail.yahoo.com": ("yahoo.com",),
    "aol.com": ("yahoo.com", "aol.com"),
    "mail.me.com": ("icloud.com",),
    "fastmail.com": ("messagingengine.com",),
    "messagingengine.com": ("messagingengine.com",),
    "gmx.com": ("gmx.net", "gmx.com"),
    "gmx.net": ("gmx.net",),
    "web.de": ("web.de",),
    "zoho.com": ("zohomail.com", "zoho.com"),
    "zoho.eu": ("zohomail.eu", "zoho.eu"),
}
_RESULT: Final = re.compile(r"\s*([a-z0-9-]{2,20})\s*(?:/\s*\d{1,5}\s*)?=\s*([a-z]{2,20})\b", re.I)
_PROPERTY: Final = re.compile(r"(header\.(?:d|i|from)|smtp\.mailfrom)\s*=\s*([^\s;\"\x00]{1,320})", re.I)
_BY: Final = re.compile(r"\bby\s+([a-z0-9.-]{1,253})", re.I)
_OPAQUE: Final = "\x00"  # stands for quoted text, whose author is the sender


def verdict(fields: mail_header.Fields, hosts: Collection[str], sender: str) -> records.Authentication:
    """What a host of `hosts` (authserv-ids in lower case; an empty one for hosts that leave it out) says of `sender`'s address.

    The topmost field decides: these hosts put theirs above what came with the mail.
    """
    written = next(iter(fields.all("authentication-results")), None)
    if written is None:
        return "NOT_CHECKED"
    return _judged([written], lambda name: name in hosts, sender)


def of_mailbox(fields: mail_header.Fields, host: str, sender: str) -> records.Authentication:
    """What the receiving host says of `sender`'s address, for mail from a mailbox at the IMAP server `host`."""
    above: list[str] = []
    below: list[str] = []
    arrivals: list[str] = []
    for name, value in fields.items:
        if name.lower() == "received":
            arrivals.append(value)
            if len(arrivals) > 1:
                break
        elif name.lower() == "authentication-results" and len(above) + len(below) < MAX_FIELDS:
            (below if arrivals else above).append(value)
    known = next((names for end, names in RECEIVERS.items() if _is_under(host.lower(), end)), ())
    if known:
        every = list(fields.all("authentication-results"))[:MAX_FIELDS]
        return _judged(every, lambda name: any(_is_under(name, end) for end in known), sender)
    if not arrivals:
        return "NOT_CHECKED"
    said = _judged(above, lambda name: True, sender)
    if said != "NOT_CHECKED":
        return said
    by = _BY.search(arrivals[0][:MAX_FIELD])
    receiver = by[1].lower() if by else ""
    accused = _judged(below, lambda name: "." in receiver and _is_aligned(name, receiver), sender) == "FAILED"
    return "FAILED" if accused else "NOT_CHECKED"


def _judged(written: Sequence[str], believed: Callable[[str], bool], sender: str) -> records.Authentication:
    """The verdict of those fields that a believed host wrote."""
    domain = sender.rpartition("@")[2].lower()
    aligned = False
    for value in written:
        for method, outcome, said in _results(value, believed) if domain else ():
            about = said.get("header.from", domain)
            if method == "dmarc" and not _is_aligned(about, domain):
                continue  # it speaks of another From than the one that is shown
            if method == "dmarc" and outcome in ("pass", "bestguesspass"):
                return "PASSED"
            if method == "dmarc" and outcome == "fail":
                return "FAILED"
            if method in ("dkim", "spf") and outcome == "pass":
                names = ("header.d", "header.i") if method == "dkim" else ("smtp.mailfrom",)
                aligned = aligned or any(_is_aligned(said[name], domain) for name in names if name in said)
    return "PASSED" if aligned else "NOT_CHECKED"


def _results(written: str, believed: Callable[[str], bool]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Method, outcome and properties of each result of a field, when a believed host wrote it (RFC 8601 §2.2)."""
    first, *results = _bare(written[:MAX_FIELD]).split(";")
    words = first.split()
    if words and "=" in words[0] and believed(""):
        results = [first, *results]  # Exchange Online names no host
    elif not words or "=" in words[0] or not believed(words[0].lower()):
        return
    for result in results:
        found = _RESULT.match(result)
        if found is not None:
            said = {name.lower(): value.rpartition("@")[2].lower() for name, value in _PROPERTY.findall(result)}
            yield found[1].lower(), found[2].lower(), said


def _bare(value: str) -> str:
    """A field without comments, its quoted text made opaque: in both stands what the sender chose, such as `; dmarc=pass`."""
    out: list[str] = []
    depth, quoted, index = 0, False, 0
    while index < len(value):
        character = value[index]
        index += 1
        if character == "\\" and (depth or quoted):
            index += 1
        elif quoted:
            quoted = character != '"'
        elif character == '"' and not depth:
            quoted = True
            out.append(_OPAQUE)
        elif character == "(":
            depth += 1
        elif character == ")" and depth:
            depth -= 1
        elif not depth:
            out.append(character)
    return "" if depth or quoted else "".join(out)


def _is_under(name: str, end: str) -> bool:
    return name == end or name.endswith("." + end)


def _is_aligned(said: str, domain: str) -> bool:
    """RFC 7489 §3.1, relaxed as far as that goes without a list of public suffixes."""
    return "." in said and (said == domain or _is_under(domain, said) or _is_under(said, domain))
