"""One picture: tiles against the whole, the projection against the file, the plain decode against Pillow."""

import dataclasses
import math

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn

from jpegfilter.codec import read
from jpegfilter.codec.read import as_file
from jpegfilter.engines.network import EngineOptions, open_network
from jpegfilter.errors import UsageError
from jpegfilter.jpeg import color, decode, tables
from jpegfilter.jpeg.bounds import Doubt
from jpegfilter.pipeline import tiling
from jpegfilter.pipeline.restoration import RestoreOptions, restore_jpeg, restore_pixels, restore_region
from jpegfilter.pipeline.told import Told, of_jpeg

KINDS = ("4:2:0", "4:2:2", "4:4:4", "4:1:1", "4:4:0", "4:1:0", "1x3", "gray", "RGB", "CMYK", "YCCK", "progressive")
EVERY = pytest.mark.parametrize("kind", KINDS)
PLAIN = RestoreOptions(strength=0)
TILED = 1e-3
"""How far tiles may be from the whole, in 8-bit steps: a dozen float32 sums of a few hundred terms, in another order.

One rounding of a sample is 255 * 2^-24 = 1.5e-5; this allows for some 60 of them. A missing halo is off by whole steps.
"""


def image_of(path):
    return read.read(path).image


def whole(image, engine, options=None, told=None):
    options = options or RestoreOptions()
    return restore_region(image, decode.whole(image), engine, options, told or of_jpeg(image, options.quality))


def in_tiles(image, engine, side, options=None, told=None):
    options = options or RestoreOptions()
    told = told or of_jpeg(image, options.quality)
    height, width = image.grid
    out = np.full((len(image.components), height, width), np.nan, np.float32)
    for tile in tiling.tiles(height, width, side=side, step=tiling.common_step(image.mcu, engine.multiple)):
        planes = restore_region(image, tile, engine, options, told)
        out[:, tile.top : tile.bottom, tile.left : tile.right] = planes
    return out


def distances(planes, image):
    """How far each component's coefficients lie outside their intervals, by SciPy's transform in double precision."""
    out = []
    for plane, component in zip(planes.astype(np.float64), image.components, strict=True):
        rows, columns = component.coefficients.shape[:2]
        cells = plane[: rows * 8 * component.down, : columns * 8 * component.across]
        small = cells.reshape(rows * 8, component.down, columns * 8, component.across).mean((1, 3))
        blocks = small.reshape(rows, 8, columns, 8).swapaxes(1, 2)
        steps = component.table.astype(np.float64)
        away = np.abs(dctn(blocks, axes=(2, 3), norm="ortho") - component.coefficients * steps)
        out.append(np.maximum(away - steps / 2, 0))
    return out


def mean_color(image):
    return np.asarray(image, np.float64).mean((0, 1))


def float_tolerance(largest):
    """How far float32 may leave a coefficient outside, of samples up to `largest`.

    A coefficient reaches 8 times a sample; its sum of 64 products and the four sums after it cost some 16 roundings.
    """
    return 16 * 8 * max(largest, 128) * 2**-24


# Tiles.


@EVERY
@pytest.mark.parametrize("project", [True, False])
def test_tiled_equals_whole(kind, project, jpegs, network):
    image, options = image_of(jpegs[kind]), RestoreOptions(project=project)
    expected = whole(image, network, options)
    for side in (64, 96, 130):
        assert np.abs(in_tiles(image, network, side, options) - expected).max() < TILED


@pytest.mark.parametrize("kind", ["4:2:0", "4:4:4", "4:1:1", "4:1:0", "1x3", "gray"])
@pytest.mark.parametrize(("halo", "multiple"), [(0, 1), (7, 1), (18, 2), (14, 8), (30, 16), (62, 32)])
def test_tiled_equals_whole_for_every_halo_and_multiple(kind, halo, multiple, jpegs, blur):
    image, engine = image_of(jpegs[kind]), blur(halo, multiple)
    expected = whole(image, engine)
    for side in (64, 100):
        assert np.abs(in_tiles(image, engine, side) - expected).max() < TILED


