/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocation of buffers from the fill ring. A buffer is a head (struct xdp_buff_xsk) and a chunk.
 * Heads are on a stack, so the few that are in use stay in the cache whatever the order of the
 * addresses. If a hostile application supplies an address twice, it is returned with two heads; no
 * head is ever in use twice.
 *
 * The kinds of chunks and of DMA addresses are tested once per batch: xsk_take_rows() is compiled
 * for each of the four combinations. docs/xsk.md has the measurements.
 *
 * An address is checked in 64 bits. An aligned one, rounded down to its chunk, must be in the UMEM.
 * For an unaligned one the whole chunk after it must be in the UMEM as well, and must be contiguous
 * for the device.
 */
#include "xsk/xsk.h"

#include <string.h>

#define HEADS_AT_ONCE 64
#define ROW	      4 /* entries per iteration of the loop */

/* Two words written by one store; stores are most of the cost of an allocation. */
typedef u64 pair __attribute__((vector_size(16), aligned(8), may_alias));

static u32 xsk_stack_count(const struct xsk_stack *s)
{
	return (u32)(s->top - s->bottom);
}

/* Adds unused heads to the stack until it has `want`, or until none is left. */
static slow_path void xsk_more_heads(struct xsk_buff_pool *pool, u32 want)
{
	while (xsk_stack_count(&pool->empty) < want && pool->heads_used < pool->heads_cnt) {
		u32 n = (u32)min_u64(HEADS_AT_ONCE, pool->heads_cnt - pool->heads_used);

		for (u32 i = n; i-- > 0;) {
			struct xdp_buff_xsk *x = &pool->heads[pool->heads_used + i];

			x->pool = pool;
			x->xdp.rxq = pool->rxq;
			x->xdp.frame_sz = pool->chunk_size - pool->headroom;
			x->xdp.flags = XDP_FLAGS_GONE;
			memcpy(x->cb, pool->cb, sizeof(x->cb));
			*pool->empty.top++ = x;
		}
		pool->heads_used += n;
	}
}

/* Constants of a pool that convert an address to a buffer; a batch keeps them in registers. */
struct alloc_shape {
	u64 mask, limit;	   /* mask of an entry; valid addresses are below the limit */
	pair data_end, meta_start; /* added to {addr, addr} */
	pair frame_dma;		   /* added to {0, addr} */
	const dma_addr_t *page;	   /* table of a pool that is not contiguous for the device */
	u32 chunk_size;
	bool unaligned, paged;
};

hot_inline struct alloc_shape xsk_pool_shape(const struct xsk_buff_pool *pool, bool unaligned,
					     bool paged)
{
	const u64 start = (u64)(uintptr_t)pool->addrs + pool->headroom;
	const u64 data = start + XDP_PACKET_HEADROOM,
		  headroom = pool->headroom + XDP_PACKET_HEADROOM;
	/* the upper half initialises the flags to 0 */
	const u64 frame_sz = pool->chunk_size - pool->headroom;

	return (struct alloc_shape){
		.mask = unaligned ? XSK_UNALIGNED_BUF_ADDR_MASK : pool->chunk_mask,
		.limit = unaligned ? pool->addrs_cnt - pool->chunk_size + 1 : pool->addrs_cnt,
		.data_end = {data, data},
		.meta_start = {data, start},
		.frame_dma = {frame_sz, (paged ? 0 : pool->dma_base) + headroom},
		.page = pool->dma_pages,
		.chunk_size = pool->chunk_size,
		.unaligned = unaligned,
		.paged = paged,
	};
}

hot_inline bool alloc_address_valid(const struct alloc_shape *s, u64 addr)
{
	if (unlikely(addr >= s->limit))
		return false;
	/* reject a chunk on two pages that are not contiguous for the device */
	return !s->unaligned || !s->paged ||
	       (addr & (PAGE_BYTES - 1)) + s->chunk_size <= PAGE_BYTES ||
	       (s->page[addr >> PAGE_BITS] & XSK_NEXT_PG_CONTIG_MASK);
}

/* Three stores of two words each. */
hot_inline void xsk_fill_head(const struct alloc_shape *s, struct xdp_buff_xsk *x, u64 addr)
{
	pair low = {addr, 0}, both, dma;

#if defined(__x86_64__)
	__asm__("" : "+x"(low)); /* prevents gcc from splitting the vectors */
#endif
	both = __builtin_shufflevector(low, low, 0, 0);
	if (s->paged)
		dma = (pair){0, (s->page[addr >> PAGE_BITS] & ~XSK_NEXT_PG_CONTIG_MASK) +
					(addr & (PAGE_BYTES - 1))};
	else
		dma = __builtin_shufflevector(low, low, 1, 0);
	*(pair *)&x->xdp.data = both + s->data_end;
	*(pair *)&x->xdp.data_meta = both + s->meta_start;
	*(pair *)&x->xdp.frame_sz = dma + s->frame_dma;
}

