"""Figures of a resumption: what they tell is what happens, and nothing else is done."""

import json
from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns import room
from campaigns.launch import NotReady, complete, launch, pause, resume
from campaigns.models import Campaign, CampaignEnrollment
from campaigns.overdue import Choice
from campaigns.resumption import Unseen, figures
from campaigns.room import Room
from messaging.models import MessageDelivery
from tests.engine import DAY, NOW, campaign, enrolled, send_all

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
BACK = NOW + 5 * DAY
FIRST = timezone.localdate(NOW)


def on(*days):
    """Counts of local days, counted from NOW."""
    return Counter({FIRST + timedelta(day): count for day, count in dict(days).items()})


def run(days, start):
    """Lanes look at each message half a minute late, and so at what waits for it a day later."""
    for day in range(days):
        late = room.LATENCY * (1 + day % 2)
        for minutes in (-120, -119, -118, 0, 240):  # 10:00 in Kolkata is the first
            send_all(start + day * DAY + timedelta(minutes=minutes) + late)


def paused(count=1, **fields):
    """Day 0 went out; 2 and 4 pass in the pause; 8 is to come."""
    defaults = {"days": (0, 2, 4, 8), "channels": ("sms",)}
    made = enrolled(count, **{**defaults, **fields})[0].campaign
    send_all(NOW)
    pause(made, NOW + HOUR)
    return Campaign.objects.get(pk=made.pk)


def sent_days():
    """What went out after the pause, by day."""
    rows = MessageDelivery.objects.filter(sent_at__gt=BACK).values_list("sent_at", flat=True)
    return Counter(timezone.localdate(at) for at in rows)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice.SKIP, (on(), on((8, 20)), 40, 0)),
        (Choice.SHIFT, (on((7, 20), (9, 20), (13, 20)), on(), 0, 5)),
        (Choice.SPREAD, (on((6, 40)), on((8, 20)), 0, 0)),
    ],
)
def test_each_choice_says_how_many_go_when(choice, expected):
    found = figures(paused(20), BACK, choice, 1)
    assert (found.moved, found.stays, found.skipped, found.later_by) == expected
    assert found.cut == 0


@pytest.mark.parametrize("days", [1, 3, 12])
def test_what_goes_and_what_finds_no_room_is_what_was_said(days):
    made = paused(20, days=(0, 1, 2, 3, 8))
    found = figures(made, BACK, Choice.SPREAD, days)
    outcome = resume(made, BACK, Choice.SPREAD, days, seen=found.token)
    assert outcome.moved == found.moved.total() == 60
    due = MessageDelivery.objects.filter(due_at__gt=BACK).values_list("due_at", flat=True)
    assert Counter(timezone.localdate(at) for at in due) == found.moved
    run(22, BACK)
    gone = MessageDelivery.objects.filter(status="skipped").count()
    assert found.room == Room(gone, 20, 20)
    assert sent_days().total() + gone == 80
    if days == 1:  # three SMS on one day: the second has no room before the day is over
        assert gone == 20


def test_room_counts_what_the_doctor_had_and_other_campaigns():
    made = paused(3, days=(0, 1, 2), channels=("sms", "email"))
    other = campaign(days=(6, 7, 8), channels=("sms", "email"), priority=1)
    for one in CampaignEnrollment.objects.filter(campaign=made):
        CampaignEnrollment.objects.create(
            campaign=other, doctor=one.doctor, subject=one.subject, enrolled_at=NOW,
            next_due_at=NOW + 6 * DAY - 2 * HOUR,
        )  # fmt: skip
    found = figures(made, BACK, Choice.SPREAD, 3)
    alone = figures(made, BACK, Choice.SPREAD, 30)
    resume(made, BACK, Choice.SPREAD, 3, seen=found.token)
    run(14, BACK)
    steps = MessageDelivery.objects.filter(campaign_message__campaign=made)
    gone = steps.filter(skip_reason="frequency_cap").count()
    assert found.room.messages == gone > 0
    assert alone.room.messages < gone


