"""Entry points for writing."""

from __future__ import annotations

from schema.declare import field, object_type
from schema.mutations.accounts import (
    RefreshAccountPayload,
    SetOwnAddressPayload,
    UnlinkAccountPayload,
    UpdateAccountPayload,
    refresh_account,
    set_own_address,
    unlink_account,
    update_account,
)
from schema.mutations.annotations import (
    AnnotatePayload,
    RemoveAnnotationPayload,
    UpdateAnnotationPayload,
    annotate,
    remove_annotation,
    update_annotation,
)
from schema.mutations.choosing import ChoosePreferredPayload, choose_preferred
from schema.mutations.contacts import (
    CreateContactPayload,
    DeleteContactPayload,
    UpdateContactPayload,
    create_contact,
    delete_contact,
    update_contact,
)
from schema.mutations.conversations import MarkConversationsPayload, mark_conversations
from schema.mutations.correcting import DeleteMessagePayload, EditMessagePayload, delete_message, edit_message
from schema.mutations.enrichment import (
    EnrichPeoplePayload,
    SetEnrichmentConsentPayload,
    enrich_people,
    set_enrichment_consent,
)
from schema.mutations.imports import CancelImportPayload, ImportArchivePayload, cancel_import, import_archive
from schema.mutations.linking import (
    BeginLinkPayload,
    CancelLinkPayload,
    CompleteLinkPayload,
    begin_link,
    cancel_link,
    complete_link,
)
from schema.mutations.merging import (
    MergePeoplePayload,
    RejectSuggestionPayload,
    UnmergePayload,
    merge_people,
    reject_suggestion,
    unmerge,
)
from schema.mutations.public_profile import UpdatePublicProfilePayload, update_public_profile
from schema.mutations.reacting import ReactPayload, react
from schema.mutations.sending import SendMessagePayload, UndoSendPayload, send_message, undo_send
from schema.mutations.streams import (
    CreateStreamPayload,
    DeleteStreamPayload,
    UpdateStreamPayload,
    create_stream,
    delete_stream,
    update_stream,
)
from schema.mutations.uploads import CreateUploadPayload, create_upload
from schema.mutations.viewer import (
    CreateApiKeyPayload,
    RevokeApiKeyPayload,
    UpdateViewerPayload,
    create_api_key,
    revoke_api_key,
    update_viewer,
)
from schema.mutations.webhooks import (
    CreateWebhookPayload,
    DeleteWebhookPayload,
    ReplayWebhookPayload,
    TestWebhookPayload,
    UpdateWebhookPayload,
    create_webhook,
    delete_webhook,
    replay_webhook,
    test_webhook,
    update_webhook,
)


