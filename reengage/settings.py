"""Settings, read from the environment; the README lists the variables."""

import contextlib
import re
import secrets
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy
from kombu.entity import Queue

from reengage import embedded
from reengage.sidebar import SIDEBAR

BASE_DIR = Path(__file__).resolve().parent.parent


def local_secret_key() -> str:
    """A random key of this checkout's own, made once; production sets SECRET_KEY instead."""
    path = BASE_DIR / ".data" / "secret_key"
    path.parent.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(secrets.token_urlsafe(50))
    return path.read_text()


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
SECRET_KEY: str = env.str("SECRET_KEY", default="" if PRODUCTION else local_secret_key())
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
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)


def database_after(url: str) -> str:
    """The next database of the same Redis: clearing the cache must not empty the broker's."""
    numbered = re.fullmatch(r"(.*(?:db=|[^/]/))(\d+)", url)
    if numbered:
        return f"{numbered[1]}{int(numbered[2]) + 1}"
    return f"{url}?db=1" if url.startswith("unix:") else f"{url.rstrip('/')}/1"


CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": env.str("CACHE_URL", default=database_after(REDIS_URL)),
        "KEY_PREFIX": "reengage",
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
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
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
if PRODUCTION:
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    if env.bool("BEHIND_PROXY", default=False):
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Celery ------------------------------------------------------------------------------
CELERY_BROKER_URL = embedded.celery_url(REDIS_URL)
CELERY_RESULT_BACKEND = CELERY_BROKER_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = TIME_ZONE
CELERY_ENABLE_UTC = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_QUEUES = [
    Queue(name, routing_key=name) for name in ("default", "whatsapp", "sms", "email")
]
CELERY_TASK_DEFAULT_ROUTING_KEY = CELERY_TASK_DEFAULT_QUEUE
CELERY_TASK_SOFT_TIME_LIMIT = 540
CELERY_TASK_TIME_LIMIT = 600
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600, "socket_timeout": 5}
CELERY_BEAT_SCHEDULER = "reengage.beat:Scheduler"
CELERY_BEAT_SYNC_EVERY = 1  # when a schedule last ran is written at once, and the admin shows it
CELERY_BEAT_MAX_LOOP_INTERVAL = 5  # a schedule edited in the admin is followed within seconds

# --- Messages ----------------------------------------------------------------------------
# Provider of each channel; `sandbox` keeps the message readable in the admin and sends nothing.
MESSAGE_PROVIDERS: dict[str, str] = {
    "whatsapp": env.str("WHATSAPP_PROVIDER", default="sandbox"),
    "sms": env.str("SMS_PROVIDER", default="sandbox"),
    "email": env.str("EMAIL_PROVIDER", default="sandbox"),
}
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
CONSENT_REQUIRED: frozenset[str] = frozenset(env.list("CONSENT_REQUIRED", default=["whatsapp"]))
STEP_EXPIRES_AFTER = timedelta(hours=48)
SEND_WINDOW_SIZE: int = env.int("SEND_WINDOW_SIZE", default=500)
SEND_LEASE = timedelta(seconds=90)
SUPPORT_EMAIL: str = env.str("SUPPORT_EMAIL", default="support@clirnet.example")
SUPPORT_PHONE: str = env.str("SUPPORT_PHONE", default="+91 22 0000 0000")
PLATFORM_BASE_URL: str = env.str("PLATFORM_BASE_URL", default="https://clirnet.example").rstrip("/")
SENDER_ADDRESS: str = env.str("SENDER_ADDRESS", default="CLIRNET, India")

# --- Logging: ids and counts only, never a doctor's name, phone, address or token -----------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
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
