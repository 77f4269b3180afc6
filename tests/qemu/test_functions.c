/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI functions of QEMU's as drivers of Linux use them: every network card that such a driver can
 * be tried on, its BARs in memory and I/O ports by every width, its interrupt line, configuration
 * space.
 */
#include "rig.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

struct card {
	const char *name;
	u16 vendor, device;
	u8 io, memory;	   /* BARs of each kind, a bit each */
	unsigned int msix; /* vectors */
	bool msi;
};

static const struct card cards[] = {
	{"rtl8139", 0x10ec, 0x8139, 1 << 0, 1 << 1, 0, false},
	{"i82557b", 0x8086, 0x1229, 1 << 1, 1 << 0 | 1 << 2, 0, false},
	{"i82559er", 0x8086, 0x1209, 1 << 1, 1 << 0 | 1 << 2, 0, false},
	{"pcnet", 0x1022, 0x2000, 1 << 0, 1 << 1, 0, false},
	{"tulip", 0x1011, 0x0019, 1 << 0, 1 << 1, 0, false},
	{"ne2k_pci", 0x10ec, 0x8029, 1 << 0, 0, 0, false},
	{"e1000", 0x8086, 0x100e, 1 << 1, 1 << 0, 0, false},
	{"e1000e", 0x8086, 0x10d3, 1 << 2, 1 << 0 | 1 << 1 | 1 << 3, 5, true},
	{"vmxnet3", 0x15ad, 0x07b0, 0, 1 << 0 | 1 << 1 | 1 << 2, 25, true},
};

static struct device *functions_open(const char *name, const char *keys)
{
	char spec[128];

	snprintf(spec, sizeof(spec), "qemu:%s,ram=64M%s", name, keys);
	return rig_open(spec);
}

static void check_bars(struct device *dev, const struct card *c)
{
	for (int i = 0; i < 6; i++) {
		struct dmamap_bar_info info;
		u32 reg = dmamap_readl(dev, DMAMAP_CONFIG, 0x10 + 4 * (u64)i);

		if (!((c->io | c->memory) >> i & 1)) {
			assert_int_equal(dmamap_bar(dev, i, &info), -ENOENT);
			continue;
		}
		assert_int_equal(dmamap_bar(dev, i, &info), 0);
		assert_int_equal(info.flags & DMAMAP_BAR_IO ? 1 : 0, c->io >> i & 1);
		assert_true(is_pow2(info.size) && !(info.addr & (info.size - 1)));
		assert_int_equal(reg & ~(c->io >> i & 1 ? 3u : 15u), (u32)info.addr);
		assert_int_equal(!!(info.flags & DMAMAP_BAR_PREFETCH),
				 !(c->io >> i & 1) && reg >> 3 & 1);
		/* the last register and none behind it */
		dmamap_readl(dev, i, info.size - 4);
		assert_int_equal(dmamap_readl(dev, i, info.size), ~0u);
		assert_non_null(strstr(dmamap_strerror(), "no register"));
	}
}

static void test_functions_all_open(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cards); i++) {
		const struct card *c = &cards[i];
		struct device *dev = functions_open(c->name, "");

		assert_int_equal(dmamap_readw(dev, DMAMAP_CONFIG, 0), c->vendor);
		assert_int_equal(dmamap_readw(dev, DMAMAP_CONFIG, 2), c->device);
		check_bars(dev, c);
		assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_INTX, 1), 1);
		assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_MSI, 2),
				 c->msi ? 1 : -EOPNOTSUPP);
		assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_MSIX, 64),
				 c->msix ? (int)c->msix : -EOPNOTSUPP);
		assert_true(dmamap_irq_fd(dev, 0) >= 0);
		dmamap_close(dev);
	}
}

/* The station address of an RTL8139 (its data sheet: IDR0 to IDR5) by every width, and both ways.
 */
