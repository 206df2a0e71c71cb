"""Entry points for following: the change feed and the progress of long work."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry import Parent

from schema.change import ChangeFilter
from schema.declare import UNSET, Info, argument, field, object_type
from schema.references import ChangeRef, ImportRef, LinkSessionRef, SyncProgressRef
from schema.scalars import Cursor


async def _subscription_changes(
    parent: Parent[Any],
    info: Info,
    since: Annotated[
        Cursor | None, argument(description="Cursor of the last change applied; after means the same and the later counts.")
    ] = UNSET,
    filter: Annotated[ChangeFilter | None, argument(description="Which items.")] = UNSET,
) -> Any: ...


async def _subscription_sync_progress(
    parent: Parent[Any],
    info: Info,
    account_id: Annotated[strawberry.ID | None, argument(description="One account.")] = UNSET,
) -> Any: ...


async def _subscription_import_progress(
    parent: Parent[Any],
    info: Info,
    import_id: Annotated[strawberry.ID, argument(description="The import.")],
) -> Any: ...


async def _subscription_link_progress(
    parent: Parent[Any],
    info: Info,
    link_id: Annotated[strawberry.ID, argument(description="The session.")],
) -> Any: ...


@object_type("Events as they happen.")
class Subscription:
    changes: ChangeRef = field(
        "The change feed after since, or from now; one event a change, uncoalesced, with FeedAdvanced at least every minute.",
        _subscription_changes,
    )
    sync_progress: SyncProgressRef = field(
        "Progress of one or all accounts, at most twice a second; not part of the feed.", _subscription_sync_progress
    )
    import_progress: ImportRef = field(
        "Progress of one import, at most twice a second; not part of the feed.", _subscription_import_progress
    )
    link_progress: LinkSessionRef = field("Steps of one link session.", _subscription_link_progress)
