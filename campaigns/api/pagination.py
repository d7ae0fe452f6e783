"""Pages of a list by its keys: what comes in meanwhile moves nothing, and nothing is counted.

Newest first, as the keys have it (UUIDs of version 7 grow with time).
"""

from __future__ import annotations

import base64
import binascii
import uuid
from typing import Annotated, Any, TypeVar

from django.db.models import Model, QuerySet
from ninja import Query
from pydantic import BaseModel, Field

from campaigns.api.errors import Fault, Problem

MOST = 200
M = TypeVar("M", bound=Model)


class Paging(BaseModel):
    """Which part of a list."""

    limit: int = Field(default=50, ge=1, le=MOST, description="Rows of a page.")
    cursor: str | None = Field(
        default=None,
        max_length=100,
        description="`next` of the page before; leave it out for the first one.",
    )


Pages = Annotated[Paging, Query()]


def page(rows: QuerySet[M], paging: Paging) -> dict[str, Any]:
    """`items` and `next`: the cursor of the page after it, None on the last one."""
    if paging.cursor:
        rows = rows.filter(pk__lt=_key(paging.cursor))
    found = list(rows.order_by("-pk")[: paging.limit + 1])
    items = found[: paging.limit]
    return {"items": items, "next": _cursor(items[-1]) if len(found) > len(items) else None}


def _cursor(row: Model) -> str:
    key: uuid.UUID = row.pk
    return base64.urlsafe_b64encode(key.bytes).decode().rstrip("=")


def _key(cursor: str) -> uuid.UUID:
    try:
        return uuid.UUID(bytes=base64.b64decode(f"{cursor}==", altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        said = "This is no cursor: send `next` of the page before as it is, or leave it out."
        raise Problem(422, said, [Fault(detail=said, parameter="cursor")]) from None
