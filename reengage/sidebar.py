"""The admin's sidebar, in the marketing team's words.

Settings import this module, so it may import no model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy


def _may_view(app_label: str, model_name: str) -> Callable[[HttpRequest], bool]:
    """Make the check that hides a link from people who may not open it."""
    permissions = [f"{app_label}.{verb}_{model_name}" for verb in ("view", "change")]

    def check(request: HttpRequest) -> bool:
        return any(request.user.has_perm(permission) for permission in permissions)

    return check


def _item(title: str, icon: str, app_label: str, model_name: str) -> dict[str, Any]:
    """One link to a model's list."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app_label}_{model_name}_changelist"),
        "permission": _may_view(app_label, model_name),
    }


def _group(title: str, *items: dict[str, Any], collapsible: bool = False) -> dict[str, Any]:
    """A heading and its links."""
    return {"title": title, "separator": True, "collapsible": collapsible, "items": list(items)}


_HOME: dict[str, Any] = {
    "title": None,
    "items": [
        {"title": "Dashboard", "icon": "monitoring", "link": reverse_lazy("admin:index")},
    ],
}

SIDEBAR: dict[str, Any] = {
    "show_search": True,
    "show_all_applications": False,
    "navigation": [
        _HOME,
        _group(
            "Campaigns",
            _item("Campaigns", "campaign", "campaigns", "campaign"),
            _item("A/B tests", "science", "campaigns", "experiment"),
            _item("Enrolments", "how_to_reg", "campaigns", "campaignenrollment"),
            _item("Daily figures", "bar_chart", "campaigns", "campaignanalytics"),
            _item("Weekly reviews", "forward_to_inbox", "campaigns", "weeklyreview"),
        ),
        _group(
            "Messages",
            _item("Templates", "edit_note", "messaging", "messagetemplate"),
            _item("Audience checks", "fact_check", "messaging", "audiencecheck"),
            _item("Deliveries", "send", "messaging", "messagedelivery"),
            _item("Inbox", "mark_email_unread", "messaging", "inboundmessage"),
            _item("Keyword replies", "quickreply", "messaging", "keywordreply"),
            _item("Opt-outs", "unsubscribe", "messaging", "unsubscriberecord"),
            _item("Suppressions", "block", "messaging", "suppression"),
            _item("Consent", "handshake", "messaging", "consentrecord"),
            _item("Sandbox messages", "science", "messaging", "sandboxmessage"),
            _item("Reports from providers", "receipt_long", "messaging", "providerevent"),
            _item("Provider accounts", "cell_tower", "messaging", "provideraccount"),
            _item("Promises kept", "verified", "messaging", "auditrun"),
        ),
        _group(
            "Doctors",
            _item("Doctors", "stethoscope", "segments", "doctor"),
            _item("Segments", "groups", "segments", "usersegment"),
            _item("Imports", "upload_file", "segments", "importrun"),
            _item("Erased persons", "person_off", "segments", "erasedperson"),
        ),
        _group(
            "What doctors do",
            _item("AiDA uses", "forum", "segments", "aidausage"),
            _item("AI agent uses", "smart_toy", "segments", "agentusage"),
            _item("Courses", "school", "segments", "course"),
            _item("Course progress", "trending_up", "segments", "courseprogress"),
            _item("Sessions", "co_present", "segments", "session"),
            _item("Registrations", "event_available", "segments", "sessionregistration"),
            _item("Certificates", "workspace_premium", "segments", "certificate"),
            collapsible=True,
        ),
        _group(
            "Schedules",
            _item("Scheduled work", "schedule", "django_celery_beat", "periodictask"),
            _item("Hours and days", "event_repeat", "django_celery_beat", "crontabschedule"),
            _item("Intervals", "timelapse", "django_celery_beat", "intervalschedule"),
            collapsible=True,
        ),
        _group(
            "People with access",
            _item("Users", "person", "auth", "user"),
            _item("Groups", "badge", "auth", "group"),
            _item("What was changed", "history", "reengage", "change"),
            collapsible=True,
        ),
    ],
}
