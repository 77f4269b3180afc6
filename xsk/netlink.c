/* SPDX-License-Identifier: BSD-2-Clause */
#include "netlink.h"
#include "card.h"
#include "name.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOPBACK   1 /* index of the loopback interface in every network namespace */
#define EXPECTED   16
#define REPLY	   1024
#define DATAGRAM   32768
#define OPER_UP	   6	   /* IF_OPER_UP */
#define LOWER_UP   0x10000 /* IFF_LOWER_UP, which <net/if.h> lacks */
#define ATTACHED   1	   /* XDP_ATTACHED_DRV */
#define QUEUE_LEN  1000
#define HEADER_LEN (NLMSG_HDRLEN + sizeof(struct ifinfomsg))

/* A request whose reply was not read yet. */
struct xsk_netlink_reply {
	bool used;
	int fd;
	u32 seq;
	const struct xsk_name *name;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct xsk_netlink_reply expected[EXPECTED]; /* under lock */
static u32 n_expected;				    /* atomic */

static bool xsk_netlink_is_route(int fd)
{
	socklen_t len = sizeof(int);
	int domain = 0, protocol = -1;

	return !syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) &&
	       !syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) &&
	       domain == AF_NETLINK && protocol == NETLINK_ROUTE;
}

/* Returns the name that a request concerns, or NULL if it concerns none of DMAMAP_XSK. */
static const struct xsk_name *xsk_netlink_name(const char *data, size_t len)
{
	const struct ifinfomsg *info = (const void *)(data + NLMSG_HDRLEN);
	char ifname[IFNAMSIZ];
	size_t at = HEADER_LEN;
	struct rtattr a;

	if (info->ifi_index)
		return xsk_name_by_index((unsigned int)info->ifi_index);
	while (len - at >= sizeof(a)) {
		memcpy(&a, data + at, sizeof(a));
		if (a.rta_len < sizeof(a) || a.rta_len > len - at)
			return NULL;
		if (a.rta_type == IFLA_IFNAME && a.rta_len - sizeof(a) <= sizeof(ifname) &&
		    memchr(data + at + sizeof(a), '\0', a.rta_len - sizeof(a))) {
			memcpy(ifname, data + at + sizeof(a), a.rta_len - sizeof(a));
			return xsk_name_find(ifname);
		}
		if (RTA_ALIGN(a.rta_len) >= len - at)
			return NULL;
		at += RTA_ALIGN(a.rta_len);
	}
	return NULL;
}

/* Returns false if too many replies are expected. */
static bool xsk_netlink_expect(int fd, u32 seq, const struct xsk_name *name)
{
	struct xsk_netlink_reply *e = NULL;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < EXPECTED; i++) {
		/* a descriptor has one request at a time; an older one was not read */
		if (expected[i].used && expected[i].fd == fd) {
			e = &expected[i];
			break;
		}
		if (!expected[i].used && !e)
			e = &expected[i];
	}
	if (e) {
		if (!e->used)
			__atomic_fetch_add(&n_expected, 1, __ATOMIC_RELEASE);
		*e = (struct xsk_netlink_reply){true, fd, seq, name};
	}
	pthread_mutex_unlock(&lock);
	return e != NULL;
}

bool xsk_netlink_request(int fd, const struct msghdr *message, char other[XSK_NETLINK_REQUEST],
			 size_t *len)
{
	const struct xsk_name *name;
	struct nlmsghdr *h = (struct nlmsghdr *)(void *)other;
	struct ifinfomsg *info = (struct ifinfomsg *)(void *)(other + NLMSG_HDRLEN);
	size_t n = 0;

	for (size_t i = 0; i < message->msg_iovlen; i++) {
		const struct iovec *v = &message->msg_iov[i];

		if (v->iov_len > XSK_NETLINK_REQUEST - n)
			return false;
		if (v->iov_len)
			memcpy(other + n, v->iov_base, v->iov_len);
		n += v->iov_len;
	}
	if (n < HEADER_LEN || h->nlmsg_len < HEADER_LEN || h->nlmsg_len > n ||
	    h->nlmsg_type != RTM_GETLINK || (h->nlmsg_flags & NLM_F_DUMP) || !xsk_names_exist() ||
	    !xsk_netlink_is_route(fd))
		return false;
	name = xsk_netlink_name(other, h->nlmsg_len);
	if (!name || !xsk_netlink_expect(fd, h->nlmsg_seq, name))
		return false;
	memset(info, 0, sizeof(*info));
	info->ifi_index = LOOPBACK;
	h->nlmsg_len = *len = HEADER_LEN;
	return true;
}

bool xsk_netlink_expected(int fd)
{
	bool is = false;

	if (!__atomic_load_n(&n_expected, __ATOMIC_ACQUIRE))
		return false;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < EXPECTED; i++)
		is |= expected[i].used && expected[i].fd == fd;
	pthread_mutex_unlock(&lock);
	return is;
}

static char *xsk_netlink_put(char *at, u16 type, const void *data, size_t len)
{
	const struct rtattr a = {.rta_len = (u16)(sizeof(a) + len), .rta_type = type};

	memset(at, 0, RTA_ALIGN(sizeof(a) + len));
	memcpy(at, &a, sizeof(a));
	memcpy(at + sizeof(a), data, len);
	return at + RTA_ALIGN(sizeof(a) + len);
}

static char *xsk_netlink_put_u32(char *at, u16 type, u32 value)
{
	return xsk_netlink_put(at, type, &value, sizeof(value));
}

