"""From an e-mail address to the servers behind it: what is known, what the domain publishes, what DNS says, what is usual.

Tried in this order, each try shown: the table below by domain, then by the hosts that take the domain's mail (MX); the domain's own
autoconfig document (Mozilla's "Autoconfiguration in Thunderbird", clientConfig 1.1); SRV records (RFC 6186, RFC 8314 §5.1). What
comes by TLS from the domain itself is the domain's word; what plain DNS says of a host elsewhere is only a hint, and marked so.
Never names a server without TLS. Knows nothing of how a mailbox is read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote
from xml.etree.ElementTree import Element

import msgspec

from providers import webdav
from providers.base import Found
from providers.errors import ProviderError
from providers.http import Session

Security = str  # TLS from the first byte (RFC 8314 §3), or STARTTLS that is required
MAX_DOCUMENT: Final = 256 * 1024


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """A mail provider's servers. `user` is what it calls the user: the whole address, or what stands before its @."""

    name: str
    imap: str
    smtp: str
    imap_port: int = 993
    smtp_port: int = 465
    smtp_security: Security = "TLS"
    user: str = "ADDRESS"
    note: str = ""


NEEDS_A_CODE: Final = "It wants an app password, which you make in your account's security settings."
PRESETS: Final = {
    "yahoo": Preset(
        name="Yahoo Mail", imap="imap.mail.yahoo.com", smtp="smtp.mail.yahoo.com",
        note=f"{NEEDS_A_CODE} It shows the latest 10,000 messages of a folder; name export.imap.mail.yahoo.com as host to read all.",
    ),
    "aol": Preset(name="AOL Mail", imap="imap.aol.com", smtp="smtp.aol.com", note=NEEDS_A_CODE),
    "gmail": Preset(
        name="Gmail", imap="imap.gmail.com", smtp="smtp.gmail.com",
        note="It wants an app password, which Google gives to accounts with two-step verification.",
    ),
    "microsoft": Preset(
        name="Outlook.com and Microsoft 365", imap="outlook.office365.com", smtp="smtp.office365.com", smtp_port=587,
        smtp_security="STARTTLS", note="It takes no passwords any more: link it as Microsoft, by signing in.",
    ),
    "icloud": Preset(
        name="iCloud", imap="imap.mail.me.com", smtp="smtp.mail.me.com", smtp_port=587, smtp_security="STARTTLS",
        note="It wants an app-specific password, which you make at account.apple.com.",
    ),
    "fastmail": Preset(name="Fastmail", imap="imap.fastmail.com", smtp="smtp.fastmail.com", note=NEEDS_A_CODE),
    "gmx": Preset(name="GMX", imap="imap.gmx.net", smtp="mail.gmx.net", note="IMAP has to be switched on in its settings first."),
    "gmx.com": Preset(name="GMX", imap="imap.gmx.com", smtp="mail.gmx.com", note="IMAP has to be switched on in its settings first."),
    "web.de": Preset(
        name="WEB.DE", imap="imap.web.de", smtp="smtp.web.de", smtp_port=587, smtp_security="STARTTLS",
        note="IMAP has to be switched on in its settings first.",
    ),
    "zoho": Preset(name="Zoho Mail", imap="imap.zoho.com", smtp="smtp.zoho.com", note=NEEDS_A_CODE),
    "zoho.eu": Preset(name="Zoho Mail", imap="imap.zoho.eu", smtp="smtp.zoho.eu", note=NEEDS_A_CODE),
    "zoho-pro": Preset(name="Zoho Mail", imap="imappro.zoho.com", smtp="smtppro.zoho.com", note=NEEDS_A_CODE),
    "zoho-pro.eu": Preset(name="Zoho Mail", imap="imappro.zoho.eu", smtp="smtppro.zoho.eu", note=NEEDS_A_CODE),
    "mailbox.org": Preset(name="mailbox.org", imap="imap.mailbox.org", smtp="smtp.mailbox.org"),
    "posteo": Preset(name="Posteo", imap="posteo.de", smtp="posteo.de"),
    "t-online": Preset(
        name="T-Online", imap="secureimap.t-online.de", smtp="securesmtp.t-online.de",
        note="It wants the password for e-mail programs, which you set in its customer centre.",
    ),
    "yandex": Preset(name="Yandex Mail", imap="imap.yandex.com", smtp="smtp.yandex.com", note=NEEDS_A_CODE),
    "mail.ru": Preset(name="Mail.ru", imap="imap.mail.ru", smtp="smtp.mail.ru", note=NEEDS_A_CODE),
    "orange": Preset(name="Orange", imap="imap.orange.fr", smtp="smtp.orange.fr", user="LOCAL"),
    "free": Preset(name="Free", imap="imap.free.fr", smtp="smtp.free.fr", user="LOCAL"),
    "libero": Preset(name="Libero Mail", imap="imapmail.libero.it", smtp="smtp.libero.it"),
    "seznam": Preset(name="Seznam", imap="imap.seznam.cz", smtp="smtp.seznam.cz"),
    "qq": Preset(name="QQ Mail", imap="imap.qq.com", smtp="smtp.qq.com", note="It wants an authorisation code in place of the password."),
    "163": Preset(name="163", imap="imap.163.com", smtp="smtp.163.com", note="It wants an authorisation code in place of the password."),
    "migadu": Preset(name="Migadu", imap="imap.migadu.com", smtp="smtp.migadu.com"),
    "runbox": Preset(name="Runbox", imap="mail.runbox.com", smtp="mail.runbox.com"),
}  # fmt: skip
GMAIL: Final = frozenset({"gmail.com", "googlemail.com"})
MICROSOFT: Final = frozenset(
    {"outlook.com", "hotmail.com", "live.com", "msn.com", "hotmail.co.uk", "hotmail.de", "hotmail.fr", "hotmail.it", "hotmail.es",
     "live.co.uk", "live.de", "live.fr", "live.nl", "outlook.de", "outlook.fr", "outlook.es", "outlook.it", "outlook.jp",
     "windowslive.com", "passport.com"}
)  # fmt: skip
DOMAINS: Final[dict[str, str]] = {
    **dict.fromkeys(GMAIL, "gmail"),
    **dict.fromkeys(MICROSOFT, "microsoft"),
    **dict.fromkeys(
        ("yahoo.com", "yahoo.co.uk", "yahoo.de", "yahoo.fr", "yahoo.es", "yahoo.it", "yahoo.ca", "yahoo.in", "yahoo.co.in",
         "yahoo.com.br", "yahoo.com.ar", "yahoo.com.mx", "yahoo.com.au", "yahoo.co.id", "yahoo.gr", "yahoo.ie", "yahoo.se", "yahoo.pl",
         "yahoo.com.sg", "yahoo.com.ph", "ymail.com", "rocketmail.com", "myyahoo.com"), "yahoo"),
    **dict.fromkeys(("aol.com", "aim.com", "aol.de", "aol.co.uk", "aol.fr", "love.com", "verizon.net"), "aol"),
    **dict.fromkeys(("icloud.com", "me.com", "mac.com"), "icloud"),
    **dict.fromkeys(("fastmail.com", "fastmail.fm", "fastmail.net", "fastmail.org", "sent.com", "messagingengine.com"), "fastmail"),
    **dict.fromkeys(("gmx.de", "gmx.net", "gmx.at", "gmx.ch", "gmx.eu"), "gmx"),
    **dict.fromkeys(("gmx.com", "gmx.us", "gmx.co.uk", "gmx.fr", "gmx.es", "mail.com"), "gmx.com"),
    "web.de": "web.de", "zoho.com": "zoho", "zohomail.com": "zoho", "zoho.eu": "zoho.eu", "zohomail.eu": "zoho.eu",
    "mailbox.org": "mailbox.org", "posteo.de": "posteo", "posteo.net": "posteo", "posteo.org": "posteo", "t-online.de": "t-online",
    "magenta.de": "t-online", "yandex.com": "yandex", "yandex.ru": "yandex", "ya.ru": "yandex", "mail.ru": "mail.ru", "bk.ru": "mail.ru",
    "inbox.ru": "mail.ru", "list.ru": "mail.ru", "orange.fr": "orange", "wanadoo.fr": "orange", "free.fr": "free", "libero.it": "libero",
    "seznam.cz": "seznam", "email.cz": "seznam", "qq.com": "qq", "foxmail.com": "qq", "163.com": "163", "runbox.com": "runbox",
}  # fmt: skip
#: Whose customers' domains are served there: the end of an MX host's name.
EXCHANGES: Final[dict[str, str]] = {
    ".google.com": "gmail", ".googlemail.com": "gmail", ".outlook.com": "microsoft", ".yahoodns.net": "yahoo",
    ".mail.icloud.com": "icloud", ".messagingengine.com": "fastmail", ".zoho.com": "zoho-pro", ".zoho.eu": "zoho-pro.eu",
    ".mailbox.org": "mailbox.org", ".migadu.com": "migadu", ".runbox.com": "runbox", ".yandex.net": "yandex", ".yandex.ru": "yandex",
}  # fmt: skip
#: Networks that keep their mail behind a program on the user's own machine.
BRIDGED: Final = frozenset({"proton.me", "protonmail.com", "pm.me", "tutanota.com", "tuta.com", "tuta.io"})
SOCKETS: Final = {"SSL": "TLS", "STARTTLS": "STARTTLS"}


