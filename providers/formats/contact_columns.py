"""What the columns of an address book table are, from their names: Google, Outlook in eight languages, Yahoo, Thunderbird, and any.

The tables are data. Google's names are numbered and follow a pattern; Yahoo and Thunderbird use words that mean something else
elsewhere; everything else is told by the words in a name: a concept (`rue`, `Straße`, `street`), a place (`bureau`, `geschäftlich`,
`work`) and a number. The language is that in which most names are understood. No name is understood by its position; what is not
understood is None and is kept as it is. Names are compared without case, accents and signs. Knows nothing of rows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final

import msgspec


class Column(msgspec.Struct, frozen=True):
    """What a column holds: `means` is a word of MEANINGS; `label` is home, work, cell …; columns of one `number` belong together."""

    means: str
    label: str = ""
    part: str = ""
    number: int = 1


MEANINGS: Final = {
    "full": "name as it is shown",
    "given": "N", "middle": "N", "family": "N", "prefix": "N", "suffix": "N", "nickname": "NICKNAME", "phonetic": "phonetic name",
    "email": "EMAIL", "email label": "what the e-mail address is called", "email kind": "SMTP, or EX for an address inside Exchange",
    "tel": "TEL", "tel label": "what the number is called",
    "adr": "ADR, `part` of it", "adr label": "what the address is called",
    "url": "URL", "url label": "what the web address is called", "im": "IMPP, `label` is the network", "im label": "its network",
    "org": "ORG", "department": "ORG", "title": "TITLE",
    "birthday": "BDAY", "birth": "`part` of BDAY", "anniversary": "ANNIVERSARY", "event": "another day", "event label": "its name",
    "groups": "CATEGORIES", "note": "NOTE", "photo": "PHOTO", "uid": "UID", "language": "LANG",
    "dropped": "said by another column already",
}  # fmt: skip


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """How one program writes: its name for people and its columns in order; None where a name is not understood."""

    name: str
    columns: tuple[Column | None, ...]
    month_first: bool = False  # how 05/06/2024 is read where no row decides

    @property
    def understood(self) -> int:
        """How many columns are."""
        return sum(1 for column in self.columns if column is not None)

    def has(self, *meanings: str) -> bool:
        """Whether any column means one of these."""
        return any(column is not None and column.means in meanings for column in self.columns)


# --- Google ---------------------------------------------------------------------------------------------------------------

_GOOGLE_NUMBERED = re.compile(
    r"(E-mail|Phone|Address|Website|Event|Relation|Custom Field|IM|Organization|External ID|Jot|Calendar Link) (\d{1,3}) - (.+)",
    re.I,
)
_GOOGLE_KINDS: Final = {
    "e-mail": {"value": "email", "type": "email label", "label": "email label"},
    "phone": {"value": "tel", "type": "tel label", "label": "tel label"},
    "website": {"value": "url", "type": "url label", "label": "url label"},
    "event": {"value": "event", "type": "event label", "label": "event label"},
    "im": {"value": "im", "service": "im label", "type": "dropped"},
    "organization": {"name": "org", "department": "department", "title": "title", "type": "dropped"},
}  # fmt: skip
_GOOGLE_ADDRESS: Final = {
    "formatted": "formatted", "street": "street", "city": "city", "po box": "box", "region": "region", "postal code": "code",
    "country": "country", "extended address": "extended",
}  # fmt: skip
_GOOGLE: Final = {
    "first name": Column("given"), "middle name": Column("middle"), "last name": Column("family"),
    "phonetic first name": Column("phonetic", part="given"), "phonetic middle name": Column("phonetic", part="middle"),
    "phonetic last name": Column("phonetic", part="family"), "name prefix": Column("prefix"), "name suffix": Column("suffix"),
    "nickname": Column("nickname"), "file as": Column("dropped"), "organization name": Column("org"),
    "organization title": Column("title"), "organization department": Column("department"), "birthday": Column("birthday"),
    "notes": Column("note"), "photo": Column("photo"), "labels": Column("groups"),
    # before 2024
    "name": Column("full"), "given name": Column("given"), "additional name": Column("middle"), "family name": Column("family"),
    "yomi name": Column("dropped"), "given name yomi": Column("phonetic", part="given"),
    "additional name yomi": Column("phonetic", part="middle"), "family name yomi": Column("phonetic", part="family"),
    "group membership": Column("groups"), "language": Column("language"),
}  # fmt: skip
_GOOGLE_SIGNS: Final = re.compile(r"(?:E-mail|Phone|Organization) \d+ - |Group Membership\Z|Organization Department\Z", re.I)

# --- programs whose words mean something else elsewhere -------------------------------------------------------------------

_YAHOO: Final = {
    "first": Column("given"), "middle": Column("middle"), "last": Column("family"), "nickname": Column("nickname"),
    "email": Column("email"), "alternate email 1": Column("email", number=2), "alternate email 2": Column("email", number=3),
    "category": Column("groups"), "home": Column("tel", "home"), "work": Column("tel", "work"), "pager": Column("tel", "pager"),
    "fax": Column("tel", "fax"), "mobile": Column("tel", "cell"), "other": Column("tel", "other"),
    "yahoo phone": Column("tel", number=9), "primary": Column("tel", "main", number=8), "personal website": Column("url", "home"),
    "business website": Column("url", "work", number=2), "title": Column("title"), "company": Column("org"),
    "work address": Column("adr", "work", "street"), "work city": Column("adr", "work", "city"),
    "work county": Column("adr", "work", "region"), "work state": Column("adr", "work", "region"),
    "work post code": Column("adr", "work", "code"), "work zip": Column("adr", "work", "code"),
    "work country": Column("adr", "work", "country"), "home address": Column("adr", "home", "street"),
    "home city": Column("adr", "home", "city"), "home county": Column("adr", "home", "region"),
    "home state": Column("adr", "home", "region"), "home post code": Column("adr", "home", "code"),
    "home zip": Column("adr", "home", "code"), "home country": Column("adr", "home", "country"),
    "birthday": Column("birthday"), "anniversary": Column("anniversary"), "comments": Column("note"),
    "yahoo id": Column("im", "yahoo"), "messenger id": Column("im", "yahoo"), "skype id": Column("im", "skype"),
    "icq id": Column("im", "icq"), "google id": Column("im", "google-talk"), "aol id": Column("im", "aim"),
    "messenger id1": Column("im", "yahoo"), "distribution lists": Column("groups", number=2),
}  # fmt: skip
_THUNDERBIRD: Final = {
    "first name": Column("given"), "last name": Column("family"), "display name": Column("full"), "nickname": Column("nickname"),
    "primary email": Column("email"), "secondary email": Column("email", number=2), "screen name": Column("im", "aim"),
    "work phone": Column("tel", "work"), "home phone": Column("tel", "home"), "fax number": Column("tel", "fax"),
    "pager number": Column("tel", "pager"), "mobile number": Column("tel", "cell"),
    **{
        f"{place} {name}": Column("adr", place, part)
        for place in ("home", "work")
        for name, part in (
            ("address", "street"), ("address 2", "extended"), ("city", "city"), ("state", "region"), ("zipcode", "code"), ("country", "country"),
        )
    },
    "job title": Column("title"), "department": Column("department"), "organization": Column("org"),
    "web page 1": Column("url", "work"), "web page 2": Column("url", "home", number=2), "birth year": Column("birth", part="year"),
    "birth month": Column("birth", part="month"), "birth day": Column("birth", part="day"), "notes": Column("note"),
}  # fmt: skip
_OUTLOOK_TITLE: Final = frozenset({"title", "anrede", "titre", "titulo", "titolo", "tratamento", "titel", "aanhef", "敬称"})

# --- words, by language ---------------------------------------------------------------------------------------------------
# Phrases are separated by |; `=` before one wants the whole name to be it. What Outlook writes was taken from memory of its exports.

_ENGLISH: Final = {
    "work": "business|work|office|company main",
    "home": "home|private|personal",
    "other": "other",
    "strange": "manager s name|managers name|assistant s name|spouse|children|referred by|billing information|account|mileage|"
    "government id number|organizational id number|directory server|internet free busy|priority|sensitivity|private|"
    "user 1|user 2|user 3|user 4|hobby|location|keywords|gender|profession|profile picture",
    "kind": "e mail type|email type|e mail 2 type|e mail 3 type",
    "dropped": "e mail display name|e mail 2 display name|e mail 3 display name|initials|full address|file as",
    "email": "e mail|email|mail address|=mail|e mails|emails|mail addresses|email ids",
    "url": "web page|website|web site|homepage|home page|url|blog|web address",
    "im": "im address|instant messenger|instant messaging address|skype|jabber|xmpp|icq|aim|msn|im",
    "fax": "fax",
    "pager": "pager",
    "cell": "mobile|cell|cellular|mobile phone|car phone",
    "main": "primary phone|company main phone|main phone",
    "tel": "phone|telephone|tel|callback|isdn|tty tdd phone|telex|phone number|radio phone|phones|phone numbers|telephones",
    "birthday": "birthday|birth date|date of birth|birthdate|dob",
    "anniversary": "anniversary|wedding",
    "box": "address po box|po box|post office box",
    "street": "street|address line 1|address 1|street address",
    "extended": "address line 2|address 2",
    "city": "city|town|locality",
    "region": "state|province|county|region",
    "code": "postal code|zip|zip code|zipcode|postcode|post code",
    "country": "country|country region",
    "formatted": "address|postal address|mailing address",
    "phonetic given": "given yomi|given name yomi",
    "phonetic family": "surname yomi|family name yomi",
    "dropped too": "company yomi",
    "nickname": "nickname|nick name|alias",
    "middle": "middle name|additional name|=middle",
    "given": "first name|given name|forename|=first|firstname",
    "family": "last name|family name|surname|=last|lastname",
    "suffix": "suffix|name suffix",
    "prefix": "name prefix|prefix|salutation|honorific",
    "full": "full name|display name|=name|contact name|fullname|contact|=person",
    "department": "department",
    "title": "job title|position|role|=title|occupation",
    "org": "company|organization|organisation|company name|employer|organization name|=firm",
    "groups": "categories|category|groups|group|tags|labels|lists",
    "note": "notes|note|comments|comment|remarks|memo",
    "photo": "photo|picture|avatar|image|photo url",
    "uid": "=uid|=unique id",
    "language": "language|locale",
}
_GERMAN: Final = {
    "work": "geschäftlich|firma|dienstlich|arbeit|büro",
    "home": "privat",
    "other": "weitere|weiteres|weiterer|andere",
    "strange": "name assistent|name des der vorgesetzten|telefon assistent|abrechnungsinformation|konto|reisekilometer|"
    "benutzer 1|benutzer 2|benutzer 3|benutzer 4|hobby|kinder|partner|priorität|=privat|regierungs nr|"
    "organisations nr|stichwörter|vertraulichkeit|verzeichnisserver|internet frei gebucht|empfohlen von|geschlecht|"
    "=ort|beruf|=büro",
    "kind": "e mail typ|e mail 2 typ|e mail 3 typ",
    "dropped": "e mail angezeigter name|e mail 2 angezeigter name|e mail 3 angezeigter name|initialen",
    "email": "e mail|email|e mail adresse|mail",
    "url": "webseite|website|homepage|internetseite",
    "im": "chat adresse",
    "fax": "fax|telefax",
    "pager": "pager",
    "cell": "mobiltelefon|handy|mobil|autotelefon",
    "main": "haupttelefon|telefon firma",
    "tel": "telefon|rückmeldung|isdn|telex|rufnummer|festnetz|telefonnummer",
    "birthday": "geburtstag|geburtsdatum",
    "anniversary": "jahrestag|hochzeitstag",
    "box": "postfach",
    "street": "straße|strasse|anschrift",
    "city": "ort|stadt|wohnort",
    "region": "region|bundesland|bundesland kanton|kanton",
    "code": "postleitzahl|plz",
    "country": "land region|land|staat",
    "formatted": "adresse",
    "nickname": "spitzname|rufname",
    "middle": "weitere vornamen|2 vorname|zweiter vorname",
    "given": "vorname",
    "family": "nachname|familienname|zuname",
    "suffix": "suffix|namenszusatz",
    "prefix": "anrede|titel",
    "full": "=name|anzeigename|vollständiger name",
    "department": "abteilung",
    "title": "position|funktion",
    "org": "firma|unternehmen|organisation",
    "groups": "kategorien|kategorie|gruppen|gruppe",
    "note": "notizen|notiz|bemerkung|bemerkungen|anmerkung|kommentar",
    "photo": "foto|bild",
    "language": "sprache",
}
_FRENCH: Final = {
    "work": "bureau|professionnel|professionnelle|travail|société",
    "home": "domicile|personnel|personnelle|privé",
    "other": "autre",
    "strange": "nom de l assistant e|nom assistant|téléphone de l assistant e|responsable|conjoint e|conjoint|enfants|"
    "recommandé par|compte|informations facturation|kilométrage|utilisateur 1|utilisateur 2|utilisateur 3|"
    "utilisateur 4|passe temps|=emplacement|=bureau|=privé|priorité|critère de diffusion|mots clés|profession|sexe|"
    "serveur d annuaire|code gouvernement|numéro d identification de l organisation",
    "kind": "type de messagerie|type de messagerie 2|type de messagerie 3|type d adresse de messagerie",
    "dropped": "nom complet de l adresse de messagerie|nom d affichage du courrier|initiales",
    "email": "adresse de messagerie|courriel|e mail|email|adresse électronique|adresse e mail|mail",
    "url": "page web|site web|site internet|site",
    "im": "adresse de messagerie instantanée",
    "fax": "télécopie|fax",
    "pager": "récepteur de radiomessagerie|pager|téléavertisseur",
    "cell": "tél mobile|téléphone mobile|mobile|portable|téléphone voiture",
    "main": "téléphone principal|téléphone société",
    "tel": "téléphone|tél|rappel|rnis|télex",
    "birthday": "anniversaire|date de naissance|naissance",
    "anniversary": "anniversaire de mariage ou fête|anniversaire de mariage|fête",
    "box": "b p|boîte postale|bp",
    "street": "rue",
    "city": "ville|localité",
    "region": "dép région|département région|région|province",
    "code": "code postal|cp",
    "country": "pays région|pays",
    "formatted": "adresse",
    "nickname": "surnom|pseudo",
    "middle": "deuxième prénom|2e prénom",
    "given": "prénom",
    "family": "nom|nom de famille",
    "suffix": "suffixe",
    "prefix": "titre|civilité",
    "full": "nom complet|nom affiché",
    "department": "service",
    "title": "fonction|poste|titre professionnel",
    "org": "société|entreprise|organisation",
    "groups": "catégories|catégorie|groupes",
    "note": "notes|commentaires|remarques",
    "photo": "photo",
    "language": "langue",
}
_SPANISH: Final = {
    "work": "trabajo|del trabajo|oficina|compañía|negocio",
    "home": "particular|casa|personal",
    "other": "otro|otra|otros",
    "strange": "nombre del ayudante|nombre del asistente|teléfono del ayudante|teléfono del asistente|director|cónyuge|hijos|"
    "recomendado por|cuenta|facturación|kilometraje|usuario 1|usuario 2|usuario 3|usuario 4|aficiones|ubicación|"
    "=privado|prioridad|confidencialidad|palabras clave|profesión|sexo|servidor de directorio",
    "kind": "tipo de correo electrónico|tipo de correo electrónico 2|tipo de correo electrónico 3",
    "dropped": "nombre de pantalla de correo electrónico|mostrar nombre de correo electrónico|iniciales",
    "email": "correo electrónico|dirección de correo electrónico|dirección de correo|correo|e mail|email",
    "url": "página web|sitio web|web",
    "im": "mensajería instantánea",
    "fax": "fax",
    "pager": "localizador|buscapersonas|busca",
    "cell": "móvil|celular|teléfono móvil|automóvil",
    "main": "teléfono principal|número central de la compañía",
    "tel": "teléfono|devolución de llamada|rdsi|télex|telefono",
    "birthday": "cumpleaños|fecha de nacimiento|nacimiento",
    "anniversary": "aniversario",
    "box": "apartado postal|apartado de correos|código postal del apartado",
    "street": "calle|domicilio",
    "city": "ciudad|población|localidad",
    "region": "provincia o estado|estado o provincia|provincia|estado|región",
    "code": "código postal|cp",
    "country": "país o región|país",
    "formatted": "dirección",
    "nickname": "apodo|alias",
    "middle": "segundo nombre",
    "given": "nombre",
    "family": "apellidos|apellido",
    "suffix": "sufijo",
    "prefix": "título|tratamiento",
    "full": "nombre completo",
    "department": "departamento",
    "title": "puesto|cargo",
    "org": "organización|compañía|empresa",
    "groups": "categorías|categoría|grupos",
    "note": "notas|comentarios|observaciones",
    "photo": "foto",
    "language": "idioma",
}
_ITALIAN: Final = {
    "work": "uff|ufficio|lavoro|società",
    "home": "ab|abitazione|casa|personale",
    "other": "altro|altra|altri",
    "strange": "nome assistente|telefono assistente|nome manager|coniuge|figli|presentato da|account|dati di fatturazione|"
    "km percorsi|utente 1|utente 2|utente 3|utente 4|hobby|ubicazione|=privato|priorità|riservatezza|parole chiave|"
    "professione|sesso|server di elenchi in linea",
    "kind": "tipo posta elettronica|tipo posta elettronica 2|tipo posta elettronica 3",
    "dropped": "nome visualizzato posta elettronica|nome visualizzato posta elettronica 2|iniziali",
    "email": "indirizzo posta elettronica|posta elettronica|indirizzo e mail|indirizzo di posta elettronica|e mail|email",
    "url": "pagina web|sito web|sito",
    "im": "indirizzo im",
    "fax": "fax",
    "pager": "cercapersone",
    "cell": "cellulare|telefono cellulare|auto|mobile",
    "main": "telefono principale|telefono principale società",
    "tel": "telefono|richiamata|isdn|telex|tel|=ufficio|=ufficio 2|=abitazione|=abitazione 2",
    "birthday": "compleanno|data di nascita|nascita",
    "anniversary": "anniversario",
    "box": "casella postale",
    "street": "via|indirizzo via",
    "city": "città|località",
    "region": "provincia|regione",
    "code": "cap|codice postale",
    "country": "paese|paese area geografica|stato|nazione",
    "formatted": "indirizzo",
    "nickname": "soprannome",
    "middle": "secondo nome",
    "given": "nome",
    "family": "cognome",
    "suffix": "titolo straniero|suffisso",
    "prefix": "titolo",
    "full": "nome completo|nominativo",
    "department": "reparto",
    "title": "posizione|qualifica|ruolo",
    "org": "società|azienda|ditta|organizzazione",
    "groups": "categorie|categoria|gruppi",
    "note": "note|commenti|annotazioni|=notes",
    "photo": "foto",
    "language": "lingua",
}
_PORTUGUESE: Final = {
    "work": "comercial|trabalho|escritório|empresa|da empresa|emprego",
    "home": "residencial|residência|particular|casa|pessoal",
    "other": "outro|outra|outros",
    "strange": "nome do assistente|telefone do assistente|nome do gerente|gerente|cônjuge|filhos|indicado por|conta|"
    "informações para cobrança|quilometragem|usuário 1|usuário 2|usuário 3|usuário 4|passatempo|local|=particular|"
    "=privado|prioridade|confidencialidade|palavras chave|profissão|sexo|servidor de diretório",
    "kind": "tipo de email|tipo de e mail|tipo de email 2|tipo de e mail 2|tipo de email 3|tipo de e mail 3",
    "dropped": "nome para exibição do email|nome para exibição do e mail|nome de exibição do correio eletrónico|iniciais",
    "email": "endereço de email|endereço de e mail|correio eletrónico|e mail|email",
    "url": "página da web|página web|site|website",
    "im": "mensagens instantâneas",
    "fax": "fax",
    "pager": "pager|bipe",
    "cell": "celular|telemóvel|telefone celular|móvel|telefone do carro",
    "main": "telefone principal|telefone principal da empresa",
    "tel": "telefone|retorno de chamada|rdis|telex",
    "birthday": "aniversário|data de nascimento|nascimento",
    "anniversary": "aniversário de casamento|datas especiais|bodas",
    "box": "caixa postal|apartado",
    "street": "rua|logradouro|endereço rua",
    "city": "cidade|localidade",
    "region": "estado|distrito|província",
    "code": "cep|código postal",
    "country": "país região|país",
    "formatted": "endereço|morada",
    "nickname": "apelido carinhoso|alcunha",
    "middle": "segundo nome|nome do meio",
    "given": "nome|primeiro nome|nome próprio",
    "family": "sobrenome|último nome",
    "suffix": "sufixo",
    "prefix": "título|tratamento",
    "full": "nome completo",
    "department": "departamento",
    "title": "cargo",
    "org": "empresa|organização|companhia",
    "groups": "categorias|categoria|grupos",
    "note": "anotações|notas|observações|comentários",
    "photo": "foto",
    "language": "idioma",
}
_DUTCH: Final = {
    "work": "werk|zakelijk|bedrijf|kantoor",
    "home": "thuis|privé|huis",
    "other": "ander|andere|overig|overige",
    "strange": "naam assistent|telefoon assistent|naam manager|partner|kinderen|verwezen door|account|factureringsgegevens|"
    "reisafstand|gebruiker 1|gebruiker 2|gebruiker 3|gebruiker 4|hobby|locatie|=privé|prioriteit|gevoeligheid|"
    "trefwoorden|beroep|geslacht|adreslijstserver",
    "kind": "type e mail|e mailtype|e mail 2 type|e mail 3 type|type e mail 2|type e mail 3",
    "dropped": "weergavenaam voor e mail|weergavenaam e mail|e mail weergavenaam|initialen|voorletters",
    "email": "e mailadres|e mail|email|mailadres|mail",
    "url": "webpagina|website|homepage",
    "im": "chatadres",
    "fax": "fax",
    "pager": "pager|semafoon",
    "cell": "mobiele telefoon|mobiel|gsm|autotelefoon",
    "main": "hoofdtelefoon|hoofdtelefoon bedrijf",
    "tel": "telefoon|terugbellen|isdn|telex|telefoonnummer",
    "birthday": "verjaardag|geboortedatum",
    "anniversary": "speciale datum|trouwdag|jubileum",
    "box": "postbus",
    "street": "straat",
    "city": "plaats|woonplaats|stad",
    "region": "provincie|staat provincie",
    "code": "postcode",
    "country": "land regio|land",
    "formatted": "adres",
    "nickname": "bijnaam|roepnaam",
    "middle": "middelste naam|tweede naam|tussenvoegsel",
    "given": "voornaam",
    "family": "achternaam|familienaam",
    "suffix": "achtervoegsel",
    "prefix": "titel|aanhef",
    "full": "=naam|volledige naam",
    "department": "afdeling",
    "title": "functie",
    "org": "bedrijf|organisatie",
    "groups": "categorieën|categorie|groepen",
    "note": "notities|opmerkingen|notitie",
    "photo": "foto",
    "language": "taal",
}
_JAPANESE: Final = {
    "work": "会社|勤務先|職場",
    "home": "自宅|個人|住所",
    "other": "その他",
    "strange": "秘書の氏名|上司の氏名|秘書の電話|配偶者|子供|紹介者|アカウント|支払い条件|経費情報|ユーザー 1|"
    "ユーザー 2|ユーザー 3|ユーザー 4|趣味|場所|=プライベート|優先度|秘密度|キーワード|職業|性別|"
    "事業所",
    "kind": "電子メールの種類|電子メール 2 の種類|電子メール 3 の種類",
    "dropped": "電子メール表示名|電子メールの表示名|電子メール 2 表示名|電子メール 3 表示名|イニシャル",
    "email": "電子メール|メールアドレス|メール アドレス|eメール|メール",
    "url": "web ページ|ホームページ|ウェブサイト",
    "im": "im アドレス",
    "fax": "fax|ファックス",
    "pager": "ポケットベル",
    "cell": "携帯電話|携帯|自動車電話",
    "main": "通常の電話|会社代表電話",
    "tel": "電話|コールバック|isdn|テレックス",
    "birthday": "誕生日|生年月日",
    "anniversary": "記念日",
    "box": "私書箱",
    "street": "番地",
    "city": "市区町村",
    "region": "都道府県",
    "code": "郵便番号",
    "country": "国",
    "formatted": "住所",
    "phonetic given": "フリガナ 名|名フリガナ|名 フリガナ|フリガナ (名)|フリガナ（名）",
    "phonetic family": "フリガナ 姓|姓フリガナ|姓 フリガナ|フリガナ (姓)|フリガナ（姓）",
    "dropped too": "会社名フリガナ|フリガナ (会社名)",
    "nickname": "ニックネーム",
    "middle": "ミドル ネーム|ミドルネーム",
    "given": "=名",
    "family": "=姓",
    "suffix": "=敬称",
    "prefix": "=肩書き|=肩書",
    "full": "氏名|=名前|表示名",
    "department": "部署|部門",
    "title": "役職",
    "org": "会社名|会社",
    "groups": "分類項目|分類|グループ",
    "note": "メモ|備考",
    "photo": "写真",
    "language": "言語",
}
LANGUAGES: Final = {
    "English": _ENGLISH, "German": _GERMAN, "French": _FRENCH, "Spanish": _SPANISH, "Italian": _ITALIAN, "Portuguese": _PORTUGUESE,
    "Dutch": _DUTCH, "Japanese": _JAPANESE,
}  # fmt: skip
_PLACES: Final = ("work", "home", "other")
_PARTS: Final = ("box", "street", "extended", "city", "region", "code", "country", "formatted")
_LINES: Final = {"fax": "fax", "pager": "pager", "cell": "cell", "main": "main", "tel": ""}
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
_WIDE: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """A column's name as names are compared: no case, no accents, no signs, and `PhoneNumbers` in two words."""
    folded = unicodedata.normalize("NFKD", _HUMP.sub(" ", name[:200]).casefold())
    letters = "".join(c if c.isalnum() else " " for c in folded if not unicodedata.combining(c) or c in "\u3099\u309a")
    return " ".join(unicodedata.normalize("NFC", letters).split())


