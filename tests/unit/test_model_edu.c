/* SPDX-License-Identifier: BSD-2-Clause */
/* The edu model, compared with its register description, on a fake bus. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/fail.h"
#include "fake_bus.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#define BUF    0x40000u
#define START  1u
#define TO_RAM 2u
#define IRQ    4u

static void *edu;

static int setup(void **state)
{
	fake_reset();
	return fake_create(&model_edu, NULL, 0, &edu);
}

static int teardown(void **state)
{
	fake_destroy(&model_edu, edu);
	return 0;
}

static u64 rd(u64 offset, unsigned int size)
{
	return model_edu.read(edu, 0, offset, size);
}

static void wr(u64 offset, unsigned int size, u64 value)
{
	model_edu.write(edu, 0, offset, size, value);
}

static void test_identification(void **state)
{
	assert_int_equal(rd(0, 4), 0x010000ed);
	wr(0, 4, 5);
	assert_int_equal(rd(0, 4), 0x010000ed);
	wr(4, 4, 0x12345678);
	assert_int_equal(rd(4, 4), 0xedcba987);
	wr(4, 4, 0xedcba987);
	assert_int_equal(rd(4, 4), 0x12345678);
}

static void test_what_is_not_there(void **state)
{
	assert_int_equal(rd(0x0c, 4), 0xffffffff);
	assert_true(rd(0x200, 8) == UINT64_MAX);
	/* 8 bytes wide only from 0x80 on */
	assert_true(rd(0, 8) == UINT64_MAX);
	wr(4, 8, 0);
	assert_int_equal(rd(4, 4), 0);
	assert_int_equal(rd(BUF, 4), 0xffffffff);
	assert_true(model_edu.read(edu, 1, 0, 4) == 0xffffffff);
	model_edu.write(edu, 1, 4, 4, 0);
	assert_int_equal(rd(4, 4), 0);
	wr(0x84, 4, 1);
	wr(UINT64_MAX - 7, 8, 1);
}

static u32 factorial_of(u32 n)
{
	wr(0x08, 4, n);
	while (rd(0x20, 4) & 1)
		sched_yield();
	return (u32)rd(0x08, 4);
}

static void test_factorial(void **state)
{
	u32 n, want = 1;

	assert_int_equal(factorial_of(0), 1);
	for (n = 1; n < 40; n++) {
		want *= n;
		assert_int_equal(factorial_of(n), want);
	}
	assert_int_equal(factorial_of(UINT32_MAX), 0);
	assert_int_equal(fake_interrupts(0), 0);
}

static void test_factorial_interrupt(void **state)
{
	wr(0x20, 4, 0xff);
	assert_int_equal(rd(0x20, 4), 0x80);
	wr(0x08, 4, 5);
	fake_interrupt_wait(0, 1);
	assert_int_equal(rd(0x08, 4), 120);
	assert_int_equal(rd(0x24, 4), 1);
	wr(0x64, 4, 1);
	assert_int_equal(rd(0x24, 4), 0);
	wr(0x20, 4, 0);
	factorial_of(5);
	assert_int_equal(rd(0x24, 4), 0);
}

static void test_interrupts(void **state)
{
	wr(0x60, 4, 0x30);
	assert_int_equal(fake_interrupts(0), 1);
	wr(0x60, 4, 0x3);
	assert_int_equal(rd(0x24, 4), 0x33);
	wr(0x64, 4, 0x31);
	assert_int_equal(rd(0x24, 4), 0x2);
	wr(0x64, 4, 0x2);
	assert_int_equal(fake_interrupts(0), 2);
	wr(0x60, 4, 0);
	assert_int_equal(fake_interrupts(0), 2);
}

static void dma(u64 src, u64 dst, u64 count, u32 cmd, unsigned int size)
{
	wr(0x80, size, src);
	wr(0x88, size, dst);
	wr(0x90, size, count);
	wr(0x98, size, cmd | START);
	while (rd(0x98, 4) & START)
		sched_yield();
}

static void test_dma(void **state)
{
	u64 a = FAKE_BASE + 0x1003, b = FAKE_BASE + 0x5001;
	u32 i;

	for (i = 0; i < 4096; i++)
		*(u8 *)fake_at(a + i) = (u8)(i * 7 + 1);
	dma(a, BUF, 4096, 0, 8);
	assert_int_equal(rd(0x80, 8), a);
	assert_int_equal(rd(0x90, 4), 4096);
	dma(BUF, b, 4096, TO_RAM, 4);
	assert_memory_equal(fake_at(a), fake_at(b), 4096);
	/* a part of it, from inside the buffer */
	dma(BUF + 100, b + 8192, 50, TO_RAM, 4);
	assert_memory_equal(fake_at(a + 100), fake_at(b + 8192), 50);
	assert_int_equal(*(u8 *)fake_at(b + 8192 + 50), 0);
	assert_int_equal(fake_interrupts(0), 0);
}

static void test_dma_interrupt(void **state)
{
	wr(0x80, 8, FAKE_BASE);
	wr(0x88, 8, BUF);
	wr(0x90, 8, 16);
	wr(0x98, 8, START | IRQ);
	fake_interrupt_wait(0, 1);
	assert_int_equal(rd(0x98, 4), IRQ);
	assert_int_equal(rd(0x24, 4), 0x100);
}

