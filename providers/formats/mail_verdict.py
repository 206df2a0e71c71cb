"""Whether a mail is from whom it says, as the receiving host found and wrote into it (RFC 8601).

Only the field of the receiving host itself counts, and of those only the topmost: everything below it came with the mail and may
be forged (RFC 8601 §5). DMARC (RFC 7489) decides; where the sender's domain has none, a signature or path of that same domain.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from providers import records
from providers.formats import mail_header

MAX_FIELD = 8_000
_COMMENT = re.compile(r"\([^()]{0,1000}\)")
_RESULT = re.compile(r"\s*([a-z0-9-]{2,20})\s*(?:/\s*\d+\s*)?=\s*([a-z]{2,20})", re.I)
_PROPERTY = re.compile(r"(header\.(?:d|i|from)|smtp\.mailfrom)\s*=\s*\"?([^\s;\"]{1,320})", re.I)


def verdict(fields: mail_header.Fields, hosts: Collection[str], sender: str) -> records.Authentication:
    """What a host of `hosts` (authserv-ids in lower case; an empty one for hosts that leave it out) says of `sender`'s address."""
    written = next(fields.all("authentication-results"), None)
    if written is None:
        return "UNKNOWN"
    first, *results = _COMMENT.sub(" ", written[:MAX_FIELD]).split(";")
    words = first.split()
    if words and "=" in words[0] and "" in hosts:
        results = [first, *results]  # Exchange Online names no host
    elif not words or words[0].lower() not in hosts:
        return "UNKNOWN"
    domain = sender.rpartition("@")[2].lower()
    aligned = False
    for result in results:
        found = _RESULT.match(result)
        if found is None:
            continue
        method, outcome = found[1].lower(), found[2].lower()
        if method == "dmarc" and outcome in ("pass", "bestguesspass"):
            return "PASSED"
        if method == "dmarc" and outcome == "fail":
            return "FAILED"
        if method in ("dkim", "spf") and outcome == "pass":
            said = {name.lower(): value.rpartition("@")[2].lower() for name, value in _PROPERTY.findall(result)}
            names = ("header.d", "header.i") if method == "dkim" else ("smtp.mailfrom",)
            aligned = aligned or any(_is_aligned(said[name], domain) for name in names if name in said)
    return "PASSED" if aligned else "UNKNOWN"


def _is_aligned(said: str, domain: str) -> bool:
    """RFC 7489 §3.1, relaxed as far as that goes without a list of public suffixes."""
    return "." in said and (said == domain or domain.endswith("." + said) or said.endswith("." + domain))
