"""Templates, deliveries, attempts, reports, consent and provider accounts."""

from messaging.models.account import ProviderAccount
from messaging.models.audience import AudienceCheck, CheckState
from messaging.models.audit import AuditRun
from messaging.models.consent import ConsentRecord, UnsubscribeRecord
from messaging.models.delivery import (
    AttemptOutcome,
    DeliveryAttempt,
    DeliveryStatus,
    MessageDelivery,
    SkipReason,
)
from messaging.models.event import EventKind, ProviderEvent, Verdict
from messaging.models.heartbeat import Heartbeat, HeartbeatKind
from messaging.models.inbound import (
    UNDER_WAY,
    InboundKind,
    InboundMessage,
    KeywordReply,
    Reply,
    ReplyStatus,
)
from messaging.models.sandbox import SandboxMessage
from messaging.models.suppression import Suppression, SuppressionReason
from messaging.models.template import ApprovalStatus, Channel, MessageTemplate, WhatsAppCategory
from messaging.models.version import HandedOver, TemplateVersion
from messaging.models.window import SendWindow

__all__ = [
    "UNDER_WAY",
    "ApprovalStatus",
    "AttemptOutcome",
    "AudienceCheck",
    "AuditRun",
    "Channel",
    "CheckState",
    "ConsentRecord",
    "DeliveryAttempt",
    "DeliveryStatus",
    "EventKind",
    "HandedOver",
    "Heartbeat",
    "HeartbeatKind",
    "InboundKind",
    "InboundMessage",
    "KeywordReply",
    "MessageDelivery",
    "MessageTemplate",
    "ProviderAccount",
    "ProviderEvent",
    "Reply",
    "ReplyStatus",
    "SandboxMessage",
    "SendWindow",
    "SkipReason",
    "Suppression",
    "SuppressionReason",
    "TemplateVersion",
    "UnsubscribeRecord",
    "Verdict",
    "WhatsAppCategory",
]
