"""A campaign's results: funnel, days, steps, channels, cohorts, ROI and lift, on one page."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from datetime import date, datetime
from functools import partial
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Min
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.text import slugify

from campaigns import analytics
from campaigns.admin import results_money, results_text, results_verdict, rows
from campaigns.admin.period import RANGES, Period, period
from campaigns.admin.spreadsheet import FIGURES, Section, csv_file, numbers
from campaigns.analytics.breakdown import StepFigures, by_step
from campaigns.analytics.chart import chart
from campaigns.analytics.cohorts import cohort_table
from campaigns.analytics.figures import MESSAGE_COLUMNS, Row, message_measures
from campaigns.analytics.funnel import funnel
from campaigns.analytics.kpis import UNLAUNCHED, Kpis
from campaigns.analytics.roi import lift, roi
from campaigns.models import Campaign, CampaignAnalytics, CohortAnalytics, RollUpMark
from messaging.models import Channel
from reengage.admin_base import AnyAdmin, action

DAY_COLUMNS = ("Day", *MESSAGE_COLUMNS)
MAY_SEE = "campaigns.view_campaignanalytics"


class ResultsMixin(AnyAdmin):
    """The button Results on a campaign's page, where `actions_detail` names `results`."""

    def has_results_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may see daily figures."""
        return request.user.has_perm(MAY_SEE)

    @action(description="Results", icon="monitoring", permissions=["results"], url_path="results")
    def results(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show them; `format=csv` downloads them; a POST counts what is new first."""
        campaign = self.get_object(request, object_id)
        if campaign is None:
            raise Http404
        if not self.has_view_permission(request, campaign):
            raise PermissionDenied
        now = timezone.now()
        if request.method == "POST":
            changed = analytics.catch_up(now)
            messages.success(request, f"Counted. Figures that are new or changed: {changed}.")
            return redirect(request.get_full_path())
        today = timezone.localdate(now)
        chosen = period(request.GET, today, _whole(campaign, today))
        page = results_page(campaign, chosen, now)
        if request.GET.get("format") == "csv":
            return csv_file(f"{slugify(campaign.name) or 'campaign'}-results", _sections(page))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Results: {campaign}",
            "opts": self.model._meta,  # noqa: SLF001  Django's
            "original": campaign,
            "r": page,
        }
        return TemplateResponse(request, "campaigns/results/page.html", context)


def _whole(campaign: Campaign, today: date) -> Period:
    """From the campaign's first figure to today."""
    days = [
        model.objects.filter(campaign=campaign).aggregate(day=Min("date"))["day"]
        for model in (CampaignAnalytics, CohortAnalytics)
    ]
    first = min((day for day in days if day), default=today)
    return Period(max(first, today.replace(year=today.year - 2, day=1)), today)


def results_page(campaign: Campaign, chosen: Period, now: datetime) -> dict[str, Any]:
    """All that the page shows."""
    span = (chosen.first, chosen.last)
    figures = analytics.kpis(*span, campaign, now=now)
    found, gain = roi(campaign, *span), lift(campaign, *span)
    steps = by_step(campaign, *span)
    link = partial(rows.deliveries, day_from=chosen.first, day_to=chosen.last, campaign=campaign)
    people = funnel(campaign, *span, now)
    days = analytics.by_day(*span, campaign)
    cohorts = cohort_table(campaign, *span, now)
    (one,) = figures.enrollments

    def of_day(figure: str, day: date) -> str:
        return rows.deliveries(figure, day, day, campaign)

    return {
        "campaign": campaign,
        "period": chosen,
        "ranges": RANGES,
        "csv": f"?{chosen.query}&format=csv",
        "mark": RollUpMark.objects.first(),
        "is_new": campaign.status in UNLAUNCHED,
        "cards": results_text.cards(figures, found, people, chosen),
        "funnel": results_text.funnel_rows(campaign, people, chosen),
        "people": people,
        "held_out": rows.enrollments(*span, campaign, is_holdout__exact="1"),
        "verdict": results_verdict.sentences(one, found, gain),
        "chart": chart(*span, days),
        "days": days,
        "day_columns": DAY_COLUMNS,
        "day_rows": results_text.day_rows(days, of_day),
        "columns": ("Step", *MESSAGE_COLUMNS),
        "steps": [row for one in steps for row in _step_rows(one, link)],
        "step_figures": steps,
        "channel_columns": ("Channel", *MESSAGE_COLUMNS),
        "channels": _channel_rows(figures, link),
        "kpis": figures,
        "cohorts": cohorts,
        "cohort_columns": (
            *("Enrolled in the week", "People"),
            *(f"Back within {days} days" for days in cohorts.columns),
        ),
        "cohort_rows": results_text.cohort_rows(cohorts, campaign, chosen),
        "roi": results_money.roi_lines(campaign, found, chosen),
        "lift": results_money.lift_lines(campaign, gain, found, one, chosen),
    }


def _step_rows(one: StepFigures, link: Any) -> list[Row]:
    """A step, and its variants below it."""
    step, channel = one.step, one.step.channel
    title = step.template.title or step.template_id
    note = f"{title} (removed since)" if step.removed_at else title
    of_step = partial(link, step=step.pk)
    found = [Row(str(step), note, "", message_measures(one.figures, of_step, channel))]
    for variant, figures in one.variants:
        of_variant = partial(of_step, variant=variant.pk)
        name = f"↳ Variant {variant}"
        found.append(Row(name, "", "", message_measures(figures, of_variant, channel)))
    return found


def _channel_rows(figures: Kpis, link: Any) -> list[Row]:
    """Each channel that something was sent by, against its targets."""
    return [
        Row(
            Channel(one.channel).label,
            "",
            "",
            message_measures(one.figures, partial(link, channel=one.channel), one.channel),
        )
        for one in figures.channels
    ]


def _sections(page: dict[str, Any]) -> list[Section]:
    """The page's tables with bare numbers."""
    chosen = page["period"]
    cohorts = page["cohorts"]
    steps = [
        row
        for one in page["step_figures"]
        for row in (
            (one.step, "", *numbers(one.figures)),
            *((one.step, variant, *numbers(figures)) for variant, figures in one.variants),
        )
    ]
    return [
        Section(f"{page['campaign']}, {chosen.first} to {chosen.last}", (), ()),
        Section(
            "Key figures",
            ("figure", "value", "of what"),
            [(card.title, card.measure.value, card.measure.basis) for card in page["cards"]],
        ),
        Section(
            "Funnel (people)",
            results_text.FUNNEL_COLUMNS,
            results_text.funnel_numbers(page["people"]),
        ),
        Section(
            "By day", ("day", *FIGURES), [(day, *numbers(f)) for day, f in page["days"].items()]
        ),
        Section("By step", ("step", "variant", *FIGURES), steps),
        Section(
            "By channel",
            ("channel", *FIGURES),
            [(Channel(one.channel).label, *numbers(one.figures)) for one in page["kpis"].channels],
        ),
        Section(
            "Came back, by week of enrolment",
            ("week from", "enrolled", *(f"within {days} days" for days in cohorts.columns)),
            [
                (week.monday, week.enrolled, *(r.part if r else "not yet" for r in week.returned))
                for week in cohorts.weeks
            ],
        ),
        Section("Cost and return", ("", ""), [(one.title, one.text) for one in page["roi"]]),
        Section("Lift over the holdout", ("", ""), [(one.title, one.text) for one in page["lift"]]),
    ]
