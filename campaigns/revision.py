"""Edits of a campaign under way, first half: what they would do to whom, in words.

Doctors under way keep the day that they are on. A step that moves takes those along who wait for
it; a step whose day is past for a doctor is not sent late: it is skipped, and says why (revise.py).
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import Max
from django.utils import timezone
from django.utils.text import capfirst

from campaigns.digest import digest
from campaigns.models import Campaign, CampaignMessage, CampaignStatus, Experiment
from messaging.due import FIRST_DAY
from messaging.models import MessageTemplate

# Changed by functions of their own, or never once doctors are under way.
FIXED = {
    "status": "Use the buttons to change the status.",
    "segment_type": "The segment is settled with the launch: copy the campaign for another one.",
    "rollout_percent": "The rollout is widened by its own button, and never goes back.",
}
UNDER_WAY = (CampaignStatus.ACTIVE, CampaignStatus.PAUSED)
ANOTHER = (
    "The campaign or one of its texts was changed since you looked, or this is another change than "
    "was shown: look at what your change does now."
)


@dataclass(frozen=True, slots=True)
class ProposedStep:
    """A step as it is to be; `id`: of the step that it is now, None for a new one."""

    id: uuid.UUID | None
    delay_days: int
    template_key: str
    subject_line: str = ""
    send_from: time | None = None


@dataclass(frozen=True, slots=True)
class Proposed:
    """The campaign as it is to be: fields by name (those left out stay), and all its steps."""

    fields: Mapping[str, Any]
    steps: tuple[ProposedStep, ...]  # in their order


@dataclass(frozen=True, slots=True)
class Revision:
    """What a proposal would do, a sentence each; `problems` keep it from being done.

    `token` names what was looked at: the campaign, the change, and the texts that it brings, as
    they were. apply_revision refuses others.
    """

    lines: tuple[str, ...]
    problems: tuple[str, ...]
    token: str
    needs_second: bool = False  # four eyes: somebody else has to make it (proposal.py)

    @property
    def is_empty(self) -> bool:
        """Nothing would change."""
        return not (self.lines or self.problems)


class _Counts(NamedTuple):
    """Doctors under way and one step: whether they wait for it, and on which side of its day."""

    ahead: int  # will get it
    past: int  # have not had it, and its day is past
    done: int  # have had it, or it was skipped
    scheduled: int  # of those who have not had it: with a delivery already


@dataclass(slots=True)
class Changes:
    """The difference between a campaign and a proposal."""

    fields: dict[str, tuple[Any, Any]]  # name: now and then
    removed: list[CampaignMessage]
    added: list[ProposedStep]
    kept: list[tuple[CampaignMessage, ProposedStep]]  # the same step now and then
    templates: dict[str, MessageTemplate]
    order: list[ProposedStep]

    @property
    def moved(self) -> list[tuple[CampaignMessage, ProposedStep]]:
        """Steps that get another day."""
        return [(now, then) for now, then in self.kept if now.delay_days != then.delay_days]

    @property
    def is_reordered(self) -> bool:
        """Steps that stay change places."""
        was = sorted(self.kept, key=lambda pair: pair[0].sequence_order)
        return [now.pk for now, _ in was] != [now.pk for now, _ in self.kept]

    @property
    def reworded(self) -> list[tuple[CampaignMessage, ProposedStep]]:
        """Steps that get another text, subject or hour."""
        return [(now, then) for now, then in self.kept if _said(now) != _said(then)]


def _said(step: CampaignMessage | ProposedStep) -> tuple[str, str, time | None]:
    key = step.template_id if isinstance(step, CampaignMessage) else step.template_key
    return key, step.subject_line or "", step.send_from


def as_it_is(campaign: Campaign) -> tuple[ProposedStep, ...]:
    """The campaign's steps, as a proposal that changes none."""
    return tuple(
        ProposedStep(s.pk, s.delay_days, s.template_id, s.subject_line or "", s.send_from)
        for s in campaign.steps.order_by("sequence_order")
    )


