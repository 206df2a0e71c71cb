"""Writing to webhooks: make, change, delete, try, replay."""

from __future__ import annotations

from typing import Annotated

import msgspec
import strawberry
from strawberry import Parent

from resolvers import webhooks
from resolvers.changes import ChangeFilter as Where
from resolvers.writing import Payload
from schema.change import ChangeFilter
from schema.declare import UNSET, Info, argument, asked, field, input_type, object_type
from schema.lists import given, plain
from schema.mutations.payload import KEY, WHAT, Written
from schema.references import WebhookDeliveryRef, WebhookRef
from schema.scalars import URL, Cursor


async def _webhook(parent: Parent[Payload], info: Info) -> webhooks.Shown | None:
    return None if parent.webhook_id is None else await webhooks.get(info.context.operation, parent.webhook_id)


async def _delivery(parent: Parent[Payload], info: Info) -> webhooks.ShownDelivery | None:
    return None if parent.delivery_id is None else await webhooks.get_delivery(info.context.operation, parent.delivery_id)


@input_type("Input of createWebhook.")
class CreateWebhookInput:
    target_url: URL = asked("Where events go.")
    filter: ChangeFilter | None = asked("Which changes.", default=UNSET)
    stream_id: strawberry.ID | None = asked("Only activities of this stream.", default=UNSET)
    since: Cursor | None = asked("Where to start; now by default.", default=UNSET)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of createWebhook.")
class CreateWebhookPayload(Written):
    webhook: WebhookRef | None = field("The webhook.", _webhook)
    secret: str | None = field("Signing secret, shown this once.")


@input_type("Input of updateWebhook.")
class UpdateWebhookInput:
    webhook_id: strawberry.ID = asked("The webhook.")
    target_url: URL | None = asked("New address.", default=UNSET)
    filter: ChangeFilter | None = asked("New filter.", default=UNSET)
    enabled: bool | None = asked("On or off.", default=UNSET)
    rotate_secret: bool | None = asked("New secret; the old one signs too for 24 hours.", default=False)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of updateWebhook.")
class UpdateWebhookPayload(Written):
    webhook: WebhookRef | None = field("The webhook.", _webhook)
    secret: str | None = field("New secret, when rotated.")


@input_type("Input of deleteWebhook.")
class DeleteWebhookInput:
    webhook_id: strawberry.ID = asked("The webhook.")
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of deleteWebhook.")
class DeleteWebhookPayload(Written):
    webhook_id: strawberry.ID | None = field("The webhook that is gone.")


@input_type("Input of testWebhook.")
class TestWebhookInput:
    webhook_id: strawberry.ID = asked("The webhook.")
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of testWebhook.")
class TestWebhookPayload(Written):
    delivery: WebhookDeliveryRef | None = field("What became of it.", _delivery)


@input_type("Input of replayWebhook.")
class ReplayWebhookInput:
    webhook_id: strawberry.ID = asked("The webhook.")
    since: Cursor = asked("From where.")
    only_dead: bool | None = asked("Only those given up.", default=False)
    idempotency_key: str | None = asked(KEY, default=UNSET)


@object_type("Answer of replayWebhook.")
class ReplayWebhookPayload(Written):
    webhook: WebhookRef | None = field("The webhook.", _webhook)


async def create_webhook(info: Info, input: Annotated[CreateWebhookInput, argument(description=WHAT)]) -> Payload:
    """Registers a receiver of changes."""
    where = given(input.filter, Where)
    if (stream_id := plain(input.stream_id)) is not None:
        where = msgspec.structs.replace(where, stream_id=stream_id)
    return await webhooks.create(
        info.context.operation, input.target_url, where, plain(input.since), plain(input.idempotency_key)
    )


async def update_webhook(info: Info, input: Annotated[UpdateWebhookInput, argument(description=WHAT)]) -> Payload:
    """Changes a webhook."""
    where = None if input.filter is UNSET or input.filter is None else given(input.filter, Where)
    return await webhooks.update(
        info.context.operation, input.webhook_id, plain(input.target_url), where, plain(input.enabled), bool(plain(input.rotate_secret)),
        plain(input.idempotency_key),
    )  # fmt: skip


async def delete_webhook(info: Info, input: Annotated[DeleteWebhookInput, argument(description=WHAT)]) -> Payload:
    """Deletes a webhook."""
    return await webhooks.delete(info.context.operation, input.webhook_id, plain(input.idempotency_key))


async def test_webhook(info: Info, input: Annotated[TestWebhookInput, argument(description=WHAT)]) -> Payload:
    """Sends a test event now."""
    return await webhooks.test(info.context.operation, input.webhook_id, plain(input.idempotency_key))


async def replay_webhook(info: Info, input: Annotated[ReplayWebhookInput, argument(description=WHAT)]) -> Payload:
    """Sends events again from a position."""
    return await webhooks.replay(
        info.context.operation, input.webhook_id, input.since, bool(plain(input.only_dead)), plain(input.idempotency_key)
    )
