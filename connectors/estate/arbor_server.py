"""The MIS of pulled schools in the shape of Arbor's REST API, on loopback.

    GET /{school}/rest-v2/{kind, plural, with dashes}          links; page-size, page-number (from 0),
                                                               filters.recordDate.after, .before (exclusive)
    GET /{school}/rest-v2/{kind}/{id}                          one object, with what it links to, one level deep
    GET /{school}/rest-v2/{kind}/changelog?from-revision=      changes of records after a revision

Basic: the token, with `estate:` before it where it has no colon. The school in the path stands for its host. A record
that is gone is in no list, and in the change log. Pages are cut by number: what goes away while somebody pages moves
the rest up. A revision is the microsecond of a change.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from connectors.estate.arbor_shape import ROLL_CALLS, ArborObjects, Link
from connectors.estate.schools import School
from connectors.estate.server import Answer, EstateServer

if TYPE_CHECKING:
    from connectors.estate.estate import Estate
    from connectors.estate.messages import PulledRecord

__all__ = ["ArborServer"]

_PATH = re.compile(r"^/(?P<school>[a-z0-9-]+)/rest-v2/(?P<kind>[a-z_-]+)(?:/(?P<id>[A-Za-z0-9_.-]+))?$")
_RECORD, _LESSON = "AttendanceRollCallRecord", "AttendanceRecord"
_MOST_A_PAGE = 100
_NOT_FOUND: Answer = (404, {}, {"response": {"code": 404, "reason": "Not Found"}})


class ArborServer(EstateServer):
    """Arbor's shape over the estate's schools that are pulled from it."""

    make = "arbor"

    def __init__(self, estate: Estate, host: str, port: int, token: str) -> None:
        self.objects = ArborObjects(estate)
        super().__init__(estate, host, port, token if ":" in token else f"estate:{token}")
        self._lets_in = f"Basic {base64.b64encode(self.token.encode()).decode()}"

    @property
    def base_url(self) -> str:
        """http://host:port/{id}, where `{id}` stands for a school's id, as in the name of its host at Arbor."""
        return f"{self.origin}/{{id}}"

    def answer(self, path: str, query: dict[str, str], authorization: str) -> Answer:
        """What a request is answered. `path` begins with a school's id."""
        if authorization != self._lets_in:
            return 401, {}, {"response": {"code": 401, "reason": "Unauthorized"}}
        match = _PATH.match(path)
        school = None if match is None else self.schools.get(match["school"])
        if match is None or school is None:
            return _NOT_FOUND
        trouble = self.trouble(school.source_id)
        if trouble is not None:
            return trouble
        kind = next((one for one in (*self.objects.of(school), _RECORD, _LESSON) if _path(one) == match["kind"]), None)
        if kind is None:
            return _NOT_FOUND
        if match["id"] == "changelog":
            return self._changes(school, kind, int(query.get("from-revision", "0")))
        if match["id"] is not None:
            return self._one(school, kind, match["id"])
        return self._list(school, kind, query)

    def _list(self, school: School, kind: str, query: dict[str, str]) -> Answer:
        size = max(1, min(int(query.get("page-size", _MOST_A_PAGE)), _MOST_A_PAGE))
        start = int(query.get("page-number", "0")) * size
        with self.estate.lock:
            ids = list(self.objects.of(school).get(kind, {}))
            if kind == _RECORD:
                ids = [one.record_id for one in self._alive(school) if _passes(one, query)]
            repeats = 0 < start < len(ids) and self._random.random() < self.estate.dirt.page_repeats
        page = ids[start - 1 if repeats else start : start + size]
        links = [_link(Link(kind, one)) for one in page]
        return 200, {}, {"response": {"code": 200, "reason": "OK"}, f"{_root(kind)}s": links}

    def _one(self, school: School, kind: str, identifier: str) -> Answer:
        with self.estate.lock:
            if kind == _RECORD:
                held = self.estate.records.get(school.urn, {}).get(identifier)
                properties = None
                if held is not None and held.deleted_at is None and held.updated_at is not None:
                    held.served.append(held.code)
                    properties = self._properties(school, held)
            else:
                properties = self.objects.of(school).get(kind, {}).get(identifier)
        if properties is None:
            return _NOT_FOUND
        return 200, {}, {_root(kind): self._shown(school, Link(kind, identifier), properties, 1)}

    def _changes(self, school: School, kind: str, after: int) -> Answer:
        changes = []
        with self.estate.lock:
            for record in sorted(self._held(school) if kind == _RECORD else [], key=_revision):
                if _revision(record) <= after:
                    continue
                if record.deleted_at is not None and record.served:
                    # Nobody has to be told that a record is gone which nobody was shown.
                    record.served.append(None)
                changes.append(
                    {
                        "changedObject": _link(Link(kind, record.record_id)),
                        "changeType": "update" if record.deleted_at is None else "delete",
                        "fromRevision": _revision(record) - 1,
                        "toRevision": _revision(record),
                    }
                )
        return 200, {}, {"changes": changes}

    def _held(self, school: School) -> list[PulledRecord]:
        held = self.estate.records.get(school.urn, {}).values()
        return [one for one in held if one.updated_at is not None and one.period is None]

    def _alive(self, school: School) -> list[PulledRecord]:
        return [one for one in self._held(school) if one.deleted_at is None]

    def _properties(self, school: School, record: PulledRecord) -> dict[str, Any]:
        return {
            "attendanceRollCall": Link("AttendanceRollCall", ROLL_CALLS[record.session]),
            "recordDate": record.session_date.isoformat(),
            "student": Link("Student", record.pupil_ref),
            "attendanceMark": Link("AttendanceMark", self.objects.mark_id(school, record.code)),
            "minutesLate": None,
            "validationError": f"Remark-{record.sequence}" if record.sequence % 50 == 0 else None,
            "revisionId": _revision(record),
        }

    def _shown(self, school: School, link: Link, properties: dict[str, Any], levels: int) -> dict[str, Any]:
        shown = {**_link(link), "displayName": f"Forename-{link.id}", "revisionId": 1}
        for name, value in properties.items():
            if isinstance(value, Link):
                there = self.objects.of(school).get(value.kind, {}).get(value.id) if levels else None
                value = _link(value) if there is None else self._shown(school, value, there, levels - 1)
            shown[name] = value
        return shown


def _revision(record: PulledRecord) -> int:
    changed = record.deleted_at or record.updated_at
    assert changed is not None
    return int(changed.timestamp()) * 1_000_000 + changed.microsecond


def _passes(record: PulledRecord, query: dict[str, str]) -> bool:
    day = record.session_date.isoformat()
    after, before = query.get("filters.recordDate.after", ""), query.get("filters.recordDate.before", "9")
    return after < day < before


def _path(kind: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"-\1", f"{kind}s").lower()


def _root(kind: str) -> str:
    return kind[:1].lower() + kind[1:]


def _link(link: Link) -> dict[str, str]:
    return {"entityType": link.kind, "href": f"/rest-v2/{_path(link.kind)}/{link.id}"}
