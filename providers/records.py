"""What adapters hand over: normalised records, the same for every network and file format.

A record is a frozen struct of plain values. Names follow vCard 4 (RFC 6350), JSContact (RFC 9553), RFC 5322 and
ActivityStreams 2.0. Records know nothing of viewers, ids or storage: `key` is the network's own identifier, unique within
the account and kind. Instants are aware datetimes in UTC; text is NFC-free, exactly as decoded.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Relation = Literal["ADDRESS_BOOK", "CONNECTION", "FOLLOWER", "FOLLOWING", "CORRESPONDENT", "MEMBER", "ATTENDEE", "PROFILE"]
AddressKind = Literal["EMAIL", "PHONE", "HANDLE", "URL"]
Nature = Literal["INDIVIDUAL", "ORGANIZATION", "AUTOMATED", "GROUP"]
Role = Literal["FROM", "SENDER", "TO", "CC", "BCC", "REPLY_TO", "MEMBER", "OWNER"]
Category = Literal["PERSONAL", "LIST", "NEWSLETTER", "NOTIFICATION", "AUTO_REPLY", "BOUNCE", "SPAM", "SYSTEM"]
Authentication = Literal["PASSED", "FAILED", "NOT_CHECKED", "UNKNOWN"]
BodyState = Literal["AVAILABLE", "NOT_FETCHED", "EMPTY", "ENCRYPTED", "UNPARSABLE", "DELETED", "GONE"]
ConversationKind = Literal["EMAIL_THREAD", "DIRECT", "GROUP", "CHANNEL", "THREAD", "POST"]
SkipReason = Literal["OUTSIDE_WINDOW", "EXCLUDED", "DUPLICATE", "EMPTY", "UNREADABLE", "TOO_LARGE", "UNSUPPORTED", "FORBIDDEN"]
#: Where a message lies, by the use of its folder or its labels (RFC 6154 §2); OTHER is a folder of the user's own.
FolderRole = Literal["INBOX", "ARCHIVE", "TRASH", "SPAM", "SENT", "DRAFTS", "OTHER"]
#: What a folder or label is for; ALL shows every message, IMPORTANT those that the network takes for it.
LabelRole = FolderRole | Literal["ALL", "IMPORTANT"]
#: What of a contact can be changed here.
ContactField = Literal["names", "emails", "phones", "urls", "organizations", "addresses", "dates", "note", "groups"]
#: Types of ActivityStreams 2.0 (Activity Vocabulary §3.1, §3.2, §3.3), in capitals.
ActivityVerb = Literal[
    "ACCEPT", "ADD", "ANNOUNCE", "ARRIVE", "BLOCK", "CREATE", "DELETE", "DISLIKE", "FLAG", "FOLLOW", "IGNORE", "INVITE", "JOIN", "LEAVE",
    "LIKE", "LISTEN", "MOVE", "OFFER", "QUESTION", "READ", "REJECT", "REMOVE", "TENTATIVE_ACCEPT", "TENTATIVE_REJECT", "TRAVEL", "UNDO",
    "UPDATE", "VIEW",
]  # fmt: skip
ActorKind = Literal["PERSON", "ORGANIZATION", "GROUP", "SERVICE", "APPLICATION"]
#: The vocabulary's objects, PROFILE for actors too, and REPOSITORY of code, which it lacks; OTHER is anything else.
ActivityObjectKind = Literal[
    "ARTICLE", "AUDIO", "DOCUMENT", "EVENT", "IMAGE", "NOTE", "PAGE", "PLACE", "PROFILE", "QUESTION", "RELATIONSHIP", "REPOSITORY",
    "TOMBSTONE", "VIDEO", "OTHER",
]  # fmt: skip
Visibility = Literal["PUBLIC", "UNLISTED", "FOLLOWERS", "LIMITED"]
#: What a mail does with a meeting (iTIP, RFC 5546 §1.4); what nobody here obeys is not read.
MeetingMethod = Literal["PUBLISH", "REQUEST", "REPLY", "CANCEL", "COUNTER"]
MeetingResponse = Literal["NEEDS_ACTION", "ACCEPTED", "TENTATIVE", "DECLINED", "DELEGATED"]
MeetingRole = Literal["ORGANIZER", "REQUIRED", "OPTIONAL", "RESOURCE"]
Outcome = Literal["CREATED", "UPDATED", "UNCHANGED", "SKIPPED", "FAILED"]


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all records: immutable, compared by value, encoded without defaults."""


