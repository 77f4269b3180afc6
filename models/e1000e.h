/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network card's inside. Who may touch what:
 *
 *  - the driver's threads (e1000e_reg.c): `regs` under its lock, and the words of `bell`, which are
 *    atomic; they move nothing;
 *  - the worker, the card's only thread: all the rest, without a lock; `regs` under its lock.
 *
 * A write of a tail register stores it and wakes the worker, which checks it when it uses it. A
 * write of CTRL, RCTL, TCTL or a ring's address, length or head returns when the worker has taken
 * it: after the driver has switched a unit off, or moved its ring, that unit makes no access to the
 * old memory any more.
 *
 * The worker moves packets in turns: at most E1000E_BURST out, then as many in, then the interrupts
 * and statistics of all of them at once. Descriptors are fetched and written back many at a time.
 * All memory is there from the start, so no packet needs an allocation, and none needs a system
 * call but where a window of a file ends.
 */
#ifndef MODELS_E1000E_H
#define MODELS_E1000E_H

#include "base/lock.h"
#include "base/wire.h"
#include "device/model.h"
#include "e1000e_regs.h"

#include <pthread.h>

#define E1000E_VECTORS	 5
#define E1000E_BURST	 64u
#define E1000E_CACHE	 64u	/* descriptors fetched at once */
#define E1000E_FRAME_MAX 16380u /* without FCS: the longest that RCTL.LPE lets in */
#define E1000E_LONG	 1518u	/* a longer one, without FCS, needs RCTL.LPE */
#define E1000E_HEADER	 14u	/* less is no Ethernet frame */
#define E1000E_FCS	 4u
#define E1000E_ADDRESSES 16

/* Bits of bell.pending. */
#define E1000E_PEND_CONTROL 1u /* a register that the worker keeps a copy of was written */
#define E1000E_PEND_LINK    2u /* the other end of the wire came, went or changed its mind */
#define E1000E_PEND_WORK    4u /* a tail moved, a frame came, an interrupt may be due */

struct e1000esim;

/* One frame that waits to be received. */
struct e1000e_frame {
	const u8 *data;
	u32 len;  /* without FCS */
	bool bad; /* its FCS is wrong, or it was cut short */
};

/* e1000e_pcap.c: capture files. `in` is read through a window, so its size does not matter. */
struct e1000e_in {
	int fd;
	u8 *window;
	bool swapped;
	u64 at;		/* in the file, of window[0] */
	u64 end;	/* of the file, when it was opened */
	u32 used, have; /* in the window: where the next record is, bytes that are there */
	u32 record;	/* bytes of the record at hand, 0: none */
	u64 loops;	/* left; 0 at the start: for ever */
	bool over;
	u64 rate;	      /* packets a second; 0: as fast as they go */
	u64 started_ns, sent; /* since then: for the rate */
	u64 due_ns;	      /* when the next one is due; 0: now */
};

struct e1000e_out {
	int fd;
	u8 *buffer;
	u32 used;
	bool broken; /* it could not be written */
};

/* e1000e_wire.c: a wire between two cards of this process. */
struct e1000e_wire;

/* e1000e_socket.c: a wire to a program. */
struct e1000e_socket;

struct e1000e_regs {
	struct lock lock;
	u32 word[E1000E_WORDS];
	u32 icr, ims;
	u32 due; /* vectors whose interrupt has to be raised; also read without the lock */
	u64 next_ns[E1000E_VECTORS]; /* the earliest time of the next interrupt */
	u64 stat[ST_COUNT];
	u32 new_rdh, new_tdh;
	bool rdh_written, tdh_written, reset;
	u32 asked; /* control writes so far */
	u16 eeprom[64];
	u16 phy[32];
};

/* What the worker goes by: a copy of registers, taken when one of them was written. */
struct e1000e_config {
	u32 ctrl, rctl;
	u32 rx_buffer; /* bytes of one */
	u32 rx_most;   /* of a frame, without FCS */
	u32 rx_fcs;    /* bytes of FCS that go into memory */
	u32 rx_low;    /* RXDMT0 at this many free descriptors */
	bool extended;
	int addresses;
	u64 address[E1000E_ADDRESSES];
	u32 mta[128];
};

struct e1000e_desc {
	u64 q[2]; /* as in memory, little endian */
};

/*
 * A ring of descriptors and those that were fetched: desc[0] is number `at`, desc[next] number
 * `head`.
 */
