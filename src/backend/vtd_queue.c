/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Invalidation. With a queue, a thread puts its descriptor and a wait descriptor into the ring
 * together, writes the new tail to the unit, all under `lock`, and then polls, without the lock,
 * the word that the unit writes when it executes the wait. Waits are numbered and executed in
 * order, so a thread's wait is done once the number in the word is not below its own. The numbers
 * wrap after 2^32, so they are compared by their difference.
 *
 * The ring cannot overflow: each wait uses at most three slots, and at most OUTSTANDING_MAX waits
 * are outstanding. A thread that would exceed that waits first.
 *
 * A unit that does not respond for a second is ended, which ends all its DMA. The old translations
 * then give access to nothing, as the callers require.
 */
#include "backend/vtd_private.h"
#include "base/clock.h"
#include "base/error.h"

#include <sched.h>
#include <time.h>

/*
 * In wait descriptors. An invalidation with its wait takes two slots; an invalidation of contexts
 * takes three.
 */
#define OUTSTANDING_MAX (VTD_QUEUE_SLOTS / 4)
#define SPINS		200
#define YIELDS		2000

/* What to invalidate: the pages [page, page + 2^mask), the whole domain, or every context. */
struct vtd_request {
	enum { BY_PAGE, BY_DOMAIN, CONTEXTS } kind;
	u64 page;
	unsigned int mask;
};

static bool vtd_is_done(const struct vtd *v, u32 number)
{
	return (s32)(read_acquire(v->done) - number) >= 0;
}

/* False: the unit has ended, or was ended here because it did not respond. */
static bool vtd_wait_done(struct vtd *v, u32 number)
{
	const struct timespec pause = {.tv_nsec = 50000};
	u64 began = 0;

	for (u32 i = 0; !vtd_is_done(v, number); i++) {
		if (i < SPINS) {
			cpu_relax();
			continue;
		}
		if (!began)
			began = clock_ns();
		if (v->io.gone(v->io.priv))
			return false;
		if (clock_ns() - began > NS_PER_S) {
			/*
			 * the read synchronizes with the unit: it has reached this request now, or
			 * it never will
			 */
			vtd_read(v, VTD_GSTS, 4);
			if (vtd_is_done(v, number))
				break;
			v->io.give_up(v->io.priv);
			return false;
		}
		if (i < YIELDS)
			sched_yield();
		else
			nanosleep(&pause, NULL);
	}
	return true;
}

static void vtd_queue_put(struct vtd *v, u64 low, u64 high)
{
	u64 *slot = &v->queue[2 * v->tail];

	write_once(&slot[1], high);
	write_once(&slot[0], low);
	v->tail = (v->tail + 1) % VTD_QUEUE_SLOTS;
}

static void vtd_put_request(struct vtd *v, const struct vtd_request *r)
{
	u64 iotlb = INV_IOTLB | v->drain | INV_DID(VTD_DOMAIN);

	switch (r->kind) {
	case CONTEXTS:
		vtd_queue_put(v, INV_CONTEXT | INV_GLOBAL, 0);
		vtd_queue_put(v, INV_IOTLB | INV_GLOBAL | v->drain, 0);
		break;
	case BY_DOMAIN:
		vtd_queue_put(v, iotlb | INV_BY_DOMAIN, 0);
		break;
	case BY_PAGE:
		vtd_queue_put(v, iotlb | INV_BY_PAGE, r->page << PAGE_BITS | r->mask);
		break;
	}
}

static int vtd_run_by_queue(struct vtd *v, const struct vtd_request *r)
{
	u32 number;
	bool ok;

	pthread_mutex_lock(&v->lock);
	ok = v->waits - read_acquire(v->done) < OUTSTANDING_MAX ||
	     vtd_wait_done(v, v->waits - OUTSTANDING_MAX + 1);
	number = ++v->waits;
	if (ok) {
		vtd_put_request(v, r);
		vtd_queue_put(v, INV_WAIT | INV_WAIT_WRITE | INV_WAIT_DATA(number),
			      phys_of(v->done).v);
		vtd_write(v, VTD_IQT, 8, (u64)v->tail << 4);
	}
	pthread_mutex_unlock(&v->lock);
	return ok && vtd_wait_done(v, number) ? 0 : -EIO;
}

