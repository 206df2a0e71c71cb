"""Every setting of an installation: environment variables that begin with KITH_, read once, checked together.

All have a default, so an installation without any is complete. A bad value is one sentence that names the variable and says
what to write instead (`SettingsError`; the command line ends with status 2). Each setting describes itself: the table in
docs/operations.md is made from here, and a test compares the two. Knows nothing of what the settings are used for.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_type_hints
from urllib.parse import urlsplit

import msgspec

from gateway import manifests
from providers.addresses import Allowance

PREFIX: Final = "KITH_"
PROVIDER_SUFFIXES: Final = ("_CLIENT_SECRET", "_CLIENT_ID", "_URL")
NUMBERS: Final[dict[Any, tuple[Callable[[Any], Any], str]]] = {
    int: (int, "an integer"),
    float: (float, "a number"),
    Decimal: (Decimal, "an amount"),
    Decimal | None: (Decimal, "an amount"),
}
TRUE: Final = frozenset({"1", "true", "t", "yes", "y", "on"})
FALSE: Final = frozenset({"0", "false", "f", "no", "n", "off"})


class SettingsError(Exception):
    """A setting cannot be used; the message is one sentence a line, each for one variable."""


class Hidden:
    """A text that nothing prints: `reveal` is asked where it is used."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Hidden(…)" if self._text else "Hidden()"


