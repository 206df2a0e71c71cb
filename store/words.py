"""Words as the search index spells them, made in Python once for both databases.

Compatibility decomposition (Unicode UAX #15, NFKD), no marks, no case, letters such as Ł and ß written out. Runs of Han, kana and
Hangul have no spaces: they are cut into overlapping pairs, so that a word inside a run is two neighbours. Knows no database.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple

SHORT: Final = 120  # characters of a text that is kept folded: names and addresses come again with every mail
MAX_KEPT: Final = 40  # characters of a piece between blanks that is kept folded
KEPT: Final = 20_000  # of these pieces
MAX_WORD: Final = 100  # characters: PostgreSQL refuses words over 2 KB, and nobody types one
BREAK: Final = "\x1e"  # between the parts of a text that are no neighbours: the names of two people
APART: Final = "\ue000"  # the word that stands for it in the index; private use, so that nobody's text folds to it

# letters that Unicode does not decompose; what people type instead. The last line is Arabic: no stretching, one yeh, one heh
_LETTERS: Final = str.maketrans({
    "ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ß": "ss", "ħ": "h", "ı": "i", "ŋ": "n", "ŧ": "t",
    "ĸ": "k", "ſ": "s",
    "\u0640": "", "\u0649": "\u064a", "\u0629": "\u0647",
})  # fmt: skip
_WORD: Final = re.compile(r"[^\W_]+")
_CJK: Final = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+")
_KEPT_MARKS: Final = re.compile(r"[\u3099\u309a]")  # voicing marks are part of kana
_PLAIN_WORDS: Final = "".join(chr(n).lower() if chr(n).isalnum() else " " for n in range(128))  # of what is all ASCII
# what belongs to a word although it is no letter: marks stand between letters in Arabic, Hebrew and decomposed Latin
_SHOWN: Final = re.compile(r"[^\W_]+(?:[\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670]+[^\W_]*)*")


class Token(NamedTuple):
    """A word of the index and the characters of the text that it stands for."""

    word: str
    start: int
    end: int


def fold(value: str) -> str:
    """The words of `value` as the index spells them, separated by single spaces; BREAK becomes the word APART."""
    if BREAK in value:
        return f" {APART} ".join(fold(part) for part in value.split(BREAK))
    return _short(value) if len(value) <= SHORT else _folded(value)


def _folded(value: str) -> str:
    if value.isascii():
        return _plain_words(value)
    # no folding crosses a blank, and most pieces between blanks come again; all of a text are looked up in one call
    pieces = value.lower().split()
    words = itemgetter(*pieces)(_spellings) if len(pieces) > 1 else [_spellings[piece] for piece in pieces]
    return " ".join(filter(None, words))


def _plain_words(text: str) -> str:
    """The words of a text that is all ASCII."""
    words = text.translate(_PLAIN_WORDS).split()
    if len(text) > MAX_WORD and max(map(len, words), default=0) > MAX_WORD:
        words = [word[:MAX_WORD] for word in words]
    return " ".join(words)


_short = lru_cache(20_000)(_folded)


def fold_whole(value: str) -> str:
    """`fold` for what is indexed: a letter typed alone is found at the end of a run too, so these letters stand apart."""
    return _short_whole(value) if len(value) <= SHORT else _folded_whole(value)


def _folded_whole(value: str) -> str:
    folded = fold(value)
    if folded.isascii() or not _CJK.search(folded):
        return folded
    last = sorted({run.group()[-1] for run in _CJK.finditer(_plain(value)) if len(run.group()) > 1})
    return " ".join([folded, APART, *last]) if last else folded


_short_whole = lru_cache(4_000)(_folded_whole)


def tokens(value: str) -> Iterator[Token]:
    """The words of a text with their places in it."""
    for found in _SHOWN.finditer(value):
        at, word = found.start(), found.group()
        if word.isascii():
            yield Token(word.lower()[:MAX_WORD], at, found.end())
            continue
        done = 0
        for run in _CJK.finditer(word):
            yield from _spread(word[done : run.start()], at + done)
            letters, begin = run.group(), at + run.start()
            for n in range(max(len(letters) - 1, 1)):
                yield from _spread(letters[n : n + 2], begin + n)
            done = run.end()
        yield from _spread(word[done:], at + done)


def _spread(part: str, at: int) -> Iterator[Token]:
    for word in fold(part).split():
        yield Token(word, at, at + len(part))


@lru_cache(1)
def _marks() -> re.Pattern[str]:
    """Whatever combines with the letter before it, kana's own marks aside."""
    marks = (chr(n) for n in range(0x300, 0x20000) if unicodedata.combining(chr(n)))
    return re.compile("[{}]+".format("".join(mark for mark in marks if not _KEPT_MARKS.match(mark))))


def _spelled(piece: str) -> str:
    if piece.isascii():
        return _plain_words(piece)
    return " ".join(word[:MAX_WORD] for word in _cut(_plain(piece)))


class _Spellings(dict[str, str]):
    """Pieces between blanks, in lower case, as the index spells them; when there are too many all are forgotten."""

    def __missing__(self, piece: str) -> str:
        if len(piece) > MAX_KEPT:
            return _spelled(piece)
        if len(self) >= KEPT:
            self.clear()
        found = self[piece] = piece if piece.isascii() and piece.isalnum() else _spelled(piece)
        return found


_spellings: Final = _Spellings()


def _plain(value: str) -> str:
    plain = unicodedata.normalize("NFKD", value).casefold().translate(_LETTERS)
    return unicodedata.normalize("NFC", _marks().sub("", plain))  # Hangul and kana in one piece again


def _cut(plain: str) -> list[str]:
    words = _WORD.findall(plain)
    return list(_pairs(words)) if _CJK.search(plain) else words


def _pairs(words: list[str]) -> Iterator[str]:
    """The words, with pairs of neighbours in place of runs."""
    for word in words:
        at = 0
        for run in _CJK.finditer(word):
            if run.start() > at:
                yield word[at : run.start()]
            letters = run.group()
            if len(letters) == 1:
                yield letters
            for n in range(len(letters) - 1):
                yield letters[n : n + 2]
            at = run.end()
        if at < len(word):
            yield word[at:]
