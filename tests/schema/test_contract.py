"""The schema is a part of what front-ends were promised, word for word, and their operations run on it."""

from __future__ import annotations

from pathlib import Path

from graphql import GraphQLNamedType, is_abstract_type, is_object_type

from schema import build_schema
from schema.sdl import printed
from tests.schema.sdl import parts

CONTRACT = Path(__file__).parents[1] / "contracts" / "kith"
# what different things answer each in their own way; clients select in fragments there
#: The issue on streams asks for a dry run, for how far a replay has come, for a position to go on from after a line was cut, and for rules that
#: name circles, which come and go.
STREAMS = {
    ("ChangeFilter", "streamId"),
    ("Stream", "namedCircles"),
    ("Stream", "matchedTo"),
    ("Stream", "replay"),
    ("StreamCircle",),
    ("StreamCircle", "written"),
    ("StreamCircle", "circleId"),
    ("StreamCircle", "circle"),
    ("StreamCircle", "problem"),
    ("StreamReplay",),
    ("StreamReplay", "done"),
    ("StreamReplay", "total"),
    ("StreamReplay", "finishedAt"),
    ("StreamRuleCheck", "matches"),
    ("StreamRuleCheck", "matches", "first"),
    ("StreamRuleCheck", "matches", "after"),
    ("StreamRuleCheck", "matches", "from"),
    ("StreamPreview",),
    ("StreamPreview", "edges"),
    ("StreamPreview", "pageInfo"),
    ("StreamPreview", "totalCount"),
    ("StreamPreview", "lookedAt"),
    ("StreamPreview", "reached"),
    ("StreamPreviewEdge",),
    ("StreamPreviewEdge", "cursor"),
    ("StreamPreviewEdge", "node"),
    ("StreamPreviewEdge", "highlights"),
}
#: What the contract lacks and the issue on mail asks for: a send that nobody can vouch for is neither done nor refused, and the
#: client must be able to say so. Clients handle unknown members of an enum (contract/NOTES.md, "Evolution").
#: And a look-up has to be told which third parties may learn of it, where consent is not kept.
BEYOND = {
    ("WriteState", "UNCONFIRMED"),
    ("DeliveryState", "UNCONFIRMED"),
    ("Query", "lookup", "thirdParties"),
    ("Query", "lookups", "thirdParties"),
    *STREAMS,
}
#: And consent is only one when it is shown before who would be sent what at which price, and after what it has cost; many people are
#: asked about in the background, where a question may end without anybody knowing; a contact is filled from what others know.
BEYOND |= {
    *(("EnrichmentConsent", name) for name in ("recipient", "sends", "price", "available", "how", "pausedUntil", "pausedBecause")),
    *(("EnrichmentStatus", name) for name in ("outcome", "message", "retryAt")),
    *(("EnrichedFact", name) for name in ("label", "price")),
    *(
        ("Disclosure", name)
        for name in (
            "recipient", "request", "body", "purpose", "consentedAt", "outcome", "httpStatus", "price", "answeredAt",
        )
    ),
    ("SetEnrichmentConsentInput", "monthlyBudget"),
    ("SetEnrichmentConsentPayload", "erasedCount"),
    ("Person", "enrichmentPreview"),
    ("Contact", "completions"),
    *(("Viewer", name) for name in ("enrichmentMoney", "enrichmentRuns")),
    *(("Viewer", "enrichmentRuns", name) for name in ("first", "after")),
    ("Mutation", "enrichPeople"),
    ("Mutation", "enrichPeople", "input"),
}  # fmt: skip
#: And the issue on the open web asks for WebFinger and an h-card of the installation's own users, which they have to allow.
BEYOND |= {("Viewer", "publicProfile"), ("Mutation", "updatePublicProfile"), ("Mutation", "updatePublicProfile", "input")}
#: Who has seen a link returned, and when, is what "verified by whom and when" of that issue asks of evidence.
BEYOND |= {(kind, name) for kind in ("LookupLink", "ProfileLinkEvidence") for name in ("verifier", "verifiedAt")}
#: And how long that holds, since each claim is cached with a lifetime of its own.
BEYOND |= {("ProfileLinkEvidence", name) for name in ("validUntil", "checkedAt", "failingSince", "lapsedAt")}
BEYOND |= {("EnrichmentSource", "RECHECKS")}
#: And the issue on people wants each number of a relationship traced to messages, and the response times that were counted.
BEYOND |= {
    *(("Relationship", name) for name in ("inboundCount", "outboundCount", "theirResponseTime", "ownResponseTime", "answers")),
    ("Relationship", "answers", "first"),
    ("ScorePart", "messages"),
    ("ScorePart", "messages", "first"),
}
#: And whoever has just come has not been weighed: that is null, not a score that nobody reckoned. How two people know each other is
#: evidence of another kind than what makes two records one.
BEYOND |= {("Person", "influence")}
#: And of two who look alike it has to be said which one seems to pose as the other, and of a person whether they do.
BEYOND |= {("Person", "impersonates"), ("LookAlike", "impostor")}
#: Types of these alone.
TYPES_BEYOND = {
    "AcquaintanceEvidence", "LikenessEvidence", "Answered",
    "Completion", "EnrichPeopleInput", "EnrichPeoplePayload", "DisclosureOutcome", "DisclosurePurpose", "EnrichmentItem",
    "EnrichmentItemConnection", "EnrichmentItemEdge", "EnrichmentMoney", "EnrichmentOutcome", "EnrichmentPreview", "EnrichmentRun",
    "EnrichmentRunConnection", "EnrichmentRunEdge",
    "PublicLink", "PublicProfile", "UpdatePublicProfileInput", "UpdatePublicProfilePayload",
}  # fmt: skip
ALIKE_BY_NAME_ONLY = {"Node", "MutationPayload", "LiveList"}


