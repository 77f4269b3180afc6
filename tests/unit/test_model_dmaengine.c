/* SPDX-License-Identifier: BSD-2-Clause */
/* The model of the DMA engine on the library's bus: transfers, errors, interrupts, stopping. */
#include "core_rig.h"

#include "dmaengine_regs.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#define RING 16u

static struct device *dev;
static struct dmaeng_desc *ring[DMAENG_CHANNELS];
static dma_addr_t ring_addr[DMAENG_CHANNELS], data_addr;
static u8 *data;
static u32 tail[DMAENG_CHANNELS];

#define DATA_BYTES 65536u

static u32 reg(u32 offset)
{
	return dmamap_readl(dev, 0, offset);
}

static void set_reg(u32 offset, u32 value)
{
	dmamap_writel(dev, 0, offset, value);
}

static u32 ch_reg(u32 c, u32 offset)
{
	return reg(DMAENG_CHANNEL(c) + offset);
}

static void set_ch(u32 c, u32 offset, u32 value)
{
	set_reg(DMAENG_CHANNEL(c) + offset, value);
}

static void engine_reset(void)
{
	set_reg(DMAENG_CONTROL, DMAENG_CONTROL_RESET);
	while (reg(DMAENG_CONTROL) & DMAENG_CONTROL_RESET)
		sched_yield();
}

static void engine_start(u32 c)
{
	set_ch(c, DMAENG_CH_RING_SIZE, RING);
	dmamap_writeq(dev, 0, DMAENG_CHANNEL(c) + DMAENG_CH_RING_LO, ring_addr[c]);
	set_ch(c, DMAENG_CH_CTRL, DMAENG_CTRL_RUN);
	assert_int_equal(ch_reg(c, DMAENG_CH_STATUS), DMAENG_ST_RUNNING | DMAENG_ST_IDLE);
	tail[c] = 0;
}

static int engine_open(void **state)
{
	dev = rig_open("sim:dmaengine", DMA_BIT_MASK(64));
	for (u32 c = 0; c < DMAENG_CHANNELS; c++)
		ring[c] =
			dma_alloc_coherent(dev, RING * sizeof(*ring[c]), &ring_addr[c], GFP_KERNEL);
	data = dma_alloc_coherent(dev, DATA_BYTES, &data_addr, GFP_KERNEL);
	engine_reset();
	for (u32 c = 0; c < DMAENG_CHANNELS; c++)
		engine_start(c);
	return data && ring[0] && ring[1] ? 0 : -1;
}

static int engine_close(void **state)
{
	engine_reset();
	for (u32 c = 0; c < DMAENG_CHANNELS; c++)
		dma_free_coherent(dev, RING * sizeof(*ring[c]), ring[c], ring_addr[c]);
	dma_free_coherent(dev, DATA_BYTES, data, data_addr);
	rig_close(dev);
	return 0;
}

static void put(u32 c, u64 address, u32 offset, u32 length, u32 flags)
{
	ring[c][tail[c]] = (struct dmaeng_desc){
		.address = address, .offset = offset, .length = length, .flags = flags};
	tail[c] = (tail[c] + 1) % RING;
}

static void go(u32 c)
{
	set_ch(c, DMAENG_CH_TAIL, tail[c]);
}

static u64 report_of(u32 c, u32 index)
{
	return read_acquire((u64 *)(void *)&ring[c][index].status);
}

static void wait_done(u32 c, u32 index)
{
	while (!(report_of(c, index) & DMAENG_DESC_DONE))
		sched_yield();
}

/* Waits until the channel has stopped by itself. */
static void wait_stopped(u32 c)
{
	while (ch_reg(c, DMAENG_CH_STATUS) & DMAENG_ST_RUNNING)
		sched_yield();
}

static void fill(u8 *p, u32 n, u32 seed)
{
	for (u32 i = 0; i < n; i++)
		p[i] = (u8)(seed * 31 + i * 7 + (i >> 8));
}

