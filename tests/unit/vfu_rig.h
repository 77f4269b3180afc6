/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server of vfio-user in this process: a socket, and a thread for each connection. It implements
 * one PCI function strictly by the specification, checks every request of the client, and lets a
 * test replace the reply to any request.
 */
#ifndef TESTS_VFU_RIG_H
#define TESTS_VFU_RIG_H

#include "core_rig.h"

#include "vfuser/channel.h"
#include "vfuser/version.h"

#include <pthread.h>

#define RIG_MAPS    70000
#define RIG_BAR0    16384u /* registers; the second page cannot be mapped */
#define RIG_BAR2    256u   /* no mapping at all */
#define RIG_VECTORS 64

struct rig_map {
	u64 address, size;
	bool read, write;
	u8 *base; /* mapped from the client's file; NULL: it is accessed by message */
};

struct rig_conn {
	struct vfuser_channel channel;
	struct vfuser_message in;
	pthread_t thread;
	pthread_mutex_t send; /* a test's thread sends requests, too */
	struct rig_map map[RIG_MAPS];
	u32 n_maps;
	int vector_fd[3][RIG_VECTORS]; /* by kind; -1: none */
	bool line_masked, line;	       /* line: the level */
	bool ended;		       /* the client closed the connection */
	/* a request to the client */
	bool waits, done;
	u16 wait_id;
	u32 wait_error, wait_size;
	u8 *wait_data;
	struct rig_conn *next;
};

struct vfu_rig {
	/* to be set by tests, after rig_start() */
	/* True: the hook has replied. Called by the connection's thread, with the lock held. */
	bool (*hook)(struct rig_conn *c, const struct vfuser_message *m);
	unsigned int intx, msi, msix;
	bool no_reset, no_mmap, plain_unmap, edge_line;
	u64 max_msg_fds, max_dma_maps;
	u16 minor;
	int fds_before;	  /* see rig_begin_counted(); a test adds those that it opens */
	const char *json; /* replaces the capabilities of the version reply */

	/* what happened; under the lock */
	u64 resets, unmasks, map_calls, unmap_calls, posted, reads, connections;
	u32 open; /* connections that are served now */
	u8 config[256], bar2[RIG_BAR2];
	u8 *bar0;
	int bar0_fd;
	char path[64];
	struct rig_conn *newest;
	struct rig_conn *conns; /* all of them */
};

extern struct vfu_rig rig;

void rig_start(void); /* listens at rig.path */
void rig_end(void);   /* closes everything; fails if a client is left */
void rig_lock(void);
void rig_unlock(void);

/* Waits until no connection is served any more. */
void rig_wait_closed(void);

const char *rig_spec(const char *keys); /* "vfio-user:PATH" and the keys */

/*
 * The device's accesses, by any thread. Return 0; -EFAULT: the server has no such mapping or the
 * client refused the access; -EIO: the connection has ended.
 */
int rig_access(struct rig_conn *c, u64 address, void *buf, u64 n, bool write);

/* The same by message, whatever is mapped. The error of the client, or -EIO. */
int rig_access_message(struct rig_conn *c, u64 address, void *buf, u64 n, bool write);

/* Waits for the reply to the request with c->wait_id. As rig_access_message(). */
int rig_wait_reply(struct rig_conn *c);

/*
 * Within the hook: a request to the client that is complete when this returns; requests of the
 * client that arrive meanwhile are processed. As rig_access_message().
 */
int rig_access_inside(struct rig_conn *c, u64 address, void *buf, u64 n, bool write);

/* Replies within the hook; raw: any bytes. */
void rig_reply(struct rig_conn *c, const struct vfuser_message *m, int err, const void *data,
	       u32 size);
bool rig_raw(struct rig_conn *c, const void *bytes, size_t n, const int *fds, u32 n_fds);

/* Changes the level of the interrupt line, and signals it as the protocol defines. */
void rig_line(struct rig_conn *c, bool level);
void rig_signal(struct rig_conn *c, enum vfuser_irq kind, unsigned int vector);

/* The server's process ends, as far as the client can tell. Called with the lock held. */
void rig_kill(struct rig_conn *c);

u32 rig_bar0_read(u64 offset);
void rig_bar0_write(u64 offset, u32 value);

/* Open descriptors of this process. */
int rig_fds(void);

/* Set-up and teardown of a test after which no descriptor may be left: rig.fds_before. */
int rig_begin_counted(void **state);
int rig_end_counted(void **state);

#endif
