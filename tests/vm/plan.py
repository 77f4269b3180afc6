# SPDX-License-Identifier: BSD-2-Clause
"""What runs in the virtual machine: the machines, the programs that go there, the tests of each."""

from dataclasses import dataclass

DISK_BYTES = 64 << 20


@dataclass
class Machine:
    name: str
    iommu: str  # QEMU's device; empty: there is none
    kernel_options: str
    memory: str = '1G'


@dataclass
class Test:
    name: str
    seconds: int  # it is killed then
    command: str
    machine: str = 'vm'
    show: bool = False  # its end is a result of its own


VTD = 'intel-iommu,caching-mode=on,intremap=on'

MACHINES = [
    Machine('vm', VTD, 'intel_iommu=on iommu=nopt hugepages=160'),
]

# Below the build folder; in the guest they are in /bin.
PROGRAMS = ['cli/dmamap']

TESTS = [
    Test('boot', 20, 'sh /guest/boot.sh'),
]

BENCH = []
