"""`python -m bench`: measure, verify, and write what was seen to RESULTS.md."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench import contestants as field
from bench.machine import machine, versions
from bench.report import render
from bench.scenarios import STEPS, Bench
from bench.servers import running

HOUSE = Path(__file__).resolve().parent.parent
ROWS = 1_000_000
ROUNDS = 3
QUICK_ROWS = 50_000


def main() -> None:
    arguments = _arguments()
    only = set(arguments.only)
    scenarios = [name for name in STEPS if _slug(name) in only] or list(STEPS)
    if arguments.quick and not only & {_slug(name) for name in STEPS}:
        scenarios = scenarios[:-1]  # the last one seeds five times the rows
    chosen = only & set(field.names()) or set(field.names())
    whole = not only and arguments.rows >= ROWS and arguments.rounds >= ROUNDS
    output = arguments.output or (HOUSE / "bench" / "RESULTS.md" if whole else arguments.folder / "RESULTS.md")

    on = machine()
    with running(arguments.folder, arguments.rows) as servers:
        bench = Bench(servers, field.contestants(servers, chosen), arguments.rounds)
        used = versions(servers)
        for scenario in scenarios:
            STEPS[scenario](bench)
            # after every scenario: an hour's figures survive what stops the next one
            text = render(bench.results, bench.contestants, arguments.rows, arguments.rounds, on, used)
            output.write_text(text, encoding="utf-8")
        bench.finish()
    print(f"\nwritten to {output}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rows", type=int, help=f"rows on all shards together, {ROWS:,}")
    parser.add_argument("--rounds", type=int, help=f"how often everyone runs, {ROUNDS}")
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        choices=[*field.names(), *map(_slug, STEPS)],
        metavar="NAME",
        help=f"contestants ({', '.join(field.names())}) or scenarios ({', '.join(map(_slug, STEPS))}); of what is not named, all".replace(
            "%", "%%"
        ),
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{QUICK_ROWS:,} rows, one round, no memory scenario: does it all still run?",
    )
    parser.add_argument("--folder", type=Path, default=HOUSE / ".bench", help="data that is kept between runs")
    parser.add_argument(
        "--output",
        type=Path,
        help="default bench/RESULTS.md; for a part of it RESULTS.md in the folder",
    )
    arguments = parser.parse_args()
    arguments.rows = arguments.rows or (QUICK_ROWS if arguments.quick else ROWS)
    arguments.rounds = arguments.rounds or (1 if arguments.quick else ROUNDS)
    if arguments.rows < 1000:
        parser.error("--rows: 1,000 at least, or a hundredth of a shard is nothing")
    return arguments


def _slug(scenario: str) -> str:
    return scenario.replace("%", "-percent").replace(" ", "-")


if __name__ == "__main__":
    main()
