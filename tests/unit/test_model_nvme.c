/* SPDX-License-Identifier: BSD-2-Clause */
/* The NVMe model on a fake bus: creation, registers, enabling and resets, doorbells. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/fail.h"
#include "nvme_rig.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int try_create(const char *key, const char *value, const char *path, void **model)
{
	struct fake_arg args[] = {{"image", path}, {key, value}};

	return fake_create(&model_nvme, args, key ? 2 : 1, model);
}

static void refuse(int err, const char *word, const char *key, const char *value, const char *path)
{
	void *model = &model;

	assert_int_equal(try_create(key, value, path, &model), -err);
	assert_ptr_equal(model, &model);
	if (!strstr(error_text(), word))
		fail_msg("\"%s\" does not say \"%s\"", error_text(), word);
}

static void test_bad_images(void **state)
{
	char path[64], other[80];
	int fd = rig_image(path, sizeof(path), 1000);
	void *model;

	refuse(EINVAL, "truncate", NULL, NULL, path);
	assert_int_equal(ftruncate(fd, 0), 0);
	refuse(EINVAL, "512", NULL, NULL, path);
	snprintf(other, sizeof(other), "%s.not", path);
	refuse(ENOENT, other, NULL, NULL, other);
	refuse(EINVAL, "directory", NULL, NULL, "/");
	refuse(EINVAL, "regular", "readonly", "1", "/");
	refuse(EINVAL, "regular", NULL, NULL, "/dev/null");
	assert_int_equal(mkfifo(other, 0600), 0);
	refuse(EINVAL, "regular", "readonly", "1", other);
	unlink(other);
	assert_int_equal(fake_create(&model_nvme, NULL, 0, &model), -EINVAL);
	assert_non_null(strstr(error_text(), "image="));
	close(fd);
	unlink(path);
}

static void test_bad_keys(void **state)
{
	static const char *const bad[][2] = {
		{"queues", "0"},
		{"queues", "17"},
		{"queues", "x"},
		{"queues", "-1"},
		{"queues", ""},
		{"queues", "3x"},
		{"readonly", "2"},
		{"readonly", ""},
		{"readonly", "11"},
		{"serial", ""},
		{"serial", "123456789012345678901"},
		{"serial", "a\tb"},
	};
	char path[64];
	int fd = rig_image(path, sizeof(path), 512);
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse(EINVAL, bad[i][0], bad[i][0], bad[i][1], path);
	close(fd);
	unlink(path);
}

static void test_locked(void **state)
{
	char path[64];
	int fd = rig_image(path, sizeof(path), 512);
	void *one, *two;

	assert_int_equal(try_create(NULL, NULL, path, &one), 0);
	refuse(EBUSY, "locked", NULL, NULL, path);
	refuse(EBUSY, "locked", "readonly", "1", path);
	fake_destroy(&model_nvme, one);
	/* several may read, and none may write at the same time */
	assert_int_equal(try_create("readonly", "1", path, &one), 0);
	assert_int_equal(try_create("readonly", "1", path, &two), 0);
	refuse(EBUSY, "locked", NULL, NULL, path);
	fake_destroy(&model_nvme, one);
	fake_destroy(&model_nvme, two);
	close(fd);
	unlink(path);
}

static void test_create_fails(void **state)
{
	struct fail_rule rule = {.times = 1};
	char path[64];
	int fd = rig_image(path, sizeof(path), 512), err;
	void *model;

	for (rule.nth = 1;; rule.nth++) {
		fail_set(FAIL_MEMORY, &rule);
		err = try_create(NULL, NULL, path, &model);
		fail_set(FAIL_MEMORY, NULL);
		if (!err)
			break;
		assert_true(err == -ENOMEM || err == -EAGAIN);
	}
	assert_int_equal(rule.nth, 3);
	fake_destroy(&model_nvme, model);
	close(fd);
	unlink(path);
}

