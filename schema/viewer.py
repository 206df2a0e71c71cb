"""The signed-in user: the way to everything that is theirs."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry import Parent

from resolvers import (
    accounts,
    activities,
    changes,
    contacts,
    conversation_filter,
    conversations,
    disclosures,
    enrichment_consents,
    enrichment_runs,
    imports,
    keys,
    meetings,
    notes,
    people,
    public_profiles,
    search,
    suggestions,
    tags,
    timeline,
    viewers,
    webhooks,
)
from resolvers.circles import answers as circles
from resolvers.paging import Ask, Listing
from resolvers.relationship import agenda
from resolvers.streams import reading
from schema import loads
from schema.activity import ActivityFilter
from schema.change import ChangeFilter
from schema.contact import ContactFilter
from schema.conversation import ConversationFilter
from schema.declare import UNSET, Info, argument, field, object_type
from schema.interfaces import Node
from schema.lists import After, AskedFreshness, First, From, To, given, plain
from schema.lists import freshness as fresh
from schema.person import PersonFilter, PersonOrder
from schema.references import (
    AccountConnectionRef,
    AccountRef,
    ActivityConnectionRef,
    AgendaRef,
    ApiKeyRef,
    ChangeConnectionRef,
    CircleRef,
    ContactConnectionRef,
    ConversationConnectionRef,
    DisclosureConnectionRef,
    EnrichmentConsentRef,
    EnrichmentMoneyRef,
    EnrichmentRunConnectionRef,
    FeedStateRef,
    ImportConnectionRef,
    MeetingConnectionRef,
    MergeSuggestionConnectionRef,
    OwnAddressRef,
    PersonConnectionRef,
    PublicProfileRef,
    ReminderConnectionRef,
    SearchConnectionRef,
    StreamRef,
    SuggestionRef,
    TagRef,
    TimelineConnectionRef,
    WebhookRef,
)
from schema.scalars import Cursor, Date, DateTime, LanguageTag, TimeZone
from schema.timeline import TimelineFilter
from schema.vocabulary import AccountStatus, OrderDirection, SearchOrder, SearchScope, SuggestionDecision


async def _feed(parent: Parent[viewers.Viewer], info: Info) -> changes.FeedState:
    operation = info.context.operation
    head, oldest = viewers.feed_of(operation, parent)
    return changes.FeedState(head=changes.cursor(operation, changes.at_head(head)), oldest=oldest or operation.now())


async def _unread(parent: Parent[viewers.Viewer], info: Info) -> viewers.UnreadCounts:
    return await info.context.operation.read(viewers.unread)


async def _streams(parent: Parent[viewers.Viewer], info: Info) -> list[reading.Shown]:
    return await reading.of_viewer(info.context.operation)


async def _viewer_tags(parent: Parent[viewers.Viewer], info: Info) -> list[tags.Tag]:
    return await tags.of_viewer(info.context.operation)


async def _own_addresses(parent: Parent[viewers.Viewer], info: Info) -> list[accounts.OwnAddress]:
    return await accounts.own_of_viewer(info.context.operation)


async def _api_keys(parent: Parent[viewers.Viewer], info: Info) -> list[keys.ApiKey]:
    return await keys.of_viewer(info.context.operation)


async def _webhooks(parent: Parent[viewers.Viewer], info: Info) -> list[webhooks.Shown]:
    return await webhooks.of_viewer(info.context.operation)


async def _viewer_accounts(
    parent: Parent[viewers.Viewer],
    info: Info,
    first: First = 50,
    after: After = UNSET,
    status: Annotated[AccountStatus | None, argument(description="Only accounts in this state.")] = UNSET,
) -> Listing:
    return await accounts.page(info.context.operation, Ask(first=first, after=plain(after)), plain(status))


async def _viewer_people(
    parent: Parent[viewers.Viewer],
    info: Info,
    first: First = 50,
    after: After = UNSET,
    filter: Annotated[PersonFilter | None, argument(description="Which items.")] = UNSET,
    order_by: Annotated[PersonOrder | None, argument(description="Order of the items.")] = UNSET,
    freshness: AskedFreshness = UNSET,
) -> Listing:
    operation = info.context.operation
    order = order_by or None
    by, descending = ("NAME", False) if order is None else (order.by.value, order.direction is OrderDirection.DESC)
    wanted = given(filter, people.PersonFilter)
    return await people.page(operation, Ask(first=first, after=plain(after)), wanted, fresh(operation, freshness), by, descending)


async def _viewer_contacts(
    parent: Parent[viewers.Viewer],
    info: Info,
    first: First = 50,
    after: After = UNSET,
    filter: Annotated[ContactFilter | None, argument(description="Which items.")] = UNSET,
    freshness: AskedFreshness = UNSET,
) -> Listing:
    operation = info.context.operation
    return await contacts.page(
        operation, Ask(first=first, after=plain(after)), given(filter, contacts.ContactFilter), fresh(operation, freshness)
    )


async def _viewer_conversations(
    parent: Parent[viewers.Viewer],
    info: Info,
    first: First = 50,
    after: After = UNSET,
    filter: Annotated[ConversationFilter | None, argument(description="Which items.")] = UNSET,
    freshness: AskedFreshness = UNSET,
) -> Listing:
    operation = info.context.operation
    wanted = given(filter, conversation_filter.ConversationFilter)
    return await conversations.page(operation, Ask(first=first, after=plain(after)), wanted, fresh(operation, freshness))


async def _viewer_activities(
    parent: Parent[viewers.Viewer],
    info: Info,
    first: First = 50,
    after: After = UNSET,
    filter: Annotated[ActivityFilter | None, argument(description="Which items.")] = UNSET,
    freshness: AskedFreshness = UNSET,
) -> Listing:
    operation = info.context.operation
    wanted = given(filter, activities.ActivityFilter)
    return await activities.page(operation, Ask(first=first, after=plain(after)), wanted, fresh(operation, freshness))


async def _viewer_meetings(
    parent: Parent[viewers.Viewer],
    info: Info,
    first: First = 50,
    after: After = UNSET,
    from_: From = UNSET,
    to: To = UNSET,
    freshness: AskedFreshness = UNSET,
) -> Listing:
    operation = info.context.operation
    ask = Ask(first=first, after=plain(after))
    return await meetings.page(operation, ask, plain(from_), plain(to), fresh(operation, freshness))


async def _viewer_timeline(
    parent: Parent[viewers.Viewer],
    info: Info,
    first: First = 50,
    after: After = UNSET,
    filter: Annotated[TimelineFilter | None, argument(description="Which items.")] = UNSET,
    from_: From = UNSET,
    freshness: AskedFreshness = UNSET,
) -> Listing:
    operation = info.context.operation
    wanted = given(filter, timeline.TimelineFilter)
    return await timeline.page(operation, Ask(first=first, after=plain(after)), wanted, plain(from_), fresh(operation, freshness))


async def _viewer_search(
    parent: Parent[viewers.Viewer],
    info: Info,
    query: Annotated[
        str, argument(description="Words and operators such as from: to: with: in: before: after: has: is: subject: label:.")
    ],
    scopes: Annotated[list[SearchScope] | None, argument(description="Where to search; everywhere by default.")] = UNSET,
    first: First = 50,
    after: After = UNSET,
    order_by: Annotated[SearchOrder | None, argument(description="Order of the items.")] = SearchOrder.RELEVANCE,
    freshness: AskedFreshness = UNSET,
) -> Listing:
    operation = info.context.operation
    by = SearchOrder.RELEVANCE if order_by is None else order_by
    return await search.page(
        operation, query, plain(scopes), Ask(first=first, after=plain(after)), by.value, fresh(operation, freshness)
    )


async def _viewer_suggest(
    parent: Parent[viewers.Viewer],
    info: Info,
    text: Annotated[str, argument(description="What has been typed.")],
    scopes: Annotated[list[SearchScope] | None, argument(description="Where to search; everywhere by default.")] = UNSET,
    first: First = 8,
) -> list[search.Suggestion]:
    return await search.suggest(info.context.operation, text, plain(scopes), 8 if first is None else first)


async def _viewer_changes(
    parent: Parent[viewers.Viewer],
    info: Info,
    since: Annotated[
        Cursor | None, argument(description="Cursor of the last change applied; after means the same and the later counts.")
    ] = UNSET,
    first: First = 200,
    after: After = UNSET,
    filter: Annotated[ChangeFilter | None, argument(description="Which items.")] = UNSET,
    coalesce: Annotated[bool | None, argument(description="Leave out changes of a node that has a later one.")] = True,
) -> changes.ChangeListing:
    size = Ask(first=first).size
    wanted = given(filter, changes.ChangeFilter)
    return await changes.page(info.context.operation, plain(since), plain(after), size, wanted, coalesce=coalesce is not False)


async def _viewer_imports(
    parent: Parent[viewers.Viewer],
    info: Info,
    first: First = 50,
    after: After = UNSET,
) -> Listing:
    return await imports.page(info.context.operation, Ask(first=first, after=plain(after)))


async def _merge_suggestions(
    info: Info,
    first: First = 50,
    after: After = UNSET,
    decision: Annotated[
        SuggestionDecision | None, argument(description="Only suggestions decided so.")
    ] = SuggestionDecision.OPEN,
) -> Listing:
    wanted = decision or SuggestionDecision.OPEN
    return await suggestions.page(info.context.operation, Ask(first=first, after=plain(after)), wanted.value)


async def _viewer_reminders(
    parent: Parent[viewers.Viewer],
    info: Info,
    first: First = 50,
    after: After = UNSET,
    due_before: Annotated[DateTime | None, argument(description="Only what is due before.")] = UNSET,
    done: Annotated[bool | None, argument(description="Done or not.")] = False,
) -> Listing:
    return await notes.reminders(info.context.operation, Ask(first=first, after=plain(after)), plain(due_before), bool(done))


async def _viewer_agenda(
    parent: Parent[viewers.Viewer],
    info: Info,
    on: Annotated[Date | None, argument(description="The day.")] = UNSET,
) -> agenda.Agenda:
    return await agenda.agenda(info.context.operation, plain(on))


async def _viewer_circles(parent: Parent[viewers.Viewer], info: Info) -> list[Any]:
    return await circles.of_viewer(info.context.operation)


async def _enrichment_consents(parent: Parent[viewers.Viewer], info: Info) -> list[enrichment_consents.Shown]:
    return await enrichment_consents.of_viewer(info.context.operation)


async def _enrichment_money(parent: Parent[viewers.Viewer], info: Info) -> enrichment_consents.Money:
    return await enrichment_consents.money(info.context.operation)


async def _public_profile(parent: Parent[viewers.Viewer], info: Info) -> public_profiles.Shown:
    return await public_profiles.of_viewer(info.context.operation)


async def _viewer_enrichment_runs(
    parent: Parent[viewers.Viewer],
    info: Info,
    first: First = 50,
    after: After = UNSET,
) -> Listing:
    return await enrichment_runs.page(info.context.operation, Ask(first=first, after=plain(after)))


async def _viewer_disclosures(
    parent: Parent[viewers.Viewer],
    info: Info,
    first: First = 50,
    after: After = UNSET,
) -> Listing:
    return await disclosures.page(info.context.operation, Ask(first=first, after=plain(after)))


@object_type("The signed-in user.", of=viewers.Viewer)
class Viewer(Node):
    id: strawberry.ID = field("Opaque global id.")
    name: str = field("Name to show; an own address where none is known.")
    locale: LanguageTag = field("Language for sentences.")
    time_zone: TimeZone = field("Time zone that decides what today is.")
    region: str | None = field("ISO 3166 region for reading phone numbers.")
    feed: FeedStateRef = field("The change feed as this operation sees it.", _feed)
    unread: UnreadCounts | None = field("Unread numbers for badges.", _unread, semantic=True)
    accounts: AccountConnectionRef | None = field("Linked and imported accounts.", _viewer_accounts, semantic=True)
    people: PersonConnectionRef | None = field("The viewer's people.", _viewer_people, semantic=True)
    contacts: ContactConnectionRef | None = field("Single records of all accounts.", _viewer_contacts, semantic=True)
    conversations: ConversationConnectionRef | None = field(
        "Conversations of all accounts, latest first.", _viewer_conversations, semantic=True
    )
    activities: ActivityConnectionRef | None = field(
        "Posts, reactions and events of all networks, latest first.", _viewer_activities, semantic=True
    )
    meetings: MeetingConnectionRef | None = field(
        "Meetings by start; recurrences are expanded between from and to, by default 30 days.", _viewer_meetings, semantic=True
    )
    timeline: TimelineConnectionRef | None = field(
        "Everything in one order, latest first, starting at from or now.", _viewer_timeline, semantic=True
    )
    search: SearchConnectionRef | None = field("Full search with operators.", _viewer_search, semantic=True)
    suggest: list[SuggestionRef] | None = field(
        "Completions while typing, from stored data only; at most 20.", _viewer_suggest, semantic=True
    )
    streams: list[StreamRef] | None = field("Saved rules over activities; at most 1000.", _streams, semantic=True)
    merge_suggestions: MergeSuggestionConnectionRef | None = field(
        "Pairs and groups that may be one person, most likely first.", _merge_suggestions, semantic=True
    )
    reminders: ReminderConnectionRef | None = field("Reminders by due date.", _viewer_reminders, semantic=True)
    agenda: AgendaRef | None = field("Who to get back to on a day, by default today in timeZone, and why.", _viewer_agenda)
    circles: list[CircleRef] | None = field(
        "Communities found among the viewer's people; at most 200.", _viewer_circles, semantic=True
    )
    tags: list[TagRef] | None = field("Tags in use; at most 1000.", _viewer_tags, semantic=True)
    own_addresses: list[OwnAddressRef] | None = field(
        "Addresses and handles that are the viewer's own, per account; they decide direction.", _own_addresses, semantic=True
    )
    changes: ChangeConnectionRef | None = field(
        "The change feed after since; without since one upsert for each live node, which fills an empty store.",
        _viewer_changes,
        semantic=True,
    )
    imports: ImportConnectionRef | None = field("Imported archives, latest first.", _viewer_imports, semantic=True)
    enrichment_consents: list[EnrichmentConsentRef] | None = field(
        "What the viewer allows to be asked where.", _enrichment_consents, semantic=True
    )
    enrichment_money: EnrichmentMoneyRef | None = field(
        "What paid sources may cost this month, and have cost.", _enrichment_money, semantic=True
    )
    enrichment_runs: EnrichmentRunConnectionRef | None = field(
        "People put to outside sources in the background, latest first.", _viewer_enrichment_runs, semantic=True
    )
    disclosures: DisclosureConnectionRef | None = field(
        "What was sent to enrichment sources, latest first.", _viewer_disclosures, semantic=True
    )
    public_profile: PublicProfileRef | None = field(
        "What the viewer shows of themselves to everybody; nothing until they publish it.", _public_profile, semantic=True
    )
    webhooks: list[WebhookRef] | None = field("Webhooks; at most 50.", _webhooks, semantic=True)
    api_keys: list[ApiKeyRef] | None = field("API keys, revoked ones for 90 days; at most 200.", _api_keys, semantic=True)


@object_type("Numbers for badges.")
class UnreadCounts:
    conversations: int = field("Conversations with something unread.")
    messages: int = field("Unread messages, counted once however many accounts hold them.")
    by_account: list[AccountUnread] = field("The same per account.")


@object_type("Unread numbers of one account.")
class AccountUnread:
    account: AccountRef = field("The account.", loads.account)
    conversations: int | None = field("Conversations with something unread; null where the network keeps no read state.")
    messages: int | None = field("Unread messages; null where the network keeps no read state.")
