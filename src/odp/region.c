/* SPDX-License-Identifier: BSD-2-Clause */
/* Regions: lookup, creation, and removal from the device. */
#include "base/alloc.h"
#include "odp/monitor.h"
#include "odp/odp.h"

#define WRITABLE                                                                                   \
	(IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_ATOMIC |                \
	 IB_ACCESS_MW_BIND)

pthread_mutex_t odp_lock = PTHREAD_MUTEX_INITIALIZER;
struct itree odp_regions;
/* signalled when a reference count reaches 0 */
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;

void region_ref(struct ib_umem_odp *r)
{
	r->refs++;
}

void region_unref(struct ib_umem_odp *r)
{
	pthread_mutex_lock(&odp_lock);
	if (!--r->refs)
		pthread_cond_broadcast(&idle);
	pthread_mutex_unlock(&odp_lock);
}

struct ib_umem_odp *region_next(struct itree_place *place, u64 start, u64 end)
{
	struct ib_umem_odp *r = NULL;
	struct itree_node *n;

	pthread_mutex_lock(&odp_lock);
	n = itree_next(&odp_regions, *place, start, end - 1);
	if (n) {
		*place = (struct itree_place){n->first, (uintptr_t)n};
		r = container_of(n, struct ib_umem_odp, by_va);
		region_ref(r);
	}
	pthread_mutex_unlock(&odp_lock);
	return r;
}

struct ib_umem_odp *region_by_bus(struct device *dev, u64 first, u64 last)
{
	struct itree_node *n = NULL, *found;
	struct ib_umem_odp *r = NULL;

	pthread_mutex_lock(&odp_lock);
	for (struct odp_context *c = odp_contexts; c; c = c->next) {
		found = c->pub.device == dev ? itree_find(&c->by_bus, first, last) : NULL;
		if (found && (!n || found->first < n->first))
			n = found;
	}
	if (n) {
		r = container_of(n, struct ib_umem_odp, by_bus);
		region_ref(r);
	}
	pthread_mutex_unlock(&odp_lock);
	return r;
}

/* Called in a child of fork: none of the parent's regions stays listed or has a context. */
void regions_fork_child(void)
{
	struct itree_place place = {0};
	struct itree_node *n;

	while ((n = itree_next(&odp_regions, place, 0, ~0ull))) {
		struct ib_umem_odp *r = container_of(n, struct ib_umem_odp, by_va);

		place = (struct itree_place){n->first, (uintptr_t)n};
		r->listed = false;
		r->context = NULL;
	}
	itree_clear(&odp_regions);
	pthread_cond_init(&idle, NULL);
}

static void region_child_init(struct odp_child *c)
{
	pthread_mutex_init(&c->lock, NULL);
}

struct odp_child *region_child(struct ib_umem_odp *r, u64 page, bool make)
{
	struct odp_child **place, *c, *old = NULL;

