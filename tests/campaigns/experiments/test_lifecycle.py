"""An experiment's life: start, lock, enough messages, verdict, end, promotion."""

import logging
from datetime import time, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.urls import reverse

from campaigns.experiments import lifecycle
from campaigns.experiments.results import results
from campaigns.experiments.verdict import verdict
from campaigns.models import CampaignMessage, Experiment
from campaigns.schedule import schedule_due
from campaigns.tasks import review_experiments
from campaigns.transition import NotReady
from messaging.models import MessageDelivery, MessageTemplate, UnsubscribeRecord
from tests import engine
from tests.campaigns.experiments.worlds import add_doctors, another_text, experiment, running
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db

B = {"subject_line": "Another subject"}


@pytest.fixture
def step() -> CampaignMessage:
    return engine.campaign(days=(0,), channels=("email",)).steps.get()


def many(found: Experiment, **counts: tuple[int, ...]) -> None:
    """Deliveries as if the test had gone on: of each variant so many sent, opened, opted out."""
    for letter, (sent, opened, *gone) in counts.items():
        variant = found.variants.get(letter=letter)
        campaign = found.campaign
        for n in range(sent):
            doctor = engine.doctor()
            enrollment = campaign.enrollments.create(doctor=doctor, enrolled_at=NOW)
            made = MessageDelivery.objects.create(
                enrollment=enrollment,
                campaign_message=found.step,
                doctor=doctor,
                channel=found.step.channel,
                variant=variant,
                due_at=NOW,
                scheduled_at=NOW,
                expires_at=NOW + DAY,
                status="delivered",
                sent_at=NOW,
                delivered_at=NOW,
                opened_at=NOW + timedelta(hours=1) if n < opened else None,
            )
            if gone and n < gone[0]:
                UnsubscribeRecord.objects.create(
                    doctor=doctor, channel="email", delivery=made, unsubscribed_at=NOW
                )


def ended(found: Experiment, **counts: tuple[int, ...]) -> Experiment:
    """The experiment after its last message had its time."""
    many(found, **counts)
    lifecycle.review(found, NOW + DAY)
    lifecycle.review(found, NOW + 10 * DAY)
    found.refresh_from_db()
    return found


# --- Enough, and the verdict ----------------------------------------------------------------


def test_no_verdict_before_the_size_and_the_time_that_were_fixed():
    made = running(B, doctors=0)
    many(made, A=(30, 2), B=(29, 28))
    assert lifecycle.review(made, NOW + DAY) == []
    assert verdict(results(made, NOW + DAY)).sentence == (
        "Too early to tell: variant B has 29 of 30 doctors."
    )
    many(made, B=(1, 1))
    assert lifecycle.review(made, NOW + DAY) == ["“A test” has its doctors: no more are taken."]
    assert verdict(results(made, NOW + 2 * DAY)).sentence == (
        "Too early to tell: the last messages have 5 days more to be answered."
    )
    assert lifecycle.review(made, NOW + 7 * DAY - timedelta(seconds=1)) == []
    assert verdict(results(made, NOW + 6 * DAY)).winner is None
    (said,) = lifecycle.review(made, NOW + 7 * DAY)
    assert said.startswith("B wins: 96.7 % opened it, with A 6.7 % (90.0 points more;")


def test_no_verdict_while_a_message_is_still_to_go_out():
    made = running(B, doctors=2)
    schedule_due(NOW)
    many(made, A=(30, 2), B=(30, 28))
    lifecycle.review(made, NOW + DAY)
    assert lifecycle.review(made, NOW + 30 * DAY) == []
    assert "still to go out" in verdict(results(made, NOW + 30 * DAY)).sentence


def test_filled_test_leaves_later_messages_without_a_variant():
    made = running(B, doctors=0)
    many(made, A=(30, 2), B=(30, 28))
    lifecycle.review(made, NOW)
    add_doctors(made.campaign, 2)
    schedule_due(NOW)
    assert MessageDelivery.objects.filter(variant=None).count() == 2


def test_review_again_does_nothing_more():
    made = ended(running(B, doctors=0), A=(30, 15), B=(30, 16))
    before = Experiment.objects.values().get()
    assert lifecycle.review_all(NOW + 11 * DAY) == []
    review_experiments()
    assert Experiment.objects.values().get() == before
    assert made.winner is None


def test_chance_is_called_chance():
    made = ended(running(B, doctors=0), A=(40, 15), B=(40, 18))
    assert made.status == "ended"
    assert made.conclusion == "No winner: the difference may be chance (p = 0.50)."