static void test_engine_identity(void **state)
{
	struct dmamap_bar_info info;

	assert_int_equal(reg(DMAENG_ID), DMAENG_ID_VALUE);
	assert_int_equal(reg(DMAENG_CAPS), 10 | 2 << 8);
	assert_int_equal(reg(DMAENG_MEMORY_SIZE), 1 << 20);
	set_reg(DMAENG_SCRATCH, 0x12345678);
	assert_int_equal(reg(DMAENG_SCRATCH), 0x12345678);
	assert_int_equal(dmamap_readl(dev, DMAMAP_CONFIG, 0), 0x0d3a1234);
	assert_int_equal(dmamap_bar(dev, 2, &info), 0);
	assert_int_equal(info.size, 1 << 20);
	assert_int_equal(info.flags, DMAMAP_BAR_64BIT | DMAMAP_BAR_PREFETCH);
	assert_int_equal(reg(0x40), 0);
	assert_int_equal(reg(0xffc), 0);
	assert_int_equal(dmamap_readl(dev, 0, 0x1000), ~0u);
	set_reg(DMAENG_ID, 1);
	set_reg(0xffc, 1);
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_MSIX, 9), 2);
}

/*
 * Data is transferred to the card and back, in pieces of any size and alignment, around the rings.
 */
static void test_engine_moves(void **state)
{
	u32 moved = 0, n = 0;

	for (u32 len = 1; len < 20000; len = len * 2 + 3, n++) {
		u32 off = len * 13 % 1000, at = tail[0], back = tail[1];

		fill(data + off, len, n);
		put(0, data_addr + off, off + 5, len, 0);
		go(0);
		wait_done(0, at);
		assert_true(report_of(0, at) == (DMAENG_DESC_DONE | (u64)len << 32));
		put(1, data_addr + 30000 + n, off + 5, len, 0);
		go(1);
		wait_done(1, back);
		assert_memory_equal(data + 30000 + n, data + off, len);
		moved += len;
	}
	assert_int_equal(ch_reg(0, DMAENG_CH_DONE), n);
	assert_int_equal(ch_reg(1, DMAENG_CH_BYTES_LO), moved);
	assert_int_equal(ch_reg(0, DMAENG_CH_HEAD), tail[0]);
	assert_int_equal(rig_stats(dev).faults, 0);
}

/* Its memory can also be read and written without DMA. */
static void test_engine_memory(void **state)
{
	fill(data, 64, 1);
	put(0, data_addr, 4096, 64, 0);
	go(0);
	wait_done(0, 0);
	for (u32 i = 0; i < 64; i += 8)
		assert_true(dmamap_readq(dev, 2, 4096 + i) == *(u64 *)(void *)(data + i));
	dmamap_writel(dev, 2, 4100, 0x11223344);
	dmamap_writeq(dev, 2, (1 << 20) - 8, 0x5566778899aabbcc);
	assert_int_equal(dmamap_readl(dev, 2, 4100), 0x11223344);
	put(1, data_addr, (1 << 20) - 8, 8, 0);
	go(1);
	wait_done(1, 0);
	assert_true(*(u64 *)(void *)data == 0x5566778899aabbcc);
	assert_int_equal(dmamap_readl(dev, 2, 1 << 20), ~0u);
}

struct bad {
	const char *name;
	struct dmaeng_desc d;
	u32 cause;
};

