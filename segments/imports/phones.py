"""Phone numbers as people and spreadsheets write them -> E.164, mobile numbers only.

What is a number, and whether it is a mobile one, libphonenumber says. Asking it takes about 60 us;
Indian numbers in their usual forms take a shorter way to the same answer, over the pattern in
libphonenumber's own metadata (tests/segments/imports/test_phones.py compares the two).
"""

import re

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat, PhoneNumberType

from segments.imports.values import BadValueError, Value, refuse_control

REGION = "IN"
EXAMPLE = "write it like +91 98765 43210"
MOBILE_TYPES = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


def _indian_mobile_pattern() -> str:
    metadata = PhoneMetadata.metadata_for_region(REGION)
    if metadata is None or metadata.mobile is None or not metadata.mobile.national_number_pattern:
        raise RuntimeError("libphonenumber has no mobile numbers of India.")
    return re.sub(r"\s", "", metadata.mobile.national_number_pattern).replace(r"\d", "[0-9]")


# Numbers of 10 digits from 6 on: a match of the mobile pattern is MOBILE or, where the pattern
# of landlines matches as well, FIXED_LINE_OR_MOBILE.
_mobile_pattern = _indian_mobile_pattern()
_mobile = re.compile(_mobile_pattern)
_usual = re.compile(r"(?:\+?91[ -]?|0)?([6-9]\d{4})[ -]?(\d{5})(?:\.0)?", re.ASCII)
_spoiled = re.compile(r"\d+(?:[.,]\d+)?[eE]\+?\d+", re.ASCII)
_float = re.compile(r"(\d+)\.0+", re.ASCII)


def parse_phone(cell: str) -> str:
    """The mobile number in `cell` as E.164; without a country code it is Indian.

    BadValueError for landlines, for what is no number, and for numbers rounded by a spreadsheet.
    """
    usual = _usual.fullmatch(cell)
    if usual and _mobile.fullmatch(number := usual[1] + usual[2]):
        return f"+91{number}"
    return parse_with_library(cell)


def parse_with_library(cell: str) -> str:
    """As parse_phone, the long way for every form."""
    if _spoiled.fullmatch(cell):
        raise BadValueError(
            "The spreadsheet has spoiled this number: format the column as text and export again."
        )
    refuse_control(cell)
    if any(map(str.isalpha, cell)):
        raise BadValueError(f"Holds letters: give one number only, and {EXAMPLE}.")
    try:
        number = phonenumbers.parse(_float.sub(r"\1", cell), REGION)
    except NumberParseException:
        raise BadValueError(f"Is not a phone number: {EXAMPLE}.") from None
    if not phonenumbers.is_valid_number(number):
        raise BadValueError(f"Is not a valid phone number: {EXAMPLE}.")
    if phonenumbers.number_type(number) not in MOBILE_TYPES:
        raise BadValueError("Is not a mobile number: give the doctor's mobile number.")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


PHONE = Value(parse_phone, plain=rf"\+91(?=[6-9])(?:{_mobile_pattern})")
