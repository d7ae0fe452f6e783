"""Settings, read from the environment; the README lists the variables."""

import os
from datetime import time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy
from kombu.entity import Queue

from reengage import embedded
from reengage.environment import database_after, local_key, redis_timeouts
from reengage.sidebar import SIDEBAR

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

# --- Servers -----------------------------------------------------------------------------
# manage.py starts embedded servers where the two addresses are unset; other entry points
# (gunicorn, celery) use those that run.
_running = embedded.running_urls() or {}
DATABASE_URL: str = env.str("DATABASE_URL", default=_running.get("DATABASE_URL", ""))
REDIS_URL: str = env.str("REDIS_URL", default=_running.get("REDIS_URL", ""))
if not (DATABASE_URL and REDIS_URL):
    raise ImproperlyConfigured(
        "DATABASE_URL and REDIS_URL are not set and no embedded servers run. "
        "Set both, or start the embedded ones with `uv run manage.py demo`."
    )

DEBUG: bool = env.bool("DEBUG", default=False)
PRODUCTION: bool = env.bool("PRODUCTION", default=False)
SECRET_KEY: str = env.str(
    "SECRET_KEY", default="" if PRODUCTION else local_key(BASE_DIR, "secret_key")
)
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is not set. Set it to a long random text.")
PUBLIC_BASE_URL: str = env.str("PUBLIC_BASE_URL", default="http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# --- Application -------------------------------------------------------------------------
INSTALLED_APPS = [
    "reengage.apps.ReengageConfig",
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "import_export",
    "django_celery_beat",
    "segments.apps.SegmentsConfig",
    "messaging.apps.MessagingConfig",
    "campaigns.apps.CampaignsConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "reengage.trail.middleware",  # what is changed is put down to who changed it
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

LOGIN_REDIRECT_URL = "admin:index"
ROOT_URLCONF = "reengage.urls"
WSGI_APPLICATION = "reengage.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "reengage" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES: dict[str, dict[str, Any]] = {"default": env.db_url_config(DATABASE_URL)}
DATABASES["default"].update(
    CONN_MAX_AGE=60,
    CONN_HEALTH_CHECKS=True,
    ATOMIC_REQUESTS=False,
)
# A process that stops in the middle of a transaction (frozen, cut off) holds its doctors' locks
# for a minute at most, and a connection to nowhere is noticed.
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": 2,  # the least that the driver knows: nobody waits longer for a page
    "options": "-c idle_in_transaction_session_timeout=60s",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    **DATABASES["default"].get("OPTIONS", {}),
}


CACHE_URL: str = env.str("CACHE_URL", default=database_after(REDIS_URL))
CACHES = {
    "default": {
        "BACKEND": "reengage.cache.RedisCache",  # without Redis it is empty, and nobody waits
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": "reengage",
        "OPTIONS": redis_timeouts(CACHE_URL, 0.3),
    }
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# The strategy's index names are longer than Oracle's 30 characters; PostgreSQL takes 63.
SILENCED_SYSTEM_CHECKS = ["models.E034"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "Asia/Kolkata"  # of the admin, of daily figures and of the schedules
USE_I18N = True
FORMAT_MODULE_PATH = "reengage.formats"  # 3 Dec 2026, 14:30
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / ".data" / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # whitenoise looks there first
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
# Static files come straight from the applications, so that no collectstatic is needed.
WHITENOISE_USE_FINDERS = True
MEDIA_ROOT = BASE_DIR / ".data" / "media"

# --- Security ----------------------------------------------------------------------------
# Whether a proxy of ours stands before the web server: only then are the headers that say who asks
# (the last entry of X-Forwarded-For) and whether over TLS believed.
BEHIND_PROXY: bool = env.bool("BEHIND_PROXY", default=False)
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
if PRODUCTION:
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_REDIRECT_EXEMPT = ["^healthz$"]  # monitors ask from within
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    if BEHIND_PROXY:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Celery ------------------------------------------------------------------------------
# PostgreSQL is the queue and Redis the doorbell: a ring may get lost, since the next minute rings
# again and workers that hear none look for themselves (reengage/poll.py); nobody waits for Redis.
REDIS_PATIENCE = 1.0  # seconds for one answer of it, half of what a web request may wait
CELERY_BROKER_URL = embedded.celery_url(REDIS_URL)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    **redis_timeouts(REDIS_URL, REDIS_PATIENCE),
    "visibility_timeout": 300,  # a ring whose worker died before taking it is heard again
    "max_retries": 0,  # of connecting, in whoever publishes; workers have their own rule, below
}
CELERY_BROKER_CONNECTION_TIMEOUT = REDIS_PATIENCE
CELERY_BROKER_POOL_ACQUIRE_TIMEOUT = 0.5  # where every connection hangs in a frozen Redis
CELERY_BROKER_CONNECTION_RETRY = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever: a worker comes back alone
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # also after “out of memory” or “read-only replica”
CELERY_TASK_PUBLISH_RETRY = False  # whoever rings says so, goes on, and rings again later
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 0}  # where a caller asks for it all the same
# Results are kept for the few tasks that somebody waits for, who says so when calling them.
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_BACKEND = CELERY_BROKER_URL
CELERY_RESULT_EXPIRES = 3600
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {
    "retry_policy": {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
}
CELERY_REDIS_SOCKET_TIMEOUT = REDIS_PATIENCE / 2  # it is asked up to three times in a row
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = REDIS_PATIENCE / 2
CELERY_REDIS_SOCKET_KEEPALIVE = not REDIS_URL.startswith("unix:")
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = TIME_ZONE
CELERY_ENABLE_UTC = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_QUEUES = [
    Queue(name, routing_key=name) for name in ("default", "whatsapp", "sms", "email")
]
CELERY_TASK_DEFAULT_ROUTING_KEY = CELERY_TASK_DEFAULT_QUEUE
CELERY_TASK_ACKS_LATE = False  # a task whose worker died is not run again: its rows tell what to do
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_TASK_SOFT_TIME_LIMIT = 540  # of tasks over everybody; those that send have LANE_TIME_LIMIT
CELERY_TASK_TIME_LIMIT = 600
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True  # a ring stays in Redis until a child is free to hear it
CELERY_WORKER_ENABLE_PREFETCH_COUNT_REDUCTION = False  # nothing is held back to be fetched again
# Cuts only tasks that ack late, which would be heard again: when Redis blinks, lanes go on.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000  # a child is replaced after an hour or two
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 150_000  # KiB; looked at after each task
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "reengage.beat:Scheduler"
CELERY_BEAT_SYNC_EVERY = 1  # when a schedule last ran is written at once, and the admin shows it
CELERY_BEAT_MAX_LOOP_INTERVAL = 5  # a schedule edited in the admin is followed within seconds

# --- Messages ----------------------------------------------------------------------------
# Account of each channel, such as twilio or twilio:second (messaging/providers/account.py);
# `sandbox` keeps the message readable in the admin and sends nothing.
MESSAGE_PROVIDERS: dict[str, str] = {
    "whatsapp": env.str("WHATSAPP_PROVIDER", default="sandbox"),
    "sms": env.str("SMS_PROVIDER", default="sandbox"),
    "email": env.str("EMAIL_PROVIDER", default="sandbox"),
}
# What the accounts are set by, as far as it has no setting of its own below.
PROVIDER_VARIABLES: dict[str, str] = {
    name: value
    for name, value in os.environ.items()
    if name.startswith(("TWILIO_", "INTERAKT_", "SNS_", "SENDGRID_", "SES_", "SMTP_"))
}
# Whether an SMS goes out only as a text registered with India's operators (DLT): a route there
# rejects any other.
SMS_DLT_REQUIRED: bool = env.bool("SMS_DLT_REQUIRED", default=MESSAGE_PROVIDERS["sms"] != "sandbox")
TWILIO_ACCOUNT_SID: str = env.str("TWILIO_ACCOUNT_SID", default="")
TWILIO_AUTH_TOKEN: str = env.str("TWILIO_AUTH_TOKEN", default="")
# Where Twilio is asked about contents and their approval.
TWILIO_CONTENT_URL: str = env.str("TWILIO_CONTENT_URL", default="https://content.twilio.com")
# strategy, Message Frequency Caps: rolling windows over all channels, and one channel's interval.
CAP_PER_DAY: int = env.int("CAP_PER_DAY", default=2)
CAP_PER_WEEK: int = env.int("CAP_PER_WEEK", default=5)
CAP_CHANNEL_INTERVAL = timedelta(hours=env.int("CAP_CHANNEL_INTERVAL_HOURS", default=24))
# Local hours in which a channel may be used. India forbids promotional SMS outside 10:00-21:00.
SEND_HOURS: dict[str, tuple[time, time]] = {
    "whatsapp": (time(10), time(21)),
    "sms": (time(10), time(21)),
    "email": (time(8), time(21)),
}
# Channels on which a doctor must have given consent before the first message.
# WhatsApp's own rules ask for it, whatever is set here.
CONSENT_REQUIRED: frozenset[str] = frozenset(
    {"whatsapp", *env.list("CONSENT_REQUIRED", default=[])}
)
STEP_EXPIRES_AFTER = timedelta(hours=48)
# Whether a campaign is launched by somebody else than who made, changed or submitted it.
FOUR_EYES: bool = env.bool("FOUR_EYES", default=PRODUCTION)
SEND_WINDOW_SIZE: int = env.int("SEND_WINDOW_SIZE", default=1000)
# The times of a window, each shorter than the next: begun by, ended by, its task cut, taken away.
HAND_OFF_WITHIN = timedelta(seconds=10)  # of authorisation; what has not begun is given back
CALL_DEADLINE = timedelta(seconds=30)
LANE_TIME_LIMIT = timedelta(seconds=60)
SEND_LEASE = timedelta(seconds=90)
# Tasks that send at the same time on one channel, over all workers.
LANES_PER_CHANNEL: int = env.int("LANES_PER_CHANNEL", default=2)
# Signs of life of a worker or scheduler; a web process gives one in three times that.
HEARTBEAT_EVERY = timedelta(seconds=env.float("HEARTBEAT_SECONDS", default=10))
# A channel that nobody has sent on for so long is looked after by the workers themselves.
POLL_AFTER = timedelta(seconds=env.float("POLL_AFTER_SECONDS", default=90))
# smtp://user:password@host:port; smtps:// for TLS from the start, smtp+tls:// for STARTTLS.
SMTP_URL: str = env.str("SMTP_URL", default="smtp://127.0.0.1:25")
# E-mail to the team goes by the same server; without one it is only written to the log.
_mail = urlsplit(SMTP_URL)
EMAIL_BACKEND = "django.core.mail.backends." + (
    "smtp.EmailBackend" if "SMTP_URL" in os.environ else "console.EmailBackend"
)
EMAIL_HOST = _mail.hostname or ""
EMAIL_PORT = _mail.port or {"smtps": 465, "smtp+tls": 587}.get(_mail.scheme, 25)
EMAIL_HOST_USER = unquote(_mail.username or "")
EMAIL_HOST_PASSWORD = unquote(_mail.password or "")
EMAIL_USE_SSL = _mail.scheme == "smtps"
EMAIL_USE_TLS = _mail.scheme == "smtp+tls"
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL: str = env.str("DEFAULT_FROM_EMAIL", default="CLIRNET <news@clirnet.example>")
SUPPORT_EMAIL: str = env.str("SUPPORT_EMAIL", default="support@clirnet.example")
SUPPORT_PHONE: str = env.str("SUPPORT_PHONE", default="+91 22 0000 0000")
PLATFORM_BASE_URL: str = env.str("PLATFORM_BASE_URL", default="https://clirnet.example").rstrip("/")
# Where links in messages may lead, as they stand in an address: host, or host:port.
LINK_HOSTS: frozenset[str] = frozenset(
    host.lower() for host in env.list("LINK_HOSTS", default=[urlsplit(PLATFORM_BASE_URL).netloc])
)
# Header of our SMS as registered with India's operators (DLT), which stands in their links; empty:
# the links of SMS are those of other messages.
SMS_HEADER: str = env.str("SMS_HEADER", default="").upper()
# A hit that comes sooner after the message was authorised was made by a machine.
LINK_HUMAN_AFTER = timedelta(seconds=env.float("LINK_HUMAN_AFTER_SECONDS", default=2))
# An address that asks for so many links that are nobody's waits until the minute is over.
LINK_MISSES_PER_MINUTE: int = env.int("LINK_MISSES_PER_MINUTE", default=60)
# Keys that providers sign their reports with, comma-separated, two while they are being changed; a
# provider without one is shut out. Twilio signs with the auth token of the account.
WEBHOOK_KEYS: dict[str, list[str]] = {
    "twilio": [
        *env.list("TWILIO_WEBHOOK_KEYS", default=[]),
        *(
            value
            for name, value in PROVIDER_VARIABLES.items()
            if name.startswith("TWILIO_") and name.endswith("AUTH_TOKEN")
        ),
    ],
    "interakt": env.list("INTERAKT_WEBHOOK_KEYS", default=[]),
    "sendgrid": env.list("SENDGRID_WEBHOOK_KEYS", default=[]),  # its verification keys
    "amazon_ses": env.list("SES_WEBHOOK_KEYS", default=[]),  # user:password, sent by SNS
}
# What comes in while PostgreSQL is away is kept there, on a disk that the workers see, too.
SPOOL_DIR = Path(env.str("SPOOL_DIR", default=str(BASE_DIR / ".data" / "spool")))
SENDER_ADDRESS: str = env.str("SENDER_ADDRESS", default="CLIRNET, India")

# --- Privacy -----------------------------------------------------------------------------
# What people who asked to be erased are recognised by when a file brings them again, newest first.
# A former key stays at the end for as long as there are people who were erased with it.
ERASURE_KEYS: list[str] = env.list("ERASURE_KEY", default=[])
if not (ERASURE_KEYS or PRODUCTION):
    ERASURE_KEYS = [local_key(BASE_DIR, "erasure_key")]
if not ERASURE_KEYS:
    raise ImproperlyConfigured("ERASURE_KEY is not set. Set it to a long random text, and keep it.")
if PRODUCTION and DEBUG:
    raise ImproperlyConfigured("DEBUG shows visitors what is private: PRODUCTION forbids it.")
# What was said to doctors, and by them, is kept so long; counts and facts stay.
RETENTION: timedelta = timedelta(days=env.int("RETENTION_DAYS", default=400))
# Files that wait for their preview to be confirmed in the admin, in a folder of their own.
IMPORT_EXPORT_TMP_STORAGE_CLASS = "import_export.tmp_storages.MediaStorage"

# --- Logging: ids and counts only, never a doctor's name, phone, address or token -----------
# Whatever any of them is told to log, the formatter leaves out (messaging/privacy/logs.py).
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "messaging.privacy.logs.Discreet",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        # With handlers of their own, which know nothing of that.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
        "gunicorn.error": {"handlers": [], "propagate": True},
        "gunicorn.access": {"handlers": [], "propagate": True},
        "py.warnings": {"handlers": [], "propagate": True},
        # They write down what they send, names and all.
        **{
            name: {"level": "WARNING"}
            for name in ("botocore", "django.db.backends", "twilio", "urllib3")
        },
    },
}

# --- Admin theme -------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "CLIRNET re-engagement",
    "SITE_HEADER": "Re-engagement",
    "SITE_SUBHEADER": "CLIRNET",
    "SITE_SYMBOL": "campaign",
    "SITE_URL": reverse_lazy("admin:index"),
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "reengage.dashboard.context",
    "SIDEBAR": SIDEBAR,
}
