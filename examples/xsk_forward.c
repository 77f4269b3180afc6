/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An ordinary AF_XDP program. It receives packets on one interface and sends them on another
 * without copying. Nothing in it is specific to dmamap: linked with libxdp it uses the kernel's
 * network cards, linked with libdmamap-xsk it uses dmamap's, and an interface is then the name of
 * an open device or a spec:
 *
 *   cc xsk_forward.c -lxdp -lbpf      ./a.out -i eth0 -o eth1
 *   cc xsk_forward.c -ldmamap-xsk     ./a.out -i sim:e1000e,pcap-in=IN -o sim:e1000e,pcap-out=OUT
 *
 * Both sockets share one UMEM. A buffer circulates through the fill ring of IN, the RX ring of IN,
 * the TX ring of OUT and the completion ring of OUT, and then returns to the fill ring of IN.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/xsk.h>

#define FRAMES	   4096
#define FRAME_SIZE 4096
#define RING	   2048
#define BATCH	   64

struct side {
	struct xsk_socket *xsk;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons comp, rx;
};

struct options {
	const char *in, *out;
	__u32 queue;
	__u16 bind_flags;
	unsigned long count; /* packets to forward; 0: no limit */
	int idle_ms;	     /* ends after this time without a packet; -1: never */
};

static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
	interrupted = 1;
}

static int complain(const char *what, int err)
{
	fprintf(stderr, "xsk_forward: %s: %s\n", what, strerror(err < 0 ? -err : err));
	return -1;
}

static int parse(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "i:o:q:n:t:czw")) != -1) {
		switch (c) {
		case 'i':
			o->in = optarg;
			break;
		case 'o':
			o->out = optarg;
			break;
		case 'q':
			o->queue = (__u32)strtoul(optarg, NULL, 10);
			break;
		case 'n':
			o->count = strtoul(optarg, NULL, 10);
			break;
		case 't':
			o->idle_ms = atoi(optarg);
			break;
		case 'c':
			o->bind_flags |= XDP_COPY;
			break;
		case 'z':
			o->bind_flags |= XDP_ZEROCOPY;
			break;
		case 'w':
			o->bind_flags |= XDP_USE_NEED_WAKEUP;
			break;
		default:
			return -1;
		}
	}
	return o->in && o->out && optind == argc ? 0 : -1;
}

