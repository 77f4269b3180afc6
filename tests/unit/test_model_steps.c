/* SPDX-License-Identifier: BSD-2-Clause */
/* The models of the library without threads of their own (threads=0), and their resets. */
#include "core_rig.h"

#include "device/model.h"

#include <sched.h>
#include <unistd.h>

#define EDU_LIVE       0x04
#define EDU_FACTORIAL  0x08
#define EDU_STATUS     0x20
#define EDU_RAISE      0x60
#define EDU_DMA	       0x80
#define NVME_CC	       0x14
#define NVME_CSTS      0x1c
#define NVME_AQA       0x24
#define NVME_ASQ       0x28
#define NVME_ACQ       0x30
#define CARD_CTRL      0x00
#define CARD_RCTL      0x100
#define CARD_ICS       0xc8
#define CARD_IMS       0xd0
#define ENGINE_SCRATCH 0x14

static char image[64];

static int steps_setup(void **state)
{
	const char *dir = getenv("TMPDIR");
	int fd;

	snprintf(image, sizeof(image), "%.32s/dmamap-steps-XXXXXX", dir ? dir : "/tmp");
	fd = mkstemp(image);
	if (fd < 0 || ftruncate(fd, 1 << 20))
		return -1;
	return close(fd);
}

static int steps_teardown(void **state)
{
	return unlink(image);
}

static struct device *steps_open(const char *model, bool stepped)
{
	char spec[160];

	snprintf(spec, sizeof(spec), "sim:%s%s%s%s", model,
		 strcmp(model, "nvme") ? "" : ",image=", strcmp(model, "nvme") ? "" : image,
		 stepped ? ",threads=0" : "");
	return rig_open(spec, strcmp(model, "edu") ? DMA_BIT_MASK(64) : DMA_BIT_MASK(28));
}

