"""Django application of `segments`."""

from django.apps import AppConfig


class SegmentsConfig(AppConfig):
    """Segments: who."""

    name = "segments"
    verbose_name = "Doctors"
