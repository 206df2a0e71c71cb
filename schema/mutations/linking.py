"""Linking and its payloads."""

from __future__ import annotations

from typing import Annotated

import strawberry

from resolvers import linking_steps
from resolvers.writing import Payload
from schema import loads
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.lists import plain
from schema.mutations.payload import KEY, WHAT, Written
from schema.references import AccountRef, LinkSessionRef
from schema.scalars import URL
from schema.vocabulary import AccountMode, LinkMethod


@input_type("The value of one form field.")
class FormValue:
    name: str = asked("Name of the field.")
    value: str = asked("What the user entered.")


@input_type("Exactly one kind of credentials.", one_of=True)
class LinkCredentials:
    callback_url: URL | None = asked(
        "OAuth redirect: the whole address the network sent the user back to, for apps that catch it themselves.", default=UNSET
    )
    form: list[FormValue] | None = asked("Password, app password, token or settings: the values of the form.", default=UNSET)


@input_type("Input of beginLink.")
class BeginLinkInput:
    provider: str | None = asked("Key of the provider; needed without address and accountId.", default=UNSET)
    address: str | None = asked("E-mail address or handle from which to find provider and settings.", default=UNSET)
    account_id: strawberry.ID | None = asked("Account to authorise again.", default=UNSET)
    method: LinkMethod | None = asked("Way to link; the provider's best by default.", default=UNSET)
    scopes: list[str] | None = asked("The network's scopes to ask for; those needed by default.", default=UNSET)
    return_url: URL | None = asked(
        "Where to send the browser afterwards; must be registered, custom schemes included.", default=UNSET
    )
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of beginLink.")
class BeginLinkPayload(Written):
    link: LinkSessionRef | None = field("The session and what to do next.")


@input_type("Input of completeLink.")
class CompleteLinkInput:
    link_id: strawberry.ID = asked("The session.")
    credentials: LinkCredentials | None = asked("What the user entered; absent when polling.", default=UNSET)
    mode: AccountMode | None = asked("Where the data shall live.", default=AccountMode.MIRRORED)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of completeLink.")
class CompleteLinkPayload(Written):
    link: LinkSessionRef | None = field("The session.")
    account: AccountRef | None = field("The account, once linked; it synchronises already.", loads.account)


@input_type("Input of cancelLink.")
class CancelLinkInput:
    link_id: strawberry.ID = asked("The session.")
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of cancelLink.")
class CancelLinkPayload(Written):
    link: LinkSessionRef | None = field("The session.")


async def begin_link(info: Info, input: Annotated[BeginLinkInput, argument(description=WHAT)]) -> Payload:
    """Begins to link an account or to authorise one again."""
    return await linking_steps.begin(
        info.context.operation,
        plain(input.provider),
        plain(input.address),
        plain(input.account_id),
        plain(input.method),
        plain(input.scopes),
        plain(input.return_url),
        plain(input.idempotency_key),
    )


async def complete_link(info: Info, input: Annotated[CompleteLinkInput, argument(description=WHAT)]) -> Payload:
    """Gives what a link session waits for."""
    credentials = input.credentials or None
    form = None if credentials is None else plain(credentials.form)
    return await linking_steps.complete(
        info.context.operation,
        input.link_id,
        None if credentials is None else plain(credentials.callback_url),
        None if form is None else {one.name: one.value for one in form},
        "LIVE" if input.mode is AccountMode.LIVE else "MIRRORED",
        plain(input.idempotency_key),
    )


async def cancel_link(info: Info, input: Annotated[CancelLinkInput, argument(description=WHAT)]) -> Payload:
    """Ends a link session."""
    return await linking_steps.cancel(info.context.operation, input.link_id, plain(input.idempotency_key))
