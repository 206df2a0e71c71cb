"""Hostile mail, from its bytes to what a front-end shows: nothing executes, hangs, is lost or is believed."""

from __future__ import annotations

import http.server
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from gateway.installation import Installation
from gateway.people import named
from providers.formats import mime
from tests.chromium import chromium
from tests.gateway.running import ask, asking, key_of, opened
from tests.household import ME, Household, mail
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.providers.test_picture import painted

MESSAGES = """{ viewer { conversations(first: 9, filter: { withoutFlags: null }) { edges { node { subject messages(first: 9) { edges { node {
  id subject text newText html bodyState direction authentication attachmentCount internetMessageId headers { name value }
  sender { name address person { name } } attachments(first: 5) { name } inReplyTo { text } } } } } } } people { totalCount } } }"""


class Tracker(http.server.BaseHTTPRequestHandler):
    """A server of the sender's: it counts who comes."""

    pictures = {"/photo.png": painted(20, 20), "/drawing.svg": b"<svg onload=alert(1)>"}

    def do_GET(self) -> None:
        tracker: Any = self.server
        tracker.visits.append((self.path, dict(self.headers)))
        data = self.pictures.get(self.path, b"")
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Set-Cookie", "seen=1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output to the test."""


@dataclass
class Visited:
    place: str
    visits: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def tracker() -> Iterator[Visited]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Tracker)
    found = Visited(f"127.0.0.1:{server.server_port}")
    server.visits = found.visits  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


@dataclass
class Desk:
    installation: Installation
    client: httpx.AsyncClient
    household: Household
    box: str

    async def receive(self, *mails: bytes, receiver: str | None = None) -> list[Any]:
        """Take mails in and show everything; messages in the order of their conversations."""
        items = [mime.message(data, key=f"{n}", container="INBOX", receiver=receiver) for n, data in enumerate(mails)]
        results = await self.household.take(self.box, *items)
        assert [result.outcome for result in results] == ["CREATED"] * len(mails)
        return await self.shown()

    async def shown(self) -> list[Any]:
        answer = (await ask(self.client, MESSAGES)).json()
        assert "errors" not in answer, answer
        found = answer["data"]["viewer"]["conversations"]["edges"]
        return [message["node"] for one in found for message in one["node"]["messages"]["edges"]]

    async def fetch(self, url: str) -> httpx.Response:
        async with asking(self.installation) as bare:
            return await bare.get(urlsplit(url).path)


@pytest.fixture
async def desk(tmp_path: Path, tracker: Visited) -> AsyncIterator[Desk]:
    async with opened(
        tmp_path, schema=None, allow_private_hosts=(f"127.0.0.1/32:{tracker.place.partition(':')[2]}",)
    ) as installation:
        owner = await named(installation, None)
        household = Household(installation.database, owner.id)
        box = await household.account("mbox", ME, own=[ME])
        key, _ = await key_of(installation)
        async with asking(installation, key) as client:
            yield Desk(installation, client, household, box)


def letter(body: str, *lines: str, kind: str = "text/html", sender: str = "eve@evil.example", at: str = "10:00:00") -> bytes:
    head = [
        f"From: Eve <{sender}>",
        f"To: {ME}",
        f"Date: Mon, 04 May 2026 {at} +0000",
        f"Content-Type: {kind}; charset=utf-8",
        *lines,
    ]
    if not any(line.startswith("Message-ID") for line in lines):
        head.append("Message-ID: <hostile@evil.example>")
    return "\r\n".join((*head, "", body)).encode()


TRAPS = """<!doctype html><html><head><base href="http://{0}/"><meta http-equiv="refresh" content="0;url=http://{0}/refresh">
<link rel=stylesheet href="http://{0}/style.css"><link rel=preload as=image href="http://{0}/preload"><style>@import "http://{0}/import";
@font-face {{ font-family: x; src: url(http://{0}/font) }} body {{ background: url(http://{0}/body); font-family: x }}</style>
<script src="http://{0}/script.js"></script></head><body background="http://{0}/background" onload="document.title='executed'">
<h1>Invoice</h1><script>document.title = 'executed'; fetch('http://{0}/fetch')</script>
<img src="http://{0}/open.gif" width=1 height=1><img src="http://{0}/photo.png" srcset="http://{0}/photo2.png 2x" alt=photo>
<img src=x onerror="document.title='executed'"><img src="data:image/svg+xml,&lt;svg onload=alert(1)&gt;"><img src="//{0}/same">
<picture><source srcset="http://{0}/source"><img src="http://{0}/fallback"></picture>
<svg onload="document.title='executed'"><image href="http://{0}/svg"/><use href="http://{0}/use#a"/></svg>
<math><mtext><table><mglyph><style><img src=x onerror="document.title='executed'"></style></mglyph></table></mtext></math>
<noscript><p title="</noscript><img src=x onerror=document.title='executed'>"></noscript>
<video src="http://{0}/video" poster="http://{0}/poster" autoplay></video><audio src="http://{0}/audio" autoplay></audio>
<iframe src="http://{0}/frame"></iframe><iframe srcdoc="<script>parent.document.title='executed'</script>"></iframe>
<object data="http://{0}/object"></object><embed src="http://{0}/embed"><input type=image src="http://{0}/input">
<form action="http://{0}/form" id=f><input name=p autofocus onfocus="document.title='executed'"><button>go</button></form>
<div style="background-image: url('http://{0}/css'); width: 10px">a</div><div style="background:\\75rl(http://{0}/escaped)">b</div>
<div style="list-style: url(http://{0}/list); content: url(http://{0}/content); cursor: url(http://{0}/cursor), auto">c</div>
<div style="background-image: -webkit-image-set(url(http://{0}/set) 1x); mask-image: url(http://{0}/mask)">d</div>
<table background="http://{0}/table"><tr><td background="http://{0}/cell">e</td></tr></table>
<a href="javascript:document.title='executed'" id=link>link</a><a href="http://{0}/ping" ping="http://{0}/pinged">ping</a>
<details open ontoggle="document.title='executed'"><summary>x</summary></details><marquee onstart="document.title='executed'">m</marquee>
<img src="cid:missing"><isindex action="http://{0}/isindex"><keygen autofocus><template><img src="http://{0}/template"></template>
<p>Regards</p></body></html>"""


async def test_a_browser_that_shows_a_mail_full_of_traps_runs_nothing_and_calls_nobody(desk: Desk, tracker: Visited) -> None:
    (message,) = await desk.receive(letter(TRAPS.format(tracker.place)))
    requests: list[str] = []
    async with chromium() as browser:
        page = await browser.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("request", lambda request: requests.append(request.url))
        page.on("dialog", lambda dialog: requests.append("dialog"))
        page.on("frameattached", lambda frame: requests.append("frame"))
        await page.set_content(f"<title>quiet</title>{TRAPS.format(f'{tracker.place}/raw')}", wait_until="load")
        assert len(requests) > 10 and len(tracker.visits) > 5, "the traps work"
        await page.close()
        requests.clear()
        page = await browser.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("request", lambda request: requests.append(request.url))
        page.on("dialog", lambda dialog: requests.append("dialog"))
        page.on("frameattached", lambda frame: requests.append("frame"))
        await page.set_content(f"<title>quiet</title><main>{message['html']}</main>", wait_until="load")
        await page.wait_for_load_state("networkidle")
        assert await page.title() == "quiet"
        assert await page.inner_text("main h1") == "Invoice" and "Regards" in await page.inner_text("main")
        assert (
            await page.evaluate("document.querySelectorAll('main [src], main script, main form, main style, main [id]').length")
            == 0
        )
    # what the raw mail asked for may still come in
    assert (requests, [path for path, _ in tracker.visits if not path.startswith("/raw")]) == ([], [])


async def test_foreign_pictures_come_through_us_when_they_are_asked_for(desk: Desk, tracker: Visited) -> None:
    pictures = "".join(f'<img src="http://{tracker.place}/{name}" width=9>' for name in ("photo.png", "drawing.svg"))
    pixel = f'<img src="http://{tracker.place}/open.gif" width=1 height=1>'
    (message,) = await desk.receive(letter(f'<p>Look{pictures}{pixel}<img src="http://10.0.0.1/router.png">'))
    assert tracker.place not in message["html"]
    query = f'{{ node(id: "{message["id"]}") {{ ... on Message {{ html(remoteContent: PROXY) }} }} }}'
    html = (await ask(desk.client, query)).json()["data"]["node"]["html"]
    assert tracker.place not in html and tracker.visits == []
    shown, drawing, router = [await desk.fetch(piece.split('"')[0]) for piece in html.split('src="')[1:]]
    assert (shown.status_code, shown.headers["content-type"], shown.content) == (200, "image/png", painted(20, 20))
    assert "set-cookie" not in shown.headers and "sandbox" in shown.headers["content-security-policy"]
    assert (drawing.status_code, router.status_code) == (415, 502)
    assert [path for path, _ in tracker.visits] == ["/photo.png", "/drawing.svg"]
    told = {name.lower() for _, headers in tracker.visits for name in headers}
    assert not told & {"referer", "cookie", "authorization", "x-forwarded-for"}


async def test_line_breaks_in_names_and_subjects_stay_in_their_field(desk: Desk) -> None:
    injected = "=?utf-8?q?Hello=0D=0ABcc:_victim@example.org=0D=0A=0D=0A<script>?="
    (message,) = await desk.receive(
        letter("<p>x", f"Subject: {injected}").replace(b"From: Eve", b"From: =?utf-8?q?Eve=0D=0AX-Injected=3A_yes?=")
    )
    assert message["subject"] == "Hello Bcc: victim@example.org <script>"
    assert message["sender"]["name"] == "Eve X-Injected: yes"
    assert "\n" not in "".join(header["name"] + header["value"] for header in message["headers"])
    assert not [header for header in message["headers"] if header["name"] in ("Bcc", "X-Injected")]


REAL = letter("See you at ten.", "Message-ID: <real@example.org>", kind="text/plain", sender="ada@example.org")
FORGED = letter("Send me money.", "Message-ID: <real@example.org>", kind="text/plain", sender="ada@example.org")
OTHER = letter("Send me money.", "Message-ID: <real@example.org>", kind="text/plain", at="09:00:00")


@pytest.mark.parametrize("mails", [(REAL, FORGED, OTHER), (OTHER, FORGED, REAL), (FORGED, REAL, OTHER)])
async def test_a_forged_message_id_hides_no_real_mail(desk: Desk, mails: tuple[bytes, ...]) -> None:
    texts = [message["text"] for message in await desk.receive(*mails)]
    assert sorted(texts) == ["See you at ten.", "Send me money.", "Send me money."]


async def test_a_forged_sender_is_shown_and_counts_for_nothing(desk: Desk) -> None:
    await desk.household.take(
        desk.box, mail(1, "ada@example.org", name="Ada Lovelace"), mail(2, "bob@example.org", name="Bob Ray")
    )
    failed = (
        "Authentication-Results: mx.example.org; dmarc=fail header.from=example.org",
        "Received: from x by mx.example.org; now",
    )
    forged = ("Authentication-Results: mx.example.org; dmarc=pass header.from=example.org",)
    refers = "References: <1@mail.example> <2@mail.example>"
    as_ada = letter(
        "Money.", *failed, refers, *forged, "Message-ID: <3@evil.example>", kind="text/plain", sender="ada@example.org"
    )
    as_me = letter("Money, Eve.", *failed, "Message-ID: <4@evil.example>", kind="text/plain", sender=ME).replace(
        f"To: {ME}".encode(), b"To: eve@evil.example"
    )
    shown = {message["text"]: message for message in await desk.receive(as_ada, as_me, receiver="imap.example.org")}
    assert {shown[text]["authentication"] for text in ("Money.", "Money, Eve.")} == {"FAILED"}
    assert shown["Money."]["sender"] == {"name": "Eve", "address": "ada@example.org", "person": None}
    assert shown["Money."]["inReplyTo"] is not None  # what it claims to answer is told as its claim
    assert shown["Money, Eve."]["direction"] == "INBOUND"
    answer = (await ask(desk.client, MESSAGES)).json()["data"]["viewer"]
    assert len(answer["conversations"]["edges"]) == 4  # it joined nothing
    assert answer["people"]["totalCount"] == 2  # and made nobody
    people = await ask(
        desk.client, "{ viewer { people { edges { node { name lastMessage { text } conversations { totalCount } } } } } }"
    )
    assert [edge["node"] for edge in people.json()["data"]["viewer"]["people"]["edges"]] == [
        {"name": "Ada Lovelace", "lastMessage": {"text": "Text of 1"}, "conversations": {"totalCount": 1}},
        {"name": "Bob Ray", "lastMessage": {"text": "Text of 2"}, "conversations": {"totalCount": 1}},
    ]


async def test_parts_a_thousand_deep_lose_no_mail(desk: Desk) -> None:
    nested = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(1000))
    deep = f"From: eve@evil.example\r\nTo: {ME}\r\nSubject: deep\r\nMessage-ID: <deep@x>\r\n{nested}Content-Type: text/plain\r\n\r\nhello"
    wrapped = "".join("Content-Type: message/rfc822\r\n\r\nFrom: eve@evil.example\r\n" for _ in range(1000))
    mails = f"From: eve@evil.example\r\nTo: {ME}\r\nSubject: mails\r\nMessage-ID: <mails@x>\r\n{wrapped}\r\nhello"
    tables = letter("<table><tr><td>" * 1000 + "hello", "Message-ID: <tables@x>", "Subject: tables")
    shown = {message["subject"]: message for message in await desk.receive(deep.encode(), mails.encode(), tables)}
    assert shown["deep"]["bodyState"] == "UNPARSABLE"
    assert shown["mails"]["attachmentCount"] == 1
    assert shown["tables"]["text"] == "hello" and "hello" in shown["tables"]["html"]


async def test_a_quotation_of_180_kilobytes_on_one_line_is_shown(desk: Desk) -> None:
    bait = "On Mon, 4 Mar 2024 at 10:15, a " * 6_000
    (message,) = await desk.receive(letter(f"Yes.\r\n\r\nAda wrote:\r\n> {bait}\r\n", kind="text/plain"))
    assert (message["newText"], len(message["text"]) > 180_000) == ("Yes.", True)


async def test_mail_that_cannot_be_read_is_shown_as_such(desk: Desk) -> None:
    pgp = "--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--b\r\nContent-Type: application/x-pgp; name=e.asc\r\n\r\nx\r\n--b--"
    smime = "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m"
    shown = {
        message["subject"]: (
            message["bodyState"],
            message["text"],
            message["html"],
            [one["name"] for one in message["attachments"]],
        )
        for message in await desk.receive(
            letter(pgp, "Subject: pgp", "Message-ID: <1@x>", kind="multipart/encrypted; boundary=b"),
            letter("x", "Subject: smime", "Message-ID: <2@x>").replace(b"Content-Type: text/html; charset=utf-8", smime.encode()),
            letter("garbage", "Subject: broken", "Message-ID: <3@x>", kind="multipart/mixed"),
        )
    }
    assert shown["pgp"] == ("ENCRYPTED", "", None, ["e.asc"])
    assert shown["smime"] == ("ENCRYPTED", "", None, ["smime.p7m"])
    assert shown["broken"][:3] == ("UNPARSABLE", "", None)
