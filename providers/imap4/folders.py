"""Which folders a mailbox has, what for, and which of them are mirrored (RFC 9051 §6.3.9, RFC 6154, RFC 5819, RFC 8474).

One command tells all folders with their state where the server has LIST-STATUS; else STATUS is sent for all of them at once.
Roles come from SPECIAL-USE, else from names in the languages that mail programs write. Folders that only show messages of
other folders again (\\All, \\Flagged, \\Important) are left out, or else every message would count twice; with Gmail's extensions
it is the other way round: All Mail has everything but junk and trash, and says itself which labels a message bears.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal
from urllib.parse import quote, unquote_to_bytes

import msgspec

from providers.errors import Malformed, RateLimited, ReauthRequired, Refused
from providers.imap4 import mailbox_name
from providers.imap4.connection import Connection, quoted
from providers.imap4.syntax import Data, number, pairs, raw, text

Role = Literal["INBOX", "SENT", "DRAFTS", "JUNK", "TRASH", "ARCHIVE", "ALL", "FLAGGED", ""]

MAX_FOLDERS: Final = 10_000
#: SPECIAL-USE (RFC 6154 §2, RFC 8457), and the XLIST words that came before it.
_ATTRIBUTES: Final[dict[str, Role]] = {
    "\\sent": "SENT", "\\drafts": "DRAFTS", "\\junk": "JUNK", "\\spam": "JUNK", "\\trash": "TRASH", "\\archive": "ARCHIVE",
    "\\all": "ALL", "\\allmail": "ALL", "\\flagged": "FLAGGED", "\\starred": "FLAGGED", "\\important": "FLAGGED", "\\inbox": "INBOX",
}  # fmt: skip
#: RFC 8474 §7.
_OBJECT_ID: Final = re.compile(rb"[A-Za-z0-9_-]{1,255}\Z")
_UNSELECTABLE: Final = frozenset({"\\noselect", "\\nonexistent"})
#: The last part of a folder's name in lower case, for servers that tell no roles.
_WORDS: Final[dict[Role, str]] = {
    "SENT": (
        "sent,sent items,sent messages,sent mail,sent-mail,outbox.sent,gesendet,gesendete objekte,gesendete elemente,envoyés,"
        "éléments envoyés,messages envoyés,enviados,elementos enviados,mensajes enviados,itens enviados,mensagens enviadas,inviati,"
        "posta inviata,elementi inviati,verzonden,verzonden items,verzonden berichten,skickat,skickade objekt,sendt,sendte elementer,"
        "lähetetyt,wysłane,elementy wysłane,odeslané,odoslané,elküldött,trimise,отправленные,надіслані,gönderilmiş,gönderilenler,"
        "送信済み,送信済みトレイ,送信済みメール,已发送,已发送邮件,寄件備份,보낸편지함,보낸 편지함"
    ),
    "DRAFTS": (
        "drafts,draft,entwürfe,brouillons,borradores,rascunhos,bozze,concepten,utkast,kladder,luonnokset,szkice,kopie robocze,"
        "koncepty,piszkozatok,ciorne,черновики,чернетки,taslaklar,下書き,草稿,草稿箱,임시보관함"
    ),
    "JUNK": (
        "junk,junk e-mail,junk email,junk mail,spam,bulk,bulk mail,spamverdacht,unbekannt,pourriel,courrier indésirable,indésirables,"
        "correo no deseado,lixo eletrônico,posta indesiderata,ongewenste e-mail,skräppost,søppelpost,uønsket mail,roskaposti,"
        "wiadomości-śmieci,nevyžádaná pošta,levélszemét,спам,нежелательная почта,gereksiz,迷惑メール,垃圾邮件,垃圾郵件,스팸메일함,스팸"
    ),
    "TRASH": (
        "trash,deleted,deleted items,deleted messages,bin,papierkorb,gelöscht,gelöschte objekte,gelöschte elemente,corbeille,"
        "éléments supprimés,papelera,elementos eliminados,lixeira,itens excluídos,cestino,posta eliminata,prullenbak,"
        "verwijderde items,papperskorgen,borttagna objekt,papirkurv,roskakori,kosz,elementy usunięte,koš,kôš,törölt elemek,coș de gunoi,"
        "корзина,удаленные,удалённые,кошик,çöp kutusu,silinmiş öğeler,ごみ箱,ゴミ箱,已删除邮件,已删除,垃圾桶,휴지통"
    ),
    "ARCHIVE": (
        "archive,archives,archiv,archivo,arquivo,archivio,archief,arkiv,arkisto,archiwum,архив,архів,arşiv,アーカイブ,归档,存档,封存,보관함"
    ),
}  # fmt: skip
_NAMES: Final = {role: frozenset(words.split(",")) for role, words in _WORDS.items()}
#: The order in which folders are looked at; the rest follows by name.
_FIRST: Final[tuple[Role, ...]] = ("INBOX", "SENT", "ALL", "ARCHIVE", "DRAFTS", "")


class State(msgspec.Struct, frozen=True):
    """What STATUS says (RFC 9051 §6.3.11); None for what it does not."""

    messages: int | None = None
    next: int | None = None
    validity: int | None = None
    unseen: int | None = None
    modseq: int | None = None


class Folder(msgspec.Struct, frozen=True, kw_only=True):
    """A folder: `raw` as the server spells it, `name` as people do, `ident` as it stands in keys; `separator` parts its path.

    `ident` is made of the name until somebody who has asked for `ids` puts the server's own id in its place (`~…`), so that
    a new name changes no key.
    """

    raw: bytes
    name: str
    ident: str
    role: Role = ""
    state: State | None = None
    separator: str = "/"

    @property
    def path(self) -> str:
        """The name with its parts joined by slashes."""
        return self.name.replace(self.separator, "/") if self.separator else self.name


async def listed(connection: Connection) -> list[Folder]:
    """All folders that hold messages, with their state, those that matter first. Raises ProviderError."""
    found = await _list(connection)
    if not found:
        raise Malformed(f"{connection.host} lists no folder at all, not even the inbox.", provider_code="no-folders")
    return sorted(found, key=lambda folder: (_place(folder.role), folder.raw))


def mirrored(folders: Iterable[Folder], *, gmail: bool) -> list[Folder]:
    """Those of all folders that together have every message, and each as seldom as possible."""
    everything = list(folders)
    if gmail and any(folder.role == "ALL" for folder in everything):
        return [folder for folder in everything if folder.role in ("ALL", "JUNK", "TRASH")]
    real = [folder for folder in everything if folder.role not in ("ALL", "FLAGGED")]
    return real or everything


async def state(connection: Connection, folder: Folder) -> State | None:
    """The state of one folder; None when the server says that there is none of this name (any more)."""
    try:
        reply = await connection.run(b"STATUS ", quoted(folder.raw), b" (", _items(connection), b")", doing="to look at a folder")
    except (RateLimited, ReauthRequired):
        raise
    except Refused:
        return None
    return next((_state(one.values[1]) for one in reply.data if _is_status(one)), None)


def ident(name: bytes, mailbox_id: bytes | None) -> str:
    """What a folder is called in keys: without a slash, never empty, and the name can be had back from it."""
    if mailbox_id:
        return "~" + quote(mailbox_id, safe="")
    return quote(name, safe="").replace("~", "%7E")


def name_of(ident_: str) -> bytes | None:
    """The name in an ident as the server spells it; None for the server's own id."""
    return None if ident_.startswith("~") else unquote_to_bytes(ident_)


