"""Where a template is in use: the campaigns that send it, and the A/B tests that it is in.

Campaigns and tests are reached by their foreign keys: no module imports upward.
"""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from messaging.in_use import READ, UNDER_TEST, campaigns_under_way
from messaging.models import MessageTemplate
from reengage.admin_base import AnyAdmin, Notice, Table
from segments.admin.base import link


class InUseMixin(AnyAdmin):
    """Says on a template's page what a change of its text changes."""

    def get_readonly_fields(
        self, request: HttpRequest, obj: MessageTemplate | None = None
    ) -> tuple[str, ...]:
        """What a doctor reads is shown, not edited, where four eyes keep it as it is.

        What is posted all the same, by a page that was opened before, is refused with the reason
        (messaging/in_use.py), not dropped unsaid.
        """
        fields = tuple(super().get_readonly_fields(request, obj))
        if obj is None or not _is_held(request, obj):
            return fields
        return (*fields, *(name for name in READ if name not in request.POST))

    def notices(self, request: HttpRequest, obj: MessageTemplate) -> list[Notice]:
        """The running campaigns and tests, beside what else is to be said."""
        found: list[Notice] = super().notices(request, obj)  # type: ignore[misc]  # PageExtrasMixin
        return [*found, *_of_campaigns(obj), *_of_tests(obj)]

    def tables(self, request: HttpRequest, obj: MessageTemplate) -> list[Table]:
        """Every step that sends this text, and every test in which a variant does."""
        steps = obj.steps.select_related("campaign").order_by("campaign__name", "sequence_order")
        rows = [
            (
                _campaign(step.campaign),
                step.campaign.get_status_display(),
                f"step {step.sequence_order}, day {step.delay_days}",
            )
            for step in steps
        ]
        variants = obj.variants.select_related("experiment__campaign").order_by("-experiment")
        rows += [
            (
                _campaign(variant.experiment.campaign),
                variant.experiment.campaign.get_status_display(),
                format_html(
                    "variant {} of {} ({})",
                    variant.letter,
                    _test(variant.experiment),
                    variant.experiment.get_status_display().lower(),
                ),
            )
            for variant in variants
        ]
        headers = ("Campaign", "Status", "Where")
        return [Table("Campaigns that send this text", headers, rows, "No campaign uses it.")]


def _is_held(request: HttpRequest, template: MessageTemplate) -> bool:
    """Whether four eyes keep its text; looked up once for a page, which asks several times."""
    if not settings.FOUR_EYES:
        return False
    known: dict[Any, bool] = request.__dict__.setdefault("held_templates", {})
    if template.pk not in known:
        known[template.pk] = bool(campaigns_under_way(template))
    return known[template.pk]


def _of_campaigns(template: MessageTemplate) -> Iterator[Notice]:
    """Which campaigns under way send it, and what a change of it does there."""
    if campaigns := campaigns_under_way(template):
        names = format_html_join(", ", "{}", ((_campaign(one),) for one in campaigns))
        yield Notice("info", _what_a_change_does(len(campaigns)), [names])


def _what_a_change_does(count: int) -> str:
    sends = "1 campaign under way sends" if count == 1 else f"{count} campaigns under way send"
    if settings.FOUR_EYES:
        return (
            f"{sends} this text, so it stays as it is: press Copy, change the copy, and choose it "
            "for the step on the campaign's page, where a second person approves it."
        )
    return f"{sends} this text: a change counts from the next message on."


def _of_tests(template: MessageTemplate) -> Iterator[Notice]:
    """Which running tests it is in: a change makes their messages no longer comparable."""
    lines = []
    for experiment, letters in _under_test(template).items():
        variants = f"Variant{'s' if len(letters) > 1 else ''} {' and '.join(letters)}"
        lines.append(format_html("{} of {}", variants, _test(experiment)))
    if lines:
        yield Notice(
            "warning",
            "This text is in a running A/B test. Change it only to mend a mistake: messages before "
            "and after are not the same, the test says so, and no winner is taken over by itself. "
            "To try another text, copy this template into a variant of a new test.",
            lines,
        )


def _under_test(template: MessageTemplate) -> dict[Any, list[str]]:
    """The running tests, and the letters of the variants that are this text."""
    found: dict[Any, list[str]] = {}
    own = template.variants.filter(experiment__status=UNDER_TEST)
    for variant in own.select_related("experiment").order_by("letter"):
        found.setdefault(variant.experiment, []).append(variant.letter)
    for step in template.steps.all():
        for experiment in step.experiments.filter(status=UNDER_TEST):
            as_it_is = experiment.variants.filter(template=None).order_by("letter")
            found.setdefault(experiment, []).extend(as_it_is.values_list("letter", flat=True))
    return {experiment: sorted(letters) for experiment, letters in found.items()}


def _campaign(campaign: Any) -> str:
    return link("campaigns_campaign", campaign.pk, campaign)


def _test(experiment: Any) -> str:
    return link("campaigns_experiment", experiment.pk, f"“{experiment}”")
