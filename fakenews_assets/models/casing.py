"""Tells an encoder that ignores case how each token is written.

Headline capitals are house style, and tell something of publishers never seen; an uncased tokenizer drops them. The case of a
token is put into its segment id, an input that every BERT has and every exported model keeps.
"""

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SEGMENTS: Final = 2
"""Segments of a BERT: 0 for the first of a pair, 1 for the second."""

CASES: Final = 3
"""0: no capital. 1: a capital, among other letters or alone. 2: capitals only, two or more."""

_CODES: Final = 0x10000
_CAPITAL: Final = 2
_ID_BITS: Final = 24


def ignores_case(tokenizer: Tokenizer) -> bool:
    """Whether a tokenizer takes capitals for small letters."""
    small, capital = (tokenizer.encode(text, add_special_tokens=False).ids for text in ("a", "A"))
    return small == capital


def cases_of(text: str, offsets: Sequence[tuple[int, int]]) -> NDArray[np.int32]:
    """The case of each token, shape [tokens]: an index below `CASES`.

    Args:
        text: what was encoded.
        offsets: where each token begins and ends in it, in characters.
    """
    kinds = _kinds()[np.minimum(np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32), _CODES - 1)]
    letters, capitals = (np.concatenate([[0], np.cumsum(which)]) for which in (kinds > 0, kinds == _CAPITAL))
    bounds = np.fromiter(chain.from_iterable(offsets), dtype=np.int64, count=2 * len(offsets))
    begins, ends = bounds[::2], bounds[1::2]
    own_letters, own_capitals = letters[ends] - letters[begins], capitals[ends] - capitals[begins]
    all_capitals = (own_capitals > 1) & (own_capitals == own_letters)
    return np.where(all_capitals, 2, own_capitals > 0).astype(np.int32)


@cache
def _kinds() -> NDArray[np.uint8]:
    """By code point: 0 no letter with a case, 1 a small one, 2 a capital. The last one stands for all beyond."""
    characters = [chr(code) for code in range(_CODES)]
    return np.array([_CAPITAL if one.isupper() else int(one.islower()) for one in characters], dtype=np.uint8)


def add_cases(model: "PreTrainedModel") -> bool:
    """Give an encoder, in place, segments for each case. They start as copies, so that it answers as before.

    Segment s of case c is row `SEGMENTS * c + s`. Nothing changes in an encoder that has them already.

    Returns:
        Whether it has them now; an encoder without segments cannot.
    """
    import torch

    embeddings = getattr(model.base_model, "embeddings", None)
    segments = getattr(embeddings, "token_type_embeddings", None)
    if embeddings is None or segments is None:
        return False
    if len(segments.weight) == SEGMENTS:
        rows = segments.weight.detach().repeat(CASES, 1)
        embeddings.token_type_embeddings = torch.nn.Embedding.from_pretrained(rows, freeze=False)
        model.config.type_vocab_size = len(rows)
    return model.config.type_vocab_size == SEGMENTS * CASES


def join(ids: NDArray[np.int32], cases: NDArray[np.int32]) -> NDArray[np.int32]:
    """Token ids with their cases in the bits above, shape [tokens]."""
    return ids | cases << _ID_BITS


def part(joined: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids and cases of what `join` made."""
    return joined & (1 << _ID_BITS) - 1, joined >> _ID_BITS
