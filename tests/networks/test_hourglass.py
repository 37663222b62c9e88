"""The hourglass networks of Barrack's report, after Deep Image Prior."""

import pytest

torch = pytest.importorskip("torch")

from jpegfilter.engines.effort import NETWORKS  # noqa: E402
from jpegfilter.errors import UsageError  # noqa: E402
from jpegfilter.networks.hourglass import SIZES, hourglass  # noqa: E402


@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("name", ["low", "medium"])
def test_a_picture_comes_out_of_any_multiple(name, skips):
    network = hourglass(name, skips=skips)
    side = network.size.multiple
    with torch.no_grad():
        for shape in ((1, 3, 2 * side, 2 * side), (1, 3, 2 * side, 3 * side)):
            result = network(torch.rand(shape))
            assert result.shape == shape
            assert 0 < result.min() < result.max() < 1


def test_high_network_is_the_reports():
    """Seven levels of 128: down 3x3 twice, up 3x3 and 1x1, skips of 15 to 3; and each has its normalization."""
    network = hourglass("high")
    width, skips = 128, (15, 13, 11, 9, 7, 5, 3)
    expected = 3 * width + 3  # the last convolution, 128 channels to 3
    for level, skip in enumerate(skips):
        inputs = 3 if level == 0 else width
        expected += 9 * inputs * width + 9 * width**2 + 2 * 3 * width  # two convolutions, bias and normalization
        expected += inputs * skip + 3 * skip
        expected += 2 * (width + skip) + 9 * (width + skip) * width + width**2 + 2 * 3 * width
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_skips_are_channels_of_the_levels_that_have_them():
    def skips(network):
        level, found = network.levels, []
        while hasattr(level, "skip"):
            found.append(0 if level.skip is None else level.skip[0].out_channels)
            level = level.below
        return tuple(found)

    for name, size in SIZES.items():
        assert skips(hourglass(name)) == size.skips
        assert skips(hourglass(name, skips=False)) == (0,) * len(size.channels)


def test_upsampling_is_nearest_above_and_linear_below():
    level, modes = hourglass("high").levels, []
    while hasattr(level, "mode"):
        modes.append(level.mode)
        level = level.below
    assert modes == ["nearest"] * 4 + ["bilinear"] * 3


def test_unknown_size_is_refused():
    with pytest.raises(UsageError, match="low, medium, high"):
        hourglass("huge")


def test_options_name_every_size():
    """They load no torch, and so have a list of their own."""
    assert tuple(SIZES) == NETWORKS
