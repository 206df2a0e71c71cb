"""Our few pages as HTML: text is escaped unless it is markup already, and nothing here runs a script.

`Markup` is markup, `str` is text; the only way from one to the other is `escape`, inside `render`.
"""

from __future__ import annotations

import hashlib
import html
from functools import cache
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

STYLE: Final = Path(__file__).with_name("pages.css")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def render(template: str, /, **values: object) -> Markup:
    """The template with its `{name}` places filled; whatever is not Markup is escaped, attributes' quotes too."""
    return Markup(template.format(**{name: _safe(value) for name, value in values.items()}))


def page(title: str, body: Markup, *, status: int = 200, aside: Markup | None = None) -> Response:
    """A whole page."""
    text = render(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><title>{title} · Kith</title><link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="{style}"></head><body><header><strong><a href="/">Kith</a></strong>'
        "<span>{aside}</span></header>"
        "<main>{body}</main></body></html>",
        title=title,
        style=style_address(),
        aside=aside or "",
        body=body,
    )
    return HTMLResponse(text, status, {"cache-control": "no-store"})


@cache
def style_address() -> str:
    """Where the style sheet is, its hash in the name, so that it may be kept for ever."""
    return f"/pages.{hashlib.sha256(STYLE.read_bytes()).hexdigest()[:12]}.css"


async def style(request: Request) -> Response:
    """The style sheet."""
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(STYLE.read_bytes(), media_type="text/css", headers=headers)


def _safe(value: object) -> str:
    if isinstance(value, Markup):
        return value
    if isinstance(value, list | tuple):
        return "".join(_safe(item) for item in value)
    return html.escape(str(value))
