"""The first page: figures that say of what, lights that say it in words, and what is wrong."""

import os
import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.analytics import Light, Measure, Rate, count_everything
from campaigns.analytics.figures import light
from campaigns.models import Campaign, CampaignAnalytics, CampaignEnrollment
from messaging.models import (
    Heartbeat,
    MessageDelivery,
    ProviderAccount,
    ProviderEvent,
    UnsubscribeRecord,
)
from reengage import health
from segments.models import ImportRun
from tests import engine
from tests.campaigns.facts import deliver, enrolled
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db

TODAY = NOW.date()
HOME = reverse("admin:index")


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def _machines_run() -> None:
    engine.machines_run(NOW)


def day(campaign: Campaign, channel: str, days_ago: int = 0, **figures: int) -> None:
    CampaignAnalytics.objects.create(
        campaign=campaign, channel=channel, date=TODAY - days_ago * DAY, **figures
    )


def shown(client: Client, **query: Any) -> dict[str, Any]:
    """What the page was given to show."""
    found: dict[str, Any] = client.get(HOME, query).context["dashboard"]
    return found


def cards(client: Client, **query: Any) -> dict[str, tuple[str, str]]:
    return {
        card.title: (card.measure.value, card.measure.basis)
        for card in shown(client, **query)["cards"]
    }


def delivery(status: str, **fields: Any) -> MessageDelivery:
    enrollment = engine.enrolled(days=(0,), channels=("sms",))[-1]
    defaults = {
        "channel": "sms",
        "scheduled_at": NOW,
        "due_at": NOW,
        "expires_at": NOW + 2 * DAY,
    }
    return MessageDelivery.objects.create(
        enrollment=enrollment,
        campaign_message=enrollment.campaign.steps.get(),
        doctor=enrollment.doctor,
        status=status,
        **{**defaults, **fields},
    )


# --- figures --------------------------------------------------------------------------------


def test_cards_say_of_what_they_are_a_share(admin_client: Client) -> None:
    campaign = engine.campaign()
    for status in ("active", "active", "active", "converted"):
        CampaignEnrollment.objects.create(
            campaign=campaign,
            doctor=engine.doctor(),
            enrolled_at=NOW - DAY,
            status=status,
            converted_at=NOW if status == "converted" else None,
        )
    count_everything(NOW)
    day(campaign, "sms", total_sent=100, total_delivered=80, total_clicked=8, total_failed=5)
    day(campaign, "email", total_sent=100, total_delivered=90, total_opened=34)
    day(campaign, "email", 3, total_unsubscribed=1)
    assert cards(admin_client) == {
        "Enrolled": ("4", "3 under way now, of 3 eligible"),
        "Came back": ("25.0 %", "1 of 4 enrolled"),
        "Sent": ("200", "messages"),
        "Delivered": ("85.0 %", "170 of 200 sent"),
        "Opened": ("37.8 %", "34 of 90 delivered by WhatsApp and e-mail"),
        "Clicked": ("4.7 %", "8 of 170 delivered"),
        "Failed": ("2.4 %", "5 of 205 sent or failed"),
        "Opted out": ("0.6 %", "1 of 170 delivered"),
        "ROI": ("–", "no campaign says what a return is worth"),
    }


@pytest.mark.parametrize(("days", "sent"), [("7", "1"), ("30", "11"), ("90", "111"), ("x", "11")])
def test_period_is_chosen_by_days(days: str, sent: str, admin_client: Client) -> None:
    campaign = engine.campaign()
    for days_ago, count in ((6, 1), (7, 10), (30, 100), (90, 1000)):
        day(campaign, "sms", days_ago, total_sent=count)
    assert cards(admin_client, days=days)["Sent"][0] == sent


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (Rate(80, 100), Light("success", "On target (80 %)")),
        (Rate(64, 100), Light("warning", "Close to 80 %")),
        (Rate(63, 100), Light("danger", "Below 80 %")),
        (Rate(29, 29), Light("default", "Too few to tell (target 80 %)")),
        (Rate(0, 0), Light("default", "Too few to tell (target 80 %)")),
    ],
)
def test_light_says_its_colour_in_words(rate: Rate, expected: Light) -> None:
    assert light(rate, 80) == expected


