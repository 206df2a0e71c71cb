"""The invented people of the demo, as data. Nobody here exists; every address is at an example domain."""

from __future__ import annotations

from typing import Final

import msgspec

ME: Final = "robin@example.org"
MY_NAME: Final = "Robin Vale"
MY_HANDLE: Final = "robin"


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One invented person; `handle` where they are on the demo's social network."""

    name: str
    email: str
    phone: str | None = None
    organization: str | None = None
    title: str | None = None
    birthday: str | None = None
    handle: str | None = None
    in_address_book: bool = True


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    """A mail thread: who begins, about what, and what is said in turn. True = the viewer's turn."""

    other: str
    subject: str
    turns: tuple[tuple[bool, str], ...]
    days_ago: int


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """A direct conversation on the social network."""

    handle: str
    turns: tuple[tuple[bool, str], ...]


PEOPLE: Final = (
    Sample(name="Mira Okafor", email="mira@example.com", phone="+491711234501", organization="Harbour Studio", title="Architect",
           birthday="1986-04-12", handle="mira"),
    Sample(name="Jonas Lindqvist", email="jonas.lindqvist@example.net", phone="+46701234502", organization="Nordlys Energi", handle="jonas"),
    Sample(name="Tamsin Reyes", email="tamsin@example.org", phone="+447700900103", birthday="1991-11-03", handle="tamsin"),
    Sample(name="Łukasz Wiśniewski", email="lukasz@example.com", phone="+48501234504", organization="Piekarnia Pod Lipą", title="Baker"),
    Sample(name="佐藤 遥", email="haruka@example.net", phone="+819012345605", organization="みどり書房", handle="haruka"),
    Sample(name="Noor El-Sayed", email="noor@example.com", phone="+201001234506", organization="Delta Clinic", title="Physician"),
    Sample(name="Béatrice Fontaine", email="beatrice@example.org", phone="+33612345607", organization="Atelier Fontaine"),
    Sample(name="Dev Raman", email="dev.raman@example.net", phone="+919812345608", organization="Harbour Studio", title="Engineer",
           handle="dev"),
    Sample(name="Oona Virtanen", email="oona@example.com", phone="+358401234509", birthday="1979-01-30"),
    Sample(name="Caio Moreira", email="caio@example.org", phone="+5511912345610", organization="Radio Maré", handle="caio"),
    Sample(name="Greta Hofstätter", email="greta@example.net", phone="+436641234511", organization="Gasthaus Zur Linde"),
    Sample(name="Wren Achterberg", email="wren@example.com", phone="+31612345612", organization="Polder Works", title="Surveyor"),
    Sample(name="Ilse Brandt", email="ilse.brandt@example.org", in_address_book=False),
    Sample(name="Pavel Novotný", email="pavel@example.net", in_address_book=False),
    Sample(name="Sunniva Dahl", email="sunniva@example.com", handle="sunniva", in_address_book=False),
)  # fmt: skip

THREADS: Final = (
    Thread(other="mira@example.com", subject="Plans for the boathouse", days_ago=3, turns=(
        (False, "Hi Robin,\n\nthe drawings for the boathouse are ready. Shall we go through them on Thursday?\n\nMira"),
        (True, "Thursday at ten works. I will bring the measurements of the slipway.\n\nRobin"),
        (False, "Perfect. Dev joins us for the roof.\n\nMira"))),
    Thread(other="mira@example.com", subject="Lunch after the site visit", days_ago=20, turns=(
        (True, "Shall we try the new place by the quay afterwards?"), (False, "Yes! I have wanted to go since spring."))),
    Thread(other="mira@example.com", subject="Keys of the studio", days_ago=41, turns=(
        (False, "I left the spare keys with Greta at the Gasthaus."), (True, "Thank you, I will pick them up tonight."))),
    Thread(other="jonas.lindqvist@example.net", subject="Panels on the south roof", days_ago=6, turns=(
        (False, "Hej Robin, the offer for the panels is attached to our portal. Twelve panels fit."),
        (True, "Twelve sounds right. What about the chimney's shadow?"),
        (False, "We move the string, then it costs you three percent a year."))),
    Thread(other="tamsin@example.org", subject="Choir in December", days_ago=9, turns=(
        (False, "We are two basses short for the 12th. Could you step in?"), (True, "Gladly. Which edition do you sing from?"))),
    Thread(other="lukasz@example.com", subject="Zamówienie na sobotę", days_ago=12, turns=(
        (True, "Dzień dobry! Trzy bochenki na sobotę, jak zwykle."), (False, "Będą gotowe o ósmej. Pozdrawiam, Łukasz"))),
    Thread(other="haruka@example.net", subject="本の到着について", days_ago=15, turns=(
        (False, "ご注文の本が届きました。店でお待ちしています。"), (True, "ありがとうございます。土曜日に伺います。"))),
    Thread(other="noor@example.com", subject="Results", days_ago=30, turns=(
        (False, "Everything is fine, no need to come in again before spring."), (True, "That is good to hear. Thank you, Noor."))),
    Thread(other="beatrice@example.org", subject="Le cadre est prêt", days_ago=33, turns=(
        (False, "Bonjour Robin, le cadre est prêt. À bientôt !"),)),
    Thread(other="dev.raman@example.net", subject="Load on the roof beams", days_ago=4, turns=(
        (False, "The snow load is within limits if we double the second beam."), (True, "Then let us double it."))),
    Thread(other="caio@example.org", subject="Entrevista na rádio", days_ago=50, turns=(
        (False, "Oi Robin! Topa falar do projeto na terça?"), (True, "Topo! A que horas?"), (False, "Às nove, no estúdio."))),
    Thread(other="wren@example.com", subject="Survey of the plot", days_ago=60, turns=(
        (False, "The boundary stone is 40 cm off. I will mark the right place."), (True, "Thank you, I told the neighbours."))),
    Thread(other="ilse.brandt@example.org", subject="Nachbarschaftsfest", days_ago=70, turns=(
        (False, "Wer bringt die Bänke mit? Viele Grüße, Ilse"), (True, "Wir haben vier, ich bringe sie am Freitag."))),
    Thread(other="pavel@example.net", subject="Bicycle", days_ago=80, turns=((False, "The wheel is true again, come by any time."),)),
    Thread(other="sunniva@example.com", subject="Weekend at the fjord", days_ago=2, turns=(
        (False, "The cabin is free on the 6th. Are you in?"), (True, "We are in! Who brings the boat?"))),
)  # fmt: skip

CHATS: Final = (
    Chat(handle="mira", turns=((False, "the model of the boathouse is in the window now"), (True, "passing by tonight!"))),
    Chat(handle="tamsin", turns=((False, "rehearsal moved to seven"), (True, "got it, thanks"))),
    Chat(handle="caio", turns=((False, "o programa foi ao ar hoje"), (True, "ouvi! ficou ótimo"))),
    Chat(handle="sunniva", turns=((False, "boat is sorted"),)),
)

NEWSLETTERS: Final = (
    ("Harbour Weekly <news@example.com>", "Harbour Weekly: what is on at the quay"),
    ("Harbour Weekly <news@example.com>", "Harbour Weekly: the crane is back"),
)
