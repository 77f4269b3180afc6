# SPDX-License-Identifier: BSD-2-Clause
# On a machine without an IOMMU no device can be opened, and the error message says why.
. /guest/tap.sh

for kind in vfio iommufd; do
	ok "$kind: a function" fails 1 'IOMMU' dmamap edu selftest --device $kind:$edu
done
ok 'list' sh -c "dmamap list | grep -q $edu"
ok 'devices in software work' dmamap edu selftest --device sim:edu
done_testing
