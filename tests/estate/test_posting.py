"""Posting registers: until each is acknowledged, in each school's order, whatever the API does meanwhile."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from connectors.estate import posting
from connectors.estate.estate import Estate
from connectors.ingest.model import RegisterIn, to_record
from connectors.pupils import UpnKey
from rollcall.errors import SourceError

KEYS = {"classroom": "key-c", "tutor-app": "key-t"}


class IngestAPI:
    """Stands for the ingest API, with faults in it: `plan` gives the fault of the n-th request, '' for none."""

    def __init__(self) -> None:
        self.plan: dict[int, str] = {}
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[tuple[str, int]] = set()
        self.requests = 0
        self._lock = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with api._lock:
                    api.requests += 1
                    fault = api.plan.get(api.requests, "")
                    if fault in ("", "taken, not answered"):
                        api.keys.add((self.headers["Authorization"], body["urn"]))
                        api.bodies.append(body)
                        offset = len(api.bodies)
                if fault in ("no answer", "taken, not answered"):
                    self.close_connection = True
                    return
                said = json.dumps(
                    {"submission_id": body["submission_id"], "topic": "t", "partition": 0, "offset": offset}
                    if not fault
                    else {"title": "no"}
                ).encode()
                self.send_response(int(fault) if fault else 202)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def api() -> Iterator[IngestAPI]:
    running = IngestAPI()
    yield running
    running.close()


def test_each_submission_is_posted_in_its_schools_order(estate: Estate, api: IngestAPI) -> None:
    sent = asyncio.run(estate.play(api.url, KEYS))
    assert sent == len(estate.acknowledged) == len(api.bodies)
    planned, posted = defaultdict(list), defaultdict(list)
    for tick in estate.script.submissions:
        for one in tick:
            planned[one.urn].append((one.submission_id, one.revision, len(one.marks)))
    for body in api.bodies:
        posted[body["urn"]].append((body["submission_id"], body["revision"], len(body["marks"])))
    assert posted == planned
    sources = {school.urn: school.source for school in estate.schools}
    assert api.keys == {(f"Bearer {KEYS[sources[urn]]}", urn) for urn in posted}
    assert estate.played == set(estate.ticks)


def test_what_failed_unclearly_is_sent_again_and_may_arrive_twice(estate: Estate, api: IngestAPI) -> None:
    api.plan = {3: "503", 5: "no answer", 8: "taken, not answered", 9: "429", 12: "500"}
    sent = asyncio.run(estate.play(api.url, KEYS, ticks=[0]))
    taken = Counter(json.dumps(body, sort_keys=True) for body in api.bodies)
    expected = Counter(json.dumps(one.body(), sort_keys=True) for one in estate.script.submissions[0])
    assert sent == expected.total()
    assert taken.keys() == expected.keys()
    assert (taken - expected).total() == 1


def test_a_refusal_is_an_error_that_names_the_school_and_no_pupil(estate: Estate, api: IngestAPI) -> None:
    api.plan = dict.fromkeys(range(1, 50), "422")
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(estate.play(api.url, KEYS, ticks=[0]))
    assert caught.group_contains(SourceError, match=r"school 14\d{4} with status 422")


def test_a_submission_that_is_never_taken_is_given_up(
    estate: Estate, api: IngestAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "GIVE_UP_SECONDS", 0.3)
    api.plan = dict.fromkeys(range(1, 10_000), "503")
    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(estate.play(api.url, KEYS, ticks=[0]))
    assert caught.group_contains(SourceError, match="for minutes")


def test_what_is_posted_is_what_the_api_takes_and_makes_of_it(estate: Estate) -> None:
    """The JSON read by the API's own model gives the very record that the judge will look for."""
    key = UpnKey(b"a key that is only used in tests", "k1")
    for tick in estate.script.submissions:
        for one in tick:
            made = to_record(RegisterIn.model_validate_json(json.dumps(one.body())), one.source, key)
            wanted = one.record(key.reference)
            assert [mark["pupil_ref"] for mark in made["marks"]] == [mark["pupil_ref"] for mark in wanted["marks"]]
            assert made["submitted_at"] == wanted["submitted_at"].timestamp() * 1000
            assert len(made["amendments"]) == len(wanted["amendments"])
