"""X's archive and the linked account in any order: whoever looks sees the same, and everybody once."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, select

from benchmarks import exports
from benchmarks.exports import World
from store.tables import person
from tests.chaos.universe_stubs import NOW
from tests.gateway.rooms import ask
from tests.gateway.test_x_sync import GRANT
from tests.household import Household
from tests.providers.stub_http import running
from tests.providers.x_stub import X
from tests.workshop import Workshop, workshop

WORLD = World(people=8, talks=10, messages=3)
SEEN = """{ viewer {
  contacts(first: 100) { edges { node { relation url names { full } person { name } } } }
  conversations(first: 50) { edges { node { kind subject messageCount lastActivityAt
    participants(first: 20) { edges { node { address name viewer person { name } } } }
    messages(last: 50) { edges { node { text direction sentAt sender { address name } recipients { address name viewer person { name } }
      attachments { name } reactions { emoji participants { address } } } } } } } }
  activities(first: 50) { edges { node { verb actor { name uri } object { text url } } } } } }"""
GROUPS = """{ viewer { conversations(first: 50) { edges { node { kind messageCount
  participants(first: 20) { edges { node { address name person { name } } } }
  messages(last: 50) { edges { node { recipients { address person { name } } } } } } } } } }"""


def network() -> X:
    """Whose group has the last in it silent; one of two whom the owner does not follow has written; some are not in the archive."""
    net = X(NOW.timestamp, me=exports.MY_X_ID)
    net.person(exports.MY_X_ID, exports.MY_HANDLE, name="Robin Vale")
    for one in WORLD.everybody():
        net.person(exports.x_id(one), exports.handle(one), name=f"{one.name} at X")
    net.following = [exports.x_id(one) for one in exports.x_follows(WORLD)[0][:3]]
    for talk in WORLD.conversations():
        for said in talk.said():
            if said.sender is not None and talk.title and said.sender == talk.members[-1]:
                continue
            sender = exports.MY_X_ID if said.sender is None else exports.x_id(WORLD.person(said.sender))
            text = said.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            net.event(exports.x_talk_id(WORLD, talk), sender, text, said.at.timestamp(), id=str(10**18 + said.number))
    (*_, group) = [talk for talk in WORLD.conversations() if talk.title]
    net.event(exports.x_talk_id(WORLD, group), exports.x_id(WORLD.person(group.members[0])), "And now?", NOW.timestamp() - 60)
    for post in list(exports.x_posts(WORLD))[:3]:
        net.post(exports.MY_X_ID, post["full_text"], NOW.timestamp() - 3600, id=post["id_str"])
    return net


async def test_archive_and_link_give_the_same_in_any_order_and_everybody_once(household: Household, tmp_path: Path) -> None:
    file = exports.x_twitter(WORLD, tmp_path / "twitter.zip")
    orders = ("AL", "LA", "ALA", "LAA", "AAL", "LAL")
    homes = [household, *[await Household.open(household.database, f"u_{order.lower()}") for order in orders[1:]]]
    seen = [await _lived(order, home, file, tmp_path / order) for order, home in zip(orders, homes, strict=True)]
    for order, other in zip(orders[1:], seen[1:], strict=True):
        for list_ in other:
            assert other[list_] == seen[0][list_], (order, list_)


async def _lived(order: str, home: Household, file: Path, folder: Path) -> dict[str, list[Any]]:
    """What the viewer of a home sees after it has imported the archive (A) and linked the account or brought it up to date (L)."""
    net = network()
    account_id = None
    async with running(net) as url, workshop(home.database, folder, f"127.0.0.1/32:{urlsplit(url).port}") as shop:
        for step in order:
            if step == "A":
                (report,) = await shop.bring(home.viewer, file)
                assert report.state == "DONE"
            elif account_id is None:
                account_id = await shop.link(home.viewer, "x", url, GRANT, settings={"monthly_limit": "100"})
            else:
                await shop.sync(home.viewer, account_id)
        assert net.violations == []
        await _everybody_is_there_once(shop, home)
        found = (await ask(shop, home, SEEN))["viewer"]
        heard = await home.database.read(home.viewer, _last_contacts)
    lists = {list_: sorted((_unordered(edge["node"]) for edge in found[list_]["edges"]), key=repr) for list_ in found}
    return lists | {"last contacts": heard}


def _last_contacts(conn: Connection, viewer: str) -> list[tuple[str, datetime | None]]:
    rows = conn.execute(select(person.c.name, person.c.last_contact_at).where(person.c.viewer_id == viewer)).all()
    return sorted(((row.name, row.last_contact_at) for row in rows), key=repr)


async def _everybody_is_there_once(shop: Workshop, home: Household) -> None:
    groups = {talk.number: len(talk.members) for talk in WORLD.conversations() if talk.title}
    rooms = [edge["node"] for edge in (await ask(shop, home, GROUPS))["viewer"]["conversations"]["edges"]]
    sizes = [len(room["participants"]["edges"]) for room in rooms if room["kind"] == "GROUP"]
    assert sorted(sizes) == sorted(groups.values())


def _unordered(node: Any) -> Any:
    """What is told of somebody or something, without the order in which two moments that are the same one stand."""
    if isinstance(node, dict):
        return {name: _unordered(value) for name, value in node.items()}
    return sorted((_unordered(each) for each in node), key=repr) if isinstance(node, list) else node
