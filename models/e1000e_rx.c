/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receiving. A frame that passes the filters is stored in as many buffers as it needs. Its
 * descriptors are written back together with those of the other frames of the turn.
 *
 * Every frame from the cable is counted in TPR. A frame that is bad, too short or too long is
 * dropped and counted in its own register. A frame without descriptors waits (RNBC) or is lost
 * (MPC), see e1000e_port.c. If the bus refuses a frame's buffer, its descriptor is completed with
 * the error bit RXE and its data is lost; the ring continues. A descriptor with a null address
 * holds no data: it is completed at once.
 *
 * Not implemented, and read as 0: RSS and the second queue, checksum and VLAN offloads, packet
 * split.
 */
#include "e1000e.h"

#include <endian.h>
#include <string.h>

/* Legacy form: length, checksum, status, errors. Extended form: status and errors, length. */
static void rx_complete(struct e1000e *c, struct e1000e_desc *d, u32 len, u32 status, u32 errors)
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

static void rx_write_back(struct e1000e *c)
{
	struct e1000e_ring *r = &c->rx;

	e1000e_ring_write(c, r, r->written, r->next - r->written);
	r->written = r->next;
}

/* Returns the next descriptor that has a buffer; NULL: there is none. */
static struct e1000e_desc *rx_next_buffer(struct e1000e *c, u32 tail)
{
	struct e1000e_ring *r = &c->rx;

	for (;;) {
		if (r->next == r->have) {
			rx_write_back(c);
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

static bool rx_put(struct e1000e *c, const struct e1000e_desc *d, const void *data, u32 len)
{
	return !dmamap_bus_write(c->dev, le64toh(d->q[0]), data, len);
}

/* Stores a frame that fits into one buffer, without FCS in memory. This is the common case. */
static bool rx_store_one(struct e1000e *c, const struct e1000e_frame *f, u32 tail, u32 errors)
{
	struct e1000e_desc *d = rx_next_buffer(c, tail);

	if (!d)
		return false;
	if (unlikely(!rx_put(c, d, f->data, f->len)))
		errors |= RXD_ERR_RXE;
	rx_complete(c, d, f->len, RXD_DD | RXD_EOP, errors);
	return !(errors & RXD_ERR_RXE);
}

/* Stores a frame in several buffers; the FCS follows the frame unless RCTL.SECRC strips it. */
static bool rx_store_many(struct e1000e *c, const struct e1000e_frame *f, u32 tail, u32 errors)
{
	u32 total = f->len + c->config.rx_fcs, done = 0, part;
	u32 fcs = htole32(e1000e_crc(c->crc_table, f->data, f->len));
	struct e1000e_desc *d;

	memcpy(c->rx_scratch, f->data, f->len);
	memcpy(c->rx_scratch + f->len, &fcs, sizeof(fcs));
	for (; done < total; done += part) {
		d = rx_next_buffer(c, tail);
		if (!d)
			return false; /* null addresses were among them: the frame's end is lost */
		part = total - done < c->config.rx_buffer ? total - done : c->config.rx_buffer;
		if (!rx_put(c, d, c->rx_scratch + done, part))
			errors |= RXD_ERR_RXE;
		rx_complete(c, d, part, done + part == total ? RXD_DD | RXD_EOP : RXD_DD,
			    done + part == total ? errors : 0);
	}
	return !(errors & RXD_ERR_RXE);
}

/* Returns the counter of the frame's error, or ST_COUNT. */
static enum e1000e_stat rx_fault_of(const struct e1000e *c, const struct e1000e_frame *f)
{
	if (f->len < E1000E_HEADER)
		return ST_RUC;
	if (f->len > c->config.rx_most)
		return ST_ROC;
	if (f->bad)
		return ST_CRCERRS;
	return ST_COUNT;
}

/* 1: there are descriptors for the frame; 0: it is lost; -1: it waits. */
static int rx_find_buffers(struct e1000e *c, const struct e1000e_frame *f, u32 tail)
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

static void rx_count_good(struct e1000e *c, const struct e1000e_frame *f)
{
	e1000e_count(c, ST_GPRC, 1);
	e1000e_count(c, ST_GORC, e1000e_wire_bytes(f->len));
	e1000e_count_size(c, ST_PRC64, f->len);
	if (f->data[0] & 1)
		e1000e_count(c, memcmp(f->data, "\xff\xff\xff\xff\xff\xff", 6) ? ST_MPRC : ST_BPRC,
			     1);
}

static void rx_count_any(struct e1000e *c, const struct e1000e_frame *f)
{
	e1000e_count(c, ST_TPR, 1);
	e1000e_count(c, ST_TOR, e1000e_wire_bytes(f->len));
	c->moved++;
}

/* False: the frame waits. */
static bool rx_receive(struct e1000e *c, const struct e1000e_frame *f, u32 tail)
{
	enum e1000e_stat fault = rx_fault_of(c, f);
	u32 errors = 0;
	bool whole;
	int found;

	if (unlikely(fault != ST_COUNT)) {
		e1000e_count(c, fault, 1);
		if (fault != ST_CRCERRS || !(c->config.rctl & RCTL_SBP))
			goto taken;
		errors = RXD_ERR_CE;
	} else if (!e1000e_accepts(c, f->data)) {
		goto taken;
	}
	found = rx_find_buffers(c, f, tail);
	if (found < 0)
		return false;
	if (!found)
		goto taken;
	if (likely(!c->config.rx_fcs && f->len <= c->config.rx_buffer))
		whole = rx_store_one(c, f, tail, errors);
	else
		whole = rx_store_many(c, f, tail, errors);
	if (!whole)
		e1000e_count(c, ST_RXERRC, 1);
	else if (!errors)
		rx_count_good(c, f);
	c->causes |= ICR_RXT0 | ICR_RXQ0;
taken:
	rx_count_any(c, f);
	return true;
}

/* A card that does not receive discards the frames from its twin. A file waits. */
static bool rx_discard(struct e1000e *c)
{
	struct e1000e_frame f;
	u32 n;

	for (n = 0; c->wire && n < E1000E_BURST && e1000e_port_peek(c, &f); n++)
		e1000e_port_take(c);
	if (n)
		e1000e_port_taken(c);
	return n != 0;
}

bool e1000e_rx_run(struct e1000e *c)
{
	u32 tail = read_acquire(&c->bell.rdt), n;
	struct e1000e_frame f;

	if (!c->rx.on)
		return rx_discard(c);
	for (n = 0; n < E1000E_BURST && !c->rx.halted && e1000e_port_peek(c, &f); n++) {
		if (!rx_receive(c, &f, tail))
			break;
		e1000e_port_take(c);
	}
	e1000e_port_taken(c);
	if (!n)
		return false;
	if (!c->rx.halted)
		rx_write_back(c);
	if (e1000e_ring_room(&c->rx, tail) <= c->config.rx_low)
		c->causes |= ICR_RXDMT0;
	return true;
}