class Says(msgspec.Struct, frozen=True):
    """What a setting is for, in Markdown; the bounds of its number; and whether its value may be printed."""

    description: str
    gt: float | None = None
    ge: float | None = None
    le: float | None = None
    shown: bool = True

    def admits(self, number: float | Decimal) -> bool:
        """Whether it is within the bounds, which NaN never is."""
        return (
            number == number
            and (self.gt is None or number > self.gt)
            and (self.ge is None or number >= self.ge)
            and (self.le is None or number <= self.le)
        )

    def wanted(self, what: str) -> str:
        """What to write, where it has to be `what`."""
        bounds = (("greater than", self.gt), ("greater than or equal to", self.ge), ("less than or equal to", self.le))
        return f"write {what} {' and '.join(f'{words} {bound:.12g}' for words, bound in bounds if bound is not None)}".rstrip()


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """Where an adapter's network is and who we are there; None where the operator said nothing."""

    url: str | None = None
    client_id: str | None = None
    client_secret: str | None = None

    def __repr__(self) -> str:
        return f"Application(url={self.url!r}, client_id={self.client_id!r})"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may set. Field `x_y` is the variable KITH_X_Y. Made by `load`, which checks."""

    home: Annotated[Path, Says("Data folder: database, key file, staged imports, files to be sent. Made with mode 0700.")] = Path(
        "~/.local/share/kith"
    )
    host: Annotated[str, Says("Address to listen on. Anything but loopback needs TLS in front.")] = "127.0.0.1"
    port: Annotated[int, Says("Port to listen on; 0 takes a free one.", ge=0, le=65535)] = 8000
    database_url: Annotated[
        str,
        Says(
            "`postgresql://user@host/name` or `sqlite:////path/file.db`. Without it: `kith.db` in the data folder.", shown=False
        ),
    ] = ""
    redis_url: Annotated[
        str, Says("`redis://` or `rediss://` address of the cache. Without it: one inside the web process.", shown=False)
    ] = ""
    secret_key: Annotated[
        Hidden,
        Says(
            "Secrets that seal stored tokens, comma-separated, 32 characters or more each; the first seals, all open. "
            "Without it: the file `secret.key` (mode 0600) in the data folder, made at the first start."
        ),
    ] = Hidden("")
    public_url: Annotated[str, Says("Address under which people reach the installation, such as `https://kith.example.org`.")] = (
        ""
    )
    cors_origins: Annotated[tuple[str, ...], Says("Origins of front-ends on other hosts, comma-separated.")] = ()
    allow_private_hosts: Annotated[
        tuple[str, ...],
        Says("Private places that accounts may be linked at, comma-separated `CIDR:port`, such as `127.0.0.1/32:5232`."),
    ] = ()
    trusted_proxies: Annotated[
        tuple[str, ...], Says("Addresses or CIDRs of the reverse proxies whose X-Forwarded-* headers are believed.")
    ] = ()
    google_pubsub_topic: Annotated[
        str,
        Says(
            "Cloud Pub/Sub topic that Gmail publishes to, `projects/<project>/topics/<topic>`: see docs/providers/gmail.md. "
            "Without it Gmail is polled."
        ),
    ] = ""
    google_pubsub_email: Annotated[
        str, Says("Service account that the push subscription of this topic signs its calls with. Needed with a topic.")
    ] = ""
    google_pubsub_audience: Annotated[
        str, Says("Audience of that subscription, where one was set. Without it: the endpoint, `<KITH_PUBLIC_URL>/hooks/gmail`.")
    ] = ""
    slack_events_topic: Annotated[
        str,
        Says(
            "App id (`A…`) of the Slack app whose events come to `<KITH_PUBLIC_URL>/hooks/slack`: see docs/providers/slack.md. "
            "Without it Slack is polled."
        ),
    ] = ""
    slack_events_secret: Annotated[Hidden, Says("Signing secret of this app. Needed with its id.")] = Hidden("")
    facebook_webhooks_topic: Annotated[
        str,
        Says(
            "App id of the Meta app whose notifications of pages come to `<KITH_PUBLIC_URL>/hooks/facebook`: see "
            "docs/providers/facebook.md. Without it Facebook is polled."
        ),
    ] = ""
    facebook_webhooks_secret: Annotated[Hidden, Says("App secret of this app. Needed with its id.")] = Hidden("")
    facebook_webhooks_audience: Annotated[
        str, Says("Verify token that was entered at Meta with this address. Without it: the address itself.")
    ] = ""
    instagram_webhooks_topic: Annotated[
        str,
        Says(
            "App id of the Meta app whose notifications of Instagram accounts come to `<KITH_PUBLIC_URL>/hooks/instagram`: see "
            "docs/providers/instagram.md. Without it Instagram is polled."
        ),
    ] = ""
    instagram_webhooks_secret: Annotated[Hidden, Says("App secret of this app. Needed with its id.")] = Hidden("")
    instagram_webhooks_audience: Annotated[
        str, Says("Verify token that was entered at Meta with this address. Without it: the address itself.")
    ] = ""
    fullcontact_key: Annotated[
        Hidden, Says("API key of FullContact: see docs/providers/fullcontact.md. Without it nobody can allow it.")
    ] = Hidden("")
    fullcontact_price: Annotated[
        Decimal | None,
        Says(
            "What a match at FullContact costs by your contract, in US dollars. Needed with the key: budgets are kept by it.",
            ge=0,
            le=1000,
        ),
    ] = None
    fullcontact_url: Annotated[str, Says("Another server of FullContact, for tests.")] = "https://api.fullcontact.com"
    people_data_labs_key: Annotated[
        Hidden, Says("API key of People Data Labs: see docs/providers/people-data-labs.md. Without it nobody can allow it.")
    ] = Hidden("")
    people_data_labs_price: Annotated[
        Decimal | None,
        Says(
            "What a match at People Data Labs costs by your plan, in US dollars; 0 for the free one. Needed with the key.",
            ge=0,
            le=1000,
        ),
    ] = None
    people_data_labs_url: Annotated[str, Says("Another server of People Data Labs, for tests.")] = (
        "https://api.peopledatalabs.com"
    )
    enrichment_budget: Annotated[
        Decimal,
        Says(
            "What paid sources may cost one viewer in a calendar month (UTC), in US dollars; a viewer may set less.",
            ge=0,
            le=1_000_000,
        ),
    ] = Decimal(5)
    disclosure_days: Annotated[
        int,
        Says(
            "Days for which the log of what has left about people is kept, three years; 0 keeps it for ever. At least 30.",
            ge=0,
            le=36_525,
        ),
    ] = 1_096
    max_deadline: Annotated[float, Says("Longest time in seconds that an operation may wait for live sources.", gt=0, le=120)] = (
        15.0
    )
    drain_seconds: Annotated[
        float, Says("After SIGTERM: how long /readyz says 503 while requests are still taken.", ge=0, le=300)
    ] = 1.0
    shutdown_seconds: Annotated[float, Says("After the drain: how long requests in flight may take to finish.", gt=0, le=600)] = (
        20.0
    )
    metrics_token: Annotated[
        Hidden, Says("Bearer token for /metrics. Without it: loopback and keys with the scope `admin` only.")
    ] = Hidden("")
    log_level: Annotated[str, Says("`debug`, `info`, `warning` or `error`.")] = "info"
    log_format: Annotated[str, Says("`console`, `json`, or `auto`: console on a terminal, else JSON.")] = "auto"
    max_query_bytes: Annotated[int, Says("Longest GraphQL document, in bytes.", ge=1_024)] = 131_072
    max_body_bytes: Annotated[int, Says("Longest request body, in bytes.", ge=1_024)] = 1_048_576
    max_upload_bytes: Annotated[
        int, Says("Largest file that may be put up, in bytes: an archive to be imported; a message takes less.", ge=1_024)
    ] = 2_000_000_000
    max_uploads_bytes: Annotated[
        int, Says("Room in bytes for all files together that one viewer has put up and that are not erased yet.", ge=1_024)
    ] = 4_000_000_000
    max_tokens: Annotated[int, Says("Most lexical tokens in a document.", ge=100)] = 2_000
    max_depth: Annotated[int, Says("Deepest nesting of fields, fragments expanded.", ge=3)] = 16
    max_aliases: Annotated[int, Says("Most aliases in an operation, fragments expanded.", ge=0)] = 30
    max_root_fields: Annotated[int, Says("Most fields at the root of an operation.", ge=1)] = 20
    max_directives: Annotated[int, Says("Most directives in a document.", ge=0)] = 50
    max_repeats: Annotated[
        int, Says("How often one response name may stand in a merged selection: validation takes its square.", ge=1)
    ] = 20
    max_fields: Annotated[int, Says("Most fields of an operation, fragments expanded.", ge=50)] = 2_500
    max_cost: Annotated[int, Says("Highest cost of an operation: the nodes it may return.", ge=100)] = 20_000
    documents: Annotated[
        tuple[str, ...], Says("Files of persisted documents, comma-separated: see docs/execution.md. Read at the start.")
    ] = ()
    documents_only: Annotated[bool, Says("Answer nothing but the persisted documents.")] = False
    automatic_documents: Annotated[bool, Says("Let clients name by hash what they have sent before (APQ).")] = True
    compiled: Annotated[bool, Says("Compile operations; off: graphql-core executes all of them, slower.")] = True
    answers_memory: Annotated[
        int,
        Says(
            "Bytes of answers from stored data that a web process keeps to give again, as long as they are true, most of them packed; 0: "
            "none are kept, in Redis neither.",
            ge=0,
        ),
    ] = 4_194_304
    prewarm_share: Annotated[
        float,
        Says(
            "Processor time that may be lost on making usual pages before they are asked for, as a share of what a web process "
            "spends besides; 0: none is.",
            ge=0.0,
            le=1.0,
        ),
    ] = 0.08
    rate_cost: Annotated[int, Says("Cost one key or session may spend in a minute; 0: any.", ge=0)] = 600_000

    applications: dict[str, Application] = {}  # by provider key, as variables spell it

    def __repr__(self) -> str:
        told = (f"{name}={getattr(self, name)!r}" for name, (_, says) in FIELDS.items() if says.shown)
        return f"Settings({', '.join(told)})"

    def told(self) -> str:
        """All settings but those of adapters, in words that are the same for the same ones; to be hashed, since addresses hold passwords."""
        return " ".join(f"{name}={getattr(self, name)!r}" for name in FIELDS)

    def application(self, provider: str) -> Application:
        """What the operator set for one adapter."""
        return self.applications.get(provider_key(provider), Application())

    @property
    def database(self) -> str:
        """The database's URL, the default one included."""
        return self.database_url or f"sqlite:///{self.home / 'kith.db'}"

    @property
    def url(self) -> str:
        """Where people reach the installation, without a slash at its end."""
        if self.public_url:
            return self.public_url
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def secure(self) -> bool:
        """Whether browsers come by TLS, so that cookies can demand it."""
        return self.url.startswith("https://")

    @property
    def hooks(self) -> str:
        """Where networks call; what follows names the network, and, where each account has an address, the account."""
        return f"{self.url}/hooks"

    def secret_keys(self) -> list[bytes]:
        """The keys of KITH_SECRET_KEY, the sealing one first; empty when it is not set."""
        return [key.encode() for key in _parts(self.secret_key.reveal())]

    def check_bind(self) -> None:
        """Refuse to listen where others could read passwords on the wire. Raises SettingsError."""
        if is_loopback(self.host) or self.secure or self.trusted_proxies:
            return
        raise SettingsError(
            f"KITH_HOST={self.host} would serve sign-in links and keys in clear to other machines: put a TLS proxy before it and "
            "set KITH_PUBLIC_URL=https://… (or KITH_TRUSTED_PROXIES to the proxy's address), or listen on 127.0.0.1"
        )


