"""The IJG's tables and quality scale, against the files that Pillow's libjpeg writes."""

import io

import numpy as np
import pytest
from PIL import Image

from jpegfilter.jpeg import tables

BASES = pytest.mark.parametrize("base", [tables.LUMA, tables.CHROMA], ids=["luma", "chroma"])
QUALITIES = range(1, 101)


@pytest.fixture(scope="module")
def written():
    """Both tables of the file that Pillow writes, by quality."""
    found = {}
    for quality in QUALITIES:
        file = io.BytesIO()
        Image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality)
        with Image.open(file) as image:
            found[quality] = [np.array(image.quantization[number]).reshape(8, 8) for number in (0, 1)]
    return found


@pytest.mark.parametrize("number", [0, 1], ids=["luma", "chroma"])
def test_tables_are_those_of_written_files(written, number):
    base = (tables.LUMA, tables.CHROMA)[number]
    for quality in QUALITIES:
        assert np.array_equal(tables.ijg_table(base, quality), written[quality][number]), quality


@BASES
def test_steps_are_what_a_baseline_file_can_hold(base):
    for quality in QUALITIES:
        table = tables.ijg_table(base, quality)
        assert table.shape == (8, 8)
        assert table.dtype == np.uint16
        assert 1 <= table.min() <= table.max() <= 255


@BASES
def test_quality_50_is_the_base_and_100_all_ones(base):
    assert np.array_equal(tables.ijg_table(base, 50), base)
    assert (tables.ijg_table(base, 100) == 1).all()


@BASES
def test_estimate_is_exact_for_every_quality(base):
    made = {quality: tables.ijg_table(base, quality).tobytes() for quality in QUALITIES}
    for quality in QUALITIES:
        highest = max(other for other in QUALITIES if made[other] == made[quality])
        assert tables.estimate_quality(tables.ijg_table(base, quality), base) == highest


def test_only_the_coarsest_chroma_tables_are_equal():
    # 17, the smallest step, reaches 255 at a scale of 1500 %: qualities 1 to 3 (5000, 2500 and 1666 %).
    estimates = [tables.estimate_quality(tables.ijg_table(tables.CHROMA, q), tables.CHROMA) for q in QUALITIES]
    assert estimates == [3, 3, 3, *range(4, 101)]
    assert [tables.estimate_quality(tables.ijg_table(tables.LUMA, q)) for q in QUALITIES] == list(QUALITIES)


def test_estimate_bears_a_changed_step():
    for quality in range(10, 91):
        table = tables.ijg_table(tables.LUMA, quality)
        table[3, 3] += 1
        assert abs(tables.estimate_quality(table) - quality) <= 1
        assert not tables.is_ijg(table)


def test_estimate_goes_down_as_steps_grow():
    flat = [np.full((8, 8), step, np.uint16) for step in (1, 2, 5, 10, 20, 50, 100, 200, 255)]
    estimates = [tables.estimate_quality(table) for table in flat]
    assert estimates == sorted(estimates, reverse=True)
    assert estimates[0] == 100


def test_steps_of_16_bits_are_coarser_than_every_ijg_table():
    assert tables.estimate_quality(np.full((8, 8), 65535, np.uint16)) == 1


@BASES
def test_own_tables_are_recognized(base):
    assert all(tables.is_ijg(tables.ijg_table(base, quality), base) for quality in QUALITIES)


def test_flat_table_is_not_the_ijgs():
    assert not tables.is_ijg(np.full((8, 8), 16, np.uint16))


@pytest.mark.parametrize("quality", [-1, 0, 101, 1000])
def test_qualities_beyond_the_scale_are_refused(quality):
    with pytest.raises(ValueError, match=str(quality)):
        tables.ijg_scale(quality)
    with pytest.raises(ValueError, match=str(quality)):
        tables.ijg_table(tables.LUMA, quality)
