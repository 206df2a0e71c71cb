"""Hostile mails and files, whole and in thousands of variations: nothing executes, hangs, is lost or is believed.

    bytes ──▶ parser ──▶ what a store takes?  what a browser runs?  as many as the witness counts?
      └────▶ import ──▶ each mail is a message or is named

What is counted holds on any machine. How the cost grows with length is measured in CPU time and judged by `make proof` alone.
"""

from __future__ import annotations

import gc
import html.parser
import re
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks import address_book, hostile
from gateway.imports import ImportRefused
from providers import records
from providers.archives.recognition import recognise
from providers.base import catalogue
from providers.formats import file_name, mime, quoting, safe_html
from tests.chaos.report import Report
from tests.household import Household, open_sqlite
from tests.workshop import workshop

#: What no shown page may hold, whatever it was made from.
RUNS: Final = frozenset(
    {"script", "style", "iframe", "frame", "object", "embed", "form", "input", "svg", "math", "meta", "link", "base", "template", "plaintext"}
)  # fmt: skip
FETCHES: Final = frozenset({"src", "srcset", "background", "poster", "ping", "action", "data"})
PLACE: Final = re.compile(r"[/\\\x00-\x1f\u202a-\u202e]")
UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
FILES: Final = ("vcard", "csv", "ldif", "mbox")
GROWTH: Final = 7.0  # times that four times the bait may cost; 4 is linear, 16 quadratic
TRIES: Final = 3  # of which the cheapest counts: whatever else the machine does costs CPU as well
TRIFLE: Final = 0.2  # seconds of CPU below which growth says nothing


async def meet_hostile_mail(home: Path, *, variations: int, length: int = 0) -> Report:
    """Every hostile mail read and imported, `variations` of each kind of input; cost compared at `length` and four times it."""
    report = Report()
    home.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - nobody else waits
    whole = hostile.mails()
    report.figures["hostile mails"] = len(whole)
    faults = [f"{name}: {fault}" for name, data in whole.items() for fault in _faults(data)]
    report.expect("hostile mails that did something", faults, [])
    await _import(home, whole, report)
    _bomb(home, report)
    for kind in hostile.WORDS:
        wholes, read = _seeds(kind, whole), _reader(kind, home)
        found: list[str] = []
        for data in hostile.mutations(wholes, kind, variations):
            try:
                found += read(data)
            except Exception as error:
                found.append(f"{type(error).__name__}: {error} for {data[:60]!r}")
        report.expect(f"{kind}: variations that did something, of {variations:,}", found[:3], [])
    if length:
        report.figures["worst growth"], report.figures["of"] = _growth(home, length)
    return report


def _faults(data: bytes) -> list[str]:
    """What is wrong with what became of a mail."""
    message = mime.message(data, own=frozenset({hostile.ME}))
    page = safe_html.sanitised(message.html, part=lambda _: None, remote=lambda _: None) if message.html else ""
    new = quoting.new_text(message.text, message.subject)
    told = [message.subject or "", message.text, page, new, message.key]
    told += [text for header in message.headers for text in (header.name, header.value)]
    told += [text for one in message.participants for text in (one.name, one.address)]
    names = [file_name.safe(one.name) for one in message.attachments]
    found = ["cannot be stored" for text in (*told, *names) if UNSTORABLE.search(text)]
    found += _page_faults(page)
    found += ["breaks a line" for header in message.headers if re.search(r"[\r\n]", header.name + header.value)]
    found += ["breaks a line" for one in message.participants if re.search(r"[\r\n]", one.name + one.address)]
    found += [f"names a place: {name!r}" for name in names if PLACE.search(name) or name in ("", ".", "..")]
    found += ["is believed" for _ in (1,) if message.authentication == "PASSED"]
    return found


