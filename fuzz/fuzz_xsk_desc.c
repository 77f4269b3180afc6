/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an application may write into its rings: indices, addresses and descriptors, in any order,
 * between the driver's calls. In every case each buffer and each descriptor that the driver
 * receives must be in the UMEM and in mapped memory, and every buffer must be returned.
 *
 * The first byte selects chunks, headroom, metadata and device. Then each step is one byte and its
 * arguments.
 */
#include "xsk/xsk.h"

#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <net/xdp_sock_drv.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHUNKS 32
#define CHUNK  2048
#define RING   16
#define AREA   ((u64)CHUNKS * CHUNK)

#define must(x)                                                                                    \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static char *memory;

struct shared {
	u32 *producer, *consumer;
	char *entries;
	u32 entry_size;
};

struct input {
	const uint8_t *at, *end;
};

static u64 take(struct input *in, u32 bytes)
{
	u64 v = 0;

	for (u32 i = 0; i < bytes && in->at < in->end; i++)
		v |= (u64)*in->at++ << 8 * i;
	return v;
}

/* Encodings that make relevant addresses frequent. */
static u64 take_addr(struct input *in)
{
	u8 kind = (u8)take(in, 1);

	switch (kind & 7) {
	case 0:
		return take(in, 8);
	case 1:
		return AREA - take(in, 2);
	case 2:
		return UINT64_MAX - take(in, 2);
	case 3:
		return take(in, 2) << 48 | take(in, 2);
	default:
		return take(in, 2) % AREA;
	}
}

static int setup_pool(struct device *dev, struct xsk_buff_pool *pool, u16 queue)
{
	return pool ? xsk_pool_dma_map(pool, dev, 0) : 0;
}

static const struct xdp_driver_ops ops = {.setup_pool = setup_pool, .xdp_zc_max_segs = 5};

static struct shared map_ring(struct xdp_sock *xs, int optname, u32 entry_size)
{
	struct xdp_ring_offset off;
	char *base = xdp_sock_map_ring(xs, optname, &off, NULL);

	must(base);
	return (struct shared){(u32 *)(base + off.producer), (u32 *)(base + off.consumer),
			       base + off.desc, entry_size};
}

static bool inside(const void *p, u64 len)
{
	u64 at = (u64)((const char *)p - memory);

	return p && at <= AREA && len <= AREA - at;
}

static void write_entry(struct shared *r, struct input *in)
{
	u32 at = (u32)take(in, 1) % RING;
	u64 addr = take_addr(in);

	memcpy(r->entries + at * r->entry_size, &addr, sizeof(addr));
	if (r->entry_size > 8) {
		u32 rest[2] = {(u32)take(in, 2), 0};

		rest[1] = rest[0] >> 14; /* options 0 to 3, mostly */
		rest[0] &= 0x3fff;
		memcpy(r->entries + at * r->entry_size + 8, rest, sizeof(rest));
	}
}

static void write_index(struct shared *r, struct input *in)
{
	u8 how = (u8)take(in, 1);
	u32 *index = how & 1 ? r->producer : r->consumer;

	*index = how & 2 ? (u32)take(in, 4) : *index + (u32)take(in, 1) % (RING + 2);
}

static void receive(struct device *dev, struct xsk_buff_pool *pool, struct input *in)
{
	u32 want = (u32)take(in, 1) % 40, how = (u32)take(in, 1), n;
	struct xdp_buff *b[40];

	n = xsk_buff_alloc_batch(pool, b, want);
	must(n <= want);
	for (u32 i = 0; i < n; i++) {
		must(inside(b[i]->data_hard_start, 1) && inside(b[i]->data, pool->frame_len));
		must(!dmamap_bus_write(dev, xsk_buff_xdp_get_dma(b[i]), "x", 1));
		xsk_buff_set_size(b[i], (u32)take(in, 2) % (pool->frame_len + 1));
	}
	for (u32 i = 0; i < n; i++) {
		if ((how & 1) && i + 1 < n && xsk_buff_add_frag(b[i], b[i + 1])) {
			if (how & 4) { /* the fragment goes first: the packet must not */
				xsk_buff_free(b[i + 1]);
				must(xsk_rcv(dev, 0, b[i]) == -EINVAL);
				xsk_buff_free(b[i]);
			} else {
				must(!xsk_rcv(dev, 0, b[i]) || (xsk_buff_free(b[i]), 1));
			}
			i++;
		} else if ((how & 2) || xsk_rcv(dev, 0, b[i])) {
			xsk_buff_free(b[i]);
		}
	}
	xsk_flush(dev, 0);
}

