"""Templates, deliveries, attempts, reports, consent and provider accounts."""

from messaging.models.account import ProviderAccount
from messaging.models.consent import ConsentRecord, UnsubscribeRecord
from messaging.models.delivery import (
    AttemptOutcome,
    DeliveryAttempt,
    DeliveryStatus,
    MessageDelivery,
    SkipReason,
)
from messaging.models.event import EventKind, ProviderEvent
from messaging.models.sandbox import SandboxMessage
from messaging.models.template import Channel, MessageTemplate

__all__ = [
    "AttemptOutcome",
    "Channel",
    "ConsentRecord",
    "DeliveryAttempt",
    "DeliveryStatus",
    "EventKind",
    "MessageDelivery",
    "MessageTemplate",
    "ProviderAccount",
    "ProviderEvent",
    "SandboxMessage",
    "SkipReason",
    "UnsubscribeRecord",
]
