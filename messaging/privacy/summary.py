"""What erasing a doctor would take away and leave, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

from messaging.models import DeliveryStatus, HandedOver, MessageDelivery
from messaging.privacy import export, files
from segments.models import Certificate, Doctor


@dataclass(frozen=True, slots=True)
class Summary:
    """Sentences for the page that asks."""

    goes: list[str]
    stays: list[str]
    elsewhere: list[str]


def of(doctor: Doctor) -> Summary:
    """What would become of this doctor's data now."""
    return Summary(_goes(doctor), _stays(doctor), _elsewhere())


def _goes(doctor: Doctor) -> list[str]:
    deliveries = MessageDelivery.objects.filter(doctor=doctor)
    claims = doctor.attempts.values("claim_id")
    texts = HandedOver.objects.filter(pk__in=claims).count()
    waiting = deliveries.filter(status=DeliveryStatus.SCHEDULED).count()
    active = doctor.enrollments.filter(status="active").count()
    return [
        "Name, title, e-mail address, numbers, place and CLIRNET id.",
        (
            f"What {texts:,} {_s('message', texts)} said, and the links in them, which lead "
            "nowhere then."
        ),
        (
            f"What the doctor wrote, what they were answered, and why they opted out: "
            f"{doctor.inbound_messages.count():,} messages, "
            f"{doctor.unsubscribes.count():,} opt-outs."
        ),
        "What providers and browsers reported in their own words.",
        "The full name, addresses and numbers in what others wrote; the rest of it stays.",
        f"The numbers of {_certificates(doctor):,} certificates.",
        (
            f"{waiting:,} planned {_s('message', waiting)} will not be sent; {active:,} running "
            f"{_s('enrolment', active)} will end."
        ),
    ]


def _stays(doctor: Doctor) -> list[str]:
    counted = "; ".join(f"{heading.lower()}: {count:,}" for heading, count in export.counts(doctor))
    return [
        f"The rows that figures are counted from, without a name ({counted}).".replace(" ()", ""),
        "Times, statuses and results of messages; no figure of a campaign changes.",
        "An opt-out of everything.",
        (
            "Keyed hashes of the id, the addresses and the numbers: a file that brings this person "
            "again is refused, row by row."
        ),
    ]


def _elsewhere() -> list[str]:
    waiting = len(files.uploads())
    uploads = f"{waiting:,} uploaded {_s('file', waiting)} that nobody confirmed"
    said = [f"{uploads} will be deleted: they have to be uploaded again."] if waiting else []
    return [
        *said,
        (
            "Not within reach: files that were imported, with the lists of rejected rows beside "
            "them; "
            "exports and backups; and what the providers keep."
        ),
    ]


def _certificates(doctor: Doctor) -> int:
    return Certificate.objects.filter(doctor=doctor).count()


def _s(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
