"""Pictures of strangers are told by their bytes, painted anew as squares, and refused when they would fill the memory."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from providers.formats import picture
from resolvers.identity.looks import near
from tests.faces import face, packed, scaled


def painted(width: int, height: int, kind: str = "PNG", mode: str = "RGB", **more: object) -> bytes:
    """A picture whose left half is red and whose right half is blue."""
    found = Image.new(mode, (width, height), "blue")
    found.paste("red", (0, 0, width // 2, height))
    out = io.BytesIO()
    found.save(out, kind, **more)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_the_kind_is_told_by_the_first_bytes(kind: str) -> None:
    data = painted(30, 20, kind)
    assert picture.media_type(data[: picture.HEAD]) == f"image/{kind.lower()}"
    assert picture.size(data) == (30, 20)


@pytest.mark.parametrize(
    "data", [b"", b"<svg onload=alert(1)>", b"%PDF-1.7", b"BM" + bytes(60), b"II*\x00" + bytes(60), b"RIFF....AVI "]
)
def test_what_a_browser_might_run_or_cannot_show_is_no_picture(data: bytes) -> None:
    assert picture.media_type(data) is None and picture.size(data) is None
    with pytest.raises(picture.NoPicture):
        picture.square(data, 64)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
@pytest.mark.parametrize("size", [(300, 100), (100, 300), (7, 5), (1, 1)])
def test_a_square_shows_the_middle_and_is_as_large_as_it_says(kind: str, size: tuple[int, int]) -> None:
    found = opened(picture.square(painted(*size, kind), 128))
    assert (found.format, found.size) == ("WEBP", (128, 128))
    if size[0] > 10:
        left, right = (found.convert("RGB").getpixel((x, 64)) for x in (20, 108))
        assert isinstance(left, tuple) and isinstance(right, tuple)
        assert left[0] > 200 > 50 > left[2] and right[2] > 200 > 50 > right[0]


def test_a_square_tells_nothing_of_place_or_camera_and_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010F] = "Example Camera"
    data = painted(300, 100, "JPEG", exif=exif)
    assert b"Example Camera" in data and picture.size(data) == (100, 300)
    made = picture.square(data, 128)
    assert b"Example" not in made and not opened(made).getexif()
    top, bottom = (opened(made).convert("RGB").getpixel((64, y)) for y in (20, 108))
    assert isinstance(top, tuple) and isinstance(bottom, tuple) and top[0] > 200 and bottom[2] > 200


def test_a_transparent_picture_stays_so() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(out, "PNG")
    assert opened(picture.square(out.getvalue(), 64)).convert("RGBA").getpixel((32, 32))[3] == 0  # type: ignore[index]


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that unpacks to gigabytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(60_000, 60_000), (2_000_000, 2_000), (5_000, 5_000)])
def test_a_picture_that_would_fill_the_memory_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(picture.NoPicture):
        picture.square(bomb(*size), 64)


@given(st.integers(0, 2_000), st.binary(max_size=20))
def test_a_damaged_picture_is_a_picture_or_none_and_nothing_else(at: int, junk: bytes) -> None:
    data = painted(40, 30, "JPEG")
    broken = data[:at] + junk + data[at + len(junk) :]
    with contextlib.suppress(picture.NoPicture):
        assert opened(picture.square(broken, 64)).size == (64, 64)


@pytest.mark.parametrize(("wanted", "edge"), [(1, 64), (64, 64), (65, 128), (256, 256), (1000, 1024), (9999, 1024)])
def test_edges_are_rounded_up(wanted: int, edge: int) -> None:
    assert picture.edge_for(wanted) == edge


def test_one_face_looks_nearly_the_same_in_other_sizes_and_formats_and_no_other_face_does() -> None:
    looks = [look for number in range(8) if (look := picture.look(packed(face(number)))) is not None]
    assert len(looks) == 8
    copies = [
        near(look, picture.look(packed(scaled(face(number), edge), kind)) or "0")
        for number, look in enumerate(looks)
        for edge, kind in ((240, "JPEG"), (96, "WEBP"), (128, "PNG"))
    ]
    assert sum(copies) >= 20, "of 24; nine in ten on average"
    assert not any(near(one, other) for n, one in enumerate(looks) for other in looks[:n])


def test_the_middle_is_looked_at_which_networks_cut_out() -> None:
    wide = Image.new("RGB", (600, 400), "white")
    wide.paste(face(3), (100, 0))
    whole, middle = picture.look(packed(face(3))), picture.look(packed(wide))
    assert whole is not None and middle is not None and near(whole, middle)


def test_an_initial_a_logo_and_a_silhouette_look_like_nobody() -> None:
    for colour in ("navy", "orange"):
        plain = Image.new("RGB", (200, 200), "white")
        plain.paste(colour, (60, 40, 140, 180))
        assert picture.look(packed(plain, "PNG")) is None
    slope = Image.linear_gradient("L").convert("RGB")
    assert picture.look(packed(slope, "PNG")) is None
    empty = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    assert picture.look(packed(empty, "PNG")) is None


def test_what_would_fill_the_memory_is_not_looked_at() -> None:
    large = Image.new("L", (3000, 3000))
    for data in (packed(large, "PNG"), b"<svg/>", packed(face(1))[:60]):
        with pytest.raises(picture.NoPicture):
            picture.look(data)
