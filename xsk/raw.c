/* SPDX-License-Identifier: BSD-2-Clause */
#include "raw.h"
#include "card.h"
#include "name.h"
#include "option.h"
#include "steer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAPPINGS 16

static const struct {
	int name;
	u64 offset; /* for mmap() */
} ring_names[] = {
	{XDP_RX_RING, XDP_PGOFF_RX_RING},
	{XDP_TX_RING, XDP_PGOFF_TX_RING},
	{XDP_UMEM_FILL_RING, XDP_UMEM_PGOFF_FILL_RING},
	{XDP_UMEM_COMPLETION_RING, XDP_UMEM_PGOFF_COMPLETION_RING},
};

enum { RINGS = 4, ENTRIES_AT = XSK_OPTION_ENTRIES };

/* The place at which the program mapped a ring. */
struct xsk_raw_mapping {
	char *addr; /* NULL: the entry is free */
	size_t len;
	int ring, prot, flags;
};

struct xsk_raw {
	struct xsk_raw *next; /* of all; map_lock guards the list and `mapping` */
	struct xsk_port *port;
	/* raw_lock guards the rest */
	struct xdp_sock *xs;
	struct xsk_card *card; /* once it is bound */
	struct xdp_umem *umem;
	char reg[64]; /* the registration, as the program passed it */
	socklen_t reg_len;
	u32 entries[RINGS]; /* 0: the ring was not made */
	struct xsk_raw_mapping mapping[MAPPINGS];
};

/* raw_lock is acquired first. No function that maps or unmaps memory is called under map_lock. */
static pthread_mutex_t raw_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t map_lock = PTHREAD_MUTEX_INITIALIZER;
static struct xsk_raw *raws;
static u32 n_mapped; /* atomic: mappings of all sockets */

int xsk_raw_socket(int type, int protocol)
{
	int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), flags = 0;
	struct xsk_raw *r;
	int err;

	if (!xsk_names_exist())
		return -EAFNOSUPPORT;
	if (kind != SOCK_RAW)
		return -ESOCKTNOSUPPORT;
	if (protocol)
		return -EPROTONOSUPPORT;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->xs = xdp_sock_create();
	r->port = r->xs ? xsk_port_open(r->xs, -1) : NULL;
	if (!r->port) {
		err = r->xs ? -errno : -ENOMEM;
		xdp_sock_destroy(r->xs);
		free(r);
		return err;
	}
	if (type & SOCK_NONBLOCK)
		flags |= O_NONBLOCK;
	syscall(SYS_fcntl, r->port->fd, F_SETFL, flags);
	syscall(SYS_fcntl, r->port->fd, F_SETFD, type & SOCK_CLOEXEC ? FD_CLOEXEC : 0);
	pthread_mutex_lock(&map_lock);
	r->next = raws;
	raws = r;
	pthread_mutex_unlock(&map_lock);
	__atomic_store_n(&r->port->raw, r, __ATOMIC_RELEASE);
	return r->port->fd;
}

/* The caller holds map_lock. */
static void xsk_raw_delist(struct xsk_raw *r)
{
	struct xsk_raw **at;

	for (at = &raws; *at && *at != r; at = &(*at)->next)
		;
	if (*at)
		*at = r->next;
	for (int i = 0; i < MAPPINGS; i++)
		if (r->mapping[i].addr)
			__atomic_fetch_sub(&n_mapped, 1, __ATOMIC_RELAXED);
}

void xsk_raw_close(struct xsk_port *p, bool keep_fd)
{
	struct xsk_raw *r = p->raw;

	pthread_mutex_lock(&map_lock);
	xsk_raw_delist(r);
	pthread_mutex_unlock(&map_lock);
	if (r->card)
		xsk_steer_remove(r->xs);
	xsk_port_close(p, keep_fd);
	xdp_sock_destroy(r->xs);
	xdp_umem_put(r->umem);
	xsk_card_put(r->card);
	free(r);
}

static int xsk_raw_ring_of(int name)
{
	for (int i = 0; i < RINGS; i++)
		if (ring_names[i].name == name)
			return i;
	return -1;
}

