"""Reasons to hold two records for one person."""

from __future__ import annotations

import asyncio

from strawberry import Parent

from resolvers import accounts, catalogue, evidence, merges, suggestions
from schema import loads
from schema.declare import Info, field, interface_type, object_type
from schema.references import AccountRef, ContactRef, MergeRef, ProviderRef
from schema.scalars import URL, DateTime, EmailAddress, PhoneNumber
from schema.vocabulary import ClaimState, EvidenceStrength, NameAgreement, PersonField, PhoneLine, Verdict


async def _verified_by(parent: Parent[evidence.EmailEvidence], info: Info) -> list[accounts.Account]:
    operation = info.context.operation
    found = await asyncio.gather(*(accounts.get(operation, account_id) for account_id in parent.verifying_account_ids))
    return [account for account in found if account is not None]


def _provider(parent: Parent[evidence.ProviderIdEvidence], info: Info) -> catalogue.Network:
    return catalogue.get(info.context.operation.services, parent.provider)


async def _merge(parent: Parent[evidence.DecisionEvidence], info: Info) -> merges.Merge | None:
    return await merges.get(info.context.operation, parent.merge_id)


@interface_type("A reason to hold two records for one person or to keep them apart.")
class Evidence:
    strength: EvidenceStrength = field("What it is worth.")
    weight: float = field("Log-odds it adds; negative speaks against.")
    sentence: str = field("The reason in words.")
    contacts: list[ContactRef] = field("The records it ties or parts; at most 10.", loads.all_contacts)
    observed_at: DateTime = field("When it was noticed.")


@object_type("A common e-mail address.", of=evidence.EmailEvidence)
class EmailEvidence(Evidence):
    address: EmailAddress = field("The address.")
    verified_by: list[AccountRef] = field("Accounts that vouch for it.", _verified_by)
    shared: bool = field("Whether it has shown itself as shared.")
    strength: EvidenceStrength = field("What it is worth.")
    weight: float = field("Log-odds it adds; negative speaks against.")
    sentence: str = field("The reason in words.")
    contacts: list[ContactRef] = field("The records it ties or parts; at most 10.", loads.all_contacts)
    observed_at: DateTime = field("When it was noticed.")


@object_type("A common phone number.", of=evidence.PhoneEvidence)
class PhoneEvidence(Evidence):
    number: PhoneNumber = field("The number.")
    line: PhoneLine = field("What line it is.")
    shared: bool = field("Whether it has shown itself as shared.")
    strength: EvidenceStrength = field("What it is worth.")
    weight: float = field("Log-odds it adds; negative speaks against.")
    sentence: str = field("The reason in words.")
    contacts: list[ContactRef] = field("The records it ties or parts; at most 10.", loads.all_contacts)
    observed_at: DateTime = field("When it was noticed.")


@object_type("Links between profiles.", of=evidence.ProfileLinkEvidence)
class ProfileLinkEvidence(Evidence):
    from_: URL = field("Where the link stands.", name="from")
    to: URL = field("Where it leads.")
    claim: ClaimState = field("Whether it is returned or vouched for.")
    verifier: str | None = field("The host that vouches for it, or says that it has seen it returned.")
    verified_at: DateTime | None = field("When, by the word of that host.")
    due_at: DateTime | None = field(
        "Until when it holds: then it is checked again, if the viewer has allowed that (RECHECKS). Null where it is not.",
        name="validUntil",
    )
    checked_at: DateTime | None = field(
        "When it was last checked, whether or not anybody answered; null for what no look-up has read."
    )
    failing_since: DateTime | None = field("Since when it could not be confirmed; null where the last check has.")
    lapsed_at: DateTime | None = field("When it stopped counting as proof since nobody could confirm it.")
    strength: EvidenceStrength = field("What it is worth.")
    weight: float = field("Log-odds it adds; negative speaks against.")
    sentence: str = field("The reason in words.")
    contacts: list[ContactRef] = field("The records it ties or parts; at most 10.", loads.all_contacts)
    observed_at: DateTime = field("When it was noticed.")


@object_type("The same user id at one network.", of=evidence.ProviderIdEvidence)
class ProviderIdEvidence(Evidence):
    provider: ProviderRef = field("The network.", _provider)
    handle: str | None = field("The handle now.")
    strength: EvidenceStrength = field("What it is worth.")
    weight: float = field("Log-odds it adds; negative speaks against.")
    sentence: str = field("The reason in words.")
    contacts: list[ContactRef] = field("The records it ties or parts; at most 10.", loads.all_contacts)
    observed_at: DateTime = field("When it was noticed.")


@object_type("Names that agree or contradict.", of=suggestions.NameEvidence)
class NameEvidence(Evidence):
    left: str = field("One name.")
    right: str = field("The other name.")
    agreement: NameAgreement = field("How they compare.")
    strength: EvidenceStrength = field("What it is worth.")
    weight: float = field("Log-odds it adds; negative speaks against.")
    sentence: str = field("The reason in words.")
    contacts: list[ContactRef] = field("The records it ties or parts; at most 10.", loads.all_contacts)
    observed_at: DateTime = field("When it was noticed.")


@object_type("Another attribute that agrees or contradicts.", of=suggestions.AttributeEvidence)
class AttributeEvidence(Evidence):
    left: str = field("One value.")
    right: str = field("The other value.")
    agrees: bool = field("Whether they agree.")
    strength: EvidenceStrength = field("What it is worth.")
    weight: float = field("Log-odds it adds; negative speaks against.")
    sentence: str = field("The reason in words.")
    contacts: list[ContactRef] = field("The records it ties or parts; at most 10.", loads.all_contacts)
    observed_at: DateTime = field("When it was noticed.")
    field: PersonField = field("The attribute.")  # last: from here on the name means the attribute


@object_type("In what two people are alike, or differ.", of=suggestions.LikenessEvidence)
class LikenessEvidence(Evidence):
    strength: EvidenceStrength = field("What it is worth.")
    weight: float = field("Log-odds it adds; negative speaks against.")
    sentence: str = field("The reason in words.")
    contacts: list[ContactRef] = field("The records it ties or parts; at most 10.", loads.all_contacts)
    observed_at: DateTime = field("When it was noticed.")


@object_type("What the viewer said.", of=evidence.DecisionEvidence)
class DecisionEvidence(Evidence):
    verdict: Verdict = field("What was said.")
    merge: MergeRef | None = field("The decision.", _merge)
    strength: EvidenceStrength = field("What it is worth.")
    weight: float = field("Log-odds it adds; negative speaks against.")
    sentence: str = field("The reason in words.")
    contacts: list[ContactRef] = field("The records it ties or parts; at most 10.", loads.all_contacts)
    observed_at: DateTime = field("When it was noticed.")
