"""Scalars: what is let in, in which form it goes on, and that everything else is refused with a sentence that helps."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema import scalars
from tests.asking import Desk

GOOD: list[tuple[Any, Any, Any]] = [
    (scalars.read_instant, "2026-01-31T10:30:00+01:00", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
    (scalars.read_instant, "2026-01-31t09:30:00.5z", datetime(2026, 1, 31, 9, 30, 0, 500_000, tzinfo=UTC)),
    (scalars.read_url, "HTTPS://Example.ORG/A?b#c", "https://example.org/A?b#c"),
    (scalars.read_url, "mailto:ada@example.org", "mailto:ada@example.org"),
    (scalars.read_email, " Ada@EXAMPLE.org ", "Ada@example.org"),
    (scalars.read_email, "jo\u0308rg@b\u00fccher.example", "j\u00f6rg@b\u00fccher.example"),
    (scalars.read_phone, "+49 (30) 123-456", "+4930123456"),
    (scalars.read_language, "pt-BR", "pt-BR"),
    (scalars.read_time_zone, "Europe/Vienna", "Europe/Vienna"),
    (scalars.read_duration, "PT15M", "PT15M"),
    (scalars.read_byte_count, 2**53 - 1, 2**53 - 1),
]
BAD: list[tuple[Any, Any]] = [
    (scalars.read_instant, "2026-01-31"),
    (scalars.read_instant, "2026-01-31T09:30:00"),
    (scalars.read_instant, "2026-02-31T09:30:00Z"),
    (scalars.read_instant, 5),
    (scalars.read_instant, "0001-01-01T00:00:00+23:00"),
    (scalars.read_day, "2026-02-30"),
    (scalars.read_day, "2026-2-3"),
    (scalars.read_url, "example.org"),
    (scalars.read_url, "https://exa mple.org/"),
    (scalars.read_url, "http://[::1"),
    (scalars.read_url, "https://" + "x" * 9_000),
    (scalars.read_email, "ada"),
    (scalars.read_email, "Ada <ada@example.org>"),
    (scalars.read_email, "a@b@c"),
    (scalars.read_email, "a@" + "b" * 400),
    (scalars.read_phone, "030 123456"),
    (scalars.read_phone, "+0123"),
    (scalars.read_phone, "+" + "1" * 16),
    (scalars.read_language, "_"),
    (scalars.read_language, "x" * 99),
    (scalars.read_time_zone, "Mars/Olympus"),
    (scalars.read_time_zone, "../../etc/passwd"),
    (scalars.read_time_zone, ""),
    (scalars.read_duration, "P"),
    (scalars.read_duration, "15 minutes"),
    (scalars.read_byte_count, -1),
    (scalars.read_byte_count, 2**53),
    (scalars.read_byte_count, True),
    (scalars.read_cursor, ""),
    (scalars.read_cursor, "x" * 2_000),
]


@pytest.mark.parametrize(("read", "value", "expected"), GOOD)
def test_a_value_goes_on_in_its_one_form(read: Any, value: Any, expected: Any) -> None:
    assert read(value) == expected


@pytest.mark.parametrize(("read", "value"), BAD)
def test_what_has_not_the_form_is_refused_with_a_sentence(read: Any, value: Any) -> None:
    with pytest.raises(ValueError, match=r"^an? [A-Z]\w+ (is|has|begins|must)"):
        read(value)


@given(st.sampled_from([read for read, *_ in GOOD]), st.text())
def test_any_text_is_read_or_refused(read: Any, text: str) -> None:
    with contextlib.suppress(ValueError):
        read(text)


def test_instants_are_written_in_utc_with_milliseconds() -> None:
    assert scalars.write_instant(datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))) == "2026-01-31T10:00:00.000Z"


async def test_a_client_is_told_which_form_a_value_has(desk: Desk) -> None:
    result = await desk.execute('{ person(by: { email: "nobody" }) { id } }')
    assert "name@example.org" in result.errors[0].message
    result = await desk.execute("query($m: DateTime) { viewer { timeline(from: $m) { totalCount } } }", m="yesterday")
    assert "RFC 3339" in result.errors[0].message
