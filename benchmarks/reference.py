"""Reference solutions in extended precision, by a method no contender uses.

`python -m benchmarks.reference` computes the references in `problems.py` again and compares them.
"""

import sys

import numpy as np

from . import problems


def extrapolate(field, t, y, step, columns):
    """One step of Gragg's modified midpoint rule, extrapolated in h^2; the value and an error estimate.

    Source: Hairer, Norsett & Wanner I, sec. II.9, eq. 9.10 and 9.13, with the sequence 2, 4, 6, ...
    """
    f0 = field(t, y)
    row = []
    for j in range(columns):
        n = 2 * (j + 1)
        h = step / n
        before, now = y, y + h * f0
        for i in range(1, n):
            before, now = now, before + 2 * h * field(t + i * h, now)
        previous, row = row, [now]
        for k in range(j):
            ratio = (np.longdouble(j + 1) / np.longdouble(j - k)) ** 2
            row.append(row[k] + (row[k] - previous[k]) / (ratio - 1))
    return row[-1], np.max(np.abs(row[-1] - row[-2]) / (1e-3 + np.abs(row[-1])))


def solve(field, t0, t1, y0, tolerance=2e-17, columns=6, step=None):
    """The state at `t1` in extended precision; `tolerance` bounds the relative error estimate of a step.

    The estimate belongs to a result of order 2 `columns` - 2, so that the state itself is far better.
    """
    t, t1, y = np.longdouble(t0), np.longdouble(t1), np.asarray(y0, np.longdouble)
    step = np.longdouble(step or (t1 - t0) / 1000)
    tolerance = max(tolerance, 100 * float(np.finfo(np.longdouble).eps))
    while t < t1:
        last = t + step >= t1
        h = t1 - t if last else step
        after, error = extrapolate(field, t, y, h, columns)
        if error <= tolerance:
            t, y = (t1 if last else t + h), after
        elif h < 1e-9 * (t1 - t0):
            raise RuntimeError(f"tolerance {tolerance} is below the rounding of {columns} columns at t = {t}")
        step = h * min(3.0, max(0.2, 0.8 * (tolerance / max(float(error), 1e-30)) ** (1 / (2 * columns - 1))))
    return y


class _Extended:
    """NumPy whose constants are in extended precision."""

    stack, concatenate, sqrt = staticmethod(np.stack), staticmethod(np.concatenate), staticmethod(np.sqrt)

    @staticmethod
    def asarray(x):
        return np.asarray(x, np.longdouble)


def of(problem: problems.Problem, **options) -> np.ndarray:
    """The state of a problem at its end."""
    field = problem.make(_Extended)
    args = tuple(np.longdouble(a) for a in problem.args)
    return solve(lambda t, y: field(t, y, args), problem.t0, problem.t1, problem.y0, **options)


def main() -> int:
    worst = 0.0
    for name, problem in problems.PROBLEMS.items():
        found = of(problem)
        check = of(problem, columns=5)
        own = float(np.max(np.abs(found - check)))
        print(f"{name}: two orders of extrapolation agree within {own:.1e}")
        print("   ", ", ".join(np.format_float_positional(x, 17, fractional=False) for x in found))
        if problem.reference.size:
            distance = float(np.max(np.abs(found - problem.reference) / (1 + np.abs(problem.reference))))
            print(f"    the stored reference is {distance:.1e} away")
            worst = max(worst, distance)
    return int(worst > 1e-11)


if __name__ == "__main__":
    sys.exit(main())
