/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The NVM Express controller's inside. Who may touch what:
 *
 *  - the driver's threads (nvme.c): `regs` under its lock, and the words of `bell`, which are
 *    atomic; they execute nothing;
 *  - the worker, the model's only thread: all the rest, without a lock.
 *
 * A doorbell write stores the value and sets its queue's bit in bell.pending; the worker takes the
 * whole word at once. Values are checked when the worker uses them, against the queue as it is
 * then, so a doorbell needs no lock and nonsense in it costs one look.
 *
 * Functions begin with nvmesim_, since nvme_ is the driver's, which may be linked to the same
 * program.
 *
 * All that a queue or a command needs is in this one structure, sized for the worst case. So no
 * command can run out of memory and a reset in any state leaks nothing.
 */
#ifndef MODELS_NVME_H
#define MODELS_NVME_H

#include "base/lock.h"
#include "device/model.h"
#include "nvme_regs.h"

#include <pthread.h>

#define NVME_IO_QUEUES	 16
#define NVME_QUEUES	 (NVME_IO_QUEUES + 1) /* the admin queue is number 0 */
#define NVME_VECTORS	 NVME_QUEUES
#define NVME_ENTRIES_MAX 1024u
#define NVME_ADMIN_MAX	 4096u /* AQA has 12 bits for a size */
#define NVME_MPS_MAX	 4u    /* host pages up to 64 KiB */
#define NVME_MDTS	 8     /* 2^8 pages of 4 KiB */
#define NVME_DATA_MAX	 (PAGE_BYTES << NVME_MDTS)
#define NVME_BLOCK_SHIFT 9
#define NVME_BLOCK	 (1u << NVME_BLOCK_SHIFT)
#define NVME_PRPS_MAX	 (NVME_DATA_MAX / PAGE_BYTES + 1)
#define NVME_IOVS	 512
#define NVME_BURST	 16 /* commands of one queue before the next queue's turn */
#define NVME_EVENTS_MAX	 4  /* event requests held at once */
#define NVME_ERRORS	 16 /* entries of the error log */
#define NVME_SERIAL_MAX	 20

/* Bits of bell.pending beside one for each submission queue. */
#define NVME_PEND_CONTROL  (1ull << 63) /* CC was written, or stop */
#define NVME_PEND_CQ_HEADS (1ull << 62) /* a completion queue that was full has moved */
#define NVME_PEND_BAD_BELL (1ull << 61) /* a doorbell that does not exist was written */
#define NVME_PEND_QUEUES   ((1ull << NVME_QUEUES) - 1)

/* No completion is written: the command is held. Not a status of the specification. */
#define NVME_HELD 0xffffu

/* Bits of nvme_events.pending. */
enum nvme_event {
	NVME_EVENT_BELL_REGISTER,
	NVME_EVENT_BELL_VALUE,
	NVME_EVENT_TEMPERATURE,
	NVME_EVENTS,
};

struct nvme_image {
	int fd;
	bool readonly;
	u64 size; /* bytes, a multiple of NVME_BLOCK */
	u64 blocks;
};

struct nvme_sq {
	bool live;
	u16 cq;
	u32 size; /* entries */
	u32 head; /* below size */
	u64 base;
};

struct nvme_cq {
	bool live;
	bool interrupts;
	u16 vector;
	u16 phase;
	u32 users; /* submission queues that complete here */
	u32 size;
	u32 head; /* last good value of the doorbell */
	u32 tail;
	u64 base;
};

struct nvme_range { /* neighbours in device addresses; the end never wraps */
	u64 addr;
	u64 len;
};

struct nvme_data { /* where the data of one command lies */
	u32 n;
	u64 len;
	struct nvme_range range[NVME_PRPS_MAX];
};

struct nvme_held { /* one dmamap_bus_map() */
	u16 first, n;
};

struct nvme_features {
	u32 arbitration, power, recovery, write_cache, coalescing, atomicity, events;
	u32 over_temp, under_temp;
	u32 no_coalescing; /* a bit for each vector */
	u32 io_queues;	   /* granted */
};

struct nvme_events {
	u32 n;
	u16 cid[NVME_EVENTS_MAX];
	u32 pending; /* bits of enum nvme_event */
	u32 masked;  /* event types reported and not yet cleared by reading their log page */
};

struct nvme_error { /* of the error log */
	u64 count;
	u16 sq, cid, status;
	u32 nsid;
	u64 lba;
};

struct nvme_totals { /* for the life of the model; the SMART log tells them */
	u64 blocks_read, blocks_written, reads, writes, media_errors, errors;
};

struct nvmesim {
	struct device *dev;
	pthread_t thread;
	struct nvme_image image;
	char serial[NVME_SERIAL_MAX + 1];
	u32 io_queues_max;

	struct nvme_bell {
		u64 pending;
		u32 stop;
		u32 asleep;	/* the worker waits on this word */
		u32 cq_waiting; /* some completion queue was found full */
		u32 sq_tail[NVME_QUEUES];
		u32 cq_head[NVME_QUEUES];
	} cacheline bell;

