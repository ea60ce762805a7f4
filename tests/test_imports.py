"""Imports go downwards only: the folder order of the package, read from the source without running it."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "sciml_jax"
ROOT = Path(__file__).resolve().parent.parent / PACKAGE

# A folder imports itself and the folders before it.
ORDER = (
    *("core", "linalg", "solve", "ensemble", "fields", "nn", "pde", "data", "train"),
    *("models", "pinn", "operators", "implicit", "discovery", "inverse"),
    *("plot", "cli"),
)
# These do not import one another.
SIBLINGS = {"models", "pinn", "operators", "implicit", "discovery", "inverse"}
# The public functions stand on the rest of `solve`, which does not know them.
FRONTS = {f"{PACKAGE}.solve.{name}" for name in ("ode", "sde", "cde", "dde", "dae", "jump")}
# What a plain installation has; the optional packages are imported inside the functions that need them.
REQUIRED = {"jax", "jaxlib", "equinox", "optax", "jaxtyping", "lineax", "optimistix", "numpy", "scipy"}
OPTIONAL = {"matplotlib", "tqdm", "orbax", "zarr"}
ONLY = {"core": {"jax", "equinox", "jaxtyping", "numpy"}}


class Import(NamedTuple):
    """An imported module (with the name taken from it, where there is one), and whether a function defers it."""

    module: str
    name: str | None
    line: int
    deferred: bool


def dotted(path: Path, root: Path) -> str:
    """The module name of a file: `solve/ode.py` is `sciml_jax.solve.ode`; a package is named by its folder."""
    parts = [PACKAGE, *path.relative_to(root).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, root: Path) -> Iterator[Import]:
    """Every import statement of a file, relative ones made absolute, except those for the type checker alone."""
    package = dotted(path, root).split(".")
    if path.name != "__init__.py":
        package = package[:-1]

    def visit(node: ast.AST, deferred: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, None, node.lineno, deferred) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (Import(module, alias.name, node.lineno, deferred) for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for child in node.body:  # such imports still have a direction, but load nothing
                yield from visit(child, True)
            for child in node.orelse:
                yield from visit(child, deferred)
        else:
            inner = deferred or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                yield from visit(child, inner)

    yield from visit(ast.parse(path.read_text(encoding="utf-8"), str(path)), False)


def folder(module: str) -> str | None:
    """The folder of the package that a module lies in; `None` for the package itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def private_owner(module: str) -> str | None:
    """The package that the first `_name` in a dotted name belongs to."""
    parts = module.split(".")
    for i, part in enumerate(parts):
        if i and part.startswith("_") and not part.startswith("__"):
            return ".".join(parts[:i])
    return None


def inside(source: str, target: str, is_package: bool) -> bool:
    """Whether `source` lies directly in the package `target` (or is that package)."""
    return source == target if is_package else source.rpartition(".")[0] == target


def complaint(source: str, is_package: bool, found: Import, modules: set[str]) -> str | None:
    """What is wrong with one import of the module `source`, or `None`."""
    # `from package import name` may take a module; then that is what is imported
    whole = f"{found.module}.{found.name}" if found.name else found.module
    target = whole if whole in modules else found.module
    own = folder(source)
    top = found.module.split(".")[0]
    owner = private_owner(whole)
    if top != PACKAGE:
        if owner is not None:
            return f"{whole} is private to {owner}"
        if top in sys.stdlib_module_names:
            return None
        if own in ONLY and top not in ONLY[own]:
            return f"{own} imports only {', '.join(sorted(ONLY[own]))}, not {top}"
        if top in OPTIONAL and not found.deferred:
            return f"{top} is optional: import it inside the function that needs it"
        if top not in REQUIRED | OPTIONAL:
            return f"{top} is not a dependency of the package"
        return None
    if owner is not None and not inside(source, owner, is_package) and not (own is None and owner == PACKAGE):
        return f"{whole} is private to {owner}"
    other = folder(target)
    if own is None:  # the package's own table of contents and `__main__` stand above everything
        return None
    if other is None:
        return f"{own} imports the whole package, which stands above it"
    if other == own:
        if target in FRONTS and source not in FRONTS and not is_package:
            return f"{target} is a public function, which stands above the rest of {own}"
        return None
    if other not in ORDER:
        return f"{target} is not in the folder order"
    if own in SIBLINGS and other in SIBLINGS:
        return f"{own} and {other} do not import each other"
    if ORDER.index(other) > ORDER.index(own):
        return f"{own} imports {other}, which stands above it"
    return None


def violations(root: Path) -> list[str]:
    """Everything that is wrong with the imports under `root`, one line each."""
    files = sorted(root.rglob("*.py"))
    modules = {dotted(path, root) for path in files}
    folders = {folder(module) for module in modules} - {None, "__main__"}
    lines = [f"{PACKAGE}.{unknown} is not in the folder order" for unknown in sorted(folders - set(ORDER))]
    for path in files:
        source, is_package = dotted(path, root), path.name == "__init__.py"
        if folder(source) in (folders - set(ORDER)):
            continue
        if folder(source) == "__main__":
            source, is_package = PACKAGE, True
        for found in imports(path, root):
            wrong = complaint(source, is_package, found, modules)
            if wrong:
                lines.append(f"{path.relative_to(root)}:{found.line}: {wrong}")
    return lines


