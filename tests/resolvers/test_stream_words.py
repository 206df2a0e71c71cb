"""What a word in a rule finds is what the search finds: one folding, whatever script, sign or input method it was written with."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import pairwise
from typing import Final

import pytest
from sqlalchemy import Connection

from resolvers.streams import documents
from resolvers.streams.documents import document
from resolvers.streams.matcher import Matcher
from resolvers.streams.rules import parse
from resolvers.streams.tree import is_letter
from store import search_index
from store.search_index import MAX_BODY, Doc, Term
from store.words import fold
from tests.household import NOW, Household
from tests.naive_rules import meets
from tests.posts import post

#: Texts in pairs that differ only in what is folded, and neighbours that must stay apart.
PIECES: Final = (
    "สวัสดี", "สวัสดีครับ", "ภาษาไทย", "हिन्दी", "मराठी",  # no blanks between words, vowels that are marks
    "مُحَمَّد", "محمد", "مـحـمد", "مكتبة", "مكتبه", "שָׁלוֹם", "שלום",  # diacritics, stretched, two ways to write an ending
    "Straße", "STRASSE", "straße", "ISPARTA", "ısparta", "İstanbul", "istanbul",  # sharp s, dotted and dotless i
    "ＡＢＣ", "abc", "ﾊﾝｶｸ", "ハンカク", "ﬁsh", "fish", "①", "1", "m²", "m2",  # wide, half, joined, raised
    "e\u0301te\u0301", "été", "ete", "か\u3099", "が", "\u1112\u1161\u11ab\u1100\u116e\u11a8", "한국", "한국어",  # composed or not
    "a\u200bb", "a\u200db", "می\u200cخواهم", "co\u00adop", "ab",  # what has no width
    "🎉", "tom🎉jerry", "👩\u200d👧", "❤\ufe0f", "tom",  # no words
    "猫", "小猫", "小猫咪", "猫咪abc", "東京都", "京都", "abc東京", "𠮷野家", "人々",  # runs, and what stands in them
    "ΌΣΟΣ", "όσος", "ЁЛКА", "елка", "Đặng", "dang", "Łódź", "lodz", "don’t", "don't", "a_b", "C++",
)  # fmt: skip


def texts(count: int) -> list[str]:
    dice = random.Random(6)
    return [dice.choice(("", " ", ", ")).join(dice.choices(PIECES, k=dice.randrange(1, 5))) for _ in range(count)]


def asked() -> list[str]:
    """Single pieces, and two of them as a phrase."""
    return [one for one in (*PIECES, *(f"{a} {b}" for a, b in pairwise(PIECES))) if fold(one)]


async def test_a_word_or_phrase_finds_in_a_rule_what_it_finds_in_the_search(household: Household) -> None:
    said = texts(120)

    def read(conn: Connection, viewer: str) -> dict[str, set[str]]:
        search_index.put(
            conn,
            viewer,
            [Doc(node_id=f"n{n}", kind="MESSAGE", body=text, at=NOW + timedelta(minutes=n)) for n, text in enumerate(said)],
        )
        found = {}
        for one in asked():
            words = tuple(fold(one).split())
            # a letter of a script without blanks is unfinished: it is found within a run as somebody who types it finds it
            term = Term(words=words, prefix=is_letter(words[-1]))
            found[one] = {hit.node_id for hit in search_index.find(conn, viewer, [term], kinds=["MESSAGE"], limit=1_000)}
        return found

    searched = await household.database.write(household.viewer, read)
    matcher = Matcher()
    for one in asked():
        matcher.add(one, parse(f'"{one}"'))
    ruled: dict[str, set[str]] = {one: set() for one in asked()}
    for n, text in enumerate(said):
        for name in matcher.match(document(post(n, text), "mastodon")):
            ruled[str(name)].add(f"n{n}")
    for one, ids in ruled.items():
        words = fold(one).split()
        if len(words) > 1 and is_letter(words[0]):
            assert searched[one] <= ids, one  # a rule finds the end of a run too, where the search wants the whole run
        else:
            assert searched[one] == ids, one
    assert sum(map(len, ruled.values())) > 400
    naive = {
        one: {f"n{n}" for n, text in enumerate(said) if meets(parse(f'"{one}"'), post(n, text), "mastodon")} for one in asked()
    }
    assert ruled == naive


def test_as_much_of_a_text_is_looked_at_as_the_search_looks_at() -> None:
    assert documents.MAX_TEXT == MAX_BODY


@pytest.mark.parametrize(
    ("rule", "text", "meets_it"),
    [
        ("ภาษา", "ภาษาไทย", False),  # where a word ends in Thai only a dictionary knows: as in the search
        ("สวัสดีครับ", "สวัสดีครับ!", True),
        ("محمد", "كتب مُحَمَّد رسالة", True),
        ("STRASSE", "in der Straße", True),
        ("ısparta", "ISPARTA gülü", True),
        ("ｈｅｒｏｎ", "a heron", True),
        ("heron", "Ｈｅｒｏｎ", True),
        ("東", "大東京", True),
        ("大京", "大東京", False),
        ("a\u200bb", "a b", True),
        ("ab", "a\u200bb", False),
    ],
)
def test_scripts_and_signs_mean_the_same_in_rules_and_texts(rule: str, text: str, meets_it: bool) -> None:
    matcher = Matcher()
    matcher.add(1, parse(rule))
    assert bool(matcher.match(document(post(1, text), "mastodon"))) is meets_it
    assert meets(parse(rule), post(1, text), "mastodon") is meets_it
