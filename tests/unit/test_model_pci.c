/* SPDX-License-Identifier: BSD-2-Clause */
/* Models of a program: MSI-X, reset, configuration space. */
#include "model_toy.h"

#include <poll.h>

static u64 toy_count(struct device *dev, unsigned int vector)
{
	u64 n = 0;

	return read(dmamap_irq_fd(dev, vector), &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void test_msix(void **state)
{
	struct device *dev = toy_open("sim:toy");
	const u32 control = 65 * 16 + 12;

	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_MSIX, 66), 66);
	assert_int_equal(dmamap_readl(dev, 2, control), 0);
	assert_int_equal(dmamap_readl(dev, 2, control + 16), 1); /* not in use */
	dmamap_model_interrupt(dev, 65);
	assert_int_equal(toy_count(dev, 65), 1);
	dmamap_writel(dev, 2, control, 1);
	dmamap_model_interrupt(dev, 65);
	dmamap_model_interrupt(dev, 65);
	dmamap_model_interrupt(dev, 64);
	assert_int_equal(toy_count(dev, 65), 0);
	assert_int_equal(toy_count(dev, 64), 1);
	assert_int_equal(dmamap_readl(dev, 2, 0x808), 2);
	assert_int_equal(dmamap_readl(dev, 2, 0x80c), 0);
	dmamap_writel(dev, 2, 0x808, 0); /* read-only */
	assert_int_equal(dmamap_readl(dev, 2, 0x808), 2);
	dmamap_writel(dev, 2, control, 0);
	assert_int_equal(toy_count(dev, 65), 1);
	assert_int_equal(dmamap_readl(dev, 2, 0x808), 0);
	dmamap_writel(dev, 2, control, 0);
	assert_int_equal(toy_count(dev, 65), 0);
	/* address and data are stored; only the mask bit of the control word is */
	dmamap_writel(dev, 2, 65 * 16, 0xfee00000);
	assert_int_equal(dmamap_readl(dev, 2, 65 * 16), 0xfee00000);
	dmamap_writel(dev, 2, control, 0xfffffffe);
	assert_int_equal(dmamap_readl(dev, 2, control), 0);
	/* outside of both structures the model is called */
	dmamap_writel(dev, 2, 0x800 - 16, 1);
	assert_int_equal(dmamap_readl(dev, 2, 0x810), 0xffffffff);
	/* a pending message is lost by a reset; the mask stays */
	dmamap_writel(dev, 2, control, 1);
	dmamap_model_interrupt(dev, 65);
	assert_int_equal(dmamap_reset(dev, DMAMAP_RESET_FUNCTION), 0);
	assert_int_equal(dmamap_readl(dev, 2, control), 1);
	dmamap_writel(dev, 2, control, 0);
	assert_int_equal(toy_count(dev, 65), 0);
	dmamap_model_interrupt(dev, 4000);
	dmamap_close(dev);
}

static void *toy_mask_loop(void *arg)
{
	for (int i = 0; i < 20000; i++)
		dmamap_writel(arg, 2, 12, i & 1);
	dmamap_writel(arg, 2, 12, 0);
	return NULL;
}

/* No message is lost while another thread masks and unmasks: the last one arrives. */
static void test_msix_race(void **state)
{
	struct device *dev = toy_open("sim:toy");
	pthread_t thread;
	u64 seen = 0;

	assert_int_equal(pthread_create(&thread, NULL, toy_mask_loop, dev), 0);
	for (int i = 0; i < 20000; i++) {
		struct pollfd p = {.fd = dmamap_irq_fd(dev, 0), .events = POLLIN};

		dmamap_model_interrupt(dev, 0);
		assert_int_equal(poll(&p, 1, 10000), 1);
		seen += toy_count(dev, 0);
	}
	pthread_join(thread, NULL);
	assert_true(seen >= 20000);
	dmamap_close(dev);
}

static void *toy_reset_thread(void *arg)
{
	return dmamap_reset(arg, DMAMAP_RESET_HOT) ? arg : NULL;
}

