# SPDX-License-Identifier: BSD-2-Clause
"""The plan of the virtual machine's tests: the machines, the programs they contain, and the tests of each."""

from dataclasses import dataclass

DISK_BYTES = 128 << 20  # sparse


@dataclass
class Machine:
    name: str
    iommu: str  # QEMU's device; empty: there is none
    kernel_options: str
    memory: str = '1G'
    served: bool = False  # its devices are served by `dmamap serve`: served.py


@dataclass
class Test:
    name: str
    seconds: int  # the time limit, after which it is killed
    command: str
    machine: str = 'vm'
    show: bool = False  # report its end as a separate result


VTD = 'intel-iommu,caching-mode=on,intremap=on'

MACHINES = [
    Machine('vm', VTD, 'intel_iommu=on iommu=nopt hugepages=160'),
    Machine('vm without IOMMU', '', 'hugepages=160'),
    Machine('vm with served devices', '', '', '1G', True),
]

# Paths below the build folder. In the guest the programs are in /bin.
PROGRAMS = ['cli/dmamap', 'tests/contract/contract-nvme', 'tests/vm/test_iommu', 'tests/vm/test_group',
            'tests/vm/test_odp',
            'tests/vm/vm-nobody',
            'tests/vm/vm-packets', 'tests/vm/vm-bench']
SERVED_PROGRAMS = ['tests/vm/vm-random']
SYSTEM_PROGRAMS = {'/sbin/mke2fs': 'make-ext4', '/sbin/e2fsck': 'check-ext4'}  # for served devices

TESTS = [
    Test('boot', 20, 'sh /guest/boot.sh'),
    Test('iommu-vfio', 120, 'test_iommu vfio:0000:00:05.0'),
    Test('iommu-iommufd', 120, 'test_iommu iommufd:0000:00:05.0'),
    *[Test(f'group-{kind}', 60, f'test_group {kind} 0000:00:06.0 0000:00:06.1') for kind in ('vfio', 'iommufd')],
    *[Test(f'odp-{kind}', 120, f'test_odp {kind}:0000:00:05.0,ram=16M,policy={one} '
           f'{kind}:0000:00:05.0,ram=16M,policy={other}')
      for kind, one, other in (('vfio', 'strict', 'pool'), ('iommufd', 'lazy', 'pool'))],
    Test('e2e', 180, 'sh /guest/e2e.sh'),
    Test('net', 120, 'sh /guest/net.sh'),
    Test('refused', 180, 'sh /guest/refused.sh'),
    Test('bind', 120, 'sh /guest/bind.sh'),
    Test('life', 240, 'sh /guest/life.sh'),
    Test('served', 900, 'sh /guest/served.sh', 'vm with served devices'),
    Test('no-iommu', 30, 'sh /guest/no_iommu.sh', 'vm without IOMMU'),
    # With the checker (1) on one of the two back ends, without it on the other.
    *[Test(f'contract-{kind}-{policy}', 300, f'sh /guest/contract.sh {kind}-{policy} {checked}')
      for kind, policy, checked in (('vfio', 'strict', 1), ('vfio', 'lazy', 0), ('vfio', 'pool', 0),
                                    ('iommufd', 'strict', 0), ('iommufd', 'lazy', 1),
                                    ('iommufd', 'pool', 1))],
]

BENCH = [Test('bench', 300, 'sh /guest/bench.sh')]
