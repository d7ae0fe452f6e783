"""What the grid of a campaign's steps shows beside the fields of its form.

campaigns/static/campaigns/sequence.js makes the grid; values are data there, never markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Rows
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.db.models import Sum
from django.urls import reverse

from campaigns.feasibility import Lost, Sequence, reaches_others, sequence_of, typical
from campaigns.models import (
    Campaign,
    CampaignMessage,
    Experiment,
    ExperimentStatus,
    StepAnalytics,
)
from messaging import approval, catalogue
from messaging.due import FIRST_DAY, due_at
from messaging.models import Channel, MessageTemplate
from messaging.syntax import TAG
from segments.admin.base import list_address

EXCERPT = 220  # characters of a text that a card shows
# What the engine itself puts in has no example in the catalogue.
_SYSTEM = {"shortlink": "link", "unsubscribe_link": "link to opt out"}

Run = tuple[str, str]  # words, and the variable that they stand for; '': none


def grid(campaign: Campaign, formset: Any, *, may_edit: bool, may_test: bool) -> dict[str, Any]:
    """Everything the script is told. `formset`: the steps' own, as the page shows it."""
    steps = list(campaign.steps.select_related("template").order_by("sequence_order"))
    errors = {form.prefix: list(_errors(form)) for form in formset.forms if form.errors}
    told = {words for of_step in errors.values() for words in of_step}
    return {
        "prefix": formset.prefix,
        "editable": may_edit,
        "channels": [{"key": key, "label": Channel(key).label} for key in campaign.channel_order],
        "templates": _templates(campaign, steps),
        "steps": _steps(campaign, steps, may_test=may_test),
        "errors": errors,
        "problems": [str(words) for words in formset.non_form_errors() if str(words) not in told],
        "figures": reverse("admin:campaigns_campaign_figures", args=[campaign.pk]),
    }


def _errors(form: Any) -> Iterator[str]:
    for name, found in form.errors.items():
        label = form.fields[name].label if name in form.fields else ""
        yield from (f"{label}: {words}" if label else str(words) for words in found)


def _steps(
    campaign: Campaign, steps: Rows[CampaignMessage], *, may_test: bool
) -> dict[str, dict[str, Any]]:
    planned = sequence_of(campaign, steps)
    never = {lost.step.number: _never(planned, lost) for lost in typical(planned).lost}
    tests: dict[Any, list[dict[str, Any]]] = {}
    going = Experiment.objects.filter(campaign=campaign).exclude(status=ExperimentStatus.ENDED)
    for test in going.order_by("pk"):
        entry = {
            "name": test.name,
            "url": reverse("admin:campaigns_experiment_change", args=[test.pk]),
            "state": test.get_status_display(),
            "running": test.status == ExperimentStatus.RUNNING,
        }
        tests.setdefault(test.step_id, []).append(entry)
    new_test = reverse("admin:campaigns_experiment_add")
    return {
        str(step.pk): {
            "place": step.sequence_order,
            "day": step.delay_days,
            "template": step.template_id,
            "subject": step.subject_line or "",
            "hour": f"{step.send_from:%H:%M}" if step.send_from else "",
            "never": never.get(step.sequence_order, ""),
            "tests": tests.get(step.pk, []),
            "test": f"{new_test}?step={step.pk}" if may_test else "",
        }
        for step in steps
    }


def _never(sequence: Sequence, lost: Lost) -> str:
    """A message that some get all the same says who does not: its card counts what was sent."""
    if not reaches_others(sequence, lost.step):
        return lost.words
    return (
        "Never goes out to doctors reachable on every channel; it reaches the others. For the "
        f"former {lost.why}."
    )


def _templates(campaign: Campaign, steps: Iterable[CampaignMessage]) -> dict[str, dict[str, Any]]:
    """Those that may be chosen, and those in use."""
    own = MessageTemplate.objects.filter(segment_type=campaign.segment_type)
    offered = {one.template_key: one for one in own.order_by("channel", "sequence_order")}
    offered |= {step.template_id: step.template for step in steps}
    examples = catalogue.examples(campaign.segment_type)
    return {key: _template(template, examples) for key, template in offered.items()}


def _template(template: MessageTemplate, examples: dict[str, Any]) -> dict[str, Any]:
    problem = approval.problem_of(template)
    return {
        "channel": template.channel,
        "title": template.title or template.template_key,
        "number": template.sequence_order,
        "url": reverse("admin:messaging_messagetemplate_change", args=[template.pk]),
        "subject": excerpt(template.subject_line or "", examples),
        "text": excerpt(template.template_content, examples),
        "problem": f"It may not go out: {problem}" if problem else "",
    }


