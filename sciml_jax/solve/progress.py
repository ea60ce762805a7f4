"""A progress bar for long solves."""

import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

_PERIOD_S = 0.1  # the bar moves at most ten times a second
_WHOLE = 1_000_000  # the span in whole numbers, which have no derivatives


class Bar:
    """A bar over the time span, one a solve; made only where `progress=True`.

    The loop calls the host once in `every` accepted steps (a call takes about 80 microseconds).
    """

    def __init__(self, every: int = 1000):
        self.every = every
        self.bar: Any = None
        self.last = 0.0

    def __eq__(self, other):
        return isinstance(other, Bar) and other.every == self.every

    def __hash__(self):
        return hash((Bar, self.every))

    def update(self, t, t0, t1, accepted) -> None:
        """Traced into the loop: tells the host how far the solve is."""
        done = jnp.where(t1 == t0, 1.0, (t - t0) / (t1 - t0))
        self._tell()(accepted % self.every == 0, (_WHOLE * done).astype(jnp.int32), accepted)

    def _tell(self):
        """The call of the host. Lanes of a `vmap` share one bar, which shows the slowest of them."""

        @custom_vmap
        def tell(due, parts, accepted):
            show = partial(jax.debug.callback, self.show, parts, accepted)
            jax.lax.cond(due | (parts >= _WHOLE), show, lambda: None)
            return due

        @tell.def_vmap
        def lanes(size, batched, due, parts, accepted):
            return self._tell()(jnp.any(due), jnp.min(parts), jnp.max(accepted)), False

        return tell

    def show(self, parts, accepted) -> None:
        """On the host: moves the bar."""
        now, done = time.monotonic(), int(parts) / _WHOLE
        if self.bar is None or done < self.bar.n:
            self.close()
            try:
                from tqdm.auto import tqdm  # type: ignore[import-untyped]
            except ImportError:
                return
            self.bar = tqdm(total=1.0, desc="solve", bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}")
        if done >= 1 or now - self.last > _PERIOD_S:
            self.bar.set_postfix_str(f"{int(accepted)} steps", refresh=False)
            self.bar.update(done - self.bar.n)
            self.last = now
        if done >= 1:
            self.close()

    def close(self) -> None:
        """Ends the bar that is showing."""
        if self.bar is not None:
            self.bar.refresh()
            self.bar.close()
            self.bar = None
