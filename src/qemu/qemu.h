/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One of QEMU's devices in a machine of its own: a QEMU process without a guest, for which this
 * process does the work of the operating system. The machine's RAM is the library's, and its IOMMU
 * (VT-d) uses the library's page tables.
 */
#ifndef QEMU_QEMU_H
#define QEMU_QEMU_H

#include "domain/hw.h"

/* RAM below 4 GiB: q35 has at most this much, whatever the size of RAM. */
#define QEMU_LOW_MAX	(2 * GIB)
#define QEMU_CONFIG_BAR 7 /* DMAMAP_CONFIG */

struct qemu; /* the device's ops_priv */

extern const struct hw_ops hw_qemu;

#endif
