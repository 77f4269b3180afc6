/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transmit. The card owns [clean, next) of the ring. Only the last descriptor of a batch requests a
 * report (RS). The slot of the first descriptor stores its index, so one load shows that the whole
 * batch was sent. A socket's buffers complete in the order in which they were taken, which the ring
 * preserves: `completes` of a slot counts the buffers that complete with it.
 */
#include "drivers/e1000e_private.h"

static u32 e1000e_tx_ring_after(const struct e1000e_tx *tx, u32 i)
{
	return i + 1 == tx->size ? 0 : i + 1;
}

static u32 e1000e_tx_ring_free(const struct e1000e_tx *tx)
{
	u32 used = tx->next >= tx->clean ? tx->next - tx->clean : tx->next + tx->size - tx->clean;

	return tx->size - 1 - used;
}

static void e1000e_tx_unmap_slot(struct e1000e *e, struct e1000e_tx_slot *s)
{
	if (s->len)
		dma_unmap_page(e->dev, s->dma, s->len, DMA_TO_DEVICE);
	s->len = 0;
}

/* Releases all slots up to and including `last`, which were sent. */
static u32 e1000e_tx_finish(struct e1000e *e, u32 last)
{
	struct e1000e_tx *tx = &e->tx;
	struct e1000e_tx_slot *s;
	u32 completed = 0, n = 0, at;

	do {
		at = tx->clean;
		s = &tx->slot[at];
		completed += s->completes;
		s->completes = 0;
		if (s->len)
			e1000e_tx_unmap_slot(e, s);
		tx->clean = e1000e_tx_ring_after(tx, at);
		n++;
	} while (at != last && tx->clean != tx->next);
	if (e->pool && completed)
		xsk_tx_completed(e->pool, completed);
	return n;
}

u32 e1000e_tx_clean(struct e1000e *e)
{
	struct e1000e_tx *tx = &e->tx;
	u32 n = 0, last;

	while (tx->clean != tx->next) {
		last = tx->slot[tx->clean].last;
		if (!(e1000e_load(&tx->ring[last].rest) & TXD_DD))
			break;
		n += e1000e_tx_finish(e, last);
	}
	return n;
}

static void e1000e_tx_put(struct e1000e_tx *tx, dma_addr_t dma, u32 lower)
{
	struct e1000e_desc *d = &tx->ring[tx->next];

	e1000e_store(&d->addr, dma);
	e1000e_store(&d->rest, lower);
	tx->next = e1000e_tx_ring_after(tx, tx->next);
}

/* Passes the batch that begins at `first` to the card. */
static void e1000e_tx_show(struct e1000e *e, u32 first)
{
	struct e1000e_tx *tx = &e->tx;
	u32 last = tx->next ? tx->next - 1 : tx->size - 1;
	u64 *rest = &tx->ring[last].rest;

	tx->slot[first].last = (u16)last;
	__atomic_store_n(rest, *rest | htole64(TXD_RS), __ATOMIC_RELAXED);
	e1000e_writel(e, REG_TDT, tx->next);
}

/* Number of descriptors of the packet that begins at `d`, of `n` descriptors. */
static u32 e1000e_tx_packet_length(const struct xdp_desc *d, u32 n)
{
	u32 i;

	for (i = 0; i + 1 < n && !xsk_is_eop_desc(&d[i]); i++)
		;
	return i + 1;
}

/* Returns false if a part of the packet is not mapped for the card. */
static bool e1000e_tx_put_packet(struct e1000e *e, const struct xdp_desc *d, u32 n)
{
	dma_addr_t dma[XSK_MAX_FRAGS + 1];
	u32 i;

	if (n > XSK_MAX_FRAGS + 1)
		return false;
	for (i = 0; i < n; i++) {
		dma[i] = xsk_buff_raw_get_dma(e->pool, d[i].addr);
		if (dma[i] == DMA_MAPPING_ERROR)
			return false;
	}
	for (i = 0; i < n; i++) {
		xsk_buff_raw_dma_sync_for_device(e->pool, dma[i], d[i].len);
		e->tx.slot[e->tx.next].completes = 1;
		e1000e_tx_put(&e->tx, dma[i], d[i].len | TXD_IFCS | (i + 1 == n ? TXD_EOP : 0));
	}
	return true;
}

/* Completes the buffers of dropped packets after those of the packets before them. */
static void e1000e_tx_complete_dropped(struct e1000e *e, u32 n)
{
	struct e1000e_tx *tx = &e->tx;

	if (tx->clean == tx->next)
		xsk_tx_completed(e->pool, n);
	else
		tx->slot[tx->next ? tx->next - 1 : tx->size - 1].completes += n;
}

