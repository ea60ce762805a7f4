"""One progress bar for a job of several fits."""

import sys
import time
from typing import Any

from ..train import Info

LINE_SECONDS = 5.0
"""Between two lines where there is no tqdm."""


class JobBar:
    """A bar over the steps of all fits of a job; `callback(name)` feeds it from `train.fit`.

    Without tqdm it says once what to install, and prints a line every few seconds. With `show=False` it says nothing.
    """

    def __init__(self, total: int, *, show: bool = True):
        self.before = 0
        self.total = total
        self.last = time.monotonic()
        self.bar: Any = None
        self.show = show
        if show:
            try:
                from tqdm import tqdm  # type: ignore[import-untyped]
            except ImportError:
                print("install tqdm for a progress bar: pip install 'sciml-jax[progress]'", file=sys.stderr)
            else:
                # tqdm puts a comma and a space before the postfix
                form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}"
                self.bar = tqdm(total=total, dynamic_ncols=True, bar_format=form, leave=False, mininterval=0.1)

    def phase(self, name: str, steps: int):
        """Begin fits of so many steps together; returns the callback for them. Steps that they leave out are passed."""
        start, last = self.before, 0
        self.before += steps
        self._set(f"{name} (compiling)", start, "")

        def callback(info: Info) -> None:
            nonlocal start, last
            if info.step < last:  # another fit has begun
                start += last
            last = info.step
            self._set(name, start + info.step, f"loss {info.loss:.3e}, best {info.terms['best']:.3e}")

        return callback

    def close(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.close()

    def _set(self, name: str, step: int, note: str) -> None:
        if self.bar is not None:
            self.bar.set_description_str(name, refresh=False)
            self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(step - self.bar.n)
            self.bar.refresh()
        elif self.show and time.monotonic() - self.last > LINE_SECONDS:
            self.last = time.monotonic()
            print(f"{name}: {step} of {self.total} steps, {note}", file=sys.stderr, flush=True)
