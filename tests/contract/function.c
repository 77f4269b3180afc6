/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BARs, configuration space and interrupts of every device, and the calls that every device
 * refuses.
 */
#include "contract.h"

static bool is_function(void)
{
	return dmamap_readw(dev, DMAMAP_CONFIG, 0) != 0xffff;
}

static void test_function_bars(void **state)
{
	struct dmamap_bar_info info = {1, 2, 3};
	u64 reg;

	assert_int_equal(dmamap_bar(NULL, 0, &info), -EINVAL);
	assert_int_equal(dmamap_bar(dev, 0, NULL), -EINVAL);
	assert_int_equal(dmamap_bar(dev, -1, &info), -EINVAL);
	assert_int_equal(dmamap_bar(dev, 6, &info), -EINVAL);
	assert_int_equal(dmamap_bar(dev, DMAMAP_CONFIG, &info), -EINVAL);
	assert_true(info.addr == 1 && info.size == 2 && info.flags == 3);
	for (int i = 0; i < 6; i++) {
		if (dmamap_bar(dev, i, &info)) {
			error_contains("no BAR");
			continue;
		}
		assert_true(is_function());
		assert_true(info.size && !(info.size & (info.size - 1)));
		assert_int_equal(info.addr & (info.size - 1), 0);
		reg = dmamap_readl(dev, DMAMAP_CONFIG, 0x10 + 4 * (u64)i);
		assert_int_equal(reg & 1, info.flags & DMAMAP_BAR_IO);
		if (info.flags & DMAMAP_BAR_64BIT) {
			reg |= (u64)dmamap_readl(dev, DMAMAP_CONFIG, 0x14 + 4 * (u64)i) << 32;
			assert_int_equal(dmamap_bar(dev, ++i, &info), -ENOENT);
		} else {
			assert_true((reg & (info.flags & DMAMAP_BAR_IO ? ~3ull : ~15ull)) ==
				    info.addr);
		}
		assert_int_equal(dmamap_readl(dev, i, ~3ull), ~0u);
		assert_int_equal(errno, EINVAL);
	}
}

static void test_function_configuration(void **state)
{
	u32 bar = dmamap_readl(dev, DMAMAP_CONFIG, 0x10);
	u16 command = dmamap_readw(dev, DMAMAP_CONFIG, 4);

	dmamap_writel(dev, DMAMAP_CONFIG, 0x10, ~bar);
	assert_int_equal(errno, is_function() ? EPERM : EINVAL);
	assert_int_equal(dmamap_readl(dev, DMAMAP_CONFIG, 0x10), bar);
	dmamap_writew(dev, DMAMAP_CONFIG, 4, command & 0xfffc);
	assert_int_equal(dmamap_readw(dev, DMAMAP_CONFIG, 4), command);
	dmamap_writeb(dev, DMAMAP_CONFIG, 0x3c, 0x0b);
	if (is_function())
		assert_int_equal(dmamap_readb(dev, DMAMAP_CONFIG, 0x3c), 0x0b);
	dmamap_writel(dev, DMAMAP_CONFIG, 1 << 20, 0);
	assert_int_equal(dmamap_readl(dev, DMAMAP_CONFIG, 1 << 20), ~0u);
}

static void test_function_interrupts(void **state)
{
	int best = 0, n[4] = {0};

	assert_int_equal(dmamap_irq_setup(NULL, DMAMAP_IRQ_MSI, 1), -EINVAL);
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_MSIX, 0), -EINVAL);
	assert_int_equal(dmamap_irq_setup(dev, (enum dmamap_irq_kind)9, 1), -EINVAL);
	assert_int_equal(dmamap_irq_eoi(NULL, 0), -EINVAL);
	assert_int_equal(dmamap_irq_eoi(dev, 100000), -EINVAL);
	for (int kind = DMAMAP_IRQ_INTX; kind <= DMAMAP_IRQ_MSIX; kind++) {
		n[kind] = dmamap_irq_setup(dev, (enum dmamap_irq_kind)kind, 100000);
		if (n[kind] < 0) {
			assert_int_equal(n[kind], -EOPNOTSUPP);
			error_contains("no ");
			continue;
		}
		assert_true(n[kind] >= 1);
		assert_true(dmamap_irq_fd(dev, (unsigned int)n[kind] - 1) >= 0);
		assert_int_equal(dmamap_irq_fd(dev, (unsigned int)n[kind]), -EINVAL);
		assert_int_equal(dmamap_irq_eoi(dev, 0), 0);
		best = kind;
	}
	if (best) /* as after open */
		assert_int_equal(dmamap_irq_setup(dev, (enum dmamap_irq_kind)best, 100000),
				 n[best]);
}

static void test_function_writes_in_step(void **state)
{
	/* a function of this machine can be opened once */
	struct device *other = maps_registers() ? open_another(",writes=sync") : NULL;

	if (other)
		dmamap_writel(other, 0, 0, 0);
	dmamap_close(other);
	assert_null(dmamap_open("sim,writes=later"));
	error_contains("posted or sync");
}

const struct CMUnitTest function_tests[] = {
	contract_test(test_function_bars),
	contract_test(test_function_configuration),
	contract_test(test_function_interrupts),
	contract_test(test_function_writes_in_step),
};
const size_t n_function_tests = COUNT(function_tests);
