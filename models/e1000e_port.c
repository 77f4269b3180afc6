/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The card's connector. It leads to a second card, to a program, to capture files, or nowhere.
 * Frames arrive from the second card, the program or pcap-in; they are sent to the second card, the
 * program and pcap-out. A card whose cable leads nowhere still transmits; those frames are lost and
 * counted in TNCRS.
 *
 * A frame from a program waits while the card has no buffer for it, and the card waits until the
 * program can receive what it sends. A frame from a file waits, too, unless rate= sets the pace. A
 * frame from a second card waits if both cards use flow control (CTRL.TFCE here, CTRL.RFCE there);
 * otherwise it is lost and counted in MPC.
 */
#include "e1000e.h"

#include <string.h>
#include <time.h>

bool e1000e_port_up(const struct e1000esim *c)
{
	if (c->out.broken)
		return false;
	if (c->wire)
		return e1000e_wire_twin(c->wire, c->end);
	if (c->socket)
		return e1000e_socket_up(c->socket);
	return c->in.window || c->out.buffer;
}

bool e1000e_port_peek(struct e1000esim *c, struct e1000e_frame *f)
{
	bool there = c->wire	 ? e1000e_wire_peek(c->wire, c->end, f)
		     : c->socket ? e1000e_socket_peek(c, f)
				 : c->in.window && e1000e_in_peek(c, f);

	c->peeked = there ? f->len : 0;
	return there;
}

/* Consumes the frame that was peeked at last. */
void e1000e_port_take(struct e1000esim *c)
{
	c->starved = false;
	if (c->wire)
		e1000e_wire_take(c->wire, c->end, c->peeked);
	else if (c->socket)
		e1000e_socket_take(c->socket);
	else
		e1000e_in_take(&c->in);
}

void e1000e_port_taken(struct e1000esim *c)
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

bool e1000e_port_patient(const struct e1000esim *c)
{
	return c->wire ? (c->config.ctrl & CTRL_TFCE) != 0 : c->socket || !c->in_drop;
}

/* Reserves space in the queue to the second card. */
static enum e1000e_place e1000esim_port_wire_place(struct e1000esim *c, u32 len, u8 **place)
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
 * Finds the buffer for a frame of at most `len` bytes that is to be sent. PLACE_OK: *place is the
 * buffer. PLACE_WAIT: the second card has requested a pause. PLACE_LOST: *place is scratch memory,
 * and the frame is dropped.
 */
enum e1000e_place e1000e_port_place(struct e1000esim *c, u32 len, u8 **place)
{
	enum e1000e_place p = PLACE_LOST;

	c->to_ring = c->to_file = c->to_socket = false;
	if (!read_once(&c->link))
		e1000e_count(c, ST_TNCRS, 1);
	else if (c->wire)
		p = e1000esim_port_wire_place(c, len, place);
	else if (c->socket && !e1000e_socket_room(c->socket))
		return PLACE_WAIT;
	else if (c->socket)
		c->to_socket = true;
	c->to_ring = p == PLACE_OK;
	if (p == PLACE_LOST && read_once(&c->link) && c->out.buffer) {
		*place = e1000e_out_room(&c->out, len);
		c->to_file = *place != NULL;
	}
	if (p == PLACE_WAIT)
		return p;
	if (!c->to_ring && !c->to_file)
		*place = c->frame;
	return c->to_ring || c->to_file || c->to_socket ? PLACE_OK : PLACE_LOST;
}

static u64 e1000esim_port_wall_ns(struct e1000esim *c)
{
	struct timespec t;

	if (!c->wall_ns) {
		clock_gettime(CLOCK_REALTIME, &t);
		c->wall_ns = (u64)t.tv_sec * NS_PER_S + (u64)t.tv_nsec;
	}
	return c->wall_ns;
}

/* Sends the frame in the buffer that e1000e_port_place() returned with PLACE_OK. */
void e1000e_port_send(struct e1000esim *c, const u8 *place, u32 len, bool bad)
{
	u8 *room;

	/* the program receives frames without FCS, so it must not receive one whose FCS is wrong */
	if (c->to_socket && !bad)
		e1000e_socket_send(c->socket, place, len);
	if (c->to_file) {
		if (!bad)
			e1000e_out_add(&c->out, len, e1000esim_port_wall_ns(c));
		return;
	}
	if (c->to_socket)
		return;
	e1000e_wire_add(c->wire, c->end, len, bad);
	room = c->out.buffer && !bad ? e1000e_out_room(&c->out, len) : NULL;
	if (room) {
		memcpy(room, place, len);
		e1000e_out_add(&c->out, len, e1000esim_port_wall_ns(c));
	}
}

void e1000e_port_sent(struct e1000esim *c)
{
	if (c->wire)
		e1000e_wire_show(c->wire, c->end);
}

/* Called before the packets of a turn: first sends the frame that waited for the socket. */
void e1000e_port_begin(struct e1000esim *c)
{
	if (c->socket)
		e1000e_socket_room(c->socket);
}

void e1000e_port_idle(struct e1000esim *c)
{
	if (c->out.buffer && c->out.used)
		e1000e_out_flush(&c->out);
}

u64 e1000e_port_due(const struct e1000esim *c)
{
	return c->in.window && !c->in.over && c->in.rate ? c->in.due_ns : 0;
}
