"""Arbor, an MIS that shows every record as an object of its own, on the school's own host.

Follow a mark: `client` (lists, objects, change log) -> `connector.ArborConnector.pull` -> `shape.mark` (an object in
our words) -> `connectors.runner` (Kafka, cursor and place). The roster: `reading` (what is read once and then kept up)
and `roster.roster`. Register times and terms: `timetable`.
"""

from __future__ import annotations
