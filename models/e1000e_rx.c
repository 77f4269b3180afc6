/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receive. A frame that passes the filters is stored in as many buffers as it needs; the
 * descriptors of all frames of a turn are written back together.
 *
 * Every frame from the cable is counted in TPR. A bad, too short or too long frame is dropped and
 * counted in its own register. A frame without descriptors waits (RNBC) or is lost (MPC), see
 * e1000e_port.c. If the bus refuses a buffer, the descriptor completes with the error bit RXE, the
 * data is lost, and the ring continues. A descriptor with a null address holds no data and
 * completes immediately.
 *
 * Not implemented, and read as 0: RSS and the second queue, checksum and VLAN offloads, packet
 * split.
 */
#include "e1000e.h"

#include <endian.h>
#include <string.h>

/* Legacy: length, checksum, status, errors. Extended: status and errors, length. */
static void e1000esim_rx_complete(struct e1000esim *c, struct e1000e_desc *d, u32 len, u32 status,
				  u32 errors)
{
	status |= RXD_IXSM;
	if (c->config.extended) {
		d->q[0] = 0;
		d->q[1] = htole64(status | errors << RXD_EXT_ERRORS | (u64)len << 32);
	} else {
		d->q[1] = htole64(len | (u64)status << 32 | (u64)errors << 40);
	}
	e1000e_ring_done(&c->rx);
}

static void e1000esim_rx_write_back(struct e1000esim *c)
{
	struct e1000e_ring *r = &c->rx;

	e1000e_ring_write(c, r, r->written, r->next - r->written);
	r->written = r->next;
}

/* Returns the next descriptor that has a buffer, or NULL. */
static struct e1000e_desc *e1000esim_rx_next_buffer(struct e1000esim *c, u32 tail)
{
	struct e1000e_ring *r = &c->rx;

	for (;;) {
		if (r->next == r->have) {
			e1000esim_rx_write_back(c);
			if (r->halted || !e1000e_ring_fetch(c, r, tail))
				return NULL;
		}
		if (r->desc[r->next].q[0])
			return &r->desc[r->next];
		r->desc[r->next].q[1] |=
			c->config.extended ? htole64(RXD_DD) : htole64((u64)RXD_DD << 32);
		e1000e_ring_done(r);
	}
}

static bool e1000esim_rx_put(struct e1000esim *c, const struct e1000e_desc *d, const void *data,
			     u32 len)
{
	return !dmamap_bus_write(c->dev, le64toh(d->q[0]), data, len);
}

/* Fast path: the frame fits into one buffer and the FCS is not stored. */
static bool e1000esim_rx_store_one(struct e1000esim *c, const struct e1000e_frame *f, u32 tail,
				   u32 errors)
{
	struct e1000e_desc *d = e1000esim_rx_next_buffer(c, tail);

	if (!d)
		return false;
	if (unlikely(!e1000esim_rx_put(c, d, f->data, f->len)))
		errors |= RXD_ERR_RXE;
	e1000esim_rx_complete(c, d, f->len, RXD_DD | RXD_EOP, errors);
	return !(errors & RXD_ERR_RXE);
}

/* Stores the frame in several buffers. The FCS follows it unless RCTL.SECRC strips it. */
static bool e1000esim_rx_store_many(struct e1000esim *c, const struct e1000e_frame *f, u32 tail,
				    u32 errors)
{
	u32 total = f->len + c->config.rx_fcs, done = 0, part;
	u32 fcs = htole32(e1000e_crc(c->crc_table, f->data, f->len));
	struct e1000e_desc *d;

	memcpy(c->rx_scratch, f->data, f->len);
	memcpy(c->rx_scratch + f->len, &fcs, sizeof(fcs));
	for (; done < total; done += part) {
		d = e1000esim_rx_next_buffer(c, tail);
		if (!d)
			return false; /* some descriptors had null addresses, so the frame's end is
					 lost */
		part = total - done < c->config.rx_buffer ? total - done : c->config.rx_buffer;
		if (!e1000esim_rx_put(c, d, c->rx_scratch + done, part))
			errors |= RXD_ERR_RXE;
		e1000esim_rx_complete(c, d, part, done + part == total ? RXD_DD | RXD_EOP : RXD_DD,
				      done + part == total ? errors : 0);
	}
	return !(errors & RXD_ERR_RXE);
}

