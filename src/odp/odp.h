/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declarations that the files of odp share: regions, and the invalidation sequence. The sequence
 * ensures that a page that was looked up before an invalidation is not installed after it.
 *
 *   invalidation                           fault
 *   running++                              s = seq
 *   lock, unlink, unlock                   fault the pages in
 *   the program's function                 lock
 *   seq++, running--                       if running or seq != s: unlock, try again
 *                                          link, unlock
 *
 * If the fault links first, the invalidation unlinks the page. If the invalidation is first, the
 * fault finds it running, or finds another sequence number. docs/on-demand.pml is the model.
 *
 * Every region, and every child of an implicit region, has its own invalidation sequence. A fault
 * therefore waits only for invalidations of its own region, and a region that is created while an
 * invalidation runs does not wait for it.
 *
 * Terms: a child is one GiB of an implicit region, or the whole of a region that is not implicit.
 * An event is an invalidation event, from the kernel or from ib_umem_invalidate_range(). A slot is
 * the record of one page.
 *
 * Locks. odp_lock guards the tree of all regions, the lists of contexts with their trees, and the
 * reference counts. It is held while the trees allocate memory, which may end in a system call that
 * waits for an event to be read; the threads that read events never acquire it. A reference keeps a
 * region allocated: its release waits until the last reference is dropped.
 *
 * child.lock guards the translations of the child's pages. The thread that processes events may
 * wait for it. No thread acquires it while reading events, so memory may be freed under it.
 */
#ifndef ODP_ODP_H
#define ODP_ODP_H

#include "base/error.h"
#include "base/fail.h"
#include "domain/device.h"
#include "map/map.h"
#include "odp/event_queue.h"
#include "odp/itree.h"

#include <pthread.h>
#include <rdma/ib_umem_odp.h>

#define ODP_TOP	       (1ull << 47) /* end of the process's address space */
#define ODP_BATCH      (2ull << 20) /* bytes that are faulted in together: a huge page */
#define ODP_CHILD_BITS 30	    /* size of a child of an implicit region */
#define ODP_CHILDREN   (ODP_TOP >> ODP_CHILD_BITS)
#define ODP_MASK       (ODP_READ_ALLOWED_BIT | ODP_WRITE_ALLOWED_BIT)

struct inval_seq {
	u64 seq;     /* atomic: completed invalidations */
	u32 running; /* atomic: running invalidations; they may nest */
};

struct odp_child {
	struct inval_seq inval_seq;
	pthread_mutex_t lock;
	u64 low, high; /* under lock: every linked page of the child is in [low, high) */
};

/* One page, for a device without IOMMU or without direct access to the process's memory. */
struct odp_slot {
	u64 dma; /* device address | permissions (ODP_MASK); 0: not linked */
	/* the copy has the memory's content after this event (event_queue.h) */
	u64 number;
	struct page *copy; /* the memory that the device accesses; NULL: the process's memory */
	/* initial content of the copy: the difference is what the device wrote */
	struct page *was;
};

struct odp_context {
	struct ib_ucontext pub;	  /* pub.device is NULL after the device was closed */
	struct odp_context *next; /* in odp_contexts or among the orphans; under odp_lock */
	struct itree by_bus;	  /* regions by device address; under odp_lock */
};

struct ib_umem_odp {
	struct itree_node by_va, by_bus; /* under odp_lock */
	struct ib_umem *umem;
	struct odp_context *context; /* NULL: the context was freed */
	struct device *dev;
	u64 start, pages; /* first address in the process, and length, in whole pages */
	bool writable;
	bool listed;		    /* atomic, changed under odp_lock: pages may be linked */
	u32 refs;		    /* under odp_lock */
	struct inval_seq inval_seq; /* of the whole region; ib_umem_notifiers_seq() returns it */
	u64 number; /* atomic: number of the last event that does not concern this region */
	/* the region's range of device addresses; without an IOMMU all zero */
	struct dma_iova_state state;
	u64 base;	       /* bus address of page 0 */
	struct odp_slot *slot; /* by page; NULL: the device needs none (odp_needs_slots) */
	/* children of an implicit region, by GiB; created by the first fault; atomic words */
	struct odp_child **child;
	struct odp_child only;	  /* the one child of a region that is not implicit */
	const struct stack *made; /* the checker's stack of the ib_umem_get() call; NULL: none */
};

extern pthread_mutex_t odp_lock;
extern struct itree odp_regions;	 /* under odp_lock: all, by VA */
extern struct odp_context *odp_contexts; /* under odp_lock: those whose device is open */

