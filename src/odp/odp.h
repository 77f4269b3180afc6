/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside odp: regions, and the gate that keeps a page looked up before it was taken away from
 * being installed after.
 *
 * The gate (docs/on-demand.pml is its model). A notice: running++; lock, unlink, unlock; callback;
 * seq++; running--. A fault: read seq; bring pages in; lock; refuse when running or seq moved, else
 * link; unlock. If the fault links first, the notice unlinks it; if it comes second, it sees the
 * notice running or the number moved. Each region and each child of an implicit one has its own, so
 * nobody waits for a notice that is not about him, and a region that is made while a notice runs is
 * not in it.
 *
 * odp_lock guards the tree of all regions, the list of contexts with their trees, and reference
 * counts. It is held across the trees' own allocations, which may end in a system call and an
 * event: who reads events needs no lock. A reference keeps a region whole: release waits for the
 * last.
 *
 * child.lock guards the translations of the child's pages. Who serves in odp/monitor.h may wait for
 * it; who reads events never does, so whatever is freed under it cannot wait for us.
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
#define ODP_BATCH      (2ull << 20) /* brought in and linked at once; a huge page */
#define ODP_CHILD_BITS 30	    /* of an implicit region */
#define ODP_CHILDREN   (ODP_TOP >> ODP_CHILD_BITS)
#define ODP_MASK       (ODP_READ_ALLOWED_BIT | ODP_WRITE_ALLOWED_BIT)

struct inval_seq {
	u64 seq;     /* atomic: notices that ended */
	u32 running; /* atomic: notices under way; start and end nest */
};

struct child {
	struct inval_seq inval_seq;
	pthread_mutex_t lock;
	u64 low, high; /* under lock: every linked page lies in [low, high) of the region */
};

/* Without a page table of its own, or with a view of its own, a page has one of these. */
struct slot {
	u64 dma;	   /* address, with ODP_MASK of its permissions; 0: not mapped */
	u64 number;	   /* the copy shows memory as it stood after this event (event_queue.h) */
	struct page *copy; /* what the device sees; NULL: the memory itself */
	struct page *was;  /* the copy as it was made, to tell what the device wrote */
};

struct context {
	struct ib_ucontext pub; /* its device is NULL once that is closed */
	struct context *next;	/* in odp_contexts or among the orphans; under odp_lock */
	struct itree by_bus;	/* regions by device address; under odp_lock */
};

struct ib_umem_odp {
	struct itree_node by_va, by_bus; /* under odp_lock */
	struct ib_umem *umem;
	struct context *context; /* NULL: the context is gone */
	struct device *dev;
	u64 start, pages; /* of the process; whole pages */
	bool writable;
	bool listed;		     /* atomic, changed under odp_lock: pages may be linked */
	u32 refs;		     /* under odp_lock */
	struct inval_seq inval_seq;  /* of the whole region: what the program sees */
	u64 number;		     /* atomic: events up to this one are done with, or older */
	struct dma_iova_state state; /* no IOMMU: all zero */
	u64 base;		     /* bus address of page 0 */
	struct slot *slot;	     /* NULL: none needed */
	struct child **child;	     /* implicit: by place, made when touched; atomic words */
	struct child only;	     /* of a region that is not implicit */
	const struct stack *made;    /* by the checker; NULL: not known */
};

extern pthread_mutex_t odp_lock;
extern struct itree odp_regions;     /* under odp_lock: all, by VA */
extern struct context *odp_contexts; /* under odp_lock: those whose device is open */

/* Pages need slots: without an IOMMU, or where the device does not see the memory itself. */
static inline bool odp_needs_slots(const struct device *dev)
{
	return !dev->iommu || !dev->coherent || dev->ram_only;
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
void region_unref(struct ib_umem_odp *r); /* not under it */
struct ib_umem_odp *region_next(struct itree_place *place, u64 start,
				u64 end); /* with a reference */
struct child *region_child(struct ib_umem_odp *r, u64 page, bool make);

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
	u64 seq;    /* of the gate */
	u64 number; /* of the event read last */
};

/*
 * Links [page, page + n) for at least `mask`. How many, from the first on, are; *err says why not
 * all: -EAGAIN, memory went since f, or it cannot be said whether it did.
 */
u64 pages_link(struct ib_umem_odp *r, struct child *c, u64 page, u64 n, u64 mask,
	       const struct fault_start *f, int *err);

/*
 * Unlinks those that were linked before event `number`; EVENT_ANY: all. What the device wrote into
 * a copy goes to where the memory is now, if it is anywhere.
 */
void pages_unlink(struct ib_umem_odp *r, struct child *c, u64 page, u64 n, u64 number);

/* copy.c: pages that have slots, under child.lock. */
u64 slots_link(struct ib_umem_odp *r, u64 page, u64 n, u64 mask, const struct fault_start *f,
	       int *err);
u64 slots_unlink(struct ib_umem_odp *r, u64 page, u64 end, u64 number); /* how many are left */

/* Unlinks pages whose copies are of memory that is not there any more. */
void slots_settle(struct ib_umem_odp *r, u64 page, u64 n);
bool slot_is_stale(const struct ib_umem_odp *r, u64 page);

/* fault.c */

/*
 * Faults in pages of one region, at most until the first that fails; how many are mapped now, or
 * why none. seq NULL: the children's own gates are asked, and -EAGAIN never comes back.
 */
s64 region_fault(struct ib_umem_odp *r, u64 page, u64 n, u64 mask, const u64 *seq);
int odp_demand(struct device *dev, dma_addr_t addr, size_t len, bool write, void *arg);

/* Before an access of a device whose pages have copies: no copy of memory that is gone is left. */
void odp_settle(struct device *dev, dma_addr_t addr, size_t len);

/* notice.c */
void odp_event_process(const struct odp_event *n);

/* Event `number` is about [start, end) of the region; EVENT_ANY: the program says so. */
void region_invalidate(struct ib_umem_odp *r, u64 start, u64 end, u64 number);

#endif
