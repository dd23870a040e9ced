"""Texts in encodings other than UTF-8."""

from pathlib import Path

import pytest

from fakenews_assets.data.readers import encoding
from fakenews_assets.data.readers.reading import open_table
from fakenews_assets.data.readers.table import UnreadableFile
from tests.support.reading import read, read_whole, titles

ENCODED = "title,text\nCafé,“a”\nNaïve,b\nD,it’s\n"


@pytest.mark.parametrize(
    "codec",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "cp1252", "mac_roman"],
)
def test_a_table_in_any_encoding(news: Path, codec: str) -> None:
    whole = read(news, ENCODED.encode(codec))
    assert whole.rows.select("title", "text").rows() == [("Café", "“a”"), ("Naïve", "b"), ("D", "it’s")]


@pytest.mark.parametrize(
    ("codec", "name", "title"),
    [
        ("cp1251", "Windows-1251", "Президент заявил, что мост откроют летом"),
        ("koi8_r", "KOI8-R", "Президент заявил, что мост откроют летом"),
        (
            "cp1250",
            "Windows-1250",
            "Prezydent powiedział, że świat źle się kończy, proszę państwa: żołnierze",
        ),
        ("cp866", "DOS 866", "Президент заявил, что мост откроют летом"),
        ("mac_cyrillic", "Mac Cyrillic", "Президент заявил, что мост откроют летом"),
        ("iso8859_5", "ISO 8859-5", "Президент заявил, что мост откроют летом"),
        (
            "iso8859_2",
            "ISO 8859-2",
            "Premier zapowiedział nową ustawę o podatkach, mieszkańcy Łodzi skarżą się na hałas",
        ),
        ("iso8859_6", "ISO 8859-6", "أعلن رئيس الوزراء عن ميزانية جديدة في القاهرة"),
        ("tis_620", "TIS-620", "นายกรัฐมนตรีประกาศงบประมาณใหม่ ชาวกรุงเทพร้องเรียนเรื่องเสียงดัง"),
        ("cp1254", "Windows-1254", "Cumhurbaşkanı köprünün yazın açılacağını söyledi, şehir"),
        ("shift_jis", "Shift JIS", "大統領は橋が夏に開通すると発表した。市民は歓迎している"),
        ("gb18030", "GB 18030", "总统宣布大桥将在夏天开放，市民表示欢迎"),
        ("cp1250", "Windows-1250", "Obyvatelé si stěžují na hluk, úřad chce most otevřít v létě"),
        ("cp1250", "Windows-1250", "Građani se žale na buku, općina će otvoriti češće čišćenje šetališta"),
        (
            "cp1250",
            "Windows-1250",
            "A polgármester szerint a hídról döntő gyűlés nyáron lesz, a lakók örülnek",
        ),
        ("cp1250", "Windows-1250", "Primarul anunţă că podul va fi deschis vara, cetăţenii sînt mulţumiţi"),
        ("cp1252", "Windows-1252", "Die Müllabfuhr in München fährt für größere Straßen"),
        (
            "cp1252",
            "Windows-1252",
            "Borgmesteren åbner broen til sommer, siger Søren Kjær og hans kæreste Thérèse",
        ),
        ("cp1252", "Windows-1252", "A câmara não aprovou as contas à região, e os cidadãos põem questões"),
        ("cp1252", "Windows-1252", "Così il sindaco aprirà il ponte lunedì, perché è più sicuro"),
        (
            "cp1252",
            "Windows-1252",
            "Žižek meets Thérèse, Søren and José at a café: “naïve”, says Müller, née Lefèvre",
        ),
    ],
)
def test_the_encoding_of_other_languages(news: Path, codec: str, name: str, title: str) -> None:
    news.write_bytes(("title\n" + f'"{title}"\n' * 20).encode(codec))
    with open_table(news) as table:
        assert table.dialect.encoding == name
    assert set(titles(read_whole(news))) == {title}


@pytest.mark.parametrize("character", ["é", "“", "😀", "\ud7ff", "\U0010ffff"])
@pytest.mark.parametrize("block", range(1, 9))
def test_blocks_may_cut_characters(
    news: Path, monkeypatch: pytest.MonkeyPatch, block: int, character: str
) -> None:
    monkeypatch.setattr(encoding, "_BLOCK", block)
    for text in (f"title\nab{character}c{character * 3}d", f"title\n{character}"):
        news.write_text(text, "utf-8")
        with news.open("rb") as file:
            assert encoding.find_encoding(file).name == "UTF-8"
            for cut in range(1, len(character.encode())):
                news.write_bytes(text.encode() + character.encode()[:cut])
                assert encoding.find_encoding(file).name != "UTF-8"


def test_lines_of_two_encodings_lose_no_row(news: Path) -> None:
    whole = read(news, b"title,text\nA,a\nCaf\xe9,b\nCaf\xc3\xa9,c\nD,\x93d\x94\nE,e\n")
    assert titles(whole) == ["A", "Café", "Café", "D", "E"]
    assert whole.rows["text"][3] == "“d”"


def test_a_text_whose_encoding_cannot_be_told_is_refused(news: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"its encoding cannot be told.*iconv"):
        read(news, b"title\n" + bytes(range(0x80, 0x100)) * 20)


def test_a_cut_file_of_utf8_keeps_its_lines(news: Path) -> None:
    line = "总统宣布大桥将在夏天开放，市民表示欢迎"
    whole = read(news, ("title\n" + f"{line}\n" * 99 + line * 20).encode()[:-1])
    assert titles(whole)[:99] == [line] * 99


def test_lines_in_two_encodings_of_many_bytes_are_refused(news: Path) -> None:
    line = "总统宣布大桥将在夏天开放，市民表示欢迎\n"
    with pytest.raises(UnreadableFile, match="10 lines are UTF-8 and 10 probably GB 18030"):
        read(news, b"title\n" + line.encode("gb18030") * 10 + line.encode() * 10)


def test_a_reject_quotes_at_most_500_characters(news: Path) -> None:
    whole = read(news, b"title,text\nA,a\nB,b\n" + b"x" * 2000)
    assert whole.rejects["row"].to_list() == [3]
    assert whole.rejects["record"].str.len_chars().to_list() == [500]