class Name(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A name; `full` is what is shown. Parts as vCard N (RFC 6350 §6.2.2)."""

    full: str
    prefix: str | None = None
    given: str | None = None
    middle: str | None = None
    family: str | None = None
    suffix: str | None = None
    nickname: str | None = None
    phonetic: str | None = None


class Email(Record, frozen=True, kw_only=True, omit_defaults=True):
    """An address as written (`raw`) and, where it is one, normalised (`address`: NFC, lower-case domain)."""

    raw: str
    address: str | None = None
    label: str | None = None
    preferred: bool = False
    verified: bool = False


class Phone(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A number as written (`raw`) and in E.164 where it could be read; `mobile` is None where nobody can tell."""

    raw: str
    number: str | None = None
    extension: str | None = None
    label: str | None = None
    mobile: bool | None = None
    preferred: bool = False
    verified: bool = False


class Url(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A web address (http or https); `verified` when the network proved that it links back (rel=me)."""

    url: str
    label: str | None = None
    verified: bool = False


class Handle(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A name on a network, `handle` as the network writes it (with its host where it has one); `url` = profile page.

    `claimed`: a profile names it as its owner's at another network, and nobody has checked that.
    """

    provider: str
    handle: str
    url: str | None = None
    claimed: bool = False


class Organization(Record, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    department: str | None = None
    title: str | None = None


class Address(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A postal address, parts as vCard ADR (RFC 6350 §6.3.1); `country` as written."""

    formatted: str
    street: str | None = None
    locality: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None
    label: str | None = None


class PartialDate(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A day any part of which may be unknown; `label` is birthday, anniversary or any word."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    label: str | None = None


class Photo(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A picture: its bytes (≤ 5 MB) where they came along, else where it can be had."""

    media_type: str | None = None
    data: bytes | None = None
    url: str | None = None


class Contact(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One record of one person, organisation, group or robot at one source."""

    key: str
    relation: Relation
    nature: Nature = "INDIVIDUAL"
    names: tuple[Name, ...] = ()
    emails: tuple[Email, ...] = ()
    phones: tuple[Phone, ...] = ()
    urls: tuple[Url, ...] = ()
    handles: tuple[Handle, ...] = ()
    organizations: tuple[Organization, ...] = ()
    addresses: tuple[Address, ...] = ()
    dates: tuple[PartialDate, ...] = ()
    groups: tuple[str, ...] = ()
    members: tuple[str, ...] = ()  # of a group that is a card itself: the UIDs of those in it
    languages: tuple[str, ...] = ()
    bio: str | None = None
    note: str | None = None
    photo: Photo | None = None
    url: str | None = None
    followers: int | None = None
    following: int | None = None
    etag: str | None = None
    uid: str | None = None  # the card's own UID, without urn:uuid:
    vcard: str | None = None  # the card as received, for lossless write-back
    container: str = ""  # address book, list or file it was read from
    created_at: datetime | None = None
    updated_at: datetime | None = None


class Participant(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody on a message or in a conversation, with the address used there.

    `address` is an e-mail address (kind EMAIL), or a handle `user@host` (HANDLE). `provider` names the network of a handle.
    """

    role: Role
    address: str
    kind: AddressKind = "EMAIL"
    name: str = ""
    provider: str | None = None
    key: str | None = None  # the network's own id of the participant, where it has one
    url: str | None = None


class Header(Record, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    value: str


class Attachment(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A file that came with a message, not its bytes.

    `part` names it at its source (IMAP: section number, RFC 9051 §6.4.5.1); `size` in bytes, decoded where that is known.
    `content_id` without angle brackets (RFC 2392); `inline` when the HTML shows it.
    """

    part: str
    name: str
    media_type: str = "application/octet-stream"
    size: int | None = None
    content_id: str | None = None
    inline: bool = False
    sha256: str | None = None


class Reaction(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody answered a message with in one sign: `emoji`, or the network's short name for one of its own.

    `participant` is None where the network only counts: then `count` says how many. `key` is the network's own, by which the reaction is
    taken back; None where message, sign and person are all that it is known by.
    """

    emoji: str
    participant: Participant | None = None
    count: int = 1
    at: datetime | None = None
    key: str | None = None


class Invited(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody at a meeting, by mail address in lower case, with the answer that is told of them."""

    address: str
    name: str = ""
    role: MeetingRole = "REQUIRED"
    response: MeetingResponse = "NEEDS_ACTION"


class Invitation(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What a mail says of a meeting (RFC 5545 §3.6.1, RFC 5546): what its writer claims, and nobody has checked.

    `starts` are the beginnings in UTC, of a series one for each time within bounds, empty where it is not said; a whole day begins at its
    midnight in UTC whatever the zone. `recurrence_id` is the original beginning of the one time of a series that is meant. `count` is how
    many are invited, of whom `invited` may be the first.
    """

    method: MeetingMethod
    uid: str
    sequence: int = 0
    stamped_at: datetime | None = None
    recurrence_id: datetime | None = None
    following: bool = False  # RANGE=THISANDFUTURE: that one and all after it
    starts: tuple[datetime, ...] = ()
    seconds: int = 0  # how long each takes
    all_day: bool = False
    zone: str | None = None  # IANA name
    rule: str | None = None
    title: str = ""
    description: str = ""
    location: str = ""
    url: str | None = None
    conference_url: str | None = None
    cancelled: bool = False
    tentative: bool = False
    organizer: Invited | None = None
    invited: tuple[Invited, ...] = ()
    count: int = 0


class Message(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One message as one source shows it.

    `container` is the folder, room or file; `conversation_key` the network's thread id, None where we thread ourselves from
    `internet_message_id` and `references` (oldest first, without angle brackets). `unread` is None where the source keeps no
    read state, `role` where it has no folders with a use. `sent_at` falls back to the arrival when the sender's date is missing or absurd.
    """

    key: str
    sent_at: datetime
    container: str = ""
    conversation_key: str | None = None
    conversation_kind: ConversationKind = "EMAIL_THREAD"
    internet_message_id: str | None = None
    references: tuple[str, ...] = ()
    received_at: datetime | None = None
    edited_at: datetime | None = None
    deleted_at: datetime | None = None  # when its author took it back, where its place is still shown (body_state DELETED)
    subject: str | None = None
    text: str = ""
    body_state: BodyState = "AVAILABLE"
    participants: tuple[Participant, ...] = ()
    headers: tuple[Header, ...] = ()
    category: Category = "PERSONAL"
    category_reason: str = "Nothing says that it was sent in bulk or by a machine."
    authentication: Authentication = "UNKNOWN"
    unread: bool | None = None
    flagged: bool = False
    answered: bool = False
    draft: bool = False
    attachment_count: int = 0
    html: str | None = None  # as sent; sanitised when it is shown
    attachments: tuple[Attachment, ...] = ()
    invitations: tuple[Invitation, ...] = ()  # what its calendar part says of meetings
    labels: tuple[str, ...] = ()  # folders or labels of this source, as the network writes them
    label_keys: tuple[str, ...] | None = None  # those of them that stand in the account's list (`Label.key`); None without one
    role: FolderRole | None = None
    url: str | None = None
    reactions: tuple[Reaction, ...] | None = None  # all of them; None where each is told by itself (`Reacted`), or nobody tells
    sent_as: str | None = None  # our own id (`OutgoingChat.id`) of what was sent from here, where the network shows it


class Reacted(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody reacted to the message with this key, which may be told later."""

    message: str
    reaction: Reaction
    container: str = ""


class MessageState(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What a source says anew of a message it showed before: read state, flags, labels; never its text.

    `labels` is None where the source did not mention them. A key that was never taken in is a gap, not a message.
    """

    key: str
    container: str = ""
    unread: bool | None = None
    flagged: bool = False
    answered: bool = False
    draft: bool = False
    labels: tuple[str, ...] | None = None
    label_keys: tuple[str, ...] | None = None
    role: FolderRole | None = None  # belongs to `container`: told with it


class Marking(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be set on messages at their source; what is None stays.

    `role` is what the place is for to which they are moved, `added` and `removed` the keys of the labels that this puts on and takes off.
    With `filed` it is these labels that are told to the network, else the role.
    """

    unread: bool | None = None
    flagged: bool | None = None
    role: FolderRole | None = None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    filed: bool = False


class Moved(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Where a message is after a move, as its source will tell it from now on; what is None stays."""

    key: str
    container: str | None = None
    labels_added: tuple[str, ...] = ()
    labels_removed: tuple[str, ...] = ()
    label_keys: tuple[str, ...] | None = None


class Label(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A folder or label of the account. `key` is the network's own, `name` is shown, its path parts joined by `/`.

    `place` is how messages name it: a folder, in which a message lies alone, is their `container`; a label, of which a message may
    bear several, stands among their `labels`.
    """

    key: str
    name: str
    place: str
    role: LabelRole = "OTHER"
    folder: bool = True
    writable: bool = True  # whether messages can be put in and taken out


class ConversationHead(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What a network says of a conversation as a whole: what it is, what it is called, who takes part.

    A LIVE network lists conversations so, with their latest message. A mirrored one says it beside their messages: the name of
    a room and those who never wrote in it are in none of them.

    Not `whole` is what a network says that tells neither the name nor all members: what else is known, of an archive perhaps, stays.
    """

    key: str
    kind: ConversationKind
    last_activity_at: datetime
    subject: str | None = None
    whole: bool = True
    participants: tuple[Participant, ...] = ()
    last_message: Message | None = None
    unread: bool | None = None
    url: str | None = None


class Actor(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Who did something. `uri` is the same wherever the actor is seen: the ActivityPub id, the DID, the address of the profile.

    `handle` with `provider` as in `Handle`. `key` is that of the account's contact of this actor, where it lists one.
    """

    uri: str
    kind: ActorKind = "PERSON"
    name: str = ""
    handle: str | None = None
    provider: str | None = None
    key: str | None = None
    url: str | None = None
    photo_url: str | None = None


class Media(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A picture, sound or film of a post, where it can be had; `alt` is what stands for it where it cannot be seen."""

    media_type: str
    url: str
    preview_url: str | None = None
    alt: str | None = None


class ActivityObject(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What an activity is about. `uri` is the same wherever the object is seen, `in_reply_to` the uri of what it answers.

    `name`, `summary` (a content warning too) and `text` are plain text; `html` is as sent and made safe when it is shown.
    `hashtags` without `#`; the counts are those at last sight.
    """

    kind: ActivityObjectKind
    uri: str | None = None
    name: str | None = None
    summary: str | None = None
    text: str | None = None
    html: str | None = None
    language: str | None = None
    url: str | None = None
    attributed_to: Actor | None = None
    in_reply_to: str | None = None
    media: tuple[Media, ...] = ()
    hashtags: tuple[str, ...] = ()
    published_at: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    location: str | None = None
    likes: int | None = None
    reposts: int | None = None
    replies: int | None = None


class Activity(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Something somebody did on a network: a post is a CREATE of a NOTE or ARTICLE, a repost an ANNOUNCE, a favourite a LIKE,
    a new follower a FOLLOW whose object is the PROFILE followed; an answer is a CREATE whose object has `in_reply_to`.

    `key` is unique among the account's activities. `occurred_at` is None where the network does not tell it: then it is when
    it was first seen. What was taken back is a `Gone` of kind ACTIVITY, never an UNDO that nobody would see. `summary` says it in
    words where the network does; it is made up otherwise. `original` is the network's own record as JSON, lossless.
    """

    key: str
    actor: Actor
    verb: ActivityVerb
    object: ActivityObject | None = None
    target: ActivityObject | None = None
    summary: str = ""
    occurred_at: datetime | None = None
    edited_at: datetime | None = None
    visibility: Visibility = "PUBLIC"
    mentions: tuple[Actor, ...] = ()
    original: bytes | None = None
    url: str | None = None
    container: str = ""


class Gone(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The source says that an item is no longer there.

    With `deleted_at` it is a message that its author took back while its place is still shown: it stays, and says nothing any more.
    """

    kind: Literal["CONTACT", "MESSAGE", "CONVERSATION", "ACTIVITY", "REACTION"]
    key: str
    deleted_at: datetime | None = None


class Undelivered(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The source had taken a message from here, and could not deliver it: why, and what to do. It may be told again."""

    key: str
    message: str
    container: str = ""


class Voided(Record, frozen=True, kw_only=True, omit_defaults=True):
    """The source numbers a container's messages anew: every key of it that begins with `prefix` names nothing any more.

    IMAP: another UIDVALIDITY (RFC 9051 §2.3.1.1). An adapter hands the messages over under their new keys first, so that
    none seems gone meanwhile.
    """

    container: str
    prefix: str


class OutgoingFile(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A file of a message that is ready to leave."""

    name: str
    media_type: str
    data: bytes


class Outgoing(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A message that is ready to leave: `data` is what everybody gets, `blind` the Bcc field for networks that take it out
    themselves. `recipients` are all who get it, Bcc included; `thread` is the network's own thread that it belongs to. `files` are those
    in it and `bare` is it without them, for networks that take files one by one.
    """

    message_id: str  # without angle brackets; made before the first attempt
    sender: str
    recipients: tuple[str, ...]
    data: bytes
    blind: bytes = b""
    thread: str | None = None
    bare: bytes = b""
    files: tuple[OutgoingFile, ...] = ()


class OutgoingChat(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A message that is ready to leave for a conversation of a chat network.

    `id` is ours, made before the first attempt and the same in all: what a network is given to take a message once. `conversation` is the
    network's key of the place, `answers` its key of the message that is answered. What is answered in a side thread stays there;
    `in_thread` begins one where there is none. `files` go with the text, in their order; a message that is only looked for may have them
    without bytes.
    """

    id: str
    conversation: str
    text: str
    html: str | None = None  # made safe; `text` says the same
    answers: str | None = None
    in_thread: bool = False
    files: tuple[OutgoingFile, ...] = ()


class OutgoingReaction(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A reaction that is to be made, or with `remove` taken back; `keys` are the network's own of those that stand, as it told them.

    `id` is ours, the same in all attempts; `conversation` and `message` are keys of the network.
    """

    id: str
    conversation: str
    message: str
    emoji: str
    remove: bool = False
    keys: tuple[str, ...] = ()


class OutgoingEdit(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Another text for a message that the user wrote, wanted since `at`.

    `id` is ours, the same in all attempts; `conversation` and `message` are keys of the network.
    """

    id: str
    conversation: str
    message: str
    text: str
    at: datetime


class OutgoingDeletion(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A message that is to be deleted: for everybody, or where the network does that for the user alone.

    `id` is ours, the same in all attempts; `conversation` and `message` are keys of the network.
    """

    id: str
    conversation: str
    message: str
    everyone: bool


class Submitted(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What became of an outgoing message: TAKEN, NOT_TAKEN (only a later look can tell), or UNKNOWN, with the evidence in a sentence.

    `key` is the network's own of the copy that the sender keeps, where it told.
    """

    fate: Literal["TAKEN", "NOT_TAKEN", "UNKNOWN"]
    evidence: str = ""
    key: str | None = None


class Unreadable(Record, frozen=True, kw_only=True, omit_defaults=True):
    """An item that is there but could not be taken: reported by row, never dropped silently."""

    key: str
    outcome: Literal["SKIPPED", "FAILED"]
    message: str
    reason: SkipReason | None = None
    excerpt: str | None = None
    container: str = ""


class Place(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Where in a file a record stood: file (relative path), position (from 1) and line (from 1) where known."""

    position: int
    path: str = ""
    line: int | None = None


class Row(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A record with its place; `place` only for files."""

    item: Contact | Message | Reacted | MessageState | ConversationHead | Activity | Gone | Undelivered | Voided | Unreadable
    place: Place | None = None


class Statement(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What the other side itself says that a container holds: never our own counter."""

    container: str
    kind: Literal["CONTACT", "MESSAGE", "ACTIVITY"]
    expected: int | None
    keys: frozenset[str] | None = None  # where the source lists them: what is not in here is gone


class Page(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A step of a sync or an import: rows, the cursor to store with them, and what the source states, once known.

    `cursor` is opaque to everybody but the adapter and may be stored only together with `rows`. `done` on the last page
    of a run. `total` is an estimate for progress bars. `labels` are all that the account has, None where the page does not say.
    With `only_copy` the source forgets what is on the page once it is asked for more: the next page is read after this one is stored.
    """

    rows: tuple[Row, ...] = ()
    cursor: bytes | None = None
    statements: tuple[Statement, ...] = ()
    labels: tuple[Label, ...] | None = None
    total: int | None = None
    done: bool = False
    only_copy: bool = False


class OwnAddress(Record, frozen=True, kw_only=True, omit_defaults=True):
    """An address of the account's user, as the network says."""

    value: str
    kind: AddressKind = "EMAIL"
    primary: bool = False


class Profile(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Whose account it is: `user_id` stable at the provider, `label` to show, own addresses."""

    user_id: str
    label: str
    own_addresses: tuple[OwnAddress, ...] = ()
    base_url: str | None = None
    granted_scopes: tuple[str, ...] = ()
    contact: Contact | None = None


class Heads(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A page of live conversations, latest first, and the network's own token for the next one."""

    items: tuple[ConversationHead, ...] = ()
    next_token: str | None = None


class Messages(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Messages of one live conversation, oldest first."""

    items: tuple[Message, ...] = ()
    complete: bool = True
