"""Topics on a real Kafka: made when missing, compared when there, never changed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner

from rollcall.cli.app import build
from schemas.topics import PARTITIONS, TOPICS, Topic, apply, of_kind


@pytest.fixture
def admin(stack: Any) -> AdminClient:
    return AdminClient({"bootstrap.servers": stack.kafka})


@pytest.fixture
def mine(admin: AdminClient) -> Iterator[list[Topic]]:
    """Two topics of this test's own, one of each kind; gone afterwards."""
    tag = uuid.uuid4().hex[:8]
    topics = [
        Topic(f"attendance.test-{tag}", "URN", "attendance", 3),
        Topic(f"reference.test-{tag}", "URN", "reference", 3),
    ]
    yield topics
    for future in admin.delete_topics([topic.name for topic in topics]).values():
        future.exception()


def test_a_dry_run_says_what_is_missing_and_makes_nothing(admin: AdminClient, mine: list[Topic]) -> None:
    for _ in range(2):
        assert [(one.topic, one.what) for one in apply(admin, dry_run=True, topics=mine)] == [
            (topic.name, "missing") for topic in mine
        ]


def test_what_is_missing_is_made_and_then_nothing_differs(admin: AdminClient, mine: list[Topic]) -> None:
    assert len(apply(admin, topics=mine)) == 2
    assert apply(admin, topics=mine) == []
    made = admin.list_topics(timeout=10).topics
    assert [len(made[topic.name].partitions) for topic in mine] == [3, 3]


def test_what_differs_is_said_and_left_as_it_is(admin: AdminClient, mine: list[Topic]) -> None:
    apply(admin, topics=mine)
    other = [Topic(mine[0].name, "URN", "reference", 6), Topic(mine[1].name, "URN", "reference", 3)]
    expected = {
        (mine[0].name, "partitions", "3", "6"),
        (mine[0].name, "cleanup.policy", "delete", "compact"),
        (mine[0].name, "max.compaction.lag.ms", "9223372036854775807", "604800000"),
    }
    assert set(apply(admin, topics=other)) == expected
    assert set(apply(admin, topics=other)) == expected
    assert apply(admin, topics=mine) == []


def test_another_retention_is_a_difference_of_marks_topics_only(admin: AdminClient, mine: list[Topic]) -> None:
    apply(admin, topics=mine, retention_days=14)
    (one,) = apply(admin, topics=mine, retention_days=1.5)
    assert (one.topic, one.what, one.wanted) == (mine[0].name, "retention.ms", "129600000")
    assert one.found in str(one)


def test_marks_and_facts_expire_and_reference_data_is_compacted() -> None:
    assert all(topic.partitions == PARTITIONS for topic in TOPICS)
    assert of_kind("attendance") == ("attendance.register.v1", "attendance.mis.v1", "attendance.evidence.v1")
    assert of_kind("fact") == ("attendance.kiosk.v1", "attendance.alert.v1", "connector.pull-request.v1")
    assert len(of_kind("reference")) == 9
    for topic in TOPICS:
        assert topic.config()["cleanup.policy"] == ("compact" if topic.kind == "reference" else "delete")
        assert topic.config()["max.message.bytes"] == "4194304"


def test_the_command_makes_them_and_says_what_differs(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_KAFKA__BOOTSTRAP", stack.kafka)
    runner = CliRunner()
    assert runner.invoke(build(), ["topics", "apply"]).exit_code == 0
    again = runner.invoke(build(), ["topics", "apply", "--json"])
    assert (again.exit_code, json.loads(again.output)) == (0, {"created": [], "differences": []})
    other = runner.invoke(build(), ["topics", "apply", "--dry-run", "--retention-days", "3"])
    assert other.exit_code == 1
    assert "attendance.register.v1: retention.ms is 1209600000, should be 259200000" in other.output