/* Returns the length of the reply. The buffer is far longer. */
static size_t xsk_netlink_build(char reply[REPLY], const struct nlmsghdr *of,
				const struct xsk_name *name)
{
	static const u8 everyone[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct rtnl_link_stats64 stats = {0};
	struct xsk_card_traffic traffic;
	const u8 up = OPER_UP, carrier = 1, attached = name->program ? ATTACHED : 0;
	const struct ifinfomsg info = {
		.ifi_type = ARPHRD_ETHER,
		.ifi_index = (int)name->index,
		.ifi_flags = IFF_UP | IFF_BROADCAST | IFF_RUNNING | IFF_PROMISC | IFF_MULTICAST |
			     LOWER_UP,
	};
	struct nlmsghdr h = *of;
	char *at = reply + HEADER_LEN, *nested;

	xsk_card_read_traffic(name->ifname, &traffic);
	stats.rx_packets = traffic.rx_packets;
	stats.rx_bytes = traffic.rx_bytes;
	stats.tx_packets = traffic.tx_packets;
	stats.tx_bytes = traffic.tx_bytes;
	stats.rx_dropped = traffic.rx_dropped;
	memcpy(reply + NLMSG_HDRLEN, &info, sizeof(info));
	at = xsk_netlink_put(at, IFLA_IFNAME, name->ifname, strlen(name->ifname) + 1);
	at = xsk_netlink_put_u32(at, IFLA_TXQLEN, QUEUE_LEN);
	at = xsk_netlink_put(at, IFLA_OPERSTATE, &up, 1);
	at = xsk_netlink_put_u32(at, IFLA_MTU, __atomic_load_n(&name->mtu, __ATOMIC_RELAXED));
	at = xsk_netlink_put_u32(at, IFLA_NUM_TX_QUEUES, 1);
	at = xsk_netlink_put_u32(at, IFLA_NUM_RX_QUEUES, 1);
	at = xsk_netlink_put(at, IFLA_CARRIER, &carrier, 1);
	at = xsk_netlink_put(at, IFLA_ADDRESS, name->mac, sizeof(name->mac));
	at = xsk_netlink_put(at, IFLA_BROADCAST, everyone, sizeof(everyone));
	at = xsk_netlink_put(at, IFLA_STATS64, &stats, sizeof(stats));
	nested = at;
	at = xsk_netlink_put(at, IFLA_XDP, NULL, 0);
	at = xsk_netlink_put(at, IFLA_XDP_ATTACHED, &attached, 1);
	*(u16 *)(void *)nested = (u16)(at - nested);
	h.nlmsg_len = (u32)(at - reply);
	memcpy(reply, &h, sizeof(h));
	return h.nlmsg_len;
}

/* Returns the name that a reply is about, or NULL if it is not the expected reply. */
static const struct xsk_name *xsk_netlink_match(int fd, const struct nlmsghdr *h, bool peek)
{
	const struct xsk_name *name = NULL;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < EXPECTED && !name; i++) {
		struct xsk_netlink_reply *e = &expected[i];

		if (!e->used || e->fd != fd || e->seq != h->nlmsg_seq ||
		    h->nlmsg_type != RTM_NEWLINK)
			continue;
		name = e->name;
		if (!peek) {
			e->used = false;
			__atomic_fetch_sub(&n_expected, 1, __ATOMIC_RELEASE);
		}
	}
	pthread_mutex_unlock(&lock);
	return name;
}

/* Copies a datagram to the program's buffers. Returns the result of recvmsg(). */
static ssize_t xsk_netlink_deliver(struct msghdr *to, const char *data, size_t len, int flags)
{
	size_t at = 0;

	for (size_t i = 0; i < to->msg_iovlen && at < len; i++) {
		size_t part = to->msg_iov[i].iov_len < len - at ? to->msg_iov[i].iov_len : len - at;

		if (part)
			memcpy(to->msg_iov[i].iov_base, data + at, part);
		at += part;
	}
	to->msg_flags = at < len ? MSG_TRUNC : 0;
	return (ssize_t)(flags & MSG_TRUNC ? len : at);
}

ssize_t xsk_netlink_receive(int fd, struct msghdr *message, int flags)
{
	static __thread char data[DATAGRAM];
	char reply[REPLY];
	struct iovec v = {.iov_base = data, .iov_len = sizeof(data)};
	struct msghdr m = *message;
	const struct xsk_name *name = NULL;
	ssize_t n;

	m.msg_iov = &v;
	m.msg_iovlen = 1;
	n = syscall(SYS_recvmsg, fd, &m, flags & ~MSG_TRUNC);
	if (n < 0)
		return n;
	message->msg_namelen = m.msg_namelen;
	message->msg_controllen = m.msg_controllen;
	if ((size_t)n >= HEADER_LEN)
		name = xsk_netlink_match(fd, (const void *)data, flags & MSG_PEEK);
	if (!name)
		return xsk_netlink_deliver(message, data, (size_t)n, flags);
	n = (ssize_t)xsk_netlink_build(reply, (const void *)data, name);
	return xsk_netlink_deliver(message, reply, (size_t)n, flags);
}

/* A child of fork() makes its own requests. */
static void netlink_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
	memset(expected, 0, sizeof(expected));
	n_expected = 0;
}

__attribute__((constructor)) static void netlink_fork_register(void)
{
	pthread_atfork(NULL, NULL, netlink_fork_child);
}
