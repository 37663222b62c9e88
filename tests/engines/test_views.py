"""Views: turning and turning back, and what averaging over them does to a function that knows left from right."""

import numpy as np
import pytest

from jpegfilter.engines import views
from jpegfilter.jpeg import tables


def picture(height=16, width=24):
    return np.random.default_rng(1).normal(0, 40, (3, height, width)).astype(np.float32)


@pytest.mark.parametrize("view", range(views.VIEWS))
def test_turning_back_undoes_turning(view):
    assert np.array_equal(views.turned_back(views.turned(picture(), view), view), picture())


def test_every_view_is_another():
    square = picture(16, 16)
    assert len({views.turned(square, view).tobytes() for view in range(views.VIEWS)}) == views.VIEWS


def test_one_view_is_the_function_itself():
    def double(planes, told):
        return planes * 2

    assert np.array_equal(views.average(double, picture(), [tables.LUMA, tables.CHROMA], 1), picture() * 2)


def test_the_average_over_all_views_knows_no_direction():
    def smear(planes, told):
        return planes + np.roll(planes, 1, axis=2)

    def averaged(planes):
        return views.average(smear, planes, [tables.LUMA, tables.CHROMA], views.VIEWS)

    square = picture(16, 16)
    for view in range(1, views.VIEWS):
        assert np.allclose(averaged(views.turned(square, view)), views.turned(averaged(square), view), atol=1e-3)
        assert (
            not np.allclose(smear(views.turned(square, view), None), views.turned(smear(square, None), view))
            or view == 2
        )


def test_tables_turn_with_the_diagonal_alone():
    seen = []

    def note(planes, told):
        seen.append(told[0])
        return planes

    views.average(note, picture(), [tables.LUMA, tables.CHROMA], views.VIEWS)
    assert [np.array_equal(table, tables.LUMA) for table in seen] == [True] * 4 + [False] * 4
    assert all(np.array_equal(table, tables.LUMA.T) for table in seen[4:])
