"""Signing in at a real PDS by its page (atproto.com/specs/oauth): pushed, bound to a key, proven, renewed, refused."""

from __future__ import annotations

import asyncio
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from providers import atproto, atproto_oauth, client_assertion, dpop, oauth
from providers.base import Authorization, SignedIn
from providers.bluesky import chat as bluesky_chat
from providers.bluesky import sign_in as bluesky_sign_in
from providers.bluesky.adapter import PROVIDER, Bluesky
from providers.bluesky.talks import Talks
from providers.errors import Malformed, ReauthRequired, Refused
from providers.http import Session
from providers.session import Account, Secret
from tests.atproto_browser import SignInPage
from tests.atproto_servers import AtProto, AtUser
from tests.providers.bluesky_stub import quiet_chat
from tests.providers.conftest import Exchange, HandClock, OpenCredentials, SessionMaker, http_answer, scripted

BACK = "http://127.0.0.1:8000/link/callback"
_VERIFIERS = (f"{number:064}" for number in itertools.count())  # the server takes each once
#: Under a domain that is nobody's: servers refuse the reserved ones.
PUBLIC = "https://adapter.home.zz"
CLIENT = f"{PUBLIC}/oauth/bluesky/client-metadata.json"


class ServersClock(HandClock):
    """A real server judges proofs by its own clock, however long a test takes; what is slept has passed at once."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=sum(self.slept))


@pytest.fixture
def clock() -> HandClock:
    return ServersClock()


@pytest.fixture
def user(atproto_server: AtProto, monkeypatch: pytest.MonkeyPatch) -> AtUser:
    monkeypatch.setattr(atproto, "DIRECTORY", atproto_server.directory)
    return atproto_server.new_user()


#: A grant that no test uses up, with whose it is: a server takes its time over each sign-in.
_standing: dict[str, tuple[AtUser, Secret]] = {}


class SigningIn:
    """One user's way there and back, as the gateway goes it."""

    def __init__(self, user: AtUser, new_session: SessionMaker) -> None:
        self.user = user
        self._new_session = new_session

    def session(self, secret: Secret | None = None, typed: str | None = None, **more: Any) -> Session:
        session = self._new_session(self.user.url, provider="bluesky", secret=secret, **more)
        session.account = Account(provider="bluesky", base_url=self.user.url, settings={"username": typed or self.user.did})
        return session

    async def authorization(self, own: Secret | None = None, back: str = BACK) -> Authorization:
        return await atproto_oauth.authorize(self.session(own), {"username": self.user.did}, back)

    async def grant(self, own: Secret | None = None, back: str = BACK, without: str = "") -> Secret:
        """What the network gives when its user says yes, to all that is asked for or all but one scope."""
        authorization = await self.authorization(own, back)
        asked = tuple(scope for scope in authorization.scopes if scope != without)
        authorization = msgspec.structs.replace(authorization, scopes=asked)
        verifier = next(_VERIFIERS)
        url = await oauth.destination(self.session(), authorization, back, "state-1", verifier)
        came = SignInPage(url).allow(self.user)
        assert (came[""], came["state"]) == (back, "state-1")
        oauth.check_issuer(authorization, came["iss"])
        return await oauth.exchange(self.session(), authorization, back, came["code"], verifier)

    async def signed_in(self, own: Secret | None = None, back: str = BACK) -> SignedIn:
        return await bluesky_sign_in.sign_in(self.session(await self.grant(own, back)))

    async def standing(self) -> Secret:
        """A grant that is not to be used up; whose it is, is the user from then on."""
        if self.user.url not in _standing:
            _standing[self.user.url] = (self.user, await self.grant())
        self.user, grant = _standing[self.user.url]
        return grant


@pytest.fixture
def signing_in(user: AtUser, new_session: SessionMaker) -> SigningIn:
    return SigningIn(user, new_session)


