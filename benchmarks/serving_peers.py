"""What the service is measured against, each a process of its own.

    python -m benchmarks.serving_peers seed --folder F --port P
    python -m benchmarks.serving_peers pipeline --folder F --port P
    python -m benchmarks.serving_peers infinity --folder F --port P
    python -m benchmarks.serving_peers constant --port P

`seed` serves as the replaced system scored titles, `pipeline` is the shortest way from a saved model to an
endpoint, `infinity` is a server that batches across requests (infinity-emb), `constant` computes nothing at all: what
it reaches is the most that the load generator can tell of. The first two are one uvicorn process with plain `def`
endpoints, which FastAPI runs in threads. Their access log is off, which is to their advantage.

infinity needs older versions of other libraries, so it has an environment of its own:

    python -m venv infinity && infinity/bin/pip install "infinity-emb[server,torch,optimum]==0.0.78" "transformers<5"
    export FAKENEWS_BENCH_INFINITY=infinity
"""

import asyncio
import os
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import uvloop

from benchmarks.common import SEED_WAY_TOKENS

INFINITY_VARIABLE: Final = "FAKENEWS_BENCH_INFINITY"
"""Names the folder of the virtual environment with infinity."""

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def seed(
    folder: Annotated[Path, typer.Option(help="A BERT classifier with its tokenizer.")],
    port: Annotated[int, typer.Option(help="To listen on.")],
) -> None:
    """FastAPI over torch in float32; every title padded or cut to 25 tokens."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()

    def judge(title: str) -> float:
        inputs = tokenizer(
            title, padding="max_length", truncation=True, max_length=SEED_WAY_TOKENS, return_tensors="pt"
        )
        with torch.no_grad():
            return model(**inputs).logits.softmax(-1)[0, 1].item()

    _serve(judge, port)


@app.command()
def pipeline(
    folder: Annotated[Path, typer.Option(help="A classifier with its tokenizer.")],
    port: Annotated[int, typer.Option(help="To listen on.")],
) -> None:
    """FastAPI over a Hugging Face pipeline."""
    from transformers import pipeline as make_pipeline

    classify = make_pipeline("text-classification", model=str(folder), truncation=True)

    def judge(title: str) -> float:
        best: Any = classify(title)[0]
        return best["score"] if best["label"].endswith("1") else 1 - best["score"]

    _serve(judge, port)


@app.command()
def infinity(
    folder: Annotated[Path, typer.Option(help="A classifier with its tokenizer.")],
    port: Annotated[int, typer.Option(help="To listen on.")],
) -> None:
    """infinity with its defaults: torch in float32, batches of at most 32."""
    program = f"{os.environ[INFINITY_VARIABLE]}/bin/infinity_emb"
    options = {
        "model-id": folder,
        "served-model-name": "champion",
        "engine": "torch",
        "device": "cpu",
        "port": port,
    }
    # No access log either. BetterTransformer is no part of the versions of transformers that infinity runs with.
    flags = ["--host=127.0.0.1", "--log-level=error", "--no-bettertransformer"]
    environment = {**os.environ, "INFINITY_ANONYMOUS_USAGE_STATS": "0"}
    os.execve(
        program,
        [program, "v2", *(f"--{name}={value}" for name, value in options.items()), *flags],
        environment,
    )


@app.command()
def constant(port: Annotated[int, typer.Option(help="To listen on.")]) -> None:
    """The same answer to everything, at once."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_answer_constantly(port))


def _serve(judge: Any, port: int) -> None:
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    class News(BaseModel):
        title: str
        text: str | None = None

    service = FastAPI()

    @service.get("/readyz")
    def readyz() -> dict[str, bool]:
        return {"ready": True}

    @service.post("/predict")
    def predict(news: News) -> dict[str, float | int]:
        probability = judge(news.title)
        return {"label": int(probability >= 0.5), "probability": probability}

    uvicorn.run(service, host="127.0.0.1", port=port, access_log=False, log_level="warning")


class _Constant(asyncio.Protocol):
    """Answers each whole request; knows no pipelining and reads no head but its length."""

    BODY: Final = (
        b'{"request_id":"00000000-0000-0000-0000-000000000000","model_id":"'
        + b"0" * 64
        + b'","label":0,"verdict":"real","probability":0.0123,"abstained":false}'
    )
    ANSWER: Final = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY
    )

    def __init__(self) -> None:
        self.buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        data = self.buffer + data
        head = data.find(b"\r\n\r\n")
        at = data.find(b"Content-Length: ", 0, head)
        length = int(data[at + 16 : data.find(b"\r\n", at)]) if at >= 0 else 0
        whole = head >= 0 and len(data) >= head + 4 + length
        self.buffer = b"" if whole else data
        if whole:
            self.transport.write(self.ANSWER)


async def _answer_constantly(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Constant, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    app()
