/* SPDX-License-Identifier: BSD-2-Clause */
/* Contexts and regions: their lives. */
#include "base/alloc.h"
#include "map/device.h"
#include "odp/monitor.h"
#include "odp/odp.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define WRITABLE                                                                                   \
	(IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE | IB_ACCESS_REMOTE_ATOMIC |                \
	 IB_ACCESS_MW_BIND)

pthread_mutex_t odp_lock = PTHREAD_MUTEX_INITIALIZER;
struct itree odp_regions;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER; /* some reference went */
static struct context *contexts;		       /* under odp_lock */
static struct listener listener = {.hear = odp_event_process};

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

struct ib_umem_odp *region_by_bus(struct device *dev, u64 bus)
{
	struct itree_node *n = NULL;
	struct ib_umem_odp *r = NULL;

	pthread_mutex_lock(&odp_lock);
	for (struct context *c = contexts; c && !n; c = c->next)
		if (c->pub.device == dev)
			n = itree_find(&c->by_bus, bus, bus);
	if (n) {
		r = container_of(n, struct ib_umem_odp, by_bus);
		region_ref(r);
	}
	pthread_mutex_unlock(&odp_lock);
	return r;
}

/*
 * A child of fork has none of its parent's devices: regions and contexts that it inherits are as if
 * their context were gone. It may open others of its own.
 */
static void region_fork_prepare(void)
{
	pthread_mutex_lock(&odp_lock);
}

static void fork_parent(void)
{
	pthread_mutex_unlock(&odp_lock);
}

static void region_fork_child(void)
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
	for (struct context *c = contexts; c; c = c->next)
		itree_clear(&c->by_bus);
	contexts = NULL;
	pthread_mutex_init(&odp_lock, NULL);
	pthread_cond_init(&idle, NULL);
}

static void region_handle_forks(void)
{
	pthread_atfork(region_fork_prepare, fork_parent, region_fork_child);
}

static void child_init(struct child *c)
{
	pthread_mutex_init(&c->lock, NULL);
}

struct child *region_child(struct ib_umem_odp *r, u64 page, bool make)
{
	struct child **place, *c, *old = NULL;

	if (!r->child)
		return &r->only;
	place = &r->child[page >> (ODP_CHILD_BITS - PAGE_BITS)];
	c = read_acquire(place);
	if (c || !make)
		return c;
	c = alloc_zeroed(sizeof(*c));
	if (!c)
		return NULL;
	child_init(c);
	if (__atomic_compare_exchange_n(place, &old, c, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return c;
	alloc_free(c);
	return old;
}

/* Address space that costs what is touched. */
static void *region_sparse_alloc(u64 bytes)
{
	void *p = fail_here(FAIL_MEMORY, NULL)
			  ? MAP_FAILED
			  : mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p != MAP_FAILED)
		return p;
	return error_null(ENOMEM, "no address space for the records of a region");
}

/* A range of device addresses, placed so that what is a huge page here is one there. */
static int take_addresses(struct ib_umem_odp *r, bool implicit)
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

	child_init(&r->only);
	if (implicit && odp_needs_slots(dev))
		return error_set(EOPNOTSUPP,
				 "%s: an implicit region needs an IOMMU and a device that sees "
				 "the process's memory itself: coherent, and not QEMU's",
				 dev->name);
	if (implicit) {
		r->child = region_sparse_alloc(ODP_CHILDREN * sizeof(*r->child));
		if (!r->child)
			return -ENOMEM;
	}
	if (odp_needs_slots(dev)) {
		r->slot = region_sparse_alloc(r->pages * sizeof(*r->slot));
		if (!r->slot)
			return -ENOMEM;
	}
	return dev->iommu ? take_addresses(r, implicit) : 0;
}

static void region_empty(struct ib_umem_odp *r)
{
	if (r->state.__size)
		dma_iova_free(r->dev, &r->state);
	if (r->slot)
		munmap(r->slot, r->pages * sizeof(*r->slot));
	r->slot = NULL;
	if (r->child) {
		for (u64 i = 0; i < ODP_CHILDREN; i++)
			alloc_free(r->child[i]);
		munmap(r->child, ODP_CHILDREN * sizeof(*r->child));
	}
	r->child = NULL;
}

static int region_list(struct ib_umem_odp *r)
{
	struct context *c = r->context;
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
	if (!err) {
		r->listed = true;
		c->regions++;
	}
	pthread_mutex_unlock(&odp_lock);
	return err;
}

/* Out of the trees, and nobody is in it any more. False: another did that. */
static bool region_unlist(struct ib_umem_odp *r)
{
	bool listed;

	pthread_mutex_lock(&odp_lock);
	listed = r->listed;
	if (listed) {
		itree_remove(&odp_regions, &r->by_va);
		if (r->dev->iommu)
			itree_remove(&r->context->by_bus, &r->by_bus);
		r->listed = false;
		r->context->regions--;
		while (r->refs)
			pthread_cond_wait(&idle, &odp_lock);
	}
	pthread_mutex_unlock(&odp_lock);
	return listed;
}

/* Takes the region from the device; what the device wrote into copies goes back. */
static void region_stop(struct ib_umem_odp *r)
{
	u64 per_child = r->child ? 1ull << (ODP_CHILD_BITS - PAGE_BITS) : r->pages;

	if (!region_unlist(r))
		return;
	for (u64 page = 0; page < r->pages; page += per_child) {
		struct child *c = region_child(r, page, false);

		if (!c)
			continue;
		pthread_mutex_lock(&c->lock);
		pages_unlink(r, c, page, per_child, false);
		pthread_mutex_unlock(&c->lock);
	}
	region_empty(r);
	r->context = NULL;
}

static bool is_implicit(u64 addr, u64 size)
{
	return !addr && size == SIZE_MAX;
}

