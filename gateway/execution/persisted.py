"""Documents that a request names instead of sending them.

*Persisted documents* come from manifests (gateway/manifests.py) and are named by `documentId` (the GraphQL over HTTP draft,
"Persisted Documents"), `doc_id` or `id` (Relay's network layers), or by the hash of Apollo's protocol. *Automatic persisted
queries* (Apollo: "APQ") are documents that a client has sent once together with their SHA-256; until a process forgets or
restarts, the hash is enough, and a hash that is not known is answered with `PersistedQueryNotFound`, upon which clients send both.

Where only persisted documents are taken, a document that is sent is taken when it is one of them, to the letter.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from graphql import GraphQLError

from gateway.execution.documents import Refused
from gateway.execution.masking import BAD_INPUT
from gateway.execution.request import GraphQLRequest

VERSION: Final = 1
REMEMBERED: Final = 4_000_000  # characters of documents that clients registered
SHA256: Final = "sha256:"  # the prefix that the draft gives to ids that are hashes


class Persisted:
    """One per process."""

    def __init__(self, documents: Mapping[str, str], *, only: bool = False, automatic: bool = True) -> None:
        self._documents = documents
        self.texts = frozenset(documents.values())
        self._only = only
        self._automatic = automatic and not only
        self._registered: OrderedDict[str, str] = OrderedDict()
        self._length = 0

    def document(self, request: GraphQLRequest, *, trusted: bool = False) -> str:
        """The text to execute. Raises Refused. `trusted` asks from this machine, and may ask anything."""
        digest = _hash(request.extensions)
        if request.query:
            if digest is not None and hashlib.sha256(request.query.encode(errors="replace")).hexdigest() != digest.lower():
                raise _refused("The hash of extensions.persistedQuery is not that of the query.", BAD_INPUT, 400)
            if self._only and not trusted and request.query not in self.texts:
                raise _unlisted()
            return request.query
        if request.document_id is not None:
            found = self._named(request.document_id)
            if found is None:
                raise _unlisted() if self._only else _refused("There is no document of this id.", "DOCUMENT_NOT_FOUND")
            return found
        assert digest is not None  # read_request takes nothing else
        if (found := self._named(digest)) is not None:
            return found
        if (found := self._registered.get(digest.lower())) is not None:
            self._registered.move_to_end(digest.lower())
            return found
        if self._only:
            raise _unlisted()
        if not self._automatic:
            raise _refused("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
        raise _refused("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")

    def executed(self, request: GraphQLRequest) -> None:
        """Remember the document under the hash that came with it; it has been found to be valid."""
        if not self._automatic or not request.query or (digest := _hash(request.extensions)) is None:
            return
        if digest.lower() not in self._registered:
            self._registered[digest.lower()] = request.query
            self._length += len(request.query)
            while self._length > REMEMBERED:
                _, forgotten = self._registered.popitem(last=False)
                self._length -= len(forgotten)

    def _named(self, name: str) -> str | None:
        return self._documents.get(name) or self._documents.get(name.removeprefix(SHA256))


def _hash(extensions: Mapping[str, Any]) -> str | None:
    """The SHA-256 of Apollo's protocol, as it came; None without one. Raises Refused."""
    asked = extensions.get("persistedQuery")
    if asked is None:
        return None
    if not isinstance(asked, dict) or asked.get("version") != VERSION:
        raise _refused("Unsupported persisted query version", BAD_INPUT, 400)
    digest = asked.get("sha256Hash")
    if not isinstance(digest, str) or not digest:
        raise _refused("extensions.persistedQuery needs the entry sha256Hash.", BAD_INPUT, 400)
    return digest


def _unlisted() -> Refused:
    return _refused("Only the persisted documents of this installation are answered.", "PERSISTED_QUERY_NOT_IN_LIST")


def _refused(message: str, code: str, status: int | None = None) -> Refused:
    return Refused([GraphQLError(message, extensions={"code": code})], code, status=status)
