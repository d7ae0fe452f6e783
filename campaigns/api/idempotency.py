"""A batch is done once: the same key with the same body gets the same answer.

The answer is stored in the transaction that does the work, so that there is never one without the
other. A second request with the key waits for the first at the unique index.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any

from django.db import OperationalError, connection, transaction
from django.http import HttpRequest
from ninja import Header

from campaigns.api.errors import Fault, Problem
from campaigns.models import ApiBatch, ApiKey

KEPT = timedelta(days=7)
PATIENCE = timedelta(seconds=10)  # for another request with the same key
NAME = "Idempotency-Key"

Once = Annotated[
    str,
    Header(
        alias=NAME,
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description="Of your own choice, one for each batch, such as a UUID: the batch is done "
        f"once, and sending it again within {KEPT.days} days gets the same answer.",
        examples=["4f6f0d0c-5a0e-4c0e-9f0e-2f5f9d9f0a11"],
    ),
]


def once(
    request: HttpRequest, key: ApiKey, name: str, work: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """What `work` answers, or what it answered when this batch came before.

    Problem: 409, another request with this name is not done yet; 422, it came with another body.
    An error of `work` undoes it and is not remembered: the batch may be sent again.
    """
    digest = hashlib.sha256(f"{request.path}\n".encode() + request.body).hexdigest()
    with transaction.atomic():
        batch = ApiBatch(api_key=key, idempotency_key=name, digest=digest, status=200, answer={})
        if not _claim(batch):
            return _answered(key, name, digest)
        done = work()
        batch.answer = done
        batch.save(update_fields=["answer"])
        return done


def _claim(batch: ApiBatch) -> bool:
    """Whether nobody has had this name; waits for whoever is about to."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout')")
        before = cursor.fetchone()[0]
        _set_patience(f"{PATIENCE.seconds}s")
        try:
            with transaction.atomic():
                ApiBatch.objects.bulk_create([batch], ignore_conflicts=True)
        except OperationalError:
            said = f"A request with this {NAME} is not done yet: send it again in a moment."
            raise Problem(409, said, kind="in-progress", headers={"Retry-After": "5"}) from None
        _set_patience(before)
    return ApiBatch.objects.filter(pk=batch.pk).exists()


def _set_patience(value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [value])


def _answered(key: ApiKey, name: str, digest: str) -> dict[str, Any]:
    batch = ApiBatch.objects.get(api_key=key, idempotency_key=name)
    if batch.digest != digest:
        said = f"This {NAME} came with another batch before: choose a new one for a new batch."
        fault = Fault(detail=said, parameter=NAME)
        raise Problem(422, said, [fault], kind="idempotency-key-reused")
    answer: dict[str, Any] = batch.answer
    return answer


def forget_batches(now: datetime) -> int:
    """Delete the answers that were kept for KEPT; returns how many."""
    milliseconds = int((now - KEPT).timestamp() * 1000)
    oldest = uuid.UUID(int=milliseconds << 80)  # a UUID of version 7 begins with its time
    deleted, _ = ApiBatch.objects.filter(pk__lt=oldest).delete()
    return deleted
