"""Publishing how a session's mark follows from lessons at a school (rule 7): all that holds there, in one message."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.encoding import Encoder
from connectors.publisher import Publisher
from rollcall.domain.clock import now, to_the_millisecond
from rollcall.domain.lesson_rules import LessonRule, check
from rollcall.errors import UsageError
from rollcall.settings import Settings

__all__ = ["TOPIC", "publish"]

TOPIC = "reference.lesson-rule.v1"


def publish(settings: Settings, urn: int, rules: Sequence[LessonRule], *, author: str, reason: str) -> None:
    """Publish the rules of a school, none to withdraw them, and wait until Kafka has them.

    `author` is a role or a staff reference, no name. Raises UsageError, KafkaError, RegistryAway, SchemaError.
    """
    try:
        check(urn, rules)
    except ValueError as error:
        raise UsageError(str(error)) from None
    record = {
        "urn": urn,
        "published_at": to_the_millisecond(now()),
        "author": author,
        "reason": reason,
        "rules": [rule._asdict() for rule in rules],
    }
    encoder = Encoder(settings.registry.url)
    with Publisher(settings.kafka.client_config(), client_id="rollcall-lesson-rules") as publisher:
        publisher.publish(TOPIC, str(urn).encode(), encoder.encode(TOPIC, record)).result()
