/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that is linked with libxdp and libbpf, with libdmamap-xsk preloaded. It tests behaviour
 * that only cards have: it performs the action that its first argument names and prints the results
 * (xsk_preload.sh).
 *
 * usage: xsk_preloaded WHAT IFNAME [zc|copy] [NUMBER]
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/ethtool.h>
#include <linux/if_xdp.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <xdp/libxdp.h>
#include <xdp/xsk.h>

#ifndef XDP_USE_SG
#define XDP_USE_SG    (1 << 4)
#define XDP_PKT_CONTD 1
#endif
#define CHUNK	4096u
#define CHUNKS	2048u
#define RING	64u
#define IDLE_MS 300

static char *memory;
static struct xsk_umem *umem;
static struct xsk_socket *xsk, *second;
static struct xsk_ring_prod fill, tx, fill_moved;
static struct xsk_ring_cons comp, rx, rx2;
static unsigned int frames, longest, got2;

static void die(const char *what, int err)
{
	printf("%s: %s\n", what, strerrorname_np(err < 0 ? -err : err));
	exit(0);
}

static struct xsk_socket_config config(unsigned short flags)
{
	return (struct xsk_socket_config){.rx_size = RING, .tx_size = RING, .bind_flags = flags};
}

static void make_umem(void)
{
	const struct xsk_umem_config c = {
		.fill_size = CHUNKS, .comp_size = CHUNKS, .frame_size = CHUNK};
	int err;

	memory = mmap(NULL, CHUNKS * CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	err = xsk_umem__create(&umem, memory, CHUNKS * (__u64)CHUNK, &fill, &comp, &c);
	if (err)
		die("UMEM", err);
}

static void make(const char *ifname, unsigned int queue, unsigned short flags)
{
	struct xsk_socket_config c = config(flags);
	int err = xsk_socket__create(&xsk, ifname, queue, umem, &rx, &tx, &c);

	if (err)
		die("socket", err);
}

static void give(__u64 addr)
{
	__u32 at;

	if (xsk_ring_prod__reserve(&fill, 1, &at) != 1)
		return;
	*xsk_ring_prod__fill_addr(&fill, at) = addr & ~(__u64)(CHUNK - 1);
	xsk_ring_prod__submit(&fill, 1);
}

static void give_all(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		give(i * (__u64)CHUNK);
}

/* Takes the contents of an RX ring. Returns the number of whole frames. */
static unsigned int take(struct xsk_ring_cons *r)
{
	static unsigned int len;
	unsigned int whole = 0;
	__u32 at, n = xsk_ring_cons__peek(r, RING, &at);

	for (__u32 i = 0; i < n; i++) {
		const struct xdp_desc *d = xsk_ring_cons__rx_desc(r, at + i);

		len += d->len;
		give(d->addr);
		if (d->options & XDP_PKT_CONTD)
			continue;
		longest = len > longest ? len : longest;
		len = 0;
		whole++;
	}
	xsk_ring_cons__release(r, n);
	return whole;
}

/* Receives until no frame has arrived for a while. */
static void receive(void)
{
	for (int idle = 0; idle < IDLE_MS; idle++) {
		struct pollfd p = {.fd = xsk_socket__fd(xsk), .events = POLLIN};
		unsigned int n, n2;

		poll(&p, 1, 1);
		n = take(&rx);
		n2 = second ? take(&rx2) : 0;
		frames += n;
		got2 += n2;
		if (n || n2)
			idle = 0;
	}
}

static void finish(void)
{
	xsk_socket__delete(second);
	xsk_socket__delete(xsk);
	printf("umem deleted: %d\n", xsk_umem__delete(umem));
}

static void do_receive(const char *ifname, unsigned short flags, unsigned int wait_ms)
{
	struct xdp_statistics s;
	socklen_t len = sizeof(s);

	make_umem();
	make(ifname, 0, flags);
	/* the first packets arrive before there is a chunk for them */
	usleep(wait_ms * 1000);
	give_all(CHUNKS);
	usleep(wait_ms * 1000);
	receive();
	if (getsockopt(xsk_socket__fd(xsk), 283, XDP_STATISTICS, &s, &len))
		die("statistics", errno);
	printf("%u frames, longest %u, dropped %llu\n", frames, longest, s.rx_dropped);
	finish();
}

static void do_send(const char *ifname, unsigned short flags, unsigned int n)
{
	unsigned int done = 0, put = 0;
	__u32 at;

	make_umem();
	make(ifname, 0, flags);
	for (int ms = 0; done < n && ms < 5000; ms++) {
		while (put < n && xsk_ring_prod__reserve(&tx, 1, &at) == 1) {
			*xsk_ring_prod__tx_desc(&tx, at) =
				(struct xdp_desc){.addr = put++ % CHUNKS * (__u64)CHUNK, .len = 60};
			xsk_ring_prod__submit(&tx, 1);
		}
		sendto(xsk_socket__fd(xsk), NULL, 0, MSG_DONTWAIT, NULL, 0);
		at = xsk_ring_cons__peek(&comp, CHUNKS, &at);
		xsk_ring_cons__release(&comp, at);
		done += at;
		if (!at)
			usleep(1000);
	}
	finish();
	printf("completed %u\n", done);
}

/* Two sockets on one queue: the socket that is missing from the map receives nothing. */
static void do_share(const char *ifname, bool mapped)
{
	struct xsk_socket_config c = config(0);
	int err, fd, map = -1;
	__u32 key = 0;

	make_umem();
	make(ifname, 0, 0);
	err = xsk_socket__create_shared(&second, ifname, 0, umem, &rx2, NULL, NULL, NULL, &c);
	if (err)
		die("second socket", err);
	if (mapped) {
		err = xsk_setup_xdp_prog((int)if_nametoindex(ifname), &map);
		printf("map: %d, %s\n", err, map >= 0 ? "a descriptor" : "none");
		fd = xsk_socket__fd(xsk);
		printf("update: %d\n", bpf_map_update_elem(map, &key, &fd, 0));
	}
	give_all(CHUNKS);
	receive();
	printf("%u and %u\n", frames, got2);
	if (mapped)
		printf("delete: %d\n", bpf_map_delete_elem(map, &key));
	finish();
}

/* Requests the link by name and reads the reply in two steps, as libraries do. */
static void do_link(const char *ifname)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg info;
		struct rtattr a;
		char ifname[IFNAMSIZ];
	} ask = {.h = {.nlmsg_len = sizeof(ask),
		       .nlmsg_type = RTM_GETLINK,
		       .nlmsg_flags = NLM_F_REQUEST,
		       .nlmsg_seq = 4711},
		 .a = {.rta_len = sizeof(ask.a) + IFNAMSIZ, .rta_type = IFLA_IFNAME}};
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	char reply[4096];
	struct ifinfomsg *info = (struct ifinfomsg *)(void *)(reply + NLMSG_HDRLEN);
	struct nlmsghdr *h = (struct nlmsghdr *)(void *)reply;
	ssize_t n, peeked;
	int len;

	strncpy(ask.ifname, ifname, IFNAMSIZ - 1);
	printf("sent: %d\n", send(fd, &ask, sizeof(ask), 0) == (ssize_t)sizeof(ask));
	peeked = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC);
	n = recv(fd, reply, sizeof(reply), 0);
	printf("received: %d\n", n > 0 && n == peeked && (size_t)n == h->nlmsg_len);
	printf("type %u, seq %u\n", h->nlmsg_type, h->nlmsg_seq);
	printf("index: %d\n", info->ifi_index == (int)if_nametoindex(ifname));
	len = (int)IFLA_PAYLOAD(h);
	for (struct rtattr *a = IFLA_RTA(info); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == IFLA_IFNAME)
			printf("name: %s\n", (char *)RTA_DATA(a));
		if (a->rta_type == IFLA_MTU)
			printf("mtu: %u\n", *(unsigned int *)RTA_DATA(a));
	}
	/* the next request goes to the system */
	memset(ask.ifname, 0, sizeof(ask.ifname));
	strcpy(ask.ifname, "lo");
	send(fd, &ask, sizeof(ask), 0);
	n = recv(fd, reply, sizeof(reply), 0);
	printf("lo: %d\n", n > 0 && info->ifi_index == 1);
	close(fd);
}

