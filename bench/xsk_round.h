/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rounds that are measured of XSK; one processor runs both application and driver. In a round
 * the application puts 64 addresses into the fill ring. The driver takes buffers for them, writes
 * their DMA addresses to a descriptor ring, sets their lengths and returns them, directly or
 * through the RX ring. Addresses cover the whole UMEM, in ascending or random order. Unaligned: a
 * buffer begins up to 1 KiB into its 2 KiB, so that about half of them cross a page.
 */
#ifndef BENCH_XSK_ROUND_H
#define BENCH_XSK_ROUND_H

#include <dmamap/device.h>
#include <linux/dma-mapping.h>
#include <net/xdp_sock_drv.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { XSK_BATCH = 64, XSK_CHUNK = 2048, XSK_RING = 2048, XSK_LENGTH = 60 };

struct xsk_area {
	struct device *dev;
	struct xdp_umem *umem;
	struct xdp_sock *xs;
	struct xsk_buff_pool *pool;
	char *memory;
	u32 chunks, at;
	bool unaligned;
	u64 *addr; /* the chunks, in the order in which they are used */
	/* the application's side */
	u32 filled, received;
	u32 *fill_producer, *fill_consumer, *rx_producer, *rx_consumer;
	u64 *fill;
	const struct xdp_desc *rx;
	struct xdp_buff *buff[XSK_BATCH];
	struct {
		u64 addr, length;
	} device_ring[XSK_BATCH];
};

static int xsk_area_setup_pool(struct device *dev, struct xsk_buff_pool *pool, u16 queue)
{
	return pool ? xsk_pool_dma_map(pool, dev, 0) : 0;
}

static const struct xdp_driver_ops xsk_area_ops = {.setup_pool = xsk_area_setup_pool};

static inline bool xsk_area_order(struct xsk_area *a, bool random)
{
	u64 seed = 88172645463325252ull;

	a->addr = malloc(a->chunks * sizeof(*a->addr));
	if (!a->addr)
		return false;
	for (u32 i = 0; i < a->chunks; i++)
		a->addr[i] = (u64)i * XSK_CHUNK;
	for (u32 i = a->chunks - 1; random && i; i--) {
		u64 other, j;

		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		j = seed % (i + 1);
		other = a->addr[j];
		a->addr[j] = a->addr[i];
		a->addr[i] = other;
	}
	for (u32 i = 0; a->unaligned && i < a->chunks; i++)
		if (a->addr[i] + 2 * XSK_CHUNK <= (u64)a->chunks * XSK_CHUNK)
			a->addr[i] += i * 64 % 1024;
	return true;
}

static inline bool xsk_area_open(struct xsk_area *a, u32 chunks, bool unaligned, bool random)
{
	struct xdp_umem_reg reg = {.len = (u64)chunks * XSK_CHUNK,
				   .chunk_size = XSK_CHUNK,
				   .flags = unaligned ? XDP_UMEM_UNALIGNED_CHUNK_FLAG : 0};
	struct xdp_ring_offset off;
	char *base;

	a->chunks = chunks;
	a->unaligned = unaligned;
	a->memory = mmap(NULL, reg.len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a->memory == MAP_FAILED || !xsk_area_order(a, random))
		return false;
	reg.addr = (uintptr_t)a->memory;
	a->umem = xdp_umem_create(&reg);
	a->xs = xdp_sock_create();
	if (IS_ERR(a->umem) || !a->xs || dma_set_mask_and_coherent(a->dev, DMA_BIT_MASK(64)) ||
	    xdp_register_driver(a->dev, &xsk_area_ops) ||
	    xdp_sock_set_ring(a->xs, XDP_RX_RING, XSK_RING) ||
	    xdp_sock_set_ring(a->xs, XDP_UMEM_FILL_RING, XSK_RING) ||
	    xdp_sock_set_ring(a->xs, XDP_UMEM_COMPLETION_RING, XSK_RING) ||
	    xdp_sock_bind(a->xs, a->umem, a->dev, 0, XDP_ZEROCOPY, NULL))
		return false;
	a->pool = xsk_get_pool_from_qid(a->dev, 0);
	base = xdp_sock_map_ring(a->xs, XDP_UMEM_FILL_RING, &off, NULL);
	a->fill_producer = (u32 *)(base + off.producer);
	a->fill_consumer = (u32 *)(base + off.consumer);
	a->fill = (u64 *)(base + off.desc);
	base = xdp_sock_map_ring(a->xs, XDP_RX_RING, &off, NULL);
	a->rx_producer = (u32 *)(base + off.producer);
	a->rx_consumer = (u32 *)(base + off.consumer);
	a->rx = (const struct xdp_desc *)(base + off.desc);
	return true;
}