@pytest.mark.parametrize("kind", ["4:4:4", "4:2:0"])
def test_a_halo_of_less_than_the_multiple_is_no_obstacle(kind, jpegs, blur):
    image, engine = image_of(jpegs[kind]), blur(4, 32)
    assert np.abs(in_tiles(image, engine, 64) - whole(image, engine)).max() < TILED


def test_a_halo_too_small_shows(jpegs, blur):
    # The law above can fail: an engine that sees farther than it says.
    image, engine = image_of(jpegs["4:2:0"]), blur(8, 2)
    expected = whole(image, engine, RestoreOptions(project=False))
    engine.restore = blur(16, 2).restore
    assert np.abs(in_tiles(image, engine, 64, RestoreOptions(project=False)) - expected).max() > 100 * TILED


@EVERY
def test_pixels_do_not_depend_on_the_tile(kind, jpegs, network):
    expected = np.asarray(restore_jpeg(read.read(jpegs[kind]), network, RestoreOptions(tile=4096)).image(), np.int16)
    got = np.asarray(restore_jpeg(read.read(jpegs[kind]), network, RestoreOptions(tile=64)).image(), np.int16)
    # Only a sample within TILED of the middle between two levels can go the other way: two in a thousand at most.
    assert np.abs(got - expected).max() <= 1
    assert np.mean(got != expected) < 2 * TILED


@pytest.mark.parametrize("size", [(1, 1), (1, 70), (70, 1), (8, 8), (7, 9), (16, 16), (17, 33), (65, 64), (129, 127)])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_every_size_comes_out_at_its_size(size, subsampling, large_photo, encode, network):
    pixels = np.ascontiguousarray(large_photo[100 : 100 + size[0], 100 : 100 + size[1]])
    with as_file(encode(pixels, subsampling=subsampling)) as path:
        small = restore_jpeg(read.read(path), network, RestoreOptions(tile=64))
        large = restore_jpeg(read.read(path), network, RestoreOptions())
        plain = Image.open(path).convert("RGB")
    assert (small.height, small.width) == size
    assert np.abs(small.pixels().astype(int) - large.pixels()).max() <= 1
    # Whatever the size, the result resembles the picture.
    assert np.abs(mean_color(small.image()) - mean_color(plain)).max() < 20


@pytest.mark.parametrize("side", [64, 96, 128])
@pytest.mark.parametrize("kind", ["4:2:0", "gray", "4:1:1"])
def test_memory_is_bounded_by_the_tile(kind, side, jpegs, recorder):
    engine = recorder()
    restore_jpeg(read.read(jpegs[kind]), engine, RestoreOptions(tile=side))
    assert len(engine.seen) >= 4
    reach = math.ceil(engine.halo / engine.multiple) * engine.multiple
    assert max(max(planes.shape) for planes in engine.seen) <= side + 2 * reach + 8


@pytest.mark.parametrize("multiple", [1, 2, 8, 16])
def test_engines_get_what_their_contract_says(multiple, jpegs, recorder):
    for kind, path in jpegs.items():
        engine = recorder(halo=8, multiple=multiple)
        restore_jpeg(read.read(path), engine, RestoreOptions(tile=64))
        ink = kind in ("CMYK", "YCCK")
        assert {len(planes) for planes in engine.seen} == ({1} if kind == "gray" else {3, 1} if ink else {3})
        for planes in engine.seen:
            assert planes.shape[1] % multiple == planes.shape[2] % multiple == 0
            assert planes.dtype == np.float32
            assert planes.flags.c_contiguous
            assert np.abs(planes).max() < 1000


