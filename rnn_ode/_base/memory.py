"""What is said where memory does not suffice."""

import re


def memory_error(error: Exception) -> MemoryError | None:
    """An error of NumPy or XLA as one that says how much was wanted and what to do; `None` if it is about something else."""
    text = str(error)
    if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in text:
        return None
    found = re.search(r"([\d.]+) ?(bytes|[KMGT]iB)", text)
    asked = (
        "what is computed at once does not fit"
        if found is None
        else f"{_amount(*found.groups())} were asked for at once"
    )
    return MemoryError(
        f"not enough memory: {asked}. Give fewer steps, units, guesses or sequences at a time, keep less with save=, or "
        "compute in float32."
    )


def _amount(number: str, unit: str) -> str:
    """A number of bytes in words."""
    size = float(number) * 1024 ** ("KMGT".find(unit[0]) + 1 if unit != "bytes" else 0)
    return f"{size / 1e9:.3g} GB" if size >= 1e8 else f"{size / 1e6:.3g} MB"
