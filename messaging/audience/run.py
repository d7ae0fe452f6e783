"""The check as a background job: with progress, with cancel, and without loss of its worker."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Model

from messaging import render
from messaging.audience.members import Audience, Member
from messaging.audience.tally import People, Step, Tally, head
from messaging.models import AudienceCheck, CheckState, MessageTemplate
from messaging.models.audience import AudienceCheckQuerySet
from messaging.validation.size import LINKS_TOKEN

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

# Small enough to hear of a cancel within a second, large enough for the queries to cost little.
BATCH = 500
PROGRESS_EVERY = timedelta(seconds=1)


class Stopped(Exception):  # noqa: N818  says what happened
    """The check was cancelled, or given up for lost, while it ran."""


def ask(
    now: datetime,
    by: User | None = None,
    *,
    campaign: Model | None = None,
    template: MessageTemplate | None = None,
) -> tuple[AudienceCheck, bool]:
    """Queue a check of a campaign or of a template, asked for `by` a user.

    One that waits or runs already is the answer to a second click. Returns it, and whether it is
    new: then the caller rings a worker.
    """
    target: dict[str, Any] = {"campaign": campaign, "template": template}
    try:
        with transaction.atomic():
            made = AudienceCheck.objects.create(requested_by=by, requested_at=now, **target)
    except IntegrityError:
        live = AudienceCheck.objects.live().filter(**target).first()
        if live is None:
            raise
        return live, False
    return made, True


def again(check_id: uuid.UUID, now: datetime) -> bool:
    """Queue a check that ended once more; False where it, or another of the same, is live."""
    try:
        with transaction.atomic():
            return bool(AudienceCheck.objects.filter(pk=check_id).queue_again(now))
    except IntegrityError:
        return False


def cancel(check_id: uuid.UUID, now: datetime) -> bool:
    """Stop a check that waits or runs; False where it has ended."""
    return bool(AudienceCheck.objects.filter(pk=check_id).cancel(now))


def withdraw(check_id: uuid.UUID) -> None:
    """Take back a check that no worker could be told of; one that a worker has after all stays."""
    AudienceCheck.objects.filter(pk=check_id, state=CheckState.QUEUED).delete()


def run_check(check_id: uuid.UUID, clock: Clock) -> None:
    """Do a check that is queued. Nothing is done where another worker has it or it was cancelled.

    `clock` says what time it is; everything is looked at as of the moment of the start.
    """
    now = clock()
    if not AudienceCheck.objects.filter(pk=check_id).claim(now):
        return
    check = AudienceCheck.objects.select_related("campaign", "template").get(pk=check_id)
    try:
        _count(check, now, clock)
    except Stopped:
        logger.info("audience check %s was stopped", check_id)
    except SoftTimeLimitExceeded:
        logger.warning("audience check %s took too long", check_id)
        why = "It took too long and was stopped. Start the check again when less is going on."
        _mine(check).fail(why, clock())
    except Exception as error:
        logger.exception("audience check %s failed", check_id)
        why = f"It stopped with an error ({type(error).__name__}). Start the check again."
        _mine(check).fail(why, clock())


def _count(check: AudienceCheck, now: datetime, clock: Clock) -> None:
    steps, audience = plan(check, now)
    tallies = [_tally(step) for step in steps]
    sound = [tally for tally in tallies if isinstance(tally, Tally)]
    people = People()
    _mine(check).update(total=audience.count())
    for batch in _batches(check, audience, clock):
        _add(batch, audience, sound, people)
        check.done += len(batch)
    found = [tally.as_json() if isinstance(tally, Tally) else tally for tally in tallies]
    result = {"at": now.isoformat(), "people": people.as_json(), "steps": found}
    _mine(check).finish(result, check.done, clock())


def _tally(step: Step) -> Tally | dict[str, Any]:
    """Counts of the step, or what is wrong with its text."""
    try:
        return Tally(step)
    except render.TemplateError as error:
        return {**head(step), "broken": error.problems}


def plan(check: AudienceCheck, now: datetime) -> tuple[list[Step], Audience]:
    """The steps to check, in their order, and whom; the check need not be saved."""
    campaign, template = check.campaign, check.template
    if template is not None:
        steps = [_step(template)]
        return steps, Audience(template.segment_type, (template.channel,), now)
    if campaign is None:  # which the database does not allow
        raise Stopped
    steps = [
        _step(row.template, row.subject_line, row.delay_days, row.sequence_order)
        for row in campaign.steps.select_related("template").order_by("sequence_order")
    ]
    channels = tuple(sorted({step.channel for step in steps}))
    quiet_since = now - timedelta(days=campaign.inactivity_days)
    return steps, Audience(campaign.segment_type, channels, now, quiet_since)


def _step(
    template: Any, subject: str | None = None, day: int | None = None, place: int | None = None
) -> Step:
    return Step(
        template_key=template.template_key,
        channel=template.channel,
        content=template.template_content,
        subject=subject or template.subject_line,
        defaults=template.defaults,
        max_sms_segments=template.max_sms_segments,
        day=day,
        place=place,
        preheader=template.preheader,
    )


def _batches(check: AudienceCheck, audience: Audience, clock: Clock) -> Iterator[list[Member]]:
    """Everybody, some hundred at a time; tells how far it is, and stops when it is cancelled."""
    told_at = clock()
    last = 0
    while batch := audience.after(last, BATCH):
        yield batch
        last = batch[-1].doctor_id
        now = clock()
        if now - told_at >= PROGRESS_EVERY:
            told_at = now
            alive = bool(_mine(check).update(done=check.done, heartbeat_at=now))
        else:
            alive = _mine(check).exists()
        if not alive:
            raise Stopped


def _add(batch: list[Member], audience: Audience, tallies: list[Tally], people: People) -> None:
    """Count a batch: its variables are read once for all steps."""
    links = render.links(LINKS_TOKEN)
    for member, variables in zip(batch, audience.variables(batch), strict=True):
        texts = render.texts_of(variables, links)
        missing: list[str] = []
        for tally in tallies:
            missing += tally.add(member.doctor_id, variables, texts)
        people.add(member.doctor_id, missing)


def _mine(check: AudienceCheck) -> AudienceCheckQuerySet:
    return AudienceCheck.objects.filter(pk=check.pk).running(check.runs)
