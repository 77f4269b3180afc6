/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The NVMe driver on the simulated controller: data compared with an oracle, lack of memory,
 * failures, removal.
 */
#include "driver_nvme_rig.h"

#include <pthread.h>

static u64 seed;

static u64 random_below(u64 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

static void test_identify(void **state)
{
	struct nvme_options opt = {.queues = 4, .depth = 16};
	const struct nvme_info *info;
	struct nvme *nvme;
	struct rig r;

	rig_open(&r, DISK_BYTES, ",serial=A17");
	nvme = probe(&r, &opt);
	info = nvme_info(nvme);
	assert_int_equal(info->blocks, DISK_BLOCKS);
	assert_int_equal(info->block_size, 512);
	assert_int_equal(info->in_flight, 15);
	assert_true(info->queues >= 1 && info->queues <= 4);
	assert_string_equal(info->serial, "A17");
	assert_ptr_equal(dmamap_get_drvdata(r.dev), nvme);
	nvme_remove(nvme);
	assert_null(dmamap_get_drvdata(r.dev));
	/* And again: a driver that was removed leaves the controller usable. */
	nvme = probe(&r, NULL);
	nvme_remove(nvme);
	nvme_remove(NULL);
	rig_close(&r);
}

/* One request of a random kind and shape, checked against `disk`. */
struct job {
	struct nvme_request req;
	struct page *page;
	struct scatterlist sg[16];
	u8 *data; /* the data to write, or the buffer for a read */
	bool busy;
};

#define JOBS	  6
#define JOB_ORDER 4 /* 16 pages */

static void job_start(struct nvme *nvme, struct job *j, u8 *disk)
{
	u32 blocks = 1 + (u32)random_below(100);
	u32 offset = random_below(3) ? (u32)random_below(1000) * 4 : 0;
	u64 lba = random_below(DISK_BLOCKS - blocks), left = blocks * 512ull, at = offset;
	u8 *base = page_address(j->page);

	j->req = (struct nvme_request){
		.op = (enum nvme_op)random_below(4), .lba = lba, .blocks = blocks};
	switch (j->req.op) {
	case NVME_WRITE:
		for (u32 i = 0; i < blocks * 512; i++)
			base[offset + i] = disk[lba * 512 + i] = (u8)random_below(256);
		break;
	case NVME_READ:
		memcpy(j->data, disk + lba * 512, blocks * 512);
		break;
	case NVME_WRITE_ZEROES:
		memset(disk + lba * 512, 0, blocks * 512);
		break;
	default:
		j->req.blocks = 0;
	}
	if (random_below(2)) {
		j->req.buf = base + offset;
	} else {
		/* Pages of one block, in entries of one to three pages. */
		sg_init_table(j->sg, 16);
		while (left) {
			u64 n = (1 + random_below(3)) * PAGE_SIZE - at % PAGE_SIZE;

			n = n < left ? n : left;
			sg_set_page(&j->sg[j->req.nents++], j->page + at / PAGE_SIZE,
				    (unsigned int)n, (unsigned int)(at % PAGE_SIZE));
			at += n;
			left -= n;
		}
		j->req.sg = j->sg;
	}
	if (nvme_submit(nvme, 1, &j->req))
		fail_msg("%s", driver_strerror());
	j->busy = true;
}

static void job_finish(struct nvme *nvme, struct job *j)
{
	u8 *base = page_address(j->page), *from;

	if (nvme_wait_request(nvme, 1, &j->req))
		fail_msg("%s", driver_strerror());
	j->busy = false;
	if (j->req.op != NVME_READ)
		return;
	from = j->req.sg ? (u8 *)sg_virt(j->sg) : j->req.buf;
	assert_in_range((uintptr_t)from, (uintptr_t)base,
			(uintptr_t)base + (PAGE_SIZE << JOB_ORDER));
	assert_memory_equal(from, j->data, j->req.blocks * 512ul);
}

/* Requests in flight overlap only if their blocks do not: a conflict waits for all. */
static bool conflicts(const struct job *job, const struct job *a)
{
	for (int i = 0; i < JOBS; i++) {
		const struct job *b = &job[i];

		if (b != a && b->busy && b->req.blocks)
			return true;
	}
	return false;
}

/* Returns the number of requests whose data was linked. */
static u64 jobs_run(const char *keys, unsigned int mask, enum nvme_data data, int count)
{
	struct nvme_options opt = {
		.depth = 4, .mask_bits = mask, .data = data}; /* fewer than jobs: some wait */
	struct job *job = calloc(JOBS, sizeof(*job));
	u8 *disk = calloc(1, DISK_BYTES);
	struct nvme *nvme;
	struct rig r;
	u64 linked;

	assert_non_null(job);
	assert_non_null(disk);
	seed = 88172645463325252ull;
	rig_open(&r, DISK_BYTES, keys);
	nvme = probe(&r, &opt);
	for (int i = 0; i < JOBS; i++) {
		job[i].page = alloc_pages(GFP_KERNEL, JOB_ORDER);
		job[i].data = malloc(PAGE_SIZE << JOB_ORDER);
		assert_non_null(job[i].page);
		assert_non_null(job[i].data);
	}
	for (int n = 0; n < count; n++) {
		struct job *j = &job[n % JOBS];

		/*
		 * Only reads of blocks that are not written may be in flight; the oracle cannot
		 * order the rest.
		 */
		for (int i = 0; i < JOBS; i++) {
			if (job[i].busy && (i == n % JOBS || n % 8 < 3))
				job_finish(nvme, &job[i]);
		}
		if (conflicts(job, j)) {
			for (int i = 0; i < JOBS; i++) {
				if (job[i].busy)
					job_finish(nvme, &job[i]);
			}
		}
		job_start(nvme, j, disk);
	}
	for (int i = 0; i < JOBS; i++) {
		if (job[i].busy)
			job_finish(nvme, &job[i]);
		__free_pages(job[i].page, JOB_ORDER);
		free(job[i].data);
	}
	assert_int_equal(nvme_stray_completions(nvme), 0);
	linked = nvme_linked(nvme);
	nvme_remove(nvme);
	rig_close(&r);
	free(job);
	free(disk);
	return linked;
}

static void test_random(void **state)
{
	assert_int_equal(jobs_run("", 64, NVME_DATA_SG, 200), 0);
	jobs_run(",iommu=0", 64, NVME_DATA_AUTO, 400);
	jobs_run(",iommu=0", 32, NVME_DATA_AUTO, 400); /* RAM above 4 GiB: bounces */
	jobs_run(",policy=lazy", 64, NVME_DATA_SG, 400);
	jobs_run(",policy=identity", 64, NVME_DATA_SG, 200);
	jobs_run(",untrusted=1", 64, NVME_DATA_SG, 200);
#ifndef BUILT_WITH_TSAN
	/*
	 * There coherent memory is one memory at two addresses, the CPU's and the device's: the
	 * sanitizer detects no order between a store at one and a load at the other.
	 */
	jobs_run(",iommu=0,coherent=0", 64, NVME_DATA_AUTO, 200);
#endif
}

/* The same by two-step mappings: for requests that begin at a page, or for all that have data. */
static void test_random_linked(void **state)
{
	u64 some = jobs_run("", 64, NVME_DATA_AUTO, 400),
	    all = jobs_run("", 64, NVME_DATA_TWOSTEP, 400);

	assert_true(some > 0 && some < all);
	jobs_run(",policy=lazy", 64, NVME_DATA_TWOSTEP, 300);
	jobs_run(",policy=identity", 64, NVME_DATA_TWOSTEP, 200);
	jobs_run(",untrusted=1", 32, NVME_DATA_TWOSTEP, 300);
#ifndef BUILT_WITH_TSAN
	jobs_run(",coherent=0", 64, NVME_DATA_TWOSTEP, 200);
#endif
}

static void test_bad_requests(void **state)
{
	struct nvme_request req = {.op = NVME_READ, .blocks = 1};
	static u32 buf[1024];
	struct nvme *nvme;
	struct rig r;

	rig_open(&r, DISK_BYTES, "");
	nvme = probe(&r, NULL);
	req.buf = buf;
	assert_int_equal(nvme_submit(nvme, 0, &req), -EINVAL);
	assert_int_equal(nvme_submit(nvme, 2, &req), -EINVAL);
	req.lba = DISK_BLOCKS;
	assert_int_equal(nvme_submit(nvme, 1, &req), -EINVAL);
	req.lba = UINT64_MAX;
	assert_int_equal(nvme_submit(nvme, 1, &req), -EINVAL);
	req.lba = DISK_BLOCKS - 1;
	req.blocks = 2;
	assert_int_equal(nvme_submit(nvme, 1, &req), -EINVAL);
	assert_non_null(strstr(driver_strerror(), "4096"));
	req.blocks = 0;
	assert_int_equal(nvme_submit(nvme, 1, &req), -EINVAL);
	req.lba = 0;
	req.blocks = nvme_info(nvme)->max_bytes / 512 + 1;
	assert_int_equal(nvme_submit(nvme, 1, &req), -EINVAL);
	req.blocks = 1;
	req.op = (enum nvme_op)77;
	assert_int_equal(nvme_submit(nvme, 1, &req), -EINVAL);
	assert_int_equal(nvme_wait(nvme, 1, 1000), 0); /* nothing is in flight: returns at once */
	assert_int_equal(nvme_wait(nvme, 9, 0), -EINVAL);
	assert_int_equal(nvme_poll(nvme, 0), -EINVAL);
	nvme_remove(nvme);
	rig_close(&r);
}

static void test_discard_and_flush(void **state)
{
	struct nvme_request req = {.op = NVME_DISCARD, .lba = 8, .blocks = 100};
	struct nvme *nvme;
	struct rig r;

	rig_open(&r, DISK_BYTES, "");
	nvme = probe(&r, NULL);
	assert_int_equal(nvme_run(nvme, 1, &req), 0);
	req = (struct nvme_request){.op = NVME_FLUSH};
	assert_int_equal(nvme_run(nvme, 1, &req), 0);
	nvme_remove(nvme);
	rig_close(&r);
}

static void test_options(void **state)
{
	static const struct nvme_options bad[] = {{.queues = 100000},
						  {.depth = 1},
						  {.depth = 100000},
						  {.mask_bits = 65},
						  {.data = (enum nvme_data)3}};
	struct nvme_options narrow = {.mask_bits = 12};
	struct device *other;
	struct rig r;

	rig_open(&r, DISK_BYTES, "");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = 0;
		assert_null(nvme_probe(r.dev, &bad[i]));
		assert_int_equal(errno, EINVAL);
	}
	assert_null(nvme_probe(r.dev, &narrow));
	other = dmamap_open("sim:edu");
	assert_non_null(other);
	assert_null(nvme_probe(other, NULL));
	assert_true(errno == ENODEV || errno == EOPNOTSUPP);
	dmamap_close(other);
	rig_close(&r);
}

