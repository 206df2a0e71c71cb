"""Archives as networks hand them out, of invented people who are the same on all of them: written from the documented layouts, traps included.

One seed gives one universe: people (`universe.py`), who knows whom, and what was said between them. Each writer here puts the same
universe into the files of its network by hand, as that network writes them, so that reader and writer share nothing. Everything is
streamed into a zip archive. Nobody here exists, and no name is a member's.
"""

from __future__ import annotations

import csv
import html
import io
import json
import random
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from benchmarks.universe import ME, MY_NAME, TOPICS, WORDS, Person, Universe

BEGIN: Final = datetime(2022, 3, 7, 8, tzinfo=UTC)
#: What breaks careless readers: line ends, quotation marks, commas, what looks like markup or JSON, writing from right to left.
TRAPS: Final = (
    "two\nlines", 'she said "no", twice', "a, b; c", "5 < 6 & 7 > 2", "{\"not\": [\"json\"]}", "שלום, מה נשמע?", "Łódź żółw 🐢👩‍👩‍👧",
    "C:\\temp\\new", "Grüße – “quoted”", "\\u00e9 is not é", "…",
)  # fmt: skip


@dataclass(frozen=True)
class Said:
    """One message. `sender` is a person's number, None for the owner; `number` counts all messages of the universe."""

    number: int
    at: datetime
    sender: int | None
    text: str


@dataclass(frozen=True)
class Talk:
    """A conversation of the owner with others; with a title where there are several."""

    number: int
    members: tuple[int, ...]
    title: str
    messages: int
    seed: int

    def said(self) -> Iterator[Said]:
        """Its messages, oldest first."""
        dice = random.Random(self.seed * 7_919 + self.number)
        at = BEGIN + timedelta(hours=self.number)
        for n in range(self.messages):
            at += timedelta(seconds=dice.randrange(1, 50_000))
            words = " ".join(dice.choice(WORDS) for _ in range(dice.randrange(2, 30)))
            text = f"{words} {n}" if n % 5 else f"{TRAPS[(self.number + n // 5) % len(TRAPS)]} {n}"
            sender = None if dice.random() < 0.4 else dice.choice(self.members)
            yield Said(self.number * 1_000_000 + n, at, sender, text)


@dataclass(frozen=True)
class World:
    """The owner's acquaintances and what was said between them; the same for the same seed."""

    people: int = 60
    talks: int = 40
    messages: int = 8  # in a conversation, about
    seed: int = 5

    def person(self, number: int) -> Person:
        """The universe's person of a number; some with a name that does not fit into ASCII."""
        found = Universe(self.people, 0, self.seed).person(number)
        return replace(found, family=f"{found.family}-Żółć") if number % 7 == 3 else found

    def everybody(self) -> list[Person]:
        return [self.person(n) for n in range(self.people)]

    def conversations(self) -> list[Talk]:
        """Most with one person, each in turn; every fifth with several. A larger world begins with the conversations of a smaller one."""
        found = []
        for n in range(self.talks):
            dice = random.Random(self.seed * 1_000_003 + n)
            others = {n % self.people}
            if n % 5 == 4:
                others |= {dice.randrange(min(self.people, n + 1)) for _ in range(3)}
            members = tuple(sorted(others))
            title = f"{TOPICS[n % len(TOPICS)]} {n}" if len(members) > 1 else ""
            found.append(Talk(n, members, title, 1 + dice.randrange(2 * self.messages), self.seed))
        return found


def post_text(number: int) -> str:
    """What the owner posts, on every network alike."""
    return f"{TRAPS[number % len(TRAPS)]} seen from the window at the quay {number}"


def handle(person: Person) -> str:
    """How somebody is called where names are of plain letters without spaces."""
    return f"{person.given}_{person.family.removesuffix('-Żółć')}".replace("-", "_").lower()


def archived(path: Path, files: Sequence[tuple[str, Iterator[bytes]]]) -> Path:
    """A zip archive of files that are written piece by piece."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
        for name, pieces in files:
            with out.open(name, "w", force_zip64=True) as member:
                for piece in pieces:
                    member.write(piece)
    return path


# --- LinkedIn -------------------------------------------------------------------------------------------------------------

NOTES: Final = (
    'Notes:\r\n"When exporting your connection data, you may notice that some of the email addresses are missing. You will only see email '
    'addresses for connections who have allowed their connections to see or download their email address, ""using this setting"".'
    '"\r\n\r\n'
)
MY_SLUG: Final = "robin-vale-5"


def slug(person: Person) -> str:
    """The last part of a profile's address, with letters that addresses have to escape."""
    return f"{person.given}-{person.family}-{'ł' if person.number % 9 == 4 else 'l'}{person.number}".lower()


