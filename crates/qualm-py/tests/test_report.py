"""Reports, galleries and the strangest rows: the command line's pages, from rows in memory."""

import contextlib
import datetime
import decimal
import html
import json
import os
import subprocess
import warnings

import numpy as np
import pytest
import qualm

RNG = np.random.default_rng(3)
N = 120


def run(binary, *arguments, cwd):
    done = subprocess.run(
        [binary, *map(str, arguments)], check=True, capture_output=True, text=True, cwd=cwd
    )
    return done.stdout


def table(n=N, seed=1):
    """Columns of several kinds: two features, ids, classes, a label, and text."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(n, 2))
    values[::20] += 6
    return {
        "a": values[:, 0],
        "b": values[:, 1],
        "id": [f"<b>item {i}</b>" for i in range(n)],
        "kind": [["cat", "dog", "é & ü"][i % 3] for i in range(n)],
        "count": list(range(n)),
        "half": [i / 2 for i in range(n)],
        "flag": [i % 2 == 0 for i in range(n)],
        "wrong": [int(i % 20 == 0) for i in range(n)],
        "words": [f"a text of more than forty letters, the number {i} of them" for i in range(n)],
    }


FEATURES = ["a", "b"]


@pytest.fixture(scope="module")
def detector():
    polars = pytest.importorskip("polars")
    return qualm.KNN(n_neighbors=3).fit(polars.DataFrame(table()).select(FEATURES))


def frames():
    """The same table as others have it."""
    polars = pytest.importorskip("polars")
    pandas = pytest.importorskip("pandas")
    pyarrow = pytest.importorskip("pyarrow")
    return [polars.DataFrame(table()), pandas.DataFrame(table()), pyarrow.table(table())]


@contextlib.contextmanager
def quiet():
    """Rows without names for a model of names, and the other way round, are a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X (has|does not have valid) feature names")
        yield


def sections(gallery):
    return gallery.data["sections"]


def ids(cards):
    return [card["id"] for card in cards]


def bitmap(path, light):
    """An image of 8 x 8 pixels of one colour."""
    header = [54 + 192, 0, 54, 40, 8, 8]
    head = b"BM" + b"".join(number.to_bytes(4, "little") for number in header)
    head += b"\x01\x00\x18\x00" + bytes(24)
    path.write_bytes(head + bytes([light]) * 192)


# ---- the command line's pages -----------------------------------------------------------------


def test_a_report_is_the_command_lines_whatever_the_table(detector, tmp_path, command_line):
    polars = pytest.importorskip("polars")
    polars.DataFrame(table()).write_parquet(tmp_path / "t.parquet")
    polars.DataFrame(table(60, 2)).write_parquet(tmp_path / "later.parquet")
    detector.save(tmp_path / "m.qualm")
    arguments = ["report", "m.qualm", "t.parquet", "--label", "wrong", "--current"]
    arguments += ["later.parquet", "--top", 30, "--title", "July <3", "-o", "r.html"]
    run(command_line, *arguments, cwd=tmp_path)
    names = {"model_name": "m.qualm", "data_name": "t.parquet", "title": "July <3"}
    for frame in frames():
        labels = frame["wrong"]
        if hasattr(frame, "iloc"):
            rows = frame.drop(columns="wrong")
        elif hasattr(frame, "drop_columns"):
            rows = frame.drop_columns("wrong")
        else:
            rows = frame.drop("wrong")
        later = polars.DataFrame(table(60, 2))
        report = detector.report(rows, labels=labels, current=later, top=30, **names)
        assert report.html == (tmp_path / "r.html").read_text(), type(frame)
        assert report.data == json.loads((tmp_path / "r.json").read_text())
        assert report._page.json == (tmp_path / "r.json").read_text()


