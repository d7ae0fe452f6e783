"""Consent by each policy, and what every door leaves on record."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from messaging.models import ConsentRecord, MessageDelivery, UnsubscribeRecord
from segments.imports.bulk import import_file
from tests import engine
from tests.engine import DAY, NOW, statuses
from tests.segments.imports.files import csv_text, write

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[3]


def sent_with(consents: dict[str, bool], settings, required: set[str]) -> dict[str, str]:
    """What becomes of a message on each channel to a doctor with these consents."""
    settings.CONSENT_REQUIRED = frozenset(required)
    settings.CAP_PER_DAY = 9
    doctor = engine.member()
    ConsentRecord.objects.all().delete()
    for channel, is_given in consents.items():
        ConsentRecord.objects.create(
            doctor=doctor, channel=channel, is_given=is_given, recorded_at=NOW - DAY, source="form"
        )
    engine.enroll(engine.campaign(days=(0,)), NOW)
    engine.send_all(NOW)
    return statuses()


@pytest.mark.parametrize(
    ("required", "consents", "refused"),
    [
        ({"whatsapp"}, {}, {"whatsapp 0"}),
        ({"whatsapp"}, {"whatsapp": True}, set()),
        ({"whatsapp"}, {"whatsapp": True, "sms": False}, {"sms 0"}),
        ({"whatsapp", "sms", "email"}, {"whatsapp": True}, {"sms 0", "email 0"}),
        ({"whatsapp", "sms", "email"}, {"whatsapp": True, "sms": True, "email": True}, set()),
        ({"whatsapp", "sms"}, {"whatsapp": False, "sms": True}, {"whatsapp 0"}),
    ],
)
def test_channel_is_used_as_its_policy_and_the_consent_say(
    settings, required, consents, refused
) -> None:
    became = sent_with(consents, settings, required)
    assert {name for name, status in became.items() if status == "no_consent"} == refused
    assert len(became) == 3


def test_whatsapp_needs_consent_whatever_is_set() -> None:
    code = "from reengage import settings; print(sorted(settings.CONSENT_REQUIRED))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "CONSENT_REQUIRED": "sms"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "['sms', 'whatsapp']"


@pytest.mark.parametrize("variables", [{}, {"ERASURE_KEY": "k", "DEBUG": "1"}])
def test_production_refuses_to_start_without_its_own_key_or_with_debug(variables) -> None:
    run = subprocess.run(
        [sys.executable, "-c", "from reengage import settings"],
        env={**os.environ, "PRODUCTION": "1", "SECRET_KEY": "s", **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode
    assert ("ERASURE_KEY is not set" if not variables else "PRODUCTION forbids it") in run.stderr


def test_consent_entered_by_hand_says_by_whom(admin_client: Client, admin_user) -> None:
    doctor = engine.doctor()
    form = {
        "doctor": doctor.pk,
        "channel": "email",
        "recorded_at_0": "2026-03-01",
        "recorded_at_1": "12:00",
        "source": "on the phone",
        "text_shown": "May we write to you?",
    }
    answer = admin_client.post(reverse("admin:messaging_consentrecord_add"), form)
    assert answer.status_code == 302, answer.content
    record = ConsentRecord.objects.get(channel="email")
    assert (record.is_given, record.recorded_by, record.import_run) == (False, admin_user, None)
    assert record.text_shown == "May we write to you?"


def test_consent_of_a_file_says_which_file(tmp_path) -> None:
    doctor = engine.doctor()
    row = {
        "doctor_id": doctor.external_id,
        "channel": "email",
        "is_given": "no",
        "recorded_at": "2026-03-01 12:00",
        "source": "fair",
        "text_shown": "No more.",
    }
    run = import_file("consents", write(tmp_path / "c.csv", csv_text(row)), now=NOW)
    record = ConsentRecord.objects.get(channel="email")
    assert (record.is_given, record.recorded_by, record.import_run) == (False, None, run)


def test_every_door_leaves_what_when_and_where_from(admin_client: Client) -> None:
    engine.enrolled(days=(0,), channels=("email",))
    engine.send_all(NOW)
    delivery = MessageDelivery.objects.get()
    Client().post(f"/u/{delivery.token}", {"scope": "kind", "reason": "too many"})
    Client().post(f"/u/{delivery.token}", {"List-Unsubscribe": "One-Click"})
    form = {"doctor": delivery.doctor_id, "channel": "sms", "segment_type": "", "reason": ""}
    admin_client.post(reverse("admin:messaging_unsubscriberecord_add"), form)
    records = UnsubscribeRecord.objects.order_by("pk")
    assert list(records.values_list("channel", "segment_type", "source")) == [
        (None, "unclaimed_certificates", "link"),
        ("email", None, "one-click"),
        ("sms", None, "admin"),
    ]
    assert all(record.unsubscribed_at for record in records)
