"""The same people at networks that stubs stand for, each held to its network's contract: what a linked account shows there, and its page.

Of Slack, X and LinkedIn there is an archive, too, and both are one account. The archive is older: the network has some talks more (`later`), and does
not show all that the archive has. A page is then the archive's page with what the network adds.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from benchmarks import chat_exports, exports
from benchmarks.exports import Talk, World, handle
from benchmarks.universe import ME, MY_NAME, Person
from benchmarks.universe_book import Act, Letter, Manner, Page, Room, by_number, slack_manner, tell, thread, words
from providers.session import Secret
from tests.chaos.universe_sources import Source
from tests.providers import linkedin_stub, x_stub
from tests.providers.github_stub import GitHub
from tests.providers.linkedin_stub import LinkedIn
from tests.providers.slack_stub import Slack
from tests.providers.x_stub import X

#: What Slack's description (of 2020) knows of answers in a thread.
SHOWN: Final = ("type", "subtype", "user", "text", "ts", "thread_ts", "edited")
NEWER: Final = 5  # talks since the archive was made
NOW: Final = exports.BEGIN + timedelta(days=25)  # at X, which shows what was said within thirty days
MENTIONS: Final = 20  # that X shows an account that was just linked


def later(world: World) -> World:
    """The universe some talks after its archives were made."""
    return replace(world, talks=world.talks + NEWER)


def since(world: World) -> list[Talk]:
    """The talks that no archive has."""
    return later(world).conversations()[world.talks :]


# --- Slack ------------------------------------------------------------------------------------------------------------------


def slack(world: World, page: Page) -> Source:
    """A workspace that shows the last third of what its archive has, and what was said since."""
    for talk in since(world):
        tell(page, world, talk, slack_manner(talk))

    def workspace() -> Slack:
        team = Slack(_clock, team=chat_exports.SLACK_TEAM, host="boats", me=chat_exports.SLACK_ME)
        team.member(0, "robin", id_=chat_exports.SLACK_ME, real_name=MY_NAME, display_name="", email=ME)
        for one in world.everybody():
            profile = {"real_name": one.name, "display_name": one.given, "email": one.email, "phone": chat_exports.number(one)}
            team.member(0, handle(one), id_=chat_exports.slack_id(one), **profile)
        for talk in later(world).conversations()[world.talks * 2 // 3 :]:
            room = _slack_room(team, world, talk)
            for message in chat_exports.slack_messages(world, talk, talk.said()):
                root = message.get("thread_ts")
                team.posts[room].append({name: message[name] for name in SHOWN if name in message})
                if root:
                    parent = next(one for one in team.posts[room] if one["ts"] == root)
                    parent |= {"thread_ts": root, "reply_count": parent.get("reply_count", 0) + 1, "latest_reply": message["ts"]}
        return team

    return Source("slack", page, workspace, form={"access_token": "xoxp-1"}, path="/api")


def _slack_room(team: Slack, world: World, talk: Talk) -> str:
    others = tuple(chat_exports.slack_id(world.person(n)) for n in talk.members)
    if not talk.title:
        return team.channel(0, id_=f"D0{talk.number:06}", user=others[0])
    if talk.number % 2:
        return team.channel(0, f"boats-{talk.number}", id_=f"C0{talk.number:06}")
    return team.channel(0, f"mpdm-{talk.number}--robin-1", id_=f"G0{talk.number:06}", members=(chat_exports.SLACK_ME, *others))


# --- X ----------------------------------------------------------------------------------------------------------------------


def x(world: World, page: Page) -> Source:
    """Of everybody the network has the name, which the archive has not, and of new groups who wrote there; some mention the owner."""
    following, followers = ({one.number for one in some} for some in exports.x_follows(world))
    for n, card in list(page.cards.items()):
        if not n.startswith("book"):
            person = world.person(int(n))
            page.knows(n, card.relation, person.name, url=f"https://x.com/{handle(person)}")
    for talk in since(world):
        authors = {one.sender for one in talk.said() if one.sender is not None}
        manner = Manner(by_number, key=thread, subject=lambda talk: None)
        tell(page, world, talk, manner, authors if talk.title else None)
    mentioning = [one for one in world.everybody() if one.number % 3 == 1][:MENTIONS]
    for person in mentioning:
        at = exports.BEGIN + timedelta(hours=person.number)
        page.acts.append(Act(page.network, str(person.number), "CREATE", _mention(person), at))

    def network() -> X:
        net = X(_clock, me=exports.MY_X_ID)
        net.person(exports.MY_X_ID, exports.MY_HANDLE, name=MY_NAME)
        for person in world.everybody():
            net.person(exports.x_id(person), handle(person), name=person.name)
        net.following = [exports.x_id(world.person(n)) for n in sorted(following)]
        net.followers = [exports.x_id(world.person(n)) for n in sorted(followers)]
        for talk in later(world).conversations():
            for said in talk.said():
                sender = exports.MY_X_ID if said.sender is None else exports.x_id(world.person(said.sender))
                text = said.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
                net.event(exports.x_talk_id(world, talk), sender, text, said.at.timestamp(), id=str(10**18 + said.number))
        for post in exports.x_posts(world):
            at = datetime.strptime(post["created_at"], "%a %b %d %H:%M:%S %z %Y").timestamp()
            mentions = [
                {"id": one["id"], "username": one["screen_name"], "start": 0, "end": 9}
                for one in post["entities"]["user_mentions"]
            ]
            repeats = {"referenced_posts": [{"type": "retweeted", "id": "7"}]} if post["full_text"].startswith("RT ") else {}
            net.post(exports.MY_X_ID, post["full_text"], at, id=post["id_str"], entities={"mentions": mentions}, **repeats)
        for person in mentioning:
            at = (exports.BEGIN + timedelta(hours=person.number)).timestamp()
            net.post(exports.x_id(person), _mention(person), at)
        return net

    grant = Secret(access_token="token-1", scope=" ".join(sorted(x_stub.SCOPES)))
    return Source("x", page, network, grant=grant, settings={"monthly_limit": "1000"})


def _mention(person: Person) -> str:
    return f"@{exports.MY_HANDLE} this is {person.given}, are you there?"


# --- LinkedIn ---------------------------------------------------------------------------------------------------------------


def linkedin(world: World, page: Page, folder: Path) -> Source:
    """The tables of a younger copy, row by row."""
    for talk in since(world):
        tell(page, world, talk, Manner(by_number))
    tables = linkedin_stub.tables(exports.linkedin(later(world), folder / "linkedin, as it is now.zip"))

    def network() -> LinkedIn:
        net = LinkedIn(_clock)
        net.info |= {"name": MY_NAME, "given_name": "Robin", "family_name": "Vale", "email": ME}
        net.domains = tables
        return net

    form = {"profile": f"https://www.linkedin.com/in/{exports.MY_SLUG}", "access_token": "own-token"}
    return Source("linkedin", page, network, form=form)


# --- GitHub -----------------------------------------------------------------------------------------------------------------


def github(world: World) -> Source:
    """Every fourth tells their address; every fifth opens a thread, which the owner answers, and stars a repository."""
    page = Page("github")
    following, followers = ({one.number for one in some} for some in exports.x_follows(world))
    for person in world.everybody():
        n = person.number
        relation = "CONNECTION" if n in following and n in followers else "FOLLOWING" if n in following else "FOLLOWER"
        emails = (person.email,) if n % 4 == 1 else ()
        page.knows(str(n), relation, person.name, emails=emails, url=f"https://github.com/{_login(person)}")
        if n % 5 == 0:
            room = page.rooms[n] = Room(page.network, "POST", f"Leak {n} (acme/boats#{n + 1})")
            for minute, (way, text) in enumerate(_leak(person)):
                at = datetime(2026, 2, 1 + n % 28, 10, minute, tzinfo=UTC)
                room.letters.append(Letter(at, way, words(text), frozenset({str(n)})))
            page.acts.append(Act(page.network, str(n), "LIKE", "starred acme/boats", datetime(2026, 5, 1, 10, tzinfo=UTC)))

    def network() -> GitHub:
        made = GitHub(_clock)
        made.following, made.followers = [100 + n for n in sorted(following)], [100 + n for n in sorted(followers)]
        for person in world.everybody():
            n = person.number
            user = made.user(100 + n, _login(person), name=person.name, email=person.email if n % 4 == 1 else "")
            if n % 5 == 0:
                (_, opening), *answers = _leak(person)
                day = f"02-{1 + n % 28:02}"
                thread = made.thread(n + 1, f"Leak {n}", user, f"{day}T10:00:00", body=opening)
                for minute, (way, text) in enumerate(answers, 1):
                    made.comment(thread, made.me if way == "OUTBOUND" else user, text, f"{day}T10:{minute:02}:00")
                made.event("WatchEvent", user, {"action": "started"})
        return made

    return Source("github", page, network, grant=Secret(access_token="token-1"))


def _login(person: Person) -> str:
    return handle(person).replace("_", "-")


def _leak(person: Person) -> list[tuple[str, str]]:
    return [
        ("INBOUND", f"@ada, the boat of {person.given} leaks"), ("OUTBOUND", "Where?"), ("INBOUND", "@ada at the bow"),
    ]  # fmt: skip


def _clock() -> float:
    return NOW.timestamp()