def plan_revision(campaign: Campaign, proposed: Proposed, now: datetime) -> Revision:
    """What the proposal would do to the campaign, and to the doctors under way. Writes nothing."""
    campaign = Campaign.objects.get(pk=campaign.pk)  # a form has written into the caller's
    changes = changes_of(campaign, proposed)
    token = _token(campaign, changes)
    if found := list(_problems(campaign, changes, proposed)):
        return Revision((), tuple(found), token)
    lines = (*_field_lines(changes), *_step_lines(campaign, changes, now))
    return Revision(lines, (), token, needs_second(campaign, changes))


def token_of(campaign: Campaign, proposed: Proposed) -> str:
    """The token of a proposal for the campaign as it is now, which the caller itself has made."""
    campaign = Campaign.objects.get(pk=campaign.pk)
    return _token(campaign, changes_of(campaign, proposed))


def _token(campaign: Campaign, changes: Changes) -> str:
    """SHA-256, hex, of the campaign, of what is to be otherwise, and of the texts that it brings.

    Fields in any order.
    """
    fields = {name: _plain(then) for name, (_, then) in changes.fields.items()}
    steps = [(step.id, step.delay_days, *_said(step)) for step in changes.order]
    texts = text_versions(step.template_key for step in changes.order)
    content = json.dumps([digest(campaign), fields, steps, texts], default=str, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def text_versions(template_keys: Iterable[str]) -> list[list[Any]]:
    """Key and number of the newest version of each text, as they stand now."""
    texts = MessageTemplate.objects.filter(template_key__in=set(template_keys))
    newest = texts.annotate(version=Max("versions__number")).order_by("template_key")
    return [list(row) for row in newest.values_list("template_key", "version")]


def _plain(value: Any) -> Any:
    """One spelling of a moment and of a number: 1.5 is 1.50, whoever writes it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


# What may be changed alone under four eyes: it alters nothing that is sent, to whom or when.
_ALONE = {"name", "description", "goal_rate", "goal_days", "value_per_return"}


def needs_second(campaign: Campaign, changes: Changes) -> bool:
    """Whether a second person has to look at it (setting FOUR_EYES).

    Taking over the winner of an A/B test needs none: its variants were approved with its start.
    """
    if not settings.FOUR_EYES:
        return False
    if changes.fields.keys() - _ALONE or changes.removed or changes.added or changes.moved:
        return True
    if changes.is_reordered:
        return True
    winners = Experiment.objects.filter(campaign=campaign, status="ended", winner__isnull=False)
    found = {(test.step_id, _won(test)) for test in winners.select_related("winner", "step")}
    return any((now.pk, _said(then)) not in found for now, then in changes.reworded)


def _won(test: Experiment) -> tuple[str, str, time | None]:
    """The step as it is with the winner: a text of its own comes with its own subject."""
    winner, step = test.winner, test.step
    assert winner is not None  # noqa: S101  filtered
    subject = winner.subject_line or ("" if winner.template_id else step.subject_line)
    key = winner.template_id or step.template_id
    return key, subject or "", winner.send_from or step.send_from


def changes_of(campaign: Campaign, proposed: Proposed) -> Changes:
    """The difference between the campaign, as it was read, and the proposal."""
    steps = {step.pk: step for step in campaign.steps.order_by("sequence_order")}
    wanted = {step.id for step in proposed.steps}
    keys = {step.template_key for step in proposed.steps}
    templates = MessageTemplate.objects.filter(template_key__in=keys)
    return Changes(
        fields={
            name: (getattr(campaign, name), value)
            for name, value in proposed.fields.items()
            if getattr(campaign, name) != value
        },
        removed=[step for pk, step in steps.items() if pk not in wanted],
        added=[step for step in proposed.steps if step.id not in steps],
        kept=[(steps[step.id], step) for step in proposed.steps if step.id in steps],
        templates={template.template_key: template for template in templates},
        order=list(proposed.steps),
    )


def _problems(campaign: Campaign, changes: Changes, proposed: Proposed) -> Iterator[str]:
    """What can't be done, whoever asks."""
    yield from (why for name, why in FIXED.items() if name in changes.fields)
    if not proposed.steps:
        yield "A running campaign keeps at least one step: complete it instead."
    if any(step.id is not None for step in changes.added):
        yield "One of these steps is no longer there: open the campaign again."
    running = Experiment.objects.filter(campaign=campaign, status="running")
    tested = set(running.values_list("step", flat=True))
    touched = [step for step, _ in (*changes.moved, *changes.reworded)]
    for step in dict.fromkeys([*changes.removed, *touched]):
        if step.pk in tested:
            yield f"{_name(step)} is being tested (A/B): end the experiment before you change it."
    for step, then in changes.reworded:
        template = changes.templates.get(then.template_key)
        if template and template.channel != step.channel and step.deliveries.exists():
            yield (
                f"{_name(step)} has messages already: remove it, and add a step for "
                f"{template.get_channel_display()}."
            )
    for then in proposed.steps:
        template = changes.templates.get(then.template_key)
        if template is None or template.segment_type != campaign.segment_type:
            yield f"There is no template “{then.template_key}” for this segment."
        if not 0 <= then.delay_days <= 365:
            yield f"A step's day is 0 to 365, not {then.delay_days}."


def _name(step: CampaignMessage) -> str:
    return f"Step {step.sequence_order} ({step.get_channel_display()})"


# --- What it does, in words ----------------------------------------------------------------


def _field_lines(changes: Changes) -> Iterator[str]:
    for name, (was, will) in changes.fields.items():
        label = str(capfirst(Campaign._meta.get_field(name).verbose_name))  # type: ignore[union-attr]  # noqa: SLF001
        line = f"{label}: {shown(was)} → {shown(will)}."
        yield f"{line} {_MEANS[name]}" if name in _MEANS else line


# What a change means for the doctors under way, and for those to come.
_MEANS = {
    "send_from": "What is still to come goes out in the new hours, on the same days.",
    "send_until": "What is still to come goes out in the new hours, on the same days.",
    "start_date": "Before the start nobody is enrolled or written to; what is due until then "
    "is skipped once it is too late.",
    "end_date": "Nothing is sent from the end on.",
    "holdout_percent": "This concerns whom is enrolled from now on; nobody under way changes.",
    "inactivity_days": "This concerns whom is enrolled from now on.",
}


def shown(value: Any) -> str:
    """A field's value in words."""
    if value is None or value == "":
        return "none"
    if isinstance(value, datetime):
        return f"{timezone.localtime(value):%d %b %Y %H:%M}"
    if isinstance(value, time):
        return f"{value:%H:%M}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _step_lines(campaign: Campaign, changes: Changes, now: datetime) -> Iterator[str]:
    # A step is counted over everybody under way: only those of which something is said.
    told = {step.pk for step, _ in (*changes.moved, *changes.reworded)}
    kept = [(step, then) for step, then in changes.kept if step.pk in told]
    asked = [
        *((step.pk, step.delay_days, step.delay_days) for step in changes.removed),
        *((step.pk, step.delay_days, then.delay_days) for step, then in kept),
        *((None, step.delay_days, step.delay_days) for step in changes.added),
    ]
    counts = iter(_count(campaign, asked, now))
    for step in changes.removed:
        yield _removed_line(step, next(counts))
    for step, then in kept:
        found = next(counts)
        if step.delay_days != then.delay_days:
            yield _moved_line(step, then, found)
        if _said(step) != _said(then):
            waiting = found.ahead + found.past
            yield f"{_name(step)} {_rewording(step, then)}: {waiting:,} doctors wait for it."
    for new in changes.added:
        found = next(counts)
        channel = changes.templates[new.template_key].get_channel_display()
        yield (
            f"New step on day {new.delay_days} ({channel}): {found.ahead:,} doctors under way will "
            f"get it; {found.past:,} are past that day and will not."
        )
    if changes.is_reordered:
        yield "The steps change places. Their days say when they go out, not their places."


def _removed_line(step: CampaignMessage, found: _Counts) -> str:
    waiting = found.ahead + found.past - found.scheduled
    return (
        f"{_name(step)} of day {step.delay_days} is removed: {found.scheduled:,} scheduled "
        f"messages are skipped, {waiting:,} doctors no longer wait for it, {found.done:,} are "
        "done with it."
    )


def _moved_line(step: CampaignMessage, then: ProposedStep, found: _Counts) -> str:
    line = (
        f"{_name(step)} moves from day {step.delay_days} to day {then.delay_days}: "
        f"{found.ahead:,} doctors wait for it and move with it; {found.done:,} are done with it."
    )
    if found.past:
        line += f" For {found.past:,} who wait, day {then.delay_days} is past: they do not get it."
    return line


def _rewording(step: CampaignMessage, then: ProposedStep) -> str:
    parts = []
    if step.template_id != then.template_key:
        parts.append(f"gets the text “{then.template_key}” instead of “{step.template_id}”")
    if (step.subject_line or "") != then.subject_line:
        parts.append(f"gets the subject “{then.subject_line or 'of its template'}”")
    if step.send_from != then.send_from:
        parts.append(f"goes out from {shown(then.send_from or 'the campaign’s hour')}")
    return " and ".join(parts)


# The day of a step for a doctor, against the day that counts as today there: what a pause holds
# up is asked about when it is resumed.
_DAY = """
    COALESCE((m.due_at AT TIME ZONE d.timezone)::date + (v.day - v.was), f.first_day + v.day)
"""
TODAY = "(%(as_of)s::timestamptz AT TIME ZONE d.timezone)::date"
_COUNT = f"""
    SELECT v.place,
           count(*) FILTER (WHERE x.is_open AND x.day >= x.today),
           count(*) FILTER (WHERE x.is_open AND x.day < x.today),
           count(*) FILTER (WHERE NOT x.is_open),
           count(*) FILTER (WHERE x.is_open AND m.id IS NOT NULL)
    FROM unnest(%(ids)s::uuid[], %(was)s::int[], %(days)s::int[])
        WITH ORDINALITY AS v (id, was, day, place)
    JOIN campaign_enrollments e ON e.campaign_id = %(campaign)s AND e.status = 'active'
        AND NOT e.is_holdout
    JOIN campaigns c ON c.id = e.campaign_id
    JOIN doctors d ON d.id = e.user_id
    LEFT JOIN message_deliveries m ON m.enrollment_id = e.id AND m.campaign_message_id = v.id
    CROSS JOIN LATERAL (SELECT {FIRST_DAY} AS first_day) f
    CROSS JOIN LATERAL (
        SELECT m.id IS NULL OR m.status = 'scheduled' AS is_open, {_DAY} AS day, {TODAY} AS today
    ) x
    GROUP BY v.place
"""  # noqa: S608  only constants are put in


def _count(
    campaign: Campaign, asked: Sequence[tuple[uuid.UUID | None, int, int]], now: datetime
) -> list[_Counts]:
    """Of each step (id, its day now and then) how the doctors under way stand to it."""
    if not asked:
        return []
    values = {
        "campaign": campaign.pk,
        "as_of": campaign.paused_at or now,
        "ids": [pk for pk, _, _ in asked],
        "was": [was for _, was, _ in asked],
        "days": [day for _, _, day in asked],
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, values)
        found = {row[0]: _Counts(*row[1:]) for row in cursor.fetchall()}
    return [found.get(place, _Counts(0, 0, 0, 0)) for place in range(1, len(asked) + 1)]
