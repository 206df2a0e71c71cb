"""The same people at real servers: a Mastodon-compatible one, a Synapse, a PDS and a CardDAV server, each with its page of the book.

What a server dates itself it dates now; only Bluesky's records and chat have the moments of the universe.
"""

from __future__ import annotations

import html
import re
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from benchmarks import exports
from benchmarks.exports import World, handle, post_text
from benchmarks.universe import MY_NAME, Universe, card
from benchmarks.universe_book import Act, Letter, Page, Room, address_book, words
from tests import atproto_servers, chat_servers, servers
from tests.chaos.universe_sources import Source
from tests.chat_servers import MatrixUser
from tests.fediverse import Person
from tests.providers.bluesky_stub import Bluesky, did

MASTODON: Final = "mastodon, linked"  # beside the account of the archive, which is at another server
MATRIX: Final = "matrix"
BLUESKY: Final = "bluesky"
SAID: Final = 4  # of a talk, at most, is said again on Matrix, where every message is a call


def mastodon(stack: ExitStack, world: World) -> Source:
    """Everybody posts, some repeat a stranger; whoever has a talk with the owner alone begins one there, and is answered."""
    server = stack.enter_context(servers.mastodon())
    page = Page(MASTODON)
    owner, stranger = Person(server, "robin"), Person(server, "stranger")
    far = str(stranger.posts("Seen from far away, and by nobody whom the owner follows")["id"])
    theirs = {one.number: Person(server, handle(one), one.name) for one in world.everybody()}
    for number, person in theirs.items():
        owner.follows(person)
        url = server.get(f"/api/v1/accounts/{person.id}")["url"]
        page.knows(str(number), "FOLLOWING", world.person(number).name, url=url, handle=url)
        for n in range(2):
            post = person.posts(f"What the {n} boats of {person.name} have done since yesterday")
            page.acts.append(Act(MASTODON, str(number), "CREATE", _plain(post), _moment(post["created_at"])))
        if number % 3 == 0:
            post = person.does("POST", f"statuses/{far}/reblog")
            page.acts.append(Act(MASTODON, str(number), "ANNOUNCE", _plain(post["reblog"]), _moment(post["created_at"])))
    for talk in world.conversations():
        if talk.title:
            continue
        (number,) = talk.members
        room = page.rooms.setdefault(talk.number, Room(MASTODON, "DIRECT", None))
        answers: dict[str, str] = {}
        for author, other, way in ((theirs[number], owner, "INBOUND"), (owner, theirs[number], "OUTBOUND")):
            post = author.posts(f"@{other.name} are you at the quay, {talk.number}", visibility="direct", **answers)
            answers = {"in_reply_to_id": post["id"]}
            room.letters.append(Letter(_moment(post["created_at"]), way, _plain(post), frozenset({str(number)})))
    return Source("mastodon", page, form={"server": server.url, "access_token": owner.token})


def _plain(post: dict[str, Any]) -> str:
    """A post without its markup, of which this server knows paragraphs, links and names."""
    return words(html.unescape(re.sub(r"<[^>]*>", "", post["content"])))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0)


def carddav(stack: ExitStack, world: World) -> Source:
    """An address book that is kept at a server, with the cards of everybody."""
    server = stack.enter_context(servers.radicale())
    people = [Universe(world.people, 0, world.seed).person(n) for n in range(world.people)]
    for person in people:
        server.put(f"{world.seed:08x}-0000-4000-8000-{person.number:012x}", card(person, world.seed))
    form = {"server": server.url, "username": server.username, "password": server.password}
    return Source("carddav", address_book(people, "carddav"), None, "PASSWORD", form)


