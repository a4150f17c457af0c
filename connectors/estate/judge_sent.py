"""The topics against what the estate sent and served, and what stands against what its script says must stand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors.estate.judge_ledger import Expected
from connectors.estate.makes import MAKES
from connectors.estate.marks import EVIDENCE
from connectors.estate.messages import PulledRecord, PupilRefs
from connectors.estate.schools import SOURCES
from connectors.estate.topic_log import Decoded, Logged
from connectors.estate.verdict import Finding

if TYPE_CHECKING:
    from connectors.estate.estate import Estate

__all__ = ["judge_sent", "judge_truth"]


def judge_sent(estate: Estate, decoded: Decoded, refs: PupilRefs) -> Finding:
    """Whether the topics hold what was sent and served: nothing lost at the edge, nothing changed, nothing invented.

    Evidence is not sent but concluded from what kiosks send: who plays kiosks compares it (`kiosks.Kiosks.evidence`).
    """
    finding = Finding(rows=len(decoded))
    poisoned = {(one.topic, one.partition, one.offset) for one in estate.poison}
    at = {message.arrival[:3]: record for message, record in decoded}
    sent: dict[str, list[dict[str, Any]]] = {}
    for tick in estate.played:
        for submission in estate.script.submissions[tick]:
            sent.setdefault(submission.submission_id, []).append(submission.record(refs))
    for put in estate.acknowledged:
        if put.offset is None:
            continue
        place = (put.topic, put.partition, put.offset)
        if at.get(place) != put.submission.record(refs):
            finding.add("lost", f"acknowledged at {place}, and something else stands there")
    last_seen: dict[tuple[int, str], str | None] = {}
    for message, record in decoded:
        if isinstance(record, str) or message.arrival[:3] in poisoned or message.arrival.topic == EVIDENCE:
            continue
        if record["source"] in SOURCES:
            if record not in sent.get(record["submission_id"], ()):
                finding.add("wrong", f"{message.arrival[:3]}: a register that was not sent so")
        else:
            _seen_page(estate, message, record, last_seen, finding)
    for urn, held in estate.records.items():
        for record_id, one in held.items():
            if one.served and last_seen.get((urn, record_id), "") != one.served[-1]:
                finding.add("lost", f"school {urn}: what was served last of a record is not on the topic")
    for poison in estate.poison:
        if (poison.topic, poison.partition, poison.offset) not in at:
            finding.add("lost", f"poison ({poison.kind})")
    return finding


def _seen_page(
    estate: Estate,
    message: Logged,
    record: Mapping[str, Any],
    last_seen: dict[tuple[int, str], str | None],
    finding: Finding,
) -> None:
    urn = record["urn"]
    held = estate.records.get(urn, {})
    school = estate.by_urn.get(urn)
    make = "" if school is None else school.make
    scheme = "" if school is None else school.pulled_scheme
    for mark in record["marks"]:
        one = held.get(mark["record_id"])
        last_seen[urn, mark["record_id"]] = mark["code"]
        if one is None or (record["source"], record["code_scheme"]) != (make, scheme) or not _served(make, one, mark):
            finding.add("wrong", f"{message.arrival[:3]}: a record that was not served so")
    for record_id in record["deletions"]:
        last_seen[urn, record_id] = None
        if record_id not in held or not held[record_id].been_gone:
            finding.add("wrong", f"{message.arrival[:3]}: a deletion of what is not gone")


def _served(make: str, one: PulledRecord, mark: Mapping[str, Any]) -> bool:
    """Whether a mark is what the school's MIS showed of the record at some time."""
    said = (mark["pupil_scheme"], mark["pupil_ref"], mark["session_date"], mark["session"], mark["period"])
    shown = (make, one.pupil_ref, one.session_date, one.session, one.period)
    times: set[datetime | None] = set(one.served_times) if MAKES[make].shows_modified else {None}
    if MAKES[make].also_undated:
        times.add(None)
    return said == shown and mark["code"] in one.served and mark["modified_at"] in times


def judge_truth(estate: Estate, expected: Expected) -> Finding:
    """Whether what must stand by the messages is what must stand by the script."""
    end = estate.script.end
    finding = Finding(rows=len(end))
    for key, code in end.items():
        current = expected.current.get(key)
        if current is None:
            finding.add("lost", f"school {key[0]}, {key[2]} {key[3]}: nothing stands")
        elif current.raw_code != code:
            finding.add("wrong", f"school {key[0]}, {key[2]} {key[3]}: another code stands")
    for extra in set(expected.current) - set(end):
        finding.add("duplicated", f"school {extra[0]}, {extra[2]} {extra[3]}: a mark stands that should not")
    return finding
