/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network card: its state, and which thread may access which part:
 *
 *  - the driver's threads (e1000e_reg.c): `regs` under its lock, and the words of `bell`, which are
 *    atomic; they move no frames;
 *  - the worker, the card's only thread: everything else, without a lock; `regs` under its lock.
 *
 * A write of a tail register stores the value and wakes the worker, which checks the value when it
 * uses it. A write of CTRL, RCTL, TCTL or a head returns when the worker has handled it. After the
 * driver has switched a unit off, that unit makes no more accesses, so its memory may be freed.
 *
 * The worker moves packets in turns: at most E1000E_BURST are sent, as many received, then the
 * interrupts and statistics of all of them are updated at once. Descriptors are fetched and written
 * back many at a time. All memory is allocated at the start, so no packet needs an allocation, and
 * none needs a system call except where a window of a file ends.
 */
#ifndef MODELS_E1000E_H
#define MODELS_E1000E_H

#include "base/lock.h"
#include "device/model.h"
#include "doorbell.h"
#include "e1000e_regs.h"

#include <pthread.h>

#define E1000E_VECTORS	 5
#define E1000E_BURST	 64u
#define E1000E_CACHE	 64u	/* descriptors fetched at once */
#define E1000E_FRAME_MAX 16380u /* without FCS: the longest frame that RCTL.LPE allows */
#define E1000E_LONG	 1518u	/* a longer one, without FCS, needs RCTL.LPE */
#define E1000E_HEADER	 14u	/* a shorter frame is not an Ethernet frame */
#define E1000E_FCS	 4u
#define E1000E_ADDRESSES 16

/* Bits of bell.door.pending. */
#define E1000E_PEND_CONTROL 1u /* a register of which the worker has a copy was written */
/* The other end of the wire was opened or closed, or its flow control changed. */
#define E1000E_PEND_LINK 2u
#define E1000E_PEND_WORK 4u /* a tail was written, a frame arrived, or an interrupt may be due */

struct e1000e;

/* One frame that waits to be received. */
struct e1000e_frame {
	const u8 *data;
	u32 len;  /* without FCS */
	bool bad; /* its FCS is wrong, or it was truncated */
};

/* e1000e_pcap.c: capture files. `in` is read through a window, so its size does not matter. */
struct e1000e_in {
	int fd;
	u8 *window;
	bool swapped;
	u64 at;	 /* the position of window[0] in the file */
	u64 end; /* the size of the file when it was opened */
	u32 used,
		have; /* in the window: the next record's position, and the bytes that are there */
	u32 record;   /* bytes of the current record, 0: none */
	u64 loops;    /* loops that are left; 0 at the start: no end */
	bool over;
	u64 rate;	      /* packets per second; 0: no limit */
	u64 started_ns, sent; /* frames sent since started_ns, for the rate */
	u64 due_ns;	      /* when the next one is due; 0: now */
};

struct e1000e_out {
	int fd;
	u8 *buffer;
	u32 used;
	bool broken; /* a write failed */
};

/* e1000e_wire.c: a wire between two cards of this process. */
struct e1000e_wire;

struct e1000e_regs {
	struct lock lock;
	u32 word[E1000E_WORDS];
	u32 icr, ims;
	u32 due; /* vectors whose interrupt must be raised; also read without the lock */
	u64 next_ns[E1000E_VECTORS]; /* the earliest time of the next interrupt */
	u64 stat[ST_COUNT];
	u32 new_rdh, new_tdh;
	bool rdh_written, tdh_written, reset;
	u32 asked; /* number of control writes */
	u16 eeprom[64];
	u16 phy[32];
};

/* The worker's copy of registers, updated when one of them was written. */
struct e1000e_config {
	u32 ctrl, rctl;
	u32 rx_buffer; /* bytes of one buffer */
	u32 rx_most;   /* longest frame, without FCS */
	u32 rx_fcs;    /* bytes of FCS that are stored in memory */
	u32 rx_low;    /* RXDMT0 at this many free descriptors */
	bool extended;
	int addresses;
	u64 address[E1000E_ADDRESSES];
	u32 mta[128];
};

struct e1000e_desc {
	u64 q[2]; /* little-endian, as in memory */
};

