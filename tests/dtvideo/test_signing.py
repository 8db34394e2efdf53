import json
import sys
from fractions import Fraction

import pytest

from dtvideo.errors import MediaError, UsageError
from dtvideo.provenance import SOURCE_TYPE
from dtvideo.signing import Credentials, sign_file
from dtvideo.video import open_writer, probe
from tests.certificates import write_chain
from tests.media import numbered_frame

c2pa = pytest.importorskip("c2pa")


@pytest.fixture
def chain(tmp_path):
    return write_chain(tmp_path)


def write(path):
    with open_writer(path, size=(64, 48), rate=Fraction(25)) as writer:
        for index in range(3):
            writer.write(numbered_frame(index))
    return path


def read(path, root):
    """Return what a reader that trusts a root says of a file: its state and its manifest."""
    trust = {"trust": {"trust_anchors": root.read_text()}, "verify": {"verify_trust": True}}
    with c2pa.Reader(str(path), context=c2pa.Context.from_dict(trust)) as reader:
        told = json.loads(reader.json())
        return reader.get_validation_state(), told["manifests"][told["active_manifest"]]


@pytest.mark.parametrize(
    ("output", "made"),
    [("x.mp4", "x.mp4"), ("x.mov", "x.mov"), ("x.webp", "x.webp"), ("x.%04d.png", "x.0000.png")],
)
def test_a_signed_result_is_trusted_by_who_trusts_the_root(output, made, chain, tmp_path):
    write(tmp_path / output)
    path = tmp_path / made
    picture = write(tmp_path / "hero.%d.png").with_name("hero.0.png")
    sign_file(
        path,
        Credentials(chain[0], chain[1]),
        title="x",
        source_type=SOURCE_TYPE,
        ingredients=[picture, tmp_path / "notes.txt"],
    )
    state, manifest = read(path, chain[2])
    assert state == "Trusted"
    (actions,) = (
        each["data"]["actions"]
        for each in manifest["assertions"]
        if each["label"].startswith("c2pa.actions")
    )
    assert actions[0]["action"] == "c2pa.created"
    assert actions[0]["digitalSourceType"] == SOURCE_TYPE
    assert [each["title"] for each in manifest["ingredients"]] == ["hero.0.png"]
    assert manifest["ingredients"][0]["relationship"] == "inputTo"


def test_ingredients_are_told_by_their_content_and_what_cannot_be_read_is_left_out(chain, tmp_path):
    """A WebP named .png goes in; a drawing that is none, or a picture that is gone, does not."""
    path = write(tmp_path / "x.mp4")
    webp = write(tmp_path / "hero.webp").rename(tmp_path / "hero.png")
    cut = tmp_path / "cut.png"
    cut.write_bytes(write(tmp_path / "cut.%d.png").with_name("cut.0.png").read_bytes()[:60])
    drawing = tmp_path / "drawing.tif"
    drawing.write_bytes(b"nothing drawn")
    sign_file(
        path,
        Credentials(chain[0], chain[1]),
        title="x",
        source_type=SOURCE_TYPE,
        ingredients=[cut, drawing, tmp_path / "gone.png", webp],
    )
    state, manifest = read(path, chain[2])
    assert state == "Trusted"
    assert [(each["title"], each["format"]) for each in manifest["ingredients"]] == [
        ("hero.png", "image/webp")
    ]


def test_a_signed_movie_still_plays_while_it_loads_and_a_change_is_seen(chain, tmp_path):
    path = write(tmp_path / "x.mp4")
    sign_file(path, Credentials(chain[0], chain[1]), title="x", source_type=SOURCE_TYPE)
    assert probe(path).frames == 3
    content = path.read_bytes()
    place = content.rindex(b"mdat")
    assert content.index(b"moov") < place
    path.write_bytes(content[: place + 40] + b"\x00\xff\x00" + content[place + 43 :])
    assert read(path, chain[2])[0] == "Invalid"


def test_what_cannot_sign_is_refused_and_the_file_stays(chain, tmp_path):
    path = write(tmp_path / "x.mp4")
    before = path.read_bytes()
    for certificate, key in ((chain[2], chain[1]), (chain[0], chain[2])):
        with pytest.raises(UsageError, match="cannot sign") as caught:
            sign_file(path, Credentials(certificate, key), title="x", source_type=SOURCE_TYPE)
        assert caught.value.code == "S1"
    with pytest.raises(MediaError, match=r"none\.pem"):
        sign_file(
            path,
            Credentials(chain[0], tmp_path / "none.pem"),
            title="x",
            source_type=SOURCE_TYPE,
        )
    assert path.read_bytes() == before


def test_a_kind_that_cannot_be_signed_is_named(chain, tmp_path):
    with pytest.raises(UsageError, match=r"x\.webm: cannot be signed"):
        sign_file(
            write(tmp_path / "x.webm"),
            Credentials(chain[0], chain[1]),
            title="x",
            source_type=SOURCE_TYPE,
        )


def test_the_missing_package_is_one_line(chain, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(
        UsageError, match=r"M1.*cannot import c2pa .* · run: pip install 'dtvideo\[studio\]'"
    ):
        sign_file(
            tmp_path / "x.mp4",
            Credentials(chain[0], chain[1]),
            title="x",
            source_type=SOURCE_TYPE,
        )
