"""Funnel, cohorts, steps, money and lift; and each figure's rows are as many as it says."""

import csv
import re
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from campaigns.admin.period import Period
from campaigns.admin.results import results_page
from campaigns.analytics import count_everything, kpis
from campaigns.analytics.breakdown import by_step
from campaigns.analytics.cohorts import cohort_table
from campaigns.analytics.figures import Figures, Rate
from campaigns.analytics.funnel import funnel
from campaigns.models import Campaign, Experiment, Variant
from messaging.models import UnsubscribeRecord
from tests import engine
from tests.admin.world import staff
from tests.campaigns.facts import FIRST, TODAY, at, deliver, enrolled
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db

WHOLE = (FIRST, TODAY)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _clock() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def running() -> Campaign:
    return engine.campaign(days=(0, 3), goal_rate=60)


def world(campaign: Campaign) -> None:
    """Five people and one held out, who came to different stages; messages on two days."""
    nobody_wrote = enrolled(campaign, 5)
    assert nobody_wrote
    only_sent = enrolled(campaign, 5)
    deliver(campaign, "sms", only_sent, sent_at=NOW - 4 * DAY)
    read = enrolled(campaign, 5, came_back_after=1)
    times = {"sent_at": NOW - 4 * DAY, "delivered_at": NOW - 4 * DAY + HOUR}
    deliver(campaign, "email", read, **times, opened_at=NOW - DAY)
    deliver(campaign, "whatsapp", read, **times, opened_at=NOW - 3 * DAY)
    clicked = enrolled(campaign, 4, came_back_after=2)
    fact = deliver(
        campaign, "whatsapp", clicked, **times, opened_at=NOW - DAY, clicked_at=NOW - DAY
    )
    UnsubscribeRecord.objects.create(doctor=fact.doctor, delivery=fact, unsubscribed_at=NOW - DAY)
    failed = enrolled(campaign, 2)
    deliver(campaign, "email", failed, failed_at=NOW - DAY, error_message="no such address")
    enrolled(campaign, 5, came_back_after=1, is_holdout=True)
    for _ in range(3):
        engine.member()
    count_everything(NOW)


def test_funnel_counts_people_and_says_shares_of_what(running: Campaign) -> None:
    world(running)
    found = funnel(running, *WHOLE, NOW)
    assert [(stage.title, stage.people) for stage in found.stages] == [
        ("Eligible", 9),
        ("Enrolled", 5),
        ("Sent", 3),
        ("Delivered", 2),
        ("Opened", 2),
        ("Clicked", 1),
        ("Came back", 2),
    ]
    assert (found.holdout, found.waiting) == (1, 3)
    assert found.stages[4].of_before == Rate(2, 2)
    assert found.stages[6].of_before == Rate(1, 1)  # of those who clicked
    assert found.stages[6].of_first == Rate(2, 9)


def test_segment_is_counted_once_a_minute_and_anew_after_a_roll_up(running: Campaign) -> None:
    def told() -> tuple[int, int]:
        """Who waits, and of how many those under way are a share."""
        (figures,) = kpis(*WHOLE, running, now=NOW).enrollments
        return funnel(running, *WHOLE, NOW).waiting, figures.eligible

    engine.member()
    count_everything(NOW)
    assert told() == (1, 1)
    engine.member()
    assert told() == (1, 1)
    count_everything(NOW + HOUR)
    assert told() == (2, 1)


def test_segment_is_counted_each_time_without_redis(running: Campaign, settings: Any) -> None:
    away = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1"}
    settings.CACHES = {"default": away}
    for members in (1, 2):
        engine.member()
        (figures,) = kpis(*WHOLE, running, now=NOW).enrollments
        assert (funnel(running, *WHOLE, NOW).waiting, figures.eligible) == (members, members)


def test_cohorts_say_not_yet_until_everybody_had_the_days(running: Campaign) -> None:
    for days_ago, back in ((23, 6.5), (22, 7), (22, 8), (15, None), (9, 1)):
        enrolled(running, days_ago, back)
    count_everything(NOW)
    table = cohort_table(running, *WHOLE, NOW)
    assert table.columns == [7, 14, 21]
    assert [(week.monday.day, week.enrolled, week.returned) for week in table.weeks] == [
        (9, 3, [Rate(2, 3), Rate(3, 3), Rate(3, 3)]),
        (16, 1, [Rate(0, 1), Rate(0, 1), None]),
        (23, 1, [Rate(1, 1), None, None]),
    ]


