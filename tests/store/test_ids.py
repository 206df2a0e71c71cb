"""Ids and instants have one form, whoever made them and whenever: what is stored is found again by a later release."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.dialects import sqlite

from store import ids
from store.tables import Instant, microseconds


@pytest.mark.parametrize("part", ["", "ada@example.org", "\udcff", *map(str, range(50))])
def test_an_id_is_a_letter_and_its_digest_in_base_32(part: str) -> None:
    digest = hashlib.blake2b(f"u_robin\0{part}".encode("utf-8", "surrogatepass"), digest_size=16, person=b"m").digest()
    spelled = base64.b32encode(digest).decode().rstrip("=").lower()  # RFC 4648 §6
    assert ids.derive("MESSAGE", "u_robin", part) == f"m_{spelled}"


def test_a_minted_id_is_new_and_of_its_kind() -> None:
    minted = {ids.mint("PERSON") for _ in range(50)}
    assert len(minted) == 50
    assert {(ids.kind_of(one), len(one)) for one in minted} == {("PERSON", 28)}


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-9, minutes=-30)), timezone(timedelta(hours=14))])
@pytest.mark.parametrize("year", [1, 1969, 1970, 2026, 9998])
def test_an_instant_keeps_its_microsecond_before_and_after_1970(year: int, zone: timezone) -> None:
    moment = datetime(year, 12, 31, 23, 59, 59, 999_999, tzinfo=zone)
    stored = microseconds(moment)
    assert stored == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert Instant().process_result_value(stored, sqlite.dialect()) == moment


def test_an_instant_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        microseconds(datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None))
