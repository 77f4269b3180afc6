/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server of the vfio-user protocol: a simulated device of this process whose driver is in another
 * process, usually in a virtual machine. Each served device has a socket and a thread. One client
 * at a time uses the device; the next one waits in the socket's queue. When a client is gone, its
 * memory is no longer used and the device is reset.
 */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

#include "base/compiler.h"

struct served;

enum serve_event {
	SERVE_CONNECTED,
	SERVE_DISCONNECTED, /* the text has the reason */
	SERVE_REFUSED,	    /* a client was refused, or its connection was ended for an error */
	SERVE_MISUSE,	    /* with `check`: the driver made a mistake, which the text describes */
	SERVE_BROKEN,	    /* the device cannot be opened again after a reset */
};

struct serve_config {
	const char *spec; /* as for dmamap_open() */
	const char *path; /* of the socket; NULL: serve_connection() passes connections */
	bool check;	  /* report misuse by the driver */
	/* Called by threads of the server and of the model, one at a time for each device. */
	void (*event)(void *arg, enum serve_event event, const char *device, const char *text);
	void *arg;
};

struct serve_stats {
	u64 clients;  /* connections that agreed on a version */
	u64 requests; /* messages of clients */
	u64 failed;   /* requests that were refused */
	u64 messages; /* DMA_READ and DMA_WRITE requests to clients */
	u64 faults;   /* accesses of the device that were refused */
	u64 misuses;  /* reports of SERVE_MISUSE, including those that were not delivered */
	u64 resets;   /* of the device */
};

/*
 * Opens the device and its socket, and starts to serve. Returns NULL with an error message and an
 * errno of dmamap_open(); ENAMETOOLONG, EINVAL: the path is wrong; EADDRINUSE: another server uses
 * the socket; EEXIST: the path is not a socket; ENOMEM, EMFILE, EAGAIN.
 */
struct served *serve_start(const struct serve_config *config);

/*
 * Serves one connection in this thread until the connection ends. The server owns the socket from
 * then on. Only for a server without a path.
 */
void serve_connection(struct served *s, int fd);

/* Ends the connection, removes the socket and closes the device. */
void serve_stop(struct served *s);

const char *serve_name(const struct served *s); /* of the device */
void serve_stats(struct served *s, struct serve_stats *out);

#endif