/* Returns the counter of the frame's error, or ST_COUNT if it has none. */
static enum e1000e_stat e1000esim_rx_fault_of(const struct e1000esim *c,
					      const struct e1000e_frame *f)
{
	if (f->len < E1000E_HEADER)
		return ST_RUC;
	if (f->len > c->config.rx_most)
		return ST_ROC;
	if (f->bad)
		return ST_CRCERRS;
	return ST_COUNT;
}

/* Returns 1 if there are descriptors for the frame, 0 if it is lost, -1 if it waits. */
static int e1000esim_rx_find_room(struct e1000esim *c, const struct e1000e_frame *f, u32 tail)
{
	u32 total = f->len + c->config.rx_fcs;
	u32 need = total <= c->config.rx_buffer ? 1 : (total - 1) / c->config.rx_buffer + 1;

	if (need <= e1000e_ring_room(&c->rx, tail))
		return 1;
	if (!c->starved)
		e1000e_count(c, ST_RNBC, 1);
	c->starved = true;
	if (e1000e_port_patient(c) && need < c->rx.size)
		return -1;
	e1000e_count(c, ST_MPC, 1);
	c->causes |= ICR_RXO;
	return 0;
}

static void e1000esim_rx_count_good(struct e1000esim *c, const struct e1000e_frame *f)
{
	e1000e_count(c, ST_GPRC, 1);
	e1000e_count(c, ST_GORC, e1000e_wire_bytes(f->len));
	e1000e_count_size(c, ST_PRC64, f->len);
	if (f->data[0] & 1)
		e1000e_count(c, memcmp(f->data, "\xff\xff\xff\xff\xff\xff", 6) ? ST_MPRC : ST_BPRC,
			     1);
}

static void e1000esim_rx_count_any(struct e1000esim *c, const struct e1000e_frame *f)
{
	e1000e_count(c, ST_TPR, 1);
	e1000e_count(c, ST_TOR, e1000e_wire_bytes(f->len));
	c->moved++;
}

/* Returns false if the frame waits. */
static bool e1000esim_rx_receive(struct e1000esim *c, const struct e1000e_frame *f, u32 tail)
{
	enum e1000e_stat fault = e1000esim_rx_fault_of(c, f);
	u32 errors = 0;
	bool whole;
	int room;

	if (unlikely(fault != ST_COUNT)) {
		e1000e_count(c, fault, 1);
		if (fault != ST_CRCERRS || !(c->config.rctl & RCTL_SBP))
			goto taken;
		errors = RXD_ERR_CE;
	} else if (!e1000e_accepts(c, f->data)) {
		goto taken;
	}
	room = e1000esim_rx_find_room(c, f, tail);
	if (room < 0)
		return false;
	if (!room)
		goto taken;
	if (likely(!c->config.rx_fcs && f->len <= c->config.rx_buffer))
		whole = e1000esim_rx_store_one(c, f, tail, errors);
	else
		whole = e1000esim_rx_store_many(c, f, tail, errors);
	if (!whole)
		e1000e_count(c, ST_RXERRC, 1);
	else if (!errors)
		e1000esim_rx_count_good(c, f);
	c->causes |= ICR_RXT0 | ICR_RXQ0;
taken:
	e1000esim_rx_count_any(c, f);
	return true;
}

/* While the receiver is off, frames from a second card are dropped; those of a file wait. */
static bool e1000esim_rx_pass_by(struct e1000esim *c)
{
	struct e1000e_frame f;
	u32 n;

	for (n = 0; c->wire && n < E1000E_BURST && e1000e_port_peek(c, &f); n++)
		e1000e_port_take(c);
	if (n)
		e1000e_port_taken(c);
	return n != 0;
}

bool e1000e_rx_run(struct e1000esim *c)
{
	u32 tail = read_acquire(&c->bell.rdt), n;
	struct e1000e_frame f;

	if (!c->rx.on)
		return e1000esim_rx_pass_by(c);
	for (n = 0; n < E1000E_BURST && !c->rx.halted && e1000e_port_peek(c, &f); n++) {
		if (!e1000esim_rx_receive(c, &f, tail))
			break;
		e1000e_port_take(c);
	}
	e1000e_port_taken(c);
	if (!n)
		return false;
	if (!c->rx.halted)
		e1000esim_rx_write_back(c);
	if (e1000e_ring_room(&c->rx, tail) <= c->config.rx_low)
		c->causes |= ICR_RXDMT0;
	return true;
}
