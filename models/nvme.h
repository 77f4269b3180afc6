/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Internals of the NVM Express controller. Which thread may access what:
 *
 * - the driver's threads (nvme.c): `regs` under its lock, and the words of `bell`, which are
 *   atomic; they execute no commands;
 * - the worker, the model's only thread: everything else, without a lock. With threads=0 the
 *   program's threads do the worker's part, one at a time.
 *
 * A doorbell write stores the value and sets its queue's bit in bell.work.pending; the worker reads
 * and clears the whole word at once. It checks a value when it uses it, against the queue's state
 * at that time. A doorbell write therefore needs no lock, and an invalid value costs only one
 * check.
 *
 * Functions begin with nvmesim_, because nvme_ is the prefix of the driver, which may be linked
 * into the same program.
 *
 * This structure contains all memory that a queue or a command needs, sized for the worst case. No
 * command can run out of memory, and a reset in any state leaks nothing.
 */
#ifndef MODELS_NVME_H
#define MODELS_NVME_H

#include "doorbell.h"
#include "nvme_regs.h"
#include "util.h"

#include <pthread.h>

#define NVME_IO_QUEUES	 16
#define NVME_QUEUES	 (NVME_IO_QUEUES + 1) /* the admin queue is number 0 */
#define NVME_VECTORS	 NVME_QUEUES
#define NVME_ENTRIES_MAX 1024u
#define NVME_ADMIN_MAX	 4096u /* AQA has 12 bits for a queue size */
#define NVME_MPS_MAX	 4u    /* host pages up to 64 KiB */
#define NVME_MDTS	 8     /* 2^8 pages of 4 KiB */
#define NVME_DATA_MAX	 (PAGE_BYTES << NVME_MDTS)
#define NVME_BLOCK_SHIFT 9
#define NVME_BLOCK	 (1u << NVME_BLOCK_SHIFT)
#define NVME_PRPS_MAX	 (NVME_DATA_MAX / PAGE_BYTES + 1)
#define NVME_IOVS	 512
#define NVME_BURST	 16 /* commands of one queue before the next queue is served */
#define NVME_EVENTS_MAX	 4  /* event requests that can be pending at once */
#define NVME_ERRORS	 16 /* entries of the error log */
#define NVME_SERIAL_MAX	 20

/* Bits of bell.work.pending, in addition to one for each submission queue. */
#define NVME_PEND_CONTROL  (1ull << 63) /* CC was written, or stop is set */
#define NVME_PEND_CQ_HEADS (1ull << 62) /* the head of a full completion queue was moved */
/* a doorbell of a queue that does not exist was written */
#define NVME_PEND_BAD_BELL (1ull << 61)
#define NVME_PEND_QUEUES   ((1ull << NVME_QUEUES) - 1)

/* The command is pending and no completion is written yet. Not a status of the specification. */
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
	u32 users; /* submission queues that complete in this queue */
	u32 size;
	u32 head; /* last valid value of the doorbell */
	u32 tail;
	u64 base;
};

struct nvme_range { /* contiguous device addresses; the end never wraps */
	u64 addr;
	u64 len;
};

struct nvme_data { /* location of one command's data */
	u32 n;
	u64 len;
	struct nvme_range range[NVME_PRPS_MAX];
};

struct nvme_held { /* result of one dmamap_bus_map() */
	u16 first, n;
};

struct nvme_features {
	u32 arbitration, power, recovery, write_cache, coalescing, atomicity, events;
	u32 over_temp, under_temp;
	u32 no_coalescing; /* a bit for each vector */
	u32 io_queues;	   /* number granted to the driver */
};

struct nvme_events {
	u32 n;
	u16 cid[NVME_EVENTS_MAX];
	u32 pending; /* bits of enum nvme_event */
	u32 masked;  /* event types reported and not yet cleared by reading their log page */
};

struct nvme_error { /* an entry of the error log */
	u64 count;
	u16 sq, cid, status;
	u32 nsid;
	u64 lba;
};

struct nvme_totals { /* since the model was created; reported in the SMART log */
	u64 blocks_read, blocks_written, reads, writes, media_errors, errors;
};

struct nvmesim {
	struct device *dev;
	bool stepped; /* there is no worker; the library calls the model once at a time */
	pthread_t thread;
	struct nvme_image image;
	char serial[NVME_SERIAL_MAX + 1];
	u32 io_queues_max;

