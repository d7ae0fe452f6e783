"""The result of an audience check as tables, with links to doctors and templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html, format_html_join

from messaging.audience import report
from messaging.models import AudienceCheck, MessageTemplate
from reengage.admin_base import Table
from segments.models import Doctor

LINK = "text-primary-600 dark:text-primary-500"


@dataclass(frozen=True, slots=True)
class Section:
    """What was found of one step, and the template it is about."""

    anchor: str
    template: str
    table: Table
    is_open: bool  # there is something to look at


@dataclass(frozen=True, slots=True)
class Doctors:
    """Names of the doctors by key, and the page on which a preview shows one of them."""

    names: Mapping[int, str]
    template: str


def overview(check: AudienceCheck) -> Table:
    """A campaign's steps, a line each."""
    return Table(
        title="Steps",
        headers=("Step", "Would be sent", "Skipped", "To look at"),
        rows=[_line(place, step) for place, step in enumerate(report.steps(check), 1)],
        empty="",
    )


def sections(check: AudienceCheck, *, with_doctors: bool) -> list[Section]:
    """Everything that was counted, step by step; examples only for who may see doctors."""
    found = report.steps(check)
    names = _names(report.examples(check)) if with_doctors else {}
    keys = [step["template_key"] for step in found]
    pages = dict(
        MessageTemplate.objects.filter(template_key__in=keys).values_list("template_key", "pk")
    )
    return [
        Section(
            anchor=f"step-{place}",
            template=_template(step["template_key"], pages),
            table=_table(step, Doctors(names, _address(step["template_key"], pages))),
            is_open=report.has_findings(step),
        )
        for place, step in enumerate(found, 1)
    ]


def _line(place: int, step: Mapping[str, Any]) -> Sequence[Any]:
    name = format_html('<a class="{}" href="#step-{}">{}</a>', LINK, place, report.name_of(step))
    if "broken" in step:
        return name, "0", "", "The text is broken"
    wrong = len(report.worth_a_look(step))
    look = f"{wrong} thing{'s' if wrong > 1 else ''}" if wrong else ""
    return name, f"{step['rendered']:,}", f"{step['skipped']:,}", look


def _table(step: Mapping[str, Any], doctors: Doctors) -> Table:
    headers = ("What", "Doctors", "For example")
    name = report.name_of(step)
    if "broken" in step:
        rows: list[Sequence[Any]] = [(problem, "", "") for problem in step["broken"]]
        return Table(f"{name}: goes to nobody", headers, rows, empty="")
    total = step["rendered"] + step["skipped"]
    rows = [("Would be sent", _share(step["rendered"], total), "")]
    rows += [
        (
            finding.words,
            "" if finding.count is None else _share(finding.count, total),
            _links(finding.doctors, doctors),
        )
        for finding in report.findings(step)
    ]
    return Table(name, headers, rows, empty="")


def _share(count: int, total: int) -> str:
    """“24 (2%)”; the whole and nothing need no share."""
    if count in (0, total):
        return f"{count:,}"
    share = count / total
    words = "under 1%" if share < 0.01 else "over 99%" if share > 0.99 else f"{share:.0%}"
    return f"{count:,} ({words})"


def _links(ids: Sequence[int], doctors: Doctors) -> str:
    """Each doctor's page and message; whoever was deleted since is left out."""
    links = format_html_join(
        "", "{}", ((_link(doctor, doctors),) for doctor in ids if doctor in doctors.names)
    )
    return format_html('<span class="audience-doctors">{}</span>', links) if links else ""


def _link(doctor: int, doctors: Doctors) -> str:
    name = format_html(
        '<a class="{}" href="{}"><bdi>{}</bdi></a>',
        LINK,
        reverse("admin:segments_doctor_change", args=[doctor]),
        doctors.names[doctor],
    )
    if not doctors.template:
        return name
    # The editor's preview begins with the doctor that its address names.
    address = f"{doctors.template}?{urlencode({'doctor': doctor})}"
    return format_html(
        '<span>{} (<a class="{}" href="{}" aria-label="{}">preview</a>)</span>',
        name,
        LINK,
        address,
        f"Preview for {doctors.names[doctor]}",
    )


def _names(ids: set[int]) -> dict[int, str]:
    """What to call each doctor; who has no name goes by CLIRNET's id."""
    rows = Doctor.objects.filter(pk__in=ids).values_list(
        "pk", "first_name", "last_name", "external_id"
    )
    return {
        pk: f"Dr. {first} {last}".strip() if (first + last).strip() else f"Doctor {external_id}"
        for pk, first, last, external_id in rows
    }


def _address(key: str, pages: Mapping[str, Any]) -> str:
    """The template's page; empty where it was deleted since."""
    if key not in pages:
        return ""
    return reverse("admin:messaging_messagetemplate_change", args=[pages[key]])


def _template(key: str, pages: Mapping[str, Any]) -> str:
    """The template's key, linked while it exists."""
    address = _address(key, pages)
    return format_html('<a class="{}" href="{}">{}</a>', LINK, address, key) if address else key
