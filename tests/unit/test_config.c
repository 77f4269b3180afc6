/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bits that a driver may change in configuration space, on the space of a device in software.
 */
#include "core_rig.h"

#include "base/alloc.h"
#include "device/config.h"

static struct device *dev;

static int config_setup(void **state)
{
	dev = rig_open("sim:edu", DMA_BIT_MASK(28));
	return 0;
}

static int config_teardown(void **state)
{
	rig_fail_none();
	rig_close(dev);
	return 0;
}

/* Another space than the device has: it is read at the next write. */
static void config_lay(unsigned int at, const u8 *bytes, size_t n)
{
	memcpy(dev->sim_config + at, bytes, n);
	alloc_free(dev->config_rules);
	dev->config_rules = NULL;
}

static u32 config_read(unsigned int at)
{
	return dmamap_readl(dev, DMAMAP_CONFIG, at);
}

static void assert_refused(void)
{
	assert_int_equal(errno, EPERM);
	assert_non_null(strstr(dmamap_strerror(), "configuration space"));
	error_set(EIO, "-");
}

static void assert_not_refused(void)
{
	assert_int_equal(errno, EIO);
}

static void test_config_header(void **state)
{
	assert_int_equal(config_read(0), 0x11e81234);
	assert_int_equal(dmamap_readw(dev, DMAMAP_CONFIG, 0x2c), 0x1af4);
	assert_int_equal(dmamap_readb(dev, DMAMAP_CONFIG, 1), 0x12);
	assert_int_equal(config_read(8), 0x00ff0010);
	assert_true(dmamap_readq(dev, DMAMAP_CONFIG, 8) == 0x00ff0010);
	assert_int_equal(dmamap_readb(dev, DMAMAP_CONFIG, 0x3d), 1);
}

/* An access of any width changes its own bytes and no others. */
static void test_config_widths(void **state)
{
	dmamap_writeb(dev, DMAMAP_CONFIG, 0x3c, 0xab);
	assert_int_equal(config_read(0x3c), 0x1ab);
	dmamap_writew(dev, DMAMAP_CONFIG, 0x0c, 0x4020);
	assert_int_equal(config_read(0x0c), 0x4020);
	dmamap_writeb(dev, DMAMAP_CONFIG, 0x0d, 0x80);
	assert_int_equal(config_read(0x0c), 0x8020);
	dmamap_writel(dev, DMAMAP_CONFIG, 0xfc, 0x12345678);
	assert_int_equal(config_read(0xfc), 0x12345678);
	dmamap_writeb(dev, DMAMAP_CONFIG, 0xfe, 0);
	assert_int_equal(config_read(0xfc), 0x12005678);
	dmamap_writeq(dev, DMAMAP_CONFIG, 0xf8, 0x1122334455667788);
	assert_true(dmamap_readq(dev, DMAMAP_CONFIG, 0xf8) == 0x1122334455667788);
}

static void test_config_keeps_bars(void **state)
{
	u32 bar = config_read(0x10);

	error_set(EIO, "-");
	dmamap_writel(dev, DMAMAP_CONFIG, 0x10, ~0u);
	assert_refused();
	assert_int_equal(config_read(0x10), bar);
	dmamap_writeb(dev, DMAMAP_CONFIG, 0x13, 1);
	assert_refused();
	/* writing the present value is no change */
	dmamap_writel(dev, DMAMAP_CONFIG, 0x10, bar);
	assert_not_refused();
	dmamap_writel(dev, DMAMAP_CONFIG, 0x30, 0xfffff800);
	assert_refused();
	assert_int_equal(config_read(0x10), bar);
	dmamap_writew(dev, DMAMAP_CONFIG, 0, 0x8086);
	assert_refused();
	assert_int_equal(config_read(0), 0x11e81234);
}

/* A write that is permitted only in part changes these bits. */
static void test_config_command(void **state)
{
	u16 was = dmamap_readw(dev, DMAMAP_CONFIG, 4);

	assert_int_equal(was, 0x0407);
	error_set(EIO, "-");
	dmamap_writew(dev, DMAMAP_CONFIG, 4, was | 0x0150);
	assert_not_refused();
	assert_int_equal(dmamap_readw(dev, DMAMAP_CONFIG, 4), 0x0557);
	/* decoding stays on; the line stays off while messages are in use */
	dmamap_writew(dev, DMAMAP_CONFIG, 4, 0x0010);
	assert_refused();
	assert_int_equal(dmamap_readw(dev, DMAMAP_CONFIG, 4), 0x0413);
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_INTX, 1), 1);
	dmamap_writew(dev, DMAMAP_CONFIG, 4, 0x0003);
	assert_int_equal(dmamap_readw(dev, DMAMAP_CONFIG, 4), 0x0003);
}

