/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receive. The ring holds `filled` buffers from `next` on, at most one less than its size.
 * Descriptors that the card wrote back are processed in order: in zero-copy mode the buffer is
 * passed to the socket; otherwise the packet is passed to `receive` or copied to a socket. Then the
 * ring is refilled in batches from the fill ring.
 *
 * A length that the card reports is limited to the size of the buffer.
 */
#include "drivers/e1000e_private.h"

/*
 * Chooses the largest buffer size that RCTL can encode and that fits, or a smaller one if max_frame
 * limits the card. Long frames are received if they can be delivered: in parts, or because a whole
 * one fits into a buffer. Otherwise the buffer may have a size that RCTL cannot encode.
 */
int e1000e_rx_choose(struct e1000e *e, u32 room, bool parts)
{
	struct e1000e_rx *rx = &e->rx;
	u32 most = e->options.max_frame;

	rx->rctl = most > E1000E_FRAME_USUAL && (parts || room >= 2048) ? RCTL_LPE : 0;
	if (!rx->rctl && room >= E1000E_FRAME_USUAL) {
		rx->buffer = room < 2048 ? room : 2048;
		return 0;
	}
	if (room >= 1024) {
		u32 kib = room >> 10 < 15 ? room >> 10 : 15;

		rx->buffer = kib << 10;
		rx->rctl |= RCTL_FLXBUF(kib);
	} else if (room >= 256) {
		rx->buffer = room >= 512 ? 512 : 256;
		rx->rctl |= RCTL_BSIZE(room >= 512 ? 2 : 3);
	} else {
		return driver_fail(
			EOPNOTSUPP,
			"%s: buffers of %u bytes are too short for the card: it needs at least 256",
			dev_name(e->dev), room);
	}
	return 0;
}

static void e1000e_rx_give(struct e1000e_rx *rx, dma_addr_t dma)
{
	struct e1000e_desc *d = &rx->ring[rx->tail];

	e1000e_store(&d->addr, dma);
	e1000e_store(&d->rest, 0);
	rx->tail = rx->tail + 1 == rx->size ? 0 : rx->tail + 1;
	rx->filled++;
}

/* Fills the ring with buffers of the pool. */
static void e1000e_rx_fill_pool(struct e1000e *e, u32 want)
{
	struct e1000e_rx *rx = &e->rx;
	u32 n = xsk_buff_alloc_batch(e->pool, rx->batch, want), i;

	for (i = 0; i < n; i++) {
		rx->slot[rx->tail].xdp = rx->batch[i];
		e1000e_rx_give(rx, xsk_buff_xdp_get_dma(rx->batch[i]));
	}
	if (n < want && !rx->filled)
		xsk_set_rx_need_wakeup(e->pool);
	else
		xsk_clear_rx_need_wakeup(e->pool);
}

/* Gives a slot a page if it has none. The page is mapped once and reused for all later packets. */
static bool e1000e_rx_map_page(struct e1000e *e, struct e1000e_rx_slot *s)
{
	struct page *page = alloc_page(GFP_KERNEL);
	dma_addr_t dma;

	if (!page)
		return false;
	dma = dma_map_page(e->dev, page, XDP_PACKET_HEADROOM, COPY_BUFFER, DMA_FROM_DEVICE);
	if (dma_mapping_error(e->dev, dma)) {
		__free_page(page);
		return false;
	}
	s->page = page;
	s->dma = dma;
	return true;
}

static void e1000e_rx_fill_pages(struct e1000e *e, u32 want)
{
	struct e1000e_rx *rx = &e->rx;
	struct e1000e_rx_slot *s;

	for (; want; want--) {
		s = &rx->slot[rx->tail];
		if (!s->page && !e1000e_rx_map_page(e, s)) {
			e1000e_add(&rx->map_failed, 1);
			return;
		}
		e1000e_rx_give(rx, s->dma);
	}
}

void e1000e_rx_fill(struct e1000e *e)
{
	struct e1000e_rx *rx = &e->rx;
	u32 want = rx->size - 1 - rx->filled, before = rx->tail;

	if (want < REFILL_BATCH && rx->filled)
		return;
	if (e->pool)
		e1000e_rx_fill_pool(e, want);
	else
		e1000e_rx_fill_pages(e, want);
	if (rx->tail != before)
		e1000e_writel(e, REG_RDT, rx->tail);
}