def test_channels_stand_against_the_strategys_targets(admin_client: Client) -> None:
    campaign = engine.campaign()
    day(campaign, "whatsapp", total_sent=100, total_delivered=100, total_opened=85, total_clicked=9)
    day(campaign, "sms", total_sent=100, total_delivered=100, total_clicked=13)
    rows = {row.name: row.measures for row in shown(admin_client)["channels"]}
    whatsapp, sms, email = rows["WhatsApp"], rows["SMS"], rows["E-mail"]
    assert whatsapp[2].light == Light("success", "On target (80 %)")
    assert whatsapp[3].light == Light("danger", "Below 25 %")
    assert sms[2] == Measure("–", "an SMS does not report opening", Light("default", "Target 75 %"))
    assert sms[3].light == Light("warning", "Close to 15 %")
    assert email[2] == Measure("–", "none delivered yet")


def test_goal_is_measured_on_those_whose_days_are_over(admin_client: Client) -> None:
    campaign = engine.campaign(goal_rate=60, goal_days=14)
    (row,) = shown(admin_client)["campaigns"]
    assert row.measures[3].light == Light("default", "Too early (goal 60 %)")
    for number in range(40):
        enrolled_at = NOW - 20 * DAY
        CampaignEnrollment.objects.create(
            campaign=campaign,
            doctor=engine.doctor(),
            enrolled_at=enrolled_at,
            status="converted",
            converted_at=enrolled_at + DAY if number < 30 else None,
        )
    count_everything(NOW)
    (row,) = shown(admin_client)["campaigns"]
    goal = row.measures[3]
    assert (goal.value, goal.basis) == ("75.0 %", "30 of 40 whose 14 days are over")
    assert goal.light == Light("success", "On target (60 %)")
    assert admin_client.get(goal.link).context["cl"].result_count == 30


def test_every_figure_has_a_denominator_and_opens_as_many_rows(admin_client: Client) -> None:
    """But an SMS's open rate, which there is not, and ROI, which opens what it is made of."""
    campaign = engine.campaign(days=(0,), goal_rate=60, goal_days=3, value_per_return=90)
    engine.campaign(days=(0,))  # whose rows must not be opened
    ProviderAccount.objects.update_or_create(
        channel="sms", provider="sandbox", defaults={"price_per_message": "0.5"}
    )
    facts = {"sent_at": NOW, "delivered_at": NOW}
    for channel in ("whatsapp", "sms", "email"):
        person = enrolled(campaign, 5, came_back_after=1)
        read = deliver(campaign, channel, person, **facts, opened_at=NOW, clicked_at=NOW)
        UnsubscribeRecord.objects.create(doctor=read.doctor, delivery=read, unsubscribed_at=NOW)
        deliver(campaign, channel, enrolled(campaign, 5), **facts)
        deliver(campaign, channel, enrolled(campaign), failed_at=NOW, error_message="no")
    enrolled(campaign, 5, came_back_after=1, is_holdout=True)
    count_everything(NOW)
    page = shown(admin_client)
    tables = (
        *((page["campaign_columns"], row) for row in page["campaigns"][:1]),
        *((page["sent_columns"], row) for row in page["sent"][:1]),
        *((page["channel_columns"], row) for row in page["channels"]),
        *((page["day_columns"], row) for row in page["day_rows"]),
    )
    measures = [(card.title, card.measure) for card in page["cards"]]
    for columns, row in tables:
        measures += zip(columns[1:], row.measures, strict=True)
    compared = 0
    for title, measure in measures:
        if title == "ROI" or measure.basis == "an SMS does not report opening":
            continue
        part = measure.basis if " of " in measure.basis and "%" in measure.value else measure.value
        said = int(re.match(r"\d+", part)[0])
        rows = admin_client.get(measure.link).context["cl"].result_count if measure.link else None
        assert rows == said, (title, measure)
        compared += 1
    assert compared > 30
    roi = dict(measures)["ROI"]
    assert roi.value.endswith("×")
    assert admin_client.get(page["campaigns"][0].measures[-1].link).status_code == 200