static void test_functions_ports(void **state)
{
	struct device *dev = functions_open("rtl8139", ",mac=52:54:00:12:34:56");

	for (int bar = 0; bar < 2; bar++) {
		assert_int_equal(dmamap_readb(dev, bar, 0), 0x52);
		assert_int_equal(dmamap_readb(dev, bar, 5), 0x56);
		assert_int_equal(dmamap_readw(dev, bar, 2), 0x1200);
		assert_int_equal(dmamap_readw(dev, bar, 4), 0x5634);
		assert_int_equal(dmamap_readl(dev, bar, 0), 0x12005452);
		assert_true((dmamap_readq(dev, bar, 0) & 0xffffffffffff) == 0x563412005452);
	}
	dmamap_writeb(dev, 0, 0x50, 0xc0); /* 9346CR: registers may be written */
	dmamap_writeb(dev, 0, 1, 0xaa);
	assert_int_equal(dmamap_readl(dev, 1, 0), 0x1200aa52);
	dmamap_writew(dev, 0, 4, 0xbbcc);
	assert_int_equal(dmamap_readl(dev, 1, 0), 0x1200aa52);
	assert_int_equal(dmamap_readw(dev, 1, 4), 0xbbcc);
	dmamap_writel(dev, 0, 0, 0x01020304);
	assert_int_equal(dmamap_readl(dev, 1, 0), 0x01020304);
	assert_int_equal(dmamap_readw(dev, 1, 4), 0xbbcc);
	dmamap_writeq(dev, 0, 0, 0x0000665544332211);
	assert_int_equal(dmamap_readl(dev, 1, 0), 0x44332211);
	assert_int_equal(dmamap_readw(dev, 1, 4), 0x6655);
	/* not aligned, or over the end */
	assert_int_equal(dmamap_readw(dev, 0, 1), 0xffff);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(dmamap_readl(dev, 0, 0xfe), ~0u);
	dmamap_close(dev);
}

static unsigned int functions_capability(struct device *dev, u8 id)
{
	unsigned int at = dmamap_readb(dev, DMAMAP_CONFIG, 0x34);

	while (at && dmamap_readb(dev, DMAMAP_CONFIG, at) != id)
		at = dmamap_readb(dev, DMAMAP_CONFIG, at + 1);
	assert_int_not_equal(at, 0);
	return at;
}

static void test_functions_configuration(void **state)
{
	struct device *dev = functions_open("e1000e", "");
	struct dmamap_bar_info info;
	u32 msix = functions_capability(dev, 0x11),
	    control = dmamap_readl(dev, DMAMAP_CONFIG, msix);
	unsigned int pm;

	assert_int_equal(dmamap_bar(dev, 0, &info), 0);
	dmamap_writeb(dev, DMAMAP_CONFIG, 0x0c, 0x10);
	assert_int_equal(dmamap_readl(dev, DMAMAP_CONFIG, 0x0c) & 0xffff, 0x10);
	dmamap_writel(dev, DMAMAP_CONFIG, 0x10, 0);
	assert_int_equal(errno, EPERM);
	assert_int_equal(dmamap_readl(dev, DMAMAP_CONFIG, 0x10), info.addr);
	dmamap_writew(dev, DMAMAP_CONFIG, msix + 2, 0);
	assert_int_equal(dmamap_readl(dev, DMAMAP_CONFIG, msix), control);
	assert_int_equal(control >> 31, 1);
	dmamap_writew(dev, DMAMAP_CONFIG, 4, 3);
	assert_int_equal(dmamap_readw(dev, DMAMAP_CONFIG, 4), 0x403);
	dmamap_writew(dev, DMAMAP_CONFIG, 4, 7);
	assert_int_equal(dmamap_readw(dev, DMAMAP_CONFIG, 4), 0x407);
	/* only the bytes that were meant: PME beside the power state */
	pm = functions_capability(dev, 0x01);
	dmamap_writeb(dev, DMAMAP_CONFIG, pm + 5, 1);
	assert_int_equal(dmamap_readw(dev, DMAMAP_CONFIG, pm + 4) & 0x103, 0x100);
	assert_int_not_equal(dmamap_readl(dev, 0, 8), ~0u); /* its registers are where they were */
	dmamap_close(dev);
}

/* A level: as long as it is asserted each end of a handler signals it again. */
static void check_level(struct device *dev, void (*raise)(struct device *),
			void (*ack)(struct device *))
{
	struct pollfd p = {.fd = dmamap_irq_fd(dev, 0), .events = POLLIN};
	u64 count;

	assert_int_equal(dmamap_irq_eoi(dev, 0), 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	raise(dev);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(poll(&p, 1, 10000), 1);
		assert_int_equal(read(p.fd, &count, sizeof(count)), sizeof(count));
		assert_int_equal(count, 1);
		if (i == 2)
			ack(dev);
		assert_int_equal(dmamap_irq_eoi(dev, 0), 0);
	}
	assert_int_equal(poll(&p, 1, 0), 0);
	raise(dev);
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(read(p.fd, &count, sizeof(count)), sizeof(count));
	ack(dev);
	assert_int_equal(dmamap_irq_eoi(dev, 0), 0);
	assert_int_equal(poll(&p, 1, 0), 0);
}

