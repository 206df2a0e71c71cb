"""A mirrored Mastodon account through the whole of Kith, on both databases: a compatible server, the sync job, and what the API answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from providers.session import Secret
from tests import servers
from tests.asking import Desk, nodes
from tests.fediverse import Person
from tests.household import Household
from tests.workshop import Workshop, workshop

EVERYTHING = """{ viewer {
  activities { complete sources { state account { mode } } edges { node { id verb summary account { id } copies { id }
    actor { name person { name } } object { text uri } } } }
  conversations { edges { node { kind unreadCount messages { edges { node { text direction } } } } } }
  timeline(filter: { kinds: [MESSAGE, ACTIVITY] }) { edges { node { __typename } } }
  people { edges { node { name activities { totalCount edges { node { verb } } } } } } } }"""


async def everything(shop: Workshop, household: Household) -> Any:
    desk = Desk(household, providers=shop.providers)
    return (await desk.ask(EVERYTHING))["viewer"]


def place(server: servers.Mastodon) -> str:
    return f"127.0.0.1/32:{urlsplit(server.url).port}"


async def test_posts_boosts_favourites_and_direct_posts_arrive_and_go(
    household: Household, mastodon_server: servers.Mastodon, tmp_path: Path
) -> None:
    robin, ada, cai = (Person(mastodon_server, name) for name in ("robin", "ada", "cai"))
    robin.follows(ada)
    theirs = cai.posts("Far away, and long enough to be told apart from others")
    ada.does("POST", f"statuses/{theirs['id']}/reblog")
    made = ada.posts("A heron by the river")
    robin.does("POST", f"statuses/{made['id']}/favourite")
    asked = ada.posts(f"@{robin.name} Lunch?", visibility="direct")
    robin.posts(f"@{ada.name} Yes", visibility="direct", in_reply_to_id=asked["id"])
    async with workshop(household.database, tmp_path, place(mastodon_server)) as shop:
        account_id = await shop.link(household.viewer, "mastodon", robin.server.url, Secret(access_token=robin.token))
        found = await everything(shop, household)
        assert sorted(node["verb"] for node in nodes(found["activities"])) == ["ANNOUNCE", "CREATE", "LIKE"]
        assert found["activities"]["complete"]
        assert [one["account"]["mode"] for one in found["activities"]["sources"]] == ["MIRRORED"]
        by_name = {person["name"]: person["activities"] for person in nodes(found["people"])}
        assert {node["verb"] for node in nodes(by_name["Ada"])} == {"ANNOUNCE", "CREATE"}
        (talk,) = nodes(found["conversations"])
        assert talk["kind"] == "DIRECT"
        said = [(node["text"].rpartition(" ")[2], node["direction"]) for node in nodes(talk["messages"])]
        assert said == [("Lunch?", "INBOUND"), ("Yes", "OUTBOUND")]
        kinds = [node["__typename"] for node in nodes(found["timeline"])]
        assert sorted(kinds) == ["Activity"] * 3 + ["Message"] * 2
        head = await household.head()
        await shop.sync(household.viewer, account_id)
        assert await household.head() == head  # nothing happened, nothing is told

        ada.does("PUT", f"statuses/{made['id']}", status="A grey heron by the river")
        ada.does("POST", f"statuses/{theirs['id']}/unreblog")
        robin.does("POST", f"statuses/{made['id']}/unfavourite")
        await shop.sync(household.viewer, account_id)
        (post,) = nodes((await everything(shop, household))["activities"])
        assert (post["verb"], post["object"]["text"]) == ("CREATE", "A grey heron by the river")
        told = [(change.op, change.kind) for change in await household.changes(head) if change.kind == "ACTIVITY"]
        assert sorted(told) == [("DELETE", "ACTIVITY"), ("DELETE", "ACTIVITY"), ("UPSERT", "ACTIVITY")]
        await household.forget(account_id)
        found = await everything(shop, household)
        assert nodes(found["activities"]) == nodes(found["timeline"]) == []


async def test_two_accounts_that_show_one_post_count_it_once(
    household: Household, mastodon_server: servers.Mastodon, tmp_path: Path
) -> None:
    robin, other, ada = (Person(mastodon_server, name) for name in ("robin", "robinatwork", "ada"))
    for mine in (robin, other):
        mine.follows(ada)
    ada.posts("Seen twice")
    async with workshop(household.database, tmp_path, place(mastodon_server)) as shop:
        for mine in (robin, other):
            await shop.link(household.viewer, "mastodon", mine.server.url, Secret(access_token=mine.token))
        (post,) = nodes((await everything(shop, household))["activities"])
        assert len(post["copies"]) == 1


async def test_an_account_that_the_viewer_wants_read_live_stores_no_posts(
    household: Household, mastodon_server: servers.Mastodon, tmp_path: Path
) -> None:
    robin, ada = (Person(mastodon_server, name) for name in ("robin", "ada"))
    robin.follows(ada)
    ada.posts("Not stored")
    async with workshop(household.database, tmp_path, place(mastodon_server)) as shop:
        secret = Secret(access_token=robin.token)
        account_id = await shop.link(household.viewer, "mastodon", robin.server.url, secret, mode="LIVE")
        assert await shop.count(household.viewer, f"select count(*) from activity where account_id = '{account_id}'") == 0
        assert await shop.count(household.viewer, f"select count(*) from contact where account_id = '{account_id}'") == 1


async def test_who_is_followed_and_written_to_is_one_contact(
    household: Household, mastodon_server: servers.Mastodon, tmp_path: Path
) -> None:
    robin, ada = (Person(mastodon_server, name) for name in ("robin", "ada"))
    robin.follows(ada)
    robin.posts(f"@{ada.name} Lunch?", visibility="direct")
    async with workshop(household.database, tmp_path, place(mastodon_server)) as shop:
        await shop.link(household.viewer, "mastodon", robin.server.url, Secret(access_token=robin.token))
        found = await Desk(household, providers=shop.providers).ask("{ viewer { contacts { edges { node { relation } } } } }")
        assert [node["relation"] for node in nodes(found["viewer"]["contacts"])] == ["FOLLOWING"]
