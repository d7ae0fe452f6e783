"""Edits of a campaign under way: what they say they would do is what they do."""

from dataclasses import replace
from datetime import time

import pytest

from campaigns.digest import digest
from campaigns.enroll import enroll
from campaigns.launch import NotReady, pause
from campaigns.models import Campaign, CampaignEnrollment, CampaignMessage, Experiment
from campaigns.revise import Proposed, ProposedStep, apply_revision, as_it_is, plan_revision
from campaigns.revision import token_of
from campaigns.schedule import schedule_due
from messaging.models import MessageDelivery, MessageTemplate
from tests.engine import DAY, campaign, enrolled, member, send_all, statuses
from tests.engine import NOW as START

pytestmark = pytest.mark.django_db
NOW = START + 4 * DAY


@pytest.fixture
def made():
    """Steps on day 0, 3 and 6: one doctor is on day 4, another on day 0."""
    (early,) = enrolled(days=(0, 3, 6), channels=("sms",))
    for day in (-4, -1):
        send_all(NOW + day * DAY)
    member()
    enroll(early.campaign, NOW)
    send_all(NOW)
    return Campaign.objects.get(pk=early.campaign_id)


def propose(made, *steps, **fields):
    return Proposed(fields, tuple(steps) or as_it_is(made))


def change(made, proposed, now=NOW):
    shown = plan_revision(made, proposed, now)
    assert shown.problems == ()
    done = apply_revision(made, proposed, shown.token, now)
    assert done == shown
    return shown.lines


def days_of(enrollment):
    rows = MessageDelivery.objects.filter(enrollment=enrollment)
    return {
        row.campaign_message.delay_days: row.skip_reason or row.status
        for row in rows.select_related("campaign_message")
    }


def test_nothing_changed_says_nothing(made):
    assert plan_revision(made, propose(made), NOW).is_empty


def test_a_step_that_moves_takes_along_who_waits_for_it(made):
    first, second, third = as_it_is(made)
    lines = change(made, propose(made, first, replace(second, delay_days=5), third))
    assert lines == (
        (
            "Step 2 (SMS) moves from day 3 to day 5: 1 doctors wait for it and move with it; "
            "1 are done with it."
        ),
    )
    for day in range(8):
        send_all(NOW + day * DAY)
    late = CampaignEnrollment.objects.order_by("pk").last()
    assert days_of(late) == {0: "sent", 5: "sent", 6: "sent"}
    sent = MessageDelivery.objects.get(enrollment=late, campaign_message__delay_days=5).sent_at
    assert (sent - NOW).days == 5


def test_a_removed_step_is_skipped_where_it_is_scheduled_and_kept_for_the_record(made):
    schedule_due(NOW + 2 * DAY)
    first, second, third = as_it_is(made)
    assert MessageDelivery.objects.filter(status="scheduled").count() == 1
    lines = change(made, propose(made, first, second))
    assert lines == (
        (
            "Step 3 (SMS) of day 6 is removed: 1 scheduled messages are skipped, 1 doctors no "
            "longer wait for it, 0 are done with it."
        ),
    )
    skipped = MessageDelivery.objects.get(status="skipped")
    assert (skipped.skip_reason, skipped.campaign_message_id) == ("step_changed", third.id)
    assert skipped.campaign_message.removed_at == NOW
    assert made.steps.count() == 2
    assert CampaignMessage.ever.filter(campaign=made).count() == 3
    for day in range(9):
        send_all(NOW + day * DAY)
    assert MessageDelivery.objects.filter(campaign_message_id=third.id).count() == 1


def test_a_new_step_reaches_only_those_whose_day_is_still_to_come(made):
    key = made.steps.first().template_id
    first, *rest = as_it_is(made)
    lines = change(made, propose(made, first, ProposedStep(None, 2, key), *rest))
    assert lines == (
        (
            "New step on day 2 (SMS): 1 doctors under way will get it; 1 are past that day and "
            "will not."
        ),
    )
    assert [step.delay_days for step in made.steps.all()] == [0, 2, 3, 6]
    early, late = CampaignEnrollment.objects.order_by("pk")
    assert days_of(early) == {0: "sent", 2: "step_changed", 3: "sent"}
    for day in range(8):
        send_all(NOW + day * DAY)
    assert days_of(late) == {0: "sent", 2: "sent", 3: "sent", 6: "sent"}


def test_a_step_moved_to_a_past_day_is_not_sent_late(made):
    first, second, third = as_it_is(made)
    lines = change(made, propose(made, first, second, replace(third, delay_days=1)))
    assert "For 1 who wait, day 1 is past: they do not get it." in lines[0]
    send_all(NOW)
    early, _ = CampaignEnrollment.objects.order_by("pk")
    assert days_of(early) == {0: "sent", 3: "sent", 1: "step_changed"}


