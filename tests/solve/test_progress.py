"""The bar of a long solve: how often the host is called, and what lanes show."""

import jax
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.solve import progress

from .problems import decay


@pytest.fixture
def shown(monkeypatch):
    """What every call of the host shows: the share that is done, and the accepted steps."""
    calls = []
    monkeypatch.setattr(progress.Bar, "show", lambda self, parts, n: calls.append((int(parts) / 1e6, int(n))))
    monkeypatch.setattr(progress.Bar.__init__, "__defaults__", (10,))
    return calls


def test_the_host_is_called_every_few_steps_and_at_the_end(shown):
    sol = sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), 1.0, dt=1 / 64, progress=True)
    jax.effects_barrier()
    assert float(sol.y) == pytest.approx(np.exp(-1), rel=1e-6)
    assert [n for _, n in shown] == [10, 20, 30, 40, 50, 60, 64]
    np.testing.assert_allclose([done for done, _ in shown], np.array([10, 20, 30, 40, 50, 60, 64]) / 64, atol=1e-6)


def test_lanes_share_one_bar_that_shows_the_slowest(shown):
    ends = np.array([1.0, 0.5])
    jax.vmap(lambda t1: sj.solve_ode(decay, (0.0, t1), 1.0, dt=1 / 64, progress=True).y)(ends)
    jax.effects_barrier()
    done = [part for part, _ in shown]
    assert done == sorted(done) and done[-1] == 1.0
    # the longer one takes 64 steps: a call every ten of either, and at the end
    assert len(done) <= 64 // 10 + 2


def test_derivatives_with_a_bar(shown):
    def end(k, gradient):
        field = lambda t, y, k: -k * y  # noqa: E731
        return sj.solve_ode(field, (0.0, 1.0), 1.0, k, dt=1 / 64, progress=True, gradient=gradient).y

    slopes = jax.grad(end)(1.0, sj.Recorded()), jax.jacfwd(end)(1.0, sj.Forward())
    jax.effects_barrier()
    np.testing.assert_allclose(slopes, -np.exp(-1), rtol=1e-6)
    assert shown[-1][0] == 1.0


def test_no_bar_no_call(shown):
    sj.solve_ode(decay, (0.0, 1.0), 1.0, dt=1 / 64)
    jax.effects_barrier()
    assert shown == []


def test_the_bar_says_how_far_the_solve_is(capsys):
    pytest.importorskip("tqdm")
    sj.solve_ode(decay, (0.0, 1.0), 2.0, dt=1 / 4096, progress=True)
    jax.effects_barrier()
    text = capsys.readouterr().err
    assert "solve" in text and "100%" in text and "4096 steps" in text
