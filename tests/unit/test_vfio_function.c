/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From opening to removal of a function: what may prevent the open, registers, interrupts, and hot
 * removal.
 */
#include "vfio_rig.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

static struct device *dev;
static const char *backend;

static const char *spec(const char *keys)
{
	static char text[160];

	snprintf(text, sizeof(text), "%s:00:03.0,ram=16M%s", backend, keys);
	return text;
}

static int start(void **state)
{
	backend = *state;
	rig_start();
	return 0;
}

static int end(void **state)
{
	rig_end();
	return 0;
}

static void refused(int err, const char *word, const char *remedy)
{
	assert_null(dmamap_open(spec("")));
	if (errno != err || !strstr(dmamap_strerror(), word) || !strstr(dmamap_strerror(), remedy))
		fail_msg("errno %d, \"%s\": not %d, \"%s\", \"%s\"", errno, dmamap_strerror(), err,
			 word, remedy);
	assert_int_equal(rig.open, 0);
}

static bool is_vfio(void)
{
	return *backend == 'v';
}

static void test_sysfs_says_no(void **state)
{
	assert_null(dmamap_open(is_vfio() ? "vfio:00:09.0" : "iommufd:00:09.0"));
	assert_non_null(strstr(dmamap_strerror(), "no PCI function 0000:00:09.0"));
	assert_null(dmamap_open(is_vfio() ? "vfio:edu" : "iommufd:edu"));
	assert_non_null(strstr(dmamap_strerror(), "PCI address"));
	rig_sysfs_link("driver", "");
	refused(ENODEV, "has no driver", "dmamap bind 0000:00:03.0");
	rig_sysfs_link("driver", "../../../bus/pci/drivers/nvme");
	refused(EBUSY, "belongs to the driver nvme", "dmamap bind 0000:00:03.0");
	rig_sysfs_link("driver", "../../../bus/pci/drivers/vfio-pci");
	rig_sysfs_link("iommu_group", "");
	refused(ENODEV, "in no IOMMU group", "intel_iommu=on");
}

static void refuse(const char *path, int err)
{
	rig.refused = path;
	rig.refuse_err = err;
}

static void test_files_say_no(void **state)
{
	if (is_vfio()) {
		refuse("/vfio/vfio", ENOENT);
		refused(ENOENT, "no /dev/vfio/vfio", "modprobe vfio-pci");
		refuse("/vfio/vfio", EACCES);
		refused(EACCES, "/dev/vfio/vfio", "0666");
		refuse("/vfio/7", EACCES);
		refused(EACCES, "/dev/vfio/7", "chown");
		refuse("/vfio/7", EBUSY);
		refused(EBUSY, "in use by another process", "fuser /dev/vfio/7");
		refuse("/vfio/7", ENOENT);
		refused(ENOENT, "/dev/vfio/7", "dmamap bind");
		return;
	}
	refuse("/iommu", ENOENT);
	refused(ENOENT, "no /dev/iommu", "vfio:");
	refuse("/iommu", EACCES);
	refused(EACCES, "/dev/iommu", "0666");
	refuse("/vfio0", EACCES);
	refused(EACCES, "/dev/vfio/devices/vfio0", "chown");
}

static void test_kernel_says_no(void **state)
{
	if (!is_vfio()) {
		rig.fail_only = UAPI_BIND_IOMMUFD;
		rig.fail_at = 1;
		rig.fail_err = EBUSY;
		refused(EBUSY, "another process", "dmamap list");
		rig.fail_at = 1;
		rig.fail_err = EPERM;
		refused(EPERM, "interrupt remapping", "allow_unsafe_interrupts");
		return;
	}
	rig.not_viable = true;
	refused(EPERM, "not viable", "bind all functions of the group");
	rig.not_viable = false;
	rig.no_type1 = true;
	refused(ENODEV, "no IOMMU", "intel_iommu=on");
	rig.no_type1 = false;
	rig.fail_only = VFIO_SET_IOMMU;
	rig.fail_at = 1;
	rig.fail_err = EPERM;
	refused(EPERM, "interrupt remapping", "allow_unsafe_interrupts");
}

/*
 * If any call fails, the open fails or succeeds without that call; nothing is left in either case.
 */
static void test_every_call_fails(void **state)
{
	static const int errors[] = {EPERM, ENOMEM, EINVAL};
	u64 n = 0;

	for (unsigned int e = 0; e < ARRAY_SIZE(errors); e++) {
		bool ended = false;

		for (n = 1; !ended; n++) {
			assert_in_range(n, 1, 200);
			rig.fail_at = n;
			rig.fail_err = errors[e];
			dev = dmamap_open(spec(",policy=identity"));
			ended = rig.fail_at != 0;
			rig.fail_at = 0;
			if (!dev)
				assert_in_range(strlen(dmamap_strerror()), 20, 2000);
			dmamap_close(dev);
			assert_int_equal(rig.open, 0);
			assert_int_equal(rig.n_maps, 0);
		}
	}
	assert_in_range(n, 20, 200);
}

