"""The same people seen by a bot at Discord and one at Telegram, by pages of Facebook and a professional account at Instagram; and a site.

A bot is an account of its own beside the archive of its owner, and says what the owner says elsewhere; people are the same in both, by the
network's own name for them. Pages and professional accounts are the owner's: one account with the archive, in which no talk is of both.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from benchmarks import chat_exports, exports
from benchmarks.exports import Said, World, handle
from benchmarks.universe import ME, MY_NAME, Person
from benchmarks.universe_book import Act, Letter, Page, Room, discord_handle, instagram_page, posts, telegram_handle, words
from providers.instagram.adapter import SCOPES
from providers.session import Secret
from tests.chaos.universe_sources import Source
from tests.providers import discord_stub, meta_stub
from tests.providers.discord_stub import Discord
from tests.providers.feed_site import Site
from tests.providers.meta_stub import Graph
from tests.providers.telegram_stub import TOKEN, BotApi

DISCORD, TELEGRAM = "discord, bot", "telegram, bot"
#: What the accounts of bots are called, beside which there is one of an archive.
LABELS: Final = {("discord", "kithbot (bot)"): DISCORD, ("telegram", "Harbour (@harbour_bot)"): TELEGRAM}
PAGE: Final = "700"
ENTRIES: Final = 20  # of a feed, some of them in its archive
FEW: Final = 20  # messages that Instagram shows of a conversation
GRANT: Final = Secret(access_token="token-1", client_id=meta_stub.APP, client_secret=meta_stub.SECRET, scope=" ".join(SCOPES))


# --- Discord ----------------------------------------------------------------------------------------------------------------


def discord(world: World) -> Source:
    """Everybody is in the bot's server; what several talk about has a channel, which is called with its server.

    Who is silent in it is not told, nor whom a message is for.
    """
    page = Page(DISCORD)
    for person in world.everybody():
        url = discord_handle(person)
        page.knows(str(person.number), "MEMBER", person.name, url=url, handle=url)
    for talk in world.conversations():
        if talk.title:
            room = page.rooms[talk.number] = Room(DISCORD, "CHANNEL", f"boats-{talk.number} (Boats)")
            for said in talk.said():
                room.letters.append(_overheard(said, said.text))

    def network() -> Discord:
        net = Discord(time.time)
        net.guild()
        for person in world.everybody():
            net.member(str(chat_exports.discord_id(person)), handle(person), global_name=person.name)
        for talk in world.conversations():
            if talk.title:
                room = net.channel(str(700_000_000_000_000_000 + talk.number), f"boats-{talk.number}")
                for said in talk.said():
                    author = discord_stub.ME if said.sender is None else str(chat_exports.discord_id(world.person(said.sender)))
                    net.say(room, author, said.text, said.at.timestamp())
        return net

    return Source("discord", page, network, form={"access_token": "token-1"}, running=discord_stub.running)


def _overheard(said: Said, text: str) -> Letter:
    """A message that is for nobody by name."""
    if said.sender is None:
        return Letter(said.at.replace(microsecond=0), "OUTBOUND", words(text), frozenset())
    return Letter(said.at.replace(microsecond=0), "BETWEEN_OTHERS", words(text), frozenset({str(said.sender)}))


# --- Telegram ---------------------------------------------------------------------------------------------------------------


def telegram(world: World) -> Source:
    """What others write to the bot, and where it is: a bot is not told what it has said itself."""
    page = Page(TELEGRAM)
    for talk in world.conversations():
        key = talk.number if talk.title else talk.members
        for said in talk.said():
            if said.sender is None:
                continue
            person = world.person(said.sender)
            card = page.met(str(said.sender), person.name, handle=telegram_handle(person))
            room = page.rooms.setdefault(key, Room(TELEGRAM, "GROUP" if talk.title else "DIRECT", talk.title or None))
            room.letters.append(Letter(said.at.replace(microsecond=0), "INBOUND", words(said.text), frozenset({card})))

    def network() -> BotApi:
        net = BotApi(time.time)
        for talk in world.conversations():
            for said in talk.said():
                if said.sender is None:
                    continue
                user = _telegram_user(world.person(said.sender))
                chat: dict[str, Any] = {"id": -(900 + talk.number), "type": "group", "title": talk.title}
                if not talk.title:
                    chat = {"type": "private", **{name: value for name, value in user.items() if name != "is_bot"}}
                net.post(chat, user, said.text, at=said.at.timestamp())
        return net

    return Source("telegram", page, network, form={"access_token": TOKEN})


def _telegram_user(person: Person) -> dict[str, Any]:
    return {"id": chat_exports.telegram_id(person), "is_bot": False, "first_name": person.given, "last_name": person.family}


# --- Facebook and Instagram -------------------------------------------------------------------------------------------------


def facebook(world: World, page: Page) -> Source:
    """Every third uses the app; whoever has a talk with the owner alone writes to the owner's page. Nothing says that they are friends."""
    friends = [one for one in world.everybody() if one.number % 3 == 0]
    for person in friends:
        page.knows(f"friend {person.number}", "CONNECTION", person.name)
    talks = [talk for talk in world.conversations() if not talk.title]
    for talk in talks:
        card = page.met(f"guest {talk.members[0]}", world.person(talk.members[0]).name)
        _answered(page, ("page", talk.members), card, list(talk.said()))
    page.acts += posts(page.network)

    def network() -> Graph:
        net = Graph(time.time)
        net.me |= {"name": MY_NAME, "email": ME}
        net.own_page(PAGE, "Boathouse")
        for person in friends:
            net.friend(str(5_000 + person.number), person.name)
        threads: dict[int, str] = {}
        for talk in talks:
            (n,) = talk.members
            if n not in threads:
                threads[n] = net.thread(PAGE, {"id": str(9_000 + n), "name": world.person(n).name})
            for said in talk.said():
                net.said(threads[n], said.text, said.at.timestamp(), mine=said.sender is None)
        for n in range(exports.POSTS):
            net.posted(meta_stub.ME, exports.post_text(n), (exports.BEGIN + timedelta(seconds=n)).timestamp())
        return net

    return Source("facebook", page, network, grant=GRANT)


