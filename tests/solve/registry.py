"""One row a method: what the tests must know of it to measure it."""

from typing import NamedTuple

import sciml_jax as sj


class Row(NamedTuple):
    """A method under test.

    - `order`: its design order. `adaptive`: whether it estimates its error.
    - `interpolant`: the order of its interpolant, uniformly over a step. An interpolant of the tableau has the
      tableau's `dense_order`; the cubic Hermite polynomial has order 3, and no more than the method, whose end point
      it goes through.
    - `field`: `any`, or `separable` for the methods that need `sj.Separable` or `sj.SecondOrder`.
    - `steps`: numbers of steps for the measured order: coarse enough that the finest error stands above rounding. On
      the graded problem any step size is asymptotic; on the pendulum of the separable methods the steps must be short.
    - `lengths`: step sizes for the measured order of the interpolant, chosen alike.
    """

    method: sj.Method
    order: int
    interpolant: int
    adaptive: bool = True
    field: str = "any"
    steps: tuple[int, ...] = (2, 3, 4, 6)
    lengths: tuple[float, ...] = (2.0, 1.4, 1.0, 0.7)

    @property
    def name(self) -> str:
        return type(self.method).__name__


METHODS = (
    Row(sj.Euler(), 1, 1, adaptive=False),
    Row(sj.Heun(), 2, 2),
    Row(sj.Midpoint(), 2, 2),
    Row(sj.Ralston(), 2, 2),
    Row(sj.ALF(), 2, 2),
    Row(sj.ReversibleHeun(), 2, 2),
    Row(sj.ReversibleCoupling(sj.Bosh3()), 3, 3),
    Row(sj.Bosh3(), 3, 3),
    Row(sj.SSPRK3(), 3, 3),
    Row(sj.SSPRK43(), 3, 3),
    Row(sj.RK4(), 4, 3, adaptive=False),
    Row(sj.Dopri5(), 5, 4),
    Row(sj.Tsit5(), 5, 4),
    Row(sj.Vern6(), 6, 6),
    Row(sj.Vern7(), 7, 7),
    Row(sj.Vern8(), 8, 8),
    Row(sj.Dopri8(), 8, 7),
    Row(sj.Vern9(), 9, 9),
    Row(sj.Feagin14(), 14, 3, steps=(1, 2, 3, 4)),
    Row(sj.Rosenbrock23(), 2, 2),
    Row(sj.Rodas3(), 3, 2),
    Row(sj.Rodas4(), 4, 3),
    Row(sj.Rodas42(), 4, 3),
    Row(sj.Rodas5P(), 5, 4),
    # radii far too large, so that there are stages to take, and many, for then the constant of the error hardly depends
    # on their number, which jumps with the step size (but in no step whose length the gradient tests vary)
    Row(sj.ROCK2(spectral_radius=400.0), 2, 2),
    Row(sj.ROCK4(spectral_radius=500.0), 4, 3),
    # Newton's iteration leaves less than rounding here, so that differences and orders are those of the method
    Row(sj.ImplicitEuler(newton_tolerance=1e-10), 1, 1),
    Row(sj.Trapezoid(newton_tolerance=1e-10), 2, 2),
    Row(sj.TRBDF2(newton_tolerance=1e-10), 2, 2),
    Row(sj.Kvaerno3(newton_tolerance=1e-10), 3, 3),
    Row(sj.Kvaerno4(newton_tolerance=1e-10), 4, 3, steps=(4, 6, 8, 12)),
    Row(sj.Kvaerno5(newton_tolerance=1e-10), 5, 3),
    Row(sj.KenCarp3(newton_tolerance=1e-10), 3, 3),
    Row(sj.KenCarp4(newton_tolerance=1e-10), 4, 3),
    Row(sj.KenCarp5(newton_tolerance=1e-10), 5, 3),
    Row(sj.IMEXEuler(newton_tolerance=1e-10), 1, 1),
    Row(sj.Exprb32(), 3, 3),
    Row(sj.Exprb43(), 4, 3),
    # of order 1, at which every solve starts; higher orders are measured from histories of their own
    Row(sj.BDF(max_order=1, newton_tolerance=1e-10), 1, 1),
    # its lowest order too: predictor of order 1, corrector of order 2
    Row(sj.VCABM(max_order=1), 2, 2),
    # its first step, alone measured between steps, is one of order 1
    Row(sj.SBDF2(newton_tolerance=1e-10), 2, 1),
    # all stages are solved with the matrix at the start of a step: short steps, many iterations
    Row(sj.Radau5(1e-10, 30), 5, 3, steps=(8, 12, 16, 24), lengths=(0.5, 0.35, 0.25, 0.18)),
    Row(sj.RadauIIA(1e-12, 30, order=9), 9, 5, steps=(14, 16, 18, 20), lengths=(0.5, 0.4, 0.3, 0.2)),
    Row(sj.GaussLegendre4(1e-10), 4, 2, False, "any", (8, 12, 16, 24), (0.5, 0.35, 0.25, 0.18)),
    Row(sj.GaussLegendre6(1e-12), 6, 3, False, "any", (8, 12, 16, 24), (0.5, 0.35, 0.25, 0.18)),
    Row(sj.Auto(), 5, 4),
    Row(sj.SymplecticEuler(), 1, 1, False, "separable", (64, 96, 128), (0.05, 0.035, 0.025)),
    Row(sj.StormerVerlet(), 2, 2, False, "separable", (32, 48, 64), (0.05, 0.035, 0.025)),
    Row(sj.Yoshida4(), 4, 3, False, "separable", (32, 48, 64), (0.014, 0.01, 0.007)),
    Row(sj.Yoshida6(), 6, 3, False, "separable", (32, 48, 64), (0.1, 0.07, 0.05)),
    Row(sj.KahanLi8(), 8, 3, False, "separable", (12, 16, 20), (0.1, 0.07, 0.05)),
)
BY_NAME = {row.name: row for row in METHODS}