class _Page(html.parser.HTMLParser):
    """A page as a browser takes it apart: what in it could run or fetch."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.faults += [f"<{tag}>"] if tag in RUNS else []
        for name, value in attrs:
            said = re.sub(r"[\x00-\x20]", "", value or "").lower()
            scheme = said.partition(":")[0] if ":" in said else ""
            if (
                name.startswith("on")
                or name in FETCHES
                or (name == "href" and scheme not in ("http", "https", "mailto", "tel"))
                or (name == "style" and re.search(r"url\(|expression|@import|\\\\", said))
            ):
                self.faults.append(f"<{tag} {name}={value!r}>")


def _page_faults(page: str) -> list[str]:
    parser = _Page()
    parser.feed(page)
    parser.close()
    return parser.faults


async def _import(home: Path, whole: dict[str, bytes], report: Report) -> None:
    """All of them as files: each is a message afterwards, or is named."""
    folder = home / "mails"
    folder.mkdir()
    for number, data in enumerate(whole.values()):
        (folder / f"{number:03}.eml").write_bytes(data)
    async with open_sqlite(home) as database, workshop(database, home) as shop:
        household = await Household.open(database)
        files = sorted(folder.iterdir())
        reports = await shop.bring(household.viewer, *files, me=hostile.ME)
        unknown = sum(1 for _ in recognise(files).unrecognised)
        sources = await shop.count(household.viewer, "select count(*) from message_source")
        named = sum(one.failed + one.skipped for one in reports)
        report.expect("hostile mails lost", len(whole) - sources - named - unknown, 0)
        report.figures["of them stored, named in the report, told to be no mail"] = f"{sources}, {named}, {unknown}"
        texts = await shop.count(household.viewer, "select count(*) from message_source s where s.key like 'real@example.org#%'")
        report.expect("mails under one forged Message-ID that stand side by side", texts, 2)
        bomb = _bomb_file(home / "contacts.vcf")
        try:
            await shop.imports.stage(household.viewer, [bomb])
            report.hold("a zip bomb was staged", False)
        except ImportRefused as error:
            report.hold(f"the refusal says what to do: {error}", "would grow" in str(error))


def _bomb(home: Path, report: Report) -> None:
    before = time.process_time()
    found = recognise([home / "contacts.vcf"])
    report.hold("a zip bomb was recognised as something to read", not found.groups)
    report.figures["ms of CPU for 10 GB in a bomb named .vcf"] = round((time.process_time() - before) * 1000, 1)


def _bomb_file(path: Path) -> Path:
    """Ten gigabytes of one letter, as the archive says: its stream is there as often as the file system repeats nothing."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = squeezer.compress(b"BEGIN:VCARD\nNOTE:" + b"A" * 5_000_000) + squeezer.flush()
    claimed, size, name = 10_400_000, 10_737_418_240, b"contacts.vcf"
    extra = struct.pack("<HHQQ", 1, 16, size, claimed)
    sizes = (8, 0, 33, 0, 2**32 - 1, 2**32 - 1, len(name), len(extra))
    local = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 45, 0, *sizes) + name + extra
    central = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 45, 45, 0, *sizes, 0, 0, 0, 0, 0) + name + extra
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local) + claimed, 0)
    path.write_bytes(local + packed.ljust(claimed, b"\0") + central + end)
    return path


def _seeds(kind: str, whole: dict[str, bytes]) -> list[bytes]:
    small = [data for data in whole.values() if len(data) < 4_000]
    cards = address_book.people(4)
    match kind:
        case "mail":
            return small
        case "text":
            return [
                b"Yes.\n\nOn Mon, Ada wrote:\n> a\n> > b\n\n-- \nBob\n",
                b"a\n-----Original Message-----\nFrom: x\nSent: y\nTo: z\n\nb\n",
            ]
        case "html":
            return [data.partition(b"\r\n\r\n")[2] for data in small if b"text/html" in data]
        case "vcard":
            return [address_book.WRITERS[form](cards).encode() for form in ("vcard3", "vcard4", "apple")]
        case "csv":
            return [address_book.WRITERS[form](cards).encode() for form in ("google", "outlook", "yahoo")]
        case "ldif":
            return [address_book.WRITERS["ldif"](cards).encode()]
        case _:
            return [b"".join(b"From a@b Mon May  6 10:00:00 2024\n" + data.replace(b"\r\n", b"\n") + b"\n" for data in small[:5])]


def _reader(kind: str, home: Path) -> Callable[[bytes], list[str]]:
    """Reads one piece of input and tells what is wrong with what came out."""

    def page(data: bytes) -> list[str]:
        safe = safe_html.sanitised(data.decode("utf-8", "replace"), part=lambda _: None, remote=lambda _: None)
        return _page_faults(safe)

    def text(data: bytes) -> list[str]:
        whole = data.decode("utf-8", "replace")
        return ["invents"] if len(quoting.new_text(whole).split()) > len(whole.split()) else []

    def file(data: bytes) -> list[str]:
        path = home / "variation"
        path.write_bytes(data)
        recognise([path])
        archive = catalogue()[kind].archive
        assert archive is not None
        pages = list(archive.pages([path], None, own=frozenset(), region="DE"))
        rows = [row for page in pages for row in page.rows]
        expected = pages[-1].statements[0].expected
        found = [] if expected == len(rows) else [f"{len(rows)} rows, {expected} counted for {data[:200]!r}"]
        found += ["says nothing" for row in rows if isinstance(row.item, records.Unreadable) and not row.item.message]
        return found

    return {"mail": _faults, "text": text, "html": page}.get(kind, file)


def _cost(read: Callable[[bytes], object], data: bytes) -> float:
    gc.collect()  # what others left behind is not this input's
    before = time.process_time()
    read(data)
    return time.process_time() - before


def _growth(home: Path, length: int) -> tuple[float, str]:
    """The most that four times the bait costs, and which."""
    worst, which = 0.0, ""
    heads = {
        "csv": b"Name,E-mail,Birthday,Notes\n",
        "vcard": b"BEGIN:VCARD\nVERSION:3.0\nN:",
        "ldif": b"dn: cn=a\ncn: ",
        "mail": b"To: ",
    }
    for kind, pieces in hostile.BAIT.items():
        read = _reader(kind, home)
        for piece in pieces:
            costs = []
            for size in (length, length * 4):
                data = heads.get(kind, b"") + piece * (size // len(piece))
                costs.append(min(_cost(read, data) for _ in range(TRIES)))
            growth = costs[1] / max(costs[0], TRIFLE / 4)
            if costs[1] > TRIFLE and growth > worst:
                worst, which = (
                    growth,
                    f"{kind}: {piece!r} × {length // len(piece):,} takes {costs[0]:.2f} s, four times it {costs[1]:.2f} s",
                )
    return round(worst, 1), which