static void test_no_memory(void **state)
{
	bool ended = false;

	for (u64 n = 1; !ended; n++) {
		assert_in_range(n, 1, 500);
		rig_fail(FAIL_MEMORY, n);
		dev = dmamap_open(spec(",policy=identity"));
		ended = !fail_fired(FAIL_MEMORY);
		rig_fail_none();
		dmamap_close(dev);
		assert_int_equal(rig.open, 0);
	}
	assert_non_null(dev);
}

static void test_registers(void **state)
{
	dev = rig_open(spec(""), DMA_BIT_MASK(64));
	assert_int_equal(rig.config[4] & 6, 6); /* memory, bus master */
	rig_bar0_write(8, 0x12345678);
	assert_int_equal(dmamap_readl(dev, 0, 8), 0x12345678);
	assert_int_equal(dmamap_readb(dev, 0, 9), 0x56);
	assert_int_equal(dmamap_readw(dev, 0, 10), 0x1234);
	dmamap_writel(dev, 0, 4096, 77); /* the page that is not mapped */
	assert_int_equal(rig_bar0_read(4096), 77);
	dmamap_writeq(dev, 0, 8192, 0x1122334455667788);
	assert_int_equal(rig_bar0_read(8196), 0x11223344);
	assert_int_equal(dmamap_readq(dev, 0, 8192), 0x1122334455667788);
	dmamap_writew(dev, 2, 6, 0xbeef);
	assert_int_equal(rig.bar2[6], 0xef);
	assert_int_equal(dmamap_readl(dev, 2, 4), 0xbeef0000);
	rig.config[0] = 0x86;
	rig.config[1] = 0x80;
	assert_int_equal(dmamap_readw(dev, DMAMAP_CONFIG, 0), 0x8086);
	assert_int_equal(dmamap_readl(dev, 0, RIG_BAR0), ~0u);
	assert_non_null(strstr(dmamap_strerror(), "no register"));
	assert_int_equal(dmamap_readl(dev, 1, 0), ~0u);
	assert_int_equal(dmamap_bus_write(dev, 0, "", 1), -EOPNOTSUPP);
	dmamap_close(dev);
	assert_int_equal(rig.config[4] & 4, 0);
}

static void signal_fd(int fd)
{
	const u64 one = 1;

	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 10000) == 1;
}

static void test_interrupts(void **state)
{
	dev = rig_open(spec(""), DMA_BIT_MASK(64));
	assert_int_equal(rig.vectors_on, 5);
	assert_int_equal(rig.vector_fd[3], dmamap_irq_fd(dev, 3));
	assert_int_equal(dmamap_irq_fd(dev, 5), -EINVAL);
	dmamap_close(dev);
	dev = rig_open(spec(",irq=msi"), DMA_BIT_MASK(64));
	assert_int_equal(rig.vectors_on, 1);
	assert_int_equal(rig.vector_fd[0], dmamap_irq_fd(dev, 0));
	dmamap_close(dev);
	rig.msix_left = 3;
	refused(ENOSPC, "has only 3 of", "vectors=3");
	dev = rig_open(spec(",vectors=2"), DMA_BIT_MASK(64));
	assert_int_equal(rig.vectors_on, 2);
	dmamap_close(dev);
	rig.msi = 0;
	assert_null(dmamap_open(spec(",irq=msi")));
	assert_non_null(strstr(dmamap_strerror(), "irq=msi"));
	assert_null(dmamap_open(spec(",irq=all")));
	assert_null(dmamap_open(spec(",vectors=many")));
}

/* The kernel masks a line when it rises; a register access unmasks it. */
static void test_line(void **state)
{
	rig.msi = rig.msix = 0;
	dev = rig_open(spec(""), DMA_BIT_MASK(64));
	assert_int_not_equal(rig.intx_fd, dmamap_irq_fd(dev, 0));
	dmamap_readl(dev, 0, 0);
	assert_int_equal(rig.unmasks, 0);
	signal_fd(rig.intx_fd);
	assert_true(readable(dmamap_irq_fd(dev, 0)));
	dmamap_writel(dev, 0, 0, 1);
	assert_int_equal(rig.unmasks, 1);
	dmamap_readl(dev, 0, 0);
	assert_int_equal(rig.unmasks, 1);
	dmamap_close(dev);
}

