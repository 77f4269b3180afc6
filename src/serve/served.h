/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A served device. Its thread receives and executes the client's requests; threads of the model
 * call access.c and irq.c. The comment of each group says which threads use it.
 */
#ifndef SERVE_SERVED_H
#define SERVE_SERVED_H

#include "domain/device.h"
#include "serve/serve.h"
#include "vfuser/channel.h"
#include "vfuser/version.h"

#include <pthread.h>

#define SERVE_XFER	 VFUSER_XFER_DEFAULT /* bytes of data in one message */
#define SERVE_FDS	 16u		     /* descriptors in one message */
#define SERVE_WINDOWS	 VFUSER_MAPS_DEFAULT
#define SERVE_HISTORY	 256u  /* windows that were unmapped */
#define SERVE_REPLY_MS	 5000u /* the client must read and reply within this time */
#define SERVE_QUEUE	 64u   /* requests that were received while a thread waited for a reply */
#define SERVE_QUEUE_SIZE (4u << 20) /* bytes of these */
#define SERVE_REPORTS	 100u	    /* misuses of one kind that are reported; the rest is counted */
#define SERVE_CONFIG	 256u
#define SERVE_IRQS	 3u /* INTx, MSI and MSI-X, without the protocol's ERR and REQ */

/* Memory of the client that the device may access. */
struct serve_window {
	u64 addr, size;
	u32 flags; /* VFUSER_MAP_* */
	u8 *mem;   /* the first byte in this process; NULL: accessed by messages */
	void *map; /* what munmap() needs */
	size_t map_size;
};

/* Windows in ascending order. The thread of the device changes them; threads of the model read. */
struct serve_windows {
	pthread_mutex_t lock;
	struct serve_window *list;
	u32 n, room;
	struct { /* the latest windows that were unmapped, in a ring */
		u64 addr, size;
	} gone[SERVE_HISTORY];
	u32 gone_next;
};

/* A request that was received by a thread that waited for a reply. */
struct serve_queued {
	struct serve_queued *next;
	struct vfuser_message m;
};

/* A request to the client. */
struct serve_call {
	struct serve_call *next;
	u16 id, command;
	u8 *data; /* for the payload of the reply */
	u32 room, size;
	int err; /* positive errno of the reply */
	bool done;
};

/*
 * The connection. Of the threads that wait for a message, one at a time reads for all of them,
 * because the thread of the device may be waiting for the model, which waits for the reply to a DMA
 * message.
 */
struct serve_link {
	struct vfuser_channel main, twin;
	bool has_twin; /* fixed while requests are executed */
	pthread_mutex_t
		send; /* held while a message is sent on `main`, or a call is made on `twin` */
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	bool reading;	  /* a thread reads `main` */
	bool ended;	  /* no more messages */
	int why;	  /* -errno of the end; 0: the client closed the connection */
	char reason[256]; /* the error message for `why` */
	u16 next_id;
	struct serve_call *calls;
	struct serve_queued *first, **last;
	u32 queued, queued_size;
	u8 *spare; /* receive buffer for threads of the model; that of the device has served.in */
};

struct serve_irqs {
	pthread_mutex_t lock;
	int kind;	       /* enum vfuser_irq whose eventfds are set; -1: none */
	int *fd;	       /* of the vectors; -1: none */
	u32 room;	       /* entries of fd */
	u32 count[SERVE_IRQS]; /* vectors of each kind */
	int unmask;	       /* the eventfd that unmasks the line; -1: none */
	bool masked;	       /* the line was signalled, or was masked by the client */
	bool disabled;	       /* the line is disabled in the command register */
};

/* The configuration space that the client sees. Only the thread of the device uses it. */
struct serve_config_space {
	u8 bytes[SERVE_CONFIG];
	u8 writable[SERVE_CONFIG];
};

/* Kinds of misuse: report.c. */
enum serve_misuse {
	MISUSE_NEVER_MAPPED,
	MISUSE_UNMAPPED,
	MISUSE_DIRECTION,
	MISUSE_GONE,
	MISUSE_NO_MASTER,
	MISUSE_REGISTER,
	MISUSE_MESSAGE,
	MISUSE_MODEL,
	MISUSE_KINDS,
};

struct served {
	struct serve_config config; /* with copies of the strings */
	struct device *dev;	    /* NULL: it could not be opened again after a reset */
	char *name;		    /* of the device, also while dev is NULL */
	struct serve_windows windows;
	struct serve_link link;
	struct serve_irqs irqs;
	struct serve_config_space space;
	struct vfuser_version peer; /* what the client can receive */
	bool used;		    /* the device may not be in its initial state */
	u8 *in, *out;		    /* payloads of the request and of the reply */

	int listen_fd;
	u64 socket_dev, socket_ino; /* of the socket's file */
	pthread_t thread;
	bool stop; /* atomic */