def test_a_wins_where_the_others_are_worse():
    made = ended(running(B, doctors=0), A=(60, 40), B=(60, 10))
    assert made.winner.letter == "A"
    assert made.conclusion.startswith("A wins, the message as it is: 66.7 % opened it")
    assert lifecycle.change_of(made) is None


def test_variant_that_drives_doctors_away_can_not_win():
    made = ended(running(B, doctors=0), A=(60, 20, 0), B=(60, 50, 12))
    assert made.winner is None
    assert made.conclusion.startswith(
        "No winner: B is ahead of A, but more doctors opt out than with A (20.0 % against 0.0 %"
    )


def test_split_that_does_not_fit_the_weights_names_no_winner():
    made = ended(running(B, doctors=0), A=(30, 5), B=(120, 90))
    assert made.winner is None
    assert made.conclusion == "No winner: the split between the variants has a fault."


def test_machine_opens_and_late_ones_do_not_count():
    made = running(B, doctors=0)
    many(made, A=(3, 3), B=(3, 3))
    MessageDelivery.objects.filter(variant__letter="B").update(opened_at=NOW + 8 * DAY)
    one, other = results(made, NOW + 9 * DAY).arms
    assert (one.opened, other.opened) == (3, 0)


def test_doctor_counts_once_by_the_first_message():
    made = running(B, doctors=0)
    many(made, A=(2, 1))
    first = MessageDelivery.objects.filter(opened_at=None).get()
    again = made.campaign.enrollments.create(
        doctor=first.doctor, subject="other", status="completed"
    )
    values = {"sent_at": NOW + DAY, "opened_at": NOW + DAY, "due_at": NOW + DAY}
    for name in ("campaign_message", "doctor", "channel", "variant", "scheduled_at", "expires_at"):
        values[name] = getattr(first, name)
    MessageDelivery.objects.create(enrollment=again, status="opened", **values)
    control = results(made, NOW + 2 * DAY).arms[0]
    assert (control.sent, control.opened) == (2, 1)


def test_changed_text_is_said_and_keeps_the_winner_from_being_taken_over(step):
    other = another_text(step, "Short.\n\n[Get it →] {{shortlink}}")
    made = experiment(step, {"template": other}, kind="length", auto_promote=True)
    lifecycle.start(made, NOW, None)
    other.template_content = "Shorter.\n\n[Get it →] {{shortlink}}"
    other.save()
    other.versions.filter(number=2).update(saved_at=NOW + timedelta(hours=1))
    ended(made, A=(40, 5), B=(40, 30))
    assert made.winner.letter == "B"
    assert made.promoted_at is None
    (change,) = results(made, NOW + 10 * DAY).text_changes
    assert change.startswith("The text of variant B changed while the test ran:")


# --- End by hand ----------------------------------------------------------------------------


def test_end_too_early_names_no_winner():
    made = running(B, doctors=0)
    many(made, A=(29, 2), B=(29, 28))
    said = lifecycle.end(made, NOW + DAY)
    assert said == (
        "Ended early, on 05 Mar 2026: no winner. Doctors written to so far: A 29, B 29; "
        "30 each were wanted."
    )
    assert made.winner is None
    with pytest.raises(NotReady, match="not running"):
        lifecycle.end(made, NOW + DAY)


def test_campaign_that_ends_first_ends_the_test():
    made = running(B, doctors=0)
    type(made.campaign).objects.update(status="completed")
    (said,) = lifecycle.review_all(NOW)
    assert said.startswith("The campaign ended before the test: no winner.")


# --- Promote --------------------------------------------------------------------------------


def test_promote_changes_the_step_for_what_is_still_to_come_only():
    made = ended(running(B, doctors=0), A=(40, 5), B=(40, 30))
    sent = list(MessageDelivery.objects.order_by("pk").values())
    add_doctors(made.campaign, 3)
    schedule_due(NOW)
    user = User.objects.create(username="asha")
    change = lifecycle.change_of(made)
    assert (change.planned, change.words) == (
        3,
        ["Subject: “Your certificate” becomes “Another subject”."],
    )
    lifecycle.promote(made, NOW + 10 * DAY, user)
    assert CampaignMessage.objects.get().subject_line == "Another subject"
    assert list(MessageDelivery.objects.exclude(variant=None).order_by("pk").values()) == sent
    engine.send_all(NOW)
    subjects = MessageDelivery.objects.filter(variant=None).values_list("sandbox_message__subject")
    assert set(subjects) == {("Another subject",)}
    assert {entry.user for entry in LogEntry.objects.all()} == {user}
    with pytest.raises(NotReady, match="nothing to take over"):
        lifecycle.promote(made, NOW + 10 * DAY, user)


