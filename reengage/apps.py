"""Django application of `reengage`: the admin site, the dashboard, `demo` and `setup`."""

from django.apps import AppConfig


class ReengageConfig(AppConfig):
    """On top: may import every other application."""

    name = "reengage"
    verbose_name = "Re-engagement"

    def ready(self) -> None:
        """Register the system checks."""
        from reengage import checks  # noqa: F401, PLC0415
