/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transmit. A packet of one descriptor, the usual case, is read by DMA directly into the queue to
 * the second card or into the buffer of the capture file. A packet of several descriptors is first
 * gathered in `frame`. Descriptors with RS are written back with DD, those of a turn together.
 *
 * A packet that cannot be sent, because it is too long or the bus refuses its memory, is dropped
 * and counted in ECOL; its descriptors complete normally.
 *
 * The card pads frames and adds the FCS on the cable; neither a second card nor a capture file
 * contains them. With IFCS off, the last four bytes are the driver's own FCS, which is checked; if
 * it is wrong, the second card receives a bad frame. With DEXT, context descriptors complete
 * without effect and data is sent unchanged. A packet that requests segmentation (TSE) is dropped
 * and counted in TSCTFC. Checksum and VLAN insertion are not implemented.
 */
#include "e1000e.h"

#include <endian.h>
#include <string.h>

static void e1000esim_tx_count_sent(struct e1000esim *c, const u8 *frame, u32 len)
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

static void e1000esim_tx_give_up(struct e1000esim *c, enum e1000e_stat why)
{
	e1000e_count(c, why, 1);
	e1000e_count(c, ST_TPT, 1);
	c->moved++;
}

/* Whether the four bytes after the frame differ from its FCS. */
static bool e1000esim_tx_fcs_wrong(struct e1000esim *c, const u8 *frame, u32 len)
{
	u32 fcs;

	memcpy(&fcs, frame + len, sizeof(fcs));
	return le32toh(fcs) != e1000e_crc(c->crc_table, frame, len);
}

static void e1000esim_tx_send(struct e1000esim *c, const u8 *place, u32 len, u32 cmd,
			      enum e1000e_place p)
{
	bool bad = false;

	if (unlikely(!(cmd & TXD_IFCS))) {
		len -= E1000E_FCS;
		bad = e1000esim_tx_fcs_wrong(c, place, len);
	}
	e1000esim_tx_count_sent(c, place, len);
	if (p == PLACE_OK)
		e1000e_port_send(c, place, len, bad);
}

static bool e1000esim_tx_length_ok(u32 len, u32 cmd)
{
	u32 fcs = cmd & TXD_IFCS ? 0 : E1000E_FCS;

	return len > fcs && len - fcs <= E1000E_FRAME_MAX;
}

/* Returns false if the packet waits for the receiver. */
static bool e1000esim_tx_send_one(struct e1000esim *c, u64 addr, u32 len, u32 cmd)
{
	enum e1000e_place p;
	u8 *place;

	if (unlikely(!e1000esim_tx_length_ok(len, cmd))) {
		e1000esim_tx_give_up(c, ST_ECOL);
		return true;
	}
	p = e1000e_port_place(c, len, &place);
	if (p == PLACE_WAIT)
		return false;
	if (unlikely(dmamap_bus_read(c->dev, addr, place, len)))
		e1000esim_tx_give_up(c, ST_ECOL);
	else
		e1000esim_tx_send(c, place, len, cmd, p);
	return true;
}

/* Appends a piece to the packet in `frame`. */
static void e1000esim_tx_gather(struct e1000esim *c, u64 addr, u32 len)
{
	if (len > sizeof(c->frame) - c->frame_len) {
		c->frame_bad = true;
		return;
	}
	if (len && !c->frame_bad && dmamap_bus_read(c->dev, addr, c->frame + c->frame_len, len))
		c->frame_bad = true;
	c->frame_len += len;
}

static void e1000esim_tx_forget(struct e1000esim *c)
{
	c->frame_len = 0;
	c->frame_bad = c->frame_whole = c->frame_tso = false;
}

/*
 * Called when the last descriptor of a gathered packet was read. Returns false if the packet waits
 * for the receiver.
 */
static bool e1000esim_tx_send_gathered(struct e1000esim *c, u32 cmd)
{
	enum e1000e_place p;
	u8 *place;

	if (c->frame_tso || c->frame_bad || !e1000esim_tx_length_ok(c->frame_len, cmd)) {
		e1000esim_tx_give_up(c, c->frame_tso ? ST_TSCTFC : ST_ECOL);
		e1000esim_tx_forget(c);
		return true;
	}
	p = e1000e_port_place(c, c->frame_len, &place);
	if (p == PLACE_WAIT)
		return false;
	if (place != c->frame)
		memcpy(place, c->frame, c->frame_len);
	e1000esim_tx_send(c, place, c->frame_len, cmd, p);
	e1000esim_tx_forget(c);
	return true;
}

/* Processes one descriptor. Returns false if its packet waits for the receiver. */
static bool e1000esim_tx_run_one(struct e1000esim *c, struct e1000e_desc *d)
{
	u64 addr = le64toh(d->q[0]);
	u32 cmd = (u32)le64toh(d->q[1]), len = cmd & 0xffff;

	if (likely((cmd & (TXD_EOP | TXD_DEXT)) == TXD_EOP && !c->frame_len && !c->frame_bad))
		return e1000esim_tx_send_one(c, addr, len, cmd);
	if (cmd & TXD_DEXT) {
		if (TXD_DTYP(cmd) != 1)
			return true;
		len = cmd & 0xfffff;
		c->frame_tso |= (cmd & TXD_TSE) != 0;
	}
	if (!c->frame_whole)
		e1000esim_tx_gather(c, addr, len);
	if (!(cmd & TXD_EOP))
		return true;
	c->frame_whole = true;
	return e1000esim_tx_send_gathered(c, cmd);
}

/* Writes back the runs of descriptors with DD in desc[written … next). */
static void e1000esim_tx_write_back(struct e1000esim *c)
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

static struct e1000e_desc *e1000esim_tx_next_desc(struct e1000esim *c, u32 tail)
{
	struct e1000e_ring *r = &c->tx;

	if (r->next == r->have) {
		e1000esim_tx_write_back(c);
		if (r->halted || !e1000e_ring_fetch(c, r, tail))
			return NULL;
	}
	return &r->desc[r->next];
}

bool e1000e_tx_run(struct e1000esim *c)
{
	u32 tail = read_acquire(&c->bell.tdt), n;
	struct e1000e_desc *d;

	if (!c->tx.on || c->tx.halted)
		return false;
	for (n = 0; n < E1000E_BURST; n++) {
		d = e1000esim_tx_next_desc(c, tail);
		if (!d || !e1000esim_tx_run_one(c, d))
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
		e1000esim_tx_write_back(c);
	if (c->tx.head == tail)
		c->causes |= ICR_TXQE;
	return true;
}