def test_progress_rises_to_the_whole(jpegs, network):
    said = []
    restore_jpeg(read.read(jpegs["4:2:0"]), network, RestoreOptions(tile=64), said.append)
    assert said == sorted(set(said))
    assert len(said) == 12
    assert said[-1] == 1


# Projection.


@EVERY
def test_projected_coefficients_all_lie_inside(kind, jpegs, network):
    image = image_of(jpegs[kind])
    for planes in (whole(image, network), in_tiles(image, network, 64)):
        assert max(away.max() for away in distances(planes, image)) < float_tolerance(np.abs(planes).max())


@EVERY
def test_without_projection_some_lie_outside(kind, jpegs, network):
    image = image_of(jpegs[kind])
    outside = distances(whole(image, network, RestoreOptions(project=False)), image)
    assert (outside[0] > 1).any()


@EVERY
def test_projection_tames_any_engine(kind, jpegs, recorder):
    image = image_of(jpegs[kind])
    planes = whole(image, recorder(shift=500.0))
    wildest = whole(image, recorder(shift=500.0), RestoreOptions(project=False))
    assert max(away.max() for away in distances(wildest, image)) > 1000
    assert max(away.max() for away in distances(planes, image)) < float_tolerance(np.abs(wildest).max())


@pytest.mark.parametrize("kind", ["4:4:4", "gray", "RGB", "CMYK"])
def test_an_engine_that_does_nothing_gives_the_plain_decode(kind, jpegs, recorder):
    # Without subsampling, the decode's coefficients lie in the middle of their intervals: nothing to project.
    image = image_of(jpegs[kind])
    assert np.abs(whole(image, recorder()) - decode.planes(image, decode.whole(image))).max() < TILED


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("quality", [99, 100])
def test_samples_are_whole_where_the_file_states_them(quality, subsampling, photo, encode, network):
    with as_file(encode(photo, quality, subsampling=subsampling)) as path:
        planes = whole(image_of(path), network)
    stated = quality == 100 and subsampling == 0
    assert (np.mean(planes == np.rint(planes)) == 1) == stated


def test_whole_samples_are_those_that_were_compressed(photo, encode, network):
    with as_file(encode(photo, 100, subsampling=0)) as path:
        planes = whole(image_of(path), network)[:, : photo.shape[0], : photo.shape[1]]
    samples = np.rint(color.ycbcr_from_rgb(color.from_pixels(photo)))
    assert np.mean(planes == samples) > 0.85


# Doubt.


def doubt_of(luma, chroma):
    return Doubt(np.stack((np.full((8, 8), luma, np.float32), np.full((8, 8), chroma, np.float32))))


NEVER_CAUGHT = 0.05
"""A shift of all samples that moves a block's mean by 0.4: less than half of the finest step."""


@EVERY
def test_an_engine_without_doubt_that_is_never_caught_is_followed(kind, jpegs, recorder):
    image = image_of(jpegs[kind])
    expected = whole(image, recorder(shift=NEVER_CAUGHT))
    followed = whole(image, recorder(shift=NEVER_CAUGHT, doubt=doubt_of(0, 0)))
    assert np.abs(followed - expected).max() < TILED


def test_an_engine_that_is_caught_is_followed_less(jpegs, recorder):
    image = image_of(jpegs["4:4:4"])
    plain = decode.planes(image, decode.whole(image))
    trusted, doubted = (whole(image, recorder(shift=20.0, doubt=doubt)) for doubt in (None, doubt_of(0, 0)))
    assert np.abs(doubted - plain).mean() < 0.9 * np.abs(trusted - plain).mean()


@EVERY
def test_doubt_never_leaves_the_intervals(kind, jpegs, recorder):
    image = image_of(jpegs[kind])
    planes = whole(image, recorder(shift=20.0, doubt=doubt_of(3, 8)))
    assert max(away.max() for away in distances(planes, image)) < float_tolerance(np.abs(planes).max())


