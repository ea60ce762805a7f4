"""Reading a table: what is accepted, and one clear line for everything that is not."""

import numpy as np
import pytest

from sciml_jax.data import DataError, read_csv

GOOD = "year,hare,lynx\n1900,30,4\n1901,47.2,6.1\n1902,70.2,9.8\n"


def written(folder, text, name="pelts.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_columns_rows_and_names(tmp_path):
    series = read_csv(written(tmp_path, GOOD))
    assert (series.time, series.names, series.rows) == ("year", ("hare", "lynx"), 3)
    assert series.t.tolist() == [1900, 1901, 1902]
    assert series.y.tolist() == [[30, 4], [47.2, 6.1], [70.2, 9.8]]
    assert series.t.dtype == series.y.dtype == np.float64


@pytest.mark.parametrize(
    "text",
    [
        "# a source\n\nyear, hare , lynx\n1900, 30, 4\n,,\n1901, 47.2, 6.1\n# the end\n1902,70.2,9.8",
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("hare", '"hare"').replace("30", '"30"'),
        GOOD.replace("30", "3e1"),
    ],
    ids=["comments and spaces", "byte-order mark", "carriage returns", "quotes", "exponents"],
)
def test_the_same_table_written_otherwise(tmp_path, text):
    series, plain = read_csv(written(tmp_path, text)), read_csv(written(tmp_path, GOOD, "plain.csv"))
    assert series.names == plain.names
    assert series.y.tolist() == plain.y.tolist()


def test_columns_by_name_and_in_the_order_asked_for(tmp_path):
    text = "note,lynx,year,hare\nfirst,4,1900,30\nsecond,6.1,1901,47.2\n"
    series = read_csv(written(tmp_path, text), time="year", states=["hare", "lynx"])
    assert series.names == ("hare", "lynx")
    assert series.y.tolist() == [[30, 4], [47.2, 6.1]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("year\n1900\n1901\n", "only one column, 'year'"),
        ("year;hare;lynx\n1900;30;4\n", "separated by ';'"),
        ("1900,30,4\n1901,47.2,6.1\n", "first line must name the columns"),
        ("year,,lynx\n1900,30,4\n", "column 2 of the header has no name"),
        ("year,hare,hare\n1900,30,4\n", "two columns are named 'hare'"),
        ("year,hare,lynx\n", "too few rows: 0, at least 2"),
        ("year,hare,lynx\n1900,30,4\n", "too few rows: 1, at least 2"),
        (GOOD.replace("47.2", "many"), "line 3, column 'hare': 'many' is not a number"),
        (GOOD.replace("47.2", "4_7.2x" + 40 * "x"), "... is not a number".replace("... ", "...' ")),
        (GOOD.replace("47.2", ""), "line 3, column 'hare' is empty"),
        (GOOD.replace("47.2", "NaN"), "line 3, column 'hare' holds 'NaN'"),
        (GOOD.replace("47.2", "NA"), "line 3, column 'hare' holds 'NA'"),
        (GOOD.replace("47.2", "inf"), "line 3, column 'hare': 'inf' is not finite"),
        (GOOD.replace("1901", "1900-01"), "line 3, column 'year': '1900-01' is not a number"),
        (GOOD.replace("1902", "1901"), "line 4, column 'year': 1901 is repeated"),
        (GOOD.replace("1902", "1899"), "line 4, column 'year': 1899 follows 1901"),
        (GOOD.replace("47.2,6.1", "47.2"), "line 3 has 2 cells, the header has 3"),
        (GOOD.replace("47.2,6.1", "47,2,6.1"), "line 3 has 4 cells, the header has 3"),
        (b"\xff\xfe\x00y\x00e", "not a CSV file in UTF-8"),
        (b"year,hare\n1900,\x003\n1901,4\n", "line"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(tmp_path, text, words):
    path = written(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read_csv(path)
    message = str(caught.value)
    assert words in message
    assert message.startswith(str(path))
    assert "\n" not in message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"time": "day"}, "no time column 'day'; it has 'year', 'hare', 'lynx'"),
        ({"states": ["hare", "fox"]}, "no state column 'fox'; it has 'year', 'hare', 'lynx'"),
        ({"states": ["year", "hare"]}, "column 'year' cannot be the time and a state"),
        ({"states": ["hare", "hare"]}, "state column 'hare' is asked for twice"),
        ({"states": []}, "no state columns"),
        ({"min_rows": 8}, "too few rows: 3, at least 8"),
    ],
)
def test_what_is_asked_for_has_to_be_there(tmp_path, options, words):
    with pytest.raises(DataError, match=words):
        read_csv(written(tmp_path, GOOD), **options)


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(DataError, match="this is a folder"):
        read_csv(tmp_path)
