"""Who is in the segment, would be enrolled, or is held back: each once, and as enrolment does."""

import random
from datetime import timedelta

import pytest

from campaigns.buckets import BUCKETS, bucket
from campaigns.enroll import enroll
from campaigns.models import CampaignEnrollment
from campaigns.people import TAKEN, Why, members, people, people_lately
from messaging.models import ConsentRecord, Suppression
from messaging.optout import opt_out
from segments.models import UserSegment
from tests.engine import DAY, NOW, campaign, certificate, doctor, member

pytestmark = pytest.mark.django_db

CHANNELS = ("whatsapp", "sms", "email")


def why_of(made, person):
    listed = {why: members(made, why, NOW).members for why in Why}
    found = [why for why in Why if person.pk in {m.doctor_id for m in listed[why]}]
    assert len(found) == 1, found
    return found[0]


def suppress(person, channel):
    Suppression.objects.create(doctor=person, channel=channel, reason="hard_bounce", since=NOW)


def test_people_says_of_each_member_why():
    made = campaign(inactivity_days=30)
    UserSegment.objects.all().delete()
    quiet = NOW - 40 * DAY
    people_of = {
        why: member()
        for why in ("fine", "active", "left", "out", "shut", "mixed", "was in", "lively", "mute")
    }
    UserSegment.objects.update(inactive_since=quiet)
    subject = UserSegment.objects.get(doctor=people_of["was in"]).subject
    for name, status, about in (
        ("active", "active", "x"),
        ("left", "unsubscribed", "x"),
        ("was in", "completed", subject),
    ):
        CampaignEnrollment.objects.create(
            campaign=made, doctor=people_of[name], status=status, subject=about
        )
    opt_out(people_of["out"].pk, None, None, source="test", now=NOW)
    for channel in CHANNELS:
        suppress(people_of["shut"], channel)
    opt_out(people_of["mixed"].pk, "sms", None, source="test", now=NOW)
    suppress(people_of["mixed"], "whatsapp")
    suppress(people_of["mixed"], "email")
    UserSegment.objects.filter(doctor=people_of["lively"]).update(
        inactive_since=NOW - 30 * DAY + timedelta(days=3, seconds=1)
    )
    mute = people_of["mute"]
    mute.email = mute.phone = None
    mute.save()

    assert {name: why_of(made, person) for name, person in people_of.items()} == {
        "fine": Why.ENROLLED,
        "active": Why.UNDER_WAY,
        "left": Why.OPTED_OUT,
        "out": Why.OPTED_OUT,
        "shut": Why.SUPPRESSED,
        "mixed": Why.SUPPRESSED,
        "was in": Why.WAS_IN,
        "lively": Why.NOT_QUIET,
        "mute": Why.UNREACHABLE,
    }
    found = people(made, NOW)
    assert (found.members, found.taken, found.held_back) == (9, 2, 6)
    assert found.quiet_in == {4: 1}


@pytest.mark.parametrize(
    ("channels", "given", "expected"),
    [
        (("whatsapp",), True, Why.ENROLLED),
        (("whatsapp",), False, Why.UNREACHABLE),
        (("sms",), None, Why.ENROLLED),
        (("sms",), False, Why.UNREACHABLE),
        (("sms", "whatsapp"), False, Why.ENROLLED),
    ],
)
def test_people_reads_consent_as_the_sender_does(channels, given, expected):
    made, person = campaign(channels=channels), member()
    if given is not None:
        ConsentRecord.objects.create(
            doctor=person, channel=channels[-1], is_given=given, recorded_at=NOW, source="test"
        )
    assert why_of(made, person) == expected


def test_people_takes_the_next_subject_where_the_first_had_its_turn():
    made, person = campaign(), member()
    enroll(made, NOW)
    CampaignEnrollment.objects.update(status="completed")
    assert why_of(made, person) == Why.WAS_IN
    second = certificate(person, expires_at=NOW + 300 * DAY).external_id
    (found,) = members(made, Why.ENROLLED, NOW).members
    assert (found.doctor_id, found.subject) == (person.pk, second)


