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
from campaigns.models import Campaign, CohortAnalytics, StepAnalytics
from messaging.accounts import account_for
from messaging.models import Channel, ProviderAccount


@dataclass(slots=True)
class Cost:
    """What the messages of a campaign cost, in rupees, at the accounts' present prices.

    An SMS counts as one message however long it is: its segments are not kept.
    """

    amount: Decimal = Decimal(0)
    messages: int = 0
    by_channel: dict[str, Decimal] = field(default_factory=dict)
    unpriced: set[str] = field(default_factory=set)  # channels that sent at a price of nothing


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

    def of(self, returns: float) -> Decimal | None:
        """The ratio if so many had come back."""
        if self.value_each is None or not self.cost.amount:
            return None
        return self.value_each * Decimal(returns) / self.cost.amount

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

    @property
    def is_enough(self) -> bool:
        """Both groups have people enough to compare."""
        return min(self.written_to.whole, self.holdout.whole) >= ENOUGH

    @property
    def is_told_from_chance(self) -> bool:
        """The interval does not hold 0."""
        return self.is_enough and (self.low > 0 or self.high < 0)

    def returns(self) -> tuple[int, int, int]:
        """Doctors whom the messages brought back: fewest, likeliest, most."""
        low, middle, high = (
            round(x * self.written_to.whole) for x in (self.low, self.middle, self.high)
        )
        return low, middle, high


def costs(day_from: date, day_to: date, campaigns: Sequence[Campaign]) -> dict[uuid.UUID, Cost]:
    """What each campaign's messages of these days cost, both ends included."""
    rows = (
        StepAnalytics.objects.filter(campaign__in=campaigns, date__range=(day_from, day_to))
        .order_by()
        .values_list("campaign_id", "channel", "account_id")
        .annotate(sent=Sum("total_sent"))
    )
    prices = dict(ProviderAccount.objects.values_list("pk", "price_per_message"))
    found: dict[uuid.UUID, Cost] = defaultdict(Cost)
    for campaign_id, channel, account_id, sent in rows:
        price = prices.get(account_id) if account_id else _present_price(channel)
        _add(found[campaign_id], channel, sent, price or Decimal(0))
    return found


def _present_price(channel: str) -> Decimal:
    """For what went out before attempts named their account."""
    account = account_for(channel)
    return account.price_per_message if account else Decimal(0)


def _add(cost: Cost, channel: str, sent: int, price: Decimal) -> None:
    if not sent:
        return
    cost.messages += sent
    cost.amount += price * sent
    cost.by_channel[channel] = cost.by_channel.get(channel, Decimal(0)) + price * sent
    if not price:
        cost.unpriced.add(str(Channel(channel).label))


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
    if not (written_to and written_to.whole):
        return Lift(Rate(0, 0), holdout, -1, 0, 1)
    middle, low, high = difference(
        Share(written_to.part, written_to.whole), Share(holdout.part, holdout.whole)
    )
    return Lift(written_to, holdout, low, middle, high)
