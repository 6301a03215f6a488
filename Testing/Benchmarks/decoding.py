"""Reading a case's files with SimpleITK and nothing else: no build of a slice cache reads less.

Apart from data_stages.py because the processes that decode import this file, and must not pay for torch.
"""

from __future__ import annotations

import SimpleITK as sitk

from WSPCirrhosisLib.cohort import Case
from WSPCirrhosisLib.masks import split_spec


def decode(case: Case) -> None:
    mask, _ = split_spec(case.mask)
    for file in (case.volume, mask):
        sitk.ReadImage(str(file))
