"""Which charset a text file without a declaration is in: its byte order mark, UTF-8 when all of it is, else the likeliest old one.

Old charsets share their bytes, so each candidate reads a sample and the reading that looks most like words wins: letters beside
letters, few signs within words, capitals at their beginning. A tie goes to the earlier candidate, which is the more common one.
Knows nothing of what the text is about.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from providers.formats import charset

CANDIDATES: Final = ("cp1252", "cp932", "mac-roman", "cp1250", "cp1251", "cp1253", "cp1254")
SAMPLE: Final = 64 * 1024  # bytes around characters outside ASCII that are judged
_CONTEXT = re.compile(rb"[^\n]{0,40}[\x80-\xff][^\n]{0,40}")
_WORD = re.compile(r"\w*[^\x00-\x7f]\w*(?:[^\x00-\x7f\s]\w*)*")
# What old charsets put where others have letters: seen inside a word, it tells of the wrong reading.
_LATIN_ODD: Final = frozenset("¡¢£¤¥¦§¨©«¬®¯±´µ¶·¸»¿×÷†‡•‰‹›™€†∂∑∏π∫Ω√≈∆…¼½¾¹²³≠≤≥∞ﬁﬂ◊⁄ˆ˜˘˙˚˝˛ˇ")


class Watcher:
    """Fed the bytes of a file in any pieces, it says in the end how to read them."""

    def __init__(self) -> None:
        self._mark: str | None = None
        self._head = b""
        self._utf8: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")("strict")
        self._sample: list[bytes] = []
        self._sampled = 0

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        if len(self._head) < 4096:
            self._head += data[:4096]
        if self._utf8 is not None:
            try:
                self._utf8.decode(data)
            except UnicodeDecodeError:
                self._utf8 = None
        if self._sampled < SAMPLE and not data.isascii():
            for match in _CONTEXT.finditer(data):
                self._sample.append(match[0])
                self._sampled += len(match[0])
                if self._sampled >= SAMPLE:
                    break

    def codec(self) -> str:
        """A codec of Python's: `utf-8-sig` and the UTF-16 ones where a mark or the place of zeros says so."""
        if marked := charset.byte_order_mark(self._head):
            return marked
        if wide := _zeros(self._head):
            return wide
        if self._utf8 is not None:
            return "utf-8"
        return likeliest(b"\n".join(self._sample))


def guessed(pieces: Iterable[bytes]) -> str:
    """The codec for a file handed over in pieces."""
    watcher = Watcher()
    for piece in pieces:
        watcher.feed(piece)
    return watcher.codec()


def likeliest(sample: bytes) -> str:
    """The candidate that reads `sample` best."""
    return min(CANDIDATES, key=lambda codec: (_oddness(sample, codec), CANDIDATES.index(codec)))


def _zeros(head: bytes) -> str | None:
    """UTF-16 without a mark: nearly every second byte of Western text is zero."""
    sample = head[: len(head) // 2 * 2]
    if len(sample) < 4:
        return None
    even, odd, half = sample[0::2].count(0), sample[1::2].count(0), len(sample) // 2
    if odd > half * 0.4 and even < half * 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > half * 0.4 and odd < half * 0.05 else None


def _oddness(sample: bytes, codec: str) -> float:
    """How little a reading looks like words, per character outside ASCII; what cannot be read at all is the oddest."""
    text = charset.windows_1252(sample) if codec == "cp1252" else sample.decode(codec, "replace")
    foreign = sum(1 for character in text if character > "\x7f") or 1
    broken = sum(1 for character in text if character == "\ufffd" or "\x80" <= character < "\xa0")
    return (broken * 8 + sum(_odd(word) for word in _WORD.findall(text))) / foreign


def _odd(word: str) -> float:
    signs = sum(1 for character in word if character in _LATIN_ODD)
    letters = [character for character in word if character.isalpha()]
    foreign = [character for character in letters if character > "\x7f"]
    wide = sum(1 for character in foreign if character >= "\u3000")
    points = 2.0 * signs * bool(letters) + 0.5 * signs
    # halfwidth katakana are what cp932 makes of single accents
    points += sum(2.0 for character in word if "\uff61" <= character <= "\uff9f")
    if wide:
        return points + (0.0 if wide == len(letters) else 4.0) + (1.0 if len(letters) == 1 else 0.0)
    points += sum(1.0 for before, after in pairwise(word) if before.islower() and after.isupper())
    latin = sum(1 for character in foreign if character < "\u0370")
    if latin and len(letters) >= 3 and latin / len(letters) > 0.7:
        points += len(letters) * 0.6  # Cyrillic and Greek read as accents upon accents
    if any(character >= "\u0370" for character in foreign) and any(character <= "\u024f" for character in letters):
        points += 3.0  # one word in two scripts
    return points
