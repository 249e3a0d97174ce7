"""The files of all commands: checked before anything takes time, and never overwritten by mistake."""

from pathlib import Path

import pytest

READ = {
    "compare --input": (("compare", "--input"), "csv"),
    "compare --weights": (("compare", "--weights"), "npz"),
    "analyse --weights": (("analyse", "--weights"), "json"),
    "spectrum": (("spectrum",), "npy"),
    "forecast": (("forecast",), "csv"),
    "resample --weights": (
        ("resample", "--input", "series.csv", "--out", "o.csv", "--to", "2", "--weights"),
        "safetensors",
    ),
    "resample --input": (("resample", "--weights", "net.npz", "--out", "out.wav", "--to", "2", "--input"), "wav"),
}


@pytest.mark.parametrize(("arguments", "ending"), READ.values(), ids=READ)
def test_files_that_cannot_be_read_are_named_in_one_line(invoke, tmp_path, arguments, ending):
    """A missing file, a folder, an empty file and another kind of file; the line has no error numbers of the system."""
    (tmp_path / f"folder.{ending}").mkdir()
    (tmp_path / f"empty.{ending}").touch()
    (tmp_path / f"other.{ending}").write_bytes(b"\xff\xfeno such thing\n1\n")
    texts = {"missing": "there is no such ", "folder": "that is a folder", "empty": "the file is empty", "other": ": "}
    for name, words in texts.items():
        result = invoke(*arguments, f"{name}.{ending}")
        assert result.exit_code == 2 and result.stdout == "", (name, result.output)
        assert f"{name}.{ending}" in result.stderr and words in result.stderr
        assert result.stderr.count("\n") == 1 and "Errno" not in result.stderr and "codec" not in result.stderr


WRITTEN = {
    "compare --out": ("compare", "--out", "png"),
    "analyse --out": ("analyse", "--out", "svg"),
    "forecast --out": ("forecast", "sunspots", "--out", "pdf"),
    "forecast --checkpoint": ("forecast", "sunspots", "--checkpoint", "ckpt"),
    "memory --results": ("memory", "--results", "json"),
    "bench --keep": ("bench", "--keep", "json"),
    "resample --out": ("resample", "--weights", "net.npz", "--input", "series.csv", "--to", "2", "--out", "csv"),
}


@pytest.mark.parametrize("arguments", WRITTEN.values(), ids=WRITTEN)
def test_files_that_cannot_be_written_are_named_with_their_option(invoke, tmp_path, arguments):
    *arguments, option, ending = arguments
    (tmp_path / f"folder.{ending}").mkdir()
    paths = {f"folder.{ending}": "that is a folder", f"no/out.{ending}": "the folder no does not exist"}
    if Path("/proc").exists():
        paths[f"/proc/out.{ending}"] = "the folder /proc cannot be written to"
    for path, words in paths.items():
        result = invoke(*arguments, option, path)
        assert (result.exit_code, result.stdout) == (2, "") and "Errno" not in result.stderr
        assert result.stderr.startswith(f"error: {option} {path}: ") and words in result.stderr


CSV = ("series.csv", "link.csv", "./folder/../series.csv", "hard.csv")

OVERWRITTEN = {
    "resample --input": (("resample", "--weights", "net.npz", "--to", "2", "--input", "series.csv", "--out"), CSV),
    "resample --weights": (
        ("resample", "--input", "series.csv", "--to", "2", "--weights", "w.csv", "--out"),
        ("w.csv",),
    ),
    "compare --input": (("compare", "--input", "series.png", "--out"), ("series.png", "./series.png")),
    "compare --weights": (("compare", "--weights", "series.png", "--out"), ("series.png",)),
    "analyse --weights": (("analyse", "--weights", "series.png", "--out"), ("series.png",)),
    "forecast SERIES": (("forecast", "series.csv", "--checkpoint"), CSV),
    "forecast SERIES and --out": (("forecast", "series.png", "--out"), ("series.png",)),
    "forecast --checkpoint": (
        ("forecast", "sunspots", "--checkpoint", "new.png", "--out"),
        ("new.png", "folder/../new.png"),
    ),
    "memory --results": (("memory", "--results", "new.svg", "--out"), ("new.svg",)),
    "bench --keep": (("bench", "--keep", "new.pdf", "--out"), ("new.pdf", "./new.pdf")),
}


@pytest.mark.parametrize("name", OVERWRITTEN)
def test_no_command_overwrites_its_own_files(invoke, tmp_path, name):
    """If an output is an input or another output, by whatever name, both options are named and nothing is written."""
    arguments, paths = OVERWRITTEN[name]
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.csv").symlink_to("series.csv")
    (tmp_path / "hard.csv").hardlink_to(tmp_path / "series.csv")
    for copy in ("series.png", "w.csv"):
        (tmp_path / copy).write_bytes((tmp_path / "series.csv").read_bytes())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    for path in paths:
        result = invoke(*arguments, path)
        assert (result.exit_code, result.stdout) == (2, ""), result.output
        assert f"this is the file of {name.split()[1]}, which would be lost" in result.stderr
        assert result.stderr.startswith(("error: --out ", "error: --checkpoint ")) and result.stderr.count("\n") == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
