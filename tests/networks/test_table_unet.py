"""The U-Net that is told the tables: its shapes, its reach and grid, its start, and what the tables do."""

import numpy as np
import pytest
from skimage import data

torch = pytest.importorskip("torch")

from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from jpegfilter.errors import UsageError  # noqa: E402
from jpegfilter.jpeg import tables as ijg  # noqa: E402
from jpegfilter.networks import TableUnet, build  # noqa: E402

SMALL = {"fine": 4, "middle": 6, "coarse": 8, "coarse_blocks": 1}
DEEP = {"fine": 4, "middle": 4, "coarse": 4, "fine_blocks": 2, "middle_blocks": 0, "coarse_blocks": 2}


def trained_like(network):
    """Give every parameter a size at which it matters, as training does: the last layers start near 0."""
    random = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            scale = 0.3 if parameter.ndim < 2 else parameter.shape[1] ** -0.5
            parameter.copy_(torch.randn(parameter.shape, generator=random) * scale)
    return network.eval()


def noise(*shape, dtype=torch.float32, seed=3):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) * 256 - 128


def told(*qualities, dtype=torch.float32):
    """The IJG's tables of these qualities, `(N, 2, 8, 8)`."""
    pairs = [[ijg.ijg_table(base, q) for base in (ijg.LUMA, ijg.CHROMA)] for q in qualities]
    return torch.from_numpy(np.array(pairs, np.float64)).to(dtype)


def rounding(*results):
    """What two orders of summation may be apart: some units of float32 of the largest sample."""
    return 100 * 2.0**-24 * max(float(result.abs().max()) for result in results)


@pytest.fixture(params=[{}, SMALL, DEEP], ids=["default", "small", "deep"])
def network(request):
    torch.manual_seed(1)
    return TableUnet(**request.param).eval()


@pytest.fixture
def small():
    """A small network whose every weight matters."""
    return trained_like(TableUnet(**SMALL))


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (2, 3, 24, 16), (1, 3, 8, 72)], ids=str)
@torch.no_grad()
def test_output_has_the_inputs_shape(network, shape):
    restored = network(noise(*shape), told(*[50] * shape[0]))
    assert restored.shape == shape
    assert restored.dtype == torch.float32


@pytest.mark.parametrize("side", [side for side in range(1, 25) if side % 8])
@torch.no_grad()
def test_sides_that_are_no_multiples_are_refused(small, side):
    assert small.multiple == 8
    for shape in ((1, 3, side, 16), (1, 3, 16, side), (1, 3, side, side)):
        with pytest.raises(RuntimeError):
            small(noise(*shape), told(50))


@pytest.mark.parametrize("gray", [False, True], ids=["color", "gray"])
@pytest.mark.parametrize("quality", [1, 50, 100])
@torch.no_grad()
def test_fresh_network_is_nearly_the_identity(quality, gray):
    """A gray picture, whose chroma is 0, stays nearly gray."""
    torch.manual_seed(1)
    photo = torch.from_numpy(np.ascontiguousarray(data.astronaut()[:64, 180:244])).permute(2, 0, 1)[None].float() - 128
    if gray:
        photo[:, 1:] = 0
    change = TableUnet()(photo, told(quality)) - photo
    for plane in change[0]:
        assert plane.abs().max() > 0
        assert plane.square().mean().sqrt() < 0.1 * photo.square().mean().sqrt()


@torch.no_grad()
def test_merged_network_is_the_same_function(network):
    trained_like(network)
    planes, tables = noise(2, 3, 24, 40), told(10, 90)
    kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    merged = network.merged()
    expected, result = network(planes, tables), merged(planes, tables)
    assert (expected - planes).abs().mean() > 10
    torch.testing.assert_close(result, expected, rtol=0, atol=rounding(expected))
    assert all(torch.equal(tensor, kept[name]) for name, tensor in network.state_dict().items())


def test_merging_keeps_the_contract(network):
    merged = network.train().merged()
    assert merged.macs <= network.macs
    assert (merged.halo, merged.multiple, merged.inputs) == (network.halo, network.multiple, network.inputs)
    assert not merged.training
    assert network.training


@torch.no_grad()
def test_merging_twice_is_merging_once(small):
    once = small.merged()
    planes = noise(1, 3, 16, 16)
    assert torch.equal(once.merged()(planes, told(50)), once(planes, told(50)))


def near(row, column, planes, *, by):
    """Whether each sample lies within `by` rows and columns of one."""
    rows, columns = (torch.arange(size) for size in planes.shape[-2:])
    return ((rows - row).abs() <= by)[:, None] & ((columns - column).abs() <= by)


