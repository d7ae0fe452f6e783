"""Where a link leads: fixed for a delivery before it is sent, and only to our own platform."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.conf import settings
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.text import slugify

SOURCE = "clirnet"


@lru_cache(maxsize=1024)
def visit_query(channel: str, campaign_name: str, step: int) -> str:
    """The UTM parameters of a step's visits, by which the platform's own statistics name them."""
    return urlencode(
        {
            "utm_source": SOURCE,
            "utm_medium": channel,
            "utm_campaign": slugify(campaign_name)[:80] or "campaign",
            "utm_content": f"step-{step}",
        }
    )


def with_query(url: str, query: str) -> str:
    """The address with `query` added; what it has of its own stays as it is, and wins."""
    if "?" not in url and "#" not in url:
        return f"{url}?{query}"
    parts = urlsplit(url)
    own = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    added = urlencode([(name, value) for name, value in parse_qsl(query) if name not in own])
    return parts._replace(query="&".join(filter(None, (parts.query, added)))).geturl()


def is_allowed(url: str) -> bool:
    """Whether a link may lead there: http or https, to a host of LINK_HOSTS, with no user name.

    Asked again with every hit, since the list may have become shorter.
    """
    if not url.isprintable() or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return False
    hosts = settings.LINK_HOSTS
    return parts.netloc.lower() in hosts and url_has_allowed_host_and_scheme(
        url.replace(parts.netloc, parts.netloc.lower(), 1), hosts
    )
