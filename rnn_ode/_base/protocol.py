"""What cells and fields may tell of themselves."""


def is_linear(field) -> bool:
    """Whether the field says (`field.linear`) that it is one matrix times the state, and something that the input drives."""
    return getattr(field, "linear", False) is True


def is_linear_in_steps(field) -> bool:
    """Whether the flow of a step is linear: everywhere, or as anchored where the step starts."""
    return is_linear(field) or getattr(field, "anchored", False)


def leads_of(field) -> tuple[float, ...]:
    """How far ahead of the time the field reads its input, in time: its `leads`, or where it has none not at all."""
    return getattr(field, "leads", (0.0,))


def is_partial(field) -> bool:
    """Whether the field says (`field.partial`) that there may be states at which it does not exist."""
    return getattr(field, "partial", False)
