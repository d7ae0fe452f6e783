"""`manage.py import_sns_log FILE`: whether SMS that went out through Amazon SNS arrived."""

import sys
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from messaging.sns_log import import_lines


class Command(BaseCommand):
    """Reads the log that SNS writes to CloudWatch; importing it again changes nothing."""

    help = "Import the delivery status of SMS from Amazon SNS's CloudWatch log, JSON lines."

    def add_arguments(self, parser: CommandParser) -> None:
        """The file."""
        parser.add_argument("file", help="a file as CloudWatch exports it; - for standard input")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Import, and say what became of the lines; exit code 1 where one cannot be read."""
        name: str = options["file"]
        try:
            with sys.stdin if name == "-" else Path(name).open(encoding="utf-8") as lines:
                done = import_lines(lines, timezone.now())
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{name} cannot be read: {error}.") from None
        self.stdout.write(f"{done.read} reports read, {done.new} of them new.")
        if done.unreadable:
            raise CommandError(f"{done.unreadable} lines are no delivery status of SNS's.")
