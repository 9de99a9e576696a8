"""Django with its ORM and persistent connections, and Celery: what the gateway replaces, written with care.

gunicorn -k gthread --workers 2 --threads 8 tests.benchmarks.peers.django_celery:app
"""

import hashlib
import json
import os
import secrets
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import celery
import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import models, transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils import timezone

from gateway import signatures

database = urlsplit(os.environ["DATABASE_URL"])
settings.configure(
    SECRET_KEY="only-for-benchmarks",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": database.path[1:],
            "USER": database.username,
            "HOST": database.hostname,
            "PORT": database.port,
            "CONN_MAX_AGE": None,
            "OPTIONS": {"options": "-c search_path=referans,public"},
        }
    },
)
django.setup()
queue = celery.Celery("peer", broker=os.environ["REDIS_URL"])


class Order(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    product = models.TextField(db_column="productId")
    package = models.TextField(db_column="packageId")
    user = models.TextField(db_column="userIdentifier")
    quantity = models.IntegerField(default=1)
    provider = models.TextField(db_column="providerId")
    provider_referans = models.TextField()
    route_params = models.JSONField(db_column="routeParams")
    status = models.TextField()
    external_status = models.TextField(db_column="externalStatus")
    pin_code = models.TextField(db_column="pinCode", null=True)
    last_message = models.TextField(db_column="lastMessage", null=True)
    created_at = models.DateTimeField(db_column="createdAt", default=timezone.now)
    sent_at = models.DateTimeField(db_column="sentAt", null=True)
    completed_at = models.DateTimeField(db_column="completedAt", null=True)
    duration_ms = models.IntegerField(db_column="durationMs", null=True)
    last_callback_at = models.DateTimeField(db_column="lastCallbackAt", null=True)
    next_check_at = models.DateTimeField(db_column="nextCheckAt", null=True)

    class Meta:
        app_label = "peer"
        db_table = "product_orders"
        managed = False


class Callback(models.Model):
    provider_id = models.TextField()
    dedupe_key = models.TextField()
    received_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True)
    result = models.TextField()
    order_id = models.UUIDField(null=True)
    referans = models.TextField(null=True)
    status = models.TextField(null=True)
    message = models.TextField(null=True)
    raw = models.TextField(null=True)

    class Meta:
        app_label = "peer"
        db_table = "callback_events"
        managed = False


class Event(models.Model):
    order_id = models.UUIDField()
    at = models.DateTimeField(default=timezone.now)
    source = models.TextField()
    came_from = models.TextField(db_column="from", null=True)
    went_to = models.TextField(db_column="to", null=True)
    message = models.TextField(null=True)
    result = models.TextField(null=True)

    class Meta:
        app_label = "peer"
        db_table = "order_events"
        managed = False


class Provider(models.Model):
    id = models.TextField(primary_key=True)
    credentials = models.TextField()

    class Meta:
        app_label = "peer"
        db_table = "providers"
        managed = False


class Route(models.Model):
    product_id = models.TextField(primary_key=True)
    package_id = models.TextField()
    provider_id = models.TextField()
    position = models.IntegerField()
    params = models.JSONField()

    class Meta:
        app_label = "peer"
        db_table = "routes"
        managed = False


class ApiKey(models.Model):
    digest = models.TextField()
    name = models.TextField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "peer"
        db_table = "api_keys"
        managed = False


@queue.task
def send_order(order_id: str) -> None:
    """Where the old system calls the provider."""


def live(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def callback(request: HttpRequest, provider_id: str) -> JsonResponse:
    provider = Provider.objects.get(id=provider_id)
    secret = json.loads(provider.credentials)["callback_secret"]
    headers = {name.lower(): value for name, value in request.headers.items()}
    event_id = signatures.verify_standard_webhook([secret], headers, request.body, datetime.now(UTC))
    said = json.loads(request.body)
    now = timezone.now()
    with transaction.atomic():
        kept, new = Callback.objects.get_or_create(
            provider_id=provider_id,
            dedupe_key=f"id:{event_id}",
            defaults={
                "result": "applied",
                "referans": said["provider_referans"],
                "status": said["status"],
                "message": said.get("message"),
                "raw": request.body.decode(),
            },
        )
        if not new:
            return JsonResponse({"result": "duplicate"})
        order = (
            Order.objects.select_for_update()
            .filter(provider=provider_id, provider_referans=said["provider_referans"])
            .first()
        )
        if order is None:
            kept.result = "unmatched"
            kept.save(update_fields=["result"])
            return JsonResponse({"result": "unmatched"})
        before = order.external_status
        if before in ("completed", "failed"):
            return JsonResponse({"result": "duplicate"})
        order.external_status, order.status = said["status"], "approved"
        order.pin_code, order.last_message = said.get("pin_code"), said.get("message")
        order.completed_at, order.last_callback_at, order.next_check_at = now, now, None
        order.duration_ms = int((now - (order.sent_at or now)).total_seconds() * 1000)
        order.save(
            update_fields=[
                "external_status",
                "status",
                "pin_code",
                "last_message",
                "completed_at",
                "last_callback_at",
                "next_check_at",
                "duration_ms",
            ]
        )
        kept.order_id, kept.settled_at = order.id, now
        kept.save(update_fields=["order_id", "settled_at"])
        Event.objects.create(
            order_id=order.id,
            source="callback",
            came_from=before,
            went_to=said["status"],
            message=said.get("message"),
            result="applied",
        )
    return JsonResponse({"result": "applied"})


def create(request: HttpRequest) -> JsonResponse:
    key = request.headers.get("Authorization", "").removeprefix("Bearer ")
    known = ApiKey.objects.get(digest=hashlib.sha256(key.encode()).hexdigest(), revoked_at=None)
    given = json.loads(request.body)
    route = (
        Route.objects.filter(
            product_id__in=[given["productId"], "*"], package_id__in=[given["packageId"], "*"]
        )
        .order_by("position")
        .first()
    )
    with transaction.atomic():
        order = Order.objects.create(
            product=given["productId"],
            package=given["packageId"],
            user=given["userIdentifier"],
            provider=route.provider_id,
            provider_referans=str(10**17 + secrets.randbelow(9 * 10**17)),
            route_params=route.params,
            status="pending",
            external_status="not_sent",
            next_check_at=timezone.now() + timedelta(seconds=60),
        )
        Event.objects.create(
            order_id=order.id, source="api", went_to="not_sent", message=f"placed with key {known.name}"
        )
    send_order.delay(str(order.id))
    return JsonResponse({"id": str(order.id), "providerReferans": order.provider_referans}, status=201)


urlpatterns = [
    path("health/live", live),
    path("orders", create),
    path("callbacks/<str:provider_id>", callback),
]
app = get_wsgi_application()
