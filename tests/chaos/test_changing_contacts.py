"""The proof of contacts that change one at a time, in small."""

from __future__ import annotations

from pathlib import Path

from tests.chaos import changing_contacts


async def test_a_contact_that_changes_joins_and_leaves_whom_it_should(tmp_path: Path) -> None:
    report = await changing_contacts.change_contacts(tmp_path, people=[40], changes=4, postgresql=[])
    assert report.broken == []