async def discover(session: Session, values: dict[str, str]) -> AsyncIterator[Found]:
    """Find the servers of `values["address"]`, a try at a time, until one gives them; of a host that was named, the way out only.

    Gives `host`, `port`, `security`, `username`, `smtp_host`, `smtp_port`, `smtp_security` and `smtp_user`. Raises nothing: a try
    that fails says so.
    """
    address = values.get("address", "").strip()
    local, _, domain = address.rpartition("@")
    domain = domain.lower().rstrip(".")
    if host := values.get("host", "").strip().lower().rstrip("."):
        preset = next((preset for preset in PRESETS.values() if preset.imap == host), None)
        if preset is not None and not values.get("smtp_host"):
            yield _preset("known provider", host, preset, address)
        return
    if not local or not domain:
        return
    if domain in BRIDGED:
        text = f"{domain} has no IMAP of its own: start its Bridge on your machine and name that as the host."
        yield Found(method="known provider", target=domain, succeeded=False, message=text)
        return
    if (key := DOMAINS.get(domain)) is not None:
        yield _preset("known provider", domain, PRESETS[key], address)
        return
    yield Found(method="known provider", target=domain, succeeded=False, message="Not in the table of well-known providers.")
    for host in (await session.exchanges(domain))[:3]:
        key = next((key for end, key in EXCHANGES.items() if host.endswith(end)), None)
        if key is not None:
            yield _preset("who takes its mail (MX)", host, PRESETS[key], address)
            return
    yield Found(method="who takes its mail (MX)", target=domain, succeeded=False, message="Nobody of the table.")
    async for found in _documents(session, address, domain):
        yield found
        if found.succeeded:
            return
    yield await _services(session, address, domain)


