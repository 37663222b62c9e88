"""What GIMP remembers of a JPEG, as GIMP 3.0.4 wrote it."""

import numpy as np
import pytest

from jpegfilter.gimp.parasite import tables
from jpegfilter.jpeg import tables as ijg

OF_GIMP = bytes([3, 10, 3, 0, 2, 2, 1, 1, 1, 1])
"""YCbCr, quality 10, three components, no tables of its own, 4:2:0."""
ODD = np.arange(1, 65, dtype=np.uint16).reshape(8, 8)


def with_tables(*found):
    return bytes([3, 0, 3, len(found), 2, 2, 1, 1, 1, 1]) + b"".join(t.astype(">u2").tobytes() for t in found)


def test_a_quality_alone_is_the_ijgs():
    luma, chroma = tables(OF_GIMP)
    assert np.array_equal(luma, ijg.ijg_table(ijg.LUMA, 10))
    assert np.array_equal(chroma, ijg.ijg_table(ijg.CHROMA, 10))


def test_tables_are_read_row_by_row():
    luma, chroma = tables(with_tables(ODD, ODD * 2))
    assert np.array_equal(luma, ODD)
    assert np.array_equal(chroma, ODD * 2)
    assert luma.dtype == np.uint16


def test_one_table_serves_all():
    luma, chroma = tables(with_tables(ODD))
    assert np.array_equal(luma, chroma)


@pytest.mark.parametrize(
    "content",
    [b"", b"\3", bytes([3, 0, 3, 0, 2, 2]), with_tables(ODD)[:-1], with_tables(ODD * 0), bytes([3, 200, 3, 0])],
    ids=["nothing", "too short", "no quality", "half a table", "zeros", "no such quality"],
)
def test_what_tells_of_no_tables_is_none(content):
    assert tables(content) is None