def test_what_the_end_of_the_campaign_cuts_is_said_and_never_goes():
    made = paused(4, end_date=NOW + 9 * DAY + 2 * HOUR)
    found = figures(made, BACK, Choice.SHIFT)
    assert (found.moved, found.cut) == (on((7, 4), (9, 4)), 4)
    assert (found.last_day, found.later_by) == (FIRST + timedelta(9), 1)
    resume(made, BACK, Choice.SHIFT, seen=found.token)
    run(12, BACK)
    assert sent_days() == found.moved


def test_spread_beyond_the_end_is_cut_too():
    made = paused(30, days=(0, 1), end_date=NOW + 8 * DAY + HOUR)
    found = figures(made, BACK, Choice.SPREAD, 10)
    assert found.cut > 0
    assert found.moved.total() + found.cut == 30
    assert max(found.moved) < FIRST + timedelta(9)
    resume(made, BACK, Choice.SPREAD, 10, seen=found.token)
    run(14, BACK)
    assert sent_days().total() == found.moved.total() - found.room.messages


def test_figures_of_another_number_of_days_are_not_agreed_to():
    made = paused()
    seen = figures(made, BACK, Choice.SPREAD, 7).token
    with pytest.raises(Unseen, match="shown were for 7 days; you asked for 3"):
        resume(made, BACK, Choice.SPREAD, 3, seen=seen)
    for garbage in ("", "[]", "{}", "x"):
        with pytest.raises(Unseen):
            resume(made, BACK, Choice.SPREAD, 7, seen=garbage)
    with pytest.raises(Unseen, match="figures have changed"):
        resume(made, BACK, Choice.SKIP, seen=figures(made, BACK, Choice.SHIFT).token)
    made.refresh_from_db()
    assert made.status == "paused"


@pytest.mark.parametrize("count", ["Infinity", "1e999", "NaN", "40.0", "true"])
def test_figures_that_are_no_whole_numbers_were_shown_to_nobody(count):
    found = figures(paused(), BACK, Choice.SKIP)
    shown = json.loads(found.token)
    assert found.was_shown(json.dumps(shown))
    counts = ", ".join([count] * len(shown[3]))
    forged = f'["skip", 0, "{found.last_day}", [{counts}]]'
    assert not found.was_shown(forged)


def test_figures_that_changed_are_asked_about_again_and_small_changes_are_not():
    made = paused(150)
    seen = figures(made, BACK, Choice.SKIP).token
    CampaignEnrollment.objects.filter(pk=CampaignEnrollment.objects.first().pk).update(
        status="converted"
    )
    assert figures(made, BACK, Choice.SKIP).was_shown(seen)
    with pytest.raises(Unseen, match="figures have changed"):  # a day later more is overdue
        resume(made, BACK + 4 * DAY, Choice.SKIP, seen=seen)
    some = CampaignEnrollment.objects.filter(status="active").values("pk")[:5]
    CampaignEnrollment.objects.filter(pk__in=some).update(status="converted")
    with pytest.raises(Unseen, match="figures have changed"):
        resume(made, BACK, Choice.SKIP, seen=seen)
    assert MessageDelivery.objects.filter(status="skipped").count() == 0
    resume(made, BACK, Choice.SKIP, seen=figures(made, BACK, Choice.SKIP).token)
    made.refresh_from_db()
    assert made.status == "active"


def test_reckoning_says_of_how_many_doctors_it_tells(monkeypatch):
    made = paused(12, days=(0, 1, 2, 3, 8))
    monkeypatch.setattr("campaigns.room.MOST_DOCTORS", 4)
    found = figures(made, BACK, Choice.SPREAD, 1).room
    assert (found.reckoned, found.people, found.is_exact) == (4, 12, False)
    assert found.messages == 12  # one each, found with a third of them


def test_only_a_launched_campaign_is_resumed():
    made = campaign(status="draft", start_date=None)
    with pytest.raises(NotReady, match="is draft and can't be resumed"):
        resume(made, NOW, Choice.SKIP, seen="")
    launch(made, NOW)
    complete(made, NOW)
    with pytest.raises(NotReady, match="is completed and can't be resumed"):
        resume(made, NOW)
