"""The weekly review goes to the team once a week, whatever breaks on the way."""

import smtplib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group, Permission, User
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.test import Client
from django.urls import reverse

from campaigns import weekly
from campaigns.analytics import count_everything
from campaigns.analytics.figures import Rate
from campaigns.analytics.review import Finding, review
from campaigns.models import WeeklyReview
from tests import engine
from tests.campaigns.facts import TODAY, at, deliver, enrolled
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db

MONDAY = datetime(2026, 3, 9, 2, 30, tzinfo=UTC)  # 8:00 in Kolkata


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with time_machine.travel(MONDAY, tick=False):
        yield


def person(name: str, **fields: Any) -> User:
    user = User.objects.create_user(name, email=f"{name}@clirnet.example")
    user.user_permissions.add(Permission.objects.get(codename="receive_weekly_review"))
    User.objects.filter(pk=user.pk).update(**fields)
    return user


def test_recipients_are_the_active_with_permission_and_address() -> None:
    person("own")
    person("gone", is_active=False)
    person("silent", email="")
    User.objects.create_user("other", email="other@clirnet.example")
    group = Group.objects.create(name="Team")
    group.permissions.add(Permission.objects.get(codename="receive_weekly_review"))
    User.objects.create_user("member", email="member@clirnet.example").groups.add(group)
    assert [user.username for user in weekly.recipients()] == ["own", "member"]


def test_it_is_sent_once_a_week_with_both_parts() -> None:
    person("own")
    assert weekly.send_reviews(MONDAY) == {"sent": 1}
    assert weekly.send_reviews(MONDAY) == {}
    assert weekly.send_reviews(MONDAY + 3 * DAY) == {}
    (message,) = mail.outbox
    assert message.to == ["own@clirnet.example"]
    assert message.subject == "Re-engagement, 2 Mar to 8 Mar 2026: 0 sent, 0 came back"
    assert "Nothing was sent" in message.body
    assert message.alternatives[0].mimetype == "text/html"
    assert weekly.send_reviews(MONDAY + 7 * DAY) == {"sent": 1}


class Broken(EmailBackend):
    """A mail server that fails as told."""

    at_open: Exception | None = None
    at_send: Exception | None = None

    def open(self) -> None:
        if self.at_open:
            raise self.at_open

    def send_messages(self, messages: Any) -> int:
        if self.at_send:
            raise self.at_send
        return int(super().send_messages(messages))