static void test_registers(void **state)
{
	struct rig *r = *state;
	u64 cap = model_nvme.read(r->model, 0, NVME_REG_CAP, 8);

	assert_int_equal(cap & 0xffff, 1023);
	assert_true(cap & NVME_CAP_CQR);
	assert_true(cap & NVME_CAP_CSS_NVM);
	assert_int_equal(cap >> 32 & 15, 0); /* doorbell stride */
	assert_int_equal(cap >> 48 & 15, 0); /* pages from 4 KiB on */
	assert_true(cap >> 24 & 0xff);	     /* timeout */
	assert_int_equal(rig_read(r, 4), cap >> 32);
	assert_int_equal(rig_read(r, NVME_REG_VS), 0x10400);
	rig_write(r, NVME_REG_VS, 0);
	assert_int_equal(rig_read(r, NVME_REG_VS), 0x10400);
	assert_int_equal(rig_read(r, 0x1000), 0);
	assert_int_equal(rig_read(r, 0x44), 0xffffffff);
	assert_true(model_nvme.read(r->model, 1, 0, 8) == UINT64_MAX);
	assert_true(model_nvme.read(r->model, 0, UINT64_MAX - 7, 8) == UINT64_MAX);
	model_nvme.write(r->model, 1, NVME_REG_CC, 4, 0);
	assert_true(rig_read(r, NVME_REG_CC) & NVME_CC_EN);
	/* the same in halves as at once; the low 12 bits do not exist */
	rig_write(r, NVME_REG_ASQ + 4, 0x12);
	rig_write(r, NVME_REG_ASQ, 0x34567fff);
	assert_true(model_nvme.read(r->model, 0, NVME_REG_ASQ, 8) == 0x1234567000ull);
	rig_write(r, NVME_REG_AQA, 0xffffffff);
	assert_int_equal(rig_read(r, NVME_REG_AQA), 0x0fff0fff);
}

static void test_interrupt_mask(void **state)
{
	struct rig *r = *state;
	struct nvme_sqe c = {.cdw0 = 0xff};
	struct rig_ring look = r->admin;
	int i;

	rig_write(r, NVME_REG_INTMS, 1);
	assert_int_equal(rig_read(r, NVME_REG_INTMC), 1);
	/* the second completion follows after the first one's interrupt would have been sent */
	for (i = 0; i < 2; i++, look.head++) {
		rig_put(r, &r->admin, &c);
		rig_ring_tail(r, &r->admin);
		while (!rig_poll(&look))
			sched_yield();
	}
	assert_int_equal(fake_interrupts(0), 0);
	rig_write(r, NVME_REG_INTMC, 1);
	fake_interrupt_wait(0, 1);
	assert_int_equal(rig_read(r, NVME_REG_INTMS), 0);
}

static bool starts(struct rig *r, u32 cc, u32 aqa, u64 asq, u64 acq)
{
	u32 csts;

	rig_disable(r);
	rig_write(r, NVME_REG_AQA, aqa);
	model_nvme.write(r->model, 0, NVME_REG_ASQ, 8, asq);
	model_nvme.write(r->model, 0, NVME_REG_ACQ, 8, acq);
	rig_write(r, NVME_REG_CC, cc);
	while (!((csts = rig_read(r, NVME_REG_CSTS)) & (NVME_CSTS_RDY | NVME_CSTS_CFS)))
		sched_yield();
	return csts == NVME_CSTS_RDY;
}

static void test_bad_enable(void **state)
{
	struct rig *r = *state;
	u64 a = FAKE_BASE, odd = FAKE_BASE + 0x1000;

	assert_true(starts(r, 1, 0x10001, a, odd));
	assert_false(starts(r, 1 | 1 << 4, 0x10001, a, a));  /* command set */
	assert_false(starts(r, 1 | 5 << 7, 0x10001, a, a));  /* page size */
	assert_false(starts(r, 1 | 1 << 11, 0x10001, a, a)); /* arbitration */
	assert_false(starts(r, 1 | 7 << 16, 0x10001, a, a)); /* entry sizes */
	assert_false(starts(r, 1 | 6 << 20, 0x10001, a, a));
	assert_false(starts(r, 1, 0x10000, a, a)); /* queues of one entry */
	assert_false(starts(r, 1, 0x00001, a, a));
	assert_false(starts(r, 1, 0x10001, 0, a));
	assert_false(starts(r, 1 | 4 << 7, 0x10001, a, odd)); /* not on a page of 64 KiB */
	assert_true(starts(r, 1 | 4 << 7, 0x10001, a, a));
	assert_true(starts(r, 1, 0xfff0fff, a, a));
	rig_disable(r);
	assert_int_equal(rig_read(r, NVME_REG_CSTS), 0);
}

static void test_shutdown(void **state)
{
	struct rig *r = *state;

	rig_write(r, NVME_REG_CC, rig_read(r, NVME_REG_CC) | 1 << 14);
	while ((rig_read(r, NVME_REG_CSTS) & NVME_CSTS_SHST_MASK) != NVME_CSTS_SHST_DONE)
		sched_yield();
	rig_disable(r);
	assert_int_equal(rig_read(r, NVME_REG_CSTS), 0);
	rig_enable(r, 0);
	assert_int_equal(rig_do(r, &r->admin, (struct nvme_sqe){.cdw0 = 0x0a, .cdw10 = 1}), 0);
}

