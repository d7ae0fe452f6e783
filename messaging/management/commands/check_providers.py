"""`manage.py check_providers`: whether each channel's account could send now. Sends nothing.

Accounts that are set and that no channel uses are looked at, too, before anything is switched over
to them; what is wrong there is told, and does not count.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand

from messaging.providers.examine import address_problems, examine, fictional


class Command(BaseCommand):
    """Looks at the settings and asks the providers; exit code 1 where something is wrong."""

    help = "Say what is missing or refused of each channel's account, without sending anything."
    requires_system_checks = ()  # what they say is said here, and more

    def handle(self, *_args: Any, **_options: Any) -> None:
        """One paragraph for each channel, and one for each account that none uses."""
        count = 0
        for channel, account, problems, note in examine():
            title = f"{channel}: {account}" if channel else f"{account}, which no channel uses now"
            self._show(title, problems, note)
            count += len(problems) if channel else 0
        if addresses := [*address_problems(), *fictional()]:
            self._show("addresses", addresses, "")
            count += len(addresses)
        if count:
            self.stdout.write(f"{count} {'problem' if count == 1 else 'problems'}.")
            sys.exit(1)
        self.stdout.write("Every channel could send now.")

    def _show(self, title: str, problems: Sequence[str], note: str) -> None:
        self.stdout.write(title)
        for problem in problems or ["nothing is wrong."]:
            self.stdout.write(f"    {problem}")
        if note:
            self.stdout.write(f"    ({note})")
