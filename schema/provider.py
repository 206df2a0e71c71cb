"""The catalogue: networks and file formats, what they can do and how to link them."""

from __future__ import annotations

import strawberry

from resolvers import catalogue
from schema.declare import field, object_type
from schema.interfaces import Node
from schema.scalars import URL
from schema.vocabulary import ArchiveFormat, Capability, FormFieldKind, LinkMethod, ProviderKind


@object_type("A network or file format that accounts can come from.", of=catalogue.Network)
class Provider(Node):
    id: strawberry.ID = field("Opaque global id.")
    key: str = field("Stable short name, such as gmail or imap.")
    name: str = field("Name to show.")
    kind: ProviderKind = field("What it mainly is.")
    configured: bool = field("Whether this installation has the client credentials it needs.")
    capabilities: list[Capability] = field("What the adapter can do.")
    limitations: list[str] = field("What the network does not give, as sentences; at most 20.")
    link_forms: list[LinkForm] = field("Ways to link an account, best first; empty for imports only.")
    archive_formats: list[ArchiveFormat] = field("Exports of this network that can be imported.")
    quotas: list[str] = field("The network's published limits, as sentences; at most 20.")


@object_type("One way to link an account.")
class LinkForm:
    method: LinkMethod = field("How it works.")
    label: str = field("Title to show.")
    help: str | None = field("What the user needs to have ready.")
    help_url: URL | None = field("Page of the network where it is obtained.")
    fields: list[FormField] = field("What to ask the user; empty for redirects.")


@object_type("A field to ask the user.")
class FormField:
    name: str = field("Name to send back.")
    label: str = field("Label to show.")
    kind: FormFieldKind = field("What to show.")
    required: bool = field("Whether it must be filled.")
    secret: bool = field("Whether it must be hidden and never stored by the client.")
    help: str | None = field("Hint.")
    placeholder: str | None = field("Example.")
    default_value: str | None = field("Value to start with, discovered where possible.")
    pattern: str | None = field("Regular expression in the HTML pattern dialect.")
    options: list[FormOption] = field("Choices, for SELECT.")


@object_type("A choice.")
class FormOption:
    value: str = field("Value to send.")
    label: str = field("Label to show.")
