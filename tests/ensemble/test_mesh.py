"""Ensembles over the devices of a mesh (eight virtual ones, see conftest.py): the numbers of one device."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

import sciml_jax as sj

if jax.device_count() < 8:
    pytest.skip("needs XLA_FLAGS=--xla_force_host_platform_device_count=8", allow_module_level=True)

BACKENDS = pytest.mark.parametrize("backend", ["vmap", "lanes"])
DEVICES = np.array(jax.devices()[:8])
MESH = Mesh(DEVICES, ("i",))
MESHES = {
    "a row": MESH,
    "axes with shardings in their types": Mesh(DEVICES, ("i",), axis_types=(AxisType.Explicit,)),
    "a grid": Mesh(DEVICES.reshape(2, 4), ("a", "b")),
    "some of the devices": Mesh(DEVICES[2:5], ("i",)),
}
RATES = np.linspace(0.5, 3.0, 16)
START = np.array([1.0, 0.0])


def oscillator(t, y, rate):
    return jnp.stack([y[1], -rate * y[0]])


def solve(rates=RATES, y0=START, field=oscillator, **options):
    return sj.solve_ensemble(field, (0.0, 3.0), y0, rates, in_axes=(None, 0), max_steps=100, **options)


@BACKENDS
@pytest.mark.parametrize("mesh", MESHES)
@pytest.mark.parametrize("n", [3, 16])  # fewer than devices, and so many that every device has its share
def test_devices_change_nothing(mesh, backend, n):
    one = solve(RATES[:n], backend=backend, save=[1.0, 2.0])
    many = solve(RATES[:n], backend=backend, save=[1.0, 2.0], mesh=MESHES[mesh])
    assert many.y.shape == one.y.shape
    np.testing.assert_allclose(many.y, one.y, rtol=1e-11)  # rounding: XLA vectorises shares of other sizes differently
    assert many.stats["steps"].tolist() == one.stats["steps"].tolist()


@BACKENDS
def test_work_dealt_to_devices(backend):
    one, many = solve(backend=backend), solve(backend=backend, mesh=MESH, work=RATES[::-1])
    np.testing.assert_allclose(many.y, one.y, rtol=1e-11)
    assert many.stats["steps"].tolist() == one.stats["steps"].tolist()


@BACKENDS
def test_results_stay_where_they_were_made(backend):
    sol = solve(backend=backend, mesh=MESH)
    assert len(sol.y.sharding.device_set) == 8
    assert {shard.data.shape for shard in sol.y.addressable_shards} == {(2, 2)}


def test_rows_that_are_spread_already_stay():
    rates = jax.device_put(RATES, NamedSharding(MESH, PartitionSpec("i")))
    inside = jax.jit(lambda rates: solve(rates, mesh=MESH).y)
    np.testing.assert_allclose(inside(rates), solve().y, rtol=1e-11)
    text = inside.lower(rates).compile().as_text()
    # no device waits for another
    for collective in ("all-reduce", "all-gather", "all-to-all", "collective-permute"):
        assert collective not in text


@BACKENDS
@pytest.mark.parametrize("gradient", [sj.Recorded(), sj.Forward()])
def test_derivatives(backend, gradient):
    """In rows, in what all share, and in what the field has closed over; 13 trajectories on 8 devices."""
    transform = jax.jacfwd if gradient.forward_mode else jax.grad

    def mean(values, mesh):
        rates, y0, push = values
        field = lambda t, y, rate: oscillator(t, y, rate) + push
        return jnp.mean(solve(rates, y0, field, backend=backend, gradient=gradient, mesh=mesh).y ** 2)

    at = (jnp.asarray(RATES[:13]), jnp.asarray(START), jnp.array([0.1, 0.2]))
    for mine, want in zip(transform(mean)(at, MESH), transform(mean)(at, None), strict=True):
        np.testing.assert_allclose(mine, want, rtol=1e-10, atol=1e-12)


def test_failures_on_one_device():
    y0 = np.linspace(0.1, 0.3, 16)
    y0[5] = 2.0  # y' = y^2 blows up at 1 / y0
    options = {"mesh": MESH, "max_steps": 60}
    many = sj.solve_ensemble(lambda t, y, args: y * y, (0.0, 1.0), y0, **options)
    assert np.flatnonzero(~many.success).tolist() == [5]
    with pytest.raises(sj.SolveError, match="1 of 16 solves failed, the first of them number 5"):
        sj.solve_ensemble(lambda t, y, args: y * y, (0.0, 1.0), y0, throw=True, **options)


@pytest.mark.parametrize("mesh", [8, "cpu", DEVICES])
def test_a_mesh_that_is_none(mesh):
    with pytest.raises(TypeError, match=r"mesh must be a jax.sharding.Mesh, as jax.make_mesh"):
        solve(mesh=mesh)
