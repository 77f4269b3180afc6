/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One of QEMU's devices in a machine of its own: a QEMU process with no guest, whose operating system
 * this process is. Its RAM is the library's, its IOMMU (VT-d) has the library's page tables.
 *
 * What the device layer asks for, in this order: qemu_create() starts the machine and finds the
 * device; qemu_domain() says what its address space is like; qemu_connect() lets the device do DMA in
 * that address space. qemu_stop() ends it: no DMA, no interrupt after it. qemu_free() comes when the
 * address space is gone.
 */
#ifndef QEMU_QEMU_H
#define QEMU_QEMU_H

#include "domain/device.h"

#define QEMU_LOW_MAX  (2 * GIB) /* q35 has at most this much RAM below 4 GiB whatever its size */
#define QEMU_ARGS_MAX 32
#define QEMU_CONFIG_BAR 7 /* DMAMAP_CONFIG */

struct qemu_arg {
	const char *key, *value;
};

struct qemu_config {
	const char *device; /* of QEMU's -device */
	bool iommu;
	struct qemu_arg arg[QEMU_ARGS_MAX]; /* of the spec, not of every device; in order */
	int n_args;
};

struct qemu;

/* 0; -errno and a sentence, QEMU's own where it refused. Needs RAM (mem_get). */
int qemu_create(struct device *dev, const struct qemu_config *config, struct qemu **out);
void qemu_domain(const struct qemu *q, struct domain_config *config);
unsigned int qemu_vectors(const struct qemu *q);
int qemu_connect(struct qemu *q); /* the device has its domain and its eventfds */
void qemu_stop(struct qemu *q);
void qemu_free(struct qemu *q); /* after qemu_stop() */

/* Registers and faults; the device's ops_priv is its struct qemu. */
extern const struct backend_ops backend_qemu;

#endif
