"""Handles and profiles of people, with how sure it is that they are theirs."""

from __future__ import annotations

import strawberry
from strawberry import Parent

from resolvers import catalogue, identities
from schema import loads
from schema.declare import Info, field, object_type
from schema.interfaces import Versioned
from schema.references import EvidenceRef, PersonRef, ProviderRef
from schema.scalars import URL
from schema.vocabulary import ClaimState


def _provider(parent: Parent[identities.Identity], info: Info) -> catalogue.Network:
    return catalogue.get(info.context.operation.services, parent.provider)


@object_type("A handle or profile on one network.", of=identities.Identity)
class Identity(Versioned):
    id: strawberry.ID = field("Opaque global id.")
    version: int | None = field("Grows with each change.")
    provider: ProviderRef = field("The network; web for a site of their own.", _provider)
    handle: str | None = field("Handle as the network writes it.")
    name: str = field("Name shown there; the handle or address where there is none.")
    url: URL | None = field("Profile address.")
    claim: ClaimState = field("How sure it is that it is theirs.")
    person: PersonRef | None = field("The person it belongs to; null when nobody's.", loads.person)
    evidence: list[EvidenceRef] = field("What the claim rests on; at most 20.")
