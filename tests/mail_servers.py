"""Real mail servers for tests, unpacked from Debian's packages and started without root: Dovecot and Cyrus.

    with mail_servers.dovecot() as server: server.deliver("INBOX", mail) ...

Both have one user, `ada@example.org` with the password `secret`. Machines without apt, and architectures and releases whose
packages differ, skip with the reason. `Mailbox` is another client's view of an account: what tests change the server with.
"""

from __future__ import annotations

import imaplib
import itertools
import os
import platform
import pwd
import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests import fetched, servers
from tests.fetched import Missing
from tests.patience import PATIENCE
from tests.ports import free_port

USER = "ada@example.org"
PASSWORD = "secret"
_PACKAGE_NAMES = (
    "dovecot-core dovecot-imapd dovecot-lmtpd libunwind8 libsodium23 isync "
    "cyrus-common cyrus-caldav cyrus-imapd sasl2-bin libsasl2-modules libsasl2-modules-db libsasl2-2 libclamav12 libical3 libpcre3 "
    "libpq5 libshp2 libxapian30 libzephyr4 libnghttp2-14 libldap-2.5-0 libwrap0 libbrotli1 libicu72 libjansson4 libxml2"
)
_PACKAGES = _PACKAGE_NAMES.split()
_NUMBERED = "user{}@example.org"
_USERS = 1_000
_numbers = itertools.count()
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
# The login processes open this folder by its compiled-in name even without TLS; shortened it is relative to base_dir.
_MODULES = b"\0/usr/lib/dovecot/modules\0"

_DOVECOT = """
protocols = imap lmtp
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
libexec_dir = {root}/usr/lib/dovecot
mail_plugin_dir = {root}/usr/lib/dovecot/modules
login_plugin_dir = {root}/usr/lib/dovecot/modules/login
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
import_environment = TZ LD_LIBRARY_PATH
first_valid_uid = 0
{tls}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = {location}
mailbox_list_index = yes
mailbox_idle_check_interval = 1 secs
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Drafts {{
    special_use = \\Drafts
    auto = subscribe
  }}
  mailbox Sent {{
    special_use = \\Sent
    auto = subscribe
  }}
  mailbox Trash {{
    special_use = \\Trash
    auto = subscribe
  }}
  mailbox Junk {{
    special_use = \\Junk
    auto = subscribe
  }}
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = home={folder}/mail/%u
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
protocol imap {{
  mail_max_userip_connections = 50
}}
{more}
"""

_CYRUS = """
configdirectory: {folder}/conf
defaultpartition: default
partition-default: {folder}/spool
sievedir: {folder}/sieve
temp_path: {folder}/tmp
cyrus_user: {user}
servername: localhost
admins: admin
virtdomains: userid
defaultdomain: example.org
altnamespace: yes
unixhierarchysep: yes
autocreate_quota: 0
autocreate_post: yes
autocreate_inbox_folders: Drafts | Sent | Trash | Junk
autocreate_subscribe_folders: Drafts | Sent | Trash | Junk
xlist-drafts: Drafts
xlist-sent: Sent
xlist-trash: Trash
xlist-junk: Junk
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {folder}/sasldb2
sasl_mech_list: PLAIN LOGIN
httpmodules: carddav
conversations: yes
imapidlepoll: 1
expunge_mode: delayed
delete_mode: delayed
"""

_CYRUS_SERVICES = """
START {{
  recover cmd="{root}/usr/lib/cyrus/bin/ctl_cyrusdb -C {folder}/imapd.conf -r"
  idled cmd="{root}/usr/lib/cyrus/bin/idled -C {folder}/imapd.conf"
}}
SERVICES {{
  imap cmd="{root}/usr/lib/cyrus/bin/imapd -C {folder}/imapd.conf" listen="127.0.0.1:{imap}" prefork=0
  http cmd="{root}/usr/lib/cyrus/bin/httpd -C {folder}/imapd.conf" listen="127.0.0.1:{http}" prefork=0
  lmtp cmd="{root}/usr/lib/cyrus/bin/lmtpd -C {folder}/imapd.conf -a" listen="127.0.0.1:{lmtp}" prefork=0
}}
EVENTS {{
}}
"""


