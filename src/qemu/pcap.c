/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other end of the network: a socket on which each packet is preceded by its length (4 bytes,
 * big endian; QEMU's "socket" netdev). A thread sends the packets of a file in order and as fast as
 * the card accepts them. It discards what the card sends, since filter-dump in QEMU records that.
 *
 * One of QEMU's cards may lose packets that arrive while its driver is still initializing it. So
 * the first packet is sent when the driver has written no register for START_QUIET_MS, or
 * START_LATEST_MS after its first write.
 *
 * The file (pcap, in either byte order, with micro- or nanoseconds) is not trusted: lengths are
 * bounded, and a file that ends in the middle of a packet ends the replay there.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fork.h"
#include "base/thread.h"
#include "qemu/private.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKET_MAX	65536u
#define MAGIC_US	0xa1b2c3d4u
#define MAGIC_NS	0xa1b23c4du
#define LINK_ETHERNET	1
#define START_QUIET_MS	50
#define START_LATEST_MS 1000

struct pcap {
	struct qemu *q;
	FILE *file; /* NULL: there is nothing to send */
	bool begun;
	u64 first_ns; /* when this thread first observed that the driver had written a register */
	bool swapped;
	int fd; /* the socket, non-blocking */
	pthread_t thread;
	u32 len, sent; /* the length of `packet`, and how much of it was sent */
	u8 packet[4 + PACKET_MAX];
};

static u32 pcap_order(const struct pcap *p, u32 v)
{
	return p->swapped ? __builtin_bswap32(v) : v;
}

static int pcap_open_file(struct pcap *p, const char *path)
{
	u32 head[6];

	p->file = fopen(path, "re");
	if (!p->file)
		return error_set(errno, "pcap-in=%s: %s", path, strerror(errno));
	if (fread(head, sizeof(head), 1, p->file) != 1)
		return error_set(EINVAL, "pcap-in=%s: not a pcap file: it is too short", path);
	p->swapped =
		head[0] == __builtin_bswap32(MAGIC_US) || head[0] == __builtin_bswap32(MAGIC_NS);
	if (pcap_order(p, head[0]) != MAGIC_US && pcap_order(p, head[0]) != MAGIC_NS)
		return error_set(EINVAL,
				 "pcap-in=%s: not a pcap file (pcapng is not supported: convert it "
				 "with tcpdump -r FILE -w OTHER)",
				 path);
	if ((pcap_order(p, head[5]) & 0xffff) != LINK_ETHERNET)
		return error_set(EINVAL, "pcap-in=%s: its packets are not Ethernet", path);
	return 0;
}

/* Reads the next packet of the file into `packet`. False: there is none. */
static bool pcap_next_packet(struct pcap *p)
{
	u32 head[4], len, sent_len;

	if (!p->file || fread(head, sizeof(head), 1, p->file) != 1)
		return false;
	len = pcap_order(p, head[2]);
	if (!len || len > PACKET_MAX || fread(p->packet + 4, len, 1, p->file) != 1)
		return false;
	sent_len = htonl(len);
	memcpy(p->packet, &sent_len, 4);
	p->len = 4 + len;
	p->sent = 0;
	return true;
}

/* True: the driver has initialized its card. */
static bool pcap_may_begin(struct pcap *p)
{
	u64 now = clock_ns(), wrote = read_once(&p->q->wrote_ns);

	if (p->begun || !wrote)
		return p->begun;
	if (!p->first_ns)
		p->first_ns = now;
	p->begun = (now > wrote && now - wrote > START_QUIET_MS * NS_PER_MS) ||
		   now - p->first_ns > START_LATEST_MS * NS_PER_MS;
	return p->begun;
}

static void *pcap_main(void *arg)
{
	struct pcap *p = arg;
	bool more = pcap_next_packet(p);
	u8 trash[4096];

	for (;;) {
		bool sends = more && pcap_may_begin(p);
		struct pollfd f = {.fd = p->fd, .events = (short)(POLLIN | (sends ? POLLOUT : 0))};
		ssize_t n;

		if (poll(&f, 1, more && !sends ? START_QUIET_MS / 5 : -1) < 0 && errno != EINTR)
			return NULL;
		if (f.revents & POLLIN && recv(p->fd, trash, sizeof(trash), MSG_DONTWAIT) == 0)
			return NULL;
		if (f.revents & (POLLHUP | POLLERR))
			return NULL; /* QEMU has ended, or pcap_stop() was called */
		if (!(f.revents & POLLOUT))
			continue;
		n = send(p->fd, p->packet + p->sent, p->len - p->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			p->sent += (u32)n;
		if (p->sent == p->len)
			more = pcap_next_packet(p);
	}
}

int pcap_start(struct qemu *q, int fd)
{
	struct pcap *p = alloc_zeroed(sizeof(*p));
	int err = 0;

	if (!p)
		return -ENOMEM;
	p->fd = fd;
	p->q = q;
	if (q->options.pcap_in)
		err = pcap_open_file(p, q->options.pcap_in);
	if (err)
		goto fail;
	err = thread_start(&p->thread, pcap_main, p);
	if (err) {
		err = error_set(err, "cannot start the thread of pcap-in and pcap-out: there are "
				     "too many threads (ulimit -u)");
		goto fail;
	}
	q->pcap = p;
	return 0;
fail:
	if (p->file)
		fclose(p->file);
	alloc_free(p);
	return err;
}

void pcap_stop(struct qemu *q)
{
	struct pcap *p = q->pcap;

	if (!p)
		return;
	shutdown(p->fd, SHUT_RDWR);
	pthread_join(p->thread, NULL);
	fork_fd_close(p->fd);
	if (p->file)
		fclose(p->file);
	alloc_free(p);
	q->pcap = NULL;
}
