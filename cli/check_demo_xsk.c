/* SPDX-License-Identifier: BSD-2-Clause */
/* XSK packet buffers: wrong and right use, by a driver that takes one buffer of a pool. */
#include "check_demo.h"

#include <net/xdp_sock_drv.h>
#include <sys/mman.h>

#define CHUNK  2048
#define CHUNKS 16

static struct xsk_buff_pool *the_pool; /* the pool that the driver was given */
static struct xdp_buff *kept;	       /* a buffer that the driver holds */
static bool forgets, unmaps_first;     /* how the driver releases the pool */

static int demo_xsk_setup_pool(struct device *dev, struct xsk_buff_pool *pool, u16 queue)
{
	if (pool) {
		the_pool = pool;
		return xsk_pool_dma_map(pool, dev, 0);
	}
	if (unmaps_first)
		xsk_pool_dma_unmap(the_pool, 0);
	if (kept)
		xsk_buff_free(kept);
	kept = NULL;
	if (!unmaps_first && !forgets)
		xsk_pool_dma_unmap(the_pool, 0);
	return 0;
}

static const struct xdp_driver_ops ops = {.setup_pool = demo_xsk_setup_pool};

/* The application writes the first chunk into the fill ring. */
static void demo_xsk_fill(struct xdp_sock *xs)
{
	struct xdp_ring_offset off;
	size_t len;
	char *ring = xdp_sock_map_ring(xs, XDP_UMEM_FILL_RING, &off, &len);

	if (!ring)
		return;
	*(u64 *)(void *)(ring + off.desc) = 0;
	__atomic_store_n((u32 *)(void *)(ring + off.producer), 1, __ATOMIC_RELEASE);
}

static void demo_xsk_with_pool(struct device *dev, void (*use)(struct xsk_buff_pool *, bool),
			       bool wrong)
{
	void *memory = mmap(NULL, CHUNK * CHUNKS, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct xdp_umem_reg reg = {
		.addr = (uintptr_t)memory, .len = CHUNK * CHUNKS, .chunk_size = CHUNK};
	struct xdp_umem *umem = xdp_umem_create(&reg);
	struct xdp_sock *xs = xdp_sock_create();

	xdp_register_driver(dev, &ops);
	xdp_sock_set_ring(xs, XDP_RX_RING, CHUNKS);
	xdp_sock_set_ring(xs, XDP_UMEM_FILL_RING, CHUNKS);
	xdp_sock_set_ring(xs, XDP_UMEM_COMPLETION_RING, CHUNKS);
	if (!xdp_sock_bind(xs, umem, dev, 0, XDP_ZEROCOPY, NULL)) {
		demo_xsk_fill(xs);
		use(the_pool, wrong);
	}
	xdp_sock_destroy(xs);
	xdp_umem_put(umem);
	munmap(memory, CHUNK * CHUNKS);
}

static void demo_xsk_use_twice(struct xsk_buff_pool *pool, bool wrong)
{
	struct xdp_buff *xdp = xsk_buff_alloc(pool);

	if (!xdp)
		return;
	xsk_buff_free(xdp);
	if (wrong)
		xsk_buff_free(xdp);
}

static void demo_xsk_use_and_keep(struct xsk_buff_pool *pool, bool wrong)
{
	struct xdp_buff *xdp = xsk_buff_alloc(pool);

	forgets = wrong;
	if (!wrong)
		kept = xdp; /* it is freed when the pool is detached */
}

static void demo_xsk_use_and_unmap(struct xsk_buff_pool *pool, bool wrong)
{
	kept = xsk_buff_alloc(pool);
	unmaps_first = wrong;
}

static void demo_xsk_twice(struct device *dev, bool wrong)
{
	demo_xsk_with_pool(dev, demo_xsk_use_twice, wrong);
}

static void demo_xsk_kept(struct device *dev, bool wrong)
{
	demo_xsk_with_pool(dev, demo_xsk_use_and_keep, wrong);
	forgets = false;
}

static void demo_xsk_busy(struct device *dev, bool wrong)
{
	demo_xsk_with_pool(dev, demo_xsk_use_and_unmap, wrong);
	unmaps_first = false;
}

const struct check_demo demos_xsk[] = {
	{.kind = DMAMAP_CHECK_XSK_TWICE, .run = demo_xsk_twice},
	{.kind = DMAMAP_CHECK_XSK_KEPT, .run = demo_xsk_kept},
	{.kind = DMAMAP_CHECK_XSK_BUSY, .run = demo_xsk_busy},
};
const unsigned int n_demos_xsk = sizeof(demos_xsk) / sizeof(demos_xsk[0]);
