/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Internals of the simulated network card. Which thread may access what:
 *
 * - the driver's threads (e1000e_reg.c): `regs` under its lock, and the words of `bell`, which are
 *   atomic; they move no packets;
 * - the worker, the card's only thread: everything else, without a lock; `regs` under its lock.
 * With threads=0 the program's threads do the worker's part, one at a time.
 *
 * A write to a tail register stores the value and wakes the worker, which checks it before use. A
 * write to CTRL, RCTL, TCTL or a head register returns only after the worker has processed it.
 * After a driver has switched off a unit, that unit therefore makes no further access, and the
 * driver may free the unit's memory.
 *
 * The worker moves packets in turns: it sends at most E1000E_BURST, receives as many, and then
 * raises the interrupts and adds the statistics of all of them at once. Descriptors are fetched and
 * written back in batches. All memory is allocated when the card is created, so no packet needs an
 * allocation, and none needs a system call except where a window of a capture file ends.
 */
#ifndef MODELS_E1000E_H
#define MODELS_E1000E_H

#include <dmamap/wire.h>
#include "doorbell.h"
#include "e1000e_regs.h"
#include "util.h"

#include <pthread.h>

#define E1000E_VECTORS	 5
#define E1000E_BURST	 64u
#define E1000E_CACHE	 64u	/* descriptors fetched at once */
#define E1000E_FRAME_MAX 16380u /* without FCS: the longest frame that RCTL.LPE accepts */
#define E1000E_LONG	 1518u	/* without FCS: longer frames need RCTL.LPE */
#define E1000E_HEADER	 14u	/* a shorter frame is not an Ethernet frame */
#define E1000E_FCS	 4u
#define E1000E_ADDRESSES 16

/* Bits of bell.work.pending. */
#define E1000E_PEND_CONTROL 1u /* a register that the worker caches was written */
/* the peer card was attached or detached, or its receiver or flow control changed */
#define E1000E_PEND_LINK 2u
#define E1000E_PEND_WORK 4u /* a tail moved, a frame arrived, or an interrupt may be due */

struct e1000esim;

/* A frame that waits to be received. */
struct e1000e_frame {
	const u8 *data;
	u32 len;  /* without FCS */
	bool bad; /* its FCS is wrong, or it was truncated */
};

/* e1000e_pcap.c: capture files. `in` is read through a window, so files of any size work. */
struct e1000e_in {
	int fd;
	u8 *window;
	bool swapped;
	u64 at;		/* file offset of window[0] */
	u64 end;	/* size of the file when it was opened */
	u32 used, have; /* offset of the next record in the window; valid bytes in the window */
	u32 record;	/* size of the current record; 0: none */
	u64 loops;	/* remaining repetitions; 0 at the start: unlimited */
	bool over;
	u64 rate;	      /* packets per second; 0: unlimited */
	u64 started_ns, sent; /* start of the playback, and packets played since, for the rate */
	u64 due_ns;	      /* when the next packet is due; 0: now */
};

struct e1000e_out {
	int fd;
	u8 *buffer;
	u32 used;
	bool broken; /* a write failed */
};

/* e1000e_wire.c: a cable between two cards of this process. */
struct e1000e_wire;

/* e1000e_socket.c: a cable to a program. */
struct e1000e_socket;

struct e1000e_regs {
	struct dmamap_model_lock lock;
	u32 word[E1000E_WORDS];
	u32 icr, ims;
	u32 due; /* vectors with an interrupt to raise; also read without the lock */
	u64 next_ns[E1000E_VECTORS]; /* the earliest time of the next interrupt */
	u64 stat[ST_COUNT];
	u32 new_rdh, new_tdh;
	bool rdh_written, tdh_written, reset;
	u32 asked; /* number of control writes so far */
	u16 eeprom[64];
	u16 phy[32];
};

/* The worker's copy of configuration registers, refreshed after one of them was written. */
struct e1000e_config {
	u32 ctrl, rctl;
	u32 rx_buffer; /* bytes of one receive buffer */
	u32 rx_most;   /* longest accepted frame, without FCS */
	u32 rx_fcs;    /* bytes of FCS stored in memory */
	u32 rx_low;    /* RXDMT0 is raised at this number of free descriptors */
	bool extended;
	int addresses;
	u64 address[E1000E_ADDRESSES];
	u32 mta[128];
};

struct e1000e_desc {
	u64 q[2]; /* in memory order, little endian */
};

/*
 * A descriptor ring and the descriptors fetched from it. desc[0] is the ring's entry `at`, and
 * desc[next] its entry `head`.
 */