def test_planned_messages_are_those_of_the_next_day(admin_client: Client) -> None:
    delivery("scheduled", scheduled_at=NOW + timedelta(hours=23))
    delivery("scheduled", scheduled_at=NOW + timedelta(hours=25))
    delivery("sent", sent_at=NOW)
    planned = shown(admin_client)["next"]
    assert planned["total"] == "1"
    (sms,) = (link for name, count, link in planned["channels"] if (name, count) == ("SMS", "1"))
    for link in (planned["link"], sms):
        assert admin_client.get(link).context["cl"].result_count == 1


def test_chart_has_a_bar_for_each_day(admin_client: Client) -> None:
    campaign = engine.campaign()
    day(campaign, "sms", 6, total_sent=50, total_opened=25)
    day(campaign, "email", 6, total_sent=50)
    day(campaign, "sms", 0, total_sent=25)
    chart = shown(admin_client, days="7")["chart"]
    assert [bar.height for bar in chart.bars] == [100, 0, 0, 0, 0, 0, 25]
    assert chart.ticks == [(0, "100"), (50, "50"), (100, "0")]
    assert chart.opened.split()[0] == "7.14,75.00"
    assert [bar.figures.sent for bar in chart.days] == [100, 25]
    assert chart.bars[0].words == (
        "26 Feb 2026: 100 sent, 0 delivered, 25 opened, 0 clicked, 0 failed"
    )


@pytest.mark.usefixtures("_machines_run")
def test_machines_tell_their_last_sign_of_life_in_words(admin_client: Client) -> None:
    engine.campaign()
    delivery("scheduled", channel="email", scheduled_at=NOW - timedelta(minutes=20))
    Heartbeat.objects.filter(kind="web").update(
        name="web:front:7", at=NOW - timedelta(minutes=4), started_at=NOW - 3 * DAY
    )
    Heartbeat.objects.create(  # stopped, and missed by nobody
        name="web:front:6", kind="web", at=NOW - 2 * timedelta(hours=1), started_at=NOW - 9 * DAY
    )
    rows = {(row.name, row.note): row.measures for row in shown(admin_client)["machines"]}
    ours = f"process {os.getpid()} on {socket.gethostname()}"
    assert list(rows) == [
        *((f"{channel} lane", "") for channel in ("WhatsApp", "SMS", "E-mail")),
        *(("Scheduler", ours), ("Web server", "process 7 on front"), ("Worker", ours)),
    ]
    assert rows["SMS lane", ""] == [
        Measure("just now", "3 sent by its last run"),
        Measure("", "Nothing waits.", Light("success", "Sends")),
    ]
    assert rows["E-mail lane", ""][1] == Measure(
        "", "The oldest E-mail message has been due for 20 minutes.", Light("danger", "Look at it")
    )
    assert rows["Web server", "process 7 on front"] == [
        Measure("4 minutes ago"),
        Measure("", "started 3 days ago", Light("warning", "Silent")),
    ]
    assert "process 7 on front" in admin_client.get(HOME).content.decode()


def test_one_campaign_and_days_of_ones_own_can_be_chosen(admin_client: Client) -> None:
    one, other = engine.campaign(), engine.campaign()
    for campaign, days_ago, count in ((one, 3, 1), (one, 9, 10), (other, 3, 100)):
        day(campaign, "sms", days_ago, total_sent=count)
    chosen = {"campaign": one.pk, "from": TODAY - 10 * DAY, "to": TODAY - 8 * DAY}
    assert cards(admin_client, **chosen)["Sent"][0] == "10"
    assert cards(admin_client, campaign=one.pk)["Sent"][0] == "11"
    assert cards(admin_client, campaign="none")["Sent"][0] == "111"
    assert [row.name for row in shown(admin_client, campaign=one.pk)["campaigns"]] == [str(one)]


