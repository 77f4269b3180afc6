/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes the calls of AF_XDP programs on two connected interfaces and prints what each call returns.
 * The program is linked with libxdp. It runs on a pair of the system's interfaces or, with
 * libdmamap-xsk preloaded, on two cards: the output must be the same (xsk_preload.sh). No time is
 * asserted, and every wait is bounded.
 *
 * usage: xsk_calls IFNAME IFNAME
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_xdp.h>
#include <net/if.h>
#include <xdp/xsk.h>

#include "xsk_say.h"

#define CHUNKS 256u
#define RING   64u

struct side {
	char *memory;
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons comp, rx;
	int fd;
};

static struct side from, to;

static void *area(void)
{
	return mmap(NULL, CHUNKS * CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
}

static void side_open(struct side *s, const char *ifname)
{
	const struct xsk_umem_config u = {
		.fill_size = 2 * RING, .comp_size = 2 * RING, .frame_size = CHUNK};
	const struct xsk_socket_config c = {
		.rx_size = RING, .tx_size = 2 * RING, .bind_flags = XDP_COPY};
	int err;

	s->memory = area();
	err = xsk_umem__create(&s->umem, s->memory, CHUNKS * CHUNK, &s->fill, &s->comp, &u);
	if (!err)
		err = xsk_socket__create(&s->xsk, ifname, 0, s->umem, &s->rx, &s->tx, &c);
	if (err) {
		fprintf(stderr, "cannot open a socket on %s: %s\n", ifname, strerror(-err));
		exit(77);
	}
	s->fd = xsk_socket__fd(s->xsk);
}

static void side_close(struct side *s)
{
	xsk_socket__delete(s->xsk);
	say("delete the UMEM", xsk_umem__delete(s->umem));
	munmap(s->memory, CHUNKS * CHUNK);
}

static void fill(unsigned int n)
{
	__u32 at = 0;

	if (xsk_ring_prod__reserve(&to.fill, n, &at) != n)
		return;
	for (unsigned int i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&to.fill, at + i) = (at + i) % CHUNKS * (__u64)CHUNK;
	xsk_ring_prod__submit(&to.fill, n);
}

/* Puts frames into the TX ring without a system call. Returns their number. */
static unsigned int put(unsigned int n)
{
	__u32 at = 0;

	n = xsk_ring_prod__reserve(&from.tx, n, &at);
	for (unsigned int i = 0; i < n; i++)
		frame_put(xsk_ring_prod__tx_desc(&from.tx, at + i), from.memory, (at + i) % CHUNKS);
	xsk_ring_prod__submit(&from.tx, n);
	return n;
}

static unsigned int completed(void)
{
	__u32 at = 0, n = xsk_ring_cons__peek(&from.comp, 2 * RING, &at);

	xsk_ring_cons__release(&from.comp, n);
	return n;
}

/* Takes at most n received frames and returns their chunks to the fill ring. */
static unsigned int take(unsigned int n)
{
	__u32 at = 0;

	n = xsk_ring_cons__peek(&to.rx, n, &at);
	xsk_ring_cons__release(&to.rx, n);
	fill(n);
	return n;
}

static void nap(void)
{
	usleep(1000);
}

/* Sends n frames and waits until they are in the other interface's RX ring. */
static void pass(unsigned int n)
{
	unsigned int sent = 0, left = put(n), before = *to.rx.producer;

	for (int i = 0; i < LONG_MS && (sent < left || *to.rx.producer - before < n); i++) {
		kick(from.fd);
		sent += completed();
	}
}

/* The ring may also contain frames that the system itself sent. */
static void settle(void)
{
	for (int i = 0; i < LONG_MS && !to.rx.producer[0]; i++) {
		put(1);
		kick(from.fd);
		completed();
	}
	for (int i = 0; i < 50; i++) {
		kick(from.fd);
		completed();
		take(RING);
	}
}

enum {
	BY_POLL_OUT,
	BY_POLL_IN,
	BY_PPOLL,
	BY_SELECT,
	BY_PSELECT,
	BY_EPOLL,
	BY_EPOLL_P,
	BY_SEND,
	BY_SENDMSG,
	BY_SENDMMSG,
	BY_WRITEV,
	WAYS
};

static int epoll_of(int fd, unsigned int events)
{
	struct epoll_event e = {.events = events};
	int ep = epoll_create1(EPOLL_CLOEXEC);

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
	return ep;
}

static void call(int way, int ep)
{
	struct pollfd p = {.fd = from.fd, .events = way == BY_POLL_IN ? POLLIN : POLLOUT};
	struct timespec ts = {.tv_nsec = 1000000};
	struct timeval tv = {.tv_usec = 1000};
	struct iovec v = {.iov_base = from.memory, .iov_len = 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	struct mmsghdr mm = {.msg_hdr = m};
	struct epoll_event e;
	fd_set set;

	FD_ZERO(&set);
	FD_SET(from.fd, &set);
	switch (way) {
	case BY_POLL_OUT:
	case BY_POLL_IN:
		poll(&p, 1, 1);
		break;
	case BY_PPOLL:
		ppoll(&p, 1, &ts, NULL);
		break;
	case BY_SELECT:
		select(from.fd + 1, NULL, &set, NULL, &tv);
		break;
	case BY_PSELECT:
		pselect(from.fd + 1, &set, NULL, NULL, &ts, NULL);
		break;
	case BY_EPOLL:
		epoll_wait(ep, &e, 1, 1);
		break;
	case BY_EPOLL_P:
		epoll_pwait(ep, &e, 1, 1, NULL);
		break;
	case BY_SEND:
		send(from.fd, NULL, 0, MSG_DONTWAIT);
		break;
	case BY_SENDMSG:
		sendmsg(from.fd, &m, MSG_DONTWAIT);
		break;
	case BY_SENDMMSG:
		sendmmsg(from.fd, &mm, 1, MSG_DONTWAIT);
		break;
	default:
		if (writev(from.fd, &v, 1) < 0)
			printf("writev: %s\n", strerrorname_np(errno));
	}
}

/* Every wait, and every call that sends, moves the packets of the TX ring. */
static void test_sending(void)
{
	int ep = epoll_of(from.fd, EPOLLOUT);

	for (int way = 0; way < WAYS; way++) {
		unsigned int n = put(16), done = 0;

		for (int i = 0; i < (way == BY_WRITEV ? 1 : LONG_MS) && done < n; i++) {
			call(way, ep);
			done += completed();
			if (done < n)
				nap();
		}
		printf("way %d: sent %u of %u\n", way, done, n);
		for (int i = 0; i < LONG_MS && done < n; i++) {
			kick(from.fd);
			done += completed();
		}
	}
	close(ep);
	settle();
}

static int events_of(int fd, short events, int ms)
{
	struct pollfd p = {.fd = fd, .events = events};
	int n = poll(&p, 1, ms);

	return n > 0 ? p.revents : n;
}

static int epoll_events(int ep, int ms)
{
	struct epoll_event e = {0};
	int n = epoll_wait(ep, &e, 1, ms);

	return n > 0 ? (int)e.events : n;
}

static void test_readable(void)
{
	int level = epoll_of(to.fd, EPOLLIN);
	fd_set set;
	struct timeval none = {0};

	SAY(events_of(to.fd, POLLIN, 0));
	SAY(epoll_events(level, 0));
	pass(2);
	SAY(events_of(to.fd, POLLIN, 0));
	SAY(events_of(to.fd, POLLIN | POLLRDNORM, 0));
	SAY(epoll_events(level, 0));
	SAY(epoll_events(level, 0));
	FD_ZERO(&set);
	FD_SET(to.fd, &set);
	SAY(select(to.fd + 1, &set, NULL, NULL, &none));
	SAY(FD_ISSET(to.fd, &set) != 0);
	SAY(take(1));
	SAY(events_of(to.fd, POLLIN, 0));
	SAY(take(1));
	SAY(events_of(to.fd, POLLIN, 0));
	SAY(epoll_events(level, 0));
	FD_SET(to.fd, &set);
	none = (struct timeval){0};
	SAY(select(to.fd + 1, &set, NULL, NULL, &none));
	close(level);
}

/* Packets that arrive after the last wait are an edge, whether or not the ring was drained. */
static void test_edges(void)
{
	int edge = epoll_of(to.fd, EPOLLIN | EPOLLET);

	SAY(epoll_events(edge, 0));
	for (int i = 0; i < 3; i++) {
		pass(3);
		SAY(epoll_events(edge, LONG_MS));
		SAY(epoll_events(edge, 20));
		SAY(take(1));
		SAY(epoll_events(edge, 20));
	}
	pass(1);
	SAY(epoll_events(edge, LONG_MS));
	SAY(take(RING));
	SAY(epoll_events(edge, 20));
	pass(1);
	SAY(epoll_events(edge, LONG_MS));
	SAY(take(RING));
	close(edge);
}

/*
 * The socket is writable while at most half of the TX ring is in use. poll() itself sends packets.
 */
static void test_writable(void)
{
	unsigned int left, n = 0;

	SAY(events_of(from.fd, POLLOUT, 0));
	SAY(put(2 * RING));
	left = 2 * RING;
	for (int i = 0; i < LONG_MS && n < left; i++) {
		events_of(from.fd, POLLOUT, 1);
		n += completed();
		take(RING);
	}
	SAY(n);
	SAY(events_of(from.fd, POLLOUT, 0));
	settle();
}

static void test_options(void)
{
	int fd = to.fd, value = 20;
	socklen_t len = sizeof(value);
	struct xdp_statistics stats;
	struct xdp_options options;
	struct xdp_mmap_offsets offsets;
	char name[IFNAMSIZ] = "";

	SAY(setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &value, sizeof(value)));
	SAY(setsockopt(fd, SOL_SOCKET, 69, &value, sizeof(value)));
	SAY(setsockopt(fd, SOL_SOCKET, 70, &value, sizeof(value)));
	SAY(getsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &value, &len));
	SAY(value);
	SAY(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len));
	SAY(value);
	SAY(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &len));
	SAY(value);
	len = sizeof(stats);
	SAY(getsockopt(fd, SOL_OF_XDP, XDP_STATISTICS, &stats, &len));
	SAY(len);
	len = 24;
	SAY(getsockopt(fd, SOL_OF_XDP, XDP_STATISTICS, &stats, &len));
	SAY(len);
	len = 23;
	SAY(getsockopt(fd, SOL_OF_XDP, XDP_STATISTICS, &stats, &len));
	len = sizeof(options);
	SAY(getsockopt(fd, SOL_OF_XDP, XDP_OPTIONS, &options, &len));
	SAY(options.flags);
	len = sizeof(offsets);
	SAY(getsockopt(fd, SOL_OF_XDP, XDP_MMAP_OFFSETS, &offsets, &len));
	SAY(getsockopt(fd, SOL_OF_XDP, 99, &value, &len));
	SAY(setsockopt(fd, SOL_OF_XDP, XDP_RX_RING, &value, sizeof(value)));
	SAY(if_nametoindex("no-such-name"));
	SAY(if_indextoname(0x7fffffff, name) == NULL);
	SAY(listen(fd, 1));
	SAY(shutdown(fd, SHUT_RDWR));
	SAY(send(fd, NULL, 0, 0));
	SAY(write(fd, "x", 1));
	SAY(send(fd, "xy", 2, MSG_DONTWAIT));
	SAY(recv(fd, name, 1, MSG_DONTWAIT));
	SAY(recv(fd, name, 1, 0));
	SAY(read(fd, name, 1));
	SAY(read(fd, name, 0));
}

