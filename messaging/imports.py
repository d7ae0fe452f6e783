"""Files of consent: who may be written to on which channel, since when, and by which words."""

from messaging.models import Channel, ConsentRecord
from segments.imports import values
from segments.imports.catalogue import doctor_id, moment, words
from segments.imports.kinds import Column, Kind, register
from segments.imports.resources import add_resource

CONSENTS = register(
    Kind(
        name="consents",
        model=ConsentRecord,
        label="Consents",
        key=("doctor_id", "channel", "recorded_at"),
        columns=(
            doctor_id(),
            Column(
                "channel",
                values.choice(Channel.values),
                f"One of {', '.join(Channel.values)}.",
                required=True,
            ),
            Column("is_given", values.YES_NO, "yes: given; no: withdrawn.", required=True),
            moment("recorded_at", "When the doctor said so.", required=True),
            Column(
                "source",
                words(ConsentRecord, "source"),
                "Such as: sign-up form, 2026 version.",
                required=True,
            ),
            Column(
                "text_shown", values.text(5000, lines=True), "The words that the doctor agreed to."
            ),
        ),
        run_field="import_run",
        changes_consent=True,
    )
)
add_resource(CONSENTS)
