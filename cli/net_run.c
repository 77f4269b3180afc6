/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The main loop: in each iteration the drivers run, then the application. Drivers and application
 * share this thread; each card has a thread of its own. An iteration neither allocates nor makes a
 * system call, except to read or write a file, and to sleep if there is nothing to do.
 *
 * A chunk moves from the fill ring to the RX ring, to the TX ring of the port that sends the
 * packet, to that port's completion ring, and back to the fill ring of the port that owns it.
 */
#include "net.h"

#include "base/clock.h"

#include <linux/err.h>
#include <sched.h>
#include <string.h>

#define LOOK_EVERY  256	 /* iterations between two checks of clock and signals */
#define IDLE_TURNS  2000 /* empty iterations before it sleeps */
#define YIELD_EVERY 32
#define SLEEP_MS    5
#define DRAIN_NS    (2 * NS_PER_S) /* limit for sending the remaining packets at the end */
#define ETHERTYPE   0x88b5	   /* IEEE: for local experiments */

static u8 *net_run_chunk_data(struct net_run *r, u64 addr)
{
	return r->memory.base + addr;
}

static void net_run_swap_addresses(u8 *frame)
{
	u8 t[6];

	memcpy(t, frame, 6);
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, t, 6);
}

/* Makes a socket in copy mode send, because its driver does not do so itself. */
static void net_run_push(struct net_port *p)
{
	if (!p->zero_copy && p->given != p->completed)
		xdp_sock_wakeup(p->xs, XDP_WAKEUP_TX);
}

/* Returns completed chunks to the fill ring. */
static u32 net_run_recycle(struct net_run *r, struct net_port *p)
{
	u32 n = net_ring_ready(&p->done, NET_BATCH), i;
	struct net_port *home = &r->port[0];
	u64 addr;

	for (i = 0; i < n; i++) {
		addr = *net_ring_addr(&p->done, i);
		if (r->args->what == NET_TX) {
			p->free[p->n_free++] = addr;
			continue;
		}
		/*
		 * chunks are returned to the port that owns them; otherwise one port would run out
		 * of chunks
		 */
		home = &r->port[addr / ((u64)r->memory.chunk * r->memory.frames)];
		if (net_ring_room(&home->fill, 1)) {
			*net_ring_addr(&home->fill, 0) = addr;
			net_ring_produce(&home->fill, 1);
		}
	}
	if (n)
		net_ring_consume(&p->done, n);
	p->completed += n;
	return n;
}

/* Moves packets from the RX ring of a port to the TX ring of another, or of the same port. */
static u32 net_run_pass_on(struct net_run *r, struct net_port *from, struct net_port *to)
{
	u32 n = net_ring_ready(&from->rx, NET_BATCH), i, ends = 0;
	bool *in_packet = &r->in_packet[from - r->port];
	bool echo = r->args->what == NET_ECHO, starts = !*in_packet;
	u64 bytes = 0, limit = r->args->packets;

	n = net_ring_room(&to->tx, n);
	for (i = 0; i < n && (!limit || r->packets + ends < limit); i++) {
		const struct xdp_desc d = *net_ring_desc(&from->rx, i);

		if (echo && starts && d.len >= 12)
			net_run_swap_addresses(net_run_chunk_data(r, d.addr));
		*net_ring_desc(&to->tx, i) = d;
		bytes += d.len;
		starts = !(d.options & XDP_PKT_CONTD);
		ends += starts;
	}
	n = i;
	if (!n)
		return 0;
	net_ring_produce(&to->tx, n);
	net_ring_consume(&from->rx, n);
	*in_packet = !starts;
	to->given += n;
	r->packets += ends;
	r->bytes += bytes;
	net_run_push(to);
	return n;
}

/* Writes the packet to the file, if there is one; a packet of several buffers is gathered first. */
static void net_run_keep(struct net_run *r, const struct xdp_desc *d)
{
	bool end = !(d->options & XDP_PKT_CONTD);

	if (end && !r->gathered) {
		net_out_add(r->out, net_run_chunk_data(r, d->addr), d->len);
		return;
	}
	if (d->len > sizeof(r->gather) - r->gathered) {
		r->app_dropped += end;
		r->gathered = end ? 0 : r->gathered;
		return;
	}
	memcpy(r->gather + r->gathered, net_run_chunk_data(r, d->addr), d->len);
	r->gathered += d->len;
	if (end) {
		net_out_add(r->out, r->gather, r->gathered);
		r->gathered = 0;
	}
}

