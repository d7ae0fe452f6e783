"""What requests and answers have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Annotated, Any, Self

from ninja import Schema
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from campaigns.analytics import Rate as Share
from messaging.validation.characters import cannot_be_stored

UNSTORABLE = "There is a character in it that cannot be stored: leave it out."


def _storable(text: str) -> str:
    if cannot_be_stored(text):
        raise ValueError(UNSTORABLE)
    return text


Text = Annotated[str, AfterValidator(_storable)]  # as a parameter; bodies are checked as a whole
DoctorId = Annotated[
    str,
    Field(min_length=1, max_length=64, description="CLIRNET's own id.", examples=["D-10023"]),
    AfterValidator(_storable),
]


# A number of a body: true is not 1, and "1" is not either.
WholeNumber = Annotated[int, Field(strict=True)]

_HOUR = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"


def _hour(value: Any) -> Any:
    if isinstance(value, time) or (isinstance(value, str) and re.match(_HOUR, value)):
        return value
    raise ValueError("Write an hour of the day such as 10:00.")


# An hour of somebody's day: without a zone, which is the doctor's.
Hour = Annotated[
    time,
    BeforeValidator(_hour),
    WithJsonSchema({"type": "string", "pattern": _HOUR, "examples": ["10:00:00"]}),
]
# A moment with its zone, in years that a database and a calendar can hold.
Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(1900, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC)),
]


def example(**fields: Any) -> ConfigDict:
    """A body as the description shows it."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class In(BaseModel):
    """A body: no unknown fields, and nothing that the database cannot hold."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _check_storable(cls, data: Any) -> Any:
        if _has_unstorable(data):
            raise ValueError(UNSTORABLE)
        return data

    def given(self) -> dict[str, Any]:
        """The fields that were sent, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set}


def _has_unstorable(data: Any) -> bool:
    if isinstance(data, str):
        return cannot_be_stored(data)
    if isinstance(data, Mapping):
        return any(_has_unstorable(part) for pair in data.items() for part in pair)
    return isinstance(data, list) and any(map(_has_unstorable, data))


class Rate(Schema):
    """A share that says of what."""

    part: int
    whole: int
    percent: float | None = Field(description="Null where there is nothing to take a share of.")

    @classmethod
    def of(cls, share: Share) -> Self:
        """As the figures have it."""
        return cls(part=share.part, whole=share.whole, percent=share.percent)
