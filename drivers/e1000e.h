/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Driver for the Intel 82574L gigabit Ethernet card (PCI 8086:10d3), written to its published
 * datasheet. It serves queue 0 of the device for XSK sockets, in both ways:
 *
 *  - zero-copy, when a socket is bound so: the card's descriptors point into the UMEM;
 *  - copying, else: the card works on the driver's own pages. What it receives goes to
 *    e1000e_options.receive, or to a socket bound in copy mode; what such a socket or e1000e_send()
 *    sends is copied into a page and mapped. A packet that cannot be mapped is dropped and counted.
 *
 * Nothing happens by itself: one thread calls e1000e_poll() again and again, either all the time or
 * each time that e1000e_wait() says that the card has something.
 *
 *  operation             | may run at once with
 *  e1000e_poll, wait     | everything but themselves and e1000e_remove
 *  e1000e_send           | everything but e1000e_remove, also in `receive`
 *  e1000e_stop, start    | everything but e1000e_remove; not in `receive`
 *  sockets bind, close   | everything but e1000e_remove; not in `receive`
 *  e1000e_remove         | nothing
 *
 * Calls give 0 or a count, else -errno (e1000e_probe: NULL and errno), and driver_strerror() of
 * drivers/message.h says in words why.
 */
#ifndef DRIVERS_E1000E_H
#define DRIVERS_E1000E_H

#include <dmamap/types.h>

#define E1000E_FRAME_USUAL 1518u /* bytes without FCS: with a VLAN tag */
#define E1000E_FRAME_LONG  16380u

struct e1000e;

struct e1000e_options {
	unsigned int rx_ring, tx_ring; /* descriptors, multiples of 8 from 8 to 4096; 0: 512 */
	unsigned int mask_bits;	       /* address lines that the driver claims; 0: 64 */
	unsigned int
		max_frame;    /* longest to receive, to E1000E_FRAME_LONG; 0: E1000E_FRAME_USUAL */
	unsigned int irq_us;  /* at least between two interrupts, to 16000; 0: 20 */
	bool no_flow_control; /* neither ask for pauses nor obey them: lose packets instead */
	/* Copy mode: each packet received; it is gone when this returns. NULL: to the queue's
	 * socket. */
	void (*receive)(void *arg, const void *frame, u32 len);
	void *arg;
};

struct e1000e_stats {
	u64 rx_packets, rx_bytes; /* to the socket or `receive` */
	u64 tx_packets, tx_bytes; /* given to the card */
	/* the driver's losses */
	u64 rx_refused;	   /* the socket had no room or wanted none */
	u64 rx_errors;	   /* the card said that the packet is damaged */
	u64 rx_too_long;   /* of more pieces than can be put together */
	u64 rx_map_failed; /* pages for receiving that could not be had or mapped */
	u64 tx_map_failed; /* packets that could not be mapped */
	u64 tx_too_long;
	/* what the card counted since probe */
	u64 card_rx; /* everything that came, also what was lost */
	u64 card_rx_good, card_rx_bytes, card_tx_good, card_tx_bytes;
	u64 card_no_buffer; /* had to wait for a receive buffer */
	u64 card_missed;    /* lost, for want of one */
	u64 card_crc_errors, card_rx_errors, card_short, card_long;
	u64 card_tx_failed;  /* packets that it gave up */
	u64 card_no_carrier; /* sent into a cable that leads nowhere */
	u64 interrupts;	     /* that e1000e_wait() took */
};

/*
 * Resets the card and takes its address. It is stopped until e1000e_start(), so that no packet
 * comes before its socket is bound. `options` may be NULL. NULL and errno: ENODEV no such card; EIO
 * it does not answer, or the mask cannot be served; EINVAL the options; EBUSY the device has a
 * driver; ENOMEM. Nothing stays behind.
 */
struct e1000e *e1000e_probe(struct device *dev, const struct e1000e_options *options);

/* Takes the sockets' queues away from the card, stops it and frees all. NULL is fine. */
void e1000e_remove(struct e1000e *e);

/* Starts it in the mode that the queue is in. 0; -EIO. */
int e1000e_start(struct e1000e *e);
/* Stops card and DMA; every buffer comes back to who gave it. 0; -EIO: the card is gone. */
int e1000e_stop(struct e1000e *e);

/*
 * Receives up to `budget` packets, takes back what was sent, sends what a zero-copy socket has. How
 * many packets it moved, 0: nothing to do; -EIO: the card is gone or stopped answering.
 */
int e1000e_poll(struct e1000e *e, unsigned int budget);

/*
 * Sleeps until the card or a socket has something, at most `timeout_ms` (-1: any time). 1: poll
 * now; 0: nothing in time, or a signal came; -EIO: the card is gone.
 */
int e1000e_wait(struct e1000e *e, int timeout_ms);

/*
 * Does both in a thread of the driver's own, until e1000e_remove() or the card is gone. `busy`:
 * never sleeps. The caller then calls neither poll nor wait. 0; -EBUSY: it is served already;
 * -EAGAIN.
 */
int e1000e_serve(struct e1000e *e, bool busy);

/*
 * Copy mode: sends a packet. 0: it is the card's, -EAGAIN: no room or no link now; -EINVAL: a
 * length that no packet has; -ENOMEM: it could not be mapped and is dropped; -EBUSY: the queue is
 * in zero-copy use; -EIO: the card is stopped or gone.
 */
int e1000e_send(struct e1000e *e, const void *frame, u32 len);

bool e1000e_link(struct e1000e *e);
bool e1000e_zero_copy(struct e1000e *e);
unsigned int e1000e_in_flight(struct e1000e *e); /* descriptors that the card has not sent yet */
void e1000e_address(const struct e1000e *e, u8 mac[6]);
void e1000e_stats(struct e1000e *e, struct e1000e_stats *stats);

#endif
