/* SPDX-License-Identifier: BSD-2-Clause */
/* `dmamap net`: declarations shared by its files. */
#ifndef CLI_NET_H
#define CLI_NET_H

#include "cli.h"

#include "drivers/e1000e.h"
#include "drivers/message.h"
#include "net_ring.h"

#include <net/xdp_sock.h>

#define NET_BATCH 64u

enum net_action { NET_RX, NET_TX, NET_FORWARD, NET_ECHO };
enum net_mode { NET_ANY, NET_COPY, NET_ZEROCOPY };

struct net_args {
	struct cli_common common;
	const char *action, *peer, *in, *out;
	enum net_action what;
	enum net_mode mode;
	u64 packets;	   /* 0: no limit */
	double seconds;	   /* 0: no limit */
	unsigned int size; /* size of a generated packet */
	unsigned int chunk, frames, ring, mask;
	bool busy, jumbo;
};

/* Packet memory, shared by all ports. */
struct net_memory {
	struct xdp_umem *umem;
	u8 *base;
	u64 bytes;
	u32 chunk, frames; /* frames: of each port */
};

/* One device with its driver and a socket on queue 0. */
struct net_port {
	const char *spec;
	struct device *dev;
	struct e1000e *nic;
	struct xdp_sock *xs;
	struct net_ring rx, tx, fill, done;
	u64 *free; /* free chunks of the port, for generated packets */
	u32 n_free;
	u64 given;     /* TX descriptors that were submitted */
	u64 completed; /* TX descriptors that were completed */
	bool zero_copy;
	/* packets and bytes (with FCS) that the card sent, valid once the port is closed */
	u64 sent, sent_bytes;
};

/* One run and its results. */
struct net_run {
	const struct net_args *args;
	struct net_memory memory;
	struct net_port port[2];
	int ports;
	u64 expected; /* packets in the files of the ports */
	bool has_expected;
	u64 packets, bytes; /* received, sent or forwarded */
	u64 app_dropped;    /* longer than the application supports */
	u64 started_ns, shown_ns, shown_packets;
	u64 idle_ns; /* time since which nothing moves */
	double seconds;
	double cycles; /* cycles of this thread; below 0: not available */
	bool live, ran, stopped, unsent;
	char error[640];
	const char *policy; /* policy of the first device; NULL: it was not opened */
	struct json_object *dma;
	struct net_in *in;
	struct net_out *out;
	bool in_over;	/* `in` has no more packets */
	const u8 *held; /* a packet of `in` for which there were no chunks */
	u32 held_len;
	bool in_packet[2]; /* forward: the last descriptor from that port continues in the next */
	u32 gathered;	   /* rx: gathered bytes of a packet of several buffers, for `out` */
	u8 gather[E1000E_FRAME_LONG];
};

/* Stores the first error message; returns false. */
#define net_fail(r, ...) error_keep((r)->error, sizeof((r)->error), __VA_ARGS__)

/* net_port.c */
bool net_memory_init(struct net_run *r);
void net_memory_fini(struct net_memory *m);
bool net_port_open(struct net_run *r, struct net_port *p, const char *spec, u32 first_chunk);
void net_port_close(struct net_port *p); /* closes socket and driver; the device stays open */
void net_port_fini(struct net_port *p);

/* net_files.c */
/* Checks that no file of the run is written while it is read, or written twice. */
bool net_files_check(struct net_run *r);
/* Checks that the files of the cards hold all packets; the devices must be closed. */
void net_files_written(struct net_run *r);

/* net_run.c */
void net_run(struct net_run *r);

/* net_pcap.c: capture files with libpcap */
struct net_in *net_in_open(struct net_run *r, const char *path);
/* 1: a packet, valid until the next call; 0: the end; -1: the file is damaged. */
int net_in_next(struct net_run *r, const u8 **data, u32 *len);
void net_in_close(struct net_in *in);
struct net_out *net_out_open(struct net_run *r, const char *path);
void net_out_add(struct net_out *out, const u8 *data, u32 len);
bool net_out_close(struct net_run *r, struct net_out *out);
/* Counts the packets of a file. False: it stored an error message. */
bool net_pcap_count(struct net_run *r, const char *path, u64 *n);

/* net_report.c */
void net_show(struct net_run *r); /* updates the status line at intervals */
int net_report(struct net_run *r);
/* Stores an error message, which ends the run, if a card cannot reach an address. */
void net_explain(struct net_run *r);
int net_cycles_open(void);
double net_cycles_read(int fd);

#endif
