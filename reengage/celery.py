"""The Celery application: tasks run in lanes, one queue for each channel and one for the rest."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reengage.settings")

app = Celery("reengage")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# By name: they are read when a worker starts, and need the models.
app.steps["worker"].update({"reengage.pulse:Pulse", "reengage.poll:Poller"})
