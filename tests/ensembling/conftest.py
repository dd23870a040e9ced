"""Tiny members of an ensemble."""

from tests.training.conftest import tiny_bert as tiny_bert
from tests.training.conftest import tiny_classifier as tiny_classifier
