"""What does not fit the description of a request, in this API's own words, not in pydantic's.

Nothing of what was sent stands in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WHOLE, _NUMBER, _TOO_LARGE = "Send a whole number.", "Send a number.", "Is too large a number."
_TRUTH, _OBJECT = "Send true or false.", "Send an object of fields and values."
_ID = "Is no id: send one as an answer has given it."
_ONE_OF = "Has to be {expected}."
_DAY = "Write a day such as 2026-03-04."
_MOMENT = "Write a moment with its zone, such as 2026-03-04T12:00:00+05:30."

# By pydantic's name for what is wrong; in braces what it tells beside that.
WORDS = {
    "missing": "Is missing: it is needed.",
    "extra_forbidden": "There is no such field here: leave it out, or correct its name.",
    "string_type": "Send a text.",
    "string_too_short": "Has to have {min_length} or more characters.",
    "string_too_long": "Has to have at most {max_length} characters.",
    "string_pattern_mismatch": "Write it in plain letters, digits and signs, without blanks.",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": _TOO_LARGE,
    "greater_than_equal": "Has to be {ge} at least.",
    "less_than_equal": "Has to be {le} at most.",
    "less_than": "Has to lie before {lt}.",  # of days and moments only
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "list_type": "Send a list.",
    "too_short": "Has to have {min_length} or more entries.",
    "too_long": "Has to have at most {max_length} entries.",
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "uuid_type": _ID,
    "uuid_parsing": _ID,
    "enum": _ONE_OF,
    "literal_error": _ONE_OF,
    "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "decimal_max_places": "Has to have at most {decimal_places} digits after the point.",
    "decimal_max_digits": _TOO_LARGE,
    "decimal_whole_digits": _TOO_LARGE,
    "date_type": _DAY,
    "date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_from_datetime_inexact": _DAY,
    "datetime_type": _MOMENT,
    "datetime_parsing": _MOMENT,
    "datetime_from_date_parsing": _MOMENT,
    "timezone_aware": _MOMENT,
    "value_error": "{error}",  # of our own checks (shapes.py)
}


def in_words(found: Mapping[str, Any]) -> str:
    """One error of pydantic's as a sentence; its own message where it is of no kind known here."""
    said = WORDS.get(found["type"])
    return said.format_map(found.get("ctx", {})) if said else str(found["msg"])
