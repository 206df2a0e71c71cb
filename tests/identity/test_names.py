"""Names as people, networks and mail programs write them, and which two of them can be one person's."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resolvers.identity.names import Likeness, compare, mediated, parse, people


def likeness(one: str, other: str) -> Likeness:
    return max((compare(a, b) for a in people((one,)) for b in people((other,))), default=Likeness.SILENT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Carr, Patricia", "Patricia Carr"),
        ("Dr. Bárbara Galindo, M.Sc.", "Barbara Galindo"),
        ("Luciano Abad - Harbour Inc", "Luciano Abad"),
        ("Luciano Abad (Harbour Inc)", "LUCIANO ABAD"),
        ("Müller, Jürgen", "Juergen Mueller"),
        ("Chaikovskiy Yuri", "Юрий Чайковский"),
        ("王伟", "Wei Wang"),
        ("王志强", "Chih-chiang Wong"),
        ("佐藤花子", "Hanako Satoh"),
        ("한민준", "Min-jun Han"),
        ("عبد الرحمن حداد", "Abdelrahman Haddad"),
        ("כהן משה", "Moshe Cohen"),
        ("लक्ष्मण शर्मा", "Laxman Sharma"),
        ("Γιώργος Οικονόμου", "George Economou"),
        ("Sasha Petrov", "Aleksandr Petrow"),
        ("Ctirad J. Vávra", "Ctirad Várva"),
        ("Олена Гончаренко (Olena Honcharenko)", "Elena Goncharenko"),
        ("Bill Miller", "William Miller"),
        ("Stig Andersson | Hiring!", "Stig Andersson"),
        ("Mohamed Haddad", "Mohamad Haddad"),
        ("Abdulrahman Haddad", "Abdelrahman Haddad"),
        ("Катя Орлова", "Ekaterina Orlova"),
        ("ALEXANDER ORLOV", "Александр Орлов"),
    ],
)
def test_spellings_of_one_name_agree(one: str, other: str) -> None:
    assert likeness(one, other) >= Likeness.AGREES
    assert likeness(other, one) >= Likeness.AGREES


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Tim Clarke", "Tom Clarke"), ("Joshua Watkins", "Janet Watkins"), ("Robin Anderson", "Ruben Anderson"), ("Daniel Berg", "Daniela Berg"),
        ("Mario Rossi", "Maria Rossi"), ("Martin Chantal", "Émile Martin"), ("Jan Novak Jr.", "Jan Novak Sr."), ("John A. Smith", "John B. Smith"),
        ("كريم حداد", "Ali Haddad"), ("王伟", "Li Wang"), ("Kristian Holm", "Kristina Holm"),
        ("Calvin Henry", "Colleen Henry"), ("Bobby Rodriguez", "Barbara Rodriguez"), ("Karsten Holm", "Kirsten Holm"),
        ("Karim Haddad", "Karam Haddad"),
        ("Bill Miller", "Robert Miller"), ("Keith Miller", "Katherine Miller"), ("Andrew Berg", "Andrea Berg"), ("Colin Berg", "Colleen Berg"),
    ],
)  # fmt: skip
def test_names_of_two_people_contradict(one: str, other: str) -> None:
    assert likeness(one, other) == Likeness.CONTRADICTS
    assert likeness(other, one) == Likeness.CONTRADICTS


@pytest.mark.parametrize(("one", "other"), [("V. Moss", "Victor Moss"), ("Маша", "Мария Михайлова"), ("Ada", "Ada Lovelace")])
def test_a_part_of_a_name_is_compatible_with_it(one: str, other: str) -> None:
    assert likeness(one, other) == Likeness.COMPATIBLE


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Adela Toman", "Adéla Vávra"),
        ("Käthe Holm", "Kaethe Berg"),
        ("Наталья Орлова", "Natalya Berg"),
        ("Natalia Mikhailova", "Natalya Mihajlowa"),
    ],
)
def test_a_new_family_name_agrees_in_part(one: str, other: str) -> None:
    assert likeness(one, other) == likeness(other, one) == Likeness.PARTLY


@pytest.mark.parametrize(
    ("one", "other"), [("Carl Holm", "Karl Berg"), ("Phillip Holm", "Filip Berg"), ("Bill Holm", "William Berg")]
)
def test_another_spelling_of_the_given_name_and_another_family_name_say_nothing(one: str, other: str) -> None:
    assert likeness(one, other) == likeness(other, one) == Likeness.UNSURE


@pytest.mark.parametrize("text", ["Lorraine and David Lloyd", "Lorraine & David Lloyd", "Familie Lloyd", "David + Lorraine"])
def test_a_card_of_two_is_no_persons(text: str) -> None:
    assert [name.kind for name in parse(text)] == ["COUPLE"]


@pytest.mark.parametrize("text", ["Mom", "Plumber", "Neighbour 2nd floor", "", "❤️"])
def test_what_is_no_name_says_nothing(text: str) -> None:
    assert likeness(text, "Susan Miller") == Likeness.SILENT


@pytest.mark.parametrize(
    "text",
    [
        "William Ferguson (via Amedeo Camuccini)",
        "Ada Byron via sailing-dev",
        "Stig Holm on behalf of Ida Berg",
        "Ada from Harbour Ltd",
    ],
)
def test_a_name_through_which_others_speak_is_not_the_senders(text: str) -> None:
    assert mediated(text)
    assert people((text,)) == ()


@given(st.text(max_size=60), st.text(max_size=60))
@example("", ",\u3400")
def test_no_text_is_too_strange_and_comparing_has_no_direction(one: str, other: str) -> None:
    for a in parse(one):
        for b in parse(other):
            assert compare(a, b) == compare(b, a)
