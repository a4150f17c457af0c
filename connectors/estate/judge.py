"""The judge: every table against what must be, known from the estate's truth and the messages on the topics alone.

    verdict = judge(estate, client, kafka_client, registry_url, refs)

It reads the mark topics back (their offsets are the order), decodes them with fastavro, lets the reference model say
what must become of every mark, and compares with mark_event, mark_assertion, mark_current, school_session, quarantine,
quarantine_message, register_receipt, ledger and crosswalk. Before that, whether the topics hold what the estate sent
(`sent`), and after it, whether what stands is what the estate knows must stand (`truth`): that needs all ticks played
and, for pulled schools, a pull after the last one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connectors.estate.judge_ledger import Expected
from connectors.estate.judge_sent import judge_sent, judge_truth
from connectors.estate.judge_tables import judge_tables
from connectors.estate.known import world_of
from connectors.estate.marks import EVIDENCE, Place
from connectors.estate.messages import PupilRefs
from connectors.estate.outcomes import ReferenceModel, feed
from connectors.estate.topic_log import Decoded, decode, read_topics
from connectors.estate.verdict import Verdict
from rollcall.domain.findings import names_of

if TYPE_CHECKING:
    from connectors.estate.estate import Estate

__all__ = ["expect", "judge"]


def judge(
    estate: Estate,
    client: Any,
    kafka: Mapping[str, Any],
    registry_url: str,
    refs: PupilRefs,
    *,
    group: str = "rollcall-worker",
    check_truth: bool = True,
    future_bound_seconds: int = 300,
) -> Verdict:
    """Compare everything. client: a clickhouse-connect client of the database. kafka: brokers and security. refs: keys
    the UPNs as the edge does. group: the worker's consumer group. check_truth: False when not everything was played.

    Raises KafkaError, RegistryAway, and what the client raises.
    """
    messages = read_topics(kafka)
    decoded = decode(messages, registry_url)
    expected, verdict = expect(estate, decoded, refs, future_bound_seconds * 1000)
    verdict.tables["sent"] = judge_sent(estate, [one for one in decoded if one[0].again is None], refs)
    if check_truth:
        verdict.tables["truth"] = judge_truth(estate, expected)
    verdict.tables |= judge_tables(estate, client, expected, group)
    return verdict


def expect(
    estate: Estate, decoded: Decoded, refs: PupilRefs, future_bound_ms: int = 300_000
) -> tuple[Expected, Verdict]:
    """What must be, from decoded messages in partition order; and its counts in a verdict without tables."""
    world = world_of(estate, refs)
    unheard = {
        Place(message.arrival.topic, message.again.partition, message.again.offset, item)
        for message, record in decoded
        if message.again is not None and not isinstance(record, str) and record["urn"] in world.late
        for item in message.again.items
    }
    model = ReferenceModel(world, future_bound_ms, unheard)
    feed(model, ((message.arrival, record, message.again) for message, record in decoded))
    expected = Expected(model, [message for message, _ in decoded], model.current())
    verdict = Verdict(messages=len(decoded), standing=len(expected.current))
    verdict.refused.update(record for _, record in decoded if isinstance(record, str))
    for place, outcome in model.outcomes.items():
        if place.item < 0:
            continue
        verdict.marks += 1
        verdict.evidence += place.topic == EVIDENCE
        verdict.accepted += outcome.outcome == "accepted"
        verdict.unchanged += outcome.outcome == "unchanged"
        verdict.superseded += outcome.superseded
        if outcome.outcome == "quarantined":
            verdict.quarantined[outcome.reason] += 1
        elif outcome.outcome == "accepted":
            verdict.exceptions.update(names_of(outcome.exceptions))
    return expected, verdict
