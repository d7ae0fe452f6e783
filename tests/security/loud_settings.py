"""Settings of processes that know the loud provider and the loud view."""

from reengage.settings import *  # noqa: F403

CELERY_INCLUDE = ["tests.security.loud"]
ROOT_URLCONF = "tests.security.loud"
