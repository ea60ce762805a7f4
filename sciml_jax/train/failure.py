"""An objective that raises while a compiled piece of a run is under way: what failed, and when, in a few words."""

import contextlib
import re
from collections.abc import Iterator

CURES = (
    "Where it is a solve that failed: solve with throw=False, so that the loss of a failed solve can be made large or "
    "not finite (sol.success tells), or give the solve looser tolerances or more steps; a smaller learning rate keeps "
    "away from such parameters"
)


@contextlib.contextmanager
def told_briefly(where: str) -> Iterator[None]:
    """Raises what a runtime check raised inside compiled code as a `RuntimeError` of a few words; others pass.

    **Arguments:** `where` it happened, in words.

    >>> from sciml_jax.train.failure import told_briefly
    >>> with told_briefly("at step 3"):
    ...     raise ValueError("INTERNAL: CpuCallback error: Traceback\\n_EquinoxRuntimeError: too far.\\n---")
    Traceback (most recent call last):
    RuntimeError: the objective failed at step 3: too far. Where it is a solve that failed: ...
    """
    try:
        yield
    except Exception as error:
        reason = _reason(str(error))
        if reason is None:
            raise
        raise RuntimeError(f"the objective failed {where}: {reason}. {CURES}") from error


def steps_in_words(step: int, count: int, stage: str) -> str:
    """Some steps from `step` on, in words."""
    when = f"at step {step}" if count == 1 else f"at one of the steps {step} to {step + count - 1}"
    return f"{when} (stage {stage!r})"


def _reason(text: str) -> str | None:
    """The line of a runtime error that says what failed; `None` for an error of another kind."""
    found = re.search(r"EquinoxRuntimeError: *(\S[^\n]*)", text)
    if found is not None:
        return found[1].strip().rstrip(".")
    # a function that JAX called back to the host: the last line of its traceback
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if text.startswith("INTERNAL") and "callback" in text.lower() else None
