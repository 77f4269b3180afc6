/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver for Intel's VT-d remapping hardware, written to the published architecture specification
 * ("Intel Virtualization Technology for Directed I/O"): one unit in legacy mode, whose second-stage
 * tables are the library's page tables, read by the unit from RAM as they are.
 *
 * It reaches the unit's registers through struct vtd_io only, so it does not matter whether they
 * are emulated (the qemu layer) or real. The unit must see RAM as processors do; a unit that reads
 * tables past the processor's caches would need them flushed, which is not done here.
 *
 *  operation                    | may run at once with
 *  invalidate, invalidate_all   | everything but vtd_create and vtd_destroy
 *  vtd_faults                   | the same; one at a time (its own lock)
 *  vtd_attach                   | invalidations
 */
#ifndef BACKEND_VTD_H
#define BACKEND_VTD_H

#include "backend/backend.h"

struct vtd_io {
	void *priv;
	/* Registers of 4 and 8 bytes. A read of a unit that is gone gives all ones. */
	u64 (*read)(void *priv, u32 offset, unsigned int size);
	void (*write)(void *priv, u32 offset, unsigned int size, u64 value);
	/* True: the unit and all its devices are gone for good, and do no DMA any more. */
	bool (*gone)(void *priv);
	/* It answers no more: makes it gone. Returns when it is. */
	void (*give_up)(void *priv);
};

struct vtd_config {
	bool registers; /* invalidate by registers though there is a queue */
};

/* What its capability registers allow. */
struct vtd_limits {
	unsigned int iova_bits;	 /* 39 or 48 */
	unsigned int leaf_shift; /* of the largest leaf: 12, 21 or 30 */
	bool flush_after_map;	 /* caching mode, or a write buffer: an entry that becomes present
				  * counts    only after an invalidation */
};

struct vtd_fault {
	u64 addr;   /* of the page */
	u16 source; /* bus << 8 | device << 3 | function */
	u8 reason;  /* the specification's fault reason */
	bool write;
};

struct vtd;
struct pt;

/*
 * Takes the unit over: no device has a translation, translation is on. NULL and a sentence:
 * ENODEV no unit there; ENOTSUP it can not do what is needed; EIO it does not answer; ENOMEM.
 */
struct vtd *vtd_create(const struct vtd_io *io, const struct vtd_config *config);

/* Translation off, everything freed. */
void vtd_destroy(struct vtd *v);

const struct vtd_limits *vtd_limits(const struct vtd *v);

/* From now on the function's DMA goes through the table. 0; -EIO. One table for each unit. */
int vtd_attach(struct vtd *v, u16 source, const struct pt *pt);

/*
 * Takes the fault records that the unit holds, and makes room for new ones: how many; *lost says
 * whether there were more than it could record. -EIO: it is gone.
 */
int vtd_faults(struct vtd *v, void (*fn)(void *arg, const struct vtd_fault *f), void *arg,
	       bool *lost);

/* Invalidation requests so far (descriptors, or register commands), without the waits. */
u64 vtd_invalidations(const struct vtd *v);

extern const struct backend_ops backend_vtd; /* backend_space.priv is the struct vtd */

#endif
