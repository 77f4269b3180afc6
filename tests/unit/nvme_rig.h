/* SPDX-License-Identifier: BSD-2-Clause */
/* A controller on the fake bus, its image, and the smallest driver for it. */
#ifndef TESTS_NVME_RIG_H
#define TESTS_NVME_RIG_H

#include "fake_bus.h"
#include "nvme_regs.h"

#define RIG_BLOCKS     8192u /* the image has 4 MiB */
#define RIG_ADMIN_SIZE 8u
#define RIG_DATA       (FAKE_BASE + (1ull << 20)) /* free for tests from here on */

struct rig_ring {
	u32 id, size, tail, head, phase;
	u64 sq, cq;
};

struct rig {
	void *model;
	char path[64];
	int fd;	    /* of the image file */
	u32 result; /* result field of the last completion */
	u16 cid;
	struct rig_ring admin;
};

struct nvme_cqe;

int rig_image(char *path, size_t size, u64 bytes); /* returns a descriptor */
/* Opens the model with the key in addition to image=. */
void rig_open(struct rig *r, const char *key, const char *value);
void rig_close(struct rig *r); /* checks that no segment stays held */
void rig_enable(struct rig *r, u32 cc_extra);
void rig_disable(struct rig *r);
void rig_rest(struct rig *r);  /* waits until the model has nothing to do */
void rig_start(struct rig *r); /* open and enable */

u32 rig_read(struct rig *r, u64 offset);
void rig_write(struct rig *r, u64 offset, u32 value);
void rig_ring_tail(struct rig *r, struct rig_ring *q);
void rig_put(struct rig *r, struct rig_ring *q, struct nvme_sqe *c); /* rings no doorbell */
/* Waits for a completion and returns its status. */
u16 rig_take(struct rig *r, struct rig_ring *q, struct nvme_cqe *e);
bool rig_poll(struct rig_ring *q);
u16 rig_do(struct rig *r, struct rig_ring *q, struct nvme_sqe c);

/* Creates submission and completion queue `id` with `size` entries, on vector `id`. */
struct rig_ring rig_queue(struct rig *r, u32 id, u32 size);
u16 rig_create_cq(struct rig *r, u32 id, u32 size, u64 at, u32 cdw11);
u16 rig_create_sq(struct rig *r, u32 id, u32 size, u64 at, u32 cdw11);

/* A status as it is returned: with "do not retry" and "more". */
#define BAD(status)  ((status) | NVME_DNR | NVME_MORE)
#define SOFT(status) ((status) | NVME_MORE)

#define TEST_RIG(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
int rig_setup(void **state);
int rig_teardown(void **state);

#endif
