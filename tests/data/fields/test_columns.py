"""Which columns of a file are used: by name, by what was given, and by their words."""

from pathlib import Path
from typing import Any

import pytest

from fakenews_assets.data.fields.columns import ChosenColumns, RawChunk, read_raw
from fakenews_assets.data.fields.mapping import BatchMapping
from fakenews_assets.data.readers.table import UnreadableFile


def read(tmp_path: Path, content: str, **given: Any) -> RawChunk:
    file = tmp_path / "news.csv"
    file.write_text(content)
    (chunk,) = read_raw(file, BatchMapping(**given))
    return chunk


@pytest.mark.parametrize(
    ("header", "used", "ignored"),
    [
        ("URLs,Headline,Body,Label", {"title": "Headline", "text": "Body", "label": "Label"}, ("URLs",)),
        ("id,title,author,content,class", {"title": "title", "text": "content", "label": "class"}, ("id", "author")),
        ("article title,Article-Text,publishedAt", {"title": "article title", "text": "Article-Text", "published_at": "publishedAt"}, ()),
        ("headline,text,content,title", {"title": "title", "text": "text"}, ("headline", "content")),
        (",title,site_url,publish_date", {"title": "title", "source": "site_url", "published_at": "publish_date"}, ()),
        ("title,seendate,links", {"title": "title", "published_at": "seendate"}, ("links",)),
        ("title,scraped_at,Created At", {"title": "title", "published_at": "Created At"}, ("scraped_at",)),
        ("title,crawl-date", {"title": "title", "published_at": "crawl-date"}, ()),
    ],
)  # fmt: skip
def test_names_of_others(tmp_path: Path, header: str, used: dict[str, str], ignored: tuple[str, ...]) -> None:
    row = ",".join("x" * len(header.split(",")))
    assert read(tmp_path, f"{header}\n{row}\n").columns == ChosenColumns(used, ignored)


def test_what_was_given_goes_first_and_its_column_is_used_once(tmp_path: Path) -> None:
    chunk = read(tmp_path, "text,label\nA tale,1\n", columns={"title": "text"})
    assert chunk.columns == ChosenColumns({"title": "text", "label": "label"}, ())
    assert chunk.rows.select("title", "text", "label").rows() == [("A tale", None, "1")]
    none = read(tmp_path, "title,label\nA,1\n", columns={"label": ""})
    assert none.columns == ChosenColumns({"title": "title"}, ("label",))


def test_titles_of_the_first_words(tmp_path: Path) -> None:
    chunk = read(tmp_path, "text\n  One two\tthree four\none\n", title_words=3)
    assert chunk.rows["title"].to_list() == ["One two\tthree", "one"]
    some = read(tmp_path, "title,text\nA,One two three\nnan,Four five six\n,\n,None\n", title_words=2)
    assert some.rows["title"].to_list() == ["A", "Four five", None]


@pytest.mark.parametrize(("words", "labels"), [(("fake", "real"), True), (("fake", "satire"), False)])
def test_a_type_is_a_label_if_its_words_are_sure(
    tmp_path: Path, words: tuple[str, str], labels: bool
) -> None:
    columns = read(tmp_path, f"title,type\nA,{words[0]}\nB,{words[1]}\n").columns
    assert ("label" in columns.used, columns.ignored) == ((True, ()) if labels else (False, ("type",)))


@pytest.mark.parametrize(
    ("header", "given", "message"),
    [
        ("text,label", {}, r"--column title=text .*--title-words 12"),
        ("7,A headline,1", {}, r"--header NAME,NAME"),
        ("Statement,Label", {}, r"--column title=Statement"),
        (
            "title,label",
            {"columns": {"text": "story"}},
            r"no column 'story' for `text`; columns found: 'title'",
        ),
        ("title,Title,text", {}, r"names `title` 2 times"),
    ],
)
def test_what_is_asked(tmp_path: Path, header: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UnreadableFile, match=message):
        read(tmp_path, f"{header}\n" + ",".join("x" * len(header.split(","))) + "\n", **given)


