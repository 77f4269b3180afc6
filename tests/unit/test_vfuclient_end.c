/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An open device whose server ends, hangs, refuses requests or makes wrong ones; accesses of the
 * server by message; threads.
 */
#include "vfu_rig.h"

#include <poll.h>
#include <unistd.h>

#define THREADS 4

static struct device *dev;

static void hook(bool (*fn)(struct rig_conn *c, const struct vfuser_message *m))
{
	rig_lock();
	rig.hook = fn;
	rig_unlock();
}

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 20000) == 1;
}

/* Every call fails with EIO, and what was mapped can be unmapped. */
static void is_ended(const char *word)
{
	dma_addr_t addr;
	void *p = kmalloc(64, GFP_KERNEL);

	assert_int_equal(dmamap_readl(dev, 2, 0), ~0u);
	assert_int_equal(errno, EIO);
	if (!strstr(dmamap_strerror(), word))
		fail_msg("%s: no \"%s\"", dmamap_strerror(), word);
	assert_int_equal(dmamap_readl(dev, 0, 0), ~0u);
	assert_int_equal(dmamap_readb(dev, DMAMAP_CONFIG, 0), 0xff);
	dmamap_writel(dev, 2, 0, 1);
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_MSI, 1), -EIO);
	addr = dma_map_single(dev, p, 64, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(dev, addr), -ENOMEM);
	kfree(p);
}

static void test_server_ends(void **state)
{
	void *p = kmalloc(4096, GFP_KERNEL);
	dma_addr_t addr;

	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	addr = dma_map_single(dev, p, 4096, DMA_BIDIRECTIONAL);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	rig_lock();
	rig_kill(rig.newest);
	rig_unlock();
	/* a thread that waits for an interrupt finds out */
	for (unsigned int i = 0; i < 5; i++)
		assert_true(readable(dmamap_irq_fd(dev, i)));
	is_ended("closed the connection");
	dma_unmap_single(dev, addr, 4096, DMA_BIDIRECTIONAL);
	rig_close(dev);
	kfree(p);
	/* another connection works */
	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	assert_int_equal(dmamap_readl(dev, 2, 0), 0);
	rig_close(dev);
}

static bool ignore_reads(struct rig_conn *c, const struct vfuser_message *m)
{
	return m->head.command == VFUSER_REGION_READ;
}

static void test_server_hangs(void **state)
{
	dev = rig_open(rig_spec(",timeout=1"), DMA_BIT_MASK(64));
	hook(ignore_reads);
	is_ended("timeout=");
	hook(NULL);
	rig_close(dev);
}

/* The value of another register. */
static bool reply_with_another(struct rig_conn *c, const struct vfuser_message *m)
{
	struct {
		struct vfuser_region_access a;
		u32 value;
	} r = {.value = 1};

	if (m->head.command != VFUSER_REGION_READ)
		return false;
	memcpy(&r.a, m->data, sizeof(r.a));
	r.a.offset += 4;
	rig_reply(c, m, 0, &r, sizeof(r.a) + r.a.count);
	return true;
}

static void test_another_register(void **state)
{
	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	hook(reply_with_another);
	is_ended("another register");
	hook(NULL);
	rig_close(dev);
}

static bool end_at_reads(struct rig_conn *c, const struct vfuser_message *m)
{
	static unsigned int n;

	if (m->head.command == VFUSER_REGION_READ && ++n == 100)
		rig_kill(c);
	return false;
}

static void *read_until_ended(void *arg)
{
	while (dmamap_readl(dev, 2, 0) != ~0u)
		;
	return (void *)(uintptr_t)(errno == EIO);
}

static void test_threads_wait_when_it_ends(void **state)
{
	pthread_t thread[THREADS];
	void *ok;

	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	hook(end_at_reads);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, read_until_ended, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], &ok);
		assert_non_null(ok);
	}
	is_ended("closed the connection");
	rig_close(dev);
}

/* Requests without end delay a reply for the timeout only. */
static bool ask_for_ever(struct rig_conn *c, const struct vfuser_message *m)
{
	const struct {
		struct vfuser_header head;
		struct vfuser_dma_access a;
	} ask = {{.command = VFUSER_DMA_READ, .size = sizeof(ask)}, {0x1000, 8}};

	if (m->head.command != VFUSER_REGION_READ)
		return false;
	for (int i = 0; i < 10000000; i++)
		if (!rig_raw(c, &ask, sizeof(ask), NULL, 0))
			break;
	return true;
}

