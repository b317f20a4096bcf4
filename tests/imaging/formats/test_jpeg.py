"""JPEG: every segment is read wherever it lies, carried or named, and the rows are the whole's."""

import io
import logging
import struct

import numpy as np
import pytest
from PIL import Image

from pellucid.errors import ImageError
from pellucid.imaging import Picture, Saving, open_picture, read_photo, write_picture
from pellucid.imaging.carried import Native, Text

RNG = np.random.default_rng(7)
SOFT = np.asarray(Image.fromarray(RNG.integers(0, 255, (8, 12, 3), np.uint8)).resize((96, 64)))


def jpeg(*segments: tuple[int, bytes], behind: bytes = b"", pixels=SOFT, **options) -> bytes:
    """A file with further segments behind its first marker."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **{"quality": 90} | options)
    data = buffer.getvalue()
    more = b"".join(struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload for marker, payload in segments)
    return data[:2] + more + data[2:] + behind


def rewritten(tmp_path, data, target="out.jpg", **saving):
    (tmp_path / "in.jpg").write_bytes(data)
    write_picture(open_picture(tmp_path / "in.jpg"), tmp_path / target, Saving(**saving))
    return read_photo(tmp_path / target)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
def test_pixels_are_those_of_pillow(tmp_path, subsampling, progressive):
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(subsampling=subsampling, progressive=progressive))
    samples = open_picture(path).first().samples
    expected = np.asarray(Image.open(path))
    np.testing.assert_array_equal(samples[10:50, 3:70], expected[10:50, 3:70])
    np.testing.assert_array_equal(samples[0:33], expected[:33], "going back begins anew")


def test_comments_are_carried_byte_for_byte(tmp_path):
    back = rewritten(tmp_path, jpeg((0xFE, b"scanned by X"), (0xFE, b"J\xf6rg")))
    assert [text.value.encode(errors="surrogateescape") for text in back.text] == [b"scanned by X", b"J\xf6rg"]


def test_segments_that_nobody_knows_stay(tmp_path):
    back = rewritten(tmp_path, jpeg((0xEC, b"Ducky\0\1\0\4\0\0\0P"), (0xEA, b"\xff\xd9 is no end here")))
    assert [(part.key, part.data) for part in back.native] == [
        (b"\xec", b"Ducky\0\1\0\4\0\0\0P"),
        (b"\xea", b"\xff\xd9 is no end here"),
    ]


def resource(number, data):
    return struct.pack(">4sHHI", b"8BIM", number, 0, len(data)) + data + bytes(len(data) % 2)


def test_photoshop_resources_stay(tmp_path, caplog):
    records, clip = b"\x1c\x02\x05\0\1x", b"a clipping path" * 5000
    block = resource(0x0404, records) + resource(0x040C, b"a thumbnail") + resource(0x07D0, clip)
    parts = [(0xED, b"Photoshop 3.0\0" + block[start : start + 65000]) for start in range(0, len(block), 65000)]
    for _ in range(2):  # as it is, and as it was written
        back = rewritten(tmp_path, jpeg(*parts))
        assert back.iptc == records
        assert b"".join(part.data[14:] for part in back.native) == resource(0x07D0, clip)
        parts = [(0xED, part.data) for part in back.native] + [(0xED, b"Photoshop 3.0\0" + resource(0x0404, records))]
    assert not caplog.records
    write_picture(open_picture(tmp_path / "out.jpg"), tmp_path / "out.png")
    assert "PNG cannot hold its Photoshop resources" in caplog.text


def test_other_segments_by_the_number_of_profiles_stay(tmp_path):
    back = rewritten(tmp_path, jpeg((0xE2, b"FPXR\0 of Kodak"), (0xE2, b"MPF\0MM\0*")))
    assert [part.data for part in back.native] == [b"FPXR\0 of Kodak"]


def test_cmyk_becomes_srgb_and_says_so(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = 65535
    buffer = io.BytesIO()
    Image.new("CMYK", (40, 30), (255, 0, 0, 0)).save(buffer, "JPEG", exif=exif)
    back = rewritten(tmp_path, buffer.getvalue())
    assert back.icc[16:20] == b"RGB "
    told = Image.Exif()
    told.load(back.exif)
    assert told.get_ifd(0x8769)[0xA001] == 1


@pytest.mark.parametrize("quality", [50, 75, 90])
def test_a_result_is_finer_than_its_source(tmp_path, quality):
    """A gain is not thrown away again, neither by the tables of the source nor by its halved colours."""
    colours = np.asarray(Image.fromarray(RNG.integers(40, 215, (24, 36, 3), np.uint8)).resize((288, 192)))
    (tmp_path / "in.jpg").write_bytes(jpeg(pixels=colours, quality=quality, subsampling="4:2:0"))
    picture = open_picture(tmp_path / "in.jpg").mapped(lambda frame: frame.with_samples(colours))
    write_picture(picture, tmp_path / "out.jpg")
    errors = [
        np.square(read_photo(tmp_path / name).pixels - colours.astype(float)).mean() for name in ("in.jpg", "out.jpg")
    ]
    assert errors[1] < 3  # 43 dB
    assert errors[1] < errors[0] / 4


def test_segments_between_scans_and_before_the_end_count(tmp_path):
    data = jpeg()
    comment = b"\xff\xfe\0\6late"
    (tmp_path / "a.jpg").write_bytes(data[:-2] + comment + data[-2:])
    assert read_photo(tmp_path / "a.jpg").text == (Text("Comment", "late"),)


@pytest.mark.parametrize("size", [1000, 65000, 200_000])
def test_xmp_of_any_length(tmp_path, size):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>' + b"x" * size + b"</a></x:xmpmeta>"
    frame = plain(tmp_path).with_samples(SOFT, xmp=xmp)
    write_picture(Picture.of(frame), tmp_path / "a.jpg")
    assert read_photo(tmp_path / "a.jpg").xmp == xmp


def plain(tmp_path):
    (tmp_path / "plain.jpg").write_bytes(jpeg())
    return open_picture(tmp_path / "plain.jpg").first()


@pytest.mark.parametrize(
    "description",
    [
        b'<rdf:Description xmpNote:HasExtendedXMP="%s" dc:format="image/jpeg"/>',
        b"""<rdf:Description dc:format="image/jpeg">
          <xmpNote:HasExtendedXMP>%s</xmpNote:HasExtendedXMP></rdf:Description>""",
    ],
    ids=["as Adobe", "as ExifTool"],
)
def test_extended_xmp_of_others_becomes_one_packet(tmp_path, description):
    name = b"0123456789ABCDEF0123456789ABCDEF"
    main = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>%s</rdf:RDF></x:xmpmeta>' % (description % name)
    more = b'<x:xmpmeta><rdf:RDF><rdf:Description big="1"/></rdf:RDF></x:xmpmeta>'
    parts = [
        (0xE1, b"http://ns.adobe.com/xmp/extension/\0" + name + struct.pack(">II", len(more), place) + more[place:end])
        for place, end in ((30, len(more)), (0, 30))
    ]
    (tmp_path / "a.jpg").write_bytes(jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + main), *parts))
    xmp = read_photo(tmp_path / "a.jpg").xmp
    assert b'big="1"' in xmp
    assert b'dc:format="image/jpeg"' in xmp
    assert b"HasExtendedXMP" not in xmp


@pytest.mark.parametrize(
    ("density", "dpi", "unit", "aspect"),
    [
        ((1, 300, 240), (300.0, 240.0), "inch", None),
        ((2, 100, 50), (254.0, 127.0), "cm", None),
        ((0, 2, 1), None, "inch", (2, 1)),
        ((0, 1, 1), None, "inch", None),
    ],
)
def test_resolution_keeps_its_unit(tmp_path, density, dpi, unit, aspect):
    data = jpeg()
    data = data[:13] + struct.pack(">BHH", *density) + data[18:]
    back = rewritten(tmp_path, data)
    assert (back.dpi, back.unit, back.aspect) == (dpi, unit, aspect)
    assert (tmp_path / "out.jpg").read_bytes()[13:18] == struct.pack(">BHH", *density)


def test_a_lacking_end_marker_costs_nothing_but_a_warning(tmp_path, caplog):
    whole, cut = tmp_path / "whole.jpg", tmp_path / "cut.jpg"
    whole.write_bytes(jpeg())
    cut.write_bytes(jpeg()[:-2])
    np.testing.assert_array_equal(read_photo(cut).pixels, read_photo(whole).pixels)
    assert "lacks its end marker" in caplog.text
    cut.write_bytes(jpeg()[:-40])
    with pytest.raises(ImageError, match="damaged or cut short"):
        read_photo(cut)


@pytest.mark.parametrize(
    ("behind", "name"),
    [
        (jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0<x hdrgm:Version='1.0'/>")), "gain map"),
        (b"\0\0\0\x18ftypmp42" + bytes(99), "film"),
        (jpeg(), "further pictures"),
        (b"SEFT" * 3, "12 bytes behind the picture"),
    ],
)
def test_what_lies_behind_is_named_when_it_is_left_out(tmp_path, caplog, behind, name):
    claims = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description hdrgm:Version="1.0" GCamera:MotionPhoto="1" a="b">'
        b"<Container:Directory><rdf:Seq>...</rdf:Seq></Container:Directory></rdf:Description></x:xmpmeta>"
    )
    if name == "gain map":
        back = rewritten(tmp_path, jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + claims), behind=behind))
        assert back.xmp == (
            b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description a="b"></rdf:Description></x:xmpmeta>'
        )
    else:
        rewritten(tmp_path, jpeg(behind=behind))
    assert f"left out: {name}" in caplog.text
    caplog.clear()
    rewritten(tmp_path, jpeg(behind=bytes(40)))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_content_credentials_are_not_claimed_for_other_pixels(tmp_path, caplog):
    back = rewritten(tmp_path, jpeg((0xEB, b"JP\0\1jumb c2pa")))
    assert back.native == ()
    assert "content credentials" in caplog.text


def test_text_that_is_no_comment_is_named(tmp_path, caplog):
    frame = plain(tmp_path).with_samples(
        SOFT,
        text=(Text("Title", "Großmutter"), Text("Comment", "hi")),
        native=(Native("PNG", "gamma", b"gAMA", b"\0\0\0\1"),),
    )
    write_picture(Picture.of(frame), tmp_path / "a.jpg")
    assert "JPEG cannot hold its text (Title), gamma" in caplog.text
    assert read_photo(tmp_path / "a.jpg").text == (Text("Comment", "hi"),)


def test_what_lacks_more_than_its_end_marker_is_refused_in_one_line(tmp_path, caplog):
    data = jpeg()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(ImageError, match="pixels are missing"):
        open_picture(tmp_path / "a.jpg")
    assert "end marker" not in caplog.text


def test_transparency_lies_over_a_background(tmp_path, caplog):
    samples = np.full((64, 64, 4), (90, 120, 90, 255), np.uint8)
    samples[:, :32] = (255, 0, 255, 0)
    frame = plain(tmp_path).with_samples(samples)
    write_picture(Picture.of(frame), tmp_path / "a.jpg")
    assert read_photo(tmp_path / "a.jpg").pixels[30, 8].min() >= 253
    assert "it lies over white now" in caplog.text
    write_picture(Picture.of(frame), tmp_path / "a.jpg", Saving(background=(10, 20, 200)))
    assert abs(read_photo(tmp_path / "a.jpg").pixels[30, 8].astype(int) - (10, 20, 200)).max() <= 2


def test_the_date_of_the_file_stays(tmp_path):
    (tmp_path / "in.jpg").write_bytes(jpeg())
    picture = open_picture(tmp_path / "in.jpg")
    write_picture(picture, tmp_path / "out.jpg")
    assert (tmp_path / "out.jpg").stat().st_mtime_ns == (tmp_path / "in.jpg").stat().st_mtime_ns


def test_names_that_are_no_utf_8(tmp_path):
    import os

    name = os.fsencode(tmp_path) + b"/\xe9t\xe9.jpg"
    with open(name, "wb") as file:  # noqa: PTH123
        file.write(jpeg())
    assert read_photo(os.fsdecode(name)).pixels.shape == SOFT.shape