class Mailbox:
    """Another mail program at the same account. Messages are named by UID; folder names are as on the wire."""

    def __init__(self, port: int, user: str = USER, password: str = PASSWORD) -> None:
        self._client = imaplib.IMAP4("127.0.0.1", port, timeout=PATIENCE)
        self._client.login(user, password)

    def close(self) -> None:
        self._client.logout()

    def create(self, folder: str) -> None:
        _ok(self._client.create(f'"{folder}"'))

    def delete(self, folder: str) -> None:
        _ok(self._client.delete(f'"{folder}"'))

    def rename(self, folder: str, name: str) -> None:
        _ok(self._client.rename(f'"{folder}"', f'"{name}"'))

    def append(self, folder: str, mail: bytes, flags: str = "", at: datetime | None = None) -> None:
        """Put a mail into a folder."""
        moment = imaplib.Time2Internaldate(at) if at is not None else ""
        _ok(self._client.append(f'"{folder}"', f"({flags})" if flags else "", moment, mail))

    def fill(self, folder: str, mails: Iterable[bytes]) -> None:
        for mail in mails:
            self.append(folder, mail)

    def uids(self, folder: str) -> list[int]:
        self._select(folder)
        found = _ok(self._client.uid("SEARCH", "ALL"))
        return [int(word) for word in (found[0] or b"").split()]

    def flag(self, folder: str, uids: Iterable[int], flags: str, *, off: bool = False) -> None:
        self._select(folder)
        _ok(self._client.uid("STORE", _set(uids), "-FLAGS" if off else "+FLAGS", f"({flags})"))

    def flags(self, folder: str) -> list[frozenset[str]]:
        """The flags of each message, in the folder's order."""
        self._select(folder)
        found = _ok(self._client.uid("FETCH", "1:*", "(FLAGS)"))
        told = [re.search(rb"FLAGS \(([^)]*)\)", line) for line in found if isinstance(line, bytes)]
        return [frozenset(one[1].decode().split()) for one in told if one]

    def move(self, folder: str, uids: Iterable[int], to: str) -> None:
        self._select(folder)
        _ok(self._client.uid("MOVE", _set(uids), f'"{to}"'))

    def expunge(self, folder: str, uids: Iterable[int]) -> None:
        """Delete for good."""
        self.flag(folder, uids, "\\Deleted")
        _ok(self._client.uid("EXPUNGE", _set(uids)))

    def body(self, folder: str, uid: int) -> bytes:
        self._select(folder)
        found = _ok(self._client.uid("FETCH", str(uid), "(BODY.PEEK[])"))
        return bytes(next(part[1] for part in found if isinstance(part, tuple)))

    def status(self, folder: str) -> dict[str, int]:
        found = _ok(self._client.status(f'"{folder}"', "(MESSAGES UIDVALIDITY UIDNEXT UNSEEN)"))
        words = re.findall(rb"([A-Z]+) (\d+)", found[0].rpartition(b"(")[2])
        return {name.decode(): int(value) for name, value in words}

    def _select(self, folder: str) -> None:
        _ok(self._client.select(f'"{folder}"'))


@dataclass
class MailServer:
    """A running server. `mailbox()` opens another client; `deliver` brings a mail by LMTP, as the world does."""

    server: servers.Running
    port: int
    tls_port: int
    lmtp_port: int
    folder: Path
    certificate: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    programs: Path = Path("/")
    add: Callable[[str], None] = lambda name: None
    dav_port: int = 0  # of its address books, where it has any

    def new_user(self) -> str:
        """A user of the test's own, with PASSWORD and an empty mailbox."""
        name = _NUMBERED.format(next(_numbers))
        self.add(name)
        return name

    @contextmanager
    def mailbox(self, user: str = USER) -> Iterator[Mailbox]:
        found = Mailbox(self.port, user)
        try:
            yield found
        finally:
            found.close()

    def deliver(self, mail: bytes, user: str = USER) -> None:
        """Deliver to the user's INBOX."""
        import smtplib

        with smtplib.LMTP("127.0.0.1", self.lmtp_port) as client:
            client.sendmail("sender@example.com", [user], mail)

    def address_books(self, user: str) -> servers.CardDav:
        """The user's CardDAV home; their default book is there from the first sign-in by IMAP."""
        with self.mailbox(user):
            pass
        local = user.partition("@")[0]
        url = f"http://127.0.0.1:{self.dav_port}/"
        home = f"{url}dav/addressbooks/user/{local}/"
        return servers.CardDav(self.server, url, user, PASSWORD, home, f"{home}Default/")

    def doveadm(self, *words: str) -> str:
        """What Dovecot's own tool says."""
        tool = self.programs / "usr/bin/doveconf"
        command = [tool, "-f", "service=doveadm", "-c", self.folder / "dovecot.conf", "-m", "doveadm", "-e"]
        command += [self.programs / "usr/bin/doveadm", "-c", self.folder / "dovecot.conf", *words]
        who = {"user": servers.NOBODY, "group": servers.NOBODY, "extra_groups": []} if fetched.AS_ROOT else {}
        done = subprocess.run(  # type: ignore[call-overload]
            [str(word) for word in command],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            **who,
        )
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    def trusting(self) -> ssl.SSLContext:
        """A context that knows this server's authority and no other."""
        return ssl.create_default_context(cafile=str(self.certificate))