static void test_requests_without_end(void **state)
{
	dev = rig_open(rig_spec(",timeout=1"), DMA_BIT_MASK(64));
	hook(ask_for_ever);
	assert_int_equal(dmamap_readl(dev, 2, 0), ~0u);
	assert_int_equal(errno, EIO);
	hook(NULL);
	dmamap_close(dev);
}

/* What the client replies to requests of the server that are wrong. */
static int ask_raw(u16 command, u64 address, u64 count, u32 data)
{
	static u8 bytes[200000];
	struct rig_conn *c = rig.newest;
	const struct vfuser_header head = {.id = 99, .command = command, .size = 32 + data};
	const struct vfuser_dma_access a = {address, count};
	int err;

	memcpy(bytes, &head, sizeof(head));
	memcpy(bytes + 16, &a, sizeof(a));
	rig_lock();
	c->wait_id = 99;
	c->waits = true;
	c->done = false;
	rig_unlock();
	rig_raw(c, bytes, 32 + data, NULL, 0);
	err = rig_wait_reply(c);
	return err;
}

static void test_wrong_requests(void **state)
{
	u8 *p = kmalloc(8192, GFP_KERNEL);
	dma_addr_t addr;

	dev = rig_open(rig_spec(",dma=message"), DMA_BIT_MASK(64));
	addr = dma_map_single(dev, p, 8192, DMA_BIDIRECTIONAL);
	assert_int_equal(ask_raw(VFUSER_DMA_READ, addr, 8192, 0), 0);
	assert_int_equal(ask_raw(VFUSER_DMA_WRITE, addr, 8192, 8192), 0);
	assert_int_equal(ask_raw(VFUSER_DMA_READ, addr, 0, 0), -EINVAL);
	assert_int_equal(ask_raw(VFUSER_DMA_READ, addr, 65537, 0), -EINVAL);
	assert_int_equal(ask_raw(VFUSER_DMA_READ, addr, ~0ull, 0), -EINVAL);
	assert_int_equal(ask_raw(VFUSER_DMA_READ, addr, 8, 8), -EINVAL);
	assert_int_equal(ask_raw(VFUSER_DMA_WRITE, addr, 8, 7), -EINVAL);
	assert_int_equal(ask_raw(VFUSER_DMA_WRITE, addr, 8, 9), -EINVAL);
	assert_int_equal(ask_raw(VFUSER_DMA_WRITE, addr, 8, 0), -EINVAL);
	assert_int_equal(ask_raw(VFUSER_DMA_READ, ~0ull - 3, 8, 0), -EINVAL);
	assert_int_equal(rig_stats(dev).faults, 0);
	assert_int_equal(ask_raw(VFUSER_DMA_READ, ~0ull - 7, 8, 0), -EFAULT);
	assert_int_equal(ask_raw(VFUSER_DMA_READ, 1ull << 48, 8, 0), -EFAULT);
	assert_int_equal(ask_raw(VFUSER_DMA_READ, addr + 8192, 1, 0), -EFAULT);
	assert_int_equal(ask_raw(VFUSER_DMA_READ, addr + 8191, 2, 0), -EFAULT);
	assert_int_equal(rig_stats(dev).faults, 4);
	assert_int_equal(ask_raw(VFUSER_REGION_READ, 0, 8, 0), -EOPNOTSUPP);
	assert_int_equal(ask_raw(VFUSER_VERSION, 0, 8, 0), -EOPNOTSUPP);
	assert_int_equal(ask_raw(9999, 0, 8, 0), -EOPNOTSUPP);
	dma_unmap_single(dev, addr, 8192, DMA_BIDIRECTIONAL);
	assert_int_equal(ask_raw(VFUSER_DMA_READ, addr, 8, 0), -EFAULT);
	/* a message that exceeds what was agreed ends the connection */
	assert_int_equal(ask_raw(VFUSER_DMA_WRITE, addr, 100000, 100000), -EIO);
	is_ended("at most");
	dmamap_close(dev);
	kfree(p);
}

/* The server accesses memory while the client waits for the reply to a register access. */
static dma_addr_t inside_addr;
static u8 *inside_read;
static int inside_error = 1;