@pytest.mark.parametrize(
    ("where", "error", "state"),
    [
        ("at_open", ConnectionRefusedError("no"), "refused"),
        ("at_send", smtplib.SMTPDataError(451, b"later"), "refused"),
        ("at_send", smtplib.SMTPRecipientsRefused({}), "refused"),
        ("at_send", smtplib.SMTPServerDisconnected("gone"), "sending"),
        ("at_send", TimeoutError("silence"), "sending"),
    ],
)
def test_only_what_was_surely_not_taken_is_tried_again(
    where: str, error: Exception, state: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Broken"
    person("own")
    monkeypatch.setattr(Broken, where, error)
    assert weekly.send_reviews(MONDAY) == {state: 1}
    monkeypatch.setattr(Broken, where, None)
    assert weekly.send_reviews(MONDAY) == ({"sent": 1} if state == "refused" else {})
    assert len(mail.outbox) == (state == "refused")


def test_row_of_a_run_that_died_is_not_sent_again() -> None:
    user = person("own")
    WeeklyReview.objects.create(
        week=MONDAY.date(), recipient=user, address=user.email, claimed_at=MONDAY
    )
    assert weekly.send_reviews(MONDAY) == {}
    assert mail.outbox == []


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_send_once() -> None:
    for number in range(3):
        person(f"p{number}")

    def run() -> None:
        try:
            weekly.send_reviews(MONDAY)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(message.to[0] for message in mail.outbox) == [
        f"p{number}@clirnet.example" for number in range(3)
    ]


# --- what it says ---------------------------------------------------------------------------


def finding(rate: Rate, before: Rate, target: float = 25) -> Finding:
    return Finding("x", "Clicked", "delivered", rate, before, target, "/")


@pytest.mark.parametrize(
    ("rate", "before", "kind"),
    [
        (Rate(30, 100), Rate(30, 100), "winner"),  # on target
        (Rate(10, 100), Rate(11, 100), "laggard"),  # far below
        (Rate(22, 100), Rate(5, 100), "winner"),  # close, and better
        (Rate(30, 100), Rate(60, 100), "laggard"),  # on target, but worse
        (Rate(22, 100), Rate(22, 100), ""),
        (Rate(20, 29), Rate(1, 100), ""),  # too few to tell
    ],
)
def test_winners_and_laggards(rate: Rate, before: Rate, kind: str) -> None:
    found = finding(rate, before)
    assert (found.is_winner, found.is_laggard) == (kind == "winner", kind == "laggard")


def test_words_have_denominators_and_honour_chance() -> None:
    assert finding(Rate(30, 100), Rate(28, 90)).words == (
        "Clicked 30.0 % (30 of 100 delivered); target 25 %; "
        "31.1 % of 90 the week before: no difference beyond chance"
    )
    assert finding(Rate(30, 100), Rate(1, 9)).words.endswith("the week before: too few to compare")


def test_review_is_of_the_week_before_and_links_into_the_admin() -> None:
    campaign = engine.campaign(days=(0,), goal_rate=60, goal_days=3)
    for number in range(40):
        who = enrolled(campaign, 1, came_back_after=1 if number < 30 else None)
        delivered = {"sent_at": at(TODAY), "delivered_at": at(TODAY)}
        clicked = {"clicked_at": at(TODAY, 13)} if number < 20 else {}
        deliver(campaign, "sms", who, **delivered, **clicked)
    deliver(campaign, "email", sent_at=NOW + 7 * DAY, delivered_at=NOW + 7 * DAY)  # this week
    deliver(campaign, "whatsapp", sent_at=at(TODAY), delivered_at=at(TODAY))
    count_everything(MONDAY)
    found = review(TODAY - 2 * DAY, MONDAY)
    assert {what: now for what, now, _ in found.totals} == {
        "Messages sent": 41,
        "Messages failed": 0,
        "Opted out": 0,
        "Doctors enrolled": 42,
        "Doctors who came back": 30,
    }
    assert {(one.name, one.what) for one in found.winners} == {
        ("SMS, all campaigns", "Clicked"),
        (f"{campaign}: Day 0, SMS", "Clicked"),
        (str(campaign), "Goal"),
    }
    assert {one.name for one in found.too_few} == {
        "WhatsApp, all campaigns",
        f"{campaign}: Day 0, WhatsApp",
    }
    page = reverse("admin:campaigns_campaign_results", args=[campaign.pk])
    days = "?from=2026-03-02&to=2026-03-08"
    home = f"{reverse('admin:index')}{days}"
    assert found.few == [("All campaigns", home, 2), (str(campaign), page + days, 2)]
    assert {one.link for one in found.findings if one.what != "Goal"} == {home, page + days}
    person("own")
    weekly.send_reviews(MONDAY)
    assert f"http://127.0.0.1:8000{page}{days}\n" in mail.outbox[0].body
    assert f"{page}{days.replace('&', '&amp;')}" in mail.outbox[0].alternatives[0].content


def test_goal_links_to_the_days_of_enrolment_that_it_measures() -> None:
    campaign = engine.campaign(days=(0,), goal_rate=60, goal_days=3)
    for number in range(30):
        enrolled(campaign, 6, came_back_after=1 if number < 20 else None)  # 26 Feb
    enrolled(campaign, -1)  # on the 5th: its three days are in next week's review
    count_everything(MONDAY)
    (goal,) = review(TODAY - 2 * DAY, MONDAY).findings
    assert (goal.what, goal.rate) == ("Goal", Rate(20, 30))
    page = reverse("admin:campaigns_campaign_results", args=[campaign.pk])
    assert goal.link == f"{page}?from=2026-02-26&to=2026-03-04"


def test_returns_are_counted_on_the_day_of_the_return_in_the_time_zone() -> None:
    campaign = engine.campaign(days=(0,))
    hour = 1 / 24
    sunday = TODAY + 4 * DAY
    for moment, back_after in (
        (at(sunday, 20), 2 * hour),  # within the week, though its 24 hours are not over
        (at(sunday - 40 * DAY, 8), 40 + hour),  # enrolled long ago
        (at(sunday - 7 * DAY, 23), 2 * hour),  # at 1:00 on Monday, still Sunday in UTC
        (at(sunday - 7 * DAY, 20), 2 * hour),  # the Sunday before
        (at(sunday, 23), 1.5 * hour),  # the Monday after
    ):
        enrolled(campaign, (NOW - moment) / DAY, back_after)
    enrolled(campaign, (NOW - at(sunday, 20)) / DAY, 2 * hour, is_holdout=True)
    count_everything(MONDAY)
    found = review(TODAY - 2 * DAY, MONDAY)
    assert found.totals[-1] == ("Doctors who came back", 3, 1)


def test_doctor_of_several_campaigns_and_courses_counts_once() -> None:
    one, other = engine.campaign(days=(0,)), engine.campaign(days=(0,))
    first = enrolled(one, 1, came_back_after=1)
    enrolled(one, 1, came_back_after=1.5, doctor=first.doctor, subject="another")
    enrolled(other, 1, came_back_after=1, doctor=first.doctor)
    enrolled(other, 8, came_back_after=0.5)
    count_everything(MONDAY)
    totals = review(TODAY - 2 * DAY, MONDAY).totals
    assert totals[-2:] == [("Doctors enrolled", 1, 1), ("Doctors who came back", 1, 1)]


def test_mail_names_each_campaign_with_too_few_once_and_can_be_dark() -> None:
    campaign = engine.campaign(days=(0, 3))
    for step in campaign.steps.filter(channel="sms"):
        deliver(campaign, "sms", step=step, sent_at=at(TODAY), delivered_at=at(TODAY))
    count_everything(MONDAY)
    mail_ = weekly.compose(MONDAY.date(), MONDAY)
    assert mail_.html.count(f">{campaign}</a> 2") == 1
    assert f"* {campaign}: 2\n" in mail_.text
    assert "fewer than 30" in mail_.html
    assert "@media (prefers-color-scheme: dark)" in mail_.html


def test_preview_shows_the_mail_and_who_gets_it(admin_client: Client) -> None:
    person("own")
    html = admin_client.get(reverse("admin:campaigns_weeklyreview_preview")).content.decode()
    assert "own@clirnet.example" in html
    assert "None has been sent yet." in html
    assert mail.outbox == []
    weekly.send_reviews(MONDAY)
    html = admin_client.get(reverse("admin:campaigns_weeklyreview_preview")).content.decode()
    assert "own (sent)" in html
