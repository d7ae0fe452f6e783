"""What the platform reports: doctors, and what they do, as it happens. In batches."""

# ruff: noqa: ARG001  ninja hands each operation the request
from __future__ import annotations

from enum import StrEnum
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from ninja import Router, Schema
from pydantic import BaseModel, ConfigDict, Field

from campaigns.api.auth import Asked, Key, need
from campaigns.api.errors import Fault, Problem, at
from campaigns.api.idempotency import Once, once
from campaigns.models import ApiScope
from messaging.imports import CONSENTS
from segments.imports.batch import MOST_ROWS, import_rows
from segments.imports.header import ImportFileError
from segments.imports.kinds import KINDS, Kind

router = Router(tags=["Activity"])

READ = Key(ApiScope.ACTIVITY_WRITE)
WRITE = Key(ApiScope.ACTIVITY_WRITE)
# What can be reported: all that can be imported as a file.
KindName = StrEnum("KindName", {name: name for name in KINDS})  # type: ignore[misc]  # at start


class FieldOut(Schema):
    """One field of a kind's rows."""

    name: str
    required: bool = Field(description="Each row has it, one about a known doctor, too.")
    description: str


class KindOut(Schema):
    """What can be reported."""

    kind: str
    label: str
    key: list[str] = Field(description="Fields that tell which row of the database it is about.")
    fields: list[FieldOut]
    either: list[list[str]] = Field(
        description="Besides the required fields, a row has all fields of exactly one of these "
        "sets; empty: it needs no others.",
        examples=[[["name"], ["first_name", "last_name"]]],
    )


class Batch(BaseModel):
    """Rows of one kind, all with the same fields."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "rows": [
                        {
                            "doctor_id": "D-10023",
                            "name": "Asha Sen",
                            "specialty": "Cardiology",
                            "last_active_at": "2026-03-04T12:00:00+05:30",
                        }
                    ]
                }
            ]
        },
    )

    rows: list[Any] = Field(
        min_length=1,
        max_length=MOST_ROWS,
        description="Objects with the kind's fields (GET /activity/kinds). Required fields, and "
        "one set of `either`, are in each row. Another field that is absent from all rows stays as "
        "it is stored; null empties it. Times without a zone are Indian time.",
        json_schema_extra={"items": {"type": "object"}},
    )


class RowFault(Schema):
    """Why a row was left out. What stood in it is not repeated: answers are kept for a while."""

    pointer: str = Field(description="The row, and its field, in the body.", examples=["#/rows/3"])
    index: int = Field(description="Place of the row in the batch, from 0.")
    field: str
    detail: str = Field(description="What is wrong and what to do.")


class BatchOut(Schema):
    """What became of the rows. The same batch again gets the same answer."""

    kind: str
    rows: int
    created: int
    updated: int
    unchanged: int
    rejected: int = Field(description="Rows that were left out; one may have several errors.")
    errors: list[RowFault]


@router.get("/kinds", auth=READ, response=list[KindOut], summary="What can be reported")
def list_kinds(request: Asked) -> list[dict[str, Any]]:
    """Each kind with its fields."""
    return [_kind(kind) for kind in KINDS.values()]


def _kind(kind: Kind) -> dict[str, Any]:
    makes = kind.shape.makes if kind.shape else ()
    return {
        "kind": kind.name,
        "label": kind.label,
        "key": list(kind.key),
        "fields": [
            {"name": c.name, "required": c.required and c.name not in makes, "description": c.help}
            for c in kind.columns
        ],
        "either": [[kind.shape.instead], list(makes)] if kind.shape else [],
    }


@router.post("/{kind}", auth=WRITE, response=BatchOut, summary="Report a batch")
def report(request: Asked, kind: KindName, batch: Batch, name: Once) -> HttpResponse:
    """Rows that are new go in, rows that are known are brought up to date, wrong ones are told.

    The same rows again change nothing. The key's owner needs the permissions to add and to change
    what is reported (to add, for consents, which are facts and never change).
    """
    of = KINDS[kind.value]
    need(request.auth, *permissions(of))
    return once(request, name, lambda: _import(request, of, batch.rows))


def permissions(kind: Kind) -> list[str]:
    """As the import of a file in the admin asks for."""
    meta = kind.model._meta  # noqa: SLF001  Django's own name
    verbs = ("add",) if kind is CONSENTS else ("add", "change")
    return [f"{meta.app_label}.{verb}_{meta.model_name}" for verb in verbs]


def _import(request: Asked, kind: Kind, rows: list[Any]) -> BatchOut:
    try:
        done = import_rows(kind.name, rows, now=timezone.now(), started_by=request.auth.owner)
    except ImportFileError as error:
        fault = Fault(detail=str(error), pointer="#/rows")
        raise Problem(422, str(error), [fault]) from None
    return BatchOut(
        kind=kind.name,
        rows=len(rows),
        created=done.created,
        updated=done.updated,
        unchanged=done.unchanged,
        rejected=done.rejected,
        errors=[
            RowFault(
                # Of several fields together (a key) the row is pointed at.
                pointer=at("rows", line, *([field] if field and ", " not in field else [])),
                index=line,
                field=field,
                detail=problem,
            )
            for line, field, _, problem in done.rejections
        ],
    )
