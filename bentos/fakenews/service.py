"""The service that BentoML runs: `bentoml serve bentos.fakenews.service:FakeNews`, or `make serve`.

One process holds the model, one queue batches across requests, and the API is an ASGI application mounted at the
root. BentoML adds /livez and /readyz, the process around it, the build of the bento and its container.
"""

import os
import sys

# All are read when a library is imported. Tables of a few rows are prepared four times as fast without a pool of
# threads. The threads of OpenBLAS, which the few products of matrices beside the model would wake, wait for their next
# one in a busy loop: half of the processor time of a request. Metrics kept for several processes cost every request,
# where there is one.
os.environ.setdefault("POLARS_MAX_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)

import bentoml

from bentos.fakenews.api import create_app
from bentos.fakenews.http import server
from bentos.fakenews.http.edge import Edge
from bentos.fakenews.settings import ServiceSettings

# A thread that computes in Python, such as one that reads an upload, may hold the interpreter for so long before another
# one gets it. A request needs it dozens of times: at Python's 5 ms it waited for more than a second beside two uploads.
sys.setswitchinterval(0.0002)

settings = ServiceSettings()
server.install(settings)
app = create_app(settings)


@bentoml.service(
    name="fakenews",
    workers=1,  # the model uses every processor; a second process would hold a second model and queue
    # What BentoML would wrap around every request took more time than the model does. The API has its own
    # time limits and metrics, and the prediction log says more than an access log.
    metrics={"enabled": False},
    tracing={"excluded_urls": ".*"},
    logging={"access": {"enabled": False}},
)
@bentoml.asgi_app(app, path="/")
class FakeNews:
    """Mounts the application and answers the probes."""

    def __is_ready__(self) -> bool:
        """Whether a champion is loaded."""
        return getattr(app.state, "runtime", None) is not None and app.state.runtime.served is not None


# Its stubs take a class for an instance.
FakeNews.add_asgi_middleware(Edge, prefix=settings.root_path or "")  # pyright: ignore[reportArgumentType]
