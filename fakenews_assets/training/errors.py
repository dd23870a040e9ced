"""How a training fails."""


class TrainingFailed(RuntimeError):
    """The run ended without a usable model; the message says what to change."""