/* Whether the device has no IOMMU or does not access the process's memory directly. */
static inline bool odp_needs_slots(const struct device *dev)
{
	return !dev->iommu || device_bounces_foreign(dev);
}

hot_inline u64 inval_seq_read(const struct inval_seq *g)
{
	return read_acquire(&g->seq);
}

hot_inline bool inval_seq_changed(const struct inval_seq *g, u64 seq)
{
	return read_acquire(&g->running) || read_acquire(&g->seq) != seq;
}

hot_inline void inval_seq_begin(struct inval_seq *g)
{
	__atomic_fetch_add(&g->running, 1, __ATOMIC_SEQ_CST);
}

hot_inline void inval_seq_end(struct inval_seq *g)
{
	__atomic_fetch_add(&g->seq, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_sub(&g->running, 1, __ATOMIC_SEQ_CST);
}

/* region.c */
void region_ref(struct ib_umem_odp *r);	  /* under odp_lock */
void region_unref(struct ib_umem_odp *r); /* without odp_lock */
struct ib_umem_odp *region_next(struct itree_place *place, u64 start,
				u64 end); /* with a reference */
struct odp_child *region_child(struct ib_umem_odp *r, u64 page, bool make);

/* Returns the first region with device addresses in [first, last], with a reference, or NULL. */
struct ib_umem_odp *region_by_bus(struct device *dev, u64 first, u64 last);

/*
 * Removes the region from its context and unlinks its pages; what the device wrote to copies is
 * written back.
 */
void region_stop(struct ib_umem_odp *r);
void regions_fork_child(void);

/* page.c: translations of pages, under child.lock. */

u64 page_va(const struct ib_umem_odp *r, u64 page);
u64 page_bus(const struct ib_umem_odp *r, u64 page);
/* offset in the region's range of device addresses */
u64 page_offset(const struct ib_umem_odp *r, u64 page);
enum dma_data_direction page_dir(u64 mask);

/* Returns the permissions with which a page is linked (bits of ODP_MASK); 0: not linked. */
u64 page_linked(const struct ib_umem_odp *r, u64 page);

/*
 * Returns DMA_MAPPING_ERROR if the page is not linked, or is linked to a copy of memory that is
 * gone.
 */
u64 page_dma(const struct ib_umem_odp *r, u64 page);

/* The state at the beginning of a fault, before pages are faulted in. */
struct fault_start {
	const struct inval_seq *inval_seq;
	u64 seq;    /* its value then */
	u64 number; /* number of the event that was read last */
};

/*
 * Links [page, page + n) with at least the permissions `mask`. Returns the number of pages that are
 * linked, from the first one on. If it is less than n, *err is the reason: -EAGAIN means that
 * memory was invalidated since `f`, or that this cannot be determined.
 */
u64 pages_link(struct ib_umem_odp *r, struct odp_child *c, u64 page, u64 n, u64 mask,
	       const struct fault_start *f, int *err);

/*
 * Unlinks pages that were linked before event `number`; EVENT_ANY: all. What the device wrote to a
 * copy is written to the memory's current address, if it still exists.
 */
void pages_unlink(struct ib_umem_odp *r, struct odp_child *c, u64 page, u64 n, u64 number);

/* copy.c: pages that have slots, under child.lock. */
u64 slots_link(struct ib_umem_odp *r, u64 page, u64 n, u64 mask, const struct fault_start *f,
	       int *err);
/* Returns the number of pages that remain linked. */
u64 slots_unlink(struct ib_umem_odp *r, u64 page, u64 end, u64 number);

/* Unlinks pages whose copies are of memory that is gone. */
void slots_settle(struct ib_umem_odp *r, u64 page, u64 n);
bool slot_is_stale(const struct ib_umem_odp *r, u64 page);

/* fault.c */

/*
 * Faults in pages of one region, up to the first that fails. Returns how many are linked, or a
 * negative errno if none is. With seq NULL the invalidation sequences of the children are used, and
 * -EAGAIN is returned only after many retries.
 */
s64 region_fault(struct ib_umem_odp *r, u64 page, u64 n, u64 mask, const u64 *seq);
int odp_demand(struct device *dev, dma_addr_t addr, size_t len, bool write, void *arg);

/*
 * Called before an access of a device whose pages have copies: unlinks copies of memory that is
 * gone.
 */
void odp_settle(struct device *dev, dma_addr_t addr, size_t len);

/* event.c */
void odp_event_process(const struct odp_event *event);

/*
 * Invalidates [start, end) of the region for event `number`; EVENT_ANY: requested by the program.
 */
void region_invalidate(struct ib_umem_odp *r, u64 start, u64 end, u64 number);

#endif
