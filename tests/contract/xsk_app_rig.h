/* SPDX-License-Identifier: BSD-2-Clause */
/* An application written for libxdp's header: one UMEM, one socket, on the card of the tests. */
#ifndef XSK_APP_RIG_H
#define XSK_APP_RIG_H

#include "../unit/xsk_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xdp/xsk.h>

int xsk_umem__create_with_fd(struct xsk_umem **umem, int fd, void *area, __u64 size,
			     struct xsk_ring_prod *fill, struct xsk_ring_cons *comp,
			     const struct xsk_umem_config *config);

enum { CHUNKS = 64, RING = 16, LONG_MS = 5000 };

/* See xsk/interpose.h: a state that is reached only some time after a call is not asserted. */
#ifdef __SANITIZE_THREAD__
#define BY_THREAD true
#else
#define BY_THREAD false
#endif

static char *memory;
static struct xsk_umem *umem;
static struct xsk_socket *sock;
static struct xsk_ring_prod fill, tx;
static struct xsk_ring_cons comp, rx;
static const struct xsk_umem_config umem_config = {
	.fill_size = RING, .comp_size = RING, .frame_size = CHUNK};

static inline struct xsk_socket_config config_of(__u16 bind_flags)
{
	return (struct xsk_socket_config){.rx_size = RING,
					  .tx_size = RING,
					  .bind_flags = bind_flags,
					  .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD};
}

static inline void open_umem(const struct xdp_driver_ops *ops)
{
	card_open("sim,name=eth7", ops);
	memory = mmap(NULL, CHUNKS * CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	assert_int_equal(
		xsk_umem__create(&umem, memory, CHUNKS * CHUNK, &fill, &comp, &umem_config), 0);
}

static inline void start(const struct xdp_driver_ops *ops, __u16 flags)
{
	struct xsk_socket_config c = config_of(flags);

	open_umem(ops);
	assert_int_equal(xsk_socket__create(&sock, "eth7", 0, umem, &rx, &tx, &c), 0);
}

static inline void stop(void)
{
	xsk_socket__delete(sock);
	assert_int_equal(xsk_umem__delete(umem), 0);
	munmap(memory, CHUNKS * CHUNK);
	card_close();
}

static inline void put_fill(u32 from, u32 n)
{
	__u32 at = 0;

	assert_int_equal(xsk_ring_prod__reserve(&fill, n, &at), n);
	for (u32 i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&fill, at + i) = (from + i) * (u64)CHUNK;
	xsk_ring_prod__submit(&fill, n);
}

static inline void put_tx(u64 addr, u32 len)
{
	__u32 at = 0;

	assert_int_equal(xsk_ring_prod__reserve(&tx, 1, &at), 1);
	*xsk_ring_prod__tx_desc(&tx, at) = (struct xdp_desc){.addr = addr, .len = len};
	xsk_ring_prod__submit(&tx, 1);
}

static inline void take_rx(u32 n)
{
	__u32 at = 0;

	assert_int_equal(xsk_ring_cons__peek(&rx, n, &at), n);
	xsk_ring_cons__release(&rx, n);
}

static inline short polled(short events, int ms)
{
	struct pollfd p = {.fd = xsk_socket__fd(sock), .events = events};
	int n = poll(&p, 1, ms);

	assert_true(n >= 0);
	return n ? p.revents : 0;
}

/*
 * Waits until RX has an entry; with the thread, the flag of what was consumed may stay set for a
 * while.
 */
static inline void wait_rx(void)
{
	do
		assert_int_equal(polled(POLLIN, LONG_MS), POLLIN);
	while (BY_THREAD && !xsk_cons_nb_avail(&rx, 1));
}

static inline void packet_in(u32 queue)
{
	assert_int_equal(card_receive(queue, "a packet", 8), 0);
}

#endif
