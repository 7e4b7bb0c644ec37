"""Tables in and out: every complaint names the place, nothing is half-written."""

import numpy as np
import polars as pl
import pytest

from jaxmle import io
from jaxmle._util.optional import optional


@pytest.fixture
def write(tmp_path):
    def _write(text, name="data.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return _write


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".json", ".ndjson"])
def test_round_trip(tmp_path, ending):
    frame = pl.DataFrame({"key": ["a", "b"], "x": [1.5, 1e-300]})
    io.write_table(tmp_path / f"t{ending}", frame)
    back = io.read_table(tmp_path / f"t{ending}")
    assert back["key"].to_list() == ["a", "b"]
    np.testing.assert_array_equal(io.numeric(back, "x"), [1.5, 1e-300])


def test_csv_and_parquet_keep_nan_and_infinity(tmp_path):
    frame = pl.DataFrame({"x": [float("nan"), float("inf"), -float("inf")]})
    for ending in (".csv", ".parquet"):
        io.write_table(tmp_path / f"t{ending}", frame)
        back = io.numeric(io.read_table(tmp_path / f"t{ending}"), "x")
        np.testing.assert_array_equal(back, [np.nan, np.inf, -np.inf])


@pytest.mark.parametrize(
    ("text", "name", "complaint"),
    [
        ("", "a.csv", "is empty"),
        ("\n\n", "a.csv", "is empty"),
        ("x,y\n", "a.csv", "has no rows; its columns are: x, y"),
        ("x,x\n1,2\n", "a.csv", "two columns named x"),
        ("x,y\n1,2\n1,2,3\n", "a.csv", "line 3 has 3 fields, the header has 2"),
        ("junk", "a.parquet", "cannot be read as parquet"),
        ("junk", "a.json", "cannot be read as json"),
        ("x\n1\n", "a.xlsx", "unknown kind of file; the name must end in .csv, .parquet"),
    ],
)
def test_bad_files(write, text, name, complaint):
    with pytest.raises(ValueError, match=complaint.replace(".", r"\.")):
        io.read_table(write(text, name))


def test_a_file_that_is_not_there_suggests_one_that_is(write):
    path = write("x\n1\n", "failures.csv")
    with pytest.raises(FileNotFoundError, match=r"no file .*failure\.csv; did you mean 'failures\.csv'\?"):
        io.read_table(path.with_name("failure.csv"))


def test_text_among_numbers(write):
    frame = io.read_table(write("t,x\na,1\nb,oops\nc,\nd,3h\n"))
    with pytest.raises(ValueError, match=r"column 'x', row 2: 'oops' is not a number \(and 1 more such rows\)"):
        io.numeric(frame, "x")
    with pytest.raises(ValueError, match=r"row 2: 'oops' is not a number.*list the columns"):
        io.numeric_columns(frame)


@pytest.mark.parametrize("word", ["", "NA", "nan", "null", " NaN "])
def test_missing_is_nan(write, word):
    frame = io.read_table(write(f"t,x\na, 1\nb,{word}\nc,2e3\n"))
    np.testing.assert_array_equal(io.numeric(frame, "x"), [1.0, np.nan, 2000.0])
    assert io.numeric_columns(frame) == ["x"]


def test_wrong_column(write):
    frame = io.read_table(write("plane,hours\n1,2\n"))
    with pytest.raises(ValueError, match=r"no column 'Hour'; did you mean 'hours'\? The columns are: plane, hours"):
        io.column(frame, "Hour")
    with pytest.raises(ValueError, match="no column 'zzz'; the columns are: plane, hours"):
        io.column(frame, "zzz")


def test_binary(write):
    frame = io.read_table(write("a,b,c\n1,true,1\n0,False,2\n1.0,TRUE,0\n"))
    for name in "ab":
        np.testing.assert_array_equal(io.binary(frame, name), [True, False, True])
    with pytest.raises(ValueError, match="column 'c', row 2: '2' found; expected 0 or 1"):
        io.binary(frame, "c")
    assert io.binary(pl.DataFrame({"a": [True, False]}), "a").tolist() == [True, False]
    assert io.binary(pl.DataFrame({"a": [1.0, 0.0]}), "a").tolist() == [True, False]
    with pytest.raises(ValueError, match="row 1: nothing found"):
        io.binary(pl.DataFrame({"a": [None, 1]}), "a")


def test_groups_are_numbered_as_they_appear(write):
    frame = io.read_table(write("k,j\n9,x\n7,x\n9,x\n9,y\n"))
    codes, keys = io.group_codes(frame, ["k", "j"])
    assert codes.tolist() == [0, 1, 0, 2]
    assert keys.rows() == [(9, "x"), (7, "x"), (9, "y")]


def test_leading_zeros_of_keys_stay(write):
    _, keys = io.group_codes(io.read_table(write("k\n007\n7\n")), ["k"])
    assert keys["k"].to_list() == ["007", "7"]


def test_a_missing_group_is_an_error(write):
    with pytest.raises(ValueError, match="column 'k', row 2: the group is missing"):
        io.group_codes(io.read_table(write("k,x\na,1\n,2\n")), ["k"])


def test_nothing_half_written(tmp_path):
    class Failing:
        def write_csv(self, name):
            with open(name, "w") as file:
                file.write("half")
            raise OSError("disk full")

    target = tmp_path / "t.csv"
    target.write_text("before")
    with pytest.raises(OSError, match="disk full"):
        io.write_table(target, Failing())
    assert target.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_no_folder(tmp_path):
    with pytest.raises(ValueError, match="there is no folder"):
        io.write_table(tmp_path / "no" / "t.csv", pl.DataFrame({"x": [1]}))


def test_examples_are_found():
    assert io.example("coin.csv").is_file()
    with pytest.raises(ValueError, match=r"no example 'coins.csv'; did you mean 'coin\.csv'"):
        io.example("coins.csv")


def test_optional_says_how_to_install():
    with pytest.raises(
        ImportError, match=r"needs nothing_like_it, .* pip install nothing_like_it, .* pip install '\.\[plot\]'"
    ):
        optional("nothing_like_it", "plot")
