/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions of libxdp's <xdp/xsk.h>, compiled against that header and implemented with dmamap's
 * sockets. A UMEM is created with a socket that owns its fill and completion ring; the first socket
 * that the application creates on the UMEM takes over that socket. Further sockets share the UMEM.
 * On the same device and queue they share these rings; on another queue they have their own fill
 * and completion ring.
 *
 * As with libxdp, only one thread at a time may call functions on one UMEM and its sockets.
 */
#include "card.h"
#include "map.h"
#include "name.h"
#include "port.h"
#include "raw.h"
#include "steer.h"
#include "lib.h"

#include <dmamap/device.h>
#include <errno.h>
#include <linux/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xdp/xsk.h>

#define API DMAMAP_API

/* Debian 12's header does not declare it. */
API int xsk_umem__create_with_fd(struct xsk_umem **umem_ptr, int fd, void *umem_area, __u64 size,
				 struct xsk_ring_prod *fill, struct xsk_ring_cons *comp,
				 const struct xsk_umem_config *usr_config);

struct xsk_socket {
	struct xsk_socket *next; /* next socket of the UMEM */
	struct xsk_umem *umem;
	struct xdp_sock *xs;
	struct xsk_port *port;
	struct xsk_card *card;
	__u32 queue_id;
};

struct xsk_umem {
	struct xdp_umem *umem;
	/* has the fill and the completion ring; NULL: a struct xsk_socket has taken it over */
	struct xdp_sock *first;
	struct xsk_port *port; /* port of `first`, and later of the socket that took it over */
	int fd;
	struct xsk_socket *socks;
	/* the application's structures; NULL: a socket uses these rings */
	struct xsk_ring_prod *fill;
	struct xsk_ring_cons *comp;
	struct xsk_umem_config config;
	pid_t pid; /* of the process that created it; a child of it has no rings */
};

API int xsk_umem__fd(const struct xsk_umem *umem)
{
	return umem ? umem->fd : -EINVAL;
}

API int xsk_socket__fd(const struct xsk_socket *xsk)
{
	return xsk ? xsk->port->fd : -EINVAL;
}

static void xsk_lib_set_umem_config(struct xsk_umem_config *c, const struct xsk_umem_config *user)
{
	static const struct xsk_umem_config usual = {
		.fill_size = XSK_RING_PROD__DEFAULT_NUM_DESCS,
		.comp_size = XSK_RING_CONS__DEFAULT_NUM_DESCS,
		.frame_size = XSK_UMEM__DEFAULT_FRAME_SIZE,
		.frame_headroom = XSK_UMEM__DEFAULT_FRAME_HEADROOM,
		.flags = XSK_UMEM__DEFAULT_FLAGS,
	};

	*c = user ? *user : usual;
}

static int xsk_lib_set_socket_config(struct xsk_socket_config *c,
				     const struct xsk_socket_config *user)
{
	static const struct xsk_socket_config usual = {
		.rx_size = XSK_RING_CONS__DEFAULT_NUM_DESCS,
		.tx_size = XSK_RING_PROD__DEFAULT_NUM_DESCS,
	};

	*c = user ? *user : usual;
	return c->libxdp_flags & ~XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD ? -EINVAL : 0;
}

/*
 * The rings of a socket that is being created. The application's structures are written only after
 * every step has succeeded, so a failing call leaves them unchanged.
 */
struct xsk_lib_rings {
	struct xsk_ring_cons rx, comp;
	struct xsk_ring_prod tx, fill;
	bool umem; /* `fill` and `comp` are valid */
};

/* Creates a ring, unless the socket has it already, and returns its location. */
static int xsk_lib_make_ring(struct xdp_sock *xs, int optname, __u32 size,
			     struct xsk_ring_prod *ring)
{
	struct xdp_ring_offset off;
	char *base = xdp_sock_map_ring(xs, optname, &off, NULL);
	int err = base ? 0 : xdp_sock_set_ring(xs, optname, size);

