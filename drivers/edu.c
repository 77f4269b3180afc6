/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers, BAR 0 (QEMU docs/specs/edu.rst). Only the DMA registers take 8-byte accesses. No
 * value from the device is used as a size or an address. Every wait ends after WAIT_MS.
 */
#include "drivers/edu.h"
#include "drivers/message.h"

#include <dmamap/device.h>
#include <errno.h>
#include <linux/dma-mapping.h>
#include <linux/slab.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#define REG_ID		 0x00
#define REG_LIVENESS	 0x04
#define REG_FACTORIAL	 0x08
#define REG_STATUS	 0x20
#define REG_IRQ_STATUS	 0x24
#define REG_IRQ_ACK	 0x64
#define REG_DMA_SOURCE	 0x80
#define REG_DMA_TARGET	 0x88
#define REG_DMA_COUNT	 0x90
#define REG_DMA_COMMAND	 0x98
#define ID_MASK		 0x0000ffffu
#define ID_EDU		 0x000000edu
#define STATUS_COMPUTING 0x01u
#define STATUS_INTERRUPT 0x80u
#define DMA_START	 0x1u
#define DMA_TO_MEMORY	 0x2u
#define DMA_INTERRUPT	 0x4u
#define IRQ_FACTORIAL	 0x001u
#define IRQ_DMA		 0x100u
#define DEVICE_BUFFER	 0x40000u /* address of the buffer for the DMA engine */

#define WAIT_MS 3000 /* QEMU's engine needs 100 ms for a transfer */

struct edu {
	struct device *dev;
	/* held from the start of a request to its end, since there is one set of registers */
	pthread_mutex_t lock;
	int irq_fd;
	u32 id;
};

static u64 edu_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

/*
 * The registers of a removed device read as all ones; no valid value of these registers has all
 * bits set.
 */
static bool edu_is_gone(u32 value)
{
	return value == ~0u;
}

static int edu_gone(struct edu *edu, const char *what)
{
	return driver_fail(EIO, "%s: the device was removed: after %s its registers read all ones",
			   dev_name(edu->dev), what);
}

/*
 * Acknowledges the device's interrupt bits, so that it can raise the interrupt again. Returns them.
 */
static u32 edu_irq_take(struct edu *edu)
{
	u32 bits = dmamap_readl(edu->dev, 0, REG_IRQ_STATUS);

	if (bits && !edu_is_gone(bits))
		dmamap_writel(edu->dev, 0, REG_IRQ_ACK, bits);
	return bits;
}

/* Discards an interrupt of an earlier request. */
static void edu_irq_clear(struct edu *edu)
{
	struct pollfd p = {.fd = edu->irq_fd, .events = POLLIN};
	u64 count;

	edu_irq_take(edu);
	if (poll(&p, 1, 0) > 0 && read(edu->irq_fd, &count, sizeof(count)) < 0)
		return;
}

