"""The tests, mirroring the folders they test."""

from __future__ import annotations
