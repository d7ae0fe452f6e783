"""Four eyes: who submits, who launches, and that what was looked at is what is launched."""

import threading

import pytest
from django.contrib.auth.models import User
from django.db import connection

from campaigns.launch import NotReady, launch
from campaigns.models import Campaign, CampaignMessage
from campaigns.review import is_changed, send_back, submit
from messaging.models import MessageTemplate
from tests.engine import NOW, campaign

pytestmark = pytest.mark.django_db


@pytest.fixture
def four_eyes(settings):
    settings.FOUR_EYES = True


@pytest.fixture
def people():
    return [User.objects.create_superuser(name) for name in ("asha", "ravi", "meera", "leena")]


def draft(**fields):
    return campaign(days=(0,), status="draft", start_date=None, **fields)


@pytest.mark.usefixtures("four_eyes")
def test_only_somebody_else_launches_superusers_included(people):
    author, changer, submitter, other = people
    made = draft(author=author, changed_by=changer)
    with pytest.raises(NotReady, match="Submit it for review first"):
        launch(made, NOW, other)
    submit(made, NOW, submitter)
    assert (made.status, made.submitted_by, made.submitted_at) == ("in_review", submitter, NOW)
    for who, did in ((author, "made it"), (changer, "changed it last"), (submitter, "submitted")):
        with pytest.raises(NotReady, match=f"You {did}"):
            launch(made, NOW, who)
    with pytest.raises(NotReady, match="Somebody has to approve it"):
        launch(made, NOW)
    launch(made, NOW, other)
    assert (made.status, made.launched_by, made.launched_at, made.rollout_since) == (
        "active",
        other,
        NOW,
        NOW,
    )


def test_without_four_eyes_a_draft_is_launched_at_once_by_its_author(people):
    made = draft(author=people[0])
    launch(made, NOW, people[0])
    assert made.status == "active"


def rename(made):
    Campaign.objects.filter(pk=made.pk).update(send_until="20:00")


def move_step(made):
    CampaignMessage.objects.filter(campaign=made).update(delay_days=2)


def remove_step(made):
    made.steps.first().delete()


def reword(made):
    template = made.steps.get(channel="sms").template
    MessageTemplate.objects.filter(pk=template.pk).update(
        template_content="Another {{shortlink}} -CLIRNET"
    )


@pytest.mark.parametrize("change", [rename, move_step, remove_step, reword])
def test_what_was_changed_in_review_is_not_launched_until_it_is_submitted_again(change, people):
    made = draft()
    submit(made, NOW, people[0])
    assert not is_changed(made)
    change(made)
    assert is_changed(made)
    with pytest.raises(NotReady, match="changed since it was submitted"):
        launch(made, NOW, people[1])
    made.refresh_from_db()
    assert made.status == "in_review"
    submit(made, NOW, people[0])
    launch(made, NOW, people[1])
    assert made.status == "active"


def test_sending_back_needs_a_reason_and_keeps_it_for_the_author(people):
    made = draft()
    submit(made, NOW, people[0])
    with pytest.raises(NotReady, match="Write what should be changed"):
        send_back(made, people[1], "  ")
    send_back(made, people[1], "Day 3 is too soon.")
    assert (made.status, made.review_note) == ("draft", "ravi: Day 3 is too soon.")
    submit(made, NOW, people[0])
    assert made.review_note == ""


def test_a_running_campaign_is_neither_submitted_nor_sent_back(people):
    made = campaign()
    with pytest.raises(NotReady, match="is active and can't be submitted"):
        submit(made, NOW, people[0])
    with pytest.raises(NotReady, match="is active and can't be sent back"):
        send_back(made, people[0], "why")


@pytest.mark.django_db(transaction=True)
def test_two_who_launch_at_once_are_one_launch():
    made = draft()
    gate, results = threading.Barrier(2), []

    def click():
        try:
            mine = Campaign.objects.get(pk=made.pk)
            gate.wait(10)
            launch(mine, NOW)
            results.append("launched")
        except NotReady as refusal:
            results.append(str(refusal))
        finally:
            connection.close()

    threads = [threading.Thread(target=click) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == ["The campaign is active and can't be launched.", "launched"]
