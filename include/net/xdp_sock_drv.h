/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions that zero-copy drivers call: buffers to receive into, descriptors to transmit,
 * wake-up flags. The names and meanings are those of Linux's include/net/xdp_sock_drv.h.
 */
#ifndef DMAMAP_NET_XDP_SOCK_DRV_H
#define DMAMAP_NET_XDP_SOCK_DRV_H

#include <net/xdp_sock.h>
#include <net/xsk_buff_pool.h>

DMAMAP_BEGIN

/**
 * xsk_tx_completed() - Return the oldest transmitted buffers to the application.
 * @pool: the pool.
 * @nb_entries: the number of buffers.
 *
 * The order is that in which the descriptors were taken.
 */
DMAMAP_API void xsk_tx_completed(struct xsk_buff_pool *pool, u32 nb_entries);

/**
 * xsk_tx_peek_desc() - Take the next TX descriptor.
 * @pool: the pool.
 * @desc: receives the descriptor; it is valid only if the result is true.
 *
 * The descriptor was checked: its range is inside the UMEM and in one chunk, and an entry of the
 * completion ring is reserved for it. An invalid descriptor is skipped with its whole packet and
 * counted.
 * Return: true. False: there is no descriptor.
 */
DMAMAP_API bool xsk_tx_peek_desc(struct xsk_buff_pool *pool, struct xdp_desc *desc);

/**
 * xsk_tx_peek_release_desc_batch() - Take and release several TX descriptors.
 * @pool: the pool.
 * @max: the greatest number of descriptors.
 *
 * The descriptors are stored in pool->tx_descs and checked as by xsk_tx_peek_desc(). Only whole
 * packets are taken.
 * Return: the number of descriptors.
 */
DMAMAP_API u32 xsk_tx_peek_release_desc_batch(struct xsk_buff_pool *pool, u32 max);

/**
 * xsk_tx_release() - Publish the free space in the TX ring to the application.
 * @pool: the pool.
 */
DMAMAP_API void xsk_tx_release(struct xsk_buff_pool *pool);

/**
 * xsk_set_rx_need_wakeup() - Set the flag of the fill ring: the application must wake the driver.
 * @pool: the pool.
 */
DMAMAP_API void xsk_set_rx_need_wakeup(struct xsk_buff_pool *pool);

/**
 * xsk_set_tx_need_wakeup() - Set the flag of the TX rings: the application must wake the driver.
 * @pool: the pool.
 */
DMAMAP_API void xsk_set_tx_need_wakeup(struct xsk_buff_pool *pool);

/**
 * xsk_clear_rx_need_wakeup() - Clear the flag of the fill ring.
 * @pool: the pool.
 */
DMAMAP_API void xsk_clear_rx_need_wakeup(struct xsk_buff_pool *pool);

/**
 * xsk_clear_tx_need_wakeup() - Clear the flag of the TX rings.
 * @pool: the pool.
 */
DMAMAP_API void xsk_clear_tx_need_wakeup(struct xsk_buff_pool *pool);

/**
 * xsk_uses_need_wakeup() - Test whether the application uses the wake-up flags.
 * @pool: the pool.
 * Return: true if the sockets of the pool are bound with XDP_USE_NEED_WAKEUP.
 */
static inline bool xsk_uses_need_wakeup(struct xsk_buff_pool *pool)
{
	return pool->uses_need_wakeup;
}

/**
 * xsk_pool_uses_sg() - Test whether packets of a pool may span several buffers.
 * @pool: the pool.
 * Return: true if they may.
 */
static inline bool xsk_pool_uses_sg(const struct xsk_buff_pool *pool)
{
	return pool->xdp_zc_max_segs > 1;
}

/**
 * xsk_buff_of() - Return the pool's record of a buffer.
 * @xdp: a buffer of a pool.
 * Return: the record that contains @xdp.
 */
static inline struct xdp_buff_xsk *xsk_buff_of(const struct xdp_buff *xdp)
{
	return (struct xdp_buff_xsk *)((char *)(uintptr_t)xdp - offsetof(struct xdp_buff_xsk, xdp));
}

/**
 * xsk_pool_get_headroom() - Return the bytes before each received packet.
 * @pool: the pool.
 * Return: XDP_PACKET_HEADROOM and the headroom of the UMEM.
 */