@pytest.mark.parametrize("kind", ["4:4:4", "gray", "RGB", "CMYK"])
def test_an_engine_in_despair_gives_the_plain_decode(kind, jpegs, recorder):
    image = image_of(jpegs[kind])
    planes = whole(image, recorder(shift=20.0, doubt=doubt_of(1e6, 1e6)))
    assert np.abs(planes - decode.planes(image, decode.whole(image))).max() < TILED


@pytest.mark.parametrize(("kind", "chroma"), [("4:4:4", (1, 2)), ("gray", ()), ("RGB", ()), ("CMYK", ())])
def test_luma_and_chroma_have_doubts_of_their_own(kind, chroma, jpegs, recorder):
    image = image_of(jpegs[kind])
    plain, followed = decode.planes(image, decode.whole(image)), whole(image, recorder(shift=NEVER_CAUGHT))
    mixed = whole(image, recorder(shift=NEVER_CAUGHT, doubt=doubt_of(0, 1e6)))
    for number, plane in enumerate(mixed):
        expected = plain if number in chroma else followed
        assert np.abs(plane - expected[number]).max() < TILED
    assert np.abs(followed - plain).max() > 10 * TILED


# Strength.


@EVERY
def test_no_strength_is_the_plain_decode(kind, jpegs, recorder):
    image, engine = image_of(jpegs[kind]), recorder(shift=50.0)
    assert np.array_equal(whole(image, engine, PLAIN), decode.planes(image, decode.whole(image)))
    assert engine.seen == []


@pytest.mark.parametrize("kind", ["4:2:0", "4:2:2", "4:4:4", "gray", "RGB", "CMYK", "YCCK", "progressive"])
def test_plain_decode_is_pillows(kind, jpegs, network):
    got = restore_jpeg(read.read(jpegs[kind]), network, PLAIN).image()
    with Image.open(jpegs[kind]) as expected:
        assert got.mode == expected.mode
        assert got.size == expected.size
        away = np.abs(np.asarray(got, int) - np.asarray(expected, int))
    # libjpeg rounds after its transform, its upsampling and its color: up to 1/2 + 1.8 * (1/2 + 1/2) + 1/2; we once.
    assert away.max() <= 3
    assert away.mean() < 0.5


@EVERY
@pytest.mark.parametrize("project", [True, False])
@pytest.mark.parametrize("strength", [0.5, 0.25])
def test_half_the_strength_lies_halfway(kind, project, strength, jpegs, network):
    image = image_of(jpegs[kind])
    full = whole(image, network, RestoreOptions(project=project))
    plain = whole(image, network, PLAIN)
    half = whole(image, network, RestoreOptions(project=project, strength=strength))
    # Three roundings of samples below 512.
    assert np.abs(half - (plain + strength * (full.astype(np.float64) - plain))).max() < 3 * 512 * 2**-24


# Bits.


@EVERY
def test_sixteen_bits_and_eight_are_one_result(kind, jpegs, network):
    eight = restore_jpeg(read.read(jpegs[kind]), network, RestoreOptions(bits=8)).pixels().astype(float)
    sixteen = restore_jpeg(read.read(jpegs[kind]), network, RestoreOptions(bits=16)).pixels()
    assert sixteen.dtype == np.uint16
    # Both are roundings of one x: to whole steps, and to steps of 1/257.
    assert np.abs(sixteen / 257 - eight).max() <= 0.5 + 0.5 / 257 + 1e-9
    assert np.abs((sixteen >> 8) - eight).max() <= 1
    # The finer one is no coarser one in disguise.
    assert np.unique(sixteen).size > 256


# What it is for.


