"""Rows of every model, pages and staff, for the tests of the admin."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from campaigns.models import (
    ApiKey,
    CampaignAnalytics,
    CampaignEnrollment,
    Experiment,
    Variant,
    WeeklyReview,
)
from messaging.models import (
    AudienceCheck,
    AuditRun,
    ConsentRecord,
    DeliveryAttempt,
    InboundMessage,
    KeywordReply,
    MessageDelivery,
    ProviderAccount,
    ProviderEvent,
    Reply,
    SandboxMessage,
    Suppression,
    UnsubscribeRecord,
)
from reengage import admin_base
from reengage.models import Change
from reengage.opened import newest
from segments import erased
from segments.models import (
    AgentUsage,
    AidaUsage,
    Course,
    CourseModule,
    CourseProgress,
    Doctor,
    ErasedPerson,
    ImportRejection,
    ImportRun,
    Session,
    SessionRegistration,
    UserSegment,
)
from tests import engine
from tests.engine import DAY, NOW

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
READ_ONLY = [
    AuditRun,
    WeeklyReview,
    CampaignAnalytics,
    CampaignEnrollment,
    Change,
    DeliveryAttempt,
    ImportRejection,
    ImportRun,
    InboundMessage,
    MessageDelivery,
    ProviderEvent,
    Reply,
    SandboxMessage,
    Suppression,
    UserSegment,
]
# Written by the engine, but deleted by who has the right: with the draft that they are of.
# A person who was erased may come back by their own wish.
DELETABLE = [AudienceCheck, ErasedPerson]
# Added, but never edited or deleted: what a doctor said stays as it was said.
APPEND_ONLY = [ApiKey, ConsentRecord, UnsubscribeRecord]


def seen(row: Any) -> dict[str, str]:
    """What a form carries that shows the row as it is now."""
    return {"opened_version": str(newest(row))}


def label(model: Any) -> str:
    return str(model._meta.label)


def page(model: Any, name: str = "changelist", *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def make(number: int) -> None:
    """One more row of every model, all hanging together."""
    doctor = engine.member()
    made = engine.campaign(days=(0,))
    enrollment = CampaignEnrollment.objects.create(campaign=made, doctor=doctor, enrolled_at=NOW)
    step = made.steps.get(channel="sms")
    delivery = MessageDelivery.objects.create(
        enrollment=enrollment,
        campaign_message=step,
        doctor=doctor,
        channel="sms",
        scheduled_at=NOW,
        due_at=NOW,
        expires_at=NOW + DAY,
        status="skipped",
        skip_reason="frequency_cap",
        trace=[{"gate": "caps", "verdict": "skip", "detail": "5 messages in 7 days"}],
    )
    account, _ = ProviderAccount.objects.get_or_create(channel="sms", provider=f"sandbox{number}")
    DeliveryAttempt.objects.create(
        delivery=delivery,
        doctor=doctor,
        account=account,
        channel="sms",
        claim_id=delivery.pk,
        authorised_at=NOW,
        consent_version=0,
        timezone="Asia/Kolkata",
    )
    ProviderEvent.objects.create(
        provider="sandbox",
        event_key=f"e{number}",
        kind="delivered",
        delivery=delivery,
        occurred_at=NOW,
    )
    SandboxMessage.objects.create(
        delivery=delivery, recipient="+919812345678", text="Dear Dr. Rao", accepted_at=NOW
    )
    UnsubscribeRecord.objects.create(doctor=doctor, channel="sms", delivery=delivery)
    make_inbound(number, delivery)
    make_experiment(delivery)
    make_audit(delivery)
    AudienceCheck.objects.create(campaign=made, requested_at=NOW)
    ErasedPerson.objects.create(
        erased_at=NOW, key_id=erased.key_id(settings.ERASURE_KEYS[0]), fingerprints=[]
    )
    CampaignAnalytics.objects.create(campaign=made, date=NOW.date(), channel="sms", total_sent=1)
    make_activity(number, doctor)
    make_schedules(number)


def make_experiment(delivery: MessageDelivery) -> None:
    """A draft that compares two hours of the delivery's step."""
    step = delivery.campaign_message
    made = Experiment.objects.create(
        campaign=step.campaign, step=step, name="Which hour?", kind="send_time", metric="clicked"
    )
    for letter, hour in (("A", None), ("B", "17:00")):
        Variant.objects.create(experiment=made, letter=letter, send_from=hour)