def test_people_in_rollout_and_holdout_are_those_of_their_buckets():
    made = campaign(rollout_percent=50, holdout_percent=50)
    everybody = {member().pk for _ in range(40)}
    inside = {pk for pk in everybody if bucket(f"rollout:{made.pk}", pk) < BUCKETS // 2}
    silent = {pk for pk in inside if bucket(f"holdout:{made.pk}", pk) < BUCKETS // 2}
    found = {why: {m.doctor_id for m in members(made, why, NOW).members} for why in Why}
    assert found[Why.ROLLOUT] == everybody - inside
    assert found[Why.HOLDOUT] == silent
    assert found[Why.ENROLLED] == inside - silent


def test_members_are_paged_in_order():
    made = campaign()
    everybody = sorted(member().pk for _ in range(5))
    first = members(made, Why.ENROLLED, NOW, size=3)
    assert first.after == everybody[2]
    second = members(made, Why.ENROLLED, NOW, after=first.after, size=3)
    assert [m.doctor_id for m in (*first.members, *second.members)] == everybody
    assert second.after is None
    assert members(made, Why.ENROLLED, NOW, size=5).after is None


def test_members_are_found_however_small_the_slices_are(monkeypatch):
    made = campaign()
    everybody = sorted(member().pk for _ in range(7))
    for person in everybody[:5]:
        opt_out(person, None, None, source="test", now=NOW)
    monkeypatch.setattr("campaigns.people.FIRST_SLICE", 2)
    monkeypatch.setattr("campaigns.people.LARGEST_SLICE", 2)
    assert [m.doctor_id for m in members(made, Why.ENROLLED, NOW).members] == everybody[5:]

    monkeypatch.setattr("campaigns.people.PATIENCE", -1)  # s: one slice at a time
    assert members(made, Why.ENROLLED, NOW) == ([], everybody[1])
    assert members(made, Why.OPTED_OUT, NOW, size=1).after == everybody[0]


def test_people_lately_are_counted_anew_once_the_campaign_is_changed():
    made = campaign(inactivity_days=0)
    first = people_lately(made, NOW)
    assert first.people.members == 0
    member()
    assert people_lately(made, NOW + timedelta(seconds=1)) == first
    made.inactivity_days = 1
    made.save()
    assert people_lately(made, NOW).people.members == 1


def test_people_of_an_empty_segment_or_a_campaign_without_steps():
    assert people(campaign(), NOW).members == 0
    member()
    assert people(campaign(days=()), NOW).counts[Why.UNREACHABLE] == 1


def muddled(rng, made):
    """A member with anything that may stand in the way, or nothing."""
    person = doctor(**{name: None for name in ("email", "phone") if rng.random() < 0.5})
    member(person)
    row = UserSegment.objects.get(doctor=person)
    row.inactive_since = NOW - rng.choice((3, 7, 7, 20)) * DAY + rng.choice((-1, 0, 1)) * (DAY / 9)
    row.expires_at = rng.choice((NOW + DAY, None, NOW))
    row.subject = rng.choice((row.subject, row.subject, ""))
    row.save()
    for _ in range(rng.choice((0, 0, 1, 2))):
        CampaignEnrollment.objects.get_or_create(
            campaign=made,
            doctor=person,
            subject=rng.choice((row.subject, "another", "")),
            defaults={
                "status": rng.choice(("completed", "converted", "bounced", "unsubscribed")),
                "is_holdout": rng.random() < 0.5,
            },
        )
    if rng.random() < 0.15:
        CampaignEnrollment.objects.create(
            campaign=made, doctor=person, subject="now", status="active"
        )
    if rng.random() < 0.3:
        certificate(person)
    for channel in CHANNELS:
        if rng.random() < 0.3:
            opt_out(
                person.pk,
                channel,
                rng.choice((None, "no_show", made.segment_type)),
                source="test",
                now=NOW,
            )
        if rng.random() < 0.3:
            suppress(person, channel)


@pytest.mark.parametrize("seed", range(3))
def test_people_is_a_partition_that_agrees_with_enroll(seed):
    rng = random.Random(seed)
    made = campaign(
        inactivity_days=7,
        channels=rng.choice((CHANNELS, ("sms",), ("whatsapp", "email"))),
        rollout_percent=rng.choice((50, 100)),
        holdout_percent=30,
    )
    for _ in range(60):
        muddled(rng, made)
    in_segment = set(
        UserSegment.objects.exclude(expires_at__lte=NOW).values_list("doctor_id", flat=True)
    )
    found = {why: members(made, why, NOW, size=100).members for why in Why}
    listed = [member.doctor_id for rows in found.values() for member in rows]
    assert len(listed) == len(set(listed))
    assert set(listed) == in_segment
    counted = people(made, NOW)
    assert counted.members == len(in_segment)
    assert counted.counts == {why: len(rows) for why, rows in found.items()}

    before = set(CampaignEnrollment.objects.values_list("pk", flat=True))
    assert enroll(made, NOW) == counted.taken
    new = CampaignEnrollment.objects.exclude(pk__in=before)
    assert set(new.values_list("doctor_id", "subject", "is_holdout")) == {
        (row.doctor_id, row.subject, why == Why.HOLDOUT) for why in TAKEN for row in found[why]
    }
