"""A MIS in Wonde's shape that serves a nation's day as fast as a page can be sent: every page is made before.

    python -m benchmarks.mis SCHOOLS SEED TOKEN

prints its base URL and serves until it is killed. A school's day is 600 session marks, in pages of 500. All were
changed before it began to serve: asked what changed since any later instant, or what was deleted, it says nothing.
"""

from __future__ import annotations

import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import numpy.typing as npt
import orjson

from benchmarks.encoding import CODES
from benchmarks.nation import PUPILS, REFS, SESSION_DATE, ref_strings

__all__ = ["PAGES", "codes_of", "school_id"]

#: About 92 % present, as in benchmarks/loads.py.
_SHARES = np.array([0.91, 0.0, 0.02, 0.035, 0.012, 0.005, 0.01, 0.008])
_PER_PAGE = 500
#: Pages of a school's day, and so messages.
PAGES = -(-2 * PUPILS // _PER_PAGE)
_PATH = re.compile(r"/v1\.0/schools/S(\d+)/([a-z\-/]+?)/?$")


def codes_of(schools: int, seed: int) -> npt.NDArray[np.uint8]:
    """Index into CODES of each school's marks: pupil by pupil, morning and afternoon."""
    rng = np.random.default_rng(seed)
    codes = rng.choice(len(_SHARES), (schools, 2 * PUPILS), p=_SHARES / _SHARES.sum()).astype(np.uint8)
    codes[:, 1::2][codes[:, 1::2] == 0] = 1
    return codes


def school_id(school: int) -> str:
    """What the MIS calls a school."""
    return f"S{school}"


def _pages(school: int, codes: npt.NDArray[np.uint8], origin: str) -> list[bytes]:
    day = {"date": f"{SESSION_DATE.isoformat()} 00:00:00.000000", "timezone_type": 3, "timezone": "Europe/London"}
    refs = ref_strings(school * PUPILS, PUPILS, REFS["mis"]).to_pylist()
    records = [
        {
            "id": f"A{school:05d}{place:04d}",
            "student": refs[place // 2],
            "employee": "A7",
            "session": "PM" if place % 2 else "AM",
            "date": day,
            "attendance_code": f"C{code}",
            "comment": None,
        }
        for place, code in enumerate(codes.tolist())
    ]
    pages = []
    for number in range(PAGES):
        more = number + 1 < PAGES
        link = f"{origin}/v1.0/schools/S{school}/attendance/session/?page={number + 2}&per_page={_PER_PAGE}"
        meta = {"pagination": {"next": link if more else None, "more": more}}
        pages.append(orjson.dumps({"data": records[number * _PER_PAGE : (number + 1) * _PER_PAGE], "meta": meta}))
    return pages


def _serve(schools: int, seed: int, token: str) -> None:
    held: list[list[bytes]] = []
    ending: dict[str, Any] = {"meta": {"pagination": {"next": None, "more": False}}}
    codes = orjson.dumps(
        {"data": [{"id": f"C{number}", "code": chr(code)} for number, code in enumerate(CODES)], **ending}
    )
    nothing = orjson.dumps({"data": [], **ending})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            match = _PATH.fullmatch(address.path)
            status, body = 404, b"{}"
            if self.headers.get("Authorization") != f"Bearer {token}":
                status = 401
            elif match is not None and match[2] == "attendance-codes":
                status, body = 200, codes
            elif match is not None and match[2] == "attendance/session" and "updated_after=" not in address.query:
                status, body = 200, held[int(match[1])][int(parse_qs(address.query).get("page", ["1"])[0]) - 1]
            elif match is not None and match[2] in ("attendance/session", "attendance/lesson", "deletions"):
                status, body = 200, nothing
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    origin = f"http://127.0.0.1:{server.server_address[1]}"
    for school, marks in enumerate(codes_of(schools, seed)):
        held.append(_pages(school, marks, origin))
    print(f"{origin}/v1.0", flush=True)
    server.serve_forever(0.5)


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
