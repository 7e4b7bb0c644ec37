"""All rivals, in the order of the tables; ratios are those of the first."""

from benchmarks.libraries import LIBRARIES
from benchmarks.packages import PACKAGES
from benchmarks.r import R
from benchmarks.rivals import OWN

RIVALS = (*OWN, *LIBRARIES, *PACKAGES, *R)
