"""Whether a person wrote a mail, from its header alone, and why we think so.

Speaks RFC 3834 (Auto-Submitted), RFC 2919 and 2369 (List-*), RFC 8058, RFC 3464 and 6522 (reports), and the fields that bulk
senders and tools really set. The first rule that holds decides; each gives its reason as a sentence. An address of the user's
own is never a robot. Looks at no body and no history: who the user writes to is known above.
"""

from __future__ import annotations

import re
from collections.abc import KeysView, Sequence

from providers import records
from providers.formats import mail_header

Verdict = tuple[records.Category, str]

PERSONAL: Verdict = ("PERSONAL", "Nothing says that it was sent in bulk or by a machine.")
_NOTIFYING_TOOLS = (
    "x-github-reason",
    "x-gitlab-",
    "x-jira-",
    "x-launchpad-",
    "x-bugzilla-",
    "x-redmine-",
    "x-gerrit-",
    "x-discourse-",
)
_CAMPAIGNS = ("x-campaign", "x-mc-user", "x-csa-complaints", "x-mailchimp", "x-cmail", "x-sib-id", "x-mailer-lid", "x-sfmc")
_PLATFORMS = ("feedback-id", "x-ses-outgoing", "x-sg-eid", "x-mailgun-", "x-pm-message-id", "x-mandrill-user", "x-msfbl")
_AUTO_REPLY_FIELDS = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-autoreply-from")
_UNUSUAL = ("x-", "feedback-id")  # how the names above begin, and those of the marks for junk
_AWAY = re.compile(
    r"(?:automatic reply|auto(?:matic)? ?response|auto[- ]?reply|out of (?:the )?office|automatische antwort|abwesenheit\w*|"
    r"réponse automatique|absence du bureau|absent du bureau|respuesta automática|fuera de la oficina|risposta automatica|"
    r"fuori (?:ufficio|sede)|automatisch antwoord|afwezigheid\w*|resposta automática|fora do escritório|自動応答|自動返信|不在通知|"
    r"autosvar|automatiskt svar|automaattinen vastaus|automatyczna odpowiedź|автоответ|автоматический ответ|自动回复|自動回覆)",
    re.I,
)
_NO_REPLY = re.compile(
    r"(?:no|do[-_.]?not|don[-_.]?t|never)[-_.]?(?:reply|respond|response|antwort\w*)|(?:nicht|keine)[-_.]?antwort\w*"
)
_MACHINES = re.compile(
    r"(?:mailer[-_.]?daemon|mdaemon|bounces?|notifications?|notify|notifier|alerts?|automated|auto|system|cron(?:job)?|root|daemon|"
    r"reply\+.+|bounces?[-+=].+|.*[-+]bounces?|noreply[-+].*|calendar-notification|invitations?|confirm(?:ation)?s?|updates?)\Z"
)
_NEWS = re.compile(r"(?:news|newsletters?|news-?letter|mailings?|marketing|campaigns?|promo(?:tion)?s?|offers?|digest)\Z")
_TOKEN = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\Z|[0-9a-f]{24,}\Z")


def categorise(fields: mail_header.Fields, sender: str, media_type: str, report_type: str, own: frozenset[str]) -> Verdict:
    """The category of a mail and the sentence that says why. `sender` is its From address, empty when it has none."""
    names = fields.names()
    unusual = [name for name in names if name.startswith(_UNUSUAL)]
    return (
        (_junk(fields) if unusual else None)
        or _report(fields, names, sender, media_type, report_type)
        or _answered_by_machine(fields, names)
        or _sent_by_tool(fields, unusual)
        or _sent_to_many(fields, names, unusual)
        or (None if sender in own else _sender(sender) or _unanswerable(fields) or _platform(unusual))
        or PERSONAL
    )


def _junk(fields: mail_header.Fields) -> Verdict | None:
    if fields.get("x-spam-flag").strip().lower().startswith("yes") or fields.get("x-spam-status").strip().lower().startswith(
        "yes"
    ):
        return "SPAM", "The receiving server marked it as junk (X-Spam-Flag)."
    for name in ("x-ms-exchange-organization-scl", "x-microsoft-antispam-scl"):
        level = fields.get(name).strip()
        if level.isdecimal() and len(level) < 3 and int(level) >= 5:
            return "SPAM", f"The receiving server gave it a spam level of {level}."
    if "junk" in {word.lower() for word in (fields.get("x-keywords") + " " + fields.get("x-mozilla-keys")).split()}:
        return "SPAM", "It was marked as junk in the mail program that it comes from."
    return None