/*
 * A ring of descriptors, and the descriptors that were fetched: desc[0] is number `at`, desc[next]
 * is number `head`.
 */
struct e1000e_ring {
	bool on;
	bool halted; /* the bus refused an access; cleared when the unit is switched off and on */
	u64 base;
	u32 size; /* descriptors; 0: no ring */
	u32 head; /* below size, unless the driver wrote an invalid value: then nothing moves */
	u32 at, have, next;
	u32 written; /* index into desc[]: those before it are written back */
	struct e1000e_desc desc[E1000E_CACHE];
};

struct e1000e {
	struct device *dev;
	pthread_t thread;
	u8 mac[6];
	u64 unplug; /* packets after which the card simulates being pulled out; 0: never */

	struct e1000e_bell {
		struct doorbell door;
		u32 stop;
		u32 rdt, tdt;
		u32 done; /* the last value of regs.asked that was handled */
	} cacheline bell;
	u32 rdh cacheline; /* the worker's positions, which driver threads read */
	u32 tdh;
	u32 gone; /* pulled out: all registers read all ones */
	u32 link; /* STATUS.LU */

	struct e1000e_regs regs cacheline;

	/* from here on used by the worker only */
	struct e1000e_config config cacheline;
	struct e1000e_ring rx, tx;
	struct e1000e_wire *wire;
	int end; /* this card's end of the wire: 0 or 1 */
	struct e1000e_in in;
	struct e1000e_out out;
	u64 moved;	       /* packets, both ways */
	u32 peeked;	       /* bytes of the current frame */
	bool starved;	       /* the current frame was counted as one without a buffer */
	bool paused;	       /* the twin requested a pause, and it was counted */
	bool to_ring, to_file; /* where the place for the next frame is */
	u32 causes;
	u64 changed; /* statistics, a bit each */
	u64 stat[ST_COUNT];
	u64 now_ns, wall_ns; /* the times of this turn; 0: not read yet */
	u64 irq_at_ns;	     /* when the next throttled interrupt is due; 0: none */
	u32 frame_len; /* length of the packet that is being assembled from several descriptors */
	bool frame_bad, frame_whole, frame_tso;
	u32 crc_table[256];
	u8 frame[E1000E_FRAME_MAX + E1000E_FCS + 8];
	u8 rx_scratch[E1000E_FRAME_MAX + E1000E_FCS];
};

static inline void e1000e_count(struct e1000e *c, enum e1000e_stat stat, u64 n)
{
	c->stat[stat] += n;
	c->changed |= 1ull << stat;
}

/* Counts a frame in the six sizes that begin at `first`; with FCS and padding. */
static inline void e1000e_count_size(struct e1000e *c, enum e1000e_stat first, u32 len)
{
	static const u16 most[5] = {64, 127, 255, 511, 1023};
	u32 i = 0;

	while (i < 5 && len + E1000E_FCS > most[i])
		i++;
	e1000e_count(c, (enum e1000e_stat)(first + i), 1);
}

/* Returns the bytes of a frame on a real wire, where it is padded and has an FCS. */
static inline u32 e1000e_wire_bytes(u32 len)
{
	return (len < 60 ? 60 : len) + E1000E_FCS;
}

/* e1000e_reg.c */
u64 e1000e_read(void *model, int bar, u64 offset, unsigned int size);
void e1000e_write(void *model, int bar, u64 offset, unsigned int size, u64 value);
void e1000e_regs_reset(struct e1000e *c); /* regs.lock held, or the worker does not run */

/* e1000e_irq.c: interrupts; called with regs.lock held */
void e1000e_cause(struct e1000e_regs *r, u32 causes);
u32 e1000e_icr_read(struct e1000e_regs *r);
void e1000e_ims_set(struct e1000e_regs *r, u32 causes);
void e1000e_irq_run(struct e1000e *c); /* called by the worker without the lock */

/* e1000e_stat.c */
u32 e1000e_stat_read(struct e1000e_regs *r, u64 offset); /* called with the lock held */
void e1000e_publish(struct e1000e *c); /* publishes the turn's causes, statistics and heads */

