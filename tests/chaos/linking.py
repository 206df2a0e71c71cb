"""Linking a Mastodon-compatible server the way a front-end does it: by the API, with an access token."""

from __future__ import annotations

from typing import Any

from tests import servers
from tests.chaos.clients import ask
from tests.gateway_process import Gateway

BEGIN = """mutation { beginLink(input: { provider: "mastodon", method: TOKEN }) { link { id } errors { message } } }"""
COMPLETE = """mutation Complete($link: ID!, $mode: AccountMode!, $form: [FormValue!]!) {
  completeLink(input: { linkId: $link, mode: $mode, credentials: { form: $form } }) { account { id } errors { message } link { state } } }"""


def link_mastodon(gateway: Gateway, key: str, server: servers.Mastodon, *, token: str | None = None, mode: str = "LIVE") -> str:
    """The account's id; without a `token` it is the first user's there. `key` needs the scopes write and admin.

    Raises RuntimeError when it was refused.
    """
    begun: dict[str, Any] = ask(gateway, key, BEGIN)["data"]["beginLink"]
    form = [{"name": "server", "value": server.url}, {"name": "access_token", "value": token or server.token}]
    done: dict[str, Any] = ask(gateway, key, COMPLETE, {"link": begun["link"]["id"], "mode": mode, "form": form})["data"][
        "completeLink"
    ]
    if not done["account"]:
        raise RuntimeError(f"the server could not be linked: {done}")
    return str(done["account"]["id"])
