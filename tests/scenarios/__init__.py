"""Whole runs of the pipeline: the demo, and the torture."""

from __future__ import annotations