def test_a_gallery_is_the_command_lines_whatever_the_table(detector, tmp_path, command_line):
    frames()[0].write_parquet(tmp_path / "t.parquet")
    detector.save(tmp_path / "m.qualm")
    arguments = ["gallery", "m.qualm", "t.parquet", "--class", "kind", "--by-class", "--top", 4]
    run(command_line, *arguments, "-o", "g.html", cwd=tmp_path)
    names = {"model_name": "m.qualm", "data_name": "t.parquet"}
    for frame in frames():
        gallery = detector.gallery(frame, classes="kind", by_class=True, top=4, **names)
        assert gallery.html == (tmp_path / "g.html").read_text(), type(frame)
        assert gallery._page.json == (tmp_path / "g.json").read_text()


def test_images_of_an_array_are_those_of_its_file(tmp_path, command_line):
    rows = RNG.normal(size=(30, 3)).astype(np.float32)
    images = RNG.integers(0, 256, (30, 16, 16, 3), np.uint8)
    np.save(tmp_path / "rows.npy", rows)
    np.save(tmp_path / "images.npy", images)
    detector = qualm.KNN().fit(rows)
    detector.save(tmp_path / "m.qualm")
    arguments = ["gallery", "m.qualm", "rows.npy", "--images", "images.npy", "--top", 3]
    run(command_line, *arguments, "-o", "g.html", cwd=tmp_path)
    names = {"model_name": "m.qualm", "data_name": "rows.npy", "top": 3}
    expected = (tmp_path / "g.html").read_text()
    assert expected.count("data:image/webp;base64,") == 6 * 4
    for given in (images, list(images), tmp_path / "images.npy"):
        assert detector.gallery(rows, images=given, **names).html == expected


def test_embeddings_keep_what_their_file_says(tmp_path, command_line):
    parquet = pytest.importorskip("pyarrow.parquet")
    images = RNG.integers(0, 256, (24, 16, 16, 3), np.uint8)
    np.save(tmp_path / "images.npy", images)
    embed = ["embed", "images.npy", "--encoder", "pixel-statistics", "-q"]
    run(command_line, *embed, "--views", 4, "-o", "views.parquet", cwd=tmp_path)
    run(command_line, "fit", "views.parquet", "-o", "m.qualm", "-q", cwd=tmp_path)
    arguments = ["gallery", "m.qualm", "views.parquet", "--images", "images.npy", "--views"]
    run(command_line, *arguments, "--top", 2, "-o", "g.html", cwd=tmp_path)
    detector = qualm.load(tmp_path / "m.qualm")
    rows = parquet.read_table(tmp_path / "views.parquet")
    gallery = detector.gallery(
        rows,
        images=tmp_path / "images.npy",
        views=True,
        top=2,
        model_name="m.qualm",
        data_name="views.parquet",
    )
    assert gallery.html == (tmp_path / "g.html").read_text()
    assert [part["of"] for part in sections(gallery)] == ["all"] + 5 * ["item"]
    # A view is drawn again from an image at hand, too: it is named by its row's id.
    each = images[[int(i) for i in rows["id"].to_pylist()]]
    again = detector.gallery(
        rows, images=each, views=True, top=2, model_name="m.qualm", data_name="views.parquet"
    )
    assert again.html == gallery.html

    # Rows of another encoder are refused.
    metadata = dict(rows.schema.metadata)
    entry = json.loads(metadata[b"qualm.encoder"])
    metadata[b"qualm.encoder"] = json.dumps({**entry, "digest": "0" * 64}).encode()
    with pytest.raises(ValueError, match="made by the encoder pixel-statistics \\(000000000000"):
        detector.report(rows.replace_schema_metadata(metadata))


