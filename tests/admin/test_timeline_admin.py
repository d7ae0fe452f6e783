"""A doctor's timeline in the admin: on the doctor's page, and on one of its own."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.models import Campaign
from campaigns.schedule import schedule_due
from messaging import optout
from messaging.models import MessageDelivery
from messaging.send import send_due
from segments.models import AidaUsage, Doctor
from tests import engine
from tests.admin.world import page, staff
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db
VIEWS = ("segments.view_doctor", "messaging.view_messagedelivery")


def timeline(doctor_id: int, **parameters: Any) -> str:
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    return f"{reverse('admin:segments_doctor_timeline', args=[doctor_id])}?{query}"


def html(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def said(answer: str) -> list[str]:
    """What happened, line by line."""
    return re.findall(r'class="timeline-word" href="[^"]*">([^<]*)<', answer)


@pytest.fixture
def doctor() -> Doctor:
    """One who was written to, and opted out."""
    (enrollment,) = engine.enrolled(1, days=(0, 3), channels=("sms",))
    schedule_due(NOW, 4 * DAY)
    assert send_due("sms", NOW).sent == 1
    Doctor.objects.update(created_at=NOW - DAY, updated_at=NOW - DAY)
    optout.opt_out(enrollment.doctor_id, None, "no_show", source="link", now=NOW)
    return Doctor.objects.get()


def test_doctors_page_shows_the_newest_lines_and_leads_to_all(
    doctor: Doctor, admin_client: Client
) -> None:
    answer = html(admin_client, page(Doctor, "change", doctor.pk))
    assert {"Planned", "Sent", "Opted out", "Enrolled"} <= set(said(answer))
    assert "Open the whole timeline" not in answer
    AidaUsage.objects.bulk_create(
        AidaUsage(doctor=doctor, used_at=NOW - number * DAY) for number in range(1, 20)
    )
    answer = html(admin_client, page(Doctor, "change", doctor.pk))
    assert timeline(doctor.pk).rstrip("?") in answer.partition("Open the whole timeline")[0]
    button = admin_client.get(reverse("admin:segments_doctor_show_timeline", args=[doctor.pk]))
    assert button.headers["Location"] == timeline(doctor.pk).rstrip("?")


def test_lines_lead_to_their_rows_and_have_both_times(doctor: Doctor, admin_client: Client) -> None:
    delivery = MessageDelivery.objects.get(status="sent")
    answer = html(admin_client, timeline(doctor.pk))
    assert f'href="{page(MessageDelivery, "change", delivery.pk)}">Sent<' in answer
    assert "12:00 IST<small>06:30 UTC</small>" in answer
    assert "Wednesday, 4 March 2026" in answer
    assert answer.index("Still to come") < answer.index("Wednesday, 4 March 2026")
    for address in set(re.findall(r'class="timeline-word" href="([^"]*)"', answer)):
        assert admin_client.get(address).status_code == 200


def test_lines_are_in_the_doctors_time_with_the_offices(
    doctor: Doctor, admin_client: Client
) -> None:
    Doctor.objects.update(timezone="Asia/Dubai")
    answer = html(admin_client, timeline(doctor.pk))
    assert "10:30 UTC+04<small>12:00 IST</small>" in answer
    assert "Asia/Dubai (UTC+04:00)" in answer


def test_filters_keep_a_theme_or_a_campaign(doctor: Doctor, admin_client: Client) -> None:
    assert set(said(html(admin_client, timeline(doctor.pk, about="wishes")))) == {
        "Opted out",
        "Gave consent",
    }
    own = Campaign.objects.get()
    found = said(html(admin_client, timeline(doctor.pk, campaign=own.pk)))
    assert set(found) == {"Planned", "Sent", "Enrolled"}
    both = html(admin_client, timeline(doctor.pk, campaign=own.pk, about="campaigns"))
    assert said(both) == ["Enrolled"]
    assert f'<option value="{own.pk}" selected>' in both


def test_filter_that_finds_nothing_says_what_to_do(doctor: Doctor, admin_client: Client) -> None:
    AidaUsage.objects.all().delete()
    nowhere = timeline(doctor.pk, campaign="01a2064f-9f00-7056-9b54-97921cb64312")
    assert "Nothing of this kind is on record. Choose “Everything”" in html(admin_client, nowhere)


@pytest.mark.parametrize("bad", [{"about": "x"}, {"campaign": "x"}, {"before": "x~y"}])
def test_parameters_that_cannot_be_read_change_nothing(
    bad: dict[str, str], doctor: Doctor, admin_client: Client
) -> None:
    plain = said(html(admin_client, timeline(doctor.pk)))
    assert said(html(admin_client, timeline(doctor.pk, **bad))) == plain != []


def test_older_pages_go_on_where_the_newer_end(doctor: Doctor, admin_client: Client) -> None:
    AidaUsage.objects.bulk_create(
        AidaUsage(doctor=doctor, used_at=NOW - number * timedelta(hours=1))
        for number in range(1, 120)
    )
    url, seen = timeline(doctor.pk, about="activity"), []
    while url:
        answer = html(admin_client, url)
        seen += re.findall(r'datetime="([^"]*)"', answer)
        older = re.search(r'rel="next" href="([^"]*)"', answer)
        url = older[1].replace("&amp;", "&") if older else ""
    assert len(seen) == 120  # the uses, and the certificate
    assert seen == sorted(seen, reverse=True)
    assert "Back to the newest" in answer
    assert "This is the beginning" in answer


def test_what_may_not_be_viewed_is_left_out_and_said(doctor: Doctor) -> None:
    answer = html(staff(*VIEWS), timeline(doctor.pk))
    assert {"Sent", "Planned"} <= set(said(answer))
    assert not {"Opted out", "Enrolled", "Gave consent"} & set(said(answer))
    left_out = answer.partition("Left out, since you have no permission to view them:")[2]
    assert "opt-outs" in left_out[:300]
    assert "deliveries" not in left_out[:300]


def test_timeline_needs_the_permission_to_view_doctors(doctor: Doctor) -> None:
    client = staff("messaging.view_messagedelivery")
    assert client.get(timeline(doctor.pk)).status_code == 403
    assert Client().get(timeline(doctor.pk)).status_code == 302


@pytest.mark.parametrize("key", [999_999, 2**40])
def test_timeline_of_nobody_is_not_found(key: int, admin_client: Client) -> None:
    assert admin_client.get(timeline(key)).status_code == 404


def test_timeline_asks_as_often_for_a_full_page_as_for_a_few_lines(
    doctor: Doctor, admin_client: Client
) -> None:
    AidaUsage.objects.create(doctor=doctor, used_at=NOW - DAY)
    html(admin_client, timeline(doctor.pk))
    with CaptureQueriesContext(connection) as few:
        html(admin_client, timeline(doctor.pk))
    AidaUsage.objects.bulk_create(
        AidaUsage(doctor=doctor, used_at=NOW - timedelta(seconds=number)) for number in range(1, 40)
    )
    with CaptureQueriesContext(connection) as many:
        html(admin_client, timeline(doctor.pk))
    assert len(many) == len(few)
