"""Address books as tables and directories: one book in seven forms is one book, whatever wrote it. All people are invented."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import address_book
from providers import records
from providers.archives.recognition import recognise
from providers.base import catalogue
from providers.formats import contact_columns, csv_contact
from providers.formats.charset_guess import guessed

FORMS = tuple(address_book.WRITERS)


def rows_of(path: Path, *, region: str | None = None, cursor: bytes | None = None) -> list[records.Row]:
    """Everything in a file, whose format is told by its content."""
    ((provider, paths),) = recognise([path]).groups
    assert provider.archive is not None
    pages = list(provider.archive.pages(paths, cursor, own=frozenset(), region=region))
    rows = [row for page in pages for row in page.rows]
    if cursor is None:
        assert [statement.expected for statement in pages[-1].statements] == [len(rows)]
    return rows


def contacts_of(path: Path, **more: str) -> list[records.Contact]:
    return [row.item for row in rows_of(path, **more) if isinstance(row.item, records.Contact)]  # type: ignore[arg-type]


def table(tmp_path: Path, text: str, codec: str = "utf-8") -> Path:
    path = tmp_path / "book.csv"
    path.write_bytes(text.encode(codec))
    return path


@pytest.mark.parametrize("form", FORMS)
def test_one_book_in_any_form_is_one_book(tmp_path: Path, form: str) -> None:
    cards = address_book.people(150)
    found = contacts_of(address_book.write(cards, form, tmp_path / "book"))
    assert [address_book.seen(contact) for contact in found] == [address_book.held(card, form) for card in cards]


def test_the_same_person_has_the_same_key_in_every_form(tmp_path: Path) -> None:
    cards = address_book.people(40)
    keys = [[c.key for c in contacts_of(address_book.write(cards, form, tmp_path / form))] for form in FORMS]
    assert all(found == keys[0] for found in keys) and len(set(keys[0])) == 40


@pytest.mark.parametrize("form", FORMS)
def test_each_broken_row_is_named_and_its_neighbours_are_read(tmp_path: Path, form: str) -> None:
    cards, spoiled = address_book.people(60), [2, 5, 10, 14, 15, 16, 40, 59]
    path = tmp_path / "book"
    path.write_bytes(address_book.break_rows(cards, form, spoiled))
    found = rows_of(path)
    broken = [row for row in found if isinstance(row.item, records.Unreadable)]
    assert [row.place.position - 1 for row in broken if row.place] == spoiled
    assert all(row.item.message.endswith(".") and row.item.excerpt for row in broken)  # type: ignore[union-attr]
    assert all(row.place is not None and row.place.line for row in broken)
    good = [address_book.seen(row.item) for row in found if isinstance(row.item, records.Contact)]
    assert good == [address_book.held(card, form) for card in cards if card.number not in spoiled]


@pytest.mark.parametrize("form", ["google", "outlook", "yahoo", "ldif"])
def test_reading_goes_on_from_every_page(tmp_path: Path, form: str) -> None:
    path = tmp_path / "book"
    path.write_bytes(address_book.break_rows(address_book.people(320), form, [3, 99, 100, 101]))
    ((provider, paths),) = recognise([path]).groups
    assert provider.archive is not None
    pages = list(provider.archive.pages(paths, None, own=frozenset(), region=None))
    whole = [row for page in pages for row in page.rows]
    done = 0
    for page in pages:
        done += len(page.rows)
        assert rows_of(path, cursor=page.cursor) == whole[done:]


@pytest.mark.parametrize("form", ["google", "ldif"])
def test_a_book_cut_anywhere_is_read_and_adds_up(tmp_path: Path, form: str) -> None:
    path = address_book.write(address_book.people(2), form, tmp_path / "book")
    data = path.read_bytes()
    archive = catalogue()[address_book.PROVIDER_OF[form]].archive
    assert archive is not None
    for size in range(len(data)):
        path.write_bytes(data[:size])
        pages = list(archive.pages([path], None, own=frozenset(), region=None))
        expected = pages[-1].statements[0].expected
        assert sum(len(page.rows) for page in pages) == expected
        assert archive.scan([path], frozenset()).expected in ({"book": expected}, {})


# --- CSV ------------------------------------------------------------------------------------------------------------------

GERMAN = (
    "Anrede;Vorname;Nachname;Firma;E-Mail-Adresse;E-Mail-Typ;Straße geschäftlich;Ort geschäftlich;Geburtstag;Telefon (privat)\r\n"
)


@pytest.mark.parametrize(
    ("codec", "text", "name"),
    [
        ("utf-8-sig", "First Name;Last Name;E-mail\nZoë;Łoś;z@example.org\n", "Zoë Łoś"),
        ("utf-16", "First Name\tLast Name\tE-mail\nZoë\tŁoś\tz@example.org\n", "Zoë Łoś"),
        ("utf-16-le", "First Name\tLast Name\tE-mail\nZoë\tLos\tz@example.org\n", "Zoë Los"),
        ("cp1252", "Vorname;Nachname;E-Mail\nJörg;Müßig – „Joe“;j@example.org\n", "Jörg Müßig – „Joe“"),
        ("mac-roman", "Prénom\tNom\tAdresse de messagerie\rÉlise\tDurée\te@example.org\r", "Élise Durée"),
        ("cp1250", "Name,E-mail\nZażółć Gęślą,z@example.org\nŁukasz Jaźń,l@example.org\n", "Zażółć Gęślą"),
        ("cp1251", "Name,E-mail\nИван Петров,i@example.org\n", "Иван Петров"),
        ("cp932", "姓,名,電子メール アドレス\n山田,太郎,t@example.org\n", "太郎 山田"),
    ],
)
def test_every_charset_is_told_from_the_text(tmp_path: Path, codec: str, text: str, name: str) -> None:
    assert contacts_of(table(tmp_path, text, codec))[0].names[0].full == name


def test_names_of_columns_in_one_word_are_understood_and_a_cell_may_list_several_values(tmp_path: Path) -> None:
    text = (
        "FirstName,LastName,Emails,PhoneNumbers\n"
        'Cleo,Muster,"cleo@example.com, c.muster@example.org","+49 30 1234567; +49 151 00000001"\n'
        'Dan,Sample,"""Sample, Dan"" <dan@example.com>","+1 212 5550100,,42"\n'
    )
    cleo, dan = contacts_of(table(tmp_path, text))
    assert [email.address for email in cleo.emails] == ["cleo@example.com", "c.muster@example.org"]
    assert [phone.raw for phone in cleo.phones] == ["+49 30 1234567", "+49 151 00000001"]
    assert [phone.raw for phone in dan.phones] == ["+1 212 5550100,,42"], "what is dialled after a pause is no number of its own"
    assert len(dan.emails) == 1


