"""A message without an answer is sent again: only by a person, who takes the decision."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Concat

from messaging.models import AttemptOutcome, DeliveryAttempt, DeliveryStatus, MessageDelivery
from segments.models import Doctor


class NotUnknownError(Exception):
    """The message got its answer meanwhile, or somebody else has sent it again."""


@transaction.atomic
def send_again(delivery_id: uuid.UUID, by: str, now: datetime) -> MessageDelivery:
    """Schedule an unknown delivery once more; `by` is who decided it.

    The attempt without an answer is written off, and still counts for the caps. Everything else
    is decided anew when it goes: opt-outs, hours, caps. It is good for STEP_EXPIRES_AFTER from now
    at least. NotUnknownError: it is not unknown (any more).
    """
    doctor_id = MessageDelivery.objects.values_list("doctor_id", flat=True).get(pk=delivery_id)
    Doctor.objects.lock([doctor_id]).get()
    delivery = MessageDelivery.objects.select_for_update(no_key=True).get(pk=delivery_id)
    if delivery.status != DeliveryStatus.UNKNOWN:
        raise NotUnknownError
    DeliveryAttempt.objects.filter(delivery=delivery, outcome=AttemptOutcome.UNKNOWN).update(
        outcome=AttemptOutcome.WRITTEN_OFF,
        counts=False,
        error_message=Concat(Value(f"Sent again by {by}, after: "), "error_message"),
    )
    delivery.status = DeliveryStatus.SCHEDULED
    delivery.claim_id = None
    delivery.scheduled_at = now
    delivery.expires_at = max(delivery.expires_at, now + settings.STEP_EXPIRES_AFTER)
    delivery.error_message = None
    delivery.save(
        update_fields=["status", "claim_id", "scheduled_at", "expires_at", "error_message"]
    )
    return delivery
