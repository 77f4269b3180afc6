/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The NVMe driver while nothing can be mapped: it retries, and gives up after a time or at a
 * signal.
 */
#include "driver_nvme_rig.h"

static void shortage(const char *keys, unsigned int mask, enum nvme_data way, enum fail_site site,
		     bool must_retry)
{
	struct nvme_options opt = {.depth = 32, .mask_bits = mask, .data = way};
	struct fail_rule half = {.prob = 0.5, .seed = 7};
	struct nvme_request *req = calloc(MANY, sizeof(*req));
	u8 *data, *copy = malloc(MANY * 8192);
	struct nvme *nvme;
	struct rig r;

	assert_non_null(req);
	rig_open(&r, DISK_BYTES, keys);
	/* After that, because the first use of memory would set its size. */
	data = (u8 *)__get_free_pages(GFP_KERNEL, 7);
	assert_non_null(data);
	assert_non_null(copy);
	nvme = probe(&r, &opt);
	for (u32 i = 0; i < MANY * 8192; i++)
		data[i] = copy[i] = (u8)(i * 31 >> 5);
	if (must_retry)
		fail_set(site, &half);
	many_submit(nvme, req, data, NVME_WRITE);
	many_finish(nvme, req, 0);
	memset(data, 0, MANY * 8192);
	many_submit(nvme, req, data, NVME_READ);
	many_finish(nvme, req, 0);
	fail_set(site, NULL);
	assert_memory_equal(data, copy, MANY * 8192);
	if (must_retry)
		assert_true(nvme_map_retries(nvme) > 0);
	nvme_remove(nvme);
	free_pages((unsigned long)data, 7);
	rig_close(&r);
	free(copy);
	free(req);
}

static void test_map_fails_sometimes(void **state)
{
	shortage("", 64, NVME_DATA_SG, FAIL_MAP, true);
	shortage("", 64, NVME_DATA_TWOSTEP, FAIL_LINK, true);
	shortage(",untrusted=1", 64, NVME_DATA_TWOSTEP, FAIL_IOVA, true);
	shortage(",iommu=0", 32, NVME_DATA_AUTO, FAIL_BOUNCE, true);
}

/* 64 requests of 8 KiB in flight need 512 KiB of bounce memory, and there is less. */
static void test_bounce_full(void **state)
{
	shortage(",iommu=0,swiotlb=256K", 32, NVME_DATA_AUTO, FAIL_BOUNCE, false);
}

/* A request fails only if nothing can be mapped for a long time, and only that request. */
static void map_never(enum nvme_data data, enum fail_site site)
{
	struct nvme_options opt = {.retry_ms = 30, .data = data};
	struct fail_rule always = {.every = 1};
	struct nvme_request req = {.op = NVME_READ, .blocks = 8};
	struct nvme *nvme;
	struct rig r;

	rig_open(&r, DISK_BYTES, "");
	nvme = probe(&r, &opt);
	req.buf = kmalloc(4096, GFP_KERNEL);
	assert_non_null(req.buf);
	fail_set(site, &always);
	assert_int_equal(nvme_run(nvme, 1, &req), -ENOMEM);
	fail_set(site, NULL);
	assert_int_equal(nvme_run(nvme, 1, &req), 0);
	kfree(req.buf);
	nvme_remove(nvme);
	rig_close(&r);
}

static void test_map_never(void **state)
{
	map_never(NVME_DATA_SG, FAIL_MAP);
	map_never(NVME_DATA_TWOSTEP, FAIL_LINK);
}

/* Returns true from its n-th call on. */
static u32 asked, interrupt_at;

static bool is_interrupted(void)
{
	return ++asked >= interrupt_at;
}

/*
 * While nothing can be mapped the driver retries, without a limit; a signal ends that. Requests
 * that were mapped before are completed, and the controller continues to work.
 */
static void interrupted_while_waiting(enum nvme_data data, enum fail_site site)
{
	struct nvme_options opt = {
		.retry_ms = UINT32_MAX, .data = data, .interrupted = is_interrupted};
	struct fail_rule always = {.every = 1};
	struct nvme_request req[3] = {0};
	struct nvme *nvme;
	struct rig r;
	u8 *page;

	interrupt_at = UINT32_MAX;
	rig_open(&r, DISK_BYTES, "");
	nvme = probe(&r, &opt);
	page = kmalloc(3 * 4096, GFP_KERNEL);
	assert_non_null(page);
	for (u32 i = 0; i < 3; i++) {
		req[i] = (struct nvme_request){
			.op = NVME_READ, .blocks = 8, .buf = page + (size_t)i * 4096};
		if (i == 1)
			fail_set(site, &always);
		assert_int_equal(nvme_submit(nvme, 1, &req[i]), 0);
	}
	interrupt_at = asked = 3;
	assert_int_equal(nvme_wait_request(nvme, 1, &req[2]), -EINTR);
	assert_non_null(strstr(driver_strerror(), "interrupted"));
	assert_int_equal(nvme_wait_request(nvme, 1, &req[1]), -EINTR);
	assert_int_equal(nvme_wait_request(nvme, 1, &req[0]), 0);
	fail_set(site, NULL);
	interrupt_at = UINT32_MAX;
	assert_int_equal(nvme_run(nvme, 1, &req[1]), 0);
	kfree(page);
	nvme_remove(nvme);
	rig_close(&r);
}

static void test_interrupted(void **state)
{
	struct nvme_options opt = {.retry_ms = UINT32_MAX, .interrupted = is_interrupted};
	struct fail_rule always = {.every = 1};
	struct rig r;

	interrupted_while_waiting(NVME_DATA_SG, FAIL_MAP);
	interrupted_while_waiting(NVME_DATA_TWOSTEP, FAIL_LINK);
	/* the probe: while it waits for the controller, and while it cannot map its own requests */
	rig_open(&r, DISK_BYTES, "");
	for (u32 k = 0; k < 2; k++) {
		asked = 0;
		interrupt_at = k ? 1 : 100;
		fail_set(FAIL_MAP, &always);
		assert_null(nvme_probe(r.dev, &opt));
		assert_int_equal(errno, EINTR);
		assert_non_null(strstr(driver_strerror(), "interrupted"));
		fail_set(FAIL_MAP, NULL);
		assert_all_released(r.dev);
	}
	rig_close(&r);
}

/* The error message contains the cause, also if the controller returned no status. */
static void test_words_without_status(void **state)
{
	struct nvme_options opt = {.retry_ms = 5};
	struct fail_rule always = {.every = 1};
	struct rig r;

	rig_open(&r, DISK_BYTES, "");
	fail_set(FAIL_MAP, &always);
	assert_null(nvme_probe(r.dev, &opt));
	assert_non_null(strstr(driver_strerror(), "could not be mapped for 5 ms"));
	assert_non_null(strstr(driver_strerror(), "fault injection"));
	fail_set(FAIL_MAP, NULL);
	rig_close(&r);
	/* a controller that cannot access its queues */
	rig_open(&r, DISK_BYTES, ",addr-bits=20");
	assert_null(nvme_probe(r.dev, NULL));
	assert_non_null(
		strstr(driver_strerror(), "failed and was stopped: it reports a fatal error"));
	assert_null(strstr(driver_strerror(), "status"));
	dmamap_close(r.dev);
	unlink(r.image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map_fails_sometimes),
		cmocka_unit_test(test_bounce_full),
		cmocka_unit_test(test_map_never),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_words_without_status),
	};

	return cmocka_run_group_tests_name("driver_nvme_wait", tests, NULL, NULL);
}
