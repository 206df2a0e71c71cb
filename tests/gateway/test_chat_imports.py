"""Chats from phones and messengers become conversations: every message once, whoever I am, on both databases. All people are invented."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, select

from benchmarks import chat_exports
from benchmarks.exports import Said, Talk, World
from benchmarks.universe import ME, MY_NAME
from store.tables import contact_key, container, conversation, message, own_address
from store.tables import viewer as viewers
from tests.household import Household
from tests.workshop import workshop

SMALL = World(people=12, talks=6, messages=6)
GROWN = World(people=12, talks=9, messages=6)


@dataclass(frozen=True)
class Chats:
    """An export of chats: how it is written into a folder, and what of the universe it says."""

    provider: str
    write: Callable[[World, Path], None]
    own: tuple[tuple[str, str], ...]
    kinds: dict[str, str]  # talk with one, with several → kind
    contacts: int = 0  # items that are people
    numbers: bool = True  # whether people have telephone numbers
    me: str | None = None  # what is said with --me
    mine_only: bool = False  # whether what others wrote is not in it

    def said(self, talk: Talk) -> list[Said]:
        return [one for one in talk.said() if one.sender is None or not self.mine_only]


def _whatsapp(world: World, folder: Path) -> None:
    for talk in world.conversations():
        chat_exports.whatsapp(world, talk, folder, chat_exports.PHONES[9])


def _android_sms(world: World, folder: Path) -> None:
    chat_exports.android_sms(world, folder / "sms-20240307.xml", others=False)


def _telegram(world: World, folder: Path) -> None:
    chat_exports.telegram(world, folder / "result.json")


def _discord(world: World, folder: Path) -> None:
    chat_exports.discord(world, folder / "package.zip")


def _imessage(world: World, folder: Path) -> None:
    chat_exports.imessage(world, folder / "chat.db")


def _slack(world: World, folder: Path) -> None:
    chat_exports.slack(world, folder / "Boats Slack export.zip")


KINDS = {"one": "DIRECT", "several": "GROUP"}
EXPORTS = (
    Chats("whatsapp", _whatsapp, (("HANDLE", MY_NAME),), KINDS),
    Chats("android_sms", _android_sms, (("PHONE", chat_exports.MY_NUMBER),), KINDS),
    Chats("imessage", _imessage, (("PHONE", chat_exports.MY_NUMBER), ("EMAIL", ME)), KINDS),
    Chats(
        "slack",
        _slack,
        (("HANDLE", "robin@boats.slack.com"), ("EMAIL", ME)),
        KINDS,
        contacts=SMALL.people + 1,
        numbers=False,
        me=ME,
    ),
    Chats("telegram", _telegram, (("HANDLE", "user7000@t.me"), ("PHONE", chat_exports.MY_NUMBER)), KINDS, contacts=SMALL.people),
    Chats(
        "discord",
        _discord,
        (("HANDLE", "robin@discord.com"), ("EMAIL", ME), ("PHONE", chat_exports.MY_NUMBER)),
        KINDS,
        contacts=SMALL.people,
        mine_only=True,
        numbers=False,
    ),
)


@pytest.fixture(params=EXPORTS, ids=lambda export: export.provider)
def export(request: pytest.FixtureRequest) -> Chats:
    found: Chats = request.param
    return found


@pytest.fixture
async def household(household: Household) -> Household:
    """Somebody in Britain: national numbers are read there."""

    def at_home(conn: Connection, viewer: str) -> None:
        conn.execute(sa.update(viewers).where(viewers.c.id == viewer).values(region="GB"))

    await household.database.write(household.viewer, at_home)
    return household


def written(export: Chats, world: World, folder: Path) -> Path:
    folder.mkdir()
    export.write(world, folder)
    return folder


async def seen(household: Household) -> dict[str, Counter[Any]]:
    def read(conn: Connection, viewer: str) -> dict[str, Counter[Any]]:
        def rows(table: Any, *columns: Any) -> Counter[Any]:
            return Counter(tuple(row) for row in conn.execute(select(*columns).where(table.c.viewer_id == viewer)))

        c, m = conversation.c, message.c
        return {
            "messages": rows(message, m.sent_at, m.snippet, m.direction),
            "conversations": rows(conversation, c.kind, c.message_count),
            "own": rows(own_address, own_address.c.kind, own_address.c.value),
            "numbers": rows(contact_key, contact_key.c.kind, contact_key.c.value),
            "ledger": rows(container, container.c.expected, container.c.stored, container.c.skipped),
        }

    return await household.database.read(household.viewer, read)


async def test_every_message_is_there_once_with_its_direction_and_twice_is_the_same_as_once(
    household: Household, export: Chats, tmp_path: Path
) -> None:
    async with workshop(household.database, tmp_path) as shop:
        source = written(export, SMALL, tmp_path / "export")
        (report,) = await shop.bring(household.viewer, source, me=export.me)
        assert (report.state, report.failed) == ("DONE", 0)
        found = await seen(household)
        said = [one for talk in SMALL.conversations() for one in export.said(talk)]
        assert found["messages"].total() == len(said) == report.created - export.contacts
        directions = Counter(row[2] for row in found["messages"].elements())
        assert directions == Counter("OUTBOUND" if one.sender is None else "INBOUND" for one in said)
        sizes = [("several" if talk.title else "one", len(export.said(talk))) for talk in SMALL.conversations()]
        talks = Counter((export.kinds[size], count) for size, count in sizes if count)
        assert found["conversations"] == talks
        assert found["own"] == Counter(export.own)
        for expected, stored, skipped in found["ledger"]:
            assert expected == stored + sum(json.loads(skipped).values())
        (again,) = await shop.bring(household.viewer, source, me=export.me)
        assert (again.created, again.updated, again.failed) == (0, 0, 0)
        assert await seen(household) == found


async def test_a_later_export_adds_what_is_new(household: Household, export: Chats, tmp_path: Path) -> None:
    async with workshop(household.database, tmp_path) as shop:
        await shop.bring(household.viewer, written(export, SMALL, tmp_path / "first"), me=export.me)
        (report,) = await shop.bring(household.viewer, written(export, GROWN, tmp_path / "later"), me=export.me)
        new = [one for talk in GROWN.conversations()[len(SMALL.conversations()) :] for one in export.said(talk)]
        assert report.created == len(new)
        assert (await seen(household))["messages"].total() == report.created + report.unchanged - export.contacts


async def test_a_number_in_a_chat_is_the_one_in_the_address_book(household: Household, export: Chats, tmp_path: Path) -> None:
    async with workshop(household.database, tmp_path) as shop:
        await shop.bring(household.viewer, written(export, SMALL, tmp_path / "export"))
        person = SMALL.person(2)
        card = tmp_path / "card.vcf"
        card.write_text(
            f"BEGIN:VCARD\nVERSION:3.0\nUID:1\nFN:{person.name}\nTEL;TYPE=CELL:{chat_exports.number(person)}\nEND:VCARD\n"
        )
        await shop.bring(household.viewer, card)
        assert await shop.count(household.viewer, "select count(*) from evidence where strength = 'PROOF'") == export.numbers
