"""The Celery application: tasks run in lanes, one queue for each channel and one for the rest."""

import os
import sys
from typing import Any

from celery import Celery
from celery.signals import worker_init
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reengage.settings")

app = Celery("reengage")


def _refuse_what_is_wrong(**_: Any) -> None:
    """End the process: a signal's receiver that only raises would be logged and ignored."""
    from reengage.start import refuse_what_is_wrong  # noqa: PLC0415  needs the settings

    try:
        refuse_what_is_wrong()
    except ImproperlyConfigured as error:
        sys.exit(f"The settings are wrong: {error}")


app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# By name: they are read when a worker starts, and need the models.
# A process with wrong settings takes others' work away.
worker_init.connect(_refuse_what_is_wrong)
app.steps["worker"].update({"reengage.pulse:Pulse", "reengage.poll:Poller"})
