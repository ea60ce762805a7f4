"""One ensemble on many devices: every device runs loops of its own over its share of the trajectories."""

from collections.abc import Callable

import equinox as eqx
import jax
from jax.sharding import AxisType, Mesh, PartitionSpec
from jaxtyping import PyTree

from .chunks import filled


def automatic(mesh: Mesh | None) -> Mesh | None:
    """The mesh with axes over which XLA moves arrays as they are needed, whatever kind of axes it came with."""
    if mesh is None:
        return None
    if not isinstance(mesh, Mesh) or not mesh.size:
        raise TypeError(
            f'mesh must be a jax.sharding.Mesh, as jax.make_mesh((jax.device_count(),), ("i",)); got {mesh!r}'
        )
    return Mesh(mesh.devices, mesh.axis_names, axis_types=(AxisType.Auto,) * len(mesh.axis_names))


def on_mesh(run: Callable[[PyTree, PyTree], PyTree], shared: PyTree, rows: PyTree, n: int, mesh: Mesh) -> PyTree:
    """`run(shared, rows)` of n rows, each device with an equal share of them; results in their order.

    Rows and results lie along all axes of the mesh, `shared` is copied to every device, and no device waits for
    another before all of its own are done. The last share is filled up with the last row.
    """
    spare = -n % mesh.size
    rows = filled(rows, n + spare)
    arrays, rest = eqx.partition(shared, eqx.is_array)
    over = PartitionSpec(mesh.axis_names)

    def share(arrays, rows):
        return run(eqx.combine(arrays, rest), rows)

    out = jax.shard_map(share, mesh=mesh, in_specs=(PartitionSpec(), over), out_specs=over, check_vma=False)(
        arrays, rows
    )
    return jax.tree.map(lambda x: x[:n], out) if spare else out
