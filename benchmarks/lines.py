"""Curves as a picture: for each group one plot with both axes in powers of ten, one line a name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

WIDTH: Final = 300
HEIGHT: Final = 170
LEFT: Final = 56
TOP: Final = 34
BELOW: Final = 34
COLUMNS: Final = 2
COLOURS: Final = ("#9c4221", "#2f6f4f", "#2b6cb0", "#6b46c1", "#718096")
Points = Sequence[tuple[float, float]]


def svg(groups: Mapping[str, Mapping[str, Points]], unit: str) -> str:
    """`groups`: title → name → points of (size, figure), all of them above zero; others are left out."""
    rows = math.ceil(len(groups) / COLUMNS)
    width, height = COLUMNS * (LEFT + WIDTH + 90), rows * (TOP + HEIGHT + BELOW) + 6
    parts = []
    for number, (title, curves) in enumerate(groups.items()):
        x, y = number % COLUMNS * (LEFT + WIDTH + 90) + LEFT, number // COLUMNS * (TOP + HEIGHT + BELOW) + TOP
        parts.append(f'<g transform="translate({x},{y})">{_plot(title, curves, unit)}</g>')
    style = 'font-family="sans-serif" font-size="11" fill="#1f2933"'
    size = f'width="{width}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><rect width="100%" height="100%" fill="#ffffff"/><g {style}>\n' + (
        "\n".join(parts) + "\n</g></svg>\n"
    )


def _plot(title: str, curves: Mapping[str, Points], unit: str) -> str:
    shown = {name: [(a, b) for a, b in points if a > 0 and b > 0] for name, points in curves.items()}
    all_points = [point for points in shown.values() for point in points] or [(1.0, 1.0)]
    across = _powers([a for a, _ in all_points])
    up = _powers([b for _, b in all_points])

    def place(point: tuple[float, float]) -> str:
        return f"{_along(point[0], across) * WIDTH:.1f},{HEIGHT - _along(point[1], up) * HEIGHT:.1f}"

    parts = [f'<text x="{-LEFT + 8}" y="-18" font-weight="bold">{escape(title)}</text>']
    parts.append(f'<text x="{-LEFT + 8}" y="-5">{escape(unit)}</text>')
    for power in range(up[0], up[1] + 1):
        at = HEIGHT - _along(10.0**power, up) * HEIGHT
        parts.append(f'<line x1="0" x2="{WIDTH}" y1="{at:.1f}" y2="{at:.1f}" stroke="#e2e8f0"/>')
        parts.append(f'<text x="-6" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for power in range(across[0], across[1] + 1):
        at = _along(10.0**power, across) * WIDTH
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT + 16}" text-anchor="middle">{10**power:,}</text>')
    for colour, (name, points) in zip(COLOURS, shown.items(), strict=False):
        if points:
            parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(map(place, points))}"/>')
            x, y = place(points[-1]).split(",")
            parts.append(f'<text x="{float(x) + 6:.1f}" y="{float(y) + 4:.1f}" fill="{colour}">{escape(name)}</text>')
    return "\n".join(parts)


def _powers(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten around them."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _along(value: float, powers: tuple[int, int]) -> float:
    return (math.log10(value) - powers[0]) / (powers[1] - powers[0])
