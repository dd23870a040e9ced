"""Recipes read the folders of published data sets as they are unpacked."""

from pathlib import Path

import polars as pl
import pytest

from fakenews_assets.data.cleaning.cleaning import CleaningLimits, clean_batch
from fakenews_assets.data.cleaning.summary import CleaningSummary
from fakenews_assets.data.receiving.raw_files import read_mapping
from fakenews_assets.data.receiving.receiving import RawNewsSettings, columns_read, store_raw_files
from fakenews_assets.data.receiving.recipe_folders import with_recipe
from fakenews_assets.data.recipes.recipe import OWN_FOLDER, Recipe, recipes
from fakenews_assets.data.text.preparation import TextPreparation
from fakenews_resources.news.base import BadAddress, NotFound, received
from fakenews_resources.storage.artifact import Artifact

LIAR = (
    "{}.json\t{}\tStatement {} of a politician\teconomy\tspeaker\tjob\tstate\tparty\t0\t1\t2\t3\t4\ta speech"
)
DEGREES = ("true", "mostly-true", "half-true", "barely-true", "false", "pants-fire")

LAYOUTS = {
    "isot": {
        "True.csv": 'title,text,subject,date\nMinister says so,"WASHINGTON (Reuters) - Yes.",politicsNews,"December 31, 2017 "\n',
        "Fake.csv": 'title,text,subject,date\nYou won\'t believe this,Well,News,"31-Dec-17"\n',
    },
    "liar": {
        f"{part}.tsv": "\n".join(LIAR.format(n, degree, f"{part} {n}") for n, degree in enumerate(DEGREES)) + "\n"
        for part in ("train", "valid", "test")
    },
    "fakenewsnet": {
        "politifact_real.csv": "id,news_url,title,tweet_ids\np1,http://wire.example/a,Vote is held,1\t2\n",
        "politifact_fake.csv": "id,news_url,title,tweet_ids\np2,site.example/b,Vote is a lie,3\n",
    },
    "kaggle": {"train.csv": "id,title,author,text,label\n0,A title,Ann,A text,1\n1,Another,Bob,Other,0\n"},
    "welfake": {"WELFake_Dataset.csv": ",title,text,label\n0,A title,A text,1\n1,Another,Other,0\n"},
    "jruvika": {"data.csv": "URLs,Headline,Body,Label\nhttp://a.example/x,A title,A text,0\nhttp://b.example/y,Another,Other,1\n"},
    "mcintire": {"fake_or_real_news.csv": ",title,text,label\n8,A title,A text,FAKE\n9,Another,Other,REAL\n"},
}  # fmt: skip


def unpacked(tmp_path: Path, name: str) -> Path:
    for file, content in LAYOUTS[name].items():
        (tmp_path / file).write_text(content)
    return tmp_path


def clean(tmp_path: Path, settings: RawNewsSettings) -> tuple[CleaningSummary, pl.DataFrame]:
    folder = tmp_path / "clean"
    folder.mkdir()
    summary = clean_batch(
        [Path(uri) for uri in settings.uris],
        "b",
        folder,
        mapping=settings.mapping,
        preparation=TextPreparation(),
        limits=CleaningLimits(),
    )
    return summary, pl.scan_parquet(folder / "articles-*.parquet").collect()


def test_every_recipe_has_a_layout_here_and_its_licence() -> None:
    assert set(recipes()) == set(LAYOUTS)
    assert all(Recipe.read(path).licence for path in recipes().values())


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_read(tmp_path: Path, name: str) -> None:
    settings = with_recipe(RawNewsSettings(uri=f"{name}:{unpacked(tmp_path, name)}"))
    summary, articles = clean(tmp_path, settings)
    assert summary.rejected == {}
    assert summary.fake == summary.real == summary.rows_in / 2
    assert articles["title"].is_duplicated().sum() == 0
    fakes = articles.filter(label=1)["title"].to_list()
    expected = {
        "isot": "You won't believe this",
        "fakenewsnet": "Vote is a lie",
        "liar": "Statement train 5 of a politician",
    }
    assert expected.get(name, "A title") in fakes


def test_what_was_given_goes_before_the_recipe(tmp_path: Path) -> None:
    folder = unpacked(tmp_path, "liar")
    settings = with_recipe(
        RawNewsSettings(uri=f"liar:{folder}", labels={"half-true": "unlabelled"}, source="liar.example")
    )
    summary, articles = clean(tmp_path, settings)
    assert (summary.real, summary.unlabelled, summary.fake) == (6, 3, 9)
    assert articles["source"].unique().to_list() == ["liar.example"]


