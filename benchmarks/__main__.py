"""Runs every benchmark, or the named ones: `python -m benchmarks [--smoke] [lorenz orbits ...]`."""

import argparse
import subprocess
import sys
import time

from .processes import ROOT

NAMES = (
    "lorenz",
    "compile_time",
    "saving_overhead",
    "neural_ode",
    "gradient_memory",
    "gradients",
    "vmap_saves",
    "ensemble",
    "ensemble_streams",
    "ensemble_gpu",
    "euler_maruyama",
    "neural_sde",
    "neural_cde",
    "ssa",
    "orbits",
    "work_precision",
    "rober",
    "rober_gradient",
    "stiff_chemistry",
    "brusselator",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", default=[], help=f"which ones ({', '.join(NAMES)})")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, results in a temporary folder")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a bar does not hold")
    options = parser.parse_args()
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    flags = ["--smoke"] * options.smoke + ["--strict"] * options.strict
    failed = []
    for name in options.names or NAMES:
        start = time.monotonic()
        code = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *flags], cwd=ROOT).returncode
        print(f"  {name}: {time.monotonic() - start:.0f} s\n", flush=True)
        if code:
            failed.append(name)
    ran = len(options.names or NAMES)
    print(f"benchmarks: {ran - len(failed)} of {ran} ran" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
