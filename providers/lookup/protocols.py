"""The names of the ways in which something was said that others than their readers look for. Imports nothing: who judges reads no pages."""

from __future__ import annotations

from typing import Final

#: A server's word that a link of its user leads back (`mastodon`).
SEEN: Final = "mastodon-field"