def _report(fields: mail_header.Fields, names: KeysView[str], sender: str, media_type: str, report_type: str) -> Verdict | None:
    if report_type == "delivery-status" or "x-failed-recipients" in names:
        return "BOUNCE", "It is a report that a mail could not be delivered."
    if report_type in ("disposition-notification", "x-disposition-notification"):
        return "AUTO_REPLY", "It is a receipt that a mail program sent (RFC 8098)."
    if report_type == "feedback-report":
        return "NOTIFICATION", "It is a complaint report of a mail service (RFC 5965)."
    local = sender.partition("@")[0].lower()
    if local in ("mailer-daemon", "mdaemon"):
        return "BOUNCE", f"The mail system itself ({local}) sent it."
    if local == "postmaster" and fields.get("return-path").strip() == "<>":
        return "BOUNCE", "The mail system itself (postmaster) sent it, and takes no answer."
    return None


def _answered_by_machine(fields: mail_header.Fields, names: KeysView[str]) -> Verdict | None:
    submitted = _auto_submitted(fields)
    if submitted == "auto-replied":
        return "AUTO_REPLY", "Its sender says that it is an automatic answer (Auto-Submitted)."
    if not names.isdisjoint(_AUTO_REPLY_FIELDS) or fields.get("precedence").strip().lower() == "auto_reply":
        return "AUTO_REPLY", "Its sender says that it is an automatic answer (X-Autoreply)."
    subject = fields.text("subject")
    if _AWAY.match(subject) and (
        "in-reply-to" in names or "references" in names or "x-auto-response-suppress" in names or submitted
    ):
        return "AUTO_REPLY", "Its subject is that of an automatic answer."
    return None


def _sent_by_tool(fields: mail_header.Fields, unusual: Sequence[str]) -> Verdict | None:
    for name in unusual:
        if name.startswith(_NOTIFYING_TOOLS):
            return "NOTIFICATION", f"A tool sent it on somebody's behalf ({_spelled(fields, name)})."
    submitted = _auto_submitted(fields)
    if submitted:
        return "NOTIFICATION", f"Its sender says that a machine wrote it (Auto-Submitted: {submitted})."
    if "x-autogenerated" in unusual:
        return "NOTIFICATION", "Its sender says that a machine wrote it (X-Autogenerated)."
    return None


def _sent_to_many(fields: mail_header.Fields, names: KeysView[str], unusual: Sequence[str]) -> Verdict | None:
    precedence = fields.get("precedence").strip().lower()
    post = fields.get("list-post").strip()
    if post and not post.upper().startswith("NO"):  # RFC 2369 §3.4: NO where nobody may write
        return "LIST", "It came through a mailing list that people write to (List-Post)."
    if "x-mailman-version" in names or "x-beenthere" in names or ("list-id" in names and precedence == "list" and not post):
        return "LIST", "It came through a mailing list (List-Id)."
    for name in ("list-id", "list-unsubscribe", "list-unsubscribe-post", "list-help"):
        if name in names:
            return "NEWSLETTER", f"It was sent to subscribers ({_spelled(fields, name)})."
    if precedence == "list":
        return "LIST", "It came through a mailing list (Precedence)."
    if precedence in ("bulk", "junk"):
        return "NEWSLETTER", f"Its sender says that it was sent in bulk (Precedence: {precedence})."
    for name in unusual:
        if name.startswith(_CAMPAIGNS):
            return "NEWSLETTER", f"A service for campaigns sent it ({_spelled(fields, name)})."
    if "campaign" in fields.get("x-mailer").lower():
        return "NEWSLETTER", "A service for campaigns sent it (X-Mailer)."
    return None


def _sender(sender: str) -> Verdict | None:
    local = sender.partition("@")[0].lower()
    if not local:
        return None
    if _NO_REPLY.search(local):
        return "NOTIFICATION", f"Its sender's address takes no answers ({local[:64]})."
    if _NEWS.match(local):
        return "NEWSLETTER", f"Its sender's address is one for newsletters ({local[:64]})."
    if _MACHINES.match(local) or _TOKEN.match(local):
        return "NOTIFICATION", f"Its sender's address is that of a machine ({local[:64]})."
    return None


def _unanswerable(fields: mail_header.Fields) -> Verdict | None:
    if "all" in fields.get("x-auto-response-suppress").lower():
        return "NOTIFICATION", "Its sender asks machines not to answer, as machines do (X-Auto-Response-Suppress)."
    if fields.get("return-path").strip() == "<>":  # RFC 3834 §3: what bears it must not be answered
        return "NOTIFICATION", "It takes no answers, as mail of machines does (empty Return-Path)."
    return None


def _platform(unusual: Sequence[str]) -> Verdict | None:
    for name in unusual:
        if name.startswith(_PLATFORMS):
            return "NOTIFICATION", "A service that sends mail for companies sent it."
    return None


def _auto_submitted(fields: mail_header.Fields) -> str:
    """RFC 3834 §5: anything but `no` is automatic; empty when nothing is said."""
    if "auto-submitted" not in fields:
        return ""
    value = fields.get("auto-submitted").partition(";")[0].partition("(")[0].strip().lower()[:40]
    return "" if value == "no" else value


def _spelled(fields: mail_header.Fields, name: str) -> str:
    return next((found for found, _ in fields.items if found.lower() == name), name)[:64]