def _preset(method: str, target: str, preset: Preset, address: str) -> Found:
    user = address if preset.user == "ADDRESS" else address.rpartition("@")[0]
    values = {
        "host": preset.imap, "port": str(preset.imap_port), "security": "TLS", "username": user, "smtp_host": preset.smtp,
        "smtp_port": str(preset.smtp_port), "smtp_security": preset.smtp_security, "smtp_user": user,
    }  # fmt: skip
    return Found(
        method=method, target=target, succeeded=True, message=f"It is {preset.name}. {preset.note}".strip(), values=values
    )


async def _documents(session: Session, address: str, domain: str) -> AsyncIterator[Found]:
    asked = quote(address, safe="@")
    for url in (
        f"https://autoconfig.{domain}/mail/config-v1.1.xml?emailaddress={asked}",
        f"https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress={asked}",
    ):
        target = url.partition("?")[0]
        try:
            response = await session.request("GET", url, auth=False, max_bytes=MAX_DOCUMENT)
            values = read_document(response.content, address)
        except ProviderError as error:
            yield Found(method="autoconfig document", target=target, succeeded=False, message=error.message)
            continue
        if values:
            text = f"The domain names {values['host']}."
            yield Found(method="autoconfig document", target=target, succeeded=True, message=text, values=values)
            return
        yield Found(method="autoconfig document", target=target, succeeded=False, message="It names no IMAP server with TLS.")


