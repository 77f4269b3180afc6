/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transmitting. A packet of one descriptor, the common case, is read by DMA directly into the queue
 * of the twin or the buffer of the capture file. A packet of several descriptors is first assembled
 * in `frame`. Descriptors with RS are written back with DD, those of a turn together.
 *
 * A packet that cannot be sent, since it is longer than the card's memory or the bus refuses its
 * memory, is abandoned and counted in ECOL. Its descriptors are completed as usual.
 *
 * The card pads the frame and adds the FCS on the cable; neither a twin nor a capture file contains
 * these. With IFCS off the last four bytes are the driver's own FCS, which is checked: if it is
 * wrong the twin receives a bad frame. Of the descriptors with DEXT, contexts are completed without
 * effect, and data is sent unchanged; a packet that requests segmentation (TSE) is abandoned and
 * counted in TSCTFC. Checksum and VLAN insertion are not implemented.
 */
#include "e1000e.h"

#include <endian.h>
#include <string.h>

static void tx_count_sent(struct e1000e *c, const u8 *frame, u32 len)
{
	e1000e_count(c, ST_GPTC, 1);
	e1000e_count(c, ST_GOTC, e1000e_wire_bytes(len));
	e1000e_count(c, ST_TPT, 1);
	e1000e_count(c, ST_TOT, e1000e_wire_bytes(len));
	e1000e_count_size(c, ST_PTC64, len);
	if (frame[0] & 1)
		e1000e_count(c, memcmp(frame, "\xff\xff\xff\xff\xff\xff", 6) ? ST_MPTC : ST_BPTC,
			     1);
	c->moved++;
}

static void tx_abandon_frame(struct e1000e *c, enum e1000e_stat why)
{
	e1000e_count(c, why, 1);
	e1000e_count(c, ST_TPT, 1);
	c->moved++;
}

/* True: the last four bytes are not the frame's FCS. */
static bool tx_fcs_wrong(struct e1000e *c, const u8 *frame, u32 len)
{
	u32 fcs;

	memcpy(&fcs, frame + len, sizeof(fcs));
	return le32toh(fcs) != e1000e_crc(c->crc_table, frame, len);
}

static void tx_send(struct e1000e *c, const u8 *place, u32 len, u32 cmd, enum e1000e_place p)
{
	bool bad = false;

	if (unlikely(!(cmd & TXD_IFCS))) {
		len -= E1000E_FCS;
		bad = tx_fcs_wrong(c, place, len);
	}
	tx_count_sent(c, place, len);
	if (p == PLACE_OK)
		e1000e_port_send(c, place, len, bad);
}

static bool tx_length_ok(u32 len, u32 cmd)
{
	u32 fcs = cmd & TXD_IFCS ? 0 : E1000E_FCS;

	return len > fcs && len - fcs <= E1000E_FRAME_MAX;
}

/* False: the packet waits for the twin. */
static bool tx_send_one(struct e1000e *c, u64 addr, u32 len, u32 cmd)
{
	enum e1000e_place p;
	u8 *place;

	if (unlikely(!tx_length_ok(len, cmd))) {
		tx_abandon_frame(c, ST_ECOL);
		return true;
	}
	p = e1000e_port_place(c, len, &place);
	if (p == PLACE_WAIT)
		return false;
	if (unlikely(dmamap_bus_read(c->dev, addr, place, len)))
		tx_abandon_frame(c, ST_ECOL);
	else
		tx_send(c, place, len, cmd, p);
	return true;
}

/* Adds a piece to the packet that is being assembled. */
static void tx_gather(struct e1000e *c, u64 addr, u32 len)
{
	if (len > sizeof(c->frame) - c->frame_len) {
		c->frame_bad = true;
		return;
	}
	if (len && !c->frame_bad && dmamap_bus_read(c->dev, addr, c->frame + c->frame_len, len))
		c->frame_bad = true;
	c->frame_len += len;
}

static void tx_drop_frame(struct e1000e *c)
{
	c->frame_len = 0;
	c->frame_bad = c->frame_whole = c->frame_tso = false;
}

/* Sends the assembled packet. False: it waits for the twin. */
static bool tx_send_gathered(struct e1000e *c, u32 cmd)
{
	enum e1000e_place p;
	u8 *place;

	if (c->frame_tso || c->frame_bad || !tx_length_ok(c->frame_len, cmd)) {
		tx_abandon_frame(c, c->frame_tso ? ST_TSCTFC : ST_ECOL);
		tx_drop_frame(c);
		return true;
	}
	p = e1000e_port_place(c, c->frame_len, &place);
	if (p == PLACE_WAIT)
		return false;
	if (place != c->frame)
		memcpy(place, c->frame, c->frame_len);
	tx_send(c, place, c->frame_len, cmd, p);
	tx_drop_frame(c);
	return true;
}

/* Executes one descriptor. False: its packet waits for the twin. */
static bool tx_run_one(struct e1000e *c, struct e1000e_desc *d)
{
	u64 addr = le64toh(d->q[0]);
	u32 cmd = (u32)le64toh(d->q[1]), len = cmd & 0xffff;

	if (likely((cmd & (TXD_EOP | TXD_DEXT)) == TXD_EOP && !c->frame_len && !c->frame_bad))
		return tx_send_one(c, addr, len, cmd);
	if (cmd & TXD_DEXT) {
		if (TXD_DTYP(cmd) != 1)
			return true;
		len = cmd & 0xfffff;
		c->frame_tso |= (cmd & TXD_TSE) != 0;
	}
	if (!c->frame_whole)
		tx_gather(c, addr, len);
	if (!(cmd & TXD_EOP))
		return true;
	c->frame_whole = true;
	return tx_send_gathered(c, cmd);
}

/* Writes back runs of descriptors with DD in desc[written … next). */
static void tx_write_back(struct e1000e *c)
{
	struct e1000e_ring *r = &c->tx;
	u32 i = r->written, from;

	while (i < r->next) {
		if (!(r->desc[i].q[1] & htole64(TXD_DD))) {
			i++;
			continue;
		}
		for (from = i; i < r->next && (r->desc[i].q[1] & htole64(TXD_DD)); i++)
			;
		e1000e_ring_write(c, r, from, i - from);
		c->causes |= ICR_TXDW | ICR_TXQ0;
	}
	r->written = r->next;
}

static struct e1000e_desc *tx_next_desc(struct e1000e *c, u32 tail)
{
	struct e1000e_ring *r = &c->tx;

	if (r->next == r->have) {
		tx_write_back(c);
		if (r->halted || !e1000e_ring_fetch(c, r, tail))
			return NULL;
	}
	return &r->desc[r->next];
}

bool e1000e_tx_run(struct e1000e *c)
{
	u32 tail = read_acquire(&c->bell.tdt), n;
	struct e1000e_desc *d;

	if (!c->tx.on || c->tx.halted)
		return false;
	for (n = 0; n < E1000E_BURST; n++) {
		d = tx_next_desc(c, tail);
		if (!d || !tx_run_one(c, d))
			break;
		if (d->q[1] & htole64(TXD_RS))
			d->q[1] |= htole64(TXD_DD);
		else
			d->q[1] &= ~htole64(TXD_DD);
		e1000e_ring_done(&c->tx);
	}
	if (!n)
		return false;
	e1000e_port_sent(c);
	if (!c->tx.halted)
		tx_write_back(c);
	if (c->tx.head == tail)
		c->causes |= ICR_TXQE;
	return true;
}
