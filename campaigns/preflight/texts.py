"""Whether there is a sequence, and each of its texts may and can go out."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse

from campaigns.models import CampaignMessage
from campaigns.preflight.finding import Finding, Level, Look, counted, fine
from messaging import approval, warned
from messaging.models import MessageTemplate
from messaging.validation import check_template


def steps(look: Look) -> Iterator[Finding]:
    """There is something to send."""
    if look.steps:
        yield fine("steps", f"It has {counted(len(look.steps), 'step')}.")
    else:
        yield look.blocking("no_steps", "The campaign has no steps: add at least one below.")


def texts(look: Look) -> Iterator[Finding]:
    """No step's text is empty, another segment's, broken or refused by its channel's provider."""
    found = [finding for step in look.steps for finding in _of_step(look, step)]
    yield from found
    if look.steps and not found:
        yield fine("texts", "Every step has a text that may go out on its channel.")


def _of_step(look: Look, step: CampaignMessage) -> Iterator[Finding]:
    """Why a step's text can't go out, or would go out broken."""
    template = step.template
    the_template = f"the template “{step.template_id}”"

    def blocking(key: str, why: str) -> Finding:
        return of_template(template, key, f"{name_of(step)}: {the_template} {why}")

    if not template.template_content.strip():
        yield blocking("template_empty", "has no text.")
        return
    if template.channel != step.channel:
        yield blocking("template_channel", f"is for {template.get_channel_display()}.")
    segment = look.campaign.segment_type
    if template.segment_type != segment:
        why = f"is for another segment, “{template.get_segment_type_display()}”."
        yield blocking("template_segment", why)
    fits = (template.channel, template.segment_type) == (step.channel, segment)
    for finding in check_template(template.draft(subject=step.subject_line)) if fits else ():
        if finding.level == "error":
            yield blocking("template_broken", f"would go out broken. {finding}")
    if why_not := approval.problem_of(template):
        yield blocking("template_not_approved", f"may not go out: {why_not}")


def name_of(step: CampaignMessage) -> str:
    """“Step 3 (Day 7, SMS)”."""
    return f"Step {step.sequence_order} ({step})"


def of_template(
    template: MessageTemplate, key: str, text: str, level: Level = "blocking"
) -> Finding:
    """Something that is mended on a template's page."""
    page = reverse("admin:messaging_messagetemplate_change", args=[template.pk])
    return Finding(level, key, text, page, "Open the template")


def doubts(look: Look) -> Iterator[Finding]:
    """What a person should judge of the texts: they go out as they are. Reads some doctors."""
    drafts = [step.template.draft((step.delay_days,), step.subject_line) for step in look.steps]
    found = False
    for step, warnings in zip(look.steps, warned.warnings(drafts), strict=True):
        if warnings:
            found = True
            more = f" And {len(warnings) - 1} more." if len(warnings) > 1 else ""
            text = f"{name_of(step)}: {warnings[0]}{more}"
            yield of_template(step.template, "template_doubtful", text, "warning")
    if look.steps and not found:
        yield fine("doubts", "No text has a warning.")
