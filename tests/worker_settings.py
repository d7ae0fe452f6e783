"""Settings of the workers that tests start: they know the slow provider beside the real ones."""

from reengage.settings import *  # noqa: F403

CELERY_INCLUDE = ["tests.providers.register"]
