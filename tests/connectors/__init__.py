"""Tests of the connectors: what reaches Kafka, what is told to senders, what is remembered."""

from __future__ import annotations
