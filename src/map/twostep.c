/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two-step mappings: allocating a range, linking, and dma_iova_sync(). twostep.h describes the
 * design.
 */
#include "map/twostep.h"
#include "base/fence.h"

#include <sched.h>

#undef dma_iova_link /* the function below handles what the inline part does not */

int twostep_bad_state(const struct device *dev, const char *what)
{
	return error_set(EINVAL,
			 "%s: %s without a device, or with a state that is not a range of this "
			 "device: pass the state that dma_iova_try_alloc() filled for it, until it "
			 "is freed",
			 dev ? dev->name : "no device", what);
}

void twostep_set_slots(struct device *dev, struct dma_iova_state *state)
{
	u64 bus = twostep_bus(dev, state), *slots;

	/* With the checker every link uses the slow path, which records it. */
	if (!dev->coherent || dev->check || bus & (PAGE_BYTES - 1) ||
	    pages_spanned(bus, state->__size) >= PT_ENTRIES)
		return;
	/* The memory of a link must be checked, or the link must be published to the IOMMU. */
	if (dev->ram_only || !dev->domain->space.direct)
		return;
	slots = pt_slot(&dev->domain->pt, IOVA(bus));
	if (!slots)
		return;
	write_once(&state->__slots, slots);
	write_release(&state->__open, (u16)(state->__size >> PAGE_BITS));
}

static slow_path bool twostep_refuse_alloc(int err, const struct device *dev,
					   struct dma_iova_state *state, u64 size, const char *why)
{
	if (state)
		*state = (struct dma_iova_state){0};
	if (why)
		error_set(err, "%s: no two-step range of %llu bytes: %s",
			  dev ? dev->name : "no device", (unsigned long long)size, why);
	return false;
}

bool dma_iova_try_alloc(struct device *dev, struct dma_iova_state *state, phys_addr_t phys,
			size_t size)
{
	u64 page, offset = phys & (PAGE_BYTES - 1);

	if (unlikely(!dev || !state || !size || size >= 1ull << PT_IOVA_BITS))
		return twostep_refuse_alloc(EINVAL, dev, state, size,
					    "there is no device or no state, or the size is 0 or "
					    "not below 2^48");
	if (unlikely(!dev->iommu))
		return twostep_refuse_alloc(EOPNOTSUPP, dev, state, size,
					    "the device has no IOMMU; use dma_map_phys()");
	if (fail_here(FAIL_IOVA, dev->name))
		return twostep_refuse_alloc(ENOMEM, dev, state, size, "fault injection");
	page = domain_iova_alloc(dev->domain, pages_spanned(offset, size),
				 device_last(dev) >> PAGE_BITS);
	if (unlikely(!page))
		return twostep_refuse_alloc(ENOMEM, dev, state, size,
					    NULL); /* the message is set */
	*state = (struct dma_iova_state){
		.addr = (page << PAGE_BITS | offset) + dev->bus_offset,
		.__size = size,
		.__live = live_of(dev, fence_everywhere_works() ? THREAD_ID : SHARED),
	};
	twostep_set_slots(dev, state);
	count_add(&device_thread(dev)->ranges_taken, 1);
	if (unlikely(dev->check))
		check_range_taken(&dev->shadow, state->addr, size, CALLER);
	return true;
}

/*
 * Returns the reason why dma_iova_link() must fail for these parameters, without regard to other
 * links; NULL: there is none.
 */
static const char *twostep_link_refusal_reason(const struct device *dev,
					       const struct dma_iova_state *state, u64 phys,
					       u64 offset, u64 size, int dir, unsigned long attrs)
{
	u64 at = twostep_bus(dev, state) + offset, limit = phys_limit(PHYS(phys));

	if (!size || !range_within(offset, size, state->__size))
		return "the link is empty or not inside the range";
	if ((unsigned int)dir > DMA_FROM_DEVICE)
		return "the direction is not TO_DEVICE, FROM_DEVICE or BIDIRECTIONAL";
	if ((at ^ phys) & (PAGE_BYTES - 1))
		return "the memory and the device address have different offsets in their granules";
	if (offset && at & (PAGE_BYTES - 1))
		return "only a link at offset 0 may begin inside a granule";
	if (!(attrs & DMA_ATTR_MMIO) && (phys >= limit || size > limit - phys))
		return "there is no memory, or it extends beyond the end of RAM or of the address "
		       "space";
	if ((attrs & DMA_ATTR_MMIO) && !phys_is_registers(phys, size))
		return "DMA_ATTR_MMIO is for registers, not memory";
	return NULL;
}

