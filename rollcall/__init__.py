"""What every part shares: settings, logging, metrics, errors, domain words, the CLI and the embedded stack."""

from __future__ import annotations

__version__ = "0.1.0"