def test_a_charset_is_told_from_any_pieces() -> None:
    assert guessed([b"a\xc3", b"\xa9"]) == "utf-8"
    assert guessed([b"caf\xe9, na\xefve"]) == "cp1252"
    assert guessed([]) == "utf-8"


@pytest.mark.parametrize(
    ("language", "headers"),
    [
        ("English", "First Name|Last Name|Company|Home Street|Business City|Home Phone 2|E-mail 2 Address|Birthday|Notes"),
        (
            "German",
            "Vorname|Nachname|Firma|Straße privat|Ort geschäftlich|Telefon (privat 2)|E-Mail 2: Adresse|Geburtstag|Notizen",
        ),
        (
            "French",
            "Prénom|Nom|Société|Rue (domicile)|Ville (bureau)|Téléphone 2 (domicile)|Adresse de messagerie 2|Anniversaire|Notes",
        ),
        (
            "Spanish",
            "Nombre|Apellidos|Organización|Calle particular|Ciudad de trabajo|Teléfono particular 2|"
            "Dirección de correo electrónico 2|Cumpleaños|Notas",
        ),
        (
            "Italian",
            "Nome|Cognome|Società|Via (ab.)|Città (uff.)|Abitazione 2|Indirizzo posta elettronica 2|Compleanno|Notes",
        ),
        (
            "Portuguese",
            "Nome|Sobrenome|Empresa|Rua residencial|Cidade comercial|Telefone residencial 2|Endereço de email 2|Aniversário|Anotações",
        ),
        ("Dutch", "Voornaam|Achternaam|Bedrijf|Straat (thuis)|Plaats (werk)|Telefoon thuis 2|E-mailadres 2|Verjaardag|Notities"),
        ("Japanese", "名|姓|会社名|番地 (自宅)|市区町村 (会社)|自宅電話 2|電子メール 2 アドレス|誕生日|メモ"),
    ],
)
def test_outlook_is_understood_in_its_languages(language: str, headers: str) -> None:
    found = contact_columns.recognised(headers.split("|"))
    assert [(c.means, c.label, c.part, c.number) for c in found.columns if c] == [
        ("given", "", "", 1), ("family", "", "", 1), ("org", "", "", 1), ("adr", "home", "street", 1), ("adr", "work", "city", 1),
        ("tel", "home", "", 2), ("email", "", "", 2), ("birthday", "", "", 1), ("note", "", "", 1),
    ]  # fmt: skip
    assert found.name.endswith(language) or language == "English"