class _Phrase(msgspec.Struct, frozen=True):
    text: str
    concept: str
    whole: bool
    wide: bool  # of a script that puts no blanks between words


@cache
def _phrases(language: str) -> tuple[tuple[_Phrase, ...], tuple[_Phrase, ...]]:
    """Concepts and places of a language; the longest phrase first, so that `mobile phone` is not a phone."""
    concepts: list[_Phrase] = []
    places: list[_Phrase] = []
    for concept, texts in LANGUAGES[language].items():
        for text in texts.split("|"):
            words = plain(text.removeprefix("="))
            wide = _WIDE.search(words) is not None
            phrase = _Phrase(words.replace(" ", "") if wide else words, concept.removesuffix(" too"), text.startswith("="), wide)
            (places if concept in _PLACES else concepts).append(phrase)

    def length(phrase: _Phrase) -> tuple[bool, int]:
        return (not phrase.whole, -len(phrase.text))

    return tuple(sorted(concepts, key=length)), tuple(sorted(places, key=length))


def _occurs(phrase: _Phrase, name: str) -> bool:
    if phrase.wide:
        joined = name.replace(" ", "")
        return phrase.text == joined if phrase.whole else phrase.text in joined
    if phrase.whole:
        return phrase.text == name
    return f" {phrase.text} " in f" {name} "


