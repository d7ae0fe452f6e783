"""Settings of a chaos run: the real ones, with every time a tenth as long, and points to die at.

The times of a window keep their order: begun by < ended by < its task cut < taken away.
"""

from datetime import timedelta

from reengage.settings import *  # noqa: F403
from reengage.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos.register.ChaosConfig"]

HAND_OFF_WITHIN = timedelta(seconds=1.5)
CALL_DEADLINE = timedelta(seconds=3)
LANE_TIME_LIMIT = timedelta(seconds=5)
SEND_LEASE = timedelta(seconds=6)
POLL_AFTER = timedelta(seconds=3)
LINK_HUMAN_AFTER = timedelta(seconds=0.2)
SMS_DLT_REQUIRED = False  # the texts are registered nowhere
SEND_WINDOW_SIZE = 40  # many windows instead of few

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
