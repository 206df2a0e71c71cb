"""What is new in a mail is what its author wrote: history, signatures and appended lines go, answers and forwarded mail stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.formats.quoting import new_text

ATTRIBUTIONS = [
    "On Mon, 4 Mar 2024 at 10:15, Ada Example <ada@example.org> wrote:",
    "On Mon, 4 Mar 2024 at 10:15, Ada Example\n<ada@example.org> wrote:",
    "On 4 Mar 2024, at 10:15, Ada Example <ada@example.org>\nwrote:",
    "Ada Example wrote:",
    "Ada Example <ada@example.org> writes:",
    "Am Mo., 4. März 2024 um 10:15 Uhr schrieb Ada Example <\nada@example.org>:",
    "Am 04.03.2024 um 10:15 schrieb Ada Example:",
    "Ada Example schrieb am 04.03.2024 um 10:15:",
    "Am 4. März 2024 hat Ada Example geschrieben:",
    "Le lun. 4 mars 2024 à 10:15, Ada Example <ada@example.org> a écrit :",
    "Le 4 mars 2024 à 10:15, Ada Example <ada@example.org> a\u00a0écrit\u202f:",
    "El lun, 4 mar 2024 a las 10:15, Ada Example (<ada@example.org>) escribió:",
    "Em seg., 4 de mar. de 2024 às 10:15, Ada Example <ada@example.org>\nescreveu:",
    "Il giorno lun 4 mar 2024 alle ore 10:15 Ada Example <ada@example.org>\nha scritto:",
    "Il 04/03/2024 10:15, Ada Example ha scritto:",
    "Op ma 4 mrt 2024 om 10:15 schreef Ada Example <ada@example.org>:",
    "Op 04-03-2024 om 10:15 schreef Ada Example:",
    "2024年3月4日(月) 10:15 アダ <ada@example.org>:",
    "2024/03/04 10:15、アダ <ada@example.org>のメール:",
    "アダさんは書きました：",
    "2024-03-04 10:15 GMT+01:00 Ada Example <ada@example.org>:",
    "-----Ursprüngliche Nachricht-----",
    '04.03.2024 10:15 пользователь "ada@example.org" <\nada@example.org> написал:',
    "On 4-Mar-2024, at 10:15, Ada Example <ada@example.org> sent:",
]
OUTLOOK = {
    "en": "From: Ada Example <ada@example.org>\nSent: Monday, March 4, 2024 10:15\nTo: Robin\nSubject: Engine",
    "de": "Von: Ada Example <ada@example.org>\nGesendet: Montag, 4. März 2024 10:15\nAn: Robin\nBetreff: Maschine",
    "fr": "De : Ada Example <ada@example.org>\nEnvoyé : lundi 4 mars 2024 10:15\nÀ : Robin\nObjet : Machine",
    "es": "De: Ada Example <ada@example.org>\nEnviado el: lunes, 4 de marzo de 2024 10:15\nPara: Robin\nAsunto: Máquina",
    "pt": "De: Ada Example <ada@example.org>\nEnviada em: segunda-feira, 4 de março de 2024 10:15\nPara: Robin\nAssunto: Máquina",
    "it": "Da: Ada Example <ada@example.org>\nInviato: lunedì 4 marzo 2024 10:15\nA: Robin\nOggetto: Macchina",
    "nl": "Van: Ada Example <ada@example.org>\nVerzonden: maandag 4 maart 2024 10:15\nAan: Robin\nOnderwerp: Machine",
    "ja": "差出人: アダ <ada@example.org>\n送信日時: 2024年3月4日 10:15\n宛先: ロビン\n件名: 機械",
    "bold": "*From:* Ada Example <ada@example.org>\n*Sent:* Monday, March 4, 2024 10:15\n*To:* Robin\n*Subject:* Engine",
    "date first": "Date: Mon, 4 Mar 2024 10:15:00 +0000\nFrom: ada@example.org\nTo: robin@example.org\nSubject: Engine",
    "full-width colons": "差出人： アダ <ada@example.org>\n送信日時： 2024年3月4日 10:15\n宛先： ロビン\n件名： 機械",
}
ORIGINALS = [
    "-----Original Message-----",
    "-----Ursprüngliche Nachricht-----",
    "-------- Original-Nachricht --------",
    "-----Message d'origine-----",
    "-----Mensaje original-----",
    "-----Mensagem original-----",
    "-----Messaggio originale-----",
    "-----Oorspronkelijk bericht-----",
    "-----元のメッセージ-----",
    "---- Ada Example wrote ----",
]
APPENDED = [
    "Sent from my iPhone",
    "Get Outlook for iOS<https://mail.example.com/o>",
    "Von meinem iPhone gesendet",
    "Gesendet von Outlook für Android",
    "Envoyé de mon iPhone",
    "Enviado desde mi iPhone",
    "Enviado do meu iPhone",
    "Inviato da iPhone",
    "Verstuurd vanaf mijn iPhone",
    "iPhoneから送信",
]
FORWARDS = [
    "---------- Forwarded message ---------",
    "Begin forwarded message:",
    "-------- Weitergeleitete Nachricht --------",
    "Anfang der weitergeleiteten Nachricht:",
    "---------- Message transféré ---------",
    "---------- Messaggio inoltrato ---------",
    "---------- Doorgestuurd bericht ---------",
    "---------- 転送メッセージ ---------",
]


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
def test_an_answer_above_or_below_a_quotation_stays_and_the_quotation_goes(attribution: str) -> None:
    quoted = f"{attribution}\n\n> Shall we meet?\n>\n>> Yes, soon.\n> Ada"
    assert new_text(f"Tomorrow at ten.\n\nRobin\n\n{quoted}\n") == "Tomorrow at ten.\n\nRobin"
    assert new_text(f"{quoted}\n\nTomorrow at ten.\n") == "Tomorrow at ten."
    assert new_text(f"Dear Ada,\n\n{quoted}\n\nTomorrow at ten.\n") == "Dear Ada,\n\nTomorrow at ten."
    assert new_text(f"Tomorrow at ten.\n\n{quoted}\n".replace("\n", "\r\n")) == "Tomorrow at ten."


@pytest.mark.parametrize("header", OUTLOOK.values(), ids=list(OUTLOOK))
@pytest.mark.parametrize("rule", ["", "________________________________\n", "-----Original Message-----\n"])
def test_what_outlook_appends_under_its_header_is_history(header: str, rule: str) -> None:
    assert new_text(f"Tomorrow at ten.\n\n{rule}{header}\n\nShall we meet?\nAda\n") == "Tomorrow at ten."


@pytest.mark.parametrize("line", ORIGINALS)
def test_an_original_message_is_history(line: str) -> None:
    assert new_text(f"Tomorrow at ten.\n\n{line}\nShall we meet?\n") == "Tomorrow at ten."


def test_history_without_marks_goes_when_a_program_announced_it() -> None:
    announced = "On Monday, 4 March 2024 at 10:15, Ada Example wrote:\n\nShall we meet?"
    assert new_text(f"Tomorrow at ten.\n\n{announced}") == "Tomorrow at ten."


def test_answers_between_quotations_stay_with_what_they_answer() -> None:
    text = (
        "Hello Ada,\n\nOn Mon, 4 Mar 2024 at 10:15, Ada <ada@example.org> wrote:\n> Shall we meet?\nYes.\n\n> Where?\n\n"
        "At the mill.\n> Ada\n"
    )
    assert new_text(text) == "Hello Ada,\n\n> Shall we meet?\n\nYes.\n\n> Where?\n\nAt the mill."


def test_a_quotation_that_was_broken_on_its_way_is_no_answer() -> None:
    long = "> All of this was written by somebody whose program breaks its lines late"
    text = f"Tomorrow.\n\nAda wrote:\n{long}\nand twice\n> indeed.\n{long}\nagain\n> Ada\n"
    assert new_text(text) == "Tomorrow."
    asked = "> Shall we meet at the mill tomorrow, or would you like it better at home?"
    assert new_text(f"{asked}\nyes\n> Ada\n\n-- \nRobin") == f"{asked}\n\nyes"


def test_a_signature_goes_wherever_it_stands() -> None:
    assert new_text("Tomorrow.\n\n-- \nRobin\n+49 30 123\n") == "Tomorrow."
    assert new_text("Tomorrow.\n--\nRobin\n") == "Tomorrow."
    assert new_text("Tomorrow.\n\n-- \nRobin\n\nAda wrote:\n> Shall we?\n") == "Tomorrow."
    assert new_text("> Shall we?\n\nTomorrow.\n\n-- \nRobin\n") == "Tomorrow."


@pytest.mark.parametrize("line", APPENDED)
def test_what_a_phone_appends_goes(line: str) -> None:
    assert new_text(f"Tomorrow.\n\n{line}\n") == "Tomorrow."
    assert new_text(f"Tomorrow.\n\n{line}\n\nOn 4 Mar 2024, at 10:15, Ada wrote:\n\n> Shall we?\n") == "Tomorrow."


def test_what_a_mailing_list_appends_goes() -> None:
    footer = "_______________________________________________\nEngines mailing list\nengines@lists.example.org\n"
    assert new_text(f"Tomorrow.\n\n> Shall we?\n\n{footer}") == "Tomorrow."


@pytest.mark.parametrize("line", FORWARDS)
def test_forwarded_mail_is_content(line: str) -> None:
    text = (
        f"Please read this.\n\n{line}\nFrom: Ada <ada@example.org>\nDate: Mon, 4 Mar 2024\nSubject: Engine\n\n> It works.\n\nAda"
    )
    assert new_text(text) == text


def test_the_subject_tells_that_outlook_forwards() -> None:
    text = f"Please read this.\n\n{OUTLOOK['de']}\n\nIt works."
    assert new_text(text, "WG: Maschine") == text
    assert new_text(text, "AW: Maschine") == "Please read this."


@pytest.mark.parametrize(
    "text",
    [
        "> only a quotation\n> of two lines",
        "On 4 Mar 2024 at 10:15, Ada <ada@example.org> wrote:\n> only a quotation",
        "-- \nRobin",
        "Sent from my iPhone",
        OUTLOOK["en"] + "\n\nShall we meet?",
    ],
)
def test_a_text_of_nothing_else_stays_as_it_is(text: str) -> None:
    assert new_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "On Monday she wrote:\n\nwe should meet at ten.",
        "From: Berlin\nTo: Paris\nDate: 4 March 2024\n\nPlease book it.",
        "He wrote a book.\n\nOn the table: a pear.",
        "a -- b\n---\nc",
        "The list:\n- one\n- two\n\nRobin",
        "",
        "Le chat:\n\nun poème.",
    ],
)
def test_what_people_write_themselves_stays(text: str) -> None:
    assert new_text(text) == text


@pytest.mark.parametrize(
    "piece",
    ["On ", ">", "> ", "-", " ", "a ", "On On On", "From: ", "On 1:00 @", "-- \n", "a:\n", "> a\nb\n", "> a\n\n", "From: a\n",
     "On a\n", "_" * 30 + "\n", "Sent from my \n", "\n"],
)  # fmt: skip
def test_any_megabyte_of_bait_is_read_in_one_pass(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    for bait in (text, f"{text} wrote:", f"{text}\nwrote:\n> x", f"Yes.\n\n{text}"):
        assert len(new_text(bait)) <= len(bait) + 2 * bait.count("\n") + 2


def test_a_quotation_of_180_kilobytes_in_one_line_is_a_quotation() -> None:
    bait = "On On On 4 Mar 2024 at 10:15 " * 6_200
    assert new_text(f"Tomorrow.\n\nAda wrote:\n> {bait}\n") == "Tomorrow."
    assert new_text(f"Tomorrow.\n\n{bait}wrote:") == f"Tomorrow.\n\n{bait}wrote:"


@given(
    st.lists(
        st.sampled_from(["> a", "b", "", "-- ", "On 4 Mar 2024 at 10:15, A wrote:", "From: a@b", "Sent: x", "Subject: y", ">"])
    )
)
def test_a_text_is_never_emptied_and_nothing_is_invented(lines: list[str]) -> None:
    text = "\n".join(lines)
    found = new_text(text)
    assert bool(found) == bool(text.strip())
    assert set(found.split("\n")) <= {*text.split("\n"), text.strip(), ""} | set(text.strip().split("\n"))
