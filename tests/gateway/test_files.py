"""Attachments are fetched from their source by links that open one thing, for one viewer, for ten minutes."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from gateway.installation import Installation
from gateway.people import named
from providers import records
from providers.base import Provider
from providers.errors import RateLimited, Refused, Unavailable
from providers.formats import mime
from providers.http import Session
from tests.gateway.running import TestClock, ask, asking, key_of, opened
from tests.household import ME, Household

FILE = bytes(range(256)) * 40
MAIL = b"""From: Ada <ada@example.org>
To: robin@example.org
Date: Mon, 02 Mar 2026 10:00:00 +0000
Message-ID: <files@mail.example>
Subject: Files
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: multipart/related; boundary=c

--c
Content-Type: text/html

<p>Look: <img src="cid:logo@mail.example"><img src="https://tracker.example/open.png"></p>
--c
Content-Type: image/png; name=logo.png
Content-ID: <logo@mail.example>

png
--c--
--b
Content-Type: text/html; name="../../a b\xe2\x80\xa6.html"
Content-Disposition: attachment

<script>alert(1)</script>
--b
Content-Type: application/pdf; name=plan.pdf

pdf
--b--
"""
FIELDS = "id name mediaType size hash inline state download { url expiresAt } message { subject }"
QUERY = f"{{ viewer {{ conversations {{ edges {{ node {{ lastMessage {{ id html attachmentCount attachments {{ {FIELDS} }} }} }} }} }} }} }}"


@dataclass
class Postbox:
    """A network that keeps the files of mails, in pieces, and can be in trouble."""

    parts: dict[tuple[str, str], bytes] = field(default_factory=dict)
    trouble: Exception | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)

    def opened(self, session: Session) -> Postbox:
        return self

    async def profile(self) -> records.Profile:
        return records.Profile(user_id=ME, label=ME)

    async def pages(self, cursor: bytes | None) -> AsyncIterator[records.Page]:
        yield records.Page(done=True)

    async def part(self, key: str, part: str) -> AsyncIterator[bytes]:
        self.asked.append((key, part))
        if self.trouble is not None:
            raise self.trouble
        if (key, part) not in self.parts:
            raise Refused("This part is gone.", provider_code="not-found")
        data = self.parts[key, part]
        for start in range(0, len(data), 1000):
            yield data[start : start + 1000]


@dataclass
class Desk:
    """An installation with one mail, whose network has its files."""

    installation: Installation
    client: httpx.AsyncClient
    household: Household
    network: Postbox
    account: str
    clock: TestClock

    async def message(self) -> Any:
        answer = (await ask(self.client, QUERY)).json()
        assert "errors" not in answer, answer
        return answer["data"]["viewer"]["conversations"]["edges"][0]["node"]["lastMessage"]

    async def file(self, name: str) -> Any:
        return next(one for one in (await self.message())["attachments"] if one["name"] == name)

    async def fetch(self, url: str, **headers: str) -> httpx.Response:
        """As an `img` does: without any credential."""
        async with asking(self.installation, **headers) as bare:
            return await bare.get(urlsplit(url).path)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock, network = TestClock(), Postbox()
    async with opened(tmp_path, clock=clock, schema=None) as installation:
        installation.providers["postbox"] = Provider(
            key="postbox",
            name="Postbox",
            kind="MAIL",
            mode="MIRRORED",
            capabilities=frozenset({"ATTACHMENTS"}),
            open=network.opened,
        )
        owner = await named(installation, None)
        household = Household(installation.database, owner.id)
        account = await household.account("postbox", ME, own=[ME])
        await household.take(account, mime.message(MAIL, key="7", container="INBOX"))
        network.parts = {("7", "1.2"): b"png", ("7", "2"): b"<script>alert(1)</script>", ("7", "3"): FILE}
        key, _ = await key_of(installation)
        async with asking(installation, key) as client:
            yield Desk(installation, client, household, network, account, clock)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["extensions"]["code"]


async def test_a_message_lists_its_files_and_where_to_fetch_them(desk: Desk) -> None:
    shown = await desk.message()
    assert shown["attachmentCount"] == 2
    assert [(one["name"], one["mediaType"], one["inline"], one["state"]) for one in shown["attachments"]] == [
        ("logo.png", "image/png", True, "AVAILABLE"),
        ("a b….html", "text/html", False, "AVAILABLE"),
        ("plan.pdf", "application/pdf", False, "AVAILABLE"),
    ]
    assert {one["message"]["subject"] for one in shown["attachments"]} == {"Files"}
    assert {one["download"]["expiresAt"] for one in shown["attachments"]} == {"2026-03-01T12:10:00.000Z"}
    found = (
        await ask(desk.client, f'{{ node(id: "{shown["attachments"][2]["id"]}") {{ ... on Attachment {{ name }} }} }}')
    ).json()
    assert found["data"]["node"] == {"name": "plan.pdf"}


async def test_a_file_comes_as_something_to_save_that_can_do_nothing(desk: Desk) -> None:
    answer = await desk.fetch((await desk.file("a b….html"))["download"]["url"])
    assert (answer.status_code, answer.content) == (200, b"<script>alert(1)</script>")
    headers = answer.headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"] == "attachment; filename=\"a b_.html\"; filename*=UTF-8''a%20b%E2%80%A6.html"
    assert headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")


async def test_the_first_whole_read_tells_size_and_hash(desk: Desk) -> None:
    before = await desk.file("plan.pdf")
    assert (before["size"], before["hash"]) == (3, None)
    assert (await desk.fetch(before["download"]["url"])).content == FILE
    after = await desk.file("plan.pdf")
    assert (after["size"], after["hash"]) == (len(FILE), hashlib.sha256(FILE).hexdigest())
    again = await desk.fetch(after["download"]["url"])
    assert (again.headers["content-length"], again.headers["etag"]) == (str(len(FILE)), f'"{after["hash"]}"')


@pytest.mark.parametrize(
    ("wanted", "status", "content", "said"),
    [
        ("bytes=0-9", 206, FILE[:10], "bytes 0-9/10240"),
        ("bytes=1500-2499", 206, FILE[1500:2500], "bytes 1500-2499/10240"),
        ("bytes=10000-", 206, FILE[10000:], "bytes 10000-10239/10240"),
        ("bytes=-5", 206, FILE[-5:], "bytes 10235-10239/10240"),
        ("bytes=10000-99999", 206, FILE[10000:], "bytes 10000-10239/10240"),
        ("bytes=0-0,5-6", 200, FILE, None),
        ("bytes=9-1", 200, FILE, None),
        ("lines=1-2", 200, FILE, None),
    ],
)
async def test_a_range_of_a_file_is_served(desk: Desk, wanted: str, status: int, content: bytes, said: str | None) -> None:
    answer = await desk.fetch((await desk.file("plan.pdf"))["download"]["url"], range=wanted)
    assert (answer.status_code, answer.content, answer.headers.get("content-range")) == (status, content, said)


async def test_a_range_beyond_the_end_is_refused_and_one_of_another_version_is_not_cut(desk: Desk) -> None:
    url = (await desk.file("plan.pdf"))["download"]["url"]
    beyond = await desk.fetch(url, range="bytes=99999-")
    assert code(beyond) == (416, "RANGE_NOT_SATISFIABLE")
    assert beyond.headers["content-range"] == "bytes */10240"
    other = await desk.fetch(url, range="bytes=0-9", **{"if-range": '"another"'})
    assert (other.status_code, other.content) == (200, FILE)


async def test_a_link_ends_after_ten_minutes(desk: Desk) -> None:
    url = (await desk.file("plan.pdf"))["download"]["url"]
    desk.clock.pass_by(seconds=599)
    assert (await desk.fetch(url)).status_code == 200
    desk.clock.pass_by(seconds=1)
    assert code(await desk.fetch(url)) == (403, "EXPIRED")


async def test_a_forged_link_opens_nothing(desk: Desk) -> None:
    url = (await desk.file("plan.pdf"))["download"]["url"]
    token = url.rpartition("/")[2]
    changed = token[:-6] + ("a" if token[-6] != "a" else "b") + token[-5:]
    for forged in (changed, token[:-4], "x", "AAAA", "%00", "é", "a" * 10_000, token + "AAAA"):
        assert code(await desk.fetch(f"/files/{forged}")) == (404, "NOT_FOUND"), forged
    assert desk.network.asked == []


async def test_a_link_says_nothing_about_what_it_opens(desk: Desk) -> None:
    shown = await desk.file("plan.pdf")
    assert shown["id"] not in shown["download"]["url"] and desk.household.viewer not in shown["download"]["url"]
    assert (await desk.file("plan.pdf"))["download"]["url"] != shown["download"]["url"]


async def test_another_viewer_gets_no_file_of_ours_by_id_or_by_link(desk: Desk) -> None:
    shown = await desk.file("plan.pdf")
    await Household.open(desk.installation.database, "u_morgan")
    stranger, _ = await key_of(desk.installation, "morgan")
    answer = await desk.fetch(shown["download"]["url"], authorization=f"Bearer {stranger}")
    assert code(answer) == (403, "FORBIDDEN")
    async with asking(desk.installation, stranger) as client:
        found = (await ask(client, f'{{ node(id: "{shown["id"]}") {{ id }} }}')).json()
    assert found["data"]["node"] is None
    assert desk.network.asked == []


async def test_what_is_gone_at_its_source_says_so(desk: Desk) -> None:
    url = (await desk.file("plan.pdf"))["download"]["url"]
    del desk.network.parts["7", "3"]
    assert code(await desk.fetch(url)) == (410, "GONE")
    await desk.household.take(desk.account, records.Gone(kind="MESSAGE", key="7"))
    assert code(await desk.fetch(url)) == (404, "NOT_FOUND")


async def test_a_source_in_trouble_is_named_with_when_to_come_again(desk: Desk) -> None:
    url = (await desk.file("plan.pdf"))["download"]["url"]
    desk.network.trouble = Unavailable("The network cannot be reached.")
    assert code(await desk.fetch(url)) == (503, "PROVIDER_UNAVAILABLE")
    desk.network.trouble = RateLimited("Too many calls.", retry_at=desk.clock.time.replace(minute=1))
    answer = await desk.fetch(url)
    assert (code(answer), answer.headers["retry-after"]) == ((503, "RATE_LIMITED"), "61")


async def test_a_mail_that_only_a_file_brought_has_lost_its_files(desk: Desk) -> None:
    archive = await desk.household.account("mbox", ME)
    await desk.household.take(archive, mime.message(MAIL, key="in-the-file"))
    await desk.household.take(desk.account, records.Gone(kind="MESSAGE", key="7"))
    shown = await desk.file("plan.pdf")
    assert (shown["state"], shown["download"]) == ("GONE", None)


async def test_a_mail_that_a_file_brought_first_has_its_files_where_it_also_is(desk: Desk) -> None:
    await desk.household.forget(desk.account)
    archive = await desk.household.account("mbox", ME)
    await desk.household.take(archive, mime.message(MAIL, key="in-the-file"))
    assert (await desk.file("plan.pdf"))["state"] == "GONE"
    await desk.household.take(
        await desk.household.account("postbox", ME, own=[ME]), mime.message(MAIL, key="7", container="INBOX")
    )
    shown = await desk.file("plan.pdf")
    assert (shown["state"], (await desk.fetch(shown["download"]["url"])).content) == ("AVAILABLE", FILE)


async def test_pictures_of_the_mail_are_shown_from_our_own_links(desk: Desk) -> None:
    html = (await desk.message())["html"]
    assert html.startswith('<p>Look: <img src="http://127.0.0.1:8000/files/') and "tracker.example" not in html
    answer = await desk.fetch(html.split('src="')[1].split('"')[0])
    assert (answer.content, answer.headers["content-type"]) == (b"png", "image/png")
    assert answer.headers["content-disposition"].startswith("inline")


async def test_inline_is_only_what_a_browser_shows_without_running_it(desk: Desk) -> None:
    query = QUERY.replace("download {", "download(disposition: INLINE) {")
    answer = (await ask(desk.client, query)).json()["data"]["viewer"]["conversations"]["edges"][0]["node"]["lastMessage"]
    said = [
        (await desk.fetch(one["download"]["url"])).headers["content-disposition"].partition(";")[0]
        for one in answer["attachments"]
    ]
    assert said == ["inline", "attachment", "attachment"]


async def test_a_file_can_be_looked_at_without_fetching_it(desk: Desk) -> None:
    url = (await desk.file("plan.pdf"))["download"]["url"]
    answer = await desk.client.head(urlsplit(url).path)
    assert (answer.status_code, answer.headers["content-type"], desk.network.asked) == (200, "application/pdf", [])