static void do_names(const char *ifname)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq r = {0};
	char path[64], text[32] = "", mac[32];
	const unsigned char *b = (const unsigned char *)r.ifr_hwaddr.sa_data;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), index = (int)if_nametoindex(ifname), err;
	__u32 id = 77;
	FILE *f;

	strncpy(r.ifr_name, ifname, IFNAMSIZ - 1);
	printf("address: %d\n", ioctl(fd, SIOCGIFHWADDR, &r));
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x\n", b[0], b[1], b[2], b[3], b[4],
		 b[5]);
	snprintf(path, sizeof(path), "/sys/class/net/%s/address", ifname);
	f = fopen(path, "r");
	printf("file: %d\n", f && fgets(text, sizeof(text), f) && !strcmp(mac, text));
	snprintf(path, sizeof(path), "/sys/class/net/%s/nothing", ifname);
	printf("no file: %d\n", !fopen(path, "r") && errno == ENOENT);
	r.ifr_data = (char *)&channels;
	err = ioctl(fd, SIOCETHTOOL, &r);
	printf("channels: %d %u\n", err, channels.max_combined);
	r.ifr_data = (char *)&driver;
	err = ioctl(fd, SIOCETHTOOL, &r);
	printf("driver: %d %s\n", err, driver.driver);
	r.ifr_mtu = 9000;
	printf("mtu: %d\n", ioctl(fd, SIOCSIFMTU, &r));
	r.ifr_mtu = 0;
	err = ioctl(fd, SIOCGIFMTU, &r);
	printf("mtu: %d %d\n", err, r.ifr_mtu);
	r.ifr_mtu = 90000;
	printf("mtu: %d\n", ioctl(fd, SIOCSIFMTU, &r));
	err = bpf_xdp_query_id(index, 0, &id);
	printf("program: %d %u\n", err, id);
	printf("attach: %d\n", bpf_xdp_attach(index, 0, 0, NULL));
	err = bpf_xdp_query_id(index, 0, &id);
	printf("program: %d %d\n", err, id != 0);
	printf("detach: %d\n", bpf_xdp_detach(index, 0, NULL));
	err = xdp_multiprog__detach(xdp_multiprog__get_from_ifindex(index));
	printf("multiprog: %d\n", err);
}

