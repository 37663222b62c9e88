"""The Fast-ARCNN variant: its shapes, its reach, its start, and the same function in fewer operations."""

import numpy as np
import pytest
from skimage import data

torch = pytest.importorskip("torch")

from jpegfilter.errors import UsageError  # noqa: E402
from jpegfilter.networks import NETWORKS, FastArcnn, build  # noqa: E402

SMALL = {"width": 8, "shrunk": 6, "narrow": 4}


def trained_like(network):
    """Give every parameter a size at which it matters, as training does: the last layer starts near 0."""
    random = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            scale = 0.3 if parameter.ndim < 4 else (parameter[0].numel()) ** -0.5
            parameter.copy_(torch.randn(parameter.shape, generator=random) * scale)
    return network.eval()


def noise(*shape, dtype=torch.float32):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(3), dtype=dtype) * 256 - 128


@pytest.fixture(params=[{}, SMALL], ids=["default", "small"])
def network(request):
    torch.manual_seed(1)
    return FastArcnn(**request.param).eval()


@pytest.mark.parametrize("shape", [(1, 3, 2, 2), (2, 3, 8, 8), (1, 3, 34, 18), (1, 3, 6, 250)], ids=str)
@torch.no_grad()
def test_output_has_the_inputs_shape(network, shape):
    assert network(noise(*shape)).shape == shape


@torch.no_grad()
def test_odd_sides_are_refused(network):
    assert network.multiple == 2
    with pytest.raises(RuntimeError):
        network(noise(1, 3, 9, 8))


@torch.no_grad()
def test_fresh_network_is_nearly_the_identity():
    torch.manual_seed(1)
    photo = torch.from_numpy(np.ascontiguousarray(data.astronaut()[:64, 180:244])).permute(2, 0, 1)[None].float() - 128
    change = FastArcnn()(photo) - photo
    assert change.abs().max() > 0
    assert change.square().mean().sqrt() < 1


@torch.no_grad()
def test_merged_network_is_the_same_function(network):
    trained_like(network)
    planes = noise(2, 3, 24, 40)
    kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    merged = network.merged()
    expected, result = network(planes), merged(planes)
    assert (expected - planes).abs().mean() > 10
    # Sums of a few hundred products in another order: some units of float32 of what is below a thousand.
    torch.testing.assert_close(result, expected, rtol=0, atol=100 * 2.0**-24 * expected.abs().max().item())
    assert all(torch.equal(tensor, kept[name]) for name, tensor in network.state_dict().items())


@torch.no_grad()
def test_merged_network_is_the_same_function_in_double_precision(network):
    trained_like(network)
    planes = noise(1, 3, 16, 16, dtype=torch.float64)
    merged = network.double().merged().double()
    # The merged weights are stored in float32.
    torch.testing.assert_close(merged(planes), network(planes), rtol=1e-5, atol=1e-3)


def test_merging_saves_operations_and_keeps_the_contract(network):
    merged = network.merged()
    assert merged.macs < network.macs
    assert sum(p.numel() for p in merged.parameters()) < sum(p.numel() for p in network.parameters())
    assert (merged.halo, merged.multiple) == (network.halo, network.multiple)
    assert not merged.training


def reach(network, size=64):
    """How far from an input sample an output sample changes with it, over all positions in a cell and all planes."""
    planes = noise(1, 3, size, size, dtype=torch.float64)
    farthest = 0
    with torch.no_grad():
        before = network(planes)
        for row in (size // 2, size // 2 + 1):
            for column in (size // 2, size // 2 + 1):
                for channel in range(3):
                    other = planes.clone()
                    other[0, channel, row, column] += 50
                    y, x = (network(other) != before)[0].any(0).nonzero(as_tuple=True)
                    farthest = max(farthest, int((y - row).abs().max()), int((x - column).abs().max()))
    return farthest


def test_halo_holds_all_that_can_change_a_sample(network):
    farthest = reach(trained_like(network).double())
    assert farthest <= network.halo
    assert farthest > network.halo / 2
    # Three units of two 3x3 convolutions, and a 5x5, in cells of two samples; one more inside the cell itself.
    assert farthest == 2 * (3 * 2 + 2) + 1


def test_gradient_reaches_no_further_than_the_halo(network):
    planes = noise(1, 3, 64, 64, dtype=torch.float64).requires_grad_()
    trained_like(network).double()(planes)[0, :, 32, 33].sum().backward()
    _, _, rows, columns = planes.grad.nonzero(as_tuple=True)
    assert max((rows - 32).abs().max(), (columns - 33).abs().max()) <= network.halo


@torch.no_grad()
def test_tile_with_its_halo_equals_the_whole(network):
    trained_like(network).double()
    planes = noise(1, 3, 96, 96, dtype=torch.float64)
    halo = network.halo
    tile = network(planes[..., 40 - halo : 56 + halo, 40 - halo : 56 + halo])[..., halo:-halo, halo:-halo]
    torch.testing.assert_close(tile, network(planes)[..., 40:56, 40:56], rtol=0, atol=1e-9)


@torch.no_grad()
def test_operations_are_counted(network):
    for candidate in (network, network.merged()):
        counted = 0

        def count(module, inputs, output):
            nonlocal counted
            spread = inputs[0] if isinstance(module, torch.nn.ConvTranspose2d) else output
            counted += module.weight.numel() * spread.shape[2] * spread.shape[3]

        hooks = [
            module.register_forward_hook(count)
            for module in candidate.modules()
            if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d)
        ]
        candidate(noise(1, 3, 16, 24))
        for hook in hooks:
            hook.remove()
        assert candidate.macs == counted // (16 * 24)


@torch.no_grad()
def test_pictures_of_a_batch_do_not_see_each_other(network):
    trained_like(network).double()
    planes = noise(3, 3, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(network(planes)[1:2], network(planes[1:2]), rtol=0, atol=1e-9)


def test_every_network_is_built_by_its_name():
    assert isinstance(build("fast-arcnn", SMALL), FastArcnn)
    assert all(build(name, {}).macs > 0 for name in NETWORKS)


def test_weights_start_from_the_seed():
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(build("fast-arcnn", SMALL).state_dict()["close.weight"])
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


@pytest.mark.parametrize(("name", "widths"), [("slow-arcnn", {}), ("", {}), ("fast-arcnn", {"depth": 3})])
def test_unknown_names_and_widths_are_usage_errors(name, widths):
    with pytest.raises(UsageError, match="fast-arcnn"):
        build(name, widths)
