"""Settings: complete without any, one clear sentence for each that cannot be used, and no serving in clear to other machines."""

from __future__ import annotations

import stat
from decimal import Decimal
from pathlib import Path

import pytest

from gateway import secret_key
from gateway.settings import Settings, SettingsError, load, unknown
from resolvers.enclosing import MAX_BYTES
from tests.gateway.running import opened


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("KITH_"):
            monkeypatch.delenv(name)


def test_there_is_room_to_put_up_an_archive_of_a_gigabyte() -> None:
    assert load().max_uploads_bytes >= load().max_upload_bytes > 1_100_000_000 > MAX_BYTES
    with pytest.raises(SettingsError, match="KITH_MAX_UPLOAD_BYTES"):
        load(max_upload_bytes=1)


def test_without_any_variable_everything_has_a_value() -> None:
    settings = load()
    assert settings.url == "http://127.0.0.1:8000"
    assert settings.database == f"sqlite:///{Path.home()}/.local/share/kith/kith.db"
    settings.check_bind()


@pytest.mark.parametrize(
    ("variable", "value", "advice"),
    [
        ("KITH_PORT", "http", "integer"),
        ("KITH_PORT", "70000", "65535"),
        ("KITH_DATABASE_URL", "mysql://h/d", "postgresql"),
        ("KITH_DATABASE_URL", "nonsense", "sqlite:////"),
        ("KITH_REDIS_URL", "http://h", "redis://"),
        ("KITH_SECRET_KEY", "short", "32 characters"),
        ("KITH_SECRET_KEY", "x" * 40 + ",short", "32 characters"),
        ("KITH_PUBLIC_URL", "kith.example.org", "https://"),
        ("KITH_PUBLIC_URL", "https://example.org/kith", "root"),
        ("KITH_CORS_ORIGINS", "*", "origin"),
        ("KITH_CORS_ORIGINS", "https://app.example.org/", "origin"),
        ("KITH_ALLOW_PRIVATE_HOSTS", "10.0.0.0/8", "10.0.0.0/8:443"),
        ("KITH_TRUSTED_PROXIES", "proxy.example.org", "10.0.0.5"),
        ("KITH_MAX_DEADLINE", "-1", "greater than 0"),
        ("KITH_LOG_LEVEL", "loud", "debug"),
        ("KITH_MAX_DEPTH", "0", "greater than or equal"),
        ("KITH_MAX_DEPTH", "", "an integer"),
        ("KITH_PREWARM_SHARE", "nan", "a number"),
        ("KITH_FULLCONTACT_PRICE", "sNaN", "an amount"),
        ("KITH_FULLCONTACT_PRICE", "1001", "less than or equal to 1000"),
        ("KITH_COMPILED", "maybe", "true or false"),
        ("KITH_DOCUMENTS_ONLY", "true", "KITH_DOCUMENTS "),
    ],
)
def test_a_value_that_cannot_be_used_is_one_sentence_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, advice: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refused:
        load()
    (sentence,) = str(refused.value).splitlines()
    assert sentence.startswith(variable) and advice in sentence


def test_all_that_is_wrong_is_said_at_once_and_no_secret_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_PORT", "s3cret")  # it happens
    monkeypatch.setenv("KITH_SECRET_KEY", "hunter2")
    monkeypatch.setenv("KITH_LOG_LEVEL", "loud")
    with pytest.raises(SettingsError) as refused:
        load()
    assert {line.partition(":")[0] for line in str(refused.value).splitlines()} == {
        "KITH_PORT",
        "KITH_SECRET_KEY",
        "KITH_LOG_LEVEL",
    }
    assert "s3cret" not in str(refused.value) and "hunter2" not in str(refused.value)


def test_words_numbers_and_lists_are_read_as_people_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_COMPILED", "Off")
    monkeypatch.setenv("KITH_AUTOMATIC_DOCUMENTS", "1")
    monkeypatch.setenv("KITH_ENRICHMENT_BUDGET", "2.50")
    monkeypatch.setenv("KITH_TRUSTED_PROXIES", " 10.0.0.5, 10.1.0.0/16,")
    monkeypatch.setenv("KITH_PORT", "7000")
    settings = load(port=9000, host=None)  # the command line goes before the environment
    assert (settings.compiled, settings.automatic_documents, settings.enrichment_budget) == (False, True, Decimal("2.50"))
    assert (settings.trusted_proxies, settings.port, settings.host) == (("10.0.0.5", "10.1.0.0/16"), 9000, "127.0.0.1")


def test_other_settings_are_told_otherwise_and_no_key_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_SECRET_KEY", "s3cret" * 8)
    assert load().told() == load().told() != load(max_cost=500).told()
    assert "s3cret" not in load().told()


def test_secrets_are_not_in_what_settings_print_of_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_SECRET_KEY", "s3cret" * 8)
    monkeypatch.setenv("KITH_DATABASE_URL", "postgresql://kith:hunter2@db/kith")
    monkeypatch.setenv("KITH_REDIS_URL", "redis://:hunter2@cache/0")
    monkeypatch.setenv("KITH_MASTODON_CLIENT_SECRET", "hunter2")
    settings = load()
    assert "s3cret" not in repr(settings) and "hunter2" not in repr(settings)
    assert "hunter2" not in repr(settings.application("mastodon"))


def test_every_adapter_can_be_given_an_address_and_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_MASTODON_URL", "https://social.example.org")
    monkeypatch.setenv("KITH_MASTODON_CLIENT_ID", "id")
    monkeypatch.setenv("KITH_GOOGLE_PEOPLE_CLIENT_SECRET", "secret")
    settings = load()
    assert settings.application("mastodon").url == "https://social.example.org"
    assert settings.application("mastodon").client_id == "id"
    assert settings.application("google-people").client_secret == "secret"
    assert settings.application("carddav").url is None


def test_a_misspelt_variable_is_noticed() -> None:
    environ = {"KITH_PROT": "1", "KITH_PORT": "1", "KITH_MASTODON_URL": "x", "HOME": "/"}
    assert unknown(environ, frozenset({"mastodon"})) == ["KITH_PROT"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "kith.example.org"])
def test_listening_to_other_machines_in_clear_is_refused_with_advice(host: str) -> None:
    with pytest.raises(SettingsError, match="KITH_PUBLIC_URL=https"):
        Settings(host=host).check_bind()
    Settings(host=host, public_url="https://kith.example.org").check_bind()
    Settings(host=host, trusted_proxies=("10.0.0.5",)).check_bind()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.3.2.1"])
def test_listening_to_this_machine_needs_nothing(host: str) -> None:
    Settings(host=host).check_bind()


async def test_the_first_start_makes_a_folder_and_a_key_that_only_their_owner_may_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
        home = installation.home
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / secret_key.FILE).stat().st_mode) == 0o600
    before = (home / secret_key.FILE).read_text()
    async with opened(tmp_path):
        pass
    assert (home / secret_key.FILE).read_text() == before


async def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as installation:
        path = installation.home / secret_key.FILE
    path.chmod(0o644)
    with pytest.raises(SettingsError, match=r"chmod 600 .*secret\.key"):
        async with opened(tmp_path):
            pass


async def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "kith").write_text("a file, no folder")
    with pytest.raises(SettingsError, match="KITH_HOME"):
        async with opened(tmp_path):
            pass
