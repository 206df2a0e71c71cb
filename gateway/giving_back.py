"""Grants given back: the network of an account that is unlinked is told that what it granted is not needed any more.

By OAuth's revocation (RFC 7009) at the address that came with the grant, or by the network's own way (`Provider.give_back`). Only what a sign-in
of ours was granted is given back: a token that somebody typed in is theirs, and may serve other programs. Networks end a whole
grant with one of its tokens (RFC 7009 §2.1), so it stays while another account of the same person lives from it. Whether another viewer's
does is read from marks that name nobody (`store/grant_marks.py`), and told to nobody. A session that a password opened is the account's alone
and is ended by itself (`Provider.sign_out`). What the network says to it changes nothing here: the
sealed secret is erased all the same. Asked again after a crash, a network has nothing left to take back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from gateway.accounts import Accounts, Grant, Held
from providers import oauth
from providers.base import Provider
from providers.errors import ProviderError, ReauthRequired
from providers.http import Session
from providers.session import Account, Secret
from store import accounts, grant_marks
from store.database import Database

log = structlog.get_logger("kith.giving_back")

SECONDS: Final = 15.0  # for the network to answer; erasing waits no longer for it


async def run(opener: Accounts, database: Database, viewer: str, account_id: str) -> bool:
    """Give back the grant of an account, if it is ours to give; whether the network took it."""
    found = await database.read(viewer, accounts.get, account_id)
    provider = None if found is None else opener.providers.get(found.provider)
    if found is None or provider is None:
        return False
    grant = Grant(opener, viewer, account_id, found.base_url, provider)
    about = Account(provider=found.provider, base_url=found.base_url, user_id=found.user_id)
    try:
        secret = await grant.read()
        end = _way(provider, secret)
        if end is None or (secret.client_id and await _shared(opener, database, viewer, account_id, secret)):
            return False
        if end is not _revoked and secret.expires_at is not None and secret.expires_at <= opener.clock.now():
            async with asyncio.timeout(SECONDS):
                secret = await grant.refreshed(secret)  # networks' own ways want a token that is good
        if secret.client_id and await _needed(opener, database, viewer, account_id, secret):
            return False
        async with asyncio.timeout(SECONDS):
            return await end(opener.session(about, Held(secret), provider), secret)
    except (ProviderError, TimeoutError) as error:
        log.info(
            "a grant was not given back", account=account_id, provider=found.provider, reason=str(error) or "no answer in time"
        )
        return False


def _way(provider: Provider, secret: Secret) -> Callable[[Session, Secret], Awaitable[bool]] | None:
    """How this is ended; None for what no sign-in of ours opened."""
    return (provider.give_back or _revoked) if secret.client_id else provider.sign_out


async def _revoked(session: Session, secret: Secret) -> bool:
    return await oauth.revoke(session, oauth.renewal(secret), secret)


async def _shared(opener: Accounts, database: Database, viewer: str, account_id: str, secret: Secret) -> bool:
    """Whether another account of the viewer's lives from this grant."""
    for other in await database.read(viewer, accounts.sharing, account_id):
        theirs = opener.providers.get(other.provider)
        if theirs is not None and _one_grant(secret, await _granted(opener, viewer, other, theirs)):
            return True
    return False


async def _needed(opener: Accounts, database: Database, viewer: str, account_id: str, secret: Secret) -> bool:
    """Whether anybody else's account does."""
    marks = await database.read(viewer, opener.marks, account_id, secret)
    # first ours is gone, then the others are looked for: of two that leave at once, one sees that it is the last
    await database.write(viewer, grant_marks.drop, account_id)
    return await database.system_read(grant_marks.needed, marks)


async def _granted(opener: Accounts, viewer: str, account: accounts.Account, provider: Provider) -> Secret | None:
    """What an account's sign-in was granted; None where none was."""
    try:
        secret = await Grant(opener, viewer, account.id, account.base_url, provider).read()
    except ReauthRequired:
        return None
    return secret if secret.client_id else None


def _one_grant(secret: Secret, other: Secret | None) -> bool:
    """Whether both were granted to the same client by the same server."""
    endpoint = "revocation_endpoint"
    return other is not None and (secret.client_id, secret.extra.get(endpoint)) == (other.client_id, other.extra.get(endpoint))
