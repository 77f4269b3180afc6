/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is remembered of a live mapping: its shadow, with a range in the device's address space and
 * one in physical memory; a scatterlist has more of each. And what was unmapped lately.
 *
 * A shadow belongs to who made it until it is in the store, then to who claims it. Its memory comes
 * from slabs that stay until the last checked device is closed, so one that a second thread wrongly
 * unmaps meanwhile is still a shadow. Fields without a word are fixed while it is in the store.
 */
#ifndef CHECK_SHADOW_H
#define CHECK_SHADOW_H

#include "check/report.h"
#include "check/store.h"
#include "mem/mem.h"

struct sums;
struct subbuf;

struct shadow {
	struct range dma, phys; /* phys.size 0: no memory (registers) */
	struct check_device *c;
	const struct stack *mapped;
	struct sums *sums; /* own.c: of bytes that the CPU must not change */
	unsigned long attrs;
	u32 nents; /* of a scatterlist */
	u8 call, dir;
	bool claimed;  /* atomic */
	bool asked;    /* atomic: dma_mapping_error() */
	bool unsynced; /* atomic: a link before dma_iova_sync() */
	bool of_pool;  /* atomic: memory of a dma_pool */
	bool caught;   /* atomic: a fault told of a write, the sums need not */
	bool paged;    /* by on-demand paging */
	bool shared;   /* a UMEM, which an application uses without any sync call */
	bool guarded;  /* own.c: pages or bytes are kept from the CPU */
	bool gone;     /* atomic: its memory was freed, which was reported */
	/* under its lock, in subbuf.c */
	bool subbufs_lost; /* some are not recorded */
	u8 n_subbufs;
	struct subbuf *subbufs;
	u64 wrote_from, wrote_end; /* DMA addresses that the device wrote since they were synced */
	struct shadow *next;	   /* of a list that its claimer makes */
};

/* A copy of what a report needs, taken under a shard's lock. */
struct found {
	bool any;
	struct shadow *s; /* claimed by the finder, or only looked at under the lock */
	struct check_device *c;
	const struct stack *mapped;
	u64 start, size, pa, pa_size; /* of memory the first piece; pa_size 0: none */
	unsigned long attrs;
	u32 nents;
	u8 call, dir;
	bool asked, unsynced, paged, shared, gone;
};

extern const char *const check_call_names[CALL_KINDS]; /* the function that maps so */

/* NULL: no memory; the checker now sees less (shadow_lost()). */
struct shadow *shadow_new(struct check_device *c, const struct check_mapping *m,
			  const void *caller);
struct range *shadow_range(struct shadow *s, u64 space, u64 start, u64 size); /* one more */
int shadow_add(struct shadow *s); /* all its ranges; on failure it is freed, and counted as lost */
void shadow_drop_lost(struct shadow *s); /* not added, for want of memory */
void shadow_drop(struct shadow *s);	 /* out of the store, and freed */
void shadow_free(struct shadow *s);	 /* is not in the store */
struct subbuf *shadow_subbuf_take(void); /* NULL: no memory; errno is kept */
void shadow_subbuf_give(struct subbuf *b);
void shadow_forget(struct shadow *s, const void *caller); /* the same, remembered as unmapped */

/* Mappings that are live and not remembered; then nothing is said of what is not found. */
u64 shadow_lost(void);
void shadow_found_lost(void); /* one of them, it seems, was unmapped */

void shadow_copy(struct found *f, struct shadow *s); /* under the lock of one of its shards */

/*
 * Claims the mapping of this device that begins at addr, the most like `want` when there are
 * several; *other: one of another device in the same address space. NULL: none.
 */
struct shadow *shadow_claim(struct check_device *c, const struct check_mapping *want,
			    struct found *other);

/* One that holds addr, of this device if possible, the one that reaches furthest. */
void shadow_find(struct check_device *c, u64 space, u64 addr, u64 size, struct found *f);

/* Lately unmapped. False: not known. */
struct history {
	u64 space, start, size;
	const struct device *dev;
	const struct stack *mapped, *unmapped;
	u8 call, dir;
};
/* A mapping with this seal is over, as unmapped right. False: there is none. */
bool shadow_end_fingerprint(struct check_device *c, const struct check_mapping *m, u32 fingerprint,
			    const void *caller);
void history_settle(void); /* no memory of a mapping that is over is in the store */
struct shadow *
history_take(void); /* the thread's last one, out of the store; NULL: none is at hand */
bool history_find(const struct check_device *c, u64 addr, u64 size,
		  struct history *out); /* in any part */
void history_forget(const struct device *dev);

/* All devices that are checked; fn() under a lock that nothing else is taken under but shards'. */
void shadow_each_device(void (*fn)(struct check_device *, void *), void *arg);

void shadow_reset(void);
void history_reset(void);
/* The same in a child of fork: nothing is freed. */
void shadow_forget_all(void);
void history_forget_all(void);

/* own.c. */
void own_begin(struct shadow *s);		    /* mapped: the device owns it */
void own_end(struct shadow *s, const void *caller); /* about to be unmapped */
/*
 * A sync gives [addr, addr + size) to the CPU, or to the device; `whole`: all of the mapping. A
 * driver that takes a received packet also uses the headroom before it and pads it: the CPU may
 * touch the open part, which is the sub-buffers that the sync touches. open_size 0: they are not
 * known, and it is the pages of the part.
 */
struct own_part {
	u64 addr, size, open_addr, open_size;
	bool whole;
};
void own_to_cpu(struct shadow *s, const struct own_part *p, const void *caller);
void own_to_device(struct shadow *s, u64 addr, u64 size, bool whole);
void own_device_closed(struct check_device *c);

/* place.c: what kind of memory it is. */
void place_check(struct check_device *c, const struct check_mapping *m, const void *caller);

hot_inline struct about about_of(const struct check_device *c, enum dmamap_check_kind kind,
				 dma_addr_t addr, u64 size, enum dma_data_direction dir,
				 const void *caller)
{
	return (struct about){.dev = c->dev,
			      .kind = kind,
			      .addr = addr,
			      .size = size,
			      .dir = dir,
			      .caller = caller};
}

#endif