/* Each allocation fails in turn: the probe fails without a leak until no allocation fails. */
static void probe_with_failures(enum fail_site site)
{
	struct fail_rule rule = {0};
	struct nvme_options opt = {.queues = 2, .retry_ms = 5};
	struct nvme *nvme = NULL;
	struct rig r;

	rig_open(&r, DISK_BYTES, "");
	for (rule.nth = 1; rule.nth < 200 && !nvme; rule.nth++) {
		rule.times = site == FAIL_MAP ? 0 : 1;
		fail_set(site, &rule);
		nvme = nvme_probe(r.dev, &opt);
		if (nvme && fail_fired(site) && site != FAIL_MAP && site != FAIL_IOVA) {
			nvme_remove(nvme);
			nvme = NULL;
		}
		fail_set(site, NULL);
		if (!nvme)
			assert_all_released(r.dev);
	}
	assert_non_null(nvme);
	nvme_remove(nvme);
	rig_close(&r);
}

static void test_probe_fail_nth(void **state)
{
	probe_with_failures(FAIL_PAGE);
	probe_with_failures(FAIL_COHERENT);
	probe_with_failures(FAIL_MAP);
	probe_with_failures(FAIL_MEMORY);
}

/* Disables the controller and, if requested, enables it again, without queues for data. */
static void reset_behind(struct device *dev, bool enable)
{
	dmamap_writel(dev, 0, 0x14, 0);
	while (dmamap_readl(dev, 0, 0x1c) & 1)
		usleep(100);
	if (!enable)
		return;
	dmamap_writel(dev, 0, 0x14, 6u << 16 | 4u << 20 | 1);
	while (!(dmamap_readl(dev, 0, 0x1c) & 1))
		usleep(100);
}