def instagram(world: World, page: Page) -> Source:
    """People who write have the user names of the archive's lists, by which they are the same; of a talk the latest are shown."""
    talks = [talk for talk in world.conversations() if not talk.title]
    for talk in talks:
        person = world.person(talk.members[0])
        url = instagram_page(person)
        card = page.met(f"user {person.number}", handle(person), url=url, handle=url)
        _answered(page, ("inbox", talk.members), card, list(talk.said())[-FEW:])

    def network() -> Graph:
        net = Graph(time.time, instagram=True)
        net.account |= {"username": exports.MY_INSTAGRAM, "name": MY_NAME}
        owner = net.account["user_id"]
        for talk in talks:
            person = world.person(talk.members[0])
            thread = net.thread(owner, {"id": str(8_000 + person.number), "username": handle(person)}, "instagram")
            for said in talk.said():
                net.said(thread, said.text, said.at.timestamp(), mine=said.sender is None)
        return net

    return Source("instagram", page, network, grant=GRANT)


def _answered(page: Page, key: object, card: str, some: list[Said]) -> None:
    room = page.rooms.setdefault(key, Room(page.network, "DIRECT", None))
    for said in some:
        way = "OUTBOUND" if said.sender is None else "INBOUND"
        room.letters.append(Letter(said.at.replace(microsecond=0), way, words(said.text), frozenset({card})))


# --- feeds ------------------------------------------------------------------------------------------------------------------


def feeds(world: World) -> Source:
    """What somebody publishes at a site of their own: an author by name and page, whom nothing joins."""
    page = Page("feeds")
    author = page.met("author", "Ada Ray", url="https://blog.example/")
    for n in range(ENTRIES):
        page.acts.append(Act("feeds", author, "CREATE", f"Post {n}.", datetime(2026, 4, n % 28 + 1, 10, tzinfo=UTC)))

    def site() -> Site:
        made = Site()
        made.posts = [f"Boats {n}" for n in range(ENTRIES)]
        return made

    return Source("feeds", page, site, "NO_SECRET", {"url": "{stub}/feed.xml"})