static void test_engine_bad_descriptors(void **state)
{
	const struct bad bad[] = {
		{"length 0", {.address = data_addr}, DMAENG_ST_BAD},
		{"past the memory",
		 {.address = data_addr, .offset = 1 << 20, .length = 1},
		 DMAENG_ST_BAD},
		{"over its end",
		 {.address = data_addr, .offset = (1 << 20) - 8, .length = 9},
		 DMAENG_ST_BAD},
		{"that wraps", {.address = data_addr, .offset = ~0u, .length = 2}, DMAENG_ST_BAD},
		{"too long", {.address = data_addr, .length = ~0u}, DMAENG_ST_BAD},
		{"flags", {.address = data_addr, .length = 8, .flags = 2}, DMAENG_ST_BAD},
		{"reserved", {.address = data_addr, .length = 8, .reserved = 1}, DMAENG_ST_BAD},
		{"not mapped", {.address = 0x7000000000, .length = 8}, DMAENG_ST_DATA},
		{"that ends outside", {.address = ~0ull - 3, .length = 8}, DMAENG_ST_DATA},
	};

	for (u32 i = 0; i < ARRAY_SIZE(bad) * DMAENG_CHANNELS; i++) {
		const struct bad *b = &bad[i / DMAENG_CHANNELS];
		u32 c = i % DMAENG_CHANNELS;

		put(c, data_addr, 0, 8, 0);
		ring[c][tail[c]] = b->d;
		tail[c]++;
		put(c, data_addr, 0, 8, 0);
		go(c);
		wait_stopped(c);
		assert_int_equal(ch_reg(c, DMAENG_CH_STATUS), b->cause);
		assert_int_equal(ch_reg(c, DMAENG_CH_ERROR), 1);
		assert_int_equal(ch_reg(c, DMAENG_CH_HEAD), 1);
		assert_true(report_of(c, 1) == (DMAENG_DESC_DONE | b->cause));
		assert_true(report_of(c, 2) == 0); /* nothing after it */
		set_ch(c, DMAENG_CH_STATUS, ~0u);
		assert_int_equal(ch_reg(c, DMAENG_CH_STATUS), 0);
		memset(ring[c], 0, RING * sizeof(*ring[c]));
		engine_start(c);
	}
}

static void test_engine_bad_rings(void **state)
{
	static const u32 sizes[] = {0, 1, 3, 2048, ~0u, 12};

	/* an invalid tail, of a ring of good descriptors */
	for (u32 i = 0; i < RING; i++)
		put(0, data_addr, 0, 8, 0);
	set_ch(0, DMAENG_CH_TAIL, RING);
	wait_stopped(0);
	assert_int_equal(ch_reg(0, DMAENG_CH_STATUS) & DMAENG_ST_CAUSES, DMAENG_ST_BAD);
	set_ch(0, DMAENG_CH_STATUS, ~0u);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		set_ch(0, DMAENG_CH_RING_SIZE, sizes[i]);
		assert_int_equal(ch_reg(0, DMAENG_CH_RING_SIZE), 0);
		set_ch(0, DMAENG_CH_CTRL, DMAENG_CTRL_RUN);
		assert_int_equal(ch_reg(0, DMAENG_CH_CTRL), 0);
		assert_int_equal(ch_reg(0, DMAENG_CH_STATUS) & DMAENG_ST_CAUSES, DMAENG_ST_BAD);
		set_ch(0, DMAENG_CH_STATUS, ~0u);
	}
	set_ch(0, DMAENG_CH_RING_SIZE, 2);
	set_ch(0, DMAENG_CH_RING_LO, (u32)ring_addr[0] | 32);
	set_ch(0, DMAENG_CH_CTRL, DMAENG_CTRL_RUN);
	assert_int_equal(ch_reg(0, DMAENG_CH_CTRL), 0);
	set_ch(0, DMAENG_CH_STATUS, ~0u);
	/* one that is not mapped */
	dmamap_writeq(dev, 0, DMAENG_CHANNEL(0) + DMAENG_CH_RING_LO, 0x7000000000);
	set_ch(0, DMAENG_CH_CTRL, DMAENG_CTRL_RUN);
	set_ch(0, DMAENG_CH_TAIL, 1);
	wait_stopped(0);
	assert_int_equal(ch_reg(0, DMAENG_CH_STATUS) & DMAENG_ST_CAUSES, DMAENG_ST_FETCH);
	/* its registers do not change while it runs */
	set_ch(1, DMAENG_CH_RING_SIZE, 2);
	set_ch(1, DMAENG_CH_RING_HI, 7);
	assert_int_equal(ch_reg(1, DMAENG_CH_RING_SIZE), RING);
	assert_int_equal(ch_reg(1, DMAENG_CH_RING_HI), ring_addr[1] >> 32);
	/* and while it does not run, a tail is ignored */
	set_ch(1, DMAENG_CH_CTRL, 0);
	wait_stopped(1);
	set_ch(1, DMAENG_CH_TAIL, 5);
	assert_int_equal(ch_reg(1, DMAENG_CH_TAIL), 0);
}

