"""Features for drift detection: lengths, capitals, punctuation and the like."""

from typing import Final

import polars as pl

LOGGED_FEATURES: Final = ("probability",)
"""Features of a log without titles."""

TITLE_FEATURES: Final = (
    "title characters",
    "title words",
    "letters in words of capitals, %",
    "punctuation, %",
    "digits, %",
)
TEXT_FEATURES: Final = ("text characters",)


def article_features(articles: pl.DataFrame, *, with_text: bool) -> pl.DataFrame:
    """Compute the features of prepared articles.

    Args:
        articles: columns `title`, `text` and `probability`, no nulls.
        with_text: whether the model reads the text; a text that it ignores cannot drift.

    Returns:
        Float64 columns `LOGGED_FEATURES`, `TITLE_FEATURES` and, with text, `TEXT_FEATURES`, a row per article.
    """
    title = pl.col("title")
    characters = title.str.len_chars()
    shouted = title.str.extract_all(r"\b\p{Lu}{3,}\b").list.join("").str.len_chars()
    numbers = [
        pl.col("probability"),
        characters,
        title.str.count_matches(r"\S+"),
        100 * shouted / characters.clip(1),
        100 * title.str.count_matches(r"[\p{P}\p{S}]") / characters.clip(1),
        100 * title.str.count_matches(r"\p{N}") / characters.clip(1),
    ]
    names = [*LOGGED_FEATURES, *TITLE_FEATURES]
    if with_text:
        numbers.append(pl.col("text").str.len_chars())
        names += TEXT_FEATURES
    return articles.select(
        number.cast(pl.Float64).alias(name) for number, name in zip(numbers, names, strict=True)
    )
