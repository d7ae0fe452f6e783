"""A request is done once: the same key with the same body gets the same answer.

The answer is stored in the transaction that does the work, so that there is never one without the
other. A second request with the key waits for the first at the unique index.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

from django.db import OperationalError, connection, transaction
from django.db.models import Model, QuerySet
from django.http import HttpResponse
from ninja import Header, Schema
from ninja.responses import NinjaJSONEncoder
from pydantic import Field

from campaigns.api.auth import Asked
from campaigns.api.errors import Fault, Problem
from campaigns.models import ApiBatch, ApiKey

KEPT = timedelta(days=7)
PATIENCE = timedelta(seconds=10)  # for another request with the same key
NAME = "Idempotency-Key"
M = TypeVar("M", bound=Model)

_Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]+$")]
_EXAMPLES = ["4f6f0d0c-5a0e-4c0e-9f0e-2f5f9d9f0a11"]

# Of a batch, which has to have one.
Once = Annotated[
    _Name,
    Header(
        alias=NAME,
        description="Of your own choice, one for each batch, such as a UUID: the batch is done "
        f"once, and sending it again within {KEPT.days} days gets the same answer.",
        examples=_EXAMPLES,
    ),
]
# Of what makes one thing.
IfOnce = Annotated[
    _Name | None,
    Header(
        alias=NAME,
        description="Of your own choice, such as a UUID. With it, sending the request again within "
        f"{KEPT.days} days makes nothing a second time and gets the same answer.",
        examples=_EXAMPLES,
    ),
]


def once(
    request: Asked, name: str | None, work: Callable[[], Schema], status: int = 200
) -> HttpResponse:
    """What `work` answers, or what it answered when this request came before.

    Without a name it is done each time. Problem: 409, another request with this name is not done
    yet; 422, it came with another body. An error of `work` undoes it and is not remembered.
    """
    text = _once(request, name, lambda: _dumped(work().model_dump(by_alias=True)), status)
    return HttpResponse(text, status=status, content_type="application/json; charset=utf-8")


def row_once(request: Asked, name: str | None, rows: QuerySet[M], work: Callable[[], M]) -> M:
    """The row of `rows` that `work` makes, or made when this request came before, as it is now.

    For what is about a doctor: kept is the row's key alone, so that nothing lies here that an
    erasure would have to find. Problem: as `once`; 404 where the row is gone.
    """
    pk = json.loads(_once(request, name, lambda: _dumped(work().pk), status=200))
    found = rows.filter(pk=pk).first()
    if found is None:
        raise Problem(404, "What this request made is there no more.")
    return found


def _dumped(answer: object) -> str:
    return json.dumps(answer, cls=NinjaJSONEncoder)


@transaction.atomic
def _once(request: Asked, name: str | None, work: Callable[[], str], status: int) -> str:
    if name is None:
        return work()
    key = request.auth
    digest = hashlib.sha256(f"{request.path}\n".encode() + request.body).hexdigest()
    batch = ApiBatch(api_key=key, idempotency_key=name, digest=digest, status=status, answer="")
    if not _claim(batch):
        return _answered(key, name, digest)
    batch.answer = work()
    batch.save(update_fields=["answer"])
    return batch.answer


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


def _answered(key: ApiKey, name: str, digest: str) -> str:
    batch = ApiBatch.objects.get(api_key=key, idempotency_key=name)
    if batch.digest != digest:
        said = (
            f"This {NAME} came with another request before, to another address or with another "
            "body: choose a new one for a new request."
        )
        fault = Fault(detail=said, parameter=NAME)
        raise Problem(422, said, [fault], kind="idempotency-key-reused")
    return batch.answer


def forget_batches(now: datetime) -> int:
    """Delete the answers that were kept for KEPT; returns how many."""
    milliseconds = int((now - KEPT).timestamp() * 1000)
    oldest = uuid.UUID(int=milliseconds << 80)  # a UUID of version 7 begins with its time
    deleted, _ = ApiBatch.objects.filter(pk__lt=oldest).delete()
    return deleted
