/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of odp share: regions, and the invalidation sequence (struct gate), which makes
 * sure that a page that was looked up before it was invalidated is not installed after that.
 *
 *   invalidation                          fault
 *   running++                             s = seq
 *   lock, unlink, unlock                  bring the pages in
 *   the program's function                lock
 *   seq++, running--                      if running or seq != s: unlock, try again
 *                                         link, unlock
 *
 * If the fault links first, the invalidation unlinks the page. If the fault comes second, it finds
 * an invalidation running, or another sequence number. docs/on-demand.pml is the model.
 *
 * Every region and every child of an implicit region has an invalidation sequence of its own. So a
 * fault waits only for invalidations of its own region, and a region that is made while an
 * invalidation runs does not wait for it.
 *
 * Terms: a child is one GiB of an implicit region, or all of another region. A notice is an
 * invalidation event, from the kernel or from ib_umem_invalidate_range(). A slot is the record of
 * one page.
 *
 * Locks. odp_lock guards the tree of all regions, the lists of contexts with their trees, and the
 * reference counts. It is held while the trees allocate memory, which may end in a system call that
 * waits for an event to be read; the threads that read events never take it. A reference keeps a
 * region allocated: its release waits for the last one.
 *
 * child.lock guards the translations of the child's pages. The thread that serves events may wait
 * for it. The threads never take it while they read events, so memory may be freed under it.
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

#define ODP_TOP	       (1ull << 47) /* where the process's address space ends */
#define ODP_BATCH      (2ull << 20) /* bytes that are faulted in at once: a huge page */
#define ODP_CHILD_BITS 30	    /* size of a child of an implicit region */
#define ODP_CHILDREN   (ODP_TOP >> ODP_CHILD_BITS)
#define ODP_MASK       (ODP_READ_ALLOWED_BIT | ODP_WRITE_ALLOWED_BIT)

struct inval_seq {
	u64 seq;     /* atomic: invalidations that have ended */
	u32 running; /* atomic: invalidations under way; they may nest */
};

struct odp_child {
	struct inval_seq inval_seq;
	pthread_mutex_t lock;
	u64 low, high; /* under lock: every linked page lies in [low, high) of the region */
};

/* One page of a device that has no IOMMU, or a view of memory of its own. */
struct odp_slot {
	u64 dma;	   /* device address | permissions (ODP_MASK); 0: not linked */
	u64 number;	   /* the copy shows memory as it stood after this event (event_queue.h) */
	struct page *copy; /* what the device sees; NULL: the memory itself */
	struct page *was;  /* how the copy began: the difference is what the device wrote */
};

struct odp_context {
	struct ib_ucontext pub;	  /* its device is NULL once that is closed */
	struct odp_context *next; /* in odp_contexts or among the orphans; under odp_lock */
	struct itree by_bus;	  /* regions by device address; under odp_lock */
};

struct ib_umem_odp {
	struct itree_node by_va, by_bus; /* under odp_lock */
	struct ib_umem *umem;
	struct odp_context *context; /* NULL: the context is gone */
	struct device *dev;
	u64 start, pages; /* first address in the process, and length, in whole pages */
	bool writable;
	bool listed;		    /* atomic, changed under odp_lock: pages may be linked */
	u32 refs;		    /* under odp_lock */
	struct inval_seq inval_seq; /* of the whole region; ib_umem_notifiers_seq() returns it */
	u64 number; /* atomic: number of the last event that needs no invalidation here */
	struct dma_iova_state
		state;	       /* the region's range of device addresses; no IOMMU: all zero */
	u64 base;	       /* bus address of page 0 */
	struct odp_slot *slot; /* by page; NULL: the device needs none (odp_needs_slots) */
	struct odp_child *
		*child; /* of an implicit region, by GiB; made by the first fault. Atomic words */
	struct odp_child only;	  /* the one child of a region that is not implicit */
	const struct stack *made; /* the checker's stack of ib_umem_get(); NULL: none */
};

