"""The progress bar: tqdm where it is installed, a line now and then where not."""

import sys
import time
from collections.abc import Callable

from .callbacks import Info

INTERVAL = 0.2
"""Seconds between two updates of the bar."""
LINE_INTERVAL = 5.0
"""Seconds between two lines where there is no tqdm."""


class Silent:
    """No bar."""

    def update(self, info: Info) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Nothing is open."""


class Bar:
    """A tqdm bar with the stage, the loss and its terms."""

    def __init__(self, tqdm: Callable, start: int, total: int):
        # text, not a widget: it survives in executed notebooks and in logs
        self.bar = tqdm(total=total, initial=start, unit="step", dynamic_ncols=True, mininterval=INTERVAL)
        self.last = -INTERVAL
        self.shown: Info | None = None

    def update(self, info: Info) -> None:
        """Show where the run stands, at most every `INTERVAL` seconds."""
        self.shown = info
        if time.monotonic() - self.last >= INTERVAL:
            self.last = time.monotonic()
            self._show(info)

    def _show(self, info: Info) -> None:
        self.bar.set_description_str(info.stage, refresh=False)
        self.bar.set_postfix_str(describe(info), refresh=False)
        self.bar.update(info.step - self.bar.n)

    def close(self) -> None:
        """Show the last state and leave it standing."""
        if self.shown is not None:
            self._show(self.shown)
        self.bar.refresh()
        self.bar.close()


class Lines:
    """A line on standard error every few seconds."""

    def __init__(self):
        self.last = time.monotonic()
        print("fit: install tqdm for a progress bar, or pass progress=False", file=sys.stderr)

    def update(self, info: Info) -> None:
        """Print where the run stands, at most every `LINE_INTERVAL` seconds."""
        if time.monotonic() - self.last >= LINE_INTERVAL:
            self.last = time.monotonic()
            print(f"{info.stage} {info.step}/{info.total_steps} {describe(info)}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing is open."""


def open_bar(progress: bool, start: int, total: int) -> Silent | Bar | Lines:
    """The bar of a run."""
    if not progress or start >= total:
        return Silent()
    try:
        from tqdm import tqdm
    except ImportError:
        return Lines()
    return Bar(tqdm, start, total)


def describe(info: Info) -> str:
    """Loss, terms and validation loss, short."""
    parts = {"loss": info.loss, **info.terms}
    if info.validation is not None:
        parts["validation"] = info.validation
    return " ".join(f"{name}={value:.3e}" for name, value in parts.items())
