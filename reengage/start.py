"""What every process that serves or sends does first: refuse to start where settings are wrong."""

from __future__ import annotations

from typing import Any

from django.core.checks import ERROR, run_checks
from django.core.exceptions import ImproperlyConfigured

from reengage.checks import TAG


def refuse_what_is_wrong(**_: Any) -> None:
    """Run the checks of settings. ImproperlyConfigured: what is wrong, in words.

    `manage.py` runs all checks by itself; Celery and gunicorn do not. The others need the database,
    which may be away for a while, or concern engineers.
    """
    wrong = [
        f"{found.msg} {found.hint or ''}".strip()
        for found in run_checks(tags=[TAG])
        if found.level >= ERROR and not found.is_silenced()
    ]
    if wrong:
        raise ImproperlyConfigured(" ".join(wrong))
