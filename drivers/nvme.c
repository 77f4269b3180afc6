/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The controller: reset, enable, identify, queues, and failure.
 *
 * Stopping: `stopped` is set first, so that no queue starts another request. Then the controller is
 * disabled, and then the requests of each queue are finished. A request that was submitted before
 * its thread could read `stopped` is in its queue by the time that the queue's lock is acquired. If
 * the controller does not respond to the disable, nothing more is done with it: with an IOMMU, the
 * unmaps still end its access.
 *
 * Every value that the controller reports (limits, sizes, counts) is checked against its limits
 * before it is used.
 */
#include "drivers/nvme_private.h"

#define ADMIN_DEPTH    32
#define DEPTH_MAX      4096
#define QUEUES_MAX     256
#define BLOCK_BITS_MAX 12 /* a block is at most a page */

/* Identify structures: offsets in bytes (Base Specification, "Identify command"). */
#define ID_VENDOR    0
#define ID_SERIAL    4
#define ID_MODEL     24
#define ID_FIRMWARE  64
#define ID_MDTS	     77
#define ID_ONCS	     520
#define ID_NS_SIZE   0
#define ID_NS_FLBAS  26
#define ID_NS_LBAF   128
#define ONCS_DATASET 0x4u
#define ONCS_ZEROES  0x8u

static void nvme_pause_us(long us)
{
	struct timespec t = {.tv_nsec = us * 1000};

	nanosleep(&t, NULL);
}

/*
 * Waits until CSTS & mask is `want`. -ETIMEDOUT; -EIO: the controller is gone or failed; -EINTR:
 * interrupted while it should become ready. Sets no error message.
 */
static int nvme_wait_csts(struct nvme *nvme, u32 mask, u32 want)
{
	u64 end = nvme_now_ms() + nvme->ready_ms;
	u32 csts;

	for (;;) {
		csts = dmamap_readl(nvme->dev, 0, REG_CSTS);
		if (csts == ~0u || (csts & CSTS_FATAL && want))
			return -EIO;
		if ((csts & mask) == want)
			return 0;
		if (nvme_now_ms() >= end)
			return -ETIMEDOUT;
		if (want == CSTS_READY && nvme_is_interrupted(nvme))
			return -EINTR;
		nvme_pause_us(50);
	}
}

static int nvme_csts_fail(struct nvme *nvme, int err, const char *what)
{
	if (err == -ETIMEDOUT)
		return driver_fail(ETIMEDOUT, "%s: the controller did not %s within %u ms",
				   dev_name(nvme->dev), what, nvme->ready_ms);
	if (err == -EINTR)
		return driver_fail(EINTR, "%s: interrupted while the controller should %s",
				   dev_name(nvme->dev), what);
	return driver_fail(-err,
			   "%s: the controller should %s, but is gone or reports a fatal error",
			   dev_name(nvme->dev), what);
}

static int nvme_disable(struct nvme *nvme)
{
	dmamap_writel(nvme->dev, 0, REG_CC, nvme->cc & ~CC_ENABLE);
	return nvme_wait_csts(nvme, CSTS_READY, 0);
}

static void nvme_shut_down(struct nvme *nvme)
{
	dmamap_writel(nvme->dev, 0, REG_CC, nvme->cc | CC_SHUTDOWN);
	nvme_wait_csts(nvme, CSTS_SHUTDOWN_MASK, CSTS_SHUTDOWN_DONE);
}

/* `why`: the reason if the controller failed; NULL: an orderly stop. */
static void nvme_halt(struct nvme *nvme, int err, const char *why)
{
	pthread_mutex_lock(&nvme->stop_lock);
	if (!nvme_is_stopped(nvme)) {
		nvme->why = why;
		__atomic_store_n(&nvme->dead, why != NULL, __ATOMIC_RELEASE);
		__atomic_store_n(&nvme->stopped, true, __ATOMIC_RELEASE);
		nvme_disable(nvme);
	}
	pthread_mutex_unlock(&nvme->stop_lock);
	/*
	 * Done even if another thread stopped the controller, because every caller relies on all
	 * requests being finished after the return.
	 */
	for (unsigned int i = 0; i < nvme->n_queues; i++)
		nvme_queue_fail_all(&nvme->queue[i], err);
}

