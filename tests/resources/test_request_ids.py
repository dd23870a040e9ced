import uuid
from datetime import UTC, datetime, timedelta

import pytest

from fakenews_resources.request_ids import new_request_id, time_of


def test_an_id_is_a_uuid_that_says_when():
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    ids = [new_request_id() for _ in range(2000)]
    after = datetime.now(UTC)
    assert len(set(ids)) == 2000
    for one in ids[::100]:
        parsed = uuid.UUID(one)
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
        assert before <= time_of(one) <= after
    assert [time_of(one) for one in ids] == sorted(map(time_of, ids))


def test_the_example_of_the_rfc():
    # RFC 9562, appendix A.6.
    assert time_of("017F22E2-79B0-7CC3-98C4-DC0C0C07398F") == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "x", "0192f0c1-7c2a-4d3e-9b1f-5a4c3d2e1f00"])
def test_other_ids_are_refused(text: str):
    with pytest.raises(ValueError, match=r"."):
        time_of(text)
