"""Bromcom, a make of MIS with a Partner API of its own: entities, asked for with a filter.

Follow a mark: `client` (filters, pages) -> `connector.BromcomConnector.pull` -> `shape` (a record in our words) ->
`connectors.runner` (Kafka, cursor, and what a complete pull withdraws: Bromcom tells of no deletions). The roster:
`roster.pupil`. What was read where, and what is assumed: docs/connectors.md.
"""

from __future__ import annotations