struct e1000e_ring {
	bool on;
	bool halted; /* a bus access to it failed; cleared when the unit is switched off and on */
	u64 base;
	u32 size; /* descriptors; 0: not configured */
	u32 head; /* below size, unless the driver wrote an invalid value; then nothing moves */
	u32 at, have, next;
	u32 written; /* descriptors before this index of desc[] are written back */
	struct e1000e_desc desc[E1000E_CACHE];
};

struct e1000esim {
	struct device *dev;
	pthread_t thread;
	u8 mac[6];
	bool stepped; /* there is no worker; the library calls the model once at a time */
	u64 unplug;   /* the card is unplugged after this number of packets; 0: never */

	struct e1000e_bell {
		struct doorbell work;
		u32 rdt, tdt;
		u32 done; /* value of regs.asked that the worker has processed */
	} cacheline bell;
	u32 rdh cacheline; /* the worker's position, for reads of the head registers */
	u32 tdh;
	u32 gone; /* unplugged: all registers read as ones */
	u32 link; /* STATUS.LU */

	struct e1000e_regs regs cacheline;

	/* the fields below belong to the worker */
	struct e1000e_config config cacheline;
	struct e1000e_ring rx, tx;
	struct e1000e_wire *wire;
	int end;		      /* which end of the wire: 0 or 1 */
	struct e1000e_socket *socket; /* constant; NULL: none */
	struct e1000e_in in;
	bool in_drop; /* fixed: a frame of the file that finds no buffer is lost */
	struct e1000e_out out;
	u64 moved;    /* packets received and sent */
	u32 peeked;   /* bytes of the current frame */
	bool starved; /* the current frame was counted as one without a buffer */
	bool paused;  /* the peer's pause was counted */
	bool to_ring, to_file, to_socket; /* which buffer e1000e_port_place() returned */
	u32 causes;
	u64 changed; /* bit mask of the statistics that changed */
	u64 stat[ST_COUNT];
	u64 now_ns, wall_ns; /* time of this turn; 0: not read yet */
	u64 irq_at_ns;	     /* when the next throttled interrupt is due; 0: none */
	u32 frame_len;	     /* bytes gathered so far of a packet of several descriptors */
	bool frame_bad, frame_whole, frame_tso;
	u32 crc_table[256];
	u8 frame[E1000E_FRAME_MAX + E1000E_FCS + 8];
	u8 rx_scratch[E1000E_FRAME_MAX + E1000E_FCS];
};

static inline void e1000e_count(struct e1000esim *c, enum e1000e_stat stat, u64 n)
{
	c->stat[stat] += n;
	c->changed |= 1ull << stat;
}

/* Counts a frame by size in the six counters from `first` on. Sizes include FCS and padding. */
static inline void e1000e_count_size(struct e1000esim *c, enum e1000e_stat first, u32 len)
{
	static const u16 most[5] = {64, 127, 255, 511, 1023};
	u32 i = 0;

	while (i < 5 && len + E1000E_FCS > most[i])
		i++;
	e1000e_count(c, (enum e1000e_stat)(first + i), 1);
}

/* Bytes of a frame on the wire, with padding and FCS. */
static inline u32 e1000e_wire_bytes(u32 len)
{
	return (len < 60 ? 60 : len) + E1000E_FCS;
}

/* e1000e_reg.c */
u64 e1000e_read(void *model, int bar, u64 offset, unsigned int size);
void e1000e_write(void *model, int bar, u64 offset, unsigned int size, u64 value);
void e1000esim_reset(void *model, enum dmamap_reset_kind kind);
void e1000e_regs_reset(struct e1000esim *c); /* under regs.lock, or before the worker starts */

/* e1000e_irq.c: interrupt causes; under regs.lock */
void e1000e_cause(struct e1000e_regs *r, u32 causes);
u32 e1000e_icr_read(struct e1000e_regs *r);
void e1000e_ims_set(struct e1000e_regs *r, u32 causes);
void e1000e_irq_run(struct e1000esim *c); /* by the worker, without the lock */
bool e1000e_line(void *model); /* by any thread: whether the interrupt line is asserted */

/* e1000e_stat.c */
u32 e1000e_stat_read(struct e1000e_regs *r, u64 offset); /* under the lock */
void e1000e_publish(struct e1000esim *c); /* publishes the turn's causes, statistics and heads */

/* e1000e_ring.c: called by the worker */
u32 e1000e_ring_room(const struct e1000e_ring *r, u32 tail); /* descriptors that the card owns */
bool e1000e_ring_fetch(struct e1000esim *c, struct e1000e_ring *r, u32 tail);
void e1000e_ring_done(struct e1000e_ring *r); /* completes desc[next] */
void e1000e_ring_restart(struct e1000e_ring *r, u32 head);
/* a range of desc[] */
void e1000e_ring_write(struct e1000esim *c, struct e1000e_ring *r, u32 from, u32 n);

