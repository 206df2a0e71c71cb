"""E-mail addresses as keys: the form in which two spellings are one mailbox, and whether a person can own it.

RFC 5321 §2.4 leaves the local part to its host: dots are dropped only for Gmail, "+tag" only where the host is known to have it,
and letters that merely look alike are never folded: `аda@example.org` with a Cyrillic letter is somebody else's. A domain is one in its
own letters and in those that go over the wire (RFC 5891 §5).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final, Literal

import idna
import msgspec

from resolvers.identity import spelling
from resolvers.identity.names import Name, Word, alike
from resolvers.identity.tables import sections

Owner = Literal["PERSON", "ROLE", "LIST", "MACHINE"]

_T: Final = sections("mail.txt")
_GMAIL: Final = frozenset({"gmail.com", "googlemail.com"})
_PARTS: Final = re.compile(r"[._\-+\d]+")
_BESIDE: Final = 2  # letters beside a family name that are initials at most
_SECOND_LEVEL: Final = frozenset({"co", "com", "org", "net", "ac", "gov", "edu", "or", "ne"})


class Mailbox(msgspec.Struct, frozen=True, gc=False):
    """One address."""

    key: str
    local: str
    domain: str
    owner: Owner
    free: bool  # the host gives addresses to anybody: the domain says nothing of an employer
    disposable: bool


@lru_cache(100_000)
def mailbox(address: str) -> Mailbox | None:
    """What an address is; None for what is none."""
    text = unicodedata.normalize("NFC", _bare(address)).lower()
    local, at, domain = text.rpartition("@")
    if not at or not local or "." not in domain.strip(".") or any(c.isspace() for c in text):
        return None
    domain = readable(domain.rstrip("."))
    bare = local.partition("+")[0] if domain in _T["plus_tags"] and not local.startswith("+") else local
    if domain in _GMAIL:
        bare, domain = bare.replace(".", ""), "gmail.com"
    return Mailbox(
        key=f"{bare}@{domain}",
        local=local.partition("+")[0] or local,
        domain=domain,
        owner=_owner(local, domain),
        free=domain in _T["free"] or domain in _T["disposable"],
        disposable=domain in _T["disposable"],
    )


def _bare(address: str) -> str:
    """An address without the name before it (RFC 5322 §3.4) and the scheme of a link (RFC 6068), which people paste with it."""
    text = address.strip()
    if text.endswith(">") and "<" in text:
        text = text.rpartition("<")[2]
    return text.removeprefix("mailto:").strip(" <>")


def readable(address: str) -> str:
    """An address whose domain is in the letters that are shown for it (RFC 5891 §5.2), not in those that go over the wire."""
    if "xn--" not in address:
        return address
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{'.'.join(map(_label, domain.split('.')))}"


def _label(label: str) -> str:
    try:
        return idna.decode(label) if label.startswith("xn--") else label
    except idna.IDNAError:
        return label


def _owner(local: str, domain: str) -> Owner:
    bare = local.partition("+")[0]
    plain = bare.rstrip("0123456789")
    if any(part in bare for part in _T["machine_parts"]):
        return "MACHINE"
    if domain.partition(".")[0] in _T["machine_labels"] or any(
        domain == host or domain.endswith(f".{host}") for host in _T["machine_hosts"]
    ):
        return "MACHINE"
    hosts = _T["list_hosts"]
    if domain.partition(".")[0] in hosts or site(domain) in hosts or domain in hosts or plain.endswith(tuple(_T["list_ends"])):
        return "LIST"
    if local.endswith(tuple(_T["list_tags"])):
        return "LIST"  # Mailman and its like have a command behind the plus
    words = [w for w in re.split(r"[._\-]+", plain) if w]
    if plain in _T["roles"] or bare in _T["roles"] or (words and all(w in _T["roles"] for w in words)):
        return "ROLE"
    return "PERSON"


def free_hosts() -> frozenset[str]:
    """The hosts that give addresses to anybody."""
    return _T["free"]


def site(domain: str) -> str:
    """The part of a domain that somebody registered: `mail.example.co.uk` belongs to `example.co.uk`."""
    labels = domain.split(".")
    take = 3 if len(labels) > 2 and labels[-2] in _SECOND_LEVEL and len(labels[-1]) == 2 else 2
    return ".".join(labels[-take:])


@lru_cache(100_000)
def stem(local: str) -> str:
    """The letters of a local part or a user name, by which the same habit is known again."""
    return "".join(p for p in _PARTS.split(local.casefold()) if p)


@lru_cache(100_000)
def parts(local: str) -> tuple[str, ...]:
    """The words that a local part is made of."""
    return tuple(w for p in _PARTS.split(local.casefold()) if (w := spelling.latin(p)))


@lru_cache(100_000)
def speaks_for(local: str, name: Name) -> int:
    """How much a local part or a user name says a name: 0 nothing, 1 one word of it, 2 an initial and a word, 3 two words."""
    words = parts(local)
    best = 0
    own = [(w, texts) for w in name.words if (texts := _texts(w))]
    if len(words) >= 2:
        hits = _hits(words, own)
        if len(hits) >= 2:
            best = 3 if all(len(words[i]) > 1 for i in hits[:2]) else 2
    whole = "".join(words)
    for one, texts in own:
        for text in texts:
            if len(text) < 3 or text not in whole:
                continue
            best = max(best, 1)
            rest = whole.replace(text, "", 1)
            for other, seconds in own:
                if other is one:
                    continue
                for second in seconds:
                    if len(second) >= 2 and second in rest:
                        return 3
                    if rest and rest[0] == second[:1] and len(rest) <= 2:
                        best = max(best, 2)
    return best


@lru_cache(100_000)
def says_a_relative(local: str, name: Name) -> bool:
    """Whether a local part says the family name of a full name and, beside it, a word that is nothing of that name: igorbyron for Ada
    Byron may be her husband's."""
    if not name.full or speaks_for(local, name) != 1:
        return False
    whole = "".join(parts(local))
    for word in name.family:
        for text in _texts(word):
            before, said, after = whole.partition(text)
            if said and len(text) > 3 and len(before) + len(after) > _BESIDE:
                made = [Word(text=beside, forms=(spelling.sound(beside),)) for beside in (before, after) if beside]
                return not any(alike(one, other) for one in made for other in name.given)
    return False


@lru_cache(50_000)
def _texts(word: Word) -> tuple[str, ...]:
    return tuple(t for t in dict.fromkeys((word.text, *word.forms)) if t)


def _hits(words: tuple[str, ...], own: list[tuple[Word, tuple[str, ...]]]) -> list[int]:
    """Which words of a local part are words of a name, or their first letters."""
    hits, used = [], set()
    for n, text in enumerate(words):
        heard = spelling.sound(text)
        for k, (_, texts) in enumerate(own):
            if k not in used and (text in texts or heard in texts or (len(text) == 1 and any(t[0] == text for t in texts))):
                used.add(k)
                hits.append(n)
                break
    return hits


@lru_cache(100_000)
def said_name(local: str) -> Name | None:
    """The name that a local part of two words spells, when nobody gave a better one."""
    words = parts(local)
    if len(words) != 2 or min(map(len, words)) < 3:
        return None
    made = [Word(text=w, forms=(spelling.sound(w),)) for w in words]
    return Name(text=local, kind="PERSON", given=(made[0],), family=(made[1],))
