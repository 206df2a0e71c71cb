"""What is new in a mail's plain text: without the history that mail programs quote below it, and without the signature.

Works line by line, looking a few lines ahead or back and at the beginning of a line only, so that its cost is linear whatever a
stranger sends. Knows `>` (RFC 3676 §4.5), the signature mark `-- ` (§4.3), how programs announce a quotation in many languages,
Outlook's blocks of From, Sent, To and Subject, and what phones and lists append. Rules:

- an answer above, below or around one quotation stays, the quotation goes;
- answers between several quotations stay with what they answer: without it they say nothing;
- what somebody forwards is content, not history;
- a text that would be empty afterwards stays as it is.

Knows no HTML, no headers but the subject, and changes no text that is stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, Literal

MAX_LINE: Final = 1_000  # characters: a longer line is text, never a mark
MAX_LINES: Final = 20_000  # what follows these is text
MAX_ATTRIBUTION: Final = 4  # lines over which an announcement of a quotation is wrapped
HEADER_LINES: Final = 10  # lines in which the fields of a quoted header stand
MIN_WRAPPED: Final = 60  # characters of a quoted line that may have been broken
MAX_BROKEN: Final = 40  # characters of what was broken off
LOOSE_SIGNATURE: Final = 15  # lines that may follow a `--` without its blank

#: (how the line begins, the words of writing), as programs say "On …, … wrote:". The words may stand anywhere before the colon.
ATTRIBUTIONS: Final[tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = (
    (("on ", "at ", "in message"), ("wrote", "writes", "said", "sent")),
    (("am ", "le ", "vom "), ("schrieb", "geschrieben", "schreibt", "a écrit", "ecrit", "écrivait")),
    (("le ", "dans "), ("a écrit", "écrit", "a ecrit")),
    (("el ", "en "), ("escribió", "escribio")),
    (("em ", "no dia", "a ", "na "), ("escreveu",)),
    (("il ", "in data", "nel messaggio"), ("ha scritto", "scrive", "scrisse")),
    (("op ",), ("schreef", "geschreven")),
    (("den ", "på "), ("skrev",)),
    (("w dniu", "dnia"), ("napisał", "pisze")),
    (("dne ", "on "), ("napsal",)),
    (("vào ",), ("đã viết",)),
)
#: Announcements that begin with a date or a name; the last words before the colon, or the words in front of the quotation.
WRITTEN: Final = (
    "wrote", "writes", "schrieb", "geschrieben", "a écrit", "écrit", "escribió", "escreveu", "ha scritto", "schreef", "skrev",
    "napisał(a)", "napisał", "napisała", "pisze", "napsal(a)", "kirjoitti", "yazdı", "пишет", "написал", "написала", "написал(а)",
    "έγραψε", "のメール", "さんは書きました", "さんが書きました", "は書きました", "が書きました", "書きました", "写道", "寫道", "님이 작성",
)  # fmt: skip
#: `-----Original Message-----`: what stands between the dashes.
ORIGINAL: Final = frozenset({
    "original message", "original appointment", "reply message", "ursprüngliche nachricht", "originalnachricht", "original-nachricht",
    "urspruengliche nachricht", "message d'origine", "message d’origine", "message original", "message initial", "mensaje original",
    "mensagem original", "messaggio originale", "messaggio originario", "oorspronkelijk bericht", "originele bericht",
    "origineel bericht", "元のメッセージ", "オリジナルメッセージ", "ursprungligt meddelande", "oprindelig meddelelse",
    "opprinnelig melding", "alkuperäinen viesti", "wiadomość oryginalna", "původní zpráva", "исходное сообщение", "原始邮件",
    "原始郵件", "원본 메시지",
})  # fmt: skip
#: What announces a forwarded mail.
FORWARDED: Final = frozenset({
    "forwarded message", "begin forwarded message", "forwarded by", "weitergeleitete nachricht", "anfang der weitergeleiteten nachricht",
    "weitergeleitete mail", "message transféré", "forwarded mail", "début du message transféré", "début du message réexpédié",
    "mensaje reenviado", "inicio del mensaje reenviado", "mensagem encaminhada", "mensagem reencaminhada",
    "início da mensagem encaminhada", "início da mensagem reencaminhada", "messaggio inoltrato", "inizio messaggio inoltrato",
    "doorgestuurd bericht", "begin doorgestuurd bericht", "転送されたメッセージ", "転送メッセージ", "vidarebefordrat meddelande",
    "przekazana wiadomość", "пересылаемое сообщение", "转发的消息", "轉寄郵件", "전달된 메시지",
})  # fmt: skip
#: Prefixes of subjects that say that the mail below was forwarded.
FORWARDS: Final = frozenset(
    {"fw", "fwd", "wg", "tr", "rv", "enc", "res enc", "doorst", "vb", "vl", "vs", "fs", "pd", "i", "転送", "转发", "轉寄"}
)
#: The fields of a quoted header by what they say, in the languages of Outlook and its kin.
FIELDS: Final[dict[str, frozenset[str]]] = {
    "from": frozenset({
        "from", "von", "absender", "de", "expéditeur", "remitente", "remetente", "da", "mittente", "van", "afzender", "差出人",
        "送信者", "från", "fra", "lähettäjä", "od", "от", "发件人", "寄件者", "보낸 사람", "kimden",
    }),
    "date": frozenset({
        "sent", "date", "gesendet", "datum", "envoyé", "envoyé le", "enviado", "enviado el", "fecha", "enviada em", "enviado em",
        "enviada", "data", "inviato", "verzonden", "送信日時", "日付", "日時", "送信日", "skickat", "sendt", "lähetetty", "wysłano",
        "odesláno", "отправлено", "дата", "发送时间", "日期", "寄件日期", "보낸 날짜", "tarih",
    }),
    "to": frozenset({"to", "an", "à", "para", "a", "aan", "宛先", "till", "til", "do", "komu", "кому", "收件人", "받는 사람", "kime"}),
    "subject": frozenset({
        "subject", "betreff", "objet", "asunto", "assunto", "oggetto", "onderwerp", "件名", "ämne", "emne", "aihe", "temat",
        "předmět", "тема", "主题", "主旨", "제목", "konu",
    }),
}  # fmt: skip
#: How lines begin that phones and mail programs append by themselves.
APPENDED: Final = (
    "sent from my ", "sent from mail for ", "sent from outlook", "sent from yahoo", "sent from aol", "sent from proton",
    "sent with proton", "sent via ", "get outlook for ", "von meinem ", "gesendet von ", "gesendet mit ", "diese nachricht wurde von mein",
    "holen sie sich outlook", "laden sie outlook", "outlook für ", "envoyé de mon ", "envoyé depuis ", "envoyé à partir d", "obtenez outlook",
    "télécharger outlook", "enviado desde ", "enviado de mi ", "obtener outlook", "enviado do meu", "enviado de meu", "enviado a partir d",
    "obter o outlook", "obtenha o outlook", "baixe o outlook", "inviato da ", "inviato dal ", "ottieni outlook", "scarica outlook",
    "verzonden vanaf ", "verstuurd vanaf ", "verzonden met ", "download outlook", "outlook voor ", "skickat från ", "sendt fra ",
    "wysłane z ", "отправлено с ", "发自我的",
)  # fmt: skip
APPENDED_ENDS: Final = ("から送信", "から送信されました", "を入手", "で作成されました", "에서 보냄")
_VON_MEINEM: Final = "von meinem "  # "… iPhone gesendet": only so
_TIME: Final = re.compile(r"[0-9]{1,2}[:.h時][0-9]{2}")
_YEAR: Final = re.compile(r"(?:19|20)[0-9]{2}|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2}")
_COLONS: Final = (":", "：")
_RULE: Final = frozenset("-_=*—–─ ")
_LIST_FOOTER: Final = 8  # lines that a mailing list appends below its rule at most

Kind = Literal["text", "quote"]


def new_text(text: str, subject: str | None = None) -> str:
    """What its author wrote: `text` without quoted history and signature, or all of it when nothing would be left.

    `subject` tells a forwarded mail, whose history is what it is about. Never raises; the cost is linear.
    """
    *lines, rest = text.split("\n", MAX_LINES)
    if len(lines) < MAX_LINES:
        lines, rest = [*lines, rest], ""
    lines = [line.rstrip("\r") for line in lines]
    cut, kept = _end(lines, forwarded=_is_forward(subject))
    shown = _answers(lines[:cut])
    if kept:
        shown = "\n".join((shown, "", *lines[cut:])) if shown else "\n".join(lines[cut:])
    if rest and cut == len(lines):
        shown = f"{shown}\n{rest}"
    return shown.strip() or text.strip()


# --- where history begins ---------------------------------------------------------------------------------------------


def _end(lines: list[str], *, forwarded: bool) -> tuple[int, bool]:
    """The line at which history without marks begins, or a forwarded mail; and whether what follows is content."""
    for at, line in enumerate(lines):
        if not line or len(line) > MAX_LINE or _quoted(line):
            continue
        inside = _between_dashes(line)
        if inside in FORWARDED or (inside.startswith("forwarded by ") and line.lstrip().startswith("-")):
            return at, True
        is_header = _is_header(lines, at)
        is_divider = line.lstrip()[:1] in "-_*" and (inside in ORIGINAL or (line.endswith("--") and inside.endswith(WRITTEN)))
        if is_divider or is_header:
            if not is_header and not forwarded and _quoted(_next_text(lines, at + 1)):
                continue  # it announces a quotation that has marks
            return at, forwarded
        if line.rstrip().endswith(_COLONS):
            first = None if _quoted(_next_text(lines, at + 1)) else _attribution(lines, at, marked=False)
            if first is not None and _is_dated(lines, first, at):
                return first, forwarded
    return len(lines), False


def _between_dashes(line: str) -> str:
    """The words of a line such as `----- Original Message -----`, or of one that ends with a colon."""
    return line.strip(" \t-_*—–=>:：").casefold()


def _is_header(lines: list[str], at: int) -> bool:
    """Whether a quoted header begins here: who, when, and what about or an address."""
    first = _field(lines[at])
    if not first:
        return False
    found: set[str] = set()
    address = False
    for line in lines[at : at + HEADER_LINES]:
        name = _field(line)
        if name:
            found.add(name)
        address = address or "@" in line[:MAX_LINE]
    if first != "from":
        return address and {"from", "date", "subject"} <= found
    return "date" in found and ("subject" in found or (address and "to" in found))


def _field(line: str) -> str:
    """Which field of a quoted header a line is; empty for none."""
    head = line[:40].replace("：", ":")
    if ":" not in head:
        return ""
    label = head.partition(":")[0].strip(" \t*_\u00a0\u202f").casefold()
    return next((name for name, labels in FIELDS.items() if label in labels), "")


def _attribution(lines: list[str], last: int, *, marked: bool) -> int | None:
    """The line at which the announcement of a quotation begins that ends with line `last`; None when it is none.

    `marked`: a quotation with marks follows, so that less has to be said.
    """
    words = ""
    found: int | None = None
    for first in range(last, max(-1, last - MAX_ATTRIBUTION), -1):
        line = lines[first]
        if not line.strip() or len(line) > MAX_LINE or _quoted(line):
            break
        words = f"{_plain(line)} {words}".strip()
        if first < last and not any(c.isdigit() for c in words):
            continue
        for openings, verbs in ATTRIBUTIONS:
            if words.startswith(openings) and any(_has(words, verb) for verb in verbs):
                return first
        # a line may be wrapped: the longest that begins with its date is meant
        if (found is None or words[:1].isdigit()) and _is_announcement(words, marked=marked):
            found = first
    return found


def _is_announcement(words: str, *, marked: bool) -> bool:
    """Whether a line says who wrote, without an opening of its language."""
    written = words.rstrip(" :：")
    dated = "@" in words or _TIME.search(words) is not None
    if written.endswith(WRITTEN):
        return not words.startswith("<") and written not in WRITTEN
    if words[:1].isdigit() and dated:  # `2026-03-04 10:15 GMT+1 Ada <ada@example.org>:`
        return True
    return marked and dated and any(_has(words, verb) for verb in WRITTEN)


def _plain(line: str) -> str:
    return " ".join(line.split()).casefold()


def _has(words: str, verb: str) -> bool:
    """Whether a word of writing stands in it as a word."""
    at = words.find(verb)
    return at >= 0 and not words[at - 1 : at].isalpha() and not words[at + len(verb) : at + len(verb) + 1].isalpha()


def _is_dated(lines: list[str], first: int, last: int) -> bool:
    """Whether an announcement names a day and a time or an address, as programs do and people hardly ever."""
    words = " ".join(lines[first : last + 1])
    return ("@" in words or _TIME.search(words) is not None) and _YEAR.search(words) is not None


# --- what stands between quotations -----------------------------------------------------------------------------------


def _answers(lines: list[str]) -> str:
    """The text around quotations with marks."""
    runs = list(_runs(lines))
    quotes = [n for n, (kind, _) in enumerate(runs) if kind == "quote"]
    last_answer = max((n for n, (kind, _) in enumerate(runs) if kind == "text"), default=-1)
    between = len(quotes) > 1  # runs alternate: an answer stands between two quotations
    out: list[str] = []
    for n, (kind, found) in enumerate(runs):
        if kind == "quote" and (not between or n > last_answer):
            continue
        if out and out[-1] != "" and (kind == "text" or runs[n - 1][0] == "text"):
            out.append("")
        out += found
    return "\n".join(out).strip("\n")


def _runs(lines: list[str]) -> Iterator[tuple[Kind, list[str]]]:
    """Text and quotations in turn, each without empty ends; text without signatures, announcements and what was appended."""
    marks = [0, *(n for n in range(1, len(lines)) if _quoted(lines[n]) != _quoted(lines[n - 1])), len(lines)]
    quote: list[str] = []  # quotations with nothing of the author's between them are one
    wrapped = _is_badly_wrapped(lines, marks)
    for start, stop in pairwise(marks):
        piece = lines[start:stop]
        if piece and (_quoted(piece[0]) or (wrapped and start > 0 and stop < len(lines))):
            quote += ["", *piece] if quote else piece
            continue
        piece = _without_ends(piece, quote_follows=stop < len(lines))
        if piece:
            if quote:
                yield "quote", quote
            yield "text", piece
            quote = []
    if quote:
        yield "quote", quote


def _is_badly_wrapped(lines: list[str], marks: list[int]) -> bool:
    """Whether everything between quotations is the end of a quoted line that some program on the way broke."""
    between = [(start, stop) for start, stop in pairwise(marks) if start > 0 and stop < len(lines) and not _quoted(lines[start])]
    for start, stop in between:
        broken, before = lines[start].strip(), lines[start - 1].rstrip()
        if stop - start > 1 or not broken or len(broken) > MAX_BROKEN or broken[0].isupper():
            return False
        if len(before) < MIN_WRAPPED or before.endswith((".", "?", "!", ":")):
            return False
    return bool(between)


def _without_ends(piece: list[str], *, quote_follows: bool) -> list[str]:
    """A piece of text without the announcement of the quotation that follows, signature and appended lines."""
    piece = _trimmed(piece)
    if quote_follows and piece:
        if _between_dashes(piece[-1]) in ORIGINAL:
            piece = _trimmed(piece[:-1])
        elif piece[-1].rstrip()[-1:] in _COLONS and (first := _attribution(piece, len(piece) - 1, marked=True)) is not None:
            piece = _trimmed(piece[:first])
    piece = _without_signature(piece)
    stop = len(piece)
    while stop and (not piece[stop - 1].strip() or _is_appended(piece[stop - 1]) or _is_rule(piece[stop - 1])):
        stop -= 1
    return piece[:stop]


def _without_signature(piece: list[str]) -> list[str]:
    for at, line in enumerate(piece):
        if line == "-- " or (line == "--" and len(piece) - at - 1 <= LOOSE_SIGNATURE):
            return _trimmed(piece[:at])
        if len(line) >= 20 and _is_rule(line) and len(piece) - at - 1 <= _LIST_FOOTER and _is_footer(piece[at + 1 :]):
            return _trimmed(piece[:at])
    return piece


def _is_footer(lines: list[str]) -> bool:
    """Whether these lines are what a mailing list appends to each mail."""
    words = " ".join(line[:MAX_LINE] for line in lines).casefold()
    return "mailing list" in words or "unsubscribe" in words or "/listinfo/" in words


def _is_appended(line: str) -> bool:
    if len(line) > 200:
        return False
    words = line.strip(" \t*_-—[(").casefold()
    if words.startswith(_VON_MEINEM):
        return words.rstrip(" .").endswith("gesendet")
    return words.startswith(APPENDED) or words.rstrip(" .。").endswith(APPENDED_ENDS)


def _is_rule(line: str) -> bool:
    return 5 <= len(line) <= 200 and set(line) <= _RULE and not line.isspace()


def _trimmed(lines: list[str]) -> list[str]:
    start, stop = 0, len(lines)
    while start < stop and not lines[start].strip():
        start += 1
    while stop > start and not lines[stop - 1].strip():
        stop -= 1
    return lines[start:stop]


def _quoted(line: str) -> bool:
    return line.startswith((">", " >"))


def _next_text(lines: list[str], at: int) -> str:
    """The next line that is not empty, at most two further on; empty when there is none."""
    return next((line for line in lines[at : at + 3] if line.strip()), "")


def _is_forward(subject: str | None) -> bool:
    """Whether the first prefix of a subject says that the mail below is forwarded."""
    prefix, colon, _ = (subject or "")[:40].replace("：", ":").partition(":")
    return bool(colon) and prefix.strip(" []").casefold() in FORWARDS
