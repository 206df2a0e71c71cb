"""No document of a stranger makes a look-up connect where it must not, or read without end: counted where the connections would arrive."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from datetime import timedelta
from itertools import chain, repeat

import msgspec
import pytest

from providers.lookup import documents, resources, walk
from providers.lookup.crawl import MAX_BYTES, Web
from providers.lookup.reading import Ask, Reading
from tests.providers.conftest import HandClock
from tests.providers.private_places import INSIDE, listening
from tests.sites import Document, Sites, page


async def look_up(planted: Sites, start: str, *, seconds: float = 60.0) -> list[Reading]:
    """The readings of a look-up."""
    async with planted.serving() as transport:
        web = Web(transport, HandClock(), seconds=seconds)

        async def library(ask: Ask) -> Reading:
            return await documents.read(ask, web, web.clock.now() + timedelta(days=1))

        return list((await walk.look_up(resources.read(start), library)).readings)


def _json(**said: object) -> Document:
    return Document(msgspec.json.encode(said), headers={"Content-Type": "application/activity+json"})


def _finger(link: dict[str, str]) -> Sites:
    sites = Sites({})
    sites.finger("a.example", "acct:ada@a.example", links=[link])
    return sites


def _template(url: str) -> Sites:
    links = [{"rel": "lrdd", "template": f"{url}?q={{uri}}"}]
    meta = Document(msgspec.json.encode({"links": links}), headers={"Content-Type": "application/json"})
    return Sites({"https://a.example/.well-known/host-meta": meta})


def _move(status: int, path: str = "/") -> Callable[[str], Sites]:
    return lambda url: Sites({f"https://a.example{path}": Document(status=status, headers={"Location": url})})


def _html(head: str) -> Sites:
    return Sites({"https://a.example/": Document(head.encode(), headers={"Content-Type": "text/html"})})


def _repository(url: str) -> Sites:
    service = [{"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": url}]
    document = msgspec.json.encode({"id": "did:web:a.example", "alsoKnownAs": [url], "service": service})
    return Sites({"https://a.example/.well-known/did.json": Document(document)})


#: Every way in which a document leads to another: (where the look-up begins, the web in which it leads to an address).
WAYS: dict[str, tuple[str, Callable[[str], Sites]]] = {
    "rel=me": ("https://a.example/", lambda url: Sites({"https://a.example/": page(("me", url))})),
    "actor of a page": (
        "https://a.example/",
        lambda url: _html(f'<link rel="alternate" type="application/activity+json" href="{url}">'),
    ),
    "foaf": ("https://a.example/", lambda url: _html(f'<link rel="meta" type="application/rdf+xml" href="{url}">')),
    "webfinger self": (
        "acct:ada@a.example",
        lambda url: _finger({"rel": "self", "type": "application/activity+json", "href": url}),
    ),
    "webfinger me": ("acct:ada@a.example", lambda url: _finger({"rel": "me", "href": url})),
    "host-meta template": ("acct:ada@a.example", _template),
    "movedTo": (
        "https://a.example/",
        lambda url: Sites({"https://a.example/": _json(id="https://a.example/", type="Person", movedTo=url)}),
    ),
    "actor id": ("https://a.example/", lambda url: Sites({"https://a.example/": _json(id=url, type="Person")})),
    "repository of a DID": ("did:web:a.example", _repository),
    "redirect of a page": ("https://a.example/", _move(301)),
    "redirect of robots.txt": (
        "https://b.example/",
        lambda url: Sites(
            {
                "https://b.example/": page(("me", "https://a.example/")),
                "https://a.example/robots.txt": Document(status=302, headers={"Location": url}),
            }
        ),
    ),
    "redirect of webfinger": (
        "acct:ada@a.example",
        _move(307, "/.well-known/webfinger?resource=acct%3Aada%40a.example"),
    ),
    "redirect of a handle": ("at://a.example", _move(308, "/.well-known/atproto-did")),
    "redirect of a nostr name": ("nostr:ada@a.example", _move(302, "/.well-known/nostr.json?name=ada")),
}


@pytest.mark.parametrize("way", WAYS)
async def test_no_document_leads_inside(way: str) -> None:
    start, lead = WAYS[way]
    async with listening() as vault, listening("127.0.0.2", vault.port) as other:
        for scheme in ("https", "http"):
            for host in INSIDE:
                planted = lead(f"{scheme}://{host}:{vault.port}/")
                planted.names["inside.example"] = ["127.0.0.1"]
                await look_up(planted, start)
    assert (vault.visits, other.visits) == (0, 0)


@pytest.mark.parametrize("host", INSIDE)
async def test_nobody_looks_inside_by_asking_for_it(host: str) -> None:
    async with listening() as vault:
        for start in (
            f"http://{host}:{vault.port}/", f"https://{host}:{vault.port}/", f"acct:ada@{host}:{vault.port}", f"did:web:{host}%3A{vault.port}",
        ):  # fmt: skip
            planted = Sites({})
            planted.names["inside.example"] = ["127.0.0.1"]
            try:
                readings = await look_up(planted, start)
            except ValueError:
                continue  # no such resource
            assert not any(reading.found for reading in readings), start
    assert vault.visits == 0


async def test_a_name_that_leads_elsewhere_the_second_time_leads_nowhere() -> None:
    planted = Sites({})
    planted.names["rebind.example"] = chain([["127.0.0.1"]], repeat(["127.0.0.2"]))
    async with planted.serving() as transport, listening("127.0.0.2", planted.port) as vault:
        web = Web(transport, HandClock(), seconds=60.0)
        for n in range(4):
            ask = Ask("page", f"http://rebind.example:{planted.port}/{n}", "https://a.example/")
            await documents.read(ask, web, web.clock.now() + timedelta(days=1))
            await transport.aclose()  # no connection is kept, no name remembered
        assert sum(planted.asked.values()) == 1
    assert vault.visits == 0


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_bomb_is_not_unpacked(encoding: str) -> None:
    body = b"\0" * (40 * MAX_BYTES)
    packed = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    planted = Sites({"https://a.example/": Document(packed, headers={"Content-Type": "text/html", "Content-Encoding": encoding})})
    (reading,) = await look_up(planted, "https://a.example/")
    assert not reading.found
    assert "more than 1024 KiB" in (reading.message or "")


async def test_a_host_without_end_a_host_that_drips_and_a_host_that_hangs_are_left() -> None:
    endless = Document(headers={"Content-Type": "text/html"}, endless=True)
    drip = Document(headers={"Content-Type": "text/html"}, drip=True)
    planted = Sites({"https://a.example/": endless, "https://b.example/": drip}, hanging=("c.example",))
    given = {"a": 60.0, "b": 0.3, "c": 0.3}  # the first is left for how much it says, the others for how long they take
    states = [(await look_up(planted, f"https://{host}.example/", seconds=seconds))[0].state for host, seconds in given.items()]
    assert states == ["FRESH", "TIMED_OUT", "TIMED_OUT"]  # the first has answered, with nothing that could be read


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE x [<!ENTITY a '&b;&b;'><!ENTITY b 'xxxxxxxx'>]><x>&a;</x>",
        b"<div class=h-card>" * 20_000,
        b"<a rel=me href='" * 20_000,
        b"<" * 100_000,
        b'<script type="application/ld+json">' * 5_000 + b"[" * 100_000,
        b'{"links":' * 5_000,
        b'{"id":"https://a.example/","type":"Person","attachment":[{"type":"PropertyValue","value":"<a rel=me href=https://a.example/b>"}],'
        b'"@context":' + b"[" * 400 + b"]" * 400 + b"}",
        b"\xff\xfe\x00",
    ],
)
@pytest.mark.parametrize("media_type", ["text/html", "application/activity+json", "application/rdf+xml", "application/jrd+json"])
async def test_whatever_a_page_holds_is_read_or_left(body: bytes, media_type: str) -> None:
    document = Document(body, headers={"Content-Type": media_type})
    planted = Sites(
        {"https://a.example/": document, "https://a.example/.well-known/webfinger?resource=acct%3Aada%40a.example": document}
    )
    for start in ("https://a.example/", "acct:ada@a.example"):
        for reading in await look_up(planted, start):
            assert reading.state == "FRESH"