/* A ring that the device may only read: the status cannot be written, which stops the channel. */
static void test_engine_report_refused(void **state)
{
	struct dmaeng_desc *d = kzalloc(4096, GFP_KERNEL);
	dma_addr_t addr;

	d[0] = (struct dmaeng_desc){.address = data_addr, .length = 8};
	addr = dma_map_single(dev, d, 4096, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	set_ch(0, DMAENG_CH_CTRL, 0);
	wait_stopped(0);
	dmamap_writeq(dev, 0, DMAENG_CHANNEL(0) + DMAENG_CH_RING_LO, addr);
	set_ch(0, DMAENG_CH_CTRL, DMAENG_CTRL_RUN);
	set_ch(0, DMAENG_CH_TAIL, 1);
	wait_stopped(0);
	assert_int_equal(ch_reg(0, DMAENG_CH_STATUS) & DMAENG_ST_CAUSES, DMAENG_ST_REPORT);
	dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	kfree(d);
}

static u64 irq_take(unsigned int vector, bool wait)
{
	struct pollfd p = {.fd = dmamap_irq_fd(dev, vector), .events = POLLIN};
	u64 n = 0;

	if (poll(&p, 1, wait ? 10000 : 0) == 1)
		assert_int_equal(read(p.fd, &n, sizeof(n)), sizeof(n));
	return n;
}

static void test_engine_messages(void **state)
{
	set_reg(DMAENG_CONTROL, DMAENG_CONTROL_IRQ);
	set_ch(0, DMAENG_CH_INT_ENABLE, DMAENG_ST_DONE);
	set_ch(1, DMAENG_CH_INT_ENABLE, ~0u);
	assert_int_equal(ch_reg(1, DMAENG_CH_INT_ENABLE), DMAENG_ST_CAUSES);
	set_ch(1, DMAENG_CH_VECTOR, 1);
	set_ch(1, DMAENG_CH_VECTOR, 2); /* there is none */
	assert_int_equal(ch_reg(1, DMAENG_CH_VECTOR), 1);
	put(0, data_addr, 0, 8, 0);
	put(0, data_addr, 0, 8, DMAENG_DESC_IRQ);
	go(0);
	assert_int_equal(irq_take(0, true), 1);
	assert_int_equal(report_of(0, 1) & 0xffffffff, DMAENG_DESC_DONE);
	assert_int_equal(reg(DMAENG_INT_STATUS), 1);
	set_ch(0, DMAENG_CH_STATUS, DMAENG_ST_DONE);
	assert_int_equal(reg(DMAENG_INT_STATUS), 0);
	/* an error of the other channel */
	put(1, data_addr, 0, 0, 0);
	go(1);
	assert_int_equal(irq_take(1, true), 1);
	assert_int_equal(reg(DMAENG_INT_STATUS), 2);
	assert_int_equal(irq_take(0, false), 0);
	/* a masked cause interrupts when it is enabled */
	set_ch(0, DMAENG_CH_INT_ENABLE, 0);
	put(0, data_addr, 0, 8, DMAENG_DESC_IRQ);
	go(0);
	wait_done(0, 2);
	while (!(ch_reg(0, DMAENG_CH_STATUS) & DMAENG_ST_DONE))
		sched_yield();
	assert_int_equal(irq_take(0, false), 0);
	set_ch(0, DMAENG_CH_INT_ENABLE, DMAENG_ST_DONE);
	assert_int_equal(irq_take(0, false), 1);
	set_reg(DMAENG_CONTROL, 0);
	set_reg(DMAENG_CONTROL, DMAENG_CONTROL_IRQ);
	assert_int_equal(irq_take(0, false), 1);
	set_reg(DMAENG_CONTROL, DMAENG_CONTROL_IRQ);
	assert_int_equal(irq_take(0, false), 0);
}

static void test_engine_line(void **state)
{
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_INTX, 1), 1);
	assert_int_equal(dmamap_irq_eoi(dev, 0), 0);
	set_reg(DMAENG_CONTROL, DMAENG_CONTROL_IRQ);
	for (u32 c = 0; c < DMAENG_CHANNELS; c++) {
		set_ch(c, DMAENG_CH_INT_ENABLE, DMAENG_ST_DONE);
		put(c, data_addr, 0, 8, DMAENG_DESC_IRQ);
		go(c);
		wait_done(c, 0);
		while (!(ch_reg(c, DMAENG_CH_STATUS) & DMAENG_ST_DONE))
			sched_yield();
	}
	assert_true(irq_take(0, true) >= 1);
	set_ch(0, DMAENG_CH_STATUS, DMAENG_ST_DONE);
	irq_take(0, false);
	assert_int_equal(dmamap_irq_eoi(dev, 0), 0);
	assert_int_equal(irq_take(0, false), 1); /* the other channel still asserts it */
	set_ch(1, DMAENG_CH_STATUS, DMAENG_ST_DONE);
	assert_int_equal(dmamap_irq_eoi(dev, 0), 0);
	assert_int_equal(irq_take(0, false), 0);
}