def test_steps_and_variants_are_told_apart(running: Campaign) -> None:
    step = running.steps.get(channel="email", delay_days=0)
    test = Experiment.objects.create(campaign=running, step=step, name="Subject")
    arms = [Variant.objects.create(experiment=test, letter=letter) for letter in "AB"]
    for arm, count in zip(arms, (2, 1), strict=True):
        for _ in range(count):
            deliver(running, "email", sent_at=NOW, variant=arm)
    deliver(running, "sms", sent_at=NOW)
    count_everything(NOW)
    by_key = {one.step.pk: one for one in by_step(running, *WHOLE)}
    assert len(by_key) == 6
    assert by_key[step.pk].figures == Figures(sent=3)
    assert by_key[step.pk].variants == [(arms[0], Figures(sent=2)), (arms[1], Figures(sent=1))]


# --- page -----------------------------------------------------------------------------------


def results(campaign: Campaign) -> str:
    return reverse("admin:campaigns_campaign_results", args=[campaign.pk])


def listed(client: Client, link: str) -> int:
    return int(client.get(link).context["cl"].result_count)


def test_every_figure_is_as_many_as_the_rows_behind_it(
    running: Campaign, admin_client: Client
) -> None:
    world(running)
    world(engine.campaign(days=(0, 3)))
    page = admin_client.get(results(running)).context["r"]
    figures = [(row.title, row.people, row.link) for row in page["funnel"]]
    for name in ("steps", "channels", "day_rows", "cohort_rows"):
        for row in page[name]:
            figures += [((name, row.name), m.basis or m.value, m.link) for m in row.measures]
    for title, measure in ((card.title, card.measure) for card in page["cards"]):
        assert measure.link or title == "Goal", title  # for which it is too early
        if title != "ROI":
            figures.append((title, measure.basis, measure.link))
    shown = [(title, text, link) for title, text, link in figures if link]
    for title, text, link in shown:
        assert listed(admin_client, link) == int(re.match(r"\d+", text)[0]), title
    assert len(shown) > 40
    assert listed(admin_client, page["held_out"]) == page["people"].holdout == 1


def test_funnel_shows_shares_of_the_people_it_shows(
    running: Campaign, admin_client: Client
) -> None:
    world(running)
    shares = [row.shares for row in admin_client.get(results(running)).context["r"]["funnel"]]
    assert shares[0] == "100.0 % of the eligible"
    assert shares[2] == "33.3 % of the eligible; 60.0 % of 5 of the stage before"
    assert shares[4].endswith("no share of the stage before, since an SMS does not report opening")
    assert shares[5] == "11.1 % of the eligible; 50.0 % of 2 of the stage before"
    assert shares[-1] == "40.0 % of 5 enrolled; of those who clicked: 1 of 1"
    response = admin_client.get(results(running), {"format": "csv"})
    lines = list(csv.reader(StringIO(response.content.decode("utf-8-sig"))))
    assert ["Opened", "2", "", "", "", ""] in lines
    assert ["Clicked", "1", "2", "the stage before", "", ""] in lines
    assert ["Came back", "2", "5", "enrolled", "1", "1"] in lines


def test_open_share_is_told_where_no_sms_is_sent(admin_client: Client) -> None:
    campaign = engine.campaign(days=(0,), channels=("email",))
    opened = {"sent_at": NOW, "delivered_at": NOW, "opened_at": NOW}
    deliver(campaign, "email", enrolled(campaign, 5), **opened)
    deliver(campaign, "email", enrolled(campaign, 5), sent_at=NOW, delivered_at=NOW)
    count_everything(NOW)
    shares = [row.shares for row in admin_client.get(results(campaign)).context["r"]["funnel"]]
    assert shares[4] == "50.0 % of the eligible; 50.0 % of 2 of the stage before"


def test_no_share_of_the_stage_before_is_more_than_all(running: Campaign) -> None:
    """Also of those who came back: more of them than clicked, most without a click."""
    for number in range(4):
        person = enrolled(running, 5, came_back_after=1)
        clicked = {"opened_at": NOW, "clicked_at": NOW} if number == 0 else {}
        deliver(running, "sms", person, sent_at=NOW, delivered_at=NOW, **clicked)
    count_everything(NOW)
    stages = funnel(running, *WHOLE, NOW).stages
    assert [stage.people for stage in stages] == [4, 4, 4, 4, 1, 1, 4]
    assert all(s.of_before.part <= s.of_before.whole for s in stages if s.of_before)


