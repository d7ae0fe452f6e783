"""Why (not)? foresees what the sender meets beyond its policy, and tells what was moved."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from campaigns.admin import why_text
from campaigns.models import CampaignEnrollment, Experiment, Variant
from campaigns.why import Why, explain
from messaging import optout
from messaging.models import MessageDelivery, ProviderAccount
from tests import engine
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def one_enrolled(**fields: Any) -> CampaignEnrollment:
    (enrollment,) = engine.enrolled(**fields)
    return enrollment


def why(enrollment: CampaignEnrollment, now: datetime = NOW) -> Why:
    return explain(enrollment.campaign, enrollment.doctor, now)


def test_message_whose_text_lacks_a_value_is_foreseen_to_be_skipped() -> None:
    enrollment = one_enrolled(days=(0, 3), channels=("sms",))
    template = enrollment.campaign.steps.get(delay_days=3).template
    template.template_content = "Dr. {{last_name}}, {{recording_url}}: {{shortlink}} -CLIRNET"
    template.save()
    found = why(enrollment)
    assert [one.coming.goes for one in found.steps if one.coming] == [True, False]
    line = why_text.lines(found)[1]
    assert line.state == "Will not go"
    assert line.explained == (
        "A variable has no value: the text has {{recording_url}}, for which there is no value of "
        "this doctor."
    )
    assert "Open the template" in line.mend
    assert line.trace[-1][:2] == ("Every variable of its text has a value", "no")
    for hour in range(4 * 24):
        engine.send_all(NOW + hour * HOUR)
    assert engine.statuses() == {"sms 0": "sent", "sms 3": "missing_variable"}


def test_default_of_the_template_is_a_value() -> None:
    enrollment = one_enrolled(channels=("sms",))
    template = enrollment.campaign.steps.get(delay_days=3).template
    template.template_content = "Dr. {{last_name}}, {{recording_url}}: {{shortlink}} -CLIRNET"
    template.defaults = {"recording_url": "soon"}
    template.save()
    assert [one.coming.goes for one in why(enrollment).steps if one.coming] == [True, True]


def test_message_of_a_paused_account_waits_for_it() -> None:
    enrollment = one_enrolled(days=(0,))
    ProviderAccount.objects.create(channel="sms", provider="sandbox", is_paused=True)
    lines = {line.title: line for line in why_text.lines(why(enrollment))}
    assert lines["WhatsApp of day 0"].state == "Goes"
    held = lines["SMS of day 0"]
    assert (held.state, held.explained) == (
        "Waits",
        "The account of the channel is paused by hand.",
    )
    assert "Open the accounts" in held.mend
    assert [notice.title for notice in why_text.notices(why(enrollment))] == [
        "SMS waits, whatever is said below:"
    ]


def test_message_whose_template_is_not_approved_is_foreseen_to_be_skipped(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "sms": "twilio"}
    settings.SMS_DLT_REQUIRED = True
    enrollment = one_enrolled(channels=("sms",))
    lines = why_text.lines(why(enrollment))
    assert {line.state for line in lines} == {"Will not go"}
    assert "The template is not approved" in lines[0].explained


def test_hour_of_the_variant_that_will_be_drawn_is_foreseen() -> None:
    enrollment = one_enrolled(days=(3,), channels=("sms",))
    step = enrollment.campaign.steps.get()
    test = Experiment.objects.create(
        campaign=enrollment.campaign, step=step, name="Which hour?", kind="send_time"
    )
    for letter, hour in (("A", "17:00"), ("B", "18:00"), ("C", "19:00")):
        Variant.objects.create(experiment=test, letter=letter, send_from=hour)
    Experiment.objects.update(status="running")
    (foreseen,) = [one.coming for one in why(enrollment).steps]
    engine.schedule_due(NOW, 5 * DAY)
    delivery = MessageDelivery.objects.get()
    assert foreseen is not None
    assert foreseen.at == delivery.due_at
    assert foreseen.step.send_from.hour in {17, 18, 19}
    assert delivery.variant_id is not None


def test_checks_of_what_was_held_and_then_skipped_end_with_why() -> None:
    enrollment = one_enrolled(days=(0,))
    engine.send_all(NOW)
    optout.opt_out(enrollment.doctor_id, None, None, source="test", now=NOW + HOUR)
    line = why_text.lines(why(enrollment, NOW + 2 * HOUR))[-1]
    assert line.state == "Skipped"
    assert line.trace[-1] == (
        "Nothing else stood in its way",
        "no",
        "The doctor has opted out. It was skipped for that, after the checks above.",
    )


@pytest.mark.parametrize(("days", "said"), [(1, "by 1 day."), (3, "by 3 days.")])
def test_steps_that_were_moved_are_told(days: int, said: str) -> None:
    enrollment = one_enrolled(days=(0,))
    CampaignEnrollment.objects.update(shifted_days=days)
    enrollment.refresh_from_db()
    assert f"Its steps were moved {said}" in why_text.enrollment_lines(why(enrollment))


def test_member_who_may_fall_into_the_holdout_is_told_so() -> None:
    campaign, doctor = engine.campaign(holdout_percent=10), engine.member()
    said = why_text.sentence(explain(campaign, doctor, NOW))
    assert "not yet. The doctor is enrolled with the next run" in said
    assert "who falls into the holdout then is never written to" in said
