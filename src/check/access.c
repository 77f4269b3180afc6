/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses of devices. An access is looked up piece by piece, because it may cross several adjacent
 * ranges: segments of a scatterlist, links of a two-step range. Only the first misuse of an access
 * is reported.
 */
#include "base/copy.h"
#include "check/find.h"
#include "check/freed.h"
#include "check/own.h"
#include "shadow/subbuf.h"

#include <linux/dma-mapping.h>
#include <string.h>

struct access {
	struct check_device *c;
	u64 addr, size, at; /* at: the first address that is not looked up yet */
	bool write;
	struct shadow_found before,
		f; /* the mappings of the last piece, if there is one, and of this one */
	/* properties of `f` */
	int rank;
	bool unsynced, unasked, against, cpu_owns;
};

/* An access may cross from one link into the next, and between mappings of on-demand paging. */
static bool access_may_join(const struct shadow_found *before, u8 call, bool paged)
{
	return (before->call == CALL_LINK && call == CALL_LINK) || (before->paged && paged);
}

/*
 * Finds the mapping that contains q->at. The criteria of the best one, in this order: the access
 * may cross into it; its direction allows the access; the device owns the part; it extends further.
 */
static bool access_look_at(struct store_range *r, void *arg)
{
	struct access *q = arg;
	struct shadow *s = r->of;
	u64 end = min_u64(q->addr + q->size, r->start + r->size);
	bool against = q->write ? s->dir == DMA_TO_DEVICE : s->dir == DMA_FROM_DEVICE, cpu_owns;
	int rank;

	if (r->start > q->at)
		return true;
	if (s->call == CALL_COHERENT)
		against = false;
	/* evaluated only when needed, because both acquire a lock */
	cpu_owns = q->write && read_once(&s->c->own) && subbuf_cpu_has(s, q->at, end);
	if (q->write && !s->c->coherent)
		subbuf_wrote(s, q->at, end);
	rank = 4 * (q->before.any && s != q->before.s &&
		    !access_may_join(&q->before, s->call, s->paged)) +
	       2 * against + cpu_owns;
	if (q->f.any &&
	    (rank > q->rank || (rank == q->rank && r->start + r->size <= q->f.start + q->f.size)))
		return true;
	shadow_copy(&q->f, s);
	q->f.start = r->start;
	q->f.size = r->size;
	q->rank = rank;
	q->against = against;
	q->cpu_owns = cpu_owns;
	q->unsynced = read_once(&s->unsynced);
	q->unasked = s->call <= CALL_RESOURCE && !read_once(&s->asked);
	if (q->unasked)
		write_once(&s->asked, true); /* reported once */
	return true;
}

static const char *access_verb(bool write)
{
	return write ? "write" : "read";
}

static bool access_note_paged(struct store_range *r, void *arg)
{
	bool *paged = arg;

	*paged |= r->of->paged;
	return true;
}

static void access_report_hole(struct access *q, struct report_about *a)
{
	unsigned long long size = q->size, addr = q->addr;
	bool paged = false;
	struct shadow_history history;

	/*
	 * A device may use any page of an on-demand region, and a page that it reached is mapped.
	 * A thread that maps the page on a fault makes the shadow after the translation.
	 */
	store_search(q->c->space + SPACE_RANGES, q->at, 1, access_note_paged, &paged);
	if (paged)
		return;
	if (q->at != q->addr) {
		a->kind = DMAMAP_CHECK_DEVICE_PAST_END;
		report_misuse(a,
			      "the device's %s of %llu bytes at %#llx goes %llu bytes past the end "
			      "of the "
			      "mapping",
			      access_verb(q->write), size, addr,
			      (unsigned long long)(q->addr + q->size - q->at));
	} else if (history_find(q->c, q->at, 1, &history)) {
		a->kind = q->c->lazy ? DMAMAP_CHECK_DEVICE_STALE : DMAMAP_CHECK_DEVICE_AFTER_UNMAP;
		a->what[0] = "unmapped";
		a->at[0] = history.unmapped;
		a->what[1] = "mapped";
		a->at[1] = history.mapped;
		report_misuse(
			a,
			"the device's %s of %llu bytes at %#llx came after the unmap%s: stop it "
			"first",
			access_verb(q->write), size, addr,
			q->c->lazy ? ", by a translation that policy=lazy had not flushed" : "");
	} else if (!shadow_lost()) {
		a->kind = DMAMAP_CHECK_DEVICE_NOT_MAPPED;
		report_misuse(
			a,
			"the device's %s of %llu bytes at %#llx reached memory that is not mapped "
			"for "
			"it",
			access_verb(q->write), size, addr);
	}
}

