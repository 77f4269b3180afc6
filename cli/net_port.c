/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port: device, driver and socket. Packet memory is one UMEM, of which each port initially owns
 * `frames` chunks. Every ring can hold all chunks, so none can overflow.
 */
#include "net.h"

#include "base/math.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static bool net_port_usable_spec(struct net_run *r, const char *spec)
{
	/* for a function of this machine the driver checks that it is such a card */
	if (spec_target_is(spec, "e1000e") || !strncmp(spec, "vfio:", 5) ||
	    !strncmp(spec, "iommufd:", 8))
		return true;
	return net_fail(r,
			"%s is no network card with a driver here: use sim:e1000e,... or "
			"vfio:ADDRESS of an 82574L",
			spec);
}

bool net_memory_init(struct net_run *r)
{
	struct net_memory *m = &r->memory;
	struct xdp_umem_reg reg;

	m->chunk = r->args->chunk;
	m->frames = r->args->frames;
	m->bytes = (u64)m->chunk * m->frames * (u32)r->ports;
	m->base = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m->base == MAP_FAILED) {
		m->base = NULL;
		return net_fail(r, "no memory for %llu bytes of packets",
				(unsigned long long)m->bytes);
	}
	memset(&reg, 0, sizeof(reg));
	reg.addr = (u64)(uintptr_t)m->base;
	reg.len = m->bytes;
	reg.chunk_size = m->chunk;
	m->umem = xdp_umem_create(&reg);
	if (!IS_ERR(m->umem))
		return true;
	m->umem = NULL;
	return net_fail(r, "packet memory of %u chunks of %u bytes: %s", m->frames, m->chunk,
			dmamap_strerror());
}

void net_memory_fini(struct net_memory *m)
{
	if (m->umem)
		xdp_umem_put(m->umem);
	if (m->base)
		munmap(m->base, m->bytes);
}

static bool net_port_map_ring(struct net_run *r, struct net_port *p, int which,
			      struct net_ring *ring, u32 size)
{
	struct xdp_ring_offset off;
	size_t len;
	u8 *at;

	if (xdp_sock_set_ring(p->xs, which, size))
		return net_fail(r, "%s: a ring of %u entries: %s", dev_name(p->dev), size,
				dmamap_strerror());
	at = xdp_sock_map_ring(p->xs, which, &off, &len);
	if (!at)
		return net_fail(r, "%s: %s", dev_name(p->dev), dmamap_strerror());
	*ring = (struct net_ring){.producer = (u32 *)(at + off.producer),
				  .consumer = (u32 *)(at + off.consumer),
				  .flags = (u32 *)(at + off.flags),
				  .desc = at + off.desc,
				  .size = size,
				  .mask = size - 1};
	return true;
}

static bool net_port_make_rings(struct net_run *r, struct net_port *p)
{
	u32 size = 1u << log2_ceil((u64)r->memory.frames * (u32)r->ports);

	p->xs = xdp_sock_create();
	if (!p->xs)
		return net_fail(r, "no memory for a socket");
	return net_port_map_ring(r, p, XDP_RX_RING, &p->rx, size) &&
	       net_port_map_ring(r, p, XDP_TX_RING, &p->tx, size) &&
	       net_port_map_ring(r, p, XDP_UMEM_FILL_RING, &p->fill, size) &&
	       net_port_map_ring(r, p, XDP_UMEM_COMPLETION_RING, &p->done, size);
}

static bool net_port_bind_port(struct net_run *r, struct net_port *p)
{
	struct xdp_options options = {0};
	u16 flags = r->args->jumbo ? XDP_USE_SG : 0;
	bool first = p == &r->port[0];
	int err;

	if (first && r->args->mode != NET_ANY)
		flags |= r->args->mode == NET_COPY ? XDP_COPY : XDP_ZEROCOPY;
	if (!first)
		flags = XDP_SHARED_UMEM; /* the mode is that of the first port */
	err = xdp_sock_bind(p->xs, first ? r->memory.umem : NULL, p->dev, 0, flags,
			    first ? NULL : r->port[0].xs);
	if (err)
		return net_fail(r, "%s: the socket cannot be bound: %s", dev_name(p->dev),
				dmamap_strerror());
	xdp_sock_options(p->xs, &options);
	p->zero_copy = options.flags & XDP_OPTIONS_ZEROCOPY;
	return true;
}

/*
 * Puts all chunks of the port into the fill ring, or into the list of free chunks if it only sends.
 */
static bool net_port_place_chunks(struct net_run *r, struct net_port *p, u32 first_chunk)
{
	u32 n = r->memory.frames, i;
	u64 addr;

	p->free = calloc(n, sizeof(*p->free));
	if (!p->free)
		return net_fail(r, "no memory");
	for (i = 0; i < n; i++) {
		addr = (u64)(first_chunk + i) * r->memory.chunk;
		if (r->args->what == NET_TX)
			p->free[p->n_free++] = addr;
		else
			*net_ring_addr(&p->fill, i) = addr;
	}
	if (r->args->what != NET_TX)
		net_ring_produce(&p->fill, n);
	return true;
}

bool net_port_open(struct net_run *r, struct net_port *p, const char *spec, u32 first_chunk)
{
	struct e1000e_options opt = {.max_frame = r->args->jumbo ? E1000E_FRAME_LONG : 0,
				     .rx_ring = r->args->ring,
				     .tx_ring = r->args->ring,
				     .mask_bits = r->args->mask};

	p->spec = spec;
	if (!net_port_usable_spec(r, spec))
		return false;
	p->dev = dmamap_open(spec);
	if (!p->dev)
		return net_fail(r, "%s", dmamap_strerror());
	p->nic = e1000e_probe(p->dev, &opt);
	if (!p->nic)
		return net_fail(r, "%s", driver_strerror());
	/* chunks first, because the driver takes them as soon as the socket is bound */
	if (!net_port_make_rings(r, p) || !net_port_place_chunks(r, p, first_chunk) ||
	    !net_port_bind_port(r, p))
		return false;
	return e1000e_start(p->nic) ? net_fail(r, "%s", driver_strerror()) : true;
}

void net_port_close(struct net_port *p)
{
	struct e1000e_stats s = {0};

	if (p->nic)
		e1000e_stats(p->nic, &s);
	p->sent += s.card_tx_good;
	p->sent_bytes += s.card_tx_bytes;
	xdp_sock_destroy(p->xs);
	p->xs = NULL;
	e1000e_remove(p->nic);
	p->nic = NULL;
}

void net_port_fini(struct net_port *p)
{
	net_port_close(p);
	dmamap_close(p->dev);
	free(p->free);
	p->dev = NULL;
	p->free = NULL;
}
