"""QGAC: the paper's function in another layout, its sizes, its reach, what the tables do, and what is trained."""

import numpy as np
import pytest
from skimage import data

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from jpegfilter.compression.blocks import coefficients, samples, undone  # noqa: E402
from jpegfilter.errors import UsageError  # noqa: E402
from jpegfilter.jpeg import dct  # noqa: E402
from jpegfilter.jpeg import tables as ijg  # noqa: E402
from jpegfilter.networks import Qgac, build, qgac  # noqa: E402
from jpegfilter.networks.qgac import PAPER, ConvolutionalFilterManifold  # noqa: E402

SMALL = {
    "manifold": 12, "rank": 2, "channels": 6, "growth": 3, "unblocked": 2, "frequency": 3, "frequency_growth": 2,
    "frequency_blocks": 1, "color": 4, "color_growth": 3, "guided": 8, "guided_growth": 3, "whole": 1, "steps": 1,
}  # fmt: skip
PAPERS = SMALL | {"rank": 0, "frequency_blocks": 3, "whole": 0, "steps": 0}
"""As the paper has it, but narrow."""
EXACT = 1e-10
"""Float64 sums of a few hundred products, one after the other, of numbers below a thousand, in another order."""


def trained_like(network):
    """Give every parameter a size at which it matters, as training does: the last layers start near 0."""
    random = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            fan = parameter[0].numel() if parameter.ndim > 1 else 10
            parameter.copy_(torch.randn(parameter.shape, generator=random) * fan**-0.5)
        for module in network.modules():
            if isinstance(module, ConvolutionalFilterManifold):
                for parameter in module.filter.parameters():
                    parameter.mul_(module.inputs**-0.5)
    network.know(10 * torch.randn(2, 64, generator=random), 10 + 20 * torch.rand(2, 64, generator=random))
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


@pytest.fixture(params=[{}, SMALL, PAPERS], ids=["default", "small", "paper's"])
def network(request):
    torch.manual_seed(1)
    return Qgac(**request.param).eval()


@pytest.fixture
def small():
    """A small network whose every weight matters."""
    return trained_like(Qgac(**SMALL))


# The paper's function, as the paper lays it out.


