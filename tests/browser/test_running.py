"""A campaign from draft to results, with a real worker, and a schedule with a real clock."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask
from playwright.sync_api import Page, expect

from campaigns.enroll import enroll
from campaigns.models import Campaign
from campaigns.schedule import schedule_due
from messaging.models import Heartbeat
from reengage.initial import create_missing
from segments.identify import identify
from segments.models import SegmentType
from tests.browser.conftest import named
from tests.office import (
    Office,
    await_that,
    certificate_campaign,
    doctor,
    keep_one_message_each,
    statuses,
)
from tests.servers import own_valkey

INDIA = ZoneInfo("Asia/Kolkata")
HOUR = timedelta(hours=1)
CHANNELS = {"Whats": "whatsapp", "Text": "sms", "Mail": "email"}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Queues of this test's own: other workers of pytest may have theirs open."""
    with own_valkey(tmp_path) as valkey:
        office = Office(tmp_path / "office.log", valkey.url)
        yield office
        office.close()
        if office.log.exists():
            print(office.log.read_text())  # pytest shows it with a test that failed


def doctors() -> None:
    """Three who can each be reached on one channel."""
    doctor("Whats", whatsapp="+919800000001")
    doctor("Text", phone="+919800000002", whatsapp="+919800000003")
    doctor("Mail", email="mail@example.com")


def test_campaign_is_launched_sent_by_a_worker_and_seen_in_results(
    desk: Page, office: Office
) -> None:
    office.start_worker()  # it is up when the campaign is launched
    create_missing()
    doctors()
    identify(SegmentType.UNCLAIMED_CERTIFICATES, timezone.now())
    campaign = Campaign.objects.get(segment_type="unclaimed_certificates")
    page = f"/admin/campaigns/campaign/{campaign.pk}/change/"

    desk.goto(page)
    named(desk, "Launch").click()
    expect(desk.get_by_text("3 doctors of the segment")).to_be_visible()
    campaign.refresh_from_db()
    assert campaign.status == "draft"
    desk.get_by_role("button", name="Launch").click()
    expect(desk.get_by_text("is launched.")).to_be_visible()

    office.run("campaigns.tasks.enroll_users_in_campaign", str(campaign.pk))
    office.run("campaigns.tasks.schedule_campaign_messages")
    keep_one_message_each(CHANNELS)
    office.run("messaging.tasks.dispatch_due")
    await_that(lambda: set(statuses().values()) == {"sent"}, "every lane has sent its message")
    office.run("campaigns.tasks.count_today")

    named(desk, "Results").click()
    expect(desk.get_by_text("3 of 3 eligible")).to_be_visible()
    expect(desk.get_by_text("0 of 3 sent")).to_be_visible()
    desk.goto("/admin/messaging/messagedelivery/")
    for name in CHANNELS:
        expect(desk.get_by_role("row").filter(has_text=f"({name})")).to_contain_text("Sent")
    desk.get_by_role("link", name="Dr. Asha Text (Text)").click()
    expect(desk.get_by_text("Certificate ready for Heart failure!").first).to_be_visible()


def test_why_not_page_says_what_keeps_a_message_back_and_leads_to_the_mend(desk: Page) -> None:
    campaign = certificate_campaign()
    doctors()
    now = timezone.now()
    identify(SegmentType.UNCLAIMED_CERTIFICATES, now)
    enroll(campaign, now)
    schedule_due(now)
    desk.goto(f"/admin/campaigns/campaign/{campaign.pk}/change/")
    desk.locator("summary", has_text="More").press("Enter")
    named(desk, "Why (not)?").click()
    desk.get_by_label("Doctor", exact=True).fill("nobody")
    desk.keyboard.press("Enter")
    expect(desk.get_by_text("No doctor is found by “nobody”.")).to_be_visible()
    desk.get_by_label("Doctor", exact=True).fill("Mail")
    desk.keyboard.press("Enter")
    expect(desk.get_by_text("gets E-mail of day 0")).to_be_visible()
    sms = desk.get_by_role("listitem").filter(has_text="SMS of day 0")
    expect(sms).to_contain_text("Will not go")
    expect(sms).to_contain_text("no address on record")
    sms.get_by_role("link", name="Open the doctor").click()
    expect(desk.get_by_role("textbox", name="Phone", exact=True)).to_have_value("")


def test_schedule_moved_to_another_hour_is_followed_by_the_running_clock(
    desk: Page, office: Office
) -> None:
    create_missing()
    here = timezone.now().astimezone(INDIA)
    PeriodicTask.objects.exclude(name="identify-aida-users").update(enabled=False)
    task = PeriodicTask.objects.get(name="identify-aida-users")
    # At its old hour nothing is due for six hours; what was due five minutes ago, it missed.
    CrontabSchedule.objects.filter(pk=task.crontab_id).update(hour=(here + 6 * HOUR).hour)
    PeriodicTask.objects.filter(pk=task.pk).update(last_run_at=here - HOUR / 2)
    office.start("celery", "-A", "reengage", "beat", "--loglevel=INFO")
    desk.goto(f"/admin/django_celery_beat/periodictask/{task.pk}/change/")
    await_that(Heartbeat.objects.filter(kind="beat").exists, "the clock runs")
    moved = f"{here - timedelta(minutes=5):%H:%M}"
    desk.get_by_label("Every day at").fill(moved)
    desk.get_by_role("button", name="Save and continue editing").click()
    expect(desk.get_by_text("was changed successfully")).to_be_visible()
    expect(desk.get_by_text(f"Every day at {moved} India time")).to_be_visible()

    ran = PeriodicTask.objects.filter(pk=task.pk, last_run_at__gt=here)
    await_that(ran.exists, "the clock follows the new hour")
    assert office.queues.llen("default") == 1
