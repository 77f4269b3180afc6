/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds of interrupts, and the interrupt line as a level, on devices in software. */
#include "core_rig.h"

#include "device/model.h"

#include <poll.h>
#include <unistd.h>

#define EDU_IRQ_STATUS 0x24
#define EDU_IRQ_RAISE  0x60
#define EDU_IRQ_ACK    0x64
#define CARD_ICR       0xc0
#define CARD_ICS       0xc8
#define CARD_IMS       0xd0
#define CARD_IMC       0xd8

static struct device *edu, *card, *plain;

static int irq_open(void **state)
{
	edu = rig_open("sim:edu", DMA_BIT_MASK(28));
	card = rig_open("sim:e1000e", DMA_BIT_MASK(64));
	plain = rig_open("sim", DMA_BIT_MASK(64));
	return 0;
}

static int irq_close(void **state)
{
	rig_close(edu);
	rig_close(card);
	rig_close(plain);
	return 0;
}

/*
 * How often a vector was signalled since the last call; waits for the first signal if one must
 * arrive.
 */
static u64 irq_count(struct device *dev, unsigned int vector, bool wait)
{
	struct pollfd p = {.fd = dmamap_irq_fd(dev, vector), .events = POLLIN};
	u64 n = 0;

	assert_true(p.fd >= 0);
	if (poll(&p, 1, wait ? 10000 : 0) == 1)
		assert_int_equal(read(p.fd, &n, sizeof(n)), sizeof(n));
	return n;
}

static void test_irq_kinds(void **state)
{
	int fd = dmamap_irq_fd(card, 4);

	assert_true(fd >= 0);
	assert_int_equal(dmamap_irq_setup(card, DMAMAP_IRQ_MSIX, 100), 5);
	assert_int_equal(dmamap_irq_setup(card, DMAMAP_IRQ_MSIX, 3), 3);
	assert_int_equal(dmamap_irq_fd(card, 3), -EINVAL);
	assert_true(dmamap_irq_fd(card, 2) >= 0);
	assert_int_equal(dmamap_irq_setup(card, DMAMAP_IRQ_MSI, 4), 1);
	assert_int_equal(dmamap_irq_fd(card, 1), -EINVAL);
	assert_int_equal(dmamap_irq_setup(card, DMAMAP_IRQ_INTX, 1), 1);
	assert_int_equal(dmamap_irq_setup(card, DMAMAP_IRQ_MSIX, 5), 5);
	/* a thread may wait for it at any time */
	assert_int_equal(dmamap_irq_fd(card, 4), fd);
	assert_int_equal(dmamap_irq_setup(edu, DMAMAP_IRQ_MSIX, 1), -EOPNOTSUPP);
	assert_non_null(strstr(dmamap_strerror(), "MSI-X"));
	assert_true(dmamap_irq_fd(edu, 0) >= 0);
	assert_int_equal(dmamap_irq_setup(plain, DMAMAP_IRQ_INTX, 1), -EOPNOTSUPP);
}

static void test_irq_bad_arguments(void **state)
{
	assert_int_equal(dmamap_irq_setup(NULL, DMAMAP_IRQ_MSI, 1), -EINVAL);
	assert_int_equal(dmamap_irq_setup(edu, DMAMAP_IRQ_MSI, 0), -EINVAL);
	assert_int_equal(dmamap_irq_setup(edu, (enum dmamap_irq_kind)0, 1), -EINVAL);
	assert_int_equal(dmamap_irq_setup(edu, (enum dmamap_irq_kind)4, 1), -EINVAL);
	assert_int_equal(dmamap_irq_setup(edu, (enum dmamap_irq_kind) - 1, 1), -EINVAL);
	assert_non_null(strstr(dmamap_strerror(), "DMAMAP_IRQ_INTX"));
	assert_int_equal(dmamap_irq_eoi(NULL, 0), -EINVAL);
	assert_int_equal(dmamap_irq_eoi(edu, 1), -EINVAL);
	assert_int_equal(dmamap_irq_eoi(plain, 0), -EINVAL);
	assert_int_equal(dmamap_irq_eoi(edu, 0), 0);
}

/* The counters begin at 0. */
static void test_irq_counters(void **state)
{
	dmamap_model_interrupt(card, 2);
	assert_int_equal(dmamap_irq_setup(card, DMAMAP_IRQ_MSIX, 5), 5);
	assert_int_equal(irq_count(card, 2, false), 0);
	dmamap_model_interrupt(card, 2);
	assert_int_equal(irq_count(card, 2, false), 1);
	/* a vector that was not requested */
	assert_int_equal(dmamap_irq_setup(card, DMAMAP_IRQ_MSIX, 2), 2);
	dmamap_model_interrupt(card, 2);
	assert_int_equal(dmamap_irq_setup(card, DMAMAP_IRQ_MSIX, 5), 5);
	assert_int_equal(irq_count(card, 2, false), 0);
}

