"""Runs contenders side by side, each in a process of its own, and says how they compare.

A benchmark is a script with contenders, cases and a `judge` function, run by `Benchmark(...).main()`. Every contender
is a function that gets a case's parameters and returns a `Work`. The parent starts one process for each contender,
pins all of them to one core (they take turns, so none disturbs another), asks them for short rounds of calls in
alternating order, and takes medians. Trace and compile times come from the start of each process.
"""

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .contenders import Case, Contender
from .processes import ROOT, Child, serve
from .results import Bar, Results, errors_against, finite, machine, table, versions

RESULTS = ROOT / "benchmarks" / "results"
ROUND_SECONDS = 0.1  # the calls of one round last about this long, so that the clock and one interruption matter little


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: contenders on cases, the bars, and perhaps a picture.

    `reference` maps a case to the true answer (a dictionary of arrays), or names a contender that computes it and is
    not timed. With `fresh=True` every round starts new processes and only their trace and compile times count.
    The table gives times as multiples of the first contender whose name starts with `base`.
    """

    name: str
    title: str
    contenders: Sequence[Contender]
    cases: Sequence[Case]
    smoke_cases: Sequence[Case]
    judge: Callable[[Results], list[Bar]]
    reference: Callable[[Case], dict[str, Any]] | str | None = None
    derive: Callable[[Case, dict[str, Any]], None] = lambda case, row: None
    picture: Callable[[Results, Path], None] | None = None
    fresh: bool = False
    base: str = "ours"
    rounds: int = 7
    budget_seconds: float = 30.0
    notes: Sequence[str] = field(default=())

    @property
    def module(self) -> str:
        return f"benchmarks.{self.name}"

    def main(self) -> None:
        parser = argparse.ArgumentParser(prog=f"python -m {self.module}", description=self.title)
        parser.add_argument("--smoke", action="store_true", help="tiny sizes: everything runs, no bar is judged")
        parser.add_argument("--only", help="contenders to run, separated by commas")
        parser.add_argument("--rounds", type=int, help=f"rounds of calls ({self.rounds})")
        parser.add_argument("--out", type=Path, help="folder for the results (benchmarks/results; none with --smoke)")
        parser.add_argument("--strict", action="store_true", help="exit with 1 when a bar does not hold")
        parser.add_argument("--worker", help=argparse.SUPPRESS)
        parser.add_argument("--case", help=argparse.SUPPRESS)
        options = parser.parse_args()
        cases = self.smoke_cases if options.smoke else self.cases
        if options.worker:
            case = next(c for c in cases if c.name == options.case)
            return serve(next(c for c in self.contenders if c.name == options.worker), case)
        sys.exit(self._run(cases, options))

    def _run(self, cases: Sequence[Case], options: argparse.Namespace) -> int:
        print(
            f"{self.name}: {self.title}" + (" [smoke: sizes too small to judge]" if options.smoke else ""), flush=True
        )
        chosen = self._available(options.only)
        rounds = options.rounds or (1 if options.smoke else self.rounds)
        rows, failed = [], False
        for case in cases:
            able = [c for c in chosen if case.contenders is None or c.name in case.contenders]
            found, errors = self._run_case(case, able, rounds, options.smoke)
            rows += found
            failed |= bool(errors)
            print(table(case.name, found, self.base), flush=True)
            for error in errors:
                print(error, file=sys.stderr, flush=True)
        results = Results(rows)
        bars = [] if options.smoke else self.judge(results)
        if options.smoke:
            self.judge(results)  # it must run, but says nothing at these sizes
        for bar in bars:
            verdict = {True: "pass", False: "FAIL", None: "----"}[bar.passed]
            print(f"  [{verdict}] {bar.text}: {bar.measured:.3g}", flush=True)
        with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
            folder = options.out or (Path(scratch) if options.smoke else RESULTS)
            self._write(results, bars, folder, options.smoke, rounds)
        return int(failed or (options.strict and any(bar.passed is False for bar in bars)))

    def _available(self, only: str | None) -> list[Contender]:
        names = [c.name for c in self.contenders]
        unknown = set(only.split(",")) - set(names) if only else set()
        if unknown:
            raise SystemExit(f"--only: no contender {', '.join(sorted(unknown))}; there are {', '.join(names)}")
        chosen = []
        for contender in self.contenders:
            if only and contender.name not in only.split(",") and contender.name != self.reference:
                continue
            absent = [need for need in contender.needs if not _present(need)]
            if absent:
                print(f"  {contender.name} skipped: {', '.join(absent)} not installed", flush=True)
            else:
                chosen.append(contender)
        return chosen

    def _run_case(self, case: Case, contenders: list[Contender], rounds: int, smoke: bool):
        core = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") and shutil.which("taskset") else None
        errors: list[str] = []

        def start(contender: Contender) -> Child | None:
            try:
                return Child(self.module, contender, case, smoke, core)
            except RuntimeError as error:
                errors.append(str(error))
                return None

        truth = self._truth(case, contenders, start)
        timed = [c for c in contenders if c.name != self.reference]
        if self.fresh:
            rows = self._fresh_rows(case, timed, rounds, start)
        else:
            children = [child for child in map(start, timed) if child is not None]
            rows = []
            for point in case.points:
                rows += self._time_point(case, point, children, rounds, truth, errors)
            for child in children:
                child.close()
        for row in rows:
            self.derive(case, row)
        return rows, errors

    def _truth(self, case, contenders, start) -> dict[str, Any]:
        if self.reference is None:
            return {}
        if callable(self.reference):
            return self.reference(case)
        child = next((start(c) for c in contenders if c.name == self.reference), None)
        if child is None:
            return {}
        answer = child.ask(case.points[0], 0)["report"]["answer"]
        child.close()
        return answer

    def _fresh_rows(self, case, contenders, rounds, start) -> list[dict[str, Any]]:
        builds: dict[str, list[dict[str, float]]] = {c.name: [] for c in contenders}
        for i in range(rounds):
            for contender in contenders[:: 1 if i % 2 == 0 else -1]:
                child = start(contender)
                if child is not None:
                    builds[contender.name].append(child.build)
                    child.close()
        rows = []
        for name, found in builds.items():
            if found:
                totals = [sum(build.values()) for build in found]
                row = {"case": case.name, "contender": name, "point": None, "seconds": statistics.median(totals)}
                row.update({key: statistics.median(build[key] for build in found) for key in found[0]})
                rows.append({**row, "fastest": min(totals), "slowest": max(totals), "rounds": len(totals)})
        return rows

    def _time_point(self, case, point, children, rounds, truth, errors) -> list[dict[str, Any]]:
        rows: dict[str, dict[str, Any]] = {}
        calls: dict[str, int] = {}
        medians: dict[str, list[float]] = {}
        spent: dict[str, float] = {}

        def first_look(child: Child) -> None:
            report = child.ask(point, 0)["report"]
            answer = report.pop("answer", {})
            took = child.ask(point, 1)["times"][0]
            rows[child.name] = {"case": case.name, "contender": child.name, "point": point, **child.build, **report}
            rows[child.name].update(errors_against(answer, truth))
            calls[child.name] = 1 if rounds == 1 else max(1, min(2000, int(ROUND_SECONDS / max(took, 1e-9))))
            medians[child.name], spent[child.name] = [], 0.0

        def one_round(child: Child) -> None:
            if medians[child.name] and spent[child.name] > self.budget_seconds:
                return
            times = child.ask(point, calls[child.name])["times"]
            medians[child.name].append(statistics.median(times))
            spent[child.name] += sum(times)

        def each(order: Sequence[Child], work: Callable[[Child], None]) -> None:
            for child in order:
                try:
                    work(child)
                except RuntimeError as error:  # one that broke must not spoil the others
                    errors.append(str(error))
                    children.remove(child)
                    rows.pop(child.name, None)

        each(list(children), first_look)
        for i in range(rounds):
            each(children[:: 1 if i % 2 == 0 else -1], one_round)
        for name, row in rows.items():
            found = medians[name]
            row.update(seconds=statistics.median(found), fastest=min(found), slowest=max(found), rounds=len(found))
        return list(rows.values())

    def _write(self, results: Results, bars: list[Bar], folder: Path, smoke: bool, rounds: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        document = {
            "benchmark": self.name,
            "title": self.title,
            "date": time.strftime("%Y-%m-%d"),
            "smoke": smoke,
            "rounds": rounds,
            "machine": machine(),
            "versions": versions(),
            "notes": list(self.notes),
            "bars": [bar._asdict() for bar in bars],
            "rows": results.rows,
        }
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps(finite(document), indent=1) + "\n")
        if self.picture is not None:
            if _present("matplotlib"):
                self.picture(results, folder / f"{self.name}.png")
            else:
                print("  no picture: matplotlib not installed")


def _present(need: str) -> bool:
    if need == "cc":
        return shutil.which("cc") is not None
    if need == "cvode":  # SUNDIALS with its headers, as in Debian's libsundials-dev
        return any((Path(folder) / "cvode" / "cvode.h").exists() for folder in ("/usr/include", "/usr/local/include"))
    return importlib.util.find_spec(need) is not None
