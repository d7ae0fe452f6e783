"""Admin of doctors, what they do, segments and imports."""

from segments.admin.activity import (
    AgentUsageAdmin,
    AidaUsageAdmin,
    CertificateAdmin,
    CourseAdmin,
    CourseModuleAdmin,
    CourseProgressAdmin,
    SessionAdmin,
    SessionRegistrationAdmin,
)
from segments.admin.doctor import DoctorAdmin
from segments.admin.imports import ImportRejectionAdmin, ImportRunAdmin
from segments.admin.segment import UserSegmentAdmin

__all__ = [
    "AgentUsageAdmin",
    "AidaUsageAdmin",
    "CertificateAdmin",
    "CourseAdmin",
    "CourseModuleAdmin",
    "CourseProgressAdmin",
    "DoctorAdmin",
    "ImportRejectionAdmin",
    "ImportRunAdmin",
    "SessionAdmin",
    "SessionRegistrationAdmin",
    "UserSegmentAdmin",
]
