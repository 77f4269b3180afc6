/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other end of a card's cable: a twin, capture files, or nothing. Frames are received from the
 * twin or from pcap-in; they are sent to the twin and to pcap-out, whichever there is. A card whose
 * cable has no other end transmits as any card does: the frames are discarded and counted in TNCRS.
 *
 * A frame from a file waits while the card has no buffers for it, unless rate= sets the pace. A
 * frame from a twin waits if both cards use flow control (CTRL.TFCE here, CTRL.RFCE there);
 * otherwise it is lost and counted in MPC.
 */
#include "base/clock.h"
#include "e1000e.h"

#include <string.h>
#include <time.h>

bool e1000e_port_up(const struct e1000e *c)
{
	if (c->out.broken)
		return false;
	if (c->wire)
		return e1000e_wire_twin(c->wire, c->end);
	return c->in.window || c->out.buffer;
}

bool e1000e_port_peek(struct e1000e *c, struct e1000e_frame *f)
{
	bool there = c->wire ? e1000e_wire_peek(c->wire, c->end, f)
			     : c->in.window && e1000e_in_peek(c, f);

	c->peeked = there ? f->len : 0;
	return there;
}

/* Takes the frame that the last peek returned. */
void e1000e_port_take(struct e1000e *c)
{
	c->starved = false;
	if (c->wire)
		e1000e_wire_take(c->wire, c->end, c->peeked);
	else
		e1000e_in_take(&c->in);
}

void e1000e_port_taken(struct e1000e *c)
{
	u64 missed;

	if (!c->wire)
		return;
	e1000e_wire_free(c->wire, c->end);
	missed = e1000e_wire_missed(c->wire, c->end);
	if (missed) {
		e1000e_count(c, ST_MPC, missed);
		e1000e_count(c, ST_TPR, missed);
		c->causes |= ICR_RXO;
	}
}

bool e1000e_port_patient(const struct e1000e *c)
{
	return c->wire ? (c->config.ctrl & CTRL_TFCE) != 0 : !c->in.rate;
}

/* Reserves space in the queue to the twin. */
static enum e1000e_place port_wire_place(struct e1000e *c, u32 len, u8 **place)
{
	u32 how = e1000e_wire_accepts(c->wire, c->end);

	if (how & WIRE_ACCEPTS) {
		*place = e1000e_wire_room(c->wire, c->end, len);
		if (*place) {
			c->paused = false;
			return PLACE_OK;
		}
		if ((how & WIRE_PAUSES) && (c->config.ctrl & CTRL_RFCE)) {
			if (!c->paused)
				e1000e_count(c, ST_XOFFRXC, 1);
			c->paused = true;
			e1000e_wire_show(c->wire, c->end);
			return PLACE_WAIT;
		}
		e1000e_wire_miss(c->wire, c->end);
	}
	return PLACE_LOST;
}

/*
 * Chooses where to store a frame of at most `len` bytes that is to be sent. PLACE_OK: *place is in
 * the queue or the file. PLACE_WAIT: the twin requests a pause. PLACE_LOST: *place is scratch
 * memory, and the frame is discarded.
 */
enum e1000e_place e1000e_port_place(struct e1000e *c, u32 len, u8 **place)
{
	enum e1000e_place p = PLACE_LOST;

	c->to_ring = c->to_file = false;
	if (!read_once(&c->link))
		e1000e_count(c, ST_TNCRS, 1);
	else if (c->wire)
		p = port_wire_place(c, len, place);
	c->to_ring = p == PLACE_OK;
	if (p == PLACE_LOST && read_once(&c->link) && c->out.buffer) {
		*place = e1000e_out_room(&c->out, len);
		c->to_file = *place != NULL;
	}
	if (p == PLACE_WAIT)
		return p;
	if (!c->to_ring && !c->to_file)
		*place = c->frame;
	return c->to_ring || c->to_file ? PLACE_OK : PLACE_LOST;
}

static u64 port_wall_ns(struct e1000e *c)
{
	struct timespec t;

	if (!c->wall_ns) {
		clock_gettime(CLOCK_REALTIME, &t);
		c->wall_ns = (u64)t.tv_sec * NS_PER_S + (u64)t.tv_nsec;
	}
	return c->wall_ns;
}

/* Sends the frame in the place that e1000e_port_place() returned with PLACE_OK. */
void e1000e_port_send(struct e1000e *c, const u8 *place, u32 len, bool bad)
{
	u8 *room;

	if (c->to_file) {
		if (!bad)
			e1000e_out_add(&c->out, len, port_wall_ns(c));
		return;
	}
	e1000e_wire_add(c->wire, c->end, len, bad);
	room = c->out.buffer && !bad ? e1000e_out_room(&c->out, len) : NULL;
	if (room) {
		memcpy(room, place, len);
		e1000e_out_add(&c->out, len, port_wall_ns(c));
	}
}

void e1000e_port_sent(struct e1000e *c)
{
	if (c->wire)
		e1000e_wire_show(c->wire, c->end);
}

void e1000e_port_idle(struct e1000e *c)
{
	if (c->out.buffer && c->out.used)
		e1000e_out_flush(&c->out);
}

u64 e1000e_port_due(const struct e1000e *c)
{
	return c->in.window && !c->in.over && c->in.rate ? c->in.due_ns : 0;
}
