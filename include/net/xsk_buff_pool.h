/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The buffer pool of a UMEM on one queue of one device. Buffers are taken from the fill ring, or
 * from the list of those that the driver freed. They are passed to the device by their DMA address
 * and to the application through the RX ring. Drivers use the wrappers of <net/xdp_sock_drv.h>.
 *
 * Addresses: `addr` is an offset into the UMEM; with unaligned chunks the upper 16 bits of an
 * address in a ring are an offset to add. DMA addresses are the device's.
 *
 * Context: one thread at a time may use the receiving side of a pool (alloc, free, xsk_rcv), and
 *   one thread at a time the transmitting side (xsk_tx_*); these may be two threads. Any thread
 *   may make control calls.
 */
#ifndef DMAMAP_NET_XSK_BUFF_POOL_H
#define DMAMAP_NET_XSK_BUFF_POOL_H

#include <linux/dma-mapping.h>
#include <net/xdp_sock.h>

DMAMAP_BEGIN

#define XSK_PRIV_MAX  24
#define XSK_MAX_FRAGS 17 /* of a packet, besides its first buffer */

/*
 * A buffer that the driver holds. An allocation writes its first cache line. The second one is
 * written only for packets of several buffers.
 */
struct xdp_buff_xsk {
	struct xdp_buff xdp;
	dma_addr_t dma; /* of the first byte after all headroom */
	struct xsk_buff_pool *pool;
	u8 cb[XSK_PRIV_MAX];	    /* for the driver */
	struct xdp_buff_xsk *first; /* a fragment: the packet's first buffer */
	struct xdp_buff_xsk *next;  /* first: its first fragment; fragment: the next, or NULL */
	struct xdp_buff_xsk *prev; /* first: its last fragment; fragment: the one before, or NULL */
	u32 nr_frags; /* first: their number; all four fields are valid only with HAS_FRAGS */
} __attribute__((aligned(64)));

/*
 * A stack of heads: `top` is where the next one is stored, `bottom` where the first was. A pointer
 * is used because a push through a pointer costs half of a push through a counter.
 */
struct xsk_stack {
	struct xdp_buff_xsk **top, **bottom;
};

/*
 * The fields that the inline functions below and drivers read. Drivers may use only tx_descs
 * directly.
 */
struct xsk_buff_pool {
	struct device *dev; /* the device that the UMEM is mapped for; NULL: not mapped */
	struct xdp_umem *umem;
	struct xdp_rxq_info *rxq;
	struct xdp_buff_xsk *heads;
	struct xdp_desc *tx_descs; /* result of xsk_tx_peek_release_desc_batch() */
	u32 heads_cnt;
	u32 heads_used; /* heads below it were used before; the others were never written */
	u32 headroom;	/* the UMEM's, without XDP_PACKET_HEADROOM */
	u32 chunk_size;
	u32 chunk_shift;
	u32 frame_len; /* bytes of a chunk after the headroom */
	u32 tailroom;  /* of these, bytes that a packet must leave free in zero-copy mode */
	u32 xdp_zc_max_segs;
	u32 tx_descs_cnt;
	u16 queue_id;
	u8 tx_metadata_len;
	bool uses_need_wakeup;

	/* read or written for each batch */
	char *addrs __attribute__((aligned(64))); /* first byte of the UMEM */
	u64 addrs_cnt;				  /* its bytes */
	u64 chunk_mask;
	dma_addr_t dma_base;   /* of addr 0, if the UMEM is one range for the device */
	dma_addr_t *dma_pages; /* otherwise: of each page, with XSK_NEXT_PG_CONTIG_MASK */
	bool unaligned;
	bool dma_need_sync;
	bool tracked;		/* the checker tracks each buffer */
	u8 cb[XSK_PRIV_MAX];	/* what xsk_pool_fill_cb() wrote, for heads that were never used */
	struct xsk_stack empty; /* heads without a chunk */
	struct xsk_stack freed; /* heads that the driver freed, with their chunk */
};

/*
 * The next page follows this one for the device, too. The bit is never part of an address that is
 * returned.
 */
#define XSK_NEXT_PG_CONTIG_SHIFT 0
#define XSK_NEXT_PG_CONTIG_MASK	 (1ULL << XSK_NEXT_PG_CONTIG_SHIFT)

/**
 * xp_create_and_assign_umem() - Create the pool of a bound or binding socket.
 * @xs: the socket.
 * @umem: the UMEM.
 * @max_segs: the greatest number of buffers of a packet.
 *
 * The pool becomes the owner of the socket's fill ring and completion ring.
 * Return: the pool. NULL: failure, with errno; a retry helps after ENOMEM.
 */
