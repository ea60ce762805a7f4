"""How the peers are called here, each with the settings that suit it best."""

from typing import Any

from .problems import Field


def diffrax_solve(
    field: Field, t0, t1, y0, args, rtol, *, atol=None, dt=None, solver=None, saveat=None, adjoint=None, max_steps=None
):
    """diffrax; with `dt` in constant steps; without `atol` that of `rtol`, without `saveat` only the final state,
    without `adjoint` no way back.

    Its default integral controller takes the fewest steps on Lorenz and is within 5 % of its best
    proportional-integral ones on the orbits; implicit methods have the proportional-integral one that its
    documentation recommends for stiff problems, and a small first step. Without `max_steps` its loop is a plain one,
    and `throw=False` leaves its check of the result out.
    """
    import diffrax as dfx

    solver = dfx.Tsit5() if solver is None else solver
    implicit = isinstance(solver, dfx.AbstractImplicitSolver)
    controls = {"pcoeff": 0.3, "icoeff": 0.4} if implicit else {}
    adaptive = dfx.PIDController(rtol=rtol, atol=rtol if atol is None else atol, **controls)
    return dfx.diffeqsolve(
        dfx.ODETerm(field),
        solver,
        t0,
        t1,
        dt if dt is not None else 1e-6 if implicit else None,
        y0,
        args,
        saveat=dfx.SaveAt(t1=True) if saveat is None else saveat,
        stepsize_controller=adaptive if dt is None else dfx.ConstantStepSize(),
        adjoint=dfx.ForwardMode() if adjoint is None else adjoint,
        max_steps=max_steps,
        throw=False,
    )


def diffrax_stats(sol) -> tuple[Any, Any]:
    """Accepted and rejected steps."""
    return sol.stats["num_accepted_steps"], sol.stats["num_rejected_steps"]


def scipy_solve(solver, field, t0: float, t1: float, y0, tolerance: float, stages: int):
    """SciPy's stepper without dense output or stored steps: final state, accepted and rejected steps.

    Two evaluations find the first step, and each attempt takes `stages`.
    """
    stepper = solver(field, t0, y0, t1, rtol=tolerance, atol=tolerance)
    accepted = 0
    while stepper.status == "running":
        stepper.step()
        accepted += 1
    return stepper.y, accepted, (stepper.nfev - 2) // stages - accepted


def report(output) -> dict[str, Any]:
    """The row of a final state with its accepted and rejected steps."""
    y, accepted, rejected = output
    return {"answer": {"y": y}, "accepted": int(accepted), "rejected": int(rejected)}