def packages() -> Path:
    """The unpacked packages. Raises Missing."""
    if platform.machine() != "x86_64" or not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise Missing("mail servers", "they come from Debian 12's packages for x86_64, by apt-get and dpkg")

    def make(folder: Path) -> None:
        for name in ("lists/partial", "archives/partial", "root"):
            (folder / name).mkdir(parents=True)
        apt = ["apt-get", "-q", *(f"-o{option}" for option in _apt_options(folder))]
        fetched.run(*apt, "update")
        fetched.run(*apt, "download", *_PACKAGES, cwd=folder / "archives")
        for package in (folder / "archives").glob("*.deb"):
            fetched.run("dpkg", "-x", package, folder / "root")
        library = folder / "root/usr/lib/dovecot/libdovecot.so.0.0.0"
        code = library.read_bytes()
        if code.count(_MODULES) != 1:
            raise OSError("this Dovecot is built otherwise than Debian 12's")
        library.write_bytes(code.replace(_MODULES, b"\0modules".ljust(len(_MODULES), b"\0")))
        for name in ("lists", "archives"):
            shutil.rmtree(folder / name)

    return fetched.part("mail", _PACKAGES, make) / "root"


def _apt_options(folder: Path) -> list[str]:
    """A state folder of its own: works without root, and with lists that were never fetched."""
    return [
        f"Dir::State={folder}",
        f"Dir::State::lists={folder}/lists",
        f"Dir::Cache={folder}",
        "Dir::State::status=/var/lib/dpkg/status",
        "Debug::NoLocking=1",
        "APT::Sandbox::User=",
    ]


def dovecot_environment(root: Path) -> dict[str, str]:
    """Where unpacked Dovecot finds its libraries."""
    parts = ("usr/lib/dovecot", "usr/lib/dovecot/modules/old-stats", _LIBRARIES)
    return {"LD_LIBRARY_PATH": ":".join(str(root / part) for part in parts)}


def library_environment(root: Path) -> dict[str, str]:
    """Where unpacked programs find their libraries and SASL its mechanisms."""
    return {"LD_LIBRARY_PATH": f"{root / _LIBRARIES}:{root}/lib/x86_64-linux-gnu", "SASL_PATH": str(root / _LIBRARIES / "sasl2")}


@contextmanager
def dovecot(*, more: str = "", location: str = "mdbox:~/mail", tls: bool = True) -> Iterator[MailServer]:
    """Dovecot 2.3: CONDSTORE, QRESYNC, NOTIFY, no OBJECTID. `more` is configuration of its own."""
    with servers.recorded("Dovecot"):
        root = packages()
    with servers.scratch(as_nobody=True) as folder:
        imap, imaps, lmtp = free_port(), free_port(), free_port()
        user, group = _who()
        for name in ("run", "mail", "state"):
            (folder / name).mkdir()
        (folder / "run/modules").symlink_to(root / "usr/lib/dovecot/modules")
        users = (USER, *(_NUMBERED.format(number) for number in range(_USERS)))  # it looks at the file once a second at most
        (folder / "users").write_text("".join(f"{name}:{{PLAIN}}{PASSWORD}::::::\n" for name in users))
        certificate, key = _certificate(folder)
        encrypted = f"ssl = yes\nssl_cert = <{certificate}\nssl_key = <{key}" if tls else "ssl = no"
        (folder / "dovecot.conf").write_text(
            _DOVECOT.format(
                folder=folder, root=root, user=user, group=group, imap=imap, imaps=imaps if tls else 0, lmtp=lmtp,
                location=location, tls=encrypted, more=more,
            )
        )  # fmt: skip
        _give_away(folder)
        environment = dovecot_environment(root)
        command: servers.Command = [
            root / "usr/bin/doveconf",
            "-f",
            "service=master",
            "-c",
            folder / "dovecot.conf",
            "-m",
            "master",
        ]
        command += ["-e", root / "usr/sbin/dovecot", "-F", "-c", folder / "dovecot.conf"]
        running = servers.Running(command, imap, folder, f"imap://127.0.0.1:{imap}", as_nobody=True, environment=environment)
        with servers.running(running) as server:
            servers.exercised["Dovecot"] = "2.3, unpacked"
            yield MailServer(server, imap, imaps, lmtp, folder, certificate, environment, root)