DMAMAP_API struct xsk_buff_pool *xp_create_and_assign_umem(struct xdp_sock *xs,
							   struct xdp_umem *umem, u32 max_segs);

/**
 * xp_assign_dev() - Attach a pool to a queue.
 * @pool: the pool.
 * @dev: the device.
 * @queue_id: the queue.
 * @flags: XDP_* bind flags, which select the mode.
 * Return: as xdp_sock_bind().
 */
DMAMAP_API int xp_assign_dev(struct xsk_buff_pool *pool, struct device *dev, u16 queue_id,
			     u16 flags);

/**
 * xp_assign_dev_shared() - Attach a pool to a queue in the mode of a socket that shares the UMEM.
 * @pool: the pool.
 * @umem_xs: the bound socket.
 * @dev: the device.
 * @queue_id: the queue.
 * Return: as xdp_sock_bind().
 */
DMAMAP_API int xp_assign_dev_shared(struct xsk_buff_pool *pool, struct xdp_sock *umem_xs,
				    struct device *dev, u16 queue_id);

/**
 * xp_clear_dev() - Detach the driver, then the pool, from the queue.
 * @pool: the pool. If it is on no queue, the call has no effect.
 */
DMAMAP_API void xp_clear_dev(struct xsk_buff_pool *pool);

/**
 * xp_get_pool() - Add a reference to a pool.
 * @pool: the pool.
 */
DMAMAP_API void xp_get_pool(struct xsk_buff_pool *pool);

/**
 * xp_put_pool() - Drop a reference to a pool; the last one frees it.
 * @pool: the pool.
 * Return: true if the pool was freed.
 */
DMAMAP_API bool xp_put_pool(struct xsk_buff_pool *pool);

/**
 * xp_destroy() - Free a pool that was never shared, after a failure during its creation.
 * @pool: the pool.
 */
DMAMAP_API void xp_destroy(struct xsk_buff_pool *pool);

/**
 * xp_add_xsk() - Add a socket's TX ring to those that the pool transmits from.
 * @pool: the pool.
 * @xs: the socket.
 */
DMAMAP_API void xp_add_xsk(struct xsk_buff_pool *pool, struct xdp_sock *xs);

/**
 * xp_del_xsk() - Undo xp_add_xsk().
 * @pool: the pool.
 * @xs: the socket.
 */
DMAMAP_API void xp_del_xsk(struct xsk_buff_pool *pool, struct xdp_sock *xs);
struct xsk_cb_desc;

/**
 * xp_fill_cb() - Write the same bytes into the driver's part of every buffer; see
 * xsk_pool_fill_cb().
 * @pool: the pool.
 * @desc: the bytes, and their position in xdp_buff_xsk.cb.
 */
DMAMAP_API void xp_fill_cb(struct xsk_buff_pool *pool, struct xsk_cb_desc *desc);

/**
 * xp_set_rxq_info() - Set the queue information of all buffers.
 * @pool: the pool.
 * @rxq: the queue.
 */
DMAMAP_API void xp_set_rxq_info(struct xsk_buff_pool *pool, struct xdp_rxq_info *rxq);

/**
 * xp_alloc_tx_descs() - Allocate capacity for batch transmit.
 * @pool: the pool.
 * @xs: the socket.
 * @max_segs: the greatest number of buffers of a packet.
 *
 * The capacity is that of the socket's TX ring plus @max_segs. Every pool has capacity for more
 * than 4096 descriptors from its creation on. While the pool is on a queue, the capacity does not
 * change.
 * Return: 0. -ENOMEM: a retry helps.
 */
DMAMAP_API int xp_alloc_tx_descs(struct xsk_buff_pool *pool, struct xdp_sock *xs, u32 max_segs);

/**
 * xp_dma_map() - Map the UMEM for the device, or share the mapping of another pool.
 * @pool: the pool.
 * @dev: the device.
 * @attrs: DMA_ATTR_* flags.
 * @pages: the pages; NULL: the UMEM's own.
 * @nr_pages: their number.
 * Return: 0. -EINVAL: fewer pages than the UMEM has, or it is mapped. -ENOMEM: a retry helps.
 */
DMAMAP_API int xp_dma_map(struct xsk_buff_pool *pool, struct device *dev, unsigned long attrs,
			  struct page **pages, u32 nr_pages);

/**
 * xp_dma_unmap() - Undo xp_dma_map().
 * @pool: the pool.
 * @attrs: DMA_ATTR_* flags.
 */
DMAMAP_API void xp_dma_unmap(struct xsk_buff_pool *pool, unsigned long attrs);

