"""The ingest API: senders post registers over HTTP, and each is on Kafka before it is answered with 202.

Follow a register: `app.create` (the request) -> `keys.KeyRing` (who sends) -> `model.RegisterIn` (what is said)
-> `model.to_record` (UPNs become keyed hashes) -> `connectors.encoding.Encoder` -> `connectors.publisher.Publisher`.
"""

from __future__ import annotations
