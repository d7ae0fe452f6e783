"""Return on investment (strategy, Campaign-Level Metrics), and what of it the messages brought.

ROI is doctors who came back x their average value / cost of what was sent. Net of the holdout only
those count who would not have come back by themselves.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from django.db.models import Sum

from campaigns.analytics.figures import ENOUGH, Rate
from campaigns.experiments.statistics import Share, difference
from campaigns.models import Campaign, CohortAnalytics
from messaging.accounts import is_used
from messaging.models import Channel, ProviderAccount
from messaging.models.delivery import MessageCost


@dataclass(slots=True)
class ChannelCost:
    """One channel's part of it."""

    amount: Decimal = Decimal(0)
    messages: int = 0
    units: int = 0  # what is paid for: parts of SMS, else messages
    unmeasured: int = 0
    at_present_price: int = 0
    free: int = 0  # messages without any price


@dataclass(slots=True)
class Cost:
    """What the messages of a campaign cost, in rupees, at the prices when they went out.

    An SMS costs its price for each of its parts.
    """

    amount: Decimal = Decimal(0)
    messages: int = 0
    by_channel: dict[str, ChannelCost] = field(default_factory=dict)

    @property
    def unpriced(self) -> set[str]:
        """Labels of channels of which messages count as free, since no price is known."""
        return {str(Channel(name).label) for name, one in self.by_channel.items() if one.free}

    @property
    def unmeasured(self) -> int:
        """SMS that count as one part, since theirs are not known."""
        return sum(one.unmeasured for one in self.by_channel.values())

    @property
    def at_present_price(self) -> int:
        """Messages that went out before a price was set, and count at the present one."""
        return sum(one.at_present_price for one in self.by_channel.values())


@dataclass(frozen=True, slots=True)
class Roi:
    """Value of the returns for each rupee spent; `ratio` is None where `missing` says why."""

    returned: int
    value_each: Decimal | None
    cost: Cost

    @property
    def value(self) -> Decimal | None:
        """What the returns are worth, in rupees."""
        return None if self.value_each is None else self.value_each * self.returned

    @property
    def ratio(self) -> Decimal | None:
        """Such as 3.2: 3.20 ₹ for each rupee."""
        return self.of(self.returned)

    def of(self, returns: int) -> Decimal | None:
        """The ratio if so many had come back."""
        if self.value_each is None or not self.cost.amount:
            return None
        return self.value_each * returns / self.cost.amount

    @property
    def missing(self) -> str:
        """What has to be set before there is a ratio; empty: nothing."""
        if self.value_each is None:
            return "value"
        if not self.cost.messages:
            return "messages"
        return "" if self.cost.amount else "price"


@dataclass(frozen=True, slots=True)
class Lift:
    """Return rates of those written to and of the holdout, enrolled on the same days."""

    written_to: Rate
    holdout: Rate
    low: float  # of the difference, as a share; the interval at 95 % (Newcombe 1998)
    middle: float
    high: float
    came_back: int  # of all written to, also of days on which nobody was held out

    @property
    def is_enough(self) -> bool:
        """Both groups have people enough to compare."""
        return min(self.written_to.whole, self.holdout.whole) >= ENOUGH

    @property
    def is_told_from_chance(self) -> bool:
        """The interval does not hold 0."""
        return self.is_enough and (self.low > 0 or self.high < 0)

    def returns(self) -> tuple[int, int, int]:
        """Doctors whom the messages brought back: fewest, likeliest, most.

        Of all who came back, since the cost is that of all messages: the share of them that was
        measured on the days with a holdout is taken to hold on the others. Never more than these.
        """
        part, whole = self.written_to.part, self.written_to.whole
        scale = self.came_back / part if part else 1
        low, middle, high = (
            min(round(x * whole * scale), self.came_back)
            for x in (self.low, self.middle, self.high)
        )
        return low, middle, high


def costs(day_from: date, day_to: date, campaigns: Sequence[Campaign]) -> dict[uuid.UUID, Cost]:
    """What each campaign's messages of these days cost, both ends included."""
    rows = (
        MessageCost.objects.filter(
            step__campaign__in=campaigns, date__range=(day_from, day_to), messages__gt=0
        )
        .order_by()
        .values_list("step__campaign_id", "channel", "account_id", "price")
        .annotate(Sum("messages"), Sum("units"), Sum("unmeasured"))
    )
    found: dict[uuid.UUID, Cost] = defaultdict(Cost)
    present = _present_prices()
    for campaign_id, channel, account_id, price, messages, units, unmeasured in rows:
        now = present.get(account_id or channel, Decimal(0))
        paid = now if price is None else price
        found[campaign_id].amount += paid * units
        found[campaign_id].messages += messages
        one = found[campaign_id].by_channel.setdefault(channel, ChannelCost())
        one.amount += paid * units
        one.messages += messages
        one.units += units
        one.unmeasured += unmeasured
        one.at_present_price += messages if price is None and now else 0
        one.free += 0 if paid else messages
    return found


def _present_prices() -> dict[int | str, Decimal]:
    """By account, and by channel for what went out before attempts named their account."""
    prices: dict[int | str, Decimal] = {}
    for account in ProviderAccount.objects.only("channel", "provider", "price_per_message"):
        prices[account.pk] = account.price_per_message
        if is_used(account):
            prices[account.channel] = account.price_per_message
    return prices


def roi(campaign: Campaign, day_from: date, day_to: date) -> Roi:
    """Of those enrolled on these days, and of the messages sent on them."""
    returned = CohortAnalytics.objects.filter(
        campaign=campaign, date__range=(day_from, day_to), is_holdout=False
    ).aggregate(n=Sum("returned"))["n"]
    cost = costs(day_from, day_to, [campaign]).get(campaign.pk, Cost())
    return Roi(returned or 0, campaign.value_per_return, cost)


def lift(campaign: Campaign, day_from: date, day_to: date) -> Lift | None:
    """Compare with the holdout; None where nobody is in it.

    Everybody who was enrolled to be written to counts, whether a message reached them or not:
    chance chose between these two groups. Only days on which somebody was held out count, so that
    both had as long to come back.
    """
    cohorts = CohortAnalytics.objects.filter(campaign=campaign, date__range=(day_from, day_to))
    days = cohorts.filter(is_holdout=True, enrolled__gt=0).values("date")
    sums = (
        cohorts.filter(date__in=days)
        .order_by()
        .values_list("is_holdout")
        .annotate(part=Sum("returned"), whole=Sum("enrolled"))
    )
    by_group = {is_holdout: Rate(part, whole) for is_holdout, part, whole in sums}
    holdout, written_to = by_group.get(True), by_group.get(False)
    if not (holdout and holdout.whole):
        return None
    came_back = cohorts.filter(is_holdout=False).aggregate(n=Sum("returned", default=0))["n"]
    if not (written_to and written_to.whole):
        return Lift(Rate(0, 0), holdout, -1, 0, 1, came_back)
    middle, low, high = difference(
        Share(written_to.part, written_to.whole), Share(holdout.part, holdout.whole)
    )
    return Lift(written_to, holdout, low, middle, high, came_back)
