"""Words by which people are found who are spelled otherwise: as names sound, as they are called for short, with a letter amiss.

Both sides of a search are brought to the same words, so that the index needs nothing but equality: a person's document has the sounds
of each word of the names (Latin letters for every script, `identity/spelling.py`), those of the pet forms of given names, and each
word with one letter left out, by which a slip of the pen meets what was meant (the deletions of SymSpell: one letter added, left
out, mistaken or swapped with its neighbour). Slips are looked for in letters, not in sounds, which one letter may change altogether.
Knows no database.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Final

from resolvers.identity import names, spelling
from resolvers.identity.tables import pet_forms
from store.search_index import facet
from store.words import BREAK, fold

SOUNDS, SLIPS = "sounds", "slips"  # kinds of facets
MIN_SLIP: Final = 4  # letters below which one amiss makes another name
MAX_LETTERS: Final = 24
MAX_WORDS: Final = 400  # of one person


def of_person(full_names: Collection[str], others: Collection[str]) -> frozenset[str]:
    """The words of a person's document, for what they, and `others`, their employers and towns, are called."""
    sounds: dict[str, None] = {}
    letters: dict[str, None] = {}
    for full in full_names:
        for name in names.parse(full):
            for word in name.words:
                sounds.update(dict.fromkeys(word.forms[:4]))
                sounds.update((spelling.sound(pet), None) for pet in sorted(pet_forms().get(word.text, ())))
                letters[word.text] = None
    # the words as they are typed: of a double name each half
    for latin in filter(None, map(spelling.latin, fold(BREAK.join((*full_names, *others))).split())):
        sounds[spelling.sound(latin)] = letters[latin] = None
    found = dict.fromkeys(facet(SOUNDS, sound[:MAX_LETTERS]) for sound in sounds if sound)
    found.update((facet(SLIPS, part), None) for one in letters for part in _slips(one[:MAX_LETTERS]))
    return frozenset(list(found)[:MAX_WORDS])


@lru_cache(2_000)
def sounds_of(word: str) -> tuple[str, ...]:
    """The words that a typed word, folded, is looked for as by its sound; empty when it has none."""
    sound = spelling.sound(spelling.latin(word))[:MAX_LETTERS]
    return (facet(SOUNDS, sound),) if sound else ()


@lru_cache(2_000)
def slips_of(word: str) -> tuple[str, ...]:
    """The words that a typed word is looked for as when a letter of it may be amiss."""
    return (*sounds_of(word), *(facet(SLIPS, part) for part in _slips(spelling.latin(word)[:MAX_LETTERS])))


def _slips(letters: str) -> Iterator[str]:
    """A word that is long enough, and it with each of its letters left out."""
    if len(letters) >= MIN_SLIP:
        yield letters
        yield from dict.fromkeys(letters[:n] + letters[n + 1 :] for n in range(len(letters)))