/* e1000: ICS sets a cause, reading ICR takes it (Software Developer's Manual). */
static void raise_e1000(struct device *dev)
{
	dmamap_writel(dev, 0, 0xd0, 4);
	dmamap_writel(dev, 0, 0xc8, 4);
}

static void ack_e1000(struct device *dev)
{
	assert_int_equal(dmamap_readl(dev, 0, 0xc0) & 4, 4);
}

/* 8255x: bit 1 of the command word's upper byte asks for an interrupt; the status is cleared by
 * ones. */
static void raise_8255x(struct device *dev)
{
	dmamap_writeb(dev, 1, 3, 2);
}

static void ack_8255x(struct device *dev)
{
	u8 status = dmamap_readb(dev, 1, 1);

	assert_int_equal(status & 4, 4);
	dmamap_writeb(dev, 1, 1, status);
}

/* RTL8139: a timer that ends soon. */
static void raise_8139(struct device *dev)
{
	dmamap_writeb(dev, 0, 0x5b, 'R'); /* HLTCLK: the clock runs */
	dmamap_writew(dev, 0, 0x3c, 0x4000);
	dmamap_writel(dev, 0, 0x54, 100000); /* some 3 ms */
	dmamap_writel(dev, 0, 0x48, 0);
}

static void ack_8139(struct device *dev)
{
	assert_int_equal(dmamap_readw(dev, 0, 0x3e) & 0x4000, 0x4000);
	dmamap_writel(dev, 0, 0x54, 0);
	dmamap_writew(dev, 0, 0x3e, 0x4000);
}

static void raise_edu(struct device *dev)
{
	dmamap_writel(dev, 0, 0x60, 1);
}

static void ack_edu(struct device *dev)
{
	dmamap_writel(dev, 0, 0x64, 1);
}

static void test_functions_lines(void **state)
{
	static const struct {
		const char *name, *keys;
		void (*raise)(struct device *), (*ack)(struct device *);
	} lines[] = {
		{"e1000", "", raise_e1000, ack_e1000},
		{"e1000", ",writes=sync", raise_e1000, ack_e1000},
		{"e1000e", "", raise_e1000, ack_e1000},
		{"i82557b", "", raise_8255x, ack_8255x},
		{"rtl8139", "", raise_8139, ack_8139},
		{"edu", "", raise_edu, ack_edu},
		{"edu", ",interrupts=intx", raise_edu, ack_edu},
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct device *dev = functions_open(lines[i].name, lines[i].keys);

		assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_INTX, 3), 1);
		check_level(dev, lines[i].raise, lines[i].ack);
		dmamap_close(dev);
	}
}

/* One that reads its setting-up block from memory: PCnet, Am79C970A's data sheet, 16-bit
 * structures. */
static void test_functions_pcnet(void **state)
{
	struct device *dev = functions_open("pcnet", ",writes=sync");
	struct pollfd p;
	dma_addr_t addr;
	u8 *block;

	assert_int_equal(dma_set_mask_and_coherent(dev, DMA_BIT_MASK(32)), 0);
	block = dma_alloc_coherent(dev, 24, &addr, GFP_KERNEL);
	assert_non_null(block);
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_INTX, 1), 1);
	p = (struct pollfd){.fd = dmamap_irq_fd(dev, 0), .events = POLLIN};
	dmamap_readw(dev, 0, 0x14); /* reset */
	dmamap_writew(dev, 0, 0x12, 1);
	dmamap_writew(dev, 0, 0x10, (u16)addr);
	dmamap_writew(dev, 0, 0x12, 2);
	dmamap_writew(dev, 0, 0x10, (u16)(addr >> 16));
	dmamap_writew(dev, 0, 0x12, 0);
	dmamap_writew(dev, 0, 0x10, 0x41); /* initialize, interrupts on */
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(dmamap_readw(dev, 0, 0x10) & 0x8180, 0x0180);
	dmamap_writew(dev, 0, 0x10, 0x0100);
	assert_int_equal(dmamap_irq_eoi(dev, 0), 0);
	assert_int_equal(rig_stats(dev).faults, 0);
	dma_free_coherent(dev, 24, block, addr);
	dmamap_close(dev);
}

