/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine as a whole: which specs it refuses, how it ends, and that nothing remains after its
 * end.
 */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void test_registers_of_all_sizes(void **state)
{
	struct device *dev = rig_open("qemu:edu");

	assert_int_equal(dmamap_readl(dev, DMAMAP_CONFIG, 0), 0x11e81234);
	assert_int_equal(dmamap_readw(dev, DMAMAP_CONFIG, 2), 0x11e8);
	assert_int_equal(dmamap_readb(dev, DMAMAP_CONFIG, 1), 0x12);
	assert_int_equal(dmamap_readq(dev, DMAMAP_CONFIG, 0) & 0xffffffff, 0x11e81234);
	assert_int_equal(dmamap_readl(dev, 0, 0) & 0xffff, 0xed);
	dmamap_writel(dev, 0, 4, 0x12345678);
	assert_int_equal(dmamap_readl(dev, 0, 4), ~0x12345678u);
	assert_int_equal(dmamap_readl(dev, 0, 1 << 20), ~0u);
	assert_non_null(strstr(dmamap_strerror(), "no register"));
	assert_int_equal(dmamap_readl(dev, 1, 0), ~0u);
	assert_int_equal(dmamap_readl(dev, 8, 0), ~0u);
	assert_int_equal(dmamap_readl(dev, -1, 0), ~0u);
	dmamap_writel(dev, DMAMAP_CONFIG, 0x10, 0);
	assert_int_equal(errno, EPERM);
	assert_int_equal(dmamap_readl(dev, 0, 4), ~0x12345678u);
	dmamap_close(dev);
}

static void test_the_program_cannot_access_the_bus(void **state)
{
	struct device *dev = rig_open("qemu:edu");
	struct iovec iov[2];
	char byte = 0;

	assert_int_equal(dmamap_bus_read(dev, 0x1000, &byte, 1), -EOPNOTSUPP);
	assert_int_equal(dmamap_bus_write(dev, 0, &byte, 1), -EOPNOTSUPP);
	assert_int_equal(dmamap_bus_map(dev, 0x1000, 8, true, iov, 2), -EOPNOTSUPP);
	assert_int_equal(rig_stats(dev).faults, 0);
	dmamap_close(dev);
}

static void test_specs_that_are_wrong(void **state)
{
	rig_refused("qemu", EINVAL, "needs the name", "");
	rig_refused("qemu:edu,iommu=1", EINVAL, "iommu", "vtd or off");
	rig_refused("qemu:edu,policy=never", EINVAL, "policy", "strict");
	rig_refused("qemu:edu,vtd-width=40", EINVAL, "vtd-width", "39 or 48");
	rig_refused("qemu:edu,interrupts=x", EINVAL, "interrupts", "msi or intx");
	rig_refused("qemu:edu,image=", EINVAL, "image", "not empty");
	rig_refused("qemu:edu,addr=3", EINVAL, "addr", "dmamap places");
	rig_refused("qemu:edu,untrusted=1,iommu=off", EINVAL, "untrusted", "IOMMU");
	rig_refused("qemu:edu,ram=1K", EINVAL, "ram", "");
}

/* The messages are QEMU's own. */
static void test_what_qemu_refuses(void **state)
{
	rig_refused("qemu:teapot", EINVAL, "teapot", "not a valid device model name");
	rig_refused("qemu:edu,colour=red", EINVAL, "colour", "not found");
	rig_refused("qemu:edu,coherent=0", EINVAL, "coherent", "not found");
	rig_refused("qemu:isa-debug-exit", EINVAL, "isa-debug-exit", "");
	rig_refused("qemu:virtio-blk-pci", EINVAL, "virtio-blk", "drive property");
	rig_refused("qemu:edu,arg=-nonsense", EINVAL, "nonsense", "");
}

static void test_images_that_cannot_be_opened(void **state)
{
	char spec[256], bytes[512] = "";
	const char *image = rig_path("image");
	struct device *dev;

	snprintf(spec, sizeof(spec), "qemu:nvme,image=%s", image);
	rig_refused(spec, ENOENT, image, "No such file");
	rig_file(image, bytes, sizeof(bytes));
	assert_int_equal(truncate(image, 1 << 20), 0);
	dev = rig_open(spec);
	rig_refused(spec, EBUSY, "lock", "another process");
	dmamap_close(dev);
	dmamap_close(rig_open(spec));
	if (geteuid() == 0)
		return;
	assert_int_equal(chmod(image, 0), 0);
	rig_refused(spec, EACCES, image, "Permission denied");
}

static void make_program(const char *path, const char *text)
{
	rig_file(path, text, strlen(text));
	assert_int_equal(chmod(path, 0755), 0);
}

