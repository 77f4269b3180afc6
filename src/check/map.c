/* SPDX-License-Identifier: BSD-2-Clause */
/* Single mappings and allocations: misuse in a map call, and in the unmap that ends the mapping. */
#include "base/error.h"
#include "check/find.h"
#include "check/freed.h"
#include "shadow/subbuf.h"

#include <linux/dma-mapping.h>

/* Attributes that the unmap must repeat. The others are hints, or may differ. */
#define ATTRS_THAT_BIND                                                                            \
	(DMA_ATTR_WEAK_ORDERING | DMA_ATTR_WRITE_COMBINE | DMA_ATTR_NO_KERNEL_MAPPING |            \
	 DMA_ATTR_FORCE_CONTIGUOUS | DMA_ATTR_PRIVILEGED | DMA_ATTR_MMIO)

static bool check_must_be_asked(unsigned int call)
{
	return call <= CALL_RESOURCE;
}

/* ---- overlap ---- */

struct check_overlap {
	const struct shadow *self;
	u64 size;	/* bytes */
	u64 first, end; /* the physical range of the cache lines that they touch */
	struct shadow_found found;
};

/*
 * A driver may map memory of a live mapping again after a sync has passed it to the CPU. For
 * example, a packet is received by one card and sent by another, or decrypted in place, while the
 * mapping by which it was received stays.
 */
static bool check_may_hand_on(const struct check_overlap *q, const struct store_range *r)
{
	const struct shadow *s = r->of;
	u64 to_dma = s->dma.start - r->start;

	/*
	 * devices share the buffer, which is the documented use of the attribute: the first mapping
	 * transferred the ownership
	 */
	if ((q->self->attrs & DMA_ATTR_SKIP_CPU_SYNC) && s->c != q->self->c)
		return true;
	if (s->dma.more) /* its memory is in several pieces, whose offsets are not recorded */
		return subbuf_cpu_may_use(s, 0, ~0ull);
	return subbuf_cpu_may_use(s, max_u64(q->first, r->start) + to_dma,
				  min_u64(q->end, r->start + r->size) + to_dma);
}

static bool check_find_overlap(struct store_range *r, void *arg)
{
	struct check_overlap *q = arg;
	struct shadow *s = r->of;

	if (s == q->self || s->paged ||
	    ((s->attrs | q->self->attrs) & DMA_ATTR_DEBUGGING_IGNORE_CACHELINES))
		return true;
	if (s->dir == DMA_TO_DEVICE && q->self->dir == DMA_TO_DEVICE)
		return true;
	if (s->call != CALL_COHERENT && check_may_hand_on(q, r))
		return true;
	shadow_copy(&q->found, s);
	q->found.pa = r->start;
	return false;
}

static void check_report_overlap(const struct check_overlap *q, const void *caller)
{
	const struct shadow *s = q->self;
	const struct shadow_found *f = &q->found;
	bool coherent = f->call == CALL_COHERENT;
	struct report_about a =
		about_of(s->c, coherent ? DMAMAP_CHECK_MAP_COHERENT : DMAMAP_CHECK_MAP_OVERLAP,
			 s->dma.start, q->size, (enum dma_data_direction)s->dir, caller);

	a.what[0] = "mapped before";
	a.at[0] = f->mapped;
	if (coherent)
		report_misuse(&a,
			      "%s of %llu bytes of coherent memory, which the device has at %#llx "
			      "already: "
			      "use that address",
			      check_call_names[s->call], (unsigned long long)q->size,
			      (unsigned long long)f->start);
	else
		report_misuse(
			&a,
			"%s of %llu bytes (%s) shares a cache line with a mapping of %llu bytes "
			"(%s) at "
			"%#llx: unmap that first, or keep the buffers %d bytes apart",
			check_call_names[s->call], (unsigned long long)q->size,
			report_dir((enum dma_data_direction)s->dir), (unsigned long long)f->size,
			report_dir((enum dma_data_direction)f->dir), (unsigned long long)f->start,
			MEM_CACHE_LINE);
}

