"""`rollcall bench`: measure the pipeline on this machine, each figure checked against an answer key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["register"]

Runs = Annotated[int, typer.Option(min=1, help="Runs; medians are printed, and each run.")]
Schools = Annotated[int, typer.Option(min=60, help="Schools of 300 pupils on the roster.")]
Refs = Annotated[str, typer.Option(help="What sources call a pupil: mis (13 characters) or upn (keyed hash, 35).")]
Seed = Annotated[int, typer.Option(help="Another seed, other marks.")]
Home = Annotated[Path | None, typer.Option(help="Folder for stack and logs; kept.", show_default="a temporary one")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Add `rollcall bench`."""
    bench = typer.Typer(no_args_is_help=True, help="Measure the pipeline on this machine (from a checkout only).")
    bench.command(
        "e2e",
        epilog="Examples: [bold]rollcall bench e2e --shape registers --marks 300000[/bold] for a first look; "
        "[bold]rollcall bench e2e --shape repull --runs 5 --json[/bold]; "
        "[bold]rollcall bench e2e --shape soak --rate 2000 --minutes 30[/bold].",
    )(e2e)
    bench.command(
        "snapshot",
        epilog="Examples: [bold]rollcall bench snapshot --schools 100[/bold] for a first look; "
        "[bold]rollcall bench snapshot --json[/bold]; [bold]rollcall bench snapshot --whole --json[/bold].",
    )(snapshot)
    bench.command(
        "archive",
        epilog="Examples: [bold]rollcall bench archive --marks 300000[/bold] for a first look; "
        "[bold]rollcall bench archive --shape repull --runs 3 --json[/bold].",
    )(archive)
    bench.command(
        "asked",
        epilog="Examples: [bold]rollcall bench asked --schools 600 --before 90000 --rate 1000 --minutes 0.5[/bold] for "
        "a first look; [bold]rollcall bench asked --json[/bold].",
    )(asked)
    bench.callback()(_group)
    app.add_typer(bench, name="bench")


def _group() -> None:
    """Measure the pipeline on this machine. A figure counts only where `equal` is true: the tables hold the key."""


def e2e(
    shape: Annotated[str, typer.Option(help="registers, repull, day, live or soak.")] = "registers",
    marks: Annotated[int, typer.Option(help="Marks in all (registers, repull, day).", show_default="the shape's")] = 0,
    rate: Annotated[int, typer.Option(help="Marks a second (live, soak).", show_default="the shape's")] = 0,
    minutes: Annotated[float, typer.Option(help="How long (live, soak).", show_default="the shape's")] = 0.0,
    runs: Runs = 1,
    schools: Schools = 24_500,
    refs: Refs = "mis",
    unchanged: Annotated[
        float, typer.Option(help="Share of all marks of a repull that repeat the pull before.")
    ] = 0.73,
    baseline_marks: Annotated[
        int, typer.Option(help="Marks for the natural pipeline (its rate is extrapolated); 0 leaves it out.")
    ] = 300_000,
    engine: Annotated[bool, typer.Option(help="Also measure the engine's own limit.")] = True,
    seed: Seed = 1,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """From the first message consumed to the last row in mark_current and school_session, on a stack of its own.

    Exit code 1 when the tables do not hold the answer key: then the figures mean nothing."""
    _find_benchmarks()
    from benchmarks.e2e import Plan, run

    _check_refs(refs)
    plan = Plan(shape, marks, rate, minutes, runs, schools, refs, unchanged, baseline_marks, engine, seed)
    _measure(lambda folder, tell: run(plan, folder, tell), home, as_json)


def snapshot(
    schools: Annotated[int, typer.Option(min=1, help="Schools of 300 pupils, 600 marks each a cut.")] = 2_000,
    at_once: Annotated[int, typer.Option(min=1, help="Schools asked at the same time.")] = 32,
    whole: Annotated[bool, typer.Option("--whole", help="The second cut reads everything, not what changed.")] = False,
    every: Annotated[
        float, typer.Option(min=0, help="Seconds between the cuts.", show_default="8, and 0.06 a school")
    ] = 0.0,
    seed: Seed = 1,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Two cuts of a snapshot over HTTP, the second unchanged and asked for changes only: from the first question to the
    last row in mark_current and school_session, on a stack of its own.

    Exit code 1 when the tables do not hold what the MIS holds: then the figures mean nothing."""
    _find_benchmarks()
    from benchmarks.snapshot import Plan, run

    plan = Plan(schools, at_once, seed, whole, every)
    _measure(lambda folder, tell: run(plan, folder, tell), home, as_json)


def archive(
    shape: Annotated[str, typer.Option(help="registers or repull.")] = "registers",
    marks: Annotated[int, typer.Option(help="Marks in all.", show_default="the shape's")] = 0,
    runs: Runs = 1,
    schools: Schools = 24_500,
    refs: Refs = "mis",
    seed: Seed = 1,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """What `rollcall archive run` costs beside a worker: CPU, as a ratio to the same load without it; bytes on disk.

    Exit code 1 when the tables do not hold the answer key, or the archive not every message."""
    _find_benchmarks()
    from benchmarks.archive import Plan, run

    _check_refs(refs)
    plan = Plan(shape, marks, runs, schools, refs, seed)
    _measure(lambda folder, tell: run(plan, folder, tell), home, as_json)


def asked(
    rate: Annotated[int, typer.Option(min=30, help="Marks a second that arrive.")] = 10_000,
    minutes: Annotated[float, typer.Option(help="How long they arrive, and somebody asks.")] = 2.0,
    before: Annotated[int, typer.Option(min=30, help="Marks of the day that stand before.")] = 7_350_000,
    schools: Schools = 24_500,
    seed: Seed = 1,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """What questions about a school, an authority and the nation take while marks arrive, on a stack of its own.

    Exit code 1 when the tables do not hold the answer key: then the figures mean nothing."""
    _find_benchmarks()
    from benchmarks.asked import Plan, run

    plan = Plan(rate, minutes, before, schools, seed)
    _measure(lambda folder, tell: run(plan, folder, tell), home, as_json)


def _check_refs(refs: str) -> None:
    from benchmarks.nation import REFS
    from rollcall.errors import UsageError

    if refs not in REFS:
        raise UsageError(f"--refs is one of {', '.join(REFS)}")


def _find_benchmarks() -> None:
    """The benchmarks are part of the checkout and not of the wheel. Raises UsageError when there is none."""
    import sys

    import rollcall
    from rollcall.errors import UsageError

    checkout = Path(rollcall.__file__).parents[1]
    if not (checkout / "benchmarks" / "e2e.py").exists():
        raise UsageError("benchmarks are run from a checkout: they are not part of the installed package")
    if str(checkout) not in sys.path:
        sys.path.append(str(checkout))


def _measure(run: Callable[[Path, Callable[[str], None]], dict[str, Any]], home: Path | None, as_json: bool) -> None:
    """Run a measurement in its folder and print its figures; exit code 1 when they mean nothing."""
    import json
    import tempfile

    def tell(line: str) -> None:
        typer.echo(line, err=True)

    if home is None:
        with tempfile.TemporaryDirectory(prefix="rollcall-bench-") as folder:
            found = run(Path(folder), tell)
    else:
        home.mkdir(parents=True, exist_ok=True)
        found = run(home, tell)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        for name, value in found.items():
            typer.echo(f"{name:24} {value if not isinstance(value, dict) else json.dumps(value)}")
    if not found["equal"]:
        raise typer.Exit(1)
