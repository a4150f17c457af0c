"""The API's description: what goes into openapi.json, and one page for people, without scripts or foreign parts."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from connectors.ingest import kiosk, sign_in_app
from connectors.ingest.hooks import DEFAULT_HEADER
from connectors.ingest.kiosk import KioskEventsIn
from connectors.ingest.model import RegisterIn
from connectors.ingest.problems import MEDIA_TYPE

__all__ = [
    "EXAMPLES",
    "KIOSK_EXAMPLES",
    "KIOSK_OPERATION",
    "REGISTER_OPERATION",
    "SIGN_IN_APP_OPERATION",
    "describe",
    "render",
]

_REF = "#/components/schemas/{model}"

#: Two registers, whole: the first of the day, and an amendment of one of its marks.
EXAMPLES: dict[str, dict[str, Any]] = {
    "register": {
        "summary": "A morning register",
        "value": {
            "submission_id": "0b8f7a52-6f0e-4a39-9a53-0a2d1c6a7f11",
            "urn": 123456,
            "group_id": "7A",
            "session_date": "2025-09-10",
            "session": "AM",
            "complete": True,
            "revision": 1,
            "submitted_at": "2025-09-10T08:55:03+01:00",
            "taken_by": "S012",
            "code_scheme": "national",
            "marks": [
                {"mis_id": "10443", "code": "/"},
                {"mis_id": "10444", "code": "L", "minutes_late": 12},
                {"mis_id": "10445", "code": "N"},
            ],
        },
    },
    "amendment": {
        "summary": "The same register an hour later: N becomes I",
        "value": {
            "submission_id": "7c1b2a9e-4f0d-4c53-8a7b-5d0f9f1e2c33",
            "urn": 123456,
            "group_id": "7A",
            "session_date": "2025-09-10",
            "session": "AM",
            "complete": False,
            "revision": 2,
            "submitted_at": "2025-09-10T10:02:11+01:00",
            "code_scheme": "national",
            "marks": [
                {
                    "mis_id": "10445",
                    "code": "I",
                    "amendment": {
                        "original_code": "N",
                        "reason_code": "PARENT-CALLED",
                        "staff_ref": "S012",
                        "staff_position": "attendance officer",
                        "evidence": "parent_message",
                        "amended_at": "2025-09-10T10:02:11+01:00",
                    },
                }
            ],
        },
    },
}

#: Status, when it is given, and what to do: the page and openapi.json both say it from here.
_REFUSALS: tuple[tuple[str, str, str], ...] = (
    ("400", "The body is not JSON.", "Mend it."),
    ("401", "No valid API key, or no valid signature of a webhook.", "Send `Authorization: Bearer <key>`."),
    ("403", "The key does not speak for that school.", "Ask for a key that names the URN."),
    ("413", "The request is too large.", "Send the group in parts, each with complete=false."),
    ("422", "A field is missing or wrong: named by JSON Pointer.", "Mend it; nothing was taken in."),
    ("503", "Kafka has not acknowledged in time.", "Wait `Retry-After` seconds and send the same again."),
)

#: A sign-in of a pupil by the MIS's id, and a sign-out of somebody the kiosk knows by an id of its own.
KIOSK_EXAMPLES: dict[str, dict[str, Any]] = {
    "kiosk": {
        "summary": "A pupil signs in, a visitor signs out",
        "value": {
            "events": [
                {
                    "idempotency_key": "k-20931",
                    "urn": 123456,
                    "mis_id": "10443",
                    "direction": "in",
                    "event_at": "2025-09-10T09:20:11+01:00",
                    "pushed_at": "2025-09-10T09:20:13+01:00",
                    "device": "front-desk-1",
                },
                {
                    "idempotency_key": "k-20932",
                    "urn": 123456,
                    "person_ref": "v-88",
                    "direction": "out",
                    "event_at": "2025-09-10T09:21:40+01:00",
                },
            ]
        },
    }
}

_PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details. Never quotes what was sent.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:rollcall:problem:invalid-register"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "examples": ["/marks/3/code"]},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}

_ACCEPTED_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["submission_id", "topic", "partition", "offset"],
    "properties": {
        "submission_id": {"type": "string", "format": "uuid"},
        "topic": {"type": "string", "examples": ["attendance.register.v1"]},
        "partition": {"type": "integer"},
        "offset": {"type": ["integer", "null"], "description": "null: Kafka has it, but no longer says where."},
        "warnings": {"type": "array", "items": {"type": "object"}},
    },
}

_TAKEN_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["taken", "topic"],
    "properties": {
        "taken": {"type": "integer", "description": "Events that Kafka has."},
        "topic": {"type": "string", "examples": [kiosk.TOPIC]},
        "warnings": {"type": "array", "items": {"type": "object"}},
    },
}


def _operation(model: str, examples: dict[str, Any], answer: str, *, signed: bool = False) -> dict[str, Any]:
    """What FastAPI cannot know of an endpoint, because its body is read by hand (for its size and for speed)."""
    named = {
        "parameters": [
            {"name": "webhook", "in": "query", "required": True, "schema": {"type": "string"},
             "description": "The webhook's id, as `rollcall ingest webhook add` gives it."},
        ],
        "security": [{"signature": []}],
    }  # fmt: skip
    return {
        **(named if signed else {"security": [{"key": []}]}),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": _REF.format(model=model)}, "examples": examples}},
        },
        "responses": {
            "202": {
                "description": "Kafka has it.",
                "content": {"application/json": {"schema": {"$ref": _REF.format(model=answer)}}},
            },
            **{
                status: {
                    "description": f"{when} {what_to_do}",
                    "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}},
                }
                for status, when, what_to_do in _REFUSALS
            },
        },
    }


REGISTER_OPERATION = _operation("RegisterIn", EXAMPLES, "Accepted")
KIOSK_OPERATION = _operation("KioskEventsIn", KIOSK_EXAMPLES, "Taken")
SIGN_IN_APP_OPERATION = _operation(
    "WebhookIn", {"sign-in": {"summary": "Somebody came", "value": sign_in_app.EXAMPLE}}, "Taken", signed=True
)


def describe(app: FastAPI) -> None:
    """Make `app.openapi()` tell the whole truth: our models, the key, the problems."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                routes=app.routes,
                separate_input_output_schemas=False,
            )
            components = document.setdefault("components", {})
            components["schemas"] = {
                **_models(),
                "Accepted": _ACCEPTED_SCHEMA,
                "Taken": _TAKEN_SCHEMA,
                "Problem": _PROBLEM_SCHEMA,
            }
            components["securitySchemes"] = {
                "key": {"type": "http", "scheme": "bearer"},
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": DEFAULT_HEADER,
                    "description": "HMAC-SHA256 of the body, hexadecimal; the header's name is set for each webhook.",
                },
            }
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _models() -> dict[str, Any]:
    """Our request bodies and what they are made of, by name."""
    found: dict[str, Any] = {}
    for model in (RegisterIn, KioskEventsIn, sign_in_app.WebhookIn):
        described = model.model_json_schema(ref_template=_REF)
        found |= {**described.pop("$defs", {}), model.__name__: described}
    return found


