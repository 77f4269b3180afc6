/* SPDX-License-Identifier: BSD-2-Clause */
/* A device of a vfio-user server: opening it and what prevents that, registers, interrupts. */
#include "vfu_rig.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct device *dev;

static int start(void **state)
{
	rig_start();
	return 0;
}

static int end(void **state)
{
	rig_end();
	return 0;
}

static void refused(const char *spec, int err, const char *word)
{
	assert_null(dmamap_open(spec));
	if (errno != err || !strstr(dmamap_strerror(), word))
		fail_msg("%s: errno %d, \"%s\": not %d, \"%s\"", spec, errno, dmamap_strerror(),
			 err, word);
}

static void test_bad_specs(void **state)
{
	char text[300];

	refused("vfio-user:", EINVAL, "path");
	refused("vfio-user", EINVAL, "path");
	refused("vfio-user:/tmp/there/is/none", ENOENT, "/tmp/there/is/none");
	refused("vfio-user:/proc/self/maps", ECONNREFUSED, "/proc/self/maps");
	refused("vfio-user:/tmp", ECONNREFUSED, "/tmp");
	snprintf(text, sizeof(text), "vfio-user:/tmp/%0200d", 1);
	refused(text, ENAMETOOLONG, "107");
	refused(rig_spec(",irq=all"), EINVAL, "irq=all");
	refused(rig_spec(",vectors=many"), EINVAL, "vectors=many");
	refused(rig_spec(",vectors=-1"), EINVAL, "vectors=-1");
	refused(rig_spec(",vectors=1000"), EINVAL, "256");
	refused(rig_spec(",timeout=0"), EINVAL, "3600");
	refused(rig_spec(",dma=fast"), EINVAL, "dma=fast");
	refused(rig_spec(",image=x"), EINVAL, "image");
	refused(rig_spec(",iommu=0"), EINVAL, "iommu");
	assert_int_equal(rig.connections, 0);
}

/* A listening socket of a program that sends nothing, or closes at once, or is of another type. */
static void test_other_sockets(void **state)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct sockaddr_un a;
	char spec[128];

	vfuser_address(rig.path, &a);
	strcat(a.sun_path, "2");
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	snprintf(spec, sizeof(spec), "vfio-user:%s,timeout=1", a.sun_path);
	refused(spec, EPROTOTYPE, a.sun_path);
	close(fd);
	unlink(a.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	refused(spec, ECONNREFUSED, "running");
	assert_int_equal(listen(fd, 0), 0);
	refused(spec, ETIMEDOUT, "timeout=");
	close(fd);
	unlink(a.sun_path);
}

static void test_registers(void **state)
{
	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	assert_int_equal(rig.config[4] & 7, 7);
	rig_bar0_write(8, 0x12345678);
	assert_int_equal(dmamap_readl(dev, 0, 8), 0x12345678);
	assert_int_equal(dmamap_readb(dev, 0, 9), 0x56);
	assert_int_equal(dmamap_readw(dev, 0, 10), 0x1234);
	dmamap_writeb(dev, 0, 12, 0xab);
	dmamap_writew(dev, 0, 14, 0xbcde);
	assert_int_equal(rig_bar0_read(12), 0xbcde00ab);
	assert_int_equal(rig.posted, 0); /* these are mapped */
	dmamap_writel(dev, 0, 4096, 77); /* the page that is not mapped */
	assert_int_equal(dmamap_readl(dev, 0, 4096), 77);
	assert_int_equal(rig.posted, 1);
	dmamap_writeq(dev, 0, 8192, 0x1122334455667788);
	assert_int_equal(rig_bar0_read(8196), 0x11223344);
	assert_int_equal(dmamap_readq(dev, 0, 8192), 0x1122334455667788);
	dmamap_writew(dev, 2, 6, 0xbeef);
	assert_int_equal(dmamap_readl(dev, 2, 4), 0xbeef0000);
	rig.config[0] = 0x86;
	rig.config[1] = 0x80;
	rig.config[4] = 0x47;
	assert_int_equal(dmamap_readw(dev, DMAMAP_CONFIG, 0), 0x8086);
	assert_int_equal(dmamap_readq(dev, DMAMAP_CONFIG, 0) >> 32, 0x47);
	assert_int_equal(dmamap_readl(dev, 0, RIG_BAR0), ~0u);
	assert_non_null(strstr(dmamap_strerror(), "no register"));
	assert_int_equal(dmamap_readl(dev, 1, 0), ~0u);
	assert_int_equal(dmamap_bus_write(dev, 0, "", 1), -EOPNOTSUPP);
	dmamap_close(dev);
	assert_int_equal(rig.config[4] & 4, 0);
}

