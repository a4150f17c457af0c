"""The publisher: a promise is kept when Kafka has the message, and broken with a reason when it has not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from connectors.publisher import KafkaAway, Publisher
from rollcall.errors import KafkaError
from tests.connectors.conftest import read

TOPIC = "attendance.register.v1"


def test_a_promise_tells_the_place_of_the_message(publisher: Publisher, kafka: str, urn: int) -> None:
    places = [publisher.publish(TOPIC, str(urn).encode(), b"%d" % number) for number in range(3)]
    first, second, third = (place.result(20) for place in places)
    assert first.topic == TOPIC
    assert first.partition == second.partition == third.partition
    assert first.offset is not None
    assert [second.offset, third.offset] == [first.offset + 1, first.offset + 2]
    assert read(kafka, TOPIC, str(urn)) == [b"0", b"1", b"2"]


def test_messages_of_one_school_keep_their_order_from_asyncio(publisher: Publisher, kafka: str, urn: int) -> None:
    values = [b"%d" % number for number in range(200)]

    async def all_at_once() -> None:
        await asyncio.gather(*(publisher.deliver(TOPIC, str(urn).encode(), value) for value in values))

    asyncio.run(all_at_once())
    assert read(kafka, TOPIC, str(urn)) == values


def test_the_partition_is_the_one_that_javas_partitioner_takes(publisher: Publisher, kafka: str) -> None:
    """murmur2 of "123456" modulo 12, as Kafka's own clients have it: whoever keys by URN meets the same partition."""
    assert publisher.publish(TOPIC, b"123456", b"x").result(20).partition == _murmur2(b"123456") % 12


def test_an_unknown_topic_is_named_with_what_to_do(publisher: Publisher) -> None:
    with pytest.raises(KafkaError, match="rollcall topics apply") as raised:
        publisher.publish("attendance.nowhere.v1", b"1", b"x").result(20)
    assert not isinstance(raised.value, KafkaAway)


def test_a_message_that_is_too_large_is_refused_at_once(publisher: Publisher) -> None:
    with pytest.raises(KafkaError, match="larger than") as raised:
        publisher.publish(TOPIC, b"1", b"x" * (5 * 1024 * 1024)).result(20)
    assert not isinstance(raised.value, KafkaAway)


def test_no_broker_at_all_breaks_the_promise_after_the_bound() -> None:
    with Publisher({"bootstrap.servers": "127.0.0.1:1"}, delivery_seconds=1) as nobody:
        with pytest.raises(KafkaAway):
            nobody.publish(TOPIC, b"1", b"x").result(20)
        assert "does not answer" in str(nobody.in_the_way(TOPIC, 0.5))


def test_a_full_queue_makes_the_caller_wait_and_then_says_so() -> None:
    with Publisher({"bootstrap.servers": "127.0.0.1:1"}, delivery_seconds=1.5, waiting_messages=2) as nobody:
        waiting = [nobody.publish(TOPIC, b"1", b"x") for _ in range(2)]
        assert nobody.waiting() == 2
        third = nobody.publish(TOPIC, b"1", b"x")  # waits for room; the first two time out and make it
        for promise in [*waiting, third]:
            with pytest.raises(KafkaAway):
                promise.result(20)


def test_closing_settles_what_waits() -> None:
    nobody = Publisher({"bootstrap.servers": "127.0.0.1:1"}, delivery_seconds=60)
    promise = nobody.publish(TOPIC, b"1", b"x")
    nobody.close(0.2)
    with pytest.raises(KafkaAway):
        promise.result(5)
    with pytest.raises(KafkaAway):
        nobody.publish(TOPIC, b"1", b"y").result(5)


def test_kafka_killed_and_back_loses_no_promise(mortal_stack: Any, urn: int) -> None:
    """What was promised before, during and after the outage is there, in order; nothing is promised that is not."""
    bootstrap = mortal_stack.up().kafka
    with Publisher({"bootstrap.servers": bootstrap}, delivery_seconds=60) as publisher:
        key = str(urn).encode()
        publisher.publish(TOPIC, key, b"before").result(30)
        mortal_stack.kill("kafka")
        during = publisher.publish(TOPIC, key, b"during")
        assert not during.done()
        mortal_stack.up()
        during.result(60)
        publisher.publish(TOPIC, key, b"after").result(30)
    assert read(bootstrap, TOPIC, str(urn)) == [b"before", b"during", b"after"]


def _murmur2(data: bytes) -> int:
    """Kafka's Utils.murmur2, made positive as its partitioner does."""
    m, h = 0x5BD1E995, (0x9747B28C ^ len(data)) & 0xFFFFFFFF
    whole = len(data) - len(data) % 4
    for start in range(0, whole, 4):
        k = int.from_bytes(data[start : start + 4], "little") * m & 0xFFFFFFFF
        k = (k ^ (k >> 24)) * m & 0xFFFFFFFF
        h = (h * m & 0xFFFFFFFF) ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & 0xFFFFFFFF
    h = (h ^ (h >> 13)) * m & 0xFFFFFFFF
    return (h ^ (h >> 15)) & 0x7FFFFFFF