@lru_cache(maxsize=16384)
def by_words(header: str, language: str) -> Column | None:
    """The column that the words of a name stand for; None when nothing is understood. Case, accents and signs do not matter."""
    name = plain(header)
    if not name:
        return None
    numbers = [int(word) for word in name.split() if word.isdecimal() and len(word) < 3]
    number = numbers[-1] if numbers else 1
    bare = " ".join(word for word in name.split() if not (word.isdecimal() and len(word) < 3))
    concepts, places = _phrases(language)
    concept = next((phrase.concept for phrase in concepts if _occurs(phrase, name) or _occurs(phrase, bare)), "")
    place = next((phrase.concept for phrase in places if _occurs(phrase, bare)), "")
    if concept in ("", "strange"):
        return None
    if concept == "kind":
        return Column("email kind", number=number)
    if concept in _LINES:
        label = " ".join(word for word in (place, _LINES[concept]) if word)
        return Column("tel", "cell" if concept == "cell" else "main" if concept == "main" else label, number=number)
    if concept in _PARTS:
        # an address has lines, not a number: Street 2 goes on where Street ended
        return Column("adr", place, concept, number if concept == "street" else 1)
    if concept.startswith("phonetic "):
        return Column("phonetic", part=concept.partition(" ")[2])
    if concept in ("email", "url"):
        return Column(concept, place, number=number)
    return Column(concept, number=number if concept in ("org", "title", "department", "note", "groups") else 1)