static bool access_inside(struct rig_conn *c, const struct vfuser_message *m)
{
	u8 bytes[4096];
	int err;

	if (m->head.command != VFUSER_REGION_READ)
		return false;
	rig.hook = NULL;
	memset(bytes, 0x77, sizeof(bytes));
	err = rig_access_inside(c, inside_addr, bytes, 4096, true);
	if (!err)
		err = rig_access_inside(c, inside_addr, inside_read, 4096, false);
	inside_error = err;
	return false;
}

static void test_access_inside_a_register_read(void **state)
{
	u8 *p = malloc(3 * 4096), seen[4096]; /* memory without a file */

	inside_read = seen;
	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	inside_addr = dma_map_single(dev, p + 100, 8192, DMA_BIDIRECTIONAL);
	assert_int_equal(dma_mapping_error(dev, inside_addr), 0);
	hook(access_inside);
	assert_int_equal(dmamap_readl(dev, 2, 0), 0);
	hook(NULL);
	assert_int_equal(inside_error, 0);
	assert_true(rig_all(p + 100, 4096, 0x77));
	assert_true(rig_all(seen, 4096, 0x77));
	dma_unmap_single(dev, inside_addr, 8192, DMA_BIDIRECTIONAL);
	rig_close(dev);
	free(p);
}

static int refuse_with;
static enum vfuser_command refuse_command;

static bool refuse(struct rig_conn *c, const struct vfuser_message *m)
{
	const struct vfuser_dma_unmap other = {.argsz = sizeof(other), .address = 4096, .size = 1};

	if (m->head.command != refuse_command)
		return false;
	rig_reply(c, m, refuse_with, &other, refuse_with ? 0 : sizeof(other));
	return true;
}

static void test_refused_maps(void **state)
{
	void *p = kmalloc(4096, GFP_KERNEL);
	dma_addr_t addr;

	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	refuse_command = VFUSER_DMA_MAP;
	refuse_with = EEXIST;
	hook(refuse);
	addr = dma_map_single(dev, p, 4096, DMA_BIDIRECTIONAL);
	assert_int_equal(dma_mapping_error(dev, addr), -ENOMEM);
	assert_non_null(strstr(dmamap_strerror(), "cannot map"));
	hook(NULL);
	addr = dma_map_single(dev, p, 4096, DMA_BIDIRECTIONAL);
	refuse_command = VFUSER_DMA_UNMAP;
	hook(refuse);
	dma_unmap_single(dev, addr, 4096, DMA_BIDIRECTIONAL);
	assert_int_equal(rig_stats(dev).kernel_unmap_errors, 1);
	hook(NULL);
	/* a reply about another range */
	addr = dma_map_single(dev, p, 4096, DMA_BIDIRECTIONAL);
	refuse_with = 0;
	hook(refuse);
	if (!dma_mapping_error(dev, addr))
		dma_unmap_single(dev, addr, 4096, DMA_BIDIRECTIONAL);
	assert_in_range(rig_stats(dev).kernel_unmap_errors, 1, 2);
	hook(NULL);
	dmamap_close(dev);
	kfree(p);
	/* an older server replies without a payload */
	rig.plain_unmap = true;
	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	p = kmalloc(4096, GFP_KERNEL);
	addr = dma_map_single(dev, p, 4096, DMA_BIDIRECTIONAL);
	dma_unmap_single(dev, addr, 4096, DMA_BIDIRECTIONAL);
	assert_int_equal(rig_stats(dev).kernel_unmap_errors, 0);
	rig_close(dev);
	kfree(p);
}

static void test_too_many_maps(void **state)
{
	void *p = kmalloc(3 * 4096, GFP_KERNEL);
	dma_addr_t addr[3];

	rig.max_dma_maps = 2;
	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	assert_int_equal(rig_stats(dev).kernel_maps_left, 2);
	for (int i = 0; i < 3; i++)
		addr[i] = dma_map_single(dev, (u8 *)p + 4096 * i, 4096, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(dev, addr[1]), 0);
	assert_int_equal(dma_mapping_error(dev, addr[2]), -ENOMEM);
	assert_non_null(strstr(dmamap_strerror(), "at most 2"));
	for (int i = 0; i < 2; i++)
		dma_unmap_single(dev, addr[i], 4096, DMA_TO_DEVICE);
	rig_close(dev);
	kfree(p);
}