static u32 net_run_take_in(struct net_run *r, struct net_port *p)
{
	u32 n = net_ring_ready(&p->rx, NET_BATCH), i, used = 0;
	u64 limit = r->args->packets;

	for (i = 0; i < n && (!limit || r->packets < limit); i++) {
		const struct xdp_desc d = *net_ring_desc(&p->rx, i);

		if (r->out)
			net_run_keep(r, &d);
		*net_ring_addr(&p->fill, used++) = d.addr;
		r->bytes += d.len;
		r->packets += !(d.options & XDP_PKT_CONTD);
	}
	if (!i)
		return 0;
	net_ring_produce(&p->fill, used);
	net_ring_consume(&p->rx, i);
	return i;
}

/* Generated packets are broadcasts with a sequence number. */
static void net_run_number_packet(struct net_run *r, u8 *frame)
{
	memcpy(frame + 14, &r->packets, sizeof(r->packets));
}

static void net_run_prepare_chunks(struct net_run *r, struct net_port *p)
{
	u8 head[14], *frame;
	u32 i;

	memset(head, 0xff, 6);
	e1000e_address(p->nic, head + 6);
	head[12] = ETHERTYPE >> 8;
	head[13] = ETHERTYPE & 0xff;
	for (i = 0; i < p->n_free; i++) {
		frame = net_run_chunk_data(r, p->free[i]);
		memset(frame, 0, r->args->size);
		memcpy(frame, head, sizeof(head));
	}
}

/*
 * Writes one packet into as many chunks as it needs. Returns the number of descriptors; 0: not
 * enough chunks or descriptors now.
 */
static u32 net_run_put_packet(struct net_run *r, struct net_port *p, u32 at, const u8 *data,
			      u32 len)
{
	u32 chunk = r->memory.chunk, n = (len + chunk - 1) / chunk, i, part;
	struct xdp_desc *d;

	if (n > p->n_free)
		return 0;
	for (i = 0; i < n; i++) {
		part = len < chunk ? len : chunk;
		d = net_ring_desc(&p->tx, at + i);
		d->addr = p->free[--p->n_free];
		if (data)
			memcpy(net_run_chunk_data(r, d->addr), data + (u64)i * chunk, part);
		d->len = part;
		d->options = i + 1 < n ? XDP_PKT_CONTD : 0;
		len -= part;
	}
	return n;
}

/* Finds the next packet to send. False: there is none, or the file is damaged. */
static bool net_run_next_packet(struct net_run *r, const u8 **data, u32 *len)
{
	int got;

	*data = NULL;
	*len = r->args->size;
	if (!r->in)
		return true;
	if (r->held) {
		*data = r->held;
		*len = r->held_len;
		return true;
	}
	got = net_in_next(r, data, len);
	r->in_over = got <= 0;
	return got > 0;
}

static bool net_run_too_long(const struct net_run *r, u32 len)
{
	return !len || len > (r->args->jumbo ? E1000E_FRAME_LONG : r->memory.chunk);
}

static u32 net_run_send_out(struct net_run *r, struct net_port *p)
{
	u32 room = net_ring_room(&p->tx, NET_BATCH), n = 0, k, len;
	u64 limit = r->args->packets;
	const u8 *data;

	while (n < room && !r->in_over && (!limit || r->packets < limit)) {
		if (!net_run_next_packet(r, &data, &len))
			break;
		if (net_run_too_long(r, len)) {
			r->app_dropped++;
			r->held = NULL;
			continue;
		}
		r->held = NULL;
		k = net_run_put_packet(r, p, n, data, len);
		if (!k) {
			r->held = data; /* it stays valid until the next packet is read */
			r->held_len = len;
			break;
		}
		if (!data)
			net_run_number_packet(
				r, net_run_chunk_data(r, net_ring_desc(&p->tx, n)->addr));
		n += k;
		r->packets++;
		r->bytes += len;
	}
	if (!n)
		return 0;
	net_ring_produce(&p->tx, n);
	p->given += n;
	net_run_push(p);
	return n;
}

static u32 net_run_application(struct net_run *r)
{
	struct net_port *a = &r->port[0], *b = &r->port[r->ports - 1];
	u32 n = net_run_recycle(r, a);

	if (a != b)
		n += net_run_recycle(r, b);
	switch (r->args->what) {
	case NET_RX:
		return n + net_run_take_in(r, a);
	case NET_TX:
		return n + net_run_send_out(r, a);
	case NET_FORWARD:
	case NET_ECHO:
		n += net_run_pass_on(r, a, b);
		return a != b ? n + net_run_pass_on(r, b, a) : n;
	}
	return n;
}

/*
 * Limit of packets that the driver may receive. In copy mode a packet without a chunk is lost, so
 * the limit is the number of chunks; in zero-copy mode the card waits.
 */