static void transmit(struct device *dev, struct xsk_buff_pool *pool, struct input *in)
{
	u32 max = (u32)take(in, 1), n;
	char out[4096];

	n = xsk_tx_peek_release_desc_batch(pool, max % 64);
	for (u32 i = 0; i < n; i++) {
		struct xdp_desc *d = &pool->tx_descs[i];
		u32 meta = pool->tx_metadata_len;

		must(d->len && d->len <= CHUNK);
		must(inside((char *)xsk_buff_raw_get_data(pool, d->addr) - meta, d->len + meta));
		must(!dmamap_bus_read(dev, xsk_buff_raw_get_dma(pool, d->addr), out, d->len));
		xsk_buff_raw_get_ctx(pool, d->addr);
	}
	must(!n || xsk_is_eop_desc(&pool->tx_descs[n - 1]));
	xsk_tx_completed(pool, max & 64 ? n : n + 1);
}

/* At the end every head is free again: the pool can allocate as many buffers as it has chunks. */
static void count_heads(struct xsk_buff_pool *pool, struct shared *fill)
{
	static struct xdp_buff *b[2 * CHUNKS];
	u32 total = xsk_buff_alloc_batch(pool, b, 2 * CHUNKS);

	for (u32 rounds = 0; rounds < 4 * CHUNKS && total < CHUNKS; rounds++) {
		memset(fill->entries, 0, RING * 8);
		*fill->producer =
			pool_of(pool)->fq->index +
			RING; /* the application's own index, not the one that was written */
		total += xsk_buff_alloc_batch(pool, b + total, CHUNKS - total);
	}
	must(total == CHUNKS);
}

static struct xdp_umem *make_umem(u8 kind)
{
	struct xdp_umem_reg reg = {.addr = (uintptr_t)memory,
				   .len = AREA,
				   .chunk_size = CHUNK,
				   .headroom = kind & 2 ? 100 : 0};
	struct xdp_umem *umem;

	if (kind & 1)
		reg.flags |= XDP_UMEM_UNALIGNED_CHUNK_FLAG;
	if (kind & 4)
		xdp_umem_reg_set_metadata(&reg, 16);
	umem = xdp_umem_create(&reg);
	must(!IS_ERR(umem));
	return umem;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int names[] = {XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING,
				    XDP_TX_RING};
	struct input in = {data, data + size};
	u8 kind = (u8)take(&in, 1);
	struct device *dev = dmamap_open(kind & 8 ? "sim,ram=64M,iommu=0" : "sim,ram=64M");
	struct xdp_sock *xs = xdp_sock_create();
	struct xsk_buff_pool *pool;
	struct xdp_umem *umem;
	struct shared ring[4];

	if (!memory)
		memory = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			      0);
	umem = make_umem(kind);
	must(dev && xs && !xdp_register_driver(dev, &ops));
	for (u32 i = 0; i < 4; i++) {
		must(!xdp_sock_set_ring(xs, names[i], RING));
		ring[i] = map_ring(xs, names[i], i < 2 ? 8 : 16);
	}
	must(!xdp_sock_bind(xs, umem, dev, 0, XDP_ZEROCOPY | XDP_USE_SG, NULL));
	pool = xsk_get_pool_from_qid(dev, 0);
	while (in.at < in.end) {
		u8 step = (u8)take(&in, 1);

		if (step < 100)
			write_entry(&ring[step & 3], &in);
		else if (step < 160)
			write_index(&ring[step & 3], &in);
		else if (step & 1)
			receive(dev, pool, &in);
		else
			transmit(dev, pool, &in);
	}
	count_heads(pool, &ring[0]);
	xdp_sock_destroy(xs);
	xdp_umem_put(umem);
	dmamap_close(dev);
	return 0;
}