def linkedin(world: World, path: Path, *, notes: str = NOTES) -> Path:
    """`Complete_LinkedInDataExport_….zip`; `notes` is what stands above the columns of the connections, by the age of the archive."""
    return archived(
        path,
        [
            ("Profile.csv", _table(_LINKEDIN_PROFILE, [[*MY_NAME.split(" "), "", "1 Quay", "May 4", "Boats", "", "Boats", *[""] * 5]])),
            ("Email Addresses.csv", _table(_LINKEDIN_EMAILS, _LINKEDIN_MINE)),
            ("Connections.csv", _linkedin_connections(world, notes)),
            ("Invitations.csv", _table(_LINKEDIN_INVITATIONS, _linkedin_invitations(world))),
            ("messages.csv", _table(_LINKEDIN_MESSAGES, _linkedin_messages(world))),
            ("Shares.csv", _linkedin_shares(world)),
            ("Comments.csv", _table(["Date", "Link", "Message"], _linkedin_acts(world, ["Well sailed, “all” of you"]))),
            ("Reactions.csv", _table(["Date", "Type", "Link"], ([at, "CELEBRATE", link] for at, link, _ in _linkedin_acts(world, [""])))),
            ("Skills.csv", _table(["Name"], [["Sailing"], ["Roofs"]])),
        ],
    )  # fmt: skip


_LINKEDIN_PROFILE: Final = [
    "First Name", "Last Name", "Maiden Name", "Address", "Birth Date", "Headline", "Summary", "Industry", "Zip Code", "Geo Location",
    "Twitter Handles", "Websites", "Instant Messengers",
]  # fmt: skip
_LINKEDIN_EMAILS: Final = ["Email Address", "Confirmed", "Primary", "Updated On"]
_LINKEDIN_MINE: Final = [[ME, "Yes", "Yes", "1/2/20, 3:04 AM"], ["old@example.com", "No", "No", "N/A"]]
_LINKEDIN_INVITATIONS: Final = ["From", "To", "Sent At", "Message", "Direction", "inviterProfileUrl", "inviteeProfileUrl"]
_LINKEDIN_MESSAGES: Final = [
    "CONVERSATION ID", "CONVERSATION TITLE", "FROM", "SENDER PROFILE URL", "TO", "RECIPIENT PROFILE URLS", "DATE", "SUBJECT", "CONTENT", "FOLDER",
    "ATTACHMENTS", "IS MESSAGE DRAFT", "IS CONVERSATION DRAFT",
]  # fmt: skip


def _linkedin_shares(world: World) -> Iterator[bytes]:
    """Each line of a text in quotation marks of its own, which are doubled as all quotation marks are."""
    columns = ["Date", "ShareLink", "ShareCommentary", "SharedUrl", "MediaUrl", "Visibility"]
    rows = []
    for n in range(POSTS):
        text = post_text(n).replace("\n", '"\n"')
        at = f"{BEGIN + timedelta(seconds=n):%Y-%m-%d %H:%M:%S}"
        rows.append([at, f"https://www.linkedin.com/feed/update/urn%3Ali%3Ashare%3A{n}", text, "", "", "MEMBER_NETWORK"])
    return _table(columns, rows)


def _linkedin_acts(world: World, texts: Sequence[str]) -> Iterator[list[str]]:
    for person in world.everybody()[:3]:
        link = f"https://www.linkedin.com/feed/update/urn%3Ali%3Aactivity%3A{person.number}"
        for text in texts:
            yield [f"{BEGIN + timedelta(days=person.number):%Y-%m-%d %H:%M:%S}", link, text]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]] | Iterator[Sequence[str]]) -> Iterator[bytes]:
    yield _row(columns)
    for row in rows:
        yield _row(row)