/* Puts all frames into the fill ring of the receiving interface. */
static int give_frames(struct xsk_ring_prod *fill, __u32 n)
{
	__u32 at = 0;

	if (xsk_ring_prod__reserve(fill, n, &at) != n)
		return complain("fill ring", ENOSPC);
	for (__u32 i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(fill, at + i) = (__u64)i * FRAME_SIZE;
	xsk_ring_prod__submit(fill, n);
	return 0;
}

/* Returns sent frames to the fill ring. Returns their number. */
static __u32 recycle(struct side *in, struct side *out)
{
	__u32 from = 0, to = 0, n;

	n = xsk_ring_cons__peek(&out->comp, BATCH, &from);
	if (!n)
		return 0;
	while (xsk_ring_prod__reserve(&in->fill, n, &to) != n)
		; /* cannot last: the ring has space for all frames */
	for (__u32 i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&in->fill, to + i) =
			*xsk_ring_cons__comp_addr(&out->comp, from + i) & ~(__u64)(FRAME_SIZE - 1);
	xsk_ring_prod__submit(&in->fill, n);
	xsk_ring_cons__release(&out->comp, n);
	return n;
}

/* Forwards up to a batch of packets and returns their number. */
static __u32 forward(struct side *in, struct side *out, unsigned long max)
{
	__u32 from = 0, to = 0, n, want = max && max < BATCH ? (__u32)max : BATCH;

	n = xsk_prod_nb_free(&out->tx, want);
	n = xsk_ring_cons__peek(&in->rx, n < want ? n : want, &from);
	if (!n)
		return 0;
	xsk_ring_prod__reserve(&out->tx, n, &to);
	for (__u32 i = 0; i < n; i++)
		*xsk_ring_prod__tx_desc(&out->tx, to + i) =
			*xsk_ring_cons__rx_desc(&in->rx, from + i);
	xsk_ring_prod__submit(&out->tx, n);
	xsk_ring_cons__release(&in->rx, n);
	return n;
}

/* Wakes up the sending side, if it needs that. */
static int kick(struct side *out, const struct options *o)
{
	if ((o->bind_flags & XDP_USE_NEED_WAKEUP) && !xsk_ring_prod__needs_wakeup(&out->tx))
		return 0;
	if (sendto(xsk_socket__fd(out->xsk), NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
		return 0;
	return errno == EAGAIN || errno == EBUSY || errno == ENOBUFS ? 0
								     : complain("sendto", errno);
}

/* Returns 1 if there may be packets, 0 after a timeout. */
static int wait_for_packets(struct side *in, int ms)
{
	struct pollfd p = {.fd = xsk_socket__fd(in->xsk), .events = POLLIN};
	int n = poll(&p, 1, ms);

	if (n < 0)
		return errno == EINTR ? 1 : complain("poll", errno);
	if (p.revents & POLLERR)
		return complain("poll", ENETDOWN);
	return n > 0;
}

static int run(struct side *in, struct side *out, const struct options *o, unsigned long *done)
{
	unsigned long on_the_way = 0; /* passed to OUT and not completed yet */
	int more = 1;

	while (more > 0 && !interrupted && (!o->count || *done < o->count)) {
		__u32 n = forward(in, out, o->count ? o->count - *done : 0);

		*done += n;
		on_the_way += n;
		on_the_way -= recycle(in, out);
		if (on_the_way && kick(out, o))
			return -1;
		if (!n && on_the_way)
			usleep(100);
		else if (!n)
			more = wait_for_packets(in, o->idle_ms);
	}
	/* wait at most a second for the packets that are not completed yet */
	for (int i = 0; i < 1000 && on_the_way && more >= 0; i++) {
		on_the_way -= recycle(in, out);
		if (kick(out, o))
			return -1;
		usleep(1000);
	}
	return more;
}

/*
 * Opens both sockets. If IN and OUT are the same interface, opens one that sends back what it
 * receives.
 */
static int open_sides(struct side *in, struct side *out, struct xsk_umem *umem,
		      const struct options *o)
{
	struct xsk_socket_config config = {
		.rx_size = RING, .tx_size = RING, .bind_flags = o->bind_flags};
	int err = xsk_socket__create(&in->xsk, o->in, o->queue, umem, &in->rx, &in->tx, &config);

	if (err)
		return complain(o->in, err);
	if (!strcmp(o->in, o->out)) {
		*out = *in;
		return 0;
	}
	err = xsk_socket__create_shared(&out->xsk, o->out, o->queue, umem, &out->rx, &out->tx,
					&out->fill, &out->comp, &config);
	return err ? complain(o->out, err) : 0;
}

static void close_sides(struct side *in, struct side *out)
{
	if (out->xsk != in->xsk)
		xsk_socket__delete(out->xsk);
	xsk_socket__delete(in->xsk);
}

int main(int argc, char **argv)
{
	struct xsk_umem_config config = {
		.fill_size = FRAMES, .comp_size = RING, .frame_size = FRAME_SIZE};
	struct options o = {.idle_ms = -1};
	static struct side in, out; /* contain the rings, so they must outlive the UMEM */
	struct xsk_umem *umem = NULL;
	unsigned long done = 0;
	void *frames;
	int err;

	if (parse(&o, argc, argv)) {
		fprintf(stderr,
			"usage: xsk_forward -i IN -o OUT [-q QUEUE] [-n PACKETS] [-t IDLE_MS] "
			"[-c|-z] [-w]\n");
		return 2;
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	frames = mmap(NULL, (size_t)FRAMES * FRAME_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (frames == MAP_FAILED) {
		complain("mmap", errno);
		return 1;
	}
	err = xsk_umem__create(&umem, frames, (__u64)FRAMES * FRAME_SIZE, &in.fill, &in.comp,
			       &config);
	if (err)
		complain("UMEM", err);
	if (!err)
		err = give_frames(&in.fill, FRAMES); /* before packets arrive */
	if (!err)
		err = open_sides(&in, &out, umem, &o);
	if (!err)
		err = run(&in, &out, &o, &done);
	printf("%lu packets forwarded\n", done);
	close_sides(&in, &out);
	xsk_umem__delete(umem);
	munmap(frames, (size_t)FRAMES * FRAME_SIZE);
	return err < 0;
}