def excerpt(text: str, examples: dict[str, Any]) -> list[Run]:
    """How a text begins, as a doctor would read it: example values where variables stand."""
    runs: list[Run] = []
    length = 0
    for words, name in _runs(text, examples):
        plain = _plain(words) if not name else words
        if not plain:
            continue
        rest = EXCERPT - length
        if len(plain) > rest:
            if not name:
                runs.append((plain[:rest].rstrip() + "…", ""))
            break
        runs.append((plain, name))
        length += len(plain)
    return runs


def _runs(text: str, examples: dict[str, Any]) -> Iterator[Run]:
    """The text between the tags, and the variables with their examples; sections are open."""
    end = 0
    for tag in TAG.finditer(text):
        yield text[end : tag.start()], ""
        end = tag.end()
        if tag[1] in ("", "&"):
            name = tag[2].strip()
            value = _SYSTEM.get(name) or examples.get(name)
            yield (str(value) if isinstance(value, str | int) and value else name), name
    yield text[end:], ""


def _plain(words: str) -> str:
    """On one line, without the marks of bold text, headings and buttons; edges keep one blank."""
    for mark in ("**", "*", "##", "#", "[", "]", "_"):
        words = words.replace(mark, "")
    lead, trail = words[:1].isspace(), words[-1:].isspace()
    inner = " ".join(words.split())
    return f"{' ' if lead else ''}{inner}{' ' if trail and inner else ''}"


# --- How many wait, were sent, were skipped ----------------------------------------------------

_DUE_AT = due_at("e.first_day").replace("d.timezone", "e.timezone")
# Doctors under way whose turn is still to come, by the steps' own rule; grouped by their first day,
# which makes a few dozen rows of any number of doctors.
_TO_COME = f"""
    WITH days AS MATERIALIZED (
        SELECT {FIRST_DAY} AS first_day, d.timezone, min(e.enrolled_at) AS enrolled_at,
               count(*) AS people
        FROM campaign_enrollments e
        JOIN campaigns c ON c.id = e.campaign_id
        JOIN doctors d ON d.id = e.user_id
        WHERE e.campaign_id = %(campaign)s AND e.status = 'active' AND NOT e.is_holdout
        GROUP BY 1, 2
    )
    SELECT s.id, COALESCE(sum(e.people), 0)
    FROM campaigns c
    JOIN campaign_messages s ON s.campaign_id = c.id AND s.removed_at IS NULL
    JOIN days e ON {_DUE_AT} > %(now)s
    WHERE c.id = %(campaign)s
    GROUP BY s.id
"""  # noqa: S608  only constants are put in
# idx_message_deliveries_scheduled and idx_message_deliveries_trouble: the few that are so.
_OF_STATUS = """
    SELECT campaign_message_id, count(*) FROM message_deliveries
    WHERE status = '{status}' AND campaign_message_id = ANY(%(steps)s) {more}
    GROUP BY 1
"""
_OVERDUE = _OF_STATUS.format(status="scheduled", more="AND due_at <= %(now)s")
_SKIPPED = _OF_STATUS.format(status="skipped", more="")


KEPT = 60  # seconds for which the figures of the steps are kept


def figures(campaign: Campaign, now: datetime) -> dict[str, list[dict[str, str]]]:
    """For each step how many doctors wait for it, got it, and were skipped, with the rows.

    A minute old at most: who opens the page again and again does not count again and again.
    """
    key = f"campaign-figures:{campaign.pk}"
    kept: dict[str, list[dict[str, str]]] | None = cache.get(key)
    if kept is None:
        kept = _figures(campaign, now)
        cache.set(key, kept, KEPT)
    return kept


def _figures(campaign: Campaign, now: datetime) -> dict[str, list[dict[str, str]]]:
    steps = list(campaign.steps.values_list("pk", flat=True))
    values = {"campaign": campaign.pk, "now": now, "steps": steps}
    waiting, overdue, skipped = (_by_step(sql, values) for sql in (_TO_COME, _OVERDUE, _SKIPPED))
    rolled_up = StepAnalytics.objects.filter(campaign=campaign).order_by().values("step")
    sent = dict(rolled_up.annotate(n=Sum("total_sent")).values_list("step", "n"))
    return {
        str(pk): [
            _figure(waiting.get(pk, 0) + overdue.get(pk, 0), "wait for it"),
            _figure(sent.get(pk, 0), "sent", pk, sent_at__isnull="False"),
            _figure(skipped.get(pk, 0), "skipped", pk, status__exact="skipped"),
        ]
        for pk in steps
    }


def _by_step(sql: str, values: dict[str, Any]) -> dict[Any, int]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return {row[0]: int(row[1]) for row in cursor.fetchall()}


def _figure(count: int, words: str, step: Any = None, **filters: str) -> dict[str, str]:
    address = ""
    if step and count:
        query = {"campaign_message__id__exact": str(step), **filters}
        address = list_address("messaging_messagedelivery", **query)
    return {"text": f"{count:,} {words}", "url": address}