def test_download_has_what_is_shown_and_no_formula(admin_client: Client) -> None:
    campaign = engine.campaign(name="@SUM(1)")
    day(campaign, "sms", 3, total_sent=7, total_failed=2)
    address = shown(admin_client, campaign=campaign.pk, days=7)["csv"]
    lines = admin_client.get(address).content.decode("utf-8-sig").splitlines()
    assert f"{TODAY - 3 * DAY},7,0,0,0,2,0" in lines
    assert "SMS,7,0,0,0,2,0" in lines
    assert not [cell for line in lines for cell in line.split(",") if cell.startswith("@")]
    clerk = Client()
    clerk.force_login(User.objects.create_user("clerk", is_staff=True))
    assert clerk.get(address).status_code == 403


# --- nothing yet, and nothing to see --------------------------------------------------------


def test_empty_site_says_what_to_do(admin_client: Client) -> None:
    html = admin_client.get(HOME).content.decode()
    assert "No campaign is running" in html
    assert "Press Launch." in html
    assert "Nothing was sent in this period." in html


def test_drafts_are_offered_while_nothing_runs(admin_client: Client) -> None:
    draft = engine.campaign(status="draft")
    html = admin_client.get(HOME).content.decode()
    assert reverse("admin:campaigns_campaign_change", args=[draft.pk]) in html


def test_figures_are_shown_to_those_who_may_see_them() -> None:
    client = Client()
    client.force_login(User.objects.create_user("clerk", is_staff=True))
    response = client.get(HOME)
    assert response.status_code == 200
    assert "dashboard" not in response.context


def test_page_asks_nothing_of_another_host(admin_client: Client) -> None:
    day(engine.campaign(), "sms", total_sent=1)
    html = admin_client.get(HOME).content.decode()
    loaded = re.findall(r"(?:src|<link[^>]*href)=\"([^\"]*)\"", html)
    assert loaded
    assert [address for address in loaded if not address.startswith("/")] == []


def test_deliveries_are_never_read_whole(admin_client: Client) -> None:
    """What the page asks of message_deliveries names a status that a partial index serves."""
    engine.enrolled()
    admin_client.get(HOME)
    with CaptureQueriesContext(connection) as captured:
        admin_client.get(HOME)
    asked = [q["sql"] for q in captured if "message_deliveries" in q["sql"]]
    assert asked
    assert all(re.search(r"status\" = '(scheduled|unknown)'", sql) for sql in asked), asked


# --- what is wrong --------------------------------------------------------------------------


def texts() -> list[str]:
    return [problem.text for problem in health.problems(NOW)]


@pytest.mark.usefixtures("_machines_run")
def test_healthy_site_has_no_problems() -> None:
    delivery("scheduled")
    assert texts() == []


@pytest.mark.usefixtures("_machines_run")
def test_problems_are_told_in_words_with_a_link(admin_client: Client) -> None:
    stuck = engine.campaign(days=())
    account = ProviderAccount.objects.create(channel="sms", provider="sandbox", is_paused=True)
    ProviderAccount.objects.create(
        channel="whatsapp",
        provider="sandbox",
        closed_until=NOW + timedelta(minutes=5),
        last_trouble="The provider did not answer.",
    )
    for channel in ("sms", "email"):
        delivery("scheduled", channel=channel, scheduled_at=NOW - timedelta(minutes=20))
    late = delivery("unknown")
    ProviderEvent.objects.create(
        provider="x",
        event_key="1",
        kind="sent",
        delivery=late,
        occurred_at=NOW,
        received_at=NOW - timedelta(hours=1),
    )
    run = ImportRun.objects.create(
        kind="doctors", file_name="a.csv", error="It is empty.", started_at=NOW
    )
    assert texts() == [
        f"“{stuck}” can't send. The campaign has no steps: add at least one below.",
        "SMS via sandbox: its messages wait. The account is paused by hand.",
        "WhatsApp via sandbox: its messages wait. The provider did not answer.",
        "The oldest E-mail message has been due for 20 minutes.",
        "1 message had no answer from the provider, may have arrived, and is not sent again.",
        "1 report from a provider is not counted yet.",
        "Nothing was imported from “a.csv”: It is empty.",
    ]
    links = [problem.link for problem in health.problems(NOW)]
    assert reverse("admin:messaging_provideraccount_change", args=[account.pk]) in links
    assert reverse("admin:segments_importrun_change", args=[run.pk]) in links
    assert {admin_client.get(link).status_code for link in links} == {200}
