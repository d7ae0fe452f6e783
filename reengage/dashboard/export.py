"""What the dashboard shows, as CSV."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from campaigns import analytics
from campaigns.admin.spreadsheet import FIGURES, Section, csv_file, numbers
from campaigns.analytics.kpis import Kpis
from messaging.models import Channel
from reengage.dashboard import MAY_SEE
from reengage.dashboard.choice import Choice, chosen
from reengage.dashboard.figures import cards


def _download(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(MAY_SEE):
        raise PermissionDenied
    now = timezone.now()
    choice = chosen(request, now)
    first, last = choice.period.first, choice.period.last
    figures = analytics.kpis(first, last, choice.campaign, now=now)
    return csv_file(f"dashboard-{first}-{last}", _sections(figures, choice))


download = require_GET(admin.site.admin_view(_download))


def _sections(figures: Kpis, choice: Choice) -> list[Section]:
    first, last = choice.period.first, choice.period.last
    costs = analytics.costs(first, last, [one.campaign for one in figures.enrollments])
    days = analytics.by_day(first, last, choice.campaign)
    name = str(choice.campaign or "All campaigns")
    return [
        Section(f"{name}, {first} to {last}", (), ()),
        Section(
            "Key figures",
            ("figure", "value", "of what"),
            [
                (card.title, card.measure.value, card.measure.basis)
                for card in cards(figures, costs, choice)
            ],
        ),
        Section("By day", ("day", *FIGURES), [(day, *numbers(f)) for day, f in days.items()]),
        Section(
            "By campaign",
            (
                *("campaign", "status", "under way", "enrolled", "came back"),
                *("days to come back over", "of these in time", "goal %", *FIGURES),
            ),
            [
                (
                    *(one.campaign, one.campaign.get_status_display(), one.under_way),
                    *(one.enrolled, one.converted, one.ripe, one.converted_in_time),
                    one.campaign.goal_rate,
                    *numbers(figures.of_campaign(one.campaign)),
                )
                for one in figures.enrollments
            ],
        ),
        Section(
            "By channel",
            ("channel", *FIGURES),
            [(channel.label, *numbers(figures.of_channel(channel))) for channel in Channel],
        ),
    ]
