"""The form of an A/B test: what is tested, and two to four variants of one step."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest

from campaigns.experiments.rules import (
    FEWEST,
    LETTERS,
    MOST,
    hour_of,
    template_of,
    variant_problems,
)
from campaigns.models import (
    CampaignMessage,
    Experiment,
    ExperimentKind,
    ExperimentMetric,
    ExperimentStatus,
    Variant,
)
from messaging.models import Channel, MessageTemplate
from reengage.admin_base import (
    InlineFormSet,
    ModelForm,
    TabularInline,
    TextInputWidget,
)

OWN = ("subject_line", "template", "send_from")  # what a variant may have of its own
CAN_CHANGE = ("campaigns.change_campaign", "campaigns.change_campaignmessage")  # both of them


class ExperimentForm(ModelForm[Experiment]):
    """What is tested on a step, which is settled before the form is opened."""

    step: CampaignMessage  # set by the admin

    class Meta:
        model = Experiment
        fields = ("name", "kind", "metric", "min_per_arm", "horizon_days", "auto_promote")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer what makes sense on the step's channel."""
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:  # noqa: SLF001  Django's own way to ask
            self.instance.step = self.step
            self.instance.campaign = self.step.campaign
        if "kind" not in self.fields:  # it is only looked at
            return
        channel = self.step.channel
        self.fields["kind"].choices = [  # type: ignore[attr-defined]  # a choice field
            choice
            for choice in ExperimentKind.choices
            if channel == Channel.EMAIL or choice[0] != ExperimentKind.SUBJECT
        ]
        self.fields["metric"].choices = [  # type: ignore[attr-defined]
            choice
            for choice in ExperimentMetric.choices
            if channel != Channel.SMS or choice[0] != ExperimentMetric.OPENED
        ]


class VariantForm(ModelForm[Variant]):
    """One variant. The first is the step as it is, and has nothing of its own."""

    is_saved_anyway = False

    class Meta:
        model = Variant
        fields = ("label", "weight", *OWN)

    def has_changed(self) -> bool:
        """A, as it stands, and a variant with another letter are saved, too."""
        return self.is_saved_anyway or super().has_changed()

    def clean(self) -> dict[str, Any] | None:
        """A text that is the step's is no text of its own."""
        cleaned = super().clean()
        if cleaned is None:
            cleaned = self.cleaned_data
        if cleaned.get("template") == self.instance.experiment.step.template:
            cleaned["template"] = None
        return cleaned


class VariantFormSet(InlineFormSet[Variant, Experiment, VariantForm]):
    """All variants of one experiment, lettered in their order."""

    step: CampaignMessage  # set by the inline

    def _construct_form(self, i: int, **kwargs: Any) -> VariantForm:
        form: VariantForm = super()._construct_form(i, **kwargs)  # type: ignore[misc]  # not in stubs
        form.instance.experiment = self.instance
        if i == 0:
            _as_it_is(form, self.step)
        elif label := form.fields.get("label"):
            needed = "" if i < FEWEST else ", if you need it"
            label.widget.attrs["placeholder"] = f"Variant {LETTERS[min(i, MOST - 1)]}{needed}"
        return form

    def clean(self) -> None:
        """Letter the variants, and say what is wrong with the comparison."""
        super().clean()
        if any(self.errors) or not self.forms or self.instance.step_id is None:
            return
        if self.forms[0] in self.deleted_forms:
            raise ValidationError("Variant A is what the others are compared with: keep it.")
        kept = [
            form
            for place, form in enumerate(self.forms)
            if form not in self.deleted_forms
            and (place < self.initial_form_count() or form.has_changed())
        ]
        for letter, form in zip(LETTERS, kept, strict=False):
            form.is_saved_anyway |= form.instance.letter != letter
            form.instance.letter = letter
        found = variant_problems(self.instance, self.step, [form.instance for form in kept])
        if found:
            raise ValidationError(found)


def _as_it_is(form: VariantForm, step: CampaignMessage) -> None:
    """Show what the step says, which nobody can change here: not by a forged form either."""
    form.is_saved_anyway = form.instance._state.adding  # noqa: SLF001
    form.initial.setdefault("label", "As it is now")
    now = Variant()
    said = {
        "subject_line": step.subject_line or step.template.subject_line or "",
        "send_from": f"{hour_of(now, step):%H:%M}",
    }
    for name in OWN:
        if field := form.fields.get(name):
            field.disabled = True
            field.widget.attrs["placeholder"] = said.get(name, "")
    if choice := form.fields.get("template"):
        choice.choices = [("", f"{template_of(now, step)} (the step's)")]  # type: ignore[attr-defined]


class VariantInline(TabularInline[Variant, Experiment]):
    """The variants; empty rows are ignored, so two to four can be written without JavaScript."""

    model = Variant
    form = VariantForm
    formset = VariantFormSet  # type: ignore[assignment]  # the stubs fix the form's type
    verbose_name = "variant"
    verbose_name_plural = (
        "variants: the first row is the step as it is (A); fill in what differs in the others"
    )
    fields = ("label", "weight", *OWN)
    ordering = ("letter",)
    max_num = MOST
    hide_title = True

    def get_extra(self, request: HttpRequest, obj: Experiment | None = None, **kwargs: Any) -> int:
        """Rows up to four."""
        return MOST - (obj.variants.count() if obj else 0)

    def get_formset(
        self, request: HttpRequest, obj: Experiment | None = None, **kwargs: Any
    ) -> Any:
        """For the step that is tested."""
        made = super().get_formset(request, obj, **kwargs)
        step = request.tested_step  # type: ignore[attr-defined]  # set by the admin
        return type(made.__name__, (made,), {"step": step})

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """A subject is one line; a template is made and edited on its own page."""
        if db_field.name == "subject_line":
            kwargs["widget"] = TextInputWidget()
        elif db_field.name == "send_from":  # the doctor's clock: no hint at the server's
            kwargs["widget"] = TextInputWidget(attrs={"type": "time"})
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "template" and field is not None:
            field.widget = getattr(field.widget, "widget", field.widget)
        return field

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Texts that could stand in the step's place."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "template" and field is not None:
            step = request.tested_step  # type: ignore[attr-defined]
            fitting = MessageTemplate.objects.filter(
                channel=step.channel, segment_type=step.campaign.segment_type
            ).order_by("sequence_order", "template_key")
            field.queryset = fitting
            field.choices = [
                ("", "The step's text"),
                *((t.template_key, str(t)) for t in fitting if t.pk != step.template.pk),
            ]
        return field

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever sees the experiment."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As has_change_permission."""
        return self.has_change_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Variants are written while the test is a draft."""
        is_draft = obj is None or obj.status == ExperimentStatus.DRAFT
        return request.user.has_perms(CAN_CHANGE) and is_draft

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As has_change_permission."""
        return self.has_change_permission(request, obj)


__all__ = ["CAN_CHANGE", "ExperimentForm", "VariantInline"]
