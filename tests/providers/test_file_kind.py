"""What a file is follows from its bytes where they say so; nobody is told that it is a PDF when it is not."""

from __future__ import annotations

import pytest

from providers.formats.file_kind import UNKNOWN, media_type

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@pytest.mark.parametrize(
    ("head", "name", "called", "found"),
    [
        (b"%PDF-1.7\n", "a.pdf", None, "application/pdf"),
        (b"%PDF-1.7\n", "a.png", "image/png", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n....", "a.bin", None, "image/png"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "a", "IMAGE/WEBP; q=1", "image/webp"),
        (b"MZ\x90\x00", "invoice.pdf", "application/pdf", UNKNOWN),
        (b"MZ\x90\x00", "invoice.pdf", None, UNKNOWN),
        (b"<svg onload=alert(1)>", "a.png", None, UNKNOWN),
        (b"PK\x03\x04....", "a.docx", DOCX, DOCX),
        (b"PK\x03\x04....", "a.zip", None, "application/zip"),
        (b"PK\x03\x04....", "a.txt", "text/plain", "application/zip"),
        (b"PK\x05\x06....", "a.zip", "application/zip", "application/zip"),
        (b"nothing zipped", "a.docx", DOCX, UNKNOWN),
        (b"\x1f\x8b\x08\x00", "a.tar.gz", None, "application/gzip"),
        (b"a,b\n", "a.csv", None, "text/csv"),
        (b"a,b\n", "a.csv", UNKNOWN, "text/csv"),
        (b"BEGIN:VCALENDAR", "a.ics", "text/calendar", "text/calendar"),
        (b"x", "a.txt", "text/plain\r\nX-Evil: 1", "text/plain"),
        (b"x", "a", "no type at all", UNKNOWN),
        (b"x", "", None, UNKNOWN),
    ],
)
def test_a_file_is_what_its_bytes_say(head: bytes, name: str, called: str | None, found: str) -> None:
    assert media_type(head, name, called) == found