@EVERY
def test_every_kind_of_file_gains(kind, jpegs, network, photo, decibels):
    restored = restore_jpeg(read.read(jpegs[kind]), network, RestoreOptions()).image()
    plain = restore_jpeg(read.read(jpegs[kind]), network, PLAIN).image()
    with Image.open(jpegs[kind]) as decoded:
        truth = np.asarray(Image.fromarray(photo).convert(decoded.mode))
        assert restored.mode == plain.mode == decoded.mode
        assert decibels(restored, truth) > decibels(decoded, truth) + 0.4
    assert decibels(restored, truth) > decibels(plain, truth) + 0.4


@EVERY
def test_color_stays_where_it_was(kind, jpegs, network, photo):
    # Against the picture before compression: on a small one, the coarse steps of the mean color can be off themselves.
    restored = restore_jpeg(read.read(jpegs[kind]), network, RestoreOptions()).image()
    truth = Image.fromarray(photo).convert(restored.mode)
    assert np.abs(mean_color(restored) - mean_color(truth)).max() < 1.5


@pytest.mark.parametrize("options", [{"subsampling": 2}, {"subsampling": 0}, {"keep_rgb": True}, {"mode": "L"}])
def test_large_pictures_keep_their_mean_color(options, large_photo, encode, network):
    with as_file(encode(large_photo, **options)) as path:
        restored = restore_jpeg(read.read(path), network, RestoreOptions()).image()
        with Image.open(path) as plain:
            assert np.abs(mean_color(restored) - mean_color(plain)).max() < 1


def test_gray_saved_in_color_gets_no_tint(gray_photo, encode, network):
    with as_file(encode(gray_photo, mode="RGB")) as path:
        restored = restore_jpeg(read.read(path), network, RestoreOptions()).image()
    red, green, blue = mean_color(restored)
    assert abs(red - green) < 1
    assert abs(blue - green) < 1


@pytest.mark.parametrize("level", [0, 3, 100, 128, 201, 255])
@pytest.mark.parametrize("quality", [10, 50, 90])
def test_flat_gray_stays_as_it_is(level, quality, encode, network):
    with as_file(encode(np.full((90, 130), level, np.uint8), quality, mode="L")) as path:
        restored = restore_jpeg(read.read(path), network, RestoreOptions(tile=64)).pixels()
        plain = restore_jpeg(read.read(path), network, PLAIN).pixels()
    away = np.abs(restored.astype(int) - plain)
    assert away[24:-24, 24:-24].max() <= 1


@pytest.mark.parametrize("level", [100, 255])
def test_flat_gray_stays_as_it_is_at_the_border(level, encode, network):
    with as_file(encode(np.full((40, 50), level, np.uint8), 75, mode="L")) as path:
        restored = restore_jpeg(read.read(path), network, RestoreOptions()).pixels()
        plain = restore_jpeg(read.read(path), network, PLAIN).pixels()
    assert np.abs(restored.astype(int) - plain).max() <= 1


# Tables and options.


def test_the_network_is_told_the_files_tables(jpegs, recorder):
    for name, path in jpegs.items():
        engine, image = recorder(), image_of(path)
        whole(image, engine)
        luma, chroma = engine.told[0]
        assert np.array_equal(luma, image.components[0].table)
        assert np.array_equal(chroma, image.components[0 if name == "gray" else 1].table)


def test_the_network_is_told_another_quality_where_one_is_given(jpegs, recorder):
    engine = recorder()
    whole(image_of(jpegs["4:2:0"]), engine, RestoreOptions(quality=37))
    assert np.array_equal(engine.told[0][0], tables.ijg_table(tables.LUMA, 37))
    assert np.array_equal(engine.told[0][1], tables.ijg_table(tables.CHROMA, 37))


@pytest.mark.parametrize(
    "wrong",
    [
        {"strength": -0.01},
        {"strength": 1.01},
        {"strength": math.nan},
        {"quality": 0},
        {"quality": 101},
        {"quality": -1},
        {"quality": 50.5},
        {"tile": 63},
        {"tile": 0},
        {"tile": -1024},
        {"bits": 12},
        {"bits": 0},
    ],
)
def test_options_out_of_range_are_refused_by_value(wrong):
    with pytest.raises(UsageError) as caught:
        RestoreOptions(**wrong)
    assert f"{next(iter(wrong.values())):g}" in str(caught.value)