bool check_overlap(struct shadow *s, u64 start, u64 size, const void *caller)
{
	struct check_overlap q;

	q.self = s;
	q.size = size;
	q.first = align_down(start, MEM_CACHE_LINE);
	q.end = align_up(start + size, MEM_CACHE_LINE);
	q.found.any = false;
	store_search(SPACE_PHYS, q.first, q.end - q.first, check_find_overlap, &q);
	if (likely(!q.found.any))
		return false;
	/* the mapping may have ended, with only its memory still in the store */
	history_settle();
	q.found.any = false;
	store_search(SPACE_PHYS, q.first, q.end - q.first, check_find_overlap, &q);
	if (q.found.any)
		check_report_overlap(&q, caller);
	return q.found.any;
}

/* ---- map ---- */

void check_mask(struct check_device *c, dma_addr_t addr, u64 size, enum dma_data_direction dir,
		const void *caller)
{
	struct report_about a;

	if (likely(read_once(&c->mask_set)) ||
	    __atomic_exchange_n(&c->mask_said, true, __ATOMIC_RELAXED))
		return;
	a = about_of(c, DMAMAP_CHECK_MAP_NO_MASK, addr, size, dir, caller);
	report_misuse(
		&a,
		"mapped before dma_set_mask_and_coherent() was ever called: the device's default "
		"of 32 bits is a guess, say what it can address");
}

void check_map(struct check_device *c, const struct check_mapping *m, const void *caller)
{
	struct shadow *s;

	check_enter(caller);
	check_mask(c, m->addr, m->size, m->dir, caller);
	s = shadow_new(c, m, caller);
	if (!s)
		return;
	if (unlikely(s->paged)) {
		if (shadow_add(s))
			shadow_drop_lost(s);
		return;
	}
	if (m->call <= CALL_PHYS && !(m->attrs & DMA_ATTR_MMIO))
		check_place(c, m, caller);
	/* links may also be synced and unlinked in parts */
	s->unsynced = m->call == CALL_LINK;
	if (m->call != CALL_COHERENT && s->phys.size)
		check_overlap(s, m->pa, m->size, caller);
	own_add(s);
}

/* ---- dma_mapping_error() ---- */

struct check_asked {
	const struct check_device *c;
	u64 addr;
};

/*
 * A hash of all parameters that an unmap is compared with. Two different calls collide with
 * probability 2^-31.
 */
static u32 shadow_fingerprint_of(const struct check_device *c, u64 addr, u64 size,
				 unsigned int call, unsigned int dir, unsigned long attrs)
{
	u64 h = ((uintptr_t)c ^ addr << 20) * 0x9e3779b97f4a7c15ull;

	h = (h ^ h >> 31 ^ size) * 0xbf58476d1ce4e5b9ull;
	h = (h ^ h >> 29 ^ attrs << 16 ^ call << 8 ^ dir ^ addr >> 44 << 4) * 0x94d049bb133111ebull;
	return (u32)(h >> 32) | 1;
}

static struct store_fingerprint check_set_asked(struct store_range *r, void *arg)
{
	const struct check_asked *q = arg;
	struct shadow *s = r->of;
	u32 place;

	if (r != &s->dma || s->c != q->c)
		return (struct store_fingerprint){0};
	write_once(&s->asked, true);
	/* from here on only the unmap can be wrong, if the mapping is simple */
	place = store_place(&s->phys);
	if (!place || s->call > CALL_RESOURCE || s->guarded || s->dma.more ||
	    s->phys.start >= PHYS_FOREIGN || read_once(&s->claimed))
		return (struct store_fingerprint){0};
	return (struct store_fingerprint){
		shadow_fingerprint_of(s->c, r->start, r->size, s->call, s->dir, s->attrs), place};
}

void check_asked(struct check_device *c, dma_addr_t addr)
{
	struct check_asked q = {.c = c, .addr = addr};

	if (addr != DMA_MAPPING_ERROR)
		store_set_fingerprint(c->space, addr, check_set_asked, &q);
}

/* ---- unmap ---- */

struct check_others {
	const struct check_mapping *m;
	const struct check_device *self;
	struct shadow_found *found;
};

