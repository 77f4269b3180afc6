/* SPDX-License-Identifier: BSD-2-Clause */
#include "backend/run.h"
#include "base/error.h"
#include "base/log.h"

bool backend_run_find(const struct pt *pt, struct backend_run *r, u64 end)
{
	struct pt_leaf leaf;
	u64 pos, in;

	r->iova = pt_find(pt, IOVA(r->iova), end);
	if (r->iova >= end || !pt_walk_slow(pt, IOVA(r->iova), &leaf))
		return false;
	in = r->iova & (leaf.size - 1);
	r->pa = PHYS((leaf.entry & PT_ADDR & ~(leaf.size - 1)) + in);
	r->prot = leaf.entry & PT_PRESENT;
	pos = r->iova + min_u64(leaf.size - in, end - r->iova);
	while (pos < end && !(leaf.entry & PT_LAST) && pt_walk_slow(pt, IOVA(pos), &leaf) &&
	       (leaf.entry & PT_PRESENT) == r->prot &&
	       (leaf.entry & PT_ADDR & ~(leaf.size - 1)) + (pos & (leaf.size - 1)) ==
		       r->pa.v + (pos - r->iova))
		pos += min_u64(leaf.size - (pos & (leaf.size - 1)), end - pos);
	r->size = pos - r->iova;
	return true;
}

u64 backend_run_count(const struct pt *pt, u64 iova, u64 end)
{
	struct backend_run r = {.iova = iova};
	u64 n = 0;

	for (; backend_run_find(pt, &r, end); r.iova += r.size)
		n++;
	return n;
}

int backend_run_map(struct backend_space *b, iova_t iova, phys_t pa, u64 size, u64 flags,
		    int (*fn)(struct backend_space *b, const struct backend_run *r))
{
	const struct backend_run r = {
		.iova = iova.v, .size = size, .pa = pa, .prot = flags & PT_PRESENT};
	int err = pt_map(b->pt, iova, pa, size, flags, 0);

	if (err)
		return err;
	err = fn(b, &r);
	if (unlikely(err))
		pt_unmap(b->pt, iova, size);
	return err;
}

void backend_run_drop_rest(struct backend_space *b, u64 iova, u64 end)
{
	log_line(LOG_ERROR,
		 "the rest of a partly unlinked range cannot be mapped again, and the device "
		 "cannot reach it: %s",
		 error_text());
	pt_unmap(b->pt, IOVA(iova), end - iova);
}
