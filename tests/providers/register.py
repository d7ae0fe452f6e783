"""Makes the slow provider known in the workers that tests start, and only there."""

from messaging.providers import PROVIDERS
from tests.providers.slow import SlowProvider

PROVIDERS["slow"] = SlowProvider
