"""What deploy/ shows is true of Kith as it stands."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gateway.settings import FIELDS, variable
from gateway.telemetry import Telemetry
from tests import servers
from tests.gateway_process import kith_serve

_DEPLOY = Path(__file__).parent.parent / "deploy"


def test_every_figure_that_an_alert_looks_at_is_exported() -> None:
    exported = set(re.findall(r"^# TYPE (\w+)", Telemetry().text().decode(), re.MULTILINE))
    named = re.findall(r"\b(kith_\w+)", (_DEPLOY / "alerts.yaml").read_text())
    assert named
    assert [name for name in named if re.sub(r"_bucket$", "", name) not in exported] == []


def test_every_setting_that_an_example_sets_exists() -> None:
    known = {variable(name) for name in FIELDS} | {"KITH_DOMAIN"}  # the stack's own word for its host name
    for name in ("kith.service", "Containerfile", "compose.yaml", "alerts.yaml"):
        named = set(re.findall(r"\bKITH_[A-Z_]+", (_DEPLOY / name).read_text()))
        assert sorted(named - known) == [], name


def test_the_grown_installation_serves_with_roles_that_own_nothing(
    postgres_database: servers.Postgres, redis_server: servers.Running, tmp_path: Path
) -> None:
    """PostgreSQL with the roles of deploy/postgresql.sql, Redis and two web processes, as deploy/compose.yaml has it."""
    card = tmp_path / "ada.vcf"
    card.write_text("BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ada Example\r\nEMAIL:ada@example.org\r\nEND:VCARD\r\n", newline="")
    settings = {"KITH_DATABASE_URL": postgres_database.app_url, "KITH_REDIS_URL": redis_server.url}
    with kith_serve(tmp_path / "home", "--workers", "2", owner_url=postgres_database.owner_url, **settings) as gateway:
        gateway.kith("import", str(card))
        said = gateway.kith("query", "-", stdin="{ viewer { people { edges { node { name } } } } }").stdout
    assert json.loads(said)["data"]["viewer"]["people"]["edges"] == [{"node": {"name": "Ada Example"}}]
    owners = postgres_database.sql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    assert owners.split() == ["kith_owner"]
