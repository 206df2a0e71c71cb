"""Public profiles as the open web sees them: WebFinger (RFC 7033), the h-card of the page, nothing of those who have not published one."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from gateway.installation import Installation
from gateway.people import named
from providers import records
from providers.lookup.crawl import Web
from store import viewers
from tests.chromium import chromium
from tests.gateway.running import ask, asking, key_of, listening, opened
from tests.household import Household, card
from tests.patience import PATIENCE
from tests.providers.test_picture import painted
from tests.sites import Document, Sites, page

URL = "https://kith.example.org"
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
ALL = ("read", "write", "admin")
FINGER = "/.well-known/webfinger"
PROFILE = """published name account url displayName note email organization jobTitle locality country
  photo { hash } links { url verifiedAt }"""
WRITE = f"""mutation Write($input: UpdatePublicProfileInput!) {{ updatePublicProfile(input: $input) {{
  errors {{ code message field }} publicProfile {{ {PROFILE} }} }} }}"""
READ = f"{{ viewer {{ publicProfile {{ {PROFILE} }} }} }}"
ADA = {
    "published": True, "name": "Ada", "displayName": "Ada Lovelace", "note": "Notes on\nengines & <looms>", "email": "ada@example.org",
    "jobTitle": "Countess", "organization": "Analytical Engines", "locality": "London",
    "links": ["https://social.example/@ada", "https://elsewhere.example/ada"],
}  # fmt: skip


@dataclass
class Desk:
    installation: Installation
    client: httpx.AsyncClient
    world: httpx.AsyncClient

    async def write(self, **values: Any) -> dict[str, Any]:
        """What the mutation answers."""
        answer = (await ask(self.client, WRITE, variables={"input": values})).json()
        assert "errors" not in answer, answer
        return dict(answer["data"]["updatePublicProfile"])

    async def publish(self, **values: Any) -> dict[str, Any]:
        answer = await self.write(**{**ADA, **values})
        assert answer["errors"] == []
        return dict(answer["publicProfile"])

    async def read(self) -> dict[str, Any]:
        return dict((await ask(self.client, READ)).json()["data"]["viewer"]["publicProfile"])

    async def finger(self, resource: str = "acct:ada@kith.example.org", *relations: str) -> httpx.Response:
        return await self.world.get(FINGER, params=[("resource", resource), *(("rel", one) for one in relations)])


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(tmp_path, schema=None, public_url=URL) as installation:
        key, _ = await key_of(installation, scopes=ALL)
        async with asking(installation, key) as client, asking(installation) as world:
            yield Desk(installation, client, world)


async def test_nobody_is_found_before_they_publish_a_profile(desk: Desk) -> None:
    nothing = await desk.read()
    assert (nothing["published"], nothing["name"], nothing["links"]) == (False, None, [])
    await desk.publish(published=False)
    assert (await desk.read())["account"] == "acct:ada@kith.example.org"
    unpublished, unknown = await desk.finger(), await desk.finger("acct:nobody@kith.example.org")
    assert unpublished.status_code == unknown.status_code == 404
    assert (unpublished.content, unpublished.headers) == (unknown.content, unknown.headers)
    page, none = await desk.world.get("/@ada"), await desk.world.get("/@nobody")
    assert page.status_code == none.status_code == 404 and page.content == none.content
    assert (await desk.world.get("/@ada/photo")).status_code == 404


async def test_webfinger_says_where_a_published_profile_is_and_what_it_links(desk: Desk) -> None:
    await desk.publish()
    found = await desk.finger()
    assert found.headers["content-type"].startswith("application/jrd+json")
    assert found.headers["access-control-allow-origin"] == "*"
    assert found.json() == {
        "subject": "acct:ada@kith.example.org",
        "aliases": [f"{URL}/@ada"],
        "properties": {"http://schema.org/name": "Ada Lovelace"},
        "links": [
            {"rel": "http://webfinger.net/rel/profile-page", "type": "text/html", "href": f"{URL}/@ada"},
            {"rel": "http://microformats.org/profile/hcard", "type": "text/html", "href": f"{URL}/@ada"},
            {"rel": "me", "href": "https://social.example/@ada"},
            {"rel": "me", "href": "https://elsewhere.example/ada"},
        ],
    }
    for resource in (f"{URL}/@ada", "ACCT:Ada@KITH.example.org", "acct:%61da@kith.example.org", f"{URL}/%40ada"):
        assert (await desk.finger(resource)).json() == found.json(), resource


async def test_webfinger_gives_only_the_links_that_are_asked_for(desk: Desk) -> None:
    await desk.publish()
    profile = "http://webfinger.net/rel/profile-page"
    assert [one["rel"] for one in (await desk.finger("acct:ada@kith.example.org", profile)).json()["links"]] == [profile]
    assert {one["rel"] for one in (await desk.finger("acct:ada@kith.example.org", profile, "me")).json()["links"]} == {
        profile,
        "me",
    }
    none = (await desk.finger("acct:ada@kith.example.org", "http://unknown.example/rel")).json()
    assert (none["subject"], none["links"]) == ("acct:ada@kith.example.org", [])


async def test_a_question_without_one_readable_resource_is_a_bad_request(desk: Desk) -> None:
    for query in ("", "resource=", "resource=ada", "resource=acct:a+da@x", "resource=acct:a@b&resource=acct:a@b",
                  "resource=acct:" + "a" * 3_000):  # fmt: skip
        answer = await desk.world.get(f"{FINGER}?{query}")
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (400, "*"), query
        assert "resource=acct:" in answer.json()["error"]


async def test_nothing_is_known_of_other_hosts_and_of_what_is_no_profile(desk: Desk) -> None:
    await desk.publish()
    for resource in (
        "acct:ada@example.org", "acct:ada@kith.example.org:8000", "http://kith.example.org/@ada", "https://example.org/@ada",
        f"{URL}/@ada/photo", f"{URL}/@ada?x=1", f"{URL}/ada", "https://[/@ada", "mailto:ada@kith.example.org",
        "acct:ada%00@kith.example.org", "acct:../ada@kith.example.org", "acct:@kith.example.org", "acct:%ff@kith.example.org",
    ):  # fmt: skip
        assert (await desk.finger(resource)).status_code == 404, resource


async def test_host_meta_says_how_to_ask_about_a_resource(desk: Desk) -> None:
    await desk.publish()
    links = (await desk.world.get("/.well-known/host-meta.json")).json()["links"]
    (template,) = [one["template"] for one in links if one["rel"] == "lrdd"]
    assert template.startswith(f"{URL}/")
    found = await desk.world.get(template.removeprefix(URL).replace("{uri}", "acct%3Aada%40kith.example.org"))
    assert found.json()["subject"] == "acct:ada@kith.example.org"


async def test_a_profile_that_is_withdrawn_is_gone_with_the_next_request(desk: Desk) -> None:
    await desk.publish()
    for path in ("/@ada", f"{FINGER}?resource=acct:ada@kith.example.org"):
        assert (await desk.world.get(path)).headers["cache-control"] == "no-store"
    assert (await desk.write(published=False))["errors"] == []
    assert ((await desk.finger()).status_code, (await desk.world.get("/@ada")).status_code) == (404, 404)
    kept = await desk.read()
    assert (kept["published"], kept["displayName"]) == (False, "Ada Lovelace")


async def test_a_field_that_is_taken_away_is_shown_no_more_and_the_others_stay(desk: Desk) -> None:
    await desk.publish()
    await desk.write(email=None, links=["https://elsewhere.example/ada"], displayName="")
    text = (await desk.world.get("/@ada")).text
    assert "ada@example.org" not in text and "social.example" not in text and "Lovelace" not in text
    assert "elsewhere.example/ada" in text and "Analytical Engines" in text
    assert "properties" not in (await desk.finger()).json()


async def test_what_accounts_know_of_the_viewer_is_never_shown_by_itself(desk: Desk) -> None:
    whose = await named(desk.installation, None)
    household = Household(desk.installation.database, whose.id)
    book = await household.account("vcard", "cards", own=["secret@example.org"])
    await household.take(book, card("1", "Private Name", "secret@example.org", phones=["+491511234567"]))
    await household.resolve()
    assert (await desk.write(published=True, name="ada"))["errors"] == []
    shown = (await desk.world.get("/@ada")).text + (await desk.finger()).text
    assert not re.search(r"secret|Private|4915", shown)


async def test_a_viewer_who_is_shut_out_shows_nothing(desk: Desk) -> None:
    await desk.publish()
    whose = await named(desk.installation, None)
    await desk.installation.database.system(viewers.disable, whose.id, desk.installation.clock.now())
    assert ((await desk.finger()).status_code, (await desk.world.get("/@ada")).status_code) == (404, 404)


async def test_each_viewer_shows_what_is_theirs_and_takes_no_name_of_another(desk: Desk) -> None:
    await desk.publish()
    await desk.installation.database.write("u_grace", viewers.add, "grace", desk.installation.clock.now())
    key, _ = await key_of(desk.installation, "grace", scopes=ALL)
    async with asking(desk.installation, key) as client:
        grace = Desk(desk.installation, client, desk.world)
        assert (await grace.read())["name"] is None
        taken, reserved = await grace.write(name="ADA"), await grace.write(name="postmaster")
        assert taken["errors"] == reserved["errors"]
        assert (taken["errors"][0]["code"], taken["errors"][0]["field"]) == ("CONFLICT", ["name"])
        assert (await grace.write(name="grace", displayName="Grace Hopper", published=True))["errors"] == []
        await desk.write(name="countess")
        assert (await grace.write(name="ada"))["errors"][0]["code"] == "CONFLICT", "a name stays its first bearer's"
    assert (await desk.world.get("/@ada")).status_code == 404
    assert "Grace" in (await desk.world.get("/@grace")).text and "Ada" not in (await desk.world.get("/@grace")).text
    assert (await desk.finger("acct:countess@kith.example.org")).json()["aliases"] == [f"{URL}/@countess"]
    assert (await desk.write(name="ada"))["publicProfile"]["name"] == "ada"


async def test_what_cannot_be_published_says_why_and_nothing_is_written(desk: Desk) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"published": True}, "REQUIRED"),
        ({"name": "ada lovelace"}, "INVALID"),
        ({"name": ".ada"}, "INVALID"),
        ({"name": "\u0430da"}, "INVALID"),  # a Cyrillic letter that looks like ours
        ({"name": "a" * 33}, "INVALID"),
        ({"name": "ada", "email": "nobody"}, "INVALID"),
        ({"name": "ada", "links": ["javascript:alert(1)"]}, "INVALID"),
        ({"name": "ada", "links": [f"https://example.org/{n}" for n in range(21)]}, "LIMIT_REACHED"),
        ({"name": "ada", "note": "x" * 2_001}, "TOO_LONG"),
        ({"name": "ada", "jobTitle": "x" * 201}, "TOO_LONG"),
        ({"name": "ada", "photoHash": "0" * 64}, "NOT_FOUND"),
    ]
    for values, code in wrong:
        answer = await desk.write(**values)
        assert ([one["code"] for one in answer["errors"]], answer["publicProfile"]) == ([code], None), values
    assert (await desk.read())["name"] is None
    for n in range(5):
        assert (await desk.write(name=f"ada{n}"))["errors"] == []
    assert (await desk.write(name="ada5"))["errors"][0]["code"] == "LIMIT_REACHED"
    assert (await desk.write(name="ada0"))["errors"] == []


async def test_publishing_needs_the_scope_admin_and_is_done_once_for_a_key(desk: Desk) -> None:
    key, _ = await key_of(desk.installation)
    async with asking(desk.installation, key) as client:
        refused = (await ask(client, WRITE, variables={"input": {"name": "ada"}})).json()
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    await desk.publish(idempotencyKey="once")
    await desk.write(published=False)
    await desk.publish(idempotencyKey="once")
    assert (await desk.read())["published"] is False, "the first answer again, and no second write"
    assert (await desk.write(name="x", idempotencyKey="once"))["errors"][0]["code"] == "IDEMPOTENCY_CONFLICT"


async def test_our_own_look_up_finds_the_profile_and_shows_links_that_are_returned_as_verified(desk: Desk) -> None:
    await desk.publish()
    assert [one["verifiedAt"] for one in (await desk.read())["links"]] == [None, None]
    shown, said = await desk.world.get("/@ada"), await desk.finger()
    asked = f"{FINGER}?resource=acct%3Aada%40kith.example.org"
    planted = Sites(
        {
            f"{URL}/@ada": Document(shown.content, headers={"Content-Type": shown.headers["content-type"]}),
            f"{URL}{asked}": Document(said.content, headers={"Content-Type": said.headers["content-type"]}),
            "https://social.example/@ada": page(("me", f"{URL}/@ada")),
            "https://elsewhere.example/ada": page(("me", "https://example.org/")),
        }
    )
    look = """{ lookup(resource: "acct:ada@kith.example.org") { nodes { uri name bio } links { from to relation claim } } }"""
    async with planted.serving() as transport:
        desk.installation.services.web = Web(transport, desk.installation.clock, seconds=60.0)
        found = (await ask(desk.client, look)).json()["data"]["lookup"]
    links = {(one["from"], one["to"], one["relation"]): one["claim"] for one in found["links"]}
    own = f"{URL}/@ada"
    assert links["acct:ada@kith.example.org", own, "ALIAS"] == "VERIFIED"
    assert links[own, "https://social.example/@ada", "ME"] == "RECIPROCAL"
    assert links[own, "https://elsewhere.example/ada", "ME"] == "CLAIMED"
    assert links[own, "mailto:ada@example.org", "ME"] == "CLAIMED"
    (card_,) = [one for one in found["nodes"] if one["uri"] == own]
    assert (card_["name"], card_["bio"]) == ("Ada Lovelace", "Notes on engines & <looms>")
    first, second = (await desk.read())["links"]
    assert first["verifiedAt"] is not None and second["verifiedAt"] is None
    assert (await desk.world.get("/@ada")).text.count("links back, as of") == 1


async def test_a_browser_shows_the_page_and_its_photo_and_runs_nothing(desk: Desk) -> None:
    whose = await named(desk.installation, None)
    household = Household(desk.installation.database, whose.id)
    book = await household.account("vcard", "cards")
    picture = painted(300, 200)
    await household.take(book, card("1", "Ada Lovelace", photo=records.Photo(media_type="image/png", data=picture)))
    hashed = (await ask(desk.client, "{ viewer { people { edges { node { photo { hash } } } } } }")).json()
    hashed = hashed["data"]["viewer"]["people"]["edges"][0]["node"]["photo"]["hash"]
    trap = "</p><script>document.title = 'run'</script>"
    written = await desk.publish(photoHash=hashed, organization=trap, displayName='Ada "><img src=x onerror=alert(1)>')
    assert written["photo"] == {"hash": hashed}
    avatar = (await desk.finger("acct:ada@kith.example.org", "http://webfinger.net/rel/avatar")).json()["links"][0]["href"]
    photo = await desk.world.get(urlsplit(avatar).path)
    assert (photo.headers["content-type"], photo.headers["cache-control"]) == ("image/webp", "no-cache")
    again = await desk.world.get(urlsplit(avatar).path, headers={"if-none-match": photo.headers["etag"]})
    assert again.status_code == 304
    asked: list[str] = []
    async with listening(desk.installation) as place, chromium() as browser:
        for scheme in SCHEMES:
            tab = await browser.new_page(viewport={"width": 900, "height": 800}, color_scheme=scheme)
            tab.set_default_timeout(PATIENCE * 1000)
            tab.on("request", lambda request: asked.append(urlsplit(request.url).netloc))
            tab.on("dialog", lambda dialog: asked.append("dialog"))
            await tab.goto(f"http://{place}/@ada", wait_until="networkidle")
            assert await tab.title() == 'Ada "><img src=x onerror=alert(1)> · Kith'
            assert await tab.inner_text(".h-card .p-org") == trap
            assert await tab.evaluate("document.querySelector('.u-photo').naturalWidth") == 256
            assert await tab.evaluate("[...document.querySelectorAll('a[rel~=me]')].map(a => a.href)") == ADA["links"]
            if folder := os.environ.get("KITH_TEST_SCREENSHOTS"):
                await tab.screenshot(path=Path(folder) / f"public-profile-{scheme}.png")
            await tab.close()
    assert set(asked) == {place}
    await desk.write(published=False)
    assert (await desk.world.get(urlsplit(avatar).path, headers={"if-none-match": photo.headers["etag"]})).status_code == 404
