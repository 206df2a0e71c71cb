"""A year of somebody's mail and chat, made up, with what is true of it written down: who is close, and how long each answer took.

Mail is written as bytes with the header fields that its senders really set, and read by the product's own parser; chats are what an adapter
would tell. Close people exchange something every few days, by mail, by chat or both, and each answer has a planted wait. Around them is
what looks busier: newsletters, mailing lists, robots (some of which write like people), groups, forged mail in the name of the close ones,
and acquaintances who write now and then. The same seed gives the same year.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

from benchmarks.universe import Universe
from providers import records
from providers.formats import mime

ME: Final = "robin@example.org"
MY_HANDLE: Final = "@robin:chat.example"
BEGIN: Final = datetime(2025, 5, 1, 8, tzinfo=UTC)
RECEIVER: Final = "imap.example.org"  # whose verdict on senders counts


@dataclass
class Friend:
    """Somebody with whom the viewer is close, or acquainted. The rest is what was planted: pairs are (question, answer), by message key."""

    name: str
    email: str
    handle: str
    close: bool
    from_them: list[str] = field(default_factory=list)
    from_me: list[str] = field(default_factory=list)
    openings: list[str] = field(default_factory=list)
    their_answers: dict[tuple[str, str], int] = field(default_factory=dict)  # to seconds
    my_answers: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass
class Year:
    """The year. `days` of it, `close` close people, and so many of everything else."""

    close: int
    acquaintances: int
    bulk: int  # newsletters, lists, robots and writing robots, of each
    groups: int
    days: int = 365
    seed: int = 11
    friends: list[Friend] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)  # addresses that never are somebody close
    mails: list[records.Message] = field(default_factory=list)
    chats: list[records.Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._drawn = random.Random(self.seed)  # the same year each time is wanted
        universe = Universe(self.close + self.acquaintances, 0, self.seed)
        for number in range(self.close + self.acquaintances):
            person = universe.person(number)
            local = person.email.partition("@")[0]
            self.friends.append(Friend(person.name, person.email, f"@{local}:chat.example", close=number < self.close))
        for number, friend in enumerate(self.friends):
            self._live(number, friend)
        self._crowd()
        self._chatter()

    @property
    def end(self) -> datetime:
        return BEGIN + timedelta(days=self.days)

    # --- those who matter ---------------------------------------------------------------------------------------------

    def _live(self, number: int, friend: Friend) -> None:
        """Exchanges of one friend: each a thread of mail, or a day in the chat that is theirs."""
        drawn = self._drawn
        every = drawn.choice((2, 3, 5)) if friend.close else 60
        ways = ("mail", "chat", "both")[number % 3]
        day = drawn.randrange(3)
        while day < self.days - 1:
            by_mail = ways == "mail" or (ways == "both" and drawn.random() < 0.5)
            self._exchange(number, friend, BEGIN + timedelta(days=day, minutes=drawn.randrange(120)), by_mail)
            day += every + drawn.randrange(2)
        if friend.close:  # a forged mail in their name, which they never wrote
            self._mail(f"forged-{number}", friend.email, friend.name, ME, BEGIN + timedelta(days=self.days // 2), forged=True)

    def _exchange(self, number: int, friend: Friend, at: datetime, by_mail: bool) -> None:
        drawn = self._drawn
        begins = f"{number}-{at:%Y%m%d}-{'mail' if by_mail else 'chat'}"
        write: Callable[..., None] = self._letter if by_mail else self._line
        mine = drawn.random() < 0.5
        before: list[str] = []
        question: tuple[str, datetime] | None = None
        for turn in range(drawn.choice((2, 2, 3, 4))):
            if question is not None:
                wait = drawn.randrange(60, 3 * 86_400 if by_mail else 5_000)
                at = question[1] + timedelta(seconds=wait)
            first = at
            for n in range(drawn.choice((1, 1, 2))):  # whoever writes twice waits since the first
                key = f"{begins}-{turn}-{n}@year.example"
                at = first + timedelta(seconds=n * 40)
                write(friend, key, mine, at, begins, before)
                before.append(key)
                (friend.from_me if mine else friend.from_them).append(key)
                if n == 0:
                    if turn == 0:
                        friend.openings.append(key)
                    if question is not None:
                        (friend.my_answers if mine else friend.their_answers)[question[0], key] = wait
                    now_asked = (key, at)
            question, mine = now_asked, not mine

    def _letter(self, friend: Friend, key: str, mine: bool, at: datetime, subject: str, before: list[str]) -> None:
        sender, name, to = (ME, "Robin", friend.email) if mine else (friend.email, friend.name, ME)
        self._mail(key, sender, name, to, at, subject=subject, answers=before)

    def _line(self, friend: Friend, key: str, mine: bool, at: datetime, subject: str, before: list[str]) -> None:
        sides = ((MY_HANDLE, "Robin"), (friend.handle, friend.name))
        sender, to = sides if mine else sides[::-1]
        self._say(key, f"room of {friend.handle}", "DIRECT", sender, [to], at)

    # --- those who are only loud --------------------------------------------------------------------------------------

    def _crowd(self) -> None:
        drawn = self._drawn
        for n in range(self.bulk):
            news, robot, tireless = f"news@shop-{n}.example", f"noreply@service-{n}.example", f"office@agency-{n}.example"
            posts = f"talk-{n}@lists.example"
            self.strangers += [news, robot, tireless, posts]
            for day in range(self.days):
                at = BEGIN + timedelta(days=day, minutes=drawn.randrange(600))
                self._mail(
                    f"news-{n}-{day}@x", news, "Shop", ME, at, more={"List-Unsubscribe": f"<https://shop-{n}.example/off>"}
                )
                self._mail(f"robot-{n}-{day}@x", robot, "Service", ME, at, more={"Auto-Submitted": "auto-generated"})
                self._mail(f"tireless-{n}-{day}@x", tireless, "Agency", ME, at)  # looks like a person, and is never answered
                poster = drawn.choice(self.friends[self.close :]) if self.acquaintances else None
                email, name = (poster.email, poster.name) if poster else (f"poster-{n}@example.com", "A poster")
                self._mail(
                    f"post-{n}-{day}@x", email, name, posts, at,
                    more={"List-Id": f"<talk-{n}.lists.example>", "List-Post": f"<mailto:{posts}>", "Precedence": "list"},
                )  # fmt: skip

    def _chatter(self) -> None:
        drawn = self._drawn
        for n in range(self.groups):
            members = [(f"@member-{n}-{m}:chat.example", f"Member {n} {m}") for m in range(drawn.choice((8, 15, 30)))]
            self.strangers += [handle for handle, _ in members]
            for day in range(self.days):
                for line in range(drawn.randrange(1, 5)):
                    everybody = [*members, (MY_HANDLE, "Robin")]
                    sender = everybody[-1] if drawn.random() < 0.1 else drawn.choice(members)
                    at = BEGIN + timedelta(days=day, hours=3, minutes=7 * line)
                    others = [one for one in everybody if one != sender]
                    self._say(f"group-{n}-{day}-{line}", f"group {n}", "GROUP", sender, others, at)

    # --- how it is written ----------------------------------------------------------------------------------------------

    def _mail(
        self,
        key: str,
        sender: str,
        name: str,
        to: str,
        at: datetime,
        *,
        subject: str = "",
        answers: list[str] | None = None,
        more: dict[str, str] | None = None,
        forged: bool = False,
    ) -> None:
        verdict = "fail" if forged else "pass"
        result = f"{RECEIVER}; dmarc={verdict} header.from={sender.partition('@')[2]}"
        head = {
            **({} if sender == ME else {"Authentication-Results": result, "Received": f"from there by {RECEIVER}; {format_datetime(at)}"}),
            "From": f"{name} <{sender}>", "To": f"<{to}>", "Date": format_datetime(at), "Message-ID": f"<{key}>",
            "Subject": subject or key, **(more or {}),
        }  # fmt: skip
        if answers:
            head["References"] = " ".join(f"<{one}>" for one in answers)
        text = "".join(f"{name}: {value}\r\n" for name, value in head.items()) + f"\r\nText of {key}.\r\n"
        self.mails.append(
            mime.message(
                text.encode(),
                container="INBOX",
                own=frozenset([ME]),
                key=key,
                arrived=at + timedelta(seconds=3),
                receiver=RECEIVER,
            )
        )

    def _say(
        self,
        key: str,
        room: str,
        kind: records.ConversationKind,
        sender: tuple[str, str],
        to: list[tuple[str, str]],
        at: datetime,
    ) -> None:
        people = [("FROM", sender), *(("TO", one) for one in to)]
        self.chats.append(
            records.Message(
                key=key, conversation_key=room, conversation_kind=kind, sent_at=at, text=f"Text of {key}.", internet_message_id=key,
                participants=tuple(
                    records.Participant(role="FROM" if role == "FROM" else "TO", kind="HANDLE", address=address, name=name,
                                        provider="matrix", key=address)
                    for role, (address, name) in people
                ),
            )
        )  # fmt: skip
