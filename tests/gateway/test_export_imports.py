"""Networks' exports become an account: whose it is, everybody in it, every conversation, on both databases; twice is the same as once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from benchmarks import exports
from benchmarks.universe import ME, MY_NAME
from store.tables import account, activity, contact, container, conversation, conversation_member, message, own_address, reaction
from tests.household import Household
from tests.workshop import workshop


@dataclass(frozen=True)
class Network:
    """An export, how it is written, and what its account is called."""

    provider: str
    write: Callable[[exports.World, Path], Path]
    user_id: str
    own: frozenset[tuple[str, str]]
    leaves_out: bool  # whether the generator writes rows that nobody can take in
    own_side_only: bool = False  # of conversations it has what its owner wrote
    tells_titles: bool = True
    tells_reactions: bool = True

    def said(self, talk: exports.Talk) -> list[exports.Said]:
        """What of a conversation the export has."""
        return [one for one in talk.said() if not self.own_side_only or one.sender is None]


def own(host: str, *names: str) -> frozenset[tuple[str, str]]:
    return frozenset({*(("HANDLE", f"{name}@{host}") for name in names), ("EMAIL", ME)})


NETWORKS = (
    Network(
        "linkedin",
        exports.linkedin,
        exports.MY_SLUG,
        own("linkedin.com", exports.MY_SLUG),
        leaves_out=True,
        tells_reactions=False,
    ),
    Network("x", exports.x_twitter, exports.MY_X_ID, own("x.com", exports.MY_HANDLE), leaves_out=True),
    Network("facebook", exports.facebook, MY_NAME.casefold(), own("facebook.com", MY_NAME), leaves_out=False),
    Network(
        "instagram", exports.instagram, exports.MY_INSTAGRAM, own("instagram.com", exports.MY_INSTAGRAM, MY_NAME), leaves_out=True
    ),
    Network(
        "mastodon",
        exports.mastodon,
        exports.MY_ACTOR,
        frozenset({("HANDLE", f"robin@{exports.MASTODON_HOST}")}),
        leaves_out=False,
        own_side_only=True,
        tells_titles=False,
        tells_reactions=False,
    ),
    Network("google_chat", exports.google_chat, ME, frozenset({("EMAIL", ME)}), leaves_out=True),
)
SMALL = exports.World(people=12, talks=6, messages=6)
GROWN = exports.World(people=15, talks=8, messages=6)


@pytest.fixture(params=NETWORKS, ids=lambda network: network.provider)
def network(request: pytest.FixtureRequest) -> Network:
    found: Network = request.param
    return found


async def everything(household: Household) -> dict[str, Any]:
    """What a viewer sees, without ids."""

    def read(conn: Connection, viewer: str) -> dict[str, Any]:
        def rows(*columns: Any, table: Any) -> Counter[Any]:
            return Counter(tuple(row) for row in conn.execute(select(*columns).where(table.c.viewer_id == viewer)))

        m, c = message.c, conversation.c
        return {
            "accounts": rows(account.c.provider, account.c.user_id, account.c.status, table=account),
            "own": rows(own_address.c.kind, own_address.c.value, table=own_address),
            "contacts": rows(contact.c.name, contact.c.relation, table=contact),
            "messages": rows(m.sent_at, m.snippet, m.direction, table=message),
            "conversations": rows(c.kind, c.subject, c.message_count, table=conversation),
            "activities": rows(activity.c.verb, activity.c.key, activity.c.actor_uri, table=activity),
            "reactions": rows(reaction.c.emoji, reaction.c.address, table=reaction),
            "members": rows(conversation_member.c.name, table=conversation_member),
            "missing": [
                (row.kind, row.name, row.expected, row.stored)
                for row in conn.execute(select(container).where(container.c.viewer_id == viewer))
                if row.expected is None or (row.expected != row.stored and not row.skipped)
            ],
        }

    return await household.database.read(household.viewer, read)


async def test_an_export_becomes_an_account_with_people_and_conversations(
    household: Household, tmp_path: Path, network: Network
) -> None:
    async with workshop(household.database, tmp_path / "home") as shop:
        (report,) = await shop.bring(household.viewer, network.write(SMALL, tmp_path / "export.zip"))
        assert (report.state, report.failed, report.done) == ("DONE", 0, report.total)
        assert (report.skipped > 0) == network.leaves_out
        found = await everything(household)
        assert found["accounts"] == {(network.provider, network.user_id, "ACTIVE"): 1}
        assert set(found["own"]) == network.own
        talks = [talk for talk in SMALL.conversations() if network.said(talk)]
        said = [one for talk in talks for one in network.said(talk)]
        assert sum(found["messages"].values()) == len(said)
        assert Counter(way for _, _, way in found["messages"].elements()) == Counter(
            "OUTBOUND" if one.sender is None else "INBOUND" for one in said
        )
        assert sorted((kind, count) for kind, _, count in found["conversations"].elements()) == sorted(
            ("GROUP" if len(talk.members) > 1 else "DIRECT", len(network.said(talk))) for talk in talks
        )
        titles = {talk.title for talk in talks if talk.title and network.tells_titles}
        assert {subject for _, subject, _ in found["conversations"] if subject} == titles
        assert sum(found["reactions"].values()) == (len(said) if network.tells_reactions else 0)
        assert found["missing"] == []


async def test_importing_again_changes_nothing_and_a_newer_one_adds_what_is_new(
    household: Household, tmp_path: Path, network: Network
) -> None:
    small, grown = network.write(SMALL, tmp_path / "small.zip"), network.write(GROWN, tmp_path / "grown.zip")
    async with workshop(household.database, tmp_path / "home") as shop:
        await shop.bring(household.viewer, small)
        first = await everything(household)
        told = [change for change in await household.changes() if change.kind not in ("IMPORT", "ACCOUNT")]
        (report,) = await shop.bring(household.viewer, small)
        assert (report.created, report.updated) == (0, 0)
        assert await everything(household) == first
        assert [change for change in await household.changes() if change.kind not in ("IMPORT", "ACCOUNT")] == told
        await shop.bring(household.viewer, grown)
        both = await everything(household)
    other = await Household.open(household.database, "u_other")
    async with workshop(household.database, tmp_path / "elsewhere") as shop:
        await shop.bring(other.viewer, grown)
        alone = await everything(other)
    assert both == alone
    assert both["messages"] > first["messages"]


async def test_an_import_that_was_cut_goes_on_from_its_checkpoint(household: Household, tmp_path: Path, network: Network) -> None:
    world = exports.World(people=150, talks=40, messages=8)
    export = network.write(world, tmp_path / "export.zip")
    async with workshop(household.database, tmp_path / "home") as shop:
        report = await shop.bring_with_a_crash(household.viewer, export, after=100)
        assert (report.state, report.done, report.failed) == ("DONE", report.total, 0)
        found = await everything(household)
        assert sum(found["messages"].values()) == sum(len(network.said(talk)) for talk in world.conversations())
        assert found["missing"] == []
