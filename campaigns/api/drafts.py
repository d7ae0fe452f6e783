"""A campaign's settings and steps, written while nobody is under way in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction

from campaigns.api.errors import Fault, Problem, at, faults_of
from campaigns.models import Campaign, CampaignMessage, CampaignStatus
from campaigns.revise import ProposedStep
from campaigns.transition import NotReady, lock
from messaging.models import MessageTemplate

EDITED = (CampaignStatus.DRAFT, CampaignStatus.IN_REVIEW)


@transaction.atomic
def create(fields: Mapping[str, Any], steps: Sequence[ProposedStep], by: User) -> Campaign:
    """A draft of `by`. Problem (422): a field or a step is wrong, and nothing was made."""
    campaign = Campaign(**fields, author=by, changed_by=by)
    check(campaign)
    campaign.save()
    _write_steps(campaign, steps)
    return campaign


@transaction.atomic
def change(
    campaign: Campaign,
    fields: Mapping[str, Any],
    steps: Sequence[ProposedStep] | None,
    by: User,
) -> None:
    """Change a campaign that was not launched; `steps`: all of them, None leaves them.

    In review it is no longer what was submitted, and has to be submitted again (review.py).
    Problem (422): a field or a step is wrong. NotReady: it is under way, or over.
    """
    lock(campaign)
    if campaign.status not in EDITED:
        raise NotReady([f"The campaign is {campaign.get_status_display().lower()}."])
    if campaign.status == CampaignStatus.IN_REVIEW and "segment_type" in fields:
        raise NotReady(["The segment is settled in review: send it back to draft first."])
    for name, value in fields.items():
        setattr(campaign, name, value)
    campaign.changed_by = by
    check(campaign)
    campaign.save(update_fields=[*fields, "changed_by", "updated_at"])
    if steps is None and "segment_type" in fields:
        steps = [_proposed(step) for step in campaign.steps.order_by("sequence_order")]
    if steps is not None:
        _write_steps(campaign, steps)


def _proposed(step: CampaignMessage) -> ProposedStep:
    subject = step.subject_line or ""
    return ProposedStep(step.pk, step.delay_days, step.template_id, subject, step.send_from)


def check(campaign: Campaign) -> None:
    """Problem (422): a setting is wrong, or two do not go together."""
    try:
        campaign.full_clean()
    except ValidationError as error:
        raise Problem(422, faults=faults_of(error)) from error


def _write_steps(campaign: Campaign, proposed: Sequence[ProposedStep]) -> None:
    """Give it these steps, numbered in their order; others go."""
    now = {step.pk: step for step in campaign.steps.all()}
    keys = {step.template_key for step in proposed}
    templates = MessageTemplate.objects.in_bulk(keys, field_name="template_key")
    steps, faults = [], []
    for index, then in enumerate(proposed):
        step = now.pop(then.id, None) if then.id else CampaignMessage(campaign=campaign)
        template = templates.get(then.template_key)
        if step is None:
            said = "The campaign has no such step, or it stands here twice: leave the id out."
            faults.append(Fault(detail=said, pointer=at("steps", index, "id")))
        elif template is None:
            said = f"There is no template “{then.template_key}”."
            faults.append(Fault(detail=said, pointer=at("steps", index, "template")))
        else:
            _fill(step, campaign, then, template, index + 1)
            faults += _faults(step, index)
            steps.append(step)
    if faults:
        raise Problem(422, faults=faults)
    CampaignMessage.objects.filter(pk__in=now).delete()
    new = [step for step in steps if step._state.adding]  # noqa: SLF001  its key is there before
    CampaignMessage.objects.bulk_update([step for step in steps if step not in new], WRITTEN)
    CampaignMessage.objects.bulk_create(new)


WRITTEN = ["sequence_order", "channel", "delay_days", "template", "subject_line", "send_from"]


def _fill(
    step: CampaignMessage,
    campaign: Campaign,
    then: ProposedStep,
    template: MessageTemplate,
    place: int,
) -> None:
    step.campaign, step.template, step.channel = campaign, template, template.channel
    step.sequence_order, step.delay_days = place, then.delay_days
    step.subject_line, step.send_from = then.subject_line or None, then.send_from


# As the API calls the fields.
_NAMES = {"delay_days": "day", "subject_line": "subject"}


def _faults(step: CampaignMessage, index: int) -> list[Fault]:
    try:
        step.clean_fields(exclude=["campaign", "template"])
        step.clean()
    except ValidationError as error:
        renamed = {_NAMES.get(k, k): v for k, v in error.update_error_dict({}).items()}
        return faults_of(ValidationError(renamed), "steps", index)
    return []
