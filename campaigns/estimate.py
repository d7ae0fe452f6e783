"""What launching a campaign begins: people, messages and cost, with what is assumed.

Twice: at most, as if every message went to everybody; and within caps, hours and the doctors' other
campaigns, as campaigns/feasibility reckons.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import ceil
from statistics import fmean

from campaigns.enroll import Waiting, waiting
from campaigns.feasibility import crowd, sequence_of, typical
from campaigns.models import Campaign, CampaignMessage
from messaging import accounts, sms
from messaging.audience.members import sample_variables
from messaging.models import AudienceCheck, Channel
from messaging.models.audience import CheckState
from messaging.render import TemplateError, links, render_message

MEASURED = 50  # doctors whose SMS are measured where no audience check was made
_LINKS_TOKEN = "x" * 22  # as long as the token of a delivery


@dataclass(frozen=True, slots=True)
class ChannelEstimate:
    """One channel: at most so many messages, so many that will go out, and what they cost."""

    channel: str
    messages: int
    units: int  # what is paid for: SMS segments, else messages
    price: Decimal  # rupees for one unit
    expected: int  # messages within caps and hours
    expected_units: int

    @property
    def label(self) -> str:
        """The channel's name."""
        return str(Channel(self.channel).label)

    @property
    def cost(self) -> Decimal:
        """Rupees, at most."""
        return self.units * self.price

    @property
    def expected_cost(self) -> Decimal:
        """Rupees, for what will go out."""
        return self.expected_units * self.price


@dataclass(frozen=True, slots=True)
class Estimate:
    """The first hour's doctors, and all messages that they can get."""

    waiting: Waiting
    later: int  # eligible now, but beyond the stage of the rollout
    channels: tuple[ChannelEstimate, ...]
    assumed: tuple[str, ...]

    @property
    def messages(self) -> int:
        """At most: as if nobody came back, opted out or reached a frequency cap."""
        return sum(channel.messages for channel in self.channels)

    @property
    def cost(self) -> Decimal:
        """Rupees, at most."""
        return sum((channel.cost for channel in self.channels), Decimal(0))

    @property
    def expected(self) -> int:
        """Within caps and hours: as if nobody came back or opted out."""
        return sum(channel.expected for channel in self.channels)

    @property
    def expected_cost(self) -> Decimal:
        """Rupees, for what will go out."""
        return sum((channel.expected_cost for channel in self.channels), Decimal(0))


def estimate(campaign: Campaign, now: datetime) -> Estimate:
    """What launching it at `now` begins. Counts doctors, and reads the texts of a few."""
    found = waiting(campaign, now)
    everybody = found if campaign.rollout_percent >= 100 else waiting(campaign, now, 100)
    steps: dict[str, list[CampaignMessage]] = {}
    for step in campaign.steps.select_related("template").order_by("sequence_order"):
        steps.setdefault(step.channel, []).append(step)
    channels, assumed = [], []
    segments = _segments(campaign, steps.get(Channel.SMS, []), now)
    each = _each_gets(campaign, [step for own in steps.values() for step in own], now)
    for channel, own in sorted(steps.items(), key=lambda item: Channel.values.index(item[0])):
        messages = found.written_to * len(own)
        expected = round(found.written_to * each.get(channel, 0))
        per_message = segments if channel == Channel.SMS else 1.0
        account = accounts.account_for(channel)
        price = account.price_per_message if account else Decimal(0)
        units, expected_units = ceil(messages * per_message), ceil(expected * per_message)
        channels.append(ChannelEstimate(channel, messages, units, price, expected, expected_units))
        if not price:
            label = Channel(channel).label
            assumed.append(f"{label} costs nothing, since its account has no price yet.")
    if steps.get(Channel.SMS):
        assumed.append(f"an SMS takes {segments:.2f} parts on average, each of which is paid for.")
    assumed.append("everybody can be reached, and nobody comes back or opts out. It will be less.")
    return Estimate(found, everybody.total - found.total, tuple(channels), tuple(assumed))


def _each_gets(
    campaign: Campaign, steps: list[CampaignMessage], now: datetime
) -> Mapping[str, float]:
    """Messages of each channel that one doctor gets on average, by the reckoning ahead."""
    if not steps:
        return {}
    sequence = sequence_of(campaign, steps)
    found = crowd(campaign, sequence, now)
    if found.reckoned:
        return {channel: sent / found.reckoned for channel, sent in found.by_channel.items()}
    return Counter(one.step.channel for one in typical(sequence).outcomes if one.went)


def _segments(campaign: Campaign, steps: list[CampaignMessage], now: datetime) -> float:
    """SMS parts a message, on average: by the newest audience check, else some doctors' texts."""
    if not steps:
        return 1.0
    check = AudienceCheck.objects.filter(campaign=campaign, state=CheckState.DONE).first()
    counted: dict[int, int] = {}
    for one in check.result.get("steps", []) if check else []:
        for parts, count in one.get("sms", {}).get("segments", {}).items():
            counted[int(parts)] = counted.get(int(parts), 0) + count
    if total := sum(counted.values()):
        return sum(parts * count for parts, count in counted.items()) / total
    people = sample_variables(campaign.segment_type, now, MEASURED) or [{}]
    return fmean(_parts(step, person) for step in steps for person in people)


def _parts(step: CampaignMessage, person: dict[str, object]) -> int:
    """Parts of one doctor's SMS; of a text that lacks a value, those of the text as written."""
    template = step.template
    try:
        values = {**template.defaults, **person}
        address = links(_LINKS_TOKEN, Channel.SMS)
        text = render_message("sms", template.template_content, None, values, address).text
    except TemplateError:
        text = template.template_content
    return max(1, sms.measure(text).segments)
