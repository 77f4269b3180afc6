/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages of devices that have their own view of memory, and of devices without an IOMMU. Memory
 * outside RAM is linked as a copy in RAM; a second copy records the initial content. When the page
 * is unlinked, the bytes that the device changed are written back to the memory.
 *
 * The memory may be unmapped at any moment, and other memory may be mapped at its address before
 * the event is processed, so the address alone does not identify the memory that a copy belongs to.
 * Event numbers do (event_queue.h):
 *
 *   link      note the number N of the last event; copy; check that no event is in flight and that
 *             no event after N concerns the page
 *   unlink    check that no event is in flight; follow the events after N: the memory is at its old
 *             address, was moved, or is gone
 *
 * The check at the link makes N certain: if memory was replaced before the copy was made, the event
 * is either in flight or numbered. docs/copies.pml is the model.
 *
 * No lock excludes munmap() between the check and the write of an unlink. A write reaches other
 * memory only if, between these two system calls, one thread unmaps the page and another maps
 * something at its address. The program can exclude that, since it controls both the unlink and the
 * unmap.
 *
 * Copies are made and written by process_vm_readv() and process_vm_writev() on this process, which
 * fail for absent memory instead of raising a signal.
 */
#include "odp/monitor.h"
#include "odp/odp.h"

#include <linux/gfp.h>
#include <linux/mm.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define BATCH_PAGES (ODP_BATCH >> PAGE_BITS)
#define RUNS_MAX    64u /* runs of changed bytes that one call writes */

static void copy_slot_free(struct odp_slot *s)
{
	if (s->was)
		__free_pages(s->was, 0);
	if (s->copy)
		__free_pages(s->copy, 0);
	s->copy = s->was = NULL;
}

/*
 * Copies the memory, unless it is RAM, which every device accesses directly. Returns -ENOMEM, or
 * -EFAULT if it is gone.
 */
static int copy_slot_copy(struct odp_slot *s, u64 va)
{
	struct iovec local, hw = {(void *)(uintptr_t)va, PAGE_BYTES};

	if (phys_is_ram(phys_of((void *)(uintptr_t)va)))
		return 0;
	s->copy = alloc_pages(GFP_KERNEL, 0);
	s->was = s->copy ? alloc_pages(GFP_KERNEL, 0) : NULL;
	if (!s->was) {
		copy_slot_free(s);
		return -ENOMEM;
	}
	local = (struct iovec){page_address(s->was), PAGE_BYTES};
	if (syscall(SYS_process_vm_readv, (long)getpid(), &local, 1l, &hw, 1l, 0l) !=
	    (long)PAGE_BYTES) {
		copy_slot_free(s);
		return -EFAULT;
	}
	memcpy(page_address(s->copy), page_address(s->was), PAGE_BYTES);
	return 0;
}

/*
 * Returns the current address of the memory that the copy was made of; EVENT_NOWHERE: it is gone.
 */
static u64 copy_slot_home(const struct odp_slot *s, u64 va)
{
	bool settled = monitor_settle(SETTLE_TRIES), unsure;
	u64 home = event_where(va, s->number, &unsure);

	/* memory that replaced other memory is not registered until it is linked */
	if (home != EVENT_NOWHERE && (unsure || !settled) && !monitor_watched(home))
		return EVENT_NOWHERE;
	return home;
}

/* Finds the next runs of bytes that the device changed, from *at on. Returns their number. */
static unsigned int copy_slot_changes(const struct odp_slot *s, u64 *at, struct iovec *run)
{
	u8 *is = page_address(s->copy), *was = page_address(s->was);
	unsigned int n = 0;
	u64 from, to = *at;

	while (to < PAGE_BYTES && n < RUNS_MAX) {
		for (from = to; from < PAGE_BYTES && is[from] == was[from]; from++)
			;
		for (to = from; to < PAGE_BYTES && is[to] != was[to]; to++)
			;
		if (from < to)
			run[n++] = (struct iovec){is + from, to - from};
	}
	*at = to;
	return n;
}

/*
 * Writes back the bytes that the device changed; other bytes keep what the program has written
 * meanwhile.
 */
static void copy_slot_return(const struct odp_slot *s, u64 va)
{
	struct iovec local[RUNS_MAX], hw[RUNS_MAX];
	const u8 *copy = page_address(s->copy);
	u64 at = 0, home;
	unsigned int n;

	while ((n = copy_slot_changes(s, &at, local))) {
		home = copy_slot_home(s, va);
		if (home == EVENT_NOWHERE)
			return;
		for (unsigned int i = 0; i < n; i++)
			hw[i] = (struct iovec){
				(void *)(uintptr_t)(home + (u64)((u8 *)local[i].iov_base - copy)),
				local[i].iov_len};
		syscall(SYS_process_vm_writev, (long)getpid(), local, (long)n, hw, (long)n, 0l);
	}
}

