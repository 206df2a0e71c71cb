"""Tokens that are good only together with a key of ours: proof of possession (DPoP, RFC 9449), signed with ES256.

Every request carries a proof of its own, bound to method, address and, beside a token, to that token (§4.2). Servers put nonces of theirs
into proofs: the newest one of each is remembered beside the key, and a request that was refused for want of it is made once more (§8, §9).
Knows nothing of what a token allows or where keys are kept.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import httpx2 as httpx
import msgspec

from providers.errors import Malformed, ReauthRequired
from providers.http import Response, Session

if TYPE_CHECKING:
    from joserfc.jwk import ECKey

ALGORITHM: Final = "ES256"
CURVE: Final = "P-256"
KEYS: Final = 2_000  # of which the nonces are remembered in this process
SERVERS: Final = 20  # whose nonces are remembered with a key
LONGEST_NONCE: Final = 500  # characters
_WANTS_NONCE: Final = re.compile(r'\bDPoP\b.*\berror="?use_dpop_nonce\b', re.IGNORECASE)  # §9


def new_key() -> str:
    """A private key for one grant, as a JWK (RFC 7517)."""
    from joserfc.jwk import ECKey

    return msgspec.json.encode(ECKey.generate_key(CURVE).as_dict(private=True)).decode()


class Prover:
    """Makes proofs with one key, and remembers what servers want to see in them."""

    def __init__(self, key: str) -> None:
        self._key = imported(key)
        self._public = self._key.as_dict(private=False)
        self._nonces: dict[str, str] = {}

    def proof(self, method: str, url: httpx.URL, at: float, token: str | None = None) -> str:
        """The header `DPoP` of one request at a moment (POSIX seconds), beside `token` where it carries one."""
        claims: dict[str, Any] = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": str(url.copy_with(query=None, fragment=None)),
            "iat": int(at),
        }
        if token is not None:
            claims["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        if (nonce := self._nonces.get(_server(url))) is not None:
            claims["nonce"] = nonce
        from joserfc import jwt

        header = {"typ": "dpop+jwt", "alg": ALGORITHM, "jwk": self._public}
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])

    def told(self, answer: Response) -> bool:
        """Remember the nonce that came with an answer (§8.2); whether the request has to be made again with it."""
        nonce = answer.headers.get("dpop-nonce", "")
        if not nonce or len(nonce) > LONGEST_NONCE:
            return False
        server = _server(httpx.URL(answer.url))
        self._nonces.pop(server, None)
        self._nonces[server] = nonce
        if len(self._nonces) > SERVERS:
            self._nonces.pop(next(iter(self._nonces)))
        return _wants_nonce(answer)


@lru_cache(maxsize=KEYS)
def prover(key: str) -> Prover:
    """The one of a key: what servers told it is of use to every session of the process. Raises ReauthRequired for what is no key."""
    return Prover(key)


async def request(
    session: Session,
    key: str,
    method: str,
    url: str,
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """`Session.request` with a proof, and the token that is bound to the key; made twice where the server first wants its nonce in it.

    `accept_statuses` must let 400 and 401 through, or a server's wish for a nonce is an error. Raises as `Session.request`.
    """
    ours = prover(key)

    def sign(verb: str, target: httpx.URL) -> dict[str, str]:
        return {"DPoP": ours.proof(verb, target, session.clock.now().timestamp(), token)}

    borne = {} if token is None else {"Authorization": f"DPoP {token}"}  # §7.1
    for _ in range(2):
        answer = await session.request(method, url, headers={**(headers or {}), **borne}, sign=sign, auth=False, **more)
        if not ours.told(answer):
            break
    return answer


def imported(key: str) -> ECKey:
    """A private JWK. Raises ReauthRequired for anything else."""
    # loaded with the first key, here and above: eleven megabytes with cryptography under it
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey

    try:
        found = ECKey.import_key(msgspec.json.decode(key))
    except (JoseError, msgspec.DecodeError, ValueError, TypeError, KeyError):
        raise ReauthRequired("The key of this sign-in cannot be read. Link the account again.", provider_code="key") from None
    if not found.is_private:
        raise ReauthRequired("The key of this sign-in is not a private one. Link the account again.", provider_code="key")
    return found


def _wants_nonce(answer: Response) -> bool:
    """§8: an error of the authorization server; §9: a challenge of the resource server."""
    if answer.status == 401 and _WANTS_NONCE.search(answer.headers.get("www-authenticate", "")):
        return True
    if answer.status not in (400, 401):
        return False
    try:
        said = answer.json()
    except Malformed:
        return False
    return isinstance(said, dict) and said.get("error") == "use_dpop_nonce"


def _server(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}"
