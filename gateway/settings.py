"""Every setting of an installation: environment variables that begin with KITH_, read once, checked together.

All have a default, so an installation without any is complete. A bad value is one sentence that names the variable and says
what to write instead (`SettingsError`; the command line ends with status 2). Each setting describes itself: the table in
docs/operations.md is made from here, and a test compares the two. Knows nothing of what the settings are used for.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec
from pydantic import Field, PrivateAttr, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from gateway import manifests
from providers.addresses import Allowance

PREFIX: Final = "KITH_"
PROVIDER_SUFFIXES: Final = ("_CLIENT_SECRET", "_CLIENT_ID", "_URL")

List = Annotated[tuple[str, ...], NoDecode]


class SettingsError(Exception):
    """A setting cannot be used; the message is one sentence a line, each for one variable."""


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """Where an adapter's network is and who we are there; None where the operator said nothing."""

    url: str | None = None
    client_id: str | None = None
    client_secret: str | None = None

    def __repr__(self) -> str:
        return f"Application(url={self.url!r}, client_id={self.client_id!r})"


class Settings(BaseSettings):
    """What an operator may set. Field `x_y` is the variable KITH_X_Y."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    home: Path = Field(
        default=Path("~/.local/share/kith"),
        description="Data folder: database, key file, staged imports, files to be sent. Made with mode 0700.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on. Anything but loopback needs TLS in front.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    database_url: str = Field(
        default="",
        repr=False,
        description="`postgresql://user@host/name` or `sqlite:////path/file.db`. Without it: `kith.db` in the data folder.",
    )
    redis_url: str = Field(
        default="",
        repr=False,
        description="`redis://` or `rediss://` address of the cache. Without it: one inside the web process.",
    )
    secret_key: SecretStr = Field(
        default=SecretStr(""),
        description="Secrets that seal stored tokens, comma-separated, 32 characters or more each; the first seals, all open. "
        "Without it: the file `secret.key` (mode 0600) in the data folder, made at the first start.",
    )
    public_url: str = Field(
        default="", description="Address under which people reach the installation, such as `https://kith.example.org`."
    )
    cors_origins: List = Field(default=(), description="Origins of front-ends on other hosts, comma-separated.")
    allow_private_hosts: List = Field(
        default=(),
        description="Private places that accounts may be linked at, comma-separated `CIDR:port`, such as `127.0.0.1/32:5232`.",
    )
    trusted_proxies: List = Field(
        default=(),
        description="Addresses or CIDRs of the reverse proxies whose X-Forwarded-* headers are believed.",
    )
    google_pubsub_topic: str = Field(
        default="",
        description="Cloud Pub/Sub topic that Gmail publishes to, `projects/<project>/topics/<topic>`: see docs/providers/gmail.md. "
        "Without it Gmail is polled.",
    )
    google_pubsub_email: str = Field(
        default="",
        description="Service account that the push subscription of this topic signs its calls with. Needed with a topic.",
    )
    google_pubsub_audience: str = Field(
        default="",
        description="Audience of that subscription, where one was set. Without it: the endpoint, `<KITH_PUBLIC_URL>/hooks/gmail`.",
    )
    slack_events_topic: str = Field(
        default="",
        description="App id (`A…`) of the Slack app whose events come to `<KITH_PUBLIC_URL>/hooks/slack`: see docs/providers/slack.md. "
        "Without it Slack is polled.",
    )
    slack_events_secret: SecretStr = Field(default=SecretStr(""), description="Signing secret of this app. Needed with its id.")
    facebook_webhooks_topic: str = Field(
        default="",
        description="App id of the Meta app whose notifications of pages come to `<KITH_PUBLIC_URL>/hooks/facebook`: see "
        "docs/providers/facebook.md. Without it Facebook is polled.",
    )
    facebook_webhooks_secret: SecretStr = Field(default=SecretStr(""), description="App secret of this app. Needed with its id.")
    facebook_webhooks_audience: str = Field(
        default="", description="Verify token that was entered at Meta with this address. Without it: the address itself."
    )
    instagram_webhooks_topic: str = Field(
        default="",
        description="App id of the Meta app whose notifications of Instagram accounts come to `<KITH_PUBLIC_URL>/hooks/instagram`: see "
        "docs/providers/instagram.md. Without it Instagram is polled.",
    )
    instagram_webhooks_secret: SecretStr = Field(default=SecretStr(""), description="App secret of this app. Needed with its id.")
    instagram_webhooks_audience: str = Field(
        default="", description="Verify token that was entered at Meta with this address. Without it: the address itself."
    )
    fullcontact_key: SecretStr = Field(
        default=SecretStr(""),
        description="API key of FullContact: see docs/providers/fullcontact.md. Without it nobody can allow it.",
    )
    fullcontact_price: Decimal | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="What a match at FullContact costs by your contract, in US dollars. Needed with the key: budgets are kept by it.",
    )
    fullcontact_url: str = Field(default="https://api.fullcontact.com", description="Another server of FullContact, for tests.")
    people_data_labs_key: SecretStr = Field(
        default=SecretStr(""),
        description="API key of People Data Labs: see docs/providers/people-data-labs.md. Without it nobody can allow it.",
    )
    people_data_labs_price: Decimal | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="What a match at People Data Labs costs by your plan, in US dollars; 0 for the free one. Needed with the key.",
    )
    people_data_labs_url: str = Field(
        default="https://api.peopledatalabs.com", description="Another server of People Data Labs, for tests."
    )
    enrichment_budget: Decimal = Field(
        default=Decimal(5),
        ge=0,
        le=1_000_000,
        description="What paid sources may cost one viewer in a calendar month (UTC), in US dollars; a viewer may set less.",
    )
    disclosure_days: int = Field(
        default=1_096,
        ge=0,
        le=36_525,
        description="Days for which the log of what has left about people is kept, three years; 0 keeps it for ever. At least 30.",
    )
    max_deadline: float = Field(
        default=15.0,
        gt=0,
        le=120,
        description="Longest time in seconds that an operation may wait for live sources.",
    )
    drain_seconds: float = Field(
        default=1.0, ge=0, le=300, description="After SIGTERM: how long /readyz says 503 while requests are still taken."
    )
    shutdown_seconds: float = Field(
        default=20.0, gt=0, le=600, description="After the drain: how long requests in flight may take to finish."
    )
    metrics_token: SecretStr = Field(
        default=SecretStr(""), description="Bearer token for /metrics. Without it: loopback and keys with the scope `admin` only."
    )
    log_level: str = Field(default="info", description="`debug`, `info`, `warning` or `error`.")
    log_format: str = Field(default="auto", description="`console`, `json`, or `auto`: console on a terminal, else JSON.")
    max_query_bytes: int = Field(default=131_072, ge=1_024, description="Longest GraphQL document, in bytes.")
    max_body_bytes: int = Field(default=1_048_576, ge=1_024, description="Longest request body, in bytes.")
    max_upload_bytes: int = Field(
        default=2_000_000_000,
        ge=1_024,
        description="Largest file that may be put up, in bytes: an archive to be imported; a message takes less.",
    )
    max_uploads_bytes: int = Field(
        default=4_000_000_000,
        ge=1_024,
        description="Room in bytes for all files together that one viewer has put up and that are not erased yet.",
    )
    max_tokens: int = Field(default=2_000, ge=100, description="Most lexical tokens in a document.")
    max_depth: int = Field(default=16, ge=3, description="Deepest nesting of fields, fragments expanded.")
    max_aliases: int = Field(default=30, ge=0, description="Most aliases in an operation, fragments expanded.")
    max_root_fields: int = Field(default=20, ge=1, description="Most fields at the root of an operation.")
    max_directives: int = Field(default=50, ge=0, description="Most directives in a document.")
    max_repeats: int = Field(
        default=20, ge=1, description="How often one response name may stand in a merged selection: validation takes its square."
    )
    max_fields: int = Field(default=2_500, ge=50, description="Most fields of an operation, fragments expanded.")
    max_cost: int = Field(default=20_000, ge=100, description="Highest cost of an operation: the nodes it may return.")
    documents: List = Field(
        default=(), description="Files of persisted documents, comma-separated: see docs/execution.md. Read at the start."
    )
    documents_only: bool = Field(default=False, description="Answer nothing but the persisted documents.")
    automatic_documents: bool = Field(default=True, description="Let clients name by hash what they have sent before (APQ).")
    compiled: bool = Field(default=True, description="Compile operations; off: graphql-core executes all of them, slower.")
    answers_memory: int = Field(
        default=8_388_608,
        ge=0,
        description="Bytes of answers from stored data that a web process keeps to give again, as long as they are true; 0: none are kept, in Redis "
        "neither.",
    )
    prewarm_share: float = Field(
        default=0.08,
        ge=0.0,
        le=1.0,
        description="Processor time that may be lost on making usual pages before they are asked for, as a share of what a web process "
        "spends besides; 0: none is.",
    )
    rate_cost: int = Field(default=600_000, ge=0, description="Cost one key or session may spend in a minute; 0: any.")

    _applications: dict[str, Application] = PrivateAttr(default_factory=lambda: applications(os.environ))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment; no files, so that nothing in a working directory is read by accident."""
        return init_settings, env_settings

    @field_validator("cors_origins", "allow_private_hosts", "trusted_proxies", "documents", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("home")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str) -> str:
        if not value:
            return value
        try:
            backend = make_url(value).get_backend_name()
        except ArgumentError:
            raise ValueError("write it like postgresql://user:password@host/database or sqlite:////path/kith.db") from None
        if backend not in ("postgresql", "sqlite"):
            raise ValueError(f"{backend} is not supported: use postgresql:// or sqlite://")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in ("redis", "rediss", "unix"):
            raise ValueError("write it like redis://host:6379/0 or rediss://user:password@host:6379/0")
        return value

    @field_validator("secret_key")
    @classmethod
    def _secret(cls, value: SecretStr) -> SecretStr:
        if any(len(key) < 32 for key in _parts(value)):
            raise ValueError("each key needs at least 32 characters; `openssl rand -base64 32` makes a good one")
        return value

    @field_validator("public_url")
    @classmethod
    def _public(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("write it like https://kith.example.org")
        if parts.path.strip("/"):
            raise ValueError("Kith is served at the root of a host: leave the path out")
        return value.rstrip("/")

    @field_validator("google_pubsub_topic")
    @classmethod
    def _topic(cls, value: str) -> str:
        parts = value.split("/")
        if value and (len(parts) != 4 or (parts[0], parts[2]) != ("projects", "topics") or not parts[1] or not parts[3]):
            raise ValueError("write it like projects/my-project/topics/kith-gmail")
        return value

    @field_validator("slack_events_topic")
    @classmethod
    def _app_id(cls, value: str) -> str:
        if value and not (value.startswith("A") and value.isascii() and value.isalnum()):
            raise ValueError("write the app id as Slack shows it under Basic Information, like A0123456789")
        return value

    @field_validator("fullcontact_url", "people_data_labs_url")
    @classmethod
    def _interface(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("write it like https://api.example.org")
        return value.rstrip("/")

    @field_validator("disclosure_days")
    @classmethod
    def _days(cls, value: int) -> int:
        if 0 < value < 30:
            raise ValueError(
                "30 days at least, since people ask who was told of them and bills are compared with it; 0 keeps it for ever"
            )
        return value

    @field_validator("facebook_webhooks_topic", "instagram_webhooks_topic")
    @classmethod
    def _meta_app_id(cls, value: str) -> str:
        if value and not (value.isascii() and value.isdigit()):
            raise ValueError("write the app id as Meta shows it under App settings, Basic: digits alone")
        return value

    @field_validator("google_pubsub_email")
    @classmethod
    def _service_account(cls, value: str) -> str:
        name, at, domain = value.strip().lower().partition("@")
        if value and not (name and at and "." in domain):
            raise ValueError("write it like kith-push@my-project.iam.gserviceaccount.com")
        return name + at + domain

    @field_validator("documents")
    @classmethod
    def _documents(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        manifests.read(value)
        return value

    @field_validator("documents_only")
    @classmethod
    def _something(cls, value: bool, info: ValidationInfo) -> bool:
        if value and not info.data.get("documents"):
            raise ValueError("without KITH_DOCUMENTS nothing at all would be answered: name the files of your clients' documents")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or not parts.hostname or origin != f"{parts.scheme}://{parts.netloc}":
                raise ValueError(f"{origin!r} is not an origin: write it like https://app.example.org, without a path")
        return value

    @field_validator("allow_private_hosts")
    @classmethod
    def _allowances(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            Allowance.read(text)
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                ipaddress.ip_network(text, strict=False)
            except ValueError:
                raise ValueError(f"{text!r} is not an address: write it like 10.0.0.5 or 10.0.0.0/8") from None
        return value

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        if value.lower() not in ("debug", "info", "warning", "error"):
            raise ValueError("it is one of debug, info, warning, error")
        return value.lower()

    @field_validator("log_format")
    @classmethod
    def _format(cls, value: str) -> str:
        if value.lower() not in ("auto", "console", "json"):
            raise ValueError("it is one of auto, console, json")
        return value.lower()

    def application(self, provider: str) -> Application:
        """What the operator set for one adapter."""
        return self._applications.get(provider_key(provider), Application())

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
        return [key.encode() for key in _parts(self.secret_key)]

    def check_bind(self) -> None:
        """Refuse to listen where others could read passwords on the wire. Raises SettingsError."""
        if is_loopback(self.host) or self.secure or self.trusted_proxies:
            return
        raise SettingsError(
            f"KITH_HOST={self.host} would serve sign-in links and keys in clear to other machines: put a TLS proxy before it and "
            "set KITH_PUBLIC_URL=https://… (or KITH_TRUSTED_PROXIES to the proxy's address), or listen on 127.0.0.1"
        )


def load(**given: Any) -> Settings:
    """The settings of this process; `given` (from the command line) go before the environment. Raises SettingsError."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(dict(problem)) for problem in error.errors())) from None


def applications(environ: Mapping[str, str]) -> dict[str, Application]:
    """What the operator set for adapters, by provider key: KITH_MASTODON_URL, KITH_MASTODON_CLIENT_ID, …"""
    found: dict[str, dict[str, str]] = {}
    own = {variable(name) for name in Settings.model_fields}
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
    own = {variable(name) for name in Settings.model_fields}
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
    for name, field in Settings.model_fields.items():
        default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
        shown = "" if default in ("", (), None) else f"`{default}`"
        lines.append(f"| `{variable(name)}` | {shown} | {field.description} |")
    lines.append("| `KITH_<PROVIDER>_URL` | the network's own | Another server of that network, for tests or a mirror. |")
    lines.append("| `KITH_<PROVIDER>_CLIENT_ID` | | Our client at that network, where it does not register clients by itself. |")
    lines.append("| `KITH_<PROVIDER>_CLIENT_SECRET` | | Its secret. |")
    return "\n".join(lines)


def _parts(value: SecretStr) -> list[str]:
    return [part.strip() for part in value.get_secret_value().split(",") if part.strip()]


def _sentence(problem: Mapping[str, Any]) -> str:
    place = problem.get("loc") or ()
    message = str(problem.get("msg", "")).removeprefix("Value error, ")
    return f"{variable(str(place[0])) if place else 'KITH settings'}: {message[:1].lower()}{message[1:]}"
