"""Tokens out of the logs: Django names the path of every request that went wrong."""

from __future__ import annotations

import logging
import re

# Whatever stands where a token does, whole or cut off.
_TOKEN = re.compile(r"(/(?:[ruho]|[A-Z0-9]{3,11}|[A-Z0-9]{3,11}/u)/)[\w-]{8,}")


class Tokens(logging.Filter):
    """Lets every record through, without the tokens of its message."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the tokens; True."""
        message = record.getMessage()
        masked = _TOKEN.sub(r"\1…", message)
        if masked != message:
            record.msg, record.args = masked, None
        return True
