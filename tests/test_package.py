"""The package as a whole: its layout, its imports, its documentation and its examples."""

import ast
import gc
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rnn_ode

PACKAGE = Path(rnn_ode.__file__).parent
FILES = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("file", FILES)
def test_only_public_interfaces_of_jax_and_equinox(file):
    private = re.compile(r"jax\._src|\b(equinox|eqx)\.(internal|_)|from equinox import .*\b(internal|_\w+)")
    assert private.findall((PACKAGE / file).read_text(encoding="utf-8")) == []


def run_python(script: str, cwd: Path) -> str:
    """Runs a script as a user would: no configuration of the tests', float32, no screen. Returns what it prints."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("JAX_", "EQX_"))}
    env |= {"PYTHONPATH": str(PACKAGE.parent), "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "Agg", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", script], cwd=cwd, env=env, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


IMPORT_SCRIPT = """
import sys, warnings
import diffrax, jax
before, filters = dict(jax.config.values), list(warnings.filters)
from rnn_ode import *
heavy = {"matplotlib", "typer", "rich", "optax", "scipy", "pandas"} & sys.modules.keys()
changed = {key for key, _ in before.items() ^ jax.config.values.items()}
print(sorted(heavy), sorted(changed), warnings.filters == filters, jax.config.jax_enable_x64)
"""


@pytest.mark.slow
def test_importing_is_light_and_changes_no_configuration(tmp_path):
    assert run_python(IMPORT_SCRIPT, tmp_path).split("\n")[0] == "[] [] True False"


LAZY_SCRIPT = """
import sys
import rnn_ode
loaded = {"jax", "numpy", "diffrax"} & sys.modules.keys()
sys.modules |= {"optax": None, "matplotlib": None}
print(rnn_ode.__version__, sorted(loaded), rnn_ode.datasets.pendulum.__name__)
for name in ("learn", "plot", "nosuch"):
    try:
        getattr(rnn_ode, name)
    except (ImportError, AttributeError) as error:
        print(error)
"""


def test_the_root_imports_nothing_until_it_is_asked(tmp_path):
    assert run_python(LAZY_SCRIPT, tmp_path).splitlines() == [
        f"{rnn_ode.__version__} [] pendulum",
        "rnn_ode.learn needs optax: pip install '.[learn]' in a clone of rnn_ode",
        "rnn_ode.plot needs matplotlib: pip install '.[app]' in a clone of rnn_ode",
        "module 'rnn_ode' has no attribute 'nosuch'",
    ]


def exports() -> dict[str, str]:
    """What type checkers see in `__init__`: names, and the modules that they come from ("" for modules)."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    statements = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in statements for alias in node.names if alias.asname == alias.name}


def public_names() -> list[str]:
    return [name for name, home in exports().items() if (home or name == "initializers") and name != "__version__"]


def test_the_root_gives_what_type_checkers_see():
    assert {name: home for name, home in exports().items() if home} == rnn_ode._HOMES
    assert {name for name, home in exports().items() if not home} == set(rnn_ode._MODULES)
    assert set(dir(rnn_ode)) == exports().keys()
    assert all(inspect.ismodule(getattr(rnn_ode, name)) for name in rnn_ode._MODULES)


@pytest.mark.parametrize("name", rnn_ode._MODULES)
def test_dir_of_a_module_lists_its_public_names_alone(name):
    module = getattr(rnn_ode, name)
    assert dir(module) == sorted(module.__all__) and len(set(module.__all__)) == len(module.__all__)
    things = {entry: getattr(module, entry) for entry in module.__all__}
    assert not any(entry.startswith("_") or inspect.ismodule(thing) for entry, thing in things.items())
    statements = ast.walk(ast.parse(inspect.getsource(module)))
    imports = [alias for node in statements if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert {alias.name for alias in imports if alias.asname == alias.name} <= things.keys()
    homes = {thing.__module__ for thing in things.values() if inspect.isclass(thing) or inspect.isroutine(thing)}
    assert all(home.startswith("rnn_ode.") for home in homes), "what others made is not ours"


@pytest.mark.parametrize("name", public_names())
def test_public_names_are_documented(name):
    thing = getattr(rnn_ode, name)
    assert name.isidentifier() and not name.startswith("_")
    lines = (thing.__doc__ or "").strip().splitlines()
    assert len(lines) > 1, f"{name} wants a docstring of more than one line"
    if inspect.isfunction(thing):
        parameters = inspect.signature(thing).parameters.values()
        bare = [parameter.name for parameter in parameters if parameter.annotation is inspect.Parameter.empty]
        assert bare == [], f"{name} wants annotations of {bare}"


def test_the_package_says_that_it_has_types():
    assert (PACKAGE / "py.typed").exists()


def test_public_names_are_there_once():
    names = public_names()
    assert len(set(names)) == len(names) > 0
    assert set(rnn_ode.__all__) == set(names)


# as here, see conftest.py: a twelfth of the time is looking through what tracing makes
GARBAGE = f"import gc; gc.set_threshold(*{gc.get_threshold()})"

# One process for all modules: starting JAX costs more than the examples.
DOCTEST_SCRIPT = """
import doctest, importlib
flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
for name in MODULES:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name.split(".")[0] not in EXTRAS:
            raise
        print("doctests", name, "not installed:", error.name)
        continue
    results = doctest.testmod(module, optionflags=flags)
    print("doctests", name, results.attempted, "tried", results.failed, "failed")
"""
EXTRAS = ("matplotlib", "typer", "rich", "optax", "safetensors", "soundfile", "xarray", "zarr", "filelock")


def modules_with_examples() -> list[str]:
    files = [file for file in FILES if ">>> " in (PACKAGE / file).read_text(encoding="utf-8")]
    return [".".join(["rnn_ode", *Path(file).with_suffix("").parts]).removesuffix(".__init__") for file in files]


@pytest.mark.slow
def test_the_examples_in_docstrings_run(tmp_path):
    modules = modules_with_examples()
    output = run_python(f"{GARBAGE}\nMODULES, EXTRAS = {modules!r}, {EXTRAS!r}\n{DOCTEST_SCRIPT}", tmp_path)
    for module in modules:
        # "0 tried" would be an example in a place where doctest does not look.
        assert re.search(rf"^doctests {module} ([1-9]\d* tried 0 failed|not installed: .*)$", output, re.M), output
