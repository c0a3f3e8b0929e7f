"""MovieLens in each of its layouts."""

from __future__ import annotations

from pathlib import Path

import pytest
from loader_graph import Graph

from kg_rec.errors import LoadError
from kg_rec.loaders.movielens import split_title


@pytest.mark.parametrize(
    ("text", "title", "year"),
    [
        ("Toy Story (1995)", "Toy Story", 1995),
        ("Postino, Il (1994)", "Postino, Il", 1994),
        ("Shanghai Triad (Yao a yao yao dao waipo qiao) (1995)", "Shanghai Triad (Yao a yao yao dao waipo qiao)", 1995),
        ("Land Before Time III (1995) (V)", "Land Before Time III", 1995),
        ("Fawlty Towers (1975-1979)", "Fawlty Towers", 1975),
        ("2001", "2001", None),
        ("(1995)", "(1995)", None),
        ("unknown", "unknown", None),
    ],
)
def test_split_title(text: str, title: str, year: int | None) -> None:
    assert split_title(text) == (title, year)


def flags(*numbers: int) -> str:
    return "|".join("1" if i in numbers else "0" for i in range(19))


def write_100k(folder: Path) -> Path:
    (folder / "u.data").write_text("1\t1\t5\t874965758\n2\t1\t3\t888550871\n2\t2\t4\t888550872\n")
    (folder / "u.user").write_text("1|24|M|technician|85711\n2|53|F|other|94043\n")
    (folder / "u.item").write_bytes(
        (
            f"1|Toy Story (1995)|01-Jan-1995||http://x|{flags(3, 4, 5)}\n"
            f"2|Misérables, Les|01-Feb-1996||http://y|{flags(8)}\n"
            f"267|unknown||||{flags(0)}\n"
        ).encode("latin-1")
    )
    return folder


def test_100k(graph: Graph, folder: Path) -> None:
    report = graph.load("movielens", write_100k(folder))
    assert graph.nodes("Film") == {
        "1": {"title": "Toy Story", "year": 1995},
        "2": {"title": "Misérables, Les", "year": 1996},
        "267": {"title": "unknown"},
    }
    genres = {("1", "Animation"), ("1", "Children's"), ("1", "Comedy"), ("2", "Drama")}
    assert set(graph.edges("HAS_GENRE")) == genres
    assert graph.edges("RATED")["2", "1"] == {"rating": 3.0, "timestamp": 888550871}
    assert graph.nodes("User")["1"] == {"age": 24, "gender": "M", "occupation": "technician", "zip_code": "85711"}
    assert report.unmapped == {"genre unknown": 1}


def test_1m(graph: Graph, folder: Path) -> None:
    (folder / "ratings.dat").write_text("1::1::5::978300760\n2::1::3::978302109\n")
    (folder / "movies.dat").write_bytes("1::Café (1995)::Animation|Children's\n2::X (1996)::Drama\n".encode("latin-1"))
    (folder / "users.dat").write_text("1::F::1::10::48067\n2::M::56::16::70072\n")
    graph.load("movielens", folder)
    assert graph.nodes("Film") == {"1": {"title": "Café", "year": 1995}, "2": {"title": "X", "year": 1996}}
    assert graph.nodes("User") == {
        "1": {"gender": "F", "occupation": "K-12 student", "zip_code": "48067"},
        "2": {"age": 56, "gender": "M", "occupation": "self-employed", "zip_code": "70072"},
    }
    assert set(graph.edges("RATED")) == {("1", "1"), ("2", "1")}


def test_csv(graph: Graph, folder: Path) -> None:
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,9,0.5,964981247\n")
    (folder / "movies.csv").write_text(
        'movieId,title,genres\n1,Toy Story (1995),Adventure|Comedy\n9,"Net, The (1995)",(no genres listed)\n'
    )
    (folder / "links.csv").write_text("movieId,imdbId,tmdbId\n1,0114709,862\n")
    report = graph.load("movielens", folder)
    assert graph.nodes("Film")["9"] == {"title": "Net, The", "year": 1995}
    assert set(graph.edges("HAS_GENRE")) == {("1", "Adventure"), ("1", "Comedy")}
    assert graph.edges("RATED")["1", "9"] == {"rating": 0.5, "timestamp": 964981247}
    assert report.nodes == {"Film": 2, "Genre": 2, "User": 1}


def test_the_right_format_is_named(graph: Graph, folder: Path) -> None:
    with pytest.raises(LoadError, match="give the unpacked folder"):
        graph.load("movielens", folder)
    (folder / "ml-100k.inter").write_text("user_id:token\titem_id:token\n1\t1\n")
    with pytest.raises(LoadError, match="use the format recbole"):
        graph.load("movielens", folder)
    with pytest.raises(LoadError, match="use the format recbole"):
        graph.load("movielens", folder / "ml-100k.inter")


def test_a_missing_part_is_named(graph: Graph, folder: Path) -> None:
    write_100k(folder)
    (folder / "u.item").unlink()
    with pytest.raises(LoadError, match=r"expected u\.item"):
        graph.load("movielens", folder)
