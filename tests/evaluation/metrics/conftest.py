"""Predictions, shared with the selection."""

from tests.selection.conftest import make_predictions as make_predictions
