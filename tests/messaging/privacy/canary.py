"""A doctor whose every value is unmistakable, in every table that can hold one."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.test import override_settings

from messaging import inbound, suppress, track
from messaging.models import (
    ConsentRecord,
    DeliveryAttempt,
    EventKind,
    InboundMessage,
    MessageDelivery,
    ProviderEvent,
    UnsubscribeRecord,
)
from segments.models import (
    AgentUsage,
    AidaUsage,
    Certificate,
    Course,
    CourseProgress,
    Doctor,
    ImportRejection,
    ImportRun,
    SessionRegistration,
)
from tests import engine
from tests.engine import DAY, NOW

PHONE, WHATSAPP = "+919876501234", "+919765409876"
PERSON = {
    "external_id": "QX7ZEXTERNAL",
    "first_name": "Zyxwanita",
    "last_name": "Qvabhatt",
    "email": "zyxwanita.qvabhatt@canary-mail.com",
    "phone": PHONE,
    "whatsapp": WHATSAPP,
    "location": "Qvillapur",
}
CERTIFICATE = "QX7ZCERT"
SAID = "qvitwasmarvellous"  # a testimonial
WROTE = "qvpleasecallmeback"
WHY = "qvtoomanymessages"
CONSENTED = "qvsigneduponpaper"
ERROR = "qvrejectedmailbox"
WORDS = (
    *(PERSON[name] for name in ("external_id", "first_name", "last_name", "email", "location")),
    CERTIFICATE,
    SAID,
    WROTE,
    WHY,
    CONSENTED,
    ERROR,
)
# The digits of the numbers, however they are spaced.
_NUMBERS = [r"\D{0,3}".join(number[-10:]) for number in (PHONE, WHATSAPP)]
# Longer ones first: the address has the names in it.
_WORDS = map(re.escape, sorted(WORDS, key=len, reverse=True))
_ANY = re.compile("|".join([*_WORDS, *_NUMBERS]), re.IGNORECASE)


def found(text: str | bytes) -> set[str]:
    """What of the doctor stands in a text."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return {match.group().lower() for match in _ANY.finditer(text)}


def make() -> Doctor:
    """The doctor, written to on every channel, with something in each table."""
    doctor = engine.doctor(**PERSON)
    engine.member(doctor, engine.certificate(doctor, external_id=CERTIFICATE).external_id)
    campaign = engine.campaign(days=(0, 5))
    engine.enroll(campaign, NOW)
    engine.schedule_due(NOW)
    for channel in ("whatsapp", "email"):  # the SMS waits
        with override_settings(CAP_PER_DAY=9, CAP_PER_WEEK=99):
            assert engine.send_due(channel, NOW).sent
    _activity(doctor)
    _heard(doctor)
    _staff(doctor)
    return doctor


def _activity(doctor: Doctor) -> None:
    AidaUsage.objects.create(doctor=doctor, used_at=NOW)
    AgentUsage.objects.create(doctor=doctor, agent="Diagnosis", used_at=NOW)
    course = Course.objects.create(external_id="course", name="Course")
    CourseProgress.objects.create(
        doctor=doctor,
        course=course,
        started_at=NOW - DAY,
        last_accessed_at=NOW,
        rating=5,
        testimonial=SAID,
    )
    session = Certificate.objects.get(external_id=CERTIFICATE).session
    SessionRegistration.objects.create(doctor=doctor, session=session, registered_at=NOW - DAY)


def _heard(doctor: Doctor) -> None:
    sent = MessageDelivery.objects.get(doctor=doctor, channel="whatsapp")
    detail = {"error": ERROR, "raw": {"to": PERSON["email"]}}
    event = track.Event("twilio", "k1", EventKind.FAILED, NOW, sent.pk, detail=detail)
    track.store([event], NOW)
    ProviderEvent.objects.filter(event_key="k1").update(verdict="hard_bounce")
    ProviderEvent.objects.create(
        provider="twilio",
        event_key="k2",
        kind="inbound",
        occurred_at=NOW,
        received_at=NOW,
        detail={
            "channel": "whatsapp",
            "from": WHATSAPP,
            "text": WROTE,
            "button": "",
            "wish": "",
            "raw": {"NumMedia": "0"},
        },
    )
    track.apply_events(NOW)
    suppress.settle(NOW)
    inbound.apply_inbound(NOW)
    written = InboundMessage.objects.get()
    assert written.doctor == doctor
    answer = f"Dear Dr. {PERSON['last_name']}, we call you."
    written.replies.create(text=answer, status="failed", error=ERROR, written_at=NOW)
    DeliveryAttempt.objects.filter(delivery=sent).update(error_message=ERROR)
    UnsubscribeRecord.objects.create(
        doctor=doctor, segment_type="no_show", reason=WHY, delivery=sent, unsubscribed_at=NOW
    )
    ConsentRecord.objects.create(
        doctor=doctor,
        channel="email",
        is_given=True,
        recorded_at=NOW - timedelta(hours=1),
        source=CONSENTED,
        text_shown=f"I, {PERSON['last_name']}, agree.",
    )


def _staff(doctor: Doctor) -> None:
    run = ImportRun.objects.create(kind="doctors", file_name="doctors.csv", rejected=2)
    rows: list[dict[str, Any]] = [
        {"line": 2, "field": "phone", "value": "098765 01234"},
        {"line": 2, "field": "location", "value": PERSON["location"]},
        {"line": 3, "field": "email", "value": f"<{PERSON['email']}>"},
        {"line": 4, "field": "email", "value": "somebody@else.example"},
    ]
    ImportRejection.objects.bulk_create(
        ImportRejection(run=run, problem="Is not right.", **row) for row in rows
    )
    LogEntry.objects.create(
        user=_user(),
        content_type=ContentType.objects.get_for_model(Doctor),
        object_id=str(doctor.pk),
        object_repr=str(doctor),
        action_flag=CHANGE,
        change_message=json.dumps([{"changed": {"fields": ["Last name"]}}]),
    )


def _user() -> User:
    return User.objects.get_or_create(username="officer")[0]