def test_other_sending_hours_move_nobodys_days():
    made = campaign(days=(0, 2), channels=("sms",))
    evening = NOW.replace(hour=14)  # 19:30 in Kolkata
    member()
    enroll(made, evening)
    send_all(evening)
    lines = change(made, propose(made, send_until=time(19)), evening)
    assert lines == (
        (
            "Send until: 21:00 → 19:00. What is still to come goes out in the new hours, on the "
            "same days."
        ),
    )
    enrollment = CampaignEnrollment.objects.get()
    assert (enrollment.next_due_at - NOW.replace(hour=4, minute=30)).days == 2


def test_text_and_subject_say_who_waits_for_them():
    (enrollment,) = enrolled(now=NOW, days=(2,), channels=("email",))
    made = enrollment.campaign
    (step,) = as_it_is(made)
    assert change(made, propose(made, replace(step, subject_line="Ready"))) == (
        "Step 1 (E-mail) gets the subject “Ready”: 1 doctors wait for it.",
    )
    assert made.steps.get().subject_line == "Ready"


def test_a_campaign_changed_meanwhile_is_not_changed_over_it(made):
    first, *rest = as_it_is(made)
    shown = plan_revision(made, propose(made, *rest), NOW)
    CampaignMessage.objects.filter(pk=first.id).update(delay_days=1)
    with pytest.raises(NotReady, match="changed since you looked"):
        apply_revision(made, propose(made, *rest), shown.token, NOW)
    assert made.steps.count() == 3


def test_token_is_of_the_campaign_the_change_and_its_texts(made):
    """The campaign alone says nothing of what is to be made of it."""
    other = campaign(days=(0,), channels=("sms",)).steps.get().template
    first, *rest = as_it_is(made)
    proposed = propose(made, replace(first, template_key=other.template_key), *rest)
    with pytest.raises(NotReady, match="changed since you looked"):
        apply_revision(made, proposed, digest(made), NOW)
    shown = plan_revision(made, proposed, NOW)
    assert shown.token == token_of(made, proposed)
    MessageTemplate.objects.filter(pk=other.pk).update(template_content="Now: {{shortlink}}")
    with pytest.raises(NotReady, match="one of its texts was changed since you looked"):
        apply_revision(made, proposed, shown.token, NOW)
    assert apply_revision(made, proposed, token_of(made, proposed), NOW).lines == shown.lines


def test_another_change_than_the_one_shown_is_not_made(made):
    first, *rest = as_it_is(made)
    shown = plan_revision(made, propose(made, *rest), NOW)
    for other in (
        propose(made, first, *rest, send_until=time(20)),
        propose(made, *rest, send_until=time(20)),
        propose(made, replace(rest[0], delay_days=4), rest[1]),
    ):
        with pytest.raises(NotReady, match="another change than was shown"):
            apply_revision(made, other, shown.token, NOW)
    assert made.steps.count() == 3


def test_a_proposal_that_could_not_send_is_refused_as_a_whole(made):
    proposed = propose(made, send_from=time(21, 30), send_until=time(23))
    shown = plan_revision(made, proposed, NOW)
    with pytest.raises(NotReady, match="change its hours"):
        apply_revision(made, proposed, shown.token, NOW)
    made.refresh_from_db()
    assert made.send_from == time(10)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "completed"}, "Use the buttons"),
        ({"segment_type": "no_show"}, "settled with the launch"),
        ({"rollout_percent": 50}, "never goes back"),
    ],
)
def test_what_has_a_function_of_its_own_is_refused(made, fields, words):
    (problem,) = plan_revision(made, propose(made, **fields), NOW).problems
    assert words in problem


def test_steps_that_are_gone_unknown_or_in_a_test_are_refused(made):
    first, second, third = as_it_is(made)
    other = campaign(days=(0,), channels=("sms",), segment_type="no_show").steps.get()
    Experiment.objects.create(
        campaign=made, step_id=third.id, name="x", kind="cta", status="running"
    )
    proposed = propose(
        made,
        replace(first, template_key=other.template_id),
        ProposedStep(other.pk, 3, second.template_key),
    )
    problems = plan_revision(made, proposed, NOW).problems
    assert [problem.split(":")[0][:40] for problem in problems] == [
        "One of these steps is no longer there",
        "Step 3 (SMS) is being tested (A/B)",
        f"There is no template “{other.template_id}” for t"[:40],
    ]


def test_a_draft_is_not_revised():
    made = campaign(status="draft")
    with pytest.raises(NotReady, match="is draft: it is not revised, but edited"):
        apply_revision(made, propose(made), plan_revision(made, propose(made), NOW).token, NOW)


def test_what_a_pause_holds_up_is_left_to_its_resumption():
    (enrollment,) = enrolled(now=NOW, days=(0, 2), channels=("sms",))
    made = enrollment.campaign
    send_all(NOW)
    pause(made, NOW)
    key = made.steps.first().template_id
    later = NOW + 5 * DAY
    change(made, propose(made, *as_it_is(made), ProposedStep(None, 1, key)), later)
    assert statuses() == {"sms 0": "sent"}  # day 1 and 2 passed in the pause: both are asked for
