"""The formats of recordings and of their samples, by our names and by libsndfile's."""

import importlib
import os
from pathlib import Path
from types import ModuleType

PathLike = str | os.PathLike[str]

SUBTYPES = {"pcm16": "PCM_16", "pcm24": "PCM_24", "pcm32": "PCM_32", "float": "FLOAT", "double": "DOUBLE"}
CHANNELS = ("left", "right", "mix")

MOST_HZ = 10**8

NAMES: dict[str, str] = {code: name for name, code in SUBTYPES.items()}
BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
BYTES = {code: bits // 8 for code, bits in BITS.items()} | {"FLOAT": 4, "DOUBLE": 8}

_SUFFIXES = {"AIF": "AIFF", "AIFC": "AIFF", "OGA": "OGG", "OPUS": "OGG", "SND": "AU"}  # besides libsndfile's own names


def soundfile() -> ModuleType:
    """The package `soundfile`; `ImportError` with what to install."""
    try:
        return importlib.import_module("soundfile")
    except ImportError as error:
        raise ImportError(
            "recordings need the package soundfile: pip install '.[audio]' in a clone of rnn_ode"
        ) from error


def format_of(path: PathLike) -> str:
    """libsndfile's name of the format that the end of a file's name tells, such as `FLAC`. `ValueError` if it tells none."""
    suffix = Path(path).suffix[1:].upper()
    name = _SUFFIXES.get(suffix, suffix)
    formats = soundfile().available_formats()
    if name not in formats or name == "RAW":
        known = ", ".join(f".{key.lower()}" for key in formats if key != "RAW")
        raise ValueError(f"{path}: recordings are written with the names {known}; got {Path(path).suffix or 'none'!r}.")
    return name


def check_subtype(kind: str, subtype: str) -> str:
    """libsndfile's name of a subtype. `ValueError` unless files of this kind can have such samples."""
    code, sndfile = SUBTYPES.get(subtype, subtype), soundfile()
    if not sndfile.check_format(kind, code):
        raise ValueError(
            f"subtype must be one of {', '.join(SUBTYPES)}; got {subtype!r}. Of these, and of libsndfile's others, {kind} "
            f"files have {', '.join(NAMES.get(str(name), str(name)) for name in sndfile.available_subtypes(kind))}."
        )
    return code


def subtype_for(path: PathLike, like: str) -> str:
    """The subtype for a new file: `like`, that of another file, where the format has it, or else the finest that it has."""
    kind, sndfile = format_of(path), soundfile()
    if Path(path).suffix.lower() == ".opus":
        return "OPUS"
    codes = (SUBTYPES.get(like, like), "FLOAT", "PCM_24", sndfile.default_subtype(kind))
    code = next(code for code in codes if code and sndfile.check_format(kind, code))
    return NAMES.get(code, code)
