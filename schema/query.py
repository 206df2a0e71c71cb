"""Entry points for reading."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from resolvers import catalogue, conversations, lookup, nodes, people, server, viewers
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.lists import plain
from schema.references import ConversationRef, LookupRef, LookupResultRef, NodeRef, PersonRef, ProviderRef, ServerRef, ViewerRef
from schema.scalars import URL, EmailAddress, PhoneNumber
from schema.stream import StreamRuleCheck, rule_check
from schema.vocabulary import Capability


@input_type("A handle on a network.")
class HandleInput:
    provider: str = asked("Key of the provider, such as mastodon.")
    handle: str = asked("Handle as the network writes it, with its host where it has one.")


@input_type("Exactly one way to name a person.", one_of=True)
class PersonIdentifier:
    id: strawberry.ID | None = asked(
        "Id of a person, current or former, or of one of their contacts or identities.", default=UNSET
    )
    email: EmailAddress | None = asked("An e-mail address.", default=UNSET)
    phone: PhoneNumber | None = asked("A phone number.", default=UNSET)
    handle: HandleInput | None = asked("A handle on one network.", default=UNSET)
    url: URL | None = asked("A profile or home page.", default=UNSET)


def _identifier(by: PersonIdentifier) -> people.Identifier:
    handle = by.handle
    return people.Identifier(
        id=plain(by.id),
        email=plain(by.email),
        phone=plain(by.phone),
        handle=None if handle is UNSET or handle is None else (handle.provider, handle.handle),
        url=plain(by.url),
    )


async def _viewer(info: Info) -> viewers.Viewer:
    return await viewers.get(info.context.operation)


def _server(info: Info) -> server.Server:
    return server.get(info.context.operation.services)


async def _query_node(
    info: Info,
    id: Annotated[strawberry.ID, argument(description="Global id.")],
) -> Any:
    return await nodes.get(info.context.operation, id)


async def _query_nodes(
    info: Info,
    ids: Annotated[list[strawberry.ID], argument(description="Global ids.")],
) -> list[Any]:
    return await nodes.many(info.context.operation, ids)


async def _query_person(
    info: Info,
    by: Annotated[PersonIdentifier, argument(description="How to find or count them.")],
) -> people.Person | None:
    return (await people.find(info.context.operation, [_identifier(by)]))[0]


async def _query_conversation(
    info: Info,
    id: Annotated[strawberry.ID, argument(description="Global id.")],
) -> conversations.Conversation | None:
    return await conversations.get(info.context.operation, id)


async def _query_people(
    info: Info,
    by: Annotated[list[PersonIdentifier], argument(description="How to find or count them.")],
) -> list[people.Person | None]:
    return await people.find(info.context.operation, [_identifier(one) for one in by])


AskedThirdParties = Annotated[
    list[str] | None,
    argument(
        description="Directories that may learn what is looked up, such as gravatar and keybase; nobody is told anything who is not named."
    ),
]


async def _query_lookup(
    info: Info,
    resource: Annotated[str, argument(description="Address to look up.")],
    third_parties: AskedThirdParties = UNSET,
) -> lookup.Lookup | None:
    return await lookup.one(info.context.operation, resource, plain(third_parties))


async def _query_lookups(
    info: Info,
    resources: Annotated[list[str], argument(description="Addresses to look up.")],
    third_parties: AskedThirdParties = UNSET,
) -> list[lookup.Result]:
    return await lookup.many(info.context.operation, resources, plain(third_parties))


async def _query_providers(
    info: Info,
    capabilities: Annotated[list[Capability] | None, argument(description="All of these are needed.")] = UNSET,
) -> list[catalogue.Network]:
    return catalogue.having(info.context.operation.services, plain(capabilities) or ())


@object_type("Entry points for reading.")
class Query:
    viewer: ViewerRef = field(
        "The signed-in user and everything theirs; refused with 401 before execution when not signed in.", _viewer
    )
    node: NodeRef | None = field("Any node by id; old ids of merged nodes give the survivor.", _query_node)
    nodes: list[NodeRef | None] = field("Nodes in the order of ids, null where unknown; at most 100.", _query_nodes)
    person: PersonRef | None = field("One person by any identifier.", _query_person)
    conversation: ConversationRef | None = field(
        "One conversation; old ids of joined threads give the survivor.", _query_conversation
    )
    people: list[PersonRef | None] = field("Batch look-up in the order asked, null where unknown; at most 100.", _query_people)
    lookup: LookupRef | None = field(
        "What the open web says about an acct:, mailto:, tel:, https:, did: or at: resource.", _query_lookup
    )
    lookups: list[LookupResultRef] = field("Batch look-up with a state for each item; at most 1000.", _query_lookups)
    providers: list[ProviderRef] = field("Catalogue of networks, whole or with all of the given capabilities.", _query_providers)
    stream_rule: StreamRuleCheck | None = field("Parses a stream rule without saving it.", rule_check, semantic=True)
    server: ServerRef | None = field("This installation: version, features and limits.", _server, semantic=True)