def read_document(content: bytes, address: str) -> dict[str, str]:
    """The form values that a clientConfig document gives; empty without an IMAP server by TLS. Raises Malformed."""
    root = webdav.parse(content)
    imap = _server(root, "incomingServer", "imap", address)
    if imap is None:
        return {}
    values = {"host": imap[0], "port": imap[1], "security": imap[2], "username": imap[3]}
    if (smtp := _server(root, "outgoingServer", "smtp", address)) is not None:
        values |= {"smtp_host": smtp[0], "smtp_port": smtp[1], "smtp_security": smtp[2], "smtp_user": smtp[3]}
    return values


def _server(root: Element, tag: str, kind: str, address: str) -> tuple[str, str, str, str] | None:
    """The document's first server of a kind that speaks TLS: (host, port, security, user name)."""
    local, _, domain = address.rpartition("@")

    def filled(text: str) -> str:
        for name, value in (("%EMAILADDRESS%", address), ("%EMAILLOCALPART%", local), ("%EMAILDOMAIN%", domain)):
            text = text.replace(name, value)
        return text

    for server in root.iter(tag):
        if server.get("type", "").lower() != kind:
            continue
        said = {child.tag: filled((child.text or "").strip()) for child in server}
        security = SOCKETS.get(said.get("socketType", "").upper())
        host, port = said.get("hostname", "").lower(), said.get("port", "")
        if security is not None and _is_host(host) and port.isdigit() and 0 < int(port) < 65536:
            return host, port, security, said.get("username") or address
    return None


async def _services(session: Session, address: str, domain: str) -> Found:
    """RFC 6186 §3.2 and RFC 8314 §5.1: TLS from the first byte before STARTTLS."""
    values: dict[str, str] = {}
    for name, host_field, security in (
        ("_imaps._tcp", "host", "TLS"), ("_imap._tcp", "host", "STARTTLS"),
        ("_submissions._tcp", "smtp_host", "TLS"), ("_submission._tcp", "smtp_host", "STARTTLS"),
    ):  # fmt: skip
        if host_field in values:
            continue
        for host, port in (await session.services(f"{name}.{domain}"))[:1]:
            if _is_host(host.lower()):
                prefix = host_field.removesuffix("host")
                values |= {host_field: host.lower(), f"{prefix}port": str(port), f"{prefix}security": security}
    if "host" not in values:
        text = "DNS names no IMAP server. Ask the provider for its host and type it in."
        return Found(method="DNS (SRV)", target=f"_imaps._tcp.{domain}", succeeded=False, message=text)
    host = values["host"]
    foreign = not _is_below(host, domain)
    if (way_out := values.get("smtp_host", host)) != host and not _is_below(way_out, domain):
        values = {name: value for name, value in values.items() if not name.startswith("smtp_")}  # nobody is shown that name
    values["username"] = address
    if "smtp_host" in values:
        values["smtp_user"] = address
    text = f"DNS names {host}, a host of another domain: go on only if you know it." if foreign else f"DNS names {host}."
    return Found(
        method="DNS (SRV)", target=f"_imaps._tcp.{domain}", succeeded=True, message=text, values=values, foreign=foreign
    )  # fmt: skip


def _is_below(host: str, domain: str) -> bool:
    return host == domain or host.endswith("." + domain)


def _is_host(text: str) -> bool:
    labels = text.rstrip(".").split(".")
    return len(text) <= 253 and len(labels) > 1 and all(
        0 < len(label) <= 63 and label.replace("-", "a").isalnum() and label.isascii() for label in labels
    )  # fmt: skip
