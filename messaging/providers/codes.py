"""What providers' codes mean: one table each, with a default for a code that is not in it.

`Fate` is what becomes of the message where a call is refused by the code; the verdict what it says
of the doctor's channel, also where a report brings the code hours later. Sources: Twilio's error
dictionary, Meta's Cloud API error codes (Interakt passes them on), the API references of AWS SNS
and SES and the delivery status messages of SNS, SendGrid's v3 reference and Event Webhook.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from messaging.models import Verdict
from messaging.providers.base import Refused
from messaging.providers.sockets import words


class Fate(Enum):
    """What becomes of a message that was refused."""

    FOR_GOOD = "for good"
    FOR_NOW = "for now"  # this message may be tried again
    THROTTLE = "throttle"  # everything waits
    OUTAGE = "outage"  # account or provider are at fault: any other message would meet it


@dataclass(frozen=True, slots=True)
class Code:
    """The meaning of one code. `wait`: at least that long before another try."""

    fate: Fate = Fate.FOR_GOOD
    verdict: Verdict | None = None
    wait: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A provider's codes."""

    codes: Mapping[str, Code]
    default: Code = field(default_factory=Code)

    def get(self, code: object) -> Code:
        """What the code means; the default for one that is not known."""
        return self.codes.get(str(code), self.default)

    def refused(self, code: object, message: str) -> Refused:
        """The receipt of a call that was refused by this code, in the provider's words."""
        meaning = self.get(code)
        return Refused(
            code=words(str(code)),
            message=words(message),
            permanent=meaning.fate is Fate.FOR_GOOD,
            retry_after=meaning.wait,
            is_throttle=meaning.fate is Fate.THROTTLE,
            is_outage=meaning.fate is Fate.OUTAGE,
            verdict=meaning.verdict or "",
        )


_FOR_GOOD = Code()
_FOR_NOW = Code(Fate.FOR_NOW)
_NOT_REACHED = Code(Fate.FOR_NOW, Verdict.SOFT_BOUNCE)
_THROTTLE = Code(Fate.THROTTLE)
_OUTAGE = Code(Fate.OUTAGE)
_OPTED_OUT = Code(verdict=Verdict.OPTED_OUT)
_COMPLAINT = Code(verdict=Verdict.COMPLAINT)
_ABSENT = Code(verdict=Verdict.NOT_ON_CHANNEL)
_WRONG = Code(verdict=Verdict.INVALID)
_BOUNCED = Code(verdict=Verdict.HARD_BOUNCE)
_TOMORROW = Code(Fate.FOR_NOW, wait=timedelta(days=1))

TWILIO = Table(
    {
        "14107": _THROTTLE,  # messages a second, of the sender
        "20003": _OUTAGE,  # credentials
        "20005": _OUTAGE,  # the account is suspended
        "20403": _OUTAGE,  # not allowed
        "20404": _OUTAGE,  # no such account or service
        "20429": _THROTTLE,
        "21211": _WRONG,  # not a number
        "21212": _OUTAGE,  # our sender is no number
        "21408": _FOR_GOOD,  # no permission for the recipient's country
        "21603": _OUTAGE,  # no sender
        "21606": _OUTAGE,  # the sender is not ours, or cannot do this
        "21609": _OUTAGE,  # our StatusCallback is not an address
        "21610": _OPTED_OUT,  # said STOP
        "21611": _THROTTLE,  # the sender's queue is full
        "21614": _WRONG,  # not a mobile number
        "21617": _FOR_GOOD,  # longer than 1,600
        "21635": _WRONG,  # a landline
        "21656": _FOR_GOOD,  # ContentVariables are wrong
        "21659": _OUTAGE,  # the sender is not ours
        "21701": _OUTAGE,  # no such messaging service
        "21703": _OUTAGE,  # the messaging service has no sender
        "21705": _OUTAGE,  # the messaging service's SID is wrong
        "30001": _THROTTLE,  # queue overflow
        "30002": _OUTAGE,  # the account is suspended
        "30003": _NOT_REACHED,  # switched off, or out of reach
        "30004": _FOR_GOOD,  # blocked by the operator
        "30005": _WRONG,  # unknown handset
        "30006": _WRONG,  # landline, or no route
        "30007": _FOR_GOOD,  # filtered by the operator
        "30008": _NOT_REACHED,  # unknown error
        "30036": _FOR_NOW,  # its validity period ran out in the queue
        "63003": _WRONG,  # no such address on the channel
        "63007": _OUTAGE,  # no such channel sender of ours
        "63013": _FOR_GOOD,  # against the channel's policy
        "63014": _OPTED_OUT,  # blocked by the person
        "63016": _FOR_GOOD,  # outside the window, without a template
        "63018": _THROTTLE,
        "63020": _OUTAGE,  # not agreed to at Meta yet
        "63021": _FOR_GOOD,  # content is not valid
        "63024": _ABSENT,  # the recipient is not on WhatsApp, or may not be written to
        "63027": _FOR_GOOD,  # no such template in this language
        "63028": _FOR_GOOD,  # number of parameters
        "63029": _FOR_GOOD,  # the receiver could not take it
        "63032": _TOMORROW,  # kept from the person by an experiment of Meta's
        "63049": _TOMORROW,  # Meta's limit of marketing messages to one person
    }
)

