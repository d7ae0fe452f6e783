"""Schedules in the admin: when work runs is for marketers to set, what runs is not."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import Truncator
from django.utils.timezone import localtime
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

from reengage import schedules
from reengage.admin_base import (
    AnyAdmin,
    ModelAdmin,
    Notice,
    NumberWidget,
    OpenedMixin,
    PageExtrasMixin,
    SelectWidget,
    TextInputWidget,
    display,
)
from reengage.schedules import MINUTES, WEEKDAYS, Timing

admin.site.unregister(
    [PeriodicTask, CrontabSchedule, IntervalSchedule, SolarSchedule, ClockedSchedule]
)

# Which of the form's own fields a rhythm is set by.
_FIELDS = {
    "daily": ("at",),
    "weekly": ("weekday", "at"),
    "hourly": ("minute",),
    "minutes": ("every",),
    "other": (),
}
_TIMING = ("weekday", "at", "minute", "every")


class TimingMixin(forms.ModelForm):  # type: ignore[type-arg]  # of any form of a schedule
    """When it runs, in plain words; what the schedule's rhythm has no use for is left out."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Show the time as it is, and ask for no more than the rhythm has."""
        super().__init__(*args, **kwargs)
        crontab = self.instance.crontab if self.instance.pk else None
        self.timing = schedules.timing_of(crontab)
        zone = schedules.zone_words(crontab) if crontab else ""
        for name in _TIMING:
            self.fields.pop(name, None)
        for name in _FIELDS[self.timing.rhythm]:
            self.fields[name] = self._timing_field(name, zone)

    def _timing_field(self, name: str, zone: str) -> forms.Field:
        now = getattr(self.timing, name)
        if name == "at":
            label = "At" if self.timing.rhythm == "weekly" else "Every day at"
            widget = TextInputWidget(attrs={"type": "time"})
            return forms.TimeField(
                label=label, initial=f"{now:%H:%M}", help_text=f"{zone}.", widget=widget
            )
        if name == "minute":
            return forms.IntegerField(
                label="Every hour, so many minutes past",
                initial=now,
                min_value=0,
                max_value=59,
                help_text="0: on the hour. 50: ten minutes before the next.",
                widget=NumberWidget,
            )
        if name == "weekday":
            return forms.ChoiceField(
                label="Every", initial=now, choices=WEEKDAYS, widget=SelectWidget
            )
        known = sorted({*MINUTES, now})
        choices = [(n, "every minute" if n == 1 else f"every {n} minutes") for n in known]
        return forms.TypedChoiceField(
            label="Runs", initial=now, choices=choices, coerce=int, widget=SelectWidget
        )

    def chosen(self) -> Timing | None:
        """The time as it was set; None where nobody changed it."""
        names = [name for name in _FIELDS[self.timing.rhythm] if name in self.changed_data]
        if not names:
            return None
        return replace(self.timing, **{name: self.cleaned_data[name] for name in names})


class TimingForm(TimingMixin):
    """What whoever may edit schedules sets."""

    class Meta:
        model = PeriodicTask
        fields = ("enabled",)


class ScheduledTaskForm(TimingMixin, PeriodicTaskForm):  # type: ignore[misc]  # untyped base
    """What superusers set: the work as well, chosen from a list, in the theme's fields."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Give django-celery-beat's two task fields the theme's look."""
        super().__init__(*args, **kwargs)
        choices = self.fields["regtask"].widget.choices
        self.fields["regtask"].widget = SelectWidget(choices=choices)
        self.fields["regtask"].label = "Work"
        self.fields["task"].widget = TextInputWidget()
        self.fields["task"].label = "Work, by its name in the code"