def test_google_puts_several_values_into_one_cell_and_stars_its_own_words(tmp_path: Path) -> None:
    text = (
        "First Name,Labels,E-mail 1 - Label,E-mail 1 - Value,Event 1 - Label,Event 1 - Value,Custom Field 1 - Value\n"
        "Ada,* myContacts ::: Choir,* Work,a@example.org ::: b@example.org,Name day,2020-05-06,blue\n"
    )
    (found,) = contacts_of(table(tmp_path, text))
    assert [(email.address, email.label, email.preferred) for email in found.emails] == [
        ("a@example.org", "work", True),
        ("b@example.org", "work", False),
    ]
    assert found.groups == ("myContacts", "Choir")
    assert found.dates == (records.PartialDate(year=2020, month=5, day=6, label="name day"),)
    assert found.vcard is not None and "X-COLUMN:Custom Field 1 - Value;blue" in found.vcard


def test_what_google_wrote_before_2024_is_read_too(tmp_path: Path) -> None:
    text = (
        "Name,Given Name,Family Name,Group Membership,E-mail 1 - Type,E-mail 1 - Value,Phone 1 - Type,Phone 1 - Value,"
        "Organization 1 - Type,Organization 1 - Name,Organization 1 - Title\n"
        "Ada Love,Ada,Love,* My Contacts,* Home,ada@example.org,Mobile,+447700900001,,Boats,Captain\n"
    )
    (found,) = contacts_of(table(tmp_path, text))
    assert (found.names[0].full, found.emails[0].label, found.phones[0].label) == ("Ada Love", "home", "cell")
    assert found.organizations == (records.Organization(name="Boats", title="Captain"),)


def test_outlook_writes_no_date_as_zeros_and_addresses_of_exchange_as_none(tmp_path: Path) -> None:
    row = "Herr;Jörg;Müller;Boote;/o=Firma/cn=Empfänger;EX;Kai 1;Köln;0.0.00;0170 1234567\r\n"
    (found,) = contacts_of(table(tmp_path, GERMAN + row, "cp1252"), region="DE")
    assert (found.names[0].prefix, found.emails, found.dates) == ("Herr", (), ())
    assert (found.phones[0].number, found.phones[0].label) == ("+491701234567", "home")
    assert found.addresses == (records.Address(formatted="Kai 1\nKöln", street="Kai 1", locality="Köln", label="work"),)
    assert found.vcard is not None and "/o=Firma/cn=Empfänger" in found.vcard.replace("\r\n ", "")


@pytest.mark.parametrize(
    ("dates", "wanted"),
    [
        (("3/4/1980", "12/28/1969"), (1980, 3, 4)),
        (("3/4/1980", "28/12/1969"), (1980, 4, 3)),
        (("3.4.1980", "1.2.1969"), (1980, 4, 3)),
        (("1980-04-03", "x"), (1980, 4, 3)),
        (("1980年4月3日", ""), (1980, 4, 3)),
        ((" --04-03", ""), (None, 4, 3)),
        (("Apr 3, 1980", ""), (1980, 4, 3)),
        (("19800403", ""), (1980, 4, 3)),
        (("4/3/80", "12/28/69"), (None, 4, 3)),
    ],
)
def test_the_order_of_dates_is_told_by_the_whole_column(
    tmp_path: Path, dates: tuple[str, ...], wanted: tuple[int | None, int, int]
) -> None:
    text = "Name,E-mail,Birthday\n" + "".join(f'P{n},p{n}@example.org,"{date}"\n' for n, date in enumerate(dates))
    (day,) = contacts_of(table(tmp_path, text))[0].dates
    assert (day.year, day.month, day.day) == wanted


def test_what_a_spreadsheet_damaged_is_kept_and_not_believed(tmp_path: Path) -> None:
    text = 'Name;E-mail;Phone\nA;a@example.org;4,92E+11\nB;b@example.org;\'0170 1234567\nC;c@example.org;"=""0170 7654321"""\n'
    first, second, third = contacts_of(table(tmp_path, text), region="DE")
    assert first.phones == () and first.vcard is not None and "4\\,92E+11" in first.vcard
    assert [contact.phones[0].number for contact in (second, third)] == ["+491701234567", "+491707654321"]


def test_what_is_not_understood_is_kept_and_told_once(tmp_path: Path) -> None:
    path = table(tmp_path, "Name,Mail,Shoe size,Empty\nAda,a@example.org,38,\nBob,b@example.org,,\n")
    assert "X-COLUMN:Shoe size;38" in str(contacts_of(path)[0].vcard)
    archive = catalogue()["csv"].archive
    assert archive is not None
    (remark,) = archive.scan([path], frozenset()).remarks
    assert remark == "book.csv: read as a table by the words of its columns; not understood and kept as they are: Shoe size."


