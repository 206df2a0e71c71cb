"""Why contacts were joined, told for each kind of evidence as somebody would say it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import joined
from resolvers.identity.cards import Card, CardName, Kind, read
from resolvers.identity.explain import sentence
from resolvers.identity.grouping import group
from resolvers.identity.joined import why


def card(contact_id: str, account: str, kind: Kind = "ADDRESS_BOOK", name: str = "Ada Byron", **values: Any) -> Card:
    return Card(id=contact_id, account=account, kind=kind, names=(CardName(full=name),), **values)


MAIL = "ada@example.org"
MOBILE = "+447911123456"
CASES = [
    (
        card("a", "icloud", emails=(MAIL,), phones=(MOBILE,)),
        card("b", "google", emails=(MAIL,), phones=("07911 123456",)),
        "Both cards carry ada@example.org and the mobile number +447911123456.",
    ),
    (
        card("a", "icloud", emails=(MAIL, "byron@example.org")),
        card("b", "google", emails=("byron@example.org", MAIL), phones=(MOBILE,)),
        "Both cards carry ada@example.org and byron@example.org.",
    ),
    (
        card("a", "icloud", emails=(MAIL,)),
        card("b", "home", "CORRESPONDENT", emails=("Ada@Example.org",)),
        "The card in icloud carries ada@example.org, from which the messages in home came.",
    ),
    (
        card("a", "work", "CORRESPONDENT", emails=(MAIL,)),
        card("b", "home", "CORRESPONDENT", emails=(MAIL,)),
        "Messages in work and in home came from ada@example.org.",
    ),
    (
        card("a", "icloud", emails=(MAIL,)),
        card("b", "harbour", "MEMBER", network="slack", emails=(MAIL,)),
        "The card in icloud and the member of harbour share ada@example.org, which Slack has verified.",
    ),
    (
        card("a", "icloud", phones=(MOBILE,)),
        card("b", "phone", "CORRESPONDENT", network="whatsapp", phones=(MOBILE,)),
        "The card in icloud and the WhatsApp contact share the mobile number +447911123456, in use on WhatsApp.",
    ),
    (
        card("a", "icloud", phones=("+1 503 555 0123",)),
        card("b", "google", phones=("+15035550123",)),
        "Both cards carry the number +15035550123, under names that agree.",
    ),
    (
        card("a", "icloud", urls=("https://twitter.com/adab/",)),
        card("b", "my-x", "FOLLOWING", network="x", handles=("x:@adab",)),
        "You wrote x.com/adab on the card in icloud, and that is the profile you follow in my-x.",
    ),
    (
        card("a", "icloud", urls=("https://x.com/adab",)),
        card("b", "google", urls=("https://x.com/adab",)),
        "You wrote x.com/adab on both cards.",
    ),
    (
        card("a", "my-x", "FOLLOWER", network="x", handles=("x:@adab",)),
        card("b", "her-x", "FOLLOWING", network="x", handles=("x:@adab",)),
        "Your follower in my-x and the profile you follow in her-x are one profile, x.com/adab.",
    ),
    (
        card("a", "icloud", network="icloud", urls=("https://github.com/adab",)),
        card("b", "github", "FOLLOWER", network="github", handles=("github:adab",)),
        "You wrote github.com/adab on the card in iCloud, and that is your follower on GitHub.",
    ),
    (
        card("a", "my-x", "FOLLOWING", network="x", handles=("x:@adab",), urls=("https://social.example/@ada",)),
        card(
            "b", "masto", "FOLLOWER", network="mastodon", handles=("mastodon:@ada@social.example",), urls=("https://x.com/adab",)
        ),
        "The profiles social.example/@ada and x.com/adab link to each other, which no stranger can arrange.",
    ),
]


@pytest.mark.parametrize(("one", "other", "said"), CASES)
def test_each_kind_of_evidence_is_told_in_a_sentence(one: Card, other: Card, said: str) -> None:
    facts = {c.id: read(c, "GB") for c in (one, other)}
    found = group(facts)
    assert found.groups == (("a", "b"),)
    assert why(found.edges, facts) == said


def test_an_installation_says_who_has_verified_an_address() -> None:
    said = sentence("EMAIL", MAIL, ["iCloud", "Google"], shared=False, vouching=["Google"])
    assert said == (
        "Contacts of iCloud and Google carry the e-mail address ada@example.org, which belongs to one person and which Google has verified."
    )


def test_the_proof_in_small_tells_only_whole_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNIVERSE", raising=False)
    report = joined.sample(tmp_path, people=40, seed=1, samples=20)
    assert report.broken == []
    assert report.figures["merges told"] == 20
