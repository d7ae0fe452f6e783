"""What the sample's messages cost and what a doctor's return is worth: made up, so that the
dashboard shows a return on investment at first sight.
"""

from __future__ import annotations

from decimal import Decimal

from campaigns.models import Campaign
from messaging.models import Channel, ProviderAccount
from segments.models import SegmentType

# Rupees for a message, or for a part of an SMS. Fictional, in the order of India's usual prices.
PRICES = {
    Channel.WHATSAPP: Decimal("0.80"),
    Channel.SMS: Decimal("0.18"),
    Channel.EMAIL: Decimal("0.03"),
}
# Rupees that a doctor who came back is worth. Fictional.
VALUES = {
    SegmentType.UNCLAIMED_CERTIFICATES: Decimal(12),
    SegmentType.INCOMPLETE_COURSES: Decimal(45),
    SegmentType.NO_SHOW: Decimal(15),
    SegmentType.AIDA_USERS: Decimal(60),
}


def set_prices() -> None:
    """Price the sandbox's accounts, where nobody has."""
    for channel, price in PRICES.items():
        unpriced = ProviderAccount.objects.filter(channel=channel, price_per_message=0)
        unpriced.filter(provider="sandbox").update(price_per_message=price)


def set_value(campaign: Campaign) -> None:
    """Say what a return is worth, where nobody has."""
    if campaign.value_per_return is None and campaign.segment_type in VALUES:
        campaign.value_per_return = VALUES[SegmentType(campaign.segment_type)]
        campaign.save(update_fields=["value_per_return"])
