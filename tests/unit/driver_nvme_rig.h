/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions that tests of the NVMe driver share: a small disk, and many requests in flight. */
#ifndef DRIVER_NVME_RIG_H
#define DRIVER_NVME_RIG_H

#include "driver_rig.h"

#include "drivers/nvme.h"

#include <errno.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#define DISK_BLOCKS 4096u
#define DISK_BYTES  (DISK_BLOCKS * 512ull)

static inline struct nvme *probe(struct rig *r, const struct nvme_options *opt)
{
	struct nvme *nvme = nvme_probe(r->dev, opt);

	if (!nvme)
		fail_msg("%s", driver_strerror());
	return nvme;
}

/* Many requests in flight, each to its own blocks, far more than fit into the queue. */
#define MANY 64

static inline void many_submit(struct nvme *nvme, struct nvme_request *req, u8 *data,
			       enum nvme_op op)
{
	for (u32 i = 0; i < MANY; i++) {
		req[i] = (struct nvme_request){
			.op = op, .lba = i * 16, .blocks = 16, .buf = data + i * 8192};
		if (nvme_submit(nvme, 1, &req[i]))
			fail_msg("%s", driver_strerror());
	}
}

static inline void many_finish(struct nvme *nvme, struct nvme_request *req, int result)
{
	for (u32 i = 0; i < MANY; i++)
		assert_int_equal(nvme_wait_request(nvme, 1, &req[i]), result);
}

#endif
