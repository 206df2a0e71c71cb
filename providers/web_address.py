"""An address on the web (RFC 3986), taken apart once and not whenever it is asked for a part: calls ask for each several times."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Final

import httpx2 as httpx

#: Addresses whose parts are remembered: taking one apart costs as much as asking it.
ADDRESSES: Final = 500


class Address(httpx.URL):
    """An httpx URL that knows its parts, and what a request to it begins with."""

    scheme = cached_property(lambda self: super().scheme)
    userinfo = cached_property(lambda self: super().userinfo)
    host = cached_property(lambda self: super().host)
    raw_host = cached_property(lambda self: super().raw_host)
    port = cached_property(lambda self: super().port)
    netloc = cached_property(lambda self: super().netloc)
    raw_path = cached_property(lambda self: super().raw_path)
    text = cached_property(httpx.URL.__str__)

    @cached_property
    def place(self) -> tuple[bool, str, int]:
        """Whether it is encrypted, host and port."""
        secure = self.scheme == "https"
        return secure, self.raw_host.decode("ascii"), self.port or (443 if secure else 80)

    @cached_property
    def start(self) -> str:
        """What stands in a request after its method (RFC 9112 §3, §3.2.1), up to its first header that is not Host (RFC 9110 §7.2)."""
        return f"{self.raw_path.decode('ascii')} HTTP/1.1\r\nHost: {self.netloc.decode('ascii')}\r\n"

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=ADDRESSES)
def address(url: str) -> Address:
    """Raises httpx.InvalidURL and its kind."""
    return Address(url)


@lru_cache(maxsize=ADDRESSES)
def joined(base: str, url: str) -> Address:
    """`url` seen from `base` (RFC 3986 §5)."""
    return Address(address(base).join(url))