# Meta's codes, of Interakt's reports. The answer to a call has no code; its status stands for one.
INTERAKT = Table(
    {
        "400": _FOR_GOOD,
        "401": _OUTAGE,
        "403": _OUTAGE,
        "404": _OUTAGE,
        "130429": _THROTTLE,
        "130472": _TOMORROW,  # kept from the person by an experiment
        "131005": _OUTAGE,  # access denied
        "131008": _FOR_GOOD,  # a parameter is missing
        "131009": _FOR_GOOD,  # a parameter's value is wrong
        "131021": _FOR_GOOD,  # to ourselves
        "131026": _ABSENT,  # not on WhatsApp, or too old a version
        "131030": _WRONG,  # not among the allowed numbers of a test account
        "131031": _OUTAGE,  # the account is locked
        "131042": _OUTAGE,  # paying
        "131045": _OUTAGE,  # the sender is not registered
        "131047": _FOR_GOOD,  # outside the window, without a template
        "131048": _THROTTLE,  # the sender is held back as spam
        "131049": _TOMORROW,  # Meta's limit of marketing messages to one person
        "131050": _OPTED_OUT,  # the person stopped marketing messages
        "131051": _FOR_GOOD,  # type of message
        "131056": _FOR_NOW,  # too many to one person
        "132000": _FOR_GOOD,  # number of parameters
        "132001": _FOR_GOOD,  # no such template in this language
        "132005": _FOR_GOOD,  # too long with its values
        "132007": _FOR_GOOD,  # against the policy
        "132012": _FOR_GOOD,  # format of a parameter
        "132015": _FOR_GOOD,  # the template is paused
        "132016": _FOR_GOOD,  # the template is disabled
        "133010": _OUTAGE,  # the sender is not registered
    }
)

_AWS = {
    "AccessDenied": _OUTAGE,
    "AccessDeniedException": _OUTAGE,
    "AuthorizationError": _OUTAGE,
    "ExpiredToken": _OUTAGE,
    "ExpiredTokenException": _OUTAGE,
    "IncompleteSignature": _OUTAGE,
    "InvalidClientTokenId": _OUTAGE,
    "InvalidSignatureException": _OUTAGE,
    "MissingAuthenticationToken": _OUTAGE,
    "OptInRequired": _OUTAGE,
    "RequestExpired": _OUTAGE,  # our clock is wrong
    "SignatureDoesNotMatch": _OUTAGE,
    "Throttling": _THROTTLE,
    "ThrottlingException": _THROTTLE,
    "UnrecognizedClientException": _OUTAGE,
}

