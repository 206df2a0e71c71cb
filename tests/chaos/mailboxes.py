"""A mailbox at a real Dovecot, filled from the seeded generator, linked as a user links it, and counted by other means than ours.

Filling writes Maildir files (https://cr.yp.to/proto/maildir.html; Dovecot's Maildir++ folders), which is what a delivery agent does too.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
import zlib
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.mailbox import Letter, Mailbox
from providers.formats import mime
from providers.imap4 import mailbox_name
from tests import mail_servers, servers
from tests.chaos import raw
from tests.chaos.clients import ask
from tests.gateway_process import Gateway
from tests.mail_servers import PASSWORD, USER, MailServer

BEGIN: Final = """mutation { beginLink(input: { provider: "imap", method: PASSWORD }) { link { id } errors { message } } }"""
COMPLETE: Final = """mutation Complete($link: ID!, $form: [FormValue!]!) {
  completeLink(input: { linkId: $link, credentials: { form: $form } }) {
    account { id } errors { message } link { state error { message } } } }"""
STORED: Final = "select container, key from message_source where account_id = ?"
FLAGS: Final = (("seen", "S"), ("answered", "R"), ("flagged", "F"))


def maildir_server() -> AbstractContextManager[MailServer]:
    """Dovecot with the user's mail in Maildir folders."""
    return mail_servers.dovecot(location="maildir:~/mail", tls=False)


@dataclass
class Filled:
    """What the writer put where: folder → how many, the letters' Message-IDs, and digests of their texts where asked for."""

    folders: dict[str, int] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    texts: Counter[bytes] = field(default_factory=Counter)
    total: int = 0
    bytes: int = 0


def fill(server: MailServer, letters: Iterable[Letter], *, texts: bool = False) -> Filled:
    """Write the letters into the user's folders. `texts`: read each of them here too, to compare with what Kith stores."""
    root = server.folder / "mail" / USER / "mail"
    done = Filled()
    for number, letter in enumerate(letters):
        on_disk = mailbox_name.encode(letter.folder).decode("ascii").replace("/", ".")
        folder = root if letter.folder == "INBOX" else root / f".{on_disk}"
        if letter.folder not in done.folders:
            for part in ("cur", "new", "tmp"):
                (folder / part).mkdir(parents=True, exist_ok=True)
            done.folders[letter.folder] = 0
        flags = "".join(sorted(sign for name, sign in FLAGS if getattr(letter, name)))
        moment = letter.at.timestamp()
        path = folder / "cur" / f"{int(moment)}.M{number}.example,S={len(letter.content)}:2,{flags}"
        path.write_bytes(letter.content)
        os.utime(path, (moment, moment))
        done.folders[letter.folder] += 1
        done.total += 1
        done.bytes += len(letter.content)
        if letter.message_id is not None:
            done.ids.add(letter.message_id)
        if texts:
            read = mime.message(letter.content, container=letter.folder, own=frozenset(), key="", arrived=letter.at)
            done.texts[_digest(read.text)] += 1
    if server.server.as_nobody:
        for entry in [root, *root.rglob("*")]:
            os.chown(entry, servers.NOBODY, servers.NOBODY)
        os.chown(root.parent, servers.NOBODY, servers.NOBODY)
    return done


def of(messages: int, folders: int, **more: int) -> Iterable[Letter]:
    """The seeded mailbox."""
    return Mailbox(messages, folders, **more).letters()


def settings(port: int) -> dict[str, str]:
    """What an installation needs to be allowed to go there."""
    return {"KITH_ALLOW_PRIVATE_HOSTS": f"127.0.0.1/32:{port}", "KITH_RATE_COST": "0"}


def link(gateway: Gateway, key: str, port: int) -> str:
    """The account's id. `key` needs the scopes write and admin. Raises RuntimeError when it was refused."""
    begun: dict[str, Any] = ask(gateway, key, BEGIN)["data"]["beginLink"]
    given = {"address": USER, "password": PASSWORD, "host": "127.0.0.1", "port": str(port), "security": "NONE"}
    form = [{"name": name, "value": value} for name, value in given.items()]
    done: dict[str, Any] = ask(gateway, key, COMPLETE, {"link": begun["link"]["id"], "form": form})["data"]["completeLink"]
    if not done["account"]:
        raise RuntimeError(f"the mailbox could not be linked: {done}")
    return str(done["account"]["id"])


def server_keys(server: MailServer) -> dict[str, set[int]]:
    """Folder → UIDs, as the server itself says to another client."""
    found: dict[str, set[int]] = {}
    with server.mailbox() as box:
        for name in folders(server):
            if uids := set(box.uids(name)):
                found[mailbox_name.decode(name.encode())] = uids
    return found


def folders(server: MailServer) -> list[str]:
    """The folders that can hold mail, by what lies on the server's disk, as they are spelt on the wire."""
    root = server.folder / "mail" / USER / "mail"
    return sorted(["INBOX", *(entry.name[1:].replace(".", "/") for entry in root.glob(".*") if (entry / "cur").is_dir())])


def stored_keys(home: Path) -> dict[str, set[int]]:
    """Folder → UIDs, as Kith has stored them."""
    found: dict[str, set[int]] = {}
    for container, key in raw.rows(home, "select container, key from message_source"):
        uid = re.search(r"(\d+)$", str(key))
        assert uid is not None, key
        found.setdefault(str(container), set()).add(int(uid.group(1)))
    return found


def stored_texts(home: Path) -> Counter[bytes]:
    """Digests of the texts of all messages that Kith has, once for each place at which one is."""
    query = "select m.body from message_source s join message m on m.viewer_id = s.viewer_id and m.id = s.message_id"
    return Counter(_digest(zlib.decompress(bytes(body)).decode()) for (body,) in raw.rows(home, query) if isinstance(body, bytes))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


def difference(ours: dict[str, set[int]], theirs: dict[str, set[int]]) -> tuple[int, int]:
    """(missing here, too much here)."""
    names = set(ours) | set(theirs)
    missing = sum(len(theirs.get(name, set()) - ours.get(name, set())) for name in names)
    extra = sum(len(ours.get(name, set()) - theirs.get(name, set())) for name in names)
    return missing, extra


def mbsync(server: MailServer, folder: Path, *, fsync: bool) -> float | None:
    """Seconds that isync's mbsync takes to copy the whole mailbox to Maildir; None where there is none to compare with."""
    program = shutil.which("mbsync") or next(iter(sorted(server.programs.glob("usr/bin/mbsync"))), None)
    if program is None:
        return None
    (folder / "mail").mkdir(parents=True)
    config = folder / "mbsyncrc"
    config.write_text(
        f"FSync {'yes' if fsync else 'no'}\nIMAPAccount a\nHost 127.0.0.1\nPort {server.port}\nUser {USER}\nPass {PASSWORD}\nSSLType None\n"
        f"AuthMechs LOGIN\n\nIMAPStore far\nAccount a\n\nMaildirStore near\nPath {folder}/mail/\nInbox {folder}/mail/INBOX\n"
        "SubFolders Verbatim\n\nChannel all\nFar :far:\nNear :near:\nPatterns *\nCreate Near\nSync Pull\nSyncState *\n"
    )
    began = time.monotonic()
    done = subprocess.run(
        [str(program), "-c", str(config), "-a"],
        env={**os.environ, **mail_servers.library_environment(server.programs), "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=3_600,
    )
    if done.returncode:
        raise RuntimeError(f"mbsync ended with {done.returncode}: {done.stderr[-500:]}")
    return time.monotonic() - began
