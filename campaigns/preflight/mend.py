"""Does what would help: a campaign takes over the days, steps and order of channels of a mend."""

from __future__ import annotations

from collections.abc import Sequence as Rows

from django.contrib.auth.models import User
from django.db import transaction

from campaigns.digest import digest
from campaigns.feasibility import PlannedStep, Sequence, mend_of, sequence_of, tried
from campaigns.models import Campaign, CampaignMessage, CampaignStatus, Experiment
from campaigns.revise import UNDER_WAY, Proposed, ProposedStep, as_it_is
from campaigns.transition import NotReady, lock
from messaging.models import Channel

ALL = "all"  # key of all mends together
GONE = (
    "There is no such mend: the campaign was changed meanwhile, or the address is wrong. "
    "Look at its pre-flight again."
)


def wanted(before: Sequence, key: str) -> Sequence | None:
    """The sequence that a mend makes; None: there is none of this key (any more)."""
    found = tried(before)
    if key == ALL:
        return found.together[-1].sequence if found.together else None
    return mend_of(key, found.before)


def changes(before: Sequence, after: Sequence) -> list[str]:
    """What the campaign changes, a sentence each."""
    then = {step.number: step for step in after.steps}
    found = []
    for step in before.steps:
        new = then.get(step.number)
        if new is None:
            found.append(f"Step {step.number} ({step.label}) is left out.")
        elif new.day != step.day:
            channel = Channel(step.channel).label
            found.append(
                f"Step {step.number} ({channel}) moves from day {step.day} to day {new.day}."
            )
    if before.order != after.order:
        names = ", ".join(Channel(channel).label for channel in after.order)
        found.append(f"Channels go first in the order {names}.")
    return found


def proposal(campaign: Campaign, after: Sequence) -> Proposed:
    """The mend as a revision of a campaign under way (campaigns/revise.py)."""
    by_number = dict(
        zip(
            campaign.steps.order_by("sequence_order").values_list("sequence_order", flat=True),
            as_it_is(campaign),
            strict=True,
        )
    )
    steps = [_on_day(by_number[step.number], step.day) for step in in_order(after.steps)]
    return Proposed({"channel_order": list(after.order)}, tuple(steps))


def _on_day(step: ProposedStep, day: int) -> ProposedStep:
    return ProposedStep(step.id, day, step.template_key, step.subject_line, step.send_from)


def in_order(steps: Rows[PlannedStep]) -> list[PlannedStep]:
    """By day; on one day as they were."""
    return sorted(steps, key=lambda step: (step.day, step.number))


@transaction.atomic
def apply(campaign: Campaign, key: str, token: str, by: User | None) -> list[str]:
    """Mend a campaign that is not launched, all of it or nothing; returns what was changed.

    `token`: the digest of the campaign that was looked at. Raises NotReady where it is another one
    now, under way, or where an A/B test needs a step as it is.
    """
    lock(campaign)
    if campaign.status not in (CampaignStatus.DRAFT, CampaignStatus.IN_REVIEW):
        state = campaign.get_status_display().lower()
        raise NotReady([f"The campaign is {state} now: look at its pre-flight again."])
    if digest(campaign) != token:
        raise NotReady(["The campaign was changed since you looked: look at it again."])
    before = sequence_of(campaign)
    after = wanted(before, key)
    if after is None:
        raise NotReady([GONE])
    if found := obstacles(campaign, before, after):
        raise NotReady(found)
    _write(campaign, after, by)
    return changes(before, after)


def obstacles(
    campaign: Campaign,
    before: Sequence,
    after: Sequence,
    tests: Rows[Experiment] | None = None,
) -> list[str]:
    """Why a campaign can't be mended so, a sentence each. One query without its `tests`.

    Of one under way a step leaves its row, so that only a running test keeps it.
    """
    days = {step.number: step.day for step in after.steps}
    left_out = {step.number for step in before.steps if step.number not in days}
    moved = {step.number for step in before.steps if days.get(step.number) != step.day} - left_out
    found = []
    if left_out and campaign.status == CampaignStatus.IN_REVIEW:
        found.append("Steps are deleted from drafts only: send it back to draft first.")
    for test in tests_of(campaign) if tests is None else tests:
        number, is_running = test.step.sequence_order, test.status == "running"
        if is_running and number in left_out | moved:
            found.append(
                f"Step {number} is being tested (A/B), “{test}”: it stays as it is until the test "
                "ends. End it, or choose another mend."
            )
        elif number in left_out and campaign.status not in UNDER_WAY:
            found.append(
                f"Step {number} has an A/B test, “{test}”: it stays as it is while there is one. "
                "Delete or end the test, or choose another mend."
            )
    return found


def tests_of(campaign: Campaign) -> list[Experiment]:
    """Its A/B tests, with their steps."""
    tests = Experiment.objects.filter(campaign=campaign).select_related("step")
    return list(tests.order_by("pk"))


def _write(campaign: Campaign, after: Sequence, by: User | None) -> None:
    """Days, places and order; what is left out is deleted. A fixed number of queries."""
    steps = {step.sequence_order: step for step in campaign.steps.all()}
    kept = in_order(after.steps)
    gone = steps.keys() - {step.number for step in kept}
    campaign.steps.filter(sequence_order__in=gone).delete()
    rows = [steps[step.number] for step in kept]
    for place, (row, step) in enumerate(zip(rows, kept, strict=True), start=1):
        row.sequence_order, row.delay_days = place, step.day
    CampaignMessage.objects.bulk_update(rows, ["sequence_order", "delay_days"])
    campaign.channel_order, campaign.changed_by = list(after.order), by
    campaign.save(update_fields=["channel_order", "changed_by", "updated_at"])
