"""The comparison as a picture: for each operation one bar a gateway, as long as its requests per second of processor time."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

LEFT: Final = 190  # for the names
WIDTH: Final = 420  # of the longest bar
BAR: Final = 18
GAP: Final = 34  # above each operation
OURS: Final = "#2f6f4f"
OTHERS: Final = "#9aa5b1"


def svg(groups: Mapping[str, Mapping[str, float]], ours: str) -> str:
    """`groups`: operation → gateway → requests. Each operation has a scale of its own; the longest bar comes first."""
    parts, top = [], 6
    for title, bars in groups.items():
        parts.append(f'<text x="8" y="{top + 20}" font-weight="bold">{escape(title)}</text>')
        top += GAP
        longest = max(bars.values(), default=1.0) or 1.0
        for name, value in sorted(bars.items(), key=lambda bar: -bar[1]):
            width = max(1, round(WIDTH * value / longest))
            middle = top + BAR - 5
            parts += [
                f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end">{escape(name)}</text>',
                f'<rect x="{LEFT}" y="{top + 2}" width="{width}" height="{BAR - 4}" fill="{OURS if name == ours else OTHERS}"/>',
                f'<text x="{LEFT + width + 6}" y="{middle}">{value:,.0f}</text>',
            ]
            top += BAR
    size = f'width="{LEFT + WIDTH + 80}" height="{top + 10}"'
    style = 'font-family="sans-serif" font-size="12" fill="#1f2933"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}><rect width="100%" height="100%" fill="#ffffff"/><g {style}>'
    return "\n".join([head, *parts, "</g></svg>"]) + "\n"
