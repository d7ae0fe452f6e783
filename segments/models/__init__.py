"""Doctors, what they do, which segments they are in, and what was imported."""

from segments.models.activity import (
    AgentUsage,
    AidaUsage,
    Certificate,
    Course,
    CourseModule,
    CourseProgress,
    Session,
    SessionRegistration,
)
from segments.models.doctor import Doctor
from segments.models.erased import ErasedPerson
from segments.models.imports import ImportRejection, ImportRun
from segments.models.segment import SegmentType, UserSegment

__all__ = [
    "AgentUsage",
    "AidaUsage",
    "Certificate",
    "Course",
    "CourseModule",
    "CourseProgress",
    "Doctor",
    "ErasedPerson",
    "ImportRejection",
    "ImportRun",
    "SegmentType",
    "Session",
    "SessionRegistration",
    "UserSegment",
]
