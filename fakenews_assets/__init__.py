"""The asset graph: raw articles in, an evaluated fake-news classifier out."""

import os

# Read when OpenMP is loaded, hence before any import of torch. Its threads spin at every barrier; with as many
# threads as processors and anything else running (the webserver, a test), a long spin holds the processor that
# the awaited thread needs. A training step then took 5.3 s instead of 0.4 s; without any spinning 0.6 s, but a
# fifth more when alone. A short spin is meant as the middle: alone it measured no slower.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")
