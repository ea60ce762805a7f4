"""What every process of `test_processes.py` runs: an ensemble over all of them against the same one alone."""

import jax
import jax.numpy as jnp
import numpy as np

import sciml_jax as sj

jax.config.update("jax_enable_x64", True)
count = sj.ensemble.connect()
assert count == jax.process_count() == 2
mesh = jax.make_mesh((jax.device_count(),), ("trajectories",))


def oscillator(t, y, rate):
    return jnp.stack([y[1], -rate * y[0]])


for n in (6, 7):  # 7: the last share is filled up
    y0, rates = np.array([1.0, 0.0]), np.linspace(0.5, 2.0, n)
    options = {"in_axes": (None, 0), "rtol": 1e-6, "max_steps": 50}
    alone = sj.solve_ensemble(oscillator, (0.0, 1.0), y0, rates, **options)
    many = sj.solve_ensemble(oscillator, (0.0, 1.0), y0, rates, mesh=mesh, throw=True, **options)
    if n == 6:
        assert not many.y.is_fully_addressable and many.y.addressable_shards[0].data.shape == (3, 2)
    y, steps = sj.ensemble.gathered((many.y, many.stats["steps"]))
    np.testing.assert_allclose(y, alone.y, rtol=1e-12)
    np.testing.assert_array_equal(steps, alone.stats["steps"])

try:
    sj.solve_ensemble(lambda t, y, r: r * y * y, (0.0, 1.0), 1.0, 2 * rates, mesh=mesh, throw=True, **options)
except sj.SolveError as error:
    assert "solves failed, the first of them number" in str(error)
else:
    raise AssertionError("a solution that blows up")
# sweeps: over all processes together, and every process over points of its own
run = lambda r: sj.solve_ensemble(oscillator, (0.0, 1.0), y0, r, in_axes=(None, 0), rtol=1e-6, mesh=mesh).y  # noqa: E731
rates = np.linspace(0.5, 2.0, 30)
alone = sj.solve_ensemble(oscillator, (0.0, 1.0), y0, rates, in_axes=(None, 0), rtol=1e-6)
for streams in (1, 3):
    swept = sj.sweep(run, rates, chunk=4, streams=streams, progress=False).results
    np.testing.assert_allclose(swept, alone.y, rtol=1e-12)
own = 100.0 * (jax.process_index() + 1) + np.arange(7.0)
np.testing.assert_array_equal(sj.sweep(lambda x: 2 * x, own, chunk=2, progress=False).results, 2 * own)
np.testing.assert_array_equal(sj.ensemble.gathered(jnp.asarray(own)), own)
print(f"process {jax.process_index()} agrees", flush=True)