/**
 * xp_alloc() - Allocate a buffer.
 * @pool: the pool.
 * Return: the buffer. NULL: the free list and the fill ring are empty (counted in
 *   rx_fill_ring_empty_descs).
 */
DMAMAP_API struct xdp_buff *xp_alloc(struct xsk_buff_pool *pool);

/**
 * xp_alloc_batch() - Allocate several buffers, those of the free list first.
 * @pool: the pool.
 * @xdp: receives the buffers.
 * @max: the greatest number of buffers.
 *
 * Invalid addresses of the fill ring are skipped.
 * Return: the number of buffers.
 */
DMAMAP_API u32 xp_alloc_batch(struct xsk_buff_pool *pool, struct xdp_buff **xdp, u32 max);

/**
 * xp_can_alloc() - Test whether buffers can be allocated.
 * @pool: the pool.
 * @count: the number of buffers.
 * Return: true if @count buffers can be allocated, provided that every address in the fill ring
 *   is valid.
 */
DMAMAP_API bool xp_can_alloc(struct xsk_buff_pool *pool, u32 count);

/**
 * xp_raw_get_data() - Return the CPU address for an address in a TX descriptor.
 * @pool: the pool.
 * @addr: an address in a ring of the application.
 * Return: the CPU address. NULL: @addr is outside of the UMEM.
 */
DMAMAP_API void *xp_raw_get_data(struct xsk_buff_pool *pool, u64 addr);

/**
 * xp_raw_get_dma() - Return the device address for an address in a TX descriptor.
 * @pool: the pool.
 * @addr: an address in a ring of the application.
 * Return: the device address. DMA_MAPPING_ERROR: @addr is outside of the UMEM, or the UMEM is not
 *   mapped.
 */
DMAMAP_API dma_addr_t xp_raw_get_dma(struct xsk_buff_pool *pool, u64 addr);

struct xdp_desc_ctx {
	dma_addr_t dma;
	struct xsk_tx_metadata *meta; /* NULL: none, or not valid */
};

/**
 * xp_raw_get_ctx() - Return the device address and the TX metadata for an address in a TX
 * descriptor.
 * @pool: the pool.
 * @addr: an address in a ring of the application.
 * Return: both values, as xp_raw_get_dma() and xsk_buff_get_metadata() return them.
 */
DMAMAP_API struct xdp_desc_ctx xp_raw_get_ctx(const struct xsk_buff_pool *pool, u64 addr);

/**
 * xp_get_dma() - Return the device address of the first byte after all headroom.
 * @xskb: the buffer.
 * Return: the device address.
 */
static inline dma_addr_t xp_get_dma(struct xdp_buff_xsk *xskb)
{
	return xskb->dma;
}

/**
 * xp_get_frame_dma() - Return the device address of the beginning of a buffer.
 * @xskb: the buffer.
 * Return: the device address of its headroom.
 */
static inline dma_addr_t xp_get_frame_dma(struct xdp_buff_xsk *xskb)
{
	return xskb->dma - xskb->pool->headroom - XDP_PACKET_HEADROOM;
}

/**
 * xp_dma_sync_for_cpu() - Transfer the ownership of a buffer to the CPU, where a sync has an
 * effect.
 * @xskb: the buffer.
 */
static inline void xp_dma_sync_for_cpu(struct xdp_buff_xsk *xskb)
{
	if (xskb->pool->dma_need_sync)
		dma_sync_single_for_cpu(xskb->pool->dev, xskb->dma, xskb->pool->frame_len,
					DMA_BIDIRECTIONAL);
}

/**
 * xp_dma_sync_for_device() - Transfer the ownership of a range to the device, where a sync has an
 * effect.
 * @pool: the pool.
 * @dma: the device address of the range.
 * @size: the number of bytes.
 */
static inline void xp_dma_sync_for_device(struct xsk_buff_pool *pool, dma_addr_t dma, size_t size)
{
	if (pool->dma_need_sync)
		dma_sync_single_for_device(pool->dev, dma, size, DMA_BIDIRECTIONAL);
}

/**
 * xp_desc_crosses_non_contig_pg() - Test whether a range is discontiguous for the device.
 * @pool: the pool.
 * @addr: the offset of the range in the UMEM.
 * @len: the number of bytes, at most a page.
 * Return: true if the range crosses a page boundary behind which the device addresses do not
 *   continue.
 */
static inline bool xp_desc_crosses_non_contig_pg(struct xsk_buff_pool *pool, u64 addr, u32 len)
{
	if ((addr & (PAGE_SIZE - 1)) + len <= PAGE_SIZE || !pool->dma_pages)
		return false;
	return !(pool->dma_pages[addr >> PAGE_SHIFT] & XSK_NEXT_PG_CONTIG_MASK);
}