u32 e1000e_tx_pool(struct e1000e *e)
{
	struct e1000e_tx *tx = &e->tx;
	u32 room = e1000e_tx_ring_free(tx), first = tx->next, n, i, k;
	const struct xdp_desc *d = e->pool->tx_descs;
	u64 bytes = 0, packets = 0;

	if (!__atomic_load_n(&e->link, __ATOMIC_RELAXED))
		return 0;
	n = xsk_tx_peek_release_desc_batch(e->pool, room < TX_BATCH ? room : TX_BATCH);
	for (i = 0; i < n; i += k) {
		k = e1000e_tx_packet_length(d + i, n - i);
		if (!e1000e_tx_put_packet(e, d + i, k)) {
			e1000e_add(&tx->map_failed, 1);
			e1000e_tx_complete_dropped(e, k);
			continue;
		}
		packets++;
		for (u32 j = i; j < i + k; j++)
			bytes += d[j].len;
	}
	if (tx->next == first)
		return n;
	e1000e_add(&tx->packets, packets);
	e1000e_add(&tx->bytes, bytes);
	e1000e_tx_show(e, first);
	return n;
}

/* Copies a piece of the packet into a page of the ring and maps it. */
static bool e1000e_tx_map_piece(struct e1000e *e, struct e1000e_tx_slot *s, const u8 *data, u32 len)
{
	if (!s->page)
		s->page = alloc_page(GFP_KERNEL);
	if (!s->page)
		return false;
	memcpy(page_address(s->page), data, len);
	s->dma = dma_map_page(e->dev, s->page, 0, len, DMA_TO_DEVICE);
	if (dma_mapping_error(e->dev, s->dma))
		return false;
	s->len = len;
	return true;
}

/* Maps all pieces or none. */
static int e1000e_tx_map_packet(struct e1000e *e, const u8 *frame, u32 len)
{
	struct e1000e_tx *tx = &e->tx;
	u32 i = tx->next, at, part;

	for (at = 0; at < len; at += part, i = e1000e_tx_ring_after(tx, i)) {
		part = len - at < PAGE_SIZE ? len - at : (u32)PAGE_SIZE;
		if (!e1000e_tx_map_piece(e, &tx->slot[i], frame + at, part))
			break;
	}
	if (at >= len)
		return 0;
	for (u32 k = tx->next; k != i; k = e1000e_tx_ring_after(tx, k))
		e1000e_tx_unmap_slot(e, &tx->slot[k]);
	e1000e_add(&tx->map_failed, 1);
	return driver_fail_why(ENOMEM, "%s: a packet of %u bytes was dropped: it cannot be mapped",
			       dev_name(e->dev), len);
}

int e1000e_tx_copy(struct e1000e *e, const void *frame, u32 len)
{
	struct e1000e_tx *tx = &e->tx;
	u32 first = tx->next, pieces = (len + PAGE_SIZE - 1) / PAGE_SIZE, part, left;
	int err;

	if (!len || len > E1000E_FRAME_LONG) {
		e1000e_add(&tx->too_long, 1);
		return driver_fail(EINVAL, "%s: a packet cannot have %u bytes: use 1 to %u",
				   dev_name(e->dev), len, E1000E_FRAME_LONG);
	}
	if (e1000e_tx_ring_free(tx) < pieces)
		e1000e_tx_clean(e);
	if (e1000e_tx_ring_free(tx) < pieces || !__atomic_load_n(&e->link, __ATOMIC_RELAXED))
		return -EAGAIN;
	err = e1000e_tx_map_packet(e, frame, len);
	if (err)
		return err;
	for (left = len; left; left -= part) {
		part = tx->slot[tx->next].len;
		e1000e_tx_put(tx, tx->slot[tx->next].dma,
			      part | TXD_IFCS | (part == left ? TXD_EOP : 0));
	}
	e1000e_add(&tx->packets, 1);
	e1000e_add(&tx->bytes, len);
	e1000e_tx_show(e, first);
	return 0;
}

/* The card is stopped: unsent packets are lost, and their buffers complete as if they were sent. */
void e1000e_tx_release(struct e1000e *e)
{
	struct e1000e_tx *tx = &e->tx;

	if (tx->clean != tx->next)
		e1000e_tx_finish(e, tx->next ? tx->next - 1 : tx->size - 1);
	tx->clean = tx->next = 0;
}

void e1000e_tx_free(struct e1000e *e)
{
	struct e1000e_tx *tx = &e->tx;

	for (u32 i = 0; tx->slot && i < tx->size; i++) {
		if (tx->slot[i].page)
			__free_page(tx->slot[i].page);
	}
}
