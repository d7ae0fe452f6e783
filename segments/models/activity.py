"""What doctors do on the platform. Every table has a natural key: importing a file twice
changes nothing."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from segments.models.doctor import Doctor


class AidaUsage(models.Model):
    """One use of AiDA, the assistant for general medical questions."""

    doctor = models.ForeignKey(Doctor, on_delete=models.CASCADE, related_name="aida_usage")
    used_at = models.DateTimeField(db_index=True)
    specialty_area = models.CharField(
        max_length=100, blank=True, help_text="What the question was about, such as Cardiology."
    )

    class Meta:
        db_table = "aida_usage"
        verbose_name = "AiDA use"
        verbose_name_plural = "AiDA uses"
        constraints = [
            models.UniqueConstraint(fields=["doctor", "used_at"], name="aida_usage_natural_key")
        ]

    def __str__(self) -> str:
        return f"{self.doctor_id}, {self.used_at:%d %b %Y}"


class AgentUsage(models.Model):
    """One use of an AI agent."""

    doctor = models.ForeignKey(Doctor, on_delete=models.CASCADE, related_name="agent_usage")
    agent = models.CharField(max_length=100, help_text="Name, such as Diagnostic Support.")
    specialty_area = models.CharField(max_length=100, blank=True)
    used_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "agent_usage"
        verbose_name = "AI agent use"
        verbose_name_plural = "AI agent uses"
        constraints = [
            models.UniqueConstraint(
                fields=["doctor", "agent", "used_at"], name="agent_usage_natural_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.agent}, {self.used_at:%d %b %Y}"


class Course(models.Model):
    """A course made of modules."""

    external_id = models.CharField("CLIRNET id", max_length=64, unique=True)
    name = models.CharField(max_length=200)
    topic = models.CharField(max_length=200, blank=True, help_text="“Practical skills in …”.")
    clinical_area = models.CharField(max_length=200, blank=True)
    popular_module = models.CharField(
        max_length=200, blank=True, help_text="Number or name of the module that doctors praise."
    )
    instructor_name = models.CharField(max_length=200, blank=True)
    cpd_points = models.DecimalField(
        "CPD points", max_digits=5, decimal_places=1, null=True, blank=True
    )

    class Meta:
        db_table = "courses"

    def __str__(self) -> str:
        return self.name


class CourseModule(models.Model):
    """One module of a course; its number is its place."""

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="modules")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=200)
    duration_minutes = models.PositiveIntegerField()
    key_learnings = ArrayField(
        models.CharField(max_length=300), default=list, blank=True, help_text="Up to three."
    )

    class Meta:
        db_table = "course_modules"
        ordering = ["course", "number"]
        constraints = [
            models.UniqueConstraint(fields=["course", "number"], name="course_modules_natural_key")
        ]

    def __str__(self) -> str:
        return f"{self.number}. {self.name}"


class CourseProgress(models.Model):
    """How far a doctor is in a course."""

    doctor = models.ForeignKey(Doctor, on_delete=models.CASCADE, related_name="course_progress")
    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="progress")
    started_at = models.DateTimeField()
    completed_modules = models.PositiveIntegerField(default=0, help_text="The first n modules.")
    time_spent_minutes = models.PositiveIntegerField(default=0)
    last_accessed_at = models.DateTimeField()
    access_expires_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True, db_index=True)
    rating = models.PositiveSmallIntegerField(null=True, blank=True, help_text="1 to 5.")
    testimonial = models.CharField(max_length=500, blank=True)

    class Meta:
        db_table = "course_progress"
        verbose_name_plural = "course progress"
        constraints = [
            models.UniqueConstraint(
                fields=["doctor", "course"], name="course_progress_natural_key"
            ),
            models.CheckConstraint(
                condition=Q(rating__isnull=True) | Q(rating__range=(1, 5)),
                name="course_progress_rating_1_to_5",
            ),
        ]
        indexes = [
            # members() of incomplete_courses: started, not completed.
            models.Index(
                fields=["last_accessed_at"],
                name="idx_course_progress_open",
                condition=Q(completed_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.course}: {self.completed_modules} modules"


class Session(models.Model):
    """A live session with a recording afterwards."""

    external_id = models.CharField("CLIRNET id", max_length=64, unique=True)
    title = models.CharField(max_length=200)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(db_index=True)
    recording_expires_at = models.DateTimeField(null=True, blank=True)
    speaker_name = models.CharField(
        max_length=200, blank=True, help_text="Without “Dr.”: some texts write it themselves."
    )
    speaker_credentials = models.CharField(max_length=300, blank=True)
    topic = models.CharField(max_length=200, blank=True)
    topic_area = models.CharField(max_length=200, blank=True)
    cpd_points = models.DecimalField(
        "CPD points", max_digits=5, decimal_places=1, null=True, blank=True
    )
    key_points = ArrayField(models.CharField(max_length=300), default=list, blank=True)
    insight_titles = ArrayField(models.CharField(max_length=300), default=list, blank=True)
    insight_descriptions = ArrayField(models.CharField(max_length=1000), default=list, blank=True)
    popular_timestamps = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    popular_topics = ArrayField(models.CharField(max_length=300), default=list, blank=True)

    class Meta:
        db_table = "sessions"
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")),
                name="sessions_end_after_start",
                violation_error_message="A session ends after it starts.",
            )
        ]

    def __str__(self) -> str:
        return self.title


class SessionRegistration(models.Model):
    """A doctor's registration for a session, and what became of it."""

    doctor = models.ForeignKey(Doctor, on_delete=models.CASCADE, related_name="registrations")
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="registrations")
    registered_at = models.DateTimeField()
    attended_at = models.DateTimeField(null=True, blank=True)
    recording_viewed_at = models.DateTimeField(null=True, blank=True)
    rating = models.PositiveSmallIntegerField(null=True, blank=True, help_text="1 to 5.")

    class Meta:
        db_table = "session_registrations"
        constraints = [
            models.UniqueConstraint(
                fields=["doctor", "session"], name="session_registrations_natural_key"
            ),
            models.CheckConstraint(
                condition=Q(rating__isnull=True) | Q(rating__range=(1, 5)),
                name="session_registrations_rating_1_to_5",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.doctor_id}: {self.session}"


class Certificate(models.Model):
    """A certificate earned in a session or a course."""

    external_id = models.CharField("certificate id", max_length=64, unique=True)
    doctor = models.ForeignKey(Doctor, on_delete=models.CASCADE, related_name="certificates")
    session = models.ForeignKey(
        Session, on_delete=models.CASCADE, null=True, blank=True, related_name="certificates"
    )
    course = models.ForeignKey(
        Course, on_delete=models.CASCADE, null=True, blank=True, related_name="certificates"
    )
    issued_at = models.DateTimeField(db_index=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    downloaded_at = models.DateTimeField(null=True, blank=True)
    viewed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "certificates"
        constraints = [
            models.CheckConstraint(
                condition=Q(session__isnull=True) ^ Q(course__isnull=True),
                name="certificates_of_session_or_course",
                violation_error_message="A certificate is for a session or for a course.",
            )
        ]

    def __str__(self) -> str:
        return self.external_id
