"""Plots as SVG within a page: a line of rates by week, and stacked bars. Each tells in words what it shows.

Colours differ from white and from each other by 3:1 and more, and shape or pattern says the same once more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

__all__ = ["bars", "line"]

_WIDTH, _HEIGHT = 720, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 16, 44
_DARK, _LIGHT = "#1d4f91", "#b35900"


def line(name: str, title: str, labels: Sequence[str], values: Sequence[float | None], shown: Sequence[str]) -> str:
    """Percentages as points joined by a line; None leaves a gap. The axis begins where the lowest needs it. `shown`:
    what stands at each point."""
    told = [value for value in values if value is not None]
    at = _Axis(max(0.0, min(told, default=0.0) - 1), 100, len(values))
    parts, run = at.frame(labels), list[str]()
    for place, value in enumerate([*values, None]):
        if value is not None:
            run.append(f"{at.x(place):.1f},{at.y(value):.1f}")
            continue
        parts.append(f'<polyline points="{" ".join(run)}" fill="none" stroke="{_DARK}" stroke-width="2"/>')
        run = []
    for place, value in enumerate(values):
        if value is not None:
            x, y = at.x(place), at.y(value)
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{_DARK}"/>')
            parts.append(f'<text x="{x:.1f}" y="{y - 9:.1f}" text-anchor="middle">{escape(shown[place])}</text>')
    points = zip(labels, values, strict=True)
    words = "; ".join(f"{label}: {'none' if value is None else f'{value:.2f} %'}" for label, value in points)
    return _svg(name, title, words, parts)


def bars(
    name: str, title: str, labels: Sequence[str], parts_of: Sequence[tuple[str, Sequence[float | None]]],
    shown: Sequence[str],
) -> str:  # fmt: skip
    """Two percentages stacked upon each other: the lower plain, the upper striped. The axis begins at 0.
    `shown`: what stands above each."""
    (lower, lower_values), (upper, upper_values) = parts_of
    pairs = [(low or 0.0, high or 0.0) for low, high in zip(lower_values, upper_values, strict=True)]
    at = _Axis(0, 1.1 * max(low + high for low, high in pairs), len(labels))
    stripes = f"{name}-stripes"
    drawn = [
        f'<defs><pattern id="{stripes}" width="6" height="6" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(45)"><rect width="6" height="6" fill="#fff"/>'
        f'<rect width="3" height="6" fill="{_LIGHT}"/></pattern></defs>',
        *at.frame(labels),
    ]
    width = min(36.0, 0.6 * at.step)
    for place, (low, high) in enumerate(pairs):
        x, middle, top = at.x(place) - width / 2, at.y(low), at.y(low + high)
        drawn += [
            f'<rect x="{x:.1f}" y="{middle:.1f}" width="{width:.1f}" height="{at.y(0) - middle:.1f}" fill="{_DARK}"/>',
            f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{middle - top:.1f}" fill="url(#{stripes})" '
            f'stroke="{_LIGHT}"/>',
            f'<text x="{at.x(place):.1f}" y="{top - 6:.1f}" text-anchor="middle">{escape(shown[place])}</text>',
        ]
    for place, (said, fill) in enumerate(((lower, _DARK), (upper, f"url(#{stripes})"))):
        x = _LEFT + 8 + 150 * place
        drawn.append(
            f'<rect x="{x}" y="2" width="12" height="12" fill="{fill}" stroke="{_LIGHT if place else _DARK}"/>'
        )
        drawn.append(f'<text x="{x + 18}" y="12">{escape(said)}</text>')
    told = zip(labels, pairs, strict=True)
    words = "; ".join(f"{label}: {lower} {low:.2f} %, {upper} {high:.2f} %" for label, (low, high) in told)
    return _svg(name, title, words, drawn)


class _Axis:
    """Where a value and a place are drawn, on an axis of at most six whole ticks that holds `least` and `most`."""

    def __init__(self, least: float, most: float, places: int) -> None:
        tick = next(one for one in (1, 2, 5, 10, 20, 25) if most - least <= 5 * one)
        self._least, self._tick = tick * math.floor(least / tick), tick
        self._most = tick * max(math.ceil(most / tick), 1)
        self.step = (_WIDTH - _LEFT - _RIGHT) / max(1, places)

    def x(self, place: int) -> float:
        return _LEFT + self.step * (place + 0.5)

    def y(self, value: float) -> float:
        share = (value - self._least) / (self._most - self._least)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP - 14)

    def frame(self, labels: Sequence[str]) -> list[str]:
        """Lines across with their percentages, and the labels below: every second, third, ... where they are many."""
        drawn = []
        for value in range(self._least, self._most + 1, self._tick):
            y = self.y(value)
            drawn.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d0d0d0"/>')
            drawn.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value} %</text>')
        every = math.ceil(56 / self.step)
        for place, label in enumerate(labels):
            if place % every == 0:
                text = f'<text x="{self.x(place):.1f}" y="{_HEIGHT - _BOTTOM + 20}" text-anchor="middle">'
                drawn.append(f"{text}{escape(label)}</text>")
        return drawn


def _svg(name: str, title: str, words: str, parts: Sequence[str]) -> str:
    return (
        f'<svg role="img" aria-labelledby="{name}-title {name}-words" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'xmlns="http://www.w3.org/2000/svg"><title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-words">{escape(words)}</desc>{"".join(parts)}</svg>'
    )