static inline void xsk_area_close(struct xsk_area *a)
{
	xdp_sock_destroy(a->xs);
	if (a->umem && !IS_ERR(a->umem))
		xdp_umem_put(a->umem);
	if (a->memory && a->memory != MAP_FAILED)
		munmap(a->memory, (u64)a->chunks * XSK_CHUNK);
	free(a->addr);
}

static inline bool xsk_app_fill(struct xsk_area *a)
{
	const u64 *addr = a->addr + a->at;

	if (a->filled + XSK_BATCH - __atomic_load_n(a->fill_consumer, __ATOMIC_ACQUIRE) > XSK_RING)
		return false;
	for (u32 i = 0; i < XSK_BATCH; i++)
		a->fill[(a->filled + i) % XSK_RING] = addr[i];
	a->filled += XSK_BATCH;
	__atomic_store_n(a->fill_producer, a->filled, __ATOMIC_RELEASE);
	return true;
}

static inline u64 xsk_chunk_of(const struct xsk_area *a, u64 handle)
{
	return a->unaligned ? handle & XSK_UNALIGNED_BUF_ADDR_MASK : handle & ~(u64)(XSK_CHUNK - 1);
}

static inline bool xsk_app_receive(struct xsk_area *a)
{
	u64 *addr = a->addr + a->at;

	if (__atomic_load_n(a->rx_producer, __ATOMIC_ACQUIRE) - a->received != XSK_BATCH)
		return false;
	for (u32 i = 0; i < XSK_BATCH; i++)
		addr[i] = xsk_chunk_of(a, a->rx[(a->received + i) % XSK_RING].addr);
	a->received += XSK_BATCH;
	__atomic_store_n(a->rx_consumer, a->received, __ATOMIC_RELEASE);
	return true;
}

static inline bool xsk_driver_alloc(struct xsk_area *a)
{
	return xsk_buff_alloc_batch(a->pool, a->buff, XSK_BATCH) == XSK_BATCH;
}

static inline void xsk_driver_write(struct xsk_area *a)
{
	for (int i = 0; i < XSK_BATCH; i++) {
		a->device_ring[i].addr = xsk_buff_xdp_get_dma(a->buff[i]);
		a->device_ring[i].length = 0;
	}
	__asm__ volatile("" : : "r"(a) : "memory"); /* the device could read it now */
}

static inline void xsk_driver_give(struct xsk_area *a)
{
	u64 *addr = a->addr + a->at;

	for (int i = 0; i < XSK_BATCH; i++) {
		struct xdp_buff_xsk *x = xsk_buff_of(a->buff[i]);

		xsk_buff_set_size(a->buff[i], XSK_LENGTH);
		addr[i] = xsk_chunk_of(a, xp_get_handle(x, a->pool));
		xp_release(x);
	}
}

static inline bool xsk_driver_rcv(struct xsk_area *a)
{
	int failed = 0;

	for (int i = 0; i < XSK_BATCH; i++) {
		xsk_buff_set_size(a->buff[i], XSK_LENGTH);
		failed |= xsk_rcv(a->dev, 0, a->buff[i]);
	}
	xsk_flush(a->dev, 0);
	return !failed;
}

/* Runs one round of 64 buffers. False: it failed. */
static inline bool xsk_round(struct xsk_area *a, bool rx_ring)
{
	bool ok = xsk_app_fill(a) && xsk_driver_alloc(a);

	if (!ok)
		return false;
	xsk_driver_write(a);
	if (rx_ring)
		ok = xsk_driver_rcv(a) && xsk_app_receive(a);
	else
		xsk_driver_give(a);
	a->at = (a->at + XSK_BATCH) % a->chunks;
	return ok;
}

/* The driver frees 64 buffers and allocates them again, without the fill ring. */
static inline bool xsk_reuse(struct xsk_area *a)
{
	for (int i = 0; i < XSK_BATCH; i++)
		xsk_buff_free(a->buff[i]);
	return xsk_driver_alloc(a);
}

#endif
