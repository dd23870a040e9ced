import asyncio
import threading
from dataclasses import replace
from time import perf_counter

import pytest
from starlette.requests import ClientDisconnect

from bentos.fakenews.model.batching import Batcher, Overloaded
from bentos.fakenews.model.jobs import PIECE_COST, Job, Piece
from fakenews_assets.models.classifier import Article


class Model:
    """Answers each piece with its request's name; works only while its gate is open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[str]] = []
        self.sizes: list[int] = []
        self.fail = False

    def __call__(self, pieces: list[Piece[str]]) -> list[str]:
        names = [piece.job.request_id for piece in pieces]
        self.batches.append(names)
        self.sizes += [len(piece.articles) for piece in pieces]
        self.gate.wait(10)
        if self.fail:
            raise RuntimeError("out of order")
        return names


def job(name: str, articles: int = 1, text: str = "") -> Job[str]:
    return Job(
        request_id=name,
        endpoint="/predict",
        articles=[Article("headline", text)] * articles,
        rows=range(articles),
        received=perf_counter(),
        answer=asyncio.get_running_loop().create_future(),
    )


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def run(scenario, model: Model, **options) -> None:
    async def main() -> None:
        batcher: Batcher[str] = Batcher(model, **{"max_rows": 4, "max_wait": 10.0, **options})
        batcher.start()
        await scenario(batcher)
        await batcher.stop()

    asyncio.run(main())


def test_what_waits_together_is_judged_together_in_order():
    model = Model()

    async def scenario(batcher: Batcher[str]) -> None:
        model.gate.clear()
        first = asyncio.create_task(batcher.submit(job("first")))
        await asyncio.sleep(0.05)  # the model has it now
        rest = [asyncio.create_task(batcher.submit(job(name, rows))) for name, rows in
                [("a", 1), ("b", 2), ("c", 2), ("d", 1)]]  # fmt: skip
        await asyncio.sleep(0)
        model.gate.set()
        answers = await asyncio.gather(first, *rest)
        assert answers == [["first"], ["a"], ["b"], ["c", "c"], ["d"]]

    run(scenario, model)
    assert model.batches == [["first"], ["a", "b", "c"], ["d", "c"]]


def test_a_large_request_delays_others_by_a_piece():
    model = Model()

    async def scenario(batcher: Batcher[str]) -> None:
        model.gate.clear()
        large = asyncio.create_task(batcher.submit(job("large", 1000)))
        await asyncio.sleep(0.05)
        small = [asyncio.create_task(batcher.submit(job(name))) for name in "ab"]
        await asyncio.sleep(0)
        assert batcher.wait < 10  # for a turn, not for the hundred seconds of all that waits
        model.gate.set()
        answers = await asyncio.gather(large, *small)
        assert [len(part) for part in answers[1:]] == [1, 1]

    run(scenario, model, max_rows=80, pace=100, batch_seconds=12)
    # Alone it has a whole batch. A headline costs 10: a piece is 51 of them, more where few wait.
    assert model.batches[:2] == [["large"], ["a", "b", "large"]]
    assert model.sizes[:3] == [80, 1, 1]
    assert 51 <= model.sizes[3] < 78
    assert sum(model.sizes) == 1002


def test_a_large_request_is_prepared_in_a_few_calls():
    titles = [f"{number} votes were counted in the council on Tuesday" for number in range(600)]

    async def pieces() -> None:
        large = replace(job("large"), articles=list(map(Article, titles)))
        prepared, calls = [], 0
        while large.taken < len(titles):
            piece = large.next_piece(80, PIECE_COST)
            large.taken = piece.end
            raw = piece.unprepared()
            calls += bool(raw)
            prepared += piece.take_prepared(raw)
            assert len(large.ahead) < 200
        assert [one.title for one in prepared] == titles
        assert calls < 10

    asyncio.run(pieces())


def test_beside_a_large_request_there_is_one_batch():
    model = Model()

    async def scenario(batcher: Batcher[str]) -> None:
        model.gate.clear()
        large = asyncio.create_task(batcher.submit(job("large", 100)))
        await until(lambda: len(model.batches) == 1)
        small = [asyncio.create_task(batcher.submit(job(str(number)))) for number in range(60)]
        await asyncio.sleep(0.05)
        assert len(model.batches) == 1
        model.gate.set()
        await asyncio.gather(large, *small)
        model.gate.clear()
        before = len(model.batches)
        small = [asyncio.create_task(batcher.submit(job(str(number)))) for number in range(30)]
        await until(lambda: len(model.batches) == before + 2)
        model.gate.set()
        await asyncio.gather(*small)

    run(scenario, model, max_rows=80)


def test_long_articles_fill_a_batch_by_the_time_they_take():
    model = Model()

    async def scenario(batcher: Batcher[str]) -> None:
        model.gate.clear()
        jobs = [asyncio.create_task(batcher.submit(job(name, text="word " * 10_000))) for name in "abcdef"]
        await asyncio.sleep(0)
        model.gate.set()
        await asyncio.gather(*jobs)

    run(scenario, model, max_rows=80, pace=20_800, batch_seconds=0.1)
    assert model.batches[0] == ["a", "b"]  # 508 each; two batches share the time


def test_two_batches_share_what_waits_and_few_wait_for_the_one_before():
    model = Model()

    async def scenario(batcher: Batcher[str]) -> None:
        model.gate.clear()
        waiting = [asyncio.create_task(batcher.submit(job(name))) for name in "abcdefgh"]
        await until(lambda: model.sizes == [1] * 8)
        waiting += [asyncio.create_task(batcher.submit(job(name))) for name in "ijklmno"]
        await asyncio.sleep(0.05)
        assert len(model.batches) == 1
        waiting.append(asyncio.create_task(batcher.submit(job("p"))))
        await until(lambda: len(model.batches) == 2)
        model.gate.set()
        await asyncio.gather(*waiting)
        model.gate.clear()
        waiting = [asyncio.create_task(batcher.submit(job(name))) for name in "a" * 30]
        await until(lambda: len(model.batches) == 4)
        model.gate.set()
        await asyncio.gather(*waiting)

    run(scenario, model, max_rows=80)
    assert list(map(len, model.batches)) == [8, 8, 15, 15]


def test_the_batches_of_a_slow_model_are_not_made_so_small_that_it_becomes_slower():
    model = Model()

    async def scenario(batcher: Batcher[str]) -> None:
        model.gate.clear()
        waiting = [asyncio.create_task(batcher.submit(job(str(number)))) for number in range(60)]
        await asyncio.sleep(0)
        model.gate.set()
        await asyncio.gather(*waiting)

    run(scenario, model, max_rows=80, pace=1)
    assert list(map(len, model.batches)) == [30, 30]


def test_large_requests_are_refused_while_much_waits():
    model = Model()

    async def scenario(batcher: Batcher[str]) -> None:
        model.gate.clear()
        large = [asyncio.create_task(batcher.submit(job(name, 1000))) for name in "ab"]
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded) as refused:
            await batcher.submit(job("c", 1000))
        assert refused.value.retry_after >= 19
        small = asyncio.create_task(batcher.submit(job("small")))
        rest = asyncio.create_task(batcher.submit(replace(job("rest of a file", 1000), is_begun=True)))
        await asyncio.sleep(0)
        model.gate.set()
        await asyncio.gather(small, rest, *large)

    run(scenario, model, max_backlog=10, pace=1000)


def test_a_single_title_is_answered_at_once_however_many_batches_wait():
    model = Model()

    async def scenario(batcher: Batcher[str]) -> None:
        model.gate.clear()
        begun = [replace(job(str(number), 100), is_begun=True) for number in range(10)]
        large = [asyncio.create_task(batcher.submit(one)) for one in begun]
        await until(lambda: len(model.batches) == 1)
        with pytest.raises(Overloaded):
            batcher.require_capacity(many=True)
        with pytest.raises(Overloaded):
            await batcher.submit(job("one more", 100))
        batcher.require_capacity()
        single = asyncio.create_task(batcher.submit(job("single")))
        await asyncio.sleep(0)
        model.gate.set()
        await asyncio.gather(single, *large)

    run(scenario, model, max_rows=60, pace=1000, max_wait=2.0)
    assert model.batches[1][0] == "single"


@pytest.mark.parametrize(("count", "least", "most"), [(1, 20, 120), (10, 150, 350)])
def test_single_titles_leave_large_requests_their_share(count: int, least: int, most: int):
    model = Model()

    async def scenario(batcher: Batcher[str]) -> None:
        model.gate.clear()
        first = asyncio.create_task(batcher.submit(job("first")))
        await until(lambda: len(model.batches) == 1)
        waiting = [replace(job("large", 200), is_begun=True) for _ in range(count)]
        waiting += [job("single") for _ in range(300)]
        answers = [asyncio.create_task(batcher.submit(one)) for one in waiting]
        await asyncio.sleep(0)
        model.gate.set()
        await asyncio.gather(first, *answers)

    run(scenario, model, max_rows=80, batch_seconds=1e-9)
    kinds = [name for names in model.batches for name in names]
    while_both_wait = model.sizes[: len(kinds) - kinds[::-1].index("single")]
    large = sum(size for name, size in zip(kinds, while_both_wait, strict=False) if name == "large")
    assert least <= large <= most
    # None is smaller for it: a batch that is cut short costs nearly as much as a full one.
    sizes = iter(model.sizes)
    batches = [sum(next(sizes) for _ in names) for names in model.batches]
    assert min(batches[1:-1]) >= 8


def test_a_lone_request_does_not_wait_for_company():
    model = Model()

    async def scenario(batcher: Batcher[str]) -> None:
        for name in "abc":
            assert await batcher.submit(job(name)) == [name]

    run(scenario, model)
    assert model.batches == [["a"], ["b"], ["c"]]


def test_who_has_left_is_not_judged():
    model = Model()

    async def scenario(batcher: Batcher[str]) -> None:
        model.gate.clear()
        first = asyncio.create_task(batcher.submit(job("first")))
        await asyncio.sleep(0.05)
        left = replace(job("left"), has_left=lambda: True)
        cancelled, leaves, stays = (
            asyncio.create_task(batcher.submit(one)) for one in (job("cancelled"), left, job("stays"))
        )
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.sleep(0)
        model.gate.set()
        assert await stays == ["stays"]
        with pytest.raises(ClientDisconnect):
            await leaves
        await first

    run(scenario, model)
    assert model.batches == [["first"], ["stays"]]


def test_a_failure_belongs_to_its_batch_alone():
    model = Model()

    async def scenario(batcher: Batcher[str]) -> None:
        model.fail = True
        with pytest.raises(RuntimeError, match="out of order"):
            await batcher.submit(job("unlucky"))
        model.fail = False
        assert await batcher.submit(job("lucky")) == ["lucky"]

    run(scenario, model)


def test_the_queue_is_bounded_by_the_wait_it_means():
    model = Model()

    async def scenario(batcher: Batcher[str]) -> None:
        model.gate.clear()
        batcher.require_capacity()
        waiting = [asyncio.create_task(batcher.submit(job(str(number), 50))) for number in range(5)]
        await until(lambda: batcher.wait > 1)
        with pytest.raises(Overloaded) as refused:
            batcher.require_capacity()
        assert refused.value.retry_after >= 2
        model.gate.set()
        await asyncio.gather(*waiting)
        await until(lambda: batcher.wait == 0)
        batcher.require_capacity()

    run(scenario, model, max_wait=1.0, pace=1000)


def test_stopping_answers_what_waits():
    model = Model()
    answers: list[list[str]] = []

    async def main() -> None:
        batcher: Batcher[str] = Batcher(model, max_rows=4, max_wait=10)
        batcher.start()
        model.gate.clear()
        tasks = [asyncio.create_task(batcher.submit(job(name))) for name in "abc"]
        await asyncio.sleep(0)
        threading.Timer(0.05, model.gate.set).start()
        await batcher.stop()
        answers.extend(await asyncio.gather(*tasks))

    asyncio.run(main())
    assert answers == [["a"], ["b"], ["c"]]
