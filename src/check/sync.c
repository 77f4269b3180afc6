/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Syncs. The range must be mapped, and the direction must be that of the mapping; a BIDIRECTIONAL
 * mapping may be synced in any direction. A sync changes the owner of a part (subbuf.c, own.c).
 */
#include "check/find.h"
#include "check/freed.h"
#include "report/stack.h"
#include "shadow/subbuf.h"

#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>

static void check_compare_sync_dir(struct report_about *a, const struct shadow_found *f,
				   bool to_cpu)
{
	enum dma_data_direction mapped = (enum dma_data_direction)f->dir;

	if (f->call == CALL_COHERENT || mapped == DMA_BIDIRECTIONAL || mapped == a->dir)
		return;
	if (to_cpu && mapped == DMA_TO_DEVICE) {
		a->kind = DMAMAP_CHECK_SYNC_FOR_CPU;
		report_misuse(
			a,
			"sync for the CPU with direction %s of a mapping TO_DEVICE: the device "
			"writes "
			"nothing there",
			report_dir(a->dir));
	} else if (!to_cpu && mapped == DMA_FROM_DEVICE) {
		a->kind = DMAMAP_CHECK_SYNC_FOR_DEVICE;
		report_misuse(a,
			      "sync for the device with direction %s of a mapping FROM_DEVICE: the "
			      "device "
			      "reads nothing there",
			      report_dir(a->dir));
	} else {
		a->kind = DMAMAP_CHECK_SYNC_DIRECTION;
		report_misuse(a, "sync with direction %s of a mapping %s", report_dir(a->dir),
			      report_dir(mapped));
	}
}

struct sync_handover {
	const struct check_device *c;
	const struct shadow *target; /* the mapping that is synced */
	u64 from, end;
	bool to_cpu;
	const struct stack *given;
	struct subbuf_overrun overrun; /* found in the target */
	struct own_part part;	       /* of the target */
};

/*
 * Without an IOMMU several mappings may have the same device addresses; their owner changes
 * together.
 */
static bool check_hand_over(struct store_range *r, void *arg)
{
	struct subbuf_overrun overrun = {0};
	struct sync_handover *q = arg;
	struct shadow *s = r->of;
	u64 from = max_u64(q->from, r->start), end = min_u64(q->end, r->start + r->size);
	bool known;

	if (s->c != q->c || !subbuf_is_watched(s))
		return true;
	if (!q->to_cpu) {
		subbuf_to_device(s, &from, &end, q->given);
		known = true;
	} else {
		subbuf_to_cpu(s, from, end, &overrun);
		known = subbuf_widen(s, &from, &end);
	}
	if (s == q->target && known) {
		/* the search may find it twice */
		if (q->part.open_size) {
			from = min_u64(from, q->part.open_addr);
			end = max_u64(end, q->part.open_addr + q->part.open_size);
		}
		q->part.open_addr = from;
		q->part.open_size = end - from;
	}
	if (s == q->target && overrun.any)
		q->overrun = overrun;
	return true;
}

static void check_report_overrun(const struct report_about *of, const struct subbuf_overrun *o)
{
	struct report_about a = *of;

	a.kind = DMAMAP_CHECK_SYNC_RANGE;
	a.what[1] = "the sub-buffer behind it was handed over";
	a.at[1] = o->given;
	report_misuse(
		&a,
		"sync of %llu bytes at %#llx reaches %llu bytes past the end of its sub-buffer, "
		"into one that the device owns",
		(unsigned long long)a.size, (unsigned long long)a.addr,
		(unsigned long long)(a.addr + a.size - o->end));
}

static void check_change_owner(struct check_device *c, const struct shadow_found *f,
			       const struct report_about *a, u64 addr, u64 size, bool to_cpu)
{
	struct sync_handover q = {.c = c,
				  .target = f->s,
				  .from = addr,
				  .end = addr + size,
				  .to_cpu = to_cpu,
				  .given = NULL};

	if (!to_cpu && !f->shared && subbuf_begins_as_cpu(f->call, f->attrs))
		q.given = stack_line(a->caller);

	store_search(c->space, addr, size, check_hand_over, &q);
	if (q.overrun.any) {
		check_report_overrun(a, &q.overrun);
		size = q.overrun.end - addr;
	}
	q.part.addr = addr;
	q.part.size = size;
	q.part.whole = f->call == CALL_SG;
	/* the library copies after either sync; check_synced() closes the part for the device */
	if (read_once(&c->own))
		own_to_cpu(f->s, &q.part, a->caller);
}

/*
 * Finds the mapping that is synced. Without an IOMMU several mappings may have the same device
 * addresses. The order of preference is: mappings of this device, one that contains the whole
 * range, one with the direction of the sync.
 */
struct sync_look {
	const struct check_device *c;
	u64 addr, size;
	enum dma_data_direction dir;
	struct shadow_found *f;
	int score;
};

static bool check_look_for_synced(struct store_range *r, void *arg)
{
	struct sync_look *q = arg;
	const struct shadow *s = r->of;
	int score = 1 + 8 * (s->c == q->c) + 4 * (r->start + r->size - q->addr >= q->size) +
		    2 * (s->dir == (u8)q->dir) + (s->dir == DMA_BIDIRECTIONAL);

	if (r->start > q->addr || score <= q->score)
		return true;
	q->score = score;
	shadow_copy(q->f, r->of);
	q->f->start = r->start;
	q->f->size = r->size;
	return true;
}

