"""Types by name, for the modules that come before them: lazy references, since people, contacts and conversations are a cycle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry

if TYPE_CHECKING:
    from schema.account import Account, AccountConnection, OwnAddress, SyncProgress
    from schema.activity import ActivityConnection
    from schema.agenda import Agenda
    from schema.annotation import Note, Reminder, ReminderConnection, Tag
    from schema.attachment import Attachment
    from schema.change import Change, ChangeConnection, FeedState
    from schema.circle import Circle
    from schema.contact import Contact, ContactConnection
    from schema.conversation import Conversation, ConversationConnection, Participant
    from schema.enrichment import (
        Completion,
        DisclosureConnection,
        Enrichment,
        EnrichmentConsent,
        EnrichmentMoney,
        EnrichmentPreview,
        EnrichmentRun,
        EnrichmentRunConnection,
    )
    from schema.errors import UserError
    from schema.evidence import Evidence
    from schema.identity import Identity
    from schema.image import Image
    from schema.imports import Import, ImportConnection
    from schema.influence import AcquaintanceConnection, Influence, Topic
    from schema.interfaces import Node
    from schema.keys import ApiKey
    from schema.label import Label
    from schema.linking import LinkSession
    from schema.look_alike import LookAlike
    from schema.lookup import Lookup, LookupResult
    from schema.meeting import Meeting, MeetingConnection
    from schema.merge import Merge, MergeConnection, PersonPreview
    from schema.merge_suggestion import MergeSuggestion, MergeSuggestionConnection
    from schema.message import Message, MessageConnection
    from schema.person import Person, PersonConnection
    from schema.provider import FormField, Provider
    from schema.public_profile import PublicProfile
    from schema.relationship import Relationship
    from schema.search import Highlight, SearchConnection, SearchResult, Suggestion
    from schema.server import Server
    from schema.sourced import (
        FieldConflict,
        SourcedAddress,
        SourcedDate,
        SourcedEmail,
        SourcedName,
        SourcedOrganization,
        SourcedPhone,
        SourcedText,
        SourcedUrl,
    )
    from schema.stream import Stream
    from schema.timeline import TimelineConnection
    from schema.upload import UploadTicket
    from schema.viewer import Viewer
    from schema.webhook import Webhook, WebhookDelivery
    from schema.writes import PendingWriteConnection

AccountRef = Annotated["Account", strawberry.lazy("schema.account")]
AccountConnectionRef = Annotated["AccountConnection", strawberry.lazy("schema.account")]
ActivityConnectionRef = Annotated["ActivityConnection", strawberry.lazy("schema.activity")]
AcquaintanceConnectionRef = Annotated["AcquaintanceConnection", strawberry.lazy("schema.influence")]
ApiKeyRef = Annotated["ApiKey", strawberry.lazy("schema.keys")]
AttachmentRef = Annotated["Attachment", strawberry.lazy("schema.attachment")]
ChangeRef = Annotated["Change", strawberry.lazy("schema.change")]
ChangeConnectionRef = Annotated["ChangeConnection", strawberry.lazy("schema.change")]
ContactRef = Annotated["Contact", strawberry.lazy("schema.contact")]
ContactConnectionRef = Annotated["ContactConnection", strawberry.lazy("schema.contact")]
ConversationRef = Annotated["Conversation", strawberry.lazy("schema.conversation")]
ConversationConnectionRef = Annotated["ConversationConnection", strawberry.lazy("schema.conversation")]
CompletionRef = Annotated["Completion", strawberry.lazy("schema.enrichment")]
DisclosureConnectionRef = Annotated["DisclosureConnection", strawberry.lazy("schema.enrichment")]
EnrichmentRef = Annotated["Enrichment", strawberry.lazy("schema.enrichment")]
EnrichmentConsentRef = Annotated["EnrichmentConsent", strawberry.lazy("schema.enrichment")]
EnrichmentMoneyRef = Annotated["EnrichmentMoney", strawberry.lazy("schema.enrichment")]
EnrichmentPreviewRef = Annotated["EnrichmentPreview", strawberry.lazy("schema.enrichment")]
EnrichmentRunRef = Annotated["EnrichmentRun", strawberry.lazy("schema.enrichment")]
EnrichmentRunConnectionRef = Annotated["EnrichmentRunConnection", strawberry.lazy("schema.enrichment")]
FieldConflictRef = Annotated["FieldConflict", strawberry.lazy("schema.sourced")]
EvidenceRef = Annotated["Evidence", strawberry.lazy("schema.evidence")]
FeedStateRef = Annotated["FeedState", strawberry.lazy("schema.change")]
FormFieldRef = Annotated["FormField", strawberry.lazy("schema.provider")]
HighlightRef = Annotated["Highlight", strawberry.lazy("schema.search")]
IdentityRef = Annotated["Identity", strawberry.lazy("schema.identity")]
ImageRef = Annotated["Image", strawberry.lazy("schema.image")]
ImportRef = Annotated["Import", strawberry.lazy("schema.imports")]
ImportConnectionRef = Annotated["ImportConnection", strawberry.lazy("schema.imports")]
InfluenceRef = Annotated["Influence", strawberry.lazy("schema.influence")]
LabelRef = Annotated["Label", strawberry.lazy("schema.label")]
LinkSessionRef = Annotated["LinkSession", strawberry.lazy("schema.linking")]
LookupRef = Annotated["Lookup", strawberry.lazy("schema.lookup")]
LookupResultRef = Annotated["LookupResult", strawberry.lazy("schema.lookup")]
LookAlikeRef = Annotated["LookAlike", strawberry.lazy("schema.look_alike")]
MergeSuggestionConnectionRef = Annotated["MergeSuggestionConnection", strawberry.lazy("schema.merge_suggestion")]
MergeSuggestionRef = Annotated["MergeSuggestion", strawberry.lazy("schema.merge_suggestion")]
PersonPreviewRef = Annotated["PersonPreview", strawberry.lazy("schema.merge")]
MergeRef = Annotated["Merge", strawberry.lazy("schema.merge")]
MergeConnectionRef = Annotated["MergeConnection", strawberry.lazy("schema.merge")]
MeetingRef = Annotated["Meeting", strawberry.lazy("schema.meeting")]
MeetingConnectionRef = Annotated["MeetingConnection", strawberry.lazy("schema.meeting")]
MessageRef = Annotated["Message", strawberry.lazy("schema.message")]
MessageConnectionRef = Annotated["MessageConnection", strawberry.lazy("schema.message")]
NodeRef = Annotated["Node", strawberry.lazy("schema.interfaces")]
OwnAddressRef = Annotated["OwnAddress", strawberry.lazy("schema.account")]
ParticipantRef = Annotated["Participant", strawberry.lazy("schema.conversation")]
PendingWriteConnectionRef = Annotated["PendingWriteConnection", strawberry.lazy("schema.writes")]
PersonRef = Annotated["Person", strawberry.lazy("schema.person")]
PersonConnectionRef = Annotated["PersonConnection", strawberry.lazy("schema.person")]
ProviderRef = Annotated["Provider", strawberry.lazy("schema.provider")]
PublicProfileRef = Annotated["PublicProfile", strawberry.lazy("schema.public_profile")]
RelationshipRef = Annotated["Relationship", strawberry.lazy("schema.relationship")]
SearchConnectionRef = Annotated["SearchConnection", strawberry.lazy("schema.search")]
SearchResultRef = Annotated["SearchResult", strawberry.lazy("schema.search")]
ServerRef = Annotated["Server", strawberry.lazy("schema.server")]
SourcedAddressRef = Annotated["SourcedAddress", strawberry.lazy("schema.sourced")]
SourcedDateRef = Annotated["SourcedDate", strawberry.lazy("schema.sourced")]
SourcedEmailRef = Annotated["SourcedEmail", strawberry.lazy("schema.sourced")]
SourcedNameRef = Annotated["SourcedName", strawberry.lazy("schema.sourced")]
SourcedOrganizationRef = Annotated["SourcedOrganization", strawberry.lazy("schema.sourced")]
SourcedPhoneRef = Annotated["SourcedPhone", strawberry.lazy("schema.sourced")]
SourcedTextRef = Annotated["SourcedText", strawberry.lazy("schema.sourced")]
SourcedUrlRef = Annotated["SourcedUrl", strawberry.lazy("schema.sourced")]
CircleRef = Annotated["Circle", strawberry.lazy("schema.circle")]
StreamRef = Annotated["Stream", strawberry.lazy("schema.stream")]
SuggestionRef = Annotated["Suggestion", strawberry.lazy("schema.search")]
SyncProgressRef = Annotated["SyncProgress", strawberry.lazy("schema.account")]
TopicRef = Annotated["Topic", strawberry.lazy("schema.influence")]
TimelineConnectionRef = Annotated["TimelineConnection", strawberry.lazy("schema.timeline")]
UploadTicketRef = Annotated["UploadTicket", strawberry.lazy("schema.upload")]
UserErrorRef = Annotated["UserError", strawberry.lazy("schema.errors")]
ViewerRef = Annotated["Viewer", strawberry.lazy("schema.viewer")]
WebhookRef = Annotated["Webhook", strawberry.lazy("schema.webhook")]
WebhookDeliveryRef = Annotated["WebhookDelivery", strawberry.lazy("schema.webhook")]
NoteRef = Annotated["Note", strawberry.lazy("schema.annotation")]
ReminderRef = Annotated["Reminder", strawberry.lazy("schema.annotation")]
TagRef = Annotated["Tag", strawberry.lazy("schema.annotation")]
ReminderConnectionRef = Annotated["ReminderConnection", strawberry.lazy("schema.annotation")]
AgendaRef = Annotated["Agenda", strawberry.lazy("schema.agenda")]