static pthread_mutex_t blocked_lock = PTHREAD_MUTEX_INITIALIZER;
static u32 blocked; /* atomic: the engine is in the middle of an access */

static struct dma_iova_state place;

/* The engine waits for `blocked_lock`, then the page is mapped. */
static int link_page(struct device *d, dma_addr_t addr, size_t len, bool write, void *arg)
{
	int err;

	write_release(&blocked, 1);
	pthread_mutex_lock(&blocked_lock);
	pthread_mutex_unlock(&blocked_lock);
	err = dma_iova_link(d, &place, virt_to_phys(arg), 0, 4096, DMA_TO_DEVICE, 0);
	return err ? err : dma_iova_sync(d, &place, 0, 4096);
}

/* The channels alternate, a descriptor each: channel 1 reads back what channel 0 wrote. */
static void test_engine_takes_turns(void **state)
{
	u32 *values = kmalloc(4096, GFP_KERNEL), *seen = (u32 *)(void *)data;

	assert_true(dma_iova_try_alloc(dev, &place, virt_to_phys(values), 4096));
	assert_int_equal(dmamap_bus_on_fault(dev, link_page, values), 0);
	write_release(&blocked, 0);
	pthread_mutex_lock(&blocked_lock);
	for (u32 i = 0; i < 8; i++) {
		values[i] = i + 1;
		put(0, place.addr + 4 * i, 0, 4, 0);
	}
	go(0);
	while (!read_acquire(&blocked))
		sched_yield();
	for (u32 i = 0; i < 8; i++)
		put(1, data_addr + 4 * i, 0, 4, 0);
	go(1);
	pthread_mutex_unlock(&blocked_lock);
	wait_done(0, 7);
	wait_done(1, 7);
	for (u32 i = 0; i < 8; i++)
		assert_int_equal(seen[i], i + 1);
	dmamap_bus_on_fault(dev, NULL, NULL);
	dma_iova_destroy(dev, &place, 4096, DMA_TO_DEVICE, 0);
	kfree(values);
}

static int block_access(struct device *d, dma_addr_t addr, size_t len, bool write, void *arg)
{
	write_release(&blocked, 1);
	pthread_mutex_lock(&blocked_lock);
	pthread_mutex_unlock(&blocked_lock);
	return -EFAULT;
}

/*
 * A channel that is switched off in the middle of a transfer is RUNNING until the transfer has
 * ended.
 */
