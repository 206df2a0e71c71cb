"""WebFinger (RFC 7033): what the installation says of a viewer who has published a profile, asked by account or by the page's address.

A viewer who shows nothing, a name that is nobody's and an address of another host are answered alike. Answers are not kept anywhere, so
that a profile that is withdrawn is gone with the next question.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.public_pages import page_of, photo_of
from resolvers import public_profiles
from resolvers.public_profiles import Published

if TYPE_CHECKING:
    from gateway.installation import Installation

PATH: Final = "/.well-known/webfinger"
MEDIA_TYPE: Final = "application/jrd+json"
#: RFC 7033 §5: pages of anybody may ask.
HEADERS: Final = {"access-control-allow-origin": "*", "cache-control": "no-store"}
PROFILE: Final = "http://webfinger.net/rel/profile-page"
HCARD: Final = "http://microformats.org/profile/hcard"
AVATAR: Final = "http://webfinger.net/rel/avatar"
NAME: Final = "http://schema.org/name"
MAX_RESOURCE: Final = 2_000
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f\x7f]+\Z")  # RFC 3986 §3, as far as anything here depends on it


class WebFinger:
    """One per process."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._url = installation.settings.url

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self.serve)]

    async def serve(self, request: Request) -> Response:
        """The descriptor of the resource that is asked about, with the links that are (§4.3)."""
        asked = request.query_params.getlist("resource")
        if len(asked) != 1 or len(asked[0]) > MAX_RESOURCE or not _URI.match(asked[0]):  # §4.2
            return _refused(400, "name one resource: ?resource=acct:ada@example.org, or the address of a page, percent-encoded")
        name = self._name(asked[0])
        found = None
        if name is not None:
            found = await public_profiles.published(self._installation.database, self._url, name)
        if found is None:
            return _refused(404, "nothing is known here of this resource")
        return JSONResponse(descriptor(found, set(request.query_params.getlist("rel"))), 200, HEADERS, MEDIA_TYPE)

    def _name(self, resource: str) -> str | None:
        """The name at this installation that a resource means; None where it is of no kind that there is here."""
        scheme, _, rest = resource.partition(":")
        if scheme.lower() == "acct":
            name, _, host = unquote(rest).rpartition("@")
            return name if host.lower() == public_profiles.host(self._url) else None
        try:
            parts, ours = urlsplit(resource), urlsplit(self._url)
        except ValueError:
            return None
        if parts.query or parts.fragment or (parts.scheme, parts.netloc.lower()) != (ours.scheme, ours.netloc.lower()):
            return None
        return page_of(parts.path)


def descriptor(found: Published, relations: set[str]) -> dict[str, Any]:
    """The JRD (§4.4) of a profile; without `relations` all links."""
    shown = found.shown
    links: list[dict[str, str]] = [
        {"rel": PROFILE, "type": "text/html", "href": str(shown.url)},
        {"rel": HCARD, "type": "text/html", "href": str(shown.url)},
    ]
    if shown.photo_hash is not None:
        links.append({"rel": AVATAR, "type": "image/webp", "href": photo_of(str(shown.url))})
    links += [{"rel": "me", "href": one.url} for one in shown.links]
    found_links = [link for link in links if not relations or link["rel"] in relations]
    answer: dict[str, Any] = {"subject": shown.account, "aliases": [shown.url]}
    if shown.display_name is not None:
        answer["properties"] = {NAME: shown.display_name}
    return answer | {"links": found_links}


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status, HEADERS)
