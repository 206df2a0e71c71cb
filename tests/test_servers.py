"""The servers that other tests rely on are what they claim to be."""

from __future__ import annotations

import urllib.error
from pathlib import Path

import asyncpg
import pytest
import redis as redis_client

from tests import fetched, servers


def test_a_killed_redis_comes_back_on_the_same_port_and_empty() -> None:
    with servers.redis_server() as server:
        with redis_client.Redis.from_url(server.url) as client:
            client.set("a", "1")
        server.kill()
        server.start()
        with redis_client.Redis.from_url(server.url) as client:
            assert client.get("a") is None
    assert "Redis" in servers.exercised


async def test_kith_app_owns_nothing_and_is_bound_by_row_security(postgres_database: servers.Postgres) -> None:
    owner = await asyncpg.connect(postgres_database.owner_url)
    await owner.execute(
        "CREATE TABLE t (viewer text); INSERT INTO t VALUES ('ada'), ('bob'); ALTER TABLE t ENABLE ROW LEVEL SECURITY"
    )
    await owner.execute("CREATE POLICY own ON t USING (viewer = nullif(current_setting('kith.viewer', true), ''))")
    await owner.close()
    app = await asyncpg.connect(postgres_database.app_url)
    assert await app.fetch("SELECT * FROM t") == []
    async with app.transaction():
        await app.execute("SELECT set_config('kith.viewer', 'ada', true)")
        assert [row["viewer"] for row in await app.fetch("SELECT * FROM t")] == ["ada"]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("DROP TABLE t")
    await app.close()
    assert postgres_database.sql("SELECT count(*) FROM t").strip() == "2"


def test_two_fresh_databases_share_nothing(postgres_server: servers.Postgres) -> None:
    first, second = postgres_server.fresh_database(), postgres_server.fresh_database()
    first.sql("CREATE TABLE only_here (n int)")
    assert second.sql("SELECT count(*) FROM pg_tables WHERE tablename = 'only_here'").strip() == "0"


@pytest.mark.parametrize("name", ["radicale_server", "xandikos_server"])
def test_another_client_can_write_and_remove_a_card(name: str, request: pytest.FixtureRequest) -> None:
    dav: servers.CardDav = request.getfixturevalue(name)
    book = dav.create_book(f"book-{name}".replace("_", "-"))
    dav.put("u1", "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:u1\r\nFN:Ada Example\r\nN:Example;Ada;;;\r\nEND:VCARD\r\n", book)
    dav.delete("u1", book)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        dav.delete("u1", book)


def test_mastodon_answers_its_user_and_obeys_its_fault_plane(mastodon_server: servers.Mastodon) -> None:
    verify = "/api/v1/accounts/verify_credentials"
    assert mastodon_server.get(verify)["username"] == mastodon_server.username
    mastodon_server.fault({"type": "status", "status": 503}, path=verify, count=1)
    with pytest.raises(urllib.error.HTTPError, match="503"):
        mastodon_server.get(verify)
    assert mastodon_server.get(verify)["username"] == mastodon_server.username
    mastodon_server.sample("small")
    tokens = mastodon_server.tokens()
    assert len(tokens) > 50
    name, token = next(iter(tokens.items()))
    assert mastodon_server.get(verify, token)["username"] == name


def test_a_part_is_made_once_and_again_when_its_recipe_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_TEST_CACHE", str(tmp_path))
    made: list[str] = []

    def make(folder: Path) -> None:
        made.append(folder.name)

    fetched.part("thing", ["1"], make)
    fetched.part("thing", ["1"], make)
    fetched.part("thing", ["2"], make)
    assert made == ["thing", "thing"]


def test_a_part_that_cannot_be_fetched_says_how_and_leaves_nothing_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_TEST_CACHE", str(tmp_path))

    def make(folder: Path) -> None:
        (folder / "half").write_text("")
        raise FileNotFoundError("no network")

    with pytest.raises(fetched.Missing, match="no network"):
        fetched.part("thing", ["1"], make)
    assert not (tmp_path / "thing").exists()
