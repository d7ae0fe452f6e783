"""`manage.py audit_deliveries`: whether what is promised of messages holds, on this database."""

from __future__ import annotations

import json
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from messaging.audit.ledger import LedgerError
from messaging.audit.run import Outcome, as_json, audit, keep
from messaging.models import Channel

NAMES = 20  # columns for code and name
EXAMPLES = 5


def _since(text: str) -> datetime:
    """An ISO date or time, in the office's zone where it names none; or 7d: so many days ago."""
    if days := re.fullmatch(r"(\d{1,5})d", text):
        return timezone.now() - timedelta(days=int(days[1]))
    try:
        moment = parse_datetime(text)
        day = None if moment else parse_date(text)
    except ValueError:
        moment = day = None
    if day:
        moment = datetime.combine(day, datetime.min.time())
    if moment is None:
        raise ArgumentTypeError(f"“{text}” will not do: give a date like 2026-03-04, or 7d")
    if moment.year < 2000:
        raise ArgumentTypeError(f"“{text}” will not do: nothing is as old as that")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


class Command(BaseCommand):
    """Checks the invariants I1 to I8; exit code 1 where a row breaks one."""

    help = "Check that nothing was sent twice, after an opt-out, beyond the caps, or got lost."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what can be chosen."""
        parser.add_argument(
            "--ledger",
            type=Path,
            action="append",
            default=[],
            help="A provider's own list of accepted calls, JSON lines with delivery_id and at. "
            "May be given several times. Run it while nothing is being sent.",
        )
        parser.add_argument(
            "--covers",
            choices=Channel.values,
            action="append",
            default=[],
            help="A channel whose accepted calls are all in the ledgers. May be given several "
            "times. Default: the accounts that took the calls in the ledgers.",
        )
        parser.add_argument(
            "--since", type=_since, help="Look at attempts from then on only: 2026-03-04, or 7d."
        )
        parser.add_argument("--json", action="store_true", help="Print the result as JSON.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Check and print; what looked at everything is the dashboard's last result, too."""
        started_at = timezone.now()
        try:
            outcomes = audit(started_at, options["since"], options["ledger"], options["covers"])
        except LedgerError as error:
            raise CommandError(str(error), returncode=2) from None
        except ProgrammingError:
            words = "The database has no tables yet: run `manage.py setup` first."
            raise CommandError(words, returncode=2) from None
        if not (options["since"] or options["ledger"]):
            keep(outcomes, started_at, timezone.now())
        if options["json"]:
            result = as_json(outcomes)
            self.stdout.write(json.dumps(result, ensure_ascii=False, indent=2))
        else:
            for outcome in outcomes:
                self._show(outcome)
        if any(outcome.found.count for outcome in outcomes):
            sys.exit(1)

    def _show(self, outcome: Outcome) -> None:
        invariant, found = outcome.invariant, outcome.found
        title = f"{invariant.code} {invariant.name}"
        note = f" ({found.note})" if found.note else ""
        self.stdout.write(f"{title:<{NAMES}}{found.count:>10,}   {invariant.promise}{note}")
        for row in found.rows[:EXAMPLES]:
            self.stdout.write(f"    {row.kind} {row.key}: {row.what}")