static void test_programs_that_are_not_qemu(void **state)
{
	const char *old = rig_path("old");
	char spec[256];

	make_program(old, "#!/bin/sh\n"
			  "echo '{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 1, "
			  "\"major\": 5}}}}' >&4\nexec sleep 5\n");
	snprintf(spec, sizeof(spec), "qemu:edu,qemu=%s", old);
	rig_refused(spec, ENOTSUP, "QEMU 5.1", "7.2 or later");
	make_program(old, "#!/bin/sh\necho 'Hello, my name is Fred.' >&4\nexec sleep 5\n");
	rig_refused(spec, EINVAL, "violated its test protocol", "");
	make_program(old, "#!/bin/sh\necho 'I have no time.' >&2\nexit 3\n");
	rig_refused(spec, EINVAL, "status 3", "I have no time.");
	make_program(old, "#!/no/where/sh\n");
	rig_refused(spec, ENOENT, "could not be run", "No such file");
	rig_refused("qemu:edu,qemu=/bin/true", EINVAL, "status 0", "");
	rig_refused("qemu:edu,qemu=/no/where/qemu", ENOENT, "/no/where/qemu", "");
	rig_refused("qemu:edu,qemu=no-such-qemu", ENOENT, "no-such-qemu", "PATH");
	rig_refused("qemu:edu,qemu=/etc/passwd", EACCES, "/etc/passwd", "");
}

static void test_another_ram_is_refused(void **state)
{
	struct device *sim = rig_open("sim");

	rig_refused("qemu:edu", EBUSY, "RAM below 4 GiB", "last device");
	dmamap_close(sim);
	sim = rig_open("qemu:edu");
	dmamap_close(rig_open("sim"));
	dmamap_close(sim);
}

/* Ends QEMU in both ways, observed by threads that are in a call. */
struct victim {
	struct device *dev;
	u32 last;
};

static void *read_until_gone(void *arg)
{
	struct victim *v = arg;

	do
		v->last = dmamap_readl(v->dev, 0, 0);
	while (v->last != ~0u);
	return NULL;
}

static void end_qemu(int sig, const char *word)
{
	struct victim v[3];
	pthread_t thread[3];
	u32 buf[16] = {0};
	dma_addr_t addr;
	void *coherent;

	v[0].dev = v[1].dev = v[2].dev = rig_open("qemu:edu");
	coherent = dma_alloc_coherent(v[0].dev, 4096, &addr, GFP_KERNEL);
	assert_non_null(coherent);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, read_until_gone, &v[i]), 0);
	usleep(20000);
	assert_int_equal(kill(rig_pid(v[0].dev), sig), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(dmamap_readl(v[0].dev, 0, 0), ~0u);
	assert_int_equal(errno, EIO);
	assert_non_null(strstr(dmamap_strerror(), word));
	dmamap_writel(v[0].dev, 0, 4, 1);
	dma_free_coherent(v[0].dev, 4096, coherent, addr);
	addr = dma_map_single(v[0].dev, buf, sizeof(buf), DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(v[0].dev, addr), 0);
	dma_unmap_single(v[0].dev, addr, sizeof(buf), DMA_TO_DEVICE);
	dmamap_close(v[0].dev);
	assert_true(rig_no_children());
}

static void test_killed(void **state)
{
	end_qemu(SIGKILL, "killed by signal 9");
}

static void test_stopped_answering(void **state)
{
	end_qemu(SIGSTOP, "did not respond");
}

/*
 * A program that ignores SIGCHLD: its children are reaped when they end, and their numbers are free
 * again.
 */