/* Posted writes are processed in order, and a flood of them does not fill the socket. */
static void test_posted_writes(void **state)
{
	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	for (u32 i = 0; i < 5000; i++)
		dmamap_writel(dev, 2, 4 * (i % 64), i);
	for (u32 i = 0; i < 64; i++)
		assert_int_equal(dmamap_readl(dev, 2, 4 * ((4936 + i) % 64)), 4936 + i);
	assert_in_range(rig.posted, 4500, 4999);
	dmamap_close(dev);
	dev = rig_open(rig_spec(",writes=sync"), DMA_BIT_MASK(64));
	rig_lock();
	rig.reads = 0;
	rig_unlock();
	dmamap_writel(dev, 2, 0, 1);
	assert_int_equal(rig.reads, 1);
	dmamap_close(dev);
}

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 20000) == 1;
}

static u64 count_of(int fd)
{
	u64 count = 0;

	assert_true(readable(fd));
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	return count;
}

static void test_interrupts(void **state)
{
	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	assert_true(rig.newest->vector_fd[2][4] >= 0);
	assert_int_equal(dmamap_irq_fd(dev, 5), -EINVAL);
	for (unsigned int i = 0; i < 5; i++) {
		rig_signal(rig.newest, VFUSER_IRQ_MSIX, i);
		assert_int_equal(count_of(dmamap_irq_fd(dev, i)), 1);
	}
	dmamap_close(dev);
	dev = rig_open(rig_spec(",irq=msi"), DMA_BIT_MASK(64));
	rig_signal(rig.newest, VFUSER_IRQ_MSI, 0);
	assert_int_equal(count_of(dmamap_irq_fd(dev, 0)), 1);
	assert_int_equal(rig.newest->vector_fd[2][0], -1);
	dmamap_close(dev);
	dev = rig_open(rig_spec(",vectors=2"), DMA_BIT_MASK(64));
	assert_true(rig.newest->vector_fd[2][1] >= 0);
	assert_int_equal(rig.newest->vector_fd[2][2], -1);
	dmamap_close(dev);
	rig.msi = 0;
	refused(rig_spec(",irq=msi"), ENOTSUP, "irq=msi");
	/* more vectors than one message has descriptors */
	rig.msix = RIG_VECTORS;
	rig.max_msg_fds = 3;
	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	rig_signal(rig.newest, VFUSER_IRQ_MSIX, RIG_VECTORS - 1);
	assert_int_equal(count_of(dmamap_irq_fd(dev, RIG_VECTORS - 1)), 1);
	dmamap_close(dev);
	/* a server that receives no descriptor at all */
	rig.max_msg_fds = 0;
	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	assert_int_equal(dmamap_irq_fd(dev, 0), -EINVAL);
	dmamap_close(dev);
}

static bool fail_irqs(struct rig_conn *c, const struct vfuser_message *m)
{
	struct vfuser_set_irqs set;

	if (m->head.command != VFUSER_SET_IRQS)
		return false;
	memcpy(&set, m->data, sizeof(set));
	if (set.index != VFUSER_IRQ_MSI || !set.count)
		return false;
	rig_reply(c, m, ENOSPC, NULL, 0);
	return true;
}

static void test_interrupts_again(void **state)
{
	int fd;

	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	fd = dmamap_irq_fd(dev, 4);
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_MSI, 3), 1);
	rig_signal(rig.newest, VFUSER_IRQ_MSI, 0);
	assert_int_equal(count_of(dmamap_irq_fd(dev, 0)), 1);
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_MSIX, 9), 5);
	assert_int_equal(dmamap_irq_fd(dev, 4), fd);
	/* a call that fails changes nothing */
	rig_lock();
	rig.hook = fail_irqs;
	rig_unlock();
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_MSI, 1), -ENOSPC);
	rig_signal(rig.newest, VFUSER_IRQ_MSIX, 4);
	assert_int_equal(count_of(fd), 1);
	/* the counts are read once: a server that changes them later changes nothing */
	rig_lock();
	rig.msix = RIG_VECTORS;
	rig_unlock();
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_MSIX, RIG_VECTORS), 5);
	dmamap_close(dev);
}