static void check_look_in_device(struct check_device *c, void *arg)
{
	struct check_others *q = arg;
	struct shadow_found f;

	if (c == q->self || q->found->any)
		return;
	shadow_find(c, c->space, q->m->addr, q->m->size, &f);
	if (f.any && f.c != q->self && f.start == q->m->addr && f.call != CALL_COHERENT)
		*q->found = f;
}

void check_forget(struct check_device *c, dma_addr_t addr, enum check_call call)
{
	const struct check_mapping m = {.addr = addr, .call = call};
	struct shadow_found other = {0};
	struct shadow *s = shadow_claim(c, &m, &other);

	if (!s)
		return;
	own_end(s, NULL);
	shadow_drop(s);
}

/* No mapping of this device begins there: it may have ended, or may belong to another device. */
void check_not_mapped(struct check_device *c, const struct check_mapping *m,
		      struct shadow_found *other, const void *caller)
{
	struct report_about a =
		about_of(c, DMAMAP_CHECK_UNMAP_NOT_MAPPED, m->addr, m->size, m->dir, caller);
	struct check_others q = {.m = m, .self = c, .found = other};
	const char *name = check_call_names[m->call];
	struct shadow_history history;
	struct shadow_found f;

	if (shadow_lost()) {
		shadow_found_lost();
		return;
	}
	shadow_find(c, c->space, m->addr, 1, &f);
	if (!f.any && history_find(c, m->addr, 1, &history) && history.start == m->addr) {
		a.kind = DMAMAP_CHECK_UNMAP_TWICE;
		a.what[0] = "unmapped before";
		a.at[0] = history.unmapped;
		a.what[1] = "mapped";
		a.at[1] = history.mapped;
		report_misuse(&a, "unmap of %#llx (%llu bytes by %s), which was unmapped already",
			      (unsigned long long)m->addr, (unsigned long long)history.size,
			      check_call_names[history.call]);
		return;
	}
	if (!f.any || f.c == c)
		check_each_device(check_look_in_device, &q);
	a.what[0] = "mapped";
	if (other->any) {
		a.kind = DMAMAP_CHECK_UNMAP_DEVICE;
		a.at[0] = other->mapped;
		report_misuse(
			&a,
			"unmap of %#llx, which another device mapped: unmap with the device that "
			"mapped",
			(unsigned long long)m->addr);
		return;
	}
	a.at[0] = f.any ? f.mapped : NULL;
	if (f.any) {
		report_misuse(&a,
			      "unmap of %#llx like from %s, but the mapping there begins at %#llx",
			      (unsigned long long)m->addr, name, (unsigned long long)f.start);
		/* with an IOMMU the mapping that begins in the page is unmapped nevertheless */
		if (f.c == c && f.start >> PAGE_BITS == m->addr >> PAGE_BITS)
			check_forget(c, f.start, (enum check_call)f.call);
		return;
	}
	report_misuse(&a,
		      "unmap of %#llx like from %s, where nothing is mapped: pass the address that "
		      "the map call returned",
		      (unsigned long long)m->addr, name);
}

static void check_compare_attrs(struct report_about *a, const struct shadow *s, unsigned long attrs)
{
	if (!((s->attrs ^ attrs) & ATTRS_THAT_BIND))
		return;
	a->kind = s->call == CALL_LINK ? DMAMAP_CHECK_IOVA_ATTRS : DMAMAP_CHECK_UNMAP_ATTRS;
	report_misuse(a, "unmap with attributes %#lx of %s with %#lx: pass the same", attrs,
		      check_call_names[s->call], s->attrs);
}

