"""Words as the index spells them: whatever stands beside them, and however a text is cut into pieces."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.words import KEPT, MAX_WORD, fold

_SIGNS = st.sampled_from(list(" \t\u00a0\u3000\u0301\u3099-_.aAéßŁłﬁ½İ東京か回의مدرسة"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Straße ŁÓDŹ ﬁn", "strasse lodz fin"),
        ("a\u0301pple — Ærø", "apple aero"),
        ("東京都 meeting", "東京 京都 meeting"),
        ("ガラス", "ガラ ラス"),
        ("مَدْرَسَة", "مدرسه"),
        ("half ½ cup", "half 1 2 cup"),
    ],
)
def test_a_text_is_spelled_as_it_is_typed_elsewhere(text: str, words: str) -> None:
    assert fold(text) == words


@given(st.lists(st.text(_SIGNS, max_size=12), max_size=6))
def test_a_text_has_the_words_of_its_pieces(pieces: list[str]) -> None:
    assert fold(" ".join(pieces)).split() == [word for piece in pieces for word in fold(piece).split()]


@given(
    st.lists(
        st.sampled_from(["Straße-Łódź", "a" * 130, "é" * 130, "ﷺ" * 40, "x.y_Z9", "京都" * 70, "\x1f", "\u00a0"]), max_size=9
    )
)
def test_words_of_long_texts_are_cut_where_those_of_short_ones_are(pieces: list[str]) -> None:
    found = fold(" ".join(pieces))
    assert found.split() == [word for piece in pieces for word in fold(piece).split()]
    assert max(map(len, found.split(" ")), default=0) <= MAX_WORD


@given(st.text(_SIGNS | st.characters(max_codepoint=0x17F), max_size=300))
def test_words_between_blanks_are_those_of_the_whole_text_without_marks_and_case(text: str) -> None:
    if re.search("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0600-\u06ff\u3099łŁøØđĐðÐþÞæÆœŒßħĦıŋŊŧŦĸſ\x1e]", text):
        return  # these are written out, or cut into pairs
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.lower()).casefold() if not unicodedata.combining(c))
    assert fold(text).split() == [word[:MAX_WORD] for word in re.findall(r"[^\W_]+", plain)]


def test_more_words_than_are_remembered_are_spelled_as_before() -> None:
    text = "Łódź é.x " + " ".join(f"w{n}" for n in range(KEPT + 10)) + " Łódź é.x"
    words = fold(text).split()
    assert words[:3] == words[-3:] == ["lodz", "e", "x"]
    assert words[3:-3] == [f"w{n}" for n in range(KEPT + 10)]