SNS = Table(
    {
        **_AWS,
        "EndpointDisabled": _FOR_GOOD,
        "InvalidParameter": _FOR_GOOD,  # the number among others
        "InvalidParameterValue": _FOR_GOOD,
        "OptedOut": _OPTED_OUT,
        "Throttled": _THROTTLE,
        "ThrottledException": _THROTTLE,
        "UserError": _FOR_GOOD,
        "ValidationException": _FOR_GOOD,
        # Of the delivery log: providerResponse.
        "Blocked as spam by phone carrier": _FOR_GOOD,
        "Destination is on a blocked list": _OPTED_OUT,
        "Invalid phone number": _WRONG,
        "Message body is invalid": _FOR_GOOD,
        "Phone carrier has blocked this message": _FOR_GOOD,
        "Phone carrier is currently unreachable/unavailable": _NOT_REACHED,
        "Phone has blocked SMS": _OPTED_OUT,
        "Phone is on a blocked list": _OPTED_OUT,
        "Phone is currently unreachable/unavailable": _NOT_REACHED,
        "Phone number is opted out": _OPTED_OUT,
        "This delivery would exceed max price": _OUTAGE,
        "Unknown error attempting to reach phone": _NOT_REACHED,
    }
)

SES = Table(
    {
        **_AWS,
        "AccountSuspendedException": _OUTAGE,
        "BadRequestException": _FOR_GOOD,
        "LimitExceededException": _THROTTLE,
        "MailFromDomainNotVerifiedException": _OUTAGE,
        "MessageRejected": _FOR_GOOD,
        "NotFoundException": _OUTAGE,  # the configuration set
        "SendingPausedException": _OUTAGE,
        "TooManyRequestsException": _THROTTLE,
        # Of reports: bounceType and subtypes, and complaints.
        "Permanent": _BOUNCED,
        "Permanent/OnAccountSuppressionList": _BOUNCED,
        "Permanent/Suppressed": _BOUNCED,
        "Transient": _NOT_REACHED,
        "Undetermined": _NOT_REACHED,
        "Complaint": _COMPLAINT,
    }
)

# SendGrid's refusals have no codes; their statuses stand for them.
SENDGRID = Table(
    {
        "400": _FOR_GOOD,
        "401": _OUTAGE,  # the key
        "403": _OUTAGE,  # the key may not send, or the sender is not verified
        "404": _OUTAGE,
        "406": _OUTAGE,
        "413": _FOR_GOOD,  # too long
        # Of reports: event, and type or reason.
        "bounce/bounce": _BOUNCED,
        "bounce/blocked": _NOT_REACHED,
        "deferred": _FOR_NOW,
        "dropped/Bounced Address": _BOUNCED,
        "dropped/Invalid": _WRONG,
        "dropped/Spam Reporting Address": _COMPLAINT,
        "dropped/Unsubscribed Address": _OPTED_OUT,
        "group_unsubscribe": _OPTED_OUT,
        "spamreport": _COMPLAINT,
        "unsubscribe": _OPTED_OUT,
    }
)

# Replies of SMTP servers; a code that is not here follows its first digit (smtp.py).
SMTP = Table(
    {
        "421": _OUTAGE,  # the server closes the connection
        "454": _OUTAGE,  # logging in fails for now
        "500": _OUTAGE,  # it does not know a command
        "502": _OUTAGE,  # it does not know a command
        "503": _OUTAGE,  # it has lost count of the commands
        "530": _OUTAGE,  # it wants a login
        "534": _OUTAGE,  # it wants a stronger login
        "535": _OUTAGE,  # it does not know the login
        "538": _OUTAGE,  # it wants TLS
        # Enhanced codes (RFC 3463) that say something of the mailbox.
        "5.1.1": _BOUNCED,  # no such mailbox
        "5.1.2": _BOUNCED,  # no such domain
        "5.1.3": _BOUNCED,  # no address
        "5.1.6": _BOUNCED,  # it has moved
        "5.1.10": _BOUNCED,  # its domain takes no mail
        "5.2.1": _BOUNCED,  # it is disabled
    }
)

TABLES: Mapping[str, Table] = {
    "interakt": INTERAKT,
    "sendgrid": SENDGRID,
    "ses": SES,
    "smtp": SMTP,
    "sns": SNS,
    "twilio": TWILIO,
}
