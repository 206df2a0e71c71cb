"""Google as the one who calls: keys that it publishes, ID tokens signed with them, and notifications as Pub/Sub wraps them."""

from __future__ import annotations

import base64
import hmac
import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import RSAKey

from tests.providers.google_stub import Mailbox
from tests.providers.stub_http import Answer, Request

CALLER = "kith-push@kith-example.iam.gserviceaccount.com"
CERTIFICATES = "/oauth2/v3/certs"


@cache  # each takes a tenth of a second to find
def key(key_id: str, whose: str = "Google's") -> RSAKey:
    """A key of that id."""
    return RSAKey.generate_key(2048, parameters={"kid": key_id, "use": "sig", "alg": "RS256"})


class Caller(Mailbox):
    """A mailbox whose Google also calls. `keys` are published; `asked_for_keys` counts how often somebody looked."""

    def __init__(self, address: str = "ada@example.org") -> None:
        super().__init__(address)
        self.keys = [key("key-1")]
        self.asked_for_keys = 0
        self.max_age = "public, max-age=20000, must-revalidate, no-transform"
        self.no_keys: list[Answer] = []

    def answer(self, request: Request) -> Answer:
        if request.path != CERTIFICATES:
            return super().answer(request)
        self.asked_for_keys += 1
        assert "authorization" not in request.headers
        if self.no_keys:
            return self.no_keys.pop(0)
        return Answer(200, {"keys": [each.as_dict(private=False) for each in self.keys]}, Cache_Control=self.max_age)

    def token(self, audience: str, by: RSAKey | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """An ID token for one hour; a claim that is None is left out."""
        now = int(self.clock())
        signer = by or self.keys[0]
        told = {
            "iss": "https://accounts.google.com", "aud": audience, "azp": "113774264463038321964", "sub": "113774264463038321964",
            "email": CALLER, "email_verified": True, "iat": now, "exp": now + 3600, **claims,
        }  # fmt: skip
        named = {"alg": "RS256", "kid": signer.kid, "typ": "JWT", **(header or {})}
        signed = f"{_json(named)}.{_json({name: value for name, value in told.items() if value is not None})}"
        assert signer.private_key is not None
        signature = signer.private_key.sign(signed.encode(), PKCS1v15(), SHA256())
        return f"{signed}.{_text(signature)}"

    def unsigned(self, audience: str) -> str:
        """The same with `alg: none`."""
        head = {"alg": "none", "kid": self.keys[0].kid, "typ": "JWT"}
        return f"{_json(head)}.{self.token(audience).split('.')[1]}."

    def confused(self, audience: str) -> str:
        """The same signed with HS256, the public key taken for the secret."""
        head = {"alg": "HS256", "kid": self.keys[0].kid, "typ": "JWT"}
        signed = f"{_json(head)}.{self.token(audience).split('.')[1]}"
        return f"{signed}.{_text(hmac.digest(self.keys[0].as_pem(private=False), signed.encode(), 'sha256'))}"


def notice(mailbox: str, history_id: int | str = 1, message_id: str = "1") -> dict[str, Any]:
    """What Pub/Sub posts for a mailbox."""
    data = json.dumps({"emailAddress": mailbox, "historyId": history_id}).encode()
    return {
        "message": {
            "data": _text(data),
            "messageId": message_id,
            "message_id": message_id,
            "publishTime": "2026-03-01T12:00:00Z",
        },
        "subscription": "projects/kith-example/subscriptions/kith-gmail",
    }


def _json(value: dict[str, Any]) -> str:
    return _text(json.dumps(value).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
