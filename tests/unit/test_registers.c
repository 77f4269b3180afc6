/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers and interrupts, with the edu model, whose first register identifies it. */
#include "core_rig.h"

#include "device/model.h"

#include <poll.h>
#include <unistd.h>

static struct device *edu, *plain;

static int setup(void **state)
{
	edu = dmamap_open("sim:edu");
	plain = dmamap_open("sim");
	return edu && plain ? 0 : -1;
}

static int teardown(void **state)
{
	rig_close(edu);
	rig_close(plain);
	return 0;
}

static void test_a_register(void **state)
{
	assert_int_equal(dmamap_readl(edu, 0, 0), 0x010000edu);
	dmamap_writel(edu, 0, 4, 0x12345678);
	assert_int_equal(dmamap_readl(edu, 0, 4), 0xedcba987u); /* it reads as the inverse */
	dmamap_writeq(edu, 0, 0x80, 0x123456789);
	assert_true(dmamap_readq(edu, 0, 0x80) == 0x123456789);
}

static void refused(u64 value, u64 ones)
{
	assert_true(value == ones);
	assert_non_null(strstr(dmamap_strerror(), "register"));
	error_set(EIO, "-");
}

static void test_what_is_no_register(void **state)
{
	refused(dmamap_readl(edu, -1, 0), ~0u);
	refused(dmamap_readl(edu, 6, 0), ~0u);
	refused(dmamap_readl(edu, 0, 2), ~0u);
	refused(dmamap_readq(edu, 0, 4), ~0ull);
	refused(dmamap_readl(NULL, 0, 0), ~0u);
	dmamap_writel(edu, -1, 0, 1);
	assert_non_null(strstr(dmamap_strerror(), "register"));
	dmamap_writel(NULL, 0, 0, 1);
	dmamap_writeq(edu, 0, 0x84, 1);
	/* aligned, but there is no register */
	assert_int_equal(dmamap_readl(edu, 0, 1ull << 40), ~0u);
	assert_int_equal(dmamap_readl(edu, 0, ~3ull), ~0u);
	assert_int_equal(dmamap_readl(edu, 3, 0), ~0u);
	dmamap_writel(edu, 0, ~3ull, 1);
	assert_int_equal(dmamap_readl(plain, 0, 0), ~0u);
	dmamap_writel(plain, 0, 0, 1);
}

static void test_interrupts(void **state)
{
	int fd = dmamap_irq_fd(edu, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	u64 n;

	assert_true(fd >= 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	dmamap_model_interrupt(edu, 0);
	dmamap_model_interrupt(edu, 0);
	assert_int_equal(poll(&p, 1, 1000), 1);
	assert_int_equal(read(fd, &n, 8), 8);
	assert_int_equal(n, 2);
	dmamap_model_interrupt(edu, 1000); /* no such vector: no effect */
	assert_int_equal(dmamap_irq_fd(edu, 1000), -EINVAL);
	assert_int_equal(dmamap_irq_fd(plain, 0), -EINVAL);
	assert_int_equal(dmamap_irq_fd(NULL, 0), -EINVAL);
}

/*
 * The counter of an eventfd is limited: a device that interrupts continuously is not blocked by it.
 */
static void test_more_interrupts_than_can_be_counted(void **state)
{
	int fd = dmamap_irq_fd(edu, 0);
	u64 n = 0xfffffffffffffffe;

	assert_int_equal(write(fd, &n, 8), 8);
	dmamap_model_interrupt(edu, 0);
	assert_int_equal(read(fd, &n, 8), 8);
	assert_true(n == 0xfffffffffffffffe);
}

static void test_the_drivers_pointer(void **state)
{
	assert_null(dmamap_get_drvdata(edu));
	dmamap_set_drvdata(edu, &edu);
	assert_ptr_equal(dmamap_get_drvdata(edu), &edu);
	assert_null(dmamap_get_drvdata(plain));
	dmamap_set_drvdata(NULL, &edu);
	assert_null(dmamap_get_drvdata(NULL));
}

#define with_devices(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_devices(test_a_register),
		with_devices(test_what_is_no_register),
		with_devices(test_interrupts),
		with_devices(test_more_interrupts_than_can_be_counted),
		with_devices(test_the_drivers_pointer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
