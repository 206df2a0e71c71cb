"""Keeping an installation well: secrets without their key, rotation, and what `kith doctor` finds."""

from __future__ import annotations

import asyncio
import csv
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import Connection
from typer.testing import CliRunner

from gateway import secret_key, worker
from gateway.cli.command import register
from gateway.cli.frame import app
from gateway.doctor import Finding, examine
from gateway.installation import Installation
from gateway.people import named
from gateway.rotation import retire, rotate
from gateway.settings import Hidden, Settings, SettingsError, load
from providers.records import Profile
from providers.session import Secret
from store import accounts, disclosures, enrichment, leases, web_links
from store.disclosures import RECHECKS, Entry
from store.enrichment import Question
from tests.gateway.running import opened


async def linked(installation: Installation) -> tuple[str, str]:
    """A viewer with an account whose grant is sealed: (viewer, account)."""
    whose = await named(installation, "ada")
    account_id = await installation.accounts.add(
        whose.id, installation.providers["mastodon"], Profile(user_id="7", label="@ada@social.example.org"),
        Secret(access_token="t0ken"), base_url="https://social.example.org",
    )  # fmt: skip
    return whose.id, account_id


async def grant(installation: Installation, viewer: str, account_id: str) -> Secret:
    sealed = await installation.database.read(viewer, accounts.sealed, account_id)
    assert sealed is not None
    plain = installation.vault.open(sealed.blob, viewer, accounts.PLACE[0], account_id, accounts.PLACE[1])
    return msgspec.json.decode(plain, type=Secret)


async def wrong(settings: Settings) -> list[Finding]:
    return [finding for finding in await examine(settings) if finding.level == "wrong"]


