"""The person: a doctor on CLIRNET, and how to reach them."""

from __future__ import annotations

import zoneinfo
from functools import cache

from django.contrib.postgres.indexes import OpClass
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower, Upper

from segments.models.fields import TransactionNow

DEFAULT_TIMEZONE = "Asia/Kolkata"


@cache
def known_timezones() -> frozenset[str]:
    """Names by place, and UTC: those that Python and PostgreSQL read alike (unlike IST or EST)."""
    by_place = {name for name in zoneinfo.available_timezones() if "/" in name}
    return frozenset(by_place | {"UTC"})


def validate_timezone(value: str) -> None:
    """Refuse a name that is not in the IANA time zone database."""
    if value not in known_timezones():
        raise ValidationError(
            f"“{value}” is not a time zone. Use a name such as Asia/Kolkata or Europe/London."
        )


class DoctorQuerySet(models.QuerySet["Doctor"]):
    """Doctors, in business words."""

    def lock(self, doctor_ids: list[int]) -> DoctorQuerySet:
        """Lock these doctors in id order: what makes consent and caps hold under concurrency.

        Every writer that needs several locks takes them in this order, doctor before delivery.
        """
        return self.filter(pk__in=doctor_ids).order_by("pk").select_for_update(no_key=True)


class Doctor(models.Model):
    """A doctor registered on CLIRNET. The strategy's tables name the key `user_id`."""

    id = models.AutoField(primary_key=True)  # strategy: user_id INT
    external_id = models.CharField(
        "CLIRNET id", max_length=64, help_text="The doctor's own id on the platform."
    )
    title = models.CharField(
        max_length=20, default="Dr.", blank=True, help_text="Messages write “Dr.” themselves."
    )
    first_name = models.CharField(max_length=100, help_text="Without “Dr.”.")
    last_name = models.CharField(max_length=100, help_text="Used by SMS: “Dr. Rao, …”.")
    email = models.EmailField(
        "e-mail", max_length=254, null=True, blank=True, help_text="Empty: no e-mail is sent."
    )
    phone = models.CharField(
        max_length=16,
        null=True,
        blank=True,
        help_text="Mobile number for SMS, written like +919876543210. Empty: no SMS is sent.",
    )
    whatsapp = models.CharField(
        "WhatsApp number",
        max_length=16,
        null=True,
        blank=True,
        help_text="Only where it differs from the phone. Empty: the phone is used.",
    )
    specialty = models.CharField(max_length=100, blank=True)
    location = models.CharField(max_length=100, blank=True, help_text="City or region.")
    timezone = models.CharField(
        "time zone",
        max_length=50,
        default=DEFAULT_TIMEZONE,
        db_default=DEFAULT_TIMEZONE,
        validators=[validate_timezone],
        help_text="Messages go out in the daytime of this zone.",
    )
    may_be_named = models.BooleanField(
        "may be named to peers",
        default=False,
        db_default=False,
        help_text="Consent to be named to other doctors, as in “Dr. Rao just completed …”.",
    )
    consent_version = models.IntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="Raised by every opt-out and opt-in; each send attempt records the one it saw.",
    )
    last_active_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=TransactionNow(), editable=False)
    updated_at = models.DateTimeField(auto_now=True, db_default=TransactionNow())

    objects = DoctorQuerySet.as_manager()

    class Meta:
        db_table = "doctors"
        ordering = ["-id"]
        permissions = [
            ("export_data_doctor", "Can export everything that is known of a doctor"),
            ("erase_doctor", "Can erase a doctor, and let one who was erased come back"),
        ]
        # Constraints and indexes stand here and not on the fields, where Django would add a second
        # index for LIKE to each: a hundred thousand doctors are imported at once.
        indexes = [
            models.Index(fields=["specialty"], name="idx_doctors_specialty"),
            # the admin's search: how the last name starts, in any case.
            models.Index(
                OpClass(Upper("last_name"), name="text_pattern_ops"), name="idx_doctors_last_name"
            ),
            # messaging.inbound: who wrote from this number; the others are found by their phone.
            models.Index(
                fields=["whatsapp"],
                name="idx_doctors_whatsapp",
                condition=models.Q(whatsapp__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["external_id"],
                name="doctors_external_id_once",
                violation_error_message="Another doctor has this CLIRNET id.",
            ),
            models.UniqueConstraint(
                fields=["phone"],
                name="doctors_phone_once",
                violation_error_message="Another doctor has this phone number.",
            ),
            # One person behind two ids would be written to twice.
            models.UniqueConstraint(
                Lower("email"),
                name="doctors_email_once",
                violation_error_message="Another doctor has this e-mail address.",
            ),
            # An empty text would pass for an address.
            models.CheckConstraint(
                condition=~models.Q(email="") & ~models.Q(phone="") & ~models.Q(whatsapp=""),
                name="doctors_no_empty_address",
            ),
        ]

    def __str__(self) -> str:
        return f"Dr. {self.first_name} {self.last_name} ({self.external_id})"
