"""Files whose tables are no quality's of the IJG's."""

import numpy as np
import pytest

from benchmarks.tables import SETS, compress
from jpegfilter import weights
from jpegfilter.codec import read
from jpegfilter.codec.clean import decode
from jpegfilter.engines.network import EngineOptions
from jpegfilter.jpeg import tables
from jpegfilter.pipeline.restorer import Restorer

EVERY = pytest.mark.parametrize("name", SETS)


def test_there_are_twenty():
    assert len(SETS) == 20
    assert len({np.array(made()).tobytes() for made in SETS.values()}) == 20


@EVERY
def test_tables_are_no_qualitys_and_a_file_holds_them(photo, name):
    luma, chroma = pair = SETS[name]()
    for quality in range(1, 101):
        ijg = tables.ijg_table(tables.LUMA, quality), tables.ijg_table(tables.CHROMA, quality)
        assert not np.array_equal(pair, ijg)
    with read.as_file(compress(photo, pair)) as path:
        components = read.read(path).image.components
    for component, table in zip(components, (luma, chroma, chroma), strict=True):
        assert np.array_equal(component.table, table)


@pytest.fixture(scope="module")
def qgac():
    if "qgac" not in weights.names():
        pytest.skip("no qgac ships")
    return Restorer(EngineOptions(model="qgac", device="cpu", threads=1))


@EVERY
def test_qgac_gains_whatever_the_tables(qgac, photo, decibels, name):
    content = compress(photo, SETS[name]())
    assert decibels(qgac.restore(content), photo) > decibels(decode(content), photo)
