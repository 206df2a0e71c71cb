"""What a mail's subject is about, without what programs put around it: the base subject (RFC 5256 §2.1, in more languages).

Prefixes of answers and forwards go, with their counters, and so do list tags and "(fwd)". A base subject is for comparing, never for
showing. Knows nothing of threads; whether a subject says enough to join two mails by is told by `telling`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import msgspec

MAX_SUBJECT: Final = 1_000  # characters that are looked at
MAX_ROUNDS: Final = 50  # prefixes that are taken off
#: Words that programs put before a subject when somebody answers …
ANSWERS: Final = (
    "re", "aw", "antw", "antwort", "rép", "sv", "vs", "odp", "ynt", "res", "rsp", "bls", "ref", "vá", "vl", "doorst", "回复", "答复", "回覆",
    "返信", "회신", "답장", "ответ", "отв", "απ", "השב", "رد",
)  # fmt: skip
#: … and when somebody passes it on.
FORWARDS: Final = (
    "fw", "fwd", "wg", "tr", "rv", "enc", "vb", "pd", "ilt", "rif", "fs", "i", "転送", "转发", "轉寄", "전달", "пересл", "πρθ", "הועבר",
    "إعادة توجيه",
)  # fmt: skip
_EVERYBODYS: Final = """
a an and the of for to in on from your our my new no subject hello hi hey dear question questions request info
information update updates report status invoice bill order orders receipt payment confirmation alert warning notice
notification reminder newsletter news test message mail email document documents file files photo photos picture
pictures meeting appointment call thanks thank you welcome account password urgent important number nr weekly daily
monthly week day month der die das ein eine und für von vom zum zur ihr ihre ihren unser neue neuer neues kein betreff
hallo guten tag frage fragen anfrage rechnung bestellung bestätigung quittung zahlung erinnerung termin besprechung
foto fotos bild bilder datei nachricht danke willkommen konto wichtig dringend bericht le la les un une et de du des
pour votre nos bonjour demande facture commande rappel rendez-vous réunion merci bienvenue compte el los las y para su
hola pregunta pedido factura recordatorio reunión gracias il lo gli e di per ciao domanda richiesta fattura ordine
conferma promemoria riunione grazie o os da do pergunta fatura lembrete obrigado het een en van voor uw vraag factuur
bestelling bevestiging herinnering afspraak bedankt
"""
#: Words that many unrelated mails have in their subjects; they say nothing of what a mail is about.
GENERIC: Final = frozenset(_EVERYBODYS.split())
_COLON: Final = r"\s*[:：]\s*"
_COUNTER: Final = r"\s{0,3}(?:[\[(^]{0,2}\d{1,3}[\])]?)?"


def _prefix(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"(?:{'|'.join(re.escape(word) for word in words)}){_COUNTER}{_COLON}")


_ANSWER: Final = _prefix(ANSWERS)
_FORWARD: Final = _prefix(FORWARDS)
_WRITTEN_ANSWER: Final = re.compile(_ANSWER.pattern, re.I)
_WRITTEN_FORWARD: Final = re.compile(_FORWARD.pattern, re.I)
_TAG: Final = re.compile(r"\[([^\[\]]{1,60})\]\s*(?=\S)")
_FORWARDED: Final = re.compile(r"\s*\(fwd\)$")
_WORD: Final = re.compile(r"[^\W_]+")
_WIDE: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


class Subject(msgspec.Struct, frozen=True):
    """`base` is what is left to compare, case-folded; `answer` and `forward` say which prefixes stood before it."""

    base: str
    answer: bool = False
    forward: bool = False


def read(subject: str | None) -> Subject:
    """A decoded subject taken apart; linear in its length."""
    text = " ".join(unicodedata.normalize("NFKC", (subject or "")[:MAX_SUBJECT]).casefold().split())
    answer = forward = False
    for _ in range(MAX_ROUNDS):
        if found := _ANSWER.match(text):
            answer = True
        elif found := _FORWARD.match(text):
            forward = True
        elif not (found := _TAG.match(text)):
            break
        text = text[found.end() :]
    while found := _FORWARDED.search(text):
        forward, text = True, text[: found.start()]
    return Subject(text.strip(), answer, forward)


def telling(base: str) -> bool:
    """Whether a base subject says what a mail is about: two words or more that are neither numbers nor everybody's."""
    count = 0
    for word in _WORD.findall(base):
        if wide := len(_WIDE.findall(word)):
            count += wide // 2  # written without spaces: two characters make about a word
        elif len(word) > 1 and not word.isdigit() and word not in GENERIC:
            count += 1
    return count >= 2


def bare(subject: str, *, answers: bool = True) -> str:
    """A subject to be answered or passed on: as it was written, without the prefixes that would pile up in front of it.

    With `answers` all prefixes go, else only those of forwards.
    """
    text = " ".join(subject[:MAX_SUBJECT].split())
    for _ in range(MAX_ROUNDS):
        found = _WRITTEN_FORWARD.match(text) or (_WRITTEN_ANSWER.match(text) if answers else None)
        if found is None:
            break
        text = text[found.end() :]
    return text