def _items(connection: Connection) -> bytes:
    items = [b"MESSAGES", b"UIDNEXT", b"UIDVALIDITY", b"UNSEEN"]
    if connection.has("CONDSTORE", "QRESYNC"):
        items.append(b"HIGHESTMODSEQ")
    return b" ".join(items)


async def ids(connection: Connection) -> dict[bytes, bytes]:
    """The server's own ids of its folders by name (MAILBOXID, RFC 8474 §4); none of what no id can be. Raises ProviderError.

    Asked for alone: Cyrus 3.6 answers with the bytes of somebody else's memory when other items are asked for with it.
    """
    if not connection.has("OBJECTID"):
        return {}
    if connection.has("LIST-STATUS", "IMAP4REV2"):
        data = (await connection.run(b'LIST "" "*" RETURN (STATUS (MAILBOXID))', doing="to list the folders")).data
    else:
        names = (await connection.run(b'LIST "" "*"', doing="to list the folders")).data
        commands: list[tuple[bytes, ...]] = [
            (b"STATUS ", quoted(_name(one.values)), b" (MAILBOXID)") for one in names if one.name == "LIST"
        ]
        data = await connection.together(commands)
    found: dict[bytes, bytes] = {}
    for one in data:
        if _is_status(one):
            given = pairs(one.values[1]).get("MAILBOXID")
            told = raw(given[0]) if isinstance(given, list) and given else None
            if told and _OBJECT_ID.match(told):
                found[_canonical(raw(one.values[0]))] = told
    return found if len(set(found.values())) == len(found) else {}


