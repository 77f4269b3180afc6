/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page faults of devices. Pages are faulted in by madvise(MADV_POPULATE_*), which fails for holes
 * and for missing permissions, in batches of one huge page. Then the memory is registered for
 * events, which is only possible once it is mapped. Then it is linked, unless it was invalidated
 * meanwhile.
 */
#include "odp/odp.h"
#include "odp/monitor.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

#define TRIES_MAX 1000 /* bounds the retries if memory is invalidated continuously */

static int fault_populate_once(u64 start, u64 bytes, bool write)
{
	int err;

	if (fail_here(FAIL_MEMORY, NULL))
		return -ENOMEM;
	do
		err = madvise((void *)(uintptr_t)start, bytes,
			      write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ)
			      ? errno
			      : 0;
	while (err == EINTR || err == EAGAIN);
	/* the kernel returns ENOMEM for a hole, too; no error is worth a retry */
	return err ? -EFAULT : 0;
}

/*
 * Faults in pages up to the first that fails. Returns their number; *err is the reason if not all
 * are present and permit the access.
 */
static u64 fault_populate(u64 start, u64 n, bool write, int *err)
{
	u64 good = 0, bad = n, middle;

	*err = fault_populate_once(start, n << PAGE_BITS, write);
	if (!*err)
		return n;
	/* the first page that fails is in [good, bad) */
	while (*err == -EFAULT && bad - good > 1) {
		middle = good + (bad - good) / 2;
		if (fault_populate_once(start + (good << PAGE_BITS), (middle - good) << PAGE_BITS,
					write))
			bad = middle;
		else
			good = middle;
	}
	return good;
}

static s64 fault_batch(struct ib_umem_odp *r, u64 page, u64 n, u64 mask, const u64 *seq)
{
	struct odp_child *c = region_child(r, page, true);
	u64 start = r->start + (page << PAGE_BITS), done;
	struct fault_start f;
	int err = 0, why;

	if (!c)
		return -ENOMEM;
	f.inval_seq = seq ? &r->inval_seq : &c->inval_seq;
	f.seq = seq ? *seq : inval_seq_read(f.inval_seq);
	f.number = r->slot ? event_number() : 0;
	/*
	 * memory that is registered now would be mistaken for memory that the lost events concern
	 */
	if (!monitor_caught_up() && event_lost())
		return -EAGAIN;
	n = fault_populate(start, n, mask & ODP_WRITE_ALLOWED_BIT, &err);
	if (!n)
		return err;
	monitor_watch(start, start + (n << PAGE_BITS));
	pthread_mutex_lock(&c->lock);
	done = pages_link(r, c, page, n, mask, &f, &why);
	pthread_mutex_unlock(&c->lock);
	return done ? (s64)done : why;
}

/* A batch ends at the end of a huge page. */
static u64 fault_batch_pages(const struct ib_umem_odp *r, u64 page, u64 n)
{
	u64 va = r->start + (page << PAGE_BITS);

	return min_u64(n, (ODP_BATCH - (va & (ODP_BATCH - 1))) >> PAGE_BITS);
}

s64 region_fault(struct ib_umem_odp *r, u64 page, u64 n, u64 mask, const u64 *seq)
{
	u64 done = 0, want;
	int tries = 0;
	s64 got;

	if (mask & ODP_WRITE_ALLOWED_BIT && !r->writable)
		return -EFAULT;
	while (done < n) {
		want = fault_batch_pages(r, page + done, n - done);
		got = fault_batch(r, page + done, want, mask, seq);
		if (got == -EAGAIN && !seq && tries++ < TRIES_MAX) {
			sched_yield();
			continue;
		}
		if (got < 0)
			return done ? (s64)done : got;
		done += (u64)got;
		if ((u64)got < want)
			break;
	}
	return (s64)done;
}

static bool fault_pages_in(const struct ib_umem_odp *r, u64 virt, u64 bytes, u64 *page, u64 *n)
{
	u64 size = r->pages << PAGE_BITS, offset = virt - r->start;

	if (virt < r->start || !range_within(offset, bytes, size))
		return false;
	*page = offset >> PAGE_BITS;
	*n = pages_spanned(offset, bytes);
	return true;
}

static int fault_error(const struct ib_umem_odp *r, s64 err, u64 virt, u64 bytes)
{
	const char *why = err == -EAGAIN   ? "pages were invalidated meanwhile: try again"
			  : err == -ENOMEM ? "no memory"
					   : "the process has no memory there that allows it";

	return error_set((int)-err, "%s: cannot map %llu bytes at %#llx on demand: %s",
			 r->dev->name, (unsigned long long)bytes, (unsigned long long)virt, why);
}