def confidential(server: AtProto) -> Secret:
    """Our client as an installation with a public address has it, its document where the server finds it."""
    key = client_assertion.new_key()
    document = {
        "client_id": CLIENT, "client_name": "Kith", "client_uri": PUBLIC, "application_type": "web",
        "redirect_uris": [f"{PUBLIC}/link/callback"], "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"], "dpop_bound_access_tokens": True, "token_endpoint_auth_method": client_assertion.METHOD,
        "token_endpoint_auth_signing_alg": dpop.ALGORITHM, "jwks": {"keys": [client_assertion.public(key)]},
        **PROVIDER.client_metadata,
    }  # fmt: skip
    server.publish(CLIENT, document)
    return Secret(client_id=CLIENT, client_secret=key)


async def test_what_is_asked_for_goes_ahead_and_the_browser_carries_its_name_alone(signing_in: SigningIn) -> None:
    authorization = await signing_in.authorization()
    url = await oauth.destination(signing_in.session(), authorization, BACK, "state-1", next(_VERIFIERS))
    asked = dict(parse_qsl(urlsplit(url).query))
    assert set(asked) == {"client_id", "request_uri"}
    assert asked["client_id"].startswith("http://localhost?redirect_uri=")
    assert authorization.issuer == signing_in.user.url


async def test_a_sign_in_by_the_servers_page_gives_a_bound_grant_that_reads_and_renews(signing_in: SigningIn) -> None:
    user = signing_in.user
    made = await signing_in.signed_in()
    secret = made.secret
    assert (made.base_url, secret.extra["did"]) == (user.url, user.did)
    assert set((secret.scope or "").split()) == {"atproto", "transition:generic", "transition:chat.bsky"}
    assert (await Bluesky(signing_in.session(secret))._who()).did == user.did
    newer = await bluesky_sign_in.renew(signing_in.session(), secret)
    assert newer.refresh_token != secret.refresh_token
    assert newer.access_token != secret.access_token
    assert newer.extra == secret.extra
    assert (await Bluesky(signing_in.session(newer))._who()).did == user.did
    with pytest.raises(ReauthRequired, match=r"has signed Kith out. Link the account again\.$"):
        await bluesky_sign_in.renew(signing_in.session(), secret)  # a renewal token is good for one use


async def test_a_token_is_worth_nothing_without_its_key(signing_in: SigningIn) -> None:
    secret = (await signing_in.signed_in()).secret
    stolen = msgspec.structs.replace(secret, extra={**secret.extra, "dpop_key": dpop.new_key()}, refresh_token=None)
    with pytest.raises(ReauthRequired):
        await Bluesky(signing_in.session(stolen))._who()
    with pytest.raises((ReauthRequired, Refused)):
        await bluesky_sign_in.renew(signing_in.session(), msgspec.structs.replace(stolen, refresh_token=secret.refresh_token))


async def test_a_public_client_says_that_its_grant_ends_after_two_weeks(signing_in: SigningIn, clock: HandClock) -> None:
    grant = await signing_in.standing()
    before = clock.now()
    secret = (await bluesky_sign_in.sign_in(signing_in.session(grant))).secret
    assert secret.client_secret is None
    assert before <= datetime.fromisoformat(secret.extra["grant_ends_at"]) - timedelta(days=14) <= clock.now()


async def test_an_installation_with_a_public_address_signs_for_itself_and_stays_longer(
    signing_in: SigningIn, atproto_server: AtProto
) -> None:
    own = confidential(atproto_server)
    made = await signing_in.signed_in(own, f"{PUBLIC}/link/callback")
    assert made.secret.client_id == CLIENT
    assert "grant_ends_at" not in made.secret.extra
    newer = await bluesky_sign_in.renew(signing_in.session(), made.secret)
    assert (await Bluesky(signing_in.session(newer))._who()).did == signing_in.user.did
    foreign = msgspec.structs.replace(newer, client_secret=client_assertion.new_key())
    with pytest.raises(ReauthRequired, match="no longer signs as it did"):
        await bluesky_sign_in.renew(signing_in.session(), foreign)


async def test_a_document_that_cannot_be_read_says_what_to_do(signing_in: SigningIn, atproto_server: AtProto) -> None:
    own = Secret(client_id="https://nowhere.home.zz/oauth/bluesky/client-metadata.json", client_secret=client_assertion.new_key())
    atproto_server.publish(own.client_id or "", {"client_id": "https://other.home.zz/x.json", "redirect_uris": [BACK]})
    authorization = await signing_in.authorization(own)
    with pytest.raises(Refused, match=r"KITH_PUBLIC_URL"):
        await oauth.destination(signing_in.session(), authorization, BACK, "s", next(_VERIFIERS))


