"""`sciml-jax fit`: Lotka–Volterra and a universal differential equation for a table of populations."""

import argparse
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import jax

from ..core.store import open_folder
from ..data import DataError, Series, hudson_bay, read_csv
from ..models.fit_lotka_volterra import polish_steps
from ..plot.figure import INSTALL
from .bar import JobBar
from .job import STEPS, UNIVERSAL_STEPS, Job, run_job
from .output import write
from .parser import UsageError, integer, names, positive_float
from .table import table

LEAST_ROWS = 8
"""Rows to train on, at least."""

DESCRIPTION = """Fits populations over time: Lotka–Volterra, from many starts at once, and a universal differential
equation, which puts a small network into its interaction. The last rows are held out, and forecast. Without a file:
the pelts of hare and lynx bought by the Hudson's Bay Company, 1900 to 1920. Two state columns are a prey and its
predator, in this order; more are a generalised Lotka–Volterra model."""


def add(commands) -> None:
    """Add the command to the others."""
    parser = commands.add_parser("fit", help="fit populations over time, and forecast them", description=DESCRIPTION)
    parser.add_argument("data", nargs="?", metavar="DATA.csv", help="a time column and state columns, with a header")
    parser.add_argument("--out", default="sciml-jax-out", metavar="DIR", help="where results go (./sciml-jax-out)")
    parser.add_argument("--time", metavar="COL", help="the column of the times (the first)")
    parser.add_argument("--states", type=names, metavar="A,B", help="the columns to fit, prey first (all others)")
    parser.add_argument("--holdout", type=integer(0), metavar="N", help="rows held out for the forecast (a quarter)")
    parser.add_argument("--starts", type=integer(1), default=64, metavar="N", help="starts of the search (64)")
    prior = "standard deviation of the network's weights (chosen by forecasts inside the training rows)"
    parser.add_argument("--prior", type=positive_float, metavar="S", help=prior)
    parser.add_argument("--seed", type=integer(0), default=0, metavar="S", help="of all random numbers (0)")
    parser.add_argument("--no-plot", action="store_true", help="write no picture")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The command: fit, write, print; the exit code."""
    began = time.monotonic()
    series = _read(options)
    holdout = _holdout(options, series)
    try:
        folder = open_folder(options.out, "--out")
    except ValueError as error:
        raise UsageError(str(error)) from error
    plot = not options.no_plot
    if plot and find_spec("matplotlib") is None:
        print(f"sciml-jax fit: there will be no picture: {INSTALL}", file=sys.stderr)
        plot = False
    job = Job(series, holdout, options.starts, options.seed, options.prior, hudson=options.data is None)
    bar = JobBar(STEPS + polish_steps(len(series.names)) + UNIVERSAL_STEPS, show=not options.quiet)
    # float64 throughout: twenty rows cost nothing, and a search over orbits needs the digits
    with jax.enable_x64(True):
        try:
            run_job(job, bar)
        finally:
            bar.close()
        job.seconds["total"] = time.monotonic() - began
        document, written = write(job, folder, plot)
    if job.interrupted:
        print(f"sciml-jax fit: interrupted; what there is: {_listed(written)}", file=sys.stderr)
        return 130
    if not options.quiet:
        print(table(document))
        print(f"\nwritten: {_listed(written)}  ({job.seconds['total']:.0f} s)")
    return 0


def _read(options: argparse.Namespace) -> Series:
    if options.data is None:
        if options.time is not None:
            raise UsageError(f"--time {options.time} goes with a file: the embedded pelts have the time column 'year'")
        series = hudson_bay()
        series = series if options.states is None else series.select(options.states)
    else:
        series = read_csv(options.data, time=options.time, states=options.states, min_rows=LEAST_ROWS)
    if series.y.shape[1] < 2:
        only = f"there is one state column, {series.names[0]!r}"
        raise DataError(f"{series.source}: {only}; two (prey, predator) or more are supported")
    return series.check_positive()


def _holdout(options: argparse.Namespace, series: Series) -> int:
    """How many rows are held out; refuses to train on too few."""
    n = len(series.names)
    least = max(LEAST_ROWS, 2 * (n + 2))
    holdout = min(round(series.rows / 4), max(series.rows - least, 0)) if options.holdout is None else options.holdout
    if series.rows - holdout < least:
        left = f"{series.rows} rows with {holdout} held out leave {max(series.rows - holdout, 0)} to train on"
        raise DataError(f"{series.source}: too few rows: {left}, and {n} states need at least {least}")
    return holdout


def _listed(written: list[Path]) -> str:
    return ", ".join(str(path) for path in written)