def mosaic(x):
    """`(N, 64 c, h, w)` as coefficients where their block's samples were, `(N, c, 8 h, 8 w)`."""
    count, channels, height, width = x.shape
    by_frequency = x.reshape(count, 8, 8, channels // 64, height, width)
    return by_frequency.permute(0, 3, 4, 1, 5, 2).reshape(count, channels // 64, 8 * height, 8 * width)


def laid(seen):
    """The mosaic of what the network looks at: one after the other, each with its 64 frequencies."""
    return torch.cat([mosaic(part) for part in seen.split(64, 1)], 1)


def manifold(made, table, *, unblocking=False, apart=False):
    """Filters `(N, outputs, inputs, 8, 8)` and biases `(N, outputs)` of tables (the paper, 3.1 and figure 2).

    An 8x8 convolution of the table, a 1x1 convolution, and a transposed 8x8 convolution that makes a filter of each
    pair of channels; those that unblock are `(N, inputs, outputs, 8, 8)`, as transposed convolutions have them.
    `apart` are the channels of what the network looks at, as `laid` has them.
    """
    first, slope, second, other = made.features
    width = first.out_features
    x = functional.conv2d(table.reshape(-1, 1, 8, 8), first.weight.view(width, 1, 8, 8), first.bias)
    x = functional.prelu(x, slope.weight)
    x = functional.conv2d(x, second.weight[:, :, None, None], second.bias)
    x = functional.prelu(x, other.weight)
    bias = functional.conv2d(x, made.bias.weight[:, :, None, None], made.bias.bias)[:, :, 0, 0]
    if isinstance(made.narrow, torch.nn.Linear):
        x = functional.conv2d(x, made.narrow.weight[:, :, None, None], made.narrow.bias)

    def as_filters(rows):
        """Of rows `(outputs * inputs, ...)` of ours."""
        if unblocking:
            shape = (8, 8, made.outputs // 64, made.inputs)
            return rows.view(*shape, -1).permute(4, 3, 2, 0, 1)
        if apart:
            return rows.view(made.outputs, made.inputs // 64, 8, 8, -1).permute(4, 0, 1, 2, 3)
        return rows.view(made.outputs, 8, 8, made.inputs // 64, -1).permute(4, 0, 3, 1, 2)

    weight = as_filters(made.filter.weight)
    pairs = weight.flatten(1, 2)
    filters = functional.conv_transpose2d(x, pairs) + as_filters(made.filter.bias).flatten(1, 2)
    return filters.view(len(table), *weight.shape[1:]), bias


def blocks(x, made, table, *, apart=False):
    """`(N, outputs, h, w)` of a mosaic `(N, inputs, 8 h, 8 w)`: a convolution with stride 8, each picture's own."""
    filters, bias = manifold(made, table, apart=apart)
    count = len(x)
    out = functional.conv2d(x.flatten(0, 1)[None], filters.flatten(0, 1), bias.flatten(), stride=8, groups=count)
    return out.unflatten(1, (count, -1))[0]


def unblocked(x, made, table):
    """A mosaic of features of blocks: the transposed convolution."""
    filters, bias = manifold(made, table, unblocking=True)
    count = len(x)
    weight = filters.flatten(0, 1)
    out = functional.conv_transpose2d(x.flatten(0, 1)[None], weight, bias.flatten(), stride=8, groups=count)
    return out.unflatten(1, (count, -1))[0]


@pytest.fixture(params=[0, 3], ids=["full rank", "rank 3"])
def rank(request):
    return request.param


def random_manifold(outputs, inputs, biases, rank):
    made = ConvolutionalFilterManifold(outputs, inputs, biases=biases, width=5, rank=rank).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(parameter))) / 3)
    return made


def codes(count):
    return torch.randn(count, 64, generator=torch.Generator().manual_seed(8), dtype=torch.float64)


@torch.no_grad()
def test_filters_are_the_papers_convolution_of_blocks(rank):
    """Each picture of a batch through filters of its own table."""
    made, x = random_manifold(4, 64 * 3, 4, rank), noise(2, 64 * 3, 2, 5, dtype=torch.float64)
    found = qgac.filtered(x, made(codes(2)))
    torch.testing.assert_close(found, blocks(mosaic(x), made, codes(2)), rtol=0, atol=EXACT)


@torch.no_grad()
def test_filters_are_the_papers_transposed_convolution(rank):
    made, x = random_manifold(64 * 3, 4, 3, rank), noise(2, 4, 2, 5, dtype=torch.float64)
    found = mosaic(qgac.filtered(x, made(codes(2))))
    torch.testing.assert_close(found, unblocked(x, made, codes(2)), rtol=0, atol=EXACT)


def alone(convolution, x, frequency):
    """A 3x3 convolution over one frequency's channels of blocks."""
    weight, bias = (p.chunk(64)[frequency] for p in (convolution.weight, convolution.bias))
    return functional.conv2d(x, weight, bias, padding=1)


def rrdb_alone(x, rrdb, frequency):
    y = x
    for block in rrdb.blocks:
        seen = y
        for convolution in block.convolutions[:-1]:
            seen = torch.cat((seen, functional.leaky_relu(alone(convolution, seen, frequency), 0.2)), 1)
        y = y + 0.2 * alone(block.convolutions[-1], seen, frequency)
    return x + 0.2 * y


def by_frequency(x):
    """The 64 frequencies `(N, c, h, w)` of a mosaic `(N, c, 8 h, 8 w)`."""
    return [x[:, :, v::8, u::8] for v in range(8) for u in range(8)]


def as_mosaic(frequencies):
    """Undo `by_frequency`."""
    return mosaic(torch.cat(frequencies, 1))


def frequency_net(net, x):
    """The paper's figure 4 on a mosaic."""
    made = []
    for frequency, y in enumerate(by_frequency(x)):
        inner = functional.prelu(alone(net.enter, y, frequency), net.enter_slope.weight)
        inner = alone(net.leave, rrdb_alone(inner, net.rrdb, frequency), frequency)
        made.append(functional.prelu(inner, net.leave_slope.weight))
    return as_mosaic(made)


def block_net(net, x, table, *, apart=False):
    """The paper's figure 3 on a mosaic."""
    features = net.rrdb(functional.prelu(blocks(x, net.embed, table, apart=apart), net.embed_slope.weight))
    return functional.prelu(unblocked(features, net.unblock, table), net.unblock_slope.weight)


def luma_net(net, x, table):
    """The paper's Y network on a mosaic: three networks in a row, and their results fused frequency by frequency."""
    first = block_net(net.first, x, table, apart=True)
    frequencies = frequency_net(net.frequencies, first)
    second = block_net(net.second, frequencies, table)
    fused = []
    for frequency, parts in enumerate(zip(*map(by_frequency, (first, frequencies, second)), strict=True)):
        y = functional.prelu(alone(net.fuse, torch.cat(parts, 1), frequency), net.fuse_slope.weight)
        fused.append(alone(net.leave, y, frequency))
    return as_mosaic(fused)


def color_net(net, small, luma, table, luma_table):
    """The paper's color network on mosaics."""
    up = net.rrdb(functional.prelu(blocks(small, net.embed, table, apart=True), net.embed_slope.weight))
    up = functional.conv_transpose2d(up, net.upsample.weight, net.upsample.bias, stride=2, padding=1)
    guide = functional.prelu(blocks(luma, net.guide, luma_table, apart=True), net.guide_slope.weight)
    both = torch.cat((functional.prelu(up, net.upsample_slope.weight), guide), 1)
    return unblocked(net.guided(both), net.unblock, table)


def test_mosaic_holds_each_block_in_its_place():
    plane = noise(1, 1, 16, 24, dtype=torch.float64)
    laid = dct.from_blocks(dct.forward(plane[0, 0].numpy()))
    np.testing.assert_allclose(mosaic(coefficients(plane))[0, 0], laid, rtol=0, atol=EXACT)
    x = noise(2, 192, 2, 3)
    assert torch.equal(torch.cat(by_frequency(mosaic(x)), 1), x)


@pytest.fixture(params=[0, 1], ids=["paper's", "in steps"])
def papers(request):
    """The paper's network, and the paper's that sees and adds steps, too."""
    return trained_like(Qgac(**PAPERS | {"steps": request.param})).double()


def departures(found):
    """Of coefficients `(N, 64, h, w)` from the mean of those that are there of 3x3 blocks."""
    out = torch.empty_like(found)
    for row in range(found.shape[2]):
        for column in range(found.shape[3]):
            around = found[..., max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2].mean((2, 3))
            out[..., row, column] = found[..., row, column] - around
    return out


@torch.no_grad()
def test_frequency_net_is_a_network_for_each_frequency(papers):
    net, x = papers.luma.frequencies, noise(2, 64 * PAPERS["unblocked"], 3, 4, dtype=torch.float64) / 100
    torch.testing.assert_close(mosaic(net(x)), frequency_net(net, mosaic(x)), rtol=0, atol=EXACT)


@torch.no_grad()
def test_luma_net_is_the_papers(papers):
    net, x = papers.luma, noise(2, 64 * (1 + papers.steps), 3, 4, dtype=torch.float64) / 100
    found, expected = mosaic(net(x, net.filters(codes(2)))), luma_net(net, laid(x), codes(2))
    torch.testing.assert_close(found, expected, rtol=0, atol=EXACT)
    assert expected.abs().mean() > 0.1


@torch.no_grad()
def test_color_net_is_the_papers(papers):
    net, luma_codes = papers.color, codes(4)[2:]
    inputs = 64 * (1 + papers.steps)
    small, luma = (noise(2, inputs, h, 2 * h, dtype=torch.float64) / 100 for h in (2, 4))
    of_luma, *filters = net.filters(codes(2), luma_codes)
    # The paper's runs once for Cb and once for Cr.
    both = small.repeat_interleave(2, 0)
    twice = [tuple(part.repeat_interleave(2, 0) for part in made) for made in filters]
    found = mosaic(net(both, both, luma, [of_luma, *twice]))
    expected = color_net(net, laid(small), laid(luma), codes(2), luma_codes)
    torch.testing.assert_close(found, expected.repeat_interleave(2, 0), rtol=0, atol=EXACT)
    assert expected.abs().mean() > 0.1


@torch.no_grad()
def test_network_is_the_papers(papers):
    """Y with its tables; then Cb and Cr, halved, beside the restored Y."""
    planes, tables = noise(2, 3, 32, 48, dtype=torch.float64), told(10, 60, dtype=torch.float64)
    mean, deviation = (x[:, :, None, None] for x in (papers.mean, papers.deviation))
    code, chroma_code = qgac.code(tables.flatten(2)).unbind(1)
    steps = tables.flatten(2).transpose(0, 1)[..., None, None]
    low = tables[:, 1, :4, :4].mean((1, 2))[:, None, None, None]
    units = [torch.minimum(step, of) for step, of in zip((steps[0], low), deviation, strict=True)]

    def seen(plane, kind):
        found = coefficients(plane)
        normalized = mosaic((found - mean[kind]) / deviation[kind])
        return torch.cat((normalized, mosaic((departures(found) / steps[kind]).asinh())), 1)[:, : 1 + papers.steps]

    def back(change, kind):
        return samples(torch.cat(by_frequency(change), 1) * (units if papers.steps else deviation)[kind])

    luma = planes[:, :1] + back(luma_net(papers.luma, seen(planes[:, :1], 0), code), 0)
    expected = [luma]
    for chroma in (planes[:, 1:2], planes[:, 2:]):
        change = color_net(papers.color, seen(undone(chroma, down=2, across=2), 1), seen(luma, 0), chroma_code, code)
        expected.append(chroma + back(change, 1))
    found = papers(planes, tables)
    torch.testing.assert_close(found, torch.cat(expected, 1), rtol=0, atol=rounding(found))
    assert ((found - planes).abs().mean((0, 2, 3)) > (3 if papers.steps else 10)).all()


def test_papers_widths_have_the_papers_weights():
    """About 259 million.

    A transposed convolution has one bias for each pair of channels; our filters have one for each of its 64 weights.
    """
    with torch.device("meta"):
        network = Qgac(**PAPER)
    count = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    manifolds = [module for module in network.modules() if isinstance(module, ConvolutionalFilterManifold)]
    pairs = 256 + 64 * 256 + 64 * 256 + 256 * 64 + 32 + 32 + 64
    assert sum(module.filter.bias.numel() for module in manifolds) == 64 * pairs
    assert count / 1e6 == pytest.approx(262.5, abs=0.05)
    assert (count - 63 * pairs) / 1e6 == pytest.approx(259.4, abs=0.05)


def test_papers_widths_can_be_trained():
    """A step down the gradient of every weight lowers the error of what was seen."""
    torch.manual_seed(1)
    network = Qgac(**PAPER)
    planes, tables, clean = noise(1, 3, 16, 16), told(20), noise(1, 3, 16, 16, seed=4)
    network.know(torch.zeros(2, 64), torch.full((2, 64), 30.0))
    before = (network(planes, tables) - clean).square().mean()
    before.backward()
    norm = torch.nn.utils.get_total_norm([p.grad for p in network.parameters() if p.requires_grad])
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                assert parameter.grad.any()
                parameter.sub_(parameter.grad, alpha=0.01 / float(norm))
        after = (network(planes, tables) - clean).square().mean()
    assert after < before


# Shapes, reach and cost.


@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (2, 3, 48, 32), (1, 3, 16, 80), (2, 1, 32, 16)], ids=str)
@torch.no_grad()
def test_output_has_the_inputs_shape(network, shape):
    restored = network(noise(*shape), told(*[50] * shape[0]))
    assert restored.shape == shape
    assert restored.dtype == torch.float32