/* Doorbells in the middle of a reset have no effect. */
static void test_reset(void **state)
{
	struct device *dev = toy_open("sim:toy"), *plain = toy_open("sim");
	pthread_t thread;
	void *failed;

	assert_int_equal(dmamap_reset(NULL, DMAMAP_RESET_HOT), -EINVAL);
	assert_int_equal(dmamap_reset(dev, (enum dmamap_reset_kind)0), -EINVAL);
	assert_int_equal(dmamap_reset(plain, DMAMAP_RESET_HOT), -EOPNOTSUPP);
	dmamap_close(plain);
	dmamap_writel(dev, 0, 0, 77);
	dmamap_writel(dev, 0, 0x100, 1u << 30);
	write_release(&toy_hold_reset, true);
	assert_int_equal(pthread_create(&thread, NULL, toy_reset_thread, dev), 0);
	while (!read_acquire(&toy_in_reset))
		sched_yield();
	assert_int_equal(dmamap_readl(dev, 0, 0), 0xffffffff);
	dmamap_writel(dev, 0, 0, 78);
	dmamap_writel(dev, 0, 0x100, 5);
	assert_int_equal(dmamap_readl(dev, 1, 0), 0xffffffff);
	assert_int_equal(dmamap_readl(dev, DMAMAP_CONFIG, 0), 0x43211234);
	write_release(&toy_hold_reset, false);
	pthread_join(thread, &failed);
	assert_null(failed);
	assert_int_equal(dmamap_readl(dev, 0, 0), 0);
	assert_int_equal(dmamap_readl(dev, 0, 0x104), 0);
	assert_int_equal(toy->resets, 2);
	assert_int_equal(dmamap_reset(dev, DMAMAP_RESET_FUNCTION), 0);
	assert_int_equal(toy->resets, 3);
	dmamap_close(dev);
}

static void test_config(void **state)
{
	struct device *dev = toy_open("sim:toy");
	unsigned int at = dmamap_readb(dev, DMAMAP_CONFIG, 0x34), vendor = 0;
	u32 flr = 0;

	for (int i = 0; i < 16 && at; i++) {
		if (dmamap_readb(dev, DMAMAP_CONFIG, at) == 9 && !vendor)
			vendor = at;
		if (dmamap_readb(dev, DMAMAP_CONFIG, at) == 0x10)
			flr = dmamap_readl(dev, DMAMAP_CONFIG, at + 4) & 1u << 28;
		at = dmamap_readb(dev, DMAMAP_CONFIG, at + 1);
	}
	assert_true(flr && vendor);
	assert_int_equal(dmamap_readb(dev, DMAMAP_CONFIG, vendor + 2), 5);
	assert_int_equal(dmamap_readb(dev, DMAMAP_CONFIG, vendor + 4), 0xbb);
	assert_int_equal(dmamap_readb(dev, DMAMAP_CONFIG, vendor + 8), 9); /* the second */
	dmamap_writeb(dev, DMAMAP_CONFIG, vendor + 4, 0xcc);
	assert_int_equal(dmamap_readb(dev, DMAMAP_CONFIG, vendor + 4), 0xcc);
	assert_int_equal(toy->config, (vendor + 4) << 16 | 1 << 8 | 0xcc);
	/* the line is a level, which the status register has, too */
	assert_int_equal(dmamap_readw(dev, DMAMAP_CONFIG, 6) & 8, 0);
	toy->line = true;
	assert_int_equal(dmamap_readw(dev, DMAMAP_CONFIG, 6) & 8, 8);
	assert_int_equal(dmamap_readl(dev, DMAMAP_CONFIG, 4) >> 16 & 8, 8);
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_INTX, 1), 1);
	assert_int_equal(toy_count(dev, 0), 1);
	assert_int_equal(dmamap_irq_eoi(dev, 0), 0);
	assert_int_equal(toy_count(dev, 0), 1);
	dmamap_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_toy(test_msix),
		with_toy(test_msix_race),
		with_toy(test_reset),
		with_toy(test_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
