"""A small household with a bit of everything that can be shown: cards, threads, a newsletter, an import with a bad row."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from providers import records
from store import ids
from store.tables import import_row, import_run
from tests.household import ME, Household, card, follower, mail

NAMES = ("Ada Lovelace", "Grace Hopper", "Ida Rhodes", "Mary Shaw", "Karen Spärck Jones")


class Village(msgspec.Struct, frozen=True, kw_only=True):
    """The ids that tests ask for."""

    book: str
    box: str
    social: str
    import_id: str


def address(name: str) -> str:
    """The mail address of one of the five."""
    return f"{name.split()[0].lower()}@example.org"


async def settle(household: Household) -> Village:
    """Fill an empty household."""
    book = await household.account("vcard", "cards")
    box = await household.account("mbox", ME, own=[ME])
    social = await household.account("mastodon", "robin@social.example", mode="LIVE")
    await household.take(
        book,
        *(
            card(
                f"card-{n}",
                name,
                address(name),
                phones=[f"+4915112345{n:02}"],
                urls=["https://ada.example.org/"] if n == 0 else [],
                organizations=(records.Organization(name="Analytical Engines", title="Engineer"),),
                dates=(records.PartialDate(month=12, day=10, label="birthday"),),
                vcard="BEGIN:VCARD\r\nVERSION:4.0\r\nEND:VCARD\r\n",
                groups=("Friends",),
                bio="Writes programs.",
            )
            for n, name in enumerate(NAMES)
        ),
    )
    mails = []
    for n, name in enumerate(NAMES):
        first = 100 * (n + 1)
        mails += [
            mail(
                first, address(name), name=name, text=f"Hello from {name}, about the engine.", unread=True, subject=f"Engine {n}"
            ),
            mail(first + 1, ME, address(name), answers=[first], name="Robin", unread=False, subject=f"Re: Engine {n}"),
            mail(first + 2, address(name), answers=[first, first + 1], unread=True, subject=f"Re: Engine {n}"),
            mail(first + 50, address(name), name=name, text="Another matter.", unread=False),
        ]
    header = records.Header(name="List-Id", value="<news.example.com>")
    letter = mail(900, "news@example.com", category="NEWSLETTER", headers=(header,), category_reason="It says List-Id.")
    await household.take(box, *mails, letter)
    await household.take(
        social, follower("ada", "Ada", urls=[records.Url(url="https://ada.example.org/", verified=True)]), live=True
    )
    await household.resolve()
    return Village(
        book=book, box=box, social=social, import_id=await household.database.write(household.viewer, _import, book, household)
    )


def _import(conn: Connection, viewer: str, account_id: str, household: Household) -> str:
    import_id = ids.mint("IMPORT")
    conn.execute(
        import_run.insert().values(
            viewer_id=viewer,
            id=import_id,
            file_name="friends.vcf",
            format="VCARD",
            state="DONE",
            account_id=account_id,
            plan=b"{}",
            created=5,
            failed=1,
            done=6,
            total=6,
            created_at=household.now,
            started_at=household.now,
            finished_at=household.now,
        )
    )
    rows = [
        {"position": n, "outcome": "CREATED", "reason": None, "message": None, "excerpt": None, "line": n * 10}
        for n in range(1, 6)
    ]
    rows.append(
        {
            "position": 6,
            "outcome": "FAILED",
            "reason": "UNREADABLE",
            "message": "The card has no end.",
            "excerpt": "BEGIN:VCARD",
            "line": 60,
        }
    )
    conn.execute(
        import_row.insert(), [{"viewer_id": viewer, "import_id": import_id, "path": "friends.vcf", **row} for row in rows]
    )
    return import_id