async def _list(connection: Connection) -> list[Folder]:
    items = _items(connection)
    with_status = connection.has("LIST-STATUS") or connection.has("IMAP4REV2")
    if with_status:
        wanted = b"SPECIAL-USE " if connection.has("SPECIAL-USE", "IMAP4REV2") else b""
        reply = await connection.run(b'LIST "" "*" RETURN (' + wanted + b"STATUS (" + items + b"))", doing="to list the folders")
    else:
        reply = await connection.run(b'LIST "" "*"', doing="to list the folders")
    names: dict[bytes, tuple[Role, list[str], str]] = {}
    states: dict[bytes, State] = {}
    for one in reply.data:
        if one.name in ("LIST", "XLIST") and len(one.values) >= 3 and isinstance(one.values[0], list):
            name = _name(one.values)
            attributes = [text(value).lower() for value in one.values[0]]
            if name and not _UNSELECTABLE.intersection(attributes):
                names[name] = _role(name, one.values[1], attributes), attributes, text(one.values[1])
        elif _is_status(one):
            states[_canonical(raw(one.values[0]) or b"")] = _state(one.values[1])
    if len(names) > MAX_FOLDERS:
        raise Malformed(f"{connection.host} lists more folders than anybody has.", provider_code="too-many-folders")
    if not with_status:
        for one in await connection.together([(b"STATUS ", quoted(name), b" (" + items + b")") for name in names]):
            if _is_status(one):
                states[_canonical(raw(one.values[0]) or b"")] = _state(one.values[1])
    taken: set[Role] = set()
    found = []
    told = {_ATTRIBUTES[each] for _, attributes, _ in names.values() for each in attributes if each in _ATTRIBUTES}
    for name, (role, attributes, parting) in names.items():
        if role not in ("", "INBOX") and role in taken:
            role = ""
        elif role in told and not any(_ATTRIBUTES.get(attribute) == role for attribute in attributes):
            role = ""  # the server has told which folder it is
        taken.add(role)
        shown, state = mailbox_name.decode(name), states.get(name)
        found.append(Folder(raw=name, name=shown, ident=ident(name, None), role=role, state=state, separator=parting))
    return found


def _name(values: list[object]) -> bytes:
    """The name of a LIST response; some servers forget to quote names with spaces."""
    if len(values) > 3 and all(isinstance(value, str) for value in values[2:]):
        return b" ".join(raw(value) or b"" for value in values[2:])
    return _canonical(raw(values[2]) if values[2] is not None else b"NIL")


def _canonical(name: bytes | None) -> bytes:
    return b"INBOX" if name is not None and name.upper() == b"INBOX" else name or b""  # RFC 9051 §5.1: in any case


def _role(name: bytes, separator: object, attributes: list[str]) -> Role:
    if name == b"INBOX":
        return "INBOX"
    for attribute in attributes:
        if attribute in _ATTRIBUTES:
            return _ATTRIBUTES[attribute]
    parting = text(separator)
    shown = mailbox_name.decode(name)
    parts = shown.split(parting) if parting else [shown]
    if len(parts) > 2 or (len(parts) == 2 and parts[0].upper() not in ("INBOX", "[GMAIL]", "[GOOGLE MAIL]")):
        return ""  # somebody's own folder of that name
    last = parts[-1].strip().lower()
    return next((role for role, names in _NAMES.items() if last in names), "")


def _is_status(one: Data) -> bool:
    return one.name == "STATUS" and len(one.values) >= 2


def _state(values: object) -> State:
    found = pairs(values)
    return State(
        messages=number(found.get("MESSAGES"), 2**32 - 1),
        next=number(found.get("UIDNEXT"), 2**32),
        validity=number(found.get("UIDVALIDITY"), 2**32 - 1),
        unseen=number(found.get("UNSEEN"), 2**32 - 1),
        modseq=number(found.get("HIGHESTMODSEQ")) or None,
    )


def _place(role: Role) -> int:
    return _FIRST.index(role) if role in _FIRST else len(_FIRST)
