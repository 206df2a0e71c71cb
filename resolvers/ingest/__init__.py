"""What a page means: records become rows, people, conversations and feed entries, in one transaction a slice."""

from resolvers.ingest.contacts import put_contacts, put_edited
from resolvers.ingest.filing import is_settled, put_list, tell_whereabouts
from resolvers.ingest.intake import Result, Target, take_in
from resolvers.ingest.live import take_in_heads, take_in_messages
from resolvers.ingest.prepared import Prepared, prepare, remainder
from resolvers.ingest.removal import (
    believable,
    forget_account,
    remove_contacts,
    remove_keys,
    remove_messages,
    stored_keys,
    sweep_photos,
    unlisted,
)
from resolvers.ingest.states import put_marks, put_moved

__all__ = [
    "Prepared",
    "Result",
    "Target",
    "believable",
    "forget_account",
    "is_settled",
    "prepare",
    "put_contacts",
    "put_edited",
    "put_list",
    "put_marks",
    "put_moved",
    "remainder",
    "remove_contacts",
    "remove_keys",
    "remove_messages",
    "stored_keys",
    "sweep_photos",
    "take_in",
    "take_in_heads",
    "take_in_messages",
    "tell_whereabouts",
    "unlisted",
]
