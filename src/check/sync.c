/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Syncs: of what is mapped, in its direction. A BIDIRECTIONAL mapping may be synced in any. Who
 * owns which part then is followed where owners are watched (own.c), and here for the device's
 * writes.
 */
#include "check/find.h"

#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>

static void compare_dir(struct about *a, const struct found *f, bool to_cpu)
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

/* The part of a mapping that the CPU has: one interval, which grows by what joins it. */
static void cpu_takes(struct shadow *s, u64 from, u64 end)
{
	bool had = read_acquire(&s->handed);
	u64 had_from = had ? read_once(&s->cpu_from) : 0,
	    had_end = had ? read_once(&s->cpu_end) : 0;

	if (had_from < had_end && from <= had_end && had_from <= end) {
		from = min_u64(from, had_from);
		end = max_u64(end, had_end);
	}
	write_once(&s->cpu_from, from);
	write_once(&s->cpu_end, end);
	write_release(&s->handed, true);
}

/* What is left of it on one side; of two the first is forgotten, which only hides. */
static void cpu_gives(struct shadow *s, u64 from, u64 end)
{
	u64 had_from, had_end;

	if (!read_acquire(&s->handed))
		return;
	had_from = read_once(&s->cpu_from);
	had_end = read_once(&s->cpu_end);
	if (from <= had_from)
		write_once(&s->cpu_from, min_u64(max_u64(end, had_from), had_end));
	else if (from < had_end && end >= had_end)
		write_once(&s->cpu_end, from);
	else if (from < had_end)
		write_once(&s->cpu_from, end);
}

struct handover {
	const struct check_device *c;
	u64 from, end;
	bool to_cpu;
};

static bool hand_over(struct range *r, void *arg)
{
	const struct handover *q = arg;
	struct shadow *s = r->of;
	u64 from = max_u64(q->from, r->start), end = min_u64(q->end, r->start + r->size);

	if (s->c != q->c)
		return true;
	if (q->to_cpu)
		cpu_takes(s, from, end);
	else
		cpu_gives(s, from, end);
	write_once(&s->device_wrote, false);
	return true;
}

static void change_owner(struct check_device *c, const struct found *f, u64 addr, u64 size,
			 bool to_cpu, const void *caller)
{
	struct handover q = {.c = c, .from = addr, .end = addr + size, .to_cpu = to_cpu};

	store_search(c->space, addr, size, hand_over, &q);
	/* the library is about to copy, either way; check_synced() gives it to the device again */
	if (read_once(&c->own))
		own_to_cpu(f->s, addr, size, caller);
}

void check_synced(struct check_device *c, dma_addr_t addr, u64 size)
{
	struct found f;

	if (!read_once(&c->own))
		return;
	shadow_find(c, c->space, addr, size, &f);
	if (f.any && f.c == c)
		own_to_device(f.s, addr, min_u64(size, f.start + f.size - addr));
}

static void sync_not_mapped(const struct check_device *c, struct about *a)
{
	struct history history = {0};

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
	struct about a = about_of(c, DMAMAP_CHECK_SYNC_RANGE, addr, size, dir, caller);
	struct found f;
	u64 left;

	check_enter(caller);
	shadow_find(c, c->space, addr, size, &f);
	if (unlikely(!f.any || f.c != c)) {
		sync_not_mapped(c, &a);
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
	compare_dir(&a, &f, to_cpu);
	change_owner(c, &f, addr, size, to_cpu, caller);
}

/* Several links, each a mapping; the library has seen that there is no hole. */
void check_sync_links(struct check_device *c, dma_addr_t addr, u64 size,
		      enum dma_data_direction dir, bool to_cpu, const void *caller)
{
	struct found f;

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
	struct found f;

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
	struct about a = about_of(c, DMAMAP_CHECK_SYNC_SG_COUNT, sg_dma_address(sgl), sgl->length,
				  dir, caller);
	struct scatterlist *sg = sgl;
	struct found f;

	check_enter(caller);
	if (!sg_dma_len(sgl))
		return; /* the list itself says that it is not mapped */
	shadow_find(c, c->space, sg_dma_address(sgl), sg_dma_len(sgl), &f);
	if (!f.any || f.c != c) {
		sync_not_mapped(c, &a);
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
	compare_dir(&a, &f, to_cpu);
	for (int i = 0; i < nents && sg && sg_dma_len(sg); i++, sg = sg_next(sg))
		change_owner(c, &f, sg_dma_address(sg), sg_dma_len(sg), to_cpu, caller);
}
