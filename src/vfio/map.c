/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The back end's operations. The library's page table is written first. Then each run of memory
 * that is contiguous in the process is mapped in the kernel by one call.
 */
#include "vfio/space.h"
#include "backend/run.h"
#include "base/error.h"

static int vfio_run_map(struct backend_space *b, const struct backend_run *r)
{
	if (!(r->pa.v & PHYS_FOREIGN) && !phys_is_ram(r->pa))
		return error_set(EOPNOTSUPP,
				 "device address %#llx: this back end cannot map the registers of "
				 "one device for another",
				 (unsigned long long)r->iova);
	return space_map(b->priv, r->iova, phys_ptr(r->pa), r->size, r->prot);
}

static int vfio_publish(struct backend_space *b, iova_t iova, u64 size)
{
	struct vfio_space *s = b->priv;
	u64 end = iova.v + size, n = 0, done = 0;
	struct backend_run r = {.iova = iova.v};
	int err = 0;

	if (s->counted && size > PAGE_BYTES)
		err = space_need(s, backend_run_count(b->pt, iova.v, end));
	for (; !err && backend_run_find(b->pt, &r, end); r.iova += r.size) {
		err = vfio_run_map(b, &r);
		if (err)
			break;
		done += r.size;
		n++;
	}
	if (err && n)
		space_unmap(s, iova.v, r.iova - iova.v, done, n);
	return err;
}

static int vfio_map(struct backend_space *b, iova_t iova, phys_t pa, u64 size, u64 flags)
{
	return backend_run_map(b, iova, pa, size, flags, vfio_run_map);
}

static u64 vfio_unmap(struct backend_space *b, iova_t iova, u64 size)
{
	return pt_unmap(b->pt, iova, size);
}

static void vfio_invalidate(struct backend_space *b, iova_t iova, u64 size)
{
	space_unmap(b->priv, iova.v, size, size, 1);
}

static void vfio_invalidate_some(struct backend_space *b, iova_t iova, u64 size, u64 mapped)
{
	space_unmap(b->priv, iova.v, size, mapped, 1);
}

/* Returns the start of the piece that contains `iova`. */
static u64 vfio_piece_start(const struct pt *pt, u64 iova)
{
	struct pt_leaf leaf, here;
	struct backend_run r;

	while (iova && pt_walk_slow(pt, IOVA(iova - 1), &leaf) && !(leaf.entry & PT_LAST)) {
		/* test whether the preceding leaf is in the same run, so of the same map call */
		r = (struct backend_run){.iova = align_down(iova - 1, leaf.size)};
		if (!pt_walk_slow(pt, IOVA(iova), &here) ||
		    !backend_run_find(pt, &r, iova + PAGE_BYTES) || r.iova + r.size <= iova)
			break;
		iova = r.iova;
	}
	return iova;
}

/*
 * Makes the page the last of its piece. Cannot fail: the entry's tables exist, since the entry was
 * present a moment before.
 */
static void vfio_piece_end_at(struct pt *pt, u64 iova)
{
	u64 entry = pt_walk(pt, IOVA(iova));

	pt_unmap(pt, IOVA(iova), PAGE_BYTES);
	pt_map(pt, IOVA(iova), PHYS(entry & PT_ADDR), PAGE_BYTES, (entry & PT_FLAGS) | PT_LAST, 0);
}

/* Maps the rest of a piece again after its other part was unmapped. */
static void vfio_piece_map_rest(struct backend_space *b, u64 iova, u64 end)
{
	struct backend_run r = {.iova = iova};

	if (iova >= end || !backend_run_find(b->pt, &r, end) || !vfio_run_map(b, &r))
		return;
	backend_run_drop_rest(b, iova, end);
}

/* Describes the pieces that overlap [iova, end). */
struct vfio_pieces {
	u64 start, end; /* from the start of the first piece to the end of the last */
	u64 mapped, n;	/* the bytes that the pieces map, and their number */
};

/*
 * The walk passes both ends of the range, where other threads may map and unmap; hence
 * pt_walk_enter().
 */
static struct vfio_pieces vfio_pieces_find(struct pt *pt, u64 iova, u64 end)
{
	unsigned int side = pt_walk_enter(pt);
	struct vfio_pieces p = {0};
	struct backend_run r;

	p.start = p.end = pt_find(pt, IOVA(iova), end);
	if (p.start == iova && iova < end)
		p.start = vfio_piece_start(pt, iova);
	r.iova = p.start;
	for (; r.iova < end && backend_run_find(pt, &r, 1ull << PT_IOVA_BITS); r.iova = p.end) {
		if (r.iova >= end)
			break;
		p.end = r.iova + r.size;
		p.mapped += r.size;
		p.n++;
	}
	pt_walk_exit(pt, side);
	return p;
}

static u64 vfio_unmap_partial(struct backend_space *b, iova_t iova, u64 size)
{
	struct vfio_space *s = b->priv;
	u64 end = iova.v + size, gone;
	struct vfio_pieces p;
	void *unused;

	pthread_mutex_lock(&s->partial_lock);
	p = vfio_pieces_find(b->pt, iova.v, end);
	if (p.n)
		space_unmap(s, p.start, p.end - p.start, p.mapped, p.n);
	gone = pt_unmap(b->pt, iova, size);
	unused = pt_limbo_take(b->pt);
	pt_limbo_free(b->pt, unused); /* only this process walks them */
	if (p.start < iova.v) {
		vfio_piece_end_at(b->pt, iova.v - PAGE_BYTES);
		vfio_piece_map_rest(b, p.start, iova.v);
	}
	vfio_piece_map_rest(b, end, p.end);
	pthread_mutex_unlock(&s->partial_lock);
	return gone;
}

static void vfio_count(struct backend_space *b, struct backend_counts *out)
{
	struct vfio_space *s = b->priv;

	*out = (struct backend_counts){read_once(&s->maps), read_once(&s->unmaps),
				       read_once(&s->refused), read_once(&s->left)};
}

static void vfio_clear(struct backend_space *b)
{
	struct vfio_space *s = b->priv;

	s->kernel->clear(s);
}

const struct iommu_ops iommu_ops_vfio = {
	.name = "vfio",
	.map = vfio_map,
	.publish = vfio_publish,
	.unmap = vfio_unmap,
	.invalidate = vfio_invalidate,
	.invalidate_some = vfio_invalidate_some,
	.unmap_partial = vfio_unmap_partial,
	.count = vfio_count,
	.clear = vfio_clear,
};
