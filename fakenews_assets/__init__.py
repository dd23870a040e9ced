"""The asset graph: raw articles in, an evaluated fake-news classifier out."""

import os
import sys

# Read when OpenMP is loaded, hence before any import of torch. Its threads spin at every barrier; with as many
# threads as processors and anything else running (the webserver, a test), a long spin holds the processor that
# the awaited thread needs. A training step then took 5.3 s instead of 0.4 s; without any spinning 0.6 s, but a
# fifth more when alone. A short spin is meant as the middle: alone it measured no slower.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

# OpenVINO's tools report their use to their maker unless they find this package missing, and NNCF unless it
# believes itself in a build: nothing of this project calls home.
sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]
os.environ.setdefault("NNCF_CI", "1")
