"""Each doctor gets the text, the subject and the hour of their variant, by the real send path."""

from datetime import time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.experiments.lifecycle import start
from campaigns.models import CampaignMessage
from campaigns.schedule import schedule_due
from messaging.authorize import authorize_due
from messaging.evidence import SentText, sent_text
from messaging.models import MessageDelivery, SandboxMessage
from messaging.send import send_due
from tests import engine
from tests.campaigns.experiments.worlds import add_doctors, another_text, experiment, running
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db

MORNING = NOW - timedelta(hours=2)  # 10:00 in Kolkata


def sent_by_letter() -> dict[str, set[tuple[str, str]]]:
    """Subjects and texts that the sandbox took, by the letter of the variant."""
    found: dict[str, set[tuple[str, str]]] = {}
    for message in SandboxMessage.objects.select_related("delivery__variant"):
        said = (message.subject or "", message.text.split("\n")[0])
        found.setdefault(message.delivery.variant.letter, set()).add(said)
    return found


def test_each_variants_subject_goes_to_its_doctors():
    running({"subject_line": "Second subject"}, {"subject_line": "Third"}, doctors=15)
    schedule_due(NOW)
    while send_due("email", NOW):
        pass
    found = sent_by_letter()
    assert {letter: {subject for subject, _ in said} for letter, said in found.items()} == {
        "A": {"Your certificate"},
        "B": {"Second subject"},
        "C": {"Third"},
    }


def test_each_variants_text_goes_to_its_doctors_and_is_kept_as_evidence():
    campaign = engine.campaign(days=(0,), channels=("email",))
    step = campaign.steps.get()
    CampaignMessage.objects.filter(pk=step.pk).update(subject_line="The step's subject")
    step.refresh_from_db()
    other = another_text(step, "Short.\n\n[Get it →] {{shortlink}}", subject_line="Its own")
    start(experiment(step, {"template": other}, kind="length", metric="clicked"), NOW, None)
    add_doctors(campaign, 10)
    schedule_due(NOW)
    while send_due("email", NOW):
        pass
    found = sent_by_letter()
    assert found["A"] == {("The step's subject", "Dear Dr. Anita,")}
    assert found["B"] == {("Its own", "Short.")}
    for delivery in MessageDelivery.objects.select_related("variant"):
        kept = sent_text(delivery)
        assert isinstance(kept, SentText)
        own = other.template_key if delivery.variant.letter == "B" else step.template_id
        assert kept.version.content["template_key"] == own
        assert (kept.message.text.split("\n")[0] == "Short.") == (delivery.variant.letter == "B")


def test_variants_text_that_may_not_go_out_skips_its_doctors_only(settings):
    settings.SMS_DLT_REQUIRED = False
    campaign = engine.campaign(days=(0,), channels=("sms",))
    step = campaign.steps.get()
    other = another_text(step, "Dr. {{last_name}}: {{shortlink}} -CLIRNET")
    type(other).objects.filter(pk=step.template.pk).update(
        dlt_template_id="1107160000000000001",
        registered_text="Dr. {#var#}, {#var#}: {#var#} -CLIRNET\nStop: {#var#}",
    )
    made = experiment(step, {"template": other}, kind="cta", metric="clicked")
    start(made, NOW, None)
    settings.SMS_DLT_REQUIRED = True
    add_doctors(campaign, 10)
    schedule_due(NOW)
    while send_due("sms", NOW):
        pass
    outcome = set(MessageDelivery.objects.values_list("variant__letter", "status", "skip_reason"))
    assert outcome == {("A", "sent", None), ("B", "skipped", "template_not_approved")}


def test_message_put_off_to_another_day_keeps_its_variants_hour():
    campaign = engine.campaign(days=(0,), channels=("email",), send_until=time(20))
    made = experiment(campaign.steps.get(), {"send_from": time(17)}, kind="send_time")
    start(made, NOW, None)
    add_doctors(campaign, 10, NOW + timedelta(hours=8, minutes=15))  # 20:15: day 0 is tomorrow
    schedule_due(MORNING + DAY)
    MessageDelivery.objects.update(scheduled_at=MORNING + DAY)
    early = authorize_due("email", MORNING + DAY)
    letters = dict(MessageDelivery.objects.values_list("pk", "variant__letter"))
    assert {letters[claim.delivery_id] for claim in early.claims} == {"A"}
    put_off = MessageDelivery.objects.filter(variant__letter="B")
    evening = MORNING + DAY + timedelta(hours=7)
    assert set(put_off.values_list("scheduled_at", flat=True)) == {evening}


def test_authorize_costs_the_same_queries_with_variants():
    engine.enrolled(4, days=(0,), channels=("email",))
    schedule_due(NOW)
    with CaptureQueriesContext(connection) as plain:
        authorize_due("email", NOW)
    MessageDelivery.objects.all().delete()
    running({"subject_line": "Second"}, {"subject_line": "Third"}, doctors=12)
    schedule_due(NOW)
    with CaptureQueriesContext(connection) as varied:
        authorize_due("email", NOW)
    assert len(varied) == len(plain)
