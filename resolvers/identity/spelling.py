"""How words of names are compared across spellings: Latin letters for every script, and the sound that spellings of one name share.

Transliterations differ by rule (Khrushchev, Chruschtschow) more than by accident, so that `sound` undoes the rules: doubled
letters, kh for h, ou for u, y for i, w for v. Scripts that do not write each vowel (Arabic, Hebrew, those of India) are compared by
consonants. Han
characters are read by table (`data/surnames.txt`) and as Mandarin; a reading that is not known says nothing.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final, Literal

from anyascii import anyascii

Script = Literal["LATIN", "HAN", "KANA", "HANGUL", "VOWELLESS", "OTHER"]

_NOT_LETTERS: Final = re.compile(r"[^a-z]+")
# in this order: longer spellings before the shorter ones they contain
_SOUNDS: Final = tuple((re.compile(pattern), to) for pattern, to in (
    (r"shch|schtsch|szcz", "s"), (r"tsch|tch|tsh|cz|ch(?=r)", "c"), (r"sch|sh|sz", "s"), (r"zh", "z"), (r"kh", "h"),
    (r"ch", "c"), (r"ph", "f"), (r"yeo|eo", "o"), (r"oi", "i"), (r"woo|wu", "u"), (r"w", "v"), (r"oo|ou|uu", "u"),
    (r"ee|ie|ei|ey|ay|ai", "i"), (r"oe|oh$|oo|au", "o"), (r"ue", "u"), (r"ae|aa", "a"), (r"yo|io|jo", "o"),
    (r"yu|iu|ju", "u"), (r"ya|ia|ja", "a"), (r"ye|je", "e"), (r"[yj]", "i"), (r"ck|q|c(?=[aoukrlt]|$)", "k"), (r"x", "ks"),
    (r"th", "t"), (r"dh", "d"), (r"gh", "g"), (r"bh", "b"), (r"(?<=[aeiou])h(?![aeiou])", ""), (r"ie", "i"),
    (r"(.)\1+", r"\1"),
))  # fmt: skip
# o for u and e for i are spellings of one vowel
VOWEL_CLASSES: Final = str.maketrans({"e": "i", "o": "u"})
_CONSONANTS: Final = str.maketrans("", "", "aeiouvyw")
_BONES: Final = tuple((re.compile(pattern), to) for pattern, to in (
    (r"x", "ks"), (r"kh|ch|[cq]", "k"), (r"ph|p", "f"), (r"[zj]", "s"), (r"v", "b"), (r"m", "n"), (r"[aeiouwyh]", ""), (r"(.)\1+", r"\1"),
))  # fmt: skip
# Hanyu Pinyin to Wade-Giles, the other system in use: initials, then finals
_WADE: Final = tuple((re.compile(pattern), to) for pattern, to in (
    (r"^(?:zh|ch|q|j)", "ch"), (r"^x", "hs"), (r"^(?:z|c)(?!h)", "ts"), (r"^b", "p"), (r"^d", "t"), (r"^g", "k"),
    (r"^r", "j"), (r"ong$", "ung"), (r"ian$", "ien"), (r"^chi$", "chih"), (r"^shi$", "shih"), (r"^(h?)si$", r"\1si"),
))  # fmt: skip


@lru_cache(50_000)
def script(word: str) -> Script:
    """The script that most decides how a word is read."""
    for character in word:
        point = ord(character)
        if point < 0x250:
            continue
        if 0x4E00 <= point <= 0x9FFF or 0x3400 <= point <= 0x4DBF or point == 0x3005:
            return "HAN"
        if 0x3040 <= point <= 0x30FF:
            return "KANA"
        if 0xAC00 <= point <= 0xD7AF:
            return "HANGUL"
        if 0x0590 <= point <= 0x0EFF:
            return "VOWELLESS"
        if 0x1E00 <= point <= 0x1EFF or not character.isalpha():
            continue
        return "OTHER"
    return "LATIN"


@lru_cache(100_000)
def latin(word: str) -> str:
    """A word in lower-case letters a to z; empty when nothing of it can be written so."""
    return _NOT_LETTERS.sub(
        "", anyascii(unicodedata.normalize("NFKC", word).lower().replace("ου", "ou").replace("ού", "ou")).lower()
    )


@lru_cache(100_000)
def sound(word: str) -> str:
    """What the usual spellings of one name have in common; `word` in letters a to z."""
    for pattern, to in _SOUNDS:
        word = pattern.sub(to, word)
    return word


def skeleton(sounded: str) -> str:
    """The consonants of a sound."""
    return sounded.translate(_CONSONANTS)


def vowels(sounded: str) -> str:
    """The vowels of a sound."""
    return "".join(c for c in sounded if c in "aeiou")


@lru_cache(50_000)
def bones(word: str) -> str:
    """The consonants of a word in letters a to z, coarse enough for a script that says no more than them."""
    for pattern, to in _BONES:
        word = pattern.sub(to, word)
    return word


def wade(pinyin: str) -> str:
    """One syllable of Hanyu Pinyin as Wade and Giles spell it."""
    for pattern, to in _WADE:
        pinyin = pattern.sub(to, pinyin)
    return pinyin
