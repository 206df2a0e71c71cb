"""Saying who our client is by a signature instead of a shared secret: `private_key_jwt` (RFC 7523 §2.2, OpenID Connect Core §9).

The key is made once an installation and shown, its public half, where the network looks for it (RFC 7591 §2, `jwks`). Knows nothing of grants.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

import msgspec

from providers import dpop

METHOD: Final = "private_key_jwt"
TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SECONDS: Final = 60  # that an assertion is good for


def new_key() -> str:
    """A private key for a client, as a JWK that names itself by its thumbprint (RFC 7638)."""
    from joserfc.jwk import ECKey  # as in dpop.py: only who signs loads it

    key = ECKey.generate_key(dpop.CURVE)
    key.ensure_kid()
    return msgspec.json.encode(key.as_dict(private=True)).decode()


def public(key: str) -> dict[str, Any]:
    """What may be shown of a key: a JWK for verifying signatures (RFC 7517 §4)."""
    return dict(dpop.imported(key).as_dict(private=False, use="sig", alg=dpop.ALGORITHM))


def assertion(key: str, client_id: str, issuer: str, at: float) -> dict[str, str]:
    """The members of a request that say who asks, to the authorization server `issuer`, at a moment (POSIX seconds)."""
    from joserfc import jwt

    ours = dpop.imported(key)
    claims: dict[str, Any] = {
        "iss": client_id,
        "sub": client_id,
        "aud": issuer,
        "jti": secrets.token_urlsafe(16),
        "iat": int(at),
        "exp": int(at) + SECONDS,
    }
    header = {"alg": dpop.ALGORITHM, "kid": ours.kid or ours.thumbprint()}
    said = jwt.encode(header, claims, ours, algorithms=[dpop.ALGORITHM])
    return {"client_assertion_type": TYPE, "client_assertion": said}