@pytest.mark.parametrize("wrong", ["", "best", "AUTO", "50", None])
def test_a_quality_that_is_none_is_refused_by_name(wrong):
    with pytest.raises(UsageError, match="auto or header") as caught:
        RestoreOptions(quality=wrong)
    assert str(wrong) in str(caught.value)


@pytest.mark.parametrize("quality", ["auto", "header", 1, 100, np.int64(30)])
def test_every_quality_is_taken(quality):
    assert RestoreOptions(quality=quality).quality == quality


def test_options_are_checked_when_replaced():
    with pytest.raises(UsageError):
        dataclasses.replace(RestoreOptions(), strength=2)


# Pasts: what the network is told is no longer the file's.

PAST = Told((tables.ijg_table(tables.LUMA, 10), tables.ijg_table(tables.CHROMA, 10)), top=3, left=5)


@pytest.fixture(scope="module")
def twice(photo, shifted, encode, tmp_path_factory):
    """A fine file of the photo after a coarse compression, whose blocks begin in row 3 and column 5."""
    path = tmp_path_factory.mktemp("twice") / "photo.jpg"
    path.write_bytes(encode(shifted(photo, 10), 90, subsampling=0))
    return path


def test_the_network_is_told_the_past(twice, recorder):
    for quality, expected in (("auto", 10), ("header", 90), (50, 50)):
        engine = recorder()
        restore_jpeg(read.read(twice), engine, RestoreOptions(quality=quality))
        for told, base in zip(engine.told[0], (tables.LUMA, tables.CHROMA), strict=True):
            assert np.array_equal(told, tables.ijg_table(base, expected))


@EVERY
def test_intervals_hold_only_for_what_the_file_says(kind, jpegs, recorder):
    image = image_of(jpegs[kind])
    plain = decode.planes(image, decode.whole(image))
    free, unbound = (whole(image, recorder(shift=20.0), RestoreOptions(project=p), PAST) for p in (True, False))
    assert np.array_equal(free, unbound)
    assert np.abs(free - plain).mean() > 5
    assert max(away.max() for away in distances(free, image)) > 1


def test_a_past_found_frees_from_the_intervals_and_the_header_does_not(twice, recorder):
    image = image_of(twice)
    away = {
        quality: max(
            away.max() for away in distances(whole(image, recorder(shift=20.0), RestoreOptions(quality=quality)), image)
        )
        for quality in ("auto", "header")
    }
    assert away["auto"] > 100
    assert away["header"] < float_tolerance(512)


@pytest.mark.parametrize("grid", [(3, 5), (7, 0)])
@pytest.mark.parametrize("multiple", [1, 8, 16])
@pytest.mark.parametrize("kind", ["4:2:0", "1x3", "gray"])
def test_tiled_equals_whole_on_every_grid(kind, multiple, grid, jpegs, squares):
    image, engine, told = image_of(jpegs[kind]), squares(multiple), Told(PAST.tables, *grid)
    expected = whole(image, engine, told=told)
    for side in (64, 100):
        assert np.abs(in_tiles(image, engine, side, told=told) - expected).max() < TILED


@pytest.mark.parametrize("grid", [(0, 0), (3, 5), (7, 7), (1, 0)])
@pytest.mark.parametrize("multiple", [1, 2, 8, 16])
def test_the_network_sees_the_blocks_that_it_is_told_of(multiple, grid, jpegs, squares):
    image = image_of(jpegs["gray"])
    plane = whole(image, squares(multiple), told=Told(PAST.tables, *grid))[0]
    plain = decode.planes(image, decode.whole(image))[0]
    top, left = grid
    rows, columns = (plane.shape[0] - top) // 8, (plane.shape[1] - left) // 8
    inside = np.s_[top : top + 8 * rows, left : left + 8 * columns]
    means = plain[inside].reshape(rows, 8, columns, 8).mean((1, 3))
    assert np.abs(plane[inside] - means.repeat(8, 0).repeat(8, 1)).max() < TILED


