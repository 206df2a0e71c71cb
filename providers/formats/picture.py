"""Pictures of strangers: which kind some bytes are, how large, a small square of it that is safe to hand out, and how it looks.

Only JPEG, PNG, GIF and WebP (RFC 9649): every browser shows them and they hold no script. The kind is told by the first bytes, never
by what a sender calls it. A square is painted anew: of the original nothing but its pixels goes into it, no place, camera or
comment. How a picture looks is 64 bits that stay nearly the same when it is scaled, packed anew or cut to its middle square. What would
take more memory than a photograph is refused before it is unpacked. Knows no people and keeps nothing.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL import Image, ImageFile

HEAD: Final = 16  # bytes that tell the kind
HEADER: Final = 32 * 1024  # bytes in which a size is looked for
EDGES: Final = (64, 128, 256, 512, 1024)  # pixels
MAX_PIXELS: Final = 24_000_000
MAX_JPEG_PIXELS: Final = 50_000_000  # unpacked at a fraction of their size
QUALITY: Final = 82
MAX_LOOKED_AT: Final = 4_000_000  # pixels of what cannot be unpacked at a fraction of its size
LOOKED_AT: Final = 64  # pixels of the edge at which a picture is looked at
PLAIN: Final = 0.5  # share of one colour from which it is an initial, a logo or a silhouette
LEAST_ROUGH: Final = 10  # bits of each kind below which it is hardly more than a slope
_KINDS: Final = ("JPEG", "PNG", "GIF", "WEBP")
_BEGINNINGS: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),  # ISO/IEC 10918-1 B.1.1
    (b"\x89PNG\r\n\x1a\n", "image/png"),  # ISO/IEC 15948 §5.2
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_ORIENTATION: Final = 0x0112  # Exif 2.32 §4.6.4


class NoPicture(Exception):
    """Not a picture of a kind that is shown, damaged, or too large to unpack."""


def media_type(head: bytes) -> str | None:
    """The media type of a picture that begins so (HEAD bytes are enough); None for anything else."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for beginning, kind in _BEGINNINGS if head.startswith(beginning)), None)


def size(header: bytes) -> tuple[int, int] | None:
    """Width and height as shown, from the first HEADER bytes; None where they cannot be told."""
    try:
        with _opened(header) as found:
            width, height = found.size
            turned = found.format == "JPEG" and found.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
            return (height, width) if turned else (width, height)
    except Exception:  # Pillow raises whatever a broken file makes it raise
        return None


def edge_for(wanted: int) -> int:
    """The edge that is handed out for one of at least `wanted` pixels."""
    return next((edge for edge in EDGES if edge >= wanted), EDGES[-1])


def square(data: bytes, edge: int) -> bytes:
    """The middle of a picture as a WebP of edge × edge pixels. Raises NoPicture."""
    from PIL import Image, ImageOps

    try:
        with _opened(data) as found:
            _check(found)
            found.draft("RGB", (edge, edge))
            found.seek(0)
            upright = ImageOps.exif_transpose(found)
            painted = upright.convert("RGBA" if _has_holes(upright) else "RGB")
            fitted = ImageOps.fit(painted, (edge, edge), Image.Resampling.LANCZOS)
            out = io.BytesIO()
            Image.frombytes(fitted.mode, fitted.size, fitted.tobytes()).save(out, "WEBP", quality=QUALITY, method=3)
            return out.getvalue()
    except NoPicture:
        raise
    except Exception as error:
        raise NoPicture(f"the picture cannot be read ({type(error).__name__})") from error


def look(data: bytes) -> str | None:
    """How a picture looks, as 16 hexadecimal digits: which of neighbours is the brighter one, of 9 × 8 greys of its middle square (dHash,
    Krawetz, "Kind of Like That", 2013); None of a plain one, which tells nobody from others. Raises NoPicture."""
    from PIL import Image, ImageOps

    try:
        with _opened(data) as found:
            _check(found, MAX_LOOKED_AT)
            found.draft("RGB", (LOOKED_AT, LOOKED_AT))
            found.seek(0)
            upright = ImageOps.exif_transpose(found)
            if _has_holes(upright):
                seen = upright.convert("RGBA")
                upright = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
            small = ImageOps.fit(upright.convert("RGB"), (LOOKED_AT, LOOKED_AT), Image.Resampling.LANCZOS)
            coarse = small.point([value & 0xE0 for value in range(256)] * 3).getcolors(LOOKED_AT * LOOKED_AT) or ()
            if max((count for count, _ in coarse), default=0) > PLAIN * LOOKED_AT * LOOKED_AT:
                return None
            greys = small.convert("L").resize((9, 8), Image.Resampling.LANCZOS).tobytes()
    except NoPicture:
        raise
    except Exception as error:
        raise NoPicture(f"the picture cannot be read ({type(error).__name__})") from error
    bits = "".join("01"[greys[9 * y + x + 1] > greys[9 * y + x]] for y in range(8) for x in range(8))
    made = f"{int(bits, 2):016x}"
    return made if is_rough(made) else None


def is_rough(look: str) -> bool:
    """Whether a look has enough of both kinds of bits to be one picture's."""
    return LEAST_ROUGH <= int(look, 16).bit_count() <= 64 - LEAST_ROUGH


def _opened(data: bytes) -> ImageFile.ImageFile:
    from PIL import Image  # three megabytes, loaded with the first picture

    Image.MAX_IMAGE_PIXELS = MAX_JPEG_PIXELS  # the limits are ours, below; Pillow's own only warns
    return Image.open(io.BytesIO(data), formats=_KINDS)


def _check(found: ImageFile.ImageFile, most: int = MAX_PIXELS) -> None:
    pixels = found.size[0] * found.size[1]
    if pixels > (MAX_JPEG_PIXELS if found.format == "JPEG" else most):
        raise NoPicture("the picture is too large to be unpacked")


def _has_holes(found: Image.Image) -> bool:
    return found.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in found.info