def make_inbound(number: int, delivery: MessageDelivery) -> None:
    """A channel that is closed, a message that waits, and a word that is answered."""
    Suppression.objects.create(
        doctor=delivery.doctor, channel="email", reason="hard_bounce", since=NOW
    )
    received = InboundMessage.objects.create(
        provider="twilio",
        channel="whatsapp",
        doctor=delivery.doctor,
        sender="+919812345678",
        text="When is the next session?",
        delivery=delivery,
        received_at=NOW,
    )
    Reply.objects.create(message=received, text="On Monday.", written_at=NOW, status="failed")
    KeywordReply.objects.create(keyword=f"DEMO{number}", channel="whatsapp", reply="A video.")


def make_audit(delivery: MessageDelivery) -> AuditRun:
    """A check that found one thing."""
    row = {"kind": "delivery", "key": str(delivery.pk), "what": "It went out twice."}
    found = {"count": 1, "note": "", "seconds": 0.1, "examples": [row]}
    words = {"name": "twice", "promise": "all went out once", "fault": "went out twice"}
    return AuditRun.objects.create(
        started_at=NOW, finished_at=NOW, result={"I1": {**words, **found}}
    )


def make_activity(number: int, doctor: Doctor) -> None:
    course = Course.objects.create(external_id=f"course{number}", name=f"Course {number}")
    CourseModule.objects.create(course=course, number=1, name="One", duration_minutes=20)
    CourseProgress.objects.create(
        doctor=doctor, course=course, started_at=NOW - DAY, last_accessed_at=NOW
    )
    session = Session.objects.create(
        external_id=f"session{number}", title="Live", starts_at=NOW - DAY, ends_at=NOW
    )
    SessionRegistration.objects.create(doctor=doctor, session=session, registered_at=NOW - DAY)
    AidaUsage.objects.create(doctor=doctor, used_at=NOW)
    AgentUsage.objects.create(doctor=doctor, agent="Diagnosis", used_at=NOW)
    run = ImportRun.objects.create(kind="doctors", file_name="doctors.csv", rejected=1)
    ImportRejection.objects.create(run=run, line=2, field="phone", problem="Write ten digits.")


def make_schedules(number: int) -> None:
    crontab = CrontabSchedule.objects.create(minute=str(number), hour="2")
    PeriodicTask.objects.create(
        name=f"task {number}", task="segments.tasks.cleanup", crontab=crontab
    )
    IntervalSchedule.objects.create(every=number, period="hours")
    SolarSchedule.objects.create(event="sunrise", latitude=number, longitude=1)
    ClockedSchedule.objects.create(clocked_time=NOW + number * DAY)
    user = User.objects.create(username=f"user{number}")
    WeeklyReview.objects.create(
        week=NOW.date() - number * 7 * DAY, recipient=user, address="a@b.example", claimed_at=NOW
    )
    admin_base.Group.objects.create(name=f"group{number}")
    Change.objects.create(
        at=NOW,
        actor=user,
        actor_name=user.username,
        verb="update",
        kind="auth.group",
        object_id=str(number),
        name=f"group{number}",
        root=f"auth.group:{number}",
        before={"name": "old"},
        after={"name": "new"},
    )
    ApiKey.objects.create(
        name="Platform",
        owner=user,
        prefix=f"{number:010}",
        digest="0" * 64,
        scopes=["campaigns:read"],
    )


def staff(*permissions: str) -> Client:
    """Somebody who may log in, with the named permissions only."""
    user = User.objects.create_user("marketer", is_staff=True)
    for name in permissions:
        app_label, codename = name.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app_label, codename=codename)
        )
    client = Client()
    client.force_login(user)
    return client


def messages_of(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]
