"""The clock: django-celery-beat's scheduler, with three of its habits left out."""

from typing import Any

from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry


class Entry(ModelEntry):  # type: ignore[misc]  # untyped
    """One schedule as the clock holds it."""

    def save(self) -> None:
        """Write when it last ran, and nothing else.

        The library writes back the whole row as it read it, over what somebody may have changed
        in the admin at that moment, and moves the "last modified" that the admin shows. A row
        that was disabled meanwhile keeps its empty `last_run_at`, or it would catch up on the
        time in which it was off as soon as it is enabled again.
        """
        rows = PeriodicTask.objects.filter(pk=self.model.pk, enabled=True)
        rows.update(last_run_at=self.model.last_run_at, total_run_count=self.model.total_run_count)


class Scheduler(DatabaseScheduler):  # type: ignore[misc]  # untyped
    """Fires every enabled schedule at its minute, and at once what fell due while it was down."""

    Entry = Entry

    def enabled_models_qs(self) -> Any:
        """Every enabled schedule, at any hour.

        The library leaves out those more than two hours away. A nightly task missed while the
        clock was down would then not be caught up when it is back, but the next night, two hours
        before its time, and once more at its time.
        """
        return PeriodicTask.objects.enabled().select_related("crontab", "interval")

    def install_default_entries(self, data: Any) -> None:
        """None: the library would add a daily clean-up of results, which Redis expires itself."""