	if (err)
		return err;
	base = xdp_sock_map_ring(xs, optname, &off, NULL);
	if (!base)
		return -EINVAL;
	ring->mask = size - 1;
	ring->size = size;
	ring->producer = (__u32 *)(base + off.producer);
	ring->consumer = (__u32 *)(base + off.consumer);
	ring->flags = (__u32 *)(base + off.flags);
	ring->ring = base + off.desc;
	ring->cached_prod = *ring->producer;
	ring->cached_cons = *ring->consumer;
	return 0;
}

/*
 * For a ring that the application produces into: libxdp keeps the consumer index one ring length
 * ahead.
 */
static int xsk_lib_make_prod(struct xdp_sock *xs, int optname, __u32 size,
			     struct xsk_ring_prod *ring)
{
	int err = xsk_lib_make_ring(xs, optname, size, ring);

	if (!err)
		ring->cached_cons += size;
	return err;
}

_Static_assert(sizeof(struct xsk_ring_prod) == sizeof(struct xsk_ring_cons) &&
		       offsetof(struct xsk_ring_prod, flags) ==
			       offsetof(struct xsk_ring_cons, flags),
	       "both kinds of ring are made by one macro of the header");

static int xsk_lib_make_cons(struct xdp_sock *xs, int optname, __u32 size,
			     struct xsk_ring_cons *ring)
{
	return xsk_lib_make_ring(xs, optname, size, (struct xsk_ring_prod *)(void *)ring);
}

static int xsk_lib_make_umem_rings(struct xdp_sock *xs, const struct xsk_umem_config *c,
				   struct xsk_ring_prod *fill, struct xsk_ring_cons *comp)
{
	int err = xsk_lib_make_prod(xs, XDP_UMEM_FILL_RING, c->fill_size, fill);

	return err ? err : xsk_lib_make_cons(xs, XDP_UMEM_COMPLETION_RING, c->comp_size, comp);
}

/* Attaches the UMEM's socket to a descriptor that the program created by socket(AF_XDP). */
static void xsk_lib_take_fd(int fd)
{
	struct xsk_port *p = xsk_port_get(fd);
	bool raw;

	if (!p)
		return;
	raw = p->raw != NULL;
	xsk_port_put(p);
	if (raw)
		xsk_raw_close(p, true);
}

static int xsk_lib_make_first(struct xsk_umem *u, int fd)
{
	int err;

	u->first = xdp_sock_create();
	if (!u->first)
		return -ENOMEM;
	err = xsk_lib_make_umem_rings(u->first, &u->config, u->fill, u->comp);
	if (err)
		return err;
	xsk_lib_take_fd(fd);
	u->port = xsk_port_open(u->first, fd);
	if (!u->port)
		return -errno;
	u->fd = u->port->fd;
	return 0;
}

static void xsk_lib_umem_free(struct xsk_umem *u)
{
	if (u->first) {
		xsk_port_close(u->port, false);
		xdp_sock_destroy(u->first);
	}
	xdp_umem_put(u->umem);
	free(u);
}

int xsk_lib_umem_create(struct xsk_umem **umem_ptr, int fd, void *umem_area, __u64 size,
			struct xsk_ring_prod *fill, struct xsk_ring_cons *comp,
			const struct xsk_umem_config *config, u32 metadata_len)
{
	struct xdp_umem_reg reg;
	struct xsk_umem *u;
	int err;

	if (!umem_area || !umem_ptr || !fill || !comp)
		return -EFAULT;
	if (!size && (uintptr_t)umem_area & 4095)
		return -EINVAL;
	u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	xsk_lib_set_umem_config(&u->config, config);
	u->fill = fill;
	u->comp = comp;
	u->pid = getpid();
	memset(&reg, 0, sizeof(reg));
	reg.addr = (uintptr_t)umem_area;
	reg.len = size;
	reg.chunk_size = u->config.frame_size;
	reg.headroom = u->config.frame_headroom;
	reg.flags = u->config.flags;
	if (reg.flags & XDP_UMEM_TX_METADATA_LEN)
		xdp_umem_reg_set_metadata(&reg, metadata_len);
	u->umem = xdp_umem_create(&reg);
	err = IS_ERR(u->umem) ? (int)PTR_ERR(u->umem) : xsk_lib_make_first(u, fd);
	if (err) {
		xsk_lib_umem_free(u);
		return err;
	}
	*umem_ptr = u;
	return 0;
}