/* e1000e_ring.c: called by the worker */
u32 e1000e_ring_room(const struct e1000e_ring *r, u32 tail); /* descriptors that the card owns */
bool e1000e_ring_fetch(struct e1000e *c, struct e1000e_ring *r, u32 tail);
void e1000e_ring_done(struct e1000e_ring *r); /* desc[next] is used */
void e1000e_ring_restart(struct e1000e_ring *r, u32 head);
void e1000e_ring_write(struct e1000e *c, struct e1000e_ring *r, u32 from,
		       u32 n); /* descriptors of desc[] */

/* e1000e_rx.c, e1000e_tx.c: called by the worker. True: something moved. */
bool e1000e_rx_run(struct e1000e *c);
bool e1000e_tx_run(struct e1000e *c);

/* e1000e_filter.c */
bool e1000e_accepts(struct e1000e *c, const u8 *frame);
void e1000e_crc_init(u32 table[256]);
u32 e1000e_crc(const u32 table[256], const u8 *data, u32 len);

/* e1000e_port.c: the card's end of the cable, whatever is at the other end */
bool e1000e_port_up(const struct e1000e *c);
bool e1000e_port_peek(struct e1000e *c, struct e1000e_frame *f);
void e1000e_port_take(struct e1000e *c);
void e1000e_port_taken(struct e1000e *c);	  /* called after the frames of a turn */
bool e1000e_port_patient(const struct e1000e *c); /* a frame waits if there is no buffer */
enum e1000e_place { PLACE_OK, PLACE_WAIT, PLACE_LOST };
enum e1000e_place e1000e_port_place(struct e1000e *c, u32 len, u8 **place);
void e1000e_port_send(struct e1000e *c, const u8 *place, u32 len, bool bad);
void e1000e_port_sent(struct e1000e *c); /* called after the frames of a turn */
void e1000e_port_idle(struct e1000e *c);
u64 e1000e_port_due(const struct e1000e *c); /* when the next frame is due; 0: not known */

/* e1000e_wire.c */
#define WIRE_ACCEPTS 1u /* the end receives */
#define WIRE_PAUSES  2u /* and requests a pause when it is full */
struct e1000e_wire *e1000e_wire_get(const char *name, struct e1000e *card, int *end);
void e1000e_wire_put(struct e1000e_wire *w, int end);
void e1000e_wire_leave(struct e1000e_wire *w, int end); /* the card is still open, but pulled out */
bool e1000e_wire_twin(const struct e1000e_wire *w, int end);
void e1000e_wire_accept(struct e1000e_wire *w, int end, u32 how);
u32 e1000e_wire_accepts(const struct e1000e_wire *w, int end); /* what the twin of `end` accepts */
u8 *e1000e_wire_room(struct e1000e_wire *w, int end, u32 len);
void e1000e_wire_add(struct e1000e_wire *w, int end, u32 len, bool bad);
void e1000e_wire_show(struct e1000e_wire *w, int end);
void e1000e_wire_miss(struct e1000e_wire *w, int end);
u64 e1000e_wire_missed(struct e1000e_wire *w, int end); /* missed by `end` since the last call */
bool e1000e_wire_peek(struct e1000e_wire *w, int end, struct e1000e_frame *f);
void e1000e_wire_take(struct e1000e_wire *w, int end, u32 len);
void e1000e_wire_free(struct e1000e_wire *w, int end);

/* e1000e_pcap.c: 0, or -errno with an error message */
int e1000e_in_open(struct e1000e_in *in, const char *path);
void e1000e_in_close(struct e1000e_in *in);
bool e1000e_in_peek(struct e1000e *c, struct e1000e_frame *f);
void e1000e_in_take(struct e1000e_in *in);
int e1000e_out_open(struct e1000e_out *out, const char *path);
void e1000e_out_close(struct e1000e_out *out);
u8 *e1000e_out_room(struct e1000e_out *out, u32 len);
void e1000e_out_add(struct e1000e_out *out, u32 len, u64 wall_ns);
void e1000e_out_flush(struct e1000e_out *out);

/* e1000e_worker.c */
void *e1000e_worker(void *arg);
void e1000e_ring_bell(struct e1000e *c, u32 pending);

#endif
