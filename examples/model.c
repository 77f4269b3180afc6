/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device in software. A thread reads commands from a mailbox in memory and copies data by DMA,
 * while the driver's thread maps buffers, sends commands and unmaps. One command has an address
 * that the device may not write. The access is refused and the fault is recorded; nothing else
 * happens.
 */
#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <linux/dma-mapping.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { IDLE, COPY, STOP, DONE, FAILED };

struct mailbox {     /* in coherent memory */
	u32 command; /* written last by the driver; the device overwrites it with the result */
	u32 length;
	u64 from, to;
};

struct model {
	struct device *dev;
	dma_addr_t mailbox; /* the only address that the device is given */
};

/* A device must not trust a length that it reads: this one moves at most the size of its buffer. */
static u32 copy(struct device *dev, const struct mailbox *m)
{
	u8 buffer[4096];
	u32 n = m->length < sizeof(buffer) ? m->length : (u32)sizeof(buffer);

	if (dmamap_bus_read(dev, m->from, buffer, n) || dmamap_bus_write(dev, m->to, buffer, n))
		return FAILED;
	return DONE;
}

static void *run_model(void *arg)
{
	struct model *model = arg;
	struct mailbox m;
	u32 command, answer;

	for (;;) {
		if (dmamap_bus_read(model->dev, model->mailbox, &command, sizeof(command)))
			return NULL;
		if (command == STOP)
			return NULL;
		if (command != COPY) {
			sched_yield();
			continue;
		}
		if (dmamap_bus_read(model->dev, model->mailbox, &m, sizeof(m)))
			return NULL;
		answer = copy(model->dev, &m);
		dmamap_bus_write(model->dev, model->mailbox, &answer, sizeof(answer));
	}
}

/* The driver's side: sends one command and returns its result. */
static u32 ask(struct mailbox *m, dma_addr_t from, dma_addr_t to, u32 length)
{
	u32 answer;

	m->from = from;
	m->to = to;
	m->length = length;
	__atomic_store_n(&m->command, COPY, __ATOMIC_RELEASE);
	do {
		sched_yield();
		answer = __atomic_load_n(&m->command, __ATOMIC_ACQUIRE);
	} while (answer == COPY);
	return answer;
}

static int drive(struct device *dev, struct mailbox *m)
{
	static char source[512] = "carried by a device in software", target[512];
	dma_addr_t from = dma_map_single(dev, source, sizeof(source), DMA_TO_DEVICE);
	dma_addr_t to = dma_map_single(dev, target, sizeof(target), DMA_FROM_DEVICE);
	struct dmamap_fault fault = {.addr = 0};
	u32 good = FAILED, bad = DONE;

	if (!dma_mapping_error(dev, from) && !dma_mapping_error(dev, to)) {
		good = ask(m, from, to, sizeof(source));
		bad = ask(m, from, from, sizeof(source)); /* `from` is mapped for reading only */
	}
	if (!dma_mapping_error(dev, to))
		dma_unmap_single(dev, to, sizeof(target), DMA_FROM_DEVICE);
	if (!dma_mapping_error(dev, from))
		dma_unmap_single(dev, from, sizeof(source), DMA_TO_DEVICE);
	if (good != DONE || strcmp(source, target) != 0)
		return -EIO;
	if (bad != FAILED || dmamap_bus_fault_next(dev, &fault) != 1 || !fault.write)
		return -EPROTO;
	printf("\"%s\"; a write to a buffer that is only to be read was refused\n", target);
	return 0;
}

int main(void)
{
	struct model model = {.dev = dmamap_open("sim")};
	struct mailbox *m = NULL;
	int err = -ENODEV;
	pthread_t thread;

	if (model.dev && !dma_set_mask_and_coherent(model.dev, DMA_BIT_MASK(64)))
		m = dma_alloc_coherent(model.dev, sizeof(*m), &model.mailbox, GFP_KERNEL);
	if (m && pthread_create(&thread, NULL, run_model, &model) == 0) {
		err = drive(model.dev, m);
		__atomic_store_n(&m->command, STOP, __ATOMIC_RELEASE);
		pthread_join(thread, NULL);
	}
	if (err)
		fprintf(stderr, "model: error %d: %s\n", -err, dmamap_strerror());
	if (m)
		dma_free_coherent(model.dev, sizeof(*m), m, model.mailbox);
	dmamap_close(model.dev);
	return err ? 1 : 0;
}
