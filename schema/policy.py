"""What fields cost and which scope they need, as data: printed into the schema, read by the limits before anything runs.

Weights are points of the cost model; a field that is not named here weighs 1 when it gives an object and 0 when it gives a
leaf. A connection costs its page size times its node. Knows nothing of GraphQL.
"""

from __future__ import annotations

from typing import Final, Literal

Scope = Literal["READ", "WRITE", "SEND", "ADMIN"]

WEIGHTS: Final[dict[tuple[str, str], int]] = {
    ("Query", "lookup"): 20,
    ("Query", "lookups"): 20,
    ("Viewer", "people"): 2,
    ("Viewer", "contacts"): 2,
    ("Viewer", "conversations"): 2,
    ("Viewer", "activities"): 2,
    ("Viewer", "meetings"): 2,
    ("Viewer", "timeline"): 5,
    ("Viewer", "search"): 10,
    ("Viewer", "suggest"): 3,
    ("Stream", "activities"): 5,
    ("StreamRuleCheck", "matches"): 20,
    ("Person", "conversations"): 3,
    ("Person", "activities"): 3,
    ("Person", "meetings"): 3,
    ("Person", "timeline"): 5,
    ("Person", "why"): 2,
    ("Person", "relationship"): 2,
    ("Viewer", "agenda"): 5,
    ("ScorePart", "messages"): 5,
    ("Person", "topics"): 3,
    ("Person", "influence"): 5,
    ("Person", "acquaintances"): 5,
    ("Person", "enrichment"): 50,
    ("Person", "enrichmentPreview"): 5,
    ("Contact", "completions"): 50,
    ("Message", "text"): 2,
    ("Message", "newText"): 2,
    ("Message", "html"): 3,
    ("Attachment", "download"): 5,
    ("Message", "headers"): 2,
}
SCOPES: Final[dict[tuple[str, str], Scope]] = {
    ("Viewer", "apiKeys"): "ADMIN",
    ("Viewer", "webhooks"): "ADMIN",
    ("Mutation", "beginLink"): "ADMIN",
    ("Mutation", "completeLink"): "ADMIN",
    ("Mutation", "cancelLink"): "ADMIN",
    ("Mutation", "updateAccount"): "ADMIN",
    ("Mutation", "refreshAccount"): "WRITE",
    ("Mutation", "unlinkAccount"): "ADMIN",
    ("Mutation", "setOwnAddress"): "WRITE",
    ("Mutation", "markConversations"): "WRITE",
    ("Mutation", "createContact"): "WRITE",
    ("Mutation", "updateContact"): "WRITE",
    ("Mutation", "deleteContact"): "WRITE",
    ("Mutation", "mergePeople"): "WRITE",
    ("Mutation", "unmerge"): "WRITE",
    ("Mutation", "rejectSuggestion"): "WRITE",
    ("Mutation", "choosePreferred"): "WRITE",
    ("Mutation", "updateViewer"): "WRITE",
    ("Mutation", "createUpload"): "WRITE",
    ("Mutation", "importArchive"): "WRITE",
    ("Mutation", "cancelImport"): "WRITE",
    ("Mutation", "sendMessage"): "SEND",
    ("Mutation", "undoSend"): "SEND",
    ("Mutation", "editMessage"): "SEND",
    ("Mutation", "deleteMessage"): "SEND",
    ("Mutation", "react"): "SEND",
    ("Mutation", "annotate"): "WRITE",
    ("Mutation", "updateAnnotation"): "WRITE",
    ("Mutation", "removeAnnotation"): "WRITE",
    ("Mutation", "createStream"): "WRITE",
    ("Mutation", "updateStream"): "WRITE",
    ("Mutation", "deleteStream"): "WRITE",
    ("Mutation", "createApiKey"): "ADMIN",
    ("Mutation", "createWebhook"): "ADMIN",
    ("Mutation", "updateWebhook"): "ADMIN",
    ("Mutation", "deleteWebhook"): "ADMIN",
    ("Mutation", "testWebhook"): "ADMIN",
    ("Mutation", "replayWebhook"): "ADMIN",
    ("Mutation", "revokeApiKey"): "ADMIN",
    ("Mutation", "setEnrichmentConsent"): "ADMIN",
    ("Mutation", "enrichPeople"): "WRITE",
    ("Mutation", "updatePublicProfile"): "ADMIN",  # what it shows, it shows everybody
}
ROOTS: Final[dict[str, Scope]] = {"Query": "READ", "Mutation": "WRITE", "Subscription": "READ"}
# ways from a payload back to everything of the viewer's: whoever may only write does not read through them
BACK: Final[dict[tuple[str, str], Scope]] = {
    ("UpdateViewerPayload", "viewer"): "READ",
    ("MarkConversationsPayload", "conversations"): "READ",
    ("CreateContactPayload", "contact"): "READ",
    ("UpdateContactPayload", "contact"): "READ",
    ("MergePeoplePayload", "person"): "READ",
    ("MergePeoplePayload", "merge"): "READ",
    ("UnmergePayload", "people"): "READ",
    ("UnmergePayload", "merge"): "READ",
    ("RejectSuggestionPayload", "merge"): "READ",
    ("RejectSuggestionPayload", "suggestion"): "READ",
    ("MergePeoplePayload", "suggestion"): "READ",
    ("ChoosePreferredPayload", "person"): "READ",
    ("SendMessagePayload", "message"): "READ",
    ("SendMessagePayload", "conversation"): "READ",
    ("UndoSendPayload", "message"): "READ",
    ("EditMessagePayload", "message"): "READ",
    ("DeleteMessagePayload", "conversation"): "READ",
    ("ReactPayload", "message"): "READ",
    ("EnrichPeoplePayload", "run"): "READ",
    ("AnnotatePayload", "annotation"): "READ",
    ("AnnotatePayload", "about"): "READ",
    ("UpdateAnnotationPayload", "annotation"): "READ",
    ("RemoveAnnotationPayload", "about"): "READ",
    ("CreateStreamPayload", "stream"): "READ",
    ("UpdateStreamPayload", "stream"): "READ",
}

# what lets whoever reads it do more than read
CARRIED: Final[dict[tuple[str, str], Scope]] = {("UploadTicket", "url"): "WRITE"}


def cost_of(type_name: str, field_name: str) -> int | None:
    """The declared weight of a field (GraphQL names); None means 1 for objects, 0 for leaves."""
    return WEIGHTS.get((type_name, field_name))


def scope_of(type_name: str, field_name: str) -> Scope | None:
    """The scope that a field needs: its own, else its root's; None for fields that come with their parent."""
    key = (type_name, field_name)
    return SCOPES.get(key) or BACK.get(key) or CARRIED.get(key) or ROOTS.get(type_name)
