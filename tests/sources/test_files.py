"""Where files are looked for, and what a missing, damaged or changed one gets: one line with the mend."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infimed_plugins.errors import ConfigError, DataError, MissingFileError
from infimed_plugins.plugins import registry
from infimed_plugins.records import BadRow, Sample
from infimed_plugins.sources import SourceEntry, source_entries
from infimed_plugins.sources.files import Archive, Files, image_file
from infimed_plugins.sources.tables import json_rows, parquet_rows

FIXTURES = Path(__file__).parents[1] / "data" / "sources"
ENTRY = SourceEntry("T", "https://example.org/set", "CC0-1.0", hub="someone/set")
PUBLIC = sorted(set(source_entries()) - {"phantom"})


@pytest.mark.parametrize("name", PUBLIC)
def test_without_files_or_a_network_the_error_names_what_to_download_and_where_to_put_it(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    source = registry().get("source", name)
    with pytest.raises(MissingFileError) as caught:
        next(iter(source.load(source.splits[0])))
    said = str(caught.value)
    assert said.startswith(f"{name}: its files ")
    assert "download " in said
    assert f"put it into DIR/{name}, and add --from DIR" in said
    with pytest.raises(MissingFileError, match=f"put it into .*{name}"):
        next(iter(source.load(source.splits[0], folder=tmp_path)))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_set_has_an_entry_with_origin_licence_and_rows_of_each_split(name: str) -> None:
    entry, source = source_entries()[name], registry().get("source", name)
    assert "https://" in entry.origin
    assert entry.licence
    assert set(entry.splits) == set(source.splits)
    with pytest.raises(ConfigError, match=f"{name} has no split 'nowhere'; one of "):
        next(iter(source.load("nowhere", folder=FIXTURES)))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_split_with_a_small_copy_reads_the_same_twice_with_ids_of_its_own(name: str) -> None:
    source = registry().get("source", name)
    read = 0
    for split in source.splits:
        try:
            rows = list(source.load(split, folder=FIXTURES))
        except MissingFileError:
            continue
        samples = [row for row in rows if isinstance(row, Sample)]
        read += len(samples)
        assert len({row.id for row in rows}) == len(rows)
        assert all(row.id.startswith(f"{name}-{split}-") for row in rows)
        assert [row.id for row in source.load(split, folder=FIXTURES)] == [row.id for row in rows]
        assert all(row.reason for row in rows if isinstance(row, BadRow))
        for sample in samples:
            for image in sample.images:
                assert image.open().mode == "RGB"
    assert read >= 3


def test_a_folder_of_the_sets_own_name_comes_first_and_the_folder_itself_will_do(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.json").write_text("[]")
    (tmp_path / "b.json").write_text("[]")
    files = Files("set", ENTRY, tmp_path)
    assert files.one("a.json") == tmp_path / "set" / "a.json"
    assert files.one("gone.json", "b.json") == tmp_path / "b.json"


def test_a_file_the_registry_knows_otherwise_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"half")
    known = SourceEntry("T", "o", "l", files={"a.zip": {"bytes": 8}})
    with pytest.raises(DataError, match=r"a\.zip has 4 bytes, not 8: download it again"):
        Files("set", known, tmp_path).one("a.zip")
    known = SourceEntry("T", "o", "l", files={"a.zip": {"bytes": 4, "sha256": "0" * 64}})
    with pytest.raises(DataError, match=r"sha256 differs\): download it again"):
        Files("set", known, tmp_path).one("a.zip")


def test_a_cut_off_archive_or_parquet_file_is_named(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "slake", tmp_path / "slake")
    archive = tmp_path / "slake" / "imgs.zip"
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"imgs\.zip is no whole zip archive .* download it again"):
        list(registry().get("source", "slake").load("train", folder=tmp_path))
    cut = tmp_path / "x.parquet"
    cut.write_bytes((FIXTURES / "vqa_rad" / "data" / "test-00000-of-00001-eb8844602202be60.parquet").read_bytes()[:-50])
    with pytest.raises(DataError, match=r"x\.parquet is no whole parquet file .* download it again"):
        list(parquet_rows([cut], ["image"]))


def test_a_changed_schema_names_the_columns_expected_and_found(tmp_path: Path) -> None:
    path = tmp_path / "vqa_rad" / "data" / "train-0.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"picture": ["x"], "question": ["q"], "answer": ["a"]}), path)
    with pytest.raises(
        DataError, match="has no column 'image': expected image, question, answer; found picture, question, answer"
    ):
        list(registry().get("source", "vqa_rad").load("train", folder=tmp_path))


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "secret.png").write_bytes(b"x")
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "circle.png").symlink_to(tmp_path / "in" / "circle.png")
    outside = ("../secret.png", str(tmp_path / "secret.png"), "link.png", "folder/secret.png", "folder/../secret.png")
    for name in (*outside, "circle.png", "a\0.png", "./../secret.png"):
        with pytest.raises(DataError, match=r"lies outside of|there is no"):
            image_file(tmp_path / "in", name)
    for name in ("~/x.png", "file:///etc/passwd", "%2e%2e/secret.png"):  # names like any other
        with pytest.raises(DataError, match="there is no"):
            image_file(tmp_path / "in", name)


def test_links_within_the_folder_and_of_the_hubs_cache_are_followed(tmp_path: Path) -> None:
    snapshot = tmp_path / "datasets--a--b" / "snapshots" / "abc"
    (snapshot / "sub").mkdir(parents=True)
    (tmp_path / "datasets--a--b" / "blobs").mkdir()
    (tmp_path / "datasets--a--b" / "blobs" / "0f").write_bytes(b"x")
    (snapshot / "sub" / "x.png").symlink_to("../../../blobs/0f")
    (snapshot / "y.png").symlink_to("sub/x.png")
    (snapshot / "z.png").write_bytes(b"z")
    (snapshot / "near.png").symlink_to("z.png")
    for name in ("sub/x.png", "y.png", "near.png", "sub/../z.png"):
        assert image_file(snapshot, name).path == str(snapshot / name)


def test_blobs_of_another_cache_are_outside(tmp_path: Path) -> None:
    private = tmp_path / "home" / "datasets--my--private"
    (private / "blobs").mkdir(parents=True)
    (private / "snapshots").mkdir()
    (private / "blobs" / "0f").write_bytes(b"x")
    theirs = tmp_path / "datasets--a--b" / "snapshots" / "abc"
    theirs.mkdir(parents=True)
    (theirs / "x.png").symlink_to(private / "blobs" / "0f")
    (tmp_path / "datasets--a--b" / "blobs").symlink_to(private / "blobs")
    (theirs / "y.png").symlink_to("../../blobs/0f")
    for name in ("x.png", "y.png"):
        with pytest.raises(DataError, match="lies outside of"):
            image_file(theirs, name)


def moved_away(theirs: Path, linked: str) -> None:
    """Put what a stranger's folder holds elsewhere, and a link to it in its place."""
    home = theirs.parent / "home" / Path(linked).name
    home.parent.mkdir(exist_ok=True)
    shutil.move(theirs / linked, home)
    (theirs / linked).symlink_to(home)