static inline u32 xsk_pool_get_headroom(struct xsk_buff_pool *pool)
{
	return XDP_PACKET_HEADROOM + pool->headroom;
}

/**
 * xsk_pool_get_chunk_size() - Return the bytes of a chunk.
 * @pool: the pool.
 * Return: the number.
 */
static inline u32 xsk_pool_get_chunk_size(struct xsk_buff_pool *pool)
{
	return pool->chunk_size;
}

/**
 * xsk_pool_get_tailroom() - Return the bytes at the end of a chunk that a packet must leave free.
 * @pool: the pool.
 * Return: XSK_TAILROOM if its sockets were bound with XDP_USE_SG, else 0.
 */
static inline u32 xsk_pool_get_tailroom(const struct xsk_buff_pool *pool)
{
	return pool->tailroom;
}

/**
 * xsk_pool_get_rx_frame_size() - Return the longest packet that a device may put in one buffer.
 * @pool: the pool.
 * Return: the bytes between head- and tailroom of a chunk, rounded down to XSK_FRAME_ALIGN.
 */
static inline u32 xsk_pool_get_rx_frame_size(struct xsk_buff_pool *pool)
{
	return (xsk_pool_get_chunk_size(pool) - xsk_pool_get_headroom(pool) -
		xsk_pool_get_tailroom(pool)) &
	       ~(u32)(XSK_FRAME_ALIGN - 1);
}

/**
 * xsk_pool_get_rx_frag_step() - Return the distance between the buffers of a packet.
 * @pool: the pool.
 * Return: the chunk size; 0 for a UMEM with unaligned chunks.
 */
static inline u32 xsk_pool_get_rx_frag_step(struct xsk_buff_pool *pool)
{
	return pool->unaligned ? 0 : xsk_pool_get_chunk_size(pool);
}

/**
 * xsk_pool_set_rxq_info() - Set the queue information of all buffers.
 * @pool: the pool.
 * @rxq: the queue.
 */
static inline void xsk_pool_set_rxq_info(struct xsk_buff_pool *pool, struct xdp_rxq_info *rxq)
{
	xp_set_rxq_info(pool, rxq);
}

/* Bytes that xsk_pool_fill_cb() writes into the driver's part of every buffer. */
struct xsk_cb_desc {
	void *src;
	u8 off;	  /* in xdp_buff_xsk.cb */
	u8 bytes; /* off + bytes is at most XSK_PRIV_MAX */
};

/**
 * xsk_pool_fill_cb() - Write the same bytes into the driver's part of every buffer of a pool.
 * @pool: the pool.
 * @desc: the bytes, and their position in xdp_buff_xsk.cb.
 * Context: before the driver allocates the first buffer, or while no other thread uses the pool.
 */
static inline void xsk_pool_fill_cb(struct xsk_buff_pool *pool, struct xsk_cb_desc *desc)
{
	xp_fill_cb(pool, desc);
}

/**
 * xsk_pool_dma_map() - Map the UMEM for a device; see xp_dma_map().
 * @pool: the pool.
 * @dev: the device.
 * @attrs: DMA_ATTR_* flags.
 * Return: as xp_dma_map().
 */
static inline int xsk_pool_dma_map(struct xsk_buff_pool *pool, struct device *dev,
				   unsigned long attrs)
{
	return xp_dma_map(pool, dev, attrs, NULL, 0);
}

/**
 * xsk_pool_dma_unmap() - Undo xsk_pool_dma_map().
 * @pool: the pool.
 * @attrs: DMA_ATTR_* flags.
 */
static inline void xsk_pool_dma_unmap(struct xsk_buff_pool *pool, unsigned long attrs)
{
	xp_dma_unmap(pool, attrs);
}

/**
 * xsk_buff_xdp_get_dma() - Return the device address of the first byte after all headroom.
 * @xdp: the buffer.
 * Return: the device address, at which the device writes the packet.
 */
static inline dma_addr_t xsk_buff_xdp_get_dma(struct xdp_buff *xdp)
{
	return xp_get_dma(xsk_buff_of(xdp));
}

/**
 * xsk_buff_xdp_get_frame_dma() - Return the device address of the beginning of a buffer.
 * @xdp: the buffer.
 * Return: the device address of its headroom.
 */