/* Whether the link needs neither bounce memory nor syncs. */
static bool twostep_link_is_coherent(const struct device *dev, u64 bus, u64 end, u64 phys)
{
	return dev->coherent && !(dev->ram_only && phys & PHYS_FOREIGN) &&
	       !(dev->untrusted && (bus | end) & (PAGE_BYTES - 1));
}

static int twostep_check_link(const struct device *dev, const struct dma_iova_state *state,
			      u64 phys, u64 offset, u64 size, int dir, unsigned long attrs)
{
	const char *why = twostep_link_refusal_reason(dev, state, phys, offset, size, dir, attrs);
	u64 bus = twostep_bus(dev, state) + offset;
	int err = EINVAL;

	if (!why && (attrs & DMA_ATTR_REQUIRE_COHERENT) &&
	    !twostep_link_is_coherent(dev, bus, bus + size, phys)) {
		err = EIO;
		why = "DMA_ATTR_REQUIRE_COHERENT is set, but the link would need bouncing or syncs";
	}
	/* A leaf needs 8 bytes of table per granule or a spare table per 2 MiB; both are equal. */
	if (!why && domain_check_tables(PAGE_BYTES, size)) {
		error_prefix("%s: cannot link at offset %llu", dev->name,
			     (unsigned long long)offset);
		return -ENOMEM;
	}
	if (!why && fail_here(FAIL_LINK, dev->name)) {
		err = ENOMEM;
		why = "fault injection";
	}
	if (!why)
		return 0;
	return error_set(err, "%s: cannot link %llu bytes at offset %llu: %s", dev->name,
			 (unsigned long long)size, (unsigned long long)offset, why);
}

/* Whether a link exists in [bus, end), where other threads may be unlinking. */
static bool twostep_links_exist(struct device *dev, u64 bus, u64 end)
{
	struct pt *pt = &dev->domain->pt;
	unsigned int side = pt_walk_enter(pt);
	bool found = pt_find(pt, IOVA(bus), end) < end;

	pt_walk_exit(pt, side);
	return found;
}

/* Checks that a link that ends inside a granule is the last one of the range. */
static int twostep_check_order(struct device *dev, const struct dma_iova_state *state, u64 offset,
			       u64 size)
{
	u64 end = twostep_bus(dev, state) + offset + size, last = range_end(dev, state);
	u64 closed = read_once(&state->__end);

	if (closed && offset >= closed)
		return error_set(EINVAL,
				 "%s: cannot link at offset %llu: the range was closed at %llu "
				 "by a link that ends inside a granule",
				 dev->name, (unsigned long long)offset, (unsigned long long)closed);
	if (end & (PAGE_BYTES - 1) && twostep_links_exist(dev, align_up(end, PAGE_BYTES), last))
		return error_set(EINVAL,
				 "%s: a link that ends inside a granule must be the last, and "
				 "there is a link after offset %llu",
				 dev->name, (unsigned long long)(offset + size));
	return 0;
}

/* With by_range, PT_LAST marks the end of a piece that is published as one (backend.h). */
static u64 twostep_link_flags(const struct device *dev, enum dma_data_direction dir,
			      unsigned long attrs)
{
	return prot_of(dir) | (dev->domain->space.by_range ? PT_LAST : 0) |
	       (attrs & DMA_ATTR_SKIP_CPU_SYNC ? PT_NO_SYNC : 0) |
	       (attrs & ATTR_ON_DEMAND ? PT_ON_DEMAND : 0);
}

/* Links one piece of at most a granule through bounce memory. */
static int twostep_link_bounced(struct device *dev, u64 bus, phys_t pa, u64 size, u64 flags,
				unsigned long attrs)
{
	phys_t at = bounce_map(dev, pa, size, BOUNCE_ANYWHERE, true, attrs);
	int err;

	if (at.v == NO_PHYS.v)
		return errno == EIO ? -EIO : -ENOMEM;
	err = pt_map(&dev->domain->pt, IOVA(align_down(bus, PAGE_BYTES)),
		     PHYS(align_down(at.v, PAGE_BYTES)), PAGE_BYTES, flags | PT_BOUNCED,
		     PT_MAP_SPLIT);
	if (err)
		bounce_unmap(dev, at, size, DMA_TO_DEVICE, 0);
	else
		bounce_set_place(at, align_down(bus, PAGE_BYTES), flags & PT_PRESENT);
	return err;
}

