/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Driver for the Intel 82574L gigabit Ethernet card (PCI 8086:10d3), written from its published
 * datasheet. It serves queue 0 of the device for XSK sockets, in two modes:
 *
 * - zero-copy, if the socket is bound with it: the card's descriptors point into the UMEM;
 * - copy mode otherwise: the card uses pages of the driver. Received packets are passed to
 *   e1000e_options.receive, or to a socket bound in copy mode. Packets that such a socket or
 *   e1000e_send() sends are copied into a page and mapped. A packet that cannot be mapped is
 *   dropped and counted.
 *
 * The driver has no thread unless e1000e_serve() starts one: one thread calls e1000e_poll()
 * repeatedly, either continuously or whenever e1000e_wait() returns.
 *
 *   operation             | may run concurrently with
 *   e1000e_poll, wait     | everything but themselves and e1000e_remove
 *   e1000e_send           | everything but e1000e_remove, also in `receive`
 *   e1000e_stop, start    | everything but e1000e_remove; not in `receive`
 *   sockets bind, close   | everything but e1000e_remove; not in `receive`
 *   e1000e_remove         | nothing
 *
 * Functions return 0 or a count, else -errno (e1000e_probe: NULL and errno); driver_strerror() of
 * drivers/message.h then returns the error message.
 */
#ifndef DRIVERS_E1000E_H
#define DRIVERS_E1000E_H

#include <dmamap/types.h>

#define E1000E_FRAME_USUAL 1518u /* bytes without FCS, with a VLAN tag */
#define E1000E_FRAME_LONG  16380u

struct e1000e;

struct e1000e_options {
	unsigned int rx_ring, tx_ring; /* descriptors, multiples of 8 from 8 to 4096; 0: 512 */
	/* address bits that the driver claims for the device; 0: 64 */
	unsigned int mask_bits;
	unsigned int
		/* longest frame to receive, up to E1000E_FRAME_LONG; 0: E1000E_FRAME_USUAL */
		max_frame;
	unsigned int irq_us;  /* least time between two interrupts, up to 16000; 0: 20 */
	bool no_flow_control; /* neither send nor obey pause frames: packets are lost instead */
	/*
	 * Copy mode: called for each received packet, which is valid only during the call. NULL:
	 * packets go to the queue's socket.
	 */
	void (*receive)(void *arg, const void *frame, u32 len);
	void *arg;
};

struct e1000e_stats {
	u64 rx_packets, rx_bytes; /* delivered to the socket or to `receive` */
	u64 tx_packets, tx_bytes; /* submitted to the card */
	/* packets that the driver lost */
	u64 rx_refused;	   /* the socket had no space, or there was no socket */
	u64 rx_errors;	   /* the card marked the packet as damaged */
	u64 rx_too_long;   /* packets of more fragments than can be assembled */
	u64 rx_map_failed; /* receive pages that could not be allocated or mapped */
	u64 tx_map_failed; /* packets that could not be mapped */
	u64 tx_too_long;
	/* statistics of the card since probe */
	u64 card_rx; /* all received packets, including lost ones */
	u64 card_rx_good, card_rx_bytes, card_tx_good, card_tx_bytes;
	u64 card_no_buffer; /* had to wait for a receive buffer */
	u64 card_missed;    /* lost because there was no receive buffer */
	u64 card_crc_errors, card_rx_errors, card_short, card_long;
	u64 card_tx_failed;  /* packets whose transmission failed */
	u64 card_no_carrier; /* transmitted without a link partner */
	u64 interrupts;	     /* interrupts that e1000e_wait() handled */
};

/*
 * Resets the card and claims the device. The card is stopped until e1000e_start(), so that no
 * packet arrives before its socket is bound. `options` may be NULL. NULL and errno: ENODEV no such
 * card; EIO it does not respond, or the mask is not supported; EINVAL the options; EBUSY the device
 * has a driver; ENOMEM. On failure everything is released.
 */
struct e1000e *e1000e_probe(struct device *dev, const struct e1000e_options *options);

/* Detaches the sockets from the queues, stops the card and frees everything. `e` may be NULL. */
void e1000e_remove(struct e1000e *e);

/* Starts the card in the mode of the queue. 0; -EIO. */
int e1000e_start(struct e1000e *e);
/* Stops the card and its DMA; every buffer returns to its owner. 0; -EIO: the card is gone. */
int e1000e_stop(struct e1000e *e);

/*
 * Receives up to `budget` packets, completes what was sent, and sends what a zero-copy socket has
 * queued. Returns the number of packets; 0: nothing to do; -EIO: the card is gone or does not
 * respond.
 */
int e1000e_poll(struct e1000e *e, unsigned int budget);

/*
 * Sleeps until the card or a socket needs the driver, at most `timeout_ms` (-1: no limit). Returns
 * 1: call e1000e_poll(); 0: timeout, or a signal was received; -EIO: the card is gone.
 */
int e1000e_wait(struct e1000e *e, int timeout_ms);

/*
 * Polls and waits in a thread of the driver, until e1000e_remove() or until the card is gone.
 * `busy`: the thread never sleeps. The caller must then call neither e1000e_poll() nor
 * e1000e_wait(). 0; -EBUSY: such a thread exists; -EAGAIN.
 */
int e1000e_serve(struct e1000e *e, bool busy);

/*
 * Copy mode: sends a packet. 0: the card has it; -EAGAIN: no space or no link now; -EINVAL: not the
 * length of a packet; -ENOMEM: it could not be mapped and was dropped; -EBUSY: the queue is in
 * zero-copy mode; -EIO: the card is stopped or gone.
 */
int e1000e_send(struct e1000e *e, const void *frame, u32 len);

bool e1000e_link(struct e1000e *e);
bool e1000e_zero_copy(struct e1000e *e);
unsigned int e1000e_in_flight(struct e1000e *e); /* descriptors that the card has not sent yet */
void e1000e_address(const struct e1000e *e, u8 mac[6]);
void e1000e_stats(struct e1000e *e, struct e1000e_stats *stats);

#endif
