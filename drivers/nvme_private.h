/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers and structures of an NVMe controller, and declarations shared by the files of its
 * driver.
 */
#ifndef DRIVERS_NVME_PRIVATE_H
#define DRIVERS_NVME_PRIVATE_H

#include "drivers/message.h"
#include "drivers/nvme.h"

#include <dmamap/device.h>
#include <endian.h>
#include <errno.h>
#include <linux/dma-mapping.h>
#include <linux/dmapool.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

/* Controller registers, BAR 0 (Base Specification, "Controller Properties"). */
#define REG_CAP	      0x00 /* 64 bits */
#define REG_VS	      0x08
#define REG_CC	      0x14
#define REG_CSTS      0x1c
#define REG_AQA	      0x24
#define REG_ASQ	      0x28 /* 64 bits */
#define REG_ACQ	      0x30 /* 64 bits */
#define REG_DOORBELLS 0x1000

#define CAP_MQES(cap)	((u32)((cap)&0xffff))	    /* maximum entries of a queue, minus one */
#define CAP_TO(cap)	((u32)((cap) >> 24 & 0xff)) /* time until ready, in half seconds */
#define CAP_DSTRD(cap)	((u32)((cap) >> 32 & 0xf))  /* distance of doorbells: 4 << this bytes */
#define CAP_NVM(cap)	((cap) >> 37 & 1)	    /* supports the NVM command set */
#define CAP_MPSMIN(cap) ((u32)((cap) >> 48 & 0xf))  /* smallest page: 4096 << this */

#define CC_ENABLE	   0x1u
#define CC_SHUTDOWN	   (1u << 14)
#define CC_ENTRIES	   (6u << 16 | 4u << 20) /* 64-byte submissions, 16-byte completions */
#define CSTS_READY	   0x1u
#define CSTS_FATAL	   0x2u
#define CSTS_SHUTDOWN_MASK (3u << 2)
#define CSTS_SHUTDOWN_DONE (2u << 2)

#define NVME_PAGE     4096u /* CC.MPS is 0 */
#define PRPS_PER_PAGE (NVME_PAGE / 8)
#define SMALL_LIST    256u /* bytes: enough for 132 KiB of data */
#define MAX_BYTES     (4u << 20)
#define MAX_LISTS     3 /* pages of PRPs for MAX_BYTES: 1024 entries, 511 and a link in each */

enum {
	ADMIN_DELETE_SQ = 0,
	ADMIN_CREATE_SQ = 1,
	ADMIN_DELETE_CQ = 4,
	ADMIN_CREATE_CQ = 5,
	ADMIN_IDENTIFY = 6,
	ADMIN_SET_FEATURES = 9
};
enum { IO_FLUSH = 0, IO_WRITE = 1, IO_READ = 2, IO_WRITE_ZEROES = 8, IO_DATASET = 9 };