static void check_find_synced(struct check_device *c, dma_addr_t addr, u64 size,
			      enum dma_data_direction dir, struct shadow_found *f)
{
	struct sync_look q = {.c = c, .addr = addr, .size = size, .dir = dir, .f = f};

	f->any = false;
	store_search(c->space, addr, 1, check_look_for_synced, &q);
	f->any = f->any && f->c == c;
}

void check_synced(struct check_device *c, dma_addr_t addr, u64 size)
{
	struct shadow_found f;

	if (!read_once(&c->own))
		return;
	shadow_find(c, c->space, addr, size, &f);
	if (f.any && f.c == c)
		own_to_device(f.s, addr, min_u64(size, f.start + f.size - addr), false);
}

void check_synced_sg(struct check_device *c, dma_addr_t addr)
{
	struct shadow_found f;

	if (!read_once(&c->own))
		return;
	shadow_find(c, c->space, addr, 1, &f);
	if (f.any && f.c == c)
		own_to_device(f.s, addr, 1, true);
}

static void check_sync_not_mapped(const struct check_device *c, struct report_about *a)
{
	struct shadow_history history = {0};

	if (shadow_lost())
		return;
	a->kind = DMAMAP_CHECK_SYNC_NOT_MAPPED;
	history_find(c, a->addr, 1, &history);
	a->what[0] = "unmapped";
	a->at[0] = history.unmapped;
	a->what[1] = "mapped";
	a->at[1] = history.mapped;
	report_misuse(a, "sync of %llu bytes at %#llx, which is not mapped",
		      (unsigned long long)a->size, (unsigned long long)a->addr);
}

void check_sync(struct check_device *c, dma_addr_t addr, u64 size, enum dma_data_direction dir,
		bool to_cpu, const void *caller)
{
	struct report_about a = about_of(c, DMAMAP_CHECK_SYNC_RANGE, addr, size, dir, caller);
	struct shadow_found f;
	u64 left;

	check_enter(caller);
	check_find_synced(c, addr, size, dir, &f);
	if (unlikely(!f.any)) {
		check_sync_not_mapped(c, &a);
		return;
	}
	a.what[0] = "mapped";
	a.at[0] = f.mapped;
	left = f.start + f.size - addr;
	if (unlikely(size > left)) {
		report_misuse(&a,
			      "sync of %llu bytes at %#llx reaches %llu bytes past the end of the "
			      "mapping",
			      (unsigned long long)size, (unsigned long long)addr,
			      (unsigned long long)(size - left));
		size = left;
	}
	check_compare_sync_dir(&a, &f, to_cpu);
	freed_check_synced(&f, caller);
	check_change_owner(c, &f, &a, addr, size, to_cpu);
}

/* Every link is a mapping. The caller has checked that all of the range is linked. */
void check_sync_links(struct check_device *c, dma_addr_t addr, u64 size,
		      enum dma_data_direction dir, bool to_cpu, const void *caller)
{
	struct shadow_found f;

	for (u64 done = 0, n; done < size; done += n) {
		shadow_find(c, c->space, addr + done, 1, &f);
		if (!f.any || f.c != c)
			return;
		n = min_u64(size - done, f.start + f.size - (addr + done));
		check_sync(c, addr + done, n, dir, to_cpu, caller);
	}
}

void check_synced_links(struct check_device *c, dma_addr_t addr, u64 size)
{
	struct shadow_found f;

	for (u64 done = 0, n; done < size; done += n) {
		shadow_find(c, c->space, addr + done, 1, &f);
		if (!f.any || f.c != c)
			return;
		n = min_u64(size - done, f.start + f.size - (addr + done));
		check_synced(c, addr + done, n);
	}
}

void check_sync_sg(struct check_device *c, struct scatterlist *sgl, int nents,
		   enum dma_data_direction dir, bool to_cpu, const void *caller)
{
	struct report_about a = about_of(c, DMAMAP_CHECK_SYNC_SG_COUNT, sg_dma_address(sgl),
					 sgl->length, dir, caller);
	struct scatterlist *sg = sgl;
	struct shadow_found f;

	check_enter(caller);
	if (!sg_dma_len(sgl))
		return; /* the list itself records that it is not mapped */
	check_find_synced(c, sg_dma_address(sgl), sg_dma_len(sgl), dir, &f);
	if (!f.any) {
		check_sync_not_mapped(c, &a);
		return;
	}
	a.what[0] = "mapped";
	a.at[0] = f.mapped;
	if (f.call == CALL_SG && f.nents != (u32)nents)
		report_misuse(&a,
			      "sync of a scatterlist with %d entries, mapped with %u: pass the "
			      "count that "
			      "was passed to map",
			      nents, f.nents);
	check_compare_sync_dir(&a, &f, to_cpu);
	freed_check_synced(&f, caller);
	for (int i = 0; i < nents && sg && sg_dma_len(sg); i++, sg = sg_next(sg))
		check_change_owner(c, &f, &a, sg_dma_address(sg), sg_dma_len(sg), to_cpu);
}