extern pthread_mutex_t odp_lock;
extern struct itree odp_regions;	 /* under odp_lock: all, by VA */
extern struct odp_context *odp_contexts; /* under odp_lock: those whose device is open */

/* The device has no IOMMU, or does not see the process's memory itself. */
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
void region_ref(struct ib_umem_odp *r);	  /* the caller holds odp_lock */
void region_unref(struct ib_umem_odp *r); /* the caller does not hold it */
struct ib_umem_odp *region_next(struct itree_place *place, u64 start,
				u64 end); /* with a reference */
struct odp_child *region_child(struct ib_umem_odp *r, u64 page, bool make);

/* The first region with device addresses in [first, last], with a reference; NULL: none. */
struct ib_umem_odp *region_by_bus(struct device *dev, u64 first, u64 last);

/* Takes the region from the device and its context; what the device wrote goes back. */
void region_stop(struct ib_umem_odp *r);
void regions_fork_child(void);

/* page.c: translations of pages, under child.lock. */

u64 page_va(const struct ib_umem_odp *r, u64 page);
u64 page_bus(const struct ib_umem_odp *r, u64 page);
u64 page_offset(const struct ib_umem_odp *r, u64 page); /* in the region's range of addresses */
enum dma_data_direction page_dir(u64 mask);

/* Permissions that a page is linked with, ODP_MASK; 0: not linked. */
u64 page_linked(const struct ib_umem_odp *r, u64 page);

/* DMA_MAPPING_ERROR: not linked, or to a copy of memory that is not there any more. */
u64 page_dma(const struct ib_umem_odp *r, u64 page);

/* What a fault saw before it brought pages in. */
struct fault_start {
	const struct inval_seq *inval_seq;
	u64 seq;    /* its number then */
	u64 number; /* of the event that was read last */
};

/*
 * Links [page, page + n) for at least `mask`. How many, from the first on, are; *err says why not
 * all: -EAGAIN, memory went since f, or it cannot be said whether it did.
 */
u64 pages_link(struct ib_umem_odp *r, struct odp_child *c, u64 page, u64 n, u64 mask,
	       const struct fault_start *f, int *err);

/*
 * Unlinks those that were linked before event `number`; EVENT_ANY: all. What the device wrote into
 * a copy goes to where the memory is now, if it is anywhere.
 */
void pages_unlink(struct ib_umem_odp *r, struct odp_child *c, u64 page, u64 n, u64 number);

/* copy.c: pages that have slots, under child.lock. */
u64 slots_link(struct ib_umem_odp *r, u64 page, u64 n, u64 mask, const struct fault_start *f,
	       int *err);
u64 slots_unlink(struct ib_umem_odp *r, u64 page, u64 end, u64 number); /* how many are left */

/* Unlinks pages whose copies are of memory that is not there any more. */
void slots_settle(struct ib_umem_odp *r, u64 page, u64 n);
bool slot_is_stale(const struct ib_umem_odp *r, u64 page);

/* fault.c */

/*
 * Faults in pages of one region, up to the first that fails. Returns how many are linked now, or a
 * negative errno if none is. seq NULL: the invalidation sequences of the children are used, and
 * -EAGAIN is returned only after many tries.
 */
s64 region_fault(struct ib_umem_odp *r, u64 page, u64 n, u64 mask, const u64 *seq);
int odp_demand(struct device *dev, dma_addr_t addr, size_t len, bool write, void *arg);

/* Before an access of a device whose pages have copies: no copy of memory that is gone is left. */
void odp_settle(struct device *dev, dma_addr_t addr, size_t len);

/* notice.c */
void odp_event_process(const struct odp_event *n);

/* Event `number` is about [start, end) of the region; EVENT_ANY: the program asks for it. */
void region_invalidate(struct ib_umem_odp *r, u64 start, u64 end, u64 number);

#endif
