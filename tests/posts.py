"""What people post, for tests: notes on networks of their own, each with an address that is the same wherever it is seen."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from providers import records
from tests.household import NOW

DAY = timedelta(days=1)
WALK = "A long walk along the river this morning, with both dogs and no umbrella."


def actor(handle: str = "ada@social.example", name: str = "Ada Ray", **more: Any) -> records.Actor:
    user, _, host = handle.partition("@")
    uri = f"https://{host}/users/{user}"
    return records.Actor(uri=uri, name=name, handle=handle, provider="mastodon", key=uri, url=f"https://{host}/@{user}", **more)


def post(number: int, text: str = WALK, *, by: records.Actor | None = None, **more: Any) -> records.Activity:
    who = by or actor()
    uri = f"{who.uri}/posts/{number}"
    shown = {
        "key": uri,
        "actor": who,
        "verb": "CREATE",
        "occurred_at": NOW - DAY + timedelta(minutes=number),
        "container": "home",
    }
    return records.Activity(**{**shown, "object": records.ActivityObject(kind="NOTE", uri=uri, text=text), **more})