@contextmanager
def cyrus() -> Iterator[MailServer]:
    """Cyrus 3.6: OBJECTID, CONDSTORE, QRESYNC; its folders are made at the first sign-in."""
    with servers.recorded("Cyrus"):
        root = packages()
    environment = library_environment(root)
    with servers.scratch(as_nobody=True) as folder:
        imap, http, lmtp = free_port(), free_port(), free_port()
        for name in ("conf/socket", "conf/db", "conf/proc", "conf/lock", "spool", "tmp", "sieve"):
            (folder / name).mkdir(parents=True)
        (folder / "imapd.conf").write_text(_CYRUS.format(folder=folder, user=_who()[0]))
        (folder / "cyrus.conf").write_text(_CYRUS_SERVICES.format(folder=folder, root=root, imap=imap, http=http, lmtp=lmtp))

        def add(name: str) -> None:
            local = name.partition("@")[0]
            command = [root / "usr/sbin/saslpasswd2", "-p", "-c", "-f", folder / "sasldb2", "-u", "localhost", local]
            words = [str(word) for word in command]
            subprocess.run(words, input=PASSWORD.encode(), env={**os.environ, **environment}, check=True, timeout=PATIENCE)

        add(USER)
        _give_away(folder)
        command: servers.Command = [root / "usr/lib/cyrus/bin/master", "-C", folder / "imapd.conf", "-M", folder / "cyrus.conf"]
        command += ["-p", folder / "pid", "-D"]
        running = servers.Running(command, imap, folder, f"imap://127.0.0.1:{imap}", as_nobody=True, environment=environment)
        with servers.running(running) as server:
            _wait_for_sign_in(imap)
            servers.exercised["Cyrus"] = "3.6, unpacked"
            yield MailServer(server, imap, 0, lmtp, folder, None, environment, root, add, http)


def mail(
    subject: str = "Hello",
    *,
    text: str = "Good morning.\r\n",
    sender: str = "Bob Example <bob@example.com>",
    to: str = f"Ada Example <{USER}>",
    message_id: str | None = None,
    date: str = "Mon, 04 May 2026 09:00:00 +0000",
    headers: str = "",
) -> bytes:
    """A plain mail. `headers` are further lines, each with its CRLF."""
    name = message_id or f"{re.sub('[^a-zA-Z0-9]', '-', subject)}@example.com"
    return (
        f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nDate: {date}\r\nMessage-ID: <{name}>\r\n{headers}"
        f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}"
    ).encode()


def _wait_for_sign_in(port: int) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            Mailbox(port).close()
            return
        except (OSError, imaplib.IMAP4.error):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _who() -> tuple[str, str]:
    import grp

    uid, gid = (servers.NOBODY, servers.NOBODY) if fetched.AS_ROOT else (os.geteuid(), os.getegid())
    return pwd.getpwuid(uid).pw_name, grp.getgrgid(gid).gr_name


def _give_away(folder: Path) -> None:
    if fetched.AS_ROOT:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, servers.NOBODY, servers.NOBODY, follow_symlinks=False)


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and localhost that is its own authority."""
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    return certificate, private


def _ok(answer: tuple[str, list[Any]]) -> list[Any]:
    status, data = answer
    assert status == "OK", data
    return data


def _set(uids: Iterable[int]) -> str:
    return ",".join(str(uid) for uid in uids)