async def test_somebody_who_says_no_comes_back_with_that(signing_in: SigningIn) -> None:
    authorization = await signing_in.authorization()
    url = await oauth.destination(signing_in.session(), authorization, BACK, "s", next(_VERIFIERS))
    came = SignInPage(url).refuse()
    assert (came["error"], came["state"], came["iss"]) == ("access_denied", "s", authorization.issuer)


async def test_a_code_works_once_and_only_with_its_verifier(signing_in: SigningIn) -> None:
    authorization, verifier = await signing_in.authorization(), next(_VERIFIERS)
    url = await oauth.destination(signing_in.session(), authorization, BACK, "s", verifier)
    came = SignInPage(url).allow(signing_in.user)
    with pytest.raises(ReauthRequired):
        await oauth.exchange(signing_in.session(), authorization, BACK, came["code"], "w" * 64)
    with pytest.raises(ReauthRequired):
        await oauth.exchange(signing_in.session(), authorization, BACK, came["code"], verifier)


async def test_a_public_clients_grant_that_ended_after_two_weeks_says_what_would_last_longer(
    new_session: SessionMaker, clock: HandClock
) -> None:
    async with scripted(http_answer(400, '{"error":"invalid_grant"}')) as server:
        extra = {
            "dpop_key": dpop.new_key(), "token_endpoint": f"{server.url}/token", "grant_ends_at": clock.now().isoformat(),
            "token_endpoint_auth_method": "none",
        }  # fmt: skip
        with pytest.raises(ReauthRequired, match=r"KITH_PUBLIC_URL.*app password lasts longer"):
            await bluesky_sign_in.renew(
                new_session(server.url), Secret(access_token="a", refresh_token="r", client_id="c", extra=extra)
            )


async def test_a_grant_that_is_given_back_is_over(signing_in: SigningIn) -> None:
    secret = (await signing_in.signed_in()).secret
    assert await oauth.revoke(signing_in.session(), oauth.renewal(secret), secret)
    with pytest.raises(ReauthRequired):
        await bluesky_sign_in.renew(signing_in.session(), secret)


async def test_whoever_signs_in_as_somebody_else_than_was_typed_is_told(signing_in: SigningIn, atproto_server: AtProto) -> None:
    grant = await signing_in.standing()
    other = atproto_server.new_user("eve")
    with pytest.raises(Refused, match=f"You signed in as {signing_in.user.handle}, and typed {other.handle}"):
        await bluesky_sign_in.sign_in(signing_in.session(grant, typed=other.handle))


async def test_an_issuer_that_is_not_the_accounts_own_is_not_believed(signing_in: SigningIn) -> None:
    """A server can put any DID into its answer; the DID's own server says who may."""
    grant = await signing_in.standing()
    forged = msgspec.structs.replace(grant, extra={**grant.extra, "issuer": "https://evil.example.org"})
    with pytest.raises(Refused, match=r"evil\.example\.org does not sign people in"):
        await bluesky_sign_in.sign_in(signing_in.session(forged))
    nobody = msgspec.structs.replace(grant, extra={**grant.extra, "sub": "did:plc:nobody"})
    with pytest.raises(Malformed):
        await bluesky_sign_in.sign_in(signing_in.session(nobody))


async def test_a_narrower_grant_shows_no_chat_and_says_so(signing_in: SigningIn) -> None:
    secret = await signing_in.standing()
    narrow = msgspec.structs.replace(secret, scope="atproto transition:generic")
    assert not atproto.may_chat(narrow.scope)
    assert atproto.may_chat(secret.scope)
    assert PROVIDER.may("READ_STATE", (secret.scope or "").split())
    assert not PROVIDER.may("READ_STATE", (narrow.scope or "").split())