/*
 * Takes four entries at a time, as long as all four are valid; returns the number of entries. No
 * iteration depends on the one before, except through the loop counter.
 */
hot_inline u32 xsk_take_rows(struct xsk_buff_pool *pool, struct xdp_buff **out, const u64 *entry,
			     u32 n, bool unaligned, bool paged)
{
	const struct alloc_shape s = xsk_pool_shape(pool, unaligned, paged);
	struct xdp_buff_xsk **head = pool->empty.top;
	u32 at;

	for (at = 0; at < n; at += ROW, entry += ROW, out += ROW) {
		u64 a0 = read_once(&entry[0]) & s.mask, a1 = read_once(&entry[1]) & s.mask;
		u64 a2 = read_once(&entry[2]) & s.mask, a3 = read_once(&entry[3]) & s.mask;

		if (unlikely(!alloc_address_valid(&s, a0) || !alloc_address_valid(&s, a1) ||
			     !alloc_address_valid(&s, a2) || !alloc_address_valid(&s, a3)))
			break;
		head -= ROW;
		xsk_fill_head(&s, head[3], a0);
		xsk_fill_head(&s, head[2], a1);
		xsk_fill_head(&s, head[1], a2);
		xsk_fill_head(&s, head[0], a3);
		out[0] = &head[3]->xdp;
		out[1] = &head[2]->xdp;
		out[2] = &head[1]->xdp;
		out[3] = &head[0]->xdp;
	}
	pool->empty.top = head;
	return at;
}

#define TAKE_ROWS(name, unaligned, paged)                                                          \
	static __attribute__((noinline)) u32 name(struct xsk_buff_pool *pool,                      \
						  struct xdp_buff **out, const u64 *entry, u32 n)  \
	{                                                                                          \
		return xsk_take_rows(pool, out, entry, n, unaligned, paged);                       \
	}

TAKE_ROWS(take_aligned, false, false)
TAKE_ROWS(take_unaligned, true, false)
TAKE_ROWS(take_aligned_paged, false, true)
TAKE_ROWS(take_unaligned_paged, true, true)

static u32 xsk_take_any_rows(struct xsk_buff_pool *pool, struct xdp_buff **out, const u64 *entry,
			     u32 n)
{
	if (likely(!pool->dma_pages))
		return pool->unaligned ? take_unaligned(pool, out, entry, n)
				       : take_aligned(pool, out, entry, n);
	return pool->unaligned ? take_unaligned_paged(pool, out, entry, n)
			       : take_aligned_paged(pool, out, entry, n);
}

/*
 * Takes the entries that xsk_take_rows() leaves: the end of the ring, or a row with an invalid
 * entry.
 */
static u32 xsk_take_few(struct xsk_buff_pool *pool, struct xdp_buff **out, const u64 *entry, u32 at,
			u32 mask, u32 n)
{
	const struct alloc_shape s = xsk_pool_shape(pool, pool->unaligned, pool->dma_pages);
	struct xdp_buff **to = out;

	for (; n; n--) {
		u64 addr = read_once(&entry[at++ & mask]) & s.mask;
		struct xdp_buff_xsk *x;

		if (unlikely(!alloc_address_valid(&s, addr)))
			continue;
		x = *--pool->empty.top;
		xsk_fill_head(&s, x, addr);
		*to++ = &x->xdp;
	}
	return (u32)(to - out);
}

/*
 * Takes `n` addresses from entry[at & mask…], for which there are heads. Returns how many were
 * valid; the others are skipped.
 */
static u32 alloc_take_rows(struct xsk_buff_pool *pool, struct xdp_buff **out, const u64 *entry,
			   u32 at, u32 mask, u32 n)
{
	struct xdp_buff **to = out;

	while (n) {
		u32 from = at & mask, few = (u32)min_u64(n, (u64)mask + 1 - from);

		few &= ~(ROW - 1u);
		few = few ? xsk_take_any_rows(pool, to, entry + from, few) : 0;
		to += few;
		at += few;
		n -= few;
		few = n < ROW ? n : ROW;
		if (few)
			to += xsk_take_few(pool, to, entry, at, mask, few);
		at += few;
		n -= few;
	}
	return (u32)(to - out);
}

/*
 * Takes entries of the fill ring. Examines at most one ring's length, also if every entry is
 * invalid.
 */
