"""The words of the schema: every enum, with the sentence that each value stands for.

Records carry the names as plain strings; an enum only checks and describes them. Values are added, never renamed.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TypeVar

import strawberry

E = TypeVar("E", bound=type[Enum])


def value(name: str, description: str) -> str:
    """A value of an enum."""
    definition: str = strawberry.enum_value(name, description=description)  # type: ignore[assignment]
    return definition


def word(description: str) -> Callable[[E], E]:
    """An enum of the schema."""

    def declare(cls: E) -> E:
        made: E = strawberry.enum(cls, description=description)
        return made

    return declare


@word("Outcome of asking one account.")
class SourceState(Enum):
    FRESH = value("FRESH", "Within maxAgeSeconds.")
    STALE = value("STALE", "Older than asked for; nothing newer could be had.")
    REFRESHING = value("REFRESHING", "Stale, and being refreshed now; the change feed will tell.")
    SYNCING = value("SYNCING", "First synchronisation still runs; older items are missing.")
    TIMED_OUT = value("TIMED_OUT", "No answer by the deadline.")
    RATE_LIMITED = value("RATE_LIMITED", "The network or our budget refuses more calls until retryAt.")
    BUDGET_SPENT = value("BUDGET_SPENT", "maxProviderCalls was reached before this account.")
    REAUTH_REQUIRED = value("REAUTH_REQUIRED", "The user must sign in to the network again.")
    UNAVAILABLE = value("UNAVAILABLE", "The network fails or refuses.")
    UNSUPPORTED = value("UNSUPPORTED", "The network does not offer this.")


@word("Where an answer was read.")
class DataOrigin(Enum):
    MIRROR = value("MIRROR", "Our synchronised store.")
    CACHE = value("CACHE", "A cached live answer.")
    LIVE = value("LIVE", "The network itself, for this request.")


@word("Direction of an ordering.")
class OrderDirection(Enum):
    ASC = value("ASC", "Ascending.")
    DESC = value("DESC", "Descending.")


@word("Kind of a node, for filters and tombstones.")
class NodeKind(Enum):
    ACCOUNT = value("ACCOUNT", "Account.")
    PERSON = value("PERSON", "Person.")
    CONTACT = value("CONTACT", "Contact.")
    CONVERSATION = value("CONVERSATION", "Conversation.")
    MESSAGE = value("MESSAGE", "Message.")
    ACTIVITY = value("ACTIVITY", "Activity.")
    OWN_ADDRESS = value("OWN_ADDRESS", "OwnAddress.")
    LABEL = value("LABEL", "Label.")
    STREAM = value("STREAM", "Stream.")
    NOTE = value("NOTE", "Note.")
    REMINDER = value("REMINDER", "Reminder.")
    TAG = value("TAG", "Tag.")
    CIRCLE = value("CIRCLE", "Circle.")
    WEBHOOK = value("WEBHOOK", "Webhook.")
    API_KEY = value("API_KEY", "ApiKey.")
    IMPORT = value("IMPORT", "Import.")
    MEETING = value("MEETING", "Meeting.")
    MERGE = value("MERGE", "Merge.")
    MERGE_SUGGESTION = value("MERGE_SUGGESTION", "MergeSuggestion.")


@word("Codes of UserError; more may be added.")
class UserErrorCode(Enum):
    INVALID = value("INVALID", "The value does not have the required form.")
    REQUIRED = value("REQUIRED", "A value is missing.")
    TOO_LONG = value("TOO_LONG", "The value exceeds its limit.")
    NOT_FOUND = value("NOT_FOUND", "No such node for this viewer.")
    WRONG_KIND = value("WRONG_KIND", "The node is of another kind.")
    NOT_WRITABLE = value("NOT_WRITABLE", "The network or account does not allow this write.")
    CONFLICT = value("CONFLICT", "The node changed meanwhile; see conflict.")
    IDEMPOTENCY_CONFLICT = value("IDEMPOTENCY_CONFLICT", "The key was used with another input.")
    ALREADY_DONE = value("ALREADY_DONE", "Nothing left to do.")
    TOO_LATE = value("TOO_LATE", "The window for this action has closed.")
    LIMIT_REACHED = value("LIMIT_REACHED", "A limit of this installation is reached.")
    REAUTH_REQUIRED = value("REAUTH_REQUIRED", "The account must be authorised again.")
    PROVIDER_REFUSED = value("PROVIDER_REFUSED", "The network refused.")
    PROVIDER_UNAVAILABLE = value("PROVIDER_UNAVAILABLE", "The network could not be reached.")
    UNSUPPORTED = value("UNSUPPORTED", "The network or format is not able to do this.")
    INVALID_RULE = value("INVALID_RULE", "The stream rule or search cannot be read.")
    EXPIRED = value("EXPIRED", "A link, code or upload has expired.")
    NEVER_MERGE = value("NEVER_MERGE", "The viewer said that these are different people.")
    FORBIDDEN_ADDRESS = value("FORBIDDEN_ADDRESS", "The host is private or otherwise not allowed.")


@word("A way to carry operations and events.")
class Transport(Enum):
    HTTP = value("HTTP", "GraphQL over HTTP.")
    WEBSOCKET = value("WEBSOCKET", "graphql-transport-ws.")
    SSE = value("SSE", "graphql-sse.")


@word("What a provider mainly is.")
class ProviderKind(Enum):
    MAIL = value("MAIL", "Mail.")
    ADDRESS_BOOK = value("ADDRESS_BOOK", "Address book.")
    CALENDAR = value("CALENDAR", "Calendar.")
    SOCIAL = value("SOCIAL", "Social network.")
    CHAT = value("CHAT", "Chat.")
    FEED = value("FEED", "Feeds and web sites.")
    NOTES = value("NOTES", "Notes.")
    ARCHIVE = value("ARCHIVE", "Files only.")


@word("What an adapter can do; more may be added.")
class Capability(Enum):
    CONTACTS = value("CONTACTS", "Read contacts.")
    CONTACTS_WRITE = value("CONTACTS_WRITE", "Create, change and delete contacts.")
    CONVERSATIONS = value("CONVERSATIONS", "Read conversations.")
    SEND = value("SEND", "Start a conversation.")
    REPLY = value("REPLY", "Reply.")
    EDIT_MESSAGE = value("EDIT_MESSAGE", "Edit sent messages.")
    DELETE_MESSAGE = value("DELETE_MESSAGE", "Delete messages.")
    REACT = value("REACT", "React to messages.")
    READ_STATE = value("READ_STATE", "Read and write read state.")
    LABELS = value("LABELS", "Read and write labels or folders.")
    ATTACHMENTS = value("ATTACHMENTS", "Attachments.")
    MEETINGS = value("MEETINGS", "Read meetings.")
    ACTIVITIES = value("ACTIVITIES", "Read posts and events.")
    SEARCH = value("SEARCH", "Search at the network.")
    DELTA = value("DELTA", "Tell what changed since last time.")
    PUSH = value("PUSH", "Notify of changes.")
    MIRROR = value("MIRROR", "Can be synchronised into the store.")
    LIVE = value("LIVE", "Can be asked live.")
    IMPORT = value("IMPORT", "Can be imported from files.")


@word("How an account is linked.")
class LinkMethod(Enum):
    OAUTH_REDIRECT = value("OAUTH_REDIRECT", "The user's browser visits the network and comes back.")
    DEVICE_CODE = value("DEVICE_CODE", "The user types a code on another device.")
    PASSWORD = value("PASSWORD", "User name and password.")
    APP_PASSWORD = value("APP_PASSWORD", "A password made for this application.")
    TOKEN = value("TOKEN", "A token or key pasted by the user.")
    NO_SECRET = value("NO_SECRET", "Nothing secret is needed, such as a public feed.")


@word("What to show for a form field.")
class FormFieldKind(Enum):
    TEXT = value("TEXT", "One line.")
    EMAIL = value("EMAIL", "E-mail address.")
    PASSWORD = value("PASSWORD", "Hidden text.")
    URL = value("URL", "Address.")
    NUMBER = value("NUMBER", "Number.")
    SELECT = value("SELECT", "One of options.")
    CHECKBOX = value("CHECKBOX", "Yes or no, sent as true or false.")


@word("State of a link.")
class AccountStatus(Enum):
    SYNCING = value("SYNCING", "First synchronisation runs.")
    ACTIVE = value("ACTIVE", "In step, no open gap.")
    DEGRADED = value("DEGRADED", "In use with an open gap or repeated errors.")
    REAUTH_REQUIRED = value("REAUTH_REQUIRED", "The user must authorise again.")
    PAUSED = value("PAUSED", "Paused by the user.")
    UNLINKING = value("UNLINKING", "Being revoked and erased.")


@word("Where an account's data lives.")
class AccountMode(Enum):
    MIRRORED = value("MIRRORED", "Synchronised into the store.")
    LIVE = value("LIVE", "Asked when needed, only cached.")


@word("What a ledger line counts.")
class CoverageUnit(Enum):
    ACCOUNT = value("ACCOUNT", "The whole account.")
    CONTAINER = value("CONTAINER", "One folder, label, address book, calendar or room.")
    KIND = value("KIND", "One kind of record.")


@word("Why a record is not stored; more may be added.")
class SkipReason(Enum):
    OUTSIDE_WINDOW = value("OUTSIDE_WINDOW", "Older than the account's window.")
    EXCLUDED = value("EXCLUDED", "In a container the user excluded.")
    DUPLICATE = value("DUPLICATE", "Already stored through another source.")
    EMPTY = value("EMPTY", "Holds nothing.")
    UNREADABLE = value("UNREADABLE", "Cannot be parsed; kept as a stub.")
    TOO_LARGE = value("TOO_LARGE", "Larger than the limit.")
    UNSUPPORTED = value("UNSUPPORTED", "Of a kind that Kith does not model.")
    FORBIDDEN = value("FORBIDDEN", "The network refuses this record.")


@word("Kind of an address.")
class AddressKind(Enum):
    EMAIL = value("EMAIL", "E-mail address.")
    PHONE = value("PHONE", "Phone number.")
    HANDLE = value("HANDLE", "Handle on a network.")
    URL = value("URL", "Profile address.")


@word("How an own address was found.")
class OwnAddressOrigin(Enum):
    SETTINGS = value("SETTINGS", "The network's account settings.")
    ALIAS = value("ALIAS", "An alias the network lists.")
    SENT_MAIL = value("SENT_MAIL", "Used in sent messages.")
    MANUAL = value("MANUAL", "Said by the viewer.")


@word("State of a link session.")
class LinkState(Enum):
    DISCOVERING = value("DISCOVERING", "Settings are being looked for.")
    AWAITING_REDIRECT = value("AWAITING_REDIRECT", "The user is at the network.")
    AWAITING_DEVICE = value("AWAITING_DEVICE", "The user types the code.")
    AWAITING_CREDENTIALS = value("AWAITING_CREDENTIALS", "The form must be filled.")
    VERIFYING = value("VERIFYING", "Credentials are being tried.")
    LINKED = value("LINKED", "Done.")
    FAILED = value("FAILED", "Given up; see error.")
    EXPIRED = value("EXPIRED", "Too late.")
    CANCELLED = value("CANCELLED", "Ended by the user.")


@word("Formats that can be imported; more may be added.")
class ArchiveFormat(Enum):
    VCARD = value("VCARD", "vCard 2.1, 3.0, 4.0.")
    JSCONTACT = value("JSCONTACT", "JSContact.")
    CSV = value("CSV", "Contacts as CSV, dialect recognised.")
    LDIF = value("LDIF", "LDIF.")
    MBOX = value("MBOX", "mbox.")
    MAILDIR = value("MAILDIR", "Maildir, zipped.")
    EML = value("EML", "Single messages, .eml or .emlx.")
    PST = value("PST", "Outlook PST.")
    ICALENDAR = value("ICALENDAR", "iCalendar.")
    GOOGLE_TAKEOUT = value("GOOGLE_TAKEOUT", "Google Takeout.")
    LINKEDIN = value("LINKEDIN", "LinkedIn data export.")
    X_TWITTER = value("X_TWITTER", "X data export.")
    FACEBOOK = value("FACEBOOK", "Facebook data export.")
    INSTAGRAM = value("INSTAGRAM", "Instagram data export.")
    WHATSAPP = value("WHATSAPP", "WhatsApp chat export.")
    TELEGRAM = value("TELEGRAM", "Telegram export.")
    SLACK = value("SLACK", "Slack export.")
    DISCORD = value("DISCORD", "Discord data package.")
    MASTODON = value("MASTODON", "Mastodon archive.")
    BLUESKY_CAR = value("BLUESKY_CAR", "AT Protocol repository.")
    EVERNOTE = value("EVERNOTE", "Evernote .enex.")
    IMESSAGE = value("IMESSAGE", "Messages chat.db.")
    ANDROID_SMS = value("ANDROID_SMS", "SMS Backup & Restore XML.")


@word("State of long work.")
class JobState(Enum):
    QUEUED = value("QUEUED", "Waits.")
    RUNNING = value("RUNNING", "At work.")
    DONE = value("DONE", "Ended; each row has its outcome, the file can be fetched.")
    FAILED = value("FAILED", "Gave up.")
    CANCELLED = value("CANCELLED", "Ended by the user; what is stored stays.")
    EXPIRED = value("EXPIRED", "Its result is erased.")


@word("Outcome of one row.")
class RowOutcome(Enum):
    CREATED = value("CREATED", "New record.")
    UPDATED = value("UPDATED", "Changed record.")
    UNCHANGED = value("UNCHANGED", "Already there.")
    SKIPPED = value("SKIPPED", "Left out on purpose.")
    FAILED = value("FAILED", "Could not be read.")


@word("What a person is.")
class PersonNature(Enum):
    INDIVIDUAL = value("INDIVIDUAL", "A human being.")
    ORGANIZATION = value("ORGANIZATION", "A company, team or shared mailbox.")
    AUTOMATED = value("AUTOMATED", "A robot, list or newsletter.")


@word("How sure a link between two resources is.")
class ClaimState(Enum):
    CLAIMED = value("CLAIMED", "One side says so.")
    RECIPROCAL = value("RECIPROCAL", "Both sides say so.")
    VERIFIED = value("VERIFIED", "A network vouches for it.")
    REVOKED = value("REVOKED", "Was said and is no longer.")


@word("Outside sources of facts; more may be added.")
class EnrichmentSource(Enum):
    GRAVATAR = value("GRAVATAR", "Gravatar.")
    GITHUB = value("GITHUB", "GitHub.")
    FULLCONTACT = value("FULLCONTACT", "FullContact.")
    PEOPLE_DATA_LABS = value("PEOPLE_DATA_LABS", "People Data Labs.")
    PUBLIC_WEB = value("PUBLIC_WEB", "Public web pages.")
    RECHECKS = value(
        "RECHECKS", "No source of facts: the hosts that look-ups have asked, when a claim is checked again by itself."
    )


@word("What a question to an outside source came to; more may be added.")
class EnrichmentOutcome(Enum):
    FOUND = value("FOUND", "It knows the person.")
    NOT_FOUND = value("NOT_FOUND", "It knows nobody by what it was asked.")
    PENDING = value("PENDING", "It is looking; ask again at retryAt.")
    ASKING = value("ASKING", "It is being asked just now.")
    TIMED_OUT = value("TIMED_OUT", "No answer by the deadline; it is there the next time.")
    OPTED_OUT = value("OPTED_OUT", "The person asked not to be told of; nobody asks again.")
    INVALID = value("INVALID", "It cannot read what it was asked.")
    RATE_LIMITED = value("RATE_LIMITED", "It takes no more questions until retryAt.")
    OUT_OF_CREDIT = value("OUT_OF_CREDIT", "The installation's credits there are used up.")
    REFUSED = value("REFUSED", "It refuses the installation's key or plan, or robots.")
    UNAVAILABLE = value("UNAVAILABLE", "It could not be reached, or has trouble of its own.")
    UNCONFIRMED = value(
        "UNCONFIRMED", "Nobody knows whether it answered, and whether that was paid for; it is not asked again by itself."
    )
    BUDGET_SPENT = value("BUDGET_SPENT", "This month's money is used up; nothing was sent.")
    NO_CONSENT = value("NO_CONSENT", "The viewer has not allowed it; nothing was sent.")
    NOT_SET_UP = value("NOT_SET_UP", "This installation has no contract with it; nothing was sent.")
    NOTHING_TO_ASK = value("NOTHING_TO_ASK", "No identifier of theirs may be sent; nothing was sent.")
    GONE = value("GONE", "They are nobody any more; nothing was sent.")
    QUEUED = value("QUEUED", "It is their turn later.")


@word("Why something left.")
class DisclosurePurpose(Enum):
    CONSENT = value("CONSENT", "The viewer had allowed this source to be asked.")
    LOOKUP = value("LOOKUP", "The viewer looked it up.")
    RECHECK = value("RECHECK", "A claim of a look-up was checked again by itself, which the viewer had allowed.")


@word("How the sending of something ended.")
class DisclosureOutcome(Enum):
    ANSWERED = value("ANSWERED", "The other side answered.")
    CUT = value("CUT", "The line broke, or no answer came in time.")
    NOT_SENT = value("NOT_SENT", "No connection came about: nothing has left.")
    UNCONFIRMED = value("UNCONFIRMED", "It is under way, or the process ended before its end was known.")


@word("A field with a best value.")
class PersonField(Enum):
    NAME = value("NAME", "Name.")
    PHOTO = value("PHOTO", "Photo.")
    EMAIL = value("EMAIL", "E-mail address.")
    PHONE = value("PHONE", "Phone number.")
    URL = value("URL", "Web address.")
    ORGANIZATION = value("ORGANIZATION", "Employer.")
    ADDRESS = value("ADDRESS", "Postal address.")
    BIRTHDAY = value("BIRTHDAY", "Birthday.")
    BIO = value("BIO", "Self-description.")


@word("What a resource says about another.")
class LookupRelation(Enum):
    ME = value("ME", "The same person.")
    ALIAS = value("ALIAS", "Another name of the same resource.")
    MOVED_TO = value("MOVED_TO", "Has moved there.")
    KNOWS = value("KNOWS", "Knows, follows or befriends.")
    MEMBER_OF = value("MEMBER_OF", "Belongs to.")
    PUBLISHES = value("PUBLISHES", "Publishes this feed or page.")


@word("Outcome of one look-up.")
class LookupState(Enum):
    FOUND = value("FOUND", "Something was found.")
    NOT_FOUND = value("NOT_FOUND", "Nothing is known.")
    PARTIAL = value("PARTIAL", "Found, with places that did not answer.")
    INVALID = value("INVALID", "Not a resource we can read.")
    BUDGET_SPENT = value("BUDGET_SPENT", "Not asked within this request's budget.")
    UNAVAILABLE = value("UNAVAILABLE", "No place answered.")


@word("What an order of people counts.")
class PersonOrderField(Enum):
    NAME = value("NAME", "sortName.")
    RELATIONSHIP = value("RELATIONSHIP", "Relationship score.")
    LAST_CONTACT = value("LAST_CONTACT", "Last exchange.")
    INFLUENCE = value("INFLUENCE", "Influence score.")
    CREATED = value("CREATED", "When the viewer came to know them.")


@word("What a part of a score measures; more may be added.")
class ScoreFactor(Enum):
    RECENCY = value("RECENCY", "How lately.")
    FREQUENCY = value("FREQUENCY", "How often.")
    RECIPROCITY = value("RECIPROCITY", "How much both ways.")
    RESPONSE_TIME = value("RESPONSE_TIME", "How fast answers come.")
    INITIATIVE = value("INITIATIVE", "Who begins.")
    CHANNELS = value("CHANNELS", "Over how many channels.")
    HISTORY = value("HISTORY", "How long already.")
    REACH = value("REACH", "How many hear them.")
    ENGAGEMENT = value("ENGAGEMENT", "How many answer.")
    POSITION = value("POSITION", "Place in the graph.")
    TOPIC = value("TOPIC", "Weight within a topic.")


@word("Why something is on the agenda; more may be added.")
class AgendaReason(Enum):
    UNANSWERED = value("UNANSWERED", "They wait for an answer.")
    OVERDUE = value("OVERDUE", "Longer silence than usual.")
    BIRTHDAY = value("BIRTHDAY", "Birthday.")
    JOB_CHANGE = value("JOB_CHANGE", "They changed jobs.")
    REMINDER = value("REMINDER", "A reminder is due.")
    MEETING = value("MEETING", "A meeting with them.")
    INVITATION = value("INVITATION", "An invitation to answer.")


@word("Answer to an invitation.")
class MeetingResponse(Enum):
    NEEDS_ACTION = value("NEEDS_ACTION", "None yet.")
    ACCEPTED = value("ACCEPTED", "Yes.")
    TENTATIVE = value("TENTATIVE", "Perhaps.")
    DECLINED = value("DECLINED", "No.")
    DELEGATED = value("DELEGATED", "Somebody else comes.")


@word("Which way a score goes.")
class Trend(Enum):
    RISING = value("RISING", "Closer.")
    STEADY = value("STEADY", "Unchanged.")
    FALLING = value("FALLING", "Drifting apart.")
    NEW = value("NEW", "Too new to tell.")


@word("How a contact belongs to its account.")
class ContactRelation(Enum):
    ADDRESS_BOOK = value("ADDRESS_BOOK", "Card in an address book.")
    CONNECTION = value("CONNECTION", "Mutual link on a network.")
    FOLLOWER = value("FOLLOWER", "Follows the viewer.")
    FOLLOWING = value("FOLLOWING", "Followed by the viewer.")
    CORRESPONDENT = value("CORRESPONDENT", "Seen in conversations only.")
    MEMBER = value("MEMBER", "Member of the same room, list or organisation.")
    ATTENDEE = value("ATTENDEE", "Seen in meetings only.")
    PROFILE = value("PROFILE", "The viewer's own profile.")


@word("What evidence is worth.")
class EvidenceStrength(Enum):
    PROOF = value("PROOF", "Joins by itself.")
    HINT = value("HINT", "Speaks for it.")
    COUNTER = value("COUNTER", "Speaks against it.")
    VETO = value("VETO", "Forbids it.")


@word("Kind of a phone line.")
class PhoneLine(Enum):
    MOBILE = value("MOBILE", "Mobile.")
    FIXED = value("FIXED", "Fixed line or switchboard.")
    UNKNOWN = value("UNKNOWN", "Cannot be told.")


@word("What a conversation is.")
class ConversationKind(Enum):
    EMAIL_THREAD = value("EMAIL_THREAD", "Mail.")
    DIRECT = value("DIRECT", "Two people.")
    GROUP = value("GROUP", "Named people.")
    CHANNEL = value("CHANNEL", "Room anybody can join.")
    THREAD = value("THREAD", "Side thread of a room.")
    POST = value("POST", "Post with its answers.")


@word("State of a conversation or message; more may be added.")
class Flag(Enum):
    UNREAD = value("UNREAD", "Not read, or marked so by hand.")
    FLAGGED = value("FLAGGED", "Starred.")
    ANSWERED = value("ANSWERED", "Answered.")
    FORWARDED = value("FORWARDED", "Forwarded.")
    DRAFT = value("DRAFT", "Not sent.")
    IMPORTANT = value("IMPORTANT", "Important, as the network says.")
    SIGNED = value("SIGNED", "Carries a signature.")
    ENCRYPTED = value("ENCRYPTED", "Encrypted.")
    ARCHIVED = value("ARCHIVED", "Out of the inbox.")
    MUTED = value("MUTED", "No notifications.")
    PINNED = value("PINNED", "On top.")
    SNOOZED = value("SNOOZED", "Hidden until snoozedUntil.")
    SPAM = value("SPAM", "Junk.")
    TRASHED = value("TRASHED", "In the trash.")


@word("Special use of a label, as in RFC 6154.")
class LabelRole(Enum):
    INBOX = value("INBOX", "Inbox.")
    ARCHIVE = value("ARCHIVE", "Archive.")
    DRAFTS = value("DRAFTS", "Drafts.")
    SENT = value("SENT", "Sent.")
    SPAM = value("SPAM", "Junk.")
    TRASH = value("TRASH", "Trash.")
    ALL = value("ALL", "All mail.")
    IMPORTANT = value("IMPORTANT", "Important.")
    CUSTOM = value("CUSTOM", "Made by the user.")


@word("Part played in a conversation or message.")
class ParticipantRole(Enum):
    FROM = value("FROM", "Author.")
    SENDER = value("SENDER", "Sent on behalf of the author.")
    TO = value("TO", "Addressed.")
    CC = value("CC", "Copied.")
    BCC = value("BCC", "Copied unseen.")
    REPLY_TO = value("REPLY_TO", "Wants the answers.")
    MEMBER = value("MEMBER", "In the room.")
    OWNER = value("OWNER", "Runs the room.")
    ORGANIZER = value("ORGANIZER", "Organises the meeting.")
    REQUIRED = value("REQUIRED", "Required at the meeting.")
    OPTIONAL = value("OPTIONAL", "Optional at the meeting.")
    RESOURCE = value("RESOURCE", "Room or device of the meeting.")


@word("A place in a conversation.")
class MessageMarker(Enum):
    FIRST_UNREAD = value("FIRST_UNREAD", "First unread message, or the end when all is read.")
    OLDEST = value("OLDEST", "Beginning.")
    LATEST = value("LATEST", "End.")


@word("Whether a message has a text to read.")
class BodyState(Enum):
    AVAILABLE = value("AVAILABLE", "Yes.")
    NOT_FETCHED = value("NOT_FETCHED", "Still at the network; asking for it fetches it.")
    EMPTY = value("EMPTY", "There is none.")
    ENCRYPTED = value("ENCRYPTED", "Encrypted.")
    UNPARSABLE = value("UNPARSABLE", "Broken; the original can be downloaded.")
    DELETED = value("DELETED", "Deleted by its author.")
    GONE = value("GONE", "No longer at the network and never stored.")


@word("Which way a message went.")
class Direction(Enum):
    INBOUND = value("INBOUND", "To the viewer.")
    OUTBOUND = value("OUTBOUND", "From the viewer.")
    BETWEEN_OTHERS = value("BETWEEN_OTHERS", "Seen by the viewer only.")


@word("What the receiving host said of the sender (RFC 8601), or the network of its own members.")
class MessageAuthentication(Enum):
    PASSED = value("PASSED", "The sender's domain or the network vouches for it.")
    FAILED = value("FAILED", "It was checked and failed: it joins nothing and counts for nothing.")
    NOT_CHECKED = value("NOT_CHECKED", "The receiving host made no statement.")
    UNKNOWN = value("UNKNOWN", "Imported from a file: nobody can tell.")


@word("Whether a person wrote a message.")
class MessageCategory(Enum):
    PERSONAL = value("PERSONAL", "From a person.")
    LIST = value("LIST", "Through a mailing list.")
    NEWSLETTER = value("NEWSLETTER", "Bulk.")
    NOTIFICATION = value("NOTIFICATION", "From a service.")
    AUTO_REPLY = value("AUTO_REPLY", "Automatic answer.")
    BOUNCE = value("BOUNCE", "Could not be delivered.")
    SPAM = value("SPAM", "Junk.")
    SYSTEM = value("SYSTEM", "Said by the network, such as a change of name.")


@word("What to do with pictures and styles on other hosts.")
class RemoteContent(Enum):
    BLOCK = value("BLOCK", "Removed.")
    PROXY = value("PROXY", "Fetched by this installation.")


@word("Whether an attachment can be fetched.")
class AttachmentState(Enum):
    AVAILABLE = value("AVAILABLE", "Yes.")
    GONE = value("GONE", "No longer at its source.")


@word("How a browser treats a download.")
class Disposition(Enum):
    ATTACHMENT = value("ATTACHMENT", "Save.")
    INLINE = value("INLINE", "Show.")


@word("Types of actors in ActivityStreams 2.0.")
class ActorKind(Enum):
    PERSON = value("PERSON", "Person.")
    ORGANIZATION = value("ORGANIZATION", "Organization.")
    GROUP = value("GROUP", "Group.")
    SERVICE = value("SERVICE", "Service.")
    APPLICATION = value("APPLICATION", "Application.")


@word("Types of activities in ActivityStreams 2.0.")
class ActivityVerb(Enum):
    ACCEPT = value("ACCEPT", "Accept.")
    ADD = value("ADD", "Add.")
    ANNOUNCE = value("ANNOUNCE", "Announce: repost or boost.")
    ARRIVE = value("ARRIVE", "Arrive.")
    BLOCK = value("BLOCK", "Block.")
    CREATE = value("CREATE", "Create: post.")
    DELETE = value("DELETE", "Delete.")
    DISLIKE = value("DISLIKE", "Dislike.")
    FLAG = value("FLAG", "Flag.")
    FOLLOW = value("FOLLOW", "Follow.")
    IGNORE = value("IGNORE", "Ignore.")
    INVITE = value("INVITE", "Invite.")
    JOIN = value("JOIN", "Join.")
    LEAVE = value("LEAVE", "Leave.")
    LIKE = value("LIKE", "Like.")
    LISTEN = value("LISTEN", "Listen.")
    MOVE = value("MOVE", "Move.")
    OFFER = value("OFFER", "Offer.")
    QUESTION = value("QUESTION", "Question.")
    READ = value("READ", "Read.")
    REJECT = value("REJECT", "Reject.")
    REMOVE = value("REMOVE", "Remove.")
    TENTATIVE_ACCEPT = value("TENTATIVE_ACCEPT", "TentativeAccept.")
    TENTATIVE_REJECT = value("TENTATIVE_REJECT", "TentativeReject.")
    TRAVEL = value("TRAVEL", "Travel.")
    UNDO = value("UNDO", "Undo.")
    UPDATE = value("UPDATE", "Update.")
    VIEW = value("VIEW", "View.")


@word("Types of objects in ActivityStreams 2.0 and its common extensions.")
class ActivityObjectKind(Enum):
    ARTICLE = value("ARTICLE", "Article.")
    AUDIO = value("AUDIO", "Audio.")
    DOCUMENT = value("DOCUMENT", "Document.")
    EVENT = value("EVENT", "Event.")
    IMAGE = value("IMAGE", "Image.")
    NOTE = value("NOTE", "Note.")
    PAGE = value("PAGE", "Page.")
    PLACE = value("PLACE", "Place.")
    PROFILE = value("PROFILE", "Profile or actor.")
    QUESTION = value("QUESTION", "Question or poll.")
    RELATIONSHIP = value("RELATIONSHIP", "Relationship.")
    REPOSITORY = value("REPOSITORY", "Repository of code.")
    TOMBSTONE = value("TOMBSTONE", "Tombstone.")
    VIDEO = value("VIDEO", "Video.")
    OTHER = value("OTHER", "Something else; see original.")


@word("Who may see an activity.")
class Visibility(Enum):
    PUBLIC = value("PUBLIC", "Everybody.")
    UNLISTED = value("UNLISTED", "Everybody who knows the address.")
    FOLLOWERS = value("FOLLOWERS", "Followers.")
    LIMITED = value("LIMITED", "Named people.")


@word("Kinds of items in a timeline.")
class TimelineKind(Enum):
    MESSAGE = value("MESSAGE", "Message.")
    MEETING = value("MEETING", "Meeting.")
    ACTIVITY = value("ACTIVITY", "Activity.")
    PROFILE_CHANGE = value("PROFILE_CHANGE", "ProfileChange.")
    MERGE = value("MERGE", "Merge.")
    NOTE = value("NOTE", "Note.")
    GAP = value("GAP", "TimelineGap.")


@word("Where to search.")
class SearchScope(Enum):
    PEOPLE = value("PEOPLE", "People and contacts.")
    CONVERSATIONS = value("CONVERSATIONS", "Conversations.")
    MESSAGES = value("MESSAGES", "Messages.")
    ATTACHMENTS = value("ATTACHMENTS", "Names of files.")


@word("Order of results.")
class SearchOrder(Enum):
    RELEVANCE = value("RELEVANCE", "Best first.")
    RECENCY = value("RECENCY", "Latest first.")


@word("What a completion is.")
class SuggestionKind(Enum):
    RESULT = value("RESULT", "Leads to one thing.")


@word("What caused a change.")
class ChangeOrigin(Enum):
    PROVIDER = value("PROVIDER", "A network.")
    CLIENT = value("CLIENT", "A mutation.")
    IDENTITY = value("IDENTITY", "Joining and parting people.")
    SYSTEM = value("SYSTEM", "Retention, erasure, upkeep.")


@word("Where sending stands.")
class DeliveryState(Enum):
    HELD = value("HELD", "Waits for sendAt.")
    SENDING = value("SENDING", "Being handed over.")
    CHECKING = value("CHECKING", "After a crash or cut: the network is asked whether it took place.")
    SENT = value("SENT", "Accepted by the network.")
    DELIVERED = value("DELIVERED", "Confirmed by the recipient's side.")
    FAILED = value("FAILED", "Refused.")
    CANCELLED = value("CANCELLED", "Taken back.")
    UNCONFIRMED = value("UNCONFIRMED", "Nobody can say whether the network took it; it is not sent again by itself.")


@word("State of a write.")
class WriteState(Enum):
    QUEUED = value("QUEUED", "Waits.")
    RUNNING = value("RUNNING", "Being written.")
    CHECKING = value("CHECKING", "After a crash or cut: the network is asked whether it took place.")
    DONE = value("DONE", "Settled.")
    REFUSED = value("REFUSED", "Refused by the network and undone here.")
    UNCONFIRMED = value("UNCONFIRMED", "Nobody can say whether it took place; it is not tried again by itself.")


@word("Why a node is gone.")
class DeletionReason(Enum):
    DELETED = value("DELETED", "Deleted at its source or by the viewer.")
    OUT_OF_WINDOW = value("OUT_OF_WINDOW", "Fell out of the account's window; still at the network.")
    UNLINKED = value("UNLINKED", "Its account was unlinked.")
    ERASED = value("ERASED", "Erased on request.")


@word("Why a client must start again.")
class ResyncCause(Enum):
    CURSOR_TOO_OLD = value("CURSOR_TOO_OLD", "Deletions since then are no longer kept.")
    ACCOUNT_REBUILT = value("ACCOUNT_REBUILT", "An account was read anew with other ids.")
    RESTORED = value("RESTORED", "The installation was restored from a backup.")
    SCHEMA_CHANGED = value("SCHEMA_CHANGED", "Stored fields changed their meaning.")
    SCOPE_CHANGED = value("SCOPE_CHANGED", "The key may now see more or less.")


@word("What a key may do.")
class ApiScope(Enum):
    READ = value("READ", "Read.")
    WRITE = value("WRITE", "Change contacts, people, annotations and read state.")
    SEND = value("SEND", "Send messages.")
    ADMIN = value("ADMIN", "Link accounts, keys, webhooks, export and erasure.")


@word("Whether a webhook works.")
class WebhookHealth(Enum):
    ACTIVE = value("ACTIVE", "Delivers.")
    FAILING = value("FAILING", "Repeats with growing pauses.")
    DISABLED = value("DISABLED", "Switched off by the viewer or after 3 days of failure.")


@word("What became of a delivery.")
class DeliveryOutcome(Enum):
    PENDING = value("PENDING", "Being tried.")
    DELIVERED = value("DELIVERED", "Accepted.")
    DEAD = value("DEAD", "Given up; can be replayed.")


@word("What a decision did.")
class MergeAction(Enum):
    MERGED = value("MERGED", "Joined.")
    UNMERGED = value("UNMERGED", "Parted.")
    REJECTED = value("REJECTED", "Said never to be joined.")
    FELL_APART = value("FELL_APART", "Parted because the evidence went away.")


@word("What an actor is.")
class AuditActorKind(Enum):
    VIEWER = value("VIEWER", "The viewer in a session.")
    API_KEY = value("API_KEY", "A program with a key.")
    RULE = value("RULE", "An automatic rule.")


@word("What the viewer said about records.")
class Verdict(Enum):
    SAME = value("SAME", "One person.")
    DIFFERENT = value("DIFFERENT", "Never one person.")


@word("In what two people are alike.")
class Likeness(Enum):
    NAME = value("NAME", "Same name.")
    HANDLE = value("HANDLE", "Look-alike handle.")
    DOMAIN = value("DOMAIN", "Look-alike domain.")


@word("What became of a suggestion.")
class SuggestionDecision(Enum):
    OPEN = value("OPEN", "To be decided.")
    ACCEPTED = value("ACCEPTED", "Merged.")
    REJECTED = value("REJECTED", "Said never to be joined.")
    OUTDATED = value("OUTDATED", "The facts changed.")


@word("How two names compare.")
class NameAgreement(Enum):
    EQUAL = value("EQUAL", "The same after normalisation.")
    VARIANT = value("VARIANT", "Nickname, initial, transliteration or order.")
    SILENT = value("SILENT", "Says nothing.")
    CONTRADICTS = value("CONTRADICTS", "Cannot be one person's.")
