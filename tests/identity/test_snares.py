"""No scene of `snares.py` is walked into, alone or in one address book with all others; whoever is one person is joined or asked about."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from resolvers.identity.cards import read
from resolvers.identity.grouping import group
from resolvers.identity.scoring import suggest
from resolvers.identity.wholes import wholes
from tests.identity.snares import SCENES, Scene, scene

EACH = 10


@pytest.mark.parametrize("kind", SCENES, ids=lambda kind: str(kind.__name__))
def test_nobody_is_joined_with_somebody_else_and_whoever_is_one_person_is_joined_or_asked_about(
    kind: Callable[[Scene], None],
) -> None:
    for number in range(EACH):
        made = scene(kind, number)
        facts = {card.id: read(card, "GB") for card in made.cards}
        groups = group(facts).groups
        assert [g for g in groups if len({made.who[c] for c in g}) > 1] == []
        linked = {g[0]: g[0] for g in groups}
        for asked in suggest(wholes(facts, groups)):
            if made.who[asked.left] == made.who[asked.right]:
                gone, stays = linked[asked.left], linked[asked.right]
                linked = {label: stays if root == gone else root for label, root in linked.items()}
        assert len(set(linked.values())) == len(set(made.who.values()))


def test_an_address_book_of_all_scenes_brings_nobody_together_with_somebody_else() -> None:
    scenes = [scene(kind, n * len(SCENES) + k) for n in range(EACH) for k, kind in enumerate(SCENES)]
    who = {contact_id: person for made in scenes for contact_id, person in made.who.items()}
    groups = group({card.id: read(card, "GB") for made in scenes for card in made.cards}).groups
    assert [g for g in groups if len({who[c] for c in g}) > 1] == []