@pytest.mark.parametrize("without", ["", atproto.CHAT_SCOPE])
async def test_the_server_passes_chat_on_for_grants_that_have_its_scope(
    signing_in: SigningIn, monkeypatch: pytest.MonkeyPatch, without: str
) -> None:
    secret = await signing_in.grant(without=without)
    assert atproto.may_chat(secret.scope) == (not without)
    async with scripted(lambda exchange: quiet_chat(exchange, server.port)) as server:
        monkeypatch.setattr(bluesky_chat, "SERVICE", f"did:web:localhost%3A{server.port}#bsky_chat")
        asked = Talks(atproto.Xrpc(signing_in.session(secret)), signing_in.user.did, allowed=True).log("")
        if without:
            with pytest.raises(Refused, match="Link the account again to allow it") as refused:
                await asked
            assert refused.value.provider_code == "scope"
        else:
            assert (await asked).cursor == "here"
            assert server.seen[-1].headers["authorization"] != f"DPoP {secret.access_token}"


async def test_many_calls_at_once_with_one_grant_are_all_taken(signing_in: SigningIn) -> None:
    session = signing_in.session(await signing_in.standing())
    found = await asyncio.gather(*(Bluesky(session)._who() for _ in range(12)))
    assert {one.did for one in found} == {signing_in.user.did}


async def test_an_expired_token_is_renewed_in_the_middle(signing_in: SigningIn) -> None:
    def expired(exchange: Exchange) -> bytes:
        if exchange.headers["authorization"] == "DPoP old":
            challenge = 'DPoP error="invalid_token", error_description="expired"'
            return http_answer(401, '{"error":"invalid_token"}', WWW_Authenticate=challenge)
        return http_answer(200, json.dumps({"did": signing_in.user.did, "handle": "a.test"}))

    bound = Secret(access_token="old", refresh_token="r", extra={"dpop_key": dpop.new_key()})
    credentials = OpenCredentials(bound, msgspec.structs.replace(bound, access_token="new"))
    async with scripted(expired) as server:
        session = signing_in.session(credentials=credentials)
        session.account = Account(provider="bluesky", base_url=server.url)
        assert (await Bluesky(session)._who()).did == signing_in.user.did
    assert credentials.refreshes == 1


@pytest.mark.parametrize("back", ["http://localhost:8000/link/callback", "http://192.168.1.5:8000/link/callback"])
async def test_an_installation_that_a_server_cannot_send_back_to_says_what_works(signing_in: SigningIn, back: str) -> None:
    with pytest.raises(Refused, match=r"KITH_PUBLIC_URL.*app password"):
        await signing_in.authorization(back=back)


GOOD = {
    "authorization_endpoint": "https://x.example.org/a", "token_endpoint": "https://x.example.org/t",
    "pushed_authorization_request_endpoint": "https://x.example.org/p", "authorization_response_iss_parameter_supported": True,
    "dpop_signing_alg_values_supported": ["ES256"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("resource", "issuer", "error"),
    [
        ({"authorization_servers": []}, GOOD, Malformed),
        ({"authorization_servers": ["a", "b"]}, GOOD, Malformed),
        ({"authorization_servers": ["javascript:alert(1)"]}, GOOD, Malformed),
        ({"resource": "https://other.example.org"}, GOOD, Malformed),
        ({"authorization_servers": "x"}, GOOD, Refused),
        ({}, {**GOOD, "issuer": "https://other.example.org"}, Malformed),
        ({}, {**GOOD, "dpop_signing_alg_values_supported": ["RS256"]}, Refused),
        ({}, {**GOOD, "authorization_response_iss_parameter_supported": False}, Refused),
        ({}, {"authorization_endpoint": "https://x.example.org/a"}, Refused),
        ({}, None, Refused),
    ],
)
async def test_a_server_that_describes_its_sign_in_badly_is_refused_in_words(
    new_session: SessionMaker, resource: dict[str, Any], issuer: dict[str, Any] | None, error: type[Exception]
) -> None:
    def described(exchange: Exchange) -> bytes:
        if exchange.path.endswith("protected-resource"):
            return http_answer(200, json.dumps({"resource": server.url, "authorization_servers": [server.url], **resource}))
        return http_answer(404) if issuer is None else http_answer(200, json.dumps({"issuer": server.url, **issuer}))

    async with scripted(described) as server:
        with pytest.raises(error) as refused:
            await atproto_oauth.authorize(new_session(server.url), {"username": "ada", "server": server.url}, BACK)
    assert str(refused.value)
