"""Archives that are put up are imported: at once answered, looked through by the job, refused in words, and never another viewer's."""

from __future__ import annotations

import asyncio
import random
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from benchmarks.chat_exports import imessage
from benchmarks.exports import World
from gateway import worker
from gateway.imports import Imports
from gateway.installation import Installation
from gateway.people import named
from store import ids, leases, uploads, viewers
from store.blobs import Blobs
from tests import fresh, servers
from tests.gateway.running import TestClock, ask, asking, key_of, opened
from tests.gateway.test_imports import CARDS, mails
from tests.household import ME

SHOWN = """id version fileName format state progress { phase } counts { created updated unchanged skipped failed }
  targetAccount { id label } error { code message } finishedAt"""
CARD = CARDS.encode()


@dataclass
class Counter:
    """Where one viewer puts up files and imports them."""

    installation: Installation
    client: httpx.AsyncClient
    viewer: str
    clock: TestClock

    async def ask(self, query: str, **variables: Any) -> Any:
        answer = (await ask(self.client, query, variables=variables)).json()
        assert "errors" not in answer, answer
        return answer["data"]

    async def put(self, data: bytes, name: str = "people.vcf", *, part: int | None = None) -> str:
        """An upload's id; only its first `part` bytes are there when that is given."""
        query = "mutation($i: CreateUploadInput!) { createUpload(input: $i) { upload { id url } errors { message } } }"
        done = (await self.ask(query, i={"name": name, "size": len(data)}))["createUpload"]
        assert done["errors"] == []
        headers = {} if part is None else {"content-range": f"bytes 0-{part - 1}/{len(data)}"}
        async with asking(self.installation, **headers) as bare:
            answer = await bare.put(urlsplit(done["upload"]["url"]).path, content=data[:part])
        assert answer.status_code == (200 if part is None else 308)
        return str(done["upload"]["id"])

    async def begin(self, upload_id: str, **given: Any) -> Any:
        """The payload of importArchive."""
        errors = "errors { __typename code field message } feedCursor"
        query = f"mutation($i: ImportArchiveInput!) {{ importArchive(input: $i) {{ import {{ {SHOWN} }} {errors} }} }}"
        return (await self.ask(query, i={"file": {"uploadId": upload_id}, **given}))["importArchive"]

    async def bring(self, data: bytes, name: str = "people.vcf", **given: Any) -> Any:
        """Put up, import, work: the imports that came of it, this one first."""
        before = {one["id"] for one in await self.imports()}
        done = await self.begin(await self.put(data, name), **given)
        assert done["errors"] == [], done
        await self.work()
        fresh = [one for one in await self.imports() if one["id"] not in before]
        return sorted(fresh, key=lambda one: one["id"] != done["import"]["id"])

    async def work(self) -> None:
        """Every import that waits, to its end."""
        while waiting := [one["id"] for one in await self.imports() if one["state"] == "QUEUED"]:
            for import_id in waiting:
                assert await worker.of(self.installation).run_one(self.viewer, "import", import_id)

    async def imports(self) -> list[Any]:
        found = (await self.ask(f"{{ viewer {{ imports {{ edges {{ node {{ {SHOWN} }} }} }} }} }}"))["viewer"]["imports"]
        return [edge["node"] for edge in found["edges"]]

    async def sweep(self) -> list[str]:
        """The files that are left after uploads whose time is over have been erased."""
        await worker.of(self.installation).run_one(self.viewer, uploads.JOB, self.viewer)
        return self.installation.blobs.names(self.viewer)

    async def outline(self) -> list[tuple[str | None, str, int, int]]:
        return sorted(
            (one["format"], one["state"], one["counts"]["created"], one["counts"]["unchanged"]) for one in await self.imports()
        )