static inline dma_addr_t xsk_buff_xdp_get_frame_dma(struct xdp_buff *xdp)
{
	return xp_get_frame_dma(xsk_buff_of(xdp));
}

/**
 * xsk_buff_alloc() - Allocate a buffer.
 * @pool: the pool.
 * Return: as xp_alloc().
 */
static inline struct xdp_buff *xsk_buff_alloc(struct xsk_buff_pool *pool)
{
	return xp_alloc(pool);
}

/**
 * xsk_buff_alloc_batch() - Allocate several buffers.
 * @pool: the pool.
 * @xdp: receives the buffers.
 * @max: the greatest number of buffers.
 * Return: the number of buffers, as xp_alloc_batch().
 */
static inline u32 xsk_buff_alloc_batch(struct xsk_buff_pool *pool, struct xdp_buff **xdp, u32 max)
{
	return xp_alloc_batch(pool, xdp, max);
}

/**
 * xsk_buff_can_alloc() - Test whether buffers can be allocated.
 * @pool: the pool.
 * @count: the number of buffers.
 * Return: as xp_can_alloc().
 */
static inline bool xsk_buff_can_alloc(struct xsk_buff_pool *pool, u32 count)
{
	return xp_can_alloc(pool, count);
}

/**
 * xsk_is_eop_desc() - Test whether a descriptor is the last one of its packet.
 * @desc: the descriptor.
 * Return: true if it is.
 */
static inline bool xsk_is_eop_desc(const struct xdp_desc *desc)
{
	return !xp_mb_desc(desc);
}

/**
 * xsk_buff_add_frag() - Append a buffer to a packet of several buffers.
 * @head: the first buffer of the packet.
 * @xdp: the next buffer; its length must be set.
 * Return: true. False: the packet has XSK_MAX_FRAGS fragments, @xdp is part of a packet or of
 *   another pool, or the driver does not own one of the two any more.
 */
static inline bool xsk_buff_add_frag(struct xdp_buff *head, struct xdp_buff *xdp)
{
	struct xdp_buff_xsk *h = xsk_buff_of(head), *f = xsk_buff_of(xdp);

	if (!xdp_buff_has_frags(head)) {
		h->next = h->prev = NULL;
		h->nr_frags = 0;
	}
	if (h->nr_frags >= XSK_MAX_FRAGS || h == f || h->pool != f->pool ||
	    (head->flags & (XDP_FLAGS_GONE | XDP_FLAGS_IS_FRAG)) ||
	    (xdp->flags & (XDP_FLAGS_GONE | XDP_FLAGS_IS_FRAG | XDP_FLAGS_HAS_FRAGS)))
		return false;
	f->first = h;
	f->next = NULL;
	f->prev = h->prev;
	if (h->prev)
		h->prev->next = f;
	else
		h->next = f;
	h->prev = f;
	h->nr_frags++;
	head->flags |= XDP_FLAGS_HAS_FRAGS;
	xdp->flags |= XDP_FLAGS_IS_FRAG;
	return true;
}

/**
 * xsk_buff_del_frag() - Remove a fragment from its packet.
 * @xdp: the fragment. Another buffer has no effect.
 */
static inline void xsk_buff_del_frag(struct xdp_buff *xdp)
{
	struct xdp_buff_xsk *f = xsk_buff_of(xdp), *h = f->first;

	if (!(xdp->flags & XDP_FLAGS_IS_FRAG))
		return;
	xdp->flags &= ~XDP_FLAGS_IS_FRAG;
	if (f->prev)
		f->prev->next = f->next;
	else
		h->next = f->next;
	if (f->next)
		f->next->prev = f->prev;
	else
		h->prev = f->prev;
	if (!--h->nr_frags)
		h->xdp.flags &= ~XDP_FLAGS_HAS_FRAGS;
}

/**
 * xsk_buff_get_frag() - Remove and return the first fragment of a packet.
 * @first: the first buffer of the packet.
 * Return: the fragment. NULL: the packet has none.
 */
static inline struct xdp_buff *xsk_buff_get_frag(const struct xdp_buff *first)
{
	struct xdp_buff_xsk *h = xsk_buff_of(first), *f;

	if (!xdp_buff_has_frags(first))
		return NULL;
	f = h->next;
	h->next = f->next;
	if (f->next)
		f->next->prev = NULL;
	f->xdp.flags &= ~XDP_FLAGS_IS_FRAG;
	if (!--h->nr_frags || !h->next)
		h->xdp.flags &= ~XDP_FLAGS_HAS_FRAGS;
	return &f->xdp;
}

