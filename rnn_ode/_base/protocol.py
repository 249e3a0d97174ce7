"""What cells and fields may tell of themselves, asked of any cell or field."""

from typing import Any


def input_width(owner: Any) -> int | None:
    """The width D of the input that a cell or field declares (`input_size`), `None` where it declares none."""
    width = getattr(owner, "input_size", None)
    return width if isinstance(width, int) else None


def is_linear(field: Any) -> bool:
    """Whether the field says (`field.linear`) that it is A h + u(t) with a constant matrix A."""
    return getattr(field, "linear", False) is True


def is_linear_in_steps(field: Any) -> bool:
    """Whether the flow of a step is linear: everywhere, or as anchored where the step starts."""
    return is_linear(field) or is_anchored(field)


def is_anchored(field: Any) -> bool:
    """Whether the field says (`field.anchored`) that it takes its Jacobian at the state where a step starts."""
    return getattr(field, "anchored", False)


def is_partial(field: Any) -> bool:
    """Whether the field says (`field.partial`) that there may be states at which it does not exist."""
    return getattr(field, "partial", False)


def leads_of(field: Any) -> tuple[float, ...]:
    """The times at which the field reads its input, counted from t (`field.leads`); (0.0,) where it declares none."""
    return getattr(field, "leads", (0.0,))