async def test_secrets_without_their_key_are_never_given_a_new_one(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
        await linked(installation)
        settings, path = installation.settings, installation.home / secret_key.FILE
    path.unlink()
    with pytest.raises(SettingsError, match="1 secrets are stored but the key"):
        async with opened(tmp_path):
            pass
    assert not path.exists()
    assert [finding.check for finding in await wrong(settings)] == ["secrets"]


async def test_a_wrong_key_is_found_before_somebody_needs_the_secret(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
        await linked(installation)
        settings = installation.settings
    (installation.home / secret_key.FILE).write_text("0" * 64 + "\n")
    (finding,) = await wrong(settings)
    assert finding.check == "secrets" and "restore the former key" in finding.message


async def test_rotation_seals_everything_anew_and_the_former_key_may_go(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
        viewer, account_id = await linked(installation)
        before = (installation.home / secret_key.FILE).read_text().split()
        done = await rotate(installation)
        again = await rotate(installation)
    assert (done.sealed, done.unreadable, done.key_file, again.sealed) == (1, 0, True, 1)
    retire(installation.settings)
    after = (installation.home / secret_key.FILE).read_text().split()
    assert len(after) == 1 and after != before
    async with opened(tmp_path) as installation:
        assert (await grant(installation, viewer, account_id)).access_token == "t0ken"


async def test_an_operators_key_list_rotates_to_its_first(tmp_path: Path) -> None:
    old, new = "old-" * 10, "new-" * 10
    async with opened(tmp_path, secret_key=old) as installation:
        viewer, account_id = await linked(installation)
    async with opened(tmp_path, secret_key=f"{new},{old}") as installation:
        assert (await rotate(installation)).sealed == 1
    async with opened(tmp_path, secret_key=new) as installation:
        assert (await grant(installation, viewer, account_id)).access_token == "t0ken"


async def test_doctor_has_nothing_to_say_of_a_sound_installation(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
        await linked(installation)
        assert await wrong(installation.settings) == []


async def test_doctor_changes_nothing_before_the_first_start(tmp_path: Path) -> None:
    assert await wrong(load(home=tmp_path / "kith")) == []
    assert not (tmp_path / "kith").exists()


async def test_doctor_names_open_files_dead_jobs_and_accounts_that_need_their_owner(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
        viewer, account_id = await linked(installation)

        def trouble(conn: Connection, viewer: str) -> None:
            now = installation.clock.now()
            accounts.change(conn, viewer, account_id, None, status="REAUTH_REQUIRED", status_reason="the grant is gone")
            job_id = leases.enqueue(conn, viewer, "import", "i_x", now, max_attempts=1)
            leases.claim_one(conn, "tester", now, viewer, "import", "i_x")
            leases.fail(conn, job_id, "tester", now, "the disk is full")

        await installation.database.write(viewer, trouble)
        settings = installation.settings
    settings.home.chmod(0o755)
    (settings.home / secret_key.FILE).chmod(0o640)
    said = {finding.check: finding.message for finding in await wrong(settings)}
    assert "chmod 700" in said["files"] or "chmod 600" in said["files"]
    assert "the disk is full" in said["jobs"] and "--retry" in said["jobs"]
    assert "@ada@social.example.org (ada) is reauth required: the grant is gone" in said["accounts"]
    (retried,) = [f for f in await examine(settings, retry=True) if f.check == "jobs"]
    assert retried.message == "1 jobs are tried again"
    assert "jobs" not in {finding.check for finding in await wrong(settings)}


async def test_doctor_says_which_database_does_not_answer_without_its_password() -> None:
    settings = load(database_url="postgresql://kith:hunter2@127.0.0.1:9/kith")
    said = {finding.check: finding.message for finding in await wrong(settings)}
    assert "127.0.0.1:9" in said["database"] and "hunter2" not in str(said)


async def test_doctor_finds_a_variable_that_means_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KITH_DATABSE_URL", "x")
    said = [finding.message for finding in await examine(load(home=tmp_path)) if finding.level == "note"]
    assert any("KITH_DATABSE_URL" in message for message in said)


async def test_doctor_names_what_is_missing_of_a_paid_source_and_questions_that_may_have_been_paid_for(tmp_path: Path) -> None:
    half = load(home=tmp_path / "kith", fullcontact_key=Hidden("key"))
    assert [(f.level, "KITH_FULLCONTACT_PRICE" in f.message) for f in await about("enrichment", half)] == [("wrong", True)]
    whole = replace(half, fullcontact_price=Decimal("0.25"))
    assert [(f.level, "0.25 USD" in f.message) for f in await about("enrichment", whole)] == [("ok", True)]
    async with opened(tmp_path) as installation:
        whose = await named(installation, "ada")
        long_ago = installation.clock.now() - timedelta(days=1)
        await _left_open(installation, whose.id, long_ago)
        (finding,) = await about("questions", installation.settings)
    assert finding.level == "note" and "FullContact" in finding.message and "0.28 USD" in finding.message


async def test_doctor_names_links_of_people_that_nobody_could_confirm_and_those_that_no_worker_has_looked_at(
    tmp_path: Path,
) -> None:
    def keep(conn: Connection, viewer: str, now: datetime) -> None:
        long_ago = now - timedelta(days=9)
        enrichment.decide(conn, viewer, RECHECKS, True, ("URL",), long_ago)
        states: list[dict[str, Any]] = [
            {"due_at": now + timedelta(days=1)}, {"due_at": long_ago},
            {"due_at": now, "failures": 1, "failing_since": now}, {"due_at": now, "failures": 3, "failing_since": long_ago, "lapsed_at": now},
        ]  # fmt: skip
        links = [
            web_links.WebLink(
                speaker="a.example", target=f"{n}.example", relation="ME", claim="CLAIMED", protocols="rel-me", url="https://a.example/",
                speaker_uri="https://a.example/", target_uri=f"https://{n}.example/", read_at=long_ago, **state,
            )
            for n, state in enumerate(states)
        ]  # fmt: skip
        web_links.put(conn, viewer, ["a.example"], links, frozenset(), frozenset())

    async with opened(tmp_path) as installation:
        assert [found.level for found in await about("claims", installation.settings)] == ["ok"]
        whose = await named(installation, "ada")
        await installation.database.write(whose.id, keep, installation.clock.now())
        found = await about("claims", installation.settings)
    assert [one.level for one in found] == ["wrong", "note", "note"]
    assert [one.message.partition(" of people (ada)")[0] for one in found] == ["1 links"] * 3
    assert "worker" in found[0].message and "a week" in found[1].message and "look them up again" in found[2].message


def test_the_log_of_what_left_is_written_out_row_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fill() -> None:
        async with opened(tmp_path) as installation:
            await _left_open(installation, (await named(installation, None)).id, installation.clock.now())

    asyncio.run(fill())
    register()
    monkeypatch.setenv("KITH_HOME", str(tmp_path / "kith"))
    written = CliRunner().invoke(app, ["disclosures"])
    assert written.exit_code == 0, written.output
    lines = written.stdout.splitlines()
    (row,) = csv.DictReader(lines[next(n for n, line in enumerate(lines) if line.startswith("sent_at,")) :])
    assert (row["source"], row["recipient"], row["outcome"]) == ("FULLCONTACT", "api.example", "UNCONFIRMED")
    assert (row["request"], row["body"], row["sent"]) == ("POST https://api.example/", "{}", "the e-mail address ada@example.org")


@pytest.mark.parametrize(("days", "left"), [(None, 1), (30, 1), (0, 3)])
async def test_what_left_before_the_time_for_which_the_log_is_kept_is_erased_and_consent_stays(
    tmp_path: Path, days: int | None, left: int
) -> None:
    given: dict[str, Any] = {} if days is None else {"disclosure_days": days}
    async with opened(tmp_path, **given) as installation:
        viewer = (await named(installation, "ada")).id
        now = installation.clock.now()
        for long_ago in (timedelta(days=3_000), timedelta(days=1_097), timedelta(days=29)):
            await _left_open(installation, viewer, now - long_ago)
        await installation.database.system(leases.enqueue, viewer, "compact", viewer, now)
        assert await worker.of(installation).run_one(viewer, "compact", viewer)
        log = await installation.database.read(viewer, disclosures.following, None, 10)
        decided = await installation.database.read(viewer, enrichment.consents)
    assert [one.sent_at for one in log][-1] == now - timedelta(days=29)
    assert len(log) == left
    assert decided["FULLCONTACT"].granted


def test_a_log_that_is_erased_within_a_month_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"KITH_DISCLOSURE_DAYS: 30 days at least"):
        load(disclosure_days=29)


async def about(check: str, settings: Settings) -> list[Finding]:
    return [finding for finding in await examine(settings) if finding.check == check]


async def _left_open(installation: Installation, viewer: str, at: datetime) -> None:
    """A question that had left when its process died."""

    def write(conn: Connection, whose: str) -> None:
        enrichment.decide(conn, whose, "FULLCONTACT", True, ["EMAIL"], at)
        enrichment.begin(conn, whose, Question("FULLCONTACT", "EMAIL", "ada@example.org"), 280_000, 10**9, at)
        entry = Entry(
            source="FULLCONTACT", purpose="CONSENT", kind="EMAIL", value="ada@example.org", recipient="api.example", method="POST",
            url="https://api.example/", body=b"{}", sent=["the e-mail address ada@example.org"], price=280_000,
        )  # fmt: skip
        disclosures.begin(conn, whose, [entry], at)

    await installation.database.write(viewer, write)