	if (!r->child)
		return &r->only;
	place = &r->child[page >> (ODP_CHILD_BITS - PAGE_BITS)];
	c = read_acquire(place);
	if (c || !make)
		return c;
	c = alloc_zeroed(sizeof(*c));
	if (!c)
		return NULL;
	region_child_init(c);
	if (__atomic_compare_exchange_n(place, &old, c, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return c;
	alloc_free(c);
	return old;
}

/* Allocates device addresses, aligned so that a huge page can be linked by one leaf. */
static int region_take_addresses(struct ib_umem_odp *r, bool implicit)
{
	u64 bytes = r->pages << PAGE_BITS, spare = bytes >= ODP_BATCH && !implicit ? ODP_BATCH : 0,
	    bus;
	bool taken;

	check_paging(true);
	taken = dma_iova_try_alloc(r->dev, &r->state, 0, bytes + spare);
	check_paging(false);
	if (!taken)
		return error_set(ENOMEM,
				 "%s: no device addresses for a region of %llu bytes: a region is "
				 "one range below the DMA mask",
				 r->dev->name, (unsigned long long)bytes);
	bus = r->state.addr - r->dev->bus_offset;
	r->base = bus + (spare ? (r->start - bus) & (ODP_BATCH - 1) : 0);
	return 0;
}

static int region_fill(struct ib_umem_odp *r, bool implicit)
{
	struct device *dev = r->dev;

	region_child_init(&r->only);
	if (implicit && odp_needs_slots(dev))
		return error_set(EOPNOTSUPP,
				 "%s: an implicit region needs an IOMMU and a device that accesses "
				 "the process's memory directly: coherent, and not QEMU's",
				 dev->name);
	if (implicit) {
		r->child = alloc_sparse(ODP_CHILDREN * sizeof(*r->child));
		if (!r->child)
			return -ENOMEM;
	}
	if (odp_needs_slots(dev)) {
		r->slot = alloc_sparse(r->pages * sizeof(*r->slot));
		if (!r->slot)
			return -ENOMEM;
	}
	if (r->slot && dev->iommu && !dev->hw)
		write_once(&dev->settles, true);
	return dev->iommu ? region_take_addresses(r, implicit) : 0;
}

static void region_empty(struct ib_umem_odp *r)
{
	if (r->state.__size)
		dma_iova_free(r->dev, &r->state);
	alloc_sparse_free(r->slot, r->pages * sizeof(*r->slot));
	r->slot = NULL;
	if (r->child) {
		for (u64 i = 0; i < ODP_CHILDREN; i++)
			alloc_free(r->child[i]);
		alloc_sparse_free(r->child, ODP_CHILDREN * sizeof(*r->child));
	}
	r->child = NULL;
}

static int region_list(struct ib_umem_odp *r)
{
	struct odp_context *c = r->context;
	int err;

	r->by_va.first = r->start;
	r->by_va.last = r->start + (r->pages << PAGE_BITS) - 1;
	r->by_bus.first = r->base;
	r->by_bus.last = r->base + (r->pages << PAGE_BITS) - 1;
	pthread_mutex_lock(&odp_lock);
	err = itree_insert(&odp_regions, &r->by_va);
	if (!err && r->dev->iommu) {
		err = itree_insert(&c->by_bus, &r->by_bus);
		if (err)
			itree_remove(&odp_regions, &r->by_va);
	}
	if (!err)
		write_once(&r->listed, true);
	pthread_mutex_unlock(&odp_lock);
	return err;
}

/*
 * After this no page is linked any more. Returns false if another thread has closed the region
 * before.
 */
static bool region_close(struct ib_umem_odp *r)
{
	bool listed;

	pthread_mutex_lock(&odp_lock);
	listed = r->listed;
	write_once(&r->listed, false);
	if (listed && r->dev->iommu)
		itree_remove(&r->context->by_bus, &r->by_bus);
	pthread_mutex_unlock(&odp_lock);
	return listed;
}

/*
 * The region stays in the tree that is searched for events until its last page is unlinked.
 * Otherwise an event in between would be missed, and what the device wrote would be written to
 * unrelated memory at the same address.
 */
void region_stop(struct ib_umem_odp *r)
{
	u64 per_child = r->child ? 1ull << (ODP_CHILD_BITS - PAGE_BITS) : r->pages;

	if (!region_close(r))
		return;
	for (u64 page = 0; page < r->pages; page += per_child) {
		struct odp_child *c = region_child(r, page, false);

		if (!c)
			continue;
		pthread_mutex_lock(&c->lock);
		pages_unlink(r, c, page, per_child, EVENT_ANY);
		pthread_mutex_unlock(&c->lock);
	}
	pthread_mutex_lock(&odp_lock);
	itree_remove(&odp_regions, &r->by_va);
	while (r->refs)
		pthread_cond_wait(&idle, &odp_lock);
	pthread_mutex_unlock(&odp_lock);
	region_empty(r);
	r->context = NULL;
}

static bool region_is_implicit(u64 addr, u64 size)
{
	return !addr && size == SIZE_MAX;
}

static int region_check(const struct ib_ucontext *pub, const struct ib_umem *umem)
{
	if (!pub || IS_ERR(pub) || !umem || IS_ERR(umem))
		return error_set(EINVAL, "a region needs a context");
	if (!pub->device)
		return error_set(EINVAL, "a region needs an open device: the one of this context "
					 "is closed");
	if (!umem->length || (!region_is_implicit(umem->address, umem->length) &&
			      !range_within(umem->address, umem->length, ODP_TOP)))
		return error_set(EINVAL,
				 "%s: [%#lx, +%zu) is not a range of the process's address space",
				 pub->device->name, umem->address, umem->length);
	return 0;
}

static int region_get(struct ib_ucontext *pub, struct ib_umem *umem, const void *caller)
{
	struct ib_umem_odp *r;
	bool implicit;
	int err = region_check(pub, umem);

	if (err)
		return err;
	r = alloc_aligned(64, sizeof(*r));
	if (!r)
		return -ENOMEM;
	implicit = region_is_implicit(umem->address, umem->length);
	if (implicit)
		umem->length = ODP_TOP;
	r->umem = umem;
	r->context = container_of(pub, struct odp_context, pub);
	r->dev = pub->device;
	r->made = r->dev->check ? check_stack(caller) : NULL;
	r->writable = umem->writable;
	r->start = ib_umem_start(umem);
	r->pages = ib_umem_num_pages(umem);
	err = region_fill(r, implicit);
	if (!err && !implicit && (monitor_caught_up() || !event_lost()))
		monitor_watch(r->start, r->start + (r->pages << PAGE_BITS));
	/* events up to this number concern older memory at this address */
	monitor_settle(SETTLE_TRIES);
	r->number = event_number();
	/* once the region is listed, the program's function may be called with umem */
	umem->context = pub;
	umem->page_size = (int)PAGE_BYTES;
	umem->odp_data = r;
	if (!err)
		err = region_list(r);
	if (!err)
		return 0;
	umem->context = NULL;
	umem->odp_data = NULL;
	region_empty(r);
	alloc_free(r);
	return err;
}

int ib_umem_odp_get(struct ib_ucontext *pub, struct ib_umem *umem)
{
	return region_get(pub, umem, __builtin_return_address(0));
}

void ib_umem_odp_release(struct ib_umem *umem)
{
	struct ib_umem_odp *r = umem && !IS_ERR(umem) ? umem->odp_data : NULL;

	if (!r)
		return;
	if (r->context)
		region_stop(r);
	umem->odp_data = NULL;
	alloc_free(r);
}

struct ib_umem *ib_umem_get(struct ib_ucontext *context, unsigned long addr, size_t size,
			    int access)
{
	struct ib_umem *umem;
	int err = -EOPNOTSUPP;

	if (!(access & IB_ACCESS_ON_DEMAND)) {
		error_set(EOPNOTSUPP, "ib_umem_get: memory is never pinned: use the access flag "
				      "IB_ACCESS_ON_DEMAND");
		return ERR_PTR(err);
	}
	umem = alloc_zeroed(sizeof(*umem));
	if (!umem)
		return ERR_PTR(-ENOMEM);
	umem->address = addr;
	umem->length = size;
	umem->writable = (access & WRITABLE) != 0;
	err = region_get(context, umem, __builtin_return_address(0));
	if (!err)
		return umem;
	alloc_free(umem);
	return ERR_PTR(err);
}

void ib_umem_release(struct ib_umem *umem)
{
	if (!umem || IS_ERR(umem))
		return;
	ib_umem_odp_release(umem);
	alloc_free(umem);
}

unsigned long ib_umem_notifiers_seq(struct ib_umem *umem)
{
	return umem && !IS_ERR(umem) && umem->odp_data ? inval_seq_read(&umem->odp_data->inval_seq)
						       : 0;
}

int ib_umem_mmu_notifier_retry(struct ib_umem *umem, unsigned long current_seq)
{
	struct ib_umem_odp *r = umem && !IS_ERR(umem) ? umem->odp_data : NULL;

	if (!r)
		return 0;
	if (inval_seq_changed(&r->inval_seq, current_seq))
		return 1;
	return !monitor_caught_up() && event_pending(r->start, r->start + (r->pages << PAGE_BITS),
						     read_acquire(&r->number));
}

dma_addr_t ib_umem_start_dma_addr(struct ib_umem *umem)
{
	struct ib_umem_odp *r = umem && !IS_ERR(umem) ? umem->odp_data : NULL;

	if (!r || !r->context)
		return DMA_MAPPING_ERROR;
	if (!r->dev->iommu)
		return ib_umem_dma_address(umem, umem->address);
	return r->base + r->dev->bus_offset + (umem->address & (PAGE_BYTES - 1));
}

dma_addr_t ib_umem_dma_address(struct ib_umem *umem, u64 user_virt)
{
	struct ib_umem_odp *r = umem && !IS_ERR(umem) ? umem->odp_data : NULL;
	u64 dma;

	if (!r || !r->context || user_virt < r->start ||
	    (user_virt - r->start) >> PAGE_BITS >= r->pages)
		return DMA_MAPPING_ERROR;
	dma = page_dma(r, (user_virt - r->start) >> PAGE_BITS);
	return dma == DMA_MAPPING_ERROR ? dma : dma + (user_virt & (PAGE_BYTES - 1));
}
