"""The progress bar of sweeps and ensembles."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LINE_S = 5.0  # between two lines where there is no tqdm


@contextmanager
def progress_bar(name: str | None, done: int, n: int) -> Iterator[Callable[[int], None]]:
    """A function that is told how many more rows are done: moves tqdm's bar, or prints a line now and then; silent
    without a name."""
    if name is None:
        yield lambda count: None
        return
    try:
        from tqdm import tqdm  # type: ignore[import-untyped]
    except ImportError:
        yield _lines(name, done, n)
        return
    # text, not a widget: it survives in executed notebooks and in logs
    with tqdm(total=n, initial=done, desc=name, unit=" rows", unit_scale=True, dynamic_ncols=True) as bar:

        def advance(count: int) -> None:
            bar.update(count)

        yield advance


def _lines(name: str, done: int, n: int) -> Callable[[int], None]:
    began = last = time.monotonic()
    first = done

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last > LINE_S or done == n:
            last = now
            rate = (done - first) / max(now - began, 1e-9)
            print(f"{name}: {done:,} of {n:,} rows, {rate:,.0f} a second", file=sys.stderr)

    return advance
