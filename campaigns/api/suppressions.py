"""Who is not written to: opt-outs of doctors, and channels that no longer reach them."""

# ruff: noqa: ARG001  ninja hands each operation the request
from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import Model, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import BaseModel, Field

from campaigns.api import audit
from campaigns.api.auth import Asked, Key
from campaigns.api.errors import Problem, invalid
from campaigns.api.idempotency import IfOnce, row_once
from campaigns.api.pagination import Pages, page
from campaigns.api.shapes import DoctorId, In, example
from campaigns.models import ApiScope
from messaging import optout, suppress
from messaging.models import Channel, Suppression, SuppressionReason, UnsubscribeRecord
from segments.models import Doctor, SegmentType

router = Router(tags=["Suppressions"])

SOURCE = "api"
ERASED = "The doctor was erased: the opt-out stays, so that nobody writes to them again."
M = TypeVar("M", bound=Model)


def _key(scope: ApiScope, permission: str) -> Key:
    return Key(scope, f"messaging.{permission}")


READ_OPT_OUTS = _key(ApiScope.SUPPRESSIONS_READ, "view_unsubscriberecord")
ADD_OPT_OUT = _key(ApiScope.SUPPRESSIONS_WRITE, "add_unsubscriberecord")
TAKE_BACK = _key(ApiScope.SUPPRESSIONS_WRITE, "change_unsubscriberecord")
READ_SUPPRESSIONS = _key(ApiScope.SUPPRESSIONS_READ, "view_suppression")
ADD_SUPPRESSION = _key(ApiScope.SUPPRESSIONS_WRITE, "add_suppression")
LIFT = _key(ApiScope.SUPPRESSIONS_WRITE, "lift_suppression")


class Filter(BaseModel):
    """Which rows of a list."""

    doctor_id: DoctorId | None = None
    holds: bool | None = Field(default=None, description="True: what holds; false: what did.")


Which = Annotated[Filter, Query()]


class OptOutIn(In):
    """A doctor's wish."""

    model_config = example(doctor_id="D-10023", channel="sms", reason="Asked by telephone")

    doctor_id: DoctorId
    channel: Channel | None = Field(default=None, description="Left out: all channels.")
    segment_type: SegmentType | None = Field(
        default=None, description="Left out: all kinds of campaign."
    )
    reason: str = Field(default="", max_length=1000)


class OptOutOut(Schema):
    """An opt-out."""

    id: UUID
    doctor_id: str
    channel: Channel | None = Field(description="Null: all.")
    segment_type: SegmentType | None = Field(description="Null: all.")
    reason: str | None
    source: str
    unsubscribed_at: datetime | None
    paused_until: datetime | None = Field(description="A pause, which ends then.")
    revoked_at: datetime | None = Field(description="Taken back; null: it holds.")

    @staticmethod
    def resolve_doctor_id(record: UnsubscribeRecord) -> str:
        """CLIRNET's own id."""
        return record.doctor.external_id


class OptOutPage(Schema):
    """A page of opt-outs."""

    items: list[OptOutOut]
    next: str | None


class SuppressionIn(In):
    """A channel that no longer reaches a doctor."""

    model_config = example(
        doctor_id="D-10023", channel="email", reason="hard_bounce", detail="550 no such user"
    )

    doctor_id: DoctorId
    channel: Channel
    reason: SuppressionReason = Field(
        description="complaint and provider_opt_out are the doctor's own word: they are recorded "
        "as opt-outs, too."
    )
    detail: str = Field(default="", max_length=300)


class SuppressionOut(Schema):
    """A channel that is closed to a doctor."""

    id: UUID
    doctor_id: str
    channel: Channel
    reason: SuppressionReason
    detail: str
    since: datetime
    lifted_at: datetime | None = Field(description="Null: it holds.")

    @staticmethod
    def resolve_doctor_id(held: Suppression) -> str:
        """CLIRNET's own id."""
        return held.doctor.external_id


class SuppressionPage(Schema):
    """A page of suppressions."""

    items: list[SuppressionOut]
    next: str | None


@router.get("/opt-outs", auth=READ_OPT_OUTS, response=OptOutPage, summary="List opt-outs")
def list_opt_outs(
    request: Asked,
    paging: Pages,
    which: Which,
) -> dict[str, Any]:
    """Newest first; of one doctor, or those that hold (or no longer do)."""
    found = UnsubscribeRecord.objects.select_related("doctor")
    if which.holds is not None:
        found = found.filter(revoked_at__isnull=which.holds)
    return page(_of(found, which.doctor_id), paging)