static void test_sigchld_ignored(void **state)
{
	struct device *dev;

	assert_true(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
	dev = rig_open("qemu:edu");
	assert_int_equal(dmamap_readl(dev, 0, 0) & 0xffff, 0xed);
	dmamap_close(dev);
	end_qemu(SIGKILL, "status is unknown");
	rig_refused("qemu:teapot", EINVAL, "teapot", "not a valid device model name");
	rig_refused("qemu:edu,qemu=/no/where/qemu", ENOENT, "/no/where/qemu", "");
	signal(SIGCHLD, SIG_DFL);
}

/* A program with a thread that reaps every child. */
static bool reaping;

static void *reap_all(void *arg)
{
	while (__atomic_load_n(&reaping, __ATOMIC_RELAXED))
		if (waitpid(-1, NULL, WNOHANG) <= 0)
			usleep(200);
	return NULL;
}

static void test_reaped_by_the_program(void **state)
{
	pthread_t thread;

	reaping = true;
	assert_int_equal(pthread_create(&thread, NULL, reap_all, NULL), 0);
	for (int i = 0; i < 5; i++) {
		end_qemu(SIGKILL, "QEMU");
		dmamap_close(rig_open("qemu:edu"));
		rig_refused("qemu:teapot", EINVAL, "teapot", "not a valid device model name");
	}
	__atomic_store_n(&reaping, false, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

/* A driver that only waits for an interrupt is also notified of the end. */
static void *transfer_until_gone(void *arg)
{
	static u8 buf[256];
	int err;

	do
		err = edu_write(arg, buf, 0, sizeof(buf));
	while (!err);
	return strstr(driver_strerror(), "removed") ? arg : NULL;
}

static void test_ends_under_a_driver(void **state)
{
	static const int sigs[] = {SIGKILL, SIGSTOP};

	for (size_t i = 0; i < ARRAY_SIZE(sigs); i++) {
		struct device *dev = rig_open("qemu:edu");
		struct edu *edu = edu_probe(dev);
		pthread_t thread;
		void *saw = NULL;

		assert_non_null(edu);
		assert_int_equal(pthread_create(&thread, NULL, transfer_until_gone, edu), 0);
		usleep(150000);
		assert_int_equal(kill(rig_pid(dev), sigs[i]), 0);
		pthread_join(thread, &saw);
		assert_ptr_equal(saw, edu);
		edu_remove(edu);
		dmamap_close(dev);
		assert_true(rig_no_children());
	}
}

/* An unmap waits for an invalidation that never completes: it returns once the machine is dead. */
static void test_stopped_in_an_unmap(void **state)
{
	struct device *dev = rig_open("qemu:edu");
	void *p = kmalloc(4096, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(dev, p, 4096, DMA_TO_DEVICE);

	assert_int_equal(dma_mapping_error(dev, addr), 0);
	assert_int_equal(kill(rig_pid(dev), SIGSTOP), 0);
	dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	assert_true(machine_is_dead(rig_qemu(dev)));
	assert_true(rig_no_children());
	kfree(p);
	dmamap_close(dev);
}

static void test_many_threads(void **state)
{
	struct device *dev = rig_open("qemu:edu");
	pthread_t thread[4];
	struct victim v[4];

	for (int i = 0; i < 4; i++) {
		v[i].dev = dev;
		assert_int_equal(pthread_create(&thread[i], NULL, read_until_gone, &v[i]), 0);
	}
	for (u32 i = 0; i < 2000; i++) {
		dmamap_writel(dev, 0, 4, i);
		if (i % 64 == 0)
			assert_int_equal(dmamap_readl(dev, 0, 4), ~i);
	}
	assert_int_equal(kill(rig_pid(dev), SIGKILL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	dmamap_close(dev);
}

static void test_nothing_remains(void **state)
{
	const char *rounds = getenv("DMAMAP_TEST_ROUNDS");
	unsigned int fds, threads;

	dmamap_close(rig_open("qemu:edu"));
	fds = rig_descriptors();
	threads = rig_threads();
	for (int i = rounds ? atoi(rounds) : 20; i > 0; i--)
		dmamap_close(rig_open("qemu:edu"));
	assert_int_equal(rig_descriptors(), fds);
	assert_int_equal(rig_threads(), threads);
	assert_true(rig_no_children());
	assert_int_equal(mem.span, 0);
}

/* Whatever fails while a device is opened, nothing remains. */
static void test_failing_everywhere(void **state)
{
	unsigned int fds = rig_descriptors(), threads = rig_threads();
	struct device *dev = NULL;
	char plan[64];

	for (int nth = 1; !dev && nth < 400; nth++) {
		snprintf(plan, sizeof(plan), "memory:nth=%d;page:nth=%d;iova:nth=%d", nth, nth,
			 nth);
		assert_int_equal(dmamap_fail(plan), 0);
		dev = dmamap_open("qemu:edu");
		dmamap_fail(NULL);
		if (!dev)
			assert_true(*dmamap_strerror());
	}
	assert_non_null(dev);
	dmamap_close(dev);
	assert_int_equal(rig_descriptors(), fds);
	assert_int_equal(rig_threads(), threads);
	assert_true(rig_no_children());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		rig_test(test_registers_of_all_sizes),
		rig_test(test_the_program_cannot_access_the_bus),
		rig_test(test_specs_that_are_wrong),
		rig_test(test_what_qemu_refuses),
		rig_test(test_images_that_cannot_be_opened),
		rig_test(test_programs_that_are_not_qemu),
		rig_test(test_another_ram_is_refused),
		rig_test(test_killed),
		rig_test(test_stopped_answering),
		rig_test(test_ends_under_a_driver),
		rig_test(test_sigchld_ignored),
		rig_test(test_reaped_by_the_program),
		rig_test(test_stopped_in_an_unmap),
		rig_test(test_many_threads),
		rig_test(test_nothing_remains),
		rig_test(test_failing_everywhere),
	};

	rig_need_qemu();
	return cmocka_run_group_tests(tests, NULL, rig_cleanup);
}
