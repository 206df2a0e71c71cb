"""Entry points for following: the change feed and the progress of long work."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from resolvers import accounts, activities, changes, imports, linking, progress
from schema.activity import Activity, ActivityFilter
from schema.change import ChangeFilter
from schema.declare import UNSET, Info, argument, object_type, subscription
from schema.lists import given, plain
from schema.references import ChangeRef, ImportRef, LinkSessionRef, SyncProgressRef
from schema.scalars import Cursor


async def _changes(
    info: Info,
    since: Annotated[
        Cursor | None, argument(description="Cursor of the last change applied; after means the same and the later counts.")
    ] = UNSET,
    filter: Annotated[ChangeFilter | None, argument(description="Which items.")] = UNSET,
) -> AsyncGenerator[changes.Change, None]:
    async for change in changes.follow(info.context.operation, plain(since), given(filter, changes.ChangeFilter)):
        yield change


async def _activities(
    info: Info,
    filter: Annotated[ActivityFilter | None, argument(description="Which items.")] = UNSET,
) -> AsyncGenerator[activities.Activity, None]:
    async for found in activities.follow(info.context.operation, given(filter, activities.ActivityFilter)):
        yield found


async def _sync_progress(
    info: Info,
    account_id: Annotated[strawberry.ID | None, argument(description="One account.")] = UNSET,
) -> AsyncGenerator[accounts.SyncProgress, None]:
    async for moved in progress.syncs(info.context.operation, plain(account_id)):
        yield moved


async def _import_progress(
    info: Info,
    import_id: Annotated[strawberry.ID, argument(description="The import.")],
) -> AsyncGenerator[imports.Import, None]:
    async for moved in progress.import_run(info.context.operation, import_id):
        yield moved


async def _link_progress(
    info: Info,
    link_id: Annotated[strawberry.ID, argument(description="The session.")],
) -> AsyncGenerator[linking.LinkSession, None]:
    async for step in progress.link(info.context.operation, link_id):
        yield step


@object_type("Events as they happen.")
class Subscription:
    changes: ChangeRef = subscription(
        "The change feed after since, or from now; one event a change, uncoalesced, with FeedAdvanced at least every minute.",
        _changes,
    )
    activities: Activity = subscription(
        "New activities that pass the filter; changes carries the same with a cursor.", _activities
    )
    sync_progress: SyncProgressRef = subscription(
        "Progress of one or all accounts, at most twice a second; not part of the feed.", _sync_progress
    )
    import_progress: ImportRef = subscription(
        "Progress of one import, at most twice a second; not part of the feed.", _import_progress
    )
    link_progress: LinkSessionRef = subscription("Steps of one link session.", _link_progress)