def test_columns_of_pandas_are_shown_as_those_of_a_file(detector):
    pandas = pytest.importorskip("pandas")
    pyarrow = pytest.importorskip("pyarrow")
    n = 4
    features = {name: np.array(table(n)[name]) for name in FEATURES}
    frame = pandas.DataFrame(
        {
            **features,
            "text": ["one", None, "three", "4"],
            "small": np.arange(n, dtype=np.int8),
            "large": np.array([1, 2, 3, 2**64 - 1], np.uint64),
            "maybe": pandas.array([1, None, 3, 4], dtype="Int64"),
            "float": np.array([0.1, 1e20, np.nan, 2.5]),
            "single": np.array([0.1, 1.0, 2.5, 3.0], np.float32),
            "flag": [True, False, True, True],
            "unsure": pandas.array([True, None, False, True], dtype="boolean"),
            "time": pandas.to_datetime(
                ["2024-01-01", "2024-01-02 03:04:05.5", None, "2024-01-03"], format="mixed"
            ),
            "day": [datetime.date(2024, 1, i + 1) for i in range(n)],
            "price": [decimal.Decimal("1.50"), None, decimal.Decimal("2.25"), None],
            "kind": pandas.Categorical(["a", "b", None, "a"]),
            "list": [[1.0, 2.0]] * n,
            "bytes": [b"x"] * n,
        }
    )
    arrow = pyarrow.Table.from_pandas(frame, preserve_index=False)
    ours, theirs = (
        sections(detector.gallery(given, texts=["t"] * n, top=n))[0] for given in (frame, arrow)
    )
    for end in ("least_certain", "most_certain"):
        shown = [dict(card["columns"]) for card in ours[end]]
        assert shown == [dict(card["columns"]) for card in theirs[end]]
        assert all("list" not in columns and "bytes" not in columns for columns in shown)
    cards = {card["row"]: dict(card["columns"]) for card in theirs["least_certain"]}
    cards.update((card["row"], dict(card["columns"])) for card in theirs["most_certain"])
    assert cards[2]["time"] == "2024-01-02T03:04:05.500"
    assert "maybe" not in cards[2]
    assert "float" not in cards[3]
    assert (cards[2]["float"], cards[1]["single"]) == ("1e20", "0.1")
    assert cards[4]["large"] == str(2**64 - 1)


def test_top_is_that_of_score(detector, tmp_path, command_line):
    polars, pandas, arrow = frames()
    polars.write_parquet(tmp_path / "t.parquet")
    detector.save(tmp_path / "m.qualm")
    arguments = ["score", "m.qualm", "t.parquet", "--top", 7, "--id", "id", "--json"]
    expected = json.loads(run(command_line, *arguments, cwd=tmp_path))["rows"]
    for frame in (polars, pandas, arrow):
        found = detector.top(frame, 7)
        for ours, theirs in zip(found, expected):
            assert polars["id"][ours["index"]] == ours["id"] == theirs["id"]
            assert ours["outlier"] is bool(theirs["outlier"])
            for key in ("score", "p_value", "explain_1", "explain_1_share", "explain_2"):
                assert ours[key] == theirs[key]
        assert len(found) == len(expected) == 7


# ---- the strangest rows -----------------------------------------------------------------------


def test_top_is_in_order_and_of_equal_scores_the_first_row_comes_first():
    rows = np.array([[0.0], [1.0], [2.0], [9.0], [3.0], [9.0], [4.0]])
    detector = qualm.ECOD().fit(rows)
    scores = detector.decision_function(rows)
    found = detector.top(rows, 4)
    order = sorted(range(7), key=lambda i: (-scores[i], i))[:4]
    assert [row["index"] for row in found] == order
    assert [row["score"] for row in found] == [scores[i] for i in order]
    assert [row["p_value"] for row in found] == detector.p_values(rows[order]).tolist()
    # Vectors are not explained unless that is asked for, and nothing names the rows.
    assert set(found[0]) == {"index", "score", "p_value", "outlier"}
    assert len(detector.top(rows)) == 7
    assert detector.top(rows, 1, k=1)[0]["explain_1_share"] == pytest.approx(1.0)


def test_top_names_rows_by_what_there_is(detector):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(table())
    assert detector.top(frame, 1)[0]["id"].startswith("<b>item")
    bare = frame[FEATURES]
    assert "id" not in detector.top(bare, 1)[0]
    filtered = bare[::-1].iloc[:60]
    first = detector.top(filtered, 1)[0]
    assert first["id"] == str(filtered.index[first["index"]])
    named = detector.top(bare, 3, ids=[f"row-{i}" for i in range(N)])
    assert [row["id"] for row in named] == [f"row-{row['index']}" for row in named]
    assert detector.top(frame, 1, ids="count")[0]["id"].isdigit()
    assert pandas.DataFrame(named).columns[0] == "index"


