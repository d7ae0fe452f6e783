"""What became of each variant's messages: read from the deliveries, one query for all variants.

A doctor counts once, by the first message sent, and what a message did counts within the
experiment's horizon of its sending: so each message had the same time, and no doctor more weight
than another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from campaigns.experiments.rules import template_of
from campaigns.experiments.statistics import Share
from campaigns.models import Experiment, ExperimentMetric, Variant
from messaging import versions
from messaging.in_use import READ
from messaging.models import TemplateVersion
from segments.models.fields import array

DAY = timedelta(days=1)

# By idx_message_deliveries_variant. A message of which nobody knows whether it went out (unknown)
# is not counted as sent; the delivery says so itself.
_COUNTS = """
    WITH own AS (
        SELECT DISTINCT ON (m.user_id) m.*
        FROM message_deliveries m WHERE m.variant_id = ANY(%(variants)s)
        ORDER BY m.user_id, m.sent_at NULLS LAST, m.due_at, m.id
    )
    SELECT o.variant_id,
           count(*),
           count(*) FILTER (WHERE o.status IN ('scheduled', 'sending')),
           count(o.sent_at),
           count(o.delivered_at),
           count(*) FILTER (WHERE o.opened_at <= o.sent_at + %(horizon)s),
           count(*) FILTER (WHERE o.clicked_at <= o.sent_at + %(horizon)s),
           count(*) FILTER (WHERE e.converted_at > o.sent_at
                              AND e.converted_at <= o.sent_at + %(horizon)s),
           count(*) FILTER (WHERE u.at <= o.sent_at + %(horizon)s),
           count(*) FILTER (WHERE o.status = 'failed'),
           count(*) FILTER (WHERE o.sent_at IS NOT NULL OR o.status = 'failed'),
           max(o.sent_at)
    FROM own o
    JOIN campaign_enrollments e ON e.id = o.enrollment_id
    LEFT JOIN LATERAL (
        SELECT min(r.unsubscribed_at) AS at FROM unsubscribe_records r
        WHERE r.delivery_id = o.id AND r.paused_until IS NULL
    ) u ON true
    GROUP BY o.variant_id
"""


@dataclass(frozen=True, slots=True)
class Arm:
    """One variant and what came of it."""

    variant: Variant
    # Doctors who got it by the split. All of a day are shared out at one moment, whatever hour the
    # variant has, so it is never told by what has fallen due: that is uneven until the last hour.
    assigned: int = 0
    waiting: int = 0  # scheduled, not sent yet
    sent: int = 0
    delivered: int = 0
    opened: int = 0
    clicked: int = 0
    converted: int = 0
    unsubscribed: int = 0
    failed: int = 0
    tried: int = 0  # sent or failed
    last_sent_at: datetime | None = None

    def share(self, metric: str) -> Share:
        """What the experiment is decided by, with its denominator."""
        return {
            ExperimentMetric.OPENED: self.open_share,
            ExperimentMetric.CLICKED: self.click_share,
            ExperimentMetric.CONVERTED: self.conversion_share,
        }[ExperimentMetric(metric)]

    @property
    def open_share(self) -> Share:
        """Opened of delivered."""
        return _share(self.opened, self.delivered)

    @property
    def click_share(self) -> Share:
        """Clicked of delivered."""
        return _share(self.clicked, self.delivered)

    @property
    def conversion_share(self) -> Share:
        """Came back of sent."""
        return _share(self.converted, self.sent)

    @property
    def unsubscribe_share(self) -> Share:
        """Opted out by this message, of delivered."""
        return _share(self.unsubscribed, self.delivered)

    @property
    def failure_share(self) -> Share:
        """Failed, of sent or failed."""
        return _share(self.failed, self.tried)


def _share(part: int, whole: int) -> Share:
    """A report of an opening may come before that of the delivery: never more than the whole."""
    return Share(min(part, whole), whole)


@dataclass(frozen=True, slots=True)
class Results:
    """An experiment at a time, its variants in the order of their letters."""

    experiment: Experiment
    arms: Sequence[Arm]
    now: datetime
    text_changes: Sequence[str] = field(default_factory=tuple)  # in words

    @property
    def is_filled(self) -> bool:
        """Whether each variant has the doctors that were fixed at the start."""
        return all(arm.sent >= self.experiment.min_per_arm for arm in self.arms)

    @property
    def waiting(self) -> int:
        """Messages of the test that are still to go out."""
        return sum(arm.waiting for arm in self.arms)

    @property
    def ripe_at(self) -> datetime | None:
        """When the last message has had its time; None: the last one is not sent yet."""
        if self.experiment.filled_at is None or self.waiting:
            return None
        sent = [arm.last_sent_at for arm in self.arms if arm.last_sent_at]
        return max(sent) + self.experiment.horizon_days * DAY if sent else None

    @property
    def is_ripe(self) -> bool:
        """Whether a verdict may be given: size and time are as fixed at the start."""
        return self.ripe_at is not None and self.ripe_at <= self.now


def results(experiment: Experiment, now: datetime) -> Results:
    """What became of each variant by `now`."""
    variants = list(experiment.variants.select_related("template").order_by("letter"))
    values: dict[str, Any] = {
        "variants": array(variant.pk for variant in variants),
        "horizon": experiment.horizon_days * DAY,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, values)
        counts = {row[0]: row[1:] for row in cursor.fetchall()}
    arms = [Arm(variant, *counts.get(variant.pk, ())) for variant in variants]
    return Results(experiment, arms, now, _text_changes(experiment, variants))


def _text_changes(experiment: Experiment, variants: Sequence[Variant]) -> list[str]:
    """When a text of the test was changed while its messages went out, in words.

    It is allowed, since a wrong text must be mended at once; but the messages before and after are
    not the same, and no winner is taken over by itself.
    """
    if experiment.started_at is None:
        return []
    step = experiment.step
    letters: dict[Any, list[str]] = {}
    for variant in variants:
        letters.setdefault(template_of(variant, step).pk, []).append(variant.letter)
    saved = TemplateVersion.objects.filter(
        template__in=letters, saved_at__gt=experiment.started_at
    ).select_related("saved_by")
    if experiment.ended_at:
        saved = saved.filter(saved_at__lte=experiment.ended_at)
    return [
        f"The text of {_variants(letters[version.template_id])} changed while the test ran: "
        f"{versions.who_saved(version)}"
        for version in saved.order_by("saved_at")
        if _reads_otherwise(version)
    ]


def _variants(letters: Sequence[str]) -> str:
    if len(letters) == 1:
        return f"variant {letters[0]}"
    return f"variants {', '.join(letters[:-1])} and {letters[-1]}"


def _reads_otherwise(version: TemplateVersion) -> bool:
    """Whether the version differs from the one before in what a doctor reads."""
    before = TemplateVersion.objects.filter(
        template_id=version.template_id, number=version.number - 1
    ).first()
    found = versions.changes(before.content, version.content) if before else []
    return any(change.field in READ for change in found)