@router.post("/opt-outs", auth=ADD_OPT_OUT, response=OptOutOut, summary="Opt a doctor out")
def add_opt_out(request: Asked, wish: OptOutIn, name: IfOnce = None) -> UnsubscribeRecord:
    """Acts at once: what is scheduled is skipped. Saying it twice changes nothing.

    With an Idempotency-Key it does not opt out once more whoever took it back meanwhile; the answer
    is the opt-out as it is then.
    """

    def act() -> UnsubscribeRecord:
        doctor = _doctor(wish.doctor_id)
        known = _known(UnsubscribeRecord.objects.filter(doctor=doctor), doctor)
        record = optout.opt_out(
            doctor,
            wish.channel,
            wish.segment_type,
            reason=wish.reason or None,
            source=SOURCE,
            now=timezone.now(),
        )
        if record.pk not in known:
            audit.note(request.auth, record, "Opted out.", audit.ADDITION)
        return record

    return row_once(request, name, UnsubscribeRecord.objects.select_related("doctor"), act)


@router.post(
    "/opt-outs/{uuid:record_id}/take-back",
    auth=TAKE_BACK,
    response=OptOutOut,
    summary="Take an opt-out back",
)
def take_back(request: Asked, record_id: UUID) -> UnsubscribeRecord:
    """Only what the doctor asked for. Enrolments that it ended stay ended.

    Saying it twice changes nothing; the opt-out of a doctor who was erased stays (409).
    """
    record = get_object_or_404(UnsubscribeRecord, pk=record_id)
    with transaction.atomic():
        if optout.opt_in(record, timezone.now()):
            audit.note(request.auth, record, "Taken back.")
        record.refresh_from_db()
    if record.revoked_at is None:
        raise Problem(409, ERASED)
    return record


@router.get(
    "/channels", auth=READ_SUPPRESSIONS, response=SuppressionPage, summary="List suppressions"
)
def list_suppressions(
    request: Asked,
    paging: Pages,
    which: Which,
) -> dict[str, Any]:
    """Newest first; of one doctor, or those that hold (or no longer do)."""
    found = Suppression.objects.select_related("doctor")
    if which.holds is not None:
        found = found.filter(lifted_at__isnull=which.holds)
    return page(_of(found, which.doctor_id), paging)


@router.post("/channels", auth=ADD_SUPPRESSION, response=SuppressionOut, summary="Close a channel")
def add_suppression(request: Asked, closing: SuppressionIn, name: IfOnce = None) -> Suppression:
    """Nothing more goes to the doctor on the channel, at once. Twice changes nothing.

    With an Idempotency-Key it does not close again what was opened meanwhile; the answer is the
    suppression as it is then.
    """

    def act() -> Suppression:
        doctor = _doctor(closing.doctor_id)
        wishes = UnsubscribeRecord.objects.filter(doctor=doctor)
        closed = _known(Suppression.objects.filter(doctor=doctor), doctor)
        known = _known(wishes, doctor)
        held = suppress.suppress(
            doctor,
            closing.channel,
            closing.reason,
            now=timezone.now(),
            detail=closing.detail,
        )
        if held.pk not in closed:
            audit.note(request.auth, held, "Closed.", audit.ADDITION)
        for record in wishes.exclude(pk__in=known):
            audit.note(request.auth, record, "Opted out.", audit.ADDITION)
        return held

    return row_once(request, name, Suppression.objects.select_related("doctor"), act)


@router.post(
    "/channels/{uuid:held_id}/lift", auth=LIFT, response=SuppressionOut, summary="Open it again"
)
def lift(request: Asked, held_id: UUID) -> Suppression:
    """Once the number or address was corrected. Opt-outs that stand beside it stay.

    Saying it twice changes nothing.
    """
    held = get_object_or_404(Suppression, pk=held_id)
    with transaction.atomic():
        if suppress.lift(held, timezone.now(), request.auth.owner):
            audit.note(request.auth, held, "Lifted.")
        held.refresh_from_db()
    return held


def _doctor(external_id: str) -> int:
    pk = Doctor.objects.filter(external_id=external_id).values_list("pk", flat=True).first()
    if pk is None:
        raise invalid("There is no doctor with this id.", "doctor_id")
    return pk


def _known(rows: QuerySet[M], doctor: int) -> set[Any]:
    """Keys of the doctor's rows as they stand: none comes meanwhile, the caller's lock is held."""
    Doctor.objects.lock([doctor]).get()
    return set(rows.values_list("pk", flat=True))


def _of(rows: QuerySet[M], doctor_id: str | None) -> QuerySet[M]:
    if doctor_id is None:
        return rows
    pk = Doctor.objects.filter(external_id=doctor_id).values_list("pk", flat=True).first()
    if pk is None:
        raise Problem(404, "There is no doctor with this id.")
    return rows.filter(doctor=pk)