/* The server shortens the file of its registers: an access fails, the process lives. */
static void test_truncated_registers(void **state)
{
	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	rig_bar0_write(0, 5);
	assert_int_equal(dmamap_readl(dev, 0, 0), 5);
	assert_int_equal(ftruncate(rig.bar0_fd, 0), 0);
	assert_int_equal(dmamap_readl(dev, 0, 0), ~0u);
	assert_int_equal(errno, EIO);
	assert_non_null(strstr(dmamap_strerror(), "truncated"));
	assert_int_equal(dmamap_readb(dev, 0, 3), 0xff);
	dmamap_writel(dev, 0, 0, 1);
	assert_int_equal(errno, EIO);
	assert_int_equal(ftruncate(rig.bar0_fd, 4096 + RIG_BAR0), 0);
	dmamap_writel(dev, 0, 0, 6);
	assert_int_equal(dmamap_readl(dev, 0, 0), 6);
	dmamap_close(dev);
}

/* An untrusted server receives no file, and reaches only the bytes that are mapped. */
static void test_untrusted(void **state)
{
	u8 *p = kmalloc(4096, GFP_KERNEL), byte;
	dma_addr_t addr;

	memset(p, 0x11, 4096);
	dev = rig_open(rig_spec(",untrusted=1"), DMA_BIT_MASK(64));
	addr = dma_map_single(dev, p + 16, 100, DMA_BIDIRECTIONAL);
	rig_lock();
	for (u32 i = 0; i < rig.newest->n_maps; i++)
		assert_null(rig.newest->map[i].base);
	rig_unlock();
	assert_int_equal(rig_access_message(rig.newest, addr, &byte, 1, false), 0);
	assert_int_equal(byte, 0x11);
	byte = 0;
	rig_access_message(rig.newest, addr - 1, &byte, 1, false);
	assert_int_equal(byte, 0);
	dmamap_writel(dev, 0, 0, 7); /* no register is mapped */
	assert_int_equal(dmamap_readl(dev, 0, 0), 7);
	assert_in_range(rig.posted, 1, 1);
	dma_unmap_single(dev, addr, 100, DMA_BIDIRECTIONAL);
	assert_int_equal(rig_access_message(rig.newest, addr, &byte, 1, false), -EFAULT);
	rig_close(dev);
	kfree(p);
}

static void *map_and_read(void *arg)
{
	u32 seed = (u32)(uintptr_t)arg;
	u8 *p = malloc(4096), *ram = kmalloc(4096, GFP_KERNEL), seen[64];

	for (u32 i = 0; i < 300; i++) {
		u8 *from = i & 1 ? p : ram;
		dma_addr_t addr = dma_map_single(dev, from, 4096, DMA_BIDIRECTIONAL);

		assert_int_equal(dma_mapping_error(dev, addr), 0);
		memset(from, (int)(seed + i), 64);
		assert_int_equal(rig_access(rig.newest, addr, seen, 64, false), 0);
		assert_true(rig_all(seen, 64, (u8)(seed + i)));
		dmamap_writel(dev, 2, 4 * seed, i);
		assert_int_equal(dmamap_readl(dev, 2, 4 * seed), i);
		dma_unmap_single(dev, addr, 4096, DMA_BIDIRECTIONAL);
		assert_int_equal(rig_access_message(rig.newest, addr, seen, 64, false), -EFAULT);
	}
	kfree(ram);
	free(p);
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t thread[THREADS];

	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&thread[i], NULL, map_and_read, (void *)(uintptr_t)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	rig_close(dev);
}

static void test_many_opens(void **state)
{
	for (int i = 0; i < 300; i++) {
		dev = dmamap_open(rig_spec(""));
		assert_non_null(dev);
		dmamap_close(dev);
	}
	rig_wait_closed();
	assert_int_equal(rig_fds(), rig.fds_before);
}

#define test(f) cmocka_unit_test_setup_teardown(f, rig_begin_counted, rig_end_counted)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_server_ends),
		test(test_server_hangs),
		test(test_another_register),
		test(test_threads_wait_when_it_ends),
		test(test_requests_without_end),
		test(test_wrong_requests),
		test(test_access_inside_a_register_read),
		test(test_refused_maps),
		test(test_too_many_maps),
		test(test_truncated_registers),
		test(test_untrusted),
		test(test_threads),
		test(test_many_opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
