"""Addresses that providers post to."""

from django.urls import path

from messaging.webhooks.interakt import InteraktWebhook
from messaging.webhooks.mail import SendGridWebhook, SesWebhook
from messaging.webhooks.twilio import TwilioWebhook

app_name = "webhooks"

urlpatterns = [
    path("twilio/", TwilioWebhook.as_view(), name="twilio"),
    path("interakt/", InteraktWebhook.as_view(), name="interakt"),
    path("anymail/sendgrid/tracking/", SendGridWebhook.as_view(), name="sendgrid"),
    path("anymail/amazon_ses/tracking/", SesWebhook.as_view(), name="amazon_ses"),
]
