"""Django application of `messaging`."""

from django.apps import AppConfig


class MessagingConfig(AppConfig):
    """Messaging: how."""

    name = "messaging"
    verbose_name = "Messages"

    def ready(self) -> None:
        """Register the system checks and the kinds of import, which need the models."""
        from messaging import checks, imports  # noqa: F401, PLC0415
        from messaging.links import checks as link_checks  # noqa: F401, PLC0415
        from messaging.webhooks import checks as webhook_checks  # noqa: F401, PLC0415