def recognised(headers: Sequence[str]) -> Dialect:
    """The dialect in which a table's first row is written, as far as it is one."""
    if any(_GOOGLE_SIGNS.match(header.strip()) for header in headers):
        found = Dialect(name="Google", columns=tuple(_google(header.strip()) for header in headers))
        return found
    names = [plain(header) for header in headers]
    known = set(names)
    if {"first", "last", "email"} <= known and known & {
        "messenger id",
        "yahoo phone",
        "distribution lists",
        "alternate email 1",
        "yahoo id",
    }:
        return Dialect(name="Yahoo", columns=tuple(_YAHOO.get(name) for name in names), month_first=True)
    if "primary email" in known and known & {"display name", "screen name", "birth year"}:
        return Dialect(name="Thunderbird", columns=tuple(_THUNDERBIRD.get(name) for name in names))
    language, columns = max(
        ((name, [by_words(header, name) for header in headers]) for name in LANGUAGES),
        key=lambda pair: (len([column for column in pair[1] if column is not None]), pair[0] == "English"),
    )
    outlook = any(column is not None and column.means == "email kind" for column in columns) or len(columns) > 40
    if outlook and language == "English":  # a title before a name, and the job title beside it
        columns = [Column("prefix") if plain(h) in _OUTLOOK_TITLE else c for h, c in zip(headers, columns, strict=True)]
    program = "Outlook.com" if "given name yomi" in known else "Outlook" if outlook else "table"
    name = program if language == "English" else f"{program}, {language}"
    return Dialect(name=name, columns=tuple(columns), month_first=language == "English")


def _google(header: str) -> Column | None:
    match = _GOOGLE_NUMBERED.fullmatch(header)
    if match is None:
        return _GOOGLE.get(header.lower())
    kind, number, part = match[1].lower(), int(match[2]), match[3].strip().lower()
    if kind == "address":
        if part in ("type", "label"):
            return Column("adr label", number=number)
        return Column("adr", part=_GOOGLE_ADDRESS[part], number=number) if part in _GOOGLE_ADDRESS else None
    means = _GOOGLE_KINDS.get(kind, {}).get(part)
    return Column(means, number=number) if means else None
