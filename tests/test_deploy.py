"""What deploy/ shows is true of Kith as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.settings import Settings, variable
from gateway.telemetry import Telemetry

_DEPLOY = Path(__file__).parent.parent / "deploy"


def test_every_figure_that_an_alert_looks_at_is_exported() -> None:
    exported = set(re.findall(r"^# TYPE (\w+)", Telemetry().text().decode(), re.MULTILINE))
    named = re.findall(r"\b(kith_\w+)", (_DEPLOY / "alerts.yaml").read_text())
    assert named
    assert [name for name in named if re.sub(r"_bucket$", "", name) not in exported] == []


def test_every_setting_that_an_example_sets_exists() -> None:
    known = {variable(name) for name in Settings.model_fields} | {"KITH_DOMAIN"}  # the stack's own word for its host name
    for name in ("kith.service", "Containerfile", "compose.yaml", "alerts.yaml"):
        named = set(re.findall(r"\bKITH_[A-Z_]+", (_DEPLOY / name).read_text()))
        assert sorted(named - known) == [], name
