/* SPDX-License-Identifier: BSD-2-Clause */
/* One device of a server: the state that the files of this folder share. */
#ifndef VFUCLIENT_PRIVATE_H
#define VFUCLIENT_PRIVATE_H

#include "backend/area.h"
#include "domain/hw.h"
#include "vfuclient/pieces.h"
#include "vfuser/channel.h"
#include "vfuser/version.h"

#include <pthread.h>

#define CONFIG_BAR  7 /* DMAMAP_CONFIG; also the protocol's index of the configuration space */
#define REGIONS	    8
#define VECTORS_MAX 256
#define REASON_MAX  384

/* Limits of what this end accepts; the version message states them. */
#define VFUCLIENT_XFER_MAX 65536u /* bytes of one access to memory by message */
#define VFUCLIENT_ROOM	   (VFUCLIENT_XFER_MAX + 4096u) /* payload of one message */

/*
 * The most register writes in succession that request no reply. The next write requests one and
 * waits for it, so that the writes of a fast thread never fill the socket while the server itself
 * waits for a reply.
 */
#define VFUCLIENT_POSTED_MAX 64
#define VFUCLIENT_FAULTS     32 /* refused accesses that were not reported yet */

struct vfuclient_region {
	u64 size; /* 0: there is no such region */
	bool readable, writable;
	struct backend_area area[BACKEND_AREAS_MAX];
	unsigned int n_areas;
};

enum vfuclient_state {
	VFUCLIENT_ALIVE,
	VFUCLIENT_CLOSED, /* the server closed the connection */
	VFUCLIENT_HUNG,	  /* no reply in time */
	VFUCLIENT_BROKEN, /* the server violated the protocol */
};

struct vfuclient_fault {
	u64 addr, len;
	bool write;
	enum dmamap_fault_reason reason;
};

/* The kinds of interrupts, in the protocol's numbers. */
#define KINDS (VFUSER_IRQ_MSIX + 1)

struct vfuclient {
	struct device *dev;
	const char *path; /* in the spec's text while the device is opened; then NULL */
	u32 fork_depth;	  /* of the process that opened the device */
	u64 timeout_ms;	  /* for one reply */
	bool messages;	  /* no memory is shared with the server, so every access is a message */
	struct vfuser_version server;

	/*
	 * One request is in progress at a time, and the thread that waits for its reply also
	 * processes the requests of the server that arrive meanwhile. Guards the fields up to
	 * `faults`.
	 */
	pthread_mutex_t io;
	struct vfuser_channel channel;
	struct vfuser_message in;
	u8 *in_data, *out_data; /* VFUCLIENT_ROOM bytes each */
	u16 id;			/* of the last request */
	unsigned int posted;	/* writes since the last reply */
	bool stopped;		/* the device may not access memory any more */
	char reason[REASON_MAX];
	struct vfuclient_fault faults[VFUCLIENT_FAULTS];
	unsigned int n_faults;
	u64 faults_lost;

	u32 state;   /* atomic, enum vfuclient_state; changes under `io`, after `reason` */
	u32 waiting; /* atomic: threads that wait for `io`, to which the keeper yields */
	u64 calls;   /* atomic: requests so far; by it the keeper detects that threads read */

	/* registers; fixed when open */
	bool can_reset;
	struct vfuclient_region region[REGIONS];

	/* interrupts: under the device's setup_lock */
	unsigned int vectors_of[KINDS]; /* read once */
	bool automask;			/* of the line */
	unsigned int vectors_most;
	enum vfuser_irq irq;
	unsigned int vectors;
	bool irq_on;

	/* the address space */
	struct vfuclient_pieces pieces;
	pthread_mutex_t partial_lock; /* serializes partial unmaps; guards nothing else */
	u64 by_message;		      /* atomic: pieces that the server accesses by message */
	u64 maps, unmaps, refused;    /* atomic: counts of requests, and of failed unmaps */

	pthread_mutex_t report_lock; /* held while refused accesses are reported */

	/* keeper.c */
	pthread_t keeper;
	bool kept;	      /* the keeper was started */
	bool ending;	      /* atomic */
	int wake_fd, intx_fd; /* -1: none */
};

