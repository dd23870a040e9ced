"""Tiny models and splits, shared with the trainings and the evaluation."""

from tests.evaluation.conftest import classify as classify
from tests.evaluation.conftest import make_split as make_split
from tests.evaluation.conftest import model_folder as model_folder
from tests.evaluation.conftest import tiny_encoder as tiny_encoder
from tests.training.conftest import tiny_bert as tiny_bert
from tests.training.conftest import tiny_classifier as tiny_classifier