static void test_irq_line(void **state)
{
	assert_int_equal(dmamap_irq_setup(edu, DMAMAP_IRQ_INTX, 1), 1);
	dmamap_writel(edu, 0, EDU_IRQ_RAISE, 3);
	assert_int_equal(irq_count(edu, 0, false), 1);
	/* the handler has run and left it asserted */
	assert_int_equal(dmamap_irq_eoi(edu, 0), 0);
	assert_int_equal(irq_count(edu, 0, false), 1);
	/* it cleared one cause of two */
	dmamap_writel(edu, 0, EDU_IRQ_ACK, 1);
	assert_int_equal(irq_count(edu, 0, false), 0);
	assert_int_equal(dmamap_irq_eoi(edu, 0), 0);
	assert_int_equal(irq_count(edu, 0, false), 1);
	dmamap_writel(edu, 0, EDU_IRQ_ACK, 2);
	assert_int_equal(dmamap_irq_eoi(edu, 0), 0);
	assert_int_equal(irq_count(edu, 0, false), 0);
	dmamap_writel(edu, 0, EDU_IRQ_RAISE, 4);
	assert_int_equal(irq_count(edu, 0, false), 1);
	dmamap_writel(edu, 0, EDU_IRQ_ACK, 4);
	/* messages are events */
	assert_int_equal(dmamap_irq_setup(edu, DMAMAP_IRQ_MSI, 1), 1);
	dmamap_writel(edu, 0, EDU_IRQ_RAISE, 1);
	assert_int_equal(irq_count(edu, 0, false), 1);
	assert_int_equal(dmamap_irq_eoi(edu, 0), 0);
	assert_int_equal(irq_count(edu, 0, false), 0);
}

/* A program that does not report the end of its handlers: a register access has that effect. */
static void test_irq_line_without_eoi(void **state)
{
	assert_int_equal(dmamap_irq_setup(edu, DMAMAP_IRQ_INTX, 1), 1);
	dmamap_writel(edu, 0, EDU_IRQ_RAISE, 1);
	assert_int_equal(irq_count(edu, 0, false), 1);
	assert_int_equal(dmamap_readl(edu, 0, EDU_IRQ_STATUS), 1);
	assert_int_equal(irq_count(edu, 0, false), 1);
	dmamap_writel(edu, 0, EDU_IRQ_ACK, 1);
	assert_int_equal(irq_count(edu, 0, false), 0);
	dmamap_readl(edu, 0, EDU_IRQ_STATUS);
	assert_int_equal(irq_count(edu, 0, false), 0);
}

/* A line that is asserted when it is selected is signalled. */
static void test_irq_line_asserted_before(void **state)
{
	dmamap_writel(edu, 0, EDU_IRQ_RAISE, 1);
	assert_int_equal(dmamap_irq_setup(edu, DMAMAP_IRQ_INTX, 1), 1);
	assert_int_equal(irq_count(edu, 0, false), 1);
}

static void test_irq_line_of_a_card(void **state)
{
	assert_int_equal(dmamap_irq_setup(card, DMAMAP_IRQ_INTX, 1), 1);
	dmamap_writel(card, 0, CARD_IMS, 4 | 1);
	dmamap_writel(card, 0, CARD_ICS, 4);
	assert_int_equal(irq_count(card, 0, true), 1);
	assert_int_equal(dmamap_irq_eoi(card, 0), 0);
	assert_int_equal(irq_count(card, 0, false), 1);
	assert_int_equal(dmamap_readl(card, 0, CARD_ICR) & 4, 4);
	assert_int_equal(dmamap_irq_eoi(card, 0), 0);
	assert_int_equal(irq_count(card, 0, false), 0);
	/* a masked line is not asserted */
	dmamap_writel(card, 0, CARD_ICS, 1);
	assert_int_equal(irq_count(card, 0, true), 1);
	dmamap_writel(card, 0, CARD_IMC, ~0u);
	assert_int_equal(dmamap_irq_eoi(card, 0), 0);
	assert_int_equal(irq_count(card, 0, false), 0);
}

/* A message is a write of the device; a line is not. */
static void test_irq_without_bus_mastering(void **state)
{
	dmamap_writew(edu, DMAMAP_CONFIG, 4, 0x0403);
	dmamap_writel(edu, 0, EDU_IRQ_RAISE, 1);
	assert_int_equal(irq_count(edu, 0, false), 0);
	assert_int_equal(dmamap_irq_setup(edu, DMAMAP_IRQ_INTX, 1), 1);
	assert_int_equal(irq_count(edu, 0, false), 1);
}

#define with_devices(f) cmocka_unit_test_setup_teardown(f, irq_open, irq_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_devices(test_irq_kinds),
		with_devices(test_irq_bad_arguments),
		with_devices(test_irq_counters),
		with_devices(test_irq_line),
		with_devices(test_irq_line_without_eoi),
		with_devices(test_irq_line_asserted_before),
		with_devices(test_irq_line_of_a_card),
		with_devices(test_irq_without_bus_mastering),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