def test_verdict_says_who_came_back_the_goal_the_money_and_the_rest(
    running: Campaign, admin_client: Client
) -> None:
    assert admin_client.get(results(running)).context["r"]["verdict"] == [
        "Nobody was enrolled in this period."
    ]
    world(running)
    assert admin_client.get(results(running)).context["r"]["verdict"] == [
        (
            "2 of 5 enrolled doctors came back (40.0 %); for the goal of 60 % it is too early: "
            "nobody has had 14 days yet."
        ),
        "What that is worth is not known: say on the campaign what a return is worth.",
        "Too few to tell how many would have come by themselves.",
    ]


@pytest.mark.parametrize(
    ("back", "words"),
    [
        (40, "100.0 % came back in time: the goal of 60 % is reached."),
        (22, "55.0 % came back in time: close to the goal of 60 %."),
        (1, "2.5 % came back in time: below the goal of 60 %."),
    ],
)
def test_verdict_compares_with_the_goal(running: Campaign, back: int, words: str) -> None:
    for number in range(40):
        enrolled(running, 20, came_back_after=1 if number < back else None)
    count_everything(NOW)
    (first, money, _) = results_page(running, Period(*WHOLE), NOW)["verdict"]
    assert first.endswith(f"Of the 40 whose 14 days are over, {words}")
    running.value_per_return = Decimal(9)
    assert results_page(running, Period(*WHOLE), NOW)["verdict"][1] != money


def test_page_shows_the_seven_metrics(running: Campaign, admin_client: Client) -> None:
    world(running)
    cards = admin_client.get(results(running)).context["r"]["cards"]
    assert [(card.title, card.measure.basis) for card in cards] == [
        ("Enrolled", "5 of 9 eligible"),
        ("Delivered", "3 of 4 sent"),
        ("Opened", "3 of 3 delivered by WhatsApp and e-mail"),
        ("Clicked", "1 of 3 delivered"),
        ("Came back", "2 of 5 enrolled"),
        ("Goal", "nobody enrolled 14 days ago yet"),
        ("Opted out", "1 of 3 delivered"),
        ("ROI", "set what a return is worth"),
    ]


def test_sms_has_no_open_rate_which_is_not_none(running: Campaign, admin_client: Client) -> None:
    deliver(running, "sms", sent_at=NOW, delivered_at=NOW, opened_at=NOW, clicked_at=NOW)
    count_everything(NOW)
    (row,) = admin_client.get(results(running)).context["r"]["channels"]
    assert (row.measures[2].value, row.measures[2].basis) == ("–", "an SMS does not report opening")


def test_new_campaign_says_that_there_is_nothing(admin_client: Client) -> None:
    html = admin_client.get(results(engine.campaign(status="draft"))).content.decode()
    assert "was not launched yet" in html
    assert "Nothing was sent in this period." in html
    assert "Nobody was enrolled in this period." in html


def test_count_now_brings_figures_up_to_date(running: Campaign, admin_client: Client) -> None:
    deliver(running, "sms", sent_at=NOW)
    assert "Counted. Figures that are new or changed: 2." in (
        admin_client.post(results(running), follow=True).content.decode()
    )


def test_results_are_for_those_who_may_see_figures(running: Campaign) -> None:
    client = staff("campaigns.view_campaign")
    assert client.get(results(running)).status_code == 403


def test_file_has_the_pages_numbers_and_no_formula(admin_client: Client) -> None:
    campaign = engine.campaign(days=(0,), name="=HYPERLINK(1)")
    deliver(campaign, "sms", sent_at=at(TODAY, 11))
    count_everything(NOW)
    response = admin_client.get(results(campaign), {"format": "csv"})
    lines = list(csv.reader(StringIO(response.content.decode("utf-8-sig"))))
    assert [str(TODAY), "1", "0", "0", "0", "0", "0"] in lines
    assert not [cell for line in lines for cell in line if cell.startswith(("=", "@"))]
    assert lines[0][0].startswith("'=HYPERLINK(1)")


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"from": "2026-02-31"}, "That is not a date."),
        ({"from": "2026-03-04", "to": "2026-03-01"}, "The first day must not be after"),
        ({"from": "2020-01-01", "to": "2026-03-01"}, "Choose 730 days at most."),
    ],
)
def test_wrong_days_are_answered_in_words(
    running: Campaign, admin_client: Client, query: dict[str, str], problem: str
) -> None:
    assert problem in admin_client.get(results(running), query).content.decode()
