"""An archive of an account at a Mastodon-compatible server and that account linked are one, on both databases, whichever comes first."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from gateway.imports import ImportRefused
from providers import records
from providers.base import catalogue
from providers.session import Secret
from store import accounts, leases
from tests import servers
from tests.asking import Desk, nodes
from tests.fediverse import Person
from tests.household import Household
from tests.workshop import Workshop, workshop

PUBLIC: Final = "https://www.w3.org/ns/activitystreams#Public"
CONTEXT: Final = "https://www.w3.org/ns/activitystreams"
EVERYTHING: Final = """{ viewer {
  contacts(first: 50) { edges { node { relation names { full } } } }
  conversations(first: 50) { edges { node { kind messages(last: 50) { edges { node { text direction inReplyTo { text } } } } } } }
  activities(first: 50) { edges { node { verb object { text } copies { id } } } } } }"""


def archive_of(me: Person, path: Path) -> Path:
    """What the server makes of an account, with the list of follows (app/services/backup_service.rb, app/models/export.rb)."""
    about = me.does("GET", "accounts/verify_credentials")
    domain = domain_of(me)
    followers = f"{about['uri']}/followers"
    actor = {
        "@context": CONTEXT, "id": about["uri"], "type": "Person", "preferredUsername": about["username"], "name": about["display_name"],
        "url": about["url"], "webfinger": f"{about['acct']}@{domain}", "followers": followers, "outbox": "outbox.json",
    }  # fmt: skip
    posts = me.does("GET", f"accounts/{me.id}/statuses?limit=40")
    follows = io.StringIO()
    rows = [[f"{one['acct']}@{domain}", "true", "false", ""] for one in me.does("GET", f"accounts/{me.id}/following")]
    csv.writer(follows).writerows([["Account address", "Show boosts", "Notify on new posts", "Languages"], *rows])
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("actor.json", json.dumps(actor))
        out.writestr("outbox.json", _collection("outbox.json", [_act(me, post, followers) for post in reversed(posts)]))
        out.writestr("likes.json", _collection("likes.json", [post["uri"] for post in me.does("GET", "favourites")]))
        out.writestr("following_accounts.csv", follows.getvalue())
    return path


def _collection(name: str, items: list[Any]) -> str:
    return json.dumps(
        {"@context": CONTEXT, "id": name, "type": "OrderedCollection", "totalItems": len(items), "orderedItems": items}
    )


def _act(me: Person, post: dict[str, Any], followers: str) -> dict[str, Any]:
    """A post in its outbox (app/serializers/activitypub/note_serializer.rb); of a repeat the address of what was repeated."""
    about = {"published": post["created_at"], "actor": post["account"]["uri"]}
    if post["reblog"] is not None:
        return {
            "id": post["uri"],
            "type": "Announce",
            "to": [PUBLIC],
            "cc": [followers],
            "object": post["reblog"]["uri"],
            **about,
        }
    named = [{"type": "Mention", "href": one["url"], "name": f"@{one['acct']}"} for one in post["mentions"]]
    answered = post["in_reply_to_id"]
    note = {
        "id": post["uri"], "type": "Note", "published": post["created_at"], "url": post["url"], "content": post["content"], "tag": named,
        "inReplyTo": None if answered is None else me.does("GET", f"statuses/{answered}")["uri"], "summary": post["spoiler_text"] or None,
        "to": [one["href"] for one in named] if post["visibility"] == "direct" else [PUBLIC],
        "cc": [] if post["visibility"] == "direct" else [followers], "conversation": f"tag:{domain_of(me)},2026:objectId={post['id']}",
        **({"updated": post["edited_at"]} if post["edited_at"] else {}),
    }  # fmt: skip
    return {"id": f"{post['uri']}/activity", "type": "Create", "object": note, **about}


def domain_of(me: Person) -> str:
    """What handles at the server end with."""
    return str(me.server.get("/api/v2/instance")["domain"])


async def seen(household: Household) -> tuple[list[Any], list[Any], list[Any]]:
    """Contacts, what was said by conversation, and what was done, as a client sees them."""
    found = (await Desk(household, providers=catalogue()).ask(EVERYTHING))["viewer"]
    people = [(one["relation"], *(name["full"] for name in one["names"])) for one in nodes(found["contacts"])]
    said = [
        (room["kind"], *((one["text"].rpartition(" ")[2], one["direction"]) for one in nodes(room["messages"])))
        for room in nodes(found["conversations"])
    ]
    acts = [(one["verb"], (one["object"] or {}).get("text"), len(one["copies"])) for one in nodes(found["activities"])]
    return sorted(people), sorted(said), sorted(acts, key=str)


def place(server: servers.Mastodon) -> str:
    return f"127.0.0.1/32:{urlsplit(server.url).port}"


async def link(shop: Workshop, household: Household, who: Person, **more: Any) -> str:
    return await shop.link(household.viewer, "mastodon", who.server.url, Secret(access_token=who.token), **more)


@pytest.mark.parametrize("first", ["archive", "account"])
async def test_an_archive_and_the_linked_account_have_everything_once(
    household: Household, mastodon_server: servers.Mastodon, tmp_path: Path, first: str
) -> None:
    robin, ada, cai = (Person(mastodon_server, name) for name in ("Robin", "Ada", "cai"))
    robin.follows(ada)
    theirs = ada.posts("The herons are back at the river, all nine of them")
    far = cai.posts("Far away, and long enough to be told apart from others")
    robin.does("POST", f"statuses/{theirs['id']}/favourite")
    robin.does("POST", f"statuses/{far['id']}/reblog")
    robin.posts("The boats of the quay go out tomorrow, if the wind is right")
    asked = ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    robin.posts(f"@{ada.name} Yes", visibility="direct", in_reply_to_id=asked["id"])
    robin.posts(f"@{ada.name} @{cai.name} Dinner?", visibility="direct")
    file = archive_of(robin, tmp_path / "archive-20260307-0a1b.zip")
    ada.posts(f"@{robin.name} Noon", visibility="direct", in_reply_to_id=asked["id"])
    async with workshop(household.database, tmp_path, place(mastodon_server)) as shop:
        if first == "archive":
            (report,) = await shop.bring(household.viewer, file)
            assert (report.state, report.failed, report.created) == ("DONE", 0, report.total)
            people, said, acts = await seen(household)
            assert people == [("CORRESPONDENT", cai.name), ("FOLLOWING", ada.name)]
            assert said == [("DIRECT", ("Yes", "OUTBOUND")), ("GROUP", ("Dinner?", "OUTBOUND"))]
            assert [verb for verb, *_ in acts] == ["ANNOUNCE", "CREATE", "LIKE"]
        account_id = await link(shop, household, robin)
        for _ in range(2):
            (found,) = await household.database.read(household.viewer, accounts.listed)
            state = (found.id, found.provider, found.base_url, found.status)
            assert state == (account_id, "mastodon", robin.server.url, "ACTIVE")
            people, said, acts = await seen(household)
            assert [relation for relation, *_ in people] == ["CORRESPONDENT", "FOLLOWING"]
            assert ("FOLLOWING", "Ada") in people  # as the network calls her
            assert said == [
                ("DIRECT", ("Lunch?", "INBOUND"), ("Yes", "OUTBOUND"), ("Noon", "INBOUND")),
                ("GROUP", ("Dinner?", "OUTBOUND")),
            ]
            assert [(verb, copies) for verb, _, copies in acts] == [("ANNOUNCE", 0), ("CREATE", 0), ("CREATE", 0), ("LIKE", 0)]
            assert all(text for _, text, _ in acts)  # what the archive knows by its address alone, the network has
            head = await household.head()
            (report,) = await shop.bring(household.viewer, file)
            assert (report.state, report.created, report.updated, report.failed) == ("DONE", 0, 0, 0)
            await shop.sync(household.viewer, account_id)
            assert {change.kind for change in await household.changes(head)} <= {"IMPORT"}
        other = await link(shop, household, cai)
        cai.follows(ada)
        await shop.sync(household.viewer, other)
        await household.forget(account_id)
        people, said, acts = await seen(household)
        (left,) = await household.database.read(household.viewer, accounts.listed)
        assert left.id == other
        assert said == [("GROUP", ("Dinner?", "OUTBOUND"))]  # of both: they were the viewer's when it came
        assert {verb for verb, *_ in acts} == {"CREATE", "ANNOUNCE"}


async def test_an_edit_that_the_network_has_not_told_yet_is_taken_from_an_archive(
    household: Household, mastodon_server: servers.Mastodon, tmp_path: Path
) -> None:
    robin, ada = (Person(mastodon_server, name) for name in ("robin", "ada"))
    post = robin.posts("The boats go out")
    direct = robin.posts(f"@{ada.name} Lunhc?", visibility="direct")
    async with workshop(household.database, tmp_path, place(mastodon_server)) as shop:
        account_id = await link(shop, household, robin)
        robin.does("PUT", f"statuses/{post['id']}", status="The boats stay in")
        robin.does("PUT", f"statuses/{direct['id']}", status=f"@{ada.name} Lunch?")
        (report,) = await shop.bring(household.viewer, archive_of(robin, tmp_path / "archive.zip"))
        assert (report.created, report.updated) == (0, 2)
        for _ in range(2):
            _, said, acts = await seen(household)
            assert said == [("DIRECT", ("Lunch?", "OUTBOUND"))]
            assert acts == [("CREATE", "The boats stay in", 0)]
            await shop.sync(household.viewer, account_id)


async def test_an_account_known_by_its_archive_alone_is_asked_of_no_server(
    household: Household, mastodon_server: servers.Mastodon, tmp_path: Path
) -> None:
    robin, ada = (Person(mastodon_server, name) for name in ("robin", "ada"))
    robin.follows(ada)
    file = archive_of(robin, tmp_path / "archive.zip")
    mastodon_server.fault({"type": "status", "status": 500}, path="/api/*")
    async with workshop(household.database, tmp_path, place(mastodon_server)) as shop:
        await shop.bring(household.viewer, file)
        (alone,) = await household.database.read(household.viewer, accounts.listed)
        await household.database.system(leases.enqueue, household.viewer, "sync", alone.id, shop.clock.now())
        await shop.sync(household.viewer, alone.id)
        (after,) = await household.database.read(household.viewer, accounts.listed)
        assert (after.base_url, after.status, after.status_reason) == ("", "ACTIVE", None)


async def test_an_account_that_is_read_live_takes_no_archive_and_says_what_to_do(
    household: Household, mastodon_server: servers.Mastodon, tmp_path: Path
) -> None:
    robin = Person(mastodon_server, "robin")
    robin.posts("Not kept")
    file = archive_of(robin, tmp_path / "archive.zip")
    async with workshop(household.database, tmp_path, place(mastodon_server)) as shop:
        account_id = await link(shop, household, robin, mode="LIVE")
        with pytest.raises(ImportRefused, match="read live"):
            await shop.bring(household.viewer, file)
        assert await shop.count(household.viewer, f"select count(*) from activity where account_id = '{account_id}'") == 0


async def test_an_archive_is_of_the_account_whose_server_does_not_tell_its_actors_id(
    household: Household, mastodon_server: servers.Mastodon, tmp_path: Path
) -> None:
    robin = Person(mastodon_server, "Robin")
    file = archive_of(robin, tmp_path / "archive.zip")
    handle = f"{robin.name}@{domain_of(robin)}"
    told = records.Profile(
        user_id=handle, label=f"@{handle}", own_addresses=(records.OwnAddress(value=handle, kind="HANDLE", primary=True),)
    )
    async with workshop(household.database, tmp_path) as shop:
        account_id = await shop.accounts.add(
            household.viewer, catalogue()["mastodon"], told, None, base_url="https://old.example.org"
        )
        (report,) = await shop.bring(household.viewer, file)
        assert report.account_id == account_id