def matrix(stack: ExitStack, world: World) -> Source:
    """Every talk is a room: direct with one, a group with its title with several; the last message of each is mended, the one before taken back."""
    server = stack.enter_context(chat_servers.synapse())
    page = Page(MATRIX)
    owner = server.new_user("robin")
    theirs = {one.number: server.new_user(handle(one)) for one in world.everybody()}
    for person in world.everybody():
        theirs[person.number].name(person.name)
    direct: dict[str, list[str]] = {}
    for talk in world.conversations():
        members = [theirs[n] for n in talk.members]
        said = list(talk.said())[:SAID]
        named = {"name": talk.title} if talk.title else {"is_direct": True}
        room_id = owner.create_room(*members, **named)
        if not talk.title:
            direct.setdefault(members[0].user_id, []).append(room_id)
        cards = frozenset(str(n) for n in talk.members)
        room = page.rooms[talk.number] = Room(MATRIX, "GROUP" if talk.title else "DIRECT", talk.title or None, set(cards))
        for n, one in enumerate(said):
            author = owner if one.sender is None else theirs[one.sender]
            event = author.send(room_id, one.text)
            text, sent = one.text, _sent(owner, room_id, event)
            if n == len(said) - 2:
                author.redact(room_id, event)
                text = ""  # what was taken back before anybody saw it here says no more than who wrote when
            if n == len(said) - 1:
                text = f"mended: {one.text}"
                author.edit(room_id, event, text)
            way = "OUTBOUND" if one.sender is None else "INBOUND"
            room.letters.append(Letter(sent, way, words(text), cards))
    owner.set_direct(direct)
    with_one = {talk.members[0] for talk in world.conversations() if not talk.title}
    met = {n for talk in world.conversations() for n in talk.members}
    for n in sorted(met):
        relation = "CONNECTION" if n in with_one else "MEMBER"
        url = f"https://matrix.to/#/{theirs[n].user_id}"
        page.knows(str(n), relation, world.person(n).name, url=url)
    return Source("matrix", page, None, "PASSWORD", {"username": owner.user_id, "password": owner.password, "server": server.url})


def _sent(user: MatrixUser, room: str, event: str) -> datetime:
    """When the server says that an event was sent."""
    at = user.call("GET", f"/v3/rooms/{room}/event/{event}")["origin_server_ts"]
    return datetime.fromtimestamp(at // 1000, UTC)


def bluesky(stack: ExitStack, world: World, folder: Path) -> tuple[Source, Path]:
    """Posts and follows in a real PDS, talks and what others post beside it; and the file that the PDS gives of the same account.

    What the owner posts is what they post everywhere. Those whom the owner knows on X are those here, the other way round.
    """
    server = stack.enter_context(atproto_servers.pds())
    user = server.new_user("robin")
    followers, following = ({one.number for one in some} for some in exports.x_follows(world))
    page = Page(BLUESKY)
    for n in sorted(following):
        user.follow(did(n))
        page.acts.append(Act(BLUESKY, None, "FOLLOW", "", None))
    for n in range(exports.POSTS):
        at = exports.BEGIN + timedelta(seconds=n)
        user.post(post_text(n), at.isoformat().replace("+00:00", "Z"))
        page.acts.append(Act(BLUESKY, None, "CREATE", words(post_text(n)), at))
    for person in world.everybody():
        n = person.number
        relation = "CONNECTION" if n in following and n in followers else "FOLLOWING" if n in following else "FOLLOWER"
        page.knows(str(n), relation, person.name, url=f"https://bsky.app/profile/{did(n)}")
    for talk in world.conversations():
        room = page.rooms[talk.number] = Room(BLUESKY, "GROUP" if talk.title else "DIRECT", talk.title or None)
        room.members |= {str(n) for n in talk.members}
        for one in talk.said():
            way = "OUTBOUND" if one.sender is None else "INBOUND"
            room.letters.append(Letter(one.at.replace(microsecond=0), way, words(one.text), frozenset(room.members)))
    shown = [person for person in world.everybody() if person.number in following]
    for person in shown:
        page.acts.append(
            Act(BLUESKY, str(person.number), "CREATE", _seen(person.name), exports.BEGIN + timedelta(hours=person.number))
        )

    def network() -> Bluesky:
        made = Bluesky(user)
        made.page, made.beyond = 50, server.url
        made.people[user.did] = {"did": user.did, "handle": user.handle, "displayName": MY_NAME}
        for person in world.everybody():
            made.person(person.number, handle=f"{handle(person).replace('_', '-')}.example.org", displayName=person.name)
        made.followers = [did(n) for n in sorted(followers)]
        for talk in world.conversations():
            convo = made.convo(*(did(n) for n in talk.members), name=talk.title or None)
            for one in talk.said():
                sender = user.did if one.sender is None else did(one.sender)
                made.say(convo, sender, one.text, sentAt=one.at.isoformat().replace("+00:00", "Z"))
        for person in shown:
            at = exports.BEGIN + timedelta(hours=person.number)
            made.show(did(person.number), _seen(person.name), createdAt=at.isoformat().replace("+00:00", "Z"))
        return made

    password = user.app_password("kith", privileged=True)
    form = {"username": user.handle, "password": password, "server": "{stub}"}
    return Source("bluesky", page, network, "APP_PASSWORD", form), atproto_servers.exported(user, folder)


def _seen(name: str) -> str:
    return f"Seen by {name} from the slipway, and nobody else was there"
