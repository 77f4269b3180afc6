/* SPDX-License-Identifier: BSD-2-Clause */
/* Declarations of nvme_player.c: its pages, its queues, and the start of the controller. */
#ifndef NVME_PLAYER_QUEUE_H
#define NVME_PLAYER_QUEUE_H

#include "domain/device.h"

#include <linux/mm.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#define PLAYERS 4
#define BLOCK	512
#define IN_PAGE (PAGE_SIZE / BLOCK)

/* The player's pages, in this order; a buffer page for each command in flight. */
#define PARTS	    32
#define ADMIN_SQ    0
#define ADMIN_CQ    1
#define IO_SQ	    2
#define IO_CQ	    3
#define LISTS	    4 /* two SGL descriptors for each command */
#define SCRATCH	    5
#define BUFFER	    6
#define PUSH_LIST   (BUFFER + PARTS) /* descriptors of push_out() */
#define PAGES_ORDER 6
#define PAGES	    (1u << PAGES_ORDER)
#define QUEUE_SIZE  64

/* Pages of address space that push_out() touches in two commands: more than QEMU's VT-d remembers.
 */
#define PUSH_HALF 640
#define PUSH	  (2 * PUSH_HALF)

/* No allocator begins there, and nothing has an address yet when they are taken. */
#define PLAYER_AT 0x20000ull
#define PUSH_AT	  0x100000ull

#define NOTHING 0xa5 /* what the disk has where the device read nothing */

#define CMD_WRITE 1 /* the device reads memory */
#define CMD_READ  2

struct command {
	u8 opcode, flags;
	u16 id;
	u32 nsid;
	u64 reserved[2];
	struct sgl {
		u64 addr;
		u32 len;
		u8 zero[3], type; /* 0: data; 0x30: the last (and only) list */
	} data;
	u32 dword[6]; /* 10 to 15 */
};

struct completion {
	u32 result, reserved;
	u16 sq_head, sq_id, id, status; /* bit 0: phase */
};

struct queue {
	struct command *sq;
	const struct completion *cq;
	u32 sq_bell, cq_bell;
	u16 size, tail, head, phase;
};

struct player {
	struct device *dev;   /* NULL: free */
	pthread_mutex_t lock; /* one access at a time */
	u8 *memory;
	u64 addr;      /* of it, for the device */
	u64 push_addr; /* of PUSH pages; 0: not mapped yet */
	struct queue admin, io;
	bool kernel_has_iommu; /* and reports no fault to the library */
	char image[64];
	struct dmamap_fault last;
	bool refused; /* `last` was not asked for yet */
};

static inline u8 *page_at(struct player *p, unsigned int page)
{
	return p->memory + page * PAGE_SIZE;
}

static inline u64 addr_of(struct player *p, unsigned int page)
{
	return p->addr + page * PAGE_SIZE;
}

/* One command, without waiting for it. */
static inline struct command *put(struct player *p, struct queue *q, u8 opcode, u64 addr, u32 len)
{
	struct command *c = &q->sq[q->tail];

	memset(c, 0, sizeof(*c));
	c->opcode = opcode;
	c->id = q->tail;
	c->data.addr = addr;
	c->data.len = len;
	q->tail = (u16)((q->tail + 1) % q->size);
	return c;
}

/* Rings, and waits until all of `n` commands are done. The first status that is none of success. */
static inline int complete(struct player *p, struct queue *q, int n)
{
	int status = 0;

	dmamap_writel(p->dev, 0, q->sq_bell, q->tail);
	while (n > 0) {
		u16 s = read_acquire(&q->cq[q->head].status);

		if ((s & 1) != q->phase) {
			sched_yield();
			continue;
		}
		if (!status)
			status = s >> 1;
		q->head = (u16)((q->head + 1) % q->size);
		if (!q->head)
			q->phase ^= 1;
		n--;
	}
	dmamap_writel(p->dev, 0, q->cq_bell, q->head);
	return status;
}

static inline void make_queue(struct player *p, struct queue *q, unsigned int id, unsigned int page)
{
	u32 step = 4u << ((dmamap_readq(p->dev, 0, 0) >> 32) & 15);

	*q = (struct queue){.sq = (struct command *)page_at(p, page),
			    .cq = (const struct completion *)page_at(p, page + 1),
			    .sq_bell = 0x1000 + 2 * id * step,
			    .cq_bell = 0x1000 + (2 * id + 1) * step,
			    .size = QUEUE_SIZE,
			    .phase = 1};
}

static inline bool become(struct player *p, u32 ready)
{
	for (int i = 0; i < 5000; i++) {
		if ((dmamap_readl(p->dev, 0, 0x1c) & 1) == ready)
			return true;
		usleep(1000);
	}
	return false;
}

static inline bool start(struct player *p)
{
	struct command *c;
	u32 sizes = (QUEUE_SIZE - 1) << 16 | 1;

	dmamap_writel(p->dev, 0, 0x14, 0);
	if (!become(p, 0))
		return false;
	dmamap_writel(p->dev, 0, 0x24, (QUEUE_SIZE - 1) << 16 | (QUEUE_SIZE - 1));
	dmamap_writeq(p->dev, 0, 0x28, addr_of(p, ADMIN_SQ));
	dmamap_writeq(p->dev, 0, 0x30, addr_of(p, ADMIN_CQ));
	dmamap_writel(p->dev, 0, 0x14, 4u << 20 | 6u << 16 | 1);
	if (!become(p, 1))
		return false;
	make_queue(p, &p->admin, 0, ADMIN_SQ);
	make_queue(p, &p->io, 1, IO_SQ);
	c = put(p, &p->admin, 5, addr_of(p, IO_CQ), 0);
	c->dword[0] = sizes;
	c->dword[1] = 1;
	if (complete(p, &p->admin, 1))
		return false;
	c = put(p, &p->admin, 1, addr_of(p, IO_SQ), 0);
	c->dword[0] = sizes;
	c->dword[1] = 1 << 16 | 1;
	return complete(p, &p->admin, 1) == 0;
}

#endif