# ---- reports ----------------------------------------------------------------------------------


def test_parts_of_a_report_are_there_as_far_as_their_data_are(detector):
    def parts(report):
        return [part["title"] for part in report.data["parts"]]

    frame = frames()[0]
    alone = detector.report()
    assert parts(alone) == ["Scores", "Training and health", "Settings and provenance"]
    assert "input" not in alone.data
    plain = detector.report(frame)
    assert plain.data["input"] == "120 rows"
    assert plain.data["model"] == "KNN"
    assert "Against labels" not in parts(plain)
    labelled = detector.report(frame, labels=np.array(table()["wrong"], bool), top=5)
    assert "Against labels" in parts(labelled)
    summary = dict(labelled.data["summary"])
    scores = detector.decision_function(frame)
    assert summary["AUROC"] == pytest.approx(auroc(scores, table()["wrong"]))
    rows = next(part for part in labelled.data["parts"] if part["id"] == "top")["tables"][0][
        "rows"
    ]
    assert [row[1] for row in rows] == [i + 1 for i in np.argsort(-scores, kind="stable")[:5]]


def auroc(scores, labels):
    """The share of pairs in which the outlier has the higher score, by counting them."""
    labels = np.array(labels, bool)
    pairs = scores[labels][:, None] - scores[~labels][None, :]
    return ((pairs > 0) + 0.5 * (pairs == 0)).mean()


def test_results_of_monitoring_are_shown(detector, tmp_path):
    state = qualm.Monitor(detector, table_rows())
    state.update(table_rows(50, 5))
    (tmp_path / "watch.state").write_bytes(state.state)
    report = detector.report(monitor=tmp_path / "watch.state")
    assert [part["id"] for part in report.data["parts"]][-2].startswith("results-")
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match="expected results of monitoring or of a bench"):
        detector.report(bench=[tmp_path / "other.json"])


def table_rows(n=N, seed=1):
    return pytest.importorskip("polars").DataFrame(table(n, seed)).select(FEATURES)


def test_a_model_of_vectors_takes_tables_and_their_other_columns_are_shown():
    polars = pytest.importorskip("polars")
    rows = RNG.normal(size=(50, 4)).astype(np.float32)
    detector = qualm.KNN().fit(rows)
    frame = polars.DataFrame({"path": [f"{i}.png" for i in range(50)], "vector": rows})
    expected = detector.decision_function(rows)
    for given in (frame, frame.to_pandas(), frame.to_arrow()):
        card = sections(detector.gallery(given, top=1))[0]["least_certain"][0]
        assert card["score"] == expected.max()
        assert card["id"] == f"{expected.argmax()}.png"
    # Without a vector the numbers are the features, and only the others stand beside them.
    wide = polars.DataFrame(rows, schema=list("abcd")).with_columns(path=frame["path"])
    for given in (wide, wide.to_pandas()):
        with quiet():
            card = sections(detector.gallery(given, top=1))[0]["least_certain"][0]
        assert card["id"] == f"{expected.argmax()}.png"
        assert "columns" not in card


# ---- galleries --------------------------------------------------------------------------------


def test_classes_and_texts_are_columns_or_values(detector):
    frame, pandas, _ = frames()
    by_name = detector.gallery(frame, classes="kind", texts="words", by_class=["dog"], top=2)
    assert [part.get("name") for part in sections(by_name)] == [None, "dog"]
    cards = sections(by_name)[1]["least_certain"]
    assert [card["class"] for card in cards] == ["dog", "dog"]
    assert all(f"number {card['row'] - 1} of" in card["text"] for card in cards)
    values = {"classes": pandas["kind"], "texts": table()["words"], "ids": frame["id"]}
    bare = detector.gallery(frame.select(FEATURES), by_class="dog", top=2, **values)
    for section, other in zip(sections(bare), sections(by_name)):
        assert ids(section["most_certain"]) == ids(other["most_certain"])
    assert sections(bare)[1]["least_certain"][0]["text"] == cards[0]["text"]
    # Many classes are drawn by the seed.
    many = detector.gallery(frame, classes="count", by_class=True, seed=1, top=1)
    assert len(sections(many)) == 6
    assert many.html == detector.gallery(frame, classes="count", by_class=True, seed=1, top=1).html
    other = detector.gallery(frame, classes="count", by_class=True, seed=2, top=1)
    assert [part.get("name") for part in sections(other)] != [
        part.get("name") for part in sections(many)
    ]