@pytest.mark.parametrize("phase", [(0, 0), (7, 7), (3, 4)], ids=str)
@torch.no_grad()
def test_what_lies_beyond_the_halo_changes_nothing(network, phase):
    trained_like(network)
    size = 2 * network.halo + 24
    row, column = (size // 16 * 8 + p for p in phase)
    planes = noise(1, 3, size, size)
    seen = near(row, column, planes, by=network.halo)
    assert not seen.all()
    other = torch.where(seen, planes, noise(1, 3, size, size, seed=4))
    before, after = network(planes, told(20)), network(other, told(20))
    assert torch.equal(before[..., row, column], after[..., row, column])
    assert not torch.equal(before, after)


def test_halo_is_the_true_one(network):
    """Gradients say what can change a sample; of its halo no more is in vain than whole positions cost."""
    trained_like(network).double()
    size = 2 * network.halo + 24
    farthest = 0
    for phase in (0, 7):
        place = size // 16 * 8 + phase
        planes = noise(1, 3, size, size, dtype=torch.float64).requires_grad_()
        network(planes, told(20, dtype=torch.float64))[0, :, place, place].sum().backward()
        rows, columns = planes.grad[0].any(0).nonzero(as_tuple=True)
        farthest = max(farthest, int((rows - place).abs().max()), int((columns - place).abs().max()))
    assert network.halo % network.multiple == 0
    assert network.halo - 2 * network.multiple < farthest <= network.halo


@torch.no_grad()
def test_tile_with_its_halo_equals_the_whole(network):
    trained_like(network)
    halo, start = network.halo, network.halo + 16
    planes = noise(1, 3, 2 * start + 16, 2 * start + 24)
    whole = network(planes, told(20))

    def tile(top, left):
        seen = planes[..., top - halo : top + 16 + halo, left - halo : left + 16 + halo]
        return network(seen, told(20))[..., halo:-halo, halo:-halo]

    for top, left in ((start, start), (start - 8, start + 8)):
        expected = whole[..., top : top + 16, left : left + 16]
        torch.testing.assert_close(tile(top, left), expected, rtol=0, atol=rounding(whole))


@pytest.mark.parametrize(("by", "same"), [(8, True), (16, True), (4, False), (2, False)])
@torch.no_grad()
def test_network_knows_the_grid_of_blocks(small, by, same):
    """A picture moved by whole positions of the coarsest level gives the result moved; any other, another result."""
    size, halo = 2 * small.halo + 48, small.halo + 16
    planes = noise(1, 3, size, size)
    moved = small(planes.roll((by, by), (2, 3)), told(20)).roll((-by, -by), (2, 3))
    difference = (moved - small(planes, told(20)))[..., halo:-halo, halo:-halo].abs().max()
    assert (difference <= rounding(moved)) == same


@torch.no_grad()
def test_operations_are_counted(network):
    """The perceptron of the tables runs once a picture, and is not counted."""
    height, width = 32, 48
    with FlopCounterMode(display=False) as counter:
        network(noise(1, 3, height, width), told(50))
    multiplied = counter.get_flop_counts()["Global"][torch.ops.aten.convolution] / 2
    # Each of the three resolutions is rounded down.
    assert multiplied / (height * width) - 3 < network.macs <= multiplied / (height * width)


@torch.no_grad()
def test_pictures_of_a_batch_do_not_see_each_other(small):
    planes, tables = noise(3, 3, 16, 16), told(5, 50, 95)
    restored = small(planes, tables)
    for index in range(3):
        alone = small(planes[index : index + 1], tables[index : index + 1])
        torch.testing.assert_close(restored[index : index + 1], alone, rtol=0, atol=rounding(alone))


@torch.no_grad()
def test_tables_of_luma_and_of_chroma_matter(small):
    planes, tables = noise(1, 3, 16, 16), told(50)
    before = small(planes, tables)
    for kind in (0, 1):
        for place in ((0, 0), (7, 7), (2, 5)):
            other = tables.clone()
            other[0, kind, *place] *= 2
            assert (small(planes, other) - before).abs().max() > rounding(before)


@torch.no_grad()
def test_coarsest_and_finest_tables_are_taken(small):
    planes = noise(1, 3, 16, 16)
    for step in (1, 255, 65535):
        assert small(planes, torch.full((1, 2, 8, 8), float(step))).isfinite().all()


def test_every_parameter_is_learnt(network):
    """A fresh network hands a gradient to each of its parameters."""
    network(noise(1, 3, 32, 32), told(20)).square().mean().backward()
    assert [name for name, parameter in network.named_parameters() if not parameter.grad.any()] == []


@torch.no_grad()
def test_result_is_float32_where_convolutions_are_of_16_bits(small):
    """And what the network leaves alone is not rounded to 16 bits: the change alone is."""
    planes, tables = noise(1, 3, 32, 32), told(20)
    expected = small(planes, tables)
    small.leave.matrix.zero_()
    small.leave.bias.zero_()
    with torch.autocast("cpu", torch.bfloat16):
        restored = small(planes, tables)
    assert restored.dtype == torch.float32
    assert torch.equal(restored, planes)
    assert not torch.equal(expected, planes)


def test_network_is_built_by_its_name():
    assert isinstance(build("table-unet", SMALL), TableUnet)
    for widths in ({"depth": 3}, {"fine": 4, "units": 1}):
        with pytest.raises(UsageError, match="table-unet"):
            build("table-unet", widths)


def test_weights_start_from_the_seed():
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(build("table-unet", SMALL).state_dict())
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    assert not torch.equal(states[0]["enter.matrix"], states[2]["enter.matrix"])