@pytest.mark.parametrize(
    ("content", "option"),
    [
        ("id,Article Header\n1,A word\n", "--column 'title=Article Header' "),
        ("Unnamed: 0,news_id,it's\nx,y,A word\n", """--column 'title=it'"'"'s' """),
        ("code,day,links,story line\na7,2017-03-04,['a b'],One word\nb8,2017-03-05,\"['c', 'd']\",Two\n", "--column 'title=story line' "),
        ("7,8,9\n1,2,3\n", "--column title=NAME "),
        (f"story,n\n{'A sentence of some words. ' * 20},1\n", "--column text=story --title-words 12"),
        ("label,statement\nx,Short\n", "--column title=statement (`columns` of raw_news in the UI)"),
        ("Articles,,\nTitle,Text,Label\nA,a,1\n", "If the header is row 2, delete what stands above it"),
        (f"{'A headline of some length ' * 3},real\nx,fake\n", "--column title=NAME "),
    ],
)  # fmt: skip
def test_the_column_that_may_hold_the_headlines_is_suggested(
    tmp_path: Path, content: str, option: str
) -> None:
    with pytest.raises(UnreadableFile) as refusal:
        read(tmp_path, content)
    assert option in str(refusal.value)


def test_names_for_a_file_without_a_header(tmp_path: Path) -> None:
    chunk = read(tmp_path, "7,A headline,1\n8,Another,0\n", header=["id", "title", "label"])
    assert chunk.rows["title"].to_list() == ["A headline", "Another"]
    assert chunk.columns.ignored == ("id",)


@pytest.mark.parametrize(
    ("name", "yes", "no"),
    [
        ("is_fake", "fake", "real"),
        ("Is Real", "real", "fake"),
        ("isReal", "real", "fake"),
        ("real", "real", "fake"),
        ("is_true", "real", "fake"),
    ],
)
def test_a_column_that_says_fake_or_real_says_what_yes_means(
    tmp_path: Path, name: str, yes: str, no: str
) -> None:
    content = f"title,{name}\nA,True\nB,FALSE\nC,1\nD,0.0\nE,yes\nF,perhaps\nG,\n"
    expected = [yes, no, yes, no, yes, "perhaps", None]
    for columns in ({}, {"label": name}):
        assert read(tmp_path, content, columns=columns).rows["label"].to_list() == expected
    explained = read(tmp_path, content, labels={"1": "unlabelled"}).rows["label"].to_list()
    assert explained == [*expected[:2], "1", *expected[3:]]


def test_true_in_another_column_is_left_to_be_asked_for(tmp_path: Path) -> None:
    assert read(tmp_path, "title,label\nA,True\nB,1\n").rows["label"].to_list() == ["True", "1"]


def test_columns_of_labels_that_contradict_each_other_are_asked_about(tmp_path: Path) -> None:
    rows = [f"Title {n},{n % 2},{n % 2}" for n in range(40)]
    content = "\n".join(["title,is_fake,is_real", *rows])
    with pytest.raises(
        UnreadableFile,
        match=r"'is_fake' and 'is_real' contradict each other in 40 of its first 40 rows.*--column label=is_fake or",
    ):
        read(tmp_path, content)
    assert read(tmp_path, content, columns={"label": "is_real"}).columns.used["label"] == "is_real"
    with pytest.raises(UnreadableFile, match="'label' and 'is_real' contradict"):
        read(tmp_path, content.replace("is_fake", "label"))


def test_a_few_labels_that_contradict_each_other_are_slips(tmp_path: Path) -> None:
    rows = [f"Title {n},{n % 2},{int(n % 2 == 0 or n == 1)}" for n in range(40)]
    chunk = read(tmp_path, "\n".join(["title,is_fake,is_real", *rows]))
    assert chunk.columns.used["label"] == "is_fake"