/* Returns true if the piece is correct. */
static bool access_check_piece(struct access *q, struct report_about *a)
{
	unsigned long long size = q->size, addr = q->addr;

	a->dir = (enum dma_data_direction)q->f.dir;
	a->what[0] = "mapped";
	a->at[0] = q->f.mapped;
	if (q->against) {
		a->kind = DMAMAP_CHECK_DEVICE_DIRECTION;
		report_misuse(
			a,
			"the device's %s of %llu bytes at %#llx goes against the mapping, which is "
			"%s",
			access_verb(q->write), size, addr, report_dir(a->dir));
		return false;
	}
	if (q->unsynced) {
		a->kind = DMAMAP_CHECK_IOVA_NOT_SYNCED;
		report_misuse(a,
			      "the device's %s of %llu bytes at %#llx came before dma_iova_sync()",
			      access_verb(q->write), size, addr);
		return false;
	}
	if (q->unasked) {
		a->kind = DMAMAP_CHECK_MAP_UNCHECKED;
		report_misuse(
			a,
			"the device uses %#llx, and dma_mapping_error() was never asked whether it "
			"was "
			"mapped",
			addr);
		return false;
	}
	if (q->cpu_owns && read_once(&q->c->own)) {
		a->kind = DMAMAP_CHECK_OWN_DEVICE;
		report_misuse(a,
			      "the device wrote %llu bytes at %#llx that the CPU owned: "
			      "dma_sync_single_for_device() first",
			      size, addr);
		return false;
	}
	return true;
}

/* Returns true if both links are in the same two-step range, or if this is not known. */
static bool access_is_one_range(struct check_device *c, u64 at)
{
	struct shadow_found before, behind;

	shadow_find(c, c->space + SPACE_RANGES, at - 1, 1, &before);
	shadow_find(c, c->space + SPACE_RANGES, at, 1, &behind);
	return !before.any || !behind.any || before.start == behind.start;
}

/* Reports an access that crosses from one mapping into another. Returns false if it may. */
static bool access_report_neighbour(struct access *q, struct report_about *a)
{
	const struct shadow_found *before = &q->before;

	if (q->f.s == before->s ||
	    (access_may_join(before, q->f.call, q->f.paged) && access_is_one_range(q->c, q->at)))
		return false;
	a->kind = DMAMAP_CHECK_DEVICE_PAST_END;
	a->dir = (enum dma_data_direction)before->dir;
	a->what[0] = "mapped";
	a->at[0] = before->mapped;
	a->what[1] = "the mapping behind it was made";
	a->at[1] = q->f.mapped;
	report_misuse(a,
		      "the device's %s of %llu bytes at %#llx goes %llu bytes past the end of the "
		      "mapping, into another one",
		      access_verb(q->write), (unsigned long long)q->size,
		      (unsigned long long)q->addr, (unsigned long long)(q->addr + q->size - q->at));
	return true;
}

void check_access(struct check_device *c, dma_addr_t addr, u64 size, bool write, const void *caller)
{
	struct access q = {.c = c, .addr = addr, .size = size, .at = addr, .write = write};
	struct report_about a =
		about_of(c, DMAMAP_CHECK_DEVICE_FAULT, addr, size, DMA_NONE, caller);

	while (q.at - addr < size) {
		q.before = q.f;
		q.f.any = false;
		store_search(c->space, q.at, 1, access_look_at, &q);
		if (unlikely(!q.f.any)) {
			access_report_hole(&q, &a);
			return;
		}
		if (unlikely(q.before.any) && access_report_neighbour(&q, &a))
			return;
		if (unlikely(!access_check_piece(&q, &a)))
			return;
		if (unlikely(q.f.call == CALL_PAGES))
			freed_check_page_struct(&q.f, caller);
		q.at = q.f.start + q.f.size;
		if (!q.at)
			return;
	}
}

/* The mapping that a fault concerns, if the IOMMU reports only the page of the access. */
struct in_page {
	const struct check_device *c;
	bool write;
	int score;
	struct shadow_found f;
};

static bool access_look_in_page(struct store_range *r, void *arg)
{
	struct in_page *q = arg;
	struct shadow *s = r->of;
	bool against = q->write ? s->dir == DMA_TO_DEVICE : s->dir == DMA_FROM_DEVICE;
	int score = 1 + 2 * (s->c == q->c) + against;

	if (score > q->score) {
		q->score = score;
		shadow_copy(&q->f, s);
	}
	return true;
}

static void access_find_refused(struct check_device *c, u64 addr, u64 size, bool write,
				struct shadow_found *f)
{
	struct in_page q = {.c = c, .write = write};

	if (size) {
		shadow_find(c, c->space, addr, 1, f);
		return;
	}
	store_search(c->space, addr, PAGE_BYTES, access_look_in_page, &q);
	*f = q.f;
}

