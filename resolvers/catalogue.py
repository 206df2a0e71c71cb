"""The networks and file formats that accounts can come from, as the providers declare them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, get_args

import msgspec

from providers.base import Capability, LinkForm, Provider
from resolvers.operation import Services
from store import ids

_CAPABILITIES: Final = get_args(Capability)


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """A provider as it is shown."""

    id: str
    key: str
    name: str
    kind: str
    configured: bool
    capabilities: list[str]
    limitations: tuple[str, ...] = ()
    link_forms: tuple[LinkForm, ...] = ()
    archive_formats: tuple[str, ...] = ()
    quotas: list[str] = []


def of_provider(services: Services, provider: Provider) -> Network:
    """The network that a provider declares."""
    return Network(
        id=ids.derive("PROVIDER", provider.key),
        key=provider.key,
        name=provider.name,
        kind=provider.kind,
        configured=services.configured(provider.key),
        capabilities=ordered(provider.capabilities),
        limitations=provider.limitations,
        link_forms=provider.link_forms,
        archive_formats=provider.archive_formats,
        quotas=[provider.quota.sentence] if provider.quota and provider.quota.sentence else [],
    )


def get(services: Services, key: str) -> Network:
    """The network of that key. One that no adapter speaks to (a handle on a card, an adapter taken out) is only a name."""
    provider = services.providers.get(key)
    if provider is not None:
        return of_provider(services, provider)
    return Network(id=ids.derive("PROVIDER", key), key=key, name=key, kind="SOCIAL", configured=False, capabilities=[])


def by_id(services: Services, provider_id: str) -> Network | None:
    """The network of that id."""
    for provider in services.providers.values():
        if ids.derive("PROVIDER", provider.key) == provider_id:
            return of_provider(services, provider)
    return None


def having(services: Services, capabilities: Sequence[str]) -> list[Network]:
    """All networks that have all of these capabilities, by name."""
    found = [of_provider(services, p) for p in services.providers.values() if p.capabilities.issuperset(capabilities)]
    return sorted(found, key=lambda network: network.name.casefold())


def ordered(capabilities: frozenset[Capability]) -> list[str]:
    """Capabilities in the order in which the schema lists them."""
    return [c for c in _CAPABILITIES if c in capabilities]