/* The caller holds raw_lock. */
static int xsk_raw_register(struct xsk_raw *r, const void *value, socklen_t len)
{
	struct xdp_umem *umem;
	char reg[64] = {0};

	if (r->card || r->umem)
		return -EBUSY;
	/* up to the flags, which Linux 5.4 added; without them they are 0 */
	if (len < 24)
		return -EINVAL;
	memcpy(reg, value, len < sizeof(struct xdp_umem_reg) ? len : sizeof(struct xdp_umem_reg));
	umem = xdp_umem_create((const struct xdp_umem_reg *)(const void *)reg);
	if (IS_ERR(umem))
		return (int)PTR_ERR(umem);
	r->umem = umem;
	r->reg_len = len < sizeof(reg) ? len : (socklen_t)sizeof(reg);
	memcpy(r->reg, reg, sizeof(reg));
	return 0;
}

/* The caller holds raw_lock. */
static int xsk_raw_set_xdp(struct xsk_raw *r, int name, const void *value, socklen_t len)
{
	int ring = xsk_raw_ring_of(name), err;
	u32 entries;

	if (name == XDP_UMEM_REG)
		return xsk_raw_register(r, value, len);
	if (ring < 0)
		return -ENOPROTOOPT;
	if (len < sizeof(entries))
		return -EINVAL;
	memcpy(&entries, value, sizeof(entries));
	err = xdp_sock_set_ring(r->xs, name, entries);
	if (!err)
		r->entries[ring] = entries;
	return err;
}

int xsk_raw_setsockopt(struct xsk_port *p, int level, int name, const void *value, socklen_t len)
{
	int err;

	if (len > INT32_MAX) /* a negative length in the program */
		return -EINVAL;
	if (!value)
		return -EFAULT;
	if (level == SOL_SOCKET)
		return xsk_option_set_socket(p, name, value, len);
	if (level != XSK_SOL_XDP)
		return -ENOPROTOOPT;
	pthread_mutex_lock(&raw_lock);
	/* a socket that libxdp's functions made is bound, or its UMEM is registered */
	err = p->raw ? xsk_raw_set_xdp(p->raw, name, value, len) : -EBUSY;
	pthread_mutex_unlock(&raw_lock);
	return err;
}

/* Returns the socket whose UMEM is to be shared, or NULL with the error in *err. */
static struct xsk_port *xsk_raw_shared(int fd, int *err)
{
	struct xsk_port *p = xsk_port_get(fd);

	if (!p)
		*err = -ENOTSOCK;
	else if (!p->has_rx && !p->has_tx)
		*err = -EBADF;
	else
		return p;
	if (p)
		xsk_port_put(p);
	return NULL;
}

/* The caller holds raw_lock. */
static int xsk_raw_bind_card(struct xsk_raw *r, struct xsk_card *card,
			     const struct sockaddr_xdp *to)
{
	bool shared = to->sxdp_flags & XDP_SHARED_UMEM;
	struct device *dev = xsk_card_device(card);
	struct xsk_port *with = NULL;
	int err = 0;

	if (shared && to->sxdp_flags != XDP_SHARED_UMEM)
		return -EINVAL;
	if (!shared && !r->umem)
		return -EINVAL;
	if (shared)
		with = xsk_raw_shared((int)to->sxdp_shared_umem_fd, &err);
	if (shared && !with)
		return err;
	err = xsk_card_bind(card, to->sxdp_queue_id, r->xs, shared ? NULL : r->umem, to->sxdp_flags,
			    with ? with->xs : NULL);
	if (with)
		xsk_port_put(with);
	if (err)
		return err;
	r->card = card;
	xsk_port_bound(r->port);
	xsk_steer_add(r->xs, dev, to->sxdp_queue_id, r->port->has_rx);
	err = xsk_card_start(card);
	if (!err)
		return 0;
	xsk_steer_remove(r->xs);
	r->card = NULL;
	r->port->has_rx = r->port->has_tx = false;
	xdp_sock_unbind(r->xs);
	return err;
}

static int xsk_raw_bind_name(struct xsk_raw *r, const struct xsk_name *name,
			     const struct sockaddr_xdp *to)
{
	struct xsk_card *card;
	int err;

	if (r->card)
		return -EBUSY;
	card = xsk_card_get(name->ifname);
	if (!card)
		return -errno;
	err = xsk_raw_bind_card(r, card, to);
	if (err)
		xsk_card_put(card);
	return err;
}

