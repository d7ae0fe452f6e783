"""Four eyes on a campaign under way: proposed by one, made by another, as it was looked at."""

from dataclasses import replace
from datetime import datetime, time
from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from campaigns.launch import NotReady, complete
from campaigns.models import Campaign, CampaignMessage, Experiment, Variant
from campaigns.proposal import accept, obstacles, pending, propose, send_back
from campaigns.revise import Proposed, ProposedStep, apply_revision, as_it_is, plan_revision
from tests.engine import DAY, NOW, enrolled

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def four_eyes(settings):
    settings.FOUR_EYES = True


@pytest.fixture
def people():
    return [User.objects.create_superuser(name) for name in ("asha", "ravi")]


@pytest.fixture
def made():
    return Campaign.objects.get(pk=enrolled(2, days=(0, 3), channels=("sms",))[0].campaign_id)


def later(made, **fields):
    """The second step on day 5."""
    first, second = as_it_is(made)
    return Proposed(fields, (first, replace(second, delay_days=5)))


def proposed(made, by, change=None):
    change = change or later(made)
    return propose(made, change, plan_revision(made, change, NOW).token, NOW, by)


def days(made):
    return list(made.steps.order_by("sequence_order").values_list("delay_days", flat=True))


def test_nobody_changes_alone_what_is_sent(made, people):
    change = later(made)
    shown = plan_revision(made, change, NOW)
    assert shown.needs_second
    with pytest.raises(NotReady, match="Two people change what a running campaign sends"):
        apply_revision(made, change, shown.token, NOW, people[0])
    assert days(made) == [0, 3]


def test_another_change_than_the_one_shown_is_not_proposed(made, people):
    shown = plan_revision(made, later(made), NOW)
    with pytest.raises(NotReady, match="another change than was shown"):
        propose(made, later(made, send_until=time(20)), shown.token, NOW, people[0])
    assert pending(made) is None


def test_it_is_made_by_somebody_else_as_it_was_proposed(made, people):
    asha, ravi = people
    key = made.steps.first().template_id
    first, second = as_it_is(made)
    added = ProposedStep(None, 4, key, "", time(17, 30))
    fields = {"send_until": time(20), "end_date": NOW + 40 * DAY, "max_failure_rate": Decimal("3")}
    change = Proposed(fields, (first, replace(second, delay_days=5), added))
    said = proposed(made, asha, change)
    assert days(made) == [0, 3]
    waiting = pending(made)
    assert (waiting.proposed, waiting.lines, waiting.by) == (change, said.lines, asha)
    assert isinstance(waiting.proposed.fields["end_date"], datetime)
    with pytest.raises(NotReady, match="You proposed it: somebody else"):
        accept(made, waiting.token, NOW, asha)
    done = accept(made, waiting.token, NOW, ravi)
    assert done.lines == said.lines
    assert (days(made), made.send_until, made.changed_by) == ([0, 5, 4], time(20), ravi)
    assert (made.proposal, made.proposed_by, made.proposed_at) == (None, None, None)
    with pytest.raises(NotReady, match="No change waits"):
        accept(made, waiting.token, NOW, ravi)


def test_without_four_eyes_and_for_what_alters_no_message_one_person_is_enough(
    made, people, settings
):
    change = Proposed({"name": "Certificates, spring", "goal_rate": 30}, as_it_is(made))
    shown = plan_revision(made, change, NOW)
    assert not shown.needs_second
    apply_revision(made, change, shown.token, NOW, people[0])
    settings.FOUR_EYES = False
    change = later(made)
    apply_revision(made, change, plan_revision(made, change, NOW).token, NOW, people[0])
    assert days(made) == [0, 5]


def reword(made):
    template = made.steps.first().template
    template.template_content = "Other: {{shortlink}} -CLIRNET"
    template.save()


def move(made):
    CampaignMessage.objects.filter(campaign=made, delay_days=0).update(delay_days=1)


def rehour(made):
    Campaign.objects.filter(pk=made.pk).update(send_until=time(19))


@pytest.mark.parametrize("change", [reword, move, rehour])
def test_what_was_changed_since_has_to_be_proposed_again(change, made, people):
    asha, ravi = people
    proposed(made, asha)
    token = pending(made).token
    change(made)
    made.refresh_from_db()
    assert pending(made).is_stale
    for seen in (token, pending(made).token):
        with pytest.raises(NotReady, match="changed since this was proposed"):
            accept(made, seen, NOW, ravi)
    assert 5 not in days(made)


def test_the_texts_that_a_proposal_brings_are_looked_at_too(made, people):
    asha, ravi = people
    new = enrolled(days=(0,), channels=("sms",))[0].campaign.steps.get().template
    first, second = as_it_is(made)
    change = Proposed({}, (first, replace(second, template_key=new.template_key)))
    proposed(made, asha, change)
    token = pending(made).token
    new.template_content = "Other: {{shortlink}} -CLIRNET"
    new.save()
    with pytest.raises(NotReady, match="one of these texts was changed"):
        accept(made, token, NOW, ravi)


def test_a_proposal_that_was_replaced_while_it_was_looked_at_is_not_made(made, people):
    asha, ravi = people
    proposed(made, asha)
    token = pending(made).token
    proposed(made, asha, later(made, priority=1))
    with pytest.raises(NotReady, match="is another one now"):
        accept(made, token, NOW, ravi)
    with pytest.raises(NotReady, match="A change by asha waits already"):
        proposed(made, ravi)


def test_it_is_sent_back_with_a_reason_or_withdrawn_without(made, people):
    asha, ravi = people
    proposed(made, asha)
    with pytest.raises(NotReady, match="Write what should be different"):
        send_back(made, ravi)
    send_back(made, ravi, "Day 5 is a Sunday.")
    assert (pending(made), made.review_note) == (None, "ravi: Day 5 is a Sunday.")
    proposed(made, asha)
    assert made.review_note == ""
    send_back(made, asha)
    assert (pending(made), made.review_note) == (None, "")
    assert obstacles(made, ravi) == [
        "No change waits for a second person: it was made or sent back meanwhile."
    ]


def test_taking_over_a_winner_needs_nobody_else_and_anything_more_does(made, people):
    step = made.steps.get(delay_days=3)
    test = Experiment.objects.create(campaign=made, step=step, name="When?", kind="send_time")
    test.winner = Variant.objects.create(experiment=test, letter="B", send_from=time(17))
    test.status = "ended"
    test.save()
    first, second = as_it_is(made)
    winner = Proposed({}, (first, replace(second, send_from=time(17))))
    more = Proposed({}, (replace(first, send_from=time(17)), replace(second, send_from=time(17))))
    assert plan_revision(made, more, NOW).needs_second
    shown = plan_revision(made, winner, NOW)
    assert not shown.needs_second
    apply_revision(made, winner, shown.token, NOW, people[0])
    assert made.steps.get(delay_days=3).send_from == time(17)


def test_with_the_end_of_the_campaign_nothing_waits_any_more(made, people):
    asha, ravi = people
    proposed(made, asha)
    token = pending(made).token
    complete(made, NOW)
    assert pending(made) is None
    with pytest.raises(NotReady, match="No change waits"):
        accept(made, token, NOW, ravi)
    change = later(made)
    with pytest.raises(NotReady, match="is completed"):
        propose(made, change, plan_revision(made, change, NOW).token, NOW, asha)
