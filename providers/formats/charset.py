"""Bytes from strangers to text: charset names as they occur in mail and cards, and a decoder that never fails.

Names follow RFC 2978 and the Encoding Standard's habit of reading a label as its superset (ISO-8859-1 is windows-1252,
GB2312 is GB 18030), because that is what their writers meant. Only the codecs listed here are used: Python knows others
under names that a hostile file could ask for (`punycode`, `unicode_escape`). Results hold no NUL and no lone surrogate,
which no database takes. Knows nothing of headers, parts or properties.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

_CODECS = {
    "utf-8": ("utf8", "utf-8", "utf8mb4", "unicode11utf8", "cp65001", "xutf8", "utf"),
    "cp1252": ("iso88591", "latin1", "l1", "cp819", "windows1252", "cp1252", "1252", "xansi", "ansi", "iso8859"),
    "iso8859-15": ("iso885915", "latin9", "l9"),
    "cp1250": ("windows1250", "cp1250", "1250"),
    "iso8859-2": ("iso88592", "latin2", "l2"),
    "iso8859-3": ("iso88593", "latin3"),
    "iso8859-4": ("iso88594", "latin4"),
    "iso8859-5": ("iso88595", "cyrillic"),
    "iso8859-6": ("iso88596", "arabic", "iso88596i", "iso88596e"),
    "cp1253": ("iso88597", "greek", "windows1253", "cp1253", "1253"),
    "cp1255": ("windows1255", "cp1255", "1255"),
    "iso8859-8": ("iso88598", "hebrew", "iso88598i", "iso88598e"),
    "cp1254": ("iso88599", "latin5", "l5", "windows1254", "cp1254", "1254"),
    "iso8859-10": ("iso885910", "latin6"),
    "iso8859-13": ("iso885913",),
    "iso8859-14": ("iso885914", "latin8"),
    "iso8859-16": ("iso885916",),
    "cp1251": ("windows1251", "cp1251", "1251", "xcp1251"),
    "cp1256": ("windows1256", "cp1256", "1256"),
    "cp1257": ("windows1257", "cp1257", "1257"),
    "cp1258": ("windows1258", "cp1258", "1258"),
    "cp874": ("windows874", "tis620", "iso885911", "cp874"),
    "koi8-r": ("koi8r", "koi8", "koi"),
    "koi8-u": ("koi8u", "koi8ru"),
    "cp437": ("cp437", "ibm437"),
    "cp850": ("cp850", "ibm850"),
    "cp852": ("cp852", "ibm852"),
    "cp866": ("cp866", "ibm866"),
    "mac-roman": ("macintosh", "mac", "macroman", "xmacroman"),
    "mac-cyrillic": ("maccyrillic", "xmaccyrillic"),
    "gb18030": ("gb2312", "gbk", "gb18030", "cp936", "windows936", "xgbk", "euccn", "chinese", "gb231280", "csgb2312"),
    "hz": ("hz", "hzgb2312"),
    "big5hkscs": ("big5", "big5hkscs", "cnbig5", "xxbig5", "csbig5", "big5tw", "cp950"),
    "cp932": ("shiftjis", "sjis", "xsjis", "windows31j", "cp932", "mskanji", "csshiftjis", "ms932"),
    "euc-jp": ("eucjp", "xeucjp"),
    "iso2022_jp_ext": ("iso2022jp", "csiso2022jp", "iso2022jp1", "iso2022jp2", "iso2022jpms", "cp50220", "cp50221"),
    "cp949": ("euckr", "ksc56011987", "ksc5601", "korean", "cp949", "uhc", "windows949", "ksx1001"),
    "iso2022_kr": ("iso2022kr",),
    "utf-7": ("utf7", "unicode11utf7", "unicode20utf7"),
    "utf-16": ("utf16", "unicode", "ucs2"),
    "utf-16-le": ("utf16le",),
    "utf-16-be": ("utf16be",),
    "utf-32": ("utf32",),
}
_BY_NAME = {alias: codec for codec, aliases in _CODECS.items() for alias in aliases}
_NOT_ASCII = frozenset({"utf-7", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "hz", "iso2022_jp_ext", "iso2022_kr"})
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@lru_cache(maxsize=512)
def codec_for(charset: str | None) -> str | None:
    """The codec that a charset name stands for; None for unknown names, ASCII, and names that say nothing."""
    if not charset:
        return None
    # RFC 2231 §5: a charset may carry a language after `*`.
    return _BY_NAME.get(re.sub(r"[^a-z0-9]", "", charset[:64].partition("*")[0].lower()))


def decode(data: bytes, charset: str | None = None) -> str:
    """`data` as text: as declared, else UTF-8 when it is valid, else windows-1252. Never raises.

    What the declared charset cannot read becomes U+FFFD, unless the bytes are valid UTF-8: many writers label UTF-8 wrongly.
    """
    codec = codec_for(charset)
    if data.isascii() and codec not in _NOT_ASCII:
        if b"\x1b$" not in data:
            return storable(data.decode("ascii"))
        codec = "iso2022_jp_ext"  # ISO 2022 escapes show what nobody declared
    if codec is not None:
        try:
            return storable(data.decode(codec))
        except (UnicodeDecodeError, ValueError):
            pass
    try:
        return storable(data.decode("utf-8"))
    except UnicodeDecodeError:
        pass
    if codec is not None and codec != "utf-8":
        return storable(_replacing(data, codec))
    if codec == "utf-8" and _mostly_utf8(data):
        return storable(data.decode("utf-8", "replace"))
    return storable(windows_1252(data))


def windows_1252(data: bytes) -> str:
    """Every byte as windows-1252 reads it; its five empty places become the C1 control of that number."""
    return data.decode("latin-1").translate(_WINDOWS_1252)


def line(value: object, limit: int = 500) -> str:
    """What should be a text as one storable line without needless blanks; empty for anything else."""
    return storable(" ".join(value.split()))[:limit] if isinstance(value, str) else ""


def storable(text: str) -> str:
    """`text` without NUL (dropped) and lone surrogates (replaced), which UTF-8 stores refuse."""
    if "\x00" not in text and text.isascii():
        return text
    if _UNSTORABLE.search(text) is None:
        return text
    return _UNSTORABLE.sub(lambda match: "" if match[0] == "\x00" else "\ufffd", text)


def byte_order_mark(head: bytes) -> str | None:
    """The codec that a file's first bytes announce: utf-8-sig, utf-16-le, utf-16-be, or None."""
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if head.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    return None


def _replacing(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec, "replace")
    except (UnicodeDecodeError, ValueError):  # stateful codecs refuse `replace` on some inputs
        return windows_1252(data)


def _mostly_utf8(data: bytes) -> bool:
    """Whether what is broken in `data` is little, such as one character cut in the middle."""
    text = data[:4096].decode("utf-8", "replace")
    broken = text.count("\ufffd")
    good = sum(1 for character in text if character > "\x7f") - broken
    return good > broken


_EMPTY = (0x81, 0x8D, 0x8F, 0x90, 0x9D)
_WINDOWS_1252 = {byte: bytes((byte,)).decode("cp1252") for byte in range(0x80, 0xA0) if byte not in _EMPTY}