/*
 * Maps a ring of the system's socket at the address where the program mapped the library's ring,
 * and copies the contents of that ring.
 */
static int xsk_raw_map_system(const struct xsk_raw *r, const struct xsk_raw_mapping *m, int fd,
			      char **out)
{
	char *addr = mmap(NULL, m->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
			  (off_t)ring_names[m->ring].offset);
	size_t part = m->len < 128 ? m->len : 4; /* the producer's index */

	if (addr == MAP_FAILED)
		return -errno;
	if (m->len >= ENTRIES_AT)
		memcpy(addr + ENTRIES_AT, m->addr + ENTRIES_AT, m->len - ENTRIES_AT);
	memcpy(addr, m->addr, part);
	*out = addr;
	return 0;
}

static int xsk_raw_replay(const struct xsk_raw *r, int fd)
{
	if (r->umem && syscall(SYS_setsockopt, fd, XSK_SOL_XDP, XDP_UMEM_REG, r->reg, r->reg_len))
		return -errno;
	for (int i = 0; i < RINGS; i++)
		if (r->entries[i] && syscall(SYS_setsockopt, fd, XSK_SOL_XDP, ring_names[i].name,
					     &r->entries[i], sizeof(u32)))
			return -errno;
	return 0;
}

/* The system's ring offsets must equal the library's, which the program already received. */
static int xsk_raw_check_layout(int fd)
{
	struct xdp_mmap_offsets theirs, ours;
	socklen_t len = sizeof(theirs), our_len = sizeof(ours);

	if (syscall(SYS_getsockopt, fd, XSK_SOL_XDP, XDP_MMAP_OFFSETS, &theirs, &len))
		return -errno;
	xsk_option_offsets(&ours, &our_len);
	return len == our_len && !memcmp(&theirs, &ours, len) ? 0 : -EOPNOTSUPP;
}

