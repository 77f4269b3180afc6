/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Initialization and destruction of page tables, and lookups that do not change them. Every
 * function here except pt_init() and pt_fini() runs concurrently with maps and unmaps. Each entry
 * is therefore read once, and the table to which it points may already be in limbo. A table in
 * limbo stays readable until no walker can be in it any more.
 */
#include "base/error.h"
#include "pt/table.h"

int pt_init(struct pt *pt, const struct pt_memory *memory)
{
	struct pt new = {.memory = *memory, .leaf_shift = GIB_SHIFT};

	new.root = table_new(&new);
	if (!new.root)
		return error_set(ENOMEM,
				 "no memory for the root page table: close a device or give "
				 "the machine more RAM");
	*pt = new;
	return 0;
}

void pt_fini(struct pt *pt)
{
	u64 *spare;

	if (!pt->root)
		return;
	tree_free(pt, pt->root, ROOT_SHIFT);
	pt_free_limbo(pt);
	while ((spare = pt_spare_take(pt)))
		pt_table_free(pt, spare);
	*pt = (struct pt){0};
}

bool pt_walk_slow(const struct pt *pt, iova_t iova, struct pt_leaf *leaf)
{
	struct pt_place at;

	if (iova.v >> PT_IOVA_BITS)
		return false;
	at = place_find(pt, iova.v);
	if (!entry_present(at.entry))
		return false;
	*leaf = (struct pt_leaf){.entry = at.entry, .size = 1ull << at.shift};
	return true;
}

u64 pt_find(const struct pt *pt, iova_t iova, u64 end)
{
	u64 pos = iova.v;

	while (pos < end && !(pos >> PT_IOVA_BITS)) {
		struct pt_place at = place_find(pt, pos);

		if (entry_present(at.entry))
			return pos;
		pos = ((pos >> at.shift) + 1) << at.shift;
	}
	return end;
}

struct pt_visit {
	const struct pt *pt;
	bool (*fn)(void *arg, iova_t iova, u64 size);
	void *arg;
};

static bool pt_visit_table(const struct pt_visit *v, u64 *table, unsigned int shift, u64 start)
{
	for (u64 i = 0; i < PT_ENTRIES; i++) {
		u64 entry = read_acquire(&table[i]), pos = start + (i << shift), size;

		if (entry_is_table(entry, shift)) {
			if (!pt_visit_table(v, pt_table(v->pt, entry), shift - LEVEL_BITS, pos))
				return false;
		} else if (entry_present(entry) && entry & PT_FIRST) {
			size = pt_mapping_size(v->pt, IOVA(pos));
			/* The size is 0 if the mapping was unmapped after the entry was read. */
			if (size && !v->fn(v->arg, IOVA(pos), size))
				return false;
		}
	}
	return true;
}

void pt_for_each_mapping(const struct pt *pt, bool (*fn)(void *arg, iova_t iova, u64 size),
			 void *arg)
{
	struct pt_visit v = {.pt = pt, .fn = fn, .arg = arg};

	pt_visit_table(&v, pt->root, ROOT_SHIFT, 0);
}
