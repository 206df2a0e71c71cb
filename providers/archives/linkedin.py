"""LinkedIn's copy of a member's data: connections as contacts, messages with their conversations, what the member did as activities.

Reads the tables of the basic and the complete archive, whatever they are called: `Connections.csv` with or without the notes above its
columns, `messages.csv`, `Invitations.csv`, `Shares.csv`, `Comments.csv`, `Reactions.csv`, and what says whose archive it is (`Profile.csv`,
`Email Addresses.csv`). A member is known by the address of the profile; messages and acts have no ids and are known by what they say.
LinkedIn's data portability interface hands out the same rows (`providers/linkedin/adapter.py`). Knows no calls.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, unquote, urlsplit

import msgspec

from providers import records
from providers.archives import files
from providers.archives.export import MAX_MEMBERS, MAX_TOLD, NOTE, Export, Facts, Misread, Part, Taken
from providers.archives.mojibake import WINDOWS, repaired
from providers.archives.table_part import TablePart
from providers.base import ArchiveFormat
from providers.formats import email_address, html_text, mail_date
from providers.records import ConversationHead, ConversationKind, FolderRole, Participant, Role

KEY: Final = "linkedin"
MAX_TEXT: Final = 1_000_000  # characters
MAX_NAME: Final = 500
MAX_EMAILS: Final = 100  # of the member
FOLDERS: Final[dict[str, FolderRole]] = {
    "INBOX": "INBOX",
    "ARCHIVE": "ARCHIVE",
    "ARCHIVED": "ARCHIVE",
    "SPAM": "SPAM",
    "SENT": "SENT",
}
#: How LinkedIn calls members who have left, in the language of the export where it is known.
DEPARTED: Final = frozenset(
    {"linkedin member", "linkedin-mitglied", "membre de linkedin", "miembro de linkedin", "utilizzatore linkedin"}
)
_DAY: Final = re.compile(r"\d{1,2} [A-Za-z]{3}[a-z]* \d{4}\Z")  # in English for everybody
_MOMENT: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})")
_AMERICAN: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{2,4})(?:,? (\d{1,2}):(\d{2})(?::\d{2})?\s?([AP]M)?)?\Z", re.IGNORECASE)
_MARKUP: Final = re.compile(r"</?(?:p|br|div|span|a|ul|ol|li|b|i|u|em|strong|spinmail[\w-]*)\b[^>]*>", re.IGNORECASE)
_NO_PROFILE: Final = "Its sender has no profile: LinkedIn sent it itself, or for an advertiser."


class Thread(msgspec.Struct):
    """A conversation as all its messages show it: its title, and by their slugs who is in it."""

    title: str = ""
    members: dict[str, None] = {}


class About(Facts):
    """What an archive says as a whole. `me` is the slug of its member's profile; names are by slug."""

    me: str | None = None
    name: str = ""
    emails: tuple[str, ...] = ()
    names: dict[str, str] = {}
    threads: dict[str, Thread] = {}


class _Facts(TablePart[About]):
    """A table that only says something of the account's member."""

    def taken(self, row: Mapping[str, str], source: files.Source, about: About) -> Iterable[Taken]:
        return ()


class ProfileTable(_Facts):
    columns = frozenset({"first name", "last name", "headline", "industry"})


class EmailTable(_Facts):
    columns = frozenset({"email address", "confirmed", "primary"})


class InvitationTable(TablePart[About]):
    """Invitations to connect that were sent, and that came, and were not answered when the archive was made."""

    kind = "ACTIVITY"
    columns = frozenset({"from", "to", "sent at", "direction"})

    def taken(self, row: Mapping[str, str], source: files.Source, about: About) -> Iterator[Taken]:
        inviter, invitee = slug_of(row.get("inviterprofileurl", "")), slug_of(row.get("inviteeprofileurl", ""))
        if inviter is None or invitee is None:
            raise Misread("The row does not say who invited whom. Download the export again and import it again.")
        at = moment(row["sent at"])
        if at is None:
            raise Misread(
                f"“{row['sent at'][:40]}” is no time that is understood. Download the export again and import it again."
            )
        whom = records.ActivityObject(
            kind="PROFILE",
            uri=profile_url(invitee),
            name=about.names.get(invitee) or repaired(row["to"], WINDOWS),
            url=profile_url(invitee),
        )
        yield _activity(
            "INVITE", row, source, actor(inviter, about, repaired(row["from"], WINDOWS)), whom, at,
            summary=repaired(row.get("message", ""), WINDOWS),
        )  # fmt: skip


