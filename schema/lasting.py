"""Which answers last: for each field, whether the store alone decides what it gives, as data.

An answer made of `STORED` fields only stays the same until its viewer's revision changes (store/revision.py), and may be kept until
then. What is not listed here is never kept, so a new field costs time at worst; a test wants every field in one of the two lists. Two
things are seen only when an operation runs, and watched there (resolvers/operation.py): what is asked of a LIVE account, a cache or the
clock, and a list with something missing. Knows nothing of caches.
"""

from __future__ import annotations

from typing import Final, Literal

Passing = Literal["LIVE", "PROGRESS", "SIGNED", "NOW", "WRITE"]

#: Fields that are read from the store, or are the same as long as the process runs. Interfaces stand for what they lead to.
STORED: Final[dict[str, frozenset[str]]] = {
    name: frozenset(fields.split())
    for name, fields in {
        "Account": "id version provider label status statusReason mode capabilities grantedScopes labels ownAddresses createdAt",
        "AccountConnection": "pageInfo totalCount edges",
        "AccountEdge": "cursor node",
        "AccountUnread": "account conversations messages",
        "AcquaintanceConnection": "pageInfo totalCount edges",
        "AcquaintanceEdge": "cursor node strength evidence",
        "AcquaintanceEvidence": "strength weight sentence contacts observedAt count latest",
        "Activity": (
            "id version occurredAt account actor verb object target summary editedAt visibility mentions copies streams "
            "original url"
        ),
        "ActivityActor": "uri kind name handle photo person",
        "ActivityConnection": "pageInfo totalCount complete sources edges",
        "ActivityEdge": "cursor node",
        "ActivityMedia": "mediaType url alt",
        "ActivityObject": (
            "uri kind name summary text html language url attributedTo inReplyTo media hashtags publishedAt startsAt endsAt "
            "location likeCount repostCount replyCount"
        ),
        "Agenda": "date timeZone items sources",
        "AgendaItem": "key reason sentence person dueAt target",
        "Annotatable": "id notes tags reminders",
        "Answered": "answer question direction answeredAt waited",
        "Attachment": "id message name mediaType size hash inline state",
        "Circle": "id version name commonality people",
        "Contact": (
            "id version account person relation names emails phones urls organizations addresses photo dates bio note "
            "groups languages followers following url writable etag providerCreatedAt providerUpdatedAt vcard"
        ),
        "ContactConnection": "pageInfo totalCount complete sources edges",
        "ContactEdge": "cursor node",
        "ContactGroup": "key name",
        "Conversation": (
            "id version accounts kind subject participants messages firstMessage lastMessage lastActivityAt messageCount "
            "unreadCount labels flags url notes tags reminders"
        ),
        "ConversationConnection": "pageInfo totalCount complete sources edges",
        "ConversationEdge": "cursor node",
        "DecisionEvidence": "strength weight sentence contacts observedAt verdict merge",
        "Delivery": "state sendAt undoableUntil attempts error idempotencyKey",
        "EmailEvidence": "strength weight sentence contacts observedAt address verifiedBy shared",
        "Evidence": "strength weight sentence contacts observedAt",
        "FeedState": "head oldest",
        "FieldConflict": "field values sentence",
        "FormField": "name label kind required secret help placeholder defaultValue pattern options",
        "FormOption": "value label",
        "Highlight": "text spans field",
        "Identity": "id version provider handle name url claim person evidence",
        "Image": "hash url width height alt",
        "Influence": "score parts percentile topics sentence computedAt",
        "Label": "id version account name role unreadCount writable",
        "LinkForm": "method label help helpUrl fields",
        "NameEvidence": "strength weight sentence contacts observedAt left right agreement",
        "AttributeEvidence": "strength weight sentence contacts observedAt field left right agrees",
        "LikenessEvidence": "strength weight sentence contacts observedAt",
        "LookAlike": "person likeness sentence suspicious impostor",
        "LiveList": "pageInfo totalCount complete sources",
        "Attendee": "participant response",
        "Meeting": (
            "id version occurredAt accounts title description cancelled tentative allDay startsAt endsAt startsOn timeZone location "
            "conferenceUrl organizer attendees attendeeCount viewerResponse recurrence seriesId invitation url"
        ),
        "MeetingConnection": "pageInfo totalCount complete sources edges",
        "MeetingEdge": "cursor node",
        "Merge": "id version action ruleName survivor before evidence sentence undone undoable occurredAt",
        "MergeSuggestion": "id version decision candidates probability evidenceFor evidenceAgainst preview conflicts createdAt",
        "MergeSuggestionConnection": "pageInfo totalCount edges",
        "MergeSuggestionEdge": "cursor node",
        "MergeConnection": "pageInfo totalCount edges",
        "MergeEdge": "cursor node",
        "Message": (
            "id version occurredAt conversation sender recipients recipientCount sentAt receivedAt editedAt deletedAt "
            "subject snippet bodyState text newText html attachments attachmentCount reactions inReplyTo flags direction "
            "category categoryReason authentication meeting delivery labels sources internetMessageId headers url"
        ),
        "MessageConnection": "pageInfo totalCount complete sources edges",
        "MessageEdge": "cursor node",
        "MessageHeader": "name value",
        "MessageSource": "account container externalId url seenAt",
        "Node": "id",
        "Note": "id version about body occurredAt editedAt",
        "OwnAddress": "id version account addressKind value origin mine primary canSend messageCount",
        "PageInfo": "hasNextPage hasPreviousPage startCursor endCursor",
        "Participant": "name address kind role viewer person",
        "ParticipantConnection": "pageInfo totalCount edges",
        "ParticipantEdge": "cursor node",
        "Person": (
            "id version formerIds nature name sortName initials photo names emails phones urls organizations addresses "
            "birthday bio identities contacts conversations timeline activities meetings lastMessage unreadCount topics influence "
            "acquaintances conflicts lookAlikes impersonates suggestions merges why relationship circles notes tags reminders"
        ),
        "PersonConnection": "pageInfo totalCount complete sources edges",
        "PersonEdge": "cursor node",
        "PersonPreview": "personId name photo contactIds emails phones organization",
        "PhoneEvidence": "strength weight sentence contacts observedAt number line shared",
        "ProfileChange": "id person contact field oldValue newValue sentence occurredAt",
        "ProfileLinkEvidence": "strength weight sentence contacts observedAt from to claim verifier verifiedAt "
        "validUntil checkedAt failingSince lapsedAt",
        "Provider": "id key name kind configured capabilities limitations linkForms archiveFormats quotas",
        "ProviderIdEvidence": "strength weight sentence contacts observedAt provider handle",
        "PublicLink": "url verifiedAt",
        "PublicProfile": "published name account url displayName photo note email organization jobTitle locality country links",
        "Query": "viewer node nodes person conversation people providers server",
        "Reaction": "emoji count viewer participants",
        "Relationship": (
            "score parts trend inboundCount outboundCount lastInboundAt lastOutboundAt firstContactAt usualInterval nextDueAt "
            "theirResponseTime ownResponseTime answers sentence computedAt"
        ),
        "Reminder": "id version about body dueAt doneAt",
        "ReminderConnection": "pageInfo totalCount edges",
        "ReminderEdge": "cursor node",
        "ScorePart": "factor value weight sentence messages",
        "SearchConnection": "pageInfo totalCount complete sources edges interpretation",
        "SearchEdge": "cursor node score highlights",
        "SearchInterpretation": "canonical warnings",
        "SearchWarning": "message span",
        "Server": "version schemaHash features transports limits apiUrl",
        "ServerLimits": "maxCost maxDepth maxAliases maxPageSize maxUploadBytes changeRetention",
        "SourceStatus": "account state servedFrom message",
        "SourcedAddress": "sources preferred chosen formatted street locality region postalCode country label",
        "SourcedDate": "sources preferred chosen date year month day label",
        "SourcedEmail": "sources preferred chosen address raw label verified shared",
        "SourcedName": "sources preferred chosen full prefix given middle family suffix nickname phonetic",
        "SourcedOrganization": "sources preferred chosen name department title",
        "SourcedPhone": "sources preferred chosen number raw extension label verified shared",
        "SourcedText": "sources preferred chosen value",
        "SourcedUrl": "sources preferred chosen url label",
        "SourcedValue": "sources preferred chosen",
        "Stream": "id version name rule enabled activities createdAt",
        "Tag": "id version name color people",
        "Suggestion": "text kind result spans",
        "TextSpan": "start end line column",
        "TimelineConnection": "pageInfo totalCount complete sources edges",
        "TimelineEdge": "cursor node",
        "TimelineGap": "occurredAt key from account state message closesAt",
        "TimelineItem": "occurredAt",
        "Topic": "name score evidence",
        "UnreadCounts": "conversations messages byAccount",
        "UserError": "code message field",
        "ValueSource": "account contact verified asOf",
        "Versioned": "id version",
        "Viewer": (
            "id name locale timeZone region feed unread accounts people contacts conversations activities meetings timeline search "
            "suggest mergeSuggestions streams circles tags ownAddresses publicProfile reminders agenda"
        ),
    }.items()
}
#: Why the others are not, by type or by field. LIVE asks a network, PROGRESS changes without a revision, SIGNED ends by itself and belongs to
#: whom it was given, NOW depends on the clock by the minute, WRITE is not asked twice.
PASSING: Final[dict[str, Passing]] = {
    "Account.progress": "PROGRESS",
    "Actor": "NOW",
    "Account.lastSyncedAt": "PROGRESS",
    "Account.nextSyncAt": "PROGRESS",
    "Account.coverage": "PROGRESS",
    "Account.gaps": "PROGRESS",
    "Account.writes": "PROGRESS",
    "ApiKey": "NOW",
    "Attachment.download": "SIGNED",
    "Change": "PROGRESS",
    "ChangeConnection": "PROGRESS",
    "ChangeEdge": "PROGRESS",
    "Completion": "LIVE",
    "Contact.completions": "LIVE",
    "ContactConflict": "WRITE",
    "ContactFieldConflict": "WRITE",
    "Coverage": "PROGRESS",
    "CredentialForm": "PROGRESS",
    "DeviceCode": "PROGRESS",
    "Disclosure": "PROGRESS",
    "DisclosureConnection": "PROGRESS",
    "DisclosureEdge": "PROGRESS",
    "DiscoveryAttempt": "PROGRESS",
    "EnrichedFact": "LIVE",
    "Enrichment": "LIVE",
    "EnrichmentConsent": "PROGRESS",
    "EnrichmentItem": "PROGRESS",
    "EnrichmentItemConnection": "PROGRESS",
    "EnrichmentItemEdge": "PROGRESS",
    "EnrichmentMoney": "PROGRESS",
    "EnrichmentPreview": "LIVE",
    "EnrichmentRun": "PROGRESS",
    "EnrichmentRunConnection": "PROGRESS",
    "EnrichmentRunEdge": "PROGRESS",
    "EnrichmentStatus": "LIVE",
    "FeedAdvanced": "PROGRESS",
    "Gap": "PROGRESS",
    "GapConnection": "PROGRESS",
    "GapEdge": "PROGRESS",
    "HttpHeader": "SIGNED",
    "Import": "PROGRESS",
    "ImportConnection": "PROGRESS",
    "ImportCounts": "PROGRESS",
    "ImportEdge": "PROGRESS",
    "ImportRow": "PROGRESS",
    "ImportRowConnection": "PROGRESS",
    "ImportRowEdge": "PROGRESS",
    "InputError": "WRITE",
    "LinkSession": "PROGRESS",
    "Lookup": "LIVE",
    "LookupLink": "LIVE",
    "LookupNode": "LIVE",
    "LookupResult": "LIVE",
    "LookupSource": "LIVE",
    "Merge.decidedBy": "NOW",
    "Mutation": "WRITE",
    "NodeDeleted": "PROGRESS",
    "NodeError": "WRITE",
    "NodeSplit": "PROGRESS",
    "NodeUpserted": "PROGRESS",
    "NodesMerged": "PROGRESS",
    "OAuthRedirect": "PROGRESS",
    "PendingWrite": "PROGRESS",
    "PendingWriteConnection": "PROGRESS",
    "PendingWriteEdge": "PROGRESS",
    "Person.enrichment": "LIVE",
    "Person.enrichmentPreview": "LIVE",
    "ProviderError": "WRITE",
    "Query.lookup": "LIVE",
    "Query.lookups": "LIVE",
    "Query.streamRule": "NOW",
    "ResyncRequired": "PROGRESS",
    "SignedUrl": "SIGNED",
    "SkippedCount": "PROGRESS",
    "SourceStatus.asOf": "PROGRESS",
    "SourceStatus.oldest": "PROGRESS",
    "SourceStatus.retryAt": "PROGRESS",
    "Stream.namedCircles": "NOW",
    "Stream.matchCount": "NOW",
    "Stream.matchedTo": "PROGRESS",
    "Stream.replay": "PROGRESS",
    "StreamCircle": "NOW",
    "StreamPreview": "NOW",
    "StreamPreviewEdge": "NOW",
    "StreamReplay": "PROGRESS",
    "StreamRuleCheck": "NOW",
    "StreamRuleError": "NOW",
    "Subscription": "LIVE",
    "SyncProgress": "PROGRESS",
    "UploadTicket": "SIGNED",
    "Viewer.apiKeys": "NOW",
    "Viewer.changes": "PROGRESS",
    "Viewer.disclosures": "PROGRESS",
    "Viewer.enrichmentConsents": "PROGRESS",
    "Viewer.enrichmentMoney": "PROGRESS",
    "Viewer.enrichmentRuns": "PROGRESS",
    "Viewer.imports": "PROGRESS",
    "Viewer.webhooks": "PROGRESS",
    "Webhook": "PROGRESS",
    "WebhookDelivery": "PROGRESS",
    "WebhookDeliveryConnection": "PROGRESS",
    "WebhookDeliveryEdge": "PROGRESS",
    "WriteSettled": "PROGRESS",
}
PAYLOAD: Final = "Payload"  # what mutations answer


def stored(type_name: str, field_name: str) -> bool:
    """Whether the store alone decides what a field gives (GraphQL names)."""
    return field_name in STORED.get(type_name, ())


def passing(type_name: str, field_name: str) -> Passing | None:
    """Why a field is not kept; None for one that is, or that nobody has thought of."""
    if type_name.endswith(PAYLOAD):
        return "WRITE"
    return PASSING.get(type_name) or PASSING.get(f"{type_name}.{field_name}")
