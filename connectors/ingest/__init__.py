"""The ingest API: registers and kiosk events over HTTP, each on Kafka before it is answered with 202.

Follow a register: `app.create` (the request) -> `keys.KeyRing` (who sends) -> `model.RegisterIn` (what is said)
-> `model.to_record` (UPNs become keyed hashes) -> `connectors.encoding.Encoder` -> `connectors.publisher.Publisher`.
Kiosk events go the same way through `kiosk`; a webhook of Sign In App is proved by
`hooks` and read by `sign_in_app`.
"""

from __future__ import annotations