def test_image_files_by_row_and_by_name(tmp_path):
    rows = RNG.normal(size=(12, 3)).astype(np.float32)
    folder = tmp_path / "images"
    folder.mkdir()
    names = [f"{i}.bmp" for i in range(12)]
    for i, name in enumerate(names):
        bitmap(folder / name, 20 * i)
    detector = qualm.KNN().fit(rows)
    by_name = detector.gallery(rows, images=folder, ids=names, top=2)
    by_row = detector.gallery(rows, images=[folder / name for name in names], ids=names, top=2)
    assert by_name.html == by_row.html
    assert by_name.html.count("data:image/webp;base64,") == 4 * 4
    plain = detector.gallery(rows, ids=names, top=2)
    assert "data:image/webp" not in plain.html

    worst = int(detector.decision_function(rows).argmax())
    os.remove(folder / names[worst])
    with pytest.warns(qualm.QualmWarning, match="1 image cannot be shown and has a placeholder"):
        gallery = detector.gallery(rows, images=folder, ids=names, top=2)
    assert gallery.data["missing"][0]["id"] == names[worst]
    with pytest.warns(qualm.QualmWarning, match="cannot be shown"):
        detector.gallery(rows, images=[str(folder / name) for name in names], top=2)


# ---- pages in notebooks and files -------------------------------------------------------------


def test_a_notebook_shows_a_page_in_a_frame_of_its_own(detector, monkeypatch):
    report = detector.report(frames()[0], title='"><script>alert(1)</script>')
    shown = report._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert shown.count("<") == 2
    assert 'sandbox="allow-scripts"' in shown
    srcdoc = shown.split('srcdoc="', 1)[1].split('" sandbox=', 1)[0]
    assert html.unescape(srcdoc) == report.html
    assert "<script>alert" not in report.html
    assert "<b>item" not in report.html
    assert repr(report).startswith("<Report, 0.")
    monkeypatch.setattr("qualm._page._EMBEDDED", 1000)
    assert "<iframe" not in report._repr_html_()
    assert 'save("report.html")' in report._repr_html_()


def test_a_page_loads_nothing(detector):
    frame = frames()[0]
    for page in (detector.report(frame), detector.gallery(frame)):
        assert page.html.startswith("<!doctype html>")
        assert "default-src 'none'" in page.html
        for word in ("http://", "https://", "url(", ' style="', "onclick", "@import"):
            assert word not in page.html


def test_files_are_whole_and_never_over_those_of_others(detector, tmp_path):
    frame = frames()[0]
    report = detector.report(frame)
    path = tmp_path / "page.html"
    report.save(path)
    assert path.read_text() == report.html
    # A page of ours is replaced; its numbers are written where they are asked for.
    detector.gallery(frame).save(path, numbers=tmp_path / "page.json")
    assert json.loads((tmp_path / "page.json").read_text())["qualm_page"] == "gallery"
    polars = pytest.importorskip("polars")
    report.save(str(path), numbers=tmp_path / "rows.parquet")
    points = polars.read_parquet(tmp_path / "rows.parquet")
    assert points["score"].to_list() == detector.decision_function(frame).tolist()
    assert {"x", "y", "p_value", "outlier", "row", "id"} <= set(points.columns)

    thesis = tmp_path / "thesis.html"
    thesis.write_text("<p>my thesis")
    with pytest.raises(FileExistsError, match="no page of qualm; .*force=True"):
        report.save(thesis)
    (tmp_path / "mine.json").write_text("{}")
    with pytest.raises(FileExistsError, match="no file of numbers"):
        report.save(tmp_path / "new.html", numbers=tmp_path / "mine.json")
    assert thesis.read_text() == "<p>my thesis"
    assert not (tmp_path / "new.html").exists()
    report.save(thesis, force=True)
    assert thesis.read_text() == report.html
    with pytest.raises(ValueError, match="a page is an HTML file; expected a name that ends in"):
        report.save(tmp_path / "page.txt")
    with pytest.raises(ValueError, match="cannot tell the format of the numbers"):
        report.save(path, numbers=tmp_path / "numbers.csv")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        report.save(tmp_path / "nowhere" / "page.html")
    assert sorted(os.listdir(tmp_path)) == [
        "mine.json",
        "page.html",
        "page.json",
        "rows.parquet",
        "thesis.html",
    ]


