"""What a gradient implementation is: a way to run the driver so that derivatives can go through it."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import equinox as eqx

from ..job import Job, Outcome

# what JAX says when a derivative of the other mode is asked for
_FORWARD_REFUSED = ("forward-mode",)
_REVERSE_REFUSED = ("Reverse-mode", "reverse-mode")


class Gradient(eqx.Module):
    """Chooses how a solve is differentiated; it never changes what the solve computes."""

    @abstractmethod
    def solve(self, job: Job) -> Outcome:
        """Runs the driver on `job`."""

    @property
    def forward_mode(self) -> bool:
        """Whether derivatives go forwards (`jax.jvp`) instead of backwards (`jax.vjp`)."""
        return False

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Says what to do where JAX refuses a derivative of the mode that this gradient does not have."""
        try:
            yield
        except (TypeError, ValueError) as error:
            refused = _REVERSE_REFUSED if self.forward_mode else _FORWARD_REFUSED
            if not any(words in str(error) for words in refused):
                raise
            has, wants = "reverse mode (jax.grad, jax.vjp)", "forward mode (jax.jvp, jax.jacfwd)"
            cure = "Forward"
            if self.forward_mode:
                has, wants, cure = wants, f"{has} or jax.linearize", "Recorded"
            raise TypeError(
                f"gradient={type(self).__name__}() differentiates a solve in {has}, and {wants} was asked for: "
                f"give gradient=sj.{cure}()"
            ) from error