/* From one kind to another and back, with an interrupt under each. */
static void test_functions_kinds_in_turn(void **state)
{
	static const enum dmamap_irq_kind kinds[] = {DMAMAP_IRQ_MSIX, DMAMAP_IRQ_INTX,
						     DMAMAP_IRQ_MSI,  DMAMAP_IRQ_INTX,
						     DMAMAP_IRQ_MSIX, DMAMAP_IRQ_MSI};
	struct device *dev = functions_open("e1000e", "");
	struct pollfd p = {.fd = dmamap_irq_fd(dev, 0), .events = POLLIN};
	u64 count;

	/* the longest throttling, which outlasts what follows an interrupt */
	dmamap_writel(dev, 0, 0xc4, 0xffff);
	dmamap_writel(dev, 0, 0xe8, 0xffff);
	for (size_t i = 0; i < 3 * ARRAY_SIZE(kinds); i++) {
		if (dmamap_irq_setup(dev, kinds[i % ARRAY_SIZE(kinds)], 2) < 1)
			fail_msg("%zu: %s", i, dmamap_strerror());
		assert_int_equal(poll(&p, 1, 0), 0);
		if (kinds[i % ARRAY_SIZE(kinds)] == DMAMAP_IRQ_MSIX) {
			dmamap_writel(dev, 0, 0xe4, 0x00080000); /* IVAR: other causes, vector 0 */
			dmamap_writel(dev, 0, 0xd0, 1 << 24);
			dmamap_writel(dev, 0, 0xc8, 1 << 24);
		} else {
			dmamap_writel(dev, 0, 0xe4, 0);
			raise_e1000(dev);
		}
		assert_int_equal(poll(&p, 1, 10000), 1);
		assert_int_equal(read(p.fd, &count, sizeof(count)), sizeof(count));
		dmamap_writel(dev, 0, 0xd8, ~0u);
		dmamap_readl(dev, 0, 0xc0);
		assert_int_equal(dmamap_irq_eoi(dev, 0), 0);
	}
	dmamap_close(dev);
}

static u64 functions_requests(struct qtest *t, const u64 *count)
{
	u64 n;

	pthread_mutex_lock(&t->lock);
	n = *count;
	pthread_mutex_unlock(&t->lock);
	return n;
}

/*
 * The response to a write has arrived when the call returns. Responses arrive in order, and the
 * machine's own thread may send a request at any time, which need not be answered.
 */
static void test_functions_writes_in_step(void **state)
{
	struct device *dev = functions_open("edu", ",writes=sync");
	struct qtest *t = &rig_qemu(dev)->qtest;

	for (u32 i = 0; i < 200; i++) {
		u64 before = functions_requests(t, &t->asked);

		dmamap_writel(dev, 0, 4, i);
		assert_true(functions_requests(t, &t->answered) > before);
	}
	assert_int_equal(dmamap_readl(dev, 0, 4), ~199u);
	dmamap_close(dev);
	rig_refused("qemu:edu,writes=never", EINVAL, "writes", "posted or sync");
}

/* QEMU ends: every call says so, and none waits. */
static void test_functions_gone(void **state)
{
	struct device *dev = functions_open("edu", ",writes=sync");

	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_INTX, 1), 1);
	assert_int_equal(kill(rig_pid(dev), SIGKILL), 0);
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_MSI, 1), -EIO);
	dmamap_writel(dev, 0, 4, 1);
	assert_int_equal(errno, EIO);
	dmamap_writeb(dev, DMAMAP_CONFIG, 0x3c, 1);
	assert_int_equal(errno, EIO);
	dmamap_irq_eoi(dev, 0);
	dmamap_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(test_functions_all_open),	 rig_test(test_functions_ports),
		rig_test(test_functions_configuration),	 rig_test(test_functions_lines),
		rig_test(test_functions_pcnet),		 rig_test(test_functions_kinds_in_turn),
		rig_test(test_functions_writes_in_step), rig_test(test_functions_gone),
	};

	rig_need_qemu();
	return cmocka_run_group_tests(tests, NULL, rig_cleanup);
}
