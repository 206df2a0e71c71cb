"""Activities in the shapes of ActivityStreams 2.0: who did what to which object."""

from __future__ import annotations

from collections.abc import Sequence

import strawberry
from strawberry import Parent

from resolvers import activities, people, photos
from resolvers.loaders import load, loading
from resolvers.paging import Ask
from resolvers.streams import reading
from schema import loads
from schema.declare import UNSET, Info, asked, field, input_type, loaded, object_type
from schema.interfaces import Versioned
from schema.lists import ITEMS, NODE, Edge, First, LiveList
from schema.references import AccountRef, ImageRef, PersonRef, StreamRef
from schema.scalars import JSON, URL, DateTime, LanguageTag
from schema.timeline import TimelineItem
from schema.vocabulary import ActivityObjectKind, ActivityVerb, ActorKind, Visibility


async def _actor_photo(parent: Parent[activities.Actor], info: Info) -> photos.Image | None:
    return await activities.photo(info.context.operation, parent)


async def _actor_person(parent: Parent[activities.Actor], info: Info) -> people.Person | None:
    return await activities.person(info.context.operation, parent)


@object_type("Who did something.")
class ActivityActor:
    uri: str = field("Address of the actor.")
    kind: ActorKind = field("Type in ActivityStreams.")
    name: str = field("Name shown.")
    handle: str | None = field("Handle.")
    photo: ImageRef | None = field("Picture.", _actor_photo)
    person: PersonRef | None = field("Who it is in the viewer's data.", _actor_person)


@object_type("A picture, sound or film of a post.")
class ActivityMedia:
    media_type: str = field("Media type.")
    url: URL = field("Where it is.")
    alt: str | None = field("Text instead.")


async def _html(parent: Parent[activities.ActivityObject]) -> str | None:
    return await activities.html(parent)


def _media(parent: Parent[activities.ActivityObject], first: First = 10) -> Sequence[activities.Media]:
    return parent.media[: Ask(first=first).size]


@object_type("What an activity is about.")
class ActivityObject:
    uri: str | None = field("Address of the object.")
    kind: ActivityObjectKind = field("Type in ActivityStreams.")
    name: str | None = field("Title, plain text.")
    summary: str | None = field("Content warning or summary, plain text.")
    text: str | None = field("Content, plain text.")
    html: str | None = field("Content, sanitised HTML.", _html)
    language: LanguageTag | None = field("Language of the content.")
    url: URL | None = field("Where to open it.")
    attributed_to: ActivityActor | None = field("Who made it.")
    in_reply_to: str | None = field("uri of what it answers.")
    media: list[ActivityMedia] = field("Pictures, sounds and films.", _media)
    hashtags: list[str] = field("Hashtags without #; at most 50.")
    published_at: DateTime | None = field("When it was published.")
    starts_at: DateTime | None = field("Start, for events.")
    ends_at: DateTime | None = field("End, for events.")
    location: str | None = field("Place.")
    like_count: int | None = field("Likes at last sight.")
    repost_count: int | None = field("Reposts at last sight.")
    reply_count: int | None = field("Answers at last sight.")


def _mentions(parent: Parent[activities.Activity], first: First = 20) -> Sequence[activities.Actor]:
    return parent.mentioned[: Ask(first=first).size]


async def _copies(parent: Parent[activities.Activity], info: Info, first: First = 10) -> Sequence[activities.Activity]:
    return await load(info.context.operation, activities.copies, parent.id, Ask(first=first).size) or ()


async def _streams(parent: Parent[activities.Activity], info: Info) -> Sequence[reading.Shown]:
    return await load(info.context.operation, reading.of_activities, parent.id) or ()


@object_type("Something somebody did on a network, as in ActivityStreams 2.0.", of=activities.Activity)
class Activity(Versioned, TimelineItem):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    account: AccountRef = field("The account it was seen through.", loads.account)
    actor: ActivityActor = field("Who.")
    verb: ActivityVerb = field("What they did; the type of the activity.")
    object: ActivityObject | None = field("To what.")
    target: ActivityObject | None = field("Where to.")
    summary: str = field("The activity in words.")
    occurred_at: DateTime = field("When; the time of receipt where the network does not tell.")
    edited_at: DateTime | None = field("Last change.")
    visibility: Visibility = field("Who may see it.")
    mentions: list[ActivityActor] = field("People named.", _mentions)
    copies: list[Activity] | None = field("The same posted elsewhere.", _copies, semantic=True)
    streams: list[StreamRef] | None = field("Streams whose rule it meets; at most 100.", _streams, semantic=True)
    original: JSON | None = field("The network's own record, lossless.", loaded(loading(activities.originals), "id"))
    url: URL | None = field("Where to open it at the network.")


@input_type("Which activities.")
class ActivityFilter:
    account_ids: list[strawberry.ID] | None = asked("Seen through any of these accounts.", default=UNSET)
    providers: list[str] | None = asked("From any of these providers, by key.", default=UNSET)
    person_ids: list[strawberry.ID] | None = asked("By any of these people.", default=UNSET)
    verbs: list[ActivityVerb] | None = asked("With any of these verbs.", default=UNSET)
    object_kinds: list[ActivityObjectKind] | None = asked("About any of these kinds.", default=UNSET)
    stream_id: strawberry.ID | None = asked("That meet the rule of this stream.", default=UNSET)
    after: DateTime | None = asked("After.", default=UNSET)
    before: DateTime | None = asked("Before.", default=UNSET)


@object_type("Activities.")
class ActivityConnection(LiveList):
    edges: list[ActivityEdge] = field(ITEMS)


@object_type("An item of ActivityConnection.")
class ActivityEdge(Edge):
    node: Activity | None = field(NODE, semantic=True)
