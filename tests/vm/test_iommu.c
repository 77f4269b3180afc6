/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_iommu SPEC: tests that need a real IOMMU, with edu behind it. Edu has a buffer of 4 KiB and
 * does one transfer at a time. If a transfer is refused, edu reads zeros or writes nothing, and the
 * guest's kernel logs the fault.
 */
#include "rig.h"

#include <dmamap/device.h>
#include <dmamap/stats.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE	   256u
#define NOWHERE	   0x900000ull /* an address that edu can put on the bus and that is not mapped */
#define MIB	   (1024 * 1024ul)
#define WINDOW	   0xfee00000ull /* x86's interrupt addresses, which are not memory for a device */
#define WINDOW_END 0xfef00000ull

static const char *spec;
static struct device *dev;
static struct edu *edu;
static int kmsg = -1;

static int setup(void **state)
{
	int failed = edu_open(spec, &dev, &edu);

	if (failed)
		return failed;
	if (kmsg < 0)
		kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return lseek(kmsg, 0, SEEK_END) < 0;
}

static int teardown(void **state)
{
	edu_remove(edu);
	dmamap_close(dev);
	return 0;
}

/* True: the kernel logs a fault at this page within two seconds. */
static bool is_logged(dma_addr_t addr)
{
	char want[64], line[1024];
	ssize_t n;

	snprintf(want, sizeof(want), "fault addr 0x%llx ", (unsigned long long)addr & ~0xfffull);
	for (int tries = 0; tries < 200; tries++) {
		while ((n = read(kmsg, line, sizeof(line) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
			line[n > 0 ? n : 0] = 0;
			if (strstr(line, "DMAR") && strstr(line, want))
				return true;
		}
		usleep(10000);
	}
	return false;
}

/*
 * A transfer that is refused and logged. The log line may come late, since QEMU's VT-d has one
 * fault record and the kernel writes at most ten lines in five seconds.
 */
static void refused(dma_addr_t addr, bool write)
{
	for (int tries = 0; tries < 6; tries++) {
		assert_int_equal(write ? edu_dma_from_device(edu, addr, 0, SIZE)
				       : edu_dma_to_device(edu, addr, 0, SIZE),
				 0);
		if (is_logged(addr))
			return;
	}
	fail_msg("no word of the kernel's about a fault at %#llx", (unsigned long long)addr);
}

/* Allocates a buffer of RAM filled with `value`. */
static u8 *buffer(u8 value)
{
	u8 *p = kmalloc(PAGE_SIZE, GFP_KERNEL);

	assert_non_null(p);
	memset(p, value, PAGE_SIZE);
	return p;
}

static dma_addr_t map(void *p, enum dma_data_direction dir)
{
	dma_addr_t addr = dma_map_single(dev, p, SIZE, dir);

	if (dma_mapping_error(dev, addr))
		fail_msg("%s", dmamap_strerror());
	return addr;
}

/* Checks the contents of edu's buffer. */
static void edu_holds(u8 value)
{
	u8 *back = buffer(0x11);

	assert_int_equal(edu_read(edu, back, 0, SIZE), 0);
	assert_true(all_are(back, SIZE, value));
	kfree(back);
}

static void test_outside_the_mappings_nothing_is_read(void **state)
{
	u8 *p = buffer(0x77);

	assert_int_equal(edu_write(edu, p, 0, SIZE), 0);
	edu_holds(0x77);
	refused(NOWHERE, false);
	edu_holds(0);
	kfree(p);
}

static void test_after_unmap_the_same_address_fails(void **state)
{
	u8 *p = buffer(0x21);
	dma_addr_t addr = map(p, DMA_BIDIRECTIONAL);

	assert_int_equal(edu_dma_to_device(edu, addr, 0, SIZE), 0);
	edu_holds(0x21);
	dma_unmap_single(dev, addr, SIZE, DMA_BIDIRECTIONAL);
	memset(p, 0x53, PAGE_SIZE);
	refused(addr, false);
	edu_holds(0);
	refused(addr, true);
	assert_true(all_are(p, PAGE_SIZE, 0x53));
	kfree(p);
}

static void test_what_is_to_be_read_is_not_written(void **state)
{
	u8 *p = buffer(0x42), *q = buffer(0x43);
	dma_addr_t addr;

	assert_int_equal(edu_write(edu, q, 0, SIZE), 0);
	addr = map(p, DMA_TO_DEVICE);
	assert_int_equal(edu_dma_from_device(edu, addr, 0, SIZE), 0);
	assert_true(all_are(p, PAGE_SIZE, 0x42));
	dma_unmap_single(dev, addr, SIZE, DMA_TO_DEVICE);
	kfree(p);
	kfree(q);
}

/* Memory that the device accesses stays this process's when it forks and writes to it. */
static void test_fork_parts_no_mapping(void **state)
{
	u8 *p = NULL;
	dma_addr_t addr;
	int status, ends[2];
	pid_t child;
	char byte;

	assert_int_equal(posix_memalign((void **)&p, PAGE_SIZE, PAGE_SIZE), 0);
	memset(p, 0x31, PAGE_SIZE);
	addr = map(p, DMA_BIDIRECTIONAL);
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		close(ends[1]);
		/* the child owns no device, and its end unmaps nothing of the parent */
		_exit(read(ends[0], &byte, 1) == 0 && p[0] == 0x31 ? 0 : 1);
	}
	memset(p, 0x32, PAGE_SIZE);
	assert_int_equal(edu_dma_to_device(edu, addr, 0, SIZE), 0);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	edu_holds(0x32);
	assert_int_equal(edu_dma_from_device(edu, addr + SIZE, 0, SIZE), 0);
	dma_unmap_single(dev, addr, SIZE, DMA_BIDIRECTIONAL);
	free(p);
}

/* The address space is filled with mappings on both sides of the window, and none is in it. */
static void test_the_window_of_interrupts_is_left_out(void **state)
{
	enum { N = 40 };
	dma_addr_t addr[N];
	bool below = false, above = false;
	u8 *p = NULL;

	assert_int_equal(dma_set_mask_and_coherent(dev, DMA_BIT_MASK(32)), 0);
	assert_int_equal(posix_memalign((void **)&p, PAGE_SIZE, MIB), 0);
	memset(p, 0, MIB);
	for (int i = 0; i < N; i++) {
		addr[i] = dma_map_single(dev, p, MIB, DMA_TO_DEVICE);
		if (dma_mapping_error(dev, addr[i]))
			fail_msg("%s", dmamap_strerror());
		assert_true(addr[i] + MIB <= WINDOW || addr[i] >= WINDOW_END);
		assert_true(addr[i] + MIB - 1 <= DMA_BIT_MASK(32));
		below |= addr[i] < WINDOW;
		above |= addr[i] >= WINDOW_END;
	}
	assert_true(below && above);
	for (int i = 0; i < N; i++)
		dma_unmap_single(dev, addr[i], MIB, DMA_TO_DEVICE);
	free(p);
}

/* QEMU's VT-d has 39 bits of address by default. */
static void test_no_address_beyond_the_iommu(void **state)
{
	u8 *p = buffer(0);
	dma_addr_t addr;

	assert_int_equal(dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);
	addr = map(p, DMA_TO_DEVICE);
	assert_true(addr + SIZE - 1 <= DMA_BIT_MASK(39));
	dma_unmap_single(dev, addr, SIZE, DMA_TO_DEVICE);
	kfree(p);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_outside_the_mappings_nothing_is_read, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_after_unmap_the_same_address_fails, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_what_is_to_be_read_is_not_written, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_fork_parts_no_mapping, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_window_of_interrupts_is_left_out, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_no_address_beyond_the_iommu, setup, teardown),
	};

	if (argc != 2)
		return 2;
	spec = argv[1];
	return cmocka_run_group_tests_name("iommu", tests, NULL, NULL);
}