@pytest.mark.parametrize("side", [side for side in range(1, 33) if side % 16])
@torch.no_grad()
def test_sides_that_are_no_multiples_are_refused(small, side):
    assert small.multiple == 16
    for shape in ((1, 3, side, 32), (1, 3, 32, side), (1, 3, side, side)):
        with pytest.raises(RuntimeError):
            small(noise(*shape), told(50))


@torch.no_grad()
def test_gray_planes_are_the_luma_of_color_ones(small):
    planes, tables = noise(2, 3, 32, 16), told(10, 70)
    assert torch.equal(small(planes[:, :1], tables), small(planes, tables)[:, :1])


@pytest.mark.parametrize("gray", [False, True], ids=["color", "gray"])
@pytest.mark.parametrize("quality", [1, 50, 100])
@torch.no_grad()
def test_fresh_network_is_nearly_the_identity(quality, gray):
    """A gray picture, whose chroma is 0, stays nearly gray."""
    torch.manual_seed(1)
    photo = torch.from_numpy(np.ascontiguousarray(data.astronaut()[:32, 180:212])).permute(2, 0, 1)[None].float() - 128
    if gray:
        photo[:, 1:] = 0
    change = Qgac()(photo, told(quality)) - photo
    for plane in change[0]:
        assert plane.abs().max() > 0
        assert plane.square().mean().sqrt() < 0.1 * photo.square().mean().sqrt()