on_both = pytest.mark.parametrize("counter", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
async def counter(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Counter]:
    settings: dict[str, Any] = {}
    if getattr(request, "param", "sqlite") == "postgresql":
        server: servers.Postgres = request.getfixturevalue("postgres_server")
        settings["database_url"] = (await fresh.postgresql(server)).app_url
    clock = TestClock()
    async with opened(tmp_path, clock=clock, schema=None, **settings) as installation:
        owner = await named(installation, None)
        key, _ = await key_of(installation)
        async with asking(installation, key) as client:
            yield Counter(installation, client, owner.id, clock)


def zipped(**files: str) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return made.getvalue()


@on_both
async def test_a_file_is_taken_on_at_once_and_looked_through_by_the_job(counter: Counter) -> None:
    done = await counter.begin(await counter.put(CARD))
    first = done["import"]
    assert (first["fileName"], first["state"], first["format"], first["targetAccount"]) == ("people.vcf", "QUEUED", None, None)
    assert done["feedCursor"]
    await counter.work()
    (shown,) = await counter.imports()
    assert (shown["id"], shown["state"], shown["format"], shown["error"]) == (first["id"], "DONE", "VCARD", None)
    assert shown["counts"] == {"created": 2, "updated": 0, "unchanged": 0, "skipped": 0, "failed": 0}
    assert shown["targetAccount"]["label"] == "vCard file files"
    changed = "query($since: Cursor) { viewer { changes(since: $since) { edges { node { __typename } } } } }"
    later = (await counter.ask(changed, since=done["feedCursor"]))["viewer"]["changes"]["edges"]
    assert later != []
    assert not list((counter.installation.home / "imports").iterdir())


@on_both
async def test_an_archive_of_several_formats_becomes_an_import_of_each(counter: Counter) -> None:
    shown = await counter.bring(zipped(people__vcf=CARDS, mail__mbox=mails(12)), "old phone.zip")
    assert [one["fileName"] for one in shown] == ["old phone.zip"] * 2
    assert await counter.outline() == [("MBOX", "DONE", 12, 0), ("VCARD", "DONE", 2, 0)]
    assert {one["targetAccount"]["label"] for one in shown} == {f"mbox file {ME}", "vCard file files"}
    assert not list((counter.installation.home / "imports").iterdir())


@on_both
async def test_the_same_key_imports_once_and_the_same_file_changes_nothing(counter: Counter) -> None:
    put_up = await counter.put(CARD)
    first = await counter.begin(put_up, idempotencyKey="k")
    await counter.work()
    again = await counter.begin(put_up, idempotencyKey="k")
    assert again["import"]["id"] == first["import"]["id"]
    assert [e["code"] for e in (await counter.begin(put_up, fileName="x", idempotencyKey="k"))["errors"]] == [
        "IDEMPOTENCY_CONFLICT"
    ]
    assert await counter.outline() == [("VCARD", "DONE", 2, 0)]
    await counter.begin(put_up)
    await counter.work()
    assert await counter.outline() == [("VCARD", "DONE", 0, 2), ("VCARD", "DONE", 2, 0)]


@on_both
async def test_two_hands_at_one_import_take_it_in_once(counter: Counter) -> None:
    done = await counter.begin(await counter.put(zipped(people__vcf=CARDS, mail__mbox=mails(6))))
    hands = [worker.of(counter.installation).imports for _ in range(2)]
    await asyncio.gather(*(hand.run(counter.viewer, done["import"]["id"]) for hand in hands), return_exceptions=True)
    await counter.work()
    assert await counter.outline() == [("MBOX", "DONE", 6, 0), ("VCARD", "DONE", 2, 0)]


@on_both
async def test_an_upload_that_is_another_viewers_cut_short_or_over_is_not_imported(counter: Counter) -> None:
    there = counter.installation
    await there.database.write(ids.mint("VIEWER"), viewers.add, "bob", there.clock.now())
    key, _ = await key_of(there, "bob")
    whose = await named(there, "bob")
    async with asking(there, key) as client:
        stranger = Counter(there, client, whose.id, counter.clock)
        theirs, short, late = await stranger.put(CARD), await counter.put(CARD, part=10), await counter.put(CARD)
        for upload_id, code in ((theirs, "NOT_FOUND"), (short, "INVALID"), ("b_nothing", "NOT_FOUND")):
            done = await counter.begin(upload_id)
            assert done["import"] is None
            (error,) = done["errors"]
            assert (error["__typename"], error["code"], error["field"]) == ("NodeError", code, ["file", "uploadId"])
        counter.clock.pass_by(days=1)
        assert [e["code"] for e in (await counter.begin(late))["errors"]] == ["EXPIRED"]
        assert await counter.imports() == await stranger.imports() == []
    jobs = await there.database.system_read(leases.listed, viewer=counter.viewer)
    assert [job for job in jobs if job.kind == "import"] == []


@on_both
async def test_a_file_that_waits_for_its_import_outlives_its_time_and_goes_after(counter: Counter) -> None:
    put_up = await counter.put(CARD)
    await counter.begin(put_up)
    counter.clock.pass_by(days=2)
    assert await counter.sweep() == [put_up]
    await counter.work()
    assert await counter.outline() == [("VCARD", "DONE", 2, 0)]
    counter.clock.pass_by(days=1)
    assert await counter.sweep() == []


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({"format": "PST"}, ("InputError", "UNSUPPORTED", ["format"])),
        ({"format": "IMESSAGE"}, ("InputError", "UNSUPPORTED", ["format"])),
        ({"region": "Germany"}, ("InputError", "INVALID", ["region"])),
        ({"accountId": "a_nobodys"}, ("NodeError", "NOT_FOUND", ["accountId"])),
    ],
)
async def test_what_cannot_be_done_is_said_at_once(counter: Counter, given: dict[str, Any], refused: tuple[Any, ...]) -> None:
    done = await counter.begin(await counter.put(CARD), **given)
    assert done["import"] is None
    assert [(e["__typename"], e["code"], e["field"]) for e in done["errors"]] == [refused]
    assert await counter.imports() == []


