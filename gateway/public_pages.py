"""The public page of a viewer who has published a profile: `/@name`, an h-card (microformats2) with rel=me links, and `/@name/photo`.

For everybody, without a key, a cookie or a script. A name that is nobody's and one whose bearer shows nothing are answered alike. Nothing
here may be kept without asking again, so that a profile that is withdrawn is gone with the next request.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.files import Wrong, answer
from gateway.html import Markup, page, render
from gateway.pages import wrong
from gateway.photos import HEADERS, Photos
from resolvers import public_profiles
from resolvers.public_profiles import Link, Published, Shown

if TYPE_CHECKING:
    from gateway.installation import Installation

EDGE: Final = 256  # pixels of the photo
#: What a link says: `me` (XFN) is what the other side looks for; where people come from is nobody's business.
REL: Final = "me noreferrer"
_PAGE: Final = re.compile(r"/@([^/]+)/?\Z")


def page_of(path: str) -> str | None:
    """The name whose page is at a path."""
    match = _PAGE.match(unquote(path))
    return match[1] if match else None


def photo_of(url: str) -> str:
    """Where the photo of the page at this address is."""
    return f"{url}/photo"


class PublicPages:
    """One per process."""

    def __init__(self, installation: Installation, photos: Photos) -> None:
        self._installation = installation
        self._photos = photos

    def routes(self) -> list[BaseRoute]:
        return [Route("/@{name}", self.page), Route("/@{name}/photo", self.photo)]

    async def page(self, request: Request) -> Response:
        """The page, or that there is none."""
        found = await self._published(request)
        if found is None:
            return wrong("Nobody", "There is no public profile at this address.", 404)
        return page(found.shown.display_name or f"@{found.shown.name}", written(found.shown))

    async def photo(self, request: Request) -> Response:
        """The photo as a square, painted anew: nothing of where and with what it was taken."""
        try:
            found = await self._published(request)
            if found is None or found.shown.photo_hash is None:
                raise Wrong(404, "NOT_FOUND", "There is no such picture.")
            tag = f'"{found.shown.photo_hash[:32]}-{EDGE}"'
            headers = {**HEADERS, "cache-control": "no-cache", "etag": tag}
            if tag in request.headers.get("if-none-match", ""):
                return Response(None, 304, headers)
            return Response(await self._photos.square(found.viewer, found.shown.photo_hash, EDGE), 200, headers)
        except Wrong as error:
            return answer(error)

    async def _published(self, request: Request) -> Published | None:
        name = str(request.path_params["name"])
        return await public_profiles.published(self._installation.database, self._installation.settings.url, name)


def written(shown: Shown) -> Markup:
    """The profile as an h-card: `u-uid` and `u-url` are the page's own address, which makes it the representative one."""
    parts: list[Markup] = []
    if shown.photo_hash is not None:
        source = photo_of(f"/@{shown.name}")
        parts.append(render('<img class="u-photo" src="{source}" alt="" width="128" height="128">', source=source))
    parts.append(render('<h1 class="p-name" dir="auto">{name}</h1>', name=shown.display_name or shown.name))
    parts.append(
        render(
            '<p><a class="u-url u-uid" href="{url}">@<span class="p-nickname">{name}</span>@{host}</a></p>',
            url=shown.url,
            name=shown.name,
            host=str(shown.account).rpartition("@")[2],
        )
    )
    parts += _lines(shown)
    if shown.note is not None:
        parts.append(render('<p class="p-note" dir="auto">{note}</p>', note=shown.note))
    if shown.email is not None:
        href = f"mailto:{quote(shown.email, safe='@')}"
        parts.append(render('<p><a class="u-email" href="{href}">{email}</a></p>', href=href, email=shown.email))
    if shown.links:
        parts.append(render("<ul>{links}</ul>", links=[_link(one) for one in shown.links]))
    return render('<article class="h-card">{parts}</article>', parts=parts)


def _lines(shown: Shown) -> list[Markup]:
    """What somebody does where, and where they live: a line each."""
    work = [("p-job-title", shown.job_title), ("p-org", shown.organization)]
    home = [("p-locality", shown.locality), ("p-country-name", shown.country)]
    found = []
    for line in (work, home):
        said = [render('<span class="{kind}" dir="auto">{text}</span>', kind=kind, text=text) for kind, text in line if text]
        if said:
            found.append(render("<p>{said}</p>", said=Markup(", ".join(said))))
    return found


def _link(one: Link) -> Markup:
    _, _, shown = one.url.partition("://")
    checked = Markup("")
    if one.verified_at is not None:
        checked = render(
            ' <small>links back, as of <time datetime="{at}">{day}</time></small>',
            at=f"{one.verified_at:%Y-%m-%dT%H:%M:%SZ}",
            day=f"{one.verified_at:%Y-%m-%d}",
        )
    return render(
        '<li><a class="u-url" rel="{rel}" href="{url}">{shown}</a>{checked}</li>',
        rel=REL,
        url=one.url,
        shown=shown.rstrip("/"),
        checked=checked,
    )
