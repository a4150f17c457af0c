"""Whole runs of the pipeline, made of real processes: the demo's day, and the torture. Thin commands call these."""

from __future__ import annotations