def test_imports_go_downwards():
    assert violations(ROOT) == []


def test_every_folder_is_a_package():
    folders = {path.parent for path in ROOT.rglob("*.py")}
    assert [str(f.relative_to(ROOT)) for f in sorted(folders) if not (f / "__init__.py").exists()] == []


def tree(root: Path, files: dict[str, str]) -> list[str]:
    """The violations of a package made of these files, named without `.py`."""
    for name, text in files.items():
        path = root / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        for parent in path.relative_to(root).parents:
            (root / parent / "__init__.py").touch()
        path.write_text(text)
    return violations(root)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("core/trees", "from ..solve import ode\n", "core imports solve, which stands above it"),
        ("core/trees", "import sciml_jax.plot\n", "core imports plot, which stands above it"),
        ("core/trees", "def f():\n    from ..nn import mlp\n", "core imports nn, which stands above it"),
        ("core/trees", "import lineax\n", "core imports only"),
        ("solve/ode", "import sciml_jax as sj\n", "solve imports the whole package"),
        ("solve/ode", "from sciml_jax import solve_ode\n", "solve imports the whole package"),
        ("solve/driver", "from .ode import solve_ode\n", "sciml_jax.solve.ode is a public function"),
        ("solve/driver", "from . import ode\n", "sciml_jax.solve.ode is a public function"),
        ("solve/explicit/tsit5", "from .. import ode\n", "sciml_jax.solve.ode is a public function"),
        ("models/cde", "from ..pinn import domains\n", "models and pinn do not import each other"),
        ("pinn/solve", "from ..models import flows\n", "pinn and models do not import each other"),
        ("discovery/sindy", "from sciml_jax.implicit.deq import solve\n", "do not import each other"),
        ("plot/field", "from matplotlib import pyplot\n", "matplotlib is optional"),
        ("plot/field", "class Picture:\n    import matplotlib\n", "matplotlib is optional"),
        ("solve/progress", "try:\n    import tqdm\nexcept ImportError:\n    tqdm = None\n", "tqdm is optional"),
        ("train/fit", "import orbax.checkpoint\n", "orbax is optional"),
        ("data/load", "import pandas\n", "pandas is not a dependency"),
        ("data/load", "def f():\n    import torch\n", "torch is not a dependency"),
        ("train/fit", "from jax._src import core\n", "jax._src.core is private to jax"),
        ("train/fit", "from equinox import _module\n", "equinox._module is private to equinox"),
        ("solve/ode", "from .explicit import _tableau\n", "is private to sciml_jax.solve.explicit"),
        ("solve/ode", "from .explicit._tableau import rows\n", "is private to sciml_jax.solve.explicit"),
        ("solve/explicit/tsit5", "from .._loop import run\n", "is private to sciml_jax.solve"),
        ("train/fit", "from ..core._loop import run\n", "is private to sciml_jax.core"),
        ("extras/misc", "", "extras is not in the folder order"),
        ("helpers", "", "helpers is not in the folder order"),
    ],
)
def test_a_bad_import_is_found(tmp_path, name, text, words):
    others = {"solve/ode": "", "nn/mlp": "", "pinn/domains": "", "models/flows": "", "implicit/deq": ""}
    found = tree(tmp_path, {**others, name: text})
    assert len(found) == 1, found
    assert words in found[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("solve/driver", "import os\nimport equinox as eqx\nfrom ..core import trees\nfrom . import step_size\n"),
        ("solve/ode", "from .driver import drive\nfrom sciml_jax.core import trees\n"),
        ("solve/sde", "from .ode import solve_ode\n"),
        ("solve/__init__", "from .ode import solve_ode\nfrom ._loop import run\n"),
        ("solve/driver", "from ._loop import run\nfrom . import _loop\n"),
        ("solve/progress", "def bar():\n    from tqdm import tqdm\n    return tqdm\n"),
        ("plot/field", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from matplotlib import axes\n"),
        ("models/latent", "from ..train import fit\nfrom ..solve import ode\n"),
        ("cli/fit", "from ..plot import field\nfrom ..models import flows\nfrom __future__ import annotations\n"),
        ("__init__", "from .solve import ode\nfrom .cli import main\nfrom .core import xla as _xla\n"),
        ("__main__", "from sciml_jax.cli import main\n"),
    ],
)
def test_a_good_import_passes(tmp_path, name, text):
    others = {"solve/_loop": "", "core/trees": "", "solve/ode": "", "cli/main": "", "solve/step_size": ""}
    assert tree(tmp_path, {**others, name: text}) == []


def test_type_checking_does_not_excuse_an_upward_edge(tmp_path):
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..plot import field\n"
    assert "which stands above it" in tree(tmp_path, {"core/trees": text})[0]