static volatile sig_atomic_t alarms;

static void on_alarm(int signal)
{
	struct pollfd p = {.fd = to.fd, .events = POLLIN};
	int saved = errno;

	poll(&p, 1, 0);
	sendto(from.fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
	alarms++;
	errno = saved;
}

/* Calls on the sockets in a signal handler and in a child process. */
static void test_interrupted(void)
{
	struct itimerval fast = {{0, 500}, {0, 500}}, off = {{0, 0}, {0, 0}};
	unsigned int got = 0;
	int status = -1;
	pid_t pid;

	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &fast, NULL);
	for (int i = 0; i < LONG_MS && (got < 500 || alarms < 100); i++) {
		put(2);
		events_of(to.fd, POLLIN, 1);
		events_of(from.fd, POLLOUT, 0);
		completed();
		got += take(RING);
	}
	setitimer(ITIMER_REAL, &off, NULL);
	SAY(got >= 500 && alarms >= 100);
	settle();
	fflush(stdout);
	pid = fork();
	if (!pid) {
		events_of(from.fd, POLLOUT, 0);
		sendto(from.fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
		_exit(7);
	}
	SAY(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
	pass(3);
	SAY(take(RING));
}

/* Behaviour that must be the same for any two interfaces. */
static void test_names(const char *ifname)
{
	char back[IFNAMSIZ] = "";
	struct ifreq r = {0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	strncpy(r.ifr_name, ifname, IFNAMSIZ - 1);
	SAY(if_nametoindex(ifname) > 0);
	SAY(strcmp(if_indextoname(if_nametoindex(ifname), back), ifname));
	SAY(ioctl(fd, SIOCGIFINDEX, &r));
	SAY(r.ifr_ifindex - (int)if_nametoindex(ifname));
	SAY(ioctl(fd, SIOCGIFHWADDR, &r));
	SAY(r.ifr_hwaddr.sa_family);
	SAY(ioctl(fd, SIOCGIFMTU, &r));
	SAY(r.ifr_mtu);
	SAY(ioctl(fd, SIOCGIFFLAGS, &r));
	SAY(r.ifr_flags & (IFF_UP | IFF_RUNNING));
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	side_open(&to, argv[2]);
	side_open(&from, argv[1]);
	fill(2 * RING);
	settle();
	test_names(argv[1]);
	test_sending();
	test_readable();
	test_edges();
	test_writable();
	test_options();
	test_interrupted();
	side_close(&from);
	side_close(&to);
	return 0;
}