/*
 * The structures belong to the program: after the UMEM was created, the library writes nothing into
 * them, and what was reserved before the socket exists stays reserved. A child process between the
 * two changes nothing.
 */
static void do_rings(const char *ifname)
{
	unsigned char *bytes = (unsigned char *)&fill_moved;
	unsigned int written = 0;
	__u32 first = 0, next = 0;
	pid_t pid;

	make_umem();
	xsk_ring_prod__reserve(&fill, 64, &first);
	fill_moved = fill;
	memset(&fill, 0x5a, sizeof(fill));
	pid = fork();
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	make(ifname, 0, 0);
	for (size_t i = 0; i < sizeof(fill); i++)
		written += ((unsigned char *)&fill)[i] != 0x5a;
	fill = fill_moved;
	memset(bytes, 0, sizeof(fill_moved));
	xsk_ring_prod__submit(&fill, 64);
	xsk_ring_prod__reserve(&fill, 64, &next);
	printf("written %u, first %u, next %u\n", written, first, next);
	finish();
}

/* A queue that is in use, and one that does not exist. The first socket works afterwards. */
static void do_refused(const char *ifname)
{
	struct xsk_socket_config c = config(0);
	struct xsk_umem *mine;

	make_umem();
	make(ifname, 0, 0);
	mine = umem;
	make_umem();
	printf("in use: %d\n", xsk_socket__create(&second, ifname, 0, umem, &rx2, NULL, &c));
	printf("no queue: %d\n", xsk_socket__create(&second, ifname, 1, umem, &rx2, NULL, &c));
	second = NULL;
	printf("second UMEM deleted: %d\n", xsk_umem__delete(umem));
	umem = mine;
	finish();
}

/*
 * A child process between the UMEM and the socket has neither: its attempt fails. The parent's
 * succeeds afterwards.
 */
static void do_fork(const char *ifname)
{
	struct xsk_socket_config c = config(0);
	int status = -1;
	pid_t pid;

	make_umem();
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(-xsk_socket__create(&xsk, ifname, 0, umem, &rx, &tx, &c));
	waitpid(pid, &status, 0);
	printf("child: %s\n", WIFEXITED(status) && WEXITSTATUS(status)
				      ? strerrorname_np(WEXITSTATUS(status))
				      : "no error");
	make(ifname, 0, 0);
	give_all(CHUNKS);
	receive();
	printf("parent: %u frames\n", frames);
	finish();
}

int main(int argc, char **argv)
{
	const char *mode = argc > 3 ? argv[3] : "zc";
	unsigned short flags = strncmp(mode, "zc", 2) ? XDP_COPY : XDP_ZEROCOPY;
	unsigned int n = argc > 4 ? (unsigned int)atoi(argv[4]) : 0;

	if (argc < 3)
		return 2;
	if (strstr(mode, "sg"))
		flags |= XDP_USE_SG;
	if (strstr(mode, "nw"))
		flags |= XDP_USE_NEED_WAKEUP;
	if (!strcmp(argv[1], "receive"))
		do_receive(argv[2], flags, n);
	else if (!strcmp(argv[1], "send"))
		do_send(argv[2], flags, n);
	else if (!strcmp(argv[1], "share"))
		do_share(argv[2], n != 0);
	else if (!strcmp(argv[1], "names"))
		do_names(argv[2]);
	else if (!strcmp(argv[1], "link"))
		do_link(argv[2]);
	else if (!strcmp(argv[1], "rings"))
		do_rings(argv[2]);
	else if (!strcmp(argv[1], "fork"))
		do_fork(argv[2]);
	else if (!strcmp(argv[1], "refused"))
		do_refused(argv[2]);
	return 0;
}
