"""Load by Locust, for a look at the service under load in a browser; the benchmark has a generator of its own.

    pip install locust
    locust                                                      # http://localhost:8089
    locust --headless --users 50 --spawn-rate 10 --run-time 1m  # figures in the terminal

The service is expected on http://127.0.0.1:3001; --host names another. Locust is not among the project's packages.
"""

import random

from locust import FastHttpUser, constant_pacing, task  # pyright: ignore[reportMissingImports]

from fakenews_resources.news.sample import SampleSpec, generate

# The sample has blank titles, which the service would refuse.
ROWS = [
    row
    for row in next(generate(SampleSpec(rows=2000))).select("title", "text").rows()
    if (row[0] or "").strip()
]


class Reader(FastHttpUser):
    """Asks about one title after the other, now and then with its text or about a whole page of them."""

    host = "http://127.0.0.1:3001"
    wait_time = constant_pacing(0.1)  # seconds from request to request

    @task(16)
    def title(self) -> None:
        """A title alone."""
        self.client.post("/predict", json={"title": random.choice(ROWS)[0]})

    @task(3)
    def article(self) -> None:
        """A title with its text, where it has one."""
        title, text = random.choice(ROWS)
        self.client.post("/predict", json={"title": title, "text": text})

    @task(1)
    def page(self) -> None:
        """Thirty titles at once."""
        articles = [{"title": title} for title, _ in random.sample(ROWS, 30)]
        self.client.post("/predict_batch", json={"articles": articles})