/* Bus addresses are those of the function's registers; a BAR that it does not have has none. */
static void test_bars(void **state)
{
	static const u32 bars[] = {0xe000000c, 0x12, 0xc001};
	struct dmamap_bar_info info;

	memcpy(rig.config + 0x10, bars, sizeof(bars));
	dev = rig_open(spec(""), DMA_BIT_MASK(64));
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
	dev = rig_open(spec(""), DMA_BIT_MASK(64));
	dmamap_writeb(dev, DMAMAP_CONFIG, 0x0d, 0x20);
	assert_int_equal(rig.config[0x0d], 0x20);
	dmamap_writew(dev, DMAMAP_CONFIG, 0x42, 0x8004);
	assert_int_equal(errno, EPERM);
	assert_int_equal(rig.config[0x43], 0);
	dmamap_writel(dev, DMAMAP_CONFIG, 0x10, ~0u);
	assert_int_equal(rig.config[0x10], 0);
	assert_int_equal(rig.config[4] & 4, 4);
	dmamap_writew(dev, DMAMAP_CONFIG, 4, 3);
	assert_int_equal(rig.config[4] & 7, 3);
	dmamap_close(dev);
}

/*
 * Capabilities that overlap: bits that are write-1-to-clear in one and not permitted by the other
 * are written as zeros, whatever they read as.
 */
static void test_configuration_overlapping(void **state)
{
	static const u8 pcix[] = {0x07, 0x48}, vendor[] = {0x09, 0, 0x0c, 0};

	rig.config[6] = 0x10;
	rig.config[0x34] = 0x44;
	memcpy(rig.config + 0x44, pcix, sizeof(pcix));
	memcpy(rig.config + 0x48, vendor, sizeof(vendor));
	dev = rig_open(spec(""), DMA_BIT_MASK(64));
	dmamap_writel(dev, DMAMAP_CONFIG, 0x48, 0x200c0009);
	assert_int_equal(rig.config[0x48], 0x09);
	assert_int_equal(rig.config[0x4a], 0);
	assert_int_equal(rig.config[0x4b], 0x20);
	dmamap_close(dev);
}

static void test_interrupts_again(void **state)
{
	int fd;

	dev = rig_open(spec(""), DMA_BIT_MASK(64));
	fd = dmamap_irq_fd(dev, 4);
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_MSI, 3), 1);
	assert_int_equal(rig.vectors_on, 1);
	assert_int_equal(rig.vector_fd[0], dmamap_irq_fd(dev, 0));
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_MSIX, 5), 5);
	assert_int_equal(dmamap_irq_fd(dev, 4), fd);
	assert_int_equal(rig.vector_fd[4], fd);
	/* the machine has less than the function */
	rig.msix_left = 3;
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_MSIX, 5), 3);
	assert_int_equal(rig.vectors_on, 3);
	assert_int_equal(dmamap_irq_fd(dev, 3), -EINVAL);
	/* a call that fails changes nothing */
	rig.fail_only = VFIO_DEVICE_SET_IRQS;
	rig.fail_at = 2;
	rig.fail_err = ENOMEM;
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_MSI, 1), -ENOMEM);
	assert_int_equal(rig.vectors_on, 3);
	assert_true(dmamap_irq_fd(dev, 2) >= 0);
	dmamap_close(dev);
}

/* The numbers are read when the device is opened: its eventfds are allocated by them. */
static void test_interrupts_are_counted_once(void **state)
{
	rig.msi = 0;
	dev = rig_open(spec(""), DMA_BIT_MASK(64));
	assert_int_equal(rig.vectors_on, 5);
	rig.msi = 20;
	rig.msix = 20;
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_MSI, 1), -EOPNOTSUPP);
	assert_non_null(strstr(dmamap_strerror(), "msi"));
	assert_int_equal(rig.vectors_on, 5);
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_MSIX, 20), 5);
	dmamap_close(dev);
}

/*
 * The line is selected later, and its handler reports its end: then register accesses unmask
 * nothing.
 */
static void test_line_again(void **state)
{
	dev = rig_open(spec(""), DMA_BIT_MASK(64));
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_INTX, 1), 1);
	assert_int_equal(dmamap_irq_eoi(dev, 0), 0);
	assert_int_equal(rig.unmasks, 0);
	for (u64 i = 1; i < 4; i++) {
		u64 count;

		signal_fd(rig.intx_fd);
		assert_true(readable(dmamap_irq_fd(dev, 0)));
		assert_int_equal(read(dmamap_irq_fd(dev, 0), &count, 8), 8);
		dmamap_readl(dev, 0, 0);
		assert_int_equal(rig.unmasks, i - 1);
		assert_int_equal(dmamap_irq_eoi(dev, 0), 0);
		assert_int_equal(rig.unmasks, i);
	}
	dmamap_close(dev);
}

