"""WSGI entry point, for gunicorn."""

import os
from collections.abc import Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reengage.settings")

_django = get_wsgi_application()

from reengage import pulse  # noqa: E402  needs the models
from reengage.start import refuse_what_is_wrong  # noqa: E402

refuse_what_is_wrong()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer a request; the first one has the process tell from then on that it lives."""
    pulse.of_web()
    return _django(environ, start_response)
