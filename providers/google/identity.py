"""Who calls, as Google says: the OpenID Connect tokens by which its services prove for whom they call.

Speaks JWT (RFC 7519) signed with RS256 (RFC 7518 §3.3) as OpenID Connect Core §3.1.3.7 has an ID token checked, with the keys that Google
publishes (JWKS, RFC 7517). No other algorithm is taken, whatever a token says of itself (RFC 8725 §3.1). Knows nothing of what is called for.
"""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx2 as httpx

from providers.errors import Malformed, ProviderError, Unavailable
from providers.http import Response, Session
from providers.push import Forged

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

ISSUER: Final = "https://accounts.google.com"
CERTIFICATES: Final = "https://www.googleapis.com/oauth2/v3/certs"
ALGORITHM: Final = "RS256"
LEEWAY: Final = 60  # seconds that clocks may differ
MAX_TOKEN: Final = 8_192  # characters
MAX_KEYS: Final = 64_000  # bytes of an answer with all of them
#: For how long keys are kept: Google says it by max-age, within these bounds.
SHORTEST: Final = timedelta(minutes=5)
LONGEST: Final = timedelta(days=1)
#: Keys are asked for at most so often, whatever is sent to us.
AGAIN: Final = timedelta(minutes=1)
_MAX_AGE: Final = re.compile(r"(?:^|,)\s*max-age=(\d{1,9})\s*(?:,|$)")  # RFC 9111 §5.2.2.1


class Keys:
    """Google's keys, kept as long as it says."""

    def __init__(self) -> None:
        self._keys: dict[str, RSAKey] = {}
        self._until: datetime | None = None
        self._asked: datetime | None = None
        self._turn = asyncio.Lock()

    async def check(self, session: Session, authorization: str, *, caller: str, audience: str) -> None:
        """That a header `Authorization: Bearer …` is Google's word that the service account `caller` calls `audience`, now.

        Raises Forged, or Unavailable when the keys cannot be had.
        """
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN or not token.isascii():
            raise Forged
        # loaded when Google first calls: eleven megabytes with cryptography under it
        from joserfc import jws, jwt
        from joserfc.errors import JoseError

        claims = jwt.JWTClaimsRegistry(
            now=int(session.clock.now().timestamp()),
            leeway=LEEWAY,
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            iat={"essential": True},
            email={"essential": True, "value": caller},
            email_verified={"essential": True, "value": True},
        )
        try:
            header = jws.extract_compact(token.encode()).headers()
            key_id = header.get("kid")
            if header.get("alg") != ALGORITHM or not isinstance(key_id, str):
                raise Forged
            key = await self._key(session, key_id)
            if key is None:
                raise Forged
            claims.validate(jwt.decode(token, key, algorithms=[ALGORITHM]).claims)
        except (JoseError, ValueError, TypeError, RecursionError):  # what is no token at all fails in any way
            raise Forged from None

    async def _key(self, session: Session, key_id: str) -> RSAKey | None:
        """The key of this id; an unknown one may be newer than what is kept, so that Google is asked once more."""
        async with self._turn:
            now = session.clock.now()
            stale = self._until is None or self._until <= now
            if stale or key_id not in self._keys:
                if self._asked is None or self._asked + AGAIN <= now:
                    self._asked = now
                    await self._fetch(session, now)
                elif stale:
                    raise Unavailable("Google's keys could not be had a moment ago.", retry_at=self._asked + AGAIN)
            return self._keys.get(key_id)

    async def _fetch(self, session: Session, now: datetime) -> None:
        try:
            answer = await session.request("GET", _address(session), auth=False, max_bytes=MAX_KEYS)
            self._keys = _keys(answer)
        except ProviderError as error:  # whatever is wrong with them, it is not the caller's fault
            raise Unavailable(f"Google's keys cannot be had: {error.message}", provider_code="keys") from error
        self._until = now + _lifetime(answer)


def _address(session: Session) -> str:
    """A server set by KITH_…_URL stands in for all of Google's hosts."""
    base = session.account.base_url.rstrip("/")
    return CERTIFICATES if str(httpx.URL(base).host).endswith(".googleapis.com") else f"{base}/oauth2/v3/certs"


def _keys(answer: Response) -> dict[str, RSAKey]:
    """The RSA keys for signatures by their ids. Raises Malformed when there is none."""
    from joserfc.errors import JoseError
    from joserfc.jwk import RSAKey

    body = answer.json()
    found: dict[str, RSAKey] = {}
    listed: Any = body.get("keys") if isinstance(body, dict) else None
    for each in listed if isinstance(listed, list) else ():
        if (
            isinstance(each, dict)
            and each.get("kty") == "RSA"
            and each.get("use") in (None, "sig")
            and isinstance(each.get("kid"), str)
        ):
            try:
                found[each["kid"]] = RSAKey.import_key(each)
            except (JoseError, ValueError, TypeError):  # one that cannot be read may be of a kind that is new
                continue
    if not found:
        raise Malformed("Google's list of keys has none that can be used.", provider_code="keys")
    return found


def _lifetime(answer: Response) -> timedelta:
    said = _MAX_AGE.search(answer.headers.get("cache-control", ""))
    return min(max(timedelta(seconds=int(said[1])), SHORTEST), LONGEST) if said else SHORTEST
