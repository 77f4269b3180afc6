/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two-step mappings. A range has a shadow in a separate space, because it maps nothing itself.
 * Every link has a shadow, like a mapping. An unlink may cover several links, or a part of one,
 * whose rest stays linked. An unlink of a part that is not linked is reported by the mapping code.
 */
#include "check/find.h"

#include <linux/dma-mapping.h>

void check_range_taken(struct check_device *c, dma_addr_t addr, u64 size, const void *caller)
{
	const struct check_mapping m = {
		.addr = addr, .size = size, .call = CALL_RANGE, .dir = DMA_NONE};
	struct shadow *s;

	check_enter(caller);
	s = shadow_new(c, &m, caller);
	if (s && shadow_add(s))
		shadow_drop_lost(s);
}

struct link_set {
	const struct check_device *c;
	u64 from, end;
	struct shadow *claimed;
	const struct stack *mapped;
};

static bool link_claim(struct store_range *r, void *arg)
{
	struct link_set *q = arg;
	struct shadow *s = r->of;

	if (s->call != CALL_LINK || s->c != q->c || r != &s->dma ||
	    __atomic_exchange_n(&s->claimed, true, __ATOMIC_ACQUIRE))
		return true;
	q->claimed = s;
	return false;
}

/* Makes a shadow for the part [from, end) of a link. */
static void link_put_back(const struct shadow *s, u64 from, u64 end)
{
	struct check_mapping m = {.addr = from,
				  .pa = s->phys.start + (from - s->dma.start),
				  .size = end - from,
				  .attrs = s->attrs,
				  .dir = (enum dma_data_direction)s->dir,
				  .call = CALL_LINK};
	struct shadow *rest = shadow_new(s->c, &m, NULL);

	if (!rest)
		return;
	rest->mapped = s->mapped;
	rest->asked = rest->paged = s->paged;
	rest->unsynced = read_once(&s->unsynced);
	if (shadow_add(rest))
		shadow_drop_lost(rest);
}

static void link_end(struct shadow *s, u64 from, u64 end, const void *caller)
{
	u64 had_from = s->dma.start, had_end = s->dma.start + s->dma.size;

	own_end(s, caller);
	if (had_from < from)
		link_put_back(s, had_from, from);
	if (end < had_end)
		link_put_back(s, end, had_end);
	shadow_forget(s, caller);
}

void check_unlink(struct check_device *c, dma_addr_t addr, u64 size, enum dma_data_direction dir,
		  unsigned long attrs, const void *caller)
{
	const struct check_mapping m = {
		.addr = addr, .size = size, .attrs = attrs, .dir = dir, .call = CALL_LINK};
	struct link_set q = {.c = c, .from = addr, .end = addr + size};
	bool compared = false;

	check_enter(caller);
	for (;;) {
		q.claimed = NULL;
		store_search(c->space, addr, size, link_claim, &q);
		if (!q.claimed)
			return;
		if (!compared && (q.claimed->dir != (u8)dir || q.claimed->attrs != attrs)) {
			check_compare(q.claimed, &m, 0, caller);
			compared = true;
		}
		link_end(q.claimed, q.from, q.end, caller);
	}
}

void check_range_freed(struct check_device *c, dma_addr_t addr, u64 size)
{
	const struct check_mapping m = {
		.addr = addr, .size = size, .call = CALL_RANGE, .dir = DMA_NONE};
	struct link_set q = {.c = c, .from = addr, .end = addr + size};
	struct shadow_found other = {0};
	struct shadow *s = shadow_claim(c, &m, &other);

	if (s)
		shadow_drop(s);
	for (;;) {
		q.claimed = NULL;
		store_search(c->space, addr, size, link_claim, &q);
		if (!q.claimed)
			return;
		link_end(q.claimed, q.from, q.end, NULL);
	}
}

static bool link_note(struct store_range *r, void *arg)
{
	struct link_set *q = arg;

	if (r->of->call != CALL_LINK || r->of->c != q->c)
		return true;
	q->mapped = r->of->mapped;
	return false;
}

void check_links_history(const struct check_device *c, dma_addr_t addr, u64 size,
			 struct check_history *history)
{
	struct link_set q = {.c = c};
	struct shadow_history was;

	*history = (struct check_history){.what = {"linked", "unlinked"}};
	if (size)
		store_search(c->space, addr, size, link_note, &q);
	history->at[0] = q.mapped;
	if (!q.mapped && history_find(c, addr, 1, &was) && was.call == CALL_LINK) {
		history->at[0] = was.mapped;
		history->at[1] = was.unmapped;
	}
}

static bool link_set_synced(struct store_range *r, void *arg)
{
	const struct link_set *q = arg;

	if (r->of->call == CALL_LINK && r->of->c == q->c)
		write_once(&r->of->unsynced, false);
	return true;
}

void check_iova_sync(struct check_device *c, dma_addr_t addr, u64 size)
{
	struct link_set q = {.c = c};

	if (size)
		store_search(c->space, addr, size, link_set_synced, &q);
}
