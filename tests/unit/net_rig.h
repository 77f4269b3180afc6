/* SPDX-License-Identifier: BSD-2-Clause */
/* A card with its driver, and a socket with packet memory, for tests of both. */
#ifndef NET_RIG_H
#define NET_RIG_H

#include "driver_rig.h"

#include "cli/net_ring.h"
#include "drivers/e1000e.h"

#include <net/xdp_sock.h>
#include <sched.h>
#include <sys/mman.h>

#define NET_CHUNKS 256u
#define NET_CHUNK  2048u
#define NET_BYTES  (NET_CHUNKS * NET_CHUNK)
#define NET_BUDGET 32u

struct net_card {
	struct device *dev;
	struct e1000e *nic;
};

struct net_sock {
	struct xdp_sock *xs;
	struct xdp_umem *umem;
	u8 *base;
	struct net_ring rx, tx, fill, done;
	u32 at_hand; /* chunks that are the application's */
	u64 chunk[NET_CHUNKS];
};

static inline void card_up(struct net_card *c, const char *spec, const struct e1000e_options *opt)
{
	c->dev = dmamap_open(spec);
	if (!c->dev)
		fail_msg("%s", dmamap_strerror());
	c->nic = e1000e_probe(c->dev, opt);
	if (!c->nic)
		fail_msg("%s", driver_strerror());
}

static inline void card_started(struct net_card *c, const char *spec,
				const struct e1000e_options *opt)
{
	card_up(c, spec, opt);
	assert_int_equal(e1000e_start(c->nic), 0);
}

/* Frees everything. The process's memory is counted by the test that closes the last card. */
static inline void card_down(struct net_card *c)
{
	e1000e_remove(c->nic);
	assert_all_released(c->dev);
	dmamap_close(c->dev);
	*c = (struct net_card){0};
}

static inline void ring_map(struct xdp_sock *xs, int which, struct net_ring *ring)
{
	struct xdp_ring_offset off;
	size_t len;
	u8 *at;

	assert_int_equal(xdp_sock_set_ring(xs, which, NET_CHUNKS), 0);
	at = xdp_sock_map_ring(xs, which, &off, &len);
	assert_non_null(at);
	*ring = (struct net_ring){.producer = (u32 *)(at + off.producer),
				  .consumer = (u32 *)(at + off.consumer),
				  .flags = (u32 *)(at + off.flags),
				  .desc = at + off.desc,
				  .size = NET_CHUNKS,
				  .mask = NET_CHUNKS - 1};
}

static inline void sock_memory(struct net_sock *s)
{
	struct xdp_umem_reg reg;

	memset(s, 0, sizeof(*s));
	s->base = mmap(NULL, NET_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(s->base != MAP_FAILED);
	memset(&reg, 0, sizeof(reg));
	reg.addr = (u64)(uintptr_t)s->base;
	reg.len = NET_BYTES;
	reg.chunk_size = NET_CHUNK;
	s->umem = xdp_umem_create(&reg);
	assert_false(IS_ERR(s->umem));
	for (u32 i = 0; i < NET_CHUNKS; i++)
		s->chunk[s->at_hand++] = (u64)i * NET_CHUNK;
}

/* Puts n of the application's chunks into the fill ring. */
static inline void sock_fill(struct net_sock *s, u32 n)
{
	for (u32 i = 0; i < n; i++)
		*net_ring_addr(&s->fill, i) = s->chunk[--s->at_hand];
	net_ring_produce(&s->fill, n);
}

/* Half of the chunks are for receiving, the other half for sending. */
static inline void sock_open(struct net_sock *s, struct net_card *c, u16 flags)
{
	struct xdp_options options = {0};

	s->xs = xdp_sock_create();
	assert_non_null(s->xs);
	ring_map(s->xs, XDP_RX_RING, &s->rx);
	ring_map(s->xs, XDP_TX_RING, &s->tx);
	ring_map(s->xs, XDP_UMEM_FILL_RING, &s->fill);
	ring_map(s->xs, XDP_UMEM_COMPLETION_RING, &s->done);
	sock_fill(s, NET_CHUNKS / 2);
	if (xdp_sock_bind(s->xs, s->umem, c->dev, 0, flags, NULL))
		fail_msg("%s; %s", dmamap_strerror(), driver_strerror());
	assert_int_equal(xdp_sock_options(s->xs, &options), 0);
	assert_int_equal(options.flags & XDP_OPTIONS_ZEROCOPY, flags & XDP_ZEROCOPY ? 1 : 0);
}

/* Takes the completed chunks from the completion ring. */
static inline u32 sock_reap(struct net_sock *s)
{
	u32 n = net_ring_ready(&s->done, NET_CHUNKS);

	for (u32 i = 0; i < n; i++)
		s->chunk[s->at_hand++] = *net_ring_addr(&s->done, i);
	if (n)
		net_ring_consume(&s->done, n);
	return n;
}

/* Puts one packet into the TX ring; false: no chunk. */
static inline bool sock_send(struct net_sock *s, const void *frame, u32 len)
{
	struct xdp_desc *d;

	if (!s->at_hand || !net_ring_room(&s->tx, 1))
		return false;
	d = net_ring_desc(&s->tx, 0);
	*d = (struct xdp_desc){.addr = s->chunk[--s->at_hand], .len = len};
	memcpy(s->base + d->addr, frame, len);
	net_ring_produce(&s->tx, 1);
	return true;
}

/*
 * Returns a received packet; its chunk is put into the fill ring by the next call. 0: there is
 * none.
 */
static inline u32 sock_receive(struct net_sock *s, const u8 **frame)
{
	struct xdp_desc d;

	if (!net_ring_ready(&s->rx, 1))
		return 0;
	d = *net_ring_desc(&s->rx, 0);
	assert_true(d.addr < NET_BYTES && d.len <= NET_BYTES - d.addr);
	*frame = s->base + d.addr;
	net_ring_consume(&s->rx, 1);
	*net_ring_addr(&s->fill, 0) = d.addr;
	net_ring_produce(&s->fill, 1);
	return d.len;
}

static inline void sock_close(struct net_sock *s)
{
	xdp_sock_destroy(s->xs);
	s->xs = NULL;
}

static inline void sock_memory_gone(struct net_sock *s)
{
	xdp_umem_put(s->umem);
	munmap(s->base, NET_BYTES);
}

/* Runs the driver once; the application's thread is this one. */
static inline void card_turn(struct net_card *c)
{
	if (e1000e_poll(c->nic, NET_BUDGET) == 0)
		sched_yield();
}

/* A frame whose contents follow from its number. */
static inline u32 frame_of(u8 *frame, u32 n)
{
	u32 len = 14 + n * 37 % 1505, i;

	for (i = 0; i < len; i++)
		frame[i] = (u8)(n * 131 + i * 7 + (i >> 8));
	frame[0] &= 0xfe;
	return len;
}

static inline void assert_frame(const u8 *frame, u32 len, u32 n)
{
	u8 want[1600];

	assert_int_equal(len, frame_of(want, n));
	assert_memory_equal(frame, want, len);
}

#endif
