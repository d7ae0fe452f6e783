"""What programs read by the API of campaigns that run: lists, one of each, figures, a preview."""

from __future__ import annotations

from collections.abc import Iterator

from campaigns.models import Campaign
from messaging.models import MessageTemplate, Suppression, UnsubscribeRecord
from tests.bench.opened import MOST_COUNTING, Ask

API = "/api/v1"


def asks() -> Iterator[Ask]:
    """Each read of the API, and what only looks."""
    yield from _of_campaigns()
    yield from _of_templates()
    yield from _of_wishes()
    yield Ask("API: kinds of activity", f"{API}/activity/kinds")
    yield Ask("API: A/B tests", f"{API}/experiments")


def _of_campaigns() -> Iterator[Ask]:
    campaign = Campaign.objects.order_by("pk").last()
    assert campaign is not None
    one = f"{API}/campaigns/{campaign.pk}"
    yield Ask("API: campaigns", f"{API}/campaigns")
    yield Ask("API: a campaign", one)
    yield Ask("API: pre-flight", f"{one}/preflight", most=MOST_COUNTING)
    figures = f"{API}/analytics"
    yield Ask("API: key figures", f"{figures}/kpis")
    yield Ask("API: key figures of a campaign", f"{figures}/kpis?campaign={campaign.pk}")
    yield Ask("API: funnel", f"{figures}/campaigns/{campaign.pk}/funnel")
    period = "from=2025-01-01&to=2026-12-30"
    yield Ask("API: funnel of two years", f"{figures}/campaigns/{campaign.pk}/funnel?{period}")
    yield Ask("API: day by day", f"{figures}/daily")
    yield Ask("API: day by day, two years", f"{figures}/daily?{period}&campaign={campaign.pk}")


def _of_templates() -> Iterator[Ask]:
    yield Ask("API: templates", f"{API}/templates")
    for channel in ("sms", "email"):
        template = MessageTemplate.objects.filter(channel=channel).order_by("pk").first()
        assert template is not None
        one = f"{API}/templates/{template.template_key}"
        yield Ask(f"API: a template ({channel})", one)
        yield Ask(f"API: a template checked ({channel})", f"{one}/validate")
        yield Ask(f"API: a template previewed ({channel})", f"{one}/preview", {})


def _of_wishes() -> Iterator[Ask]:
    """Lists of one row in ten doctors: whole, narrowed, of one doctor, and their last pages."""
    for path, title, rows in (
        ("opt-outs", "opt-outs", UnsubscribeRecord.objects.all()),
        ("channels", "suppressions", Suppression.objects.all()),
    ):
        address = f"{API}/suppressions/{path}"
        yield Ask(f"API: {title}", address)
        yield Ask(f"API: {title}, 200", f"{address}?limit=200")
        for holds in ("true", "false"):
            yield Ask(f"API: {title}, holds={holds}", f"{address}?holds={holds}")
        last = rows.select_related("doctor").order_by("pk").first()
        assert last is not None
        yield Ask(f"API: {title} of a doctor", f"{address}?doctor_id={last.doctor.external_id}")
