"""Files of persisted documents: what the operations of a client are, written down when it was built.

Three forms are read: Relay's (`{id: document}`, of relay-compiler's `persistConfig`), GraphQL Code Generator's (the same, with
hashes as ids, of `persistedDocuments`), and Apollo's (`apollo-persisted-query-manifest`, version 1). Knows nothing of what the
documents mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import orjson

APOLLO: Final = "apollo-persisted-query-manifest"
LARGEST: Final = 50_000_000  # bytes of one file


def read(paths: Iterable[str]) -> dict[str, str]:
    """The documents of these files by their ids. Raises ValueError with the file and what is wrong with it."""
    found: dict[str, str] = {}
    for path in paths:
        for name, text in _file(Path(path).expanduser()).items():
            if found.setdefault(name, text) != text:
                raise ValueError(f"{path}: the id {name!r} stands for another document in an earlier file")
    return found


def _file(path: Path) -> dict[str, str]:
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{path} is longer than {LARGEST:,} bytes: that is no manifest of persisted documents")
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: a manifest is a JSON object")
    if "format" in content or "operations" in content:
        return _apollo(path, content)
    if not all(isinstance(text, str) for text in content.values()):
        raise ValueError(f"{path}: each id must stand for the text of a document")
    return content


def _apollo(path: Path, content: dict[str, object]) -> dict[str, str]:
    if content.get("format") != APOLLO or content.get("version") != 1:
        raise ValueError(f"{path}: of the manifests with a `format`, {APOLLO} in version 1 is read")
    operations = content.get("operations")
    found: dict[str, str] = {}
    for operation in operations if isinstance(operations, list) else [None]:
        name, body = (operation.get("id"), operation.get("body")) if isinstance(operation, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(body, str):
            raise ValueError(f"{path}: `operations` must be a list of objects with `id` and `body`")
        if found.setdefault(name, body) != body:
            raise ValueError(f"{path}: the id {name!r} stands for two documents")
    return found