API int xsk_umem__create_with_fd(struct xsk_umem **umem_ptr, int fd, void *umem_area, __u64 size,
				 struct xsk_ring_prod *fill, struct xsk_ring_cons *comp,
				 const struct xsk_umem_config *usr_config)
{
	return xsk_lib_umem_create(umem_ptr, fd, umem_area, size, fill, comp, usr_config, 0);
}

API int xsk_umem__create(struct xsk_umem **umem_ptr, void *umem_area, __u64 size,
			 struct xsk_ring_prod *fill, struct xsk_ring_cons *comp,
			 const struct xsk_umem_config *usr_config)
{
	return xsk_umem__create_with_fd(umem_ptr, -1, umem_area, size, fill, comp, usr_config);
}

/* Finds a socket on the same device and queue, whose fill and completion ring a new one shares. */
static struct xsk_socket *xsk_lib_same_queue(const struct xsk_umem *u, const struct xsk_card *card,
					     __u32 queue_id)
{
	struct xsk_socket *s;

	for (s = u->socks; s && (s->card != card || s->queue_id != queue_id); s = s->next)
		;
	return s;
}

/* Takes over the UMEM's first socket, or creates a new one. */
static int xsk_lib_make_sock(struct xsk_socket *s)
{
	struct xsk_umem *u = s->umem;

	if (u->first) {
		s->xs = u->first;
		s->port = u->port;
		u->first = NULL;
		return 0;
	}
	s->xs = xdp_sock_create();
	if (!s->xs)
		return -ENOMEM;
	s->port = xsk_port_open(s->xs, -1);
	return s->port ? 0 : -errno;
}

/*
 * Undoes xsk_lib_make_sock(). The first socket is returned to the UMEM without its RX and TX ring,
 * so that the next attempt can request other sizes.
 */
static void xsk_lib_unmake_sock(struct xsk_socket *s, bool was_first)
{
	if (was_first) {
		xdp_sock_drop_ring(s->xs, XDP_RX_RING);
		xdp_sock_drop_ring(s->xs, XDP_TX_RING);
		s->umem->first = s->xs;
		return;
	}
	xsk_port_close(s->port, false);
	xdp_sock_destroy(s->xs);
}

/*
 * Makes the fill and the completion ring if the queue has none yet. The application already has the
 * rings that the UMEM was created with, and may have moved its structures since, so these are not
 * written again.
 */
static int xsk_lib_give_umem_rings(struct xsk_socket *s, const struct xsk_ring_prod *fill,
				   const struct xsk_ring_cons *comp, struct xsk_lib_rings *rings)
{
	struct xsk_umem *u = s->umem;

	if (xsk_lib_same_queue(u, s->card, s->queue_id))
		return 0;
	if (!fill || !comp)
		return -EFAULT;
	rings->umem = fill != u->fill || comp != u->comp;
	return xsk_lib_make_umem_rings(s->xs, &u->config, &rings->fill, &rings->comp);
}

static int xsk_lib_bind_sock(struct xsk_socket *s, __u16 flags)
{
	struct xsk_umem *u = s->umem;

	if (u->socks)
		return xsk_card_bind(s->card, s->queue_id, s->xs, NULL, XDP_SHARED_UMEM,
				     u->socks->xs);
	return xsk_card_bind(s->card, s->queue_id, s->xs, u->umem, flags, NULL);
}

static int xsk_lib_setup_sock(struct xsk_socket *s, const struct xsk_socket_config *c, bool rx,
			      bool tx, struct xsk_lib_rings *rings)
{
	int err = 0;

	if (rx)
		err = xsk_lib_make_cons(s->xs, XDP_RX_RING, c->rx_size, &rings->rx);
	if (!err && tx)
		err = xsk_lib_make_prod(s->xs, XDP_TX_RING, c->tx_size, &rings->tx);
	if (!err)
		err = xsk_lib_bind_sock(s, c->bind_flags);
	return err;
}

/* The socket is bound. Packets may arrive from now on. */
static int xsk_lib_go_live(struct xsk_socket *s, bool receives)
{
	int err = xsk_card_start(s->card);

	if (err) {
		xdp_sock_unbind(s->xs);
		return err;
	}
	xsk_steer_add(s->xs, xsk_card_device(s->card), s->queue_id, receives);
	xsk_port_bound(s->port);
	return 0;
}