static void test_engine_runs_to_the_end(void **state)
{
	assert_int_equal(dmamap_bus_on_fault(dev, block_access, NULL), 0);
	for (u32 c = 0; c < DMAENG_CHANNELS; c++) {
		write_release(&blocked, 0);
		pthread_mutex_lock(&blocked_lock);
		put(c, 0x7000000000, 0, 8, 0);
		go(c);
		while (!read_acquire(&blocked))
			sched_yield();
		set_ch(c, DMAENG_CH_CTRL, 0);
		assert_int_equal(ch_reg(c, DMAENG_CH_CTRL), 0);
		assert_int_equal(ch_reg(c, DMAENG_CH_STATUS) & DMAENG_ST_RUNNING,
				 DMAENG_ST_RUNNING);
		assert_int_equal(ch_reg(1 - c, DMAENG_CH_STATUS) & DMAENG_ST_CAUSES,
				 c ? DMAENG_ST_DATA : 0);
		/* meanwhile it cannot be configured or switched on again */
		set_ch(c, DMAENG_CH_RING_SIZE, 2);
		set_ch(c, DMAENG_CH_CTRL, DMAENG_CTRL_RUN);
		assert_int_equal(ch_reg(c, DMAENG_CH_CTRL), 0);
		assert_int_equal(ch_reg(c, DMAENG_CH_RING_SIZE), RING);
		if (c) {
			set_reg(DMAENG_CONTROL, DMAENG_CONTROL_RESET);
			set_reg(DMAENG_SCRATCH, 5); /* ignored */
			assert_int_equal(reg(DMAENG_SCRATCH), 0);
			assert_int_equal(reg(DMAENG_CONTROL), DMAENG_CONTROL_RESET);
		}
		pthread_mutex_unlock(&blocked_lock);
		wait_stopped(c);
	}
	while (reg(DMAENG_CONTROL) & DMAENG_CONTROL_RESET)
		sched_yield();
	assert_int_equal(reg(DMAENG_SCRATCH), 0);
	assert_int_equal(ch_reg(0, DMAENG_CH_STATUS), DMAENG_ST_IDLE);
	dmamap_bus_on_fault(dev, NULL, NULL);
}

/* When RUNNING reads as 0 the memory may be unmapped; repeated, in the middle of transfers. */
static void test_engine_stops(void **state)
{
	for (int round = 0; round < 200; round++) {
		u8 *p = kmalloc(60000, GFP_KERNEL);
		dma_addr_t addr = dma_map_single(dev, p, 60000, DMA_BIDIRECTIONAL);

		assert_int_equal(dma_mapping_error(dev, addr), 0);
		for (u32 c = 0; c < DMAENG_CHANNELS; c++) {
			for (u32 i = 0; i < RING - 1; i++)
				put(c, addr, 0, 60000, 0);
			go(c);
		}
		if (round % 2) {
			engine_reset();
			assert_int_equal(ch_reg(0, DMAENG_CH_RING_SIZE), 0);
		}
		for (u32 c = 0; c < DMAENG_CHANNELS; c++) {
			set_ch(c, DMAENG_CH_CTRL, 0);
			wait_stopped(c);
		}
		dma_unmap_single(dev, addr, 60000, DMA_BIDIRECTIONAL);
		kfree(p);
		for (u32 c = 0; c < DMAENG_CHANNELS; c++)
			engine_start(c);
	}
	assert_int_equal(rig_stats(dev).faults, 0);
}

static void test_engine_open_fails(void **state)
{
	struct device *other = NULL;

	for (u64 n = 1; !other && n < 200; n++) {
		rig_fail(FAIL_MEMORY, n);
		other = dmamap_open("sim:dmaengine");
		rig_fail_none();
		if (!other)
			assert_true(*dmamap_strerror());
	}
	assert_non_null(other);
	dmamap_close(other);
	assert_null(dmamap_open("sim:dmaengine,colour=red"));
	assert_non_null(strstr(dmamap_strerror(), "colour"));
}

#define with_engine(f) cmocka_unit_test_setup_teardown(f, engine_open, engine_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_engine(test_engine_identity),    with_engine(test_engine_moves),
		with_engine(test_engine_memory),      with_engine(test_engine_bad_descriptors),
		with_engine(test_engine_bad_rings),   with_engine(test_engine_report_refused),
		with_engine(test_engine_messages),    with_engine(test_engine_line),
		with_engine(test_engine_takes_turns), with_engine(test_engine_runs_to_the_end),
		with_engine(test_engine_stops),	      with_engine(test_engine_open_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
