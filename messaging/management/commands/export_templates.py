"""`manage.py export_templates`: templates as YAML, to standard output."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from messaging import transfer
from messaging.models import MessageTemplate


class Command(BaseCommand):
    """Writes the templates that are named, or all."""

    help = "Write templates as YAML to standard output: those with the given keys, else all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what can be chosen."""
        parser.add_argument("keys", nargs="*", metavar="KEY", help="Such as no_show.email.1.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Write them; a key that no template has is an error, and nothing is written."""
        templates = MessageTemplate.objects.order_by(
            "segment_type", "channel", "sequence_order", "template_key"
        )
        if keys := options["keys"]:
            templates = templates.filter(template_key__in=keys)
            known = set(templates.values_list("template_key", flat=True))
            if absent := [key for key in keys if key not in known]:
                raise CommandError(f"There is no template {', '.join(absent)}.")
        self.stdout.write(transfer.export(templates), ending="")