API int xsk_socket__create_shared(struct xsk_socket **xsk_ptr, const char *ifname, __u32 queue_id,
				  struct xsk_umem *umem, struct xsk_ring_cons *rx,
				  struct xsk_ring_prod *tx, struct xsk_ring_prod *fill,
				  struct xsk_ring_cons *comp,
				  const struct xsk_socket_config *usr_config)
{
	struct xsk_lib_rings rings = {.umem = false};
	struct xsk_socket_config config;
	struct xsk_socket *s;
	bool first;
	int err;

	if (!umem || !xsk_ptr || !ifname || !(rx || tx))
		return -EFAULT;
	if (umem->pid != getpid())
		return -EBADF;
	err = xsk_lib_set_socket_config(&config, usr_config);
	if (err)
		return err;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->umem = umem;
	s->queue_id = queue_id;
	first = umem->first != NULL;
	s->card = xsk_card_get(ifname);
	err = s->card ? xsk_lib_make_sock(s) : -errno;
	if (err)
		goto free;
	err = xsk_lib_give_umem_rings(s, fill, comp, &rings);
	if (!err)
		err = xsk_lib_setup_sock(s, &config, rx != NULL, tx != NULL, &rings);
	if (!err)
		err = xsk_lib_go_live(s, rx != NULL);
	if (!err && !(config.libxdp_flags & XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD))
		xsk_name_set_program(ifname);
	if (err)
		goto unmake;
	s->next = umem->socks;
	umem->socks = s;
	umem->fill = NULL;
	umem->comp = NULL;
	if (rx)
		*rx = rings.rx;
	if (tx)
		*tx = rings.tx;
	if (rings.umem) {
		*fill = rings.fill;
		*comp = rings.comp;
	}
	*xsk_ptr = s;
	return 0;
unmake:
	xsk_lib_unmake_sock(s, first);
free:
	if (s->xs && !s->port)
		xdp_sock_destroy(s->xs);
	xsk_card_put(s->card);
	free(s);
	return err;
}

API int xsk_socket__create(struct xsk_socket **xsk_ptr, const char *ifname, __u32 queue_id,
			   struct xsk_umem *umem, struct xsk_ring_cons *rx,
			   struct xsk_ring_prod *tx, const struct xsk_socket_config *usr_config)
{
	if (!umem)
		return -EFAULT;
	return xsk_socket__create_shared(xsk_ptr, ifname, queue_id, umem, rx, tx, umem->fill,
					 umem->comp, usr_config);
}

API void xsk_socket__delete(struct xsk_socket *s)
{
	struct xsk_socket **at;

	if (!s)
		return;
	for (at = &s->umem->socks; *at && *at != s; at = &(*at)->next)
		;
	if (*at)
		*at = s->next;
	if (s->port->fd == s->umem->fd)
		s->umem->fd = -1;
	xsk_steer_remove(s->xs);
	xsk_port_close(s->port, false);
	xdp_sock_destroy(s->xs);
	xsk_card_put(s->card);
	free(s);
}

API int xsk_umem__delete(struct xsk_umem *umem)
{
	if (!umem)
		return 0;
	if (umem->socks)
		return -EBUSY;
	xsk_lib_umem_free(umem);
	return 0;
}

/*
 * libxdp loads a program that directs packets to sockets. With dmamap a bound socket receives
 * packets without a program, so there is nothing to load and no map to update.
 */
API int xsk_setup_xdp_prog(int ifindex, int *xsks_map_fd)
{
	int fd;

	if (!xsks_map_fd)
		return 0;
	fd = xsk_map_make(XSK_MAP_SOCKETS);
	if (fd < 0)
		return fd;
	*xsks_map_fd = fd;
	return 0;
}

API int xsk_socket__update_xskmap(struct xsk_socket *xsk, int xsks_map_fd)
{
	int err;

	if (!xsk)
		return -EFAULT;
	err = xsk_map_update(xsks_map_fd, &xsk->queue_id, &xsk->port->fd);
	return err > 0 ? -EBADF : err;
}