static int check_region(const struct ib_ucontext *pub, const struct ib_umem *umem)
{
	if (!pub || IS_ERR(pub) || !umem || IS_ERR(umem))
		return error_set(EINVAL, "a region needs a context");
	if (!umem->length || (!is_implicit(umem->address, umem->length) &&
			      !range_within(umem->address, umem->length, ODP_TOP)))
		return error_set(EINVAL,
				 "%s: [%#lx, +%zu) is no range of the process's address space",
				 pub->device->name, umem->address, umem->length);
	return 0;
}

static int region_get(struct ib_ucontext *pub, struct ib_umem *umem, const void *caller)
{
	struct ib_umem_odp *r;
	bool implicit;
	int err = check_region(pub, umem);

	if (err)
		return err;
	r = alloc_aligned(64, sizeof(*r));
	if (!r)
		return -ENOMEM;
	implicit = is_implicit(umem->address, umem->length);
	if (implicit)
		umem->length = ODP_TOP;
	r->umem = umem;
	r->context = container_of(pub, struct context, pub);
	r->dev = pub->device;
	r->made = r->dev->check ? check_stack(caller) : NULL;
	r->writable = umem->writable;
	r->start = ib_umem_start(umem);
	r->pages = ib_umem_num_pages(umem);
	err = region_fill(r, implicit);
	if (!err && !implicit)
		monitor_watch(r->start, r->start + (r->pages << PAGE_BITS));
	/* from here on notices find it, and they tell the program of umem */
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
		error_set(EOPNOTSUPP, "ib_umem_get: nothing is ever pinned here: ask for "
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

/* Regions that the program left behind no longer reach the device; they are his to free. */
static void stop_regions(struct context *c)
{
	struct ib_umem_odp *r = NULL;
	struct itree_place place = {0};

	for (;;) {
		r = region_next(&place, 0, ODP_TOP);
		if (!r)
			return;
		region_unref(r);
		if (r->context == c) {
			const struct check_history history = {.what = {"made"}, .at = {r->made}};

			check_report_history(
				c->pub.device, c->pub.device->check, DMAMAP_CHECK_LEAK, 0,
				r->umem->length, DMA_NONE, &history,
				"a region at %#lx was never released before its context",
				r->umem->address);
			region_stop(r);
		}
	}
}

static void context_close(void *data)
{
	struct context **p, *c = data;
	struct device *dev = c->pub.device;
	bool last = true;

	stop_regions(c);
	pthread_mutex_lock(&odp_lock);
	for (p = &contexts; *p && *p != c; p = &(*p)->next)
		;
	if (*p)
		*p = c->next;
	for (struct context *other = contexts; other; other = other->next)
		last &= other->pub.device != dev;
	pthread_mutex_unlock(&odp_lock);
	if (last)
		fault_set_demand(&dev->fault_table, NULL, NULL);
	monitor_put(&listener);
	alloc_free(c);
}

void ib_dealloc_ucontext(struct ib_ucontext *pub)
{
	struct context *c;

	if (!pub || IS_ERR(pub))
		return;
	c = container_of(pub, struct context, pub);
	if (device_drop_managed(pub->device, c))
		context_close(c);
}

/* A simulated device's accesses copy by process_vm_readv on ourselves, and so do copies of pages:
 * can they? */
static int check_copy(const struct device *dev)
{
	u64 from = 1, to = 0;
	struct iovec local = {&to, sizeof(to)}, hw = {&from, sizeof(from)};

	if (dev->hw && !odp_needs_slots(dev))
		return 0;
	if (syscall(SYS_process_vm_readv, (long)getpid(), &local, 1l, &hw, 1l, 0l) == sizeof(to))
		return 0;
	return error_set(EOPNOTSUPP,
			 "%s: on-demand paging copies by process_vm_readv, which is refused "
			 "here (a seccomp profile, or a kernel without CONFIG_CROSS_MEMORY_ATTACH)",
			 dev->name);
}

struct ib_ucontext *ib_alloc_ucontext(struct device *dev,
				      void (*invalidate_range)(struct ib_umem *umem,
							       unsigned long start,
							       unsigned long end))
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct context *c;
	int err;

	if (!dev)
		return ERR_PTR(error_set(EINVAL, "ib_alloc_ucontext: no device"));
	err = check_copy(dev);
	if (err)
		return ERR_PTR(err);
	c = alloc_zeroed(sizeof(*c));
	if (!c)
		return ERR_PTR(-ENOMEM);
	c->pub.device = dev;
	c->pub.invalidate_range = invalidate_range;
	pthread_once(&once, region_handle_forks);
	err = monitor_get(&listener);
	if (err)
		goto free_context;
	err = device_add_managed(dev, context_close, c);
	if (err)
		goto put_monitor;
	pthread_mutex_lock(&odp_lock);
	c->next = contexts;
	contexts = c;
	pthread_mutex_unlock(&odp_lock);
	fault_set_demand(&dev->fault_table, odp_demand, NULL);
	return &c->pub;
put_monitor:
	monitor_put(&listener);
free_context:
	alloc_free(c);
	return ERR_PTR(err);
}

bool ib_umem_events_enabled(const struct ib_ucontext *context)
{
	return context && !IS_ERR(context) && monitor_on();
}

unsigned long ib_umem_notifiers_seq(struct ib_umem *umem)
{
	return umem && !IS_ERR(umem) && umem->odp_data ? inval_seq_read(&umem->odp_data->inval_seq)
						       : 0;
}

int ib_umem_mmu_notifier_retry(struct ib_umem *umem, unsigned long current_seq)
{
	return umem && !IS_ERR(umem) && umem->odp_data &&
	       inval_seq_changed(&umem->odp_data->inval_seq, current_seq);
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