/* size 0: the access was at an unknown address in the page at addr. */
void check_refused(struct check_device *c, dma_addr_t addr, u64 size, bool write, bool by_direction,
		   const char *why, const void *caller)
{
	struct report_about a =
		about_of(c, DMAMAP_CHECK_DEVICE_FAULT, addr, size, DMA_NONE, caller);
	unsigned long long n = size, at = addr;
	struct shadow_history history = {0};
	struct shadow_found f;

	access_find_refused(c, addr, size, write, &f);
	a.what[0] = "mapped";
	a.at[0] = f.any ? f.mapped : NULL;
	if (f.any && by_direction) {
		a.kind = DMAMAP_CHECK_DEVICE_DIRECTION;
		a.dir = (enum dma_data_direction)f.dir;
	} else if (f.any && size && addr + size - 1 > f.start + f.size - 1) {
		a.kind = DMAMAP_CHECK_DEVICE_PAST_END;
	} else if (!f.any && history_find(c, addr, size ? 1 : PAGE_BYTES, &history)) {
		a.kind = DMAMAP_CHECK_DEVICE_AFTER_UNMAP;
		a.what[0] = "unmapped";
		a.at[0] = history.unmapped;
		a.what[1] = "mapped";
		a.at[1] = history.mapped;
		why = "it came after the unmap: stop the device first";
	}
	if (size)
		report_misuse(&a, "the device's %s of %llu bytes at %#llx was refused: %s",
			      access_verb(write), n, at, why);
	else
		report_misuse(&a, "the device's %s in the page at %#llx was refused: %s",
			      access_verb(write), at, why);
}

void check_gone(struct check_device *c, dma_addr_t addr, u64 size, bool write, const char *why)
{
	struct report_about a = about_of(c, DMAMAP_CHECK_MEMORY_GONE, addr, size, DMA_NONE, NULL);
	unsigned long long n = size, at = addr;
	struct shadow_found f;

	shadow_find(c, c->space, addr, size, &f);
	if (!f.any) {
		report_misuse(&a, "the device's %s of %llu bytes at %#llx was refused: %s",
			      access_verb(write), n, at, why);
		return;
	}
	write_once(&f.s->gone, true);
	a.dir = (enum dma_data_direction)f.dir;
	a.what[0] = "mapped";
	a.at[0] = f.mapped;
	report_misuse(&a,
		      "the device's %s of %llu bytes at %#llx, in the mapping of %llu bytes at "
		      "%#llx, was "
		      "refused: %s; unmap it for the device first",
		      access_verb(write), n, at, (unsigned long long)f.size,
		      (unsigned long long)f.start, why);
}

/* ---- non-coherent machines ---- */

#define LINES_AT_ONCE 256 /* bytes, which are on the stack */

/* Whether a device has written the memory since it was last synced. */
struct access_written {
	const struct check_device *c;
	u64 pa, size;
	bool any;
	const struct stack *mapped; /* the mapping through which the device read */
	u8 dir;
};

/* If devices share a buffer, each has a mapping of it. */
static bool access_note_written(struct store_range *r, void *arg)
{
	struct access_written *q = arg;
	const struct shadow *s = r->of;
	u64 to_dma = s->dma.start - r->start;

	if (s->dma.more) /* its memory is in several pieces, whose offsets are not recorded */
		q->any |= subbuf_was_written(s, 0, ~0ull);
	else
		q->any |= subbuf_was_written(s, q->pa + to_dma, q->pa + q->size + to_dma);
	q->any |= s->call == CALL_COHERENT;
	if (s->c == q->c) {
		q->mapped = s->mapped;
		q->dir = s->dir;
	}
	return true;
}

/*
 * Returns the offset of the first byte that differs between the CPU's view and the device view, or
 * `size`.
 */
static u64 access_first_difference(u64 pa, u64 size, u8 *cpu_has, u8 *device_has)
{
	/* by the second mapping, because pages of the first may be protected (own.c) */
	const u8 *ram = guard_view() ? guard_view() : mem.base;
	u8 cpu[LINES_AT_ONCE], device[LINES_AT_ONCE];

	for (u64 done = 0, n; done < size; done += n) {
		n = min_u64(size - done, LINES_AT_ONCE);
		/* another thread may write, sync or free the memory meanwhile */
		copy_unchecked(cpu, ram + pa + done, n);
		copy_unchecked(device, mem.device_view + pa + done, n);
		for (u64 i = 0; i < n; i++)
			if (cpu[i] != device[i]) {
				*cpu_has = cpu[i];
				*device_has = device[i];
				return done + i;
			}
	}
	return size;
}

void check_lines(struct check_device *c, dma_addr_t addr, u64 pa, u64 size)
{
	struct access_written w = {.c = c, .pa = pa, .size = size};
	u8 cpu = 0, device = 0;
	struct report_about a;
	u64 at = access_first_difference(pa, size, &cpu, &device);

	if (at == size)
		return;
	/* the bytes that a device wrote are newer than the CPU's view */
	store_search(SPACE_PHYS, pa, size, access_note_written, &w);
	if (w.any)
		return;
	a = about_of(c, DMAMAP_CHECK_SYNC_MISSING, addr, size, (enum dma_data_direction)w.dir,
		     NULL);
	a.what[0] = "mapped";
	a.at[0] = w.mapped;
	report_misuse(&a,
		      "the device read old bytes at %#llx (0x%02x, where the CPU has 0x%02x): "
		      "dma_sync_single_for_device() is missing",
		      (unsigned long long)(addr + at), device, cpu);
}
