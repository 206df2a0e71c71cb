"""What the open web says about addresses: a graph of addresses and of what they say of each other."""

from __future__ import annotations

from strawberry import Parent

from providers.lookup.graph import Link
from resolvers import identities, lookup, people
from schema.declare import Info, field, object_type
from schema.references import IdentityRef, PersonRef
from schema.scalars import URL, DateTime
from schema.vocabulary import AddressKind, ClaimState, LookupRelation, LookupState, SourceState


async def _person(parent: Parent[lookup.Node], info: Info) -> people.Person | None:
    return await lookup.person(info.context.operation, parent)


async def _identity(parent: Parent[lookup.Node], info: Info) -> identities.Identity | None:
    return await lookup.identity(info.context.operation, parent)


def _evidence(parent: Parent[Link]) -> str | None:
    return lookup.shown_url(parent)


@object_type("A resource on the open web.", of=lookup.Node)
class LookupNode:
    uri: str = field("Canonical address.")
    kind: AddressKind = field("What it is.")
    name: str | None = field("Name shown there.")
    bio: str | None = field("Self-description.")
    identity: IdentityRef | None = field("The same in the viewer's data.", _identity)
    person: PersonRef | None = field("The person it belongs to in the viewer's data.", _person)


@object_type("A statement of one resource about another.", of=Link)
class LookupLink:
    from_: str = field("uri of the node that says so.", name="from")
    to: str = field("uri of the node it speaks of.")
    relation: LookupRelation = field("What it says.")
    claim: ClaimState = field("Whether it is returned or vouched for.")
    protocols: list[str] = field("How it was said, such as rel-me or webfinger.")
    evidence_url: URL | None = field("Where it was read.", _evidence)
    read_at: DateTime = field("When it was read.", name="asOf")
    verifier: str | None = field("The host that vouches for it, or says that it has seen it returned.")
    verified_at: DateTime | None = field("When, by the word of that host.")


@object_type("How one place answered.", of=lookup.Source)
class LookupSource:
    url: URL = field("What was asked.")
    protocol: str = field("How, such as webfinger.")
    state: SourceState = field("Outcome.")
    message: str | None = field("What went wrong.")


@object_type("What the open web says about a resource.", of=lookup.Lookup)
class Lookup:
    resource: str = field("The resource, normalised.")
    subject: LookupNode = field("The resource itself.")
    nodes: list[LookupNode] = field("Everything found; at most 200.")
    links: list[LookupLink] = field("How it hangs together; at most 500.")
    sources: list[LookupSource] = field("How each place answered; at most 100.")


@object_type("One item of a batch look-up.", of=lookup.Result)
class LookupResult:
    resource: str = field("As asked.")
    state: LookupState = field("Outcome.")
    lookup: Lookup | None = field("What was found.")
    message: str | None = field("What went wrong.")
