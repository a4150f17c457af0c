"""The ingest API itself: `POST /v1/registers`, health, metrics and its documentation. It keeps no state of its own.

The walk of a request, each step ending it with its own status when it does not go on:
size (413) -> key (401) -> JSON (400) -> fields (422) -> school (403) -> Kafka (503) -> 202.

202 means: Kafka has acknowledged the register on every replica that must have it. A sender that gets anything else,
or nothing, sends the same submission again; a repeat is harmless, because downstream it is a repeat like any other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from connectors.encoding import Encoder, RegistryAway
from connectors.ingest import page
from connectors.ingest.keys import Key, KeyRing
from connectors.ingest.model import TOPIC, RegisterIn, ambiguous_times, to_record
from connectors.ingest.problems import Problem, problems_of
from connectors.publisher import KafkaAway, Publisher
from connectors.pupils import UpnKey
from rollcall import __version__, metrics
from rollcall.errors import KafkaError, SchemaError

__all__ = ["create"]

log = structlog.get_logger()

#: What a sender is told to wait before it tries again, when Kafka or the registry is away.
_RETRY_SECONDS = 5
#: So many registers may wait for Kafka at once; more are sent away, so that an outage does not fill the memory.
_WAITING_AT_MOST = 4_000


def create(publisher: Publisher, encoder: Encoder, keys: KeyRing, upn_key: UpnKey, *, max_body_bytes: int) -> FastAPI:
    """The application. `publisher` is closed by whoever made it.

    max_body_bytes: a larger request is refused with 413 before it is read to its end.
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
        summary="Registers from classroom systems, on Kafka before they are answered.",
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

    @app.post("/v1/registers", status_code=202, openapi_extra=page.REGISTER_OPERATION, response_class=Response)
    async def post_register(request: Request) -> Response:
        """Send one register. Answered with 202 once Kafka has acknowledged it; send it again until then."""
        began = time.perf_counter()
        status = "500"
        try:
            answer = await _take_in(request)
            status = str(answer.status_code)
            return answer
        except Problem as problem:
            status = str(problem.status)
            log.info("register_refused", status=problem.status, problem=problem.kind)
            raise
        finally:
            metrics.INGEST_REQUESTS.labels(status=status).inc()
            metrics.INGEST_REQUEST_SECONDS.observe(time.perf_counter() - began)

    async def _take_in(request: Request) -> Response:
        key = _authenticate(request, keys)
        body = await _read(request, max_body_bytes)
        register = _parse(body)
        if not key.may_send_for(register.urn):
            raise Problem(
                403,
                "not-your-school",
                "This key does not speak for that school",
                "Ask for a key that names the URN.",
                errors=[{"pointer": "/urn", "detail": "not a school of this key"}],
            )
        if publisher.waiting() > _WAITING_AT_MOST:
            raise _away("Too many registers wait for Kafka already")
        try:
            if not encoder.knows_ids:
                await asyncio.to_thread(encoder.ready)
            value = encoder.encode(TOPIC, to_record(register, key.source, upn_key))
            place = await publisher.deliver(TOPIC, str(register.urn).encode("ascii"), value)
        except RegistryAway:
            raise _away("The schema registry does not answer") from None
        except SchemaError as error:
            log.error("schemas_missing", exc_info=error)
            raise _away("The schemas are not registered") from None
        except KafkaAway:
            raise _away("Kafka has not acknowledged the register in time") from None
        except KafkaError as error:
            log.error("kafka_refuses", exc_info=error)
            raise _away("Kafka refuses the register") from None
        answer: dict[str, Any] = {
            "submission_id": str(register.submission_id),
            "topic": place.topic,
            "partition": place.partition,
            "offset": place.offset,
        }
        warnings = ambiguous_times(register)
        if warnings:
            answer["warnings"] = [
                {"pointer": one, "detail": "this hour came twice; the earlier was taken: send an offset"}
                for one in warnings
            ]
        return Response(orjson.dumps(answer), 202, media_type="application/json")

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, bool]:
        return {"alive": True}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        in_the_way: dict[str, str] = {}
        kafka = await asyncio.to_thread(publisher.in_the_way, TOPIC)
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


def _authenticate(request: Request, keys: KeyRing) -> Key:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    key = keys.holder(token.strip()) if kind.lower() == "bearer" else None
    if key is None:
        raise Problem(
            401,
            "no-valid-key",
            "No valid API key",
            "Send `Authorization: Bearer <key>`; a key is made by `rollcall ingest key add`.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return key


async def _read(request: Request, max_body_bytes: int) -> bytes:
    too_large = Problem(
        413,
        "too-large",
        "The register is too large",
        f"At most {max_body_bytes:,} bytes are taken: send the group in parts, each with complete=false.",
        headers={"Connection": "close"},
    )
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_body_bytes:
        raise too_large
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > max_body_bytes:
            raise too_large
        parts.append(part)
    return b"".join(parts)


def _parse(body: bytes) -> RegisterIn:
    try:
        return RegisterIn.model_validate_json(body)
    except ValidationError as error:
        errors = problems_of(error)
        if error.errors(include_url=False, include_context=False, include_input=False)[0]["type"] == "json_invalid":
            raise Problem(400, "not-json", "The body is not JSON", "Send one JSON object, UTF-8.") from None
        raise Problem(
            422,
            "invalid-register",
            "The register cannot be read",
            f"{len(errors)} field(s) are wrong; nothing was taken in.",
            errors=errors,
        ) from None


def _away(title: str) -> Problem:
    return Problem(
        503,
        "try-again",
        title,
        "Whether it was taken in is not known: send the same submission again, a repeat is harmless.",
        headers={"Retry-After": str(_RETRY_SECONDS)},
    )