/* Invalidates by registers: one request at a time, each waits for its completion. */
static int vtd_run_by_registers(struct vtd *v, const struct vtd_request *r)
{
	u64 drain = (v->drain & INV_DR ? IOTLB_DR : 0) | (v->drain & INV_DW ? IOTLB_DW : 0);
	bool ok = true;

	pthread_mutex_lock(&v->lock);
	if (v->write_buffer) {
		vtd_write(v, VTD_GCMD, 4, ((u32)vtd_read(v, VTD_GSTS, 4) & GSTS_KEPT) | GCMD_WBF);
		ok = vtd_until(v, VTD_GSTS, 4, GCMD_WBF, 0);
	}
	if (ok && r->kind == CONTEXTS) {
		vtd_write(v, VTD_CCMD, 8, CCMD_ICC | CCMD_GLOBAL);
		ok = vtd_until(v, VTD_CCMD, 8, CCMD_ICC, 0);
	}
	if (ok) {
		if (r->kind == BY_PAGE)
			vtd_write(v, v->iotlb, 8, r->page << PAGE_BITS | r->mask);
		/*
		 * contexts are invalidated while only this domain exists, so an invalidation of the
		 * domain covers everything
		 */
		vtd_write(v, v->iotlb + 8, 8,
			  IOTLB_IVT | drain | IOTLB_DID(VTD_DOMAIN) |
				  (r->kind == BY_PAGE ? IOTLB_BY_PAGE : IOTLB_BY_DOMAIN));
		ok = vtd_until(v, v->iotlb + 8, 8, IOTLB_IVT, 0);
	}
	pthread_mutex_unlock(&v->lock);
	if (!ok && !v->io.gone(v->io.priv))
		v->io.give_up(v->io.priv);
	return ok ? 0 : -EIO;
}

static int vtd_request_run(struct vtd *v, const struct vtd_request *r)
{
	__atomic_fetch_add(&v->count, 1, __ATOMIC_RELAXED);
	return v->queued ? vtd_run_by_queue(v, r) : vtd_run_by_registers(v, r);
}

int vtd_forget_contexts(struct vtd *v)
{
	const struct vtd_request r = {.kind = CONTEXTS};

	return vtd_request_run(v, &r)
		       ? error_set(EIO,
				   "the VT-d unit did not complete an invalidation within a second")
		       : 0;
}

u64 vtd_invalidations(const struct vtd *v)
{
	return read_once(&v->count);
}

/* Returns one request for the range: the smallest aligned power of two of pages that covers it. */
static struct vtd_request vtd_request_covering(const struct vtd *v, u64 page, u64 pages)
{
	unsigned int mask = log2_ceil(pages);

	while (page >> mask != (page + pages - 1) >> mask)
		mask++;
	if (!v->by_page || mask > v->mask_max)
		return (struct vtd_request){.kind = BY_DOMAIN};
	return (struct vtd_request){.kind = BY_PAGE, .page = page >> mask << mask, .mask = mask};
}

static void vtd_invalidate(struct backend_space *s, iova_t iova, u64 size)
{
	struct vtd *v = s->priv;
	struct vtd_request r =
		vtd_request_covering(v, iova.v >> PAGE_BITS, max_u64(size >> PAGE_BITS, 1));

	full_fence(); /* the cleared entries must be in memory before the unit reads the request */
	vtd_request_run(v, &r);
}

static void vtd_invalidate_all(struct backend_space *s)
{
	const struct vtd_request r = {.kind = BY_DOMAIN};

	full_fence();
	vtd_request_run(s->priv, &r);
}

/*
 * The unit uses entries that become present at once, unless it caches absent ones
 * (vtd_limits.flush_after_map).
 */
static int vtd_publish(struct backend_space *s, iova_t iova, u64 size)
{
	vtd_invalidate(s, iova, size);
	return 0;
}

static int vtd_map(struct backend_space *s, iova_t iova, phys_t pa, u64 size, u64 flags)
{
	struct vtd *v = s->priv;
	int err = pt_map(s->pt, iova, pa, size, flags, 0);

	if (!err && v->limits.flush_after_map)
		vtd_invalidate(s, iova, size);
	return err;
}

static u64 vtd_unmap(struct backend_space *s, iova_t iova, u64 size)
{
	return pt_unmap(s->pt, iova, size);
}

const struct iommu_ops iommu_ops_vtd = {
	.name = "vtd",
	.map = vtd_map,
	.publish = vtd_publish,
	.unmap = vtd_unmap,
	.invalidate = vtd_invalidate,
	.invalidate_all = vtd_invalidate_all,
};