/* A read of the function follows each write, because a read completes posted writes. */
static void test_writes_in_step(void **state)
{
	dev = rig_open(spec(""), DMA_BIT_MASK(64));
	rig.config_reads = 0;
	dmamap_writel(dev, 0, 0, 1);
	dmamap_writel(dev, 2, 0, 1);
	assert_int_equal(rig.config_reads, 0);
	dmamap_close(dev);
	dev = rig_open(spec(",writes=sync"), DMA_BIT_MASK(64));
	rig.config_reads = 0;
	dmamap_writel(dev, 0, 0, 1);
	assert_int_equal(rig.config_reads, 1);
	dmamap_writel(dev, 2, 0, 1);
	assert_int_equal(rig.config_reads, 2);
	dmamap_close(dev);
}

static void test_taken_back(void **state)
{
	u8 *p;
	dma_addr_t a;

	dev = rig_open(spec(""), DMA_BIT_MASK(64));
	p = kmalloc(4096, GFP_KERNEL);
	a = dma_map_single(dev, p, 4096, DMA_TO_DEVICE);
	rig_bar0_write(0, 5);
	signal_fd(rig.req_fd);
	while (dmamap_readl(dev, 0, 0) != ~0u)
		usleep(1000);
	assert_int_equal(dmamap_readl(dev, 0, 0), ~0u);
	assert_non_null(strstr(dmamap_strerror(), "took the device back"));
	dmamap_writel(dev, 0, 0, 9);
	assert_int_equal(rig_bar0_read(0), 5);
	assert_int_equal(dmamap_irq_setup(dev, DMAMAP_IRQ_MSI, 1), -ENODEV);
	dma_unmap_single(dev, a, 4096, DMA_TO_DEVICE);
	assert_int_equal(rig.n_maps, 0);
	dmamap_close(dev);
	assert_int_equal(rig.config[4] & 4, 0);
	dev = rig_open(spec(""), DMA_BIT_MASK(64));
	assert_int_equal(dmamap_readl(dev, 0, 0), 5);
	dmamap_close(dev);
	kfree(p);
}

static void test_reset(void **state)
{
	dev = rig_open(spec(""), DMA_BIT_MASK(64));
	assert_int_equal(rig.resets, 1);
	dmamap_close(dev);
	assert_int_equal(rig.resets, 2);
	rig.no_reset = true;
	dev = rig_open(spec(""), DMA_BIT_MASK(64));
	assert_int_equal(rig.hot_resets, 1);
	dmamap_close(dev);
}

/* The files are closed in the child: here in its copy of this kernel. */
static void test_fork(void **state)
{
	int status;
	pid_t pid;

	dev = rig_open(spec(""), DMA_BIT_MASK(64));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		/*
		 * only the mapped registers are left, which a child does not inherit from a real
		 * kernel
		 */
		bool closed = rig.open == 2 && dmamap_readl(dev, 0, 0) == ~0u;

		_exit(closed ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	rig_bar0_write(0, 5);
	assert_int_equal(dmamap_readl(dev, 0, 0), 5);
	dmamap_close(dev);
}

static void test_second_open(void **state)
{
	struct device *one = rig_open(spec(""), DMA_BIT_MASK(64));

	unsigned int open = rig.open;
	u64 resets = rig.resets;

	assert_null(dmamap_open(spec("")));
	assert_int_equal(errno, EBUSY);
	assert_non_null(strstr(dmamap_strerror(), "already open in this process"));
	assert_null(dmamap_open(is_vfio() ? "iommufd:00:03.0" : "vfio:00:03.0"));
	assert_int_equal(errno, EBUSY);
	assert_int_equal(rig.resets, resets);
	assert_int_equal(rig.open, open);
	assert_int_equal(dmamap_readl(one, 0, 0), 0);
	dmamap_close(one);
	one = rig_open(spec(""), DMA_BIT_MASK(64));
	dmamap_close(one);
}

#define BOTH(f)                                                                                    \
	{#f " vfio", f, start, end, vfio},                                                         \
	{                                                                                          \
#f " iommufd", f, start, end, iommufd                                              \
	}

static char vfio[] = "vfio", iommufd[] = "iommufd";

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_sysfs_says_no),
		BOTH(test_files_say_no),
		BOTH(test_kernel_says_no),
		BOTH(test_every_call_fails),
		BOTH(test_no_memory),
		BOTH(test_registers),
		BOTH(test_interrupts),
		BOTH(test_line),
		BOTH(test_taken_back),
		BOTH(test_reset),
		BOTH(test_fork),
		BOTH(test_second_open),
		BOTH(test_bars),
		BOTH(test_configuration),
		BOTH(test_configuration_overlapping),
		BOTH(test_interrupts_again),
		BOTH(test_interrupts_are_counted_once),
		BOTH(test_line_again),
		BOTH(test_writes_in_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