class ShareTable(TablePart[About]):
    """Posts of the member."""

    kind = "ACTIVITY"
    columns = frozenset({"date", "sharelink", "sharecommentary"})

    def taken(self, row: Mapping[str, str], source: files.Source, about: About) -> Iterator[Taken]:
        # LinkedIn puts quotation marks around every line of a text, and then around all of it
        text = row["sharecommentary"].replace('"\n"', "\n").strip('"')[:MAX_TEXT]
        shared = next((url for url in (row.get("sharedurl", ""), row.get("mediaurl", "")) if url), "")
        link = row["sharelink"]
        thing = records.ActivityObject(
            kind="NOTE", uri=link or None, text="\n".join(part for part in (text, shared) if part) or None, url=link or None,
            attributed_to=mine(about), published_at=_when(row),
        )  # fmt: skip
        public = row.get("visibility", "MEMBER_NETWORK").strip().upper() in ("MEMBER_NETWORK", "PUBLIC", "ANYONE", "")
        yield _activity("CREATE", row, source, mine(about), thing, _when(row), visibility="PUBLIC" if public else "FOLLOWERS")


class CommentTable(TablePart[About]):
    """What the member wrote below posts."""

    kind = "ACTIVITY"
    columns = frozenset({"date", "link", "message"})

    def taken(self, row: Mapping[str, str], source: files.Source, about: About) -> Iterator[Taken]:
        thing = records.ActivityObject(
            kind="NOTE", text=_content(row["message"][:MAX_TEXT])[0] or None, url=row["link"] or None, attributed_to=mine(about),
            in_reply_to=row["link"] or None, published_at=_when(row),
        )  # fmt: skip
        yield _activity("CREATE", row, source, mine(about), thing, _when(row))


class ReactionTable(TablePart[About]):
    """Posts that the member reacted to; whose they are is not said."""

    kind = "ACTIVITY"
    columns = frozenset({"date", "type", "link"})

    def taken(self, row: Mapping[str, str], source: files.Source, about: About) -> Iterator[Taken]:
        if not row["link"]:
            raise Misread("The row does not say which post it is about. Download the export again and import it again.")
        thing = records.ActivityObject(kind="NOTE", uri=row["link"], url=row["link"])
        yield _activity("LIKE", row, source, mine(about), thing, _when(row), summary=row["type"].strip().capitalize())


def _activity(
    verb: records.ActivityVerb, row: Mapping[str, str], source: files.Source, who: records.Actor, thing: records.ActivityObject,
    at: datetime, *, summary: str = "", visibility: records.Visibility = "PUBLIC",
) -> records.Activity:  # fmt: skip
    """Something that the row of a table says; it is known by that row, since it has no id."""
    return records.Activity(
        key=_print(verb, *row.values()), actor=who, verb=verb, object=thing, summary=summary, occurred_at=at, visibility=visibility,
        original=msgspec.json.encode(dict(row)), url=thing.url, container=source.shown,
    )  # fmt: skip


def _when(row: Mapping[str, str]) -> datetime:
    """The time of a row. Raises Misread."""
    at = moment(row["date"])
    if at is None:
        raise Misread(f"“{row['date'][:40]}” is no time that is understood. Download the export again and import it again.")
    return at