@pytest.mark.parametrize("linked", ["slake", "slake/train.json", "slake/imgs.zip", "slake/imgs"])
def test_a_table_archive_or_folder_outside_is_not_read(linked: str, tmp_path: Path) -> None:
    slake = tmp_path / "theirs" / "slake"
    shutil.copytree(FIXTURES / "slake", slake)
    if linked == "slake/imgs":
        shutil.unpack_archive(slake / "imgs.zip", slake)
        (slake / "imgs.zip").unlink()
    rows = list(registry().get("source", "slake").load("train", folder=slake.parent))
    assert any(isinstance(row, Sample) for row in rows)
    moved_away(slake.parent, linked)
    with pytest.raises(DataError, match="leads out of"):
        list(registry().get("source", "slake").load("train", folder=slake.parent))


def test_a_picture_outside_makes_its_rows_bad_and_no_others(tmp_path: Path) -> None:
    slake = tmp_path / "theirs" / "slake"
    shutil.copytree(FIXTURES / "slake", slake)
    shutil.unpack_archive(slake / "imgs.zip", slake)
    (slake / "imgs.zip").unlink()
    load = registry().get("source", "slake").load
    before = [row for row in load("train", folder=slake.parent) if isinstance(row, Sample)]
    first = str(before[0].images[0].path)
    moved_away(slake.parent, str(Path(first).relative_to(slake.parent)))
    rows = list(load("train", folder=slake.parent))
    left = [row.id for row in rows if isinstance(row, Sample)]
    assert left == [row.id for row in before if row.images[0].path != first]
    assert left


@pytest.mark.parametrize("linked", ["q.jsonl", "pairs"])
def test_pairs_are_not_read_through_a_link(linked: str, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "home" / "q.jsonl").write_text('{"question": "q", "answer": "a"}\n')
    target = tmp_path / "home" if linked == "pairs" else tmp_path / "home" / linked
    (tmp_path / "theirs" / linked).symlink_to(target)
    source = registry().get("source", "pairs")
    with pytest.raises(DataError, match="leads out of"):
        list(source.load("q", folder=tmp_path / "theirs"))
    for split in ("../home/q", str(tmp_path / "home" / "q")):
        with pytest.raises(DataError, match="leads out of"):
            list(source.load(split, folder=tmp_path / "theirs"))
    assert len(list(source.load("q", folder=tmp_path / "home"))) == 1


def test_a_member_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFIMED_LIMITS", "picture=1MiB")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", b"\0" * (2 << 20))
    with pytest.raises(DataError, match=r"a\.zip/bomb\.png: 2,097,152 .* set INFIMED_LIMITS=picture=2097152"):
        Archive(tmp_path / "a.zip").image("bomb.png").read()


@pytest.mark.parametrize(
    "text",
    [
        '[{"a": 1}, {"a": 2}]',
        '\ufeff[\n {"a": 1},\n {"a": 2}\n]\n',
        '{"a": 1}\n{"a": 2}\n',
        '{"a": 1}\n\n{"a": 2}',
    ],
    ids=["list", "list with a mark", "lines", "lines with a gap"],
)
def test_json_is_read_as_a_list_or_as_lines(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    assert list(json_rows(tmp_path / "x.json")) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("text", ['{"7": {"a": 1}, "8": {"a": 2}}', '{\n "7": {"a": 1},\n "8": {"a": 2}}\n'])
def test_an_object_of_rows_gives_each_its_id(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    assert list(json_rows(tmp_path / "x.json")) == [{"a": 1, "row_id": "7"}, {"a": 2, "row_id": "8"}]


def test_a_large_list_is_read_across_its_pieces_and_odd_line_ends_stay_in_their_strings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infimed_plugins.tables.rows._CHUNK", 7)
    rows = [{"text": f"a\u2028b\u0085 {n} ]" * 3} for n in range(20)]
    for text in (json.dumps(rows, ensure_ascii=False), "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)):
        (tmp_path / "x.json").write_text(text, encoding="utf-8")
        assert list(json_rows(tmp_path / "x.json")) == rows


@pytest.mark.parametrize("text", ["[1, 2]", '[{"a": 1}', "", '{"a": 1}\n{"a"', "no json"])
def test_what_is_no_json_of_rows_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"x\.json (holds a int where a row should be|is no JSON)"):
        list(json_rows(tmp_path / "x.json"))
