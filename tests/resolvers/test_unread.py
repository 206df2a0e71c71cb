"""Numbers for badges: what is unread counts once, wherever it lies; what nobody keeps is unknown, not zero."""

from __future__ import annotations

from typing import Any

import pytest

from tests.asking import Desk
from tests.household import ME, Household, card, mail

UNREAD = "{ viewer { unread { conversations messages byAccount { account { label } conversations messages } } } }"


@pytest.fixture
def desk(household: Household) -> Desk:
    return Desk(household)


async def counts(desk: Desk) -> tuple[int, int, dict[str, Any]]:
    unread = (await desk.ask(UNREAD))["viewer"]["unread"]
    by_account = {u["account"]["label"]: (u["conversations"], u["messages"]) for u in unread["byAccount"]}
    return unread["conversations"], unread["messages"], by_account


async def test_a_mail_in_two_accounts_counts_once_and_in_both(desk: Desk) -> None:
    one = await desk.household.account("mbox", ME, own=[ME])
    two = await desk.household.account("imap", "robin")
    both = mail(1, "ada@example.org", unread=True)
    await desk.household.take(one, both, mail(2, "ada@example.org", unread=True), mail(3, "ida@example.org", unread=False))
    await desk.household.take(two, both)
    assert await counts(desk) == (2, 2, {f"mbox {ME}": (2, 2), "imap robin": (1, 1)})


@pytest.mark.parametrize("first", [True, False])
async def test_read_in_one_place_is_read(desk: Desk, first: bool) -> None:
    one = await desk.household.account("mbox", ME, own=[ME])
    two = await desk.household.account("imap", "robin")
    await desk.household.take(one, mail(1, "ada@example.org", unread=first))
    await desk.household.take(two, mail(1, "ada@example.org", unread=not first))
    conversations, messages, _ = await counts(desk)
    assert (conversations, messages) == (0, 0)


async def test_an_account_that_keeps_no_read_state_has_no_numbers(desk: Desk) -> None:
    files = await desk.household.account("mbox", ME, own=[ME])
    book = await desk.household.account("vcard")
    await desk.household.take(files, mail(1, "ada@example.org", unread=None))
    await desk.household.take(book, card("1", "Ada"))
    assert await counts(desk) == (0, 0, {f"mbox {ME}": (None, None), "vcard files": (None, None)})