class ConnectionTable(TablePart[About]):
    kind = "CONTACT"
    columns = frozenset({"first name", "connected on"})

    def taken(self, row: Mapping[str, str], source: files.Source, about: About) -> Iterator[Taken]:
        given, family = repaired(row["first name"], WINDOWS), repaired(row.get("last name", ""), WINDOWS)
        full = f"{given} {family}".strip()[:MAX_NAME]
        slug = slug_of(row.get("url", ""))
        if not full and slug is None:
            raise Misread("The row names nobody. Download the export again, or fill it in, and import it again.")
        address = email_address.normalised(row.get("email address", ""))
        company, position = repaired(row.get("company", ""), WINDOWS), repaired(row.get("position", ""), WINDOWS)
        yield records.Contact(
            key=profile_url(slug) if slug else f"name:{full.casefold()}",
            relation="CONNECTION",
            names=(records.Name(full=full or str(slug), given=given or None, family=family or None),),
            emails=(records.Email(raw=address, address=address),) if address else (),
            handles=(records.Handle(provider=KEY, handle=address_of(slug), url=profile_url(slug)),) if slug else (),
            organizations=(records.Organization(name=company, title=position or None),) if company or position else (),
            url=profile_url(slug) if slug else None,
            created_at=day(row["connected on"]),
            container=source.shown,
        )


class MessageTable(TablePart[About]):
    kind = "MESSAGE"
    columns = frozenset({"conversation id", "from", "to", "date", "content"})

    def read(self, source: files.Source, mark: files.Mark, about: About) -> Iterator[files.Read]:
        told: set[str] = set()
        for stood, item, weight in super().read(source, mark, about):
            yield stood, item, weight
            if isinstance(item, records.Message) and item.conversation_key and item.conversation_key not in told:
                if len(told) < MAX_TOLD:
                    told.add(item.conversation_key)
                yield stood, head_of(item, about), weight

    def taken(self, row: Mapping[str, str], source: files.Source, about: About) -> Iterator[Taken]:
        conversation, said = row["conversation id"], row["content"][:MAX_TEXT]
        if not conversation:
            raise Misread("The row says no conversation. Download the export again and import it again.")
        name, slug = repaired(row["from"], WINDOWS)[:MAX_NAME], slug_of(row.get("sender profile url", ""))
        others = [one for one in recipients(row) if one != slug]
        text, markup = _content(said)
        attached = [word for word in re.split(r"[\s,]+", row.get("attachments", "")) if "://" in word]
        advertised = slug is None and name.casefold() not in DEPARTED
        to_name = repaired(row["to"], WINDOWS)[:MAX_NAME] if len(others) == 1 else ""
        folder = row.get("folder", "").strip().upper()
        yield records.Message(
            key=_print(conversation, row["date"], slug or name, said),
            sent_at=_when(row),
            container=source.shown,
            conversation_key=conversation,
            conversation_kind=_kind(about.threads.get(conversation)),
            subject=repaired(row.get("subject", ""), WINDOWS) or None,
            text=text,
            html=said if markup else None,
            body_state="AVAILABLE" if text or attached else "EMPTY",
            participants=(
                _sender(slug, name, conversation, about),
                *(_member(one, "TO", about, to_name) for one in others),
            ),
            category="NOTIFICATION" if advertised else "PERSONAL",
            category_reason=_NO_PROFILE if advertised else "A member wrote it to members.",
            authentication="NOT_CHECKED",
            draft=row.get("is message draft", "").strip().casefold() in ("yes", "true"),
            attachment_count=len(attached),
            attachments=tuple(
                records.Attachment(part="", name=urlsplit(one).path.rpartition("/")[2] or "file") for one in attached
            ),
            labels=(folder,) if folder else (),
            role=FOLDERS.get(folder),
            url=_thread_url(conversation),
        )


PROFILE, EMAILS, INVITATIONS, CONNECTIONS, MESSAGES = (
    ProfileTable(), EmailTable(), InvitationTable(), ConnectionTable(), MessageTable(),
)  # fmt: skip
SHARES, REACTIONS, COMMENTS = ShareTable(), ReactionTable(), CommentTable()