/*
 * Copies the rest of a packet behind its first buffer, where it fits into the chunk: the card's
 * buffers are whole KiB, so a packet that fits into a chunk may need two of them, which a socket
 * without XDP_USE_SG does not accept.
 */
static void e1000e_rx_join(struct e1000e *e, struct xdp_buff *first, u32 len)
{
	u32 have = (u32)((char *)first->data_end - (char *)first->data), part;
	struct xdp_buff *frag;

	if (len > xsk_pool_get_rx_frame_size(e->pool))
		return;
	while ((frag = xsk_buff_get_frag(first))) {
		part = (u32)((char *)frag->data_end - (char *)frag->data);
		memcpy((char *)first->data + have, frag->data, part);
		have += part;
		xsk_buff_free(frag);
	}
	first->data_end = (char *)first->data + have;
}

/* Delivers a packet in buffers of the pool. */
static void e1000e_rx_deliver_pool(struct e1000e *e, struct xdp_buff *xdp, u32 len)
{
	struct e1000e_rx *rx = &e->rx;

	if (xdp_buff_has_frags(xdp) && !xsk_pool_uses_sg(e->pool))
		e1000e_rx_join(e, xdp, len);
	if (xsk_rcv(e->dev, 0, xdp)) {
		xsk_buff_free(xdp);
		e1000e_add(&rx->refused, 1);
		return;
	}
	e1000e_add(&rx->packets, 1);
	e1000e_add(&rx->bytes, len);
}

static void e1000e_rx_drop_first(struct e1000e_rx *rx, u64 *why)
{
	if (rx->first)
		xsk_buff_free(rx->first);
	rx->first = NULL;
	e1000e_add(why, 1);
}

/* Handles one buffer of a packet that has several, or that is damaged. */
static void e1000e_rx_piece_pool(struct e1000e *e, struct xdp_buff *xdp, u32 len, u64 status)
{
	struct e1000e_rx *rx = &e->rx;
	bool end = status & RXD_EOP;
	struct xdp_buff *first;

	rx->gathered += len;
	if (rx->dropping) {
		xsk_buff_free(xdp);
	} else if (end && (status & RXD_ERRORS)) {
		xsk_buff_free(xdp);
		e1000e_rx_drop_first(rx, &rx->errors);
	} else if (!rx->first) {
		rx->first = xdp;
	} else if (!xsk_buff_add_frag(rx->first, xdp)) {
		xsk_buff_free(xdp);
		e1000e_rx_drop_first(rx, &rx->too_long);
		rx->dropping = true;
	}
	if (!end)
		return;
	first = rx->first;
	rx->first = NULL;
	rx->dropping = false;
	if (first)
		e1000e_rx_deliver_pool(e, first, rx->gathered);
	rx->gathered = 0;
}

static void e1000e_rx_receive_pool(struct e1000e *e, struct e1000e_rx_slot *s, u32 len, u64 status)
{
	struct xdp_buff *xdp = s->xdp;

	s->xdp = NULL;
	xsk_buff_set_size(xdp, len);
	xsk_buff_dma_sync_for_cpu(xdp);
	if ((status & (RXD_EOP | RXD_ERRORS)) == RXD_EOP && !e->rx.first && !e->rx.dropping)
		e1000e_rx_deliver_pool(e, xdp, len);
	else
		e1000e_rx_piece_pool(e, xdp, len, status);
}

/* Delivers a packet in memory of the driver. */
static void e1000e_rx_deliver_copy(struct e1000e *e, u8 *start, u32 headroom, u32 len, u32 room)
{
	struct e1000e_rx *rx = &e->rx;
	struct xdp_buff xdp;

	if (e->options.receive) {
		e->options.receive(e->options.arg, start + headroom, len);
	} else {
		xdp_init_buff(&xdp, headroom + room, &rx->rxq);
		xdp_prepare_buff(&xdp, start, (int)headroom, (int)len, false);
		if (xsk_rcv(e->dev, 0, &xdp)) {
			e1000e_add(&rx->refused, 1);
			return;
		}
	}
	e1000e_add(&rx->packets, 1);
	e1000e_add(&rx->bytes, len);
}

