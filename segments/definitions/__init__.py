"""The segments: one module for each type, each with one Definition, registered here."""

from segments.definitions.aida_users import AidaUsers
from segments.definitions.base import Definition, Goal, Subject
from segments.definitions.incomplete_courses import IncompleteCourses
from segments.definitions.no_show import NoShow
from segments.definitions.unclaimed_certificates import UnclaimedCertificates

__all__ = ["DEFINITIONS", "Definition", "Goal", "Subject", "definition"]

DEFINITIONS: dict[str, Definition] = {
    str(one.segment_type): one
    for one in (AidaUsers(), IncompleteCourses(), NoShow(), UnclaimedCertificates())
}


def definition(segment_type: str) -> Definition:
    """The definition of that type, such as “no_show”; KeyError where there is none."""
    return DEFINITIONS[str(segment_type)]
