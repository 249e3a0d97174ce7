"""The compile cache of the command: where RNN_ODE_CACHE asks for it, JAX keeps compiled programs between runs.

Most of a short run is compiling. The library itself changes no setting of JAX: users set JAX_COMPILATION_CACHE_DIR.
"""

import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

VARIABLE = "RNN_ODE_CACHE"


def keep_compiled(setting: str, warn: Callable[[str], None]) -> None:
    """Let JAX keep compiled programs, if this setting of RNN_ODE_CACHE asks for it. Problems are told to `warn`; they only
    cost time."""
    import jax

    folder = chosen_folder(setting)
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        warn(f"{VARIABLE}: {folder} cannot be written to ({error.strerror}), so no compiled programs are kept.")
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # the small programs of a run are many
    _tell_damage_once(folder, warn)


def chosen_folder(setting: str) -> Path | None:
    """The folder that a setting of RNN_ODE_CACHE means: 1 is the user's cache folder; empty or 0 means none."""
    if setting in ("", "0"):
        return None
    return user_folder() if setting == "1" else Path(setting).expanduser()


def user_folder() -> Path:
    """The folder for this package in the user's cache, where the platform keeps it."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "rnn_ode" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "rnn_ode"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rnn_ode"


def _tell_damage_once(folder: Path, warn: Callable[[str], None]) -> None:
    """Tell in one sentence what JAX warns of at every kept program that cannot be read: it compiles such programs again."""
    show, told = warnings.showwarning, []

    def shown(message, *place, **options):
        if "persistent compilation cache entry" not in str(message):
            show(message, *place, **options)
        elif not told:
            told.append(message)
            warn(f"{VARIABLE}: some files in {folder} are damaged. Delete the folder; the next run fills it again.")

    warnings.showwarning = shown