def _row(cells: Sequence[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue().encode()


def _profile_url(name: str) -> str:
    return f"https://www.linkedin.com/in/{quote(name)}"


def _linkedin_connections(world: World, notes: str) -> Iterator[bytes]:
    yield notes.encode()
    yield _row(["First Name", "Last Name", "URL", "Email Address", "Company", "Position", "Connected On"])
    for person in world.everybody():
        address = person.email if person.number % 4 == 0 else ""
        company = f"{TOPICS[person.number % len(TOPICS)]}, Ltd"
        since = (BEGIN - timedelta(days=person.number)).strftime("%d %b %Y")
        yield _row([person.given, person.family, _profile_url(slug(person)), address, company, "Roofer", since])
        if person.number % 20 == 7:
            yield b",,,,,,\r\n"  # somebody who has left


def _linkedin_invitations(world: World) -> Iterator[list[str]]:
    """Month first, as everybody gets it."""
    for person in world.everybody()[:3]:
        mine, theirs = _profile_url(MY_SLUG), _profile_url(slug(person))
        yield [MY_NAME, person.name, "1/15/22, 10:11 AM", "", "OUTGOING", mine, theirs]
        yield [person.name, MY_NAME, "12/3/21, 9:01 PM", "Do you remember me?", "INCOMING", theirs, mine]


def _linkedin_messages(world: World) -> Iterator[list[str]]:
    """Newest conversation first; the names of several recipients stand in another order than their addresses."""
    for talk in reversed(world.conversations()):
        members = [world.person(n) for n in talk.members]
        everybody = {MY_NAME: MY_SLUG, **{one.name: slug(one) for one in members}}
        for said in reversed(list(talk.said())):
            sender = MY_NAME if said.sender is None else world.person(said.sender).name
            others = [name for name in everybody if name != sender]
            written = sender.encode().decode("latin-1")  # names in this table are garbled
            to_names = ",".join(sorted(others, reverse=True))
            to_urls = ",".join(_profile_url(everybody[name]) for name in others)
            yield [
                f"2-{talk.number:032x}==", talk.title, written, _profile_url(everybody[sender]), to_names, to_urls,
                f"{said.at:%Y-%m-%d %H:%M:%S} UTC", "", said.text, "INBOX", "", "No", "No",
            ]  # fmt: skip


# --- X --------------------------------------------------------------------------------------------------------------------

MY_X_ID: Final = "9007199254740993"  # ids of X are beyond what a double can tell apart
MY_HANDLE: Final = "robinvale"


def x_id(person: Person) -> str:
    return str(9_100_000_000_000_000 + 7 * person.number)


def x_named(person: Person) -> bool:
    """Whether the owner has mentioned somebody, so that the archive says how they are called."""
    return person.number % 2 == 0


def x_follows(world: World) -> tuple[list[Person], list[Person]]:
    """Whom the owner follows, and who follows the owner."""
    everybody = world.everybody()
    return [one for one in everybody if one.number % 3 != 1], [one for one in everybody if one.number % 3 != 2]


def x_twitter(world: World, path: Path) -> Path:
    """`twitter-<date>-<hash>.zip`: scripts that assign one list each."""
    following, followers = x_follows(world)
    account = {"email": ME, "createdVia": "web", "username": MY_HANDLE, "accountId": MY_X_ID, "createdAt": "2010-01-02T03:04:05.678Z",
               "accountDisplayName": MY_NAME}  # fmt: skip
    talks = world.conversations()
    scripts: list[tuple[str, str, Iterator[Any]]] = [
        ("account", "account", iter([{"account": account}])),
        ("profile", "profile", iter([{"profile": {"description": {"bio": "5 &gt; 4", "website": "", "location": "Leeds"}}}])),
        ("following", "following", (_x_follow("following", one) for one in following)),
        ("follower", "follower", (_x_follow("follower", one) for one in followers)),
        (
            "contact",
            "contact",
            ({"contact": {"id": str(one.number), "emails": [one.email], "phoneNumbers": []}} for one in world.everybody()[:2]),
        ),
        ("direct-messages", "direct_messages", (_x_talk(world, talk) for talk in talks if not talk.title)),
        ("direct-messages-group", "direct_messages_group", (_x_talk(world, talk) for talk in talks if talk.title)),
        ("direct-message-headers", "direct_message_headers", (_x_talk(world, talk) for talk in talks if not talk.title)),
        ("tweets", "tweets", ({"tweet": post} for post in x_posts(world))),
        ("like", "like", ({"like": {"tweetId": str(10**18 + n), "fullText": "5 &amp; 6", "expandedUrl": ""}} for n in range(3))),
        ("ad-impressions", "ad_impressions", iter([{"ad": {"adsUserData": {}}}])),
    ]
    files = [(f"data/{name}.js", _script(f"YTD.{kind}.part0", _list(elements))) for name, kind, elements in scripts]
    listed = {
        kind: {"files": [{"fileName": f"data/{name}.js", "globalName": f"YTD.{kind}.part0", "count": "1"}]}
        for name, kind, _ in scripts
    }
    manifest = _script("__THAR_CONFIG", iter([json.dumps({"userInfo": {}, "dataTypes": listed}, indent=2).encode()]))
    picture = iter([b"\x89PNG\r\n\x1a\n"])
    return archived(
        path,
        [
            ("Your archive.html", iter([b"<html>"])),
            ("data/manifest.js", manifest),
            *files,
            ("data/direct_messages_media/1-a.png", picture),
        ],
    )


def _script(name: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield f"window.{name} = ".encode()
    yield from pieces


def _list(elements: Iterator[Any], *, ascii_only: bool = False) -> Iterator[bytes]:
    """A JSON array, indented as scripts of exports are, one element after the other."""
    yield b"["
    for number, element in enumerate(elements):
        text = json.dumps(element, indent=2, ensure_ascii=ascii_only).replace("\n", "\n  ")
        yield (",\n  " if number else "\n  ").encode() + text.encode()
    yield b"\n]"


def _x_follow(kind: str, person: Person) -> dict[str, Any]:
    user = x_id(person)
    return {kind: {"accountId": user, "userLink": f"https://twitter.com/intent/user?user_id={user}"}}


def x_talk_id(world: World, talk: Talk) -> str:
    if talk.title:
        return str(1_400_000_000_000_000_000 + talk.number)
    ids = sorted([MY_X_ID, x_id(world.person(talk.members[0]))])
    return "-".join(ids)


def _x_talk(world: World, talk: Talk) -> dict[str, Any]:
    """Newest first; a group began with its members and was renamed once."""
    messages: list[dict[str, Any]] = []
    for said in talk.said():
        sender = MY_X_ID if said.sender is None else x_id(world.person(said.sender))
        liked = {"senderId": MY_X_ID, "reactionKey": "like", "eventId": str(said.number), "createdAt": _x_time(said.at)}
        text = html.escape(said.text, quote=False)
        create: dict[str, Any] = {"reactions": [liked], "urls": [], "text": text, "mediaUrls": []}
        create |= {"id": str(10**18 + said.number), "senderId": sender, "createdAt": _x_time(said.at)}
        if not talk.title:
            create["recipientId"] = x_id(world.person(talk.members[0])) if said.sender is None else MY_X_ID
        messages.append({"messageCreate": create})
    if talk.title:
        everybody = [x_id(world.person(n)) for n in talk.members]
        begun = {"initiatingUserId": MY_X_ID, "participantsSnapshot": [MY_X_ID, *everybody[:-1]], "createdAt": _x_time(BEGIN)}
        joined = {"initiatingUserId": MY_X_ID, "userIds": everybody[-1:], "createdAt": _x_time(BEGIN)}
        named = {"initiatingUserId": MY_X_ID, "name": talk.title, "createdAt": _x_time(BEGIN + timedelta(seconds=2))}
        former = {"initiatingUserId": MY_X_ID, "name": "Something", "createdAt": _x_time(BEGIN + timedelta(seconds=1))}
        messages = [
            {"joinConversation": begun},
            {"participantsJoin": joined},
            {"conversationNameUpdate": former},
            {"conversationNameUpdate": named},
            *messages,
        ]
    return {"dmConversation": {"conversationId": x_talk_id(world, talk), "messages": messages[::-1]}}


def _x_time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"


def x_posts(world: World) -> Iterator[dict[str, Any]]:
    """What the owner posted, a post of somebody else that the owner repeated, and one that mentions each of those whose names are known."""
    for n in range(POSTS):
        yield _x_post(3 * 10**18 + n, html.escape(post_text(n), quote=False), BEGIN + timedelta(seconds=n))
    yield _x_post(4 * 10**18, "RT @quay_club: The roof is tight, and so are we…", BEGIN)
    for person in world.everybody():
        if x_named(person):
            mention = {
                "name": person.name,
                "screen_name": handle(person),
                "indices": ["0", "9"],
                "id_str": x_id(person),
                "id": x_id(person),
            }
            at = BEGIN + timedelta(days=person.number)
            yield _x_post(2 * 10**18 + person.number, f"@{handle(person)} 5 &lt; 6", at, mention)


def _x_post(number: int, text: str, at: datetime, *mentions: dict[str, Any]) -> dict[str, Any]:
    entities = {"hashtags": [], "user_mentions": list(mentions), "urls": []}
    written = f"{at:%a %b %d %H:%M:%S} +0000 {at.year}"
    return {
        "id_str": str(number),
        "full_text": text,
        "created_at": written,
        "lang": "en",
        "entities": entities,
        "favorite_count": "1",
        "retweet_count": "0",
    }


# --- Facebook and Instagram ----------------------------------------------------------------------------------------------

FACEBOOK_NOW: Final = {
    "profile": "personal_information/profile_information/profile_information.json", "friends": "connections/friends/your_friends.json",
    "following": "connections/followers/who_you've_followed.json", "messages": "your_facebook_activity/messages",
    "posts": "your_facebook_activity/posts/your_posts__check_ins__photos_and_videos_1.json",
    "book": "personal_information/other_personal_information/contacts_uploaded_from_your_phone.json",
    "comments": "your_facebook_activity/comments_and_reactions/comments.json",
    "reactions": "your_facebook_activity/comments_and_reactions/likes_and_reactions_1.json",
    "events": "your_facebook_activity/events/your_event_responses.json",
}  # fmt: skip
FACEBOOK_2018: Final = {
    "profile": "profile_information/profile_information.json", "friends": "friends/friends.json",
    "following": "following_and_followers/following.json",
    "messages": "messages", "posts": "posts/your_posts_1.json", "book": "about_you/your_address_books.json",
    "comments": "comments/comments.json", "reactions": "likes_and_reactions/posts_and_comments.json", "events": "events/your_event_responses.json",
}  # fmt: skip
POSTS: Final = 5
REACTION: Final = "❤️"  # of the owner, to every message
PAGE: Final = 7  # messages in a file; Meta has about ten thousand


def facebook(world: World, path: Path, *, places: Mapping[str, str] = FACEBOOK_NOW) -> Path:
    """`facebook-<user>-<date>-<hash>.zip`, as JSON; every text garbled as Meta does it, half of a long thread in another folder."""
    friends = [{"name": person.name, "timestamp": int(BEGIN.timestamp()) - person.number} for person in world.everybody()]
    followed = [{"name": f"{TOPICS[n]} Club", "timestamp": int(BEGIN.timestamp())} for n in range(3)]
    name, emails = {"full_name": MY_NAME, "first_name": "Robin", "last_name": "Vale"}, {"emails": [ME], "previous_emails": []}
    profile = {"profile_v2": {"name": name, "emails": emails, "profile_uri": "https://www.facebook.com/robin.vale"}}
    book = [
        {"name": one.name, "details": [{"contact_point": one.email}], "created_timestamp": 0} for one in world.everybody()[:2]
    ]
    begun = int(BEGIN.timestamp())
    posts = [{"timestamp": begun + n, "data": [{"post": post_text(n)}], "title": f"{MY_NAME} wrote."} for n in range(POSTS)]
    old = places is FACEBOOK_2018
    comments, reactions, events = _facebook_acts(world)
    return archived(
        path,
        [
            (places["profile"], _meta(profile)),
            (places["friends"], _meta({"friends" if old else "friends_v2": friends})),
            (places["following"], _meta({"following" if old else "following_v3": followed})),
            (places["book"], _meta({"address_book" if old else "address_book_v2": {"address_book": book}})),
            (places["posts"], _meta(posts)),
            (places["comments"], _meta({"comments" if old else "comments_v2": comments})),
            (places["reactions"], _meta({"reactions": reactions} if old else reactions)),
            (places["events"], _meta({"event_responses" if old else "event_responses_v2": events})),
            *_meta_threads(world, places["messages"], ("inbox", "archived_threads" if old else "e2ee_cutover")),
            ("preferences/feed.json", _meta({"feed": []})),
            (f"{places['messages']}/photos/1.jpg", iter([b"\xff\xd8\xff"])),
        ],
    )  # fmt: skip


def comment_text(person: Person) -> str:
    return f"Well said, {person.given} 🐢"


def party(n: int) -> str:
    return f"Regatta № {n}"


def _facebook_acts(world: World) -> tuple[list[Any], list[Any], dict[str, Any]]:
    """Comments on posts, reactions to them, and answers to invitations; whose posts they are stands in a sentence."""
    begun = int(BEGIN.timestamp())
    comments = [
        {"timestamp": begun + one.number, "title": f"{MY_NAME} commented on {one.name}'s post.",
         "data": [{"comment": {"timestamp": begun + one.number, "comment": comment_text(one), "author": MY_NAME}}]}
        for one in world.everybody()[:3]
    ]  # fmt: skip
    reactions = [
        {"timestamp": begun + one.number, "data": [{"reaction": {"reaction": "LOVE", "actor": MY_NAME}}],
         "title": f"{MY_NAME} reacted to {one.name}'s post."}
        for one in world.everybody()[:3]
    ]  # fmt: skip
    parties = [
        {"name": party(n), "start_timestamp": begun + 3600 * n, "end_timestamp": 0 if n else begun + 1800} for n in range(3)
    ]
    return comments, reactions, {"events_joined": parties[:1], "events_declined": parties[1:2], "events_interested": parties[2:]}


MY_INSTAGRAM: Final = "robin.vale"


def instagram(world: World, path: Path) -> Path:
    """`instagram-<user>-<date>-<hash>.zip`, as JSON; in the words of a German account where Instagram translates them."""
    following, followers = x_follows(world)
    fields = {
        "E-Mail-Adresse": {"href": "", "value": ME},
        "Benutzername": {"href": "", "value": MY_INSTAGRAM},
        "Name": {"href": "", "value": MY_NAME},
    }
    account = {"profile_user": [{"title": "", "media_map_data": {}, "string_map_data": fields}]}
    liked = [_instagram_like(one) for one in world.everybody()[:3]]
    book = [_instagram_contact(one) for one in world.everybody()[:2]]
    begun = int(BEGIN.timestamp())
    posts = [
        {"media": [{"uri": f"media/posts/{n}.jpg", "creation_timestamp": begun + n, "title": post_text(n)}]} for n in range(POSTS)
    ]
    lists = "connections/followers_and_following"
    return archived(
        path,
        [
            ("personal_information/personal_information/personal_information.json", _meta(account)),
            (f"{lists}/following.json", _meta({"relationships_following": [_instagram_follow(one) for one in following]})),
            (f"{lists}/followers_1.json", _meta([_instagram_follow(one) for one in followers])),
            (f"{lists}/close_friends.json", _meta({"relationships_close_friends": []})),
            ("connections/contacts/synced_contacts.json", _meta({"contacts_contact_info": book})),
            ("your_instagram_activity/media/posts_1.json", _meta(posts)),
            ("your_instagram_activity/likes/liked_posts.json", _meta({"likes_media_likes": liked})),
            (
                "your_instagram_activity/comments/post_comments_1.json",
                _meta([_instagram_comment(p) for p in world.everybody()[:3]]),
            ),
            *_meta_threads(world, "your_instagram_activity/messages", ("inbox", "message_requests")),
        ],
    )


def _instagram_like(person: Person) -> dict[str, Any]:
    post = {"href": f"https://www.instagram.com/p/{person.number}/", "value": "👍", "timestamp": 1646640000}
    return {"title": handle(person), "string_list_data": [post]}


def _instagram_comment(person: Person) -> dict[str, Any]:
    fields = {
        "Kommentar": {"href": "", "value": comment_text(person)},
        "Media Owner": {"href": "", "value": handle(person)},
        "Zeit": {"href": "", "value": "", "timestamp": int(BEGIN.timestamp()) + person.number},
    }
    return {"media_list_data": [{"uri": ""}], "string_map_data": fields}


def _instagram_contact(person: Person) -> dict[str, Any]:
    said = {"Vorname": person.given, "Nachname": person.family, "Kontaktinformationen": person.email}
    return {"title": "", "media_map_data": {}, "string_map_data": {label: {"value": value} for label, value in said.items()}}


def _instagram_follow(person: Person) -> dict[str, Any]:
    """The name stands as a value, as a title, or in the link alone, by the age of the export."""
    user = handle(person)
    entry: dict[str, Any] = {"href": f"https://www.instagram.com/{user}", "timestamp": 1646640000 + person.number}
    if person.number % 3 == 0:
        entry["value"] = user
    return {"title": user if person.number % 3 == 1 else "", "media_list_data": [], "string_list_data": [entry]}


def _meta(value: Any) -> Iterator[bytes]:
    """JSON in which every byte of UTF-8 stands as a character of latin-1, escaped."""
    plain = json.dumps(value, indent=2, ensure_ascii=False)
    for start in range(0, len(plain), 1 << 16):
        yield "".join(
            c if c < "\x80" else f"\\u{ord(c):04x}" for c in plain[start : start + (1 << 16)].encode().decode("latin-1")
        ).encode()


def meta_thread(talk: Talk) -> str:
    return str(3_100_000_000_000 + talk.number)


def _meta_threads(world: World, root: str, folders: tuple[str, str]) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Newest first; the older files of a thread lie in the second folder, under the title that it had then."""
    for talk in world.conversations():
        members = [world.person(n).name for n in talk.members]
        messages = [
            {"sender_name": MY_NAME if said.sender is None else world.person(said.sender).name, "timestamp_ms": int(said.at.timestamp() * 1000),
             "content": said.text, "is_geoblocked_for_viewer": False, "reactions": [{"reaction": REACTION, "actor": MY_NAME}]}
            for said in reversed(list(talk.said()))
        ]  # fmt: skip
        for number, start in enumerate(range(0, len(messages), PAGE)):
            folder, name = (folders[0], "quay") if number == 0 else (folders[1], "slipway")
            place = f"{folder}/{name}_{meta_thread(talk)}"
            thread = {"participants": [{"name": one} for one in [*members, MY_NAME]], "messages": messages[start : start + PAGE],
                      "title": talk.title or members[0], "is_still_participant": True, "thread_path": place, "magic_words": []}  # fmt: skip
            yield f"{root}/{place}/message_{number + 1}.json", _meta(thread)


# --- Mastodon -------------------------------------------------------------------------------------------------------------

MASTODON_HOST: Final = "social.example.org"
MY_ACTOR: Final = f"https://{MASTODON_HOST}/users/robin"
_PUBLIC: Final = "https://www.w3.org/ns/activitystreams#Public"


def mastodon_handle(person: Person) -> str:
    return f"{handle(person)}@{('social.example.org', 'toots.example.net')[person.number % 2]}"


def mastodon(world: World, path: Path) -> Path:
    """`archive-<time>-<hash>.zip` as Mastodon's BackupService writes it, on one line each, with the list of follows beside it."""
    actor = {"@context": ["https://www.w3.org/ns/activitystreams", {"toot": "http://joinmastodon.org/ns#"}], "id": MY_ACTOR, "type": "Person",
             "following": f"{MY_ACTOR}/following", "followers": f"{MY_ACTOR}/followers", "inbox": f"{MY_ACTOR}/inbox", "outbox": "outbox.json",
             "likes": "likes.json", "bookmarks": "bookmarks.json", "preferredUsername": "robin", "name": MY_NAME, "summary": "<p>Boats</p>",
             "url": f"https://{MASTODON_HOST}/@robin"}  # fmt: skip
    follows = ([mastodon_handle(person), "true", "false", ""] for person in world.everybody())
    likes = [f"https://toots.example.net/users/somebody/statuses/{n}" for n in range(3)]
    return archived(
        path,
        [
            ("actor.json", iter([json.dumps(actor).encode()])),
            ("outbox.json", _collection("outbox.json", _mastodon_posts(world))),
            ("likes.json", _collection("likes.json", iter(likes))),
            ("bookmarks.json", _collection("bookmarks.json", iter(likes))),
            ("following_accounts.csv", _table(["Account address", "Show boosts", "Notify on new posts", "Languages"], follows)),
            ("media_attachments/files/1.png", iter([b"\x89PNG\r\n\x1a\n"])),
        ],
    )  # fmt: skip


def _collection(name: str, items: Iterator[Any]) -> Iterator[bytes]:
    head = json.dumps(
        {"@context": "https://www.w3.org/ns/activitystreams", "id": name, "type": "OrderedCollection", "totalItems": 0}
    )
    yield head[:-1].encode() + b',"orderedItems":['
    for number, item in enumerate(items):
        yield (b"," if number else b"") + json.dumps(item, separators=(",", ":"), ensure_ascii=False).encode()
    yield b"]}"


def _mastodon_posts(world: World) -> Iterator[dict[str, Any]]:
    """The owner's posts, one that was repeated, and of each conversation what the owner wrote."""
    for n in range(POSTS):
        yield _create(
            f"{MY_ACTOR}/statuses/{n}",
            _paragraphs(post_text(n)),
            BEGIN + timedelta(seconds=n),
            [_PUBLIC],
            [f"{MY_ACTOR}/followers"],
            [],
        )
    repeated = {
        "id": f"{MY_ACTOR}/statuses/900/activity",
        "type": "Announce",
        "actor": MY_ACTOR,
        "published": _iso(BEGIN),
        "to": [_PUBLIC],
    }
    yield {**repeated, "cc": [], "object": "https://toots.example.net/users/somebody/statuses/7"}
    for talk in world.conversations():
        members = [world.person(n) for n in talk.members]
        tags = [{"type": "Mention", "href": _actor_of(one), "name": f"@{mastodon_handle(one)}"} for one in members]
        for said in talk.said():
            if said.sender is None:
                named = "".join(_mention(one) for one in members)
                post = _create(f"{MY_ACTOR}/statuses/{10**9 + said.number}", f"<p>{named}{html.escape(said.text, quote=False)}</p>", said.at,
                               [_actor_of(one) for one in members], [], tags)  # fmt: skip
                post["object"]["conversation"] = mastodon_talk(talk)
                yield post


def _mention(person: Person) -> str:
    return f'<span class="h-card"><a href="{_actor_of(person)}" class="u-url mention">@<span>{handle(person)}</span></a></span> '


def mastodon_talk(talk: Talk) -> str:
    return f"tag:{MASTODON_HOST},2022-03-07:objectId={talk.number}:objectType=Conversation"


def _actor_of(person: Person) -> str:
    name, _, host = mastodon_handle(person).partition("@")
    return f"https://{host}/users/{name}"


def _create(uri: str, content: str, at: datetime, to: list[str], cc: list[str], tags: list[dict[str, str]]) -> dict[str, Any]:
    page = uri.replace("/users/", "/@")
    note: dict[str, Any] = {"id": uri, "type": "Note", "summary": None, "inReplyTo": None, "published": _iso(at), "url": page}
    note |= {"attributedTo": MY_ACTOR, "to": to, "cc": cc, "sensitive": False, "content": content, "contentMap": {"en": content}}
    note |= {"attachment": [], "tag": tags}
    return {
        "id": f"{uri}/activity",
        "type": "Create",
        "actor": MY_ACTOR,
        "published": _iso(at),
        "to": to,
        "cc": cc,
        "object": note,
    }


def _paragraphs(text: str) -> str:
    return "<p>" + html.escape(text, quote=False).replace("\n", "<br />") + "</p>"


def _iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


# --- Google Chat ----------------------------------------------------------------------------------------------------------


def google_chat(world: World, path: Path) -> Path:
    """A Takeout of Google Chat in German: a folder for each conversation, with its members beside its messages."""
    root = "Takeout/Google Chat"
    user = {"user": {"name": MY_NAME, "email": ME, "user_type": "Human"}, "membership_info": []}
    found: list[tuple[str, Iterator[bytes]]] = [(f"{root}/Nutzer/User 1/user_info.json", _indented(user))]
    for talk in world.conversations():
        people = [{"name": MY_NAME, "email": ME, "user_type": "Human"}]
        people += [
            {"name": one.name, "email": one.email, "user_type": "Human"} for one in (world.person(n) for n in talk.members)
        ]
        info = {"name": talk.title, "members": people} if talk.title else {"members": people}
        folder = f"{root}/Gruppen/{'Space' if talk.title else 'DM'} {google_group(talk)}"
        said = [_google_message(world, talk, one) for one in talk.said()]
        found += [(f"{folder}/group_info.json", _indented(info)), (f"{folder}/messages.json", _indented({"messages": said}))]
    return archived(path, [("Takeout/archive_browser.html", iter([b"<html>"])), *found])


def google_group(talk: Talk) -> str:
    return f"AAAA{talk.number:04}"


def _google_message(world: World, talk: Talk, said: Said) -> dict[str, Any]:
    person = None if said.sender is None else world.person(said.sender)
    name, email = (MY_NAME, ME) if person is None else (person.name, person.email)
    at = f"{said.at:%A, %B} {said.at.day}, {said.at.year} at {said.at.hour % 12 or 12}:{said.at:%M:%S}\u202f{said.at:%p} UTC"
    reacted = [{"emoji": {"unicode": REACTION}, "reactor_emails": [ME]}]
    creator = {"name": name, "email": email, "user_type": "Human"}
    key = f"{google_group(talk)}/t/{said.number}"
    return {"creator": creator, "created_date": at, "text": said.text, "topic_id": "t", "reactions": reacted, "message_id": key}


def _indented(value: Any) -> Iterator[bytes]:
    yield json.dumps(value, indent=2, ensure_ascii=False).encode()
