/* SPDX-License-Identifier: BSD-2-Clause */
/* A mapping and a device as the checker records them. */
#ifndef SHADOW_MAPPING_H
#define SHADOW_MAPPING_H

#include "report/misuse.h"

/* The function that made a mapping. shadow.c has the names. */
enum check_call {
	CALL_SINGLE,
	CALL_PAGE,
	CALL_PHYS,
	CALL_RESOURCE,
	CALL_SG,
	CALL_COHERENT,
	CALL_PAGES,
	CALL_NONCONTIGUOUS,
	CALL_LINK,
	CALL_RANGE, /* a two-step range, which by itself maps nothing */
	CALL_KINDS,
};

/* The checker's data of a device. Fields that are not marked do not change while it is open. */
struct check_device {
	const struct device *dev;
	u64 space; /* identifies its address space: the domain's address */
	u64 bus_offset;
	bool counted; /* check_open() was called */
	bool lazy, coherent;
	bool own;	/* atomic: dmamap_check_own() */
	bool mask_set;	/* atomic: the driver has set a mask */
	bool mask_said; /* atomic: the missing mask was reported */
	bool has_view;	/* guard.c: the device is counted in `users`; under its lock */
};

/* A mapping, as described by the call that makes or ends it. */
struct check_mapping {
	dma_addr_t addr;
	u64 pa;		 /* has PHYS_FOREIGN if the memory is outside RAM; also set for registers */
	const void *cpu; /* NULL: not known */
	u64 size;
	unsigned long attrs;
	enum dma_data_direction dir;
	enum check_call call;
};

/* history.c */
/*
 * Finds the calls that made and ended the mapping or allocation that contains, or contained, the
 * address. `made` and `ended` are the headings. For checked devices only.
 */
void check_provenance(struct check_device *c, dma_addr_t addr, const char *made, const char *ended,
		      struct check_history *history);

/* shadow.c */
/*
 * Brackets the maps and unmaps of on-demand paging. Such mappings may overlap those of drivers; no
 * driver calls dma_mapping_error() or a sync for them; and the CPU still owns their pages.
 */
void check_paging(bool on);

/*
 * Brackets a map call for memory that an application uses at the same time and never syncs (a
 * UMEM). CPU accesses to it are not reported.
 */
void check_sharing(bool on);

#endif
