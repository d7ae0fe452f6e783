"""Signed calls as the providers make them, for the tests of webhooks."""

import base64
import hashlib
import hmac
import json
from urllib.parse import urlencode

from django.test import Client
from twilio.request_validator import RequestValidator

BASE = "https://go.example.com"
KEYS = {
    "twilio": ["twilio-new", "twilio-old"],
    "interakt": ["interakt-new", "interakt-old"],
    "sendgrid": [],
    "amazon_ses": ["reports:new", "reports:old"],
}
TWILIO = "/webhooks/twilio/"
INTERAKT = "/webhooks/interakt/"
SES = "/webhooks/anymail/amazon_ses/tracking/"
SENDGRID = "/webhooks/anymail/sendgrid/tracking/"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def twilio_signature(path, form, key="twilio-new", base=BASE):
    return RequestValidator(key).compute_signature(base + path, form)


def twilio(form, path=TWILIO, key="twilio-new", base=BASE, **extra):
    """Post a form, signed."""
    headers = {"X-Twilio-Signature": twilio_signature(path, form, key, base)}
    return Client().post(path, urlencode(form), FORM, headers=headers | extra.pop("headers", {}))


def status(sid, name, delivery=None, **more):
    """A status callback."""
    path = f"{TWILIO}?delivery={delivery}" if delivery else TWILIO
    form = {"MessageSid": sid, "MessageStatus": name, "To": "+919812345678", "From": "", **more}
    return twilio(form, path)


def says(number, text, sid="SM1", **more):
    """A message from a doctor."""
    form = {"MessageSid": sid, "From": number, "To": "whatsapp:+14155238886", "Body": text, **more}
    return twilio(form)


def interakt_signature(body, key="interakt-new"):
    return "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


def interakt(report, key="interakt-new", header="Interakt-Signature"):
    """Post a report, signed."""
    body = report if isinstance(report, bytes) else json.dumps(report).encode()
    return Client().post(INTERAKT, body, JSON, headers={header: interakt_signature(body, key)})


def interakt_report(kind, delivery=None, id_="ik-1", **message):
    """What Interakt says of a message that was sent by its API."""
    source = {"callback_data": str(delivery)} if delivery else {}
    return {
        "version": "1.0",
        "timestamp": "2026-03-04T06:31:00.000000",
        "type": kind,
        "data": {
            "customer": {"channel_phone_number": "919812345678", "traits": {"name": "Rao"}},
            "message": {
                "id": id_,
                "message": '{"template": "words"}',
                "meta_data": {"source": "PublicAPI", "source_data": source},
                **message,
            },
        },
    }


def ses(event, message_id="n-1", key="reports:new", kind="Notification", **headers):
    """Post a notification of SNS about a mail sent through SES."""
    notice = {
        "Type": kind,
        "MessageId": message_id,
        "TopicArn": "arn:aws:sns:ap-south-1:123456789012:ses",
        "Message": json.dumps(event),
        "Timestamp": "2026-03-04T06:31:00.000Z",
    }
    sent = {
        "x-amz-sns-message-type": kind,
        "x-amz-sns-message-id": message_id,
        "Authorization": "Basic " + base64.b64encode(key.encode()).decode(),
        **headers,
    }
    return Client().post(SES, json.dumps(notice), "text/plain", headers=sent)


def ses_event(kind, delivery_id, **more):
    """An event of SES's event publishing, with our delivery's id in its metadata."""
    metadata = json.dumps({"delivery_id": str(delivery_id)})
    mail = {
        "messageId": "ses-1",
        "destination": ["d1@example.com"],
        "headers": [{"name": "X-Metadata", "value": metadata}],
    }
    return {"eventType": kind, "mail": mail, **more}
