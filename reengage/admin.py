"""Users and schedules: the admin pages of other people's models, in the theme and in our words."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator
from django_celery_beat.admin import PeriodicTaskAdmin as BeatTaskAdmin
from django_celery_beat.admin import PeriodicTaskForm
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from kombu.exceptions import OperationalError as KombuError
from redis.exceptions import RedisError

from reengage.admin_base import (
    AdminPasswordChangeForm,
    Group,
    ModelAdmin,
    SelectWidget,
    TextInputWidget,
    User,
    UserChangeForm,
    UserCreationForm,
    display,
)

# Registered by their own applications, whose admin modules the imports above have run.
admin.site.unregister(
    [
        User,
        Group,
        PeriodicTask,
        CrontabSchedule,
        IntervalSchedule,
        SolarSchedule,
        ClockedSchedule,
    ]
)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin[User]):  # type: ignore[type-arg]
    """People who may log in."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin[Group]):
    """What people may do."""


class ScheduledTaskForm(PeriodicTaskForm):  # type: ignore[misc]  # untyped base
    """Choose the work from a list, in the theme's fields."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Give django-celery-beat's two task fields the theme's look."""
        super().__init__(*args, **kwargs)
        choices = self.fields["regtask"].widget.choices
        self.fields["regtask"].widget = SelectWidget(choices=choices)
        self.fields["regtask"].label = "Work"
        self.fields["task"].widget = TextInputWidget()
        self.fields["task"].label = "Work, by its name in the code"


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(ModelAdmin[PeriodicTask], BeatTaskAdmin):  # type: ignore[misc]  # untyped
    """Work that runs by itself: when, whether it is switched on, and when it last ran."""

    form = ScheduledTaskForm
    change_form_template = None
    date_hierarchy = None
    ordering = ("name",)
    list_display = ("name", "enabled", "runs", "last_ran", "purpose")
    list_editable = ("enabled",)
    list_filter = ("enabled",)
    search_fields = ("name", "description")
    actions = ("enable_tasks", "disable_tasks", "run_tasks")
    readonly_fields = ("last_ran", "runs")
    fieldsets = (
        (None, {"fields": ("name", "description", "enabled", "runs", "last_ran")}),
        (
            "When",
            {
                "fields": ("crontab", "interval", "start_time", "one_off"),
                "description": "Choose one: hours and days, or an interval. "
                "A change is followed within seconds.",
            },
        ),
        (
            "For engineers",
            {
                "fields": (
                    "regtask",
                    "task",
                    "args",
                    "kwargs",
                    "queue",
                    "exchange",
                    "routing_key",
                    "headers",
                    "priority",
                    "expires",
                    "expire_seconds",
                    "clocked",
                    "solar",
                ),
                "classes": ("collapse",),
            },
        ),
    )

    @admin.action(description="Run selected tasks")
    def run_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Hand them to a worker now; without Redis nothing can, and nothing is half done."""
        try:
            super().run_tasks(request, queryset)
        except (KombuError, ConnectionError, RedisError):
            words = "Redis does not answer, so no worker can be told. Try again in a minute."
            self.message_user(request, words, messages.ERROR)

    @display(description="runs")
    def runs(self, task: PeriodicTask) -> str:
        """The schedule in words."""
        if task.crontab:
            return f"{task.crontab.human_readable}"
        return str(task.schedule) if task.scheduler else "Never: choose a time"

    @display(description="last ran", empty_value="Never")
    def last_ran(self, task: PeriodicTask) -> datetime | None:
        """When the scheduler last started it."""
        last: datetime | None = task.last_run_at
        return last

    @display(description="what it does")
    def purpose(self, task: PeriodicTask) -> str:
        """How its description begins; the whole is on its page."""
        return str(Truncator(task.description).chars(70))

    def get_queryset(self, request: HttpRequest) -> QuerySet[PeriodicTask]:
        """Without the scheduler's own row."""
        tasks: QuerySet[PeriodicTask] = super().get_queryset(request)
        return tasks.exclude(task="celery.backend_cleanup")


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(ModelAdmin[CrontabSchedule]):
    """Hours and days at which work runs."""

    list_display = ("human_readable", "minute", "hour", "day_of_week", "day_of_month", "timezone")
    list_display_links = ("human_readable",)
    fields = (
        "human_readable",
        "hour",
        "minute",
        "day_of_week",
        "day_of_month",
        "month_of_year",
        "timezone",
    )
    readonly_fields = ("human_readable",)


@admin.register(IntervalSchedule)
class IntervalScheduleAdmin(ModelAdmin[IntervalSchedule]):
    """Every so often."""

    list_display = ("__str__", "every", "period")


@admin.register(SolarSchedule)
class SolarScheduleAdmin(ModelAdmin[SolarSchedule]):
    """Sunrise and sunset: kept for completeness."""

    list_display = ("__str__",)


@admin.register(ClockedSchedule)
class ClockedScheduleAdmin(ModelAdmin[ClockedSchedule]):
    """One moment, once."""

    list_display = ("clocked_time",)
