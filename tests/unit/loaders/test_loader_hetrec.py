"""HetRec 2011 Last.fm, with the quirks of the real files."""

from __future__ import annotations

from pathlib import Path

import pytest
from loader_graph import Graph

from kg_rec.errors import LoadError


def release(folder: Path) -> Path:
    (folder / "user_artists.dat").write_text(
        "userID\tartistID\tweight\r\n2\t51\t13883\r\n2\t52\t1\r\n3\t52\t352698\r\n"
    )
    (folder / "artists.dat").write_text(
        "id\tname\turl\tpictureURL\n"
        '51\t"Weird Al" Yankovic\thttp://www.last.fm/music/x\thttp://p\n52\t坂本龍一\thttp://y\n53\tBjörk\thttp://z\t\n'
    )
    (folder / "tags.dat").write_bytes(b"tagID\ttagValue\n1\tmetal\n2\t" + "électro".encode("latin-1") + b"\n")
    (folder / "user_taggedartists.dat").write_text(
        "userID\tartistID\ttagID\tday\tmonth\tyear\n2\t52\t1\t1\t4\t2009\n3\t52\t1\t1\t5\t2009\n3\t52\t1\t1\t6\t2009\n"
        "2\t51\t2\t1\t4\t2009\n2\t999\t2\t1\t4\t2009\n"
    )
    (folder / "user_friends.dat").write_text("userID\tfriendID\n2\t3\n3\t2\n3\t275\n")
    return folder


def test_release(graph: Graph, folder: Path) -> None:
    report = graph.load("hetrec-lastfm", release(folder))
    assert report.schema == "music"
    assert graph.nodes("Artist")["51"] == {"name": '"Weird Al" Yankovic', "url": "http://www.last.fm/music/x"}
    assert graph.nodes("Artist")["52"]["name"] == "坂本龍一"
    assert graph.nodes("Tag") == {"1": {"name": "metal"}, "2": {"name": "électro"}}
    assert graph.edges("LISTENED_TO") == {
        ("2", "51"): {"plays": 13883},
        ("2", "52"): {"plays": 1},
        ("3", "52"): {"plays": 352698},
    }
    assert graph.edges("HAS_TAG") == {("52", "1"): {"listeners": 2}, ("51", "2"): {"listeners": 1}}
    assert set(graph.edges("FRIEND_OF")) == {("2", "3"), ("3", "2"), ("3", "275")}
    assert set(graph.nodes("Listener")) == {"2", "3", "275"}
    assert report.unmapped == {"user_taggedartists: artist not in artists.dat": 1}


def test_without_tags_and_friends(graph: Graph, folder: Path) -> None:
    release(folder)
    (folder / "user_taggedartists.dat").unlink()
    (folder / "user_friends.dat").unlink()
    assert graph.load("hetrec-lastfm", folder).edges == {"LISTENED_TO": 3}


def test_missing_file(graph: Graph, folder: Path) -> None:
    release(folder)
    (folder / "artists.dat").unlink()
    with pytest.raises(LoadError, match=r"expected a folder with artists\.dat"):
        graph.load("hetrec-lastfm", folder)
