"""Cross-validation from moments: every group left out in turn, all folds in step.

The model without a group follows from the moments of all rows less those of the group. The folds share X'X of all rows,
so each component costs one matrix product for all of them, and each group's rows once there and back.
"""

from pat.core.crossval.folds import Group, HeldOut, Kept, blocks_in_step, held_out
from pat.core.crossval.groups import LeftOut, leave_groups_out
from pat.core.crossval.treated import LinearMap, left_out_through

__all__ = [
    "Group",
    "HeldOut",
    "Kept",
    "LeftOut",
    "LinearMap",
    "blocks_in_step",
    "held_out",
    "leave_groups_out",
    "left_out_through",
]
