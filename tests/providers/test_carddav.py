"""CardDAV against Radicale and Xandikos, and against a server that does what others have been seen to do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from providers import carddav
from providers.records import Contact
from providers.session import Secret
from tests.providers.contract import AdapterContract
from tests.servers import CardDav

_numbers = itertools.count()

CARD = (
    "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:{name}\r\nN:{name};;;;\r\nEMAIL;TYPE=home:{uid}@example.org\r\n"
    "TEL;TYPE=cell:+1 202 555 0143\r\nEND:VCARD\r\n"
)


class BookRig:
    """One address book of its own at a real server."""

    provider = carddav.PROVIDER

    def __init__(self, server: CardDav) -> None:
        self._server = server
        self._uids: set[str] = set()
        self.server_url = server.url
        self.book = server.create_book(f"book{next(_numbers)}")
        self.path = urlsplit(self.book).path
        self.secret = Secret(username=server.username, password=server.password or "unasked")

    def fill(self) -> None:
        for number in range(23):
            uid = f"person-{number:02}"
            self._server.put(uid, CARD.format(uid=uid, name=f"Person {number}"), self.book)
            self._uids.add(uid)

    def names(self) -> set[str]:
        return set(self._uids)

    def name_of(self, contact: Contact) -> str:
        return contact.uid or ""

    def remove(self) -> str:
        self._server.delete("person-07", self.book)
        self._uids.discard("person-07")
        return "person-07"

    def foreign_cursor(self, cursor: bytes) -> bytes:
        head, mark, token = cursor.partition(b'"token":"')
        return head + mark + b"http://example.org/ns/unknown/" + token[-60:]


class BookContract(AdapterContract):
    @pytest.fixture(autouse=True)
    def small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(carddav, "MULTIGET", 10)


class TestRadicale(BookContract):
    @pytest.fixture
    def rig(self, radicale_server: CardDav) -> Iterator[BookRig]:
        yield BookRig(radicale_server)


class TestXandikos(BookContract):
    @pytest.fixture
    def rig(self, xandikos_server: CardDav) -> Iterator[BookRig]:
        yield BookRig(xandikos_server)