#: The settings by name: the kind of value that each is, and what is said of it.
FIELDS: Final[dict[str, tuple[Any, Says]]] = {
    name: (get_args(hint)[0], get_args(hint)[1])
    for name, hint in get_type_hints(Settings, include_extras=True).items()
    if name != "applications"
}


def load(**given: Any) -> Settings:
    """The settings of this process; `given` (from the command line) go before the environment. Raises SettingsError."""
    defaults = Settings()
    values: dict[str, Any] = {"applications": applications(os.environ)}
    wrong: list[str] = []
    for name, (kind, says) in FIELDS.items():
        said = given.get(name)
        if said is None:
            said = os.environ.get(variable(name), getattr(defaults, name))
        try:
            values[name] = _checked(name, said, kind, says)
        except ValueError as error:
            sentence = str(error)
            wrong.append(f"{variable(name)}: {sentence[:1].lower()}{sentence[1:]}")
    if not wrong and values["documents_only"] and not values["documents"]:
        wrong.append(
            f"{variable('documents_only')}: without {variable('documents')} nothing at all would be answered: name the files of "
            "your clients' documents"
        )
    if wrong:
        raise SettingsError("\n".join(wrong))
    return Settings(**values)


def _checked(name: str, said: Any, kind: Any, says: Says) -> Any:
    """A value from what was said. Raises ValueError with a sentence; a number is not repeated in it, it may be a secret at the wrong place."""
    value = said
    if kind in NUMBERS and said is not None:
        number, what = NUMBERS[kind]
        try:
            value = number(said)
            within = says.admits(value)
        except (ValueError, ArithmeticError):
            within = False
        if not within:
            raise ValueError(says.wanted(what))
    elif isinstance(said, str):
        value = _parts(said) if kind == tuple[str, ...] else _truth(said) if kind is bool else kind(said)
    check = CHECKS.get(name)
    return value if check is None else check(value)