void check_compare(struct shadow *s, const struct check_mapping *m, u32 nents, const void *caller)
{
	struct report_about a =
		about_of(s->c, DMAMAP_CHECK_UNMAP_FUNCTION, m->addr, m->size, m->dir, caller);

	a.what[0] = "mapped";
	a.at[0] = s->mapped;
	if (s->call != m->call && s->call != CALL_LINK) {
		report_misuse(&a, "mapped by %s, unmapped like from %s", check_call_names[s->call],
			      check_call_names[m->call]);
		return;
	}
	if (s->call == CALL_SG && s->nents != nents) {
		a.kind = DMAMAP_CHECK_UNMAP_SG_COUNT;
		report_misuse(
			&a,
			"unmap of a scatterlist with %u entries, mapped with %u: pass the count "
			"that "
			"was passed to map, not the one that it returned",
			nents, s->nents);
	}
	if (s->call != CALL_SG && s->call != CALL_LINK && s->dma.size != m->size) {
		a.kind = s->call == CALL_COHERENT ? DMAMAP_CHECK_COHERENT_MISMATCH
						  : DMAMAP_CHECK_UNMAP_SIZE;
		report_misuse(&a, "unmap of %llu bytes, but %llu were mapped",
			      (unsigned long long)m->size, (unsigned long long)s->dma.size);
	}
	if (s->dir != (u8)m->dir && s->call != CALL_COHERENT) {
		a.kind = s->call == CALL_LINK ? DMAMAP_CHECK_IOVA_DIRECTION
					      : DMAMAP_CHECK_UNMAP_DIRECTION;
		report_misuse(&a, "unmap with direction %s of a mapping %s", report_dir(m->dir),
			      report_dir((enum dma_data_direction)s->dir));
	}
	check_compare_attrs(&a, s, m->attrs);
	if (check_must_be_asked(s->call) && !read_once(&s->asked)) {
		a.kind = DMAMAP_CHECK_MAP_UNCHECKED;
		report_misuse(
			&a,
			"unmapped, and dma_mapping_error() was never asked whether it was mapped");
	}
}

/*
 * Whether one direction is to the device and the other from it. Such an unmap is refused (map.h,
 * prot_to_unmap()), so the mapping stays.
 */
static bool check_excluded(const struct shadow *s, const struct check_mapping *m)
{
	return s->call <= CALL_SG && m->call == s->call &&
	       ((m->dir == DMA_TO_DEVICE && s->dir == DMA_FROM_DEVICE) ||
		(m->dir == DMA_FROM_DEVICE && s->dir == DMA_TO_DEVICE));
}

/* Ends the claimed mapping, unless the unmap is refused. */
void check_end(struct shadow *s, const struct check_mapping *m, u32 nents, const void *caller)
{
	check_compare(s, m, nents, caller);
	if (unlikely(check_excluded(s, m))) {
		write_release(&s->claimed, false);
		return;
	}
	freed_check_claimed(s, caller);
	own_end(s, caller);
	shadow_forget(s, caller);
}

static __attribute__((noinline)) void
check_unmap_claimed(struct check_device *c, const struct check_mapping *m, const void *caller)
{
	struct shadow_found other = {0};
	struct shadow *s = shadow_claim(c, m, &other);

	if (likely(s))
		check_end(s, m, 0, caller);
	else if (m->addr != DMA_MAPPING_ERROR)
		check_not_mapped(c, m, &other, caller);
}

void check_unmap(struct check_device *c, const struct check_mapping *m, const void *caller)
{
	check_enter(caller);
	if (m->call > CALL_RESOURCE ||
	    !shadow_end_fingerprint(
		    c, m, shadow_fingerprint_of(c, m->addr, m->size, m->call, m->dir, m->attrs),
		    caller))
		check_unmap_claimed(c, m, caller);
}

bool check_free_unknown(struct check_device *c, const void *cpu, dma_addr_t addr, u64 size)
{
	struct report_about a =
		about_of(c, DMAMAP_CHECK_COHERENT_TWICE, addr, size, DMA_NONE, NULL);
	struct shadow_history history;

	if (!history_find(c, addr, 1, &history) || history.start != addr ||
	    history.call != CALL_COHERENT)
		return false;
	a.what[0] = "freed before";
	a.at[0] = history.unmapped;
	a.what[1] = "allocated";
	a.at[1] = history.mapped;
	report_misuse(&a, "free of %p, coherent memory of %llu bytes that was freed already", cpu,
		      (unsigned long long)history.size);
	return true;
}
