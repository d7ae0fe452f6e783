"""What Amazon SNS tells of an SMS stands in a log, which a command reads."""

import json

import pytest
from django.core.management import CommandError, call_command

from messaging import reports
from messaging.models import MessageDelivery, ProviderEvent, Suppression
from tests.engine import NOW, enrolled, send_all

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivery():
    enrolled(days=(0,), channels=("sms",))
    send_all(NOW)
    MessageDelivery.objects.update(external_id="sns-1")
    return MessageDelivery.objects.get()


def line(status="SUCCESS", said="Message has been accepted by phone carrier", id_="sns-1"):
    return json.dumps(
        {
            "notification": {"messageId": id_, "timestamp": "2026-03-04 06:31:00.558"},
            "delivery": {
                "phoneCarrier": "My Carrier",
                "destination": "+919812345678",
                "providerResponse": said,
                "dwellTimeMs": 599,
            },
            "status": status,
        }
    )


def imported(tmp_path, capsys, *lines):
    path = tmp_path / "log"
    path.write_text("\n".join(lines))
    call_command("import_sns_log", str(path))
    reports.take(NOW)
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    "shape", ["{}", "2026-03-04T06:31:01.000Z {}", '{{"eventId": "1", "message": {quoted}}}']
)
def test_a_success_is_a_delivery_in_each_shape_and_once(delivery, tmp_path, capsys, shape):
    text = shape.format(line(), quoted=json.dumps(line()))
    told = [imported(tmp_path, capsys, text, "", text) for _ in range(2)]
    assert told == ["2 reports read, 1 of them new.", "2 reports read, 0 of them new."]
    delivery.refresh_from_db()
    assert delivery.status == "delivered"
    kept = str(ProviderEvent.objects.get().detail)
    assert "9812345678" not in kept
    assert "Carrier" not in kept


@pytest.mark.parametrize(
    ("said", "reason"), [("Invalid phone number", "invalid"), ("Something new", None)]
)
def test_a_failure_says_why_and_closes_the_channel_where_it_speaks_of_it(
    delivery, tmp_path, capsys, said, reason
):
    imported(tmp_path, capsys, line("FAILURE", said))
    delivery.refresh_from_db()
    assert (delivery.status, delivery.error_message) == ("failed", said)
    assert Suppression.objects.values_list("reason", flat=True).first() == reason


@pytest.mark.parametrize("text", ["x", "{}", "[]", "{", '{"status": "SUCCESS"}', line("MAYBE")])
def test_a_line_that_is_none_is_told_and_stops_no_other(delivery, tmp_path, capsys, text):
    with pytest.raises(CommandError, match="1 lines are no delivery status"):
        imported(tmp_path, capsys, text, line())
    assert ProviderEvent.objects.count() == 1


def test_a_file_that_is_not_there_is_told():
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_sns_log", "/nowhere")
