"""A school's page as one HTML file: no script and nothing from elsewhere, for a browser, a reader and the printer."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from rollcall.cli import _plots

if TYPE_CHECKING:
    from rollcall.cli._school_sections import Page, Section

__all__ = ["render"]

_FRAME = """<!DOCTYPE html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, "DejaVu Sans", sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto;
  padding: 1rem; max-width: 66rem; }}
h1 {{ font-size: 1.6rem; line-height: 1.25; }}
h2 {{ font-size: 1.2rem; margin: 2rem 0 .25rem; border-bottom: 2px solid #1d4f91; }}
a {{ color: #1d4f91; }}
.made {{ color: #444; margin: 0; }}
nav ul {{ columns: 2; padding-left: 1.2rem; }}
table {{ border-collapse: collapse; width: 100%; font-size: .85rem; }}
caption {{ text-align: left; font-weight: 600; padding: .5rem 0; }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem .4rem; border-bottom: 1px solid #767676; }}
th[scope=row] {{ white-space: nowrap; }}
th.n, td.n {{ text-align: right; font-variant-numeric: tabular-nums; }}
.wide {{ overflow-x: auto; }}
.wide:focus-visible, a:focus-visible {{ outline: 3px solid #b35900; outline-offset: 2px; }}
figure {{ margin: 1rem 0; break-inside: avoid; }}
figcaption {{ font-weight: 600; }}
svg {{ width: 100%; height: auto; }}
svg text {{ font-size: 12px; fill: #1a1a1a; }}
@media print {{
  body {{ max-width: none; padding: 0; font-size: 10pt; }}
  nav {{ display: none; }}
  .wide {{ overflow: visible; }}
  table {{ font-size: 8pt; }}
  thead {{ display: table-header-group; }}
  tr {{ break-inside: avoid; }}
  h2 {{ break-after: avoid; }}
  svg, figure rect, figure circle {{ print-color-adjust: exact; -webkit-print-color-adjust: exact; }}
}}
</style>
</head>
<body>
<header>
<h1>{title}</h1>
{made_by}
</header>
<nav aria-label="Sections"><ul>
{contents}
</ul></nav>
<main>
{sections}
</main>
</body>
</html>
"""


def render(page: Page) -> str:
    """The file. Everything that came from outside is escaped."""
    sections = page.sections
    return _FRAME.format(
        title=escape(page.title),
        made_by="\n".join(f'<p class="made">{escape(line)}</p>' for line in page.made_by),
        contents="\n".join(f'<li><a href="#s{n}">{escape(one.title)}</a></li>' for n, one in enumerate(sections, 1)),
        sections="\n".join(_section(page, number, one) for number, one in enumerate(sections, 1)),
    )


def _section(page: Page, number: int, section: Section) -> str:
    parts = [
        f'<section aria-labelledby="s{number}"><h2 id="s{number}">{escape(section.title)}</h2>',
        *(f"<p>{escape(line)}</p>" for line in section.says),
        *(_figure(page, plot) for plot in section.plots),
    ]
    if section.rows:
        parts.append(_table(section, f"s{number}"))
    return "\n".join([*parts, "</section>"])


def _table(section: Section, heading: str) -> str:
    """The first column names its row. A table wider than the window is moved by the keyboard, too."""
    kinds = [' class="n"' if numeric else "" for _, numeric in section.columns]
    named = zip(kinds, section.columns, strict=True)
    # An empty heading is no heading: its cell is a plain one.
    head = "".join(
        f'<th scope="col"{kind}>{escape(name)}</th>' if name else f"<td{kind}></td>" for kind, (name, _) in named
    )
    body = "\n".join(
        "<tr>"
        + f'<th scope="row"{kinds[0]}>{escape(first)}</th>'
        + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds[1:], cells, strict=True))
        + "</tr>"
        for first, *cells in section.rows
    )
    return (
        f'<div class="wide" role="region" tabindex="0" aria-labelledby="{heading}"><table>'
        f"<caption>{escape(section.title)}: {len(section.rows):,} row{'' if len(section.rows) == 1 else 's'}</caption>"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def _figure(page: Page, plot: str) -> str:
    from sinks.reports import percent

    weeks = page.report.weeks
    rates = [week.as_json() for week in weeks]
    labels = [f"{week.first.day} {week.first:%b}" for week in weeks]

    def of(name: str) -> list[float | None]:
        return [week[f"{name}_rate"] for week in rates]

    def shown(name: str) -> list[str]:
        """To one decimal, rounded half up from the counts (rule 19)."""
        told = [percent(getattr(week, name), week.possible, 1) for week in weeks]
        return ["" if one is None else str(one) for one in told]

    if plot == "attendance":
        title = "Attendance by week, per cent of possible sessions"
        drawn = _plots.line(plot, title, labels, of("attendance"), shown("attendance"))
    else:
        title = "Absence by week, per cent of possible sessions"
        stacked = [("authorised", of("authorised")), ("unauthorised", of("unauthorised"))]
        drawn = _plots.bars(plot, title, labels, stacked, shown("absence"))
    return f"<figure><figcaption>{escape(title)}</figcaption>{drawn}</figure>"
