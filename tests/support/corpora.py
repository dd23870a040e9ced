"""Corpora whose labels are known to hang on nothing, on something, or on everything a little."""

import numpy as np
import polars as pl

from fakenews_assets.data.schema import ARTICLE_SCHEMA, article_id

_WORDS = 3000


def broad_corpus(rows: int, seed: int = 0, *, tilt: float = 0.6) -> pl.DataFrame:
    """Titles of 8 to 16 made-up words, in a style, from sources and about names that tell nothing of the label.

    Every word is somewhat likelier in one label than in the other, by up to e to the `tilt`; there are thousands, so
    that a bag of words learns the label and no single word gives it away.
    """
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows).astype(np.int8)
    common = 1 / np.arange(5, _WORDS + 5)
    lean = np.random.default_rng(1).uniform(-tilt, tilt, _WORDS)
    chances = [common * np.exp(sign * lean) for sign in (-1, 1)]
    titles = []
    for one in label:
        words = rng.choice(_WORDS, rng.integers(8, 17), p=chances[one] / chances[one].sum())
        line = " ".join(f"w{word:x}o" for word in words)
        name = rng.choice(["Alva", "Brom", "Cira", "Dorn"])
        titles.append(
            f"{line} {name} {rng.choice(['now', 'today'])}{rng.choice(['', '!', '?'], p=[0.8, 0.1, 0.1])}"
        )
    text = ["some body" if some else "" for some in rng.random(rows) < 0.5]
    return pl.DataFrame(
        {
            "article_id": [article_id(*pair) for pair in zip(titles, text, strict=True)],
            "title": titles,
            "text": text,
            "label": label,
            "source": rng.choice(["north", "south", "west"], rows).tolist(),
            "group": [None] * rows,
            "published_at": [None] * rows,
            "batch": ["one"] * rows,
            "cluster_id": [f"c{row}" for row in range(rows)],
        },
        schema={**ARTICLE_SCHEMA, "cluster_id": pl.String},
    )


def with_token(
    corpus: pl.DataFrame, token: str, share: float, *, label: int = 1, seed: int = 0
) -> pl.DataFrame:
    """The same corpus with a token at the end of a share of one label's titles."""
    drawn = np.random.default_rng(seed).random(corpus.height) < share
    planted = pl.Series(drawn) & (corpus["label"] == label)
    return corpus.with_columns(title=pl.when(planted).then(pl.col("title") + f" {token}").otherwise("title"))