/**
 * xp_mb_desc() - Test whether a packet continues in the next descriptor.
 * @desc: the descriptor.
 * Return: true if the descriptor has XDP_PKT_CONTD.
 */
static inline bool xp_mb_desc(const struct xdp_desc *desc)
{
	return (desc->options & XDP_PKT_CONTD) != 0;
}

/**
 * xp_aligned_extract_addr() - Return the beginning of the chunk that contains an address.
 * @pool: the pool.
 * @addr: an offset into a UMEM with aligned chunks.
 * Return: the offset of the chunk.
 */
static inline u64 xp_aligned_extract_addr(struct xsk_buff_pool *pool, u64 addr)
{
	return addr & pool->chunk_mask;
}

/**
 * xp_unaligned_extract_addr() - Return the base of an address in a ring, with unaligned chunks.
 * @addr: an address in a ring of the application.
 * Return: the lower 48 bits.
 */
static inline u64 xp_unaligned_extract_addr(u64 addr)
{
	return addr & XSK_UNALIGNED_BUF_ADDR_MASK;
}

/**
 * xp_unaligned_extract_offset() - Return the offset part of an address in a ring, with unaligned
 * chunks.
 * @addr: an address in a ring of the application.
 * Return: the upper 16 bits.
 */
static inline u64 xp_unaligned_extract_offset(u64 addr)
{
	return addr >> XSK_UNALIGNED_BUF_OFFSET_SHIFT;
}

/**
 * xp_unaligned_add_offset_to_addr() - Convert an address in a ring, with unaligned chunks.
 * @addr: an address in a ring of the application.
 * Return: the offset into the UMEM: the sum of base and offset part.
 */
static inline u64 xp_unaligned_add_offset_to_addr(u64 addr)
{
	return xp_unaligned_extract_addr(addr) + xp_unaligned_extract_offset(addr);
}

/**
 * xp_tx_metadata_enabled() - Test whether packets have TX metadata.
 * @pool: the pool.
 * Return: true if the UMEM was registered with tx_metadata_len.
 */
static inline bool xp_tx_metadata_enabled(const struct xsk_buff_pool *pool)
{
	return pool->tx_metadata_len > 0;
}

/**
 * xp_get_handle() - Return the address of a packet in the form of the RX ring.
 * @xskb: the buffer.
 * @pool: the pool.
 * Return: the address.
 */
static inline u64 xp_get_handle(struct xdp_buff_xsk *xskb, struct xsk_buff_pool *pool)
{
	u64 addr = (u64)((char *)xskb->xdp.data - pool->addrs), offset;

	if (__builtin_expect(!pool->unaligned, 1))
		return addr;
	offset = (u64)((char *)xskb->xdp.data - (char *)xskb->xdp.data_hard_start) + pool->headroom;
	return (addr - offset) + (offset << XSK_UNALIGNED_BUF_OFFSET_SHIFT);
}

/**
 * xp_track_release() - Decide whether a buffer that needs a check may be released.
 * @xskb: the buffer.
 *
 * The buffer is removed from its packet. A fragment that is freed alone leaves its packet, which
 * xsk_rcv() then refuses (XDP_FLAGS_CUT). The checker is notified. xp_release() and xp_free()
 * call this.
 * Return: true. False: the driver does not own the buffer any more, and this is reported.
 */
DMAMAP_API __attribute__((cold)) bool xp_track_release(struct xdp_buff_xsk *xskb);

#define XP_FLAGS_ASK (XDP_FLAGS_GONE | XDP_FLAGS_TRACKED | XDP_FLAGS_IS_FRAG | XDP_FLAGS_HAS_FRAGS)

/**
 * xp_release() - Release the record of a chunk that was passed to the application.
 * @xskb: the buffer.
 */
static inline void xp_release(struct xdp_buff_xsk *xskb)
{
	if (__builtin_expect(xskb->xdp.flags & XP_FLAGS_ASK, 0) && !xp_track_release(xskb))
		return;
	xskb->xdp.flags = XDP_FLAGS_GONE;
	*xskb->pool->empty.top++ = xskb;
}

/**
 * xp_free() - Return a buffer to the pool for the next allocation.
 * @xskb: the buffer.
 */
static inline void xp_free(struct xdp_buff_xsk *xskb)
{
	if (__builtin_expect(xskb->xdp.flags & XP_FLAGS_ASK, 0) && !xp_track_release(xskb))
		return;
	xskb->xdp.flags = XDP_FLAGS_GONE;
	*xskb->pool->freed.top++ = xskb;
}

DMAMAP_END

#endif
