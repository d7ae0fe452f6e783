"""An opt-out acts at once, covers exactly what was said, and can be taken back."""

import pytest

from campaigns.models import CampaignEnrollment
from campaigns.schedule import schedule_due
from messaging.models import MessageDelivery, UnsubscribeRecord
from messaging.optout import opt_in, opt_out
from tests.engine import DAY, NOW, enrolled, send_all, statuses

pytestmark = pytest.mark.django_db
CONSENTED = 1  # what the consent of tests.engine's doctors raised their counter to


@pytest.fixture
def enrollment():
    (enrollment,) = enrolled(days=(0,))
    schedule_due(NOW)
    return enrollment


def out(enrollment, channel=None, segment_type=None, **fields):
    return opt_out(enrollment.doctor_id, channel, segment_type, source="test", now=NOW, **fields)


@pytest.mark.parametrize(
    ("channel", "segment_type", "skipped"),
    [
        ("sms", None, {"sms 0"}),
        ("sms", "unclaimed_certificates", {"sms 0"}),
        ("sms", "no_show", set()),
        (None, "unclaimed_certificates", {"whatsapp 0", "sms 0", "email 0"}),
        (None, "no_show", set()),
        (None, None, {"whatsapp 0", "sms 0", "email 0"}),
    ],
)
def test_opt_out_skips_at_once_what_it_covers(enrollment, channel, segment_type, skipped):
    out(enrollment, channel, segment_type)
    assert {k for k, v in statuses().items() if v == "unsubscribed"} == skipped
    enrollment.refresh_from_db()
    is_over = len(skipped) == 3
    assert enrollment.status == ("unsubscribed" if is_over else "active")
    assert (enrollment.unsubscribed_at == NOW) == is_over


def test_opting_out_of_every_channel_one_by_one_ends_the_enrolment(enrollment):
    for channel in ("whatsapp", "sms"):
        out(enrollment, channel)
    assert CampaignEnrollment.objects.get().status == "active"
    out(enrollment, "email")
    assert CampaignEnrollment.objects.get().status == "unsubscribed"


def test_opting_out_twice_is_one_wish(enrollment):
    first = out(enrollment, "sms", reason="too many")
    second = out(enrollment, "sms", reason="again")
    assert first == second
    assert UnsubscribeRecord.objects.get().reason == "too many"
    enrollment.doctor.refresh_from_db()
    assert enrollment.doctor.consent_version == CONSENTED + 1


def test_opt_in_lets_messages_go_again_but_enrols_nobody(enrollment):
    record = out(enrollment)
    opt_in(record, NOW + DAY)
    opt_in(record, NOW + 2 * DAY)
    record.refresh_from_db()
    assert record.revoked_at == NOW + DAY
    enrollment.doctor.refresh_from_db()
    assert enrollment.doctor.consent_version == CONSENTED + 2
    assert CampaignEnrollment.objects.get().status == "unsubscribed"
    out(enrollment)
    assert UnsubscribeRecord.objects.count() == 2


def test_nothing_is_sent_after_an_opt_out(enrollment):
    out(enrollment)
    send_all(NOW)
    assert not MessageDelivery.objects.exclude(status="skipped").exists()
