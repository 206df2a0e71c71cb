"""Who says that messages can be edited or deleted, edits and deletes them."""

from __future__ import annotations

import pytest

from providers.base import Deleter, Editor, catalogue
from tests.providers.conftest import SessionMaker

SAYING = sorted(
    key for key, provider in catalogue().items() if not provider.capabilities.isdisjoint({"EDIT_MESSAGE", "DELETE_MESSAGE"})
)


@pytest.mark.parametrize("key", SAYING)
async def test_what_is_declared_can_be_done(key: str, new_session: SessionMaker) -> None:
    """Otherwise an edit would be taken here, and undone later."""
    provider = catalogue()[key]
    assert provider.open is not None
    adapter = provider.open(new_session("https://network.example", provider=key, quota=provider.quota))
    assert isinstance(adapter, Editor) == ("EDIT_MESSAGE" in provider.capabilities)
    assert isinstance(adapter, Deleter) == ("DELETE_MESSAGE" in provider.capabilities)
    assert provider.deletes
