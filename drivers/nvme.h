/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Driver for NVM Express controllers over PCI, written from the NVM Express Base Specification: one
 * namespace (1), several queues, several requests in flight in each.
 *
 * Requests are asynchronous. nvme_submit() queues one; nvme_poll(), nvme_wait() and
 * nvme_wait_request() finish completed requests in the thread that calls them. Data is mapped when
 * a request is submitted to the device and unmapped before the request is finished. If mapping
 * fails for lack of a resource (bounce memory, address space, a PRP list), the request waits and is
 * retried as others finish, as in a SCSI host driver. Such a request is never lost. It fails only
 * if it could not be mapped for nvme_options.retry_ms.
 *
 *   operation                | may run concurrently with
 *   nvme_submit, poll, wait  | everything but nvme_remove, also on the same queue
 *   nvme_stop                | everything but nvme_remove
 *   nvme_remove              | nothing
 *
 * Functions return 0 or a count, else -errno (nvme_probe: NULL and errno); driver_strerror() of
 * drivers/message.h then returns the error message.
 */
#ifndef DRIVERS_NVME_H
#define DRIVERS_NVME_H

#include <dmamap/types.h>

struct nvme;
struct scatterlist;

/* How the data of requests is mapped. */
enum nvme_data {
	/*
	 * two-step mappings (dma_iova_link) if the device supports them and RAM is not
	 * identity-mapped (policy=identity), else NVME_DATA_SG
	 */
	NVME_DATA_AUTO,
	NVME_DATA_SG, /* dma_map_sg, dma_map_single */
	/* two-step mappings only; the probe fails with EOPNOTSUPP without an IOMMU */
	NVME_DATA_TWOSTEP,
};

struct nvme_options {
	unsigned int queues;	 /* maximum number of I/O queue pairs; 0: 1 */
	unsigned int depth;	 /* entries of each, one more than can be in flight; 0: 64 */
	unsigned int mask_bits;	 /* address bits that the driver claims for the device; 0: 64 */
	unsigned int timeout_ms; /* time in which a command must complete; 0: 10000 */
	unsigned int retry_ms;	 /* time for which a mapping is retried; 0: 30000 */
	/*
	 * Called while a request waits to be mapped, or while the controller should become ready.
	 * True: waiting requests finish with -EINTR, and the probe fails with it. It runs in the
	 * waiting thread with a lock held, so it must only read a flag. NULL: never.
	 */
	bool (*interrupted)(void);
	enum nvme_data data;
};

struct nvme_info {
	char model[41], serial[21], firmware[9]; /* printable, without trailing blanks */
	u32 version;				 /* register VS: major << 16 | minor << 8 */
	u16 vendor;				 /* PCI vendor ID */
	unsigned int queues;			 /* number of I/O queues, numbered from 1 */
	unsigned int in_flight;			 /* maximum number of requests in each */
	unsigned int interrupts; /* number of queues with an interrupt of their own */
	u32 block_size;		 /* bytes, a power of two, at least 512 */
	u64 blocks;		 /* blocks of the namespace */
	/* maximum of one read or write: the lesser of the controller's and the mapping's limit */
	u32 max_bytes;
	bool can_discard, can_write_zeroes;
};

enum nvme_op { NVME_READ, NVME_WRITE, NVME_FLUSH, NVME_WRITE_ZEROES, NVME_DISCARD };

/*
 * One request. The caller sets the first part, and keeps the structure in place until `finished`
 * (or `done`). Data is either `buf` (contiguous, 4-byte aligned) or a scatterlist of exactly
 * `blocks` blocks. Each entry but the first must begin at a page boundary, and each but the last
 * must end at one, because PRPs cannot express anything else.
 */
struct nvme_request {
	enum nvme_op op;
	u32 blocks; /* 0 for NVME_FLUSH */
	u64 lba;
	void *buf;
	struct scatterlist *sg; /* NULL: buf */
	unsigned int nents;
	/* NULL, or called without a lock when the request is finished */
	void (*done)(struct nvme_request *);
	void *arg;

	/*
	 * 0 or -errno; -ECANCELED: the controller was stopped; -EINTR: nvme_options.interrupted()
	 */
	int result;
	u16 status;    /* status that the device reported: see nvme_status_text() */
	u32 value;     /* dword 0 of the completion */
	bool finished; /* read it with nvme_finished() */

	/* Private to the driver. */
	struct nvme_request *next;
	bool taken;   /* completed, `finished` will be set; under the queue's lock */
	u64 since_ms; /* time of the first failed mapping; 0: none */
	u32 admin[6]; /* admin command: opcode, nsid, cdw10 to cdw13 */
};

/*
 * Resets and enables the controller, identifies it and creates the I/O queues. `options` may be
 * NULL. NULL and errno: ENODEV: no NVMe controller or no namespace 1; EOPNOTSUPP: it needs a
 * feature that is not implemented; EIO: it failed, or the mask is not supported; ETIMEDOUT; EINTR;
 * ENOMEM; EINVAL: the options. On failure everything is released.
 */
struct nvme *nvme_probe(struct device *dev, const struct nvme_options *options);

/*
 * Stops the controller in order, finishes requests in flight with -ECANCELED, and frees everything.
 */
void nvme_remove(struct nvme *nvme);

/* Stops the controller at once: requests in flight and waiting finish with -ECANCELED. */
void nvme_stop(struct nvme *nvme);

const struct nvme_info *nvme_info(const struct nvme *nvme);

/*
 * Submits a request to a queue, numbered from 1. 0: it will be finished; -EINVAL: it is not valid
 * (beyond the namespace, too long, data of the wrong size or alignment); -EOPNOTSUPP: the
 * controller does not have the command; -EIO: the controller is stopped or failed. On failure the
 * request was not started and `done` is not called.
 */
int nvme_submit(struct nvme *nvme, unsigned int queue, struct nvme_request *req);

/*
 * Finishes the completed requests of the queue. Returns their number; -EIO: the controller failed.
 */
int nvme_poll(struct nvme *nvme, unsigned int queue);

/*
 * Waits until at least one request of the queue completes, and finishes it; at most `timeout_ms`
 * (-1: as long as requests are in flight or waiting). Returns the number of requests that this call
 * finished; 0: none in time, none in flight, or a signal arrived; -EIO: the controller failed, and
 * all its requests are finished with errors.
 */
int nvme_wait(struct nvme *nvme, unsigned int queue, int timeout_ms);

/* Waits until the request is finished. Returns its result. */
int nvme_wait_request(struct nvme *nvme, unsigned int queue, struct nvme_request *req);

/* Submits the request and waits. Returns its result. */
int nvme_run(struct nvme *nvme, unsigned int queue, struct nvme_request *req);

/*
 * True once the request is finished; then its results may be read. May be called from any thread.
 */
bool nvme_finished(const struct nvme_request *req);

/* Number of times that a request waited because it could not be mapped. */
u64 nvme_map_retries(const struct nvme *nvme);

/* Number of requests whose data was linked instead of mapped. */
u64 nvme_linked(const struct nvme *nvme);

/* Number of completions that name no request in flight. A correct controller sends none. */
u64 nvme_stray_completions(const struct nvme *nvme);

/* The status of a completion as text, and as -errno (0 for success). The text is never NULL. */
const char *nvme_status_text(u16 status);
int nvme_status_errno(u16 status);

/* Sets driver_strerror() to the error message of a finished request. Returns its result. */
int nvme_request_fail(const struct nvme *nvme, const struct nvme_request *req);

#endif