/* Maps the page for the device. If it needs a copy, the copy exists. */
static int copy_slot_map(struct ib_umem_odp *r, u64 page, u64 mask)
{
	struct odp_slot *s = &r->slot[page];
	phys_t pa = s->copy ? PHYS(page_to_phys(s->copy))
			    : phys_of((void *)(uintptr_t)page_va(r, page));
	dma_addr_t dma;
	int err;

	if (r->dev->iommu) {
		dma = page_bus(r, page) + r->dev->bus_offset;
		err = dma_iova_link(r->dev, &r->state, pa.v, page_offset(r, page), PAGE_BYTES,
				    page_dir(mask), 0);
	} else {
		dma = dma_map_phys(r->dev, pa.v, PAGE_BYTES, page_dir(mask), 0);
		err = dma == DMA_MAPPING_ERROR ? -ENOMEM : 0;
	}
	if (!err)
		write_once(&s->dma, dma | mask);
	return err;
}

static void copy_slot_unlink(struct ib_umem_odp *r, u64 page)
{
	struct odp_slot *s = &r->slot[page];
	u64 mask = s->dma & ODP_MASK, dma = s->dma & ~ODP_MASK;

	write_once(&s->dma, 0);
	check_paging(true);
	if (r->dev->iommu)
		dma_iova_unlink(r->dev, &r->state, page_offset(r, page), PAGE_BYTES, page_dir(mask),
				0);
	else
		dma_unmap_phys(r->dev, dma, PAGE_BYTES, page_dir(mask), 0);
	check_paging(false);
	if (s->copy && mask & ODP_WRITE_ALLOWED_BIT)
		copy_slot_return(s, page_va(r, page));
	copy_slot_free(s);
}

/* Whether a queued event concerns the memory that the copy was made of. */
static bool copy_slot_lost(const struct ib_umem_odp *r, u64 page, bool *unsure)
{
	u64 va = page_va(r, page);

	return event_where(va, read_once(&r->slot[page].number), unsure) != va;
}

bool slot_is_stale(const struct ib_umem_odp *r, u64 page)
{
	bool unsure;

	return !monitor_caught_up() && copy_slot_lost(r, page, &unsure);
}

void slots_settle(struct ib_umem_odp *r, u64 page, u64 n)
{
	u64 va = page_va(r, page);
	bool unsure = false;

	if (monitor_caught_up() || !event_pending(va, va + (n << PAGE_BITS), 0))
		return;
	for (; n; n--, page++)
		if (r->slot[page].dma && (copy_slot_lost(r, page, &unsure) || unsure))
			copy_slot_unlink(r, page);
}

/*
 * Checks that no page, including those that were linked before, has changed since the fault began.
 * Returns 0 or -EAGAIN.
 */
static int slots_check(const struct ib_umem_odp *r, u64 page, u64 n, const struct fault_start *f)
{
	u64 va = page_va(r, page);

	if (!monitor_settle(SETTLE_TRIES))
		return -EAGAIN;
	return event_pending(va, va + (n << PAGE_BITS), f->number) ||
			       inval_seq_changed(f->inval_seq, f->seq)
		       ? -EAGAIN
		       : 0;
}

/*
 * Copies the pages that are not linked for `mask` yet. want[] is set to the permissions to link
 * with, or to 0 for a page that needs no change. A page that is linked with fewer permissions is
 * unlinked first, so that the new copy includes what the device has written.
 */
static u64 copy_slots_copy(struct ib_umem_odp *r, u64 page, u64 n, u64 mask, u8 *want, int *err)
{
	u64 i, linked;

	for (i = 0; i < n; i++) {
		linked = page_linked(r, page + i);
		want[i] = (linked & mask) == mask ? 0 : (u8)(linked | mask);
		if (want[i] && linked)
			copy_slot_unlink(r, page + i);
		*err = want[i] ? copy_slot_copy(&r->slot[page + i], page_va(r, page + i)) : 0;
		if (*err)
			break;
	}
	return i;
}

u64 slots_link(struct ib_umem_odp *r, u64 page, u64 n, u64 mask, const struct fault_start *f,
	       int *err)
{
	u8 want[BATCH_PAGES];
	u64 copied, done;
	int why;

	slots_settle(r, page, n);
	copied = copy_slots_copy(r, page, n, mask, want, err);
	why = slots_check(r, page, n, f);
	check_paging(true);
	for (done = 0; done < copied && !why; done += !why) {
		struct odp_slot *s = &r->slot[page + done];

		if (!want[done])
			continue;
		write_once(&s->number, f->number);
		why = copy_slot_map(r, page + done, want[done]);
	}
	check_paging(false);
	for (u64 i = done; i < copied; i++)
		if (want[i])
			copy_slot_free(&r->slot[page + i]);
	if (why)
		*err = why;
	return done;
}

u64 slots_unlink(struct ib_umem_odp *r, u64 page, u64 end, u64 number)
{
	u64 left = 0;

	for (; page < end; page++) {
		const struct odp_slot *s = &r->slot[page];

		if (!s->dma)
			continue;
		if (s->number < number)
			copy_slot_unlink(r, page);
		else
			left++;
	}
	return left;
}
