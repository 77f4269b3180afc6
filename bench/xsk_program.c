/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An AF_XDP program that is linked with libxdp: packets per second on two connected interfaces, of
 * the system or, with libdmamap-xsk preloaded, of two cards (bench/xsk-programs).
 *
 * usage: xsk_program rx|tx|fwd poll|spin IFNAME IFNAME SECONDS
 *   rx   a thread sends on the first interface; the second receives and drops: received packets
 *   tx   the first interface sends; a thread receives on the second: completed packets
 *   fwd  as rx, and the second interface sends back what it received: completed packets
 * Two cards use flow control, so the other end accepts all packets that arrive.
 */
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/if_xdp.h>
#include <xdp/xsk.h>

#define CHUNK  4096u
#define CHUNKS 4096u
#define RING   2048u
#define BATCH  64u
#define FRAME  60u

struct side {
	char *memory;
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons comp, rx;
	unsigned int pending; /* in the TX ring or at the card */
	bool wait;	      /* poll() instead of spinning */
};

static struct side first, second;
static bool stop;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void side_open(struct side *s, const char *ifname, bool wait)
{
	const struct xsk_umem_config u = {
		.fill_size = CHUNKS, .comp_size = RING, .frame_size = CHUNK};
	const struct xsk_socket_config c = {
		.rx_size = RING, .tx_size = RING, .bind_flags = XDP_USE_NEED_WAKEUP};
	int err;

	s->wait = wait;
	s->memory = mmap(NULL, CHUNKS * CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	if (s->memory == MAP_FAILED)
		exit(1);
	err = xsk_umem__create(&s->umem, s->memory, CHUNKS * CHUNK, &s->fill, &s->comp, &u);
	if (!err)
		err = xsk_socket__create(&s->xsk, ifname, 0, s->umem, &s->rx, &s->tx, &c);
	if (err) {
		fprintf(stderr, "cannot open a socket on %s: %s\n", ifname, strerror(-err));
		exit(1);
	}
	for (unsigned int i = 0; i < CHUNKS; i++) {
		memset(s->memory + i * CHUNK, 0xff, 12);
		memset(s->memory + i * CHUNK + 12, 0x88, FRAME - 12);
	}
}

static void side_close(struct side *s)
{
	xsk_socket__delete(s->xsk);
	xsk_umem__delete(s->umem);
	munmap(s->memory, CHUNKS * CHUNK);
}

static void give(struct side *s, __u32 n, const __u64 *addr)
{
	__u32 at;

	if (xsk_ring_prod__reserve(&s->fill, n, &at) != n)
		return;
	for (__u32 i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&s->fill, at + i) = addr[i];
	xsk_ring_prod__submit(&s->fill, n);
}

static void wait_for(struct side *s, short events)
{
	struct pollfd p = {.fd = xsk_socket__fd(s->xsk), .events = events};

	if (s->wait)
		poll(&p, 1, 10);
}

static void kick(struct side *s)
{
	if (s->pending && xsk_ring_prod__needs_wakeup(&s->tx))
		sendto(xsk_socket__fd(s->xsk), NULL, 0, MSG_DONTWAIT, NULL, 0);
}

/* Returns how many packets were completed; `back`: their chunks go to the fill ring. */
static unsigned int complete(struct side *s, bool back)
{
	__u64 addr[BATCH];
	__u32 at, n = xsk_ring_cons__peek(&s->comp, BATCH, &at);

	for (__u32 i = 0; i < n; i++)
		addr[i] = *xsk_ring_cons__comp_addr(&s->comp, at + i);
	xsk_ring_cons__release(&s->comp, n);
	s->pending -= n;
	if (back && n)
		give(s, n, addr);
	return n;
}

static unsigned int send_round(struct side *s)
{
	__u32 at = 0, n = s->pending + BATCH <= RING ? BATCH : 0;

	if (n && xsk_ring_prod__reserve(&s->tx, n, &at) == n) {
		for (__u32 i = 0; i < n; i++)
			*xsk_ring_prod__tx_desc(&s->tx, at + i) = (struct xdp_desc){
				.addr = (at + i) % RING * (__u64)CHUNK, .len = FRAME};
		xsk_ring_prod__submit(&s->tx, n);
		s->pending += n;
	} else {
		wait_for(s, POLLOUT);
	}
	kick(s);
	return complete(s, false);
}

/* Drops received packets without waiting for any. */
static void drain(struct side *s)
{
	__u64 addr[BATCH];
	__u32 at, n = xsk_ring_cons__peek(&s->rx, BATCH, &at);

	for (__u32 i = 0; i < n; i++)
		addr[i] = xsk_ring_cons__rx_desc(&s->rx, at + i)->addr;
	xsk_ring_cons__release(&s->rx, n);
	if (n)
		give(s, n, addr);
}

/* Takes received packets: drops them, or puts them into the TX ring. */
static unsigned int receive_round(struct side *s, bool forward)
{
	__u64 addr[BATCH];
	__u32 at, out = 0, n = xsk_ring_cons__peek(&s->rx, BATCH, &at);

	if (!n) {
		if (xsk_ring_prod__needs_wakeup(&s->fill) && !s->wait)
			recvfrom(xsk_socket__fd(s->xsk), NULL, 0, MSG_DONTWAIT, NULL, NULL);
		wait_for(s, POLLIN);
		return 0;
	}
	for (__u32 i = 0; i < n; i++)
		addr[i] = xsk_ring_cons__rx_desc(&s->rx, at + i)->addr;
	if (forward && xsk_ring_prod__reserve(&s->tx, n, &out) == n) {
		for (__u32 i = 0; i < n; i++)
			*xsk_ring_prod__tx_desc(&s->tx, out + i) =
				(struct xdp_desc){.addr = addr[i], .len = FRAME};
		xsk_ring_prod__submit(&s->tx, n);
		s->pending += n;
	} else {
		give(s, n, addr);
	}
	xsk_ring_cons__release(&s->rx, n);
	return n;
}

/* The end that is not measured. */
static void *other_end(void *what)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		if (!strcmp(what, "tx")) {
			receive_round(&second, false);
			continue;
		}
		send_round(&first);
		drain(&first);
	}
	return NULL;
}

static unsigned int round_of(const char *what)
{
	unsigned int n;

	if (!strcmp(what, "tx"))
		return send_round(&first);
	n = receive_round(&second, !strcmp(what, "fwd"));
	if (!strcmp(what, "rx"))
		return n;
	kick(&second);
	return complete(&second, true);
}

int main(int argc, char **argv)
{
	unsigned long long n = 0;
	double begin, end;
	pthread_t thread;

	if (argc != 6)
		return 2;
	side_open(&second, argv[4], !strcmp(argv[2], "poll"));
	side_open(&first, argv[3], !strcmp(argv[2], "poll"));
	/* the first interface receives into chunks that it does not send */
	for (unsigned int i = 0; i < CHUNKS; i++) {
		give(&second, 1, &(__u64){i * (__u64)CHUNK});
		if (i >= RING)
			give(&first, 1, &(__u64){i * (__u64)CHUNK});
	}
	if (pthread_create(&thread, NULL, other_end, argv[1]))
		return 1;
	begin = now();
	end = begin + atof(argv[5]);
	do {
		n += round_of(argv[1]);
	} while (now() < end);
	printf("%.0f\n", (double)n / (now() - begin));
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	side_close(&first);
	side_close(&second);
	return 0;
}
