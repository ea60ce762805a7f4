"""Fingerprints: equal in every process and wherever the lines stand, another where the content is another."""

import functools
import os
import runpy
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax import nn, train
from sciml_jax.core import Frozen
from sciml_jax.train.fingerprint import hash_arrays, hash_code

SCRIPT = """
import functools, sys
import equinox as eqx, jax, jax.numpy as jnp
from sciml_jax import nn, train
from sciml_jax.train.fingerprint import hash_code

SCALE, GRID, NAMES = 2.0, jnp.linspace(0.0, 1.0, 3), ("a", "b")

class Field(eqx.Module):
    net: nn.MLP
    def __call__(self, t, y):
        return self.net(y)

@jax.jit
def helper(x):
    return {"x": x, "y": 1.0} if SCALE in {1.0, 2.0} else None

def outer(x, names=frozenset({"one", "two", "three"})):
    def inner(y):
        return helper(y)["x"] * GRID if "one" in {"one", "two", "four"} else y
    return functools.partial(inner, x)

def solve(model, t):
    return jax.vmap(lambda s: outer(s)())(t)

net = nn.MLP(1, 1, 3, 1, key=jax.random.key(0))
for x in (outer(Field(net)), train.trajectory(solve), jax.grad(solve), Field(net), eqx.filter_jit(solve), jnp.sin):
    print(hash_code(x)["code"])
"""


def printed(tmp_path, text, seed):
    (tmp_path / "script.py").write_text(text)
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONHASHSEED": seed}
    command = [sys.executable, str(tmp_path / "script.py")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()


def test_the_same_in_another_process_and_on_other_lines(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    one = printed(tmp_path, SCRIPT, "1")
    documented = SCRIPT.replace("def helper(x):\n", 'def helper(x):\n    """Helps."""\n    # with a comment\n\n')
    other = printed(tmp_path / "elsewhere", "\n\n\n" + documented, "2")
    assert one == other
    assert len(set(one)) == len(one) == 6


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("SCALE, GRID, NAMES = 2.0", "SCALE, GRID, NAMES = 3.0"),
        ("linspace(0.0, 1.0, 3)", "linspace(0.0, 2.0, 3)"),
        ('"y": 1.0', '"y": 1.5'),
        ('["x"] * GRID', '["x"] + GRID'),
    ],
)
def test_another_constant_global_or_operation_is_other_code(tmp_path, capsys, was, now):
    assert was in SCRIPT
    codes = []
    for text in (SCRIPT, SCRIPT, SCRIPT.replace(was, now)):
        (tmp_path / "script.py").write_text(text)
        runpy.run_path(str(tmp_path / "script.py"), run_name="__main__")
        codes.append(capsys.readouterr().out.split()[1])
    assert codes[0] == codes[1] != codes[2]


def closed_over(value):
    return lambda model, batch, key: value


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (closed_over(1.0), closed_over(2.0)),
        (closed_over(1), closed_over(1.0)),
        (closed_over("a"), closed_over("b")),
        (closed_over(np.zeros(2)), closed_over(np.ones(2))),
        (closed_over([1, {"a": 2}]), closed_over([1, {"a": 3}])),
        (closed_over(closed_over(1)), closed_over(closed_over(2))),
        (functools.partial(max, 1), functools.partial(max, 2)),
        (functools.partial(max, key=1), functools.partial(max, key=2)),
        (train.trajectory(jnp.sin), train.trajectory(jnp.cos)),
        (train.trajectory(jnp.sin, scale=1.0), train.trajectory(jnp.sin, scale=2.0)),
        (nn.MLP(1, 1, 3, 1, key=jax.random.key(0)), nn.MLP(1, 1, 3, 1, activation=jnp.sin, key=jax.random.key(0))),
    ],
)
def test_other_content_is_another_fingerprint(one, other):
    assert hash_code(one) == hash_code(one)
    assert hash_code(one)["code"] != hash_code(other)["code"]


def test_a_function_that_has_run_is_still_the_same():
    function = closed_over(3.0)
    before = hash_code(function)
    for _ in range(100):  # Python writes specialised instructions into code that runs often
        function(1, 2, 3)
    assert hash_code(function) == before


def test_what_refers_to_itself_has_an_end():
    def recursive(n):
        return recursive(n - 1) if n else 0

    circle = [recursive]
    circle.append(circle)
    assert hash_code(closed_over(circle)) == hash_code(closed_over(circle))


def test_arrays_count_by_dtype_shape_and_bytes():
    arrays = [np.zeros(4), np.zeros((2, 2)), np.zeros(4, np.float32), np.ones(4), jnp.zeros(4, jnp.bfloat16)]
    arrays += [np.zeros(4, np.uint16), jax.random.key(0), jax.random.key(1), jax.random.key(0, impl="rbg")]
    assert len({hash_arrays(x) for x in arrays}) == len(arrays)
    assert hash_arrays(np.zeros(4)) == hash_arrays(jnp.zeros(4)) == hash_arrays(Frozen(jnp.zeros(4)))
    assert hash_arrays(np.arange(6.0).reshape(2, 3).T) == hash_arrays(np.arange(6.0).reshape(2, 3).T.copy())
    assert hash_arrays(None) == hash_arrays({})


def test_arrays_can_be_left_out():
    class Model(eqx.Module):
        w: jax.Array
        size: int = 3

    one, other = Model(jnp.zeros(2)), Model(jnp.ones(2))
    assert hash_code(one) != hash_code(other)
    assert hash_code(one, arrays=False) == hash_code(other, arrays=False)
    assert hash_code(one, arrays=False) != hash_code(Model(jnp.zeros(2), 4), arrays=False)
