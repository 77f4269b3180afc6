/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that tests of XSK share: the application's side of the four rings, and a small network
 * card with its driver, in both modes. In zero-copy mode the card accesses the UMEM by DMA address;
 * in copy mode the driver has memory of its own.
 */
#ifndef XSK_RIG_H
#define XSK_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dmamap/bus.h>
#include <dmamap/check.h>
#include <dmamap/device.h>
#include <dmamap/stats.h>
#include <linux/dma-mapping.h>
#include <net/xdp_sock_drv.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK 2048u

/* The application's side of a ring, as ordinary programs use it. */
struct app_ring {
	u32 *producer, *consumer, *flags;
	u64 *addr;
	struct xdp_desc *desc;
	u32 mine, size;
};

static inline u32 load(u32 *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void store(u32 *p, u32 v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static inline void app_ring_map(struct app_ring *r, struct xdp_sock *xs, int optname, u32 size)
{
	struct xdp_ring_offset off;
	size_t len;
	char *base = xdp_sock_map_ring(xs, optname, &off, &len);

	assert_non_null(base);
	r->producer = (u32 *)(base + off.producer);
	r->consumer = (u32 *)(base + off.consumer);
	r->flags = (u32 *)(base + off.flags);
	r->addr = (u64 *)(base + off.desc);
	r->desc = (struct xdp_desc *)(base + off.desc);
	r->size = size;
	r->mine = 0;
	assert_true(off.desc + size * 8 <= len);
}

static inline void app_put_addr(struct app_ring *r, u64 addr)
{
	assert_true(r->mine - load(r->consumer) < r->size);
	__atomic_store_n(&r->addr[r->mine++ & (r->size - 1)], addr, __ATOMIC_RELAXED);
	store(r->producer, r->mine);
}

static inline void app_put_desc(struct app_ring *r, u64 addr, u32 len, u32 options)
{
	assert_true(r->mine - load(r->consumer) < r->size);
	r->desc[r->mine++ & (r->size - 1)] = (struct xdp_desc){addr, len, options};
	store(r->producer, r->mine);
}

/* The number of entries that the application has not consumed. */
static inline u32 app_waiting(const struct app_ring *r)
{
	return load(r->producer) - r->mine;
}

static inline u64 app_take_addr(struct app_ring *r)
{
	u64 addr;

	assert_true(app_waiting(r) > 0);
	addr = r->addr[r->mine++ & (r->size - 1)];
	store(r->consumer, r->mine);
	return addr;
}

static inline struct xdp_desc app_take_desc(struct app_ring *r)
{
	struct xdp_desc d;

	assert_true(app_waiting(r) > 0);
	d = r->desc[r->mine++ & (r->size - 1)];
	store(r->consumer, r->mine);
	return d;
}

struct area {
	char *memory;
	u64 size;
	struct xdp_umem *umem;
};

static inline struct xdp_umem_reg area_reg(struct area *a, u32 chunks, u32 headroom, u32 flags)
{
	a->size = (u64)chunks * CHUNK;
	a->memory = mmap(NULL, a->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(a->memory != MAP_FAILED);
	return (struct xdp_umem_reg){.addr = (uintptr_t)a->memory,
				     .len = a->size,
				     .chunk_size = CHUNK,
				     .headroom = headroom,
				     .flags = flags};
}

static inline void area_open(struct area *a, u32 chunks, u32 headroom, u32 flags)
{
	struct xdp_umem_reg reg = area_reg(a, chunks, headroom, flags);

	a->umem = xdp_umem_create(&reg);
	if (IS_ERR(a->umem))
		fail_msg("%s", dmamap_strerror());
}

static inline void area_close(struct area *a)
{
	xdp_umem_put(a->umem);
	munmap(a->memory, a->size);
}

/* A socket with rings; fill and completion of size 0: it shares those of another socket. */
struct app {
	struct xdp_sock *xs;
	struct app_ring fill, comp, rx, tx;
};

static inline void app_ring_make(struct app *a, struct app_ring *r, int optname, u32 size)
{
	if (!size)
		return;
	assert_int_equal(xdp_sock_set_ring(a->xs, optname, size), 0);
	app_ring_map(r, a->xs, optname, size);
}

static inline void app_open(struct app *a, u32 umem_rings, u32 rx, u32 tx)
{
	memset(a, 0, sizeof(*a));
	a->xs = xdp_sock_create();
	assert_non_null(a->xs);
	app_ring_make(a, &a->fill, XDP_UMEM_FILL_RING, umem_rings);
	app_ring_make(a, &a->comp, XDP_UMEM_COMPLETION_RING, umem_rings);
	app_ring_make(a, &a->rx, XDP_RX_RING, rx);
	app_ring_make(a, &a->tx, XDP_TX_RING, tx);
}

static inline struct xdp_statistics app_stats(struct app *a)
{
	struct xdp_statistics s;

	assert_int_equal(xdp_sock_stats(a->xs, &s), 0);
	return s;
}

/* The card: packets that it sent, and buffers that it may receive into. */
#define CARD_SENT   64
#define CARD_POSTED 256
#define CARD_PACKET 40000

struct card {
	struct device *dev;
	struct xsk_buff_pool *pool[4]; /* of queue 0 to 3; NULL: not in zero-copy */
	struct xdp_buff *posted[4][CARD_POSTED];
	u32 n_posted[4];
	struct {
		u32 len;
		char data[CARD_PACKET];
	} sent[CARD_SENT];
	u32 n_sent;
	bool send_busy;	    /* copy mode: the card has no space */
	u32 wakeups, woken; /* how often, and the flags of the last */
	int setup_error, setups, teardowns;
	struct xdp_rxq_info rxq[4];
};

static struct card card; /* one is enough */

static inline int card_setup_pool(struct device *dev, struct xsk_buff_pool *pool, u16 queue)
{
	int err;

	assert_in_range(queue, 0, 3);
	if (!pool) {
		card.teardowns++;
		while (card.n_posted[queue])
			xsk_buff_free(card.posted[queue][--card.n_posted[queue]]);
		xsk_pool_dma_unmap(card.pool[queue], 0);
		card.pool[queue] = NULL;
		return 0;
	}
	if (card.setup_error)
		return card.setup_error;
	err = xsk_pool_dma_map(pool, dev, 0);
	if (err)
		return err;
	card.setups++;
	card.rxq[queue] = (struct xdp_rxq_info){.dev = dev, .queue_index = queue};
	xsk_pool_set_rxq_info(pool, &card.rxq[queue]);
	card.pool[queue] = pool;
	return 0;
}

static inline int card_wakeup(struct device *dev, u32 queue, u32 flags)
{
	card.wakeups++;
	card.woken = flags;
	return 0;
}

static inline int card_xmit(struct device *dev, u32 queue, const void *packet, u32 len)
{
	if (card.send_busy || card.n_sent == CARD_SENT)
		return -EBUSY;
	assert_true(len <= CARD_PACKET);
	card.sent[card.n_sent].len = len;
	memcpy(card.sent[card.n_sent++].data, packet, len);
	return 0;
}

static const struct xdp_driver_ops card_zc = {
	.setup_pool = card_setup_pool, .wakeup = card_wakeup, .xdp_zc_max_segs = 8};
static const struct xdp_driver_ops card_zc_one = {.setup_pool = card_setup_pool,
						  .wakeup = card_wakeup};
static const struct xdp_driver_ops card_copy = {.wakeup = card_wakeup, .xmit = card_xmit};

/* `spec` is a device whose accesses the program makes. */
static inline void card_open(const char *spec, const struct xdp_driver_ops *ops)
{
	memset(&card, 0, sizeof(card));
	card.dev = dmamap_open(spec);
	if (!card.dev)
		fail_msg("%s", dmamap_strerror());
	assert_int_equal(dma_set_mask_and_coherent(card.dev, DMA_BIT_MASK(64)), 0);
	if (ops)
		assert_int_equal(xdp_register_driver(card.dev, ops), 0);
}

/* Asserts that nothing of it is mapped or refused any more. */
static inline void card_close(void)
{
	struct dmamap_stats st = {.size = sizeof(st)};

	assert_int_equal(dmamap_stats(card.dev, &st), 0);
	assert_int_equal(st.maps, st.unmaps);
	assert_int_equal(st.faults, 0);
	dmamap_close(card.dev);
}

/* The driver posts all buffers of the fill ring. */
static inline void card_refill(u32 queue)
{
	u32 n = card.n_posted[queue];

	card.n_posted[queue] +=
		xsk_buff_alloc_batch(card.pool[queue], card.posted[queue] + n, CARD_POSTED - n);
}

/*
 * The card writes by DMA, in parts no longer than the buffers; the driver makes a packet of them.
 */
static inline struct xdp_buff *card_receive_zc(u32 queue, const char *packet, u32 len)
{
	struct xdp_buff *head = NULL;
	u32 part, max = xsk_pool_get_rx_frame_size(card.pool[queue]);

	for (u32 at = 0; at < len || !head; at += part) {
		struct xdp_buff *b;

		if (!card.n_posted[queue]) {
			if (head)
				xsk_buff_free(head);
			return NULL;
		}
		part = len - at < max ? len - at : max;
		b = card.posted[queue][0];
		memmove(&card.posted[queue][0], &card.posted[queue][1],
			--card.n_posted[queue] * sizeof(b));
		if (part)
			assert_int_equal(dmamap_bus_write(card.dev, xsk_buff_xdp_get_dma(b),
							  packet + at, part),
					 0);
		xsk_buff_set_size(b, part);
		xsk_buff_dma_sync_for_cpu(b);
		if (head)
			assert_true(xsk_buff_add_frag(head, b));
		else
			head = b;
	}
	return head;
}

/* A packet arrives on a queue. Returns the result of xsk_rcv(); -ENOMEM: the card has no buffer. */
static inline int card_receive(u32 queue, const char *packet, u32 len)
{
	struct xdp_buff copy = {0}, *b = &copy;
	char *own = NULL;
	int err;

	if (card.pool[queue]) {
		card_refill(queue);
		b = card_receive_zc(queue, packet, len);
		if (!b)
			return -ENOMEM;
	} else {
		own = malloc(len + XDP_PACKET_HEADROOM);
		xdp_init_buff(b, len + XDP_PACKET_HEADROOM, &card.rxq[queue]);
		xdp_prepare_buff(b, (unsigned char *)own, XDP_PACKET_HEADROOM, (int)len, false);
		memcpy(b->data, packet, len);
	}
	err = xsk_rcv(card.dev, (u16)queue, b);
	if (err && card.pool[queue])
		xsk_buff_free(b);
	xsk_flush(card.dev, (u16)queue);
	free(own);
	return err;
}

/* The card sends all pending packets of a queue. */
static inline void card_send_zc(u32 queue)
{
	struct xsk_buff_pool *pool = card.pool[queue];
	u32 n = xsk_tx_peek_release_desc_batch(pool, CARD_SENT);
	bool more = false;

	for (u32 i = 0; i < n; i++) {
		struct xdp_desc *d = &pool->tx_descs[i];
		dma_addr_t dma = xsk_buff_raw_get_dma(pool, d->addr);
		u32 at = more ? card.sent[card.n_sent].len : 0;

		assert_true(card.n_sent < CARD_SENT && at + d->len <= CARD_PACKET);
		xsk_buff_raw_dma_sync_for_device(pool, dma, d->len);
		assert_int_equal(
			dmamap_bus_read(card.dev, dma, card.sent[card.n_sent].data + at, d->len),
			0);
		card.sent[card.n_sent].len = at + d->len;
		more = !xsk_is_eop_desc(d);
		card.n_sent += !more;
	}
	xsk_tx_completed(pool, n);
}

static inline void card_send(u32 queue, struct app *a)
{
	if (card.pool[queue])
		card_send_zc(queue);
	else
		xdp_sock_wakeup(a->xs, XDP_WAKEUP_TX);
}

/* Bytes that identify their packet. */
static inline void packet_fill(char *p, u32 len, u32 number)
{
	for (u32 i = 0; i < len; i++)
		p[i] = (char)(number * 151 + i * 7 + (i >> 8));
}

static inline bool packet_is(const char *p, u32 len, u32 number)
{
	for (u32 i = 0; i < len; i++)
		if (p[i] != (char)(number * 151 + i * 7 + (i >> 8)))
			return false;
	return true;
}

#endif