static u64 steps_interrupts(struct device *dev)
{
	u64 n = 0;

	return read(dmamap_irq_fd(dev, 0), &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void steps_run(struct device *dev)
{
	for (int i = 0; i < 1000 && dmamap_model_step(dev) == 1; i++)
		;
}

static void test_edu_steps(void **state)
{
	struct device *dev = steps_open("edu", true);
	u8 *buf = kmalloc(64, GFP_KERNEL);
	dma_addr_t addr;

	dmamap_writel(dev, 0, EDU_STATUS, 0x80);
	dmamap_writel(dev, 0, EDU_FACTORIAL, 5);
	assert_int_equal(dmamap_readl(dev, 0, EDU_STATUS), 0x81);
	assert_int_equal(dmamap_model_step(dev), 1);
	assert_int_equal(dmamap_readl(dev, 0, EDU_FACTORIAL), 120);
	assert_int_equal(steps_interrupts(dev), 1);
	assert_int_equal(dmamap_model_step(dev), 0);
	memset(buf, 0x31, 64);
	addr = dma_map_single(dev, buf, 64, DMA_BIDIRECTIONAL);
	assert_false(dma_mapping_error(dev, addr));
	dmamap_writeq(dev, 0, EDU_DMA, addr);
	dmamap_writeq(dev, 0, EDU_DMA + 8, 0x40000);
	dmamap_writeq(dev, 0, EDU_DMA + 16, 64);
	dmamap_writeq(dev, 0, EDU_DMA + 24, 1);
	steps_run(dev);
	/* a copy that was asked for and dropped by a reset does not happen later */
	dmamap_writeq(dev, 0, EDU_DMA, 0x40000);
	dmamap_writeq(dev, 0, EDU_DMA + 8, addr);
	dmamap_writeq(dev, 0, EDU_DMA + 24, 3);
	assert_int_equal(dmamap_reset(dev, DMAMAP_RESET_FUNCTION), 0);
	memset(buf, 0, 64);
	assert_int_equal(dmamap_model_step(dev), 0);
	assert_true(rig_all(buf, 64, 0));
	assert_int_equal(dmamap_readl(dev, 0, EDU_FACTORIAL), 0);
	assert_int_equal(dmamap_readl(dev, 0, EDU_STATUS), 0);
	dma_unmap_single(dev, addr, 64, DMA_BIDIRECTIONAL);
	kfree(buf);
	rig_close(dev);
}

/* The engine copies all the time while the device is reset; nothing is written afterwards. */
static void test_edu_reset_at_work(void **state)
{
	struct device *dev = steps_open("edu", false);
	u8 *buf = kmalloc(4096, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(dev, buf, 4096, DMA_FROM_DEVICE);

	assert_false(dma_mapping_error(dev, addr));
	for (int i = 0; i < 200; i++) {
		dmamap_writel(dev, 0, EDU_LIVE, 1);
		dmamap_writel(dev, 0, EDU_RAISE, 1);
		dmamap_writeq(dev, 0, EDU_DMA, 0x40000);
		dmamap_writeq(dev, 0, EDU_DMA + 8, addr);
		dmamap_writeq(dev, 0, EDU_DMA + 16, 4096);
		dmamap_writeq(dev, 0, EDU_DMA + 24, 3);
		assert_int_equal(
			dmamap_reset(dev, i & 1 ? DMAMAP_RESET_HOT : DMAMAP_RESET_FUNCTION), 0);
		memset(buf, 0x77, 4096);
		assert_int_equal(dmamap_readl(dev, 0, EDU_LIVE), 0);
		assert_int_equal(dmamap_readl(dev, 0, 0x24), 0);
		assert_true(rig_all(buf, 4096, 0x77));
	}
	dma_unmap_single(dev, addr, 4096, DMA_FROM_DEVICE);
	kfree(buf);
	rig_close(dev);
}

static void nvme_wait(struct device *dev, bool stepped, u32 csts)
{
	if (stepped)
		steps_run(dev);
	while (dmamap_readl(dev, 0, NVME_CSTS) != csts)
		sched_yield();
}

static void nvme_enable(struct device *dev, dma_addr_t queues)
{
	dmamap_writel(dev, 0, NVME_AQA, 7 << 16 | 7);
	dmamap_writeq(dev, 0, NVME_ASQ, queues);
	dmamap_writeq(dev, 0, NVME_ACQ, queues + 4096);
	dmamap_writel(dev, 0, NVME_CC, 4 << 20 | 6 << 16 | 1);
}

static void nvme_resets(bool stepped)
{
	struct device *dev = steps_open("nvme", stepped);
	dma_addr_t queues;
	u8 *memory = dma_alloc_coherent(dev, 8192, &queues, GFP_KERNEL);

	assert_non_null(memory);
	nvme_enable(dev, queues);
	if (stepped)
		assert_int_equal(dmamap_readl(dev, 0, NVME_CSTS), 0);
	nvme_wait(dev, stepped, 1);
	/* an Identify command with a bad address, which would be completed by an error */
	memory[0] = 6;
	dmamap_writel(dev, 0, 0x1000, 1);
	assert_int_equal(dmamap_reset(dev, DMAMAP_RESET_FUNCTION), 0);
	assert_int_equal(dmamap_readl(dev, 0, NVME_CSTS), 0);
	assert_int_equal(dmamap_readl(dev, 0, NVME_CC), 0);
	assert_int_equal(dmamap_readl(dev, 0, NVME_AQA), 0);
	assert_true(dmamap_readq(dev, 0, NVME_ASQ) == 0);
	memset(memory, 0, 8192);
	dmamap_writel(dev, 0, 0x1000, 2); /* the queue does not exist any more */
	if (stepped)
		steps_run(dev);
	assert_true(rig_all(memory, 8192, 0));
	nvme_enable(dev, queues);
	nvme_wait(dev, stepped, 1);
	memory[0] = 6;
	dmamap_writel(dev, 0, 0x1000, 1);
	if (stepped)
		steps_run(dev);
	while (!(read_acquire((u32 *)(void *)(memory + 4096 + 12)) >> 16 & 1))
		sched_yield();
	assert_int_equal(dmamap_reset(dev, DMAMAP_RESET_HOT), 0);
	dma_free_coherent(dev, 8192, memory, queues);
	rig_close(dev);
}

static void test_nvme_steps(void **state)
{
	nvme_resets(true);
}

static void test_nvme_reset(void **state)
{
	nvme_resets(false);
}

/* A write of CTRL returns after the card has processed it; without a worker the writer does it. */
static void card_resets(bool stepped)
{
	struct device *dev = steps_open("e1000e", stepped);

	dmamap_writel(dev, 0, CARD_RCTL, 2);
	dmamap_writel(dev, 0, CARD_CTRL, 1u << 26);
	assert_int_equal(dmamap_readl(dev, 0, CARD_RCTL), 0);
	dmamap_writel(dev, 0, CARD_RCTL, 2);
	dmamap_writel(dev, 0, CARD_IMS, 4);
	dmamap_writel(dev, 0, CARD_ICS, 4);
	if (stepped) {
		assert_int_equal(steps_interrupts(dev), 0);
		steps_run(dev);
		assert_int_equal(steps_interrupts(dev), 1);
	}
	assert_int_equal(dmamap_reset(dev, DMAMAP_RESET_FUNCTION), 0);
	assert_int_equal(dmamap_readl(dev, 0, CARD_IMS), 0);
	assert_int_equal(dmamap_readl(dev, 0, CARD_RCTL), 0);
	rig_close(dev);
}

static void test_card_steps(void **state)
{
	card_resets(true);
}

static void test_card_reset(void **state)
{
	card_resets(false);
}

static void test_engine(void **state)
{
	struct device *dev = steps_open("dmaengine", true);

	dmamap_writel(dev, 0, ENGINE_SCRATCH, 9);
	dmamap_writel(dev, 2, 16, 9);
	assert_int_equal(dmamap_model_step(dev), 0);
	assert_int_equal(dmamap_reset(dev, DMAMAP_RESET_HOT), 0);
	assert_int_equal(dmamap_readl(dev, 0, ENGINE_SCRATCH), 0);
	assert_int_equal(dmamap_readl(dev, 2, 16), 9);
	/* the card's own reset register takes effect in a step */
	dmamap_writel(dev, 0, ENGINE_SCRATCH, 9);
	dmamap_writel(dev, 0, 8, 1);
	assert_int_equal(dmamap_readl(dev, 0, ENGINE_SCRATCH), 9);
	steps_run(dev);
	assert_int_equal(dmamap_readl(dev, 0, ENGINE_SCRATCH), 0);
	rig_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edu_steps),  cmocka_unit_test(test_edu_reset_at_work),
		cmocka_unit_test(test_nvme_steps), cmocka_unit_test(test_nvme_reset),
		cmocka_unit_test(test_card_steps), cmocka_unit_test(test_card_reset),
		cmocka_unit_test(test_engine),
	};

	return cmocka_run_group_tests(tests, steps_setup, steps_teardown);
}