void nvme_kill(struct nvme *nvme, int err, const char *why)
{
	nvme_halt(nvme, -err, why);
	driver_fail(err, "%s: the controller failed and was stopped: %s", dev_name(nvme->dev), why);
}

void nvme_stop(struct nvme *nvme)
{
	nvme_halt(nvme, -ECANCELED, NULL);
}

/* Runs a command on the admin queue. 0, or -errno with an error message. */
static int nvme_admin_run(struct nvme *nvme, struct nvme_request *req)
{
	int err;

	req->op = NVME_ADMIN;
	err = nvme_queue_submit(&nvme->queue[0], req);
	if (err)
		return err;
	nvme_queue_wait_request(&nvme->queue[0], req);
	return nvme_request_fail(nvme, req);
}

static int nvme_controller_enable(struct nvme *nvme)
{
	struct nvme_queue *q = &nvme->queue[0];
	struct device *dev = nvme->dev;
	int err;

	dmamap_writel(dev, 0, REG_AQA, (ADMIN_DEPTH - 1) << 16 | (ADMIN_DEPTH - 1));
	dmamap_writeq(dev, 0, REG_ASQ, q->sq_addr);
	dmamap_writeq(dev, 0, REG_ACQ, q->cq_addr);
	nvme->cc = CC_ENTRIES | CC_ENABLE;
	dmamap_writel(dev, 0, REG_CC, nvme->cc);
	err = nvme_wait_csts(nvme, CSTS_READY, CSTS_READY);
	return err ? nvme_csts_fail(nvme, err, "get ready") : 0;
}

/* Reads the capabilities, and stops what another driver may have left running. */
static int nvme_controller_reset(struct nvme *nvme)
{
	struct device *dev = nvme->dev;
	u64 cap = dmamap_readq(dev, 0, REG_CAP);
	u32 depth = nvme->options.depth;
	int err;

	if (!cap || cap == ~0ull)
		return driver_fail(ENODEV,
				   "%s: not an NVMe controller: its capabilities read 0x%llx",
				   dev_name(dev), (unsigned long long)cap);
	nvme->info.version = dmamap_readl(dev, 0, REG_VS);
	if (CAP_MPSMIN(cap) || !CAP_NVM(cap))
		return driver_fail(EOPNOTSUPP, "%s: the controller %s, and this driver needs that",
				   dev_name(dev),
				   CAP_NVM(cap) ? "does not support pages of 4096 bytes"
						: "does not support the NVM command set");
	nvme->doorbell_stride = 4u << CAP_DSTRD(cap);
	nvme->ready_ms = CAP_TO(cap) ? CAP_TO(cap) * 500 : 500;
	if (depth > CAP_MQES(cap) + 1)
		depth = CAP_MQES(cap) + 1;
	nvme->options.depth = depth < 2 ? 2 : depth;
	nvme->cc = dmamap_readl(dev, 0, REG_CC);
	err = nvme_disable(nvme);
	return err ? nvme_csts_fail(nvme, err, "stop") : 0;
}

/* Copies `size` characters, which may have any value, as printable text without trailing blanks. */
static void nvme_text_copy(char *to, const u8 *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		to[i] = from[i] >= ' ' && from[i] < 127 ? (char)from[i] : ' ';
	while (size && to[size - 1] == ' ')
		size--;
	to[size] = '\0';
}

static u64 nvme_get_le(const u8 *p, unsigned int bytes)
{
	u64 v = 0;

	for (unsigned int i = 0; i < bytes; i++)
		v |= (u64)p[i] << 8 * i;
	return v;
}

static void nvme_identify_controller(struct nvme *nvme, const u8 *page)
{
	struct nvme_info *info = &nvme->info;
	size_t most = dma_max_mapping_size(nvme->dev) & ~(size_t)(NVME_PAGE - 1);
	u32 mdts = page[ID_MDTS], oncs = (u32)nvme_get_le(page + ID_ONCS, 2);

	info->vendor = (u16)nvme_get_le(page + ID_VENDOR, 2);
	nvme_text_copy(info->serial, page + ID_SERIAL, 20);
	nvme_text_copy(info->model, page + ID_MODEL, 40);
	nvme_text_copy(info->firmware, page + ID_FIRMWARE, 8);
	info->can_discard = oncs & ONCS_DATASET;
	info->can_write_zeroes = oncs & ONCS_ZEROES;
	info->max_bytes = MAX_BYTES;
	if (mdts && mdts < 10)
		info->max_bytes = NVME_PAGE << mdts;
	if (most && most < info->max_bytes)
		info->max_bytes = (u32)most;
}

