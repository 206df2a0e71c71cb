"""A small IMAP server for tests that can do less than others, lie, and misbehave: what no real one does when asked to.

`can` are its capabilities, `folders` what it holds. `tamper` gets each command and the honest answer, and gives what the client
will see; None cuts the line. Whatever an adapter asks that this server does not know is a BAD, as elsewhere.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.ports import free_port

Tamper = Callable[[str, bytes], "bytes | Awaitable[bytes | None] | None"]
USER, PASSWORD, TOKEN = "ada@example.org", "secret", "token-1"
PLAIN = ("IMAP4rev1", "AUTH=PLAIN", "SASL-IR", "UIDPLUS", "ESEARCH", "ENABLE", "UNSELECT")
BARE = ("IMAP4rev1",)
GMAIL = (
    "IMAP4rev1",
    "AUTH=PLAIN",
    "AUTH=XOAUTH2",
    "SASL-IR",
    "CONDSTORE",
    "ENABLE",
    "ESEARCH",
    "X-GM-EXT-1",
    "LIST-STATUS",
    "IDLE",
)
_ASKED = re.compile(r"([A-Z][A-Z0-9.-]*(?:\[[^\]]*\])?(?:<[\d.]+>)?)")


@dataclass
class Mail:
    """A message as the server keeps it."""

    content: bytes
    flags: set[str] = field(default_factory=set)
    date: str = "04-May-2026 09:00:00 +0000"
    modseq: int = 1
    labels: tuple[str, ...] = ()
    thread: str = ""


@dataclass
class Folder:
    """A folder: messages by UID. `shown` is how many of them the server is willing to show."""

    validity: int = 1
    attributes: str = ""
    mails: dict[int, Mail] = field(default_factory=dict)
    next: int = 1
    modseq: int = 1
    shown: int | None = None
    vanished: dict[int, int] = field(default_factory=dict)  # UID → modification sequence of its end

    def visible(self) -> dict[int, Mail]:
        uids = sorted(self.mails)
        return {uid: self.mails[uid] for uid in (uids if self.shown is None else uids[-self.shown :])}


class Fake:
    """The server: change its folders at any time."""

    def __init__(self, *can: str, folders: Iterable[str] = ("INBOX",)) -> None:
        self.can = list(can or PLAIN)
        self.folders: dict[str, Folder] = {name: Folder() for name in folders}
        self.tamper: Tamper | None = None
        self.seen: list[str] = []  # commands without their tag
        self.connections = 0
        self.greeting = b"* OK ready\r\n"
        self.tells_enabled = True
        self.tokens = {TOKEN}
        self.refused = b"[AUTHENTICATIONFAILED] no such user or password"
        self.tls: ssl.SSLContext | None = None
        self.after_starttls = b""  # what an attacker in between adds
        self.piece = 0  # bytes written at a time, 0 for all
        self.counts_hidden = False
        self.port = 0
        self._idle: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"imap-plain://127.0.0.1:{self.port}"

    def deliver(self, content: bytes, folder: str = "INBOX", *flags: str, **more: object) -> int:
        held = self.folders[folder]
        uid, held.next = held.next, held.next + 1
        held.modseq += 1
        held.mails[uid] = Mail(content, set(flags), modseq=held.modseq, **more)  # type: ignore[arg-type]
        return uid

    def flag(self, uid: int, *flags: str, folder: str = "INBOX") -> None:
        held = self.folders[folder]
        held.modseq += 1
        held.mails[uid].flags = set(flags)
        held.mails[uid].modseq = held.modseq

    def remove(self, uid: int, folder: str = "INBOX") -> Mail:
        held = self.folders[folder]
        held.modseq += 1
        held.vanished[uid] = held.modseq
        return held.mails.pop(uid)

    def renumber(self, folder: str = "INBOX") -> None:
        """Another UIDVALIDITY: the same messages under other UIDs."""
        held = self.folders[folder]
        mails = list(held.mails.values())
        held.validity += 1
        held.mails = {n + 1_000: mail for n, mail in enumerate(mails)}
        held.next = 1_000 + len(mails)

    def tell(self, words: str) -> None:
        """Say something to those who idle."""
        for writer in self._idle:
            writer.write(f"* {words}\r\n".encode())

    # --- the wire ------------------------------------------------------------------------------------------------------

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            await self._serve(_Client(self, reader, writer))
        self._idle.discard(writer)
        writer.close()

    async def _serve(self, client: _Client) -> None:
        await self.write(client.writer, self.greeting)
        while True:
            tag, words = await client.command()
            self.seen.append(words)
            answer: bytes | None = await client.answer(words)
            if self.tamper is not None:
                said = self.tamper(words, answer or b"")
                answer = await said if isinstance(said, Awaitable) else said
            if answer is None:
                return
            await self.write(client.writer, answer.replace(b"TAG ", f"{tag} ".encode()))
            if words == "STARTTLS" and self.tls is not None:
                await client.writer.start_tls(self.tls)
            if words == "LOGOUT":
                return

    async def write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        size = self.piece or max(len(data), 1)
        for n in range(0, len(data), size):
            writer.write(data[n : n + size])
            await writer.drain()
            if self.piece:
                await asyncio.sleep(0)


class _Client:
    def __init__(self, fake: Fake, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.fake, self.reader, self.writer = fake, reader, writer
        self.signed_in = fake.greeting.startswith(b"* PREAUTH")
        self.folder: Folder | None = None
        self.qresync = False

    async def line(self) -> str:
        return (await self.reader.readuntil(b"\r\n")).decode("latin-1")[:-2]

    async def command(self) -> tuple[str, str]:
        """A command with its literals in place of their announcement."""
        text = await self.line()
        while found := re.search(r"\{(\d+)(\+?)\}$", text):
            if not found[2]:
                self.writer.write(b"+ go on\r\n")
            literal = (await self.reader.readexactly(int(found[1]))).decode("latin-1")
            text = f'{text[: found.start()]}"{literal}"' + await self.line()
        tag, _, words = text.partition(" ")
        return tag, words

    async def answer(self, words: str) -> bytes:
        name = words.split(" ")[0].upper()
        name = " ".join(words.split(" ")[:2]).upper() if name == "UID" else name
        can = self.fake.can
        match name:
            case "CAPABILITY":
                return b"* CAPABILITY " + " ".join(can).encode() + b"\r\nTAG OK\r\n"
            case "STARTTLS":
                return b"TAG OK go\r\n" + self.fake.after_starttls
            case "AUTHENTICATE":
                return await self.authenticate(words.split(" ")[1:])
            case "LOGIN":
                given = re.findall(r'"([^"]*)"', words)
                return self.signed(given == [USER, PASSWORD])
            case "LOGOUT":
                return b"* BYE\r\nTAG OK\r\n"
            case "NOOP":
                return b"TAG OK\r\n"
            case "ID" if "ID" in can:
                return b'* ID ("name" "fake")\r\nTAG OK\r\n'
        if not self.signed_in:
            return b"TAG BAD sign in first\r\n"
        match name:
            case "ENABLE" if "ENABLE" in can:
                if not self.fake.tells_enabled:
                    return b"TAG OK\r\n"
                self.qresync = "QRESYNC" in words
                return f"* ENABLED {words.split(' ', 1)[1]}\r\nTAG OK\r\n".encode()
            case "LIST":
                return self.listed("STATUS" in words)
            case "STATUS":
                wanted = re.findall(r'"([^"]*)"', words)[0]
                folder = self.fake.folders.get(wanted)
                return b"TAG NO [NONEXISTENT] none\r\n" if folder is None else self.status(wanted, folder) + b"TAG OK\r\n"
            case "EXAMINE":
                return self.examine(re.findall(r'EXAMINE "?([^"]*)"?', words)[0])
            case "SELECT":
                answer = self.examine(re.findall(r'SELECT "?([^"]*)"?', words)[0])
                return answer.replace(b"[READ-ONLY]", b"[READ-WRITE]")
            case "UNSELECT" | "CLOSE":
                self.folder = None
                return b"TAG OK\r\n"
            case "IDLE" if "IDLE" in can:
                self.writer.write(b"+ idling\r\n")
                self.fake._idle.add(self.writer)
                await self.line()
                self.fake._idle.discard(self.writer)
                return b"TAG OK\r\n"
        if self.folder is not None and name == "UID SEARCH":
            return self.search(words, self.folder)
        if self.folder is not None and name == "UID FETCH":
            return self.fetch(words, self.folder)
        if self.folder is not None and name == "UID STORE" and "X-GM-LABELS" in words and "X-GM-EXT-1" in can:
            return self.label(words, self.folder)
        if self.folder is not None and name == "UID MOVE" and "MOVE" in can:
            return self.move(words, self.folder)
        return b"TAG BAD not known here\r\n"

    def label(self, words: str, folder: Folder) -> bytes:
        match = re.fullmatch(r"UID STORE (\S+) ([+-])X-GM-LABELS \((.*)\)", words)
        if match is None:
            return b"TAG BAD cannot read this\r\n"
        given = re.findall(r'"[^"]*"|[^ "]+', match[3])
        for uid in self.chosen(match[1], folder.visible()):
            mail = folder.mails[uid]
            kept = [
                each for each in mail.labels if each.strip('"').replace("\\\\", "\\") not in [one.strip('"') for one in given]
            ]
            mail.labels = tuple(kept + (given if match[2] == "+" else []))
            folder.modseq += 1
            mail.modseq = folder.modseq
        return b"TAG OK\r\n"

    def move(self, words: str, folder: Folder) -> bytes:
        uids, name = re.findall(r'UID MOVE (\S+) "?([^"]*)"?', words)[0]
        if name not in self.fake.folders:
            return b"TAG NO [TRYCREATE] none\r\n"
        target = self.fake.folders[name]
        pairs = []
        for uid in self.chosen(uids, folder.visible()):
            mail = folder.mails.pop(uid)
            folder.modseq += 1
            folder.vanished[uid] = folder.modseq
            target.modseq += 1
            mail.modseq = target.modseq
            pairs.append((uid, target.next))
            target.mails[target.next] = mail
            target.next += 1
        old, new = (",".join(str(pair[n]) for pair in pairs) for n in (0, 1))
        told = f"* OK [COPYUID {target.validity} {old} {new}]\r\n" if pairs else ""
        return f"{told}TAG OK\r\n".encode()

    async def authenticate(self, words: list[str]) -> bytes:
        mechanism = words[0].upper()
        if f"AUTH={mechanism}" not in self.fake.can:
            return b"TAG NO not offered\r\n"
        if len(words) > 1:
            first = words[1]
        else:
            self.writer.write(b"+ \r\n")
            first = await self.line()
        given = base64.b64decode(first).decode()
        match mechanism:
            case "PLAIN":
                return self.signed(given == f"\0{USER}\0{PASSWORD}")
            case "LOGIN":
                self.writer.write(b"+ UGFzc3dvcmQ6\r\n")
                return self.signed((given, base64.b64decode(await self.line()).decode()) == (USER, PASSWORD))
            case "XOAUTH2" | "OAUTHBEARER":
                start = (
                    f"user={USER}\x01"
                    if mechanism == "XOAUTH2"
                    else f"n,a={USER},\x01host=127.0.0.1\x01port={self.fake.port}\x01"
                )
                if given in {f"{start}auth=Bearer {token}\x01\x01" for token in self.fake.tokens}:
                    return self.signed(True)
                self.writer.write(b"+ " + base64.b64encode(json.dumps({"status": "401"}).encode()) + b"\r\n")
                wanted = "" if mechanism == "XOAUTH2" else "AQ=="
                assert await self.line() == wanted, "a refused token is answered as its RFC says"
                return self.signed(False)
        return b"TAG BAD\r\n"

    def signed(self, right: bool) -> bytes:
        self.signed_in = self.signed_in or right
        return b"TAG OK welcome\r\n" if right else b"TAG NO " + self.fake.refused + b"\r\n"

    def listed(self, with_status: bool) -> bytes:
        out = b""
        for name, folder in self.fake.folders.items():
            out += f'* LIST ({folder.attributes}) "/" "{name}"\r\n'.encode("latin-1")
            if with_status and "LIST-STATUS" in self.fake.can and "Noselect" not in folder.attributes:
                out += self.status(name, folder)
        return out + b"TAG OK\r\n"

    def status(self, name: str, folder: Folder) -> bytes:
        held = folder.mails if self.fake.counts_hidden else folder.visible()
        unseen = sum("\\Seen" not in mail.flags for mail in held.values())
        modseq = f" HIGHESTMODSEQ {folder.modseq}" if "CONDSTORE" in self.fake.can else ""
        return (
            f'* STATUS "{name}" (MESSAGES {len(held)} UIDNEXT {folder.next} UIDVALIDITY {folder.validity} UNSEEN {unseen}{modseq})\r\n'
        ).encode("latin-1")

    def examine(self, name: str) -> bytes:
        self.folder = self.fake.folders.get(name)
        if self.folder is None:
            return b"TAG NO [NONEXISTENT] none\r\n"
        modseq = f"* OK [HIGHESTMODSEQ {self.folder.modseq}]\r\n" if "CONDSTORE" in self.fake.can else ""
        return (
            f"* FLAGS (\\Seen)\r\n* {len(self.folder.visible())} EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY {self.folder.validity}]\r\n"
            f"* OK [UIDNEXT {self.folder.next}]\r\n{modseq}TAG OK [READ-ONLY]\r\n"
        ).encode()

    def search(self, words: str, folder: Folder) -> bytes:
        held = folder.visible()
        returns = "RETURN" in words
        if returns and "ESEARCH" not in self.fake.can:
            return b"TAG BAD no such word\r\n"
        what = words.removeprefix("UID SEARCH ").removeprefix("RETURN (ALL) ")
        if what == "ALL":
            found = list(held)
        elif what == "DELETED":
            found = [uid for uid, mail in held.items() if "\\Deleted" in mail.flags]
        else:
            found = self.chosen(what.removeprefix("UID "), held)
        text = ",".join(map(str, found))
        if returns:
            return f'* ESEARCH (TAG "x") UID{" ALL " + text if text else ""}\r\nTAG OK\r\n'.encode()
        return f"* SEARCH {text.replace(',', ' ')}\r\nTAG OK\r\n".encode()

    def chosen(self, text: str, held: dict[int, Mail]) -> list[int]:
        last = max(held, default=0)
        found: set[int] = set()
        for part in text.split(","):
            first, _, end = part.partition(":")
            one, other = (last if word == "*" else int(word) for word in (first, end or first))
            found |= {uid for uid in held if min(one, other) <= uid <= max(one, other)}
        return sorted(found)

    def fetch(self, words: str, folder: Folder) -> bytes:
        held = folder.visible()
        match = re.match(r"UID FETCH (\S+) \((.*?)\)(?: \(CHANGEDSINCE (\d+)( VANISHED)?\))?$", words)
        if match is None:
            return b"TAG BAD cannot read this\r\n"
        out = b""
        since = int(match[3]) if match[3] else -1
        if match[4]:
            if not self.qresync:
                return b"TAG BAD QRESYNC is not enabled\r\n"
            gone = [str(uid) for uid, modseq in folder.vanished.items() if modseq > since]
            out += f"* VANISHED (EARLIER) {','.join(gone)}\r\n".encode() if gone else b""
        order = {uid: n + 1 for n, uid in enumerate(held)}
        for uid in self.chosen(match[1], held):
            if held[uid].modseq > since:
                out += f"* {order[uid]} FETCH (UID {uid}".encode() + self.items(match[2], held[uid]) + b")\r\n"
        return out + b"TAG OK\r\n"

    def items(self, wanted: str, mail: Mail) -> bytes:
        out = b""
        for item in _ASKED.findall(wanted):
            if item == "FLAGS":
                out += f" FLAGS ({' '.join(sorted(mail.flags))})".encode()
            elif item == "INTERNALDATE":
                out += f' INTERNALDATE "{mail.date}"'.encode()
            elif item == "X-GM-THRID":
                out += f" X-GM-THRID {mail.thread or 1}".encode()
            elif item == "X-GM-LABELS":
                out += f" X-GM-LABELS ({' '.join(mail.labels)})".encode()
            elif (found := re.match(r"BODY\.PEEK\[\](?:<(\d+)\.(\d+)>)?$", item)) is not None:
                first, count = (int(found[1]), int(found[2])) if found[1] else (0, len(mail.content))
                piece = mail.content[first : first + count]
                out += f" BODY[]{f'<{first}>' if found[1] else ''} {{{len(piece)}}}\r\n".encode() + piece
        return out


@asynccontextmanager
async def faked(fake: Fake) -> AsyncIterator[Fake]:
    """A running `Fake`."""
    server = await asyncio.start_server(fake.serve, "127.0.0.1", free_port())
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
