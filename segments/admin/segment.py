"""Segment members: calculated, therefore read-only."""

from django.contrib import admin

from reengage.admin_base import ChoicesDropdownFilter, ReadOnlyAdmin
from segments.admin.search import DoctorSearchMixin
from segments.models import UserSegment


@admin.register(UserSegment)
class UserSegmentAdmin(DoctorSearchMixin, ReadOnlyAdmin[UserSegment]):
    """Who is in which segment."""

    list_display = ("doctor", "segment_type", "subject", "inactive_since", "calculated_at")
    list_filter = (("segment_type", ChoicesDropdownFilter),)
    list_select_related = ("doctor",)
    fields = (
        "doctor",
        "segment_type",
        "subject",
        "inactive_since",
        "segment_data",
        "calculated_at",
        "expires_at",
    )