/**
 * xsk_buff_get_head() - Return the first fragment of a packet without removing it.
 * @first: the first buffer of the packet.
 * Return: the fragment. NULL: the packet has none.
 */
static inline struct xdp_buff *xsk_buff_get_head(struct xdp_buff *first)
{
	return xdp_buff_has_frags(first) ? &xsk_buff_of(first)->next->xdp : NULL;
}

/**
 * xsk_buff_get_tail() - Return the last fragment of a packet without removing it.
 * @first: the first buffer of the packet.
 * Return: the fragment. NULL: the packet has none.
 */
static inline struct xdp_buff *xsk_buff_get_tail(struct xdp_buff *first)
{
	return xdp_buff_has_frags(first) ? &xsk_buff_of(first)->prev->xdp : NULL;
}

/**
 * xsk_buff_free() - Free all buffers of a packet.
 * @xdp: the first buffer of the packet.
 */
static inline void xsk_buff_free(struct xdp_buff *xdp)
{
	struct xdp_buff *frag;

	while (__builtin_expect(xdp_buff_has_frags(xdp), 0)) {
		frag = xsk_buff_get_frag(xdp);
		xp_free(xsk_buff_of(frag));
	}
	xp_free(xsk_buff_of(xdp));
}

/**
 * xsk_buff_set_size() - Set the length of a packet that the device wrote.
 * @xdp: the buffer; the device wrote at xsk_buff_xdp_get_dma().
 * @size: the number of bytes.
 *
 * The library's flags are preserved, so a buffer that was freed stays freed.
 */
static inline void xsk_buff_set_size(struct xdp_buff *xdp, u32 size)
{
	char *data = (char *)xdp->data_hard_start + XDP_PACKET_HEADROOM;

	xdp->data = data;
	xdp->data_end = data + size;
	xdp->data_meta = data;
	xdp->flags &= XDP_FLAGS_LIBRARY;
}

/**
 * xsk_buff_raw_get_dma() - Return the device address for the address in a TX descriptor.
 * @pool: the pool.
 * @addr: the address in a TX descriptor.
 * Return: as xp_raw_get_dma().
 */
static inline dma_addr_t xsk_buff_raw_get_dma(struct xsk_buff_pool *pool, u64 addr)
{
	return xp_raw_get_dma(pool, addr);
}

/**
 * xsk_buff_raw_get_data() - Return the CPU address for the address in a TX descriptor.
 * @pool: the pool.
 * @addr: the address in a TX descriptor.
 * Return: as xp_raw_get_data().
 */
static inline void *xsk_buff_raw_get_data(struct xsk_buff_pool *pool, u64 addr)
{
	return xp_raw_get_data(pool, addr);
}

/**
 * xsk_buff_raw_get_ctx() - Return the device address and the TX metadata of a packet.
 * @pool: the pool.
 * @addr: the address in a TX descriptor.
 * Return: as xp_raw_get_ctx().
 */
static inline struct xdp_desc_ctx xsk_buff_raw_get_ctx(const struct xsk_buff_pool *pool, u64 addr)
{
	return xp_raw_get_ctx(pool, addr);
}

/**
 * xsk_buff_dma_sync_for_cpu() - Transfer the ownership of a buffer to the CPU.
 * @xdp: the buffer.
 */
static inline void xsk_buff_dma_sync_for_cpu(struct xdp_buff *xdp)
{
	xp_dma_sync_for_cpu(xsk_buff_of(xdp));
}

/**
 * xsk_buff_raw_dma_sync_for_device() - Transfer the ownership of a packet to the device.
 * @pool: the pool.
 * @dma: the device address of the packet.
 * @size: the bytes of the packet.
 */
static inline void xsk_buff_raw_dma_sync_for_device(struct xsk_buff_pool *pool, dma_addr_t dma,
						    size_t size)
{
	xp_dma_sync_for_device(pool, dma, size);
}

DMAMAP_END

/* TX metadata. */
#include <dmamap/xsk_metadata.h>

#endif
