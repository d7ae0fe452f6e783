"""What doctors do on the platform. These rows come by file; an edit here corrects one."""

from django.contrib import admin

from reengage.admin_base import BigTableMixin, DayFilter, TabularInline
from segments.admin.base import ImportedAdmin, LinesMixin
from segments.admin.search import DoctorSearchMixin
from segments.models import (
    AgentUsage,
    AidaUsage,
    Certificate,
    Course,
    CourseModule,
    CourseProgress,
    Session,
    SessionRegistration,
)


@admin.register(AidaUsage)
class AidaUsageAdmin(DoctorSearchMixin, BigTableMixin, ImportedAdmin[AidaUsage]):
    """Uses of AiDA."""

    list_display = ("doctor", "used_at", "specialty_area")
    list_filter = (("used_at", DayFilter),)
    list_select_related = ("doctor",)
    autocomplete_fields = ("doctor",)


@admin.register(AgentUsage)
class AgentUsageAdmin(DoctorSearchMixin, BigTableMixin, ImportedAdmin[AgentUsage]):
    """Uses of AI agents: what ends the first campaign for a doctor."""

    list_display = ("doctor", "agent", "specialty_area", "used_at")
    list_filter = (("used_at", DayFilter),)
    list_select_related = ("doctor",)
    autocomplete_fields = ("doctor",)


class CourseModuleInline(LinesMixin, TabularInline[CourseModule, Course]):
    """The course's modules, in their order."""

    model = CourseModule
    fields = ("number", "name", "duration_minutes", "key_learnings")
    hide_title = True


@admin.register(Course)
class CourseAdmin(ImportedAdmin[Course]):
    """Courses and their modules."""

    list_display = ("name", "external_id", "topic", "clinical_area", "cpd_points")
    search_fields = ("name", "external_id")
    search_help_text = "Part of the name, or of the CLIRNET id."
    inlines = (CourseModuleInline,)


@admin.register(CourseModule)
class CourseModuleAdmin(LinesMixin, ImportedAdmin[CourseModule]):
    """Modules of all courses: for files; one course's modules are edited with the course."""

    list_display = ("course", "number", "name", "duration_minutes")
    list_display_links = ("name",)
    list_select_related = ("course",)
    search_fields = ("course__name", "name")
    autocomplete_fields = ("course",)


@admin.register(CourseProgress)
class CourseProgressAdmin(DoctorSearchMixin, BigTableMixin, ImportedAdmin[CourseProgress]):
    """How far doctors are in their courses."""

    list_display = (
        "doctor",
        "course",
        "completed_modules",
        "last_accessed_at",
        "access_expires_at",
        "completed_at",
    )
    list_filter = (("completed_at", DayFilter),)
    list_select_related = ("doctor", "course")
    autocomplete_fields = ("doctor", "course")


@admin.register(Session)
class SessionAdmin(LinesMixin, ImportedAdmin[Session]):
    """Live sessions and their recordings."""

    list_display = ("title", "external_id", "starts_at", "ends_at", "recording_expires_at")
    list_filter = (("ends_at", DayFilter),)
    ordering = ("-ends_at",)
    search_fields = ("title", "external_id")
    search_help_text = "Part of the title, or of the CLIRNET id."


@admin.register(SessionRegistration)
class SessionRegistrationAdmin(
    DoctorSearchMixin, BigTableMixin, ImportedAdmin[SessionRegistration]
):
    """Who registered for a session, and what became of it."""

    list_display = ("doctor", "session", "registered_at", "attended_at", "recording_viewed_at")
    list_select_related = ("doctor", "session")
    autocomplete_fields = ("doctor", "session")


@admin.register(Certificate)
class CertificateAdmin(DoctorSearchMixin, BigTableMixin, ImportedAdmin[Certificate]):
    """Certificates, and whether they were fetched."""

    list_display = (
        "external_id",
        "doctor",
        "session",
        "course",
        "issued_at",
        "expires_at",
        "downloaded_at",
        "viewed_at",
    )
    list_filter = (("issued_at", DayFilter),)
    list_select_related = ("doctor", "session", "course")
    search_exact = ("external_id",)
    search_help_text = "Certificate id, or a doctor's CLIRNET id, phone, e-mail or last name."
    autocomplete_fields = ("doctor", "session", "course")
