/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One of QEMU's devices in a machine of its own: a QEMU process with no guest, whose operating
 * system this process is. Its RAM is the library's, its IOMMU (VT-d) has the library's page tables.
 */
#ifndef QEMU_QEMU_H
#define QEMU_QEMU_H

#include "domain/hw.h"

#define QEMU_LOW_MAX	(2 * GIB) /* q35 has at most this much RAM below 4 GiB whatever its size */
#define QEMU_CONFIG_BAR 7	  /* DMAMAP_CONFIG */

struct qemu; /* the device's ops_priv */

extern const struct hw_ops hw_qemu;

#endif
