"""Every table that Kith keeps, once, for SQLite and PostgreSQL.

Owned tables carry `viewer_id` first in every key: it is the shard key, and row-level security on PostgreSQL binds it.
System tables (`SYSTEM`) are a closed list: ids, hashes, states and labels, no content. Instants are stored as UTC
microseconds since the epoch (`Instant`), so that both databases sort and compare them alike. `sqlite_where` of an index holds for
PostgreSQL too (store/migrations/env.py).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds since 1970 in a 64-bit integer."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        return microseconds(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return _instant(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        return _instant  # nothing of the database's own comes before it, and a page has hundreds


def _instant(value: Any) -> datetime | None:
    return None if value is None else _EPOCH + timedelta(microseconds=value)


def microseconds(value: datetime) -> int:
    """Microseconds since 1970, as instants are stored. Raises ValueError for a datetime without a time zone."""
    if value.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    since = value - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds  # a third of what dividing timedeltas takes


metadata = MetaData()


def _owned(name: str, *columns: Column[Any], key: tuple[str, ...] = ("id",), indexes: tuple[tuple[str, ...], ...] = ()) -> Table:
    """A table whose primary key is (viewer_id, *key) and whose indexes begin with viewer_id."""
    for column in columns:
        if column.name in key:
            column.primary_key = True
    return Table(
        name,
        metadata,
        Column("viewer_id", Text, primary_key=True),
        *columns,
        *(Index(f"{name}_by_{'_'.join(i)}", "viewer_id", *i) for i in indexes),
    )


def _text(name: str, default: str | None = None) -> Column[Any]:
    return Column(name, Text, nullable=False, server_default=default)


def _sorted(name: str, default: str | None = None) -> Column[Any]:
    """Text that lists are ordered by: byte by byte on both databases, so that a client sorts as we do."""
    plain = Text().with_variant(Text(collation="C"), "postgresql")
    return Column(name, plain, nullable=False, server_default=default)


def _maybe(name: str) -> Column[Any]:
    return Column(name, Text)


def _int(name: str, default: int | None = None) -> Column[Any]:
    return Column(name, Integer, nullable=False, server_default=None if default is None else str(default))


def _bool(name: str) -> Column[Any]:
    return Column(name, Boolean, nullable=False, server_default=sa.false())


def _at(name: str, nullable: bool = False) -> Column[Any]:
    return Column(name, Instant, nullable=nullable)


# --- system tables: who may come in, and what is to be done -------------------------------------------------------------

viewer = Table(
    "viewer",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("locale", Text, nullable=False, server_default="en"),
    Column("time_zone", Text, nullable=False, server_default="UTC"),
    Column("region", Text),
    Column("owner", Boolean, nullable=False, server_default=sa.false()),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
)
api_key = Table(
    "api_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("viewer_id", Text, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("scopes", Text, nullable=False),  # space-separated, as OAuth writes them
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("version", Integer, nullable=False, server_default="1"),
)
session = Table(
    "session",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("viewer_id", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),  # 'login' = one-time sign-in link, 'browser' = signed-in browser
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)
oauth_state = Table(
    "oauth_state",
    metadata,
    Column("id", Text, primary_key=True),  # the link session's id
    Column("viewer_id", Text, nullable=False, index=True),
    Column("provider", Text),
    Column("state", Text, nullable=False),  # LinkState
    Column("state_hash", LargeBinary, index=True),
    Column("ticket_hash", LargeBinary, index=True),
    Column("browser_hash", LargeBinary),
    Column("sealed", LargeBinary),  # PKCE verifier, endpoints, form values
    Column("account_id", Text),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("return_url", Text),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)
client_registration = Table(
    "client_registration",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("base_url", Text, primary_key=True),
    Column("redirect_uri", Text, primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("sealed", LargeBinary),
    Column("created_at", Instant, nullable=False),
)
job = Table(
    "job",
    metadata,
    Column("id", Text, primary_key=True),
    Column("viewer_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("dedupe_key", Text, nullable=False),
    Column("due", Instant, nullable=False),
    Column("every", Integer),  # seconds; null for work that is done once
    Column("lease_owner", Text),
    Column("lease_until", Instant),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("max_attempts", Integer, nullable=False, server_default="10"),
    Column("dead_reason", Text),
    Column("again", Boolean, nullable=False, server_default=sa.false()),  # asked for once more while it ran
    Column("created_at", Instant, nullable=False),
    sa.UniqueConstraint("viewer_id", "kind", "dedupe_key", name="job_once"),
    Index("job_by_due", "due"),
)
push_route = Table(
    "push_route",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # of the random part of the address
    Column("viewer_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("expires_at", Instant),  # until when the network has promised to call
    Column("created_at", Instant, nullable=False),
    Column("name", LargeBinary),  # keyed hash of what calls name the account by, where many accounts are called at one address
    Index("push_route_by_account", "viewer_id", "account_id"),  # an account has one address, or several names
    Index("push_route_by_name", "name"),
)
public_name = Table(
    "public_name",
    metadata,
    Column("name", Text, primary_key=True),  # of a public profile, in lower case; stays its first bearer's
    Column("viewer_id", Text, nullable=False, index=True),
)
grant_mark = Table(
    "grant_mark",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # keyed, of client, place and member (store/grant_marks.py)
    Column("viewer_id", Text, primary_key=True),
    Column("account_id", Text, primary_key=True),
    Index("grant_mark_by_account", "viewer_id", "account_id"),
)
SYSTEM = (viewer, api_key, session, oauth_state, client_registration, job, push_route, public_name, grant_mark)

# --- accounts -----------------------------------------------------------------------------------------------------------

account = _owned(
    "account",
    _text("id"),
    _text("provider"),
    _text("user_id"),
    _text("label"),
    _text("base_url", ""),
    _text("mode"),
    _text("status"),
    _maybe("status_reason"),
    _text("granted_scopes", ""),
    Column("settings", LargeBinary),  # JSON, no secrets
    Column("cursor", LargeBinary),  # the adapter's own
    Column("memory", LargeBinary),  # the adapter's own too, whatever becomes of the cursor
    _maybe("phase"),
    _int("done", 0),
    Column("total", Integer),
    _at("progress_started_at", True),
    _at("progress_at", True),
    _at("created_at"),
    _at("last_synced_at", True),
    _at("next_sync_at", True),
    _at("retry_at", True),
    _int("version", 1),
)
secret = _owned("secret", _text("table_name"), _text("row_id"), _text("column_name"), Column("sealed", LargeBinary, nullable=False),
                _int("fence", 0), _maybe("refreshing"), key=("table_name", "row_id", "column_name"))  # fmt: skip
own_address = _owned("own_address", _text("id"), _text("account_id"), _text("kind"), _text("value"), _text("origin"),
                     _bool("mine"), _bool("primary"), _int("message_count", 0), _int("version", 1),
                     indexes=(("value",), ("account_id",)))  # fmt: skip
container = _owned("container", _text("account_id"), _text("kind"), _text("name"), Column("expected", Integer), _int("stored", 0),
                   Column("skipped", LargeBinary), _at("verified_at", True), key=("account_id", "kind", "name"))  # fmt: skip
gap = _owned("gap", _text("id"), _text("account_id"), _maybe("container"), _int("count"), _text("reason"), _at("since"),
             _int("attempts", 0), _at("retry_at", True), indexes=(("account_id",),))  # fmt: skip

# --- people -------------------------------------------------------------------------------------------------------------

contact = _owned(
    "contact",
    _text("id"),
    _text("account_id"),
    _text("key"),
    _text("container", ""),
    Column("person_id", Text),  # null for lists, robots, rooms and bulk senders
    _text("minted_id"),  # the person id this contact minted at arrival; its person answers with its oldest member's
    Column("born", BigInteger, nullable=False),  # order of arrival within the viewer
    _text("relation"),
    _text("nature"),
    _text("name"),
    _sorted("sort_name"),
    Column("record", LargeBinary, nullable=False),  # records.Contact, msgpack; LIVE: name and strong identifiers only
    Column("fingerprint", LargeBinary, nullable=False),
    Column("pristine", LargeBinary),  # the record as its network has it, while a change made here is on its way there
    _maybe("etag"),
    Column("photo_hash", Text),
    _at("created_at"),
    _at("updated_at"),
    Column("version", Integer),  # null for LIVE accounts
    _maybe("uid"),  # the card's own; groups that are cards name their members by it
    indexes=(
        ("account_id", "key"),
        ("person_id",),
        ("sort_name", "id"),
        ("minted_id",),
        ("account_id", "uid"),
        ("account_id", "nature"),
    ),
)
contact_key = _owned("contact_key", _text("contact_id"), _text("kind"), _text("value"), _bool("strong"), _text("source"),
                     key=("contact_id", "kind", "value"), indexes=(("kind", "value"),))  # fmt: skip
person = _owned(
    "person",
    _text("id"),
    Column("redirect_to", Text),
    _text("nature", "INDIVIDUAL"),
    _text("name", ""),
    _sorted("sort_name", ""),
    Column("projection", LargeBinary),  # resolvers/people.py: best values with their sources, msgpack
    Column("born", BigInteger, nullable=False),
    Column("photo_hash", Text),
    _at("last_contact_at", True),
    _at("created_at"),
    _int("version", 1),
    # their places in lists, as they were reckoned last (store/places.py); what is shown of them is reckoned when it is asked for
    _int("relationship", 0),
    _text("trend", "NEW"),
    _int("influence", 0),
    _text(
        "topics", ""
    ),  # what they speak about, in the picture that was drawn last: they are found by it (resolvers/influence/finding.py)
    indexes=(
        ("sort_name", "id"),
        ("last_contact_at", "id"),
        ("created_at", "id"),
        ("relationship", "id"),
        ("influence", "id"),
    ),
)
#: When somebody was last in contact, nobody ever as the beginning of time: every row has a place in a list, and the index serves it.
contacted_at = sa.func.coalesce(person.c.last_contact_at, sa.literal_column("0", Instant()))
# not of those who live: whoever lists them is to walk the index of their order, also before the database has counted them
Index("contact_by_photo", contact.c.viewer_id, contact.c.photo_hash,
      sqlite_where=contact.c.photo_hash.is_not(None))  # fmt: skip
Index("person_by_redirect", person.c.viewer_id, person.c.redirect_to,
      sqlite_where=person.c.redirect_to.is_not(None))  # fmt: skip
# who lives, by id: of whom a sample tells how many there are (store/pairs.py)
Index("person_living", person.c.viewer_id, person.c.id,
      sqlite_where=person.c.redirect_to.is_(None))  # fmt: skip
Index("person_by_contact", person.c.viewer_id, contacted_at, person.c.id)
# ids of people whose own record is gone, each with the record that it follows since (resolvers/identity/anchoring.py)
anchor = _owned("anchor", _text("person_id"), _text("contact_id"), key=("person_id",), indexes=(("contact_id",),))
unplaced = _owned("unplaced", _text("person_id"), key=("person_id",))  # whose relationship is to be reckoned again
evidence = _owned("evidence", _text("left_id"), _text("right_id"), _text("kind"), _text("value"), _text("strength"),
                  Column("weight", Float, nullable=False), _bool("shared"), _maybe("detail"), _at("observed_at"),
                  key=("left_id", "right_id", "kind", "value"), indexes=(("right_id",), ("value",), ("detail",)))  # fmt: skip

# who was joined, parted or kept apart, by whom or by which rule (resolvers/identity/decisions.py)
decision = _owned(
    "decision",
    _text("id"),
    Column("number", BigInteger, nullable=False),  # order within the viewer
    _text("action"),
    _maybe("rule"),  # null when the viewer decided
    _text("credential", ""),  # with which they did; empty for the process' own
    _text("person_id"),  # whom it led to
    _maybe("undone_by"),  # the decision that took it back; itself when it was simply taken back
    _at("at"),
    _int("version", 1),
    indexes=(("number",), ("at", "id")),
)
# `person_id` is whose the contact was before, `record` what it said then, which goes with the contact
decision_contact = _owned("decision_contact", _text("decision_id"), _text("contact_id"), _int("side"), _maybe("person_id"),
                          Column("record", LargeBinary),
                          key=("decision_id", "contact_id"), indexes=(("contact_id", "decision_id"),))  # fmt: skip
decision_evidence = _owned("decision_evidence", _text("decision_id"), _text("left_id"), _text("right_id"), _text("kind"), _text("value"),
                           Column("weight", Float, nullable=False), _maybe("detail"),
                           _at("seen_at", True),  # when the open web last said so
                           key=("decision_id", "left_id", "right_id", "kind", "value"), indexes=(("left_id",), ("right_id",)))  # fmt: skip
# what the viewer chose to see first of a person (resolvers/choosing.py): of the person whose id it then was, on the record's word
choice = _owned("choice", _text("person_id"), _text("field"), _text("contact_id"), _bool("pinned"), Column("value", LargeBinary), _at("at"),
                key=("person_id", "field"), indexes=(("contact_id",),))  # fmt: skip
# what a source said of somebody, and what it says since (resolvers/ingest/profile_changes.py)
profile_change = _owned("profile_change", _text("id"), _text("contact_id"), _text("account_id"), _text("field"), _text("name"), _maybe("old"),
                        _maybe("new"), _at("at"), indexes=(("at", "id"), ("contact_id", "at", "id")))  # fmt: skip
# what mails say of meetings, each as its writer claims it, and what is known of them from all of it (resolvers/ingest/meetings.py)
invitation = _owned("invitation", _text("message_id"), _int("position"), _text("series_id"), _text("organizer"), _text("sender"), _text("name"),
                    _at("sent_at"), Column("record", LargeBinary, nullable=False),  # records.Invitation, msgpack
                    key=("message_id", "position"), indexes=(("series_id",),))  # fmt: skip
meeting_event = _owned(  # a meeting, a series, or a time of a series that differs from the others
    "meeting_event",
    _text("id"),
    _text("series_id"),
    _text("organizer"),
    _text("direction"),
    _text("title"),
    _text("description"),
    _text("location"),
    _maybe("conference_url"),
    _maybe("url"),
    _maybe("time_zone"),
    _maybe("rule"),
    _bool("all_day"),
    _bool("tentative"),
    _bool("recurring"),
    _int("attendee_count"),
    _maybe("message_id"),  # the mail that told of it
    Column("fingerprint", LargeBinary, nullable=False),
    indexes=(("series_id",), ("organizer", "direction")),
)
meeting = _owned("meeting", _text("id"), _text("event_id"), _at("at"), _at("ends_at"), _bool("cancelled"), _int("version", 1),
                 indexes=(("at", "id"), ("event_id", "at", "id")))  # fmt: skip
# position 0 is who organizes; they may be among the invited again
attendee = _owned("attendee", _text("event_id"), _int("position"), _text("role"), _text("kind"), _text("address"), _text("name"), _text("response"),
                  Column("contact_id", Text), key=("event_id", "position"), indexes=(("contact_id", "event_id"),))  # fmt: skip
# who looks like whom (resolvers/identity/pairing.py): by which keys people meet, in what two of them are alike, and whom to look at again
clue = _owned(
    "clue", Column("key", BigInteger, nullable=False), _text("person_id"), key=("key", "person_id"), indexes=(("person_id",),)
)
look_alike = _owned("look_alike", _text("left_id"), _text("right_id"), _text("kind"), _text("manner"), _text("left"), _text("right"),
                    key=("left_id", "right_id"), indexes=(("right_id",),))  # fmt: skip
unpaired = _owned("unpaired", _text("person_id"), _bool("met"), key=("person_id",))  # `met`: their keys are known already
suggestion = _owned("suggestion", _text("id"), _text("left_id"), _text("right_id"), Column("own", Float), Column("score", Float, nullable=False),
                    _text("decision"), Column("grounds", LargeBinary, nullable=False), _at("created_at"), _int("version", 1),
                    indexes=(("left_id",), ("right_id",), ("decision", "score", "id")))  # fmt: skip
# what the viewer's programs usually ask for, and when (store/habits.py)
habit = _owned("habit", _text("id"), _text("document"), _text("operation"), _text("variables"), _text("scopes"),
               Column("odds", LargeBinary, nullable=False), Column("weight", Float, nullable=False), _at("asked_at"))  # fmt: skip
photo = _owned("photo", _text("hash"), _text("media_type"), Column("data", LargeBinary, nullable=False), key=("hash",))
# how each looks (providers/formats/picture.py), beside and not behind its bytes; none where that tells nothing
photo_look = _owned("photo_look", _text("hash"), _maybe("look"), key=("hash",))

# what was read on the open web of who is whom, and what is known to clients by an id of it
web_link = _owned("web_link", _text("speaker"), _text("target"),  # providers/lookup/resources.py: keys of addresses
                  _text("relation"), _text("claim"), _text("protocols"), _text("speaker_uri"), _text("target_uri"), _text("url"),
                  _at("read_at"), _maybe("verifier"), _at("verified_at", True),
                  # store/web_checks.py: until when it holds, when somebody last looked, since when and how often nobody could confirm it
                  _at("due_at", True), _at("checked_at", True), _int("failures", 0), _at("failing_since", True), _at("lapsed_at", True),
                  key=("speaker", "target", "relation"), indexes=(("target",), ("due_at",)))  # fmt: skip
identity = _owned("identity", _text("id"), _text("contact_id"))  # through which contact it was shown

# what viewers show of themselves to everybody (store/public_profiles.py): one row each
public_profile = _owned("public_profile", _bool("published"), _maybe("name"), Column("content", LargeBinary, nullable=False),
                        _at("changed_at"), key=())  # fmt: skip

# --- outside sources of facts: what they may be asked, what was asked and answered, and what left ------------------------

enrichment_consent = _owned("enrichment_consent", _text("source"), _bool("granted"), _text("fields", ""), _at("changed_at"),
                            _at("paused_until", True), _maybe("paused_outcome"), _maybe("paused_message"), key=("source",))  # fmt: skip
enrichment_answer = _owned(
    "enrichment_answer",  # the last answer to each question; a question is an identifier as contacts have it, and whom it is put to
    _text("source"),
    _text("kind"),
    _text("value"),
    _text("outcome"),  # OPEN from before anything leaves until the answer is kept
    _maybe("message"),
    Column("price", BigInteger, nullable=False),  # millionths of a US dollar
    Column("facts", LargeBinary),
    _at("asked_at"),
    _at("answered_at", True),
    _at("again_at", True),  # from when on it may be put again; null: never by itself
    _text("holder", ""),  # the run that has put it, where one has
    key=("source", "kind", "value"),
    indexes=(("kind", "value"),),
)
enrichment_spending = _owned("enrichment_spending", _text("month"), Column("spent", BigInteger, nullable=False),
                             Column("allowed", BigInteger), key=("month",))  # fmt: skip
disclosure = _owned(
    "disclosure",
    _text("id"),
    _text("source"),
    _text("purpose"),  # CONSENT or LOOKUP
    _at("consented_at", True),
    _text("kind"),  # about whom: an identifier as contacts have it
    _text("value"),
    _text("recipient"),
    _text("method"),
    _text("url"),
    Column("body", LargeBinary),
    _text("sent"),  # JSON list of sentences
    Column("price", BigInteger, nullable=False),
    _text("outcome"),  # OPEN from before anything leaves until its end is known
    Column("http_status", Integer),
    _at("sent_at"),
    _at("answered_at", True),
    indexes=(("sent_at", "id"), ("source", "kind", "value", "sent_at")),
)
enrichment_run = _owned("enrichment_run", _text("id"), _text("sources"), _bool("again"), _text("state"), _int("total"), _int("done", 0),
                        _int("found", 0), _int("unconfirmed", 0), _at("created_at"), _at("finished_at", True),
                        indexes=(("created_at", "id"),))  # fmt: skip
enrichment_item = _owned("enrichment_item", _text("run_id"), _int("position"), _text("person_id"), _text("state"), _maybe("message"),
                         key=("run_id", "position"), indexes=(("run_id", "state", "position"),))  # fmt: skip

# --- conversations ------------------------------------------------------------------------------------------------------

conversation = _owned(
    "conversation",
    _text("id"),
    Column("redirect_to", Text),
    _text("kind"),
    Column("subject", Text),
    _at("last_activity_at"),
    Column("message_count", Integer),
    Column("unread_count", Integer),  # null where no source keeps read state
    Column("last_message_id", Text),
    _maybe("url"),
    _text("flags", ""),  # space-separated, sorted
    _text("category", "PERSONAL"),  # of the latest message
    _bool("live"),
    _at("created_at"),
    Column("version", Integer),
    indexes=(("last_activity_at", "id"),),
)
Index("conversation_by_redirect", conversation.c.viewer_id, conversation.c.redirect_to,
      sqlite_where=conversation.c.redirect_to.is_not(None))  # fmt: skip
conversation_source = _owned("conversation_source", _text("conversation_id"), _text("account_id"), _text("key"),
                             key=("conversation_id", "account_id", "key"), indexes=(("account_id",),))  # fmt: skip
conversation_member = _owned("conversation_member", _text("conversation_id"), _text("kind"), _text("address"), _text("name"),
                             _text("role"), Column("contact_id", Text), _at("last_active_at"),
                             key=("conversation_id", "kind", "address"), indexes=(("contact_id", "last_active_at"),))  # fmt: skip
thread_reference = _owned("thread_reference", _text("internet_id"), _text("conversation_id"), key=("internet_id",),
                          indexes=(("conversation_id",),))  # fmt: skip
message = _owned(
    "message",
    _text("id"),
    _text("conversation_id"),
    Column("internet_message_id", Text),
    Column("in_reply_to", Text),  # Message-ID of the parent
    _at("sent_at"),
    _at("received_at", True),
    _at("edited_at", True),
    Column("subject", Text),
    _text("snippet", ""),
    Column("body", LargeBinary),  # text, zlib; null for LIVE accounts
    Column("headers", LargeBinary),  # tuple[Header], msgpack + zlib
    _text("body_state"),
    _text("direction"),
    _text("category"),
    _text("category_reason"),
    _text("authentication"),
    _text("flags", ""),
    _int("attachment_count", 0),
    _maybe("url"),
    Column("fingerprint", LargeBinary, nullable=False),
    _bool("live"),
    _at("deleted_at", True),  # when its author took it back: the row stays, with nothing in it
    _maybe("subject_key"),  # resolvers/ingest/answers.py: what answers without references are found by
    Column("version", Integer),
    indexes=(("subject_key", "sent_at"), ("conversation_id", "sent_at", "id"), ("internet_message_id",), ("sent_at", "id")),
)
message_source = _owned("message_source", _text("message_id"), _text("account_id"), _text("key"), _text("container", ""),
                        Column("unread", Boolean), _text("flags", ""), _text("labels", ""), _maybe("url"), _at("seen_at"),
                        _maybe("role"),  # what its folder is for (records.FolderRole); null where nobody keeps folders
                        _maybe("label_keys"),  # of the account's labels, sorted, a line each; null where nobody said
                        key=("account_id", "key"), indexes=(("message_id",), ("account_id", "container", "key")))  # fmt: skip
reaction = _owned("reaction", _text("account_id"), _text("key"), _text("message_key"),  # as message_source.key, which may come later
                  _text("emoji"), _maybe("kind"), _text("address"), _text("name", ""), _maybe("contact_key"), _int("count", 1),
                  _at("at", True), key=("account_id", "key"), indexes=(("account_id", "message_key"),))  # fmt: skip
kept_call = _owned("kept_call", _text("account_id"), Column("position", BigInteger, nullable=False, autoincrement=False),
                   Column("body", LargeBinary, nullable=False), _at("received_at"), key=("account_id", "position"))  # fmt: skip
label = _owned("label", _text("id"), _text("account_id"), _text("key"), _text("name"), _text("place"), _text("role"), _bool("folder"),
               _bool("writable"), _int("version", 1), indexes=(("account_id",),))  # fmt: skip
conversation_label = _owned("conversation_label", _text("label_id"), _text("conversation_id"),
                            _int("unread", 0),  # messages of the conversation that bear it
                            key=("label_id", "conversation_id"), indexes=(("conversation_id",), ("label_id", "unread")))  # fmt: skip
message_html = _owned(
    "message_html", _text("message_id"), Column("html", LargeBinary, nullable=False), key=("message_id",)
)  # zlib
attachment = _owned("attachment", _text("id"), _text("message_id"), _int("position"), _text("account_id"), _text("part"), _text("name"),
                    _text("media_type"), Column("size", BigInteger), _maybe("content_id"), _bool("inline"), _maybe("sha256"),
                    indexes=(("message_id", "position"),))  # fmt: skip
message_participant = _owned("message_participant", _text("message_id"), _int("position"), _text("role"), _text("kind"),
                             _text("address"), _text("name"), Column("contact_id", Text), _at("sent_at"),
                             key=("message_id", "position"))  # fmt: skip
# Each entry that nobody looks for would be a page of its own to write with every mail: addresses of ours have no contact.
Index("message_participant_of_contact", message_participant.c.viewer_id, message_participant.c.contact_id, message_participant.c.sent_at,
      message_participant.c.message_id,
      sqlite_where=message_participant.c.contact_id.is_not(None))  # fmt: skip
Index("message_participant_by_writer", message_participant.c.viewer_id, message_participant.c.kind, message_participant.c.address,
      message_participant.c.sent_at,
      sqlite_where=message_participant.c.role == "FROM")  # fmt: skip

# --- what was exchanged with whom (resolvers/relationship) -------------------------------------------------------------

exchange = _owned(
    "exchange",
    _text("contact_id"),
    _int("period"),  # counting.period_of
    _text("conversation_id"),
    _int("inbound"),
    _int("outbound"),
    Column("heard", BigInteger, nullable=False),  # thousandths of a message
    Column("said", BigInteger, nullable=False),
    _int("begun"),  # conversations, by them
    _int("opened"),  # by the viewer
    Column("days", BigInteger, nullable=False),  # a bit for each day of the period
    _at("first_at"),
    _at("last_inbound_at", True),
    _at("last_outbound_at", True),
    Column("answers", LargeBinary),  # counting.Answer, msgpack
    key=("contact_id", "period", "conversation_id"),
    indexes=(("conversation_id", "period"),),
)
untallied = _owned("untallied", _text("conversation_id"), _int("period"), key=("conversation_id", "period"))

# --- what the viewer wrote down ------------------------------------------------------------------------------------------

annotation = _owned(
    "annotation",
    _text("id"),
    _text("kind"),  # NOTE or REMINDER
    _text("about_id"),  # a person or conversation, by the id of that time; it may lead to another one since
    _text("body"),
    _at("at"),  # the moment that a note tells of, when a reminder is due
    _at("done_at", True),
    _at("edited_at", True),
    _at("created_at"),
    _int("version", 1),
    indexes=(("about_id", "kind", "at"), ("kind", "at", "id")),
)
tag = _owned(
    "tag", _text("id"), _text("name"), _sorted("folded"), _maybe("color"), _int("version", 1), indexes=(("folded", "id"),)
)
# what a tag was put on, by the id of that time
tagged = _owned("tagged", _text("tag_id"), _text("about_id"), _at("at"), key=("tag_id", "about_id"), indexes=(("about_id",),))
# what contacts are filed under at their sources, and the tag that this is; without one where the viewer took it off
category = _owned("category", _text("contact_id"), _text("folded"), _maybe("tag_id"), key=("contact_id", "folded"),
                  indexes=(("folded",), ("tag_id",)))  # fmt: skip

# --- activities ---------------------------------------------------------------------------------------------------------

activity = _owned(
    "activity",
    _text("id"),
    _text("account_id"),
    _text("key"),
    _text("container", ""),
    Column("contact_id", Text),  # where the actor's contact is or was; null for the viewer
    _text("actor_uri"),
    _text("verb"),
    _maybe("object_kind"),
    _maybe("uri"),  # of what it is about, the same wherever it is seen
    _maybe("same_key"),  # resolvers/ingest/activities.py: what is posted in several places has the same one
    _at("occurred_at"),
    _at("edited_at", True),
    Column("record", LargeBinary, nullable=False),  # records.Activity without `original`, msgpack
    Column("original", LargeBinary),  # the network's own record, JSON, zlib
    Column("fingerprint", LargeBinary, nullable=False),
    _at("created_at"),
    _int("version", 1),
    indexes=(
        ("account_id", "container", "key"),
        ("occurred_at", "id"),
        ("contact_id", "occurred_at", "id"),
        ("same_key", "occurred_at"),
    ),
)

# --- standing: store/standings.py ---------------------------------------------------------------------------------------

standing_run = _owned("standing_run", _int("run"), _at("computed_at"), key=("run",))  # which picture is shown
standing = _owned("standing", _int("run"), _text("person_id"), _int("score"), Column("percentile", Float, nullable=False),
                  Column("parts", LargeBinary, nullable=False),  # resolvers/influence/weighing.py: Standing, msgpack
                  key=("run", "person_id"))  # fmt: skip
acquaintance = _owned("acquaintance", _int("run"), _text("person_id"), _text("other_id"), Column("strength", Float, nullable=False),
                      Column("sights", LargeBinary, nullable=False),  # resolvers/influence/meeting.py, msgpack
                      key=("run", "person_id", "other_id"))  # fmt: skip

# --- circles: store/circles.py -----------------------------------------------------------------------------------------

circle = _owned("circle", _text("id"), _text("name"), Column("commonality", LargeBinary, nullable=False),  # sentences, msgpack
                _int("size"), _int("version", 1))  # fmt: skip
circle_member = _owned("circle_member", _text("circle_id"), _text("person_id"),  # the id of that time
                       Column("centrality", Float, nullable=False), key=("circle_id", "person_id"), indexes=(("person_id",),))  # fmt: skip

# --- streams ------------------------------------------------------------------------------------------------------------

stream = _owned(
    "stream",
    _text("id"),
    _text("name"),
    _text("rule"),  # as it was typed
    Column("circles", LargeBinary),  # which circle each name in it stands for, msgpack; null where it names none
    Column("enabled", Boolean, nullable=False),
    _int("revision", 1),  # of the rule and what it is matched from; what met another one is past
    Column(
        "since", BigInteger, nullable=False
    ),  # position of the feed from which on what arrives is matched; the replay does what was there
    _int("replayed", 0),  # stored activities that were looked at
    _int("replay_total", 0),
    _at("replay_at", True),  # (occurred_at, id) of the last of them
    _maybe("replay_id"),
    _at("replayed_at", True),  # when all were
    _at("created_at"),
    _int("version", 1),
    indexes=(("created_at", "id"),),
)
stream_match = _owned("stream_match", _text("stream_id"), _int("revision"), _text("activity_id"), _at("occurred_at"),
                      _bool("ended"),  # it met the rule once and does no more, or is gone: whoever has it is told
                      key=("stream_id", "revision", "activity_id"),
                      indexes=(("stream_id", "revision", "occurred_at", "activity_id"), ("activity_id",)))  # fmt: skip
stream_past = _owned(
    "stream_past", _text("stream_id"), _int("revision"), key=("stream_id", "revision")
)  # whose matches are to be erased
# who is counted as being of a circle that a rule names (store/stream_circles.py): contacts, msgpack; null where there is no such circle
stream_circle = _owned("stream_circle", _text("circle_id"), Column("contacts", LargeBinary), key=("circle_id",))
stream_again = _owned(
    "stream_again", _text("contact_id"), _at("reached_at", True), _maybe("reached_id"), key=("contact_id",)
)  # whose activities are to be asked again, and down to which they were
stream_reader = _owned("stream_reader", Column("position", BigInteger, nullable=False),  # of the feed, up to which activities were matched
                       _int("rules", 0),  # grows with each change of a rule, or of who is of a circle that one names
                       Column("circles_at", BigInteger, nullable=False, server_default="0"),  # up to where it is known who is of them
                       key=())  # fmt: skip

# --- what was done, and what changed ------------------------------------------------------------------------------------

import_run = _owned(
    "import_run",
    _text("id"),
    _text("file_name"),
    _text("format"),
    _text("state"),
    _maybe("account_id"),
    Column("plan", LargeBinary, nullable=False),  # staged paths, own address, region: JSON
    Column("cursor", LargeBinary),
    _int("created", 0),
    _int("updated", 0),
    _int("unchanged", 0),
    _int("skipped", 0),
    _int("failed", 0),
    _int("done", 0),
    Column("total", Integer),
    _maybe("error_code"),
    _maybe("error_message"),
    _at("created_at"),
    _at("started_at", True),
    _at("progress_at", True),
    _at("finished_at", True),
    _int("version", 1),
    indexes=(("created_at", "id"),),
)
import_row = _owned("import_row", _text("import_id"), _int("position"), _maybe("path"), Column("line", Integer), _text("outcome"),
                    _maybe("reason"), _maybe("message"), _maybe("excerpt"), _maybe("node_id"),
                    key=("import_id", "position"), indexes=(("import_id", "outcome", "position"), ("import_id", "node_id")))  # fmt: skip
feed = _owned(
    "feed",
    Column("position", BigInteger, nullable=False),
    _text("op"),  # UPSERT, DELETE, MERGE, SPLIT, SETTLE
    _text("kind"),  # NodeKind
    _text("node_id"),  # the survivor for MERGE, the origin for SPLIT, the write for SETTLE
    Column("names", Text),  # the other nodes of MERGE, SPLIT and SETTLE, space-separated
    Column("node_version", Integer),
    _bool("created"),
    _text("fields", ""),
    _maybe("parent_id"),
    _maybe("reason"),
    _text("origin"),
    _maybe("account_id"),
    _maybe("idempotency_key"),
    _at("at"),
    key=("position",),
    indexes=(("kind", "position"),),
)


def told_again(rows: sa.FromClause) -> sa.ColumnElement[bool]:
    """The rows of the feed, or of an alias of it, that are looked for by their node: not the first ones of messages and conversations.

    Nothing comes before those, and a first sync brings two with every mail. The same words stand in the index and in what uses it.
    """
    few = rows.c.kind.not_in([sa.literal_column("'MESSAGE'"), sa.literal_column("'CONVERSATION'")])
    return sa.or_(rows.c.created == sa.false(), few)


Index("feed_again_by_node_id_position", feed.c.viewer_id, feed.c.node_id, feed.c.position,
      sqlite_where=told_again(feed))  # fmt: skip
feed_head = _owned("feed_head", Column("position", BigInteger, nullable=False), Column("horizon", BigInteger, nullable=False),
                   Column("born", BigInteger, nullable=False), key=())  # fmt: skip
revision = _owned(  # store/revision.py
    "revision",
    Column("number", BigInteger, nullable=False),
    *(
        Column(part, BigInteger, nullable=False, server_default="0")
        for part in ("parted", "mail", "people", "doubts", "exchanges", "words", "feed", "rest")
    ),
    key=(),
)
outbox = _owned(
    "outbox",
    _text("id"),
    _text("account_id"),
    _text("kind"),  # who carries it out: gateway/writes.py
    _text("mutation"),
    _maybe("idempotency_key"),
    _text("lane"),  # writes of one lane are carried out one after the other
    _int("position"),  # order of acceptance within the account
    Column("request", LargeBinary),  # the kind's own; null once settled
    _text("state"),
    Column("step", LargeBinary),  # from here on a crash leaves it in doubt; the kind's own
    _int("attempts", 0),
    _int("checks", 0),
    _at("due"),
    _at("starts_at"),
    _maybe("error_code"),
    _maybe("error_message"),
    _maybe("provider_code"),
    _at("created_at"),
    _at("doubted_at", True),
    _at("settled_at", True),
    indexes=(("account_id", "state", "due"), ("account_id", "position", "id")),
)
outbox_node = _owned("outbox_node", _text("write_id"), _text("node_id"), _int("position"), key=("write_id", "node_id"),
                     indexes=(("node_id",),))  # fmt: skip
upload = _owned("upload", _text("id"), _text("name"), _text("media_type"), Column("size", BigInteger, nullable=False), _maybe("sha256"),
                Column("received", BigInteger, nullable=False, server_default="0"),  # bytes that are on disk for sure
                _at("created_at"), _at("expires_at"), _at("completed_at", True), indexes=(("expires_at",),))  # fmt: skip
upload_use = _owned("upload_use", _text("write_id"), _text("upload_id"), key=("write_id", "upload_id"), indexes=(("upload_id",),))
webhook = _owned(
    "webhook",
    _text("id"),
    _text("target_url"),
    _maybe("kinds"),  # space-separated, null for all
    _maybe("account_ids"),
    _at("messages_after", True),
    _maybe("stream_id"),  # only activities of this stream
    _text("health"),
    _maybe("health_reason"),
    Column("position", BigInteger, nullable=False),  # the last one that was taken from the feed
    Column("began", BigInteger, nullable=False),
    _at("failing_since", True),
    _at("retry_at", True),
    _at("former_until", True),  # how long the secret before signs too
    _at("created_at"),
    _int("version", 1),
)
webhook_delivery = _owned(
    "webhook_delivery",
    _text("id"),
    _text("webhook_id"),
    Column("position", BigInteger, nullable=False),
    Column("began", BigInteger, nullable=False),
    Column("event", LargeBinary),  # the row of the feed, msgpack; null for a test
    _text("outcome"),
    _int("attempts", 0),
    Column("http_status", Integer),
    _maybe("message"),
    _at("next_attempt_at", True),
    _at("occurred_at"),
    indexes=(("webhook_id", "occurred_at", "id"), ("webhook_id", "outcome", "position")),
)
dirty = _owned("dirty", _text("contact_id"), key=("contact_id",))
idempotency = _owned("idempotency", _text("key"), _text("mutation"), Column("input_hash", LargeBinary, nullable=False),
                     Column("answer", LargeBinary, nullable=False), _at("at"), key=("key",))  # fmt: skip
search_doc = Table(
    "search_doc",
    metadata,
    Column("n", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("viewer_id", Text, nullable=False),
    Column("node_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Instant),
    Column("place", BigInteger, nullable=False, server_default="0"),  # the moment, then bits of the id; on SQLite also `n`
    Column("title", Text, nullable=False),  # folded, as are the next three
    _text("sender", ""),
    _text("receivers", ""),
    Column("body", Text, nullable=False),
    _text("facets", ""),  # states and places, each one word
    _text("pairs", ""),  # on its way to PostgreSQL's index, empty when it is there; on SQLite search_entries.INDEXED
    sa.UniqueConstraint("viewer_id", "node_id", name="search_doc_once"),
    Index("search_doc_by_place_node_id", "viewer_id", "place", "node_id").ddl_if(dialect="postgresql"),
)
OWNED = tuple(t for t in metadata.sorted_tables if t not in SYSTEM)
