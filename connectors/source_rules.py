"""Publishing the rules between sources (rules 10 and 17): a document, whole, which replaces the one before it."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.encoding import Encoder
from connectors.publisher import Publisher
from rollcall.domain.clock import now, to_the_millisecond
from rollcall.domain.source_rules import KEY, SourceRule
from rollcall.settings import Settings

__all__ = ["TOPIC", "publish"]

TOPIC = "reference.source-rule.v1"


def publish(settings: Settings, rules: Sequence[SourceRule], *, author: str, reason: str) -> None:
    """Publish a document that was checked, and wait until Kafka has it. The reference loader brings it in force.

    `author` is a role or a staff reference, no name. Raises KafkaError, RegistryAway, SchemaError.
    """
    record = {
        "published_at": to_the_millisecond(now()),
        "author": author,
        "reason": reason,
        "rules": [{**rule._asdict(), "codes": list(rule.codes)} for rule in rules],
    }
    encoder = Encoder(settings.registry.url)
    with Publisher(settings.kafka.client_config(), client_id="rollcall-source-rules") as publisher:
        publisher.publish(TOPIC, KEY.encode(), encoder.encode(TOPIC, record)).result()