@object_type("Entry points for writing.")
class Mutation:
    begin_link: BeginLinkPayload | None = field("Begins to link an account or to authorise one again.", begin_link, semantic=True)
    complete_link: CompleteLinkPayload | None = field(
        "Gives what a link session waits for; call it again to poll a device code.", complete_link, semantic=True
    )
    cancel_link: CancelLinkPayload | None = field("Ends a link session.", cancel_link, semantic=True)
    update_account: UpdateAccountPayload | None = field("Changes label, mode, window or pause.", update_account, semantic=True)
    refresh_account: RefreshAccountPayload | None = field("Synchronises now.", refresh_account, semantic=True)
    unlink_account: UnlinkAccountPayload | None = field(
        "Revokes the grant and erases what came only through the account.", unlink_account, semantic=True
    )
    set_own_address: SetOwnAddressPayload | None = field(
        "Says whether an address is the viewer's own; directions are corrected.", set_own_address, semantic=True
    )
    mark_conversations: MarkConversationsPayload | None = field(
        "Changes the state of conversations, here at once and at the network after; undone if refused.",
        mark_conversations,
        semantic=True,
    )
    create_contact: CreateContactPayload | None = field("Makes a contact at the network.", create_contact, semantic=True)
    update_contact: UpdateContactPayload | None = field("Changes a contact at the network.", update_contact, semantic=True)
    delete_contact: DeleteContactPayload | None = field("Deletes a contact at the network.", delete_contact, semantic=True)
    merge_people: MergePeoplePayload | None = field("Joins people.", merge_people, semantic=True)
    unmerge: UnmergePayload | None = field(
        "Takes records out of a person or a merge back; they are never joined again by themselves.", unmerge, semantic=True
    )
    reject_suggestion: RejectSuggestionPayload | None = field(
        "Says that these are different people for good.", reject_suggestion, semantic=True
    )
    choose_preferred: ChoosePreferredPayload | None = field(
        "Chooses which value of a field is shown; wins for ever.", choose_preferred, semantic=True
    )
    create_upload: CreateUploadPayload | None = field(
        "Reserves a place for a file, to be filled with HTTP PUT.", create_upload, semantic=True
    )
    import_archive: ImportArchivePayload | None = field(
        "Imports a file; twice is the same as once.", import_archive, semantic=True
    )
    cancel_import: CancelImportPayload | None = field("Ends an import; what is stored stays.", cancel_import, semantic=True)
    send_message: SendMessagePayload | None = field(
        "Sends a new message, a reply or a forward; a row in the outbox before anything leaves.", send_message, semantic=True
    )
    undo_send: UndoSendPayload | None = field(
        "Takes a message back before it leaves; deletes it afterwards where the network can.", undo_send, semantic=True
    )
    edit_message: EditMessagePayload | None = field("Edits a sent message, where the network can.", edit_message, semantic=True)
    delete_message: DeleteMessagePayload | None = field("Deletes a message at the network.", delete_message, semantic=True)
    react: ReactPayload | None = field("Adds or removes a reaction.", react, semantic=True)
    set_enrichment_consent: SetEnrichmentConsentPayload | None = field(
        "Allows or forbids an outside source.", set_enrichment_consent, semantic=True
    )
    enrich_people: EnrichPeoplePayload | None = field(
        "Puts many people to the outside sources that are allowed, in the background.", enrich_people, semantic=True
    )
    update_viewer: UpdateViewerPayload | None = field(
        "Changes name, language, time zone or region.", update_viewer, semantic=True
    )
    update_public_profile: UpdatePublicProfilePayload | None = field(
        "Changes what the viewer shows of themselves to everybody, publishes or withdraws it.",
        update_public_profile,
        semantic=True,
    )
    annotate: AnnotatePayload | None = field("Adds a note, tag or reminder.", annotate, semantic=True)
    update_annotation: UpdateAnnotationPayload | None = field(
        "Changes a note, tag or reminder.", update_annotation, semantic=True
    )
    remove_annotation: RemoveAnnotationPayload | None = field(
        "Removes a note, tag or reminder.", remove_annotation, semantic=True
    )
    create_stream: CreateStreamPayload | None = field("Saves a rule over activities.", create_stream, semantic=True)
    update_stream: UpdateStreamPayload | None = field("Changes a stream.", update_stream, semantic=True)
    delete_stream: DeleteStreamPayload | None = field("Deletes a stream.", delete_stream, semantic=True)
    create_webhook: CreateWebhookPayload | None = field("Registers a receiver of changes.", create_webhook, semantic=True)
    update_webhook: UpdateWebhookPayload | None = field("Changes a webhook.", update_webhook, semantic=True)
    delete_webhook: DeleteWebhookPayload | None = field("Deletes a webhook.", delete_webhook, semantic=True)
    test_webhook: TestWebhookPayload | None = field("Sends a test event now.", test_webhook, semantic=True)
    replay_webhook: ReplayWebhookPayload | None = field("Sends events again from a position.", replay_webhook, semantic=True)
    create_api_key: CreateApiKeyPayload | None = field("Makes a key.", create_api_key, semantic=True)
    revoke_api_key: RevokeApiKeyPayload | None = field("Revokes a key at once.", revoke_api_key, semantic=True)