@pytest.mark.parametrize(
    ("content", "given", "code", "said"),
    [
        (b"%PDF-1.7 nothing of ours", {}, "UNSUPPORTED", "VCARD"),
        (random.Random(1).randbytes(2_000), {}, "UNSUPPORTED", "MBOX"),
        (b"PK\x03\x04 no archive at all", {}, "UNSUPPORTED", "formats are"),
        (CARD, {"format": "MBOX"}, "INVALID", "it is VCARD"),
    ],
)
async def test_a_file_that_cannot_be_taken_in_fails_with_the_reason(
    counter: Counter, content: bytes, given: dict[str, Any], code: str, said: str
) -> None:
    (shown,) = await counter.bring(content, **given)
    assert (shown["state"], shown["format"], shown["error"]["code"]) == ("FAILED", None, code)
    assert said in shown["error"]["message"]
    assert shown["finishedAt"]
    assert not list((counter.installation.home / "imports").iterdir())


async def test_a_database_of_messages_is_for_the_command_line_only(counter: Counter, tmp_path: Path) -> None:
    path = imessage(World(people=1, talks=1, messages=4), tmp_path / "chat.db", age="macos13")
    (shown,) = await counter.bring(path.read_bytes(), "chat.db")
    assert (shown["state"], shown["error"]["code"]) == ("FAILED", "UNSUPPORTED")
    assert "`kith import`" in shown["error"]["message"]


async def test_the_format_that_is_named_leaves_the_others_out(counter: Counter) -> None:
    shown = await counter.bring(zipped(people__vcf=CARDS, mail__mbox=mails(12)), fileName="../my cards.zip", format="VCARD")
    assert [(one["fileName"], one["format"]) for one in shown] == [("my cards.zip", "VCARD")]


@on_both
async def test_mail_fills_the_account_that_was_chosen(counter: Counter) -> None:
    (first,) = await counter.bring(mails(12).encode(), "mail.mbox")
    letter = "From x@example.org Mon Mar  2 10:00:00 2026\nFrom: c@example.org\nTo: d@example.org\nMessage-ID: <x@example.org>\n\nHi\n\n"
    (second,) = await counter.bring(letter.encode(), "more.mbox", accountId=first["targetAccount"]["id"])
    assert (second["state"], second["counts"]["created"]) == ("DONE", 1)
    assert second["targetAccount"] == first["targetAccount"]
    (third,) = await counter.bring(CARD, accountId=first["targetAccount"]["id"])
    assert (third["state"], third["error"]["code"], third["counts"]["created"]) == ("FAILED", "INVALID", 0)
    done = await counter.begin(await counter.put(CARD), accountId=first["targetAccount"]["id"], format="VCARD")
    assert [(e["code"], e["field"]) for e in done["errors"]] == [("INVALID", ["accountId"])]


