"""A grant whose refresh token works once, on both databases: what the account says when the answer to its renewal was lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.accounts import Grant
from providers.errors import Malformed, ReauthRequired, Unavailable
from providers.records import Profile
from providers.session import Secret
from tests.household import Household
from tests.providers.stub_http import Answer, Request, running
from tests.workshop import workshop


class Rotating:
    """A token endpoint that takes each refresh token once (RFC 6749 §6)."""

    def __init__(self) -> None:
        self.url = ""
        self.number = 0
        self.trouble: Answer | None = None  # in the place of the answer, with the token used up
        self.deaf = False

    def answer(self, request: Request) -> Answer:
        if self.deaf:
            return cut()
        if f"refresh_token=r{self.number}" not in request.body.decode().split("&"):
            return Answer(400, {"error": "invalid_grant"})
        self.number += 1
        trouble, self.trouble = self.trouble, None
        return trouble or Answer(
            200, {"access_token": f"a{self.number}", "refresh_token": f"r{self.number}", "token_type": "bearer"}
        )


@asynccontextmanager
async def renewing(household: Household, home: Path) -> AsyncIterator[tuple[Grant, Rotating]]:
    net = Rotating()
    async with running(net) as url, workshop(household.database, home, "127.0.0.0/8:*") as shop:
        provider = shop.providers["mastodon"]
        extra = {"token_endpoint": f"{url}/token", "token_endpoint_auth_method": "client_secret_post"}
        secret = Secret(access_token="a0", refresh_token="r0", client_id="kith", client_secret="hidden", extra=extra)
        account_id = await shop.accounts.add(
            household.viewer, provider, Profile(user_id="1", label="robin"), secret, base_url=url
        )
        yield Grant(shop.accounts, household.viewer, account_id, url, provider), net


def cut() -> Answer:
    made = Answer()
    made.cut = True
    return made


@pytest.mark.parametrize("trouble", [cut(), Answer(502), Answer(200, b"<html>")])
async def test_an_answer_that_was_lost_is_named_once_the_network_takes_the_old_token_no_more(
    household: Household, tmp_path: Path, trouble: Answer
) -> None:
    async with renewing(household, tmp_path) as (grant, net):
        old = await grant.read()
        net.trouble = trouble
        with pytest.raises((Unavailable, Malformed)):
            await grant.refreshed(old)
        for _ in range(2):
            with pytest.raises(ReauthRequired, match=r"was interrupted and its answer lost\. .* Link the account again\."):
                await grant.refreshed(old)


async def test_a_question_that_never_reached_the_network_has_used_up_nothing(household: Household, tmp_path: Path) -> None:
    async with renewing(household, tmp_path) as (grant, net):
        old = await grant.read()
        net.deaf = True
        with pytest.raises(Unavailable):
            await grant.refreshed(old)
        net.deaf = False
        newer = await grant.refreshed(old)  # with the old token
        net.number += 1  # and then the grant is taken back
        with pytest.raises(ReauthRequired) as refused:
            await grant.refreshed(newer)
        assert "interrupted" not in str(refused.value)