/* e1000e_rx.c, e1000e_tx.c: called by the worker; return whether anything moved */
bool e1000e_rx_run(struct e1000esim *c);
bool e1000e_tx_run(struct e1000esim *c);

/* e1000e_filter.c */
bool e1000e_accepts(struct e1000esim *c, const u8 *frame);
void e1000e_crc_init(u32 table[256]);
u32 e1000e_crc(const u32 table[256], const u8 *data, u32 len);

/* e1000e_port.c: the card's connector, whatever is attached to it */
bool e1000e_port_up(const struct e1000esim *c);
bool e1000e_port_peek(struct e1000esim *c, struct e1000e_frame *f);
void e1000e_port_take(struct e1000esim *c);
void e1000e_port_taken(struct e1000esim *c);	     /* once at the end of a turn */
bool e1000e_port_patient(const struct e1000esim *c); /* whether a frame without a buffer waits
						     instead of being dropped */
enum e1000e_place { PLACE_OK, PLACE_WAIT, PLACE_LOST };
enum e1000e_place e1000e_port_place(struct e1000esim *c, u32 len, u8 **place);
void e1000e_port_send(struct e1000esim *c, const u8 *place, u32 len, bool bad);
void e1000e_port_sent(struct e1000esim *c); /* once at the end of a turn */
void e1000e_port_begin(struct e1000esim *c);
void e1000e_port_idle(struct e1000esim *c);
u64 e1000e_port_due(const struct e1000esim *c); /* when the next frame is due; 0: not known */

/* e1000e_wire.c */
#define WIRE_ACCEPTS 1u /* this end receives */
#define WIRE_PAUSES  2u /* and sends a pause when it is full */
struct e1000e_wire *e1000e_wire_get(const char *name, struct e1000esim *card, int *end);
void e1000e_wire_put(struct e1000e_wire *w, int end);
/* the card is unplugged, but not destroyed yet */
void e1000e_wire_leave(struct e1000e_wire *w, int end);
bool e1000e_wire_twin(const struct e1000e_wire *w, int end);
void e1000e_wire_accept(struct e1000e_wire *w, int end, u32 how);
u32 e1000e_wire_accepts(const struct e1000e_wire *w, int end); /* flags of the peer of `end` */
u8 *e1000e_wire_room(struct e1000e_wire *w, int end, u32 len);
void e1000e_wire_add(struct e1000e_wire *w, int end, u32 len, bool bad);
void e1000e_wire_show(struct e1000e_wire *w, int end);
void e1000e_wire_miss(struct e1000e_wire *w, int end);
/* frames lost by `end` since the last call */
u64 e1000e_wire_missed(struct e1000e_wire *w, int end);
bool e1000e_wire_peek(struct e1000e_wire *w, int end, struct e1000e_frame *f);
void e1000e_wire_take(struct e1000e_wire *w, int end, u32 len);
void e1000e_wire_free(struct e1000e_wire *w, int end);

/* e1000e_socket.c: called by the worker, except e1000e_socket_wake() */
int e1000e_socket_open(struct e1000e_socket **out, const char *value);
void e1000e_socket_close(struct e1000e_socket *s); /* `s` may be NULL */
bool e1000e_socket_up(const struct e1000e_socket *s);
bool e1000e_socket_peek(struct e1000esim *c, struct e1000e_frame *f);
void e1000e_socket_take(struct e1000e_socket *s);
bool e1000e_socket_room(struct e1000e_socket *s);
void e1000e_socket_send(struct e1000e_socket *s, const u8 *frame, u32 len);
void e1000e_socket_wake(struct e1000e_socket *s);
/* Sleeps until the bell rings, the socket is ready, or `most` has passed (NULL: no limit). */
void e1000e_socket_sleep(struct e1000e_socket *s, bool receives, const struct timespec *most);

/* e1000e_pcap.c: return 0, or -errno with an error message */
int e1000e_in_open(struct e1000e_in *in, const char *path);
void e1000e_in_close(struct e1000e_in *in);
bool e1000e_in_peek(struct e1000esim *c, struct e1000e_frame *f);
void e1000e_in_take(struct e1000e_in *in);
/* `in` is the descriptor of the file that is played, which `path` must not name; -1: none. */
int e1000e_out_open(struct e1000e_out *out, const char *path, int in);
void e1000e_out_close(struct e1000e_out *out);
u8 *e1000e_out_room(struct e1000e_out *out, u32 len);
void e1000e_out_add(struct e1000e_out *out, u32 len, u64 wall_ns);
void e1000e_out_flush(struct e1000e_out *out);

/* e1000e_worker.c */
void *e1000e_worker(void *arg);
bool e1000e_step(void *model);
void e1000e_take_control(struct e1000esim *c); /* control writes and changes of the link */
void e1000e_ring_bell(struct e1000esim *c, u32 pending);

#endif
