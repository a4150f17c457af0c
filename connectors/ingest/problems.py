"""Errors as problem details (RFC 9457, `application/problem+json`), each naming the field by JSON Pointer (RFC 6901).

A problem never quotes what was sent: it may be a pupil's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import Response
from pydantic import ValidationError

__all__ = ["MEDIA_TYPE", "Problem", "pointer", "problems_of"]

MEDIA_TYPE = "application/problem+json"
#: So many fields are named; a register of 10,000 wrong marks says the same thing 10,000 times.
_NAMED_AT_MOST = 20


class Problem(Exception):  # noqa: N818 - the RFC's own word
    """A request that is refused: becomes the answer of that status.

    kind: the last part of the problem's type, e.g. 'invalid-register'. errors: {'pointer', 'detail'} each.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The answer."""
        body: dict[str, Any] = {
            "type": f"urn:rollcall:problem:{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [dict(error) for error in self.errors]
        return Response(orjson.dumps(body), self.status, self.headers, media_type=MEDIA_TYPE)


def pointer(location: Sequence[int | str]) -> str:
    """JSON Pointer of a place: ('marks', 3, 'code') is /marks/3/code; the whole document is the empty string."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def problems_of(error: ValidationError) -> list[dict[str, str]]:
    """What is wrong, field by field, without what was sent."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    named = [
        {"pointer": pointer(one["loc"]), "detail": _in_plain_words(one["type"], one["msg"])}
        for one in found[:_NAMED_AT_MOST]
    ]
    if len(found) > _NAMED_AT_MOST:
        named.append({"pointer": "", "detail": f"and {len(found) - _NAMED_AT_MOST} more"})
    return named


def _in_plain_words(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "no such field: names and comments are not taken in"
    if kind == "missing":
        return "this field is required"
    return message.removeprefix("Value error, ")
