"""A town that listens: experts with their audiences, people who only write mail, a farm of accounts that follow everybody, a newsletter.

    the viewer ── follows, writes to ──▶ people ── follow, like, answer ──▶ experts
                                                                              ▲
                     farm accounts ── follow and like everybody ─────────────┘  and above all the impostor

All of it is taken in as adapters hand it over. What the generator planted is what the tests compare with.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from providers import records
from tests.household import ME, NOW, Household
from tests.posts import actor

TOPICS: Final = ("beekeeping", "typography", "sailing", "astronomy")
POSTS: Final = 6  # of each expert
HOURS: Final = timedelta(hours=1)
CHATTER: Final = ("lunch", "weekend", "train", "garden", "weather", "coffee", "holiday", "cinema")


@dataclass
class Town:
    """Who was planted. Names are handles' first parts; `heard` is how many people an expert's audience has."""

    experts: dict[str, str] = field(default_factory=dict)  # handle by topic
    heard: dict[str, int] = field(default_factory=dict)
    impostor: str = "boaster"
    together: list[tuple[str, str]] = field(default_factory=list)  # who write to the viewer and each other
    items: list[records.Contact | records.Activity] = field(default_factory=list)
    mails: list[records.Message] = field(default_factory=list)


def town(*, people: int, farm: int, seed: int = 7) -> Town:
    """A town of so many people whom the viewer follows, four of them experts, and so many farm accounts that follow the viewer."""
    dice = random.Random(seed)
    found = Town()
    names = [f"p{number}" for number in range(people)]
    for name in names:
        found.items.append(_card(name, "FOLLOWING"))
    crowd = names[len(TOPICS) :]
    for place, topic in enumerate(TOPICS):
        expert = names[place]
        found.experts[topic] = expert
        audience = dice.sample(crowd, max(3, len(crowd) * (place + 2) // 6))
        found.heard[expert] = len(audience)
        for number in range(POSTS):
            written = _post(expert, number, f"Notes on {topic} number {number}", (topic,))
            found.items.append(written)
            found.items += [_act(fan, "LIKE", written, number) for fan in audience if dice.random() < 0.8]
        found.items += [_follow(fan, expert) for fan in audience]
    for place, name in enumerate(crowd):
        for number in range(3):
            found.items.append(_post(name, number, f"{CHATTER[(place + number) % len(CHATTER)]} again", ()))
    found.items.append(_card(found.impostor, "FOLLOWER"))
    boasts = [_post(found.impostor, number, f"The best of beekeeping {number}", ("beekeeping",)) for number in range(POSTS)]
    found.items += boasts
    for number in range(farm):
        name = f"f{number}"
        found.items.append(_card(name, "FOLLOWER"))
        found.items += [_follow(name, found.impostor), *(_act(name, "LIKE", boast, number) for boast in boasts[:2])]
        found.items += [_follow(name, one) for one in dice.sample(names, min(5, people))]
    pair = ("q0", "q1")
    found.together.append(pair)
    found.mails = [_mail(number, *pair) for number in range(4)]
    return found


async def settle(household: Household, found: Town) -> str:
    """Take the town in; the id of the account."""
    account = await household.account("mastodon", "robin@social.example", own=[ME])
    for first in range(0, len(found.items), 100):
        await household.take(account, *found.items[first : first + 100])
    post = await household.account("imap", own=[ME])
    await household.take(post, *found.mails)
    await household.resolve()
    return account


def _who(name: str) -> records.Actor:
    return actor(f"{name}@social.example", name.title())


def _card(name: str, relation: records.Relation) -> records.Contact:
    who = _who(name)
    handle = records.Handle(provider="mastodon", handle=f"{name}@social.example", url=who.url)
    return records.Contact(
        key=who.key or "",
        relation=relation,
        names=(records.Name(full=f"{name.title()} Planted"),),
        url=who.url,
        handles=(handle,),
    )


def _post(name: str, number: int, text: str, tags: tuple[str, ...]) -> records.Activity:
    who = _who(name)
    uri = f"{who.uri}/posts/{number}"
    thing = records.ActivityObject(kind="NOTE", uri=uri, text=text, hashtags=tags, attributed_to=who)
    return records.Activity(key=uri, actor=who, verb="CREATE", object=thing, occurred_at=NOW - number * HOURS, container="home")


def _act(name: str, verb: records.ActivityVerb, upon: records.Activity, number: int) -> records.Activity:
    who = _who(name)
    return records.Activity(
        key=f"{who.uri}/{verb}/{upon.key}",
        actor=who,
        verb=verb,
        object=upon.object,
        occurred_at=NOW - number * HOURS,
        container="home",
    )


def _follow(name: str, other: str) -> records.Activity:
    who, whom = _who(name), _who(other)
    thing = records.ActivityObject(kind="PROFILE", uri=whom.uri)
    return records.Activity(
        key=f"{who.uri}/follows/{other}", actor=who, verb="FOLLOW", object=thing, occurred_at=NOW - 30 * HOURS, container="home"
    )


def _mail(number: int, sender: str, other: str) -> records.Message:
    people = (
        records.Participant(role="FROM", address=f"{sender}@example.net", name=f"{sender.title()} Planted"),
        records.Participant(role="TO", address=ME),
        records.Participant(role="CC", address=f"{other}@example.net", name=f"{other.title()} Planted"),
    )
    return records.Message(
        key=f"mail-{number}", internet_message_id=f"{number}@town.example", sent_at=NOW - number * HOURS, subject=f"Plan {number}",
        text="See you both.", participants=people,
    )  # fmt: skip
