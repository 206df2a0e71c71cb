"""Files are put up in one go or in pieces, over lines that break and processes that die, and leave with a message as they came."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
from sqlalchemy import text

from gateway import uploads as putting_up
from gateway import worker
from gateway.installation import Installation
from gateway.people import named
from providers import records
from providers.base import Adapter, Provider
from providers.http import Session
from store import outbox, uploads, viewers
from tests import fresh, servers
from tests.gateway.running import TestClock, ask, asking, key_of, listening, opened
from tests.gateway_process import kith_serve
from tests.household import ME, Household
from tests.letterbox import SECRET, Box, Letterbox
from tests.patience import PATIENCE
from tests.submission import Submission, submission

FILE = random.Random(1).randbytes(700_001)
SHA = hashlib.sha256(FILE).hexdigest()
TICKET = "upload { id url received complete expiresAt headers { name value } } errors { code field message }"


@dataclass
class Desk:
    """An installation whose one account sends through a submission server, and a client with a key."""

    installation: Installation
    client: httpx.AsyncClient
    key_id: str
    household: Household
    account: str
    server: Submission
    clock: TestClock

    async def ask(self, query: str, **variables: Any) -> Any:
        answer = (await ask(self.client, query, variables=variables)).json()
        assert "errors" not in answer, answer
        return answer["data"]

    async def create(self, size: int = len(FILE), name: str = "plan.bin", **given: Any) -> Any:
        """The payload of createUpload."""
        query = f"mutation($input: CreateUploadInput!) {{ createUpload(input: $input) {{ {TICKET} feedCursor }} }}"
        return (await self.ask(query, input={"name": name, "size": size, **given}))["createUpload"]

    async def reserved(self, size: int = len(FILE), name: str = "plan.bin", **given: Any) -> Any:
        done = await self.create(size, name, **given)
        assert done["errors"] == [], done
        return done["upload"]

    async def put(self, url: str, data: Any = b"", part: str | None = None, **headers: str) -> httpx.Response:
        """As a phone does that holds nothing but the address."""
        if part is not None:
            headers["content-range"] = part
        async with asking(self.installation, **headers) as bare:
            return await bare.put(urlsplit(url).path, content=data)

    async def node(self, upload_id: str) -> Any:
        return (
            await self.ask("query($id: ID!) { node(id: $id) { ... on UploadTicket { received complete url } } }", id=upload_id)
        )["node"]

    async def complete(self, data: bytes = FILE, name: str = "plan.bin", **given: Any) -> str:
        shown = await self.reserved(len(data), name, **given)
        assert (await self.put(shown["url"], data)).status_code == 200
        return str(shown["id"])

    async def send(self, attachments: str, rest: str = "undoSeconds: 0", key: str = "k-1") -> Any:
        compose = f'newMessage: {{ accountId: "{self.account}", to: [{{ email: "ada@example.org" }}], subject: "Plan" }}'
        call = f'idempotencyKey: "{key}", compose: {{ {compose} }}, text: "Here.", attachments: [{attachments}], {rest}'
        shown = "message { id attachments { name mediaType size hash } delivery { state } } errors { code field message }"
        return (await self.ask(f"mutation {{ sendMessage(input: {{ {call} }}) {{ {shown} }} }}"))["sendMessage"]

    async def work(self, kind: str = outbox.JOB) -> bool:
        subject = self.account if kind == outbox.JOB else self.household.viewer
        return await worker.of(self.installation).run_one(self.household.viewer, kind, subject)

    async def state(self, message_id: str) -> str:
        query = "query($id: ID!) { node(id: $id) { ... on Message { delivery { state } } } }"
        return str((await self.ask(query, id=message_id))["node"]["delivery"]["state"])

    def arrived(self) -> list[tuple[str | None, str, bytes]]:
        """Name, type and bytes of the files that the one recipient got."""
        (letter,) = self.server.taken
        found = message_from_bytes(letter.data, policy=policy.default)
        assert isinstance(found, EmailMessage)
        files = []
        for one in found.iter_attachments():
            content = one.get_payload(decode=True)
            assert isinstance(content, bytes)
            files.append((one.get_filename(), one.get_content_type(), content))
        return files

    def files(self) -> list[str]:
        return self.installation.blobs.names(self.household.viewer)

    async def rows(self) -> int:
        query = text("select (select count(*) from upload) + (select count(*) from upload_use)")
        return int(await self.installation.database.read(self.household.viewer, lambda conn, _: conn.execute(query).scalar_one()))


#: For tests in which the store has a say; the others run on SQLite alone.
on_both = pytest.mark.parametrize("desk", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    settings: dict[str, Any] = {"allow_private_hosts": ("127.0.0.0/8:*",)}
    if getattr(request, "param", "sqlite") == "postgresql":
        server: servers.Postgres = request.getfixturevalue("postgres_server")
        settings["database_url"] = (await fresh.postgresql(server)).app_url
    clock = TestClock()
    async with submission() as sink, opened(tmp_path, clock=clock, schema=None, **settings) as installation:
        box = Box(sink)

        def opens(session: Session) -> Adapter:
            return Letterbox(box, session)

        provider = Provider(
            key="letterbox", name="Letterbox", kind="MAIL", mode="MIRRORED", capabilities=frozenset({"SEND"}), open=opens
        )
        installation.providers["letterbox"] = provider
        owner = await named(installation, None)
        profile = records.Profile(user_id=ME, label=ME, own_addresses=(records.OwnAddress(value=ME, primary=True),))
        account = await installation.accounts.add(owner.id, provider, profile, SECRET, base_url="")
        key, kept = await key_of(installation, scopes=("read", "write", "send"))
        async with asking(installation, key) as client:
            yield Desk(installation, client, kept.id, Household(installation.database, owner.id), account, sink, clock)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["extensions"]["code"]


def stands(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.headers.get("range")


# --- putting up ---------------------------------------------------------------------------------------------------------------


@on_both
async def test_a_file_is_put_up_in_one_go_and_arrives_as_it_is(desk: Desk) -> None:
    shown = await desk.reserved(name="../Plän 2.pdf", mediaType="application/pdf", sha256=SHA.upper())
    assert (shown["received"], shown["complete"], shown["expiresAt"]) == (0, False, "2026-03-02T12:00:00.000Z")
    assert shown["headers"] == [{"name": "Content-Type", "value": "application/octet-stream"}]
    answer = await desk.put(shown["url"], FILE, **{h["name"].lower(): h["value"] for h in shown["headers"]})
    assert answer.status_code == 200
    # random bytes are no PDF, whatever they are called
    assert answer.json() == {"size": len(FILE), "mediaType": "application/octet-stream", "sha256": SHA}
    assert {**await desk.node(shown["id"]), "url": ""} == {"received": len(FILE), "complete": True, "url": ""}
    done = await desk.send(f'{{ uploadId: "{shown["id"]}" }}')
    assert done["errors"] == []
    assert done["message"]["attachments"] == [
        {"name": "Plän 2.pdf", "mediaType": "application/octet-stream", "size": len(FILE), "hash": SHA}
    ]
    await desk.work()
    assert await desk.state(done["message"]["id"]) == "SENT"
    assert desk.arrived() == [("Plän 2.pdf", "application/octet-stream", FILE)]


@on_both
async def test_a_file_comes_in_pieces_and_each_answer_says_where_it_stands(desk: Desk) -> None:
    url, size = (await desk.reserved(sha256=SHA))["url"], len(FILE)
    assert stands(await desk.put(url, part=f"bytes */{size}")) == (308, None)
    assert stands(await desk.put(url, FILE[:1], part=f"bytes 0-0/{size}")) == (308, "bytes=0-0")
    assert stands(await desk.put(url, FILE[1:300_000], part=f"bytes 1-299999/{size}")) == (308, "bytes=0-299999")
    assert stands(await desk.put(url, part="bytes */*")) == (308, "bytes=0-299999")
    last = await desk.put(url, FILE[300_000:], part=f"bytes 300000-{size - 1}/*")
    assert (last.status_code, last.json()["sha256"]) == (200, SHA)
    assert (await desk.put(url, part=f"bytes */{size}")).status_code == 200


async def test_what_came_before_the_line_was_cut_is_kept_and_the_rest_follows(desk: Desk) -> None:
    shown = await desk.reserved(sha256=SHA)
    path, size = urlsplit(shown["url"]).path, len(FILE)
    async with listening(desk.installation) as place:
        host, _, port = place.partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"PUT {path} HTTP/1.1\r\nHost: {place}\r\nContent-Length: {size}\r\n\r\n".encode() + FILE[:500_000])
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        async with httpx.AsyncClient(base_url=f"http://{place}", timeout=PATIENCE) as client:
            while (asked := await client.put(path, headers={"content-range": f"bytes */{size}"})).headers.get("range") is None:
                assert asked.status_code == 308
                await asyncio.sleep(0.01)
            there = int(asked.headers["range"].rpartition("-")[2]) + 1
            assert 0 < there <= 500_000
            rest = {"content-range": f"bytes {there}-{size - 1}/{size}"}
            last = await client.put(path, content=FILE[there:], headers=rest)
            while last.status_code == 409:  # until the server has noticed that the first line is cut
                await asyncio.sleep(0.01)
                last = await client.put(path, content=FILE[there:], headers=rest)
            assert last.json()["sha256"] == SHA


async def test_bytes_that_are_sent_twice_count_once_and_others_are_refused(desk: Desk) -> None:
    url, size = (await desk.reserved())["url"], len(FILE)
    await desk.put(url, FILE[:1000], part=f"bytes 0-999/{size}")
    assert stands(await desk.put(url, FILE[500:1500], part=f"bytes 500-1499/{size}")) == (308, "bytes=0-1499")
    assert stands(await desk.put(url, FILE[:10], part=f"bytes 0-9/{size}")) == (308, "bytes=0-1499")
    other = await desk.put(url, b"x" * 1000, part=f"bytes 1000-1999/{size}")
    assert (code(other), other.headers["range"]) == ((409, "CONFLICT"), "bytes=0-1499")
    gap = await desk.put(url, FILE[2000:3000], part=f"bytes 2000-2999/{size}")
    assert (code(gap), gap.headers["range"]) == ((416, "RANGE_NOT_SATISFIABLE"), "bytes=0-1499")
    assert (await desk.put(url, FILE)).json()["sha256"] == SHA
    assert (await desk.put(url, FILE)).status_code == 200
    assert code(await desk.put(url, bytes(len(FILE)))) == (409, "CONFLICT")
    assert (await desk.put(url, part=f"bytes */{size}")).json()["sha256"] == SHA


@pytest.mark.parametrize(
    ("data", "part", "refused"),
    [
        (FILE[:-1], None, (400, "SIZE_MISMATCH")),
        (FILE + b"x", None, (413, "SIZE_MISMATCH")),
        (FILE[:10], f"bytes 0-10/{len(FILE)}", (400, "SIZE_MISMATCH")),
        (FILE[:10], "bytes 0-9/10", (400, "SIZE_MISMATCH")),
        (FILE[:10], f"bytes {len(FILE) - 5}-{len(FILE) + 4}/{len(FILE)}", (413, "TOO_LARGE")),
        (FILE[:10], f"bytes 9-0/{len(FILE)}", (400, "BAD_REQUEST")),
        (FILE[:10], "bytes 0-9", (400, "BAD_REQUEST")),
        (FILE[:10], "lines 0-9/10", (400, "BAD_REQUEST")),
        (b"", "bytes */12", (400, "SIZE_MISMATCH")),
        (b"", f"bytes 0-{'9' * 400}/1", (400, "BAD_REQUEST")),
    ],
    ids=["short", "long", "uneven", "other-size", "beyond", "backwards", "no-size", "lines", "nothing", "huge"],
)
async def test_figures_that_do_not_fit_are_refused_and_nothing_is_kept(
    desk: Desk, data: bytes, part: str | None, refused: tuple[int, str]
) -> None:
    shown = await desk.reserved()
    assert code(await desk.put(shown["url"], data, part)) == refused
    assert (await desk.node(shown["id"]))["received"] == 0


async def test_more_bytes_than_announced_are_refused_even_when_their_number_was_not_told(desk: Desk) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield FILE[:100_000]

    assert code(await desk.put((await desk.reserved())["url"], endless())) == (400, "BAD_REQUEST")


@on_both
async def test_other_bytes_than_announced_are_not_kept_and_the_right_ones_may_follow(desk: Desk) -> None:
    url = (await desk.reserved(sha256=SHA))["url"]
    wrong = bytes(len(FILE))
    answer = await desk.put(url, wrong)
    assert code(answer) == (422, "HASH_MISMATCH")
    assert stands(await desk.put(url, part="bytes */*")) == (308, None)
    assert (await desk.put(url, FILE)).status_code == 200


async def test_a_body_in_another_coding_is_refused(desk: Desk) -> None:
    answer = await desk.put((await desk.reserved())["url"], FILE, **{"content-encoding": "gzip"})
    assert code(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_second_request_has_to_wait_for_the_first(desk: Desk) -> None:
    url, second = (await desk.reserved())["url"], []

    async def slowly() -> AsyncIterator[bytes]:
        yield FILE[:10]
        second.append(await desk.put(url, FILE))
        assert stands(await desk.put(url, part="bytes */*")) == (308, None)  # asking is always possible
        yield FILE[10:]

    assert (await desk.put(url, slowly())).status_code == 200
    assert [(code(one), one.headers["retry-after"]) for one in second] == [((409, "CONFLICT"), "1")]


async def test_a_line_on_which_nothing_comes_any_more_is_let_go_and_what_came_is_kept(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(putting_up, "PATIENCE", 0.05)
    url = (await desk.reserved())["url"]

    async def silent() -> AsyncIterator[bytes]:
        yield FILE[:1000]
        await asyncio.Event().wait()

    answer = await desk.put(url, silent())
    assert (code(answer), answer.headers["range"]) == ((408, "TIMEOUT"), "bytes=0-999")
    assert stands(await desk.put(url, part="bytes */*")) == (308, "bytes=0-999")


async def test_a_full_disk_is_told_and_the_upload_goes_on_when_there_is_room(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    url, size = (await desk.reserved())["url"], len(FILE)
    await desk.put(url, FILE[:1000], part=f"bytes 0-999/{size}")

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", full)
        assert code(await desk.put(url, FILE)) == (507, "NO_ROOM")
    assert (await desk.put(url, FILE)).json()["sha256"] == SHA


async def test_a_front_end_elsewhere_may_put_up_and_read_where_it_stands(desk: Desk, tmp_path: Path) -> None:
    origin = "https://app.example.org"
    async with opened(tmp_path / "other", cors_origins=(origin,)) as installation, asking(installation) as client:
        asked = {"origin": origin, "access-control-request-method": "PUT", "access-control-request-headers": "content-range"}
        allowed = await client.options("/uploads/x", headers=asked)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, origin)
        answer = await client.put("/uploads/x", headers={"origin": origin})
        assert "range" in answer.headers["access-control-expose-headers"]


# --- who may -------------------------------------------------------------------------------------------------------------------


async def test_a_forged_address_opens_nothing_and_an_address_to_fetch_by_is_none_to_put_up_by(desk: Desk) -> None:
    url = (await desk.reserved())["url"]
    token = url.rpartition("/")[2]
    changed = token[:-6] + ("a" if token[-6] != "a" else "b") + token[-5:]
    for forged in (changed, token[:-4], "x", "AAAA", "a" * 10_000):
        assert code(await desk.put(f"/uploads/{forged}", FILE)) == (404, "NOT_FOUND")
    assert code(await desk.client.get(f"/files/{token}")) == (404, "NOT_FOUND")
    assert desk.files() == []


async def test_the_address_says_nothing(desk: Desk) -> None:
    shown = await desk.reserved()
    assert shown["id"] not in shown["url"] and desk.household.viewer not in shown["url"]


@on_both
async def test_another_viewer_neither_puts_up_nor_sees_nor_sends_it(desk: Desk) -> None:
    shown = await desk.reserved()
    stranger, _ = await key_of(desk.installation, "morgan", ("read", "write", "send"))
    assert code(await desk.put(shown["url"], FILE, authorization=f"Bearer {stranger}")) == (403, "FORBIDDEN")
    assert (await desk.put(shown["url"], FILE)).status_code == 200
    async with asking(desk.installation, stranger) as client:
        query = f'{{ node(id: "{shown["id"]}") {{ id }} }}'
        assert (await ask(client, query)).json()["data"]["node"] is None
        compose = f'newMessage: {{ accountId: "{desk.account}", to: [{{ email: "x@example.org" }}] }}'
        call = f'idempotencyKey: "k", compose: {{ {compose} }}, text: "x", attachments: [{{ uploadId: "{shown["id"]}" }}]'
        sent = (await ask(client, f"mutation {{ sendMessage(input: {{ {call} }}) {{ errors {{ code }} }} }}")).json()
        assert sent["data"]["sendMessage"]["errors"] == [{"code": "NOT_FOUND"}]


@on_both
async def test_an_address_ends_with_the_key_that_asked_for_it(desk: Desk) -> None:
    shown = await desk.reserved()
    await desk.put(shown["url"], FILE[:100], part=f"bytes 0-99/{len(FILE)}")

    async def revoking() -> AsyncIterator[bytes]:
        yield FILE[100:]
        await desk.installation.database.system(viewers.revoke_key, desk.household.viewer, desk.key_id, desk.clock.now())

    last = await desk.put(shown["url"], revoking(), part=f"bytes 100-{len(FILE) - 1}/{len(FILE)}")
    assert code(last) == (403, "FORBIDDEN")
    assert code(await desk.put(shown["url"], part="bytes */*")) == (403, "FORBIDDEN")
    found = await desk.installation.database.read(desk.household.viewer, uploads.get, shown["id"])
    assert found is not None and not found.complete


async def test_an_address_ends_with_its_viewer(desk: Desk) -> None:
    url = (await desk.reserved())["url"]
    await desk.installation.database.system(viewers.disable, desk.household.viewer, desk.clock.now())
    assert code(await desk.put(url, FILE)) == (404, "NOT_FOUND")


async def test_who_may_only_read_neither_reserves_nor_gets_an_address(desk: Desk) -> None:
    shown = await desk.reserved()
    reader, _ = await key_of(desk.installation, scopes=("read",))
    async with asking(desk.installation, reader) as client:
        for query in (
            'mutation { createUpload(input: { name: "x", size: 1 }) { upload { id } } }',
            f'{{ node(id: "{shown["id"]}") {{ ... on UploadTicket {{ url }} }} }}',
        ):
            assert (await ask(client, query)).json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        told = (await ask(client, f'{{ node(id: "{shown["id"]}") {{ ... on UploadTicket {{ received }} }} }}')).json()
        assert told["data"]["node"] == {"received": 0}


# --- how much, and how long ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({"size": 2_000_000_001}, ("LIMIT_REACHED", ["size"])),
        ({"size": 0}, ("INVALID", ["size"])),
        ({"size": 1, "name": " ../ "}, ("INVALID", ["name"])),
        ({"size": 1, "sha256": "abc"}, ("INVALID", ["sha256"])),
    ],
)
async def test_what_cannot_be_put_up_is_refused_before_a_byte_is_sent(
    desk: Desk, given: dict[str, Any], refused: tuple[str, list[str]]
) -> None:
    done = await desk.create(**given)
    assert (done["upload"], [(e["code"], e["field"]) for e in done["errors"]]) == (None, [refused])


async def test_the_installation_tells_how_large_a_file_may_be(desk: Desk) -> None:
    assert (await desk.ask("{ server { limits { maxUploadBytes } } }"))["server"]["limits"] == {"maxUploadBytes": 2_000_000_000}
    assert (await desk.create(2_000_000_000))["errors"] == []


@on_both
async def test_all_files_of_a_viewer_have_so_much_room_together_however_many_are_reserved_at_once(desk: Desk) -> None:
    desk.installation.services.facts = type(desk.installation.services.facts)(
        limits=type(desk.installation.services.facts.limits)(max_uploads_bytes=1_000)
    )
    done = await asyncio.gather(*(desk.create(300) for _ in range(6)))
    assert sorted([e["code"] for one in done for e in one["errors"]]) == ["LIMIT_REACHED"] * 3
    desk.clock.pass_by(days=1)
    await desk.work(uploads.JOB)
    assert (await desk.create(1_000))["errors"] == []


@on_both
async def test_the_same_key_reserves_once(desk: Desk) -> None:
    first = await desk.create(10, idempotencyKey="k")
    assert (await desk.create(10, idempotencyKey="k"))["upload"]["id"] == first["upload"]["id"]
    assert [e["code"] for e in (await desk.create(11, idempotencyKey="k"))["errors"]] == ["IDEMPOTENCY_CONFLICT"]
    desk.clock.pass_by(days=2)
    await desk.work(uploads.JOB)
    again = await desk.create(10, idempotencyKey="k")
    assert (again["upload"], [e["code"] for e in again["errors"]]) == (None, ["EXPIRED"])


async def test_an_address_is_good_for_an_hour_and_the_upload_tells_a_new_one(desk: Desk) -> None:
    shown = await desk.reserved()
    desk.clock.pass_by(hours=1)
    assert code(await desk.put(shown["url"], FILE)) == (403, "EXPIRED")
    fresh = (await desk.node(shown["id"]))["url"]
    assert (await desk.put(fresh, FILE)).status_code == 200
    desk.clock.pass_by(hours=23)
    assert code(await desk.put((await desk.node(shown["id"]))["url"], FILE)) == (403, "EXPIRED")


@on_both
async def test_an_upload_whose_time_is_over_cannot_be_sent_and_is_erased_row_and_file(desk: Desk) -> None:
    upload = await desk.complete()
    await desk.reserved()
    desk.clock.pass_by(days=1)
    done = await desk.send(f'{{ uploadId: "{upload}" }}')
    assert [(e["code"], e["field"]) for e in done["errors"]] == [("EXPIRED", ["attachments", "0", "uploadId"])]
    assert await desk.work(uploads.JOB)
    assert (desk.files(), await desk.rows()) == ([], 0)
    assert not await desk.work(uploads.JOB)


@on_both
async def test_what_a_message_takes_along_stays_until_it_has_left(desk: Desk) -> None:
    upload = await desk.complete()
    later = (desk.clock.now() + timedelta(days=3)).isoformat()
    done = await desk.send(f'{{ uploadId: "{upload}" }}', f'sendAt: "{later}"')
    assert done["errors"] == []
    for _ in range(3):
        desk.clock.pass_by(days=1)
        await desk.work(uploads.JOB)
        assert desk.files() == [upload]
    await desk.work()
    assert desk.arrived() == [("plan.bin", "application/octet-stream", FILE)]
    await desk.work(uploads.JOB)
    assert (desk.files(), await desk.rows()) == ([], 0)


@on_both
async def test_a_message_that_is_taken_back_holds_nothing(desk: Desk) -> None:
    upload = await desk.complete()
    sent = (await desk.send(f'{{ uploadId: "{upload}" }}', "undoSeconds: 60"))["message"]["id"]
    await desk.ask(f'mutation {{ undoSend(input: {{ messageId: "{sent}" }}) {{ errors {{ code }} }} }}')
    desk.clock.pass_by(days=1)
    await desk.work(uploads.JOB)
    assert (desk.files(), await desk.rows()) == ([], 0)


# --- sending -------------------------------------------------------------------------------------------------------------------


@on_both
async def test_files_arrive_in_the_order_in_which_they_were_named_each_once(desk: Desk) -> None:
    png = b"\x89PNG\r\n\x1a\n" + FILE[:50]
    one, two = await desk.complete(b"%PDF-1.7", "a.pdf"), await desk.complete(png, "b.txt", mediaType="text/plain")
    done = await desk.send(f'{{ uploadId: "{two}" }}, {{ uploadId: "{one}" }}, {{ uploadId: "{two}" }}')
    assert done["errors"] == []
    await desk.work()
    assert desk.arrived() == [("b.txt", "image/png", png), ("a.pdf", "application/pdf", b"%PDF-1.7")]


@on_both
async def test_an_upload_can_go_with_several_messages(desk: Desk) -> None:
    upload = await desk.complete()
    for key in ("one", "two"):
        assert (await desk.send(f'{{ uploadId: "{upload}" }}', key=key))["errors"] == []
    await desk.work()
    assert len(desk.server.taken) == 2


@on_both
async def test_an_upload_that_is_not_complete_or_not_there_is_named_with_its_place(desk: Desk) -> None:
    shown = await desk.reserved()
    await desk.put(shown["url"], FILE[:10], part=f"bytes 0-9/{len(FILE)}")
    for given, wrong in (
        (f'{{ uploadId: "{shown["id"]}" }}', ("INVALID", "uploadId")),
        ('{ uploadId: "b_none" }', ("NOT_FOUND", "uploadId")),
        (f'{{ attachmentId: "{shown["id"]}" }}', ("NOT_FOUND", "attachmentId")),
    ):
        done = await desk.send(given)
        assert [(e["code"], e["field"]) for e in done["errors"]] == [(wrong[0], ["attachments", "0", wrong[1]])]
    assert not await desk.work()


async def test_files_that_are_too_large_together_are_refused(desk: Desk) -> None:
    ids = []
    for n in range(2):
        shown = await desk.reserved(13_000_000, f"{n}.bin")
        assert (await desk.put(shown["url"], bytes([n]) * 13_000_000)).status_code == 200
        ids.append(f'{{ uploadId: "{shown["id"]}" }}')
    done = await desk.send(", ".join(ids))
    assert [(e["code"], e["field"]) for e in done["errors"]] == [("LIMIT_REACHED", ["attachments"])]


async def test_a_worker_that_cannot_see_the_file_leaves_the_message_to_one_that_can(desk: Desk) -> None:
    upload = await desk.complete()
    sent = (await desk.send(f'{{ uploadId: "{upload}" }}'))["message"]["id"]
    folder = desk.installation.home / "uploads"
    folder.rename(folder.with_name("elsewhere"))
    await desk.work()
    assert (await desk.state(sent), desk.server.taken) == ("HELD", [])
    folder.with_name("elsewhere").rename(folder)
    desk.clock.pass_by(minutes=1)
    await desk.work()
    assert desk.arrived() == [("plan.bin", "application/octet-stream", FILE)]


async def test_a_file_that_was_damaged_on_disk_is_not_sent(desk: Desk) -> None:
    upload = await desk.complete()
    sent = (await desk.send(f'{{ uploadId: "{upload}" }}'))["message"]["id"]
    (desk.installation.home / "uploads" / desk.household.viewer / upload).write_bytes(FILE[:-1] + b"x")
    await desk.work()
    assert (await desk.state(sent), desk.server.taken) == ("FAILED", [])


# --- whatever dies -----------------------------------------------------------------------------------------------------------


async def test_what_a_crash_left_in_the_file_beyond_what_is_vouched_for_counts_for_nothing(desk: Desk) -> None:
    shown, size = await desk.reserved(sha256=SHA), len(FILE)
    await desk.put(shown["url"], FILE[:1000], part=f"bytes 0-999/{size}")
    with (desk.installation.home / "uploads" / desk.household.viewer / shown["id"]).open("ab") as file:
        file.write(b"half a page of nothing" * 10)
    assert stands(await desk.put(shown["url"], part="bytes */*")) == (308, "bytes=0-999")
    assert (await desk.put(shown["url"], FILE[1000:], part=f"bytes 1000-{size - 1}/{size}")).json()["sha256"] == SHA


async def test_a_file_that_is_shorter_than_vouched_for_is_asked_for_again(desk: Desk) -> None:
    shown, size = await desk.reserved(sha256=SHA), len(FILE)
    await desk.put(shown["url"], FILE[:1000], part=f"bytes 0-999/{size}")
    (desk.installation.home / "uploads" / desk.household.viewer / shown["id"]).unlink()
    assert stands(await desk.put(shown["url"], part="bytes */*")) == (308, None)
    assert (await desk.put(shown["url"], FILE)).json()["sha256"] == SHA


@on_both
async def test_a_file_without_a_row_is_swept(desk: Desk) -> None:
    await desk.reserved()
    desk.installation.blobs.open(desk.household.viewer, "b_nobodys").close()
    await desk.work(uploads.JOB)
    assert desk.files() == []


@on_both
async def test_an_upload_that_is_swept_while_it_comes_leaves_nothing(desk: Desk) -> None:
    async def meanwhile() -> AsyncIterator[bytes]:
        yield FILE[:1000]
        desk.clock.pass_by(days=1)
        await desk.work(uploads.JOB)
        yield FILE[1000:]

    assert code(await desk.put((await desk.reserved())["url"], meanwhile())) == (410, "GONE")
    assert (desk.files(), await desk.rows()) == ([], 0)


def test_a_killed_server_goes_on_where_it_had_vouched_for(tmp_path: Path) -> None:
    data = random.Random(2).randbytes(12_000_000)
    with kith_serve(tmp_path) as gateway:
        key = gateway.token("owner", "read", "write")
        headers = {"authorization": f"Bearer {key}"}
        query = 'mutation { createUpload(input: { name: "a.bin", size: 12000000 }) { upload { id url } } }'
        made = httpx.post(gateway.endpoint, json={"query": query}, headers=headers, timeout=PATIENCE).json()["data"][
            "createUpload"
        ]["upload"]

        def dying() -> Iterator[bytes]:
            yield data[:9_000_000]
            while received(gateway.endpoint, headers, made["id"]) < 4 * 1024 * 1024:
                time.sleep(0.05)
            gateway.stop(signal.SIGKILL)
            yield data[9_000_000:]

        with pytest.raises(httpx.HTTPError):
            httpx.put(made["url"], content=dying(), timeout=PATIENCE)
        gateway.start()
        answer = httpx.put(made["url"], headers={"content-range": "bytes */*"}, timeout=PATIENCE)
        there = int(answer.headers["range"].rpartition("-")[2]) + 1
        assert answer.status_code == 308 and there >= 4 * 1024 * 1024
        rest = {"content-range": f"bytes {there}-{len(data) - 1}/{len(data)}"}
        last = httpx.put(made["url"], content=data[there:], headers=rest, timeout=PATIENCE)
        assert last.json()["sha256"] == hashlib.sha256(data).hexdigest()


def received(endpoint: str, headers: dict[str, str], upload_id: str) -> int:
    query = f'{{ node(id: "{upload_id}") {{ ... on UploadTicket {{ received }} }} }}'
    return int(httpx.post(endpoint, json={"query": query}, headers=headers, timeout=PATIENCE).json()["data"]["node"]["received"])
