"""Sending messages again: the stored bytes on their topic, with their key, and a header that says of what.

What is sent twice is counted once (streams/replays.py). So the note that a message was sent is written after Kafka has
it: killed in between, a second run sends it again, and no mark is counted again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client
from confluent_kafka import KafkaException, Producer

from rollcall import metrics
from rollcall.errors import KafkaError
from rollcall.failpoints import FailPoints
from rollcall.logging import quiet_librdkafka
from rollcall.settings import Settings
from schemas.topics import PRODUCER
from sinks.quarantine_trail import Chosen, note_sent, stored
from streams import replay_of
from streams.assignment import topics_by_name

__all__ = ["Again", "Sender", "Sent", "send"]

#: How long Kafka may take to acknowledge (s).
_PATIENCE_S = 30.0


class Again(NamedTuple):
    """A message as it was received, and what its header is to say."""

    topic: str
    key: bytes | None
    value: bytes | None
    replay: replay_of.Replay


class Sender:
    """Puts messages on their topics once more."""

    def __init__(self, settings: Settings) -> None:
        """Raises KafkaError when Kafka does not answer, or a mark topic is missing."""
        try:
            self._topics = topics_by_name(settings)
            self._producer = Producer(
                {
                    **settings.kafka.client_config(), **PRODUCER, "linger.ms": 5,
                    "delivery.timeout.ms": int(_PATIENCE_S * 1000),
                },
                logger=quiet_librdkafka(),
            )  # fmt: skip
        except KafkaException as error:
            raise KafkaError(f"replay: Kafka does not answer: {error.args[0].str()}") from error

    def send(self, some: Sequence[Again]) -> list[tuple[str, int, int]]:
        """Send them in the order given; (topic id, partition, offset) of each, when Kafka has acknowledged all.

        Raises KafkaError when it does not.
        """
        places: list[Any] = [None] * len(some)
        failures: list[str] = []

        def acknowledged(number: int) -> Callable[[Any, Any], None]:
            def told(error: Any, message: Any) -> None:
                if error is not None:
                    failures.append(error.str())
                else:
                    places[number] = (self._topics[message.topic()].uuid, message.partition(), message.offset())

            return told

        for number, one in enumerate(some):
            headers: list[Any] = list(replay_of.write(one.replay))
            while True:
                try:
                    self._producer.produce(
                        one.topic, key=one.key, value=one.value, headers=headers, on_delivery=acknowledged(number)
                    )
                    break
                except BufferError:
                    self._producer.poll(0.1)
                except KafkaException as error:
                    raise KafkaError(f"replay to {one.topic}: {error.args[0].str()}") from error
        left = self._producer.flush(_PATIENCE_S + 5)
        if failures or left:
            raise KafkaError(
                f"replay: Kafka did not take {len(failures) + left} messages ({(failures or ['no answer'])[0]})"
            )
        return places


@dataclass(slots=True)
class Sent:
    """What a run sent. `without_bytes`: messages whose bytes are gone; nothing can be sent of them."""

    run: str
    entries: int = 0
    messages: int = 0
    without_bytes: int = 0


def send(
    settings: Settings, client: Client, chosen: Sequence[Chosen], *, run: str, by: str, fail: FailPoints | None = None
) -> Sent:
    """Send entries of quarantine again, in the order given, and note it. Returns when Kafka has them all.

    Raises KafkaError when Kafka does not take them: those that were noted before are on their way, and the others may
    be too. Doing it again is harmless.
    """
    fail = fail or FailPoints("")
    sent = Sent(run)
    if not chosen:
        return sent
    sender = Sender(settings)
    for some in stored(client, chosen):
        fail.reach("replay.read")
        places = sender.send(
            [
                Again(
                    one.topic, key, value,
                    replay_of.Replay(one.topic_id, one.partition, one.offset, one.items, arrived_ms, run, by),
                )
                for one, key, value, arrived_ms in some
            ]
        )  # fmt: skip
        fail.reach("replay.sent")
        note_sent(client, list(zip((one.chosen for one in some), places, strict=True)), run, by)
        fail.reach("replay.noted")
        sent.messages += len(some)
        entries = sum(len(one.chosen.items) for one in some)
        sent.entries += entries
        metrics.REPLAYS_SENT.inc(entries)
    sent.without_bytes = len(chosen) - sent.messages
    return sent