def test_merging_changes_nothing(small):
    assert small.merged() is small


def strip(size, turned, *, dtype=torch.float32, seed=3):
    """Planes of one block of halved chroma by many."""
    planes = noise(1, 3, size, 16, dtype=dtype, seed=seed)
    return planes.mT if turned else planes


TURNED = pytest.mark.parametrize("turned", [False, True], ids=["rows", "columns"])


@TURNED
@pytest.mark.parametrize("phase", [0, 15, 6], ids=str)
@torch.no_grad()
def test_what_lies_beyond_the_halo_changes_nothing(small, turned, phase):
    size = (2 * small.halo + 64) // 16 * 16
    place = size // 32 * 16 + phase
    axis = 3 if turned else 2
    seen = (torch.arange(size) - place).abs() <= small.halo
    assert not seen.all()
    planes = strip(size, turned)
    other = torch.where(seen if turned else seen[:, None], planes, strip(size, turned, seed=4))
    before, after = small(planes, told(20)), small(other, told(20))
    assert torch.equal(before.select(axis, place), after.select(axis, place))
    assert not torch.equal(before, after)


@TURNED
@pytest.mark.parametrize("widths", [SMALL, PAPERS], ids=["small", "paper's"])
def test_halo_is_the_true_one(widths, turned):
    """Gradients say what can change a sample; of its halo no more is in vain than whole positions cost."""
    network = trained_like(Qgac(**widths)).double()
    size = (2 * network.halo + 64) // 16 * 16
    farthest = 0
    for phase in (0, 15):
        place = size // 32 * 16 + phase
        planes = strip(size, turned, dtype=torch.float64).contiguous().requires_grad_()
        restored = network(planes, told(20, dtype=torch.float64))
        restored.select(3 if turned else 2, place).sum().backward()
        (places,) = planes.grad[0].any(0).any(0 if turned else 1).nonzero(as_tuple=True)
        farthest = max(farthest, int((places - place).abs().max()))
    assert network.halo % network.multiple == 0
    assert network.halo - 2 * network.multiple < farthest <= network.halo


