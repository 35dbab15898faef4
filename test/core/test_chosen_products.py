"""Entries of a product of which few are wanted."""

import pytest
from relpose_ros.core.chosen_products import chosen_products
import torch


@pytest.mark.parametrize('share', [0.0, 0.4, 1.0])
def test_they_are_those_of_the_whole_product(share):
    generator = torch.Generator().manual_seed(0)
    rows, columns = (torch.rand(count, 16, generator=generator) for count in (7, 40))
    index = torch.stack([torch.randperm(40, generator=generator)[:9] for _ in rows])
    chosen = torch.rand(index.shape, generator=generator) < share
    found = chosen_products(rows, columns, index, chosen)
    torch.testing.assert_close(found, (rows @ columns.T).gather(1, index)[chosen])
