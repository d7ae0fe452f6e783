"""What keeps an experiment from running, in the marketer's words: asked while it is written,
before its start, and by the pre-flight of its campaign while it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import time

from django.conf import settings

from campaigns.models import (
    CampaignMessage,
    CampaignStatus,
    Experiment,
    ExperimentKind,
    ExperimentMetric,
    ExperimentStatus,
    Variant,
)
from messaging import approval
from messaging.models import Channel, MessageTemplate
from messaging.validation import check_template

LETTERS = "ABCD"
FEWEST, MOST = 2, len(LETTERS)


def template_of(variant: Variant, step: CampaignMessage) -> MessageTemplate:
    """The text of a variant: its own, or the step's."""
    return variant.template or step.template


def subject_of(variant: Variant, step: CampaignMessage) -> str | None:
    """The subject of a variant: its own, that of its own text, the step's, that of the step's."""
    if variant.subject_line:
        return variant.subject_line
    if variant.template:
        return variant.template.subject_line
    return step.subject_line or step.template.subject_line


def hour_of(variant: Variant, step: CampaignMessage) -> time:
    """From which hour a variant is sent: its own, the step's, or the campaign's."""
    return variant.send_from or step.send_from or step.campaign.send_from


def problems(experiment: Experiment) -> list[str]:
    """Why an experiment can't start, or why one that runs can't go on as it is; none: it can.

    A sentence each. Its campaign's state is looked at for a draft only.
    """
    step = experiment.step
    variants = list(experiment.variants.select_related("template").order_by("letter"))
    found = [] if experiment.status != ExperimentStatus.DRAFT else _of_state(experiment, step)
    found += variant_problems(experiment, step, variants)
    for variant in variants:
        found += (f"Variant {variant.letter}: {why}" for why in _of_text(variant, step))
    return found


def _of_state(experiment: Experiment, step: CampaignMessage) -> list[str]:
    """What of the campaign, or of other experiments, is in a draft's way."""
    found = []
    if step.campaign.status == CampaignStatus.COMPLETED:
        found.append("Its campaign is over: copy the campaign and test in the copy.")
    if step.removed_at is not None:
        found.append("Its step was taken out of the campaign: choose another one.")
    others = Experiment.objects.filter(step=step, status=ExperimentStatus.RUNNING)
    if other := others.exclude(pk=experiment.pk).first():
        found.append(f"“{other}” is running on the same step: end it first, or wait for it.")
    return found


def variant_problems(
    experiment: Experiment, step: CampaignMessage, variants: Sequence[Variant]
) -> list[str]:
    """What is wrong with the variants, A first, as a comparison. Nothing is read but templates."""
    if not FEWEST <= len(variants) <= MOST:
        return [f"A test needs {FEWEST} to {MOST} variants; this one has {len(variants)}."]
    first, *others = variants
    found = []
    if first.subject_line or first.template or first.send_from:
        found.append("Variant A is the step as it is: leave its subject, text and hour empty.")
    if experiment.metric == ExperimentMetric.OPENED and step.channel == Channel.SMS:
        found.append("Nobody can tell whether an SMS was opened: decide by clicks or returns.")
    if experiment.kind == ExperimentKind.SUBJECT:
        return found + list(_of_subjects(step, variants))
    if experiment.kind == ExperimentKind.SEND_TIME:
        return found + list(_of_hours(step, variants))
    for variant in others:
        if variant.send_from:
            found.append(_one_thing(variant, "hour"))
        if not variant.template or variant.template == step.template:
            found.append(f"Variant {variant.letter} needs another template: choose its text.")
    return found + list(_alike(variants, [template_of(v, step).pk for v in variants], "text"))


def _of_subjects(step: CampaignMessage, variants: Sequence[Variant]) -> Iterator[str]:
    if step.channel != Channel.EMAIL:
        yield f"Only e-mails have a subject; this step is {step.get_channel_display()}."
        return
    for variant in variants[1:]:
        if variant.template or variant.send_from:
            yield _one_thing(variant, "text or hour")
        if not variant.subject_line:
            yield f"Variant {variant.letter} needs a subject of its own."
    # What is read alike is no other subject, however it is spaced.
    read = [" ".join((subject_of(v, step) or "").casefold().split()) for v in variants]
    yield from _alike(variants, read, "subject")


def _of_hours(step: CampaignMessage, variants: Sequence[Variant]) -> Iterator[str]:
    campaign = step.campaign
    opens, closes = settings.SEND_HOURS[step.channel]
    first, last = max(opens, campaign.send_from), min(closes, campaign.send_until)
    for variant in variants[1:]:
        if variant.template or variant.subject_line:
            yield _one_thing(variant, "text or subject")
        if not variant.send_from:
            yield f"Variant {variant.letter} needs an hour from which it is sent."
        elif not first <= variant.send_from < last:
            yield (
                f"Variant {variant.letter} is sent from {variant.send_from:%H:%M}: the campaign "
                f"sends {step.get_channel_display()} from {first:%H:%M} to {last:%H:%M}. Choose "
                "an hour between them, or change the campaign's."
            )
    yield from _alike(variants, [hour_of(v, step) for v in variants], "hour")


def _one_thing(variant: Variant, what: str) -> str:
    return (
        f"Variant {variant.letter}: leave its {what} as in A. Where two things differ, nobody "
        "knows which of them made the difference."
    )


def _alike(variants: Sequence[Variant], values: Sequence[object], what: str) -> Iterator[str]:
    """Which variants would be the same message."""
    for at, value in enumerate(values):
        if value in values[:at]:
            earlier = variants[values.index(value)].letter
            yield f"Variants {earlier} and {variants[at].letter} have the same {what}."


def _of_text(variant: Variant, step: CampaignMessage) -> Iterator[str]:
    """Why a variant's text could not go out in the place of the step's."""
    template = template_of(variant, step)
    the_template = f"the template “{template.template_key}”"
    if template.channel != step.channel:
        yield f"{the_template} is for {template.get_channel_display()}."
    elif template.segment_type != step.campaign.segment_type:
        yield f"{the_template} is for another segment, “{template.get_segment_type_display()}”."
    else:
        for finding in check_template(template.draft(subject=subject_of(variant, step))):
            if finding.level == "error":
                yield f"{the_template} would go out broken. {finding}"
        if why := approval.problem_of(template):
            yield f"{the_template} may not go out: {why}"
