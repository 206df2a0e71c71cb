"""People: a view over contacts, and the lists of them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated

import strawberry
from strawberry import Parent

from resolvers import (
    activities,
    contacts,
    conversation_filter,
    conversations,
    enrichment,
    evidence,
    identities,
    look_alikes,
    meetings,
    merges,
    messages,
    people,
    photos,
    suggestions,
    timeline,
)
from resolvers.loaders import load, loading
from resolvers.paging import Ask, Listing
from resolvers.relationship import reading
from schema.activity import ActivityFilter
from schema.annotation import Annotatable
from schema.circle import circles_of
from schema.conversation import ConversationFilter
from schema.declare import UNSET, Info, argument, asked, field, input_type, loaded, object_type
from schema.influence import acquaintances_of, influence_of, topics_of
from schema.interfaces import Versioned
from schema.lists import ITEMS, NODE, After, AskedFreshness, Edge, First, From, LiveList, To, given, plain
from schema.lists import freshness as fresh
from schema.references import (
    AcquaintanceConnectionRef,
    ActivityConnectionRef,
    CircleRef,
    ContactConnectionRef,
    ConversationConnectionRef,
    EnrichmentPreviewRef,
    EnrichmentRef,
    EvidenceRef,
    FieldConflictRef,
    IdentityRef,
    ImageRef,
    InfluenceRef,
    LookAlikeRef,
    MeetingConnectionRef,
    MergeConnectionRef,
    MergeSuggestionRef,
    MessageRef,
    RelationshipRef,
    SourcedAddressRef,
    SourcedDateRef,
    SourcedEmailRef,
    SourcedNameRef,
    SourcedOrganizationRef,
    SourcedPhoneRef,
    SourcedTextRef,
    SourcedUrlRef,
    TimelineConnectionRef,
    TopicRef,
)
from schema.scalars import DateTime
from schema.timeline import TimelineFilter
from schema.vocabulary import ContactRelation, EnrichmentSource, OrderDirection, PersonNature, PersonOrderField, Trend


async def _former_ids(parent: Parent[people.Person], info: Info) -> list[str]:
    return await load(info.context.operation, people.former_ids, parent.id) or []


async def _last_message(parent: Parent[people.Person], info: Info) -> messages.Message | None:
    return await people.last_message(info.context.operation, parent.id)


async def _relationship(parent: Parent[people.Person], info: Info) -> reading.Relationship:
    return await reading.of_person(info.context.operation, parent.id)


async def _photo(parent: Parent[people.Person], info: Info) -> photos.Image | None:
    return await photos.get(info.context.operation, parent.facts.photo_hash, parent.name)


async def _why(parent: Parent[people.Person], info: Info) -> list[evidence.Evidence]:
    return await load(info.context.operation, evidence.of_people, parent.id) or []


async def _look_alikes(parent: Parent[people.Person], info: Info) -> list[look_alikes.LookAlike]:
    return await look_alikes.of_person(info.context.operation, parent.id)


async def _impersonates(parent: Parent[people.Person], info: Info) -> look_alikes.LookAlike | None:
    return await look_alikes.impersonated(info.context.operation, parent.id)


async def _suggestions(parent: Parent[people.Person], info: Info) -> list[suggestions.MergeSuggestion]:
    return await suggestions.of_person(info.context.operation, parent.id)


async def _merges(parent: Parent[people.Person], info: Info, first: First = 50, after: After = UNSET) -> Listing:
    return await merges.of_person(info.context.operation, parent.id, Ask(first=first, after=plain(after)))


async def _person_contacts(
    parent: Parent[people.Person],
    info: Info,
    first: First = 50,
    after: After = UNSET,
) -> Listing:
    return await contacts.of_person(info.context.operation, parent.id, Ask(first=first, after=plain(after)))


async def _identities(parent: Parent[people.Person], info: Info) -> list[identities.Identity]:
    return await identities.of_person(info.context.operation, parent.id)


def _person_conversations(
    parent: Parent[people.Person],
    info: Info,
    first: First = 50,
    after: After = UNSET,
    filter: Annotated[ConversationFilter | None, argument(description="Which items.")] = UNSET,
    freshness: AskedFreshness = UNSET,
) -> Awaitable[Listing | None]:
    operation = info.context.operation
    wanted = given(filter, conversation_filter.ConversationFilter)
    return conversations.of_person(
        operation, parent.id, Ask(first=first, after=plain(after)), wanted, fresh(operation, freshness)
    )


async def _person_activities(
    parent: Parent[people.Person],
    info: Info,
    first: First = 50,
    after: After = UNSET,
    filter: Annotated[ActivityFilter | None, argument(description="Which items.")] = UNSET,
    freshness: AskedFreshness = UNSET,
) -> Listing:
    operation = info.context.operation
    wanted = given(filter, activities.ActivityFilter)
    return await activities.page(operation, Ask(first=first, after=plain(after)), wanted, fresh(operation, freshness), parent.id)


async def _person_meetings(
    parent: Parent[people.Person],
    info: Info,
    first: First = 50,
    after: After = UNSET,
    from_: From = UNSET,
    to: To = UNSET,
    freshness: AskedFreshness = UNSET,
) -> Listing:
    operation = info.context.operation
    ask = Ask(first=first, after=plain(after))
    return await meetings.page(operation, ask, plain(from_), plain(to), fresh(operation, freshness), parent.id)


async def _person_timeline(
    parent: Parent[people.Person],
    info: Info,
    first: First = 50,
    after: After = UNSET,
    filter: Annotated[TimelineFilter | None, argument(description="Which items.")] = UNSET,
    from_: From = UNSET,
    freshness: AskedFreshness = UNSET,
) -> Listing:
    operation = info.context.operation
    wanted = given(filter, timeline.TimelineFilter)
    return await timeline.page(
        operation, Ask(first=first, after=plain(after)), wanted, plain(from_), fresh(operation, freshness), parent.id
    )


async def _enrichment(
    parent: Parent[people.Person],
    info: Info,
    sources: Annotated[list[EnrichmentSource] | None, argument(description="Which sources; all consented by default.")] = UNSET,
) -> enrichment.Enrichment | None:
    wanted = None if sources is UNSET or sources is None else [each.value for each in sources]
    return await enrichment.of_person(info.context.operation, parent, wanted)


async def _enrichment_preview(parent: Parent[people.Person], info: Info) -> list[enrichment.Preview]:
    return await enrichment.preview(info.context.operation, parent)


@object_type(
    "A human being or organisation: a view over contacts and identities, into which nothing is copied.", of=people.Person
)
class Person(Versioned, Annotatable):
    id: strawberry.ID = field("Survives merge and unmerge.")
    version: int | None = field("Grows with each change of the facts; scores that only age do not count.")
    former_ids: list[strawberry.ID] = field("Ids that now lead here; at most 100, latest first.", _former_ids)
    nature: PersonNature = field("Human, organisation or machine.")
    name: str = field("Best name, ready to show; an address stands in where no name is known.")
    sort_name: str = field("Key of alphabetical lists: folded, to be compared as plain text, ties by id.")
    initials: str = field("One or two letters, for a placeholder.")
    photo: ImageRef | None = field("Best photo; null when there is none.", _photo)
    names: list[SourcedNameRef] = field("Every name with its sources, best first; at most 50.")
    emails: list[SourcedEmailRef] = field("Every e-mail address, best first.")
    phones: list[SourcedPhoneRef] = field("Every phone number, best first.")
    urls: list[SourcedUrlRef] = field("Every web address, best first.")
    organizations: list[SourcedOrganizationRef] = field("Every employer or membership, current first.")
    addresses: list[SourcedAddressRef] = field("Every postal address, best first.")
    birthday: SourcedDateRef | None = field("Best birthday.")
    bio: SourcedTextRef | None = field("Best self-description.")
    identities: list[IdentityRef] = field("Handles and profiles on every network; at most 100.", _identities)
    contacts: ContactConnectionRef | None = field("The records this person is made of.", _person_contacts, semantic=True)
    conversations: ConversationConnectionRef | None = field(
        "Conversations they take part in, latest first.", _person_conversations, semantic=True
    )
    timeline: TimelineConnectionRef | None = field(
        "Messages, meetings, posts, profile changes, merges and notes in one order, latest first, starting at from or now.",
        _person_timeline,
        semantic=True,
    )
    activities: ActivityConnectionRef | None = field(
        "Their posts, reactions and events, latest first.", _person_activities, semantic=True
    )
    meetings: MeetingConnectionRef | None = field("Meetings with them.", _person_meetings, semantic=True)
    last_message: MessageRef | None = field(
        "Latest direct message either way; newsletters and lists do not count.", _last_message
    )
    unread_count: int | None = field(
        "Unread messages from them; null where unknown.", loaded(loading(people.unread_counts), "id")
    )
    relationship: RelationshipRef | None = field("How close the viewer and they are, and why.", _relationship, semantic=True)
    topics: list[TopicRef] | None = field("What they know about, strongest first.", topics_of, semantic=True)
    influence: InfluenceRef | None = field(
        "How much they are heard in the viewer's graph, and why; null until they were first weighed, minutes after they came.",
        influence_of,
    )
    acquaintances: AcquaintanceConnectionRef | None = field(
        "Who else of the viewer's people they know.", acquaintances_of, semantic=True
    )
    conflicts: list[FieldConflictRef] = field("Fields where sources disagree.")
    circles: list[CircleRef] | None = field("Communities they belong to; at most 20.", circles_of, semantic=True)
    merges: MergeConnectionRef | None = field(
        "Every decision that made or unmade this person, latest first.", _merges, semantic=True
    )
    why: list[EvidenceRef] | None = field("What makes these contacts one person; at most 100.", _why, semantic=True)
    suggestions: list[MergeSuggestionRef] | None = field(
        "Open suggestions that involve them; at most 20.", _suggestions, semantic=True
    )
    look_alikes: list[LookAlikeRef] | None = field(
        "People with the same name or a look-alike handle, never joined; at most 20.", _look_alikes, semantic=True
    )
    impersonates: LookAlikeRef | None = field("Whom they seem to pose as; null for nearly everybody.", _impersonates)
    enrichment: EnrichmentRef | None = field("Facts from consented outside sources; null without consent.", _enrichment)
    enrichment_preview: list[EnrichmentPreviewRef] | None = field(
        "What each outside source would be sent about them, and its price; asks nobody.", _enrichment_preview, semantic=True
    )


@object_type("People.")
class PersonConnection(LiveList):
    edges: list[PersonEdge] = field(ITEMS)


@object_type("An item of PersonConnection.")
class PersonEdge(Edge):
    node: Person | None = field(NODE, semantic=True)


@input_type("Which people.")
class PersonFilter:
    text: str | None = asked("Words of name, address, handle, organisation or topic.", default=UNSET)
    tags: list[str] | None = asked("With any of these tags.", default=UNSET)
    circle_id: strawberry.ID | None = asked("Members of a circle.", default=UNSET)
    account_ids: list[strawberry.ID] | None = asked("Known through any of these accounts.", default=UNSET)
    providers: list[str] | None = asked("Known through any of these providers, by key.", default=UNSET)
    relations: list[ContactRelation] | None = asked("With a contact of any of these relations.", default=UNSET)
    natures: list[PersonNature] | None = asked(
        "What they are.", default_factory=lambda: [PersonNature.INDIVIDUAL, PersonNature.ORGANIZATION]
    )
    min_relationship: int | None = asked("Relationship score at least.", default=UNSET)
    trends: list[Trend] | None = asked("Relationship trend.", default=UNSET)
    has_unread: bool | None = asked("With or without unread messages.", default=UNSET)
    contacted_after: DateTime | None = asked("Last exchange after.", default=UNSET)
    contacted_before: DateTime | None = asked("Last exchange before.", default=UNSET)


@input_type("Order of people.")
class PersonOrder:
    by: PersonOrderField = asked("What counts.", default=PersonOrderField.NAME)
    direction: OrderDirection = asked("Direction.", default=OrderDirection.ASC)