async def test_a_key_that_may_only_read_imports_nothing(counter: Counter) -> None:
    put_up = await counter.put(CARD)
    key, _ = await key_of(counter.installation, scopes=("read",))
    query = f'mutation {{ importArchive(input: {{ file: {{ uploadId: "{put_up}" }} }}) {{ import {{ id }} }} }}'
    async with asking(counter.installation, key) as client:
        assert (await ask(client, query)).json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_a_file_that_is_lent_is_not_copied_and_outlives_its_upload(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "uploads")
    blob = blobs.open("u_a", "b_1")
    blob.write(0, CARD)
    blob.close()
    path = tmp_path / "imports" / "i_1" / "0" / "people.vcf"
    blobs.lend("u_a", "b_1", path)
    blobs.lend("u_a", "b_1", path)
    assert path.stat().st_nlink == 2
    blobs.drop("u_a", "b_1")
    assert path.read_bytes() == CARD
    with pytest.raises(FileNotFoundError):
        blobs.lend("u_a", "b_1", path.with_name("other.vcf"))


# --- cancelled ------------------------------------------------------------------------------------------------------------


class Killed(Exception):
    """The process ends here."""


class DyingClock:
    """Time, as long as the process lives."""

    def __init__(self, clock: Any, moments: int) -> None:
        self.clock, self.moments = clock, moments

    def now(self) -> datetime:
        self.moments -= 1
        if self.moments < 0:
            raise Killed
        found: datetime = self.clock.now()
        return found


CANCEL = """mutation($id: ID!, $key: String) { cancelImport(input: { importId: $id, idempotencyKey: $key }) {
  import { id state finishedAt } errors { code field } } }"""


@on_both
async def test_an_import_that_waits_is_cancelled_and_nothing_of_it_stays(counter: Counter) -> None:
    begun = (await counter.begin(await counter.put(CARD)))["import"]
    for key in ("k", "k", None):  # what is so already is done
        done = (await counter.ask(CANCEL, id=begun["id"], key=key))["cancelImport"]
        assert (done["import"]["state"], done["import"]["finishedAt"] is None, done["errors"]) == ("CANCELLED", False, [])
    assert await worker.of(counter.installation).run_one(counter.viewer, "import", begun["id"])
    (shown,) = await counter.imports()
    assert (shown["state"], shown["counts"]["created"], shown["targetAccount"], shown["error"]) == ("CANCELLED", 0, None, None)
    counter.clock.pass_by(days=1)
    assert await counter.sweep() == []


@on_both
async def test_what_a_cancelled_import_has_stored_stays_and_no_more_comes(counter: Counter) -> None:
    begun = (await counter.begin(await counter.put(mails(600).encode(), "box.mbox")))["import"]
    there = counter.installation
    for moments in range(20):  # processes that die a little later each, until one has stored something
        dying = Imports(
            database=there.database,
            home=there.home,
            providers=there.providers,
            clock=DyingClock(there.clock, moments),
            blobs=there.blobs,
        )
        with pytest.raises(Killed):
            await dying.run(counter.viewer, begun["id"])
        if (await counter.imports())[0]["counts"]["created"]:
            break
    assert (await counter.ask(CANCEL, id=begun["id"]))["cancelImport"]["errors"] == []
    (before,) = await counter.imports()
    assert 0 < before["counts"]["created"] < 600
    await worker.of(counter.installation).run_one(counter.viewer, "import", begun["id"])
    (after,) = await counter.imports()
    assert after == before
    account = (await counter.ask("{ viewer { accounts { edges { node { status } } } } }"))["viewer"]["accounts"]["edges"]
    assert account == [{"node": {"status": "ACTIVE"}}]
    assert not list((counter.installation.home / "imports").iterdir())
    again = await counter.begin(await counter.put(mails(600).encode(), "box.mbox"))
    await counter.work()
    (whole,) = [one for one in await counter.imports() if one["id"] == again["import"]["id"]]
    assert whole["counts"]["created"] + whole["counts"]["unchanged"] == 600


async def test_what_cannot_be_cancelled_is_said(counter: Counter) -> None:
    (ended,) = await counter.bring(CARD)
    for import_id, code in ((ended["id"], "ALREADY_DONE"), (counter.viewer, "WRONG_KIND"), (ids.mint("IMPORT"), "NOT_FOUND")):
        done = (await counter.ask(CANCEL, id=import_id))["cancelImport"]
        assert done == {"import": None, "errors": [{"code": code, "field": ["importId"]}]}
    assert (await counter.imports())[0]["state"] == "DONE"
