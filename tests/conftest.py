"""What every test can ask for: the real servers, one each per run, and the closing words on what was exercised."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

from tests import atproto_servers, chat_servers, mail_servers, servers

# The same examples in every run, however slow the machine is: what a run finds must not depend on its dice, nor on what else is at work
# beside it. Whoever looks for new ones asks for them (`--hypothesis-profile=default`).
hypothesis.settings.load_profile("ci")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[servers.Running]:
    """One Redis for the run: empty it (FLUSHALL) before use."""
    with servers.redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[servers.Postgres]:
    """One PostgreSQL cluster for the run: take `.fresh_database()` of it."""
    with servers.postgres(in_memory=True) as server:
        yield server


@pytest.fixture
def postgres_database(postgres_server: servers.Postgres) -> servers.Postgres:
    """An empty database, with the roles of a deployment."""
    return postgres_server.fresh_database()


@pytest.fixture(scope="session")
def radicale_server() -> Iterator[servers.CardDav]:
    """One Radicale for the run: make a book of your own with `.create_book(name)`."""
    with servers.radicale() as server:
        yield server


@pytest.fixture(scope="session")
def xandikos_server() -> Iterator[servers.CardDav]:
    """One Xandikos for the run."""
    with servers.xandikos() as server:
        yield server


@pytest.fixture(scope="session")
def dovecot_server() -> Iterator[mail_servers.MailServer]:
    """One Dovecot for the run: take a `.new_user()` of it."""
    with mail_servers.dovecot() as server:
        yield server


@pytest.fixture(scope="session")
def cyrus_server() -> Iterator[mail_servers.MailServer]:
    """One Cyrus for the run: take a `.new_user()` of it."""
    with mail_servers.cyrus() as server:
        yield server


@pytest.fixture(scope="session")
def synapse_server() -> Iterator[chat_servers.Matrix]:
    """One Synapse for the run: take a `.new_user()` of it."""
    with chat_servers.synapse() as server:
        yield server


@pytest.fixture(scope="session")
def atproto_server() -> Iterator[atproto_servers.AtProto]:
    """One PDS for the run: take a `.new_user()` of it."""
    with atproto_servers.pds() as server:
        yield server


@pytest.fixture(scope="session")
def _mastodon_server() -> Iterator[servers.Mastodon]:
    with servers.mastodon() as server:
        yield server


@pytest.fixture
def mastodon_server(_mastodon_server: servers.Mastodon) -> servers.Mastodon:
    """The run's one Mastodon-compatible server, without faults and with its first user alone: make people of your own."""
    _mastodon_server.clear_faults()
    _mastodon_server.reset()
    return _mastodon_server


class SideBySide:
    """What the processes of one run exercised, brought together (pytest-xdist)."""

    def pytest_testnodedown(self, node: Any, error: object) -> None:
        servers.exercised.update(getattr(node, "workeroutput", {}).get("exercised", {}))
        servers.missing.update(getattr(node, "workeroutput", {}).get("missing", {}))


def pytest_configure(config: pytest.Config) -> None:
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(SideBySide())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the run really ran against: a skipped server must not look like a passed test."""
    if servers.exercised:
        terminalreporter.section("exercised for real")
        for name, version in sorted(servers.exercised.items()):
            terminalreporter.write_line(f"{name}: {version}")
    if servers.missing:
        terminalreporter.section("could not be started", yellow=True)
        for name, how in sorted(servers.missing.items()):
            terminalreporter.write_line(f"{name}: {how}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where every server is promised (KITH_TESTS_COMPLETE=1), a missing one fails the run."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output |= {"exercised": servers.exercised, "missing": servers.missing}
    if servers.missing and os.environ.get("KITH_TESTS_COMPLETE") == "1":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
