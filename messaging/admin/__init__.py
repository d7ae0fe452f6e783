"""Admin of templates, deliveries, consent and provider accounts."""

from messaging.admin.account import ProviderAccountAdmin
from messaging.admin.audience import AudienceCheckAdmin
from messaging.admin.audit import AuditRunAdmin
from messaging.admin.consent import ConsentRecordAdmin, UnsubscribeRecordAdmin
from messaging.admin.delivery import DeliveryAttemptAdmin, MessageDeliveryAdmin
from messaging.admin.inbound import InboundMessageAdmin, KeywordReplyAdmin, ReplyAdmin
from messaging.admin.privacy import ErasedPersonAdmin
from messaging.admin.reports import ProviderEventAdmin, SandboxMessageAdmin
from messaging.admin.suppression import SuppressionAdmin
from messaging.admin.template import MessageTemplateAdmin
from messaging.admin.timeline import DoctorAdmin

__all__ = [
    "AudienceCheckAdmin",
    "AuditRunAdmin",
    "ConsentRecordAdmin",
    "DeliveryAttemptAdmin",
    "DoctorAdmin",
    "ErasedPersonAdmin",
    "InboundMessageAdmin",
    "KeywordReplyAdmin",
    "MessageDeliveryAdmin",
    "MessageTemplateAdmin",
    "ProviderAccountAdmin",
    "ProviderEventAdmin",
    "ReplyAdmin",
    "SandboxMessageAdmin",
    "SuppressionAdmin",
    "UnsubscribeRecordAdmin",
]
