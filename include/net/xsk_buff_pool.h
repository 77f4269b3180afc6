/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The buffer pool of a UMEM on one queue of one device: buffers come off the fill ring (or the free
 * list of those that the driver gave back), go to the device by their DMA address, and leave
 * through the RX ring. Drivers use the wrappers of <net/xdp_sock_drv.h>.
 *
 * Addresses: `addr` is an offset into the UMEM; with unaligned chunks the upper 16 bits of an
 * address in a ring are an offset to add. DMA addresses are the device's.
 *
 * Threads: the receiving side of a pool (alloc, free, xsk_rcv) belongs to one thread at a time,
 * and so does the transmitting side (xsk_tx_*); they may be two. The control calls may be made from
 * any thread.
 */
#ifndef DMAMAP_NET_XSK_BUFF_POOL_H
#define DMAMAP_NET_XSK_BUFF_POOL_H

#include <linux/dma-mapping.h>
#include <net/xdp_sock.h>

DMAMAP_BEGIN

#define XSK_PRIV_MAX  24
#define XSK_MAX_FRAGS 17 /* of a packet, besides its first buffer */

/*
 * A buffer that the driver holds. Its first cache line is written when it is allocated, the second
 * only for packets of several buffers.
 */
struct xdp_buff_xsk {
	struct xdp_buff xdp;
	dma_addr_t dma; /* of the first byte behind all headroom */
	struct xsk_buff_pool *pool;
	u8 cb[XSK_PRIV_MAX];	    /* the driver's own */
	struct xdp_buff_xsk *first; /* a fragment: the packet's first buffer */
	struct xdp_buff_xsk *next;  /* first: its first fragment; fragment: the next, or NULL */
	struct xdp_buff_xsk *prev; /* first: its last fragment; fragment: the one before, or NULL */
	u32 nr_frags; /* first: how many; all four mean something with HAS_FRAGS only */
} __attribute__((aligned(64)));

/*
 * A stack of heads: where the next goes, and where the first went. A pointer, since a push through
 * one costs half of a push through a counter.
 */
struct xsk_stack {
	struct xdp_buff_xsk **top, **bottom;
};

/* What the inlines below and drivers read. Only tx_descs is a driver's to look into. */
struct xsk_buff_pool {
	struct device *dev; /* that it is mapped for; NULL: not mapped */
	struct xdp_umem *umem;
	struct xdp_rxq_info *rxq;
	struct xdp_buff_xsk *heads;
	struct xdp_desc *tx_descs; /* what xsk_tx_peek_release_desc_batch() took */
	u32 heads_cnt;
	u32 heads_used; /* heads below it have been in use; the others are untouched */
	u32 headroom;	/* the UMEM's, without XDP_PACKET_HEADROOM */
	u32 chunk_size;
	u32 chunk_shift;
	u32 frame_len; /* the longest packet in one buffer */
	u32 xdp_zc_max_segs;
	u32 tx_descs_cnt;
	u16 queue_id;
	u8 tx_metadata_len;
	bool uses_need_wakeup;

	/* read or written for each batch */
	char *addrs __attribute__((aligned(64))); /* where the UMEM begins */
	u64 addrs_cnt;				  /* its bytes */
	u64 chunk_mask;
	dma_addr_t dma_base;   /* of addr 0, where the whole UMEM is one range for the device */
	dma_addr_t *dma_pages; /* else: of each page, XSK_NEXT_PG_CONTIG_MASK in bit 0 */
	bool unaligned;
	bool dma_need_sync;
	bool tracked;		/* the checker is, of each buffer */
	struct xsk_stack empty; /* heads that hold nothing */
	struct xsk_stack freed; /* heads that the driver gave back with their chunk */
};

/* The page after this one follows it for the device, too. Never part of an address given out. */
#define XSK_NEXT_PG_CONTIG_SHIFT 0
#define XSK_NEXT_PG_CONTIG_MASK	 (1ULL << XSK_NEXT_PG_CONTIG_SHIFT)