int ib_umem_odp_map_dma_pages(struct ib_umem *umem, u64 user_virt, u64 bcnt, u64 access_mask,
			      unsigned long current_seq)
{
	struct ib_umem_odp *r = umem && !IS_ERR(umem) ? umem->odp_data : NULL;
	u64 seq = current_seq, page, n;
	s64 got;

	if (!r || !access_mask || access_mask & ~ODP_MASK)
		return error_set(EINVAL,
				 "ib_umem_odp_map_dma_pages: no region, or an access mask that is "
				 "not read, write or both");
	if (!r->context || !fault_pages_in(r, user_virt, bcnt, &page, &n))
		return error_set(EFAULT, "%s: [%#llx, +%llu) is not inside the region",
				 r->context ? r->dev->name : "closed device",
				 (unsigned long long)user_virt, (unsigned long long)bcnt);
	got = region_fault(r, page, min_u64(n, INT32_MAX), access_mask, &seq);
	return got < 0 ? fault_error(r, got, user_virt, bcnt) : (int)got;
}

int odp_demand(struct device *dev, dma_addr_t addr, size_t len, bool write, void *arg)
{
	/* a page is linked for reading first; for a write it is linked for both */
	u64 mask = write ? ODP_MASK : ODP_READ_ALLOWED_BIT;
	u64 bus = addr - dev->bus_offset, end = bus + len, offset, bytes, n;
	struct ib_umem_odp *r;
	s64 got;

	if (!dev->iommu)
		return -EFAULT;
	/* an access may span adjacent regions */
	while (bus < end) {
		r = region_by_bus(dev, bus, bus);
		if (!r)
			return -EFAULT;
		offset = bus - r->base;
		bytes = min_u64(end - bus, (r->pages << PAGE_BITS) - offset);
		n = pages_spanned(offset, bytes);
		got = region_fault(r, offset >> PAGE_BITS, n, mask, NULL);
		region_unref(r);
		if (got < (s64)n)
			return got == -EAGAIN ? -EAGAIN : -EFAULT;
		bus += bytes;
	}
	return 0;
}

void odp_settle(struct device *dev, dma_addr_t addr, size_t len)
{
	u64 bus = addr - dev->bus_offset, end = bus + len, first, last;
	struct ib_umem_odp *r;

	if (monitor_caught_up())
		return;
	while (bus < end && (r = region_by_bus(dev, bus, end - 1))) {
		first = (max_u64(bus, r->by_bus.first) - r->base) >> PAGE_BITS;
		last = (min_u64(end - 1, r->by_bus.last) - r->base) >> PAGE_BITS;
		bus = r->by_bus.last + 1;
		pthread_mutex_lock(&r->only.lock);
		slots_settle(r, first, last - first + 1);
		pthread_mutex_unlock(&r->only.lock);
		region_unref(r);
	}
}

/*
 * Returns the length of a run of pages that are all present, or all absent: bit 63 of their words
 * in /proc/self/pagemap.
 */
static u64 fault_present_run(int fd, u64 va, u64 n, bool *present)
{
	u64 word[512], i;
	s64 got = pread(fd, word, min_u64(n, ARRAY_SIZE(word)) * 8, (off_t)(va >> PAGE_BITS << 3));

	if (got < 8)
		return 0;
	*present = word[0] >> 63;
	for (i = 1; i < (u64)got / 8 && word[i] >> 63 == *present; i++)
		;
	return i;
}

/* Links the pages that are present for reading; faults none in. */
static int fault_prefetch_present(struct ib_umem_odp *r, u64 page, u64 n)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	s64 got = 0;
	bool present;

	if (fd < 0)
		return 0;
	while (n && got != -ENOMEM) {
		u64 run = fault_present_run(fd, r->start + (page << PAGE_BITS), n, &present);

		if (!run)
			break;
		/* if a page is gone by now, this fails or faults it in */
		if (present)
			got = region_fault(r, page, run, ODP_READ_ALLOWED_BIT, NULL);
		page += run;
		n -= run;
	}
	close(fd);
	return got == -ENOMEM ? -ENOMEM : 0;
}

int ib_umem_advise(struct ib_umem *umem, int advice, u64 user_virt, u64 bcnt)
{
	struct ib_umem_odp *r = umem && !IS_ERR(umem) ? umem->odp_data : NULL;
	bool write = advice == IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_WRITE;
	u64 page, n;
	s64 got;

	if (!r || advice < 0 || advice > IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT)
		return error_set(EINVAL, "ib_umem_advise: no region, or advice %d is unknown",
				 advice);
	if (!r->context || !fault_pages_in(r, user_virt, bcnt, &page, &n))
		return error_set(EFAULT, "ib_umem_advise: [%#llx, +%llu) is not inside the region",
				 (unsigned long long)user_virt, (unsigned long long)bcnt);
	if (write && !r->writable)
		return error_set(EPERM, "%s: the region is read-only", r->dev->name);
	if (advice == IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT)
		return fault_prefetch_present(r, page, n);
	got = region_fault(r, page, n, write ? ODP_MASK : ODP_READ_ALLOWED_BIT, NULL);
	if (got >= 0 && (u64)got < n)
		got = -EFAULT;
	return got < 0 ? fault_error(r, got, user_virt, bcnt) : 0;
}
