"""Residual-in-residual dense blocks: the definition, groups that do not see each other, and the reach."""

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from jpegfilter.networks.rrdb import DenseBlock, Rrdb, join  # noqa: E402

WIDTH, GROWTH = 3, 2
ROUNDING = 1e-12
"""Sums of a few dozen products in float64, in another order."""


def trained_like(network):
    """Give every parameter a size at which it matters: fresh biases are small or 0."""
    random = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            scale = 0.3 if parameter.ndim < 2 else parameter[0].numel() ** -0.5
            parameter.copy_(torch.randn(parameter.shape, generator=random) * scale)
    return network.double()


def noise(*shape, seed=3):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def weights_of(block):
    """Weights `(outputs, inputs, 3, 3)` and biases of a dense block's convolutions."""
    for convolution in block.convolutions:
        if hasattr(convolution, "matrix"):
            outputs, side, _, inputs = convolution.shape
            weight = convolution.matrix.view(outputs, side, side, inputs).permute(0, 3, 1, 2)
        else:
            weight = convolution.weight
        yield weight, convolution.bias


def dense(x, weights):
    """Figure 4 of the paper, right: each convolution sees the input and what all before it have made."""
    seen = x
    *first, (weight, bias) = weights
    for inner, shift in first:
        made = functional.leaky_relu(functional.conv2d(seen, inner, shift, padding=1), 0.2)
        seen = torch.cat((seen, made), 1)
    return x + 0.2 * functional.conv2d(seen, weight, bias, padding=1)


def rrdb(x, network, *, group=0, groups=1):
    """Figure 4, left, of one group's channels alone."""
    y = x
    for block in network.blocks:
        y = dense(y, [(w.chunk(groups)[group], b.chunk(groups)[group]) for w, b in weights_of(block)])
    return x + 0.2 * y


@torch.no_grad()
def test_rrdb_is_its_definition():
    network = trained_like(Rrdb(WIDTH, GROWTH))
    assert len(network.blocks) == 3
    x = noise(2, WIDTH, 5, 7)
    torch.testing.assert_close(network(x), rrdb(x, network), rtol=0, atol=ROUNDING)
    assert (network(x) - 1.2 * x).abs().mean() > 0.01


@pytest.mark.parametrize("groups", [2, 5])
@torch.no_grad()
def test_each_group_is_an_rrdb_of_its_own(groups):
    network = trained_like(Rrdb(WIDTH, GROWTH, groups=groups, blocks=2))
    x = noise(2, groups * WIDTH, 5, 7)
    alone = [rrdb(part, network, group=index, groups=groups) for index, part in enumerate(x.chunk(groups, 1))]
    torch.testing.assert_close(network(x), torch.cat(alone, 1), rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("index", range(3))
def test_no_group_sees_another(index):
    network = trained_like(Rrdb(WIDTH, GROWTH, groups=3, blocks=1))
    x = noise(1, 3 * WIDTH, 4, 4).requires_grad_()
    network(x).chunk(3, 1)[index].square().sum().backward()
    assert [bool(part.any()) for part in x.grad.chunk(3, 1)] == [other == index for other in range(3)]


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_join_keeps_each_groups_channels_together(groups):
    """Channels of the result are `[group, part, channel]`."""
    parts = [noise(2, groups * width, 3, 4, seed=width) for width in (1, 4, 2)]
    expected = [part.chunk(groups, 1)[group] for group in range(groups) for part in parts]
    assert torch.equal(join(parts, groups), torch.cat(expected, 1))


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (6, 5)], ids=str)
@torch.no_grad()
def test_shape_is_kept(groups, shape):
    x = torch.zeros(3, groups * WIDTH, *shape)
    for network in (DenseBlock(WIDTH, GROWTH, groups=groups), Rrdb(WIDTH, GROWTH, groups=groups, blocks=2)):
        assert network(x).shape == x.shape


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("blocks", [0, 1, 2, 3])
def test_reach_is_the_true_one(groups, blocks):
    network = trained_like(Rrdb(WIDTH, GROWTH, groups=groups, blocks=blocks))
    assert network.reach == 5 * blocks
    size = 2 * network.reach + 5
    x = noise(1, groups * WIDTH, size, size).requires_grad_()
    network(x)[0, :, size // 2, size // 2].sum().backward()
    rows, columns = x.grad[0].any(0).nonzero(as_tuple=True)
    for places in (rows, columns):
        assert (places.min(), places.max()) == (size // 2 - network.reach, size // 2 + network.reach)


def test_every_parameter_is_learnt():
    for groups in (1, 2):
        network = Rrdb(WIDTH, GROWTH, groups=groups)
        network(noise(1, groups * WIDTH, 6, 6).float()).square().mean().backward()
        assert [name for name, parameter in network.named_parameters() if not parameter.grad.any()] == []
