/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The properties of an interface that programs read from the system, for the names of DMAMAP_XSK:
 * index, address, flags, MTU, and through SIOCETHTOOL the driver, queues, rings and link.
 */
#ifndef __SANITIZE_THREAD__
#include "interpose.h"
#include "name.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define MTU_MIN	  68
#define MTU_MAX	  16366 /* what fits into the longest frame of the card */
#define RING_USED 512
#define RING_MAX  4096

static const char driver_name[] = "dmamap";

/*
 * Without another C library behind this one, that is in a static program, the system call is made.
 */
static int xsk_ifname_ioctl(unsigned long request, struct ifreq *r)
{
	int fd = (int)syscall(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	long err;

	if (fd < 0)
		return -1;
	err = syscall(SYS_ioctl, fd, request, r);
	syscall(SYS_close, fd);
	return (int)err;
}

INTERPOSE(unsigned int, if_nametoindex, const char *ifname)
{
	const struct xsk_name *name = xsk_name_find(ifname);
	__typeof__(&if_nametoindex) next;
	struct ifreq r = {0};

	if (name)
		return name->index;
	next = NEXT_FN(__typeof__(&if_nametoindex), if_nametoindex);
	if (next)
		return next(ifname);
	strncpy(r.ifr_name, ifname, IFNAMSIZ - 1);
	return xsk_ifname_ioctl(SIOCGIFINDEX, &r) ? 0 : (unsigned int)r.ifr_ifindex;
}

INTERPOSE(char *, if_indextoname, unsigned int index, char *ifname)
{
	const struct xsk_name *name = xsk_name_by_index(index);
	__typeof__(&if_indextoname) next;
	struct ifreq r = {0};

	if (name)
		return memcpy(ifname, name->ifname, IFNAMSIZ);
	next = NEXT_FN(__typeof__(&if_indextoname), if_indextoname);
	if (next)
		return next(index, ifname);
	r.ifr_ifindex = (int)index;
	if (!xsk_ifname_ioctl(SIOCGIFNAME, &r))
		return memcpy(ifname, r.ifr_name, IFNAMSIZ);
	if (errno == ENODEV)
		errno = ENXIO;
	return NULL;
}

static void xsk_ifname_driver(const struct xsk_name *name, struct ethtool_drvinfo *info)
{
	struct ethtool_drvinfo d = {.cmd = ETHTOOL_GDRVINFO};

	strncpy(d.driver, driver_name, sizeof(d.driver) - 1);
	strncpy(d.bus_info, name->spec, sizeof(d.bus_info) - 1);
	*info = d;
}

static void xsk_ifname_rings(struct ethtool_ringparam *rings)
{
	*rings = (struct ethtool_ringparam){
		.cmd = ETHTOOL_GRINGPARAM,
		.rx_max_pending = RING_MAX,
		.tx_max_pending = RING_MAX,
		.rx_pending = RING_USED,
		.tx_pending = RING_USED,
	};
}

static int xsk_ifname_set_channels(const struct ethtool_channels *c)
{
	return c->combined_count + c->rx_count == 1 && !c->other_count ? 0 : -EINVAL;
}

static void xsk_ifname_link(struct ethtool_cmd *link)
{
	*link = (struct ethtool_cmd){
		.cmd = ETHTOOL_GSET,
		.supported = SUPPORTED_1000baseT_Full,
		.advertising = ADVERTISED_1000baseT_Full,
		.duplex = DUPLEX_FULL,
		.speed = SPEED_1000,
		.autoneg = AUTONEG_DISABLE,
	};
}

static int xsk_ifname_ethtool(const struct xsk_name *name, char *data)
{
	u32 cmd;

	if (!data)
		return -EFAULT;
	memcpy(&cmd, data, sizeof(cmd));
	switch (cmd) {
	case ETHTOOL_GDRVINFO:
		xsk_ifname_driver(name, (struct ethtool_drvinfo *)(void *)data);
		return 0;
	case ETHTOOL_GCHANNELS:
		*(struct ethtool_channels *)(void *)data = (struct ethtool_channels){
			.cmd = cmd, .max_combined = 1, .combined_count = 1};
		return 0;
	case ETHTOOL_SCHANNELS:
		return xsk_ifname_set_channels((struct ethtool_channels *)(void *)data);
	case ETHTOOL_GRINGPARAM:
		xsk_ifname_rings((struct ethtool_ringparam *)(void *)data);
		return 0;
	case ETHTOOL_GLINK:
		((struct ethtool_value *)(void *)data)->data = 1;
		return 0;
	case ETHTOOL_GSET:
		xsk_ifname_link((struct ethtool_cmd *)(void *)data);
		return 0;
	case ETHTOOL_GRXRINGS:
		((struct ethtool_rxnfc *)(void *)data)->data = 1;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int xsk_ifname_set_mtu(struct xsk_name *name, int mtu)
{
	if (mtu < MTU_MIN || mtu > MTU_MAX)
		return -EINVAL;
	__atomic_store_n(&name->mtu, (u32)mtu, __ATOMIC_RELAXED);
	return 0;
}

/* Returns 0 or -errno, or 1 if it is not a request about an interface. */
static int xsk_ifname_request(struct xsk_name *name, unsigned long request, struct ifreq *r)
{
	switch (request) {
	case SIOCGIFINDEX:
		r->ifr_ifindex = (int)name->index;
		return 0;
	case SIOCGIFHWADDR:
		memset(&r->ifr_hwaddr, 0, sizeof(r->ifr_hwaddr));
		r->ifr_hwaddr.sa_family = ARPHRD_ETHER;
		memcpy(r->ifr_hwaddr.sa_data, name->mac, sizeof(name->mac));
		return 0;
	case SIOCGIFFLAGS:
		r->ifr_flags = IFF_UP | IFF_BROADCAST | IFF_RUNNING | IFF_PROMISC | IFF_MULTICAST;
		return 0;
	case SIOCSIFFLAGS: /* the card is up while it has a socket, and receives every frame */
		return 0;
	case SIOCGIFMTU:
		r->ifr_mtu = (int)__atomic_load_n(&name->mtu, __ATOMIC_RELAXED);
		return 0;
	case SIOCSIFMTU:
		return xsk_ifname_set_mtu(name, r->ifr_mtu);
	case SIOCGIFTXQLEN:
		r->ifr_qlen = 1000;
		return 0;
	case SIOCETHTOOL:
		return xsk_ifname_ethtool(name, r->ifr_data);
	case SIOCGIFADDR:
	case SIOCGIFNETMASK:
	case SIOCGIFBRDADDR:
		return -EADDRNOTAVAIL;
	case SIOCSIFHWADDR:
	case SIOCSIFADDR:
		return -EOPNOTSUPP;
	default:
		return 1;
	}
}

/*
 * Programs raise RLIMIT_MEMLOCK for their UMEM and end if that is not permitted. Here the memory of
 * a UMEM is not locked.
 */
INTERPOSE(int, setrlimit, int resource, const struct rlimit *limit)
{
	int err = NEXT(setrlimit, SYS_setrlimit, resource, limit);

	return err && errno == EPERM && resource == RLIMIT_MEMLOCK && xsk_names_exist() ? 0 : err;
}

INTERPOSE(int, setrlimit64, int resource, const struct rlimit *limit)
{
	return xsk_sys_setrlimit(resource, limit);
}

INTERPOSE(int, ioctl, int fd, unsigned long request, ...)
{
	struct xsk_name *name = NULL;
	__typeof__(&ioctl) next;
	struct ifreq *r;
	va_list args;
	void *arg;
	int err = 1;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	/* the requests of <linux/sockios.h> about interfaces */
	if (arg && request >= 0x8910 && request <= 0x894f && xsk_names_exist()) {
		r = arg;
		if (request == SIOCGIFNAME) {
			name = xsk_name_by_index((unsigned int)r->ifr_ifindex);
			if (name) {
				memcpy(r->ifr_name, name->ifname, IFNAMSIZ);
				return 0;
			}
		} else if (memchr(r->ifr_name, '\0', IFNAMSIZ)) {
			name = xsk_name_find(r->ifr_name);
		}
		if (name)
			err = xsk_ifname_request(name, request, r);
	}
	if (err <= 0) {
		errno = -err;
		return err ? -1 : 0;
	}
	next = NEXT_FN(__typeof__(&ioctl), ioctl);
	return next ? next(fd, request, arg) : (int)syscall(SYS_ioctl, fd, request, arg);
}
#endif