/*
 * After a reset that the driver did not make, the controller completes nothing: the driver detects
 * that it is not ready or, if it was enabled again, that a command takes too long.
 */
static void dies(bool enable, unsigned int timeout_ms, int result)
{
	struct nvme_options opt = {.timeout_ms = timeout_ms};
	struct nvme_request *req = calloc(MANY, sizeof(*req));
	u8 *data = malloc(MANY * 8192);
	struct nvme *nvme;
	struct rig r;

	assert_non_null(req);
	assert_non_null(data);
	rig_open(&r, DISK_BYTES, "");
	nvme = probe(&r, &opt);
	reset_behind(r.dev, enable);
	many_submit(nvme, req, data, NVME_READ);
	many_finish(nvme, req, result);
	assert_all_unmapped(r.dev);
	assert_int_equal(nvme_submit(nvme, 1, &req[0]), -EIO);
	assert_int_equal(nvme_wait(nvme, 1, 0), -EIO);
	assert_int_equal(nvme_poll(nvme, 1), -EIO);
	nvme_remove(nvme);
	/* A reset restores it. */
	nvme = probe(&r, NULL);
	req[0] = (struct nvme_request){.op = NVME_READ, .blocks = 1, .buf = data};
	assert_int_equal(nvme_run(nvme, 1, &req[0]), 0);
	nvme_remove(nvme);
	rig_close(&r);
	free(data);
	free(req);
}