# ---- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"labels": [0] * 7}, ValueError, r"labels has shape \(7,\), expected \(120,\)"),
        ({"labels": [-1] + [1] * 119}, ValueError, "labels, row 1: found -1, .*labels == -1"),
        ({"labels": [0] * 120}, ValueError, "outlier"),
        ({"ids": "nowhere"}, ValueError, "ids = 'nowhere': expected the name of a column"),
        ({"ids": "a"}, ValueError, "no feature .there are id, kind"),
        ({"ids": ["a"]}, ValueError, "ids has 1 values, expected 120"),
        ({"top": 0}, ValueError, "top = 0: expected at least 1"),
        ({"top": 2.5}, TypeError, "top = 2.5: expected a whole number"),
        ({"bench": "nowhere.jsonl"}, FileNotFoundError, "nowhere.jsonl: no such file"),
    ],
)
def test_reports_that_are_refused(detector, asked, error, message):
    with pytest.raises(error, match=message):
        detector.report(frames()[0], **asked)


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"by_class": True}, ValueError, "the rows have no classes; give classes"),
        ({"classes": "kind", "by_class": ["cow"]}, ValueError, "no row is of class 'cow'.*'?dog"),
        ({"views": True}, ValueError, "no item has two views"),
        ({"images": "nowhere"}, FileNotFoundError, "nowhere"),
        ({"images": ["a.png"] * 3}, ValueError, "3 images, expected 120: one for each row"),
        ({"images": np.zeros((2, 4, 4, 3), np.uint8)}, ValueError, "2 images, expected 120"),
        ({"images": np.zeros((120, 4, 4, 3))}, TypeError, "image 1 is of float64"),
        ({"images": ["a.png", 7]}, TypeError, "number 2: found a int among paths"),
        ({"texts": "none"}, ValueError, "texts = 'none'"),
    ],
)
def test_galleries_that_are_refused(detector, asked, error, message):
    with pytest.raises(error, match=message):
        detector.gallery(frames()[0], **asked)


def test_rows_that_name_no_images_are_refused(detector, tmp_path):
    bitmap(tmp_path / "one.bmp", 7)
    frame = frames()[0]
    with pytest.raises(ValueError, match="which images they are of; give ids"):
        detector.gallery(frame.select(FEATURES), images=tmp_path)
    with pytest.raises(ValueError, match="none of the .* the rows name .* are called 'one.bmp'"):
        detector.gallery(frame, images=tmp_path)


def test_rows_that_cannot_be_scored_are_refused(detector):
    rows = np.zeros((3, 2), np.float32)
    rows[1, 1] = np.nan
    for ask in (detector.report, detector.gallery, detector.top):
        with pytest.raises(ValueError, match="row 2, column"), quiet():
            ask(rows)
        with pytest.raises(ValueError, match="needed is missing: 'b'"):
            ask(frames()[0].drop("b"))
        with pytest.raises(ValueError, match="expected 2"), quiet():
            ask(np.zeros((3, 5)))
    with pytest.raises(ValueError, match="give X, too"):
        detector.report(labels=[1])
    for ask in ("report", "gallery", "top"):
        with pytest.raises(qualm.NotFittedError, match=f"using '{ask}'"):
            getattr(qualm.KNN(), ask)(rows)