class SuperusersMixin(AnyAdmin):
    """Rows that only superusers add and delete; `only_superusers_change`: or edit."""

    only_superusers_change = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        """What runs is part of the product."""
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The same."""
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers, or whoever has the permission, where that may be enough."""
        if self.only_superusers_change:
            return bool(request.user.is_superuser)
        return super().has_change_permission(request, obj)


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(
    SuperusersMixin,
    OpenedMixin,
    PageExtrasMixin[PeriodicTask],
    ModelAdmin[PeriodicTask],
    BeatTaskAdmin,  # type: ignore[misc]  # untyped
):
    """Work that runs by itself: when, whether it is switched on, and when it last ran."""

    only_superusers_change = False
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
    engineers = (
        *("crontab", "interval", "start_time", "one_off", "regtask", "task", "args", "kwargs"),
        *("queue", "exchange", "routing_key", "headers", "priority", "expires", "expire_seconds"),
        *("clocked", "solar"),
    )

    def get_form(  # type: ignore[override]  # `change` is passed on as it is
        self, request: HttpRequest, obj: PeriodicTask | None = None, **kwargs: Any
    ) -> Any:
        """Superusers edit the whole row, everybody else when it runs."""
        if request.user.is_superuser:
            kwargs["fields"] = ["name", "description", "enabled", *self.engineers]
        else:
            kwargs |= {"form": TimingForm, "fields": ["enabled"]}
        return super().get_form(request, obj, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """What runs is not for everybody to choose."""
        own = () if request.user.is_superuser else ("name", "description", "task")
        return (*own, *self.readonly_fields)

    def get_fieldsets(self, request: HttpRequest, obj: PeriodicTask | None = None) -> Any:
        """The time in plain fields; the library's own fields for superusers."""
        is_superuser = request.user.is_superuser
        may_change = self.has_change_permission(request, obj)
        rhythm = schedules.timing_of(obj.crontab if obj else None).rhythm
        when = ("runs", *(_FIELDS[rhythm] if may_change else ()))
        about = ("name", "description") if is_superuser else ("name", "description", "task")
        note = "A change is followed within seconds: nothing has to be restarted."
        if rhythm == "other" and not is_superuser:
            note = "This schedule has a rhythm of its own: ask whoever looks after the system."
        found: list[tuple[str | None, dict[str, Any]]] = [
            (None, {"fields": (*about, "enabled")}),
            ("When", {"fields": (*when, "last_ran"), "description": note}),
        ]
        if is_superuser:
            engineers = {"fields": self.engineers, "classes": ("collapse",)}
            found.append(("For engineers", engineers))
        return found

    def notices(self, request: HttpRequest, obj: PeriodicTask) -> list[Notice]:
        """What its time or its being off does harm to."""
        return [Notice("warning", said) for said in schedules.warnings(obj)]

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: PeriodicTask, form: Any, change: Any) -> None:
        """Move its own time, and no other schedule's; warn of what makes no sense."""
        chosen = form.chosen() if isinstance(form, TimingMixin) else None
        if chosen and not {"crontab", "interval", "clocked", "solar"} & set(form.changed_data):
            _move(obj, chosen)
        super().save_model(request, obj, form, change)
        for said in schedules.warnings(obj):
            messages.warning(request, said)

    @admin.action(description="Enable selected tasks", permissions=["change"])
    def enable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Switch them on."""
        super().enable_tasks(request, queryset)

    @admin.action(description="Disable selected tasks", permissions=["change"])
    def disable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Switch them off, and say what does not happen from now on."""
        super().disable_tasks(request, queryset)
        for task in queryset:
            for said in schedules.warnings(task):
                messages.warning(request, said)

    @admin.action(description="Run selected tasks", permissions=["change"])
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
        return schedules.words(task)

    @display(description="last ran", empty_value="Never")
    def last_ran(self, task: PeriodicTask) -> str | None:
        """When the scheduler last started it."""
        return f"{localtime(task.last_run_at):%d %b %Y, %H:%M}" if task.last_run_at else None

    @display(description="what it does")
    def purpose(self, task: PeriodicTask) -> str:
        """How its description begins; the whole is on its page."""
        return str(Truncator(task.description).chars(70))

    def get_queryset(self, request: HttpRequest) -> QuerySet[PeriodicTask]:
        """Without the scheduler's own row."""
        tasks: QuerySet[PeriodicTask] = super().get_queryset(request)
        return tasks.exclude(task="celery.backend_cleanup")


def _move(task: PeriodicTask, timing: Timing) -> None:
    """Set the time: on its own row where it has one, else on a new one that it does not share."""
    shared = PeriodicTask.objects.filter(crontab=task.crontab).exclude(pk=task.pk).exists()
    crontab = task.crontab
    for name, value in timing.fields().items():
        setattr(crontab, name, value)
    if shared:
        crontab.pk = None
        crontab._state.adding = True  # noqa: SLF001  Django's way to copy a row
    crontab.save()
    task.crontab = crontab


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(SuperusersMixin, ModelAdmin[CrontabSchedule]):
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
class IntervalScheduleAdmin(SuperusersMixin, ModelAdmin[IntervalSchedule]):
    """Every so often."""

    list_display = ("__str__", "every", "period")


@admin.register(SolarSchedule)
class SolarScheduleAdmin(SuperusersMixin, ModelAdmin[SolarSchedule]):
    """Sunrise and sunset: kept for completeness."""

    list_display = ("__str__",)


@admin.register(ClockedSchedule)
class ClockedScheduleAdmin(SuperusersMixin, ModelAdmin[ClockedSchedule]):
    """One moment, once."""

    list_display = ("clocked_time",)