@pytest.mark.parametrize(
    ("header", "given", "labels"),
    [
        ("URLs,Headline,Body,Label", {}, {"1": "real", "0": "fake"}),
        ("URLs,Headline,Body,Label", {"labels": {"1": "fake", "0": "real"}}, {"1": "fake", "0": "real"}),
        ("URLs,Headline,Body,Label", {"columns": {"url": ""}}, {"1": "real", "0": "fake"}),
        ("URLs,Headline,Body,Label", {"columns": {"label": "Label"}}, {}),
        ("URLs,Headline,Body,Label", {"file_labels": ("real",)}, {}),
        ("URLs,Headline,Body,Author,Label", {}, {}),
    ],
)
def test_a_file_of_a_known_data_set_is_recognised_by_its_columns(
    tmp_path: Path, header: str, given: dict, labels: dict[str, str]
) -> None:
    """Which labels count, unless a person has said something about them."""
    file = tmp_path / "news.csv"
    file.write_text(header + "\n" + ",".join(["1"] * len(header.split(","))) + "\n")
    (tmp_path / "batch").mkdir()
    manifest = store_raw_files(
        [received(file, "x")], "b", tmp_path / "batch", {}, RawNewsSettings.model_validate(given)
    )
    assert read_mapping(Artifact(tmp_path / "batch")).labels == labels
    assert ("1 = real" in columns_read(manifest)[0]) == (labels.get("1") == "real")


def test_a_recognised_file_gives_all_columns_of_its_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").touch()
    monkeypatch.chdir(tmp_path)
    (tmp_path / OWN_FOLDER).mkdir()
    (tmp_path / OWN_FOLDER / "mine.toml").write_text(
        'name = "Mine"\nknown_columns = ["headline", "wann", "wo", "urteil"]\n[[file]]\npath = "all.csv"\n'
        '[columns]\npublished_at = "wann"\nurl = "wo"\nlabel = "urteil"\n[labels]\nfalsch = "fake"\n'
    )
    for number, given in enumerate(({}, {"columns": {"url": ""}}, {"labels": {"falsch": "real"}})):
        (tmp_path / "news.csv").write_text("headline,wann,wo,urteil\nA,31.12.2017,//a.example/b,falsch\n")
        folder = tmp_path / str(number)
        folder.mkdir()
        arrived = received(tmp_path / "news.csv", "x")
        manifest = store_raw_files([arrived], "b", folder, {}, RawNewsSettings.model_validate(given))
        said = {"published_at": "wann", "url": "wo", "label": "urteil", **given.get("columns", {})}
        read = read_mapping(Artifact(folder))
        assert (read.columns, read.day_first) == (said, True)
        assert read.labels == {"falsch": "real" if "labels" in given else "fake"}
        used = {field: name for field, name in said.items() if name}
        assert manifest["files"][0]["columns"] == {"title": "headline", **used}


def test_a_recipe_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dagster.yaml").touch()
    monkeypatch.chdir(tmp_path)
    own = tmp_path / OWN_FOLDER
    own.mkdir()
    (own / "mine.toml").write_text('name = "Mine"\n[[file]]\npath = "all.csv"\n[columns]\ntitle = "claim"\n')
    (tmp_path / "all.csv").write_text("claim\nA\n")
    settings = with_recipe(RawNewsSettings(uri=f"mine:{tmp_path}"))
    assert settings == RawNewsSettings(uri=str(tmp_path / "all.csv"), columns={"title": "claim"})
    (own / "mine.toml").write_text('name = "Mine"\n')
    with pytest.raises(BadAddress, match=r"mine\.toml is not a recipe"):
        with_recipe(RawNewsSettings(uri=f"mine:{tmp_path}"))


def test_a_folder_without_the_files_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"lacks True\.csv, Fake\.csv of ISOT .*https://"):
        with_recipe(RawNewsSettings(uri=f"isot:{tmp_path}"))
    with pytest.raises(NotFound, match=r"lacks politifact_real\.csv"):
        with_recipe(RawNewsSettings(uri=f"fakenewsnet:{tmp_path}"))


def test_the_folder_of_an_archive_may_lie_within(tmp_path: Path) -> None:
    for below in ("News _dataset", "fake-news-main/dataset"):
        folder = tmp_path / below.split("/")[0]
        (tmp_path / below).mkdir(parents=True)
        unpacked(tmp_path / below, "isot")
        (tmp_path / "__MACOSX").mkdir(exist_ok=True)
        settings = with_recipe(RawNewsSettings(uri=f"isot:{tmp_path}"))
        assert settings.uris == tuple(str(tmp_path / below / name) for name in ("True.csv", "Fake.csv"))
        folder.rename(tmp_path.parent / f"{tmp_path.name}-{folder.name}")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        unpacked(tmp_path / name, "isot")
    with pytest.raises(BadAddress, match=r"lies in .*/one and in .*/two: name one of them"):
        with_recipe(RawNewsSettings(uri=f"isot:{tmp_path}"))
    with pytest.raises(NotFound, match=r"True\.csv is a file: name the folder of ISOT"):
        with_recipe(RawNewsSettings(uri=f"isot:{tmp_path / 'one' / 'True.csv'}"))


@pytest.mark.parametrize(
    "uri", ["welfake:", "sample:rows=9", "https://example.org/isot.csv", "isot://x", "C:news.csv", ""]
)
def test_other_addresses_stay(uri: str) -> None:
    assert with_recipe(RawNewsSettings(uri=uri)).uri == uri