/* A pool of a bound or binding socket: takes over its fill and completion ring. NULL, errno. */
DMAMAP_API struct xsk_buff_pool *xp_create_and_assign_umem(struct xdp_sock *xs,
							   struct xdp_umem *umem, u32 max_segs);
/* Attaches it to a queue, in the mode that flags ask; errors as xdp_sock_bind(). */
DMAMAP_API int xp_assign_dev(struct xsk_buff_pool *pool, struct device *dev, u16 queue_id,
			     u16 flags);
/* The same, with the mode of a bound socket whose UMEM it shares. */
DMAMAP_API int xp_assign_dev_shared(struct xsk_buff_pool *pool, struct xdp_sock *umem_xs,
				    struct device *dev, u16 queue_id);
/* Takes it off its queue: the driver first. Nothing when it is on none. */
DMAMAP_API void xp_clear_dev(struct xsk_buff_pool *pool);
DMAMAP_API void xp_get_pool(struct xsk_buff_pool *pool);
/* True: that was the last reference, and the pool is gone. */
DMAMAP_API bool xp_put_pool(struct xsk_buff_pool *pool);
/* Frees a pool that was never shared: where creation went on to fail. */
DMAMAP_API void xp_destroy(struct xsk_buff_pool *pool);
/* A socket's TX ring to those that the pool transmits from. */
DMAMAP_API void xp_add_xsk(struct xsk_buff_pool *pool, struct xdp_sock *xs);
DMAMAP_API void xp_del_xsk(struct xsk_buff_pool *pool, struct xdp_sock *xs);
DMAMAP_API void xp_set_rxq_info(struct xsk_buff_pool *pool, struct xdp_rxq_info *rxq);
/*
 * Capacity of a batch: as many descriptors as the socket's TX ring has, plus max_segs. A pool has a
 * capacity of at least 4096 from its creation, and the capacity of a pool on a queue does not
 * change. 0, -ENOMEM.
 */
DMAMAP_API int xp_alloc_tx_descs(struct xsk_buff_pool *pool, struct xdp_sock *xs, u32 max_segs);

/*
 * Maps the UMEM for the device, or takes a share in the mapping that another pool of it has there.
 * `pages` NULL: the UMEM's own. 0; -EINVAL: fewer pages than the UMEM has, or mapped already;
 * -ENOMEM.
 */
DMAMAP_API int xp_dma_map(struct xsk_buff_pool *pool, struct device *dev, unsigned long attrs,
			  struct page **pages, u32 nr_pages);
DMAMAP_API void xp_dma_unmap(struct xsk_buff_pool *pool, unsigned long attrs);

/* NULL: neither free list nor fill ring has any (counted in rx_fill_ring_empty_descs). */
DMAMAP_API struct xdp_buff *xp_alloc(struct xsk_buff_pool *pool);
/* As many as there are, up to max; the free list's first. Addresses that are none are skipped. */
DMAMAP_API u32 xp_alloc_batch(struct xsk_buff_pool *pool, struct xdp_buff **xdp, u32 max);
/* There are so many, if all addresses in the fill ring are good. */
DMAMAP_API bool xp_can_alloc(struct xsk_buff_pool *pool, u32 count);

/* Of an address out of a TX descriptor. NULL, DMA_MAPPING_ERROR: outside of the UMEM, not mapped.
 */
DMAMAP_API void *xp_raw_get_data(struct xsk_buff_pool *pool, u64 addr);
DMAMAP_API dma_addr_t xp_raw_get_dma(struct xsk_buff_pool *pool, u64 addr);

struct xdp_desc_ctx {
	dma_addr_t dma;
	struct xsk_tx_metadata *meta; /* NULL: none, or not valid */
};

DMAMAP_API struct xdp_desc_ctx xp_raw_get_ctx(const struct xsk_buff_pool *pool, u64 addr);

static inline dma_addr_t xp_get_dma(struct xdp_buff_xsk *xskb)
{
	return xskb->dma;
}

static inline dma_addr_t xp_get_frame_dma(struct xdp_buff_xsk *xskb)
{
	return xskb->dma - xskb->pool->headroom - XDP_PACKET_HEADROOM;
}

