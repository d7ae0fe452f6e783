"""What a look at a campaign finds, and what each look is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.urls import reverse

from campaigns.models import Campaign, CampaignMessage, CampaignStatus

Level = Literal["blocking", "warning", "ok"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing, in a sentence, and the page on which it is mended.

    `blocking` keeps the campaign from being launched or resumed; `ok` was looked at and is fine.
    """

    level: Level
    key: str
    text: str
    link: str = ""
    link_text: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """A campaign, its steps in their order with their templates, and the time."""

    campaign: Campaign
    steps: Sequence[CampaignMessage]
    now: datetime

    @property
    def channels(self) -> list[str]:
        """Those that it uses, in its order."""
        used = {step.channel for step in self.steps}
        return [channel for channel in self.campaign.channel_order if channel in used]

    @property
    def is_launched(self) -> bool:
        """Whether doctors are, or were, under way in it."""
        return self.campaign.status not in (CampaignStatus.DRAFT, CampaignStatus.IN_REVIEW)

    @property
    def at_stage(self) -> str:
        """To stand beside a count of whom its rollout lets in now; '' where it lets in all."""
        percent = self.campaign.rollout_percent
        return f", with its rollout at {percent} %" if percent < 100 else ""

    def page(self, field: str = "") -> str:
        """The campaign's page, at one of its fields."""
        page = reverse("admin:campaigns_campaign_change", args=[self.campaign.pk])
        return f"{page}#id_{field}" if field else page

    def blocking(self, key: str, text: str, field: str = "") -> Finding:
        """Keeps it from sending; mended on the campaign's page."""
        return Finding("blocking", key, text, self.page(field), "Open the campaign")

    def warning(self, key: str, text: str, field: str = "") -> Finding:
        """To be looked at; mended on the campaign's page."""
        return Finding("warning", key, text, self.page(field), "Open the campaign")


def fine(key: str, text: str) -> Finding:
    """Looked at, and nothing is wrong."""
    return Finding("ok", key, text)


def counted(count: int, one: str, many: str = "") -> str:
    """“1 doctor”, “1,204 doctors”."""
    return f"1 {one}" if count == 1 else f"{count:,} {many or one + 's'}"
