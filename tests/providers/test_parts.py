"""Who says that files of messages can be had hands them over."""

from __future__ import annotations

import pytest

from providers.base import Parts, catalogue
from tests.providers.conftest import SessionMaker

OPENED = sorted(key for key, provider in catalogue().items() if provider.open is not None)


@pytest.mark.parametrize("key", OPENED)
async def test_what_is_declared_of_files_can_be_done(key: str, new_session: SessionMaker) -> None:
    """Otherwise a file would be offered that nobody has, or one that is there called gone."""
    provider = catalogue()[key]
    assert provider.open is not None
    adapter = provider.open(new_session("https://network.example", provider=key, quota=provider.quota))
    assert isinstance(adapter, Parts) == ("ATTACHMENTS" in provider.capabilities)