static inline void xp_dma_sync_for_cpu(struct xdp_buff_xsk *xskb)
{
	if (xskb->pool->dma_need_sync)
		dma_sync_single_for_cpu(xskb->pool->dev, xskb->dma, xskb->pool->frame_len,
					DMA_BIDIRECTIONAL);
}

static inline void xp_dma_sync_for_device(struct xsk_buff_pool *pool, dma_addr_t dma, size_t size)
{
	if (pool->dma_need_sync)
		dma_sync_single_for_device(pool->dev, dma, size, DMA_BIDIRECTIONAL);
}

/* A range that is no longer than a page, and not one range for the device. */
static inline bool xp_desc_crosses_non_contig_pg(struct xsk_buff_pool *pool, u64 addr, u32 len)
{
	if ((addr & (PAGE_SIZE - 1)) + len <= PAGE_SIZE || !pool->dma_pages)
		return false;
	return !(pool->dma_pages[addr >> PAGE_SHIFT] & XSK_NEXT_PG_CONTIG_MASK);
}

static inline bool xp_mb_desc(const struct xdp_desc *desc)
{
	return (desc->options & XDP_PKT_CONTD) != 0;
}

static inline u64 xp_aligned_extract_addr(struct xsk_buff_pool *pool, u64 addr)
{
	return addr & pool->chunk_mask;
}

static inline u64 xp_unaligned_extract_addr(u64 addr)
{
	return addr & XSK_UNALIGNED_BUF_ADDR_MASK;
}

static inline u64 xp_unaligned_extract_offset(u64 addr)
{
	return addr >> XSK_UNALIGNED_BUF_OFFSET_SHIFT;
}

static inline u64 xp_unaligned_add_offset_to_addr(u64 addr)
{
	return xp_unaligned_extract_addr(addr) + xp_unaligned_extract_offset(addr);
}

static inline bool xp_tx_metadata_enabled(const struct xsk_buff_pool *pool)
{
	return pool->tx_metadata_len > 0;
}

/* Its address as it goes into the RX ring: where the packet begins. */
static inline u64 xp_get_handle(struct xdp_buff_xsk *xskb, struct xsk_buff_pool *pool)
{
	u64 addr = (u64)((char *)xskb->xdp.data - pool->addrs), offset;

	if (__builtin_expect(!pool->unaligned, 1))
		return addr;
	offset = (u64)((char *)xskb->xdp.data - (char *)xskb->xdp.data_hard_start) + pool->headroom;
	return (addr - offset) + (offset << XSK_UNALIGNED_BUF_OFFSET_SHIFT);
}

/*
 * Called for a buffer that is freed, linked in a packet, or tracked by the checker. Takes it out of
 * its packet: if a fragment is freed separately, xsk_rcv() refuses the packet from then on
 * (XDP_FLAGS_CUT). False: the buffer was freed or given away before, which is reported; the caller
 * must do nothing. xp_release() and xp_free() call it.
 */
DMAMAP_API __attribute__((cold)) bool xp_track_release(struct xdp_buff_xsk *xskb);

#define XP_FLAGS_ASK (XDP_FLAGS_GONE | XDP_FLAGS_TRACKED | XDP_FLAGS_IS_FRAG | XDP_FLAGS_HAS_FRAGS)

/* The chunk was given to the application: the head holds nothing any more. */
static inline void xp_release(struct xdp_buff_xsk *xskb)
{
	if (__builtin_expect(xskb->xdp.flags & XP_FLAGS_ASK, 0) && !xp_track_release(xskb))
		return;
	xskb->xdp.flags = XDP_FLAGS_GONE;
	*xskb->pool->empty.top++ = xskb;
}

/* Gives a buffer back to the pool, for the next allocation. */
static inline void xp_free(struct xdp_buff_xsk *xskb)
{
	if (__builtin_expect(xskb->xdp.flags & XP_FLAGS_ASK, 0) && !xp_track_release(xskb))
		return;
	xskb->xdp.flags = XDP_FLAGS_GONE;
	*xskb->pool->freed.top++ = xskb;
}

DMAMAP_END

#endif