def render(document: dict[str, Any], base_url: str) -> str:
    """The page at /docs: how to send a register, every field, every refusal. base_url: as the reader called it."""
    schemas = document["components"]["schemas"]
    curl = (
        f"curl -sS {base_url}v1/registers \\\n  -H 'Authorization: Bearer rck_...' \\\n"
        f"  -H 'Content-Type: application/json' \\\n  -d @register.json"
    )
    parts = [
        f"<h1>{escape(document['info']['title'])}</h1>",
        "<p>Send one register with <code>POST /v1/registers</code>. It is answered with 202 once Kafka has "
        "acknowledged it; until then, send the same submission again: a repeat is harmless. Whether a pupil, a code or "
        "a date is known is judged later, and shown in the school's quarantine and data-quality reports.</p>",
        f"<pre>{escape(curl)}</pre>",
        *(
            f"<h2>{escape(example['summary'])}</h2><pre>{escape(json.dumps(example['value'], indent=2))}</pre>"
            for example in (*EXAMPLES.values(), *KIOSK_EXAMPLES.values())
        ),
        "<p>Sign-ins and sign-outs of a kiosk go to <code>POST /v1/kiosk-events</code>; behaviour platforms and AP "
        "providers send registers to <code>POST /v1/events</code>, in the same form; Sign In App calls "
        "<code>POST /v1/webhooks/sign-in-app?webhook=...</code>, signed.</p>",
        *(_fields(title, schemas[model]) for title, model in _TABLES),
        "<h2>Refusals</h2><p>Each is <code>application/problem+json</code> (RFC 9457).</p><table>"
        + "".join(f"<tr><th>{s}<td>{escape(w)}<td>{_code(d)}" for s, w, d in _REFUSALS)
        + "</table>",
        '<p>For machines: <a href="/openapi.json">openapi.json</a>. '
        '<a href="/readyz">Ready?</a> <a href="/metrics">Metrics</a></p>',
    ]
    return _FRAME.format(title=escape(document["info"]["title"]), body="\n".join(parts))


_TABLES = (
    ("The register", "RegisterIn"),
    ("Each of its marks", "MarkIn"),
    ("An amendment", "Amendment"),
    ("Each event of a kiosk", "KioskEventIn"),
)


def _fields(title: str, model: dict[str, Any]) -> str:
    required = set(model.get("required", []))
    rows = "".join(
        f"<tr><th><code>{escape(name)}</code><td>{'required' if name in required else 'may be left out'}"
        f"<td>{escape(_kind(field))}<td>{escape(field.get('description', ''))}"
        for name, field in model["properties"].items()
    )
    return f"<h2>{escape(title)}</h2><table>{rows}</table>"


def _kind(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_kind(one) for one in field["anyOf"] if one.get("type") != "null")
    if "enum" in field:
        return " or ".join(str(one) for one in field["enum"])
    if "$ref" in field:
        return "object"
    kind = str(field.get("format") or field.get("type", ""))
    if "maxLength" in field:
        kind += f", at most {field['maxLength']} characters"
    return kind


def _code(text: str) -> str:
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if odd % 2 else piece for odd, piece in enumerate(pieces))


_FRAME = """<!doctype html>
<html lang="en-GB"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #0b0c0c; }}
pre {{ background: #f3f2f1; padding: 1rem; overflow-x: auto; font-size: 14px; }}
table {{ border-collapse: collapse; }} th, td {{ text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0;
border-bottom: 1px solid #b1b4b6; }} th {{ font-weight: normal; white-space: nowrap; }}
</style>
{body}
</html>
"""