static u32 net_run_budget(const struct net_run *r, const struct net_port *p)
{
	u32 chunks = p->fill.head - __atomic_load_n(p->fill.consumer, __ATOMIC_ACQUIRE);
	u32 each = r->args->jumbo ? E1000E_FRAME_LONG / r->memory.chunk + 1 : 1;

	if (p->zero_copy || r->args->what == NET_TX)
		return NET_BATCH;
	return chunks / each < NET_BATCH ? chunks / each : NET_BATCH;
}

/* Runs the drivers. Returns the number of packets; negative: a card is gone. */
static int net_run_drivers(struct net_run *r)
{
	int n = 0, one, i;

	for (i = 0; i < r->ports; i++) {
		net_run_push(&r->port[i]);
		one = e1000e_poll(r->port[i].nic, net_run_budget(r, &r->port[i]));
		if (one < 0) {
			net_fail(r, "%s", driver_strerror());
			return one;
		}
		n += one;
	}
	return n;
}

static u64 net_run_card_packets(struct net_run *r)
{
	struct e1000e_stats st;
	u64 n = 0;
	int i;

	for (i = 0; i < r->ports; i++) {
		e1000e_stats(r->port[i].nic, &st);
		n += st.card_rx;
	}
	return n;
}

/* In copy mode chunks complete before the card has sent their packets. */
static bool net_run_all_sent(const struct net_run *r)
{
	int i;

	for (i = 0; i < r->ports; i++) {
		if (r->port[i].given != r->port[i].completed || e1000e_in_flight(r->port[i].nic))
			return false;
	}
	return true;
}

/*
 * True: the run is over, except for packets that are still to be sent. `idle`: nothing moved in the
 * last iterations.
 */
static bool net_run_is_over(struct net_run *r, bool idle)
{
	const struct net_args *a = r->args;

	if (cli_interrupted()) {
		r->stopped = true;
		return true;
	}
	if (a->packets && r->packets >= a->packets)
		return true;
	if (a->seconds > 0 && (double)(clock_ns() - r->started_ns) / 1e9 >= a->seconds)
		return true;
	if (r->in_over)
		return true;
	if (idle)
		net_explain(r);
	if (!idle || !r->has_expected || a->packets || net_run_card_packets(r) < r->expected)
		return false;
	/* packets in the card may wait for chunks whose packets are still to be sent */
	return net_run_all_sent(r) || clock_ns() - r->idle_ns >= DRAIN_NS;
}

/* Sleeps if nothing moved for a while, unless --busy was given. */
static void net_run_rest(struct net_run *r)
{
	if (r->args->busy || r->ports > 1) {
		sched_yield();
		return;
	}
	if (e1000e_wait(r->port[0].nic, SLEEP_MS) < 0)
		net_fail(r, "%s", driver_strerror());
}

/* Waits until the cards have sent all packets, for a limited time. */
static void net_run_drain(struct net_run *r)
{
	u64 end = clock_ns() + DRAIN_NS;
	int i;

	while (!net_run_all_sent(r) && !r->error[0] && !cli_interrupted() && clock_ns() < end) {
		if (net_run_drivers(r) < 0)
			return;
		for (i = 0; i < r->ports; i++)
			net_run_recycle(r, &r->port[i]);
		sched_yield();
	}
	if (!net_run_all_sent(r))
		r->unsent = true;
}

void net_run(struct net_run *r)
{
	u32 turn = 0, idle = 0, moved;
	int cycles = net_cycles_open(), n;

	if (r->args->what == NET_TX)
		net_run_prepare_chunks(r, &r->port[0]);
	r->started_ns = r->shown_ns = clock_ns();
	for (;;) {
		n = net_run_drivers(r);
		moved = net_run_application(r);
		if (n < 0)
			break;
		idle = n || moved ? 0 : idle + 1;
		if (idle == IDLE_TURNS / 2)
			r->idle_ns = clock_ns();
		if (++turn % LOOK_EVERY == 0 || idle == IDLE_TURNS ||
		    (r->args->packets && r->packets >= r->args->packets)) {
			if (net_run_is_over(r, idle > IDLE_TURNS / 2))
				break;
			net_show(r);
		}
		if (idle >= IDLE_TURNS) {
			if (net_run_is_over(r, true))
				break;
			net_run_rest(r);
		} else if (idle % YIELD_EVERY == YIELD_EVERY - 1 && !r->args->busy) {
			sched_yield(); /* a card's thread may be waiting for this processor */
		}
		if (r->error[0])
			break;
	}
	net_run_drain(r);
	r->seconds = (double)(clock_ns() - r->started_ns) / 1e9;
	r->cycles = net_cycles_read(cycles);
}
