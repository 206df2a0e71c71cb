"""Whose mailbox a file is: finds the one address that sends from it and that the rest is addressed to.

The rule: an address that stands in From, To, Cc or Delivered-To of at least 60 % of the mails, and at least once in From. When
several do (somebody who keeps mail of one friend only), the one known as the user's own elsewhere; else the one in
Delivered-To; else nobody, for a wrong answer would make a stranger of the user. Nobody, too, where most mails say that they were
delivered to another address, which never sends. Fed header by header; keeps only counts.
"""

from __future__ import annotations

from collections import Counter

from providers.formats import address_list

SHARE = 0.6
CANDIDATES = 10  # how many are reported
MAX_ADDRESSES = 200_000  # counted; a file with more of them tells no more


class OwnAddressInference:
    """Counts in how many mails an address occurs, and where."""

    def __init__(self) -> None:
        self._mails = 0
        self._anywhere: Counter[str] = Counter()
        self._sender: Counter[str] = Counter()
        self._delivered: Counter[str] = Counter()

    def feed(self, senders: str, recipients: list[str], delivered_to: list[str]) -> None:
        """One mail: its From, its To and Cc, and its Delivered-To fields, as they stand in the header."""
        self._mails += 1
        sent = self._addresses([senders])
        delivered = self._addresses(delivered_to)
        for address in sent | delivered | self._addresses(recipients):
            if address in self._anywhere or len(self._anywhere) < MAX_ADDRESSES:
                self._anywhere[address] += 1
        self._sender.update(address for address in sent if address in self._anywhere)
        self._delivered.update(address for address in delivered if address in self._anywhere)

    def candidates(self) -> tuple[tuple[str, float], ...]:
        """Addresses that the user may have, with the share of mails they stand on, best first."""
        ranked = sorted(self._anywhere, key=lambda address: (-self._anywhere[address], -self._delivered[address], address))
        return tuple((address, self._anywhere[address] / self._mails) for address in ranked[:CANDIDATES])

    def inferred(self, known_own: frozenset[str] = frozenset()) -> str | None:
        """The user's address by the rule, or None when the mails cannot tell. `known_own`: addresses known as own elsewhere."""
        enough = [address for address, count in self._anywhere.items() if self._sender[address] and count >= SHARE * self._mails]
        known = {address.lower() for address in known_own}
        for tie in (
            enough,
            [address for address in enough if address in known],
            [item for item in enough if self._delivered[item]],
        ):
            if len(tie) == 1:
                return None if self._contradicted(tie[0]) else tie[0]
        return None

    def _contradicted(self, address: str) -> bool:
        """Whether the mails were delivered to somebody else: a folder of one friend's letters is not the friend's mailbox."""
        if self._delivered[address] or not self._delivered:
            return False
        return max(self._delivered.values()) >= SHARE * self._mails

    def _addresses(self, values: list[str]) -> set[str]:
        return {address.lower() for value in values for _, address in address_list.mailboxes(value)[:100]}