def _truth(text: str) -> bool:
    word = text.strip().lower()
    if word not in TRUE | FALSE:
        raise ValueError("write true or false")
    return word in TRUE


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def applications(environ: Mapping[str, str]) -> dict[str, Application]:
    """What the operator set for adapters, by provider key: KITH_MASTODON_URL, KITH_MASTODON_CLIENT_ID, …"""
    found: dict[str, dict[str, str]] = {}
    own = {variable(name) for name in FIELDS}
    for name, value in environ.items():
        suffix = next((s for s in PROVIDER_SUFFIXES if name.endswith(s)), None)
        if not name.startswith(PREFIX) or suffix is None or name in own or not value:
            continue
        key = name[len(PREFIX) : -len(suffix)].lower()
        if key:
            found.setdefault(key, {})[suffix[1:].lower()] = value
    return {key: Application(**values) for key, values in found.items()}


def unknown(environ: Mapping[str, str], providers: frozenset[str]) -> list[str]:
    """Variables that begin with KITH_ and mean nothing: most likely misspelt."""
    own = {variable(name) for name in FIELDS}
    theirs = {f"{PREFIX}{provider_key(key).upper()}{suffix}" for key in providers for suffix in PROVIDER_SUFFIXES}
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in own and name not in theirs)


def provider_key(provider: str) -> str:
    """A provider's key as variables spell it."""
    return provider.lower().replace("-", "_")


def variable(field: str) -> str:
    """The environment variable of a field."""
    return PREFIX + field.upper()


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reachable from this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def table() -> str:
    """The settings as a Markdown table, for docs/operations.md."""
    lines = ["| variable | default | what it does |", "| --- | --- | --- |"]
    defaults = Settings()
    for name, (_, says) in FIELDS.items():
        default = getattr(defaults, name)
        shown = "" if default in ("", (), None, Hidden("")) else f"`{default}`"
        lines.append(f"| `{variable(name)}` | {shown} | {says.description} |")
    lines.append("| `KITH_<PROVIDER>_URL` | the network's own | Another server of that network, for tests or a mirror. |")
    lines.append("| `KITH_<PROVIDER>_CLIENT_ID` | | Our client at that network, where it does not register clients by itself. |")
    lines.append("| `KITH_<PROVIDER>_CLIENT_SECRET` | | Its secret. |")
    return "\n".join(lines)


