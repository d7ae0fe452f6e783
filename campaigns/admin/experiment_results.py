"""The results of an A/B test as its page shows them: in words, numbers and small bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.html import format_html

from campaigns.experiments.results import Arm, Results
from campaigns.experiments.rules import hour_of, subject_of, template_of
from campaigns.experiments.statistics import Share
from campaigns.experiments.verdict import (
    METRIC_WORDS,
    Comparison,
    comparisons,
    percent,
    points,
    shown_p,
    verdict,
)
from campaigns.models import ExperimentMetric, ExperimentStatus
from messaging.models import Channel
from reengage.admin_base import Notice, Table
from segments.admin.base import list_address

LINK = "text-primary-600 dark:text-primary-500"


@dataclass(frozen=True, slots=True)
class Bar:
    """An interval as a picture: places from 0 to 100, as text that no locale changes."""

    low: str
    width: str
    rate: str


@dataclass(frozen=True, slots=True)
class Row:
    """A variant by what the test is decided by."""

    name: str
    share: str
    of: str
    interval: str
    bar: Bar
    against: str
    is_winner: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a variant is, in doctors."""

    name: str
    done: int
    wanted: int


def shown(found: Results) -> dict[str, Any]:
    """What the page's template needs."""
    experiment = found.experiment
    metric = ExperimentMetric(experiment.metric)
    return {
        "notices": _notices(found),
        "metric": METRIC_WORDS[metric],
        "of": "written to" if metric == ExperimentMetric.CONVERTED else "whom it reached",
        "progress": [Progress(_name(arm), arm.sent, experiment.min_per_arm) for arm in found.arms],
        "time": _time(found),
        "is_running": experiment.status == ExperimentStatus.RUNNING,
        "rows": _rows(found),
        "tables": [_variants(found), _all(found)],
    }


def _name(arm: Arm) -> str:
    return f"{arm.variant}" if arm.variant.label else f"Variant {arm.variant.letter}"


def _notices(found: Results) -> list[Notice]:
    """The sentence at the top, and what makes it doubtful."""
    experiment = found.experiment
    judged = verdict(found)
    if experiment.status == ExperimentStatus.ENDED:
        level = "success" if experiment.winner else "info"
        taken = experiment.promoted_at
        lines = [f"The step took it over on {taken:%d %b %Y}."] if taken else []
        notices = [Notice(level, experiment.conclusion, lines)]
    else:
        notices = [Notice("info", judged.sentence, judged.notes)]
    if judged.warnings:
        notices.append(Notice("warning", "Before you believe it:", judged.warnings))
    return notices


def _time(found: Results) -> str:
    """What is still to come of a running test, in words."""
    horizon = found.experiment.horizon_days
    days = f"{horizon} {'day' if horizon == 1 else 'days'}"
    if found.experiment.filled_at is None:
        return f"When each variant has them, the last messages are given {days} to be answered."
    if found.ripe_at is None:
        return f"{found.waiting:,} messages are still to go out; then {days} to be answered."
    left = -((found.now - found.ripe_at).days)
    if left <= 0:
        return "The time is over: it ends by itself within the day."
    return f"All messages are out; {left} {'day' if left == 1 else 'days'} to go."


def _rows(found: Results) -> list[Row]:
    metric = found.experiment.metric
    shares = [arm.share(metric) for arm in found.arms]
    scale = max((share.interval()[1] for share in shares if share.whole), default=1.0)
    is_over = found.experiment.status == ExperimentStatus.ENDED or found.is_ripe
    against = {one.arm.variant.pk: one for one in comparisons(found)} if is_over else {}
    winner = found.experiment.winner_id
    return [
        Row(
            name=_name(arm),
            share=percent(share.rate),
            of=f"{share.part:,} of {share.whole:,}",
            interval=_interval(share),
            bar=_bar(share, scale),
            against=_against(against.get(arm.variant.pk), arm, is_over=is_over),
            is_winner=winner == arm.variant.pk,
        )
        for arm, share in zip(found.arms, shares, strict=True)
    ]


def _interval(share: Share) -> str:
    if not share.whole:
        return "nothing to count yet"
    low, high = share.interval()
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def _bar(share: Share, scale: float) -> Bar:
    low, high = share.interval() if share.whole else (0.0, 0.0)
    rate = share.rate or 0.0
    low, high, rate = (min(100.0, 100 * value / scale) for value in (low, high, rate))
    return Bar(f"{low:.2f}", f"{high - low:.2f}", f"{rate:.2f}")


def _against(one: Comparison | None, arm: Arm, *, is_over: bool) -> str:
    """The difference from A, with its interval; not before the end, so that nobody ends a test
    at a lucky moment.
    """
    if arm.variant.letter == "A":
        return "what the others are compared with"
    if not is_over:
        return "compared when the test is over"
    if one is None:
        return "nothing to compare yet"
    sign = "+" if one.difference > 0 else ""
    return (
        f"{sign}{points(one.difference)} points ({points(one.low)} to {points(one.high)}), "
        f"p = {shown_p(one.p)}"
    )


def _variants(found: Results) -> Table:
    """What each variant says, how many it is for, and the messages behind the figures."""
    step = found.experiment.step
    total = sum(arm.variant.weight for arm in found.arms)
    rows: list[Sequence[Any]] = []
    for arm in found.arms:
        variant, template = arm.variant, template_of(arm.variant, step)
        page = reverse("admin:messaging_messagetemplate_change", args=[template.pk])
        text = format_html('<a class="{}" href="{}">{}</a>', LINK, page, template)
        subject = [subject_of(variant, step)] if step.channel == Channel.EMAIL else []
        hour = f"{hour_of(variant, step):%H:%M}"
        share = f"{100 * variant.weight / total:.0f} %"
        rows.append((_name(arm), text, *subject, hour, share, _messages(arm)))
    subjects = ["Subject"] if step.channel == Channel.EMAIL else []
    headers = ("Variant", "Text", *subjects, "Sent from", "Share of the doctors", "Messages")
    return Table("Variants", headers, rows, empty="")


def _messages(arm: Arm) -> str:
    """The way to the variant's messages: all of them, where the figures count a doctor once."""
    messages = list_address("messaging_messagedelivery", variant__id__exact=arm.variant.pk)
    return format_html('<a class="{}" href="{}">Open the list</a>', LINK, messages)


def _all(found: Results) -> Table:
    """Everything that was counted, in doctors, with its denominator and interval."""
    rows = [
        (
            _name(arm),
            f"{arm.sent:,}",
            _counted(Share(min(arm.delivered, arm.sent), arm.sent)),
            _counted(arm.open_share),
            _counted(arm.click_share),
            _counted(arm.conversion_share),
            _counted(arm.unsubscribe_share),
            _counted(arm.failure_share),
        )
        for arm in found.arms
    ]
    headers = (
        "Variant",
        "Doctors written to",
        "Delivered, of written to",
        "Opened, of delivered",
        "Clicked, of delivered",
        "Came back, of written to",
        "Opted out, of delivered",
        "Failed, of tried",
    )
    return Table("All figures", headers, rows, empty="")


def _counted(share: Share) -> str:
    if not share.whole:
        return "–"
    return format_html(
        "<span>{} ({})<br><small>{}</small></span>",
        percent(share.rate),
        f"{share.part:,} of {share.whole:,}",
        _interval(share),
    )
