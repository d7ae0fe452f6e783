"""E-mail addresses: what email-validator accepts, in lower case, without asking the DNS.

Asking it takes about 40 us; plain ASCII addresses take a shorter way to the same answer
(tests/segments/imports/test_emails.py compares the two).
"""

import re

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from segments.imports.values import BadValueError, Value, refuse_control

_reserved = "|".join(re.escape(name.rpartition(".")[2]) for name in SPECIAL_USE_DOMAIN_NAMES)
# Counted repetitions keep every part, and the whole, below the lengths that RFC 5321 allows.
_plain = (
    r"[a-z0-9_]{1,20}(?:[.+-][a-z0-9_]{1,20}){0,2}"
    r"@(?:[a-z0-9]{1,15}(?:-[a-z0-9]{1,15}){0,2}\.){1,3}"
    rf"(?!(?:{_reserved})(?![a-z]))[a-z]{{2,12}}"
)
_short_way = re.compile(_plain.replace("a-z", "A-Za-z"))


def parse_email(cell: str) -> str:
    """The address in `cell` in lower case; BadValueError for what is none."""
    if _short_way.fullmatch(cell) and _short_way.fullmatch(lower := cell.lower()):
        return lower
    return parse_with_library(cell)


def parse_with_library(cell: str) -> str:
    """As parse_email, the long way for every address."""
    refuse_control(cell)
    try:
        # Mailboxes in other scripts are refused: few mail servers take them.
        address = validate_email(
            cell, check_deliverability=False, allow_smtputf8=False, strict=True
        )
    except EmailNotValidError as error:
        raise BadValueError(f"Is not an e-mail address: {error}") from None
    return (address.ascii_email or address.normalized).lower()


EMAIL = Value(parse_email, plain=_plain)
