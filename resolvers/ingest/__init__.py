"""What a page means: records become rows, people, conversations and feed entries, in one transaction a slice."""

from resolvers.ingest.intake import Result, Target, take_in
from resolvers.ingest.live import take_in_heads, take_in_messages
from resolvers.ingest.removal import forget_account, remove_unlisted

__all__ = ["Result", "Target", "forget_account", "remove_unlisted", "take_in", "take_in_heads", "take_in_messages"]