def test_a_quotation_mark_that_is_never_closed_takes_no_neighbour_with_it(tmp_path: Path) -> None:
    text = 'Name,E-mail,Notes\n"Ada,a@example.org,x\nBob,b@example.org,"two\nlines, a ""word"""\nCid,c@example.org,5" pipe\n'
    broken, bob, cid = rows_of(table(tmp_path, text))
    assert isinstance(broken.item, records.Unreadable) and "quotation mark" in broken.item.message
    assert isinstance(bob.item, records.Contact) and bob.item.note == 'two\nlines, a "word"'
    assert isinstance(cid.item, records.Contact) and cid.item.note == '5" pipe'
    assert [row.place.line for row in (broken, bob, cid) if row.place] == [2, 3, 5]


def test_excels_instruction_a_repeated_heading_and_a_row_of_commas_are_no_people(tmp_path: Path) -> None:
    text = "sep=;\nName;E-mail\nAda;a@example.org\n\nName;E-mail\n;;\nnobody;\n;no address\n"
    found = rows_of(table(tmp_path, text))
    assert [getattr(row.item, "reason", "") for row in found] == ["", "EXCLUDED", "EMPTY", "", "UNREADABLE"]


@pytest.mark.parametrize(
    "text",
    [
        "Date,Amount,Text\n2024-01-01,5,x\n",
        "Account,Show boosts,Notify on new posts,Languages\na@b.example,true,false,\n",
        "import csv\nimport email\n",
        "Dear Ada, my e-mail is new, my phone too.\n",
        "<html>name,email</html>",
        '{"name": 1, "email": 2}',
        "Name,Rank\nAda,1\n",
    ],
)  # fmt: skip
def test_other_tables_and_texts_are_left_alone(tmp_path: Path, text: str) -> None:
    found = recognise([table(tmp_path, text)])
    assert found.groups == [] and found.unrecognised


def test_a_row_over_a_megabyte_is_named_and_the_next_one_read(tmp_path: Path) -> None:
    text = f"Name,E-mail\nAda,{'x' * 3_000_000}\nBob,b@example.org\n"
    large, bob = rows_of(table(tmp_path, text))
    assert isinstance(large.item, records.Unreadable) and large.item.reason == "TOO_LARGE"
    assert isinstance(bob.item, records.Contact)


def test_dates_that_are_none_are_kept_as_text() -> None:
    assert csv_contact.date("someday", "UNKNOWN") is None
    assert csv_contact.date("99/99/2000", "UNKNOWN") is None
    assert csv_contact.date("0000-00-00", "UNKNOWN") == ""


# --- LDIF -----------------------------------------------------------------------------------------------------------------


def test_ldif_entries_are_unfolded_decoded_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "book"
    path.write_bytes(
        b"# exported\nversion: 1\n\ndn:: Y249QWRh\nobjectclass: inetOrgPerson\nsn:: TMO2dmU=\ngivenName;lang-en: Ad\n a\n"
        b"mail: ada@example.org\nhomePostalAddress: Way 1$1234 Ham\nlabeledURI: https://example.org/~ada her page\n"
        b"birthDate: 1980-02-03\nuserPassword: secret\nmozillaCustom1: blue\nmodifytimestamp: 20240506070809Z\n"
        b"jpegPhoto:: /9j/4AAQSkZJRg==\nnote: caf\xe9\n"
    )
    (found,) = contacts_of(path)
    assert (found.names[0].given, found.names[0].family, found.note) == ("Ada", "Löve", "café")
    assert found.addresses == (records.Address(formatted="Way 1\n1234 Ham", label="home"),)
    assert found.urls == (records.Url(url="https://example.org/~ada", label="her page"),)
    assert found.photo is not None and found.photo.media_type == "image/jpeg"
    assert found.dates[0].year == 1980 and found.updated_at is not None
    assert found.vcard is not None and "mozillacustom1;blue" in found.vcard and "secret" not in found.vcard


def test_changes_urls_branches_and_lists_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "book"
    path.write_bytes(
        b"dn: ou=people,dc=example\nobjectClass: organizationalUnit\nou: people\n\n"
        b"dn: cn=a\nchangetype: modify\nreplace: mail\nmail: x@example.org\n-\n\n"
        b"dn: cn=b\nobjectClass: person\ncn: b\njpegPhoto:< file:///etc/passwd\n\n"
        b"dn: cn=Choir\nobjectClass: groupOfNames\ncn: Choir\nmember: cn=a\n\n"
        b"dn: cn=c\nchangetype: add\nobjectClass: person\ncn: Cid\nsn: Cid\n"
    )
    branch, change, url, group, added = (row.item for row in rows_of(path))
    assert isinstance(branch, records.Unreadable) and (branch.outcome, branch.reason) == ("SKIPPED", "UNSUPPORTED")
    assert isinstance(change, records.Unreadable) and "change to an entry (modify)" in change.message
    assert isinstance(url, records.Unreadable) and "not fetched" in url.message
    assert isinstance(group, records.Contact) and group.nature == "GROUP"
    assert isinstance(added, records.Contact) and added.names[0].full == "Cid"
