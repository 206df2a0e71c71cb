"""Who says what is read, takes it back, or says at once that it does not."""

from __future__ import annotations

import pytest

from providers.base import Marker, Reader, catalogue
from tests.providers.conftest import SessionMaker

KEEPING = sorted(key for key, provider in catalogue().items() if "READ_STATE" in provider.capabilities)


@pytest.mark.parametrize("key", KEEPING)
async def test_what_is_declared_can_be_written_back(key: str, new_session: SessionMaker) -> None:
    """Otherwise a mark would be taken here, and undone later. Messages of files are not marked at all."""
    provider = catalogue()[key]
    if provider.open is None:
        assert not provider.follows("")
        return
    adapter = provider.open(new_session("https://network.example", provider=key, quota=provider.quota))
    assert isinstance(adapter, Marker) or provider.marks <= ({"READ"} if isinstance(adapter, Reader) else set())
