"""The corpus profile in Markdown."""

from collections.abc import Iterable

from fakenews_assets.common import markdown
from fakenews_assets.data.profile.composition import Part
from fakenews_assets.data.profile.profile import Balance, CorpusProfile, Lengths


def to_markdown(profile: CorpusProfile) -> str:
    """Report the profile as Markdown tables, without figures."""
    total = profile.total
    span = "unknown"
    if total.first_published and total.last_published:
        span = f"{total.first_published:%Y-%m-%d} to {total.last_published:%Y-%m-%d}"
    facts = [
        ("articles", f"{total.rows:,}"),
        ("fake, of those labelled", total.fake_percent),
        ("unlabelled", _part(total.unlabelled, total.rows)),
        ("published", span),
        ("without text", _part(profile.without_text, total.rows)),
        ("without source", _part(profile.without_source, total.rows)),
        ("of the largest publisher of each label", _pair(profile)),
        ("without date", _part(profile.without_date, total.rows)),
        ("repeated articles", _part(profile.repeated_articles, total.rows)),
        ("repeated titles", _part(profile.repeated_titles, total.rows)),
    ]
    parts = ["## Corpus", markdown.table(("fact", "value"), facts), "### Batches", _balances(profile.batches)]
    parts += ["### Composition", _composition((*profile.composition.labels, *profile.composition.parts))]
    if profile.sources:
        parts += [f"### Sources ({profile.source_count:,})", _balances(profile.sources)]
    parts += ["### Words per title", _length_table(profile.title_words)]
    if profile.text_words.classes:
        parts += ["### Words per text", _length_table(profile.text_words)]
    if profile.real_words and profile.fake_words:
        basis = (
            f"a sample of {profile.word_rows:,}" if profile.words_sampled else f"all {profile.word_rows:,}"
        )
        parts += [
            "### Characteristic words",
            f"From {basis} labelled titles, by z-score of the log-odds ratio "
            "(Monroe, Colaresi and Quinn 2008).",
            markdown.table(
                ("class", "words"),
                [
                    (name, ", ".join(f"{markdown.cell(one.word)} ({abs(one.z):.1f})" for one in words))
                    for name, words in (("real", profile.real_words), ("fake", profile.fake_words))
                ],
            ),
        ]
    return "\n\n".join(parts)


def _balances(groups: Iterable[Balance]) -> str:
    return markdown.table(
        ("name", "articles", "real", "fake", "unlabelled", "fake share"),
        [
            (
                markdown.cell(one.name),
                f"{one.rows:,}",
                f"{one.real:,}",
                f"{one.fake:,}",
                f"{one.unlabelled:,}",
                one.fake_percent,
            )
            for one in groups
        ],
    )


def _pair(profile: CorpusProfile) -> str:
    share = profile.composition.pair_share
    return "unknown" if share is None else f"{share:.1%} of those labelled"


def _composition(parts: Iterable[Part]) -> str:
    return markdown.table(
        ("batch", "label", "articles", "with text", "publishers", "largest publisher", "source unknown"),
        [
            (
                markdown.cell(one.batch),
                one.kind,
                f"{one.rows:,}",
                f"{one.with_text / one.rows:.0%}",
                f"{one.publishers:,}",
                f"{markdown.cell(one.largest)} ({one.largest_share:.1%})" if one.largest else "unknown",
                f"{one.without_source / one.rows:.0%}",
            )
            for one in parts
        ],
    )


def _length_table(lengths: Lengths) -> str:
    return markdown.table(
        ("class", "articles", "5 %", "25 %", "median", "75 %", "95 %", "longest"),
        [
            (
                one.name,
                *(f"{n:,}" for n in (one.rows, one.p05, one.p25, one.median, one.p75, one.p95, one.longest)),
            )
            for one in lengths.classes
        ],
    )


def _part(count: int, rows: int) -> str:
    return f"{count:,} ({count / rows:.1%})"
