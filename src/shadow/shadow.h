/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The unmap history, and the shadow, which is the record of a live mapping. A shadow has a range in
 * the device's address space and one in physical memory; that of a scatterlist has more of each.
 *
 * A shadow belongs to the thread that created it until it is in the store, then to the thread that
 * claims it. Its memory comes from slabs that stay until the last checked device is closed, so a
 * pointer to a shadow that another thread has unmapped still points to a shadow. Fields that are
 * not marked do not change while it is in the store.
 */
#ifndef SHADOW_SHADOW_H
#define SHADOW_SHADOW_H

#include "report/report.h"
#include "shadow/mapping.h"
#include "shadow/store.h"
#include "mem/mem.h"

struct own_sums;
struct subbuf;

struct shadow {
	struct store_range dma, phys; /* phys.size 0: no memory (registers) */
	struct check_device *c;
	const struct stack *mapped;
	struct own_sums *sums; /* own.c: checksums of lines that the CPU must not change */
	unsigned long attrs;
	u32 nents; /* of a scatterlist, as passed to the map call */
	u8 call, dir;
	bool claimed;  /* atomic: a thread is unmapping it */
	bool asked;    /* atomic: dma_mapping_error() was called for it */
	bool unsynced; /* atomic: a link for which dma_iova_sync() was not called */
	bool of_pool;  /* atomic: memory of a dma_pool */
	/* atomic: a write was already reported at its fault, so the checksums are not compared */
	bool caught;
	bool paged;   /* made by on-demand paging */
	bool shared;  /* a UMEM: its application accesses it without sync calls */
	bool guarded; /* own.c: some of its pages or bytes may be protected from the CPU */
	bool gone;    /* atomic: the free of its memory was reported */
	/* under subbuf.c's lock */
	bool subbufs_lost; /* some sub-buffers are not recorded */
	u8 n_subbufs;
	struct subbuf *subbufs;
	u64 wrote_from, wrote_end; /* DMA addresses: writes of the device since the last sync */
	struct shadow *next;	   /* in a list that the claiming thread builds */
};

/* A copy of the fields that a report needs, made under a shard's lock. */
struct shadow_found {
	bool any;
	struct shadow *s; /* claimed by the caller, or only valid under the lock */
	struct check_device *c;
	const struct stack *mapped;
	u64 start, size, pa, pa_size; /* pa: the first piece of its memory; pa_size 0: none */
	unsigned long attrs;
	u32 nents;
	u8 call, dir;
	bool asked, unsynced, paged, shared, gone;
};

extern const char *const check_call_names[CALL_KINDS]; /* names of the functions that map */

/* NULL: no memory; the mapping is counted in shadow_lost(). */
struct shadow *shadow_new(struct check_device *c, const struct check_mapping *m,
			  const void *caller);
struct store_range *shadow_range(struct shadow *s, u64 space, u64 start,
				 u64 size); /* adds a range */
/* Adds all its ranges to the store. -1: no memory; call shadow_drop_lost(). Keeps errno. */
int shadow_add(struct shadow *s);
/* for a shadow that could not be added for lack of memory */
void shadow_drop_lost(struct shadow *s);
void shadow_drop(struct shadow *s);	 /* removes it from the store and frees it */
void shadow_free(struct shadow *s);	 /* for a shadow that is not in the store */
struct subbuf *shadow_subbuf_take(void); /* NULL: no memory. Keeps errno. */
void shadow_subbuf_give(struct subbuf *b);
void shadow_forget(struct shadow *s,
		   const void *caller); /* shadow_drop(), and adds an entry to the history */

/*
 * Number of live mappings that have no shadow. While it is not 0, unknown addresses are not
 * reported.
 */
u64 shadow_lost(void);
void shadow_found_lost(void); /* called when one of them was probably unmapped */

void shadow_copy(struct shadow_found *f,
		 struct shadow *s); /* under the lock of a shard that has it */

/*
 * Claims the mapping of this device that begins at want->addr. If there are several, it claims the
 * one most similar to `want`. Returns NULL if there is none. *other receives a mapping that begins
 * there and belongs to another device of the same address space.
 */
struct shadow *shadow_claim(struct check_device *c, const struct check_mapping *want,
			    struct shadow_found *other);

/*
 * Finds a mapping that contains addr; prefers mappings of this device, and those that contain the
 * whole range.
 */
void shadow_find(struct check_device *c, u64 space, u64 addr, u64 size, struct shadow_found *f);

/* An entry of the unmap history. */
struct shadow_history {
	u64 space, start, size;
	const struct device *dev;
	const struct stack *mapped, *unmapped;
	u8 call, dir;
};
/*
 * Ends the mapping with this fingerprint, whose unmap is correct. Returns false if there is none.
 */
bool shadow_end_fingerprint(struct check_device *c, const struct check_mapping *m, u32 fingerprint,
			    const void *caller);
void history_settle(void); /* removes all ranges of mappings that have ended from the store */
/* Removes the shadow that a thread of this ring unmapped last from the store. NULL: none. */
struct shadow *history_take(void);
/* Finds the latest entry that overlaps [addr, addr + size). Returns false if there is none. */
bool history_find(const struct check_device *c, u64 addr, u64 size, struct shadow_history *out);
void history_forget(const struct device *dev);

void shadow_reset(void);
void history_reset(void);
/* The same for a child of fork, in which nothing is freed. */
void shadow_forget_all(void);
void history_forget_all(void);

hot_inline struct report_about about_of(const struct check_device *c, enum dmamap_check_kind kind,
					dma_addr_t addr, u64 size, enum dma_data_direction dir,
					const void *caller)
{
	return (struct report_about){.dev = c->dev,
				     .kind = kind,
				     .addr = addr,
				     .size = size,
				     .dir = dir,
				     .caller = caller};
}

#endif