/* Without bus mastering a device reaches nothing and sends no message. */
static void test_config_master(void **state)
{
	u8 *p = kmalloc(64, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(dev, p, 64, DMA_BIDIRECTIONAL);
	struct dmamap_fault f;
	u8 byte = 1;

	assert_int_equal(dma_mapping_error(dev, addr), 0);
	assert_int_equal(dmamap_bus_write(dev, addr, &byte, 1), 0);
	dmamap_writew(dev, DMAMAP_CONFIG, 4, 0x0403);
	assert_int_equal(dmamap_bus_write(dev, addr, &byte, 1), -EFAULT);
	assert_int_equal(dmamap_bus_read(dev, addr, &byte, 1), -EFAULT);
	assert_int_equal(dmamap_bus_fault_next(dev, &f), 1);
	assert_int_equal(f.reason, DMAMAP_FAULT_NO_MASTER);
	assert_int_equal(dmamap_bus_fault_next(dev, &f), 1);
	dmamap_writew(dev, DMAMAP_CONFIG, 4, 0x0407);
	assert_int_equal(dmamap_bus_write(dev, addr, &byte, 1), 0);
	dma_unmap_single(dev, addr, 64, DMA_BIDIRECTIONAL);
	kfree(p);
}

static void test_config_power_and_messages(void **state)
{
	u32 pm = config_read(0x44), msi = config_read(0x50);

	error_set(EIO, "-");
	dmamap_writew(dev, DMAMAP_CONFIG, 0x44, (u16)(pm | 3));
	assert_refused();
	assert_int_equal(config_read(0x44), pm);
	dmamap_writew(dev, DMAMAP_CONFIG, 0x44, (u16)(pm | 0x100));
	assert_not_refused();
	assert_int_equal(config_read(0x44), pm | 0x100);
	dmamap_writel(dev, DMAMAP_CONFIG, 0x50, msi | 1 << 16);
	assert_refused();
	dmamap_writel(dev, DMAMAP_CONFIG, 0x54, 0xfee00000);
	assert_refused();
	dmamap_writew(dev, DMAMAP_CONFIG, 0x5c, 0x4021);
	assert_refused();
	assert_int_equal(config_read(0x50), msi);
	assert_int_equal(config_read(0x54), 0);
	assert_int_equal(config_read(0x5c), 0);
	/* after the capability the registers are the device's own */
	dmamap_writel(dev, DMAMAP_CONFIG, 0x60, 0xffffffff);
	assert_not_refused();
	assert_int_equal(config_read(0x60), ~0u);
}

static void test_config_clear_bits(void **state)
{
	/* error bits: writing 1 clears them, writing 0 keeps them */
	config_lay(6, (const u8[]){0x10, 0xf9}, 2);
	error_set(EIO, "-");
	dmamap_writew(dev, DMAMAP_CONFIG, 4, 0x0407);
	assert_not_refused();
	dmamap_writew(dev, DMAMAP_CONFIG, 6, 0x0810);
	assert_not_refused();
	/* the space in software does not store cleared bits */
	assert_int_equal(dmamap_readw(dev, DMAMAP_CONFIG, 6) & 0x08f0, 0x0010);
}

struct config_space {
	const char *name;
	u8 bytes[16]; /* of the capability at 0x40 */
	u8 at, want;  /* one byte, written as all ones, reads as this */
};

static void test_config_capabilities(void **state)
{
	static const struct config_space spaces[] = {
		{"vpd", {0x03, 0}, 0x43, 0xff},
		{"vpd's header", {0x03, 0}, 0x40, 0x03},
		{"msi, 32 bits", {0x05, 0, 0, 0}, 0x49, 0},
		{"msi, 32 bits: behind it", {0x05, 0, 0, 0}, 0x4a, 0xff},
		{"msi, 64 bits", {0x05, 0, 0x80, 0}, 0x4d, 0},
		{"msi, 64 bits: behind it", {0x05, 0, 0x80, 0}, 0x4e, 0xff},
		{"msi, masks", {0x05, 0, 0x80, 1}, 0x57, 0},
		{"msi, masks: behind it", {0x05, 0, 0x80, 1}, 0x58, 0xff},
		{"msi-x", {0x11, 0}, 0x4b, 0},
		{"msi-x: behind it", {0x11, 0}, 0x4c, 0xff},
		{"pci-x command", {0x07, 0}, 0x42, 0x7f},
		{"pci-x status", {0x07, 0}, 0x44, 0},
		{"vendor's length", {0x09, 0, 8}, 0x42, 8},
		{"vendor's own", {0x09, 0, 8}, 0x43, 0xff},
		{"express: device control", {0x10, 0}, 0x48, 0xff},
		{"express: no reset", {0x10, 0}, 0x49, 0x7f},
		{"express: link", {0x10, 0}, 0x50, 0xcb},
		{"express: slot", {0x10, 0}, 0x58, 0},
		{"express: device control 2", {0x10, 0}, 0x69, 0xff},
		{"advanced features: no reset", {0x13, 0, 6}, 0x44, 0},
		{"enhanced allocation", {0x14, 0, 1}, 0x47, 0},
		{"another", {0x0b, 0}, 0x41, 0},
		{"another's own", {0x0b, 0}, 0x42, 0xff},
	};
	static const u8 none[0xc0];

	for (size_t i = 0; i < ARRAY_SIZE(spaces); i++) {
		config_lay(0x40, none, sizeof(none));
		config_lay(0x34, (const u8[]){0x40}, 1);
		config_lay(0x40, spaces[i].bytes, sizeof(spaces[i].bytes));
		dmamap_writeb(dev, DMAMAP_CONFIG, spaces[i].at, 0xff);
		if (dmamap_readb(dev, DMAMAP_CONFIG, spaces[i].at) != spaces[i].want)
			fail_msg("%s: %#x, not %#x", spaces[i].name,
				 dmamap_readb(dev, DMAMAP_CONFIG, spaces[i].at), spaces[i].want);
	}
}

/* Lists without an end, that leave the space, that overlap. */
static void test_config_hostile_lists(void **state)
{
	static const u8 none[0xc0];

	config_lay(0x40, none, sizeof(none));
	config_lay(0x34, (const u8[]){0x40}, 1);
	config_lay(0x40, (const u8[]){0x09, 0x48, 8, 0, 0, 0, 0, 0, 0x09, 0x40, 8}, 11);
	dmamap_writeb(dev, DMAMAP_CONFIG, 0x43, 0xee);
	assert_int_equal(dmamap_readb(dev, DMAMAP_CONFIG, 0x43), 0xee);
	/* the last one exceeds the space */
	config_lay(0x34, (const u8[]){0xfc}, 1);
	config_lay(0xfc, (const u8[]){0x10, 0xfc, 0, 0}, 4);
	dmamap_writeb(dev, DMAMAP_CONFIG, 0xff, 0xff);
	assert_int_equal(dmamap_readb(dev, DMAMAP_CONFIG, 0xff), 0);
	/* one that includes another's bytes permits nothing */
	config_lay(0x40, none, sizeof(none));
	config_lay(0x34, (const u8[]){0x40}, 1);
	config_lay(0x40, (const u8[]){0x11, 0x44}, 2);
	config_lay(0x44, (const u8[]){0x09, 0x00, 8}, 3);
	dmamap_writeb(dev, DMAMAP_CONFIG, 0x48, 0xff);
	assert_int_equal(dmamap_readb(dev, DMAMAP_CONFIG, 0x48), 0);
	/* the header belongs to no capability */
	config_lay(0x34, (const u8[]){0x10}, 1);
	dmamap_writeb(dev, DMAMAP_CONFIG, 0x12, 0xff);
	assert_int_equal(dmamap_readb(dev, DMAMAP_CONFIG, 0x12) & 0xff,
			 dev->bar[0].addr >> 16 & 0xff);
}

static void test_config_out_of_bounds(void **state)
{
	assert_int_equal(config_read(0x100), ~0u);
	assert_true(dmamap_readq(dev, DMAMAP_CONFIG, ~7ull) == ~0ull);
	dmamap_writel(dev, DMAMAP_CONFIG, 0x100, 1);
	assert_refused();
	dmamap_writeq(dev, DMAMAP_CONFIG, ~7ull, 1);
	assert_refused();
	dmamap_writel(dev, DMAMAP_CONFIG, 0xfe, 0);
	assert_int_equal(errno, EINVAL); /* not aligned */
}

/* Without memory for the rules nothing is written. */
static void test_config_no_memory(void **state)
{
	rig_fail(FAIL_MEMORY, 1);
	dmamap_writeb(dev, DMAMAP_CONFIG, 0x3c, 9);
	assert_int_equal(errno, ENOMEM);
	rig_fail_none();
	assert_int_equal(dmamap_readb(dev, DMAMAP_CONFIG, 0x3c), 0);
	dmamap_writeb(dev, DMAMAP_CONFIG, 0x3c, 9);
	assert_int_equal(dmamap_readb(dev, DMAMAP_CONFIG, 0x3c), 9);
}

static void test_bars(void **state)
{
	struct dmamap_bar_info info = {1, 2, 3}, second;
	struct device *card = rig_open("sim:e1000e", DMA_BIT_MASK(64)), *twin;

	assert_int_equal(dmamap_bar(NULL, 0, &info), -EINVAL);
	assert_int_equal(dmamap_bar(dev, 0, NULL), -EINVAL);
	assert_int_equal(dmamap_bar(dev, -1, &info), -EINVAL);
	assert_int_equal(dmamap_bar(dev, 6, &info), -EINVAL);
	assert_int_equal(dmamap_bar(dev, 1, &info), -ENOENT);
	assert_true(info.addr == 1 && info.size == 2 && info.flags == 3);
	assert_int_equal(dmamap_bar(dev, 0, &info), 0);
	assert_true(info.size == 1 << 20 && !info.flags);
	assert_int_equal(config_read(0x10), info.addr);
	assert_int_equal(dmamap_bar(card, 2, &info), 0);
	assert_true(info.size == 32 && info.flags == DMAMAP_BAR_IO && info.addr < 0x10000);
	assert_int_equal(dmamap_readl(card, DMAMAP_CONFIG, 0x18), info.addr | 1);
	assert_int_equal(dmamap_bar(card, 3, &info), 0);
	assert_true(info.size == 16384 && !(info.addr & 16383));
	twin = rig_open("sim:e1000e", DMA_BIT_MASK(64));
	assert_int_equal(dmamap_bar(twin, 3, &second), 0);
	assert_true(second.addr != info.addr && !(second.addr & 16383));
	rig_close(twin);
	rig_close(card);
}

static unsigned int no_mask_reports;

static void count_no_mask(const struct dmamap_report *r, void *arg)
{
	no_mask_reports += r->kind == DMAMAP_CHECK_MAP_NO_MASK;
}

/* A driver of a PCI function need not set a mask of 32 bits. */
static void test_default_mask(void **state)
{
	static const char *const specs[] = {"sim:edu,check=1", "sim:e1000e,check=1", "sim,check=1"};
	u8 *p = kmalloc(64, GFP_KERNEL);

	dmamap_check_on_report(count_no_mask, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		struct device *other = dmamap_open(specs[i]);
		dma_addr_t addr;

		assert_non_null(other);
		no_mask_reports = 0;
		addr = dma_map_single(other, p, 64, DMA_TO_DEVICE);
		assert_int_equal(dma_mapping_error(other, addr), 0);
		dma_unmap_single(other, addr, 64, DMA_TO_DEVICE);
		assert_int_equal(no_mask_reports, i == 2);
		dmamap_close(other);
	}
	dmamap_check_on_report(NULL, NULL);
	kfree(p);
}

/* "sim" itself is not a PCI function. */
static void test_config_of_none(void **state)
{
	struct device *plain = rig_open("sim", DMA_BIT_MASK(64));
	struct dmamap_bar_info info;

	assert_int_equal(dmamap_readl(plain, DMAMAP_CONFIG, 0), ~0u);
	assert_int_equal(errno, EINVAL);
	dmamap_writel(plain, DMAMAP_CONFIG, 4, 0);
	assert_int_equal(dmamap_bar(plain, 0, &info), -ENOENT);
	rig_close(plain);
}

#define with_edu(f) cmocka_unit_test_setup_teardown(f, config_setup, config_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_edu(test_config_header),	     with_edu(test_config_widths),
		with_edu(test_config_keeps_bars),    with_edu(test_config_command),
		with_edu(test_config_master),	     with_edu(test_config_power_and_messages),
		with_edu(test_config_clear_bits),    with_edu(test_config_capabilities),
		with_edu(test_config_hostile_lists), with_edu(test_config_out_of_bounds),
		with_edu(test_config_no_memory),     with_edu(test_bars),
		with_edu(test_config_of_none),	     with_edu(test_default_mask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