	struct nvme_regs {
		struct lock lock;
		u32 cc, aqa;
		u32 csts; /* written by the worker alone, read at any time */
		u64 asq, acq;
		bool was_disabled; /* CC.EN fell, whatever it is now */
		u32 int_mask, int_held;
	} cacheline regs;

	/* from here on the worker's own */
	bool started; /* CC.EN was acted upon */
	bool running; /* and the controller is ready and not broken */
	u32 page_bits;
	u64 look_ns;	 /* how long to look for work before sleeping */
	u64 sleeps;	 /* after looking in vain */
	u64 ready;	 /* queues to look at */
	u64 stalled;	 /* queues that wait for room in their completion queue */
	u64 moved;	 /* bytes since the last interrupt */
	u32 unsignalled; /* completion queues written to since then, a bit each */
	struct nvme_sq sq[NVME_QUEUES];
	struct nvme_cq cq[NVME_QUEUES];
	struct nvme_features features;
	struct nvme_events events;
	struct nvme_error error[NVME_ERRORS];
	struct nvme_totals totals;
	struct nvme_sqe batch[NVME_BURST];
	struct nvme_data data;
	struct nvme_held held[NVME_PRPS_MAX];
	struct iovec iov[NVME_IOVS];
	u8 page[PAGE_BYTES];  /* what a command reads or answers, and one side of a compare */
	u8 other[PAGE_BYTES]; /* the other side */
};

struct nvme_cmd { /* one command under execution, in the host's byte order */
	const struct nvme_sqe *raw;
	u16 sq, cid;
	u8 opcode;
	u32 nsid, cdw10, cdw11, cdw12, cdw13;
	u32 result; /* goes into the completion */
	u64 lba;    /* for the error log */
};

/* nvme_image.c: the file behind the namespace. All return a status but open. */
int nvmesim_image_open(struct nvme_image *im, const char *path, bool readonly);
void nvmesim_image_close(struct nvme_image *im);
u16 nvmesim_image_move(struct nvme_image *im, const struct iovec *iov, int n, u64 len, u64 offset,
		       bool write);
u16 nvmesim_image_intact(const struct nvme_image *im); /* before a write: it has not shrunk */
u16 nvmesim_image_zero(struct nvme_image *im, u64 offset, u64 len);
void nvmesim_image_discard(struct nvme_image *im, u64 offset, u64 len);
u16 nvmesim_image_flush(struct nvme_image *im);

/* nvme_data.c: PRP entries, and moving data between them, buffers and the image. */
u16 nvmesim_data_parse(struct nvmesim *n, const struct nvme_cmd *c, u64 len);
u16 nvmesim_data_put(struct nvmesim *n, const void *buf, u64 len); /* zeroes follow */
u16 nvmesim_data_get(struct nvmesim *n, u64 at, void *buf, u64 len);
u16 nvmesim_data_image(struct nvmesim *n, u64 offset, bool to_image);

/* nvme_io.c, nvme_admin.c, nvme_identify.c, nvme_feature.c, nvme_log.c: commands. */
u16 nvmesim_io(struct nvmesim *n, struct nvme_cmd *c);
u16 nvmesim_admin(struct nvmesim *n, struct nvme_cmd *c);
u16 nvmesim_identify(struct nvmesim *n, struct nvme_cmd *c);
u16 nvmesim_feature_set(struct nvmesim *n, struct nvme_cmd *c);
u16 nvmesim_feature_get(struct nvmesim *n, struct nvme_cmd *c);
void nvmesim_features_reset(struct nvmesim *n);
bool nvmesim_too_warm(const struct nvmesim *n);
u16 nvmesim_log(struct nvmesim *n, struct nvme_cmd *c);
void nvmesim_log_error(struct nvmesim *n, const struct nvme_cmd *c, u16 status);

#define NVME_TEMPERATURE 323u /* kelvin; what it says it has, always */
#define NVME_WARM	 343u /* and a warning from here on */

/* nvme_event.c: event requests, held until there is something to tell. */
u16 nvmesim_event_request(struct nvmesim *n, struct nvme_cmd *c);
bool nvmesim_event_abort(struct nvmesim *n, u16 cid);
void nvmesim_event_raise(struct nvmesim *n, enum nvme_event event);
void nvmesim_event_clear(struct nvmesim *n, u32 log_page);
void nvmesim_event_deliver(struct nvmesim *n);

/* nvme_queue.c: rings. */
u32 nvmesim_cq_room(struct nvmesim *n, u32 qid);
void nvmesim_cq_post(struct nvmesim *n, u32 sq, u16 cid, u16 status, u32 result);
void nvmesim_cq_signal(struct nvmesim *n);
bool nvmesim_sq_run(struct nvmesim *n, u32 qid); /* true: there is more */
void nvmesim_fatal(struct nvmesim *n);

/* nvme_worker.c */
void *nvmesim_worker(void *arg);
void nvmesim_ring(struct nvmesim *n, u64 pending);
void nvmesim_csts(struct nvmesim *n, u32 clear, u32 set);
static inline bool nvmesim_called(const struct nvmesim *n) /* something goes before commands */
{
	return read_once(&n->bell.pending) & NVME_PEND_CONTROL;
}

#endif