static u32 xsk_take_filled(struct xsk_pool *p, struct xdp_buff **out, u32 max)
{
	struct xsk_ring *fq = p->fq;
	u32 got = 0, looked = 0, n;

	while (got < max && looked <= fq->mask && (n = ring_entries(fq, max - got))) {
		u32 heads = xsk_stack_count(&p->pub.empty), taken;

		if (unlikely(heads < n)) {
			xsk_more_heads(&p->pub, n);
			heads = xsk_stack_count(&p->pub.empty);
			n = (u32)min_u64(n, heads);
			if (!n)
				break;
		}
		taken = alloc_take_rows(&p->pub, out + got, fq->addr, fq->index, fq->mask, n);
		if (unlikely(taken != n))
			count_add(&fq->invalid, n - taken);
		fq->index += n;
		looked += n;
		got += taken;
	}
	if (looked)
		ring_publish_consumer(fq);
	return got;
}

/* Resets a buffer to its state after allocation; chunk and DMA address are unchanged. */
hot_inline void alloc_reset_buffer(struct xdp_buff_xsk *x)
{
	char *data = (char *)x->xdp.data_hard_start + XDP_PACKET_HEADROOM;

	x->xdp.data = data;
	x->xdp.data_meta = data;
	x->xdp.flags = 0;
}

/* Takes buffers that the driver has freed. */
static u32 xsk_take_freed(struct xsk_stack *freed, struct xdp_buff **out, u32 max)
{
	u32 n = (u32)min_u64(max, xsk_stack_count(freed));
	struct xdp_buff_xsk **top = freed->top;

	for (u32 i = 0; i < n; i++) {
		struct xdp_buff_xsk *x = *--top;

		alloc_reset_buffer(x);
		out[i] = &x->xdp;
	}
	freed->top = top;
	return n;
}

static slow_path void xsk_after_alloc(struct xsk_buff_pool *pool, struct xdp_buff **xdp, u32 n,
				      const void *caller)
{
	for (u32 i = 0; pool->dma_need_sync && i < n; i++)
		xp_dma_sync_for_device(pool, xsk_buff_of(xdp[i])->dma, pool->frame_len);
	if (pool->tracked)
		provenance_record(xdp, n, caller);
}

u32 pool_alloc(struct xsk_pool *p, struct xdp_buff **out, u32 max)
{
	u32 n = 0, more;

	if (xsk_stack_count(&p->pub.freed))
		n = xsk_take_freed(&p->pub.freed, out, max);
	if (n < max) {
		more = xsk_take_filled(p, out + n, max - n);
		if (unlikely(!more))
			count_add(&p->fq->empty, 1);
		n += more;
	}
	return n;
}

hot_inline u32 alloc_batch(struct xsk_buff_pool *pool, struct xdp_buff **xdp, u32 max,
			   const void *caller)
{
	u32 n = pool_alloc(pool_of(pool), xdp, max);

	if (unlikely(pool->dma_need_sync | pool->tracked))
		xsk_after_alloc(pool, xdp, n, caller);
	return n;
}

u32 xp_alloc_batch(struct xsk_buff_pool *pool, struct xdp_buff **xdp, u32 max)
{
	return alloc_batch(pool, xdp, max, __builtin_return_address(0));
}

struct xdp_buff *xp_alloc(struct xsk_buff_pool *pool)
{
	struct xdp_buff *xdp;

	return alloc_batch(pool, &xdp, 1, __builtin_return_address(0)) ? xdp : NULL;
}

bool xp_can_alloc(struct xsk_buff_pool *pool, u32 count)
{
	u32 freed = xsk_stack_count(&pool->freed);

	return freed >= count || ring_entries(pool_of(pool)->fq, count - freed) == count - freed;
}

/* Returns the address that an entry denotes; an invalid entry yields an address beyond the UMEM. */
hot_inline u64 xp_raw_addr(const struct xsk_buff_pool *pool, u64 addr)
{
	if (pool->unaligned)
		addr = xp_unaligned_add_offset_to_addr(addr);
	return addr;
}

void *xp_raw_get_data(struct xsk_buff_pool *pool, u64 addr)
{
	addr = xp_raw_addr(pool, addr);
	return likely(addr < pool->addrs_cnt) ? pool->addrs + addr : NULL;
}

dma_addr_t xp_raw_get_dma(struct xsk_buff_pool *pool, u64 addr)
{
	addr = xp_raw_addr(pool, addr);
	if (unlikely(addr >= pool->addrs_cnt || !pool->dev))
		return DMA_MAPPING_ERROR;
	if (likely(!pool->dma_pages))
		return pool->dma_base + addr;
	return (pool->dma_pages[addr >> PAGE_BITS] & ~XSK_NEXT_PG_CONTIG_MASK) +
	       (addr & (PAGE_BYTES - 1));
}

struct xdp_desc_ctx xp_raw_get_ctx(const struct xsk_buff_pool *pool, u64 addr)
{
	struct xsk_buff_pool *p = (struct xsk_buff_pool *)(uintptr_t)pool;
	struct xdp_desc_ctx ctx = {.dma = xp_raw_get_dma(p, addr)};

	ctx.meta = xsk_buff_get_metadata(p, addr);
	return ctx;
}
