"""Django application of `segments`."""

from django.apps import AppConfig

from segments import times


class SegmentsConfig(AppConfig):
    """Segments: who."""

    name = "segments"
    verbose_name = "Doctors"

    def ready(self) -> None:
        """Read times from the database the fast way, in every process."""
        times.register()
