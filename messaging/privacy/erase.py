"""Erase a doctor: everything personal goes, from every table, file and cache; every figure stays.

What stays besides is an opt-out of everything and keyed hashes, so that no import brings the person
back (segments/erased.py).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, Value, When
from django.db.models.functions import Coalesce

from messaging import optout, reports, spool
from messaging.links import remember
from messaging.models import (
    DeliveryStatus,
    HandedOver,
    InboundMessage,
    MessageDelivery,
    Reply,
    ReplyStatus,
    SandboxMessage,
)
from messaging.privacy import files, forget, holdings, mentions
from segments import erased
from segments.models import CourseProgress, Doctor, ErasedPerson
from segments.peers import full_name

SOURCE = "erasure"
# What may still come of messages that went out before: late reports, slow workers.
SWEPT_FOR = timedelta(days=60)


class ErasureError(ValueError):
    """It cannot be done now; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is needed to find the person where no key points to them."""

    pattern: str
    numbers: list[str]
    peer_texts: list[str]  # what other doctors may have been told: the name, and testimonials
    tokens: list[str]


def erase(doctor_id: int, now: datetime, by: Any = None) -> ErasedPerson:
    """Erase a doctor in one transaction, under the doctor's lock. `by`: the user who decided.

    Scheduled messages are skipped and enrolments end, as by an opt-out. ErasureError: not now, or
    done already. Doctor.DoesNotExist: nobody has this key.
    """
    spool.drain(reports.SPOOLED)  # what waits on the disk is found in the tables then
    # Read before the lock is taken: it goes through what was said to everybody.
    known = _known(Doctor.objects.get(pk=doctor_id))
    seen = forget.windows_naming(_as_json(known.peer_texts))
    named = mentions.find(known.pattern)
    with transaction.atomic():
        doctor = Doctor.objects.lock([doctor_id]).get()
        _refuse(doctor)
        known = _known(doctor)
        since = now - timedelta(minutes=10)  # those that were handed over while it was read
        windows = {*seen, *forget.windows_naming(_as_json(known.peer_texts), since)}
        optout.opt_out(doctor_id, None, None, source=SOURCE, now=now)
        person = _remember(doctor, now, by)
        forget.of_doctors([doctor_id])
        _unname(sorted(windows), known.peer_texts)
        forget.person(doctor_id)
        with connection.cursor() as cursor:
            forget.by_name(cursor, _values(doctor_id, known, now))
        SandboxMessage.objects.filter(recipient__in=[*known.numbers, doctor.email or ""]).update(
            recipient="", subject="", text="", html=""
        )
        strangers = InboundMessage.objects.filter(sender__in=known.numbers, doctor=None)
        Reply.objects.filter(message__in=strangers).exclude(text="").update(
            text="",
            error="",
            status=Case(
                When(status=ReplyStatus.QUEUED, then=Value(ReplyStatus.FAILED)), default="status"
            ),
        )
        strangers.update(
            sender="",
            text="",
            button="",
            handled_at=Coalesce("handled_at", Value(now)),  # there is nothing left to read
        )
        for found in (named, mentions.find(known.pattern, since)):
            mentions.mask(found, known.pattern)
        transaction.on_commit(lambda: _forget_elsewhere(known))
    return person


def sweep(now: datetime) -> int:
    """Empty what has come since of people who were erased lately; returns how many people."""
    lately = ErasedPerson.objects.filter(erased_at__gt=now - SWEPT_FOR, doctor__isnull=False)
    doctor_ids = list(lately.order_by("doctor_id").values_list("doctor_id", flat=True))
    if doctor_ids:
        with transaction.atomic():
            list(Doctor.objects.lock(doctor_ids))
            forget.of_doctors(doctor_ids)
    return len(doctor_ids)


def neutral_id(doctor_id: int) -> str:
    """The CLIRNET id of an erased doctor's row, as forget.person() writes it."""
    return f"erased-{doctor_id}"


def _refuse(doctor: Doctor) -> None:
    if ErasedPerson.objects.filter(doctor=doctor).exists():
        raise ErasureError("This doctor was erased already.")
    if MessageDelivery.objects.filter(doctor=doctor, status=DeliveryStatus.SENDING).exists():
        raise ErasureError(
            "A message to this doctor is being sent at this moment. Try again in two minutes."
        )


def _known(doctor: Doctor) -> _Known:
    said = CourseProgress.objects.filter(doctor=doctor).exclude(testimonial="")
    named = full_name(doctor.first_name, doctor.last_name)
    tokens = MessageDelivery.objects.filter(doctor=doctor, token__isnull=False)
    return _Known(
        pattern=holdings.pattern(doctor),
        numbers=[number for number in (doctor.phone, doctor.whatsapp) if number],
        peer_texts=[named, *said.values_list("testimonial", flat=True)],
        tokens=[token for token in tokens.values_list("token", flat=True) if token],
    )


def _remember(doctor: Doctor, now: datetime, by: Any) -> ErasedPerson:
    """Hashes of the person, and of the row's new id, so that no file fills the row again."""
    prints = {
        *erased.fingerprints(doctor),
        *erased.fingerprints(Doctor(external_id=neutral_id(doctor.pk))),
    }
    return ErasedPerson.objects.create(
        doctor=doctor,
        erased_at=now,
        erased_by=by,
        key_id=erased.key_id(settings.ERASURE_KEYS[0]),
        fingerprints=sorted(prints),
    )


def _values(doctor_id: int, known: _Known, now: datetime) -> dict[str, Any]:
    return {
        "pattern": known.pattern,
        "numbers": known.numbers,
        "key": str(doctor_id),
        "label": f"Doctor {doctor_id}",
        "now": now,
    }


def _as_json(texts: Sequence[str]) -> list[str]:
    """The texts as they stand inside PostgreSQL's JSON."""
    return [json.dumps(text, ensure_ascii=False)[1:-1] for text in texts]


def _unname(windows: Sequence[uuid.UUID], texts: Sequence[str]) -> None:
    """Take the texts out of what other doctors were told; windows are locked in key order."""

    def without(value: str) -> str:
        for text in texts:
            value = value.replace(text, mentions.MASK)
        return value

    held = HandedOver.objects.filter(pk__in=windows).order_by("pk").select_for_update()
    for window in held.iterator(chunk_size=10):
        window.contents = mentions.mapped(window.contents, without)
        window.save(update_fields=["contents"])


def _forget_elsewhere(known: _Known) -> None:
    """Cache and files: after the commit, when nothing can bring them back."""
    remember.forget(known.tokens)
    files.drop_uploads()
    files.drop_spooled(known.pattern)