struct e1000e_ring {
	bool on;
	bool halted; /* it could not be reached: until it is switched off and on */
	u64 base;
	u32 size; /* descriptors; 0: no ring */
	u32 head; /* below size, unless the driver wrote nonsense: then nothing moves */
	u32 at, have, next;
	u32 written; /* of desc[]: those before it are written back */
	struct e1000e_desc desc[E1000E_CACHE];
};

struct e1000esim {
	struct device *dev;
	pthread_t thread;
	u8 mac[6];
	u64 unplug; /* packets after which the card is pulled out; 0: never */

	struct e1000e_bell {
		u32 pending;
		u32 stop;
		u32 asleep; /* the worker waits on this word */
		u32 rdt, tdt;
		u32 done; /* of regs.asked */
	} cacheline bell;
	u32 rdh cacheline; /* where the worker is, for who reads the registers */
	u32 tdh;
	u32 gone; /* pulled out: all ones everywhere */
	u32 link; /* STATUS.LU */

	struct e1000e_regs regs cacheline;

	/* from here on the worker's own */
	struct e1000e_config config cacheline;
	struct e1000e_ring rx, tx;
	struct e1000e_wire *wire;
	int end;		      /* of the wire: 0 or 1 */
	struct e1000e_socket *socket; /* fixed; NULL: none */
	struct e1000e_in in;
	struct e1000e_out out;
	u64 moved;			  /* packets, both ways */
	u32 peeked;			  /* bytes of the frame at hand */
	bool starved;			  /* and it was counted as one without a buffer */
	bool paused;			  /* the twin asked for it, and it was counted */
	bool to_ring, to_file, to_socket; /* where the place for the next frame is */
	u32 causes;
	u64 changed; /* statistics, a bit each */
	u64 stat[ST_COUNT];
	u64 now_ns, wall_ns; /* of this turn; 0: not asked yet */
	u64 irq_at_ns;	     /* when the next throttled interrupt is due; 0: none */
	u32 frame_len;	     /* of the packet of several descriptors that is coming together */
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

/* Counts a frame in the six sizes that begin at `first`; with FCS and padding. */
static inline void e1000e_count_size(struct e1000esim *c, enum e1000e_stat first, u32 len)
{
	static const u16 most[5] = {64, 127, 255, 511, 1023};
	u32 i = 0;

	while (i < 5 && len + E1000E_FCS > most[i])
		i++;
	e1000e_count(c, (enum e1000e_stat)(first + i), 1);
}

/* Bytes of a frame on a wire, which pads it and adds the FCS. */
static inline u32 e1000e_wire_bytes(u32 len)
{
	return (len < 60 ? 60 : len) + E1000E_FCS;
}

/* e1000e_reg.c */
u64 e1000e_read(void *model, int bar, u64 offset, unsigned int size);
void e1000e_write(void *model, int bar, u64 offset, unsigned int size, u64 value);
void e1000e_regs_reset(struct e1000esim *c); /* under regs.lock, or before the worker runs */

/* e1000e_irq.c: what is told of, under regs.lock */
void e1000e_cause(struct e1000e_regs *r, u32 causes);
u32 e1000e_icr_read(struct e1000e_regs *r);
void e1000e_ims_set(struct e1000e_regs *r, u32 causes);
void e1000e_irq_run(struct e1000esim *c); /* worker, without the lock */
bool e1000e_line(void *model);		  /* any thread: the interrupt line is asserted */

/* e1000e_stat.c */
u32 e1000e_stat_read(struct e1000e_regs *r, u64 offset); /* under the lock */
void e1000e_publish(struct e1000esim *c); /* the turn's causes, statistics and heads */

/* e1000e_ring.c: worker */
u32 e1000e_ring_room(const struct e1000e_ring *r, u32 tail); /* descriptors that are the card's */
bool e1000e_ring_fetch(struct e1000esim *c, struct e1000e_ring *r, u32 tail);
void e1000e_ring_done(struct e1000e_ring *r); /* with desc[next] */
void e1000e_ring_restart(struct e1000e_ring *r, u32 head);
void e1000e_ring_write(struct e1000esim *c, struct e1000e_ring *r, u32 from, u32 n); /* of desc[] */

/* e1000e_rx.c, e1000e_tx.c: worker; true: something moved */
bool e1000e_rx_run(struct e1000esim *c);
bool e1000e_tx_run(struct e1000esim *c);

/* e1000e_filter.c */
bool e1000e_accepts(struct e1000esim *c, const u8 *frame);
void e1000e_crc_init(u32 table[256]);
u32 e1000e_crc(const u32 table[256], const u8 *data, u32 len);

/* e1000e_port.c: the socket of the cable, whatever is in it */
bool e1000e_port_up(const struct e1000esim *c);
bool e1000e_port_peek(struct e1000esim *c, struct e1000e_frame *f);
void e1000e_port_take(struct e1000esim *c);
void e1000e_port_taken(struct e1000esim *c);	     /* after those of a turn */
bool e1000e_port_patient(const struct e1000esim *c); /* a frame waits where there is no room */
enum e1000e_place { PLACE_OK, PLACE_WAIT, PLACE_LOST };
enum e1000e_place e1000e_port_place(struct e1000esim *c, u32 len, u8 **place);
void e1000e_port_send(struct e1000esim *c, const u8 *place, u32 len, bool bad);
void e1000e_port_sent(struct e1000esim *c); /* after those of a turn */
void e1000e_port_begin(struct e1000esim *c);
void e1000e_port_idle(struct e1000esim *c);
u64 e1000e_port_due(const struct e1000esim *c); /* when the next frame comes; 0: not known */

/* e1000e_wire.c */
#define WIRE_ACCEPTS 1u /* that end receives */
#define WIRE_PAUSES  2u /* and asks for a pause when it is full */
struct e1000e_wire *e1000e_wire_get(const char *name, struct e1000esim *card, int *end);
void e1000e_wire_put(struct e1000e_wire *w, int end);
void e1000e_wire_leave(struct e1000e_wire *w, int end); /* the card is there, but dead */
bool e1000e_wire_twin(const struct e1000e_wire *w, int end);
void e1000e_wire_accept(struct e1000e_wire *w, int end, u32 how);
u32 e1000e_wire_accepts(const struct e1000e_wire *w, int end); /* the twin of `end` */
u8 *e1000e_wire_room(struct e1000e_wire *w, int end, u32 len);
void e1000e_wire_add(struct e1000e_wire *w, int end, u32 len, bool bad);
void e1000e_wire_show(struct e1000e_wire *w, int end);
void e1000e_wire_miss(struct e1000e_wire *w, int end);
u64 e1000e_wire_missed(struct e1000e_wire *w, int end); /* by `end`, since it asked last */
bool e1000e_wire_peek(struct e1000e_wire *w, int end, struct e1000e_frame *f);
void e1000e_wire_take(struct e1000e_wire *w, int end, u32 len);
void e1000e_wire_free(struct e1000e_wire *w, int end);

/* e1000e_socket.c: worker, but for wake */
int e1000e_socket_open(struct e1000e_socket **out, const char *value);
void e1000e_socket_close(struct e1000e_socket *s); /* NULL is fine */
bool e1000e_socket_up(const struct e1000e_socket *s);
bool e1000e_socket_peek(struct e1000esim *c, struct e1000e_frame *f);
void e1000e_socket_take(struct e1000e_socket *s);
bool e1000e_socket_room(struct e1000e_socket *s);
void e1000e_socket_send(struct e1000e_socket *s, const u8 *frame, u32 len);
void e1000e_socket_wake(struct e1000e_socket *s);
/* Until the bell rings, the socket can be used, or `most` has passed; NULL: no time. */
void e1000e_socket_sleep(struct e1000e_socket *s, bool receives, const struct timespec *most);

/* e1000e_pcap.c: 0 or -errno with a sentence */
int e1000e_in_open(struct e1000e_in *in, const char *path);
void e1000e_in_close(struct e1000e_in *in);
bool e1000e_in_peek(struct e1000esim *c, struct e1000e_frame *f);
void e1000e_in_take(struct e1000e_in *in);
/* `in` is the file that is played, which `path` must not be; -1: none. */
int e1000e_out_open(struct e1000e_out *out, const char *path, int in);
void e1000e_out_close(struct e1000e_out *out);
u8 *e1000e_out_room(struct e1000e_out *out, u32 len);
void e1000e_out_add(struct e1000e_out *out, u32 len, u64 wall_ns);
void e1000e_out_flush(struct e1000e_out *out);

/* e1000e_worker.c */
void *e1000e_worker(void *arg);
void e1000e_ring_bell(struct e1000esim *c, u32 pending);

#endif