def test_pixels_of_a_past_do_not_depend_on_the_tile(twice, network):
    expected = restore_jpeg(read.read(twice), network, RestoreOptions(tile=4096)).pixels().astype(int)
    got = restore_jpeg(read.read(twice), network, RestoreOptions(tile=64)).pixels()
    assert np.abs(got - expected).max() <= 1
    assert np.mean(got != expected) < 2 * TILED


def test_a_file_with_a_past_gains_more_than_its_header_allows(twice, photo, network, decibels):
    results = {
        quality: decibels(restore_jpeg(read.read(twice), network, options).pixels(), photo[5:, 3:])
        for quality, options in {
            "auto": RestoreOptions(),
            "header": RestoreOptions(quality="header"),
            "none": PLAIN,
        }.items()
    }
    assert results["auto"] > results["header"] + 0.3
    assert results["auto"] > results["none"] + 0.3


def test_no_strength_is_the_plain_decode_of_a_past_too(twice, recorder):
    image, engine = image_of(twice), recorder(shift=50.0)
    assert np.array_equal(whole(image, engine, PLAIN), decode.planes(image, decode.whole(image)))
    assert engine.seen == []


@pytest.mark.parametrize("quality", ["auto", 60])
def test_grain_that_was_recorded_is_softened_less(quality, tmp_path):
    """By the shipped network, with and without the file: of noise's contrast more is left, at most the file's own."""
    noise = np.clip(np.random.default_rng(0).normal(128, 12, (128, 128)), 0, 255).astype(np.uint8)
    path = tmp_path / "noise.jpg"
    Image.fromarray(noise).save(path, quality=60)
    network = open_network(EngineOptions(device="cpu", threads=1))
    plain = np.array(Image.open(path))

    def contrast(grain):
        options = RestoreOptions(quality=quality, grain=grain)
        if quality == "auto":
            pixels = restore_jpeg(read.read(path), network, options).pixels()
        else:
            pixels = restore_pixels(plain[..., None], network, options)[0].pixels()
        return pixels.std()

    found = [contrast(grain) for grain in (0.0, 0.5, 1.0)]
    assert found[0] < found[1] < found[2] <= plain.std() + 0.1


# Pixels without a file.


def pixels_of(pixels, engine, options):
    canvas, _ = restore_pixels(pixels, engine, options)
    return canvas.pixels()


@pytest.mark.parametrize("shape", [(151, 207, 3), (151, 207, 1), (64, 64, 3), (1, 1, 3), (65, 8, 1), (3, 200, 3)])
@pytest.mark.parametrize("multiple", [2, 8])
def test_pixels_in_tiles_equal_the_whole(shape, multiple, photo, blur):
    pixels = np.resize(photo, (200, 210, 3))[: shape[0], : shape[1], : shape[2]]
    results = [
        pixels_of(pixels, blur(12, multiple), RestoreOptions(quality=50, tile=side, bits=16)).astype(int)
        for side in (64, 80, 1024)
    ]
    assert results[0].shape == shape
    # In 16-bit steps, 257 to a step: float32's order of summation moves a rounding by one at most.
    assert np.abs(results[0] - results[2]).max() <= 1
    assert np.abs(results[1] - results[2]).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_come_back_where_nothing_is_done(dtype, channels, photo, recorder):
    pixels = photo[..., :channels].astype(dtype) * dtype(257 if dtype == np.uint16 else 1)
    options = RestoreOptions(quality=50, tile=64, bits=8 * np.dtype(dtype).itemsize)
    away = np.abs(pixels_of(pixels, recorder(), options).astype(int) - pixels)
    # RGB to YCbCr and back in float32: some 10 roundings of samples below 256, in steps of 1/257.
    assert away.max() <= (1 if dtype == np.uint16 else 0)


