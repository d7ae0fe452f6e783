"""Calls to AWS: boto3 makes up, signs and reads them, and http.py carries them.

boto3 would call by itself, up to three times after a lost answer, and would not say whether a call
was written. Its `before-send` event hands us the signed call instead; nothing is retried, and every
wait ends by the window's deadline like those of the other providers. It is imported by processes
that need it only: that takes half a second and 30 MB.
"""

from __future__ import annotations

import threading
from email.message import Message
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from messaging.providers.account import Account, Variable
from messaging.providers.base import Receipt
from messaging.providers.codes import Table
from messaging.providers.http import FOR_NOW, refusal
from messaging.providers.http_line import Request
from messaging.providers.sockets import CONNECT_SECONDS, words

REGION = Variable("REGION", "the AWS region", "ap-south-1")
ACCESS_KEY_ID = Variable("ACCESS_KEY_ID", "an IAM key; empty: the machine's own role", "")
SECRET_ACCESS_KEY = Variable("SECRET_ACCESS_KEY", "the IAM key's secret", "")
ENDPOINT_URL = Variable("ENDPOINT_URL", "where calls go; empty: AWS", "")
VARIABLES = (REGION, ACCESS_KEY_ID, SECRET_ACCESS_KEY, ENDPOINT_URL)

ASK_SECONDS = 8.0
_creating = threading.Lock()  # boto3's default session is not safe to share


class _MadeUp(Exception):  # noqa: N818  no error: the call is ready
    """Ends boto3's work where it would begin to talk."""

    def __init__(self, request: Any) -> None:
        super().__init__("made up")
        self.request = request


class Service:
    """One AWS service, as an account calls it. Safe to use from threads."""

    def __init__(self, name: str, account: Account) -> None:
        from botocore.parsers import create_parser  # noqa: PLC0415

        self.client = _new_client(name, account)
        self.client.meta.events.register("before-send", _hand_out)
        model = self.client.meta.service_model
        self._model = model
        self._parser = create_parser(model.resolved_protocol)

    def request(self, operation: str, **parameters: Any) -> Request:
        """The signed call; `operation` as boto3 names its method. Sends nothing.

        BotoCoreError: a parameter is wrong, or there are no credentials.
        """
        try:
            getattr(self.client, operation)(**parameters)
        except _MadeUp as made_up:
            return _request(made_up.request)
        raise RuntimeError("boto3 did not make up a call.")

    def read(self, operation: str, status: int, headers: Message, body: bytes) -> dict[str, Any]:
        """What the answer to such a call says, as boto3 gives it; errors under "Error"."""
        names = self.client.meta.method_to_api_mapping
        shape = self._model.operation_model(names[operation]).output_shape
        lower = {name.lower(): value for name, value in headers.items()}
        answer = {"status_code": status, "headers": lower, "body": body}
        parsed: dict[str, Any] = self._parser.parse(answer, shape)
        return parsed

    def refused(self, table: Table, operation: str, answer: tuple[int, Message, bytes]) -> Receipt:
        """The receipt of a 4xx, by the code in it."""
        status, headers, body = answer
        error = self.read(operation, status, headers, body).get("Error", {})
        code = error.get("Code")
        if status in FOR_NOW or not code or code == str(status):
            return refusal(status, body)
        return table.refused(code, error.get("Message", ""))


class UnansweredError(Exception):
    """AWS did not answer the question; why, in words. `code`: AWS's, where it refused."""

    def __init__(self, why: str, code: str = "") -> None:
        super().__init__(why)
        self.code = code


def ask(service: str, account: Account, operation: str, **parameters: Any) -> dict[str, Any]:
    """Put one question, by boto3's own means. UnansweredError: AWS refuses, or is not there."""
    from botocore.exceptions import (  # noqa: PLC0415
        BotoCoreError,
        ClientError,
        NoCredentialsError,
    )
    from botocore.parsers import ResponseParserError  # noqa: PLC0415

    try:
        told: dict[str, Any] = getattr(_new_client(service, account), operation)(**parameters)
    except ClientError as error:
        said = error.response.get("Error", {})
        code, message = words(str(said.get("Code", ""))), words(str(said.get("Message", "")))
        key = account.variable(ACCESS_KEY_ID.name)
        raise UnansweredError(
            f"{service.upper()} refuses {key}: {message} ({code}).", code
        ) from error
    except NoCredentialsError as error:
        names = " and ".join(map(account.variable, (ACCESS_KEY_ID.name, SECRET_ACCESS_KEY.name)))
        raise UnansweredError(f"Set {names}, or give this machine a role that may send.") from error
    except ResponseParserError as error:
        raise UnansweredError("AWS gave an answer that cannot be understood.") from error
    except BotoCoreError as error:
        raise UnansweredError(f"AWS cannot be asked: {words(str(error))}.") from error
    return told


def _new_client(service: str, account: Account) -> Any:
    """A boto3 client that calls once and does not wait for long.

    ImproperlyConfigured: key, region or address are none that boto3 takes.
    """
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    key, secret = account.get(ACCESS_KEY_ID), account.get(SECRET_ACCESS_KEY)
    if bool(key) != bool(secret):
        absent = SECRET_ACCESS_KEY if key else ACCESS_KEY_ID
        raise ImproperlyConfigured(f"{account.variable(absent.name)} is not set.")
    try:
        with _creating:
            session = boto3.session.Session()
            return session.client(
                service,
                region_name=account.get(REGION),
                aws_access_key_id=key or None,
                aws_secret_access_key=secret or None,
                endpoint_url=account.get(ENDPOINT_URL) or None,
                config=Config(
                    retries={"total_max_attempts": 1, "mode": "standard"},
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=ASK_SECONDS,
                ),
            )
    except (BotoCoreError, ValueError) as error:
        said = words(str(error)).rstrip(".")
        raise ImproperlyConfigured(f"{account.variable('*')} cannot be used: {said}.") from error


def _hand_out(request: Any, **_: Any) -> None:
    raise _MadeUp(request)


def _request(prepared: Any) -> Request:
    headers = {name: _text(value) for name, value in prepared.headers.items()}
    body = prepared.body or b""
    return Request(
        prepared.method, prepared.url, headers, body.encode() if isinstance(body, str) else body
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
