"""The ingest API itself: registers, kiosk events, webhooks, health, metrics, its page. It keeps no state of its own.

The walk of a request, each step ending it with its own status when it does not go on (connectors/ingest/steps.py):
key (401) -> size (413) -> JSON (400) -> fields (422) -> school (403) -> Kafka (503) -> 202. A webhook has no key: its
signature (401) is checked when its body is read, and how long ago it was pushed (422) before it is sent on.

202 means: Kafka has acknowledged all of it on every replica that must have it. A sender that gets anything else,
or nothing, sends the same submission again; a repeat is harmless, because downstream it is a repeat like any other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from connectors.encoding import Encoder, RegistryAway
from connectors.ingest import kiosk, page, sign_in_app
from connectors.ingest.hooks import HookRing
from connectors.ingest.keys import KeyRing
from connectors.ingest.kiosk import KioskEventsIn
from connectors.ingest.model import TOPIC, RegisterIn, ambiguous_times, to_record
from connectors.ingest.problems import Problem
from connectors.ingest.steps import (
    accepted,
    authenticate,
    away,
    parse,
    read_body,
    require_fresh,
    require_schools,
    require_site,
    signed,
)
from connectors.publisher import Delivery, KafkaAway, Publisher
from connectors.pupils import UpnKey
from rollcall import __version__, metrics
from rollcall.domain.clock import now
from rollcall.errors import KafkaError, SchemaError

__all__ = ["create"]

log = structlog.get_logger()

#: What a sender is told to wait before it tries again, when Kafka or the registry is away.
_RETRY_SECONDS = 5
#: So many registers may wait for Kafka at once; more are sent away, so that an outage does not fill the memory.
_WAITING_AT_MOST = 4_000


#: One endpoint: from the request to its answer, or a Problem.
Take = Callable[[Request], Awaitable[Response]]


def create(
    publisher: Publisher,
    encoder: Encoder,
    keys: KeyRing,
    upn_key: UpnKey,
    *,
    max_body_bytes: int,
    hooks: HookRing | None = None,
    webhook_max_age_seconds: int = 86_400,
) -> FastAPI:
    """The application. `publisher` is closed by whoever made it.

    max_body_bytes: a larger request is refused with 413 before it is read to its end. hooks: the webhooks that are
    taken, none when None. webhook_max_age_seconds: one that was pushed longer ago is refused.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            await asyncio.to_thread(encoder.ready)
        except (RegistryAway, SchemaError) as error:
            # Asked again by the first register, and by /readyz.
            log.warning("no_schema_ids_at_start", why=type(error).__name__)
        yield

    app = FastAPI(
        title="Rollcall ingest API",
        version=__version__,
        summary="Registers and kiosk events, on Kafka before they are answered.",
        docs_url=None,  # the stock pages load scripts from elsewhere; ours is one file
        redoc_url=None,
        lifespan=lifespan,
    )

    @app.exception_handler(Problem)
    async def refused(_request: Request, problem: Problem) -> Response:
        return problem.response()

    @app.exception_handler(HTTPException)
    async def not_found(_request: Request, error: HTTPException) -> Response:
        title = str(error.detail)
        return Problem(error.status_code, "http", title, f"{title}: see /docs", headers=error.headers).response()

    @app.exception_handler(Exception)
    async def our_fault(_request: Request, error: Exception) -> Response:
        log.error("ingest_failed", exc_info=error)
        return Problem(500, "internal", "Something is wrong here", "Nothing was taken in: send it again.").response()

    def counted(take_in: Take) -> Take:
        """The same, with its status and time in the metrics, and a refusal in the log."""

        async def answer(request: Request) -> Response:
            began = time.perf_counter()
            status = "500"
            try:
                taken = await take_in(request)
                status = str(taken.status_code)
                return taken
            except Problem as problem:
                status = str(problem.status)
                log.info("request_refused", path=request.url.path, status=problem.status, problem=problem.kind)
                raise
            finally:
                metrics.INGEST_REQUESTS.labels(status=status).inc()
                metrics.INGEST_REQUEST_SECONDS.observe(time.perf_counter() - began)

        return answer

    @app.post("/v1/registers", status_code=202, openapi_extra=page.REGISTER_OPERATION, response_class=Response)
    @app.post("/v1/events", status_code=202, openapi_extra=page.REGISTER_OPERATION, response_class=Response)
    async def post_register(request: Request) -> Response:
        """Send one register. Answered with 202 once Kafka has acknowledged it; send it again until then.

        `/v1/events` is the same contract for who is no classroom system (a behaviour platform, an AP provider): the key
        says which source speaks.
        """
        return await counted(take_register)(request)

    @app.post("/v1/kiosk-events", status_code=202, openapi_extra=page.KIOSK_OPERATION, response_class=Response)
    async def post_kiosk_events(request: Request) -> Response:
        """Send sign-ins and sign-outs of a kiosk. Answered with 202 once Kafka has acknowledged every one of them."""
        return await counted(take_kiosk_events)(request)

    @app.post(
        "/v1/webhooks/sign-in-app", status_code=202, openapi_extra=page.SIGN_IN_APP_OPERATION, response_class=Response
    )
    async def post_sign_in_app(request: Request) -> Response:
        """Sign In App's webhook. Signed with the secret of `?webhook=`; names and photographs are dropped here."""
        return await counted(take_sign_in_app)(request)

    async def take_register(request: Request) -> Response:
        key = authenticate(request, keys)
        register = parse(RegisterIn, await read_body(request, max_body_bytes), "register")
        require_schools(key, [("/urn", register.urn)])
        (place,) = await send(TOPIC, lambda: [(register.urn, to_record(register, key.source, upn_key))])
        return accepted(
            {
                "submission_id": str(register.submission_id),
                "topic": place.topic,
                "partition": place.partition,
                "offset": place.offset,
            },
            ambiguous_times(register),
        )

    async def take_kiosk_events(request: Request) -> Response:
        key = authenticate(request, keys)
        said = parse(KioskEventsIn, await read_body(request, max_body_bytes), "kiosk-events")
        require_schools(key, [(f"/events/{number}/urn", event.urn) for number, event in enumerate(said.events)])
        places = await send(
            kiosk.TOPIC, lambda: [(one["urn"], one) for one in kiosk.to_records(said, key.source, upn_key)]
        )
        return accepted({"taken": len(places), "topic": kiosk.TOPIC}, kiosk.ambiguous_times(said))

    async def take_sign_in_app(request: Request) -> Response:
        body = await read_body(request, max_body_bytes)
        hook = signed(request, body, hooks)
        webhook = parse(sign_in_app.WebhookIn, body, "webhook")
        urn = require_site(hook, str(webhook.site.id))
        require_fresh(sign_in_app.age_seconds(webhook, now()), webhook_max_age_seconds)
        await send(kiosk.TOPIC, lambda: [(urn, sign_in_app.to_record(webhook, hook, urn, upn_key))])
        return accepted({"taken": 1, "topic": kiosk.TOPIC})

    async def send(topic: str, records: Callable[[], list[tuple[int, dict[str, Any]]]]) -> list[Delivery]:
        """Put records under their URNs on a topic; returns when Kafka has acknowledged every one.

        Raises a 503 problem when it has not: some of them may be there, and sending all again is harmless.
        """
        if publisher.waiting() > _WAITING_AT_MOST:
            raise away("Too much waits for Kafka already", _RETRY_SECONDS)
        try:
            if not encoder.knows_ids:
                await asyncio.to_thread(encoder.ready)
            values = [(str(urn).encode("ascii"), encoder.encode(topic, one)) for urn, one in records()]
            deliveries = await asyncio.gather(
                *(publisher.deliver(topic, key, value) for key, value in values), return_exceptions=True
            )
            for failed in deliveries:
                if isinstance(failed, BaseException):
                    raise failed
            return [one for one in deliveries if not isinstance(one, BaseException)]
        except RegistryAway:
            raise away("The schema registry does not answer", _RETRY_SECONDS) from None
        except SchemaError as error:
            log.error("schemas_missing", exc_info=error)
            raise away("The schemas are not registered", _RETRY_SECONDS) from None
        except KafkaAway:
            raise away("Kafka has not acknowledged in time", _RETRY_SECONDS) from None
        except KafkaError as error:
            log.error("kafka_refuses", exc_info=error)
            raise away("Kafka refuses what was sent", _RETRY_SECONDS) from None

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, bool]:
        return {"alive": True}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        in_the_way: dict[str, str] = {}
        for topic in (TOPIC, kiosk.TOPIC):
            kafka = await asyncio.to_thread(publisher.in_the_way, topic)
            if kafka is not None:
                in_the_way["kafka"] = kafka
        try:
            await asyncio.to_thread(encoder.ready)
        except RegistryAway:
            in_the_way["registry"] = "does not answer"
        except SchemaError as error:
            in_the_way["registry"] = str(error)
        body = orjson.dumps({"ready": not in_the_way, "in_the_way": in_the_way})
        return Response(body, 503 if in_the_way else 200, media_type="application/json")

    @app.get("/metrics", include_in_schema=False)
    async def exposition() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(page.render(app.openapi(), str(request.base_url)))

    @app.get("/", include_in_schema=False)
    async def root() -> Response:
        return Response(status_code=307, headers={"Location": "/docs"})

    page.describe(app)
    return app