class LinkedInArchive(Export[About]):
    """The Archive contract for LinkedIn's copy of a member's data."""

    format: ArchiveFormat = "LINKEDIN"
    parts = (PROFILE, EMAILS, CONNECTIONS, MESSAGES, INVITATIONS, SHARES, REACTIONS, COMMENTS)

    def look(self, sources: Sequence[tuple[Part[About], files.Source]], own: frozenset[str]) -> About:
        about = About()
        mine: Counter[str] = Counter()  # slugs that are likely the member's own, by how likely
        for part, source in sources:
            try:
                for _, row, problem in part.rows(source.path) if isinstance(part, TablePart) else ():
                    if problem is None:
                        learn(part, row, about, mine)
            except OSError:
                continue
        _decide(about, mine, own)
        return about

    def profile(self, about: About) -> records.Profile | None:
        whose = about.me or (about.emails[0] if about.emails else None)
        if whose is None:
            return None
        handle = (records.OwnAddress(value=address_of(about.me), kind="HANDLE", primary=True),) if about.me else ()
        return records.Profile(
            user_id=whose,
            label=about.name or whose,
            own_addresses=(*handle, *(records.OwnAddress(value=email) for email in about.emails)),
        )


def learn(part: Part[About], row: Mapping[str, str], about: About, mine: Counter[str]) -> None:
    """What one row says of the member, of people's names and of conversations."""
    if part is PROFILE:
        about.name = about.name or f"{row['first name']} {row['last name']}".strip()
    elif part is EMAILS:
        address = email_address.normalised(row["email address"])
        if address and row["confirmed"].casefold() == "yes" and address not in about.emails:
            first = row["primary"].casefold() == "yes"
            about.emails = ((address, *about.emails) if first else (*about.emails, address))[:MAX_EMAILS]
    elif part is INVITATIONS:
        side = "inviterprofileurl" if row["direction"].strip().upper() == "OUTGOING" else "inviteeprofileurl"
        slug = slug_of(row.get(side, ""))
        if slug is not None and (slug in mine or about.memory.takes(slug)):
            mine[slug] += 1_000_000
    elif part is CONNECTIONS:
        if slug := slug_of(row.get("url", "")):
            _call(slug, repaired(f"{row['first name']} {row.get('last name', '')}".strip(), WINDOWS), about)
    elif part is MESSAGES:
        slug, name = slug_of(row.get("sender profile url", "")), repaired(row["from"], WINDOWS)
        conversation = row["conversation id"]
        title = repaired(row.get("conversation title", ""), WINDOWS)[:MAX_NAME]
        if conversation not in about.threads and about.memory.takes(conversation, title):
            about.threads[conversation] = Thread()
        thread = about.threads.get(conversation, Thread())
        thread.title = thread.title or title
        members = [*([slug] if slug else []), *recipients(row)]
        for one in members:
            if one not in thread.members and about.memory.takes(one, cost=NOTE // 2):
                thread.members[one] = None
                mine[one] += 1
        if slug is not None and slug not in about.names:
            _call(slug, name, about)


def _call(slug: str, name: str, about: About) -> None:
    """Note what somebody is called."""
    if slug in about.names or about.memory.takes(slug, name):
        about.names[slug] = name


def _decide(about: About, mine: Counter[str], own: frozenset[str]) -> None:
    """Whose archive it is: who sent the invitations, or is in every conversation; else who is known to be the viewer."""
    said = [address.removesuffix("@linkedin.com") for address in sorted(own) if address.endswith("@linkedin.com")]
    known = [slug for slug in said if slug in mine] or (said if len(said) == 1 else [])
    ranked = mine.most_common(2)
    if ranked and ranked[0][1] >= 1_000_000:
        about.me = ranked[0][0]
    elif known:
        about.me = known[0]
    elif named := [slug for slug in mine if about.name and about.names.get(slug, "").casefold() == about.name.casefold()]:
        about.me = max(named, key=lambda slug: mine[slug])
    elif (
        ranked
        and len(about.threads) > 1
        and ranked[0][1] == len(about.threads)
        and (len(ranked) == 1 or ranked[1][1] < ranked[0][1])
    ):
        about.me = ranked[0][0]
    if about.me is not None and about.name:
        about.names[about.me] = about.name


# --- people ---------------------------------------------------------------------------------------------------------------


def slug_of(url: str) -> str | None:
    """The last part of a profile's address, decoded and in lower case: what a member is known by; None where there is none."""
    parts = urlsplit(url.strip())
    host = (parts.hostname or "").casefold()
    if not (host == "linkedin.com" or host.endswith(".linkedin.com")):
        return None
    place = [one for one in parts.path.split("/") if one]
    return unquote(place[1]).casefold() if len(place) > 1 and place[0] == "in" else None


def profile_url(slug: str) -> str:
    return f"https://www.linkedin.com/in/{quote(slug)}"


def address_of(slug: str) -> str:
    """A member's address among participants: LinkedIn itself has none that says its network."""
    return f"{slug}@linkedin.com"


def recipients(row: Mapping[str, str]) -> list[str]:
    """The slugs of those whom a message was sent to. Their names stand in another order, where they stand at all."""
    found = (slug_of(url) for url in row.get("recipient profile urls", "").split(","))
    return list(dict.fromkeys(slug for slug in found if slug is not None))[:MAX_MEMBERS]


def actor(slug: str, about: About, name: str = "") -> records.Actor:
    url = profile_url(slug)
    return records.Actor(uri=url, name=about.names.get(slug) or name, handle=address_of(slug), provider=KEY, key=url, url=url)


def mine(about: About) -> records.Actor:
    """The archive's member as the one who did something. Raises Misread where the archive does not say who that is."""
    if about.me is None:
        raise Misread("The archive does not say whose it is. Import it whole, or say who you are: --me NAME@linkedin.com.")
    return actor(about.me, about, about.name)


def _member(slug: str, role: Role, about: About, name: str = "") -> Participant:
    return Participant(
        role=role, address=address_of(slug), kind="HANDLE", name=about.names.get(slug) or name, provider=KEY, key=profile_url(slug),
        url=profile_url(slug),
    )  # fmt: skip


def _sender(slug: str | None, name: str, conversation: str, about: About) -> Participant:
    """Who wrote it. Of those who have left, nothing but a name for all of them is known: they are told apart by conversation."""
    if slug is not None:
        return _member(slug, "FROM", about, name)
    left = name.casefold() in DEPARTED or not name
    who = f"left:{conversation}" if left else f"name:{name.casefold()}"
    return Participant(role="FROM", address=f"{who}@linkedin.com", kind="HANDLE", name=name, provider=KEY, key=who)


# --- conversations --------------------------------------------------------------------------------------------------------


def _kind(thread: Thread | None) -> ConversationKind:
    return "GROUP" if thread is not None and len(thread.members) > 2 else "DIRECT"


def head_of(message: records.Message, about: About) -> ConversationHead:
    thread = about.threads.get(message.conversation_key or "", Thread())
    return ConversationHead(
        key=message.conversation_key or "",
        kind=_kind(thread),
        last_activity_at=message.sent_at,
        subject=thread.title or None,
        participants=tuple(_member(slug, "MEMBER", about) for slug in thread.members),
        url=_thread_url(message.conversation_key or ""),
    )


def _thread_url(conversation: str) -> str:
    return f"https://www.linkedin.com/messaging/thread/{quote(conversation, safe='')}/"


def _content(said: str) -> tuple[str, bool]:
    """The text of a message, and whether it came as HTML."""
    if _MARKUP.search(said):
        return html_text.text_of(said), True
    return html.unescape(said), False


def _print(*parts: str) -> str:
    return hashlib.blake2b("\x00".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


# --- times ----------------------------------------------------------------------------------------------------------------


def day(text: str) -> datetime | None:
    """`15 Jan 2024`, and the forms that other versions of the export write; None for what is none."""
    if _DAY.match(text.strip()):
        return mail_date.parsed(f"{text.strip()} 00:00 +0000")
    return moment(text)


def moment(text: str) -> datetime | None:
    """`2024-01-15 10:11:12 UTC`, or `1/15/24, 10:11 AM` with the month first, as LinkedIn writes it for everybody."""
    if found := _MOMENT.match(text.strip()):
        year, month, date, hour, minute, second = map(int, found.groups())
        return _utc(year, month, date, hour, minute, second)
    if (american := _AMERICAN.match(text.strip())) is None:
        return None
    month, date, year, hour, minute = (int(found or 0) for found in american.groups()[:5])
    half = (american[6] or "").upper()
    if half:
        hour = hour % 12 + (12 if half == "PM" else 0)
    return _utc(year + (2000 if year < 100 else 0), month, date, hour, minute)


def _utc(year: int, month: int, date: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime | None:
    try:
        return datetime(year, month, date, hour, minute, second, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
