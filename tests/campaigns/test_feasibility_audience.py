"""The campaign for the doctors as they are: who is under way elsewhere, and what that costs."""

from collections import Counter

import pytest

from campaigns.enroll import enroll
from campaigns.feasibility import audience, crowd, sequence_of, typical
from campaigns.feasibility.audience import MOST_GROUPS, Crowd
from campaigns.models import Campaign
from segments.models import Doctor, UserSegment
from tests.engine import DAY, NOW, campaign, member

pytestmark = pytest.mark.django_db


def of(made: Campaign) -> Crowd:
    return crowd(made, sequence_of(made), NOW)


def lost(found: Crowd) -> dict[str, int]:
    return {step.label: count for step, count in found.losers.items() if count}


def under_way(made: Campaign, doctor: Doctor, days: int = 0, **fields) -> None:
    made.enrollments.create(doctor=doctor, enrolled_at=NOW - days * DAY, **fields)


@pytest.fixture
def ours() -> Campaign:
    return campaign(days=(0, 1), channels=("whatsapp",), status="draft", priority=20)


@pytest.fixture
def theirs() -> Campaign:
    """Goes first, and takes WhatsApp on the same days."""
    return campaign(days=(0, 1), channels=("whatsapp",), name="Theirs", priority=1)


def test_doctors_of_no_other_campaign_get_what_the_sequence_says(ours, theirs):
    member(), member()
    steps = sequence_of(ours).steps
    by_channel = Counter(step.channel for step in steps for _ in range(2))
    assert of(ours) == Crowd(2, (), 2, 4, 4, dict.fromkeys(steps, 0), by_channel)
    assert of(ours).lines() == []


def test_doctor_of_another_campaign_loses_what_that_one_takes(ours, theirs):
    under_way(theirs, member())
    member()
    found = of(ours)
    alone = typical(sequence_of(ours))
    both = typical(sequence_of(ours), [(sequence_of(theirs), 0)])
    assert (alone.sent, both.sent) == (2, 1)
    assert (found.doctors, found.beside) == (2, (("Theirs", 1),))
    assert (found.messages, found.alone) == (3, 4)
    assert lost(found) == {"WhatsApp of day 0": 1}
    assert found.lines() == [
        "1 doctor of 2 is under way in “Theirs”, too: both share the same caps.",
        "Because of them WhatsApp of day 0 never goes out to 1 doctor of 2.",
    ]


@pytest.mark.parametrize(
    ("days", "shifted", "count"),
    [(0, 0, 1), (5, 0, 0), (5, 5, 1), (400, 0, 0), (-30, 0, 0)],
)
def test_what_another_campaign_takes_depends_on_how_far_it_is(ours, theirs, days, shifted, count):
    under_way(theirs, member(), days, shifted_days=shifted)
    assert sum(lost(of(ours)).values()) == count
    assert of(ours).beside == (("Theirs", 1),)


def test_offsets_are_those_between_two_enrolments_by_the_calendar(ours, theirs):
    doctor = member()
    under_way(ours, doctor, 10, shifted_days=2)
    under_way(theirs, doctor, 13)
    # 23:00 UTC is the next day in Kolkata.
    theirs.enrollments.update(enrolled_at=(NOW - 13 * DAY).replace(hour=23, minute=0))
    (group,) = audience._groups(ours, [theirs.pk], NOW)
    assert group == (((theirs.pk, 4),), 1)


def test_each_doctor_is_counted_once(ours, theirs):
    third = campaign(days=(0,), channels=("sms",), name="Third")
    doctor = member()  # under way in ours, and a row of the segment still
    for made in (ours, theirs, third):
        under_way(made, doctor)
    for subject in ("old", "older"):  # done, about something else
        under_way(theirs, doctor, 40, status="completed", subject=subject)
        under_way(ours, doctor, 40, status="completed", subject=subject)
    found = of(ours)
    assert (found.doctors, found.reckoned) == (1, 1)
    assert sorted(found.beside) == [("Theirs", 1), ("Third", 1)]


def test_campaigns_of_one_name_are_told_apart(ours, theirs):
    namesake = campaign(days=(0,), channels=("sms",), name="Theirs")
    doctor = member()
    under_way(theirs, doctor)
    under_way(namesake, doctor)
    assert of(ours).beside == (("Theirs", 1), ("Theirs", 1))


@pytest.mark.parametrize(
    ("who", "fields"),
    [
        ("ours", {"is_holdout": True}),
        ("ours", {"status": "unsubscribed"}),
        ("ours", {"status": "converted"}),
    ],
)
def test_whom_the_campaign_will_not_write_to_is_left_out(ours, theirs, who, fields):
    doctor = member()
    subject = UserSegment.objects.get(doctor=doctor).subject
    under_way(ours, doctor, subject=subject, **fields)
    assert of(ours).doctors == 0


@pytest.mark.parametrize("fields", [{"is_holdout": True}, {"status": "completed"}])
def test_whom_another_campaign_does_not_write_to_is_not_beside(ours, theirs, fields):
    under_way(theirs, member(), **fields)
    found = of(ours)
    assert (found.doctors, found.beside, found.messages) == (1, (), 2)


@pytest.mark.parametrize("status", ["draft", "paused", "completed"])
def test_campaign_that_does_not_run_takes_nothing(ours, theirs, status):
    under_way(theirs, member())
    Campaign.objects.filter(pk=theirs.pk).update(status=status)
    assert of(ours).beside == ()


def test_segment_that_is_not_quiet_long_enough_or_expired_is_left_out(ours):
    member()
    Campaign.objects.filter(pk=ours.pk).update(inactivity_days=2)
    ours.refresh_from_db()
    assert of(ours).doctors == 0
    ours.inactivity_days = 0
    assert of(ours).doctors == 1
    UserSegment.objects.update(expires_at=NOW)
    assert of(ours).doctors == 0


def test_waiting_doctors_are_those_whom_enrolment_takes(ours):
    for _ in range(3):
        member()
    before = of(ours).doctors
    Campaign.objects.filter(pk=ours.pk).update(status="active")
    assert enroll(ours, NOW) == before == 3
    assert of(ours).doctors == 3


def test_rare_combinations_are_told_but_not_reckoned(ours, theirs):
    other = campaign(days=(0, 1, 60), channels=("sms",), name="Long")
    for days in range(MOST_GROUPS + 2):
        under_way(other, member(), days)
    found = of(ours)
    assert (found.doctors, found.reckoned) == (MOST_GROUPS + 2, MOST_GROUPS)
    assert found.lines()[-1] == "2 doctors are in rarer combinations, which were not reckoned."


def test_crowd_takes_three_queries_for_one_group_and_for_three(
    ours, theirs, django_assert_num_queries
):
    others = [theirs, *(campaign(days=(0,), channels=("sms",)) for _ in range(2))]
    under_way(others[0], member())
    with django_assert_num_queries(3 + 2):  # and the campaign's own steps and A/B tests
        of(ours)
    for days, other in enumerate(others):
        under_way(other, member(), days)
    with django_assert_num_queries(3 + 2):
        of(ours)


def test_what_is_lost_anyway_is_not_laid_to_others(theirs):
    ours = campaign(days=(0, 2, 5, 9), status="draft", priority=20)
    alone = {lost.step for lost in typical(sequence_of(ours)).lost}
    under_way(theirs, member())
    found = of(ours)
    assert alone
    assert not alone & found.losers.keys()
    assert lost(found) == {"WhatsApp of day 0": 1, "E-mail of day 0": 1}
