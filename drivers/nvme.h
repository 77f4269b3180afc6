/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Driver for NVM Express controllers over PCI, written to the NVM Express Base Specification: one
 * namespace (1), several queues, several requests in flight in each.
 *
 * Requests are asynchronous. nvme_submit() takes one over; nvme_poll(), nvme_wait() and
 * nvme_wait_request() finish what the device has completed, in the thread that calls them. Data is
 * mapped when a request goes to the device and unmapped before it is finished. When there is no
 * room to map it (bounce memory, address space, a PRP list), the request waits and is tried again
 * as others finish, as a SCSI host driver's would: it is never lost, and fails only when nothing
 * could be mapped for it for nvme_options.retry_ms.
 *
 *  operation                 | may run at once with
 *  nvme_submit, poll, wait   | everything but nvme_remove, also on the same queue
 *  nvme_stop                 | everything but nvme_remove
 *  nvme_remove               | nothing
 *
 * Calls give 0 or a count, else -errno (nvme_probe: NULL and errno), and driver_strerror() of
 * drivers/message.h says in words why.
 */
#ifndef DRIVERS_NVME_H
#define DRIVERS_NVME_H

#include <dmamap/types.h>

struct nvme;
struct scatterlist;

/* How the data of requests is mapped. */
enum nvme_data {
	NVME_DATA_AUTO,	   /* two-step mappings (dma_iova_link) where they can be had and all RAM is
			      not mapped    once (policy=identity), else as below */
	NVME_DATA_SG,	   /* dma_map_sg, dma_map_single */
	NVME_DATA_TWOSTEP, /* two-step mappings, or the probe fails: EOPNOTSUPP without an IOMMU */
};

struct nvme_options {
	unsigned int queues;	 /* I/O queue pairs at most; 0: 1 */
	unsigned int depth;	 /* entries of each, one more than can be in flight; 0: 64 */
	unsigned int mask_bits;	 /* address lines that the driver claims; 0: 64 */
	unsigned int timeout_ms; /* in which a command must complete; 0: 10000 */
	unsigned int retry_ms;	 /* for which a mapping is tried again; 0: 30000 */
	/*
	 * Asked while a request waits to be mapped, or the controller to become ready. True:
	 * requests that wait are finished with -EINTR, and so is the probe. It runs with a lock
	 * held, in the thread that waits, and only reads a flag. NULL: never.
	 */
	bool (*interrupted)(void);
	enum nvme_data data;
};

struct nvme_info {
	char model[41], serial[21], firmware[9]; /* printable, blanks at the end cut off */
	u32 version;				 /* register VS: major << 16 | minor << 8 */
	u16 vendor;				 /* PCI vendor */
	unsigned int queues;			 /* I/O queues that exist: 1 … queues */
	unsigned int in_flight;			 /* requests in each at most */
	unsigned int interrupts; /* of the queues, that have an interrupt of their own */
	u32 block_size;		 /* bytes, a power of two from 512 */
	u64 blocks;		 /* of the namespace */
	u32 max_bytes; /* of one read or write: the least of the controller's and mapping's */
	bool can_discard, can_write_zeroes;
};

enum nvme_op { NVME_READ, NVME_WRITE, NVME_FLUSH, NVME_WRITE_ZEROES, NVME_DISCARD };

/*
 * One request. The caller fills the first part and keeps the whole in place until `finished`
 * (or `done`). Data is either `buf` (contiguous, 4-byte aligned) or a scatterlist, of exactly
 * `blocks` blocks; each of its entries but the first begins on a page and each but the last ends on
 * one, since a PRP cannot say anything else.
 */
struct nvme_request {
	enum nvme_op op;
	u32 blocks; /* 0 for NVME_FLUSH */
	u64 lba;
	void *buf;
	struct scatterlist *sg; /* NULL: buf */
	unsigned int nents;
	void (*done)(struct nvme_request *); /* NULL, or called when it is finished, no lock held */
	void *arg;

	int result;    /* when finished: 0 or -errno; -ECANCELED: the controller was stopped;
			  -EINTR: nvme_options.interrupted() */
	u16 status;    /* and the status the device gave: see nvme_status_text() */
	u32 value;     /* and its dword 0 */
	bool finished; /* nvme_finished() reads it */

	/* The driver's own. */
	struct nvme_request *next;
	bool taken;   /* completed, `finished` follows; under the queue's lock */
	u64 since_ms; /* when it first could not be mapped; 0: never */
	u32 admin[6]; /* an admin command: opcode, nsid, cdw10 … cdw13 */
};

/*
 * Resets and enables the controller, identifies it and creates the I/O queues. `options` may be
 * NULL. NULL and errno: ENODEV no NVMe controller or no namespace 1; ENOTSUP one that needs what is
 * not done here; EIO it failed, or the mask cannot be served; ETIMEDOUT; EINTR; ENOMEM; EINVAL the
 * options. Nothing stays behind.
 */
struct nvme *nvme_probe(struct device *dev, const struct nvme_options *options);

/* Stops the controller in order, finishes what is in flight with -ECANCELED, frees all. */
void nvme_remove(struct nvme *nvme);

/* Stops the controller at once: everything in flight or waiting is finished with -ECANCELED. */
void nvme_stop(struct nvme *nvme);

const struct nvme_info *nvme_info(const struct nvme *nvme);

/*
 * Hands a request to queue 1 … queues. 0: it will be finished; -EINVAL: it cannot be carried out
 * (beyond the namespace, too long, data that does not fit); -EOPNOTSUPP: the controller has no such
 * command; -EIO: the controller is stopped or dead. On failure nothing happened and `done` is not
 * called.
 */
int nvme_submit(struct nvme *nvme, unsigned int queue, struct nvme_request *req);

/* Finishes what the device has completed on the queue; how many; -EIO: the controller is dead. */
int nvme_poll(struct nvme *nvme, unsigned int queue);

/*
 * Waits for at least one request of the queue to complete and finishes it, at most `timeout_ms`
 * (-1: as long as something is in flight or waiting). How many this call finished; 0: none in time,
 * nothing in flight, or a signal came; -EIO: the controller is dead, and all its requests are
 * finished with errors.
 */
int nvme_wait(struct nvme *nvme, unsigned int queue, int timeout_ms);

/* Waits until the request is finished. Its result. */
int nvme_wait_request(struct nvme *nvme, unsigned int queue, struct nvme_request *req);

/* Submits and waits; the result. */
int nvme_run(struct nvme *nvme, unsigned int queue, struct nvme_request *req);

/* True once the request is finished; then its results may be read. Any thread. */
bool nvme_finished(const struct nvme_request *req);

/* How often a request had to wait because it could not be mapped. */
u64 nvme_map_retries(const struct nvme *nvme);

/* How many requests had their data linked, not mapped. */
u64 nvme_linked(const struct nvme *nvme);

/* Completions that named no request in flight. A sane controller sends none. */
u64 nvme_stray_completions(const struct nvme *nvme);

/* The status of a completion in words, and as -errno (0 for success). Never NULL. */
const char *nvme_status_text(u16 status);
int nvme_status_errno(u16 status);

/* Sets driver_strerror() to what happened to a finished request; its result. */
int nvme_request_fail(const struct nvme *nvme, const struct nvme_request *req);

#endif