/* A queue from before the reset does not exist any more, and its numbers are free. */
static void test_reset(void **state)
{
	struct rig *r = *state;
	int i;

	for (i = 0; i < 20; i++) {
		struct rig_ring q = rig_queue(r, 1, 64);
		struct nvme_sqe c = {.cdw0 = NVME_IO_FLUSH, .nsid = 1};
		int k;

		for (k = 0; k < i * 3; k++)
			rig_put(r, &q, &c);
		rig_ring_tail(r, &q);
		/*
		 * off and on in sequence must be detected, too, though CSTS cannot show when it is
		 * complete
		 */
		if (i % 2)
			rig_disable(r);
		else
			rig_write(r, NVME_REG_CC, 0);
		rig_enable(r, 0);
		rig_rest(r);
	}
}

/* Rings that the bus refuses: the controller reports a fatal error until it is reset. */
static void test_unreachable_rings(void **state)
{
	struct rig *r = *state;
	struct nvme_sqe c = {.cdw0 = NVME_ADMIN_GET_FEATURES, .cdw10 = 1};
	struct rig_ring q;

	fake_allow(r->admin.sq, 4096, FAKE_WRITE);
	rig_put(r, &r->admin, &c);
	rig_ring_tail(r, &r->admin);
	while (!(rig_read(r, NVME_REG_CSTS) & NVME_CSTS_CFS))
		sched_yield();
	fake_allow(r->admin.sq, 4096, FAKE_WRITE | FAKE_READ);
	rig_ring_tail(r, &r->admin);
	rig_disable(r);
	rig_enable(r, 0);
	assert_int_equal(rig_do(r, &r->admin, c), 0);

	q = rig_queue(r, 1, 4);
	fake_allow(q.cq, 4096, FAKE_READ);
	c = (struct nvme_sqe){.cdw0 = NVME_IO_FLUSH, .nsid = 1};
	rig_put(r, &q, &c);
	rig_ring_tail(r, &q);
	while (!(rig_read(r, NVME_REG_CSTS) & NVME_CSTS_CFS))
		sched_yield();
}

/* Invalid values are ignored; the controller continues to work. */
static void test_bad_doorbells(void **state)
{
	struct rig *r = *state;
	struct rig_ring q = rig_queue(r, 1, 4);
	struct nvme_sqe flush = {.cdw0 = NVME_IO_FLUSH, .nsid = 1};
	u32 i;

	for (i = 0; i < 200; i++) {
		rig_write(r, 0x1000 + (i % 64) * 4 + 16, 0xffffffff - i); /* no such queue */
		rig_write(r, 0x1008, 4 + i);				  /* beyond the end */
		rig_write(r, 0x100c, 0x80000000 + i);
		rig_write(r, 0x100c, 3); /* more than was ever completed */
		rig_write(r, 0x1004, 7);
		model_nvme.write(r->model, 0, 0x100000 + i * 8ull, 8, UINT64_MAX);
	}
	rig_write(r, 0x1004, r->admin.head);
	rig_write(r, 0x100c, q.head);
	for (i = 0; i < 10; i++)
		assert_int_equal(rig_do(r, &q, flush), 0);
	assert_int_equal(rig_do(r, &r->admin, (struct nvme_sqe){.cdw0 = 0x0a, .cdw10 = 1}), 0);
	assert_int_equal(rig_read(r, NVME_REG_CSTS), NVME_CSTS_RDY);
}

/* Destroyed with pending commands, a full completion queue, held requests, or never enabled. */
static void test_destroy_any_time(void **state)
{
	struct nvme_sqe write = {.cdw0 = NVME_IO_WRITE, .nsid = 1, .prp1 = RIG_DATA, .cdw12 = 7};
	struct nvme_sqe event = {.cdw0 = NVME_ADMIN_ASYNC_EVENT};
	struct rig r;
	int i, k;

	rig_open(&r, NULL, NULL);
	rig_close(&r);
	for (i = 0; i < 10; i++) {
		struct rig_ring q;

		rig_start(&r);
		q = rig_queue(&r, 1, 1024);
		rig_put(&r, &r.admin, &event);
		rig_ring_tail(&r, &r.admin);
		for (k = 0; k < 1023; k++)
			rig_put(&r, &q, &write);
		rig_ring_tail(&r, &q);
		for (k = 0; k < i; k++)
			sched_yield();
		rig_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_images),
		cmocka_unit_test(test_bad_keys),
		cmocka_unit_test(test_locked),
		cmocka_unit_test(test_create_fails),
		TEST_RIG(test_registers),
		TEST_RIG(test_interrupt_mask),
		TEST_RIG(test_bad_enable),
		TEST_RIG(test_shutdown),
		TEST_RIG(test_reset),
		TEST_RIG(test_unreachable_rings),
		TEST_RIG(test_bad_doorbells),
		cmocka_unit_test(test_destroy_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
