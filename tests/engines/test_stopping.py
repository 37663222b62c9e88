"""Rules to stop by: they find the lowest, and say when no lower one will come."""

import pytest

torch = pytest.importorskip("torch")

from jpegfilter.engines import stopping  # noqa: E402


def told(numbers, *, patience, warm_up=0, share=1.0):
    lowest = stopping.Lowest(patience, warm_up)
    for number in numbers:
        lowest.add(number, share=share)
        if lowest.over:
            break
    return lowest


def test_lowest_is_found_and_patience_ends():
    assert told([5, 3, 4, 2, 3, 3, 3, 1], patience=3).best == 3
    assert told([5, 3, 4, 2, 3, 3, 3, 1], patience=3).over
    assert told([5, 3, 4, 2, 3, 3, 1], patience=5).best == 6


def test_what_comes_first_does_not_count():
    assert told([1, 5, 4, 6], patience=9, warm_up=1).best == 2


def test_numbers_are_smoothed():
    """A single dip is not the lowest point of a valley."""
    numbers = [10, 9, 8, 0, 9, 8, 7, 6, 5, 4, 3, 2, 1, 2, 5, 9, 9]
    assert told(numbers, patience=99, share=1.0).best == 3
    assert told(numbers, patience=99, share=0.3).best > 9


def results(*, settled, then):
    """Yield results that move less and less for `settled` steps, and then are noisy."""
    chance = torch.Generator().manual_seed(1)
    picture = torch.rand(1, 3, 8, 8, generator=chance)
    for step in range(settled):
        yield picture * (1 - 0.98 ** (step + 1))
    for _ in range(then):
        yield picture + 0.2 * torch.rand(1, 3, 8, 8, generator=chance)


def test_variance_is_lowest_before_the_results_grow_noisy():
    rule = stopping.Variance(stopping.Lowest(60, 10))
    told = 0
    for result in results(settled=300, then=200):
        rule.add(result)
        told += 1
        if rule.lowest.over:
            break
    assert 250 < rule.lowest.best < 310
    assert told < 400


def test_mean_forgets_what_came_first():
    first, second = torch.zeros(2, 2), torch.ones(2, 2)
    held = stopping.mean(None, first, share=0.1)
    assert torch.equal(held, first)
    for _ in range(60):
        held = stopping.mean(held, second, share=0.1)
    assert (1 - held).abs().max() < 0.01
    assert torch.equal(first, torch.zeros(2, 2))