def test_strength_blends_pixels(photo, recorder):
    results = {
        s: pixels_of(photo, recorder(shift=10.0), RestoreOptions(quality=50, strength=s, bits=16)).astype(int)
        for s in (0.0, 0.5, 1.0)
    }
    assert np.array_equal(results[0.0], photo.astype(int) * 257)
    inside = (results[1.0] < 65535) & (results[1.0] > 0)
    assert np.abs(2 * results[0.5] - results[0.0] - results[1.0])[inside].max() <= 2


@pytest.mark.parametrize("shape", [(146, 204, 3), (146, 204, 1)])
@pytest.mark.parametrize("multiple", [1, 16])
def test_shifted_pixels_in_tiles_equal_the_whole(shape, multiple, photo, gray_photo, shifted, squares):
    pixels = shifted(photo, 20) if shape[2] == 3 else shifted(gray_photo, 20)[..., None]
    assert pixels.shape == shape
    # "auto" finds the grid itself: blocks of the first compression become flat, and no others.
    results = [pixels_of(pixels, squares(multiple), RestoreOptions(tile=side, bits=16)) for side in (64, 1024)]
    assert np.abs(results[0].astype(int) - results[1]).max() <= 1
    blocks = results[1][3 : 3 + 136, 5 : 5 + 192].astype(int).reshape(17, 8, 24, 8, -1)
    assert np.ptp(blocks, axis=(1, 3)).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("options", [{}, {"quality": "header"}])
def test_clean_pixels_stay_as_they_are(dtype, bits, options, photo, recorder):
    pixels, engine = photo.astype(dtype) * dtype(257 if dtype == np.uint16 else 1), recorder(shift=50.0)
    canvas, found = restore_pixels(pixels, engine, RestoreOptions(tile=64, bits=bits, **options))
    assert not found
    assert engine.seen == []
    assert np.array_equal(canvas.pixels(), photo.astype(int) * (257 if bits == 16 else 1))


def test_pixels_with_a_past_are_restored(photo, shifted, network, decibels):
    pixels = shifted(photo, 15)
    canvas, found = restore_pixels(pixels, network, RestoreOptions())
    assert found
    assert decibels(canvas.pixels(), photo[5:, 3:]) > decibels(pixels, photo[5:, 3:]) + 0.4


@pytest.mark.parametrize("options", [{"quality": 30}, {"quality": 30, "strength": 0}, {}, {"strength": 0}])
def test_progress_of_pixels_rises_to_the_whole(options, photo, recorder):
    said = []
    restore_pixels(photo, recorder(), RestoreOptions(tile=64, **options), said.append)
    assert said == sorted(set(said))
    assert len(said) == 12
    assert said[-1] == 1


@pytest.mark.parametrize("size", [(1, 1), (1, 70), (70, 1), (7, 7), (8, 8), (65, 64)])
@pytest.mark.parametrize("options", [{}, {"quality": 20}])
def test_pixels_of_every_size_come_out_at_their_size(size, options, large_photo, network):
    pixels = np.ascontiguousarray(large_photo[100 : 100 + size[0], 100 : 100 + size[1]])
    canvas, found = restore_pixels(pixels, network, RestoreOptions(tile=64, **options))
    assert canvas.pixels().shape == pixels.shape
    assert found == bool(options)
    assert np.abs(canvas.pixels().astype(int) - pixels).mean() < 20


def test_memory_for_pixels_is_bounded_by_the_tile(photo, recorder):
    engine = recorder()
    restore_pixels(photo, engine, RestoreOptions(quality=50, tile=64))
    assert len(engine.seen) >= 6
    assert max(max(planes.shape) for planes in engine.seen) <= 64 + 2 * 18 + 8
