/* SPDX-License-Identifier: BSD-2-Clause */
/* Cards on the fake bus, their rings, and capture files. */
#ifndef TESTS_E1000E_RIG_H
#define TESTS_E1000E_RIG_H

#include "e1000e_regs.h"
#include "fake_bus.h"

#define CARD_RING	     64u     /* descriptors of each ring */
#define CARD_BYTES	     0x80000 /* for each card: rings, then buffers of 2 KiB */
#define CARD_RX_BUF(card, i) ((card)->base + 0x10000 + (u64)(i)*2048)
#define CARD_TX_BUF(card, i) ((card)->base + 0x40000 + (u64)(i)*2048)

struct card {
	void *model;
	u64 base; /* first address of its part of the fake memory */
	u32 rdt, rx_seen, tdt;
	bool extended;
};

/* The contents of a receive descriptor. */
struct got {
	u32 len, status, errors;
};

u32 card_read(struct card *c, u64 offset);
void card_write(struct card *c, u64 offset, u32 value);

/*
 * `keys`: "key=value" strings, NULL-terminated. Opens card number `n` (0 …) and prints the reason
 * if it fails.
 */
void card_open(struct card *c, int n, const char *const *keys);
void card_close(struct card *c);
void card_start(struct card *c, u32 rctl); /* rings, link, both units; rctl beside EN and SECRC */
/* Two of them on one wire, started, with a link. */
void card_pair_open(struct card *a, struct card *b, u32 rctl, bool extended);
void card_give(struct card *c, u32 n);	      /* n more receive buffers */
bool card_got(struct card *c, struct got *g); /* the next received descriptor, if it is done */
struct got card_take(struct card *c);	      /* waits for it */
/* Writes one transmit descriptor without moving the tail. */
void card_put(struct card *c, u64 addr, u32 lower);
void card_send(struct card *c, const void *frame, u32 len); /* with EOP, IFCS, RS */
void card_tail(struct card *c);
void card_sent(struct card *c);				/* waits until everything is transmitted */
void card_stat_wait(struct card *c, u32 offset, u32 n); /* waits until the counter has n */

/* A frame of `len` bytes to the broadcast address, whose contents follow from `n`. */
void frame_make(u8 *frame, u32 len, u32 n);

/* A capture file, which pcap_remove() removes. */
struct pcap_file {
	char path[64];
	int fd;
};
void pcap_make(struct pcap_file *p);
void pcap_raw(struct pcap_file *p, const void *data, size_t len);
void pcap_header(struct pcap_file *p, bool swapped, u32 magic);
void pcap_add(struct pcap_file *p, const void *frame, u32 len, u32 had, bool swapped);
void pcap_remove(struct pcap_file *p);
/*
 * Stores the records of a file into `out`, one after another, and the lengths into `lens`. Returns
 * their number.
 */
u32 pcap_load(const char *path, u8 *out, size_t size, u32 *lens, u32 max);

#endif