static int nvme_identify_namespace(struct nvme *nvme, const u8 *page)
{
	u64 blocks = nvme_get_le(page + ID_NS_SIZE, 8);
	u32 format = page[ID_NS_FLBAS] & 15;
	u32 lbaf = (u32)nvme_get_le(page + ID_NS_LBAF + 4 * format, 4);
	u32 bits = lbaf >> 16 & 0xff;

	if (!blocks)
		return driver_fail(ENODEV, "%s: the controller has no namespace 1",
				   dev_name(nvme->dev));
	if (bits < 9 || bits > BLOCK_BITS_MAX || lbaf & 0xffff || blocks > UINT64_MAX >> bits >> 1)
		return driver_fail(
			EOPNOTSUPP,
			"%s: namespace 1 has %llu blocks of 2^%u bytes and %u bytes of metadata; "
			"this driver supports 2^9 to 2^%u bytes and no metadata",
			dev_name(nvme->dev), (unsigned long long)blocks, bits, lbaf & 0xffff,
			BLOCK_BITS_MAX);
	nvme->info.blocks = blocks;
	nvme->info.block_size = 1u << bits;
	return 0;
}

static int nvme_identify(struct nvme *nvme)
{
	struct nvme_request controller = {.admin = {ADMIN_IDENTIFY, 0, 1}};
	struct nvme_request namespace = {.admin = {ADMIN_IDENTIFY, 1, 0}};
	u8 *page = kzalloc(NVME_PAGE, GFP_KERNEL);
	int err;

	if (!page)
		return driver_fail_why(ENOMEM, "%s: no memory for identification",
				       dev_name(nvme->dev));
	controller.buf = namespace.buf = page;
	err = nvme_admin_run(nvme, &controller);
	if (err)
		goto out;
	nvme_identify_controller(nvme, page);
	err = nvme_admin_run(nvme, &namespace);
	if (!err)
		err = nvme_identify_namespace(nvme, page);
out:
	kfree(page);
	return err;
}

/*
 * Makes the queue pair `id` in memory and in the controller. Its interrupt is the vector of the
 * same number.
 */
static int nvme_pair_create(struct nvme *nvme, u16 id)
{
	struct nvme_queue *q = &nvme->queue[id];
	u32 size = (nvme->options.depth - 1) << 16 | id;
	struct nvme_request cq = {.admin = {ADMIN_CREATE_CQ, 0, size, 1}};
	struct nvme_request sq = {.admin = {ADMIN_CREATE_SQ, 0, size, (u32)id << 16 | 1}};
	int err;

	err = nvme_queue_init(nvme, q, id, nvme->options.depth);
	if (err)
		return err;
	if (q->irq_fd >= 0)
		cq.admin[3] |= (u32)id << 16 | 2;
	cq.lba = q->cq_addr;
	sq.lba = q->sq_addr;
	err = nvme_admin_run(nvme, &cq);
	if (!err)
		err = nvme_admin_run(nvme, &sq);
	nvme->n_queues = id + 1u;
	if (err)
		/*
		 * the controller may already use the ring: it is freed with the others, after the
		 * controller is disabled
		 */
		return err;
	nvme->info.queues = id;
	nvme->info.interrupts += q->irq_fd >= 0;
	return 0;
}

/* Requests the queues and makes as many as the controller grants. */
static int nvme_pairs_create(struct nvme *nvme)
{
	u32 want = nvme->options.queues, given;
	struct nvme_request count = {
		.admin = {ADMIN_SET_FEATURES, 0, 7, (want - 1) << 16 | (want - 1)}};
	int err;

	err = nvme_admin_run(nvme, &count);
	if (err)
		return err;
	given = count.value & 0xffff;
	if (given > count.value >> 16)
		given = count.value >> 16;
	if (want > given + 1)
		want = given + 1;
	for (u32 id = 1; id <= want; id++) {
		err = nvme_pair_create(nvme, (u16)id);
		if (err)
			return err;
	}
	nvme->info.in_flight = nvme->options.depth - 1;
	return 0;
}