/* A request and where its reply is stored. */
struct vfuclient_call {
	enum vfuser_command command;
	const void *request; /* the structure of the command; NULL: none */
	u32 request_size;
	const void *data; /* follows it; NULL: none */
	u32 data_size;
	const int *fds;
	u32 n_fds;
	void *reply; /* receives the payload */
	u32 reply_min, reply_max;
	u32 reply_size; /* out */
	u32 echo_size;	/* this many bytes of the request must begin the reply */
	int *reply_fd;	/* receives a descriptor, or -1; NULL: none is accepted */
};

static inline bool vfuclient_is_dead(const struct vfuclient *c)
{
	return read_acquire(&c->state) != VFUCLIENT_ALIVE || c->fork_depth != fork_depth;
}

/* call.c */
int vfuclient_start(struct vfuclient *c, const char *path); /* connects and agrees on a version */
void vfuclient_end(struct vfuclient *c);		    /* undoes vfuclient_start() */
/*
 * Sends a request and waits for the reply. Returns 0; a positive errno: the server refused the
 * request; -EIO with an error message: the connection has ended.
 */
int vfuclient_call(struct vfuclient *c, struct vfuclient_call *call);
/* Sends a request that requests no reply. 0; -EIO as above. */
int vfuclient_post(struct vfuclient *c, struct vfuclient_call *call);
/* Processes what the server has sent while no thread waits for a reply. Called by the keeper. */
void vfuclient_drain(struct vfuclient *c);
/* Waits for the accesses of the server by message that began before the call. */
void vfuclient_fence(struct vfuclient *c);
/* No access of the server by message succeeds after this. */
void vfuclient_refuse_all(struct vfuclient *c);
int vfuclient_error(struct vfuclient *c); /* -EIO with an error message: why it has ended */

/* access.c: accesses of the server to memory. Called with `io` held. */
/* Returns 0 and the size of the reply in out_data, or a positive errno. */
int vfuclient_access(struct vfuclient *c, const struct vfuser_message *m, u32 *reply_size);
void vfuclient_report_faults(struct vfuclient *c); /* called without locks */

/* describe.c: reads the server's description of the device and checks it. Sets an error message. */
int vfuclient_describe(struct vfuclient *c);
/* Finds the areas of a region that can be mapped. Returns 0, or -EPROTO with an error message. */
int vfuclient_read_areas(struct vfuclient_region *r, const void *info, u32 size, unsigned int i);

/* registers.c */
void vfuclient_map_region(struct vfuclient *c, struct vfuclient_region *r, int fd, u64 at);
void vfuclient_unmap_regions(struct vfuclient *c);
void vfuclient_describe_bars(struct vfuclient *c);
u64 vfuclient_read(struct vfuclient *c, int bar, u64 offset, unsigned int size);
void vfuclient_write(struct vfuclient *c, int bar, u64 offset, unsigned int size, u64 value);
void vfuclient_flush(struct vfuclient *c); /* returns when all earlier writes were processed */
int vfuclient_reset(struct vfuclient *c);
int vfuclient_master(struct vfuclient *c, bool on);

/* irq.c */
int vfuclient_irq_describe(struct vfuclient *c, const char *wanted);
int vfuclient_irq_connect(struct vfuclient *c);
int vfuclient_irq_setup(struct vfuclient *c, enum vfuser_irq kind, unsigned int vectors);
void vfuclient_irq_stop(struct vfuclient *c);
void vfuclient_irq_unmask(struct vfuclient *c); /* the handler of the line has run */
void vfuclient_irq_all(struct vfuclient *c);	/* signals every vector: the device has ended */

/* keeper.c */
int vfuclient_keeper_start(struct vfuclient *c);
void vfuclient_keeper_stop(struct vfuclient *c);
void vfuclient_keeper_close(struct vfuclient *c); /* no thread may make requests any more */
void vfuclient_keeper_wake(struct vfuclient *c);

/* map.c; backend_space.priv is the struct vfuclient */
extern const struct iommu_ops iommu_ops_vfuclient;

#endif
