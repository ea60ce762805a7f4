"""XLA settings for CPU: a small solver loop as one machine-code function, and the machine's full vectors."""

import os
import warnings
from pathlib import Path

import jax

_OPTION = "xla_cpu_small_while_loop_byte_threshold"
_FLAG = "--xla_backend_extra_options="
_WIDTH = "--xla_cpu_prefer_vector_width"


def tune(threshold_bytes: int = 1 << 18) -> bool:
    """Lets XLA's CPU compiler emit while loops of up to `threshold_bytes` as one function; `True` when it is set.

    A Lorenz step took 0.085 instead of 0.27 microseconds so, and compiled in half the time. XLA reads the setting
    once, when its backend starts: `sciml_jax` calls this on import, so import it before the first array exists.
    Buffers that are written in place do not count. A higher threshold is no gain, and takes large transposed matrix
    products away from XLA's fast library (1 MiB: 256 x 64 in float64, twenty times slower).
    Where the processor has vectors of 512 bits, XLA is told to use them: it takes half of them by default. Neural
    equations took 0.7 to 0.8, ensembles in lanes 0.6 of the time so, solves of small stiff systems 0.99 to 1.12.
    What you have set yourself in `XLA_FLAGS` stays; `SCIML_JAX_TUNE_XLA=0` in the environment switches this off.

    **Warns** when the backend is already up, because the setting then comes too late.

    >>> import sciml_jax
    >>> "xla_cpu_small_while_loop_byte_threshold" in __import__("os").environ["XLA_FLAGS"]
    True
    """
    if os.environ.get("SCIML_JAX_TUNE_XLA", "1") == "0":
        return False
    flags = os.environ.get("XLA_FLAGS", "").split()
    if any(_OPTION in flag for flag in flags):
        return True
    if _backend_is_up():
        warnings.warn(
            "sciml_jax was imported after JAX had started its backend, so its CPU loops run up to six times slower: "
            "import sciml_jax before the first array is made (or set SCIML_JAX_TUNE_XLA=0 to hide this)",
            stacklevel=3,
        )
        return False
    option = f"{_OPTION}={threshold_bytes}"
    merged = [f"{flag},{option}" if flag.startswith(_FLAG) else flag for flag in flags]
    if merged == flags:
        merged.append(_FLAG + option)
    if _has_wide_vectors() and not any(flag.startswith(_WIDTH) for flag in flags):
        merged.append(f"{_WIDTH}=512")
    os.environ["XLA_FLAGS"] = " ".join(merged)
    return True


def _has_wide_vectors() -> bool:
    """Whether Linux says that the processor has AVX-512; elsewhere nobody is asked."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            return "avx512f" in file.read(1 << 14)  # the first core's lines
    except OSError:
        return False


def _backend_is_up() -> bool:
    # The public question: once its backend has started, JAX refuses to change this setting.
    devices: int = jax.config.jax_num_cpu_devices  # type: ignore[attr-defined]
    try:
        jax.config.update("jax_num_cpu_devices", max(devices, 0) + 1)
    except RuntimeError:
        return True
    jax.config.update("jax_num_cpu_devices", devices)
    return False
