"""Faces of nobody: drawn from a number, with light, clothes and a room behind them, as photographs of people have."""

from __future__ import annotations

import io
import random

from PIL import Image, ImageDraw, ImageFilter

EDGE = 400  # pixels


def face(number: int) -> Image.Image:
    """The face of this number: the same each time, and another one than that of any other."""
    dice = random.Random(number)

    def colour(low: int = 0, high: int = 255) -> tuple[int, int, int]:
        return dice.randint(low, high), dice.randint(low, high), dice.randint(low, high)

    drawn = Image.new("RGB", (EDGE, EDGE), colour(60, 230))
    pen = ImageDraw.Draw(drawn)
    for _ in range(12):
        x, y, size = dice.randint(0, EDGE), dice.randint(0, EDGE), dice.randint(30, 130)
        pen.rectangle((x, y, x + size, y + size * dice.uniform(0.5, 2)), fill=colour())
    x, y, size = EDGE // 2 + dice.randint(-30, 30), EDGE // 2 + dice.randint(-40, 10), dice.randint(70, 110)
    pen.ellipse((x - 2 * size, y + size, x + 2 * size, y + 4 * size), fill=colour())
    pen.ellipse((x - size, y - size * 1.25, x + size, y + size * 1.25), fill=colour(110, 240))
    pen.pieslice((x - size * 1.1, y - size * 1.4, x + size * 1.1, y + size), 180, 360, fill=colour(0, 120))
    return drawn.filter(ImageFilter.GaussianBlur(3))


def scaled(drawn: Image.Image, edge: int) -> Image.Image:
    """The picture with another edge."""
    return drawn.resize((edge, edge), Image.Resampling.BICUBIC)


def packed(drawn: Image.Image, kind: str = "JPEG") -> bytes:
    """The bytes of a file."""
    out = io.BytesIO()
    drawn.save(out, kind, quality=80)
    return out.getvalue()