def test_reach_of_luma_in_blocks_is_the_true_one():
    net = trained_like(Qgac(**SMALL)).double().luma
    size = 2 * net.reach + 5
    x = noise(1, 128, size, 1, dtype=torch.float64).requires_grad_()
    net(x, net.filters(codes(1)))[..., size // 2, :].sum().backward()
    rows, _ = x.grad[0].any(0).nonzero(as_tuple=True)
    assert (rows.min(), rows.max()) == (size // 2 - net.reach, size // 2 + net.reach)


@pytest.mark.parametrize("steps", [0, 1])
def test_mean_of_blocks_reaches_one_block_farther(steps):
    network = trained_like(Qgac(**SMALL | {"steps": steps})).double()
    reach = network.luma.reach + steps
    middle = reach + 2
    luma = noise(1, 1, 8 * (2 * middle + 1), 16, dtype=torch.float64).requires_grad_()
    of_luma, _ = network.filters(told(20, dtype=torch.float64))
    network.restore_luma(luma, of_luma)[..., 8 * middle, :].sum().backward()
    rows, _ = luma.grad[0, 0].nonzero(as_tuple=True)
    assert (rows.min() // 8, rows.max() // 8) == (middle - reach, middle + reach)


@pytest.mark.parametrize("phase", [0, 1])
def test_reach_of_color_in_blocks_is_the_true_one(phase):
    """Halved chroma's, which reach farthest, are two of luma's wide, and a sample beside them counts, too."""
    net = trained_like(Qgac(**SMALL)).double().color
    size = (2 * net.reach + 8) // 2 * 2
    small, large, luma = (
        noise(count, 128, rows, columns, dtype=torch.float64).requires_grad_()
        for count, rows, columns in ((2, size // 2, 1), (2, size, 2), (1, size, 2))
    )
    of_luma, *filters = net.filters(codes(1), codes(1))
    twice = [tuple(part.repeat(2, 1, 1) for part in made) for made in filters]
    place = size // 4 * 2 + phase
    net(small, large, luma, [of_luma, *twice])[..., place, :].sum().backward()
    for grid in (large, luma):
        rows = grid.grad.any(0).any(0).any(1).nonzero()
        assert (rows.min(), rows.max()) == (place - net.guided.reach, place + net.guided.reach)
    rows = small.grad.any(0).any(0).any(1).nonzero()
    farthest = max(int(2 * rows.max() + 1 - place), int(place - 2 * rows.min()))
    assert net.reach - 2 <= farthest <= net.reach


@torch.no_grad()
def test_operations_are_counted(network):
    """The manifolds run once a picture, and are not counted; chroma's halving, by four rows and columns, may be so."""
    height, width = 32, 48
    with FlopCounterMode(display=False) as counter:
        network(noise(1, 3, height, width), told(50))
    counts = counter.get_flop_counts()["Global"]
    multiplied = (counts[torch.ops.aten.convolution] + counts[torch.ops.aten.bmm]) / 2
    halving = 2 * 4 * (height // 2 * (width + 2) + height // 2 * width // 2)
    # Rounded down.
    assert (multiplied - halving) / (height * width) - 1 < network.macs <= multiplied / (height * width)


@torch.no_grad()
def test_pictures_of_a_batch_do_not_see_each_other(small):
    planes, tables = noise(3, 3, 16, 32), told(5, 50, 95)
    restored = small(planes, tables)
    for index in range(3):
        alone = small(planes[index : index + 1], tables[index : index + 1])
        torch.testing.assert_close(restored[index : index + 1], alone, rtol=0, atol=rounding(alone))


@torch.no_grad()
def test_cb_and_cr_are_restored_alike(small):
    planes, tables = noise(2, 3, 16, 32), told(5, 50)
    swapped = small(planes[:, [0, 2, 1]], tables)[:, [0, 2, 1]]
    torch.testing.assert_close(swapped, small(planes, tables), rtol=0, atol=rounding(swapped))


@torch.no_grad()
def test_color_is_guided_by_luma_and_luma_by_nothing(small):
    planes = noise(1, 3, 16, 16)
    before = small(planes, told(50))
    for plane, other in enumerate(noise(3, 16, 16, seed=4)):
        changed = planes.clone()
        changed[0, plane] = other
        moved = (small(changed, told(50)) - before)[0].abs().amax((1, 2)) > rounding(before)
        assert moved.tolist() == [plane == 0, plane != 2, plane != 1]


# Tables and units.


@pytest.mark.parametrize("kind", [0, 1], ids=["luma's", "chroma's"])
@pytest.mark.parametrize("place", [(0, 0), (7, 7), (2, 5)], ids=str)
@torch.no_grad()
def test_lumas_table_matters_to_all_and_chromas_to_chroma(small, kind, place):
    planes, tables = noise(1, 3, 16, 16), told(50)
    other = tables.clone()
    other[0, kind, *place] *= 2
    before, after = small(planes, tables), small(planes, other)
    moved = (after - before)[0].abs().amax((1, 2)) > rounding(before)
    assert moved.tolist() == [kind == 0, True, True]


@torch.no_grad()
def test_coarsest_and_finest_tables_are_taken(small):
    planes = noise(1, 3, 16, 16)
    for step in (1, 255, 65535):
        assert small(planes, torch.full((1, 2, 8, 8), float(step))).isfinite().all()


def departing(network, found, table):
    """How far coefficients `(N, 64, h, w)` seem to depart from those around, by a table of luma's, `(64,)`."""
    seen = network.seen(samples(found), 0, (table[None, :, None], table[None, :, None]))
    assert seen.shape[1] == 128
    return seen[:, 64:]


@torch.no_grad()
def test_blocks_that_are_alike_depart_from_nothing(small):
    table = told(100)[0, 0].flatten()
    constant = coefficients(torch.full((1, 1, 24, 40), 77.0))
    block = coefficients(noise(1, 1, 8, 8)).expand(1, 64, 3, 5)
    for found in (constant, block):
        # Of 24 bits, and a sum of nine.
        assert departing(small, found, table).abs().max() <= 20 * 2.0**-24 * found.abs().max()


@pytest.mark.parametrize("place", [(2, 3), (0, 3), (0, 0), (4, 6)], ids=str)
@pytest.mark.parametrize("frequency", [0, 1, 63])
@torch.no_grad()
def test_departure_is_seen_in_the_files_steps(small, place, frequency):
    """Whatever the statistics are; beyond the border there are no blocks."""
    small.double()
    table = told(30, dtype=torch.float64)[0, 0].flatten()
    for of in range(64):
        assert small.deviation[0, of] != table[of]
    found = 100.0 * torch.ones(1, 64, 5, 7, dtype=torch.float64)
    found[:, frequency, *place] += 3 * table[frequency]
    seen = departing(small, found, table).sinh()
    expected = torch.zeros_like(seen)
    for row in range(5):
        for column in range(7):
            if max(abs(row - place[0]), abs(column - place[1])) <= 1:
                around = (min(row + 1, 4) - max(row - 1, 0) + 1) * (min(column + 1, 6) - max(column - 1, 0) + 1)
                expected[:, frequency, row, column] = 3 * ((row, column) == place) - 3 / around
    torch.testing.assert_close(seen, expected, rtol=0, atol=EXACT)


@torch.no_grad()
def test_network_that_is_not_told_of_steps_sees_normalized_coefficients_alone():
    network = trained_like(Qgac(**PAPERS))
    planes = noise(2, 1, 16, 24)
    of_luma, of_color = network.filters(told(10, 90))
    for kind, filters in enumerate((of_luma, of_color)):
        expected = (coefficients(planes) - network.mean[kind, :, None, None]) / network.deviation[kind, :, None, None]
        assert torch.equal(network.seen(planes, kind, filters[-1]), expected)


EXTREMES = pytest.mark.parametrize("quality", [1, 10, 50, 90, 100])


@EXTREMES
@torch.no_grad()
def test_unit_is_no_larger_than_a_step_or_the_deviation(small, quality):
    """Of chroma, whose coefficients of several steps meet on luma's blocks, no larger than the mean of the low ones."""
    tables = told(quality, 50)
    for kind, filters in enumerate(small.filters(tables)):
        steps, units = filters[-1]
        assert units.shape == steps.shape == (2, 64, 1)
        assert torch.equal(steps[..., 0], tables[:, kind].flatten(1))
        if kind:
            steps = tables[:, 1, :4, :4].mean((1, 2)).view(2, 1, 1).expand(2, 64, 1)
        least = torch.minimum(steps, small.deviation[kind, :, None])
        assert torch.equal(units, least)
        assert (units > 0).all()


@torch.no_grad()
def test_unit_of_flat_tables_is_the_step_until_the_deviation_is_less(small):
    for step in (1, 12, 255):
        for kind, filters in enumerate(small.filters(torch.full((1, 2, 8, 8), float(step)))):
            assert torch.equal(filters[-1][1][0, :, 0], small.deviation[kind].clamp(max=step))


@torch.no_grad()
def test_unit_where_steps_do_not_count_is_the_deviation():
    network = trained_like(Qgac(**PAPERS))
    for kind, filters in enumerate(network.filters(told(1, 100))):
        assert torch.equal(filters[-1][1][..., 0], network.deviation[kind].expand(2, 64))


@EXTREMES
@pytest.mark.parametrize("widths", [SMALL, PAPERS], ids=["in steps", "paper's"])
@torch.no_grad()
def test_what_is_added_is_counted_in_units(widths, quality):
    """A network that says 1 of every coefficient."""
    network, planes, tables = trained_like(Qgac(**widths)), noise(2, 3, 16, 32), told(quality, 30)
    for parameter in (*network.luma.leave.parameters(), *network.color.unblock.parameters()):
        parameter.zero_()
    network.luma.leave.bias.fill_(1)
    network.color.unblock.bias.bias.fill_(1)
    change = network(planes, tables) - planes
    for plane, kind in enumerate((0, 1, 1)):
        expected = network.filters(tables)[kind][-1][1][..., None].expand(2, 64, 2, 4)
        torch.testing.assert_close(coefficients(change[:, plane : plane + 1]), expected, rtol=0, atol=0.01)


@torch.no_grad()
def test_known_statistics_are_a_change_of_units():
    """Of every frequency of luma by itself; of chroma as one, which is halved on the way. Steps would change, too."""
    small = trained_like(Qgac(**SMALL | {"steps": 0})).double()
    random = torch.Generator().manual_seed(6)
    mean = 20 * torch.randn(2, 64, generator=random, dtype=torch.float64)
    deviation = 0.5 + torch.rand(2, 64, generator=random, dtype=torch.float64)
    mean[1, 1:] = 0
    deviation[1] = 1.5
    rows = mean[[0, 1, 1], :, None, None], deviation[[0, 1, 1], :, None, None]

    def in_units(planes):
        return samples((coefficients(planes) - rows[0]) / rows[1])

    def back(planes):
        return samples(coefficients(planes) * rows[1] + rows[0])

    planes, tables = noise(3, 1, 32, 16, dtype=torch.float64), told(30, dtype=torch.float64)
    small.know(torch.zeros(2, 64), torch.ones(2, 64))
    expected = back(small(in_units(planes)[None, :, 0], tables)[0, :, None])
    small.know(mean, deviation)
    found = small(planes[None, :, 0], tables)[0, :, None]
    torch.testing.assert_close(found, expected, rtol=0, atol=rounding(found, expected))
    assert (found - planes).abs().mean() > 10


def test_statistics_travel_with_the_weights_and_are_not_learnt(small):
    other = Qgac(**SMALL)
    other.load_state_dict(small.state_dict())
    assert torch.equal(other.mean, small.mean)
    assert torch.equal(other.deviation, small.deviation)
    assert [n for n, p in small.named_parameters() if not p.requires_grad] == ["mean", "deviation"]


# Training.


def learnt(network):
    """Names of the parameters that the error of a picture moves."""
    network(noise(1, 3, 32, 32), told(20)).square().mean().backward()
    return {name for name, parameter in network.named_parameters() if parameter.grad is not None}


def named(network, *parts):
    return {name for name, p in network.named_parameters() if p.requires_grad and name.startswith(parts)}


def test_every_parameter_is_learnt(network):
    """A fresh network hands a gradient to each of its parameters."""
    assert network.part == "all"
    assert learnt(network) == named(network, "luma.", "color.")
    assert all(p.grad.any() for p in network.parameters() if p.requires_grad)


@pytest.mark.parametrize("part", ["luma", "color"])
def test_a_part_is_learnt_alone(network, part):
    network.part = part
    assert learnt(network) == named(network, f"{part}.")
    assert all(p.grad.any() for p in network.parameters() if p.grad is not None)


@torch.no_grad()
def test_luma_alone_leaves_chroma_as_it_is(small):
    planes, tables = noise(2, 3, 16, 32), told(20, 60)
    expected = small(planes, tables)
    small.part = "luma"
    restored = small(planes, tables)
    assert torch.equal(restored[:, :1], expected[:, :1])
    assert torch.equal(restored[:, 1:], planes[:, 1:])


@torch.no_grad()
def test_color_alone_is_the_whole_function(small):
    planes, tables = noise(2, 3, 16, 32), told(20, 60)
    expected = small(planes, tables)
    small.part = "color"
    assert torch.equal(small(planes, tables), expected)


@torch.no_grad()
def test_result_is_float32_where_convolutions_are_of_16_bits(small):
    """And what the network leaves alone is not rounded to 16 bits: the change alone is."""
    planes, tables = noise(1, 3, 32, 32), told(20)
    expected = small(planes, tables)
    with torch.autocast("cpu", torch.bfloat16):
        restored = small(planes, tables)
    assert restored.dtype == torch.float32
    assert not torch.equal(restored, expected)
    for parameter in (*small.luma.leave.parameters(), *small.color.unblock.parameters()):
        parameter.zero_()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(small(planes, tables), planes)


def test_muon_moves_the_dense_blocks_that_are_not_in_groups(small):
    names = dict(small.named_parameters())
    assert set(small.matrices) <= set(names)
    places = {name.split(".convolutions.")[0].rsplit(".blocks.", 1)[0] for name in small.matrices}
    assert places == {"luma.first.rrdb", "luma.second.rrdb", "color.rrdb", "color.guided"}
    assert len(small.matrices) == len(set(small.matrices)) == 4 * 3 * 5


def test_network_is_built_by_its_name():
    assert isinstance(build("qgac", SMALL), Qgac)
    for widths in ({"depth": 3}, SMALL | {"units": 1}, SMALL | {"guided": 9}, {"color": 16}):
        with pytest.raises(UsageError, match="qgac"):
            build("qgac", widths)


def test_weights_start_from_the_seed():
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(build("qgac", SMALL).state_dict())
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    assert not torch.equal(states[0]["luma.leave.weight"], states[2]["luma.leave.weight"])
