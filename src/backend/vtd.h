/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver for Intel's VT-d remapping hardware, written to the published architecture specification
 * ("Intel Virtualization Technology for Directed I/O"). It drives one unit in legacy mode. The
 * second-stage tables are the library's page tables, which the unit reads from RAM unchanged.
 *
 * The driver reaches the unit's registers through struct vtd_io only, so they may be emulated (the
 * qemu layer) or real. The unit must read RAM coherently. A unit that does not snoop the
 * processor's caches would need cache cleaning, which is not implemented.
 *
 * operation                    | may run at once with
 * invalidate, invalidate_all   | everything but vtd_create and vtd_destroy
 * vtd_faults                   | the same; one call at a time (the caller's lock)
 * vtd_attach                   | invalidations
 */
#ifndef BACKEND_VTD_H
#define BACKEND_VTD_H

#include "backend/backend.h"

struct vtd_io {
	void *priv;
	/*
	 * Accesses to registers of 4 and 8 bytes. A read returns all ones after the unit has gone.
	 */
	u64 (*read)(void *priv, u32 offset, unsigned int size);
	void (*write)(void *priv, u32 offset, unsigned int size, u64 value);
	/* True: the unit and all its devices have ended permanently and do no more DMA. */
	bool (*gone)(void *priv);
	/* The unit does not respond: ends it and all its devices. Returns when gone() is true. */
	void (*give_up)(void *priv);
};

struct vtd_config {
	bool registers; /* invalidate by registers even if there is a queue */
};

/* What the capability registers of the unit allow. */
struct vtd_limits {
	unsigned int iova_bits;	 /* 39 or 48 */
	unsigned int leaf_shift; /* of the largest leaf: 12, 21 or 30 */
	/*
	 * The unit has caching mode or a write buffer: an entry that becomes present takes effect
	 * only after an invalidation.
	 */
	bool flush_after_map;
};

struct vtd_fault {
	u64 addr;   /* the address of the page */
	u16 source; /* bus << 8 | device << 3 | function */
	u8 reason;  /* the specification's fault reason */
	bool write;
};

struct vtd;
struct pt;

/*
 * Takes over the unit. Afterwards translation is on and no device has a mapping. NULL with an error
 * message: ENODEV there is no unit; ENOTSUP it lacks a feature that is needed; EIO it does not
 * respond; ENOMEM.
 */
struct vtd *vtd_create(const struct vtd_io *io, const struct vtd_config *config);

/* Switches translation off and frees everything. */
void vtd_destroy(struct vtd *v);

const struct vtd_limits *vtd_limits(const struct vtd *v);

/* Translates the function's DMA by this table. Returns 0 or -EIO. One table for each unit. */
int vtd_attach(struct vtd *v, u16 source, const struct pt *pt);

/*
 * Reads the fault records of the unit and clears them. Returns how many there were; *lost is set if
 * the unit dropped faults because its records were full. -EIO: the unit is gone.
 */
int vtd_faults(struct vtd *v, void (*fn)(void *arg, const struct vtd_fault *f), void *arg,
	       bool *lost);

/*
 * The number of invalidation requests so far (descriptors, or register commands), without the wait
 * descriptors.
 */
u64 vtd_invalidations(const struct vtd *v);

extern const struct iommu_ops iommu_ops_vtd; /* backend_space.priv is the struct vtd */

#endif