static int edu_irq_wait(struct edu *edu, u32 wanted, const char *what)
{
	struct pollfd p = {.fd = edu->irq_fd, .events = POLLIN};
	u64 count, now, end = edu_now_ms() + WAIT_MS;
	u32 bits;

	while ((now = edu_now_ms()) < end) {
		if (poll(&p, 1, (int)(end - now)) <= 0)
			continue;
		if (read(edu->irq_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
			return driver_fail(errno, "%s: cannot read the eventfd of the interrupt",
					   dev_name(edu->dev));
		bits = edu_irq_take(edu);
		if (edu_is_gone(bits))
			return edu_gone(edu, what);
		if (bits & wanted)
			return 0;
	}
	return driver_fail(ETIMEDOUT,
			   "%s: no interrupt came within %d s after %s; an access of the device "
			   "may have been refused (see its faults)",
			   dev_name(edu->dev), WAIT_MS / 1000, what);
}

/* Waits until `bit` of a register is clear. */
static int edu_wait_clear(struct edu *edu, u64 reg, u32 bit, const char *what)
{
	struct timespec pause = {.tv_nsec = 20000};
	u64 end = edu_now_ms() + WAIT_MS;

	for (u32 value; (value = dmamap_readl(edu->dev, 0, reg)) & bit;) {
		if (edu_is_gone(value))
			return edu_gone(edu, what);
		if (edu_now_ms() >= end)
			return driver_fail(ETIMEDOUT, "%s: still busy %d s after %s",
					   dev_name(edu->dev), WAIT_MS / 1000, what);
		nanosleep(&pause, NULL);
	}
	return 0;
}

struct edu *edu_probe(struct device *dev)
{
	struct edu *edu;
	int err;
	u32 id;

	id = dmamap_readl(dev, 0, REG_ID);
	if ((id & ID_MASK) != ID_EDU) {
		driver_fail(ENODEV,
			    "%s: not an edu device: its identification is 0x%08x, not 0x____00ed",
			    dev_name(dev), id);
		return NULL;
	}
	err = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(EDU_ADDRESS_BITS));
	if (err) {
		driver_fail_why(-err, "%s: cannot set a mask of %d bits", dev_name(dev),
				EDU_ADDRESS_BITS);
		return NULL;
	}
	edu = kzalloc(sizeof(*edu), GFP_KERNEL);
	if (!edu) {
		driver_fail_why(ENOMEM, "%s: no memory for the driver", dev_name(dev));
		return NULL;
	}
	edu->irq_fd = dmamap_irq_fd(dev, 0);
	if (edu->irq_fd < 0) {
		driver_fail_why(-edu->irq_fd, "%s: cannot get an interrupt", dev_name(dev));
		kfree(edu);
		return NULL;
	}
	edu->dev = dev;
	edu->id = id;
	pthread_mutex_init(&edu->lock, NULL);
	dmamap_set_drvdata(dev, edu);
	return edu;
}

void edu_remove(struct edu *edu)
{
	if (!edu)
		return;
	dmamap_set_drvdata(edu->dev, NULL);
	pthread_mutex_destroy(&edu->lock);
	kfree(edu);
}

u32 edu_identification(const struct edu *edu)
{
	return edu->id;
}

int edu_check_alive(struct edu *edu, u32 value)
{
	u32 got;

	pthread_mutex_lock(&edu->lock);
	dmamap_writel(edu->dev, 0, REG_LIVENESS, value);
	got = dmamap_readl(edu->dev, 0, REG_LIVENESS);
	pthread_mutex_unlock(&edu->lock);
	if (got != ~value)
		return driver_fail(
			EIO, "%s: the liveness check failed: 0x%08x became 0x%08x, not 0x%08x",
			dev_name(edu->dev), value, got, ~value);
	return 0;
}

int edu_factorial(struct edu *edu, u32 n, bool by_interrupt, u32 *result)
{
	int err;

	pthread_mutex_lock(&edu->lock);
	err = edu_wait_clear(edu, REG_STATUS, STATUS_COMPUTING, "an earlier factorial");
	if (err)
		goto unlock;
	edu_irq_clear(edu);
	dmamap_writel(edu->dev, 0, REG_STATUS, by_interrupt ? STATUS_INTERRUPT : 0);
	dmamap_writel(edu->dev, 0, REG_FACTORIAL, n);
	if (by_interrupt)
		err = edu_irq_wait(edu, IRQ_FACTORIAL, "a factorial was requested");
	/* The interrupt may arrive before the status bit changes. */
	if (!err)
		err = edu_wait_clear(edu, REG_STATUS, STATUS_COMPUTING,
				     "a factorial was requested");
	if (!err)
		*result = dmamap_readl(edu->dev, 0, REG_FACTORIAL);
unlock:
	pthread_mutex_unlock(&edu->lock);
	return err;
}

static int edu_dma(struct edu *edu, u64 source, u64 target, u32 size, u32 command)
{
	int err;

	pthread_mutex_lock(&edu->lock);
	err = edu_wait_clear(edu, REG_DMA_COMMAND, DMA_START, "an earlier transfer");
	if (err)
		goto unlock;
	edu_irq_clear(edu);
	dmamap_writeq(edu->dev, 0, REG_DMA_SOURCE, source);
	dmamap_writeq(edu->dev, 0, REG_DMA_TARGET, target);
	dmamap_writeq(edu->dev, 0, REG_DMA_COUNT, size);
	dmamap_writeq(edu->dev, 0, REG_DMA_COMMAND, DMA_START | DMA_INTERRUPT | command);
	err = edu_irq_wait(edu, IRQ_DMA, "a transfer was started");
	/* The caller unmaps the buffer next, so the engine must have stopped. */
	if (!err)
		err = edu_wait_clear(edu, REG_DMA_COMMAND, DMA_START, "a transfer was started");
unlock:
	pthread_mutex_unlock(&edu->lock);
	return err;
}

static int edu_dma_check(struct edu *edu, u32 offset, u32 size)
{
	if (size && size <= EDU_BUFFER_SIZE && offset <= EDU_BUFFER_SIZE - size)
		return 0;
	return driver_fail(EINVAL, "%s: %u bytes at %u do not fit in the device's buffer of %d",
			   dev_name(edu->dev), size, offset, EDU_BUFFER_SIZE);
}

int edu_dma_to_device(struct edu *edu, dma_addr_t addr, u32 offset, u32 size)
{
	int err = edu_dma_check(edu, offset, size);

	return err ? err : edu_dma(edu, addr, DEVICE_BUFFER + offset, size, 0);
}

int edu_dma_from_device(struct edu *edu, dma_addr_t addr, u32 offset, u32 size)
{
	int err = edu_dma_check(edu, offset, size);

	return err ? err : edu_dma(edu, DEVICE_BUFFER + offset, addr, size, DMA_TO_MEMORY);
}

static int edu_mapped_dma(struct edu *edu, void *buf, u32 offset, u32 size,
			  enum dma_data_direction dir)
{
	dma_addr_t addr;
	int err;

	err = edu_dma_check(edu, offset, size);
	if (err)
		return err;
	addr = dma_map_single(edu->dev, buf, size, dir);
	if (dma_mapping_error(edu->dev, addr))
		return driver_fail_why(ENOMEM, "%s: cannot map %u bytes", dev_name(edu->dev), size);
	if (dir == DMA_TO_DEVICE)
		err = edu_dma_to_device(edu, addr, offset, size);
	else
		err = edu_dma_from_device(edu, addr, offset, size);
	dma_unmap_single(edu->dev, addr, size, dir);
	return err;
}

int edu_write(struct edu *edu, const void *buf, u32 offset, u32 size)
{
	return edu_mapped_dma(edu, (void *)buf, offset, size, DMA_TO_DEVICE);
}

int edu_read(struct edu *edu, void *buf, u32 offset, u32 size)
{
	return edu_mapped_dma(edu, buf, offset, size, DMA_FROM_DEVICE);
}