struct nvme_command {
	u8 opcode, flags;
	u16 cid;
	u32 nsid;
	u32 cdw2, cdw3;
	u64 metadata;
	u64 prp1, prp2;
	u32 cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

/*
 * The upper word is written last, in one store: head and number of the submission queue, identifier
 * of the command in bits 32 to 47, phase in bit 48, status above.
 */
struct nvme_completion {
	u64 value;
	u64 cid_status;
};

struct nvme_range { /* data of the dataset management command */
	u32 attributes, blocks;
	u64 lba;
};

_Static_assert(sizeof(struct nvme_command) == 64, "submission entry");
_Static_assert(sizeof(struct nvme_completion) == 16, "completion entry");

/*
 * A command identifier: its request, and what was mapped for it. A request in the waiting list has
 * no slot, and nothing is mapped for it.
 */
struct nvme_slot {
	struct nvme_request *req; /* NULL: the slot is free */
	u64 deadline_ms;
	enum dma_data_direction dir;
	bool mapped, small;	     /* data is mapped; the lists come from the small pool */
	bool linked;		     /* data is linked into `range` */
	dma_addr_t addr;	     /* address of a plain buffer, and of the range */
	struct dma_iova_state range; /* kept from request to request; none until the first */
	u64 prp1, prp2;
	unsigned int n_lists;
	struct {
		void *prps;
		dma_addr_t addr;
	} list[MAX_LISTS];
};

struct nvme_queue {
	struct nvme *nvme;
	pthread_mutex_t lock; /* guards all fields below except `seen` */
	/* signalled with `lock` held: polling has ended, or all requests were finished */
	pthread_cond_t finished;
	bool polling; /* one thread processes completions for all waiting threads */
	u16 id, depth;
	u16 sq_tail, cq_head, in_flight;
	u32 phase;		    /* 0 or 1: phase of a new completion at cq_head */
	struct nvme_command *sq;    /* coherent memory, `depth` entries */
	struct nvme_completion *cq; /* the same */
	dma_addr_t sq_addr, cq_addr;
	struct nvme_slot *slots; /* depth - 1 */
	u16 *free;		 /* stack of free slots */
	u32 n_free;
	struct nvme_request *waiting, **waiting_end; /* oldest first */
	u64 retry_ms; /* time to retry the oldest although nothing finished */
	u64 check_ms; /* time of the next check of deadlines */
	int irq_fd;   /* -1: no interrupt, the queue is polled */
	u32 seen;     /* atomic: cq_head << 1 | phase, for a check without the lock */
};

struct nvme {
	struct device *dev;
	struct nvme_options options;
	struct nvme_info info;
	struct dma_pool *small_lists, *page_lists; /* PRP lists of 256 bytes and of a page */
	pthread_mutex_t stop_lock;		   /* held while the controller is stopped */
	u32 doorbell_stride, ready_ms;
	u32 cc;
	bool stopped;		    /* atomic: accepts no more requests */
	bool dead;		    /* atomic: it failed, and its requests with it */
	const char *why;	    /* reason of the failure, valid once `dead` is set */
	u64 retries, strays, links; /* atomic */
	bool two_step;		    /* the device supports two-step mappings */
	/* number of `queue` entries that are set up, with the admin queue */
	unsigned int n_queues;
	struct nvme_queue *queue; /* [0] is the admin queue */
};

static inline u64 nvme_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

static inline bool nvme_is_dead(const struct nvme *nvme)
{
	return __atomic_load_n(&nvme->dead, __ATOMIC_ACQUIRE);
}

static inline bool nvme_is_stopped(const struct nvme *nvme)
{
	return __atomic_load_n(&nvme->stopped, __ATOMIC_ACQUIRE);
}

static inline bool nvme_is_interrupted(const struct nvme *nvme)
{
	return nvme->options.interrupted && nvme->options.interrupted();
}

/*
 * A request of the driver itself, on the admin queue: request.admin, and a page for the result in
 * `buf`; or NULL and the value of PRP1 in `lba`: rings are coherent memory and need no mapping.
 */
#define NVME_ADMIN ((enum nvme_op)64)

/* Bytes of data that the request transfers; 0: none. */
static inline u64 nvme_request_bytes(const struct nvme *nvme, const struct nvme_request *req)
{
	if (req->op == NVME_ADMIN)
		return req->buf ? NVME_PAGE : 0;
	if (req->op == NVME_READ || req->op == NVME_WRITE)
		return (u64)req->blocks * nvme->info.block_size;
	return 0;
}

/*
 * nvme.c: the controller failed; every request finishes with `err`. The caller holds no queue lock.
 */
void nvme_kill(struct nvme *nvme, int err, const char *why);

/*
 * nvme_link.c: the caller holds the queue's lock. 0: linked; -EOPNOTSUPP: use a mapping; -ENOMEM:
 * retry later.
 */
int nvme_link(struct nvme *nvme, struct nvme_slot *slot, struct nvme_request *req);
void nvme_unlink(struct nvme *nvme, struct nvme_slot *slot, struct nvme_request *req);
void nvme_link_release(struct nvme *nvme, struct nvme_slot *slot);
/*
 * Checks whether ranges are available. 0; -EOPNOTSUPP: they are not, although the options require
 * them.
 */
int nvme_link_check(struct nvme *nvme);

/*
 * nvme_prp.c: the caller holds the queue's lock. 0; -ENOMEM: retry later; another error: mapping
 * can never succeed.
 */
int nvme_map(struct nvme *nvme, struct nvme_slot *slot, struct nvme_request *req);
void nvme_unmap(struct nvme *nvme, struct nvme_slot *slot, struct nvme_request *req);
int nvme_check_data(const struct nvme *nvme, const struct nvme_request *req);

/* nvme_queue.c */
int nvme_queue_init(struct nvme *nvme, struct nvme_queue *q, u16 id, u32 depth);
void nvme_queue_fini(struct nvme_queue *q);
void nvme_queue_fail_all(struct nvme_queue *q, int err);
/* does not check the request */
int nvme_queue_submit(struct nvme_queue *q, struct nvme_request *req);
int nvme_queue_wait_request(struct nvme_queue *q, struct nvme_request *req);

#endif