def test_winner_is_taken_over_by_itself_where_that_was_set():
    user = User.objects.create(username="asha")
    made = engine.campaign(days=(0,), channels=("email",))
    test = experiment(
        made.steps.get(), {"send_from": time(17)}, kind="send_time", auto_promote=True
    )
    lifecycle.start(test, NOW, user)
    ended(test, A=(40, 5), B=(40, 30))
    assert test.promoted_at == NOW + 10 * DAY
    assert CampaignMessage.objects.get().send_from == time(17)
    assert "By itself" in LogEntry.objects.first().change_message


def test_promote_of_another_text_takes_its_own_subject(step):
    CampaignMessage.objects.filter(pk=step.pk).update(subject_line="The step's")
    step.refresh_from_db()
    other = another_text(step, "Short.\n\n[Get it →] {{shortlink}}", subject_line="Its own")
    made = experiment(step, {"template": other}, kind="length")
    lifecycle.start(made, NOW, None)
    ended(made, A=(40, 5), B=(40, 30))
    lifecycle.promote(made, NOW + 10 * DAY, None)
    step.refresh_from_db()
    assert (step.template_id, step.subject_line) == (other.template_key, None)


# --- One that fails, among others -----------------------------------------------------------


@pytest.fixture
def turned_down(settings):
    """A ripe test that B wins, whose text WhatsApp takes no more; it promotes by itself."""
    step = engine.campaign(days=(0,), channels=("whatsapp",)).steps.get()
    other = another_text(step, "Dr. {{last_name}}, {{session_name}}: {{shortlink}}")
    made = experiment(step, {"template": other}, kind="length", auto_promote=True)
    lifecycle.start(made, NOW, User.objects.create(username="asha"))
    many(made, A=(40, 5), B=(40, 30))
    lifecycle.review(made, NOW + DAY)
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "whatsapp": "interakt"}
    MessageTemplate.objects.update(
        whatsapp_name="certificate", whatsapp_language="en", approval_status="approved"
    )
    MessageTemplate.objects.filter(pk=other.pk).update(approval_status="rejected")
    return made


def another_ripe_one() -> Experiment:
    made = running(B, doctors=0)
    many(made, A=(40, 5), B=(40, 30))
    lifecycle.review(made, NOW + DAY)
    return made


def test_winner_that_can_not_be_taken_over_still_ends_the_test(turned_down, admin_client):
    later = another_ripe_one()
    lines = lifecycle.review_all(NOW + 10 * DAY)
    turned_down.refresh_from_db()
    later.refresh_from_db()
    assert (turned_down.status, turned_down.winner.letter) == ("ended", "B")
    assert (later.status, later.winner.letter) == ("ended", "B")
    assert turned_down.promoted_at is None
    assert CampaignMessage.objects.get(pk=turned_down.step_id).template.approval_status == (
        "approved"
    )
    verdict_, refusal = turned_down.conclusion.split(" Variant B was not taken over by itself: ")
    assert verdict_.startswith("B wins: 75.0 % opened it")
    assert "WhatsApp has not approved it" in refusal
    assert [refusal in line for line in lines] == [False, True, False]
    page = admin_client.get(reverse("admin:campaigns_experiment_change", args=[turned_down.pk]))
    assert "was not taken over by itself" in page.content.decode()
    entries = LogEntry.objects.filter(object_id=str(turned_down.pk))
    assert [refusal in entry.change_message for entry in entries] == [True]
    assert lifecycle.review_all(NOW + 11 * DAY) == []
    with pytest.raises(NotReady, match="WhatsApp has not approved it"):
        lifecycle.promote(turned_down, NOW + 11 * DAY, None)


def test_unexpected_error_of_one_test_keeps_no_other_from_its_review(monkeypatch, caplog):
    broken, sound = another_ripe_one(), another_ripe_one()

    def results_but(found: Experiment, now):
        if found.pk == broken.pk:
            raise RuntimeError("no figures")
        return results(found, now)

    monkeypatch.setattr(lifecycle, "results", results_but)
    caplog.set_level(logging.INFO, logger=lifecycle.__name__)
    with pytest.raises(ExceptionGroup) as failed:
        lifecycle.review_all(NOW + 10 * DAY)
    assert failed.group_contains(RuntimeError, match="no figures")
    broken.refresh_from_db()
    sound.refresh_from_db()
    assert (broken.status, sound.status) == ("running", "ended")
    (error,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert str(broken.pk) in error.getMessage()
    assert f"experiments: {sound.conclusion}" in caplog.messages