static void nvme_pairs_delete(struct nvme *nvme)
{
	for (u32 id = nvme->info.queues; id && !nvme_is_stopped(nvme); id--) {
		struct nvme_request sq = {.admin = {ADMIN_DELETE_SQ, 0, id}};
		struct nvme_request cq = {.admin = {ADMIN_DELETE_CQ, 0, id}};

		if (!nvme_admin_run(nvme, &sq))
			nvme_admin_run(nvme, &cq);
	}
}

static int nvme_options_check(struct nvme *nvme, const struct nvme_options *options)
{
	struct nvme_options *o = &nvme->options;

	if (options)
		*o = *options;
	o->queues = o->queues ? o->queues : 1;
	o->depth = o->depth ? o->depth : 64;
	o->mask_bits = o->mask_bits ? o->mask_bits : 64;
	o->timeout_ms = o->timeout_ms ? o->timeout_ms : 10000;
	o->retry_ms = o->retry_ms ? o->retry_ms : 30000;
	if ((unsigned int)o->data > NVME_DATA_TWOSTEP)
		return driver_fail(EINVAL, "%s: there is no mode %d of mapping data",
				   dev_name(nvme->dev), (int)o->data);
	if (o->queues <= QUEUES_MAX && o->depth >= 2 && o->depth <= DEPTH_MAX && o->mask_bits <= 64)
		return 0;
	return driver_fail(EINVAL,
			   "%s: %u queues of %u entries and %u address bits are not possible: use "
			   "at most %d queues, 2 to %d entries, and 64 bits",
			   dev_name(nvme->dev), o->queues, o->depth, o->mask_bits, QUEUES_MAX,
			   DEPTH_MAX);
}

/*
 * Sets limits under which every kind of mapping keeps a buffer's offset in its page, as PRPs
 * require. Segments may be long and may cross any boundary.
 */
static int nvme_dma_setup(struct nvme *nvme)
{
	struct device *dev = nvme->dev;
	int err;

	err = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(nvme->options.mask_bits));
	if (err)
		return driver_fail_why(-err, "%s: cannot set a mask of %u bits", dev_name(dev),
				       nvme->options.mask_bits);
	dma_set_max_seg_size(dev, UINT32_MAX);
	dma_set_seg_boundary(dev, ~0ul);
	dma_set_min_align_mask(dev, NVME_PAGE - 1);
	nvme->small_lists = dma_pool_create("prp list 256", dev, SMALL_LIST, SMALL_LIST, 0);
	nvme->page_lists = dma_pool_create("prp list page", dev, NVME_PAGE, NVME_PAGE, 0);
	if (!nvme->small_lists || !nvme->page_lists)
		return driver_fail_why(ENOMEM, "%s: no pools for PRP lists", dev_name(dev));
	return nvme_link_check(nvme);
}

static void nvme_release(struct nvme *nvme)
{
	while (nvme->n_queues)
		nvme_queue_fini(&nvme->queue[--nvme->n_queues]);
	dma_pool_destroy(nvme->page_lists);
	dma_pool_destroy(nvme->small_lists);
	pthread_mutex_destroy(&nvme->stop_lock);
	kfree(nvme->queue);
	kfree(nvme);
}

/* Sets up the admin queue and everything that is requested through it. */
static int nvme_bring_up(struct nvme *nvme)
{
	int err;

	err = nvme_queue_init(nvme, &nvme->queue[0], 0, ADMIN_DEPTH);
	if (err)
		return err;
	nvme->n_queues = 1;
	err = nvme_controller_enable(nvme);
	if (!err)
		err = nvme_identify(nvme);
	if (!err)
		err = nvme_pairs_create(nvme);
	return err;
}

struct nvme *nvme_probe(struct device *dev, const struct nvme_options *options)
{
	struct nvme *nvme = kzalloc(sizeof(*nvme), GFP_KERNEL);
	int err;