def _expand(value: Path) -> Path:
    return value.expanduser().absolute()


def _database(value: str) -> str:
    if not value:
        return value
    from sqlalchemy.engine import make_url  # a sixth of a second, for who says something else than the default
    from sqlalchemy.exc import ArgumentError

    try:
        backend = make_url(value).get_backend_name()
    except ArgumentError:
        raise ValueError("write it like postgresql://user:password@host/database or sqlite:////path/kith.db") from None
    if backend not in ("postgresql", "sqlite"):
        raise ValueError(f"{backend} is not supported: use postgresql:// or sqlite://")
    return value


def _redis(value: str) -> str:
    if value and urlsplit(value).scheme not in ("redis", "rediss", "unix"):
        raise ValueError("write it like redis://host:6379/0 or rediss://user:password@host:6379/0")
    return value


def _secret(value: Hidden) -> Hidden:
    if any(len(key) < 32 for key in _parts(value.reveal())):
        raise ValueError("each key needs at least 32 characters; `openssl rand -base64 32` makes a good one")
    return value


def _public(value: str) -> str:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
        raise ValueError("write it like https://kith.example.org")
    if parts.path.strip("/"):
        raise ValueError("Kith is served at the root of a host: leave the path out")
    return value.rstrip("/")


def _topic(value: str) -> str:
    parts = value.split("/")
    if value and (len(parts) != 4 or (parts[0], parts[2]) != ("projects", "topics") or not parts[1] or not parts[3]):
        raise ValueError("write it like projects/my-project/topics/kith-gmail")
    return value


def _app_id(value: str) -> str:
    if value and not (value.startswith("A") and value.isascii() and value.isalnum()):
        raise ValueError("write the app id as Slack shows it under Basic Information, like A0123456789")
    return value


def _interface(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("write it like https://api.example.org")
    return value.rstrip("/")


def _days(value: int) -> int:
    if 0 < value < 30:
        raise ValueError(
            "30 days at least, since people ask who was told of them and bills are compared with it; 0 keeps it for ever"
        )
    return value


def _meta_app_id(value: str) -> str:
    if value and not (value.isascii() and value.isdigit()):
        raise ValueError("write the app id as Meta shows it under App settings, Basic: digits alone")
    return value


def _service_account(value: str) -> str:
    name, at, domain = value.strip().lower().partition("@")
    if value and not (name and at and "." in domain):
        raise ValueError("write it like kith-push@my-project.iam.gserviceaccount.com")
    return name + at + domain


def _level(value: str) -> str:
    if value.lower() not in ("debug", "info", "warning", "error"):
        raise ValueError("it is one of debug, info, warning, error")
    return value.lower()


def _format(value: str) -> str:
    if value.lower() not in ("auto", "console", "json"):
        raise ValueError("it is one of auto, console, json")
    return value.lower()


def _documents(value: tuple[str, ...]) -> tuple[str, ...]:
    manifests.read(value)
    return value


def _origins(value: tuple[str, ...]) -> tuple[str, ...]:
    for origin in value:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.hostname or origin != f"{parts.scheme}://{parts.netloc}":
            raise ValueError(f"{origin!r} is not an origin: write it like https://app.example.org, without a path")
    return value


def _allowances(value: tuple[str, ...]) -> tuple[str, ...]:
    for text in value:
        Allowance.read(text)
    return value


def _proxies(value: tuple[str, ...]) -> tuple[str, ...]:
    for text in value:
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError(f"{text!r} is not an address: write it like 10.0.0.5 or 10.0.0.0/8") from None
    return value


#: What else a value has to be, by setting; what comes back is kept.
CHECKS: Final[dict[str, Callable[[Any], Any]]] = {
    "home": _expand,
    "database_url": _database,
    "redis_url": _redis,
    "secret_key": _secret,
    "public_url": _public,
    "google_pubsub_topic": _topic,
    "slack_events_topic": _app_id,
    "fullcontact_url": _interface,
    "people_data_labs_url": _interface,
    "disclosure_days": _days,
    "facebook_webhooks_topic": _meta_app_id,
    "instagram_webhooks_topic": _meta_app_id,
    "google_pubsub_email": _service_account,
    "log_level": _level,
    "log_format": _format,
    "cors_origins": _origins,
    "allow_private_hosts": _allowances,
    "trusted_proxies": _proxies,
    "documents": _documents,
}