	struct nvme_bell {
		struct doorbell work;
		u32 resets_done; /* value of regs.resets that the worker has processed */
		u32 cq_waiting;	 /* a completion queue was found full */
		u32 sq_tail[NVME_QUEUES];
		u32 cq_head[NVME_QUEUES];
	} cacheline bell;

	struct nvme_regs {
		struct dmamap_model_lock lock;
		u32 cc, aqa;
		u32 csts; /* written by the worker only, read by any thread */
		u64 asq, acq;
		bool was_disabled; /* CC.EN was cleared at some time, whatever its value is now */
		u32 int_mask, int_held;
		u32 resets; /* number of resets of the function so far */
	} cacheline regs;

	/* the fields below belong to the worker */
	bool started; /* the worker has processed CC.EN */
	bool running; /* the controller is ready, without a fatal error */
	u32 page_bits;
	u64 look_ns;	 /* how long to poll for work before sleeping */
	u64 sleeps;	 /* sleeps after polling without success */
	u64 ready;	 /* queues that may have commands */
	u64 stalled;	 /* queues that wait for space in their completion queue */
	u64 moved;	 /* bytes moved since the last interrupt */
	u32 unsignalled; /* bit mask of the completion queues written to since then */
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
	u8 page[PAGE_BYTES];  /* data of a command, PRP lists, and one side of a compare */
	u8 other[PAGE_BYTES]; /* the other side of a compare */
};

struct nvme_cmd { /* a command that is being executed, in host byte order */
	const struct nvme_sqe *raw;
	u16 sq, cid;
	u8 opcode;
	u32 nsid, cdw10, cdw11, cdw12, cdw13;
	u32 result; /* DW0 of the completion */
	u64 lba;    /* for the error log */
};

/* nvme_image.c: the file behind the namespace. All but open return a status. */
int nvmesim_image_open(struct nvme_image *im, const char *path, bool readonly);
void nvmesim_image_close(struct nvme_image *im);
u16 nvmesim_image_move(struct nvme_image *im, const struct iovec *iov, int n, u64 len, u64 offset,
		       bool write);
u16 nvmesim_image_intact(const struct nvme_image *im); /* called before a write: whether the file
							  has its full size */
u16 nvmesim_image_zero(struct nvme_image *im, u64 offset, u64 len);
void nvmesim_image_discard(struct nvme_image *im, u64 offset, u64 len);
u16 nvmesim_image_flush(struct nvme_image *im);

/* nvme_data.c: PRP entries, and moving data between them, buffers and the image. */
u16 nvmesim_data_parse(struct nvmesim *n, const struct nvme_cmd *c, u64 len);
u16 nvmesim_data_put(struct nvmesim *n, const void *buf, u64 len); /* fills the rest with zeroes */
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

#define NVME_TEMPERATURE 323u /* kelvin; the constant temperature that the model reports */
#define NVME_WARM	 343u /* kelvin; default threshold of the warning */

/* nvme_event.c: asynchronous event requests, pending until there is an event to report. */
u16 nvmesim_event_request(struct nvmesim *n, struct nvme_cmd *c);
bool nvmesim_event_abort(struct nvmesim *n, u16 cid);
void nvmesim_event_raise(struct nvmesim *n, enum nvme_event event);
void nvmesim_event_clear(struct nvmesim *n, u32 log_page);
void nvmesim_event_deliver(struct nvmesim *n);

/* nvme_queue.c: rings. */
u32 nvmesim_cq_room(struct nvmesim *n, u32 qid);
void nvmesim_cq_post(struct nvmesim *n, u32 sq, u16 cid, u16 status, u32 result);
void nvmesim_cq_signal(struct nvmesim *n);
bool nvmesim_sq_run(struct nvmesim *n, u32 qid); /* true: more commands wait */
void nvmesim_fatal(struct nvmesim *n);

/* nvme_worker.c */
void *nvmesim_worker(void *arg);
bool nvmesim_step(void *model);
void nvmesim_ring(struct nvmesim *n, u64 pending);
void nvmesim_csts(struct nvmesim *n, u32 clear, u32 set);
/* a control request must be processed before more commands */
static inline bool nvmesim_called(const struct nvmesim *n)
{
	return read_once(&n->bell.work.pending) & NVME_PEND_CONTROL;
}

#endif