	if (!nvme)
		goto no_memory;
	nvme->dev = dev;
	pthread_mutex_init(&nvme->stop_lock, NULL);
	err = nvme_options_check(nvme, options);
	if (err)
		goto release;
	nvme->queue = kcalloc(nvme->options.queues + 1, sizeof(*nvme->queue), GFP_KERNEL);
	err = nvme->queue ? nvme_dma_setup(nvme)
			  : driver_fail_why(ENOMEM, "%s: no memory", dev_name(dev));
	if (err)
		goto release;
	err = nvme_controller_reset(nvme);
	if (err)
		goto release;
	err = nvme_bring_up(nvme);
	if (err)
		goto stop;
	dmamap_set_drvdata(dev, nvme);
	return nvme;
stop:
	nvme_stop(nvme); /* the controller must have stopped before its queues are freed */
release:
	nvme_release(nvme);
	errno = -err;
	return NULL;
no_memory:
	driver_fail_why(ENOMEM, "%s: no memory for the driver", dev_name(dev));
	return NULL;
}

void nvme_remove(struct nvme *nvme)
{
	if (!nvme)
		return;
	dmamap_set_drvdata(nvme->dev, NULL);
	nvme_pairs_delete(nvme);
	if (!nvme_is_stopped(nvme))
		nvme_shut_down(nvme);
	nvme_stop(nvme);
	nvme_release(nvme);
}

const struct nvme_info *nvme_info(const struct nvme *nvme)
{
	return &nvme->info;
}

static int nvme_check_range(const struct nvme *nvme, const struct nvme_request *req)
{
	const struct nvme_info *info = &nvme->info;

	if (req->op == NVME_FLUSH)
		return 0;
	if (!req->blocks || req->lba >= info->blocks || req->blocks > info->blocks - req->lba)
		return driver_fail(
			EINVAL,
			"%s: %u blocks at block %llu go past the end: the namespace has %llu",
			dev_name(nvme->dev), req->blocks, (unsigned long long)req->lba,
			(unsigned long long)info->blocks);
	if (req->op != NVME_DISCARD && req->blocks > 65536)
		return driver_fail(EINVAL,
				   "%s: %u blocks in one request are too many: at most 65536",
				   dev_name(nvme->dev), req->blocks);
	return 0;
}

int nvme_submit(struct nvme *nvme, unsigned int queue, struct nvme_request *req)
{
	const struct nvme_info *info = &nvme->info;
	int err;

	if (!queue || queue > info->queues || req->op < NVME_READ || req->op > NVME_DISCARD)
		return driver_fail(EINVAL, "%s: queue %u or operation %d does not exist",
				   dev_name(nvme->dev), queue, (int)req->op);
	if ((req->op == NVME_DISCARD && !info->can_discard) ||
	    (req->op == NVME_WRITE_ZEROES && !info->can_write_zeroes))
		return driver_fail(
			EOPNOTSUPP, "%s: the controller does not support the command to %s",
			dev_name(nvme->dev), req->op == NVME_DISCARD ? "discard" : "write zeroes");
	err = nvme_check_range(nvme, req);
	if (!err)
		err = nvme_check_data(nvme, req);
	return err ? err : nvme_queue_submit(&nvme->queue[queue], req);
}

int nvme_wait_request(struct nvme *nvme, unsigned int queue, struct nvme_request *req)
{
	if (!queue || queue >= nvme->n_queues)
		return driver_fail(EINVAL, "%s: no queue %u", dev_name(nvme->dev), queue);
	nvme_queue_wait_request(&nvme->queue[queue], req);
	return nvme_request_fail(nvme, req);
}

int nvme_run(struct nvme *nvme, unsigned int queue, struct nvme_request *req)
{
	int err = nvme_submit(nvme, queue, req);

	return err ? err : nvme_wait_request(nvme, queue, req);
}

u64 nvme_map_retries(const struct nvme *nvme)
{
	return __atomic_load_n(&nvme->retries, __ATOMIC_RELAXED);
}

u64 nvme_linked(const struct nvme *nvme)
{
	return __atomic_load_n(&nvme->links, __ATOMIC_RELAXED);
}

u64 nvme_stray_completions(const struct nvme *nvme)
{
	return __atomic_load_n(&nvme->strays, __ATOMIC_RELAXED);
}
