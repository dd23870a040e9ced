"""Bundles, shared with the selection."""

from tests.selection.conftest import make_bundle as make_bundle
from tests.selection.conftest import make_draft as make_draft
from tests.selection.conftest import manifest as manifest
from tests.selection.conftest import models as models