/* Links [bus, bus + size): a bounced head, a run of whole granules, a bounced tail. */
static int twostep_link_pieces(struct device *dev, struct dma_iova_state *state, u64 bus, u64 phys,
			       u64 size, u64 flags, unsigned long attrs)
{
	u64 pos = bus, end = bus + size;
	struct twostep_taken t = {0};
	int err = 0;

	while (pos < end) {
		u64 in = pos & (PAGE_BYTES - 1), n = min_u64(end - pos, PAGE_BYTES - in);
		phys_t pa = PHYS(phys + (pos - bus));

		if (!(attrs & DMA_ATTR_MMIO) && iommu_must_bounce(dev, pa, n)) {
			err = twostep_link_bounced(dev, pos, pa, n, flags, attrs);
		} else {
			/* Link all whole granules from here, or up to the end if the device may
			 * also read the rest of a partial granule. */
			n = end - pos;
			/* The kernel may unmap these pages one by one. */
			if (dev->domain->space.by_range && attrs & ATTR_ON_DEMAND)
				n = min_u64(n, PAGE_BYTES - in);
			if (dev->untrusted && !(attrs & DMA_ATTR_MMIO))
				n = align_down(n, PAGE_BYTES);
			err = pt_map(&dev->domain->pt, IOVA(pos - in), PHYS(pa.v - in),
				     align_up(in + n, PAGE_BYTES), flags, PT_MAP_SPLIT);
		}
		if (unlikely(err))
			break;
		pos += n;
	}
	if (likely(!err))
		return 0;
	twostep_unlink_by_granule(dev, state, align_down(bus, PAGE_BYTES),
				  pos == bus ? 0 : align_up(pos, PAGE_BYTES), DMA_TO_DEVICE, false,
				  &t);
	/* The device may have cached entries that pt_map() stored before it failed. */
	domain_drain(dev->domain);
	return err;
}

/* On a machine that is not coherent: cleans the cache for memory that is linked directly. */
static void twostep_link_clean_cache(struct device *dev, u64 phys, u64 size, unsigned long attrs)
{
	u64 end = phys + size;

	if (attrs & DMA_ATTR_SKIP_CPU_SYNC || !phys_range_is_ram(PHYS(phys), size))
		return;
	if (dev->untrusted) { /* partial granules bounce and were copied before */
		phys = align_up(phys, PAGE_BYTES);
		end = align_down(end, PAGE_BYTES);
	}
	if (phys < end)
		cpu_cache_clean(PHYS(phys), end - phys);
}

/* Makes the owner use the lock from now on; see twostep.h. Called with the lock held. */
static slow_path void twostep_revoke_owner(const struct device *dev, struct dma_iova_state *state,
					   u64 me)
{
	bool moved = __atomic_fetch_or(&state->__stale, MOVED, __ATOMIC_RELAXED) & MOVED;

	write_once(&state->__live, moved ? live_of(dev, SHARED) : me);
	fence_everywhere();
	while (read_acquire(&state->__busy))
		sched_yield();
}

static struct lock *twostep_lock(const struct device *dev, struct dma_iova_state *state)
{
	struct lock *lock = (struct lock *)&state->__lock;
	u64 live, me = live_of(dev, THREAD_ID);

	lock_acquire(lock);
	live = read_once(&state->__live);
	if (unlikely(live != me && live != live_of(dev, SHARED)))
		twostep_revoke_owner(dev, state, me);
	return lock;
}

/* Links one whole granule by one store, as the inline part does, but with the lock held. */
static bool twostep_link_page(const struct device *dev, struct dma_iova_state *state, u64 phys,
			      u64 offset, u64 size, enum dma_data_direction dir,
			      unsigned long attrs)
{
	struct lock *lock;
	bool done = false;
	u64 *slot;

	if (size != PAGE_BYTES || attrs | ((phys | offset) & (PAGE_BYTES - 1)) ||
	    (unsigned int)dir > DMA_FROM_DEVICE || phys >= phys_limit(PHYS(phys)) ||
	    read_once(&fail_armed))
		return false;
	lock = twostep_lock(dev, state);
	if (offset >> PAGE_BITS < read_once(&state->__open)) {
		slot = state->__slots + (offset >> PAGE_BITS);
		done = !(read_once(slot) & PT_PRESENT);
		if (done)
			write_release(slot, phys | prot_of(dir));
	}
	lock_release(lock);
	return done;
}

