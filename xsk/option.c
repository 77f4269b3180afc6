/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of a socket that need only its port: options that can be read, and SOL_SOCKET. */
#include "option.h"
#include "raw.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define SO_PREFER 69 /* SO_PREFER_BUSY_POLL and SO_BUSY_POLL_BUDGET, which older headers lack */
#define SO_BUDGET 70

enum { RINGS = 4 };

int xsk_option_set_socket(struct xsk_port *p, int name, const void *value, socklen_t len)
{
	u32 v;

	if (name != SO_BUSY_POLL && name != SO_PREFER && name != SO_BUDGET)
		return 1;
	if (len < sizeof(v))
		return -EINVAL;
	memcpy(&v, value, sizeof(v));
	if ((s32)v < 0 || (name == SO_BUDGET && v > 65535))
		return -EINVAL;
	__atomic_store_n(name == SO_BUSY_POLL ? &p->busy
			 : name == SO_PREFER  ? &p->prefer_busy
					      : &p->budget,
			 name == SO_PREFER ? v != 0 : v, __ATOMIC_RELAXED);
	return 0;
}

static int xsk_option_copy_out(const void *from, socklen_t size, void *value, socklen_t *len)
{
	if (*len > size)
		*len = size;
	memcpy(value, from, *len);
	return 0;
}

static int xsk_option_get_statistics(struct xsk_port *p, void *value, socklen_t *len)
{
	struct xdp_statistics stats;
	int err;

	if (*len < offsetof(struct xdp_statistics, rx_ring_full))
		return -EINVAL;
	/* the first version of the structure had three counters */
	if (*len < sizeof(stats))
		*len = offsetof(struct xdp_statistics, rx_ring_full);
	err = xdp_sock_stats(p->xs, &stats);
	return err ? err : xsk_option_copy_out(&stats, sizeof(stats), value, len);
}

int xsk_option_offsets(void *value, socklen_t *len)
{
	/* without the flags, as before Linux 5.4 */
	struct {
		u64 producer, consumer, desc;
	} old[RINGS];
	struct xdp_mmap_offsets all;
	const struct xdp_ring_offset one = {
		.producer = 0, .consumer = 128, .desc = XSK_OPTION_ENTRIES, .flags = 196};

	if (*len < sizeof(old))
		return -EINVAL;
	all.rx = all.tx = all.fr = all.cr = one;
	if (*len >= sizeof(all))
		return xsk_option_copy_out(&all, sizeof(all), value, len);
	for (int i = 0; i < RINGS; i++) {
		old[i].producer = one.producer;
		old[i].consumer = one.consumer;
		old[i].desc = one.desc;
	}
	return xsk_option_copy_out(old, sizeof(old), value, len);
}

static int xsk_option_get_xdp(struct xsk_port *p, int name, void *value, socklen_t *len)
{
	struct xdp_options options;
	int err;

	switch (name) {
	case XDP_STATISTICS:
		return xsk_option_get_statistics(p, value, len);
	case XDP_MMAP_OFFSETS:
		return xsk_option_offsets(value, len);
	case XDP_OPTIONS:
		if (*len < sizeof(options))
			return -EINVAL;
		err = xdp_sock_options(p->xs, &options);
		return err ? err : xsk_option_copy_out(&options, sizeof(options), value, len);
	default:
		return -EOPNOTSUPP;
	}
}

/* 1: the descriptor's own option. */
static int xsk_option_get_socket(struct xsk_port *p, int name, void *value, socklen_t *len)
{
	u32 v;

	switch (name) {
	case SO_TYPE:
		v = SOCK_RAW;
		break;
	case SO_DOMAIN:
		v = AF_XDP;
		break;
	case SO_PROTOCOL:
		v = 0;
		break;
	case SO_BUSY_POLL:
		v = __atomic_load_n(&p->busy, __ATOMIC_RELAXED);
		break;
	case SO_PREFER:
		v = __atomic_load_n(&p->prefer_busy, __ATOMIC_RELAXED);
		break;
	case SO_BUDGET:
		v = __atomic_load_n(&p->budget, __ATOMIC_RELAXED);
		break;
	default:
		return 1;
	}
	return xsk_option_copy_out(&v, sizeof(v), value, len);
}

int xsk_raw_getsockopt(struct xsk_port *p, int level, int name, void *value, socklen_t *len)
{
	if (!value || !len)
		return -EFAULT;
	if ((int)*len < 0)
		return -EINVAL;
	if (level == SOL_SOCKET)
		return xsk_option_get_socket(p, name, value, len);
	return level == XSK_SOL_XDP ? xsk_option_get_xdp(p, name, value, len) : -EOPNOTSUPP;
}
