"""/healthz and /readyz: what is wrong is named, and only what answers depend on decides."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, text

from tests.gateway.running import asking, opened


async def test_a_sound_process_is_ready_and_names_its_parts(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, asking(installation) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "database": "ok", "migrations": "ok", "cache": "ok"}


async def test_a_cache_that_is_away_is_named_and_decides_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path, redis_url="redis://127.0.0.1:9/0") as installation, asking(installation) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 200 and answer.json()["cache"].startswith("down")


async def test_a_database_of_another_release_is_not_ready_and_says_what_to_run(tmp_path: Path) -> None:
    def older(conn: Connection) -> None:
        conn.execute(text("UPDATE alembic_version SET version_num = '0000'"))

    async with opened(tmp_path) as installation, asking(installation) as client:
        await installation.database.system(older)
        answer, alive = await client.get("/readyz"), await client.get("/healthz")
    assert answer.status_code == 503 and answer.json()["migrations"] == "run `kith migrate`"
    assert alive.status_code == 200


async def test_a_database_that_is_gone_is_named_and_the_process_stays_alive(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation, asking(installation) as client:
        for name in ("kith.db", "kith.db-wal", "kith.db-shm"):
            (installation.home / name).unlink(missing_ok=True)
        (installation.home / "kith.db").mkdir()
        installation.database._read_engine.dispose()  # what is open would go on reading the file that was removed
        answer, alive = await client.get("/readyz"), await client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["migrations"] != "ok"
    assert alive.status_code == 200
