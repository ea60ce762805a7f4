"""Several processes, on one machine or many, that solve one ensemble together through JAX's distributed runtime."""

import os

import jax
from jax.experimental import multihost_utils
from jaxtyping import PyTree

# what `sciml-jax launch` tells the processes that it starts
COORDINATOR, PROCESSES, PROCESS = (f"SCIML_JAX_{name}" for name in ("COORDINATOR", "PROCESSES", "PROCESS"))


def connect(coordinator: str | None = None, processes: int | None = None, process: int | None = None) -> int:
    """Joins this process to the others of its run, so that `jax.devices()` lists the devices of all of them.

    **Arguments:** the address `"host:port"` of process 0, how many processes there are, and the number of this one
    from 0 on. Without arguments they are those that `sciml-jax launch` gave, or what JAX finds on Slurm, Open MPI and
    TPU pods; where there is nothing of the kind, the process stays alone.

    **Returns** the number of processes.

    **Raises** `RuntimeError` where JAX is in use already: call this first, before any array is made. `ValueError`
    where some arguments are given and others not.

    Every process runs the same program: it calls `solve_ensemble(..., mesh=mesh)` with the same input, holds its own
    share of the results, and `gathered` brings all of them to every process.

    ```python
    import jax, numpy as np, sciml_jax as sj

    sj.ensemble.connect()
    mesh = jax.make_mesh((jax.device_count(),), ("trajectories",))
    sol = sj.solve_ensemble(field, (0.0, 1.0), y0, rates, in_axes=(None, 0), mesh=mesh)
    y = sj.ensemble.gathered(sol.y)
    if jax.process_index() == 0:
        np.save("y.npy", y)
    ```

    Run it by `sciml-jax launch --processes 4 sweep.py`.

    >>> import sciml_jax as sj
    >>> sj.ensemble.connect(processes=2)
    Traceback (most recent call last):
        ...
    ValueError: connect needs coordinator=, processes= and process=, or none of them; missing: coordinator, process
    """
    given = {"coordinator": coordinator, "processes": processes, "process": process}
    missing = [name for name, value in given.items() if value is None]
    if 0 < len(missing) < len(given):
        raise ValueError(
            f"connect needs coordinator=, processes= and process=, or none of them; missing: {', '.join(missing)}"
        )
    if missing and COORDINATOR in os.environ:
        coordinator, processes, process = os.environ[COORDINATOR], int(os.environ[PROCESSES]), int(os.environ[PROCESS])
    if processes == 1:
        return 1
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except ValueError as error:
        if coordinator is None and "should be defined" in str(error):
            return 1  # neither launched nor on a cluster that JAX knows
        raise
    return jax.process_count()


def gathered(tree: PyTree) -> PyTree:
    """Arrays that are spread over the devices of several processes as NumPy arrays, whole, in every process.

    All processes must call it. Arrays of one process alone stay those of that process.
    Cost: a copy of everything in every process.

    >>> import jax.numpy as jnp, sciml_jax as sj
    >>> sj.ensemble.gathered({"y": jnp.arange(3.0)})
    {'y': array([0., 1., 2.]...)}
    """

    def whole(x):
        spread = isinstance(x, jax.Array) and not x.is_fully_addressable
        return multihost_utils.process_allgather(x, tiled=True) if spread else jax.device_get(x)

    return jax.tree.map(whole, tree)