/* A level: it is signalled once, and again after each end of interrupt while it is asserted. */
static void test_line(void **state)
{
	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_INTX, 1), 1);
	rig_line(rig.newest, true);
	for (u64 i = 1; i < 4; i++) {
		assert_int_equal(count_of(dmamap_irq_fd(dev, 0)), 1);
		assert_int_equal(rig.unmasks, i - 1);
		assert_int_equal(dmamap_irq_eoi(dev, 0), 0);
		assert_int_equal(rig.unmasks, i);
	}
	rig_line(rig.newest, false);
	assert_int_equal(count_of(dmamap_irq_fd(dev, 0)), 1);
	assert_int_equal(dmamap_irq_eoi(dev, 0), 0);
	assert_int_equal(rig.unmasks, 4);
	dmamap_close(dev);
	/* a program that reports no end: a register access has the same effect */
	rig.msi = rig.msix = 0;
	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	rig_line(rig.newest, true);
	assert_int_equal(count_of(dmamap_irq_fd(dev, 0)), 1);
	dmamap_readl(dev, 2, 0);
	assert_int_equal(count_of(dmamap_irq_fd(dev, 0)), 1);
	assert_int_equal(rig.unmasks, 5);
	dmamap_close(dev);
	/* a line that the server does not mask needs no request */
	rig.edge_line = true;
	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	rig_line(rig.newest, true);
	assert_int_equal(count_of(dmamap_irq_fd(dev, 0)), 1);
	assert_int_equal(dmamap_irq_eoi(dev, 0), 0);
	assert_int_equal(rig.unmasks, 5);
	dmamap_close(dev);
}

static void test_bars(void **state)
{
	static const u32 bars[] = {0xe000000c, 0x12, 0xc001};
	struct dmamap_bar_info info;

	memcpy(rig.config + 0x10, bars, sizeof(bars));
	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	assert_int_equal(dmamap_bar(dev, 0, &info), 0);
	assert_true(info.addr == 0x12e0000000 && info.size == RIG_BAR0);
	assert_int_equal(info.flags, DMAMAP_BAR_64BIT | DMAMAP_BAR_PREFETCH);
	assert_int_equal(dmamap_bar(dev, 1, &info), -ENOENT);
	assert_int_equal(dmamap_bar(dev, 2, &info), 0);
	assert_true(info.addr == 0xc000 && info.size == RIG_BAR2);
	assert_int_equal(info.flags, DMAMAP_BAR_IO);
	dmamap_close(dev);
}

static void test_configuration(void **state)
{
	static const u8 msix[] = {0x11, 0, 4, 0};

	rig.config[6] = 0x10;
	rig.config[0x34] = 0x40;
	memcpy(rig.config + 0x40, msix, sizeof(msix));
	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	dmamap_writeb(dev, DMAMAP_CONFIG, 0x0d, 0x20);
	assert_int_equal(rig.config[0x0d], 0x20);
	dmamap_writew(dev, DMAMAP_CONFIG, 0x42, 0x8004);
	assert_int_equal(errno, EPERM);
	assert_int_equal(rig.config[0x43], 0);
	dmamap_close(dev);
}

static void test_reset(void **state)
{
	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	assert_int_equal(rig.resets, 1);
	dmamap_close(dev);
	assert_int_equal(rig.resets, 2);
	rig.no_reset = true;
	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	dmamap_close(dev);
	assert_int_equal(rig.resets, 2);
}

/* A child of fork() owns no device: its calls fail, and the parent's device works on. */
static void test_fork(void **state)
{
	int status;
	pid_t child;

	dev = rig_open(rig_spec(""), DMA_BIT_MASK(64));
	rig_bar0_write(0, 5);
	child = fork();
	if (!child) {
		bool ok = dmamap_readl(dev, 0, 0) == ~0u && errno == EIO &&
			  dmamap_readl(dev, 2, 0) == ~0u;

		dmamap_writel(dev, 2, 0, 1);
		dmamap_close(dev);
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(dmamap_readl(dev, 0, 0), 5);
	assert_int_equal(dmamap_readl(dev, 2, 0), 0);
	dmamap_close(dev);
	rig_wait_closed();
}

static void test_no_memory(void **state)
{
	bool ended = false;
	int fds = rig_fds();

	for (u64 n = 1; !ended; n++) {
		assert_in_range(n, 1, 500);
		rig_fail(FAIL_MEMORY, n);
		dev = dmamap_open(rig_spec(",policy=identity"));
		ended = !fail_fired(FAIL_MEMORY);
		rig_fail_none();
		if (!dev)
			assert_in_range(strlen(dmamap_strerror()), 20, 2000);
		dmamap_close(dev);
		rig_wait_closed();
		assert_int_equal(rig_fds(), fds);
	}
	assert_non_null(dev);
}

#define test(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_bad_specs),	  test(test_other_sockets), test(test_registers),
		test(test_posted_writes), test(test_interrupts),    test(test_interrupts_again),
		test(test_line),	  test(test_bars),	    test(test_configuration),
		test(test_reset),	  test(test_fork),	    test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
