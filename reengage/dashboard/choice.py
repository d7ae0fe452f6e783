"""What the dashboard is asked for: days, and one campaign or all."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.utils import timezone
from django.utils.http import urlencode

from campaigns.admin.period import Period, last_days, period
from campaigns.analytics.kpis import launched
from campaigns.models import Campaign


@dataclass(frozen=True, slots=True)
class Choice:
    """The period, and the campaign; None: all that were launched."""

    period: Period
    campaign: Campaign | None

    @property
    def query(self) -> str:
        """What an address says to get the same figures."""
        one = urlencode({"campaign": self.campaign.pk}) if self.campaign else ""
        return "&".join(part for part in (self.period.query, one) if part)


def chosen(request: HttpRequest, now: datetime) -> Choice:
    """What the address names; a campaign that is not there is none."""
    today = timezone.localdate(now)
    return Choice(
        period(request.GET, today, last_days(30, today)), _campaign(request.GET.get("campaign", ""))
    )


def _campaign(key: str) -> Campaign | None:
    try:
        return launched().filter(pk=uuid.UUID(key)).first()
    except ValueError:
        return None