/* Each one completes, transfers nothing, and the device continues. */
static void test_bad_dma(void **state)
{
	static const struct {
		u64 src, dst, count;
		u32 cmd;
	} bad[] = {
		{FAKE_BASE, BUF, 4097, 0},
		{FAKE_BASE, BUF + 4096, 1, 0},
		{FAKE_BASE, BUF - 1, 2, 0},
		{FAKE_BASE, 0, 16, 0},
		{FAKE_BASE, BUF, UINT64_MAX, 0},
		{FAKE_BASE, UINT64_MAX, 2, 0},
		{BUF + 1, FAKE_BASE, 4096, TO_RAM},
		{BUF + 1, FAKE_BASE, UINT64_MAX, TO_RAM},
		{0, BUF, 16, 0},
		{BUF, FAKE_BASE + FAKE_BYTES - 8, 16, TO_RAM},
	};
	size_t i;

	memset(fake_memory, 0x5a, 8192);
	dma(FAKE_BASE + 4096, BUF, 4096, 0, 8);
	memset(fake_memory, 0x11, 4096);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		dma(bad[i].src, bad[i].dst, bad[i].count, bad[i].cmd, 8);
	assert_int_equal(*(u8 *)fake_memory, 0x11);
	assert_int_equal(fake_refused(), 2);
	dma(BUF, FAKE_BASE, 4096, TO_RAM, 8);
	assert_memory_equal(fake_memory, fake_memory + 4096, 4096);
}

static void test_refused(void **state)
{
	fake_allow(FAKE_BASE, 4096, FAKE_READ);
	dma(BUF, FAKE_BASE, 16, TO_RAM, 8);
	fake_allow(FAKE_BASE, 4096, FAKE_WRITE);
	dma(FAKE_BASE, BUF, 16, 0, 8);
	assert_int_equal(fake_refused(), 2);
}

static void test_mask(void **state)
{
	memset(fake_at(FAKE_BASE), 0x77, 64);
	/* truncated to 28 bits it is FAKE_BASE again */
	dma(FAKE_BASE + (1ull << 28), BUF, 64, 0, 8);
	dma(BUF, FAKE_BASE + (3ull << 40) + 4096, 64, TO_RAM, 8);
	assert_memory_equal(fake_at(FAKE_BASE), fake_at(FAKE_BASE + 4096), 64);
}

static void test_mask_key(void **state)
{
	static const char *const bad[] = {"", "0", "-1", "x", "12q", "0x1ffffffffffffffff"};
	struct fake_arg arg = {"dma_mask", "0xffffffffffffffff"};
	void *wide;
	size_t i;

	assert_int_equal(fake_create(&model_edu, &arg, 1, &wide), 0);
	model_edu.write(wide, 0, 0x80, 8, FAKE_BASE + (1ull << 28));
	model_edu.write(wide, 0, 0x88, 8, BUF);
	model_edu.write(wide, 0, 0x90, 8, 64);
	model_edu.write(wide, 0, 0x98, 8, START | IRQ);
	fake_interrupt_wait(0, 1);
	assert_int_equal(fake_refused(), 1);
	fake_destroy(&model_edu, wide);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		arg.value = bad[i];
		assert_int_equal(fake_create(&model_edu, &arg, 1, &wide), -EINVAL);
		assert_non_null(strstr(error_text(), "dma_mask="));
	}
}

/* Registers do not change during a transfer; the device can always be stopped. */
static void test_stop_at_work(void **state)
{
	void *e;
	int i;

	for (i = 0; i < 50; i++) {
		assert_int_equal(fake_create(&model_edu, NULL, 0, &e), 0);
		model_edu.write(e, 0, 0x20, 4, 0x80);
		model_edu.write(e, 0, 0x08, 4, UINT32_MAX);
		model_edu.write(e, 0, 0x08, 4, 3);
		model_edu.write(e, 0, 0x80, 8, FAKE_BASE);
		model_edu.write(e, 0, 0x88, 8, BUF);
		model_edu.write(e, 0, 0x90, 8, 4096);
		model_edu.write(e, 0, 0x98, 8, START | IRQ);
		model_edu.write(e, 0, 0x98, 8, START | TO_RAM);
		fake_destroy(&model_edu, e);
	}
}

static void test_create_fails(void **state)
{
	void *e = &e;
	u64 nth;
	int err;

	for (nth = 1;; nth++) {
		struct fail_rule rule = {.nth = nth, .times = 1};

		fail_set(FAIL_MEMORY, &rule);
		err = fake_create(&model_edu, NULL, 0, &e);
		fail_set(FAIL_MEMORY, NULL);
		if (!err)
			break;
		assert_true(err == -ENOMEM || err == -EAGAIN);
		assert_true(strlen(error_text()) > 0);
		assert_ptr_equal(e, &e);
	}
	assert_int_equal(nth, 2);
	fake_destroy(&model_edu, e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_identification, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_factorial, setup, teardown),
		cmocka_unit_test_setup_teardown(test_factorial_interrupt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_interrupts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dma, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dma_interrupt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_dma, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mask, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mask_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_at_work, setup, teardown),
		cmocka_unit_test_setup_teardown(test_create_fails, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
