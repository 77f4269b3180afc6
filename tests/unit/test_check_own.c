/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU read of a buffer that the device may be writing is reported by the tool under which the
 * program runs: AddressSanitizer, valgrind, or the checker itself. The test runs in a child, which
 * the tool ends.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/compiler.h"

#include <dmamap/bus.h>
#include <dmamap/check.h>
#include <dmamap/device.h>
#include <linux/dma-mapping.h>
#include <linux/slab.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef HAVE_VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#define VALGRIND_STATUS 99 /* --error-exitcode of tests/run-checks */

static char said[65536];

/* Reads a byte that the device may be writing, or syncs the buffer to the CPU first. */
static void child(bool wrong)
{
	struct device *dev = dmamap_open("sim,check=1");
	char *p = kzalloc(4096, GFP_KERNEL);
	dma_addr_t addr;

	if (!dev || !p || dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)) ||
	    dmamap_check_own(dev, true))
		_exit(10);
	addr = dma_map_single(dev, p, 4096, DMA_FROM_DEVICE);
	if (dma_mapping_error(dev, addr))
		_exit(11);
	if (!wrong)
		dma_sync_single_for_cpu(dev, addr, 4096, DMA_FROM_DEVICE);
	if (((const volatile char *)p)[100])
		_exit(12);
	dma_unmap_single(dev, addr, 4096, DMA_FROM_DEVICE);
	kfree(p);
	dmamap_close(dev);
	_exit(0);
}

/* A device that accessed the buffer before ownership was checked uses the new view after that. */
static void child_with_old_translations(bool unused)
{
	struct device *dev = dmamap_open("sim,check=1,policy=identity");
	char *p = kzalloc(4096, GFP_KERNEL), byte = 1;
	dma_addr_t addr;

	if (!dev || !p || dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)))
		_exit(10);
	addr = dma_map_single(dev, p, 4096, DMA_FROM_DEVICE);
	if (dma_mapping_error(dev, addr) || dmamap_bus_write(dev, addr, &byte, 1))
		_exit(11);
	dma_unmap_single(dev, addr, 4096, DMA_FROM_DEVICE);
	if (dmamap_check_own(dev, true))
		_exit(12);
	addr = dma_map_single(dev, p, 4096, DMA_FROM_DEVICE);
	byte = 2;
	if (dma_mapping_error(dev, addr) || dmamap_bus_write(dev, addr, &byte, 1))
		_exit(13);
	dma_unmap_single(dev, addr, 4096, DMA_FROM_DEVICE);
	if (*p != 2)
		_exit(14);
	kfree(p);
	dmamap_close(dev);
	_exit(0);
}

/* Its exit status; `said`: its output. */
static int run_child(void (*body)(bool wrong), bool wrong)
{
	FILE *out = tmpfile();
	int status;
	pid_t pid;
	size_t n;

	assert_non_null(out);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(fileno(out), 2);
		body(wrong);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	rewind(out);
	n = fread(said, 1, sizeof(said) - 1, out);
	said[n] = 0;
	fclose(out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run(bool wrong)
{
	return run_child(child, wrong);
}

static void test_the_load_is_named(void **state)
{
	int status = run(true);

#ifdef BUILT_WITH_ASAN
	assert_int_not_equal(status, 0);
	assert_non_null(strstr(said, "AddressSanitizer: use-after-poison"));
	assert_non_null(strstr(said, "test_check_own.c:"));
#else
	if (RUNNING_ON_VALGRIND) {
		assert_int_equal(status, VALGRIND_STATUS);
		return;
	}
	assert_int_equal(status, 0);
	assert_non_null(strstr(said, "own-cpu-read"));
	assert_non_null(strstr(said, "test_check_own.c:"));
	assert_non_null(strstr(said, "mapped:"));
#endif
}

static void test_after_a_sync_nobody_minds(void **state)
{
	assert_int_equal(run(false), 0);
	assert_string_equal(said, "");
}

static void test_a_change_of_view_drops_translations(void **state)
{
	assert_int_equal(run_child(child_with_old_translations, false), 0);
	assert_string_equal(said, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_load_is_named),
		cmocka_unit_test(test_after_a_sync_nobody_minds),
		cmocka_unit_test(test_a_change_of_view_drops_translations),
	};

#ifdef BUILT_WITH_TSAN
	puts("1..0 # SKIP ThreadSanitizer lets no handler of a fault allocate memory");
	return 0;
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
