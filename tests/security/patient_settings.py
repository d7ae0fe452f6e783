"""Settings of a web server that takes a busy machine for no outage of the database."""

from messaging import patience
from reengage.settings import *  # noqa: F403

patience.PATIENCE = patience.AGAIN_WITHIN = 60.0
