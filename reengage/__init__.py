"""The project: settings, task lanes, addresses, embedded services, admin site."""

from reengage.celery import app as celery_app

__all__ = ["celery_app"]
