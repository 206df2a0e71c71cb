"""How much a person is heard, what they speak about, and whom they know."""

from __future__ import annotations

from typing import Annotated, Any

from strawberry import Parent

from resolvers import people
from resolvers.influence import answers
from resolvers.paging import Ask, Listing
from schema import loads
from schema.declare import UNSET, Info, argument, field, object_type
from schema.evidence import Evidence
from schema.lists import ITEMS, NODE, After, Connection, Edge, First, plain
from schema.references import ContactRef, EvidenceRef, PersonRef, SearchResultRef
from schema.scalars import DateTime
from schema.score import ScorePart
from schema.vocabulary import EvidenceStrength

Size = Annotated[int | None, argument(description="Size of the page, or of the list, from the front.")]


async def influence_of(parent: Parent[people.Person], info: Info) -> answers.Influence | None:
    """The influence of a person."""
    return await answers.of_person(info.context.operation, parent.id)


async def topics_of(parent: Parent[people.Person], info: Info, first: Size = 10) -> list[answers.Topic]:
    """The topics of a person; none before they were weighed."""
    found = await answers.of_person(info.context.operation, parent.id)
    return [] if found is None else list(found.topics[: Ask(first=first).size])


async def acquaintances_of(parent: Parent[people.Person], info: Info, first: First = 50, after: After = UNSET) -> Listing:
    """Whom a person knows."""
    return await answers.acquaintances(info.context.operation, parent.id, Ask(first=first, after=plain(after)))


def _topics(parent: Parent[answers.Influence], first: Size = 5) -> list[answers.Topic]:
    return list(parent.topics[: Ask(first=first).size])


async def _evidence(parent: Parent[answers.Topic], info: Info, first: Size = 5) -> list[Any]:
    return await answers.evidence(info.context.operation, parent, Ask(first=first).size)


@object_type("Something a person knows or speaks about.", of=answers.Topic)
class Topic:
    name: str = field("Topic.")
    score: int = field("0 to 100.")
    evidence: list[SearchResultRef] | None = field("Messages and posts it was read from.", _evidence, semantic=True)


@object_type("How much a person is heard in the viewer's graph.", of=answers.Influence)
class Influence:
    score: int = field("0 to 100.")
    parts: list[ScorePart] = field("What the score is made of.")
    percentile: float = field("Share of the viewer's people with a lower score, 0 to 100.")
    topics: list[Topic] | None = field("Where they are heard.", _topics, semantic=True)
    sentence: str = field("The score in words.")
    computed_at: DateTime = field("When it was computed.")


@object_type("What two people were seen doing with each other.", of=answers.Seen)
class AcquaintanceEvidence(Evidence):
    count: int = field("How often it was seen.")
    latest: SearchResultRef | None = field("Where it was seen last; null when that is gone.", loads.node)
    strength: EvidenceStrength = field("What it is worth.")
    weight: float = field("Share in the strength, 0 to 1.")
    sentence: str = field("The reason in words.")
    contacts: list[ContactRef] = field("The records it ties or parts; at most 10.", loads.all_contacts)
    observed_at: DateTime = field("When it was noticed.")


@object_type("An item of AcquaintanceConnection.", of=answers.Known)
class AcquaintanceEdge(Edge):
    node: PersonRef | None = field(NODE, loads.person, semantic=True)
    strength: float = field("0 to 1.")
    evidence: list[EvidenceRef] | None = field("How we know; at most 10.", semantic=True)


@object_type("People that a person knows.")
class AcquaintanceConnection(Connection):
    edges: list[AcquaintanceEdge] = field(ITEMS)