/* Replaces the library's socket by the system's. The caller holds raw_lock. */
static int xsk_raw_become_system(struct xsk_raw *r, const struct sockaddr *addr, socklen_t len)
{
	char *maps[MAPPINGS] = {NULL};
	struct xsk_raw_mapping m[MAPPINGS];
	int fd = (int)syscall(SYS_socket, AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), err, i;

	if (fd < 0)
		return -errno;
	pthread_mutex_lock(&map_lock);
	memcpy(m, r->mapping, sizeof(m));
	pthread_mutex_unlock(&map_lock);
	err = xsk_raw_check_layout(fd);
	if (!err)
		err = xsk_raw_replay(r, fd);
	for (i = 0; !err && i < MAPPINGS; i++)
		if (m[i].addr)
			err = xsk_raw_map_system(r, &m[i], fd, &maps[i]);
	if (!err && syscall(SYS_bind, fd, addr, len))
		err = -errno;
	for (i = 0; i < MAPPINGS; i++) {
		if (!maps[i])
			continue;
		if (err)
			syscall(SYS_munmap, maps[i], m[i].len);
		else if (mremap(maps[i], m[i].len, m[i].len, MREMAP_MAYMOVE | MREMAP_FIXED,
				m[i].addr) == MAP_FAILED)
			err = -errno;
	}
	if (!err) {
		long flags = syscall(SYS_fcntl, r->port->fd, F_GETFL);
		long cloexec = syscall(SYS_fcntl, r->port->fd, F_GETFD);

		syscall(SYS_fcntl, fd, F_SETFL, flags);
		if (syscall(SYS_dup3, fd, r->port->fd, cloexec & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
			err = -errno;
	}
	syscall(SYS_close, fd);
	return err;
}

/* Returns 1 if the system's socket is bound and the library's must be closed. */
static int xsk_raw_bind_locked(struct xsk_raw *r, const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_xdp to;
	struct xsk_name *name;
	int err;

	if (len < sizeof(to))
		return -EINVAL;
	memcpy(&to, addr, sizeof(to));
	if (to.sxdp_family != AF_XDP)
		return -EINVAL;
	name = xsk_name_by_index(to.sxdp_ifindex);
	if (name || r->card)
		return name ? xsk_raw_bind_name(r, name, &to) : -EBUSY;
	if (to.sxdp_flags & XDP_SHARED_UMEM) {
		/* the UMEM of a socket of this library cannot be shared with the system */
		struct xsk_port *with = xsk_port_get((int)to.sxdp_shared_umem_fd);

		if (with) {
			err = with->has_rx || with->has_tx ? -EINVAL : -EBADF;
			xsk_port_put(with);
			return err;
		}
	}
	err = xsk_raw_become_system(r, addr, len);
	return err ? err : 1;
}

int xsk_raw_bind(struct xsk_port *p, const struct sockaddr *addr, socklen_t len)
{
	int err;

	pthread_mutex_lock(&raw_lock);
	err = p->raw ? xsk_raw_bind_locked(p->raw, addr, len) : -EBUSY;
	pthread_mutex_unlock(&raw_lock);
	xsk_port_put(p);
	if (err <= 0)
		return err;
	xsk_raw_close(p, true);
	return 0;
}

static void *xsk_raw_map_ring(struct xsk_raw *r, struct xsk_raw_mapping *m, void *addr, size_t len)
{
	size_t whole;
	char *base = xdp_sock_map_ring(r->xs, ring_names[m->ring].name, NULL, &whole);
	int flags = MREMAP_MAYMOVE;
	void *at;

	if (!base || !len || len > whole) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	if (addr && (m->flags & MAP_FIXED))
		flags |= MREMAP_FIXED;
	/* with an old length of 0, a shared mapping is mapped a second time */
	at = flags & MREMAP_FIXED ? mremap(base, 0, len, flags, addr) : mremap(base, 0, len, flags);
	if (at == MAP_FAILED)
		return at;
	if (m->prot != (PROT_READ | PROT_WRITE))
		mprotect(at, len, m->prot);
	m->addr = at;
	m->len = len;
	return at;
}

void *xsk_raw_mmap(struct xsk_port *p, void *addr, size_t len, int prot, int flags, u64 offset)
{
	struct xsk_raw_mapping *m = NULL, extra;
	struct xsk_raw *r = p->raw;
	void *at = MAP_FAILED;
	int ring;

	for (ring = 0; ring < RINGS && ring_names[ring].offset != offset; ring++)
		;
	if (!r || ring == RINGS) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	extra = (struct xsk_raw_mapping){.ring = ring, .prot = prot, .flags = flags};
	at = xsk_raw_map_ring(r, &extra, addr, len);
	if (at == MAP_FAILED)
		return at;
	pthread_mutex_lock(&map_lock);
	for (int i = 0; i < MAPPINGS && !m; i++)
		if (!r->mapping[i].addr)
			m = &r->mapping[i];
	if (m) {
		*m = extra;
		__atomic_fetch_add(&n_mapped, 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&map_lock);
	if (m)
		return at;
	syscall(SYS_munmap, at, len);
	errno = ENOMEM;
	return MAP_FAILED;
}

bool xsk_raw_any_mapped(void)
{
	return __atomic_load_n(&n_mapped, __ATOMIC_ACQUIRE) != 0;
}

void xsk_raw_unmapping(const void *addr, size_t len)
{
	uintptr_t from = (uintptr_t)addr, at;

	pthread_mutex_lock(&map_lock);
	for (struct xsk_raw *r = raws; r; r = r->next) {
		for (int i = 0; i < MAPPINGS; i++) {
			at = (uintptr_t)r->mapping[i].addr;
			if (!at || at < from || at - from >= len)
				continue;
			r->mapping[i].addr = NULL;
			__atomic_fetch_sub(&n_mapped, 1, __ATOMIC_RELEASE);
		}
	}
	pthread_mutex_unlock(&map_lock);
}

/* A child of fork() has no sockets. What it maps and unmaps is its own. */
static void raw_fork_child(void)
{
	pthread_mutex_init(&raw_lock, NULL);
	pthread_mutex_init(&map_lock, NULL);
	raws = NULL;
	n_mapped = 0;
}

__attribute__((constructor)) static void raw_fork_register(void)
{
	pthread_atfork(NULL, NULL, raw_fork_child);
}
