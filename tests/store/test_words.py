"""Words as the index spells them: whatever stands beside them, and however a text is cut into pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.words import fold

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
