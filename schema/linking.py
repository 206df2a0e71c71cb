"""Linking an account, step by step."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import Parent

from resolvers import catalogue, linking
from schema import loads
from schema.declare import Info, field, object_type
from schema.interfaces import Node
from schema.references import AccountRef, FormFieldRef, ProviderRef, UserErrorRef
from schema.scalars import URL, DateTime
from schema.vocabulary import LinkMethod, LinkState


def _provider(parent: Parent[linking.LinkSession], info: Info) -> catalogue.Network | None:
    if parent.provider is None:
        return None
    return catalogue.get(info.context.operation.services, parent.provider)


@object_type("Send the user to the network.", of=linking.OAuthRedirect)
class OAuthRedirect:
    authorization_url: URL = field("Address to open; carries state and PKCE challenge.")
    redirect_uri: URL = field("Where the network will send the user back.")


@object_type("Let the user type a code elsewhere, RFC 8628.", of=linking.DeviceCode)
class DeviceCode:
    user_code: str = field("Code to show.")
    verification_url: URL = field("Address to show.")
    verification_url_complete: URL | None = field("The same with the code, for a QR code.")
    expires_at: DateTime = field("When the code ends.")
    poll_seconds: int = field("Least interval between two calls of completeLink.")


@object_type("Ask the user to fill a form.", of=linking.CredentialForm)
class CredentialForm:
    method: LinkMethod = field("PASSWORD, APP_PASSWORD, TOKEN or NO_SECRET.")
    fields: list[FormFieldRef] = field("What to ask, with discovered values filled in.")
    help: str | None = field("What to enter and where to get it.")
    help_url: URL | None = field("Page where it is obtained.")


@object_type("One try to find settings or to sign in.")
class DiscoveryAttempt:
    method: str = field("What was tried, such as SRV _imaps._tcp.")
    target: str = field("Host or address asked.")
    succeeded: bool = field("Whether it helped.")
    message: str = field("Outcome as a sentence.")
    at: DateTime = field("When.")


LinkStep = Annotated[
    OAuthRedirect | DeviceCode | CredentialForm, strawberry.union("LinkStep", description="What the user has to do next.")
]


@object_type("One attempt to link an account; lives 15 minutes.", of=linking.LinkSession)
class LinkSession(Node):
    id: strawberry.ID = field("Opaque global id.")
    state: LinkState = field("Where it stands.")
    provider: ProviderRef | None = field("The network; null until found.", _provider)
    step: LinkStep | None = field("What the user has to do next; null when nothing.")
    attempts: list[DiscoveryAttempt] = field("Each try to find settings or sign in; at most 50.")
    account: AccountRef | None = field("The account, once linked.", loads.account)
    error: UserErrorRef | None = field("Why it failed and what to do.")
    expires_at: DateTime = field("When the session ends.")
