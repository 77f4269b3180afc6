/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What devices do with their addresses. Each access is looked up piece by piece, since a device may
 * go through several mappings that lie side by side (a scatterlist's, two-step links). One report
 * an access: its first mistake.
 */
#include "base/copy.h"
#include "check/find.h"

#include <linux/dma-mapping.h>
#include <string.h>

struct access {
	struct check_device *c;
	u64 addr, size, at; /* at: how far it was looked up */
	bool write;
	struct found f;
	/* of the piece */
	bool unsynced, unasked, against, cpu_owns;
};

static bool cpu_has(const struct shadow *s, u64 from, u64 end)
{
	u64 has_from, has_end;

	if (!read_acquire(&s->handed))
		return false;
	has_from = read_once(&s->cpu_from);
	has_end = read_once(&s->cpu_end);
	return has_from < has_end && from < has_end && has_from < end;
}

/* A mapping that holds the place; better than another: it allows the access, it reaches further. */
static bool look_at(struct range *r, void *arg)
{
	struct access *q = arg;
	struct shadow *s = r->of;
	bool against = q->write ? s->dir == DMA_TO_DEVICE : s->dir == DMA_FROM_DEVICE;

	if (r->start > q->at)
		return true;
	if (s->call == CALL_COHERENT)
		against = false;
	if (q->f.any && (against > q->against ||
			 (against == q->against && r->start + r->size <= q->f.start + q->f.size)))
		return true;
	shadow_copy(&q->f, s);
	q->f.start = r->start;
	q->f.size = r->size;
	q->against = against;
	q->unsynced = read_once(&s->unsynced);
	q->unasked = s->call <= CALL_RESOURCE && !read_once(&s->asked);
	q->cpu_owns = q->write && cpu_has(s, q->at, min_u64(q->addr + q->size, r->start + r->size));
	if (q->unasked)
		write_once(&s->asked, true); /* said once */
	if (q->write)
		write_once(&s->device_wrote, true);
	return true;
}

static const char *access_verb(bool write)
{
	return write ? "write" : "read";
}

static bool note_paged(struct range *r, void *arg)
{
	bool *paged = arg;

	*paged |= r->of->paged;
	return true;
}

static void report_hole(struct access *q, struct about *a)
{
	unsigned long long size = q->size, addr = q->addr;
	bool paged = false;
	struct history history;

	/* A device may use any page of an on-demand region, and what it gets through to is mapped:
	 * the shadow comes after the translation, when a fault in another thread maps the page. */
	store_search(q->c->space + SPACE_RANGES, q->at, 1, note_paged, &paged);
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

/* True: the piece is as it should be. */
static bool piece_is_right(struct access *q, struct about *a)
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

void check_access(struct check_device *c, dma_addr_t addr, u64 size, bool write, const void *caller)
{
	struct access q = {.c = c, .addr = addr, .size = size, .at = addr, .write = write};
	struct about a = about_of(c, DMAMAP_CHECK_DEVICE_FAULT, addr, size, DMA_NONE, caller);

	while (q.at - addr < size) {
		q.f.any = false;
		store_search(c->space, q.at, 1, look_at, &q);
		if (unlikely(!q.f.any)) {
			report_hole(&q, &a);
			return;
		}
		if (unlikely(!piece_is_right(&q, &a)))
			return;
		q.at = q.f.start + q.f.size;
		if (!q.at)
			return;
	}
}

/* The mapping that a fault is about, in a page of which the IOMMU does not say which part. */
struct in_page {
	const struct check_device *c;
	bool write;
	int score;
	struct found f;
};

static bool look_in_page(struct range *r, void *arg)
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

static void find_refused(struct check_device *c, u64 addr, u64 size, bool write, struct found *f)
{
	struct in_page q = {.c = c, .write = write};

	if (size) {
		shadow_find(c, c->space, addr, 1, f);
		return;
	}
	store_search(c->space, addr, PAGE_BYTES, look_in_page, &q);
	*f = q.f;
}

/* size 0: somewhere in the page at addr. */
void check_refused(struct check_device *c, dma_addr_t addr, u64 size, bool write, bool by_direction,
		   const char *why, const void *caller)
{
	struct about a = about_of(c, DMAMAP_CHECK_DEVICE_FAULT, addr, size, DMA_NONE, caller);
	unsigned long long n = size, at = addr;
	struct history history = {0};
	struct found f;

	find_refused(c, addr, size, write, &f);
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
	struct about a = about_of(c, DMAMAP_CHECK_MEMORY_GONE, addr, size, DMA_NONE, NULL);
	unsigned long long n = size, at = addr;
	struct found f;

	shadow_find(c, c->space, addr, size, &f);
	if (!f.any) {
		report_misuse(&a, "the device's %s of %llu bytes at %#llx was refused: %s",
			      access_verb(write), n, at, why);
		return;
	}
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

/* ---- a machine that is not coherent ---- */

struct written {
	bool any;
	const struct stack *mapped;
	u8 dir;
};

static bool note_written(struct range *r, void *arg)
{
	struct written *q = arg;

	q->any |= read_once(&r->of->device_wrote) || r->of->call == CALL_COHERENT;
	q->mapped = r->of->mapped;
	q->dir = r->of->dir;
	return true;
}

void check_lines(struct check_device *c, dma_addr_t addr, u64 pa, u64 size)
{
	u8 cpu[PAGE_BYTES], device[PAGE_BYTES];
	struct written w = {0};
	struct about a;
	u64 i;

	/* the program may be writing it, or syncing it, or have freed it */
	copy_unchecked(cpu, mem.base + pa, size);
	copy_unchecked(device, mem.device_view + pa, size);
	if (!memcmp(cpu, device, size))
		return;
	/* where the device has written, its bytes are the newer ones */
	store_search(c->space, addr, size, note_written, &w);
	if (w.any)
		return;
	for (i = 0; i < size && cpu[i] == device[i]; i++)
		;
	a = about_of(c, DMAMAP_CHECK_SYNC_MISSING, addr, size, (enum dma_data_direction)w.dir,
		     NULL);
	a.what[0] = "mapped";
	a.at[0] = w.mapped;
	report_misuse(&a,
		      "the device read old bytes at %#llx (0x%02x, where the CPU has 0x%02x): "
		      "dma_sync_single_for_device() is missing",
		      (unsigned long long)(addr + i), device[i], cpu[i]);
}
