"""Accounts at Mastodon-compatible servers: what a server has seen of its users' links shows beside what both sides say, and proves nothing."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from providers.lookup.graph import Link
from tests import planted_mastodon, servers
from tests.fediverse import Person
from tests.patience import PATIENCE
from tests.planted_mastodon import SEEN
from tests.planted_web import PlantedWeb
from tests.providers.test_lookup import visiting
from tests.sites import CLAIMED, RECIPROCAL, VERIFIED, Document, Sites, page

HOST = "social.example"
ACTOR, SITE = f"https://{HOST}/users/ada", "https://ada.example/"


def only(links: list[Link], speaker: str, target: str) -> Link:
    (found,) = [link for link in links if (link.from_, link.to) == (speaker, target)]
    return found


@pytest.mark.parametrize("host", ["m0.example", "m1.example"])
async def test_a_link_that_both_sides_make_and_the_server_has_seen_is_verified_by_it_since_then(host: str) -> None:
    async with visiting(PlantedWeb(hanging=0)) as visitor:
        links = (await visitor.look_up(f"acct:mira@{host}")).graph.links()
    actor = f"https://{host}/users/mira"
    back, gone, never, unseen = (only(links, actor, f"https://{kind}.{host}/") for kind in ("back", "gone", "never", "unseen"))
    seen = datetime.fromisoformat(SEEN)
    assert [(one.claim, one.verifier, one.verified_at) for one in (back, gone, never, unseen)] == [
        (VERIFIED, host, seen), (CLAIMED, host, seen), (CLAIMED, None, None), (RECIPROCAL, None, None),
    ]  # fmt: skip
    assert "mastodon-field" in back.protocols


async def test_what_a_server_says_that_it_has_seen_of_a_stranger_ties_nobody_to_them() -> None:
    planted = PlantedWeb(hanging=0)
    async with visiting(planted) as visitor:
        graph = (await visitor.look_up("acct:person0@m2.example")).graph
        link = only(graph.links(), "https://m2.example/users/person0", planted.victim)
        assert (link.claim, link.verifier) == (CLAIMED, "m2.example")
        assert link.verified_at is not None and link.verified_at <= visitor.web.clock.now()  # whatever year it says
        assert planted.victim not in graph.distances(["acct:person0@m2.example"])


@pytest.mark.parametrize(
    "entry",
    [
        b"", b"[]", b"{", b'{"error":"Record not found"}', b'{"username":"ada","acct":"ada","fields":{}}',
        b'{"username":"ada","acct":"ada","fields":[{"value":7},{},3,{"value":"<a rel=me href=https://ada.example/>","verified_at":"yes"}]}',
        b'{"username":"ada","acct":"ada","fields":[{"value":"<a rel=me href=https://ada.example/>","verified_at":"2024-01-01T00:00:00"}]}',
        b'{"username":"ada","acct":"ada","fields":[{"value":"<a rel=me href=https://ada.example/><a rel=me href=https://b.example/>",'
        b'"verified_at":"2024-01-01T00:00:00Z"}]}',
        b'{"uri":"https://social.example/users/eve","username":"ada","acct":"ada","fields":[{"value":"<a rel=me href=https://ada.example/>",'
        b'"verified_at":"2024-01-01T00:00:00Z"}]}',
        b'{"username":"ada","acct":"ada@elsewhere.example","fields":[{"value":"<a rel=me href=https://ada.example/>",'
        b'"verified_at":"2024-01-01T00:00:00Z"}]}',
    ],
)  # fmt: skip
async def test_an_answer_that_is_about_somebody_else_or_says_no_moment_verifies_nothing(entry: bytes) -> None:
    planted = Sites({SITE: page(("me", f"https://{HOST}/@ada"))})
    planted_mastodon.put(planted, HOST, "ada", {SITE: None})
    planted.put(f"https://{HOST}/@ada", page())
    planted.put(f"https://{HOST}/api/v1/accounts/lookup?acct=ada", Document(entry, headers={"Content-Type": "application/json"}))
    async with visiting(planted) as visitor:
        found = await visitor.look_up(f"acct:ada@{HOST}")
    link = only(found.graph.links(), ACTOR, SITE)
    assert (link.claim, link.verifier) == (RECIPROCAL, None)
    assert planted.asked[HOST, "/api/v1/accounts/lookup?acct=ada"] == 1


@pytest.mark.parametrize("fields", [{}, {SITE: None}])
async def test_a_server_is_asked_only_about_actors_with_links_whose_words_are_mastodons(fields: dict[str, str | None]) -> None:
    planted = Sites()
    planted_mastodon.put(planted, HOST, "ada", fields)
    actor = json.loads(planted.documents[HOST, "/users/ada"].body or b"")
    if fields:
        actor["@context"] = "https://www.w3.org/ns/activitystreams"
    planted.put(ACTOR, Document(json.dumps(actor).encode(), headers={"Content-Type": "application/activity+json"}))
    async with visiting(planted) as visitor:
        assert (await visitor.look_up(f"acct:ada@{HOST}")).graph.links()
    assert not any(target.startswith("/api/") for _, target in planted.asked)


class Federated(Sites):
    """A Mastodon-compatible server under a name of the planted web, with what it leaves out: actors, links made of fields, and looking at them."""

    def __init__(self, server: servers.Mastodon) -> None:
        super().__init__()
        self.server = server
        self.hosts.add(HOST)

    def answer(self, host: str, target: str) -> Document:
        if host != HOST:
            return super().answer(host, target)
        if target.startswith("/users/"):
            entry = json.loads(self._asked(f"/api/v1/accounts/lookup?acct={target.rpartition('/')[2]}").body or b"")
            fields = [
                {"type": "PropertyValue", "name": one["name"], "value": planted_mastodon.value(one["value"])}
                for one in entry["fields"]
            ]
            actor = {"@context": planted_mastodon.CONTEXT, "id": f"https://{HOST}{target}", "type": "Person", "attachment": fields,
                     "preferredUsername": entry["username"], "url": f"https://{HOST}/@{entry['username']}"}  # fmt: skip
            return Document(json.dumps(actor).encode(), headers={"Content-Type": "application/activity+json"})
        found = self._asked(target)
        if target.startswith("/api/v1/accounts/lookup") and found.status == 200:
            entry = json.loads(found.body or b"")
            entry |= {"url": f"https://{HOST}/@{entry['username']}", "uri": f"https://{HOST}/users/{entry['username']}"}
            for one in entry["fields"]:
                seen = self.documents.get((one["value"].split("/")[2], "/"), Document(b"")).body or b""
                one["verified_at"] = SEEN if entry["url"].encode() in seen else None
                one["value"] = planted_mastodon.value(one["value"])
            found.body = json.dumps(entry).encode()
        return found

    def _asked(self, target: str) -> Document:
        request = urllib.request.Request(self.server.url + target, headers={"Host": HOST, "X-Forwarded-Proto": "https"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=PATIENCE) as answer:
                return Document(answer.read(), headers={"Content-Type": answer.headers["Content-Type"]})
        except urllib.error.HTTPError as error:
            return Document(error.read(), error.code)


async def test_a_running_server_is_found_by_webfinger_and_says_what_it_has_seen(mastodon_server: servers.Mastodon) -> None:
    person = Person(mastodon_server, "ada")
    mine, other = "https://mine.example/", "https://other.example/"
    profile: dict[str, Any] = {"fields_attributes[0][name]": "Mine", "fields_attributes[0][value]": mine,
                               "fields_attributes[1][name]": "Other", "fields_attributes[1][value]": other}  # fmt: skip
    request = urllib.request.Request(
        f"{mastodon_server.url}/api/v1/accounts/update_credentials", urlencode(profile).encode(), method="PATCH",
        headers={"Authorization": f"Bearer {person.token}", "Content-Type": "application/x-www-form-urlencoded"},
    )  # fmt: skip
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=PATIENCE):
        pass
    planted = Federated(mastodon_server)
    planted.put(mine, page(("me", f"https://{HOST}/@{person.name}")))
    planted.put(other, page())
    async with visiting(planted) as visitor:
        links = (await visitor.look_up(f"@{person.name}@{HOST}")).graph.links()
    acct, actor = f"acct:{person.name}@{HOST}", f"https://{HOST}/users/{person.name}"
    assert only(links, acct, actor).claim == VERIFIED
    assert (link := only(links, actor, mine)).claim == VERIFIED
    assert (link.verifier, link.verified_at) == (HOST, datetime(2025, 11, 3, 8, 15, 0, 123_000, UTC))
    assert only(links, actor, other).claim == CLAIMED
    assert only(links, mine, f"https://{HOST}/@{person.name}").claim == RECIPROCAL
