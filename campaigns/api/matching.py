"""Changing only what one has seen: ETag and If-Match (RFC 9110, sections 8.8.3 and 13.1.1)."""

from __future__ import annotations

from typing import Annotated

from ninja import Header

from campaigns.api.errors import Problem
from campaigns.digest import digest
from campaigns.models import Campaign

NAME = "If-Match"
IfMatch = Annotated[
    str | None,
    Header(
        alias=NAME,
        description="The `ETag` that came with what you have read: if somebody has changed it "
        "since, nothing is done (412). Without it, your change goes over theirs.",
    ),
]
# What the description says of an answer that has one.
TAGGED = {
    "responses": {
        200: {
            "headers": {
                "ETag": {
                    "description": "The campaign with its steps and texts, as answered; it is the "
                    f"same until one of them is changed. Send it as `{NAME}` with a change.",
                    "schema": {"type": "string"},
                }
            }
        }
    }
}


def tag(campaign: Campaign) -> str:
    """Of the campaign, its steps and their texts, as the database has them now."""
    return f'"{digest(campaign)}"'


def must_match(sent: str | None, campaign: Campaign) -> None:
    """Problem (412): it is another one now than was read. The caller holds its lock."""
    if sent is None or sent.strip() == "*":
        return
    # A proxy that compresses the answer makes its tag a weak one: W/"...".
    if tag(campaign) not in (one.strip().removeprefix("W/") for one in sent.split(",")):
        raise Problem(412)
