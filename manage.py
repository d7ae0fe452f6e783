#!/usr/bin/env python
"""Command line of the back office; `manage.py demo` is the place to start."""

import os
import sys

from django.core.management import execute_from_command_line

from reengage import embedded


def main() -> None:
    """Provide a database where none is configured, then run the command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reengage.settings")
    try:
        embedded.provide()
    except embedded.EmbeddedError as error:
        sys.exit(str(error))
    try:
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)  # as a shell says of a command that Ctrl-C ended


if __name__ == "__main__":
    main()
