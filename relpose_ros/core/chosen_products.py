"""Entries of a product of matrices of which few are wanted: faster than all, or than to gather."""

import warnings

import torch
from torch import Tensor
from torch.nn import functional

# What torch says, once, of every tensor of the kind that is made here.
warnings.filterwarnings('ignore', 'Sparse CSR tensor support is in beta', UserWarning)


def chosen_products(rows: Tensor, columns: Tensor, index: Tensor, chosen: Tensor) -> Tensor:
    """
    Multiply each row with some columns.

    :param rows: (n, C).
    :param columns: (m, C).
    :param index: (n, k), which columns; of those that are chosen a row has none twice.
    :param chosen: (n, k) bool, which of them to compute.
    :return: (count,), those that are chosen, row by row.
    """
    ends = functional.pad(chosen.sum(1).cumsum(0), (1, 0))
    index = index[chosen]
    wanted = torch.sparse_csr_tensor(
        ends, index, rows.new_zeros(len(index)), (len(rows), len(columns)), check_invariants=False
    )
    return torch.sparse.sampled_addmm(wanted, rows, columns.T, beta=0.0).values()