static void test_dead(void **state)
{
	dies(false, 3600000, -EIO);
	dies(true, 150, -ETIMEDOUT);
}

static void test_stop(void **state)
{
	struct nvme_request *req = calloc(MANY, sizeof(*req));
	struct nvme_options opt = {.depth = 4};
	u8 *data = malloc(MANY * 8192);
	struct nvme *nvme;
	struct rig r;
	int canceled = 0;

	assert_non_null(req);
	assert_non_null(data);
	rig_open(&r, DISK_BYTES, "");
	nvme = probe(&r, &opt);
	many_submit(nvme, req, data, NVME_READ); /* most of them wait in the driver */
	nvme_stop(nvme);
	for (int i = 0; i < MANY; i++) {
		assert_true(nvme_finished(&req[i]));
		assert_true(req[i].result == 0 || req[i].result == -ECANCELED);
		canceled += req[i].result == -ECANCELED;
	}
	assert_true(canceled > 0);
	assert_int_equal(nvme_submit(nvme, 1, &req[0]), -EIO);
	nvme_remove(nvme);
	rig_close(&r);
	free(data);
	free(req);
}

/* Two threads on one queue, each waiting for its own requests. */
struct worker {
	struct nvme *nvme;
	u64 base;
	u8 byte;
	int bad;
};

static void *worker_run(void *arg)
{
	struct worker *w = arg;
	u8 *p = kmalloc(8192, GFP_KERNEL);

	for (u32 i = 0; p && i < 200; i++) {
		struct nvme_request req = {
			.op = NVME_WRITE, .lba = w->base + i % 64 * 16, .blocks = 16, .buf = p};

		memset(p, w->byte + (int)i, 8192);
		w->bad += nvme_run(w->nvme, 1, &req) != 0;
		memset(p, 0, 8192);
		req.op = NVME_READ;
		w->bad += nvme_run(w->nvme, 1, &req) != 0;
		w->bad += p[0] != (u8)(w->byte + i) || memcmp(p, p + 1, 8191);
	}
	w->bad += !p;
	kfree(p);
	return NULL;
}

static void test_threads(void **state)
{
	struct worker w[2];
	pthread_t id;
	struct rig r;
	struct nvme *nvme;

	rig_open(&r, DISK_BYTES, "");
	nvme = probe(&r, NULL);
	w[0] = (struct worker){.nvme = nvme, .base = 0, .byte = 1};
	w[1] = (struct worker){.nvme = nvme, .base = 2048, .byte = 77};
	assert_int_equal(pthread_create(&id, NULL, worker_run, &w[1]), 0);
	worker_run(&w[0]);
	pthread_join(id, NULL);
	assert_int_equal(w[0].bad, 0);
	assert_int_equal(w[1].bad, 0);
	nvme_remove(nvme);
	rig_close(&r);
}

static void test_status_words(void **state)
{
	assert_int_equal(nvme_status_errno(0), 0);
	assert_int_equal(nvme_status_errno(0x80), -ERANGE);
	assert_int_equal(nvme_status_errno(0x4080), -ERANGE); /* do not retry */
	assert_int_equal(nvme_status_errno(0x7ff), -EIO);
	for (u32 status = 0; status < 0x8000; status++)
		assert_non_null(nvme_status_text((u16)status));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identify),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_random_linked),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_discard_and_flush),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_probe_fail_nth),
		cmocka_unit_test(test_dead),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_status_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
