"""What of a message follows from its record alone and takes time: packed, folded, hashed and read, before anybody waits for a transaction.

It may be made where messages are read, in another process than the one that writes them; where nobody did it is made on the way, and
is the same. Knows no database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
from isal import isal_zlib

from providers import records
from resolvers.ingest import answers, findable
from store import search_index
from store.search_index import Heads

SNIPPET: Final = 200  # characters, as the contract says
LEVEL: Final = 1  # of ISA-L, whose results are zlib's (RFC 1950): as large as zlib's at 1, in half of the time
_encode: Final = msgspec.msgpack.Encoder().encode


class Prepared(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """`body`, `html`, `headers`, `snippet`, `subject_key` as their columns hold them.

    In the search index `words` are those of the text and `heads` those above it; its conversation, as long as it is alone there, has
    `in_thread`, or the same. `posts_to`: where its mailing list takes posts.
    """

    fingerprint: bytes
    body: bytes
    words: str
    snippet: str
    heads: Heads
    in_thread: Heads | None = None
    subject_key: str | None = None
    posts_to: str | None = None
    html: bytes | None = None
    headers: bytes | None = None


def prepare(item: records.Message, mark: bytes | None = None) -> Prepared:
    """All of it. `mark`: its fingerprint, where that is known."""
    people = [(p.role, p.name, p.address) for p in item.participants]
    heads, in_thread = _heads(item, people), _heads(item, sorted(set(people)))
    return Prepared(
        fingerprint=mark or fingerprint(item), body=packed_text(item.text), words=search_index.spelled(item.text),
        snippet=_snippet(item.text), heads=heads, in_thread=None if in_thread == heads else in_thread,
        subject_key=answers.subject_key(item), posts_to=list_address(item),
        html=packed_text(item.html) if item.html else None,
        headers=isal_zlib.compress(_encode(item.headers), LEVEL) if item.headers else None,
    )  # fmt: skip


def unprepared(item: records.Message, mark: bytes) -> Prepared:
    """Of a message that is shown as its network has it and not kept."""
    return Prepared(fingerprint=mark, body=b"", words="", snippet="", heads=Heads("", "", ""), posts_to=list_address(item))


def remainder(item: records.Message) -> records.Message:
    """A message without what nobody reads any more once it is prepared: most of its bytes, on their way to another process.

    Mail alone, and with the text where that says which message it is (`messages.message_id`).
    """
    sender = next((p.address for p in item.participants if p.role == "FROM" and p.kind == "EMAIL"), "")
    if item.conversation_kind != "EMAIL_THREAD" or not item.internet_message_id or not sender:
        return item
    return msgspec.structs.replace(item, text="", html=None, headers=())


def list_address(item: records.Message) -> str | None:
    """Where a mailing list takes posts: List-Post (RFC 2369 §3.4)."""
    for header in item.headers:
        if len(header.name) == len("list-post") and header.name.casefold() == "list-post":
            at = header.value.casefold().find("mailto:")
            if at >= 0:
                return header.value[at + 7 :].strip("<> \t").split("?")[0].split(">")[0].casefold()
    return None


def _snippet(text: str) -> str:
    """How a text begins, in one line; of most texts no more has to be looked at than is shown."""
    found = " ".join(text[: SNIPPET + SNIPPET // 4].split())
    return (found if len(found) >= SNIPPET else " ".join(text[: SNIPPET * 4].split()))[:SNIPPET]


def _heads(item: records.Message, people: Sequence[tuple[str, str, str]]) -> Heads:
    sender, receivers = findable.named(people)
    return search_index.heads(item.subject or "", sender, receivers)


def fingerprint(item: records.Message) -> bytes:
    """What two messages with the same words have in common, 16 bytes."""
    words = " ".join(item.text.split())
    return hashlib.blake2b(f"{item.subject or ''}\x00{words}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def packed_text(value: str) -> bytes:
    """Text as a column holds it."""
    return isal_zlib.compress(value.encode("utf-8", "replace"), LEVEL)