def test_the_printed_schema_says_nothing_that_the_contract_does_not_say() -> None:
    ours, theirs = parts(printed()), parts((CONTRACT / "schema.graphql").read_text())
    differing = {key: (said, theirs.get(key)) for key, said in ours.items() if theirs.get(key, "absent") != said}
    assert set(ours) >= BEYOND
    beyond = BEYOND | {key for key in ours if key[0] in TYPES_BEYOND}
    assert not any(key[0] in TYPES_BEYOND for key in theirs)
    assert set(differing) - beyond == set(), differing


def test_every_argument_of_a_field_that_there_is_is_there() -> None:
    ours, theirs = parts(printed()), parts((CONTRACT / "schema.graphql").read_text())
    assert [key for key in theirs if len(key) == 3 and key[:2] in ours and key not in ours] == []


def test_everything_is_described() -> None:
    def sentence(said: tuple[object, ...]) -> object:
        return said[1] if len(said) == 2 else said[2] if len(said) == 4 else said[0]

    theirs = parts((CONTRACT / "schema.graphql").read_text())
    silent = [
        key
        for key, said in parts(printed()).items()
        if said and not sentence(said) and key not in BEYOND and sentence(theirs[key])
    ]
    assert silent == []


def test_members_of_an_abstract_type_agree_on_the_types_of_their_fields() -> None:
    schema = build_schema()._schema
    clashes = []
    for kind in schema.type_map.values():
        if not is_abstract_type(kind) or kind.name in ALIKE_BY_NAME_ONLY:
            continue
        types: dict[str, set[str]] = {}
        for member in schema.get_possible_types(kind):
            for name, field in member.fields.items():
                types.setdefault(name, set()).add(str(field.type))
        clashes += [f"{kind.name}.{name}: {sorted(said)}" for name, said in types.items() if len(said) > 1]
    assert clashes == []


def test_only_nodes_have_an_id() -> None:
    def is_node(kind: GraphQLNamedType) -> bool:
        return any(interface.name == "Node" for interface in getattr(kind, "interfaces", ()))

    objects = [kind for kind in build_schema()._schema.type_map.values() if is_object_type(kind)]
    assert [kind.name for kind in objects if ("id" in kind.fields) != is_node(kind)] == []