	pthread_mutex_t event_lock; /* one event at a time; guards reported */
	u32 reported[MISUSE_KINDS]; /* misuses by kind, see report.c */
	struct serve_stats stats;   /* atomic words */
};

#define serve_count(s, what) __atomic_fetch_add(&(s)->stats.what, 1, __ATOMIC_RELAXED)

/* device.c */
/* Opens the device. 0; -errno with an error message. */
int served_device_open(struct served *s);
void served_device_close(struct served *s);
/* Whether the device can be reset without being opened again. */
bool served_device_can_reset(const struct served *s);
/* Puts the device into its initial state, with the present windows. 0; -errno. */
int served_device_reset(struct served *s);

/* listen.c */
int listen_open(struct served *s);
void listen_close(struct served *s);
/* Waits for a client. Returns its socket; -EAGAIN: none within a tick; -errno. */
int listen_accept(struct served *s);

/* session.c: serves one connection until it ends. */
void session_run(struct served *s, int fd);

/* link.c */
int serve_link_init(struct serve_link *l);
void serve_link_fini(struct serve_link *l);
/* Owns the socket from then on, also on failure. Returns 0, or -errno with an error message. */
int serve_link_begin(struct serve_link *l, int fd);
void serve_link_close(struct serve_link *l); /* no thread uses it any more */
/* Ends the connection for the reason `why`, a negative errno or 0; wakes the waiting threads. */
void serve_link_end(struct serve_link *l, int why);
/*
 * Receives the next request; m->data and m->room are set. Returns 0; -EAGAIN: none within a tick;
 * -ENOTCONN: the connection has ended (l->why).
 */
int serve_link_next(struct serve_link *l, struct vfuser_message *m);
/* Whether a request was received or read ahead, so that poll() may not report it. */
bool serve_link_has_input(struct serve_link *l);
int serve_link_send(struct serve_link *l, struct vfuser_header head, const void *data, u32 size,
		    const int *fds, u32 n_fds);
/*
 * Sends the client a request, whose payload is the two parts, and waits for the reply. Returns the
 * size of the reply's payload, at most `room`; -errno.
 */
s64 serve_link_ask(struct serve_link *l, u16 command, const struct iovec part[2], u8 *reply,
		   u32 room);

/* window.c. The results of the first two are 0 or a positive errno, for the reply. */
void windows_init(struct serve_windows *w);
void windows_fini(struct serve_windows *w);
int window_map(struct served *s, const struct vfuser_dma_map *m, int fd);
int window_unmap(struct served *s, u64 addr, u64 size);
void window_unmap_all(struct served *s);
/* Maps all windows in the address space of a device that was opened again. 0, -errno. */
int window_restore(struct served *s);
/* Copies the window that contains addr, or the next one after it. False: there is none. */
bool window_find(struct serve_windows *w, u64 addr, struct serve_window *out);
void window_forget(struct serve_windows *w); /* clears the list of unmapped windows */
/* Whether a part of the range was mapped before. */
bool window_was_there(struct serve_windows *w, u64 addr, u64 size);

/* access.c */
extern const struct device_client access_client;

/* irq.c */
void irq_init(struct served *s);
int irq_count_kinds(struct served *s); /* the device is open; 0, -ENOMEM */
void irq_fini(struct served *s);
void irq_drop_all(struct served *s);
int irq_set(struct served *s, const struct vfuser_set_irqs *set, const u8 *bools, u32 n_bools,
	    struct vfuser_message *m); /* keeps descriptors of m; 0, positive errno */
void irq_unmasked(struct served *s);   /* called when the eventfd irqs.unmask was signalled */
void irq_restore(struct served *s);    /* called when the device was reset or opened again */
void irq_disable_line(struct served *s, bool off);
void irq_raise(struct device *dev, unsigned int vector);

/* config.c */
void config_space_init(struct served *s);
void config_space_read(struct served *s, u64 offset, u8 *to, u32 n);
void config_space_write(struct served *s, u64 offset, const u8 *from, u32 n);
/* Returns the offset of a capability; 0: there is none. */
u32 config_space_find(const struct serve_config_space *c, u8 id);
u32 config_space_get(const struct serve_config_space *c, u32 at, u32 size);

/* region.c: the results are 0 or a positive errno. */
u64 region_size(const struct served *s, u32 index);
int region_read(struct served *s, const struct vfuser_region_access *a, u8 *to);
int region_write(struct served *s, const struct vfuser_region_access *a, const u8 *from);

/* request.c: executes one request other than the first. Closes unused descriptors. */
void request_execute(struct served *s, struct vfuser_message *m);

/* report.c */
void report_event(struct served *s, enum serve_event event, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void serve_misuse(struct served *s, enum serve_misuse kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
