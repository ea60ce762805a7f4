"""The compiler setting, each case in a fresh interpreter: XLA reads it once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

OPTION = "xla_cpu_small_while_loop_byte_threshold"
HEAD = "import os, warnings; warnings.simplefilter('error');"


def run(code, **environment):
    """What `code` prints."""
    env = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "SCIML_JAX_TUNE_XLA")} | environment
    env["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run([sys.executable, "-c", HEAD + code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


SHOW = "print(os.environ.get('XLA_FLAGS', ''))"
CPUINFO = Path("/proc/cpuinfo")
WIDTH = " --xla_cpu_prefer_vector_width=512" if CPUINFO.exists() and "avx512f" in CPUINFO.read_text() else ""


@pytest.mark.float32
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, f"--xla_backend_extra_options={OPTION}=262144{WIDTH}"),
        ({"SCIML_JAX_TUNE_XLA": "0"}, ""),
        (
            {"XLA_FLAGS": "--xla_cpu_enable_fast_math=false"},
            f"--xla_cpu_enable_fast_math=false --xla_backend_extra_options={OPTION}=262144{WIDTH}",
        ),
        (
            {"XLA_FLAGS": f"--xla_backend_extra_options={OPTION}=7"},
            f"--xla_backend_extra_options={OPTION}=7",
        ),
        (
            {"XLA_FLAGS": "--xla_backend_extra_options=xla_cpu_disable_new_fusion_emitters=true"},
            f"--xla_backend_extra_options=xla_cpu_disable_new_fusion_emitters=true,{OPTION}=262144{WIDTH}",
        ),
        (
            {"XLA_FLAGS": "--xla_cpu_prefer_vector_width=128"},
            f"--xla_cpu_prefer_vector_width=128 --xla_backend_extra_options={OPTION}=262144",
        ),
    ],
)
def test_the_setting_joins_what_is_there(before, after):
    # core alone: the whole package is imported once, below
    code = "from sciml_jax.core import xla; xla.tune();" if before else "import sciml_jax;"
    assert run(code + SHOW, **before) == after


def test_the_loop_gets_it():
    code = """
import sciml_jax as sj, jax
solve = jax.jit(lambda y: sj.solve_ode(lambda t, y, args: -y, (0.0, 1.0), y, throw=False).y)
text = solve.lower(1.0).compile().as_text()
print("small_call" in text, float(solve(1.0)) > 0)
"""
    assert run(code) == "True True"


def test_a_late_import_warns():
    code = """
import jax; jax.numpy.zeros(1)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import sciml_jax
late = [w for w in caught if "import sciml_jax before the first array" in str(w.message)]
print(len(late))
"""
    assert run(code) == "1"


def test_asking_does_not_start_the_backend():
    code = """
import sciml_jax, jax
jax.config.update("jax_num_cpu_devices", 3)
print(len(jax.devices("cpu")))
"""
    assert run(code) == "3"
