"""A campaign's steps, edited on the campaign's page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest

from campaigns.models import Campaign, CampaignMessage, CampaignStatus
from campaigns.revise import UNDER_WAY
from messaging.models import MessageTemplate
from reengage.admin_base import (
    InlineFormSet,
    ModelForm,
    NumberWidget,
    TabularInline,
    TextInputWidget,
    display,
)

# A new step without a place goes to the end; `StepFormSet` numbers them afterwards.
LAST = 32_000


class StepForm(ModelForm[CampaignMessage]):
    """One step. The template says on which channel it goes."""

    sequence_order = forms.IntegerField(required=False, widget=forms.HiddenInput)
    place_if_new: int  # set by the formset: after all others, in the order of the page

    class Meta:
        model = CampaignMessage
        fields = ("sequence_order", "delay_days", "template", "subject_line", "send_from")

    def clean(self) -> dict[str, Any] | None:
        """Take the channel from the template; put a step without a place last."""
        cleaned = super().clean()
        if cleaned is None:
            cleaned = self.cleaned_data
        if cleaned.get("sequence_order") is None:
            cleaned["sequence_order"] = self.place_if_new
        if template := cleaned.get("template"):
            self._keep_channel(template)
            self.instance.channel = template.channel
        return cleaned

    def _keep_channel(self, template: MessageTemplate) -> None:
        """Refuse another channel where messages of the step wait for, or went over, the old one."""
        step = self.instance
        if step.channel and step.channel != template.channel and step.deliveries.exists():
            self.add_error(
                "template",
                f"Messages of this step go over {step.get_channel_display()} already. "
                f"Delete the step and add one for {template.get_channel_display()}.",
            )

    def validate_constraints(self) -> None:
        """Leave places to the formset: two steps that change places are no error."""


class StepFormSet(InlineFormSet[CampaignMessage, Campaign, StepForm]):
    """All steps of one campaign; saving numbers them 1, 2, 3, …"""

    def _construct_form(self, i: int, **kwargs: Any) -> StepForm:
        form: StepForm = super()._construct_form(i, **kwargs)  # type: ignore[misc]  # not in stubs
        form.instance.campaign = self.instance
        form.place_if_new = LAST + i
        return form

    def save(self, commit: bool = True) -> list[CampaignMessage]:  # noqa: FBT001, FBT002  Django's
        """Save the steps, then close the gaps in their numbers."""
        saved: list[CampaignMessage] = super().save(commit=commit)
        if commit:
            renumber(self.instance)
        return saved


def renumber(campaign: Campaign) -> None:
    """Number the steps from 1 in their order; the database checks places at commit."""
    steps = list(campaign.steps.order_by("sequence_order", "delay_days", "pk"))
    for place, step in enumerate(steps, start=1):
        step.sequence_order = place
    CampaignMessage.objects.bulk_update(steps, ["sequence_order"])


class StepInline(TabularInline[CampaignMessage, Campaign]):
    """The sequence: a table, of whose fields a script makes the grid of sequence.py.

    Without the script the table stands; dragging a row changes its place.
    """

    model = CampaignMessage
    form = StepForm
    formset = StepFormSet  # type: ignore[assignment]  # the stubs fix the form's type
    verbose_name_plural = "sequence"
    template_before = "campaigns/sequence/grid.html"
    fields = (
        "delay_days",
        "template",
        "channel_name",
        "subject_line",
        "send_from",
        "sequence_order",
    )
    readonly_fields = ("channel_name",)
    ordering = ("sequence_order",)
    ordering_field = "sequence_order"
    hide_ordering_field = True
    hide_title = True

    @display(description="channel")
    def channel_name(self, step: CampaignMessage) -> str:
        """The template's channel."""
        return step.get_channel_display() if step.channel else "from the template"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[CampaignMessage]:
        """With the templates: each row names its own."""
        return super().get_queryset(request).select_related("template", "campaign")

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer the templates of the campaign's segment, grouped by channel."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "template" and field is not None:
            campaign = getattr(request, "edited_campaign", None)
            templates = MessageTemplate.objects.order_by("channel", "sequence_order")
            if campaign:
                templates = templates.filter(segment_type=campaign.segment_type)
            field.queryset = templates
            # Looked up once for all rows, not once for each.
            field.choices = _grouped(templates)
        return field

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """A subject is one line, a day a short number, an hour what a browser offers for it."""
        if db_field.name == "subject_line":
            kwargs["widget"] = TextInputWidget()
        elif db_field.name == "delay_days":
            kwargs["widget"] = NumberWidget(attrs={"style": "width: 5rem"})
        elif db_field.name == "send_from":
            kwargs["widget"] = forms.TimeInput(format="%H:%M", attrs={"type": "time"})
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "template" and field is not None:
            # No buttons beside it: a template is made and edited on its own page.
            field.widget = getattr(field.widget, "widget", field.widget)
        return field

    def get_formset(
        self, request: HttpRequest, obj: Campaign | None = None, **kwargs: Any
    ) -> type[Any]:
        """Where doctors are under way, what a step has sent does not keep it from being removed.

        There it is taken out of use, and its messages stay (campaigns/revise.py).
        """
        made: type[Any] = super().get_formset(request, obj, **kwargs)
        is_under_way = obj is not None and obj.status in UNDER_WAY
        made.form = _kept(made.form) if is_under_way else _telling(made.form)
        return made

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Until it is over; what that does to doctors under way is asked first (revision.py)."""
        return super().has_change_permission(request, obj) and _is_editable(obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Until it is over; what that does to doctors under way is asked first (revision.py)."""
        return super().has_add_permission(request, obj) and _is_editable(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Until it is over; what that does to doctors under way is asked first (revision.py)."""
        return super().has_delete_permission(request, obj) and _is_editable(obj)


def _kept(form: type[Any]) -> type[Any]:
    """The form of a step whose row stays when it is removed: Django need not look what hangs on."""

    class KeptForm(form):  # type: ignore[misc]  # made by Django
        def hand_clean_DELETE(self) -> None:  # noqa: N802  Django's
            """Nothing is deleted."""

    return KeptForm


def _telling(form: type[Any]) -> type[Any]:
    """The form of a step that says itself why it can't be deleted, not its formset alone."""

    class TellingForm(form):  # type: ignore[misc]  # made by Django
        def hand_clean_DELETE(self) -> None:  # noqa: N802  Django's
            """Refuse as Django does."""
            try:
                super().hand_clean_DELETE()
            except ValidationError as error:
                if not self.non_field_errors():  # asked more than once
                    self.add_error(None, error)
                raise

    return TellingForm


def _is_editable(campaign: Campaign | None) -> bool:
    return campaign is None or campaign.status != CampaignStatus.COMPLETED


def _grouped(templates: models.QuerySet[MessageTemplate]) -> list[tuple[str, Any]]:
    """Choices by channel: "E-mail" -> "2. Case Study"."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for template in templates:
        name = template.title or template.template_key
        entry = (template.template_key, f"{template.sequence_order}. {name}")
        groups.setdefault(template.get_channel_display(), []).append(entry)
    return [("", "Choose a template"), *groups.items()]