static void e1000e_rx_piece_copy(struct e1000e *e, const u8 *data, u32 len, u64 status)
{
	struct e1000e_rx *rx = &e->rx;
	u32 at = rx->gathered, room = e->options.max_frame;

	if (len > room - at)
		rx->dropping = true;
	else
		memcpy(rx->gather + at, data, len);
	rx->gathered = rx->dropping ? 0 : at + len;
	if (!(status & RXD_EOP))
		return;
	if (status & RXD_ERRORS)
		e1000e_add(&rx->errors, 1);
	else if (rx->dropping)
		e1000e_add(&rx->too_long, 1);
	else
		e1000e_rx_deliver_copy(e, rx->gather, 0, rx->gathered, room);
	rx->gathered = 0;
	rx->dropping = false;
}

/* The page stays with the slot: its content is copied before the card receives the page again. */
static void e1000e_rx_receive_copy(struct e1000e *e, struct e1000e_rx_slot *s, u32 len, u64 status)
{
	u8 *page = page_address(s->page);

	dma_sync_single_for_cpu(e->dev, s->dma, COPY_BUFFER, DMA_FROM_DEVICE);
	if ((status & (RXD_EOP | RXD_ERRORS)) == RXD_EOP && !e->rx.gathered && !e->rx.dropping)
		e1000e_rx_deliver_copy(e, page, XDP_PACKET_HEADROOM, len, COPY_BUFFER);
	else
		e1000e_rx_piece_copy(e, page + XDP_PACKET_HEADROOM, len, status);
	dma_sync_single_for_device(e->dev, s->dma, COPY_BUFFER, DMA_FROM_DEVICE);
}

bool e1000e_rx_ready(const struct e1000e *e)
{
	return e->rx.filled && (e1000e_load(&e->rx.ring[e->rx.next].rest) & RXD_DD);
}

/*
 * Number of packets that can be delivered. 0: the socket has no space. Then nothing is received:
 * the card runs out of buffers, and holds the source back or counts what it loses.
 */
static u32 e1000e_rx_space(struct e1000e *e, u32 budget)
{
	struct e1000e_rx *rx = &e->rx;

	if (!e->options.receive && e1000e_rx_ready(e))
		budget = xsk_rcv_space(e->dev, 0, budget);
	__atomic_store_n(&rx->full, !budget, __ATOMIC_RELAXED);
	if (rx->full && e->pool)
		xsk_set_rx_need_wakeup(e->pool);
	return budget;
}

u32 e1000e_rx_poll(struct e1000e *e, u32 budget)
{
	struct e1000e_rx *rx = &e->rx;
	u32 done = 0, len;
	u64 status;

	budget = e1000e_rx_space(e, budget);
	if (!budget)
		return 0;
	while (done < budget && rx->filled) {
		status = e1000e_load(&rx->ring[rx->next].rest);
		if (!(status & RXD_DD))
			break;
		len = RXD_LEN(status);
		if (len > rx->buffer)
			len = rx->buffer; /* the card reports more than it can have written */
		if (e->pool)
			e1000e_rx_receive_pool(e, &rx->slot[rx->next], len, status);
		else
			e1000e_rx_receive_copy(e, &rx->slot[rx->next], len, status);
		rx->next = rx->next + 1 == rx->size ? 0 : rx->next + 1;
		rx->filled--;
		done++;
	}
	if (done)
		xsk_flush(e->dev, 0);
	e1000e_rx_fill(e);
	return done;
}

/* Releases the buffers of a stopped card. */
void e1000e_rx_release(struct e1000e *e)
{
	struct e1000e_rx *rx = &e->rx;
	struct e1000e_rx_slot *s;
	u32 i;

	for (i = 0; i < rx->size; i++) {
		s = &rx->slot[i];
		if (s->xdp)
			xsk_buff_free(s->xdp);
		if (s->page) {
			dma_unmap_page(e->dev, s->dma, COPY_BUFFER, DMA_FROM_DEVICE);
			__free_page(s->page);
		}
		*s = (struct e1000e_rx_slot){0};
	}
	if (rx->first)
		xsk_buff_free(rx->first);
	rx->first = NULL;
	rx->dropping = false;
	rx->gathered = 0;
	rx->next = rx->tail = rx->filled = 0;
}