/* Publishes a link to the back end. If that fails, the link is removed again. */
static int twostep_publish(struct device *dev, struct dma_iova_state *state, u64 bus, u64 size)
{
	struct domain *dom = dev->domain;
	u64 first = align_down(bus, PAGE_BYTES), length = pages_spanned(bus, size) << PAGE_BITS;
	struct twostep_taken t = {0};
	int err = dom->space.ops->publish(&dom->space, IOVA(first), length);

	if (likely(!err))
		return 0;
	twostep_unlink_by_granule(dev, state, first, first + length, DMA_TO_DEVICE, false, &t);
	error_prefix("%s: cannot link %llu bytes", dev->name, (unsigned long long)size);
	return -ENOMEM;
}

/* Called with the lock held, after the parameters were checked. */
static int twostep_link_locked(struct device *dev, struct dma_iova_state *state, u64 phys,
			       u64 offset, u64 size, enum dma_data_direction dir,
			       unsigned long attrs)
{
	u64 bus = twostep_bus(dev, state) + offset;
	int err = twostep_check_order(dev, state, offset, size);

	if (err)
		return err;
	err = twostep_link_pieces(dev, state, bus, phys, size, twostep_link_flags(dev, dir, attrs),
				  attrs);
	if (err == -EEXIST)
		return error_set(
			EEXIST,
			"%s: cannot link %llu bytes at offset %llu: a part of it is linked "
			"already; unlink it first",
			dev->name, (unsigned long long)size, (unsigned long long)offset);
	if (err) {
		error_prefix("%s: cannot link %llu bytes at offset %llu", dev->name,
			     (unsigned long long)size, (unsigned long long)offset);
		errno = -err;
		return err;
	}
	if (unlikely(!dev->domain->space.direct))
		err = twostep_publish(dev, state, bus, size);
	if (unlikely(err))
		return err;
	if (!dev->coherent)
		twostep_link_clean_cache(dev, phys, size, attrs);
	if ((bus + size) & (PAGE_BYTES - 1)) {
		write_once(&state->__open, 0);
		write_once(&state->__end, offset + size);
	} else if (!state->__slots) {
		twostep_set_slots(dev, state);
	}
	return 0;
}

int dma_iova_link(struct device *dev, struct dma_iova_state *state, phys_addr_t phys, size_t offset,
		  size_t size, enum dma_data_direction dir, unsigned long attrs)
{
	struct lock *lock;
	int err;

	if (!state_ok(dev, state))
		return twostep_bad_state(dev, "dma_iova_link");
	if (twostep_link_page(dev, state, phys, offset, size, dir, attrs))
		return 0;
	err = twostep_check_link(dev, state, phys, offset, size, (int)dir, attrs);
	if (err)
		return err;
	lock = twostep_lock(dev, state);
	err = twostep_link_locked(dev, state, phys, offset, size, dir, attrs);
	lock_release(lock);
	if (unlikely(dev->check) && !err)
		map_check_mapped(dev, CALL_LINK, state->addr + offset, PHYS(phys), size, dir, attrs,
				 CALLER);
	return err;
}

/* Invalidates former links that the device may still cache under policy=lazy. */
static slow_path void twostep_invalidate_stale(struct device *dev, struct dma_iova_state *state)
{
	struct lock *lock = (struct lock *)&state->__lock;
	u64 first = range_first(dev, state);
	u8 flushing, moved;

	/* The lock is held so that no thread reads 0 before the invalidation is complete. */
	lock_acquire(lock);
	moved = read_once(&state->__stale) & MOVED;
	flushing = FLUSHING | moved;
	if (__atomic_exchange_n(&state->__stale, flushing, __ATOMIC_ACQ_REL) & (STALE | FLUSHING))
		dev->domain->space.ops->invalidate(&dev->domain->space, IOVA(first),
						   range_end(dev, state) - first);
	/* Another unlink may have set STALE meanwhile; it then stays set. */
	__atomic_compare_exchange_n(&state->__stale, &flushing, moved, false, __ATOMIC_ACQ_REL,
				    __ATOMIC_RELAXED);
	lock_release(lock);
}

int dma_iova_sync(struct device *dev, struct dma_iova_state *state, size_t offset, size_t size)
{
	if (unlikely(!state_ok(dev, state)))
		return twostep_bad_state(dev, "dma_iova_sync");
	if (unlikely(!range_within(offset, size, state->__size)))
		return error_set(EINVAL,
				 "%s: dma_iova_sync() of %llu bytes at offset %llu extends beyond "
				 "the range of %llu bytes",
				 dev->name, (unsigned long long)size, (unsigned long long)offset,
				 (unsigned long long)state->__size);
	if (unlikely(dev->check))
		check_iova_sync(&dev->shadow, state->addr + offset, size);
	if (unlikely(read_acquire(&state->__stale) & (STALE | FLUSHING)))
		twostep_invalidate_stale(dev, state);
	return 0;
}
