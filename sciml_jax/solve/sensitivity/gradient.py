"""What a gradient implementation is: a way to run the driver so that derivatives can go through it."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import equinox as eqx

from ..job import Job, Outcome

TWICE = (
    "second derivatives of a solve go forwards over backwards, not backwards twice: jax.jacfwd(jax.grad(f)), "
    "jax.hessian(f), or jax.jvp of jax.grad(f)"
)
# what JAX says when a derivative of the other mode is asked for, or one backwards through a backward pass
_FORWARD_REFUSED = ("forward-mode",)
_REVERSE_REFUSED = ("Reverse-mode", "reverse-mode")
_TWICE_REFUSED = ("Linearization failed",)


def wrong_mode(name: str, forward_mode: bool) -> str:
    """What a gradient says that is asked for derivatives of the mode it does not have."""
    has, wants, cure = "reverse mode (jax.grad, jax.vjp)", "forward mode (jax.jvp, jax.jacfwd)", "Forward"
    if forward_mode:
        has, wants, cure = wants, f"{has} or jax.linearize", "Recorded"
    return f"gradient={name}() differentiates a solve in {has}, and {wants} was asked for: give gradient=sj.{cure}()"


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
            if _says(error, _REVERSE_REFUSED if self.forward_mode else _FORWARD_REFUSED):
                raise TypeError(wrong_mode(type(self).__name__, self.forward_mode)) from error
            if _says(error, _TWICE_REFUSED):
                raise TypeError(TWICE) from error
            raise


def _says(error: Exception, words: tuple[str, ...]) -> bool:
    return any(word in str(error) for word in words)
