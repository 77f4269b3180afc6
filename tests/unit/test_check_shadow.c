/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checker as a whole: correct use raises no report however long it continues, reports block no
 * thread, the words of the environment variable, and the behaviour without memory.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/compiler.h"
#include "base/fail.h"
#include "domain/device.h"

#include <dmamap/bus.h>
#include <dmamap/check.h>
#include <dmamap/device.h>
#include <errno.h>
#include <linux/dma-mapping.h>
#include <linux/dmapool.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIVE 512
#define SIZE 16384

static unsigned int reports; /* atomic */
static char last[16384];

static void on_report(const struct dmamap_report *r, void *arg)
{
	if (!__atomic_fetch_add(&reports, 1, __ATOMIC_RELAXED))
		snprintf(last, sizeof(last), "%s: %s", r->name, r->text);
}

static struct device *open_checked(const char *spec)
{
	struct device *dev;

	reports = 0;
	last[0] = 0;
	dmamap_check_on_report(on_report, NULL);
	dev = dmamap_open(spec);
	if (!dev)
		fail_msg("%s", dmamap_strerror());
	assert_int_equal(dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);
	return dev;
}

static u64 random_state;

static u32 rnd(u32 below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(random_state >> 33) % below;
}

struct live {
	dma_addr_t addr;
	size_t size;
	enum dma_data_direction dir;
};

/* Maps a free slot, or makes a correct call on the mapping in it. */
static void one_step(struct device *dev, u8 *base, struct live *l, u32 i)
{
	u8 byte = 0;

	if (!l->size) {
		u32 offset = rnd(SIZE / 64) * 64;

		l->size = rnd(SIZE - offset) + 1;
		l->dir = (enum dma_data_direction)rnd(3);
		l->addr = dma_map_single(dev, base + (u64)i * SIZE + offset, l->size, l->dir);
		if (dma_mapping_error(dev, l->addr))
			l->size = 0;
		return;
	}
	switch (rnd(4)) {
	case 0:
		dma_sync_single_for_cpu(dev, l->addr, l->size, l->dir);
		break;
	case 1:
		dma_sync_single_for_device(dev, l->addr, l->size, l->dir);
		break;
	case 2:
		if (l->dir == DMA_FROM_DEVICE)
			dmamap_bus_write(dev, l->addr + l->size - 1, &byte, 1);
		else
			dmamap_bus_read(dev, l->addr, &byte, 1);
		break;
	default:
		dma_unmap_single(dev, l->addr, l->size, l->dir);
		l->size = 0;
	}
}

static void right_use(const char *spec, u32 steps)
{
	struct device *dev = open_checked(spec);
	static struct live live[LIVE];
	u8 *base;

	setenv("DMAMAP_CHECK", "stacks=2", 1);
	base = page_address(alloc_pages(GFP_KERNEL, get_order(LIVE * SIZE)));
	assert_non_null(base);
	memset(live, 0, sizeof(live));
	for (u32 n = 0; n < steps; n++) {
		u32 i = rnd(LIVE);

		one_step(dev, base, &live[i], i);
	}
	for (u32 i = 0; i < LIVE; i++)
		if (live[i].size)
			dma_unmap_single(dev, live[i].addr, live[i].size, live[i].dir);
	__free_pages(virt_to_page(base), get_order(LIVE * SIZE));
	dmamap_close(dev);
	if (reports)
		fail_msg("%s: %u reports, the first: %s", spec, reports, last);
}

/* CHECK_STEPS in the environment: the number of operations on each of the five devices. */
static void test_right_use(void **state)
{
	u32 steps = getenv("CHECK_STEPS") ? (u32)atoi(getenv("CHECK_STEPS")) : 40000;

	setenv("DMAMAP_CHECK", "stacks=0", 1);
	right_use("sim,check=1", steps);
	right_use("sim,check=1,iommu=0", steps);
	right_use("sim,check=1,policy=lazy", steps);
	right_use("sim,check=1,policy=identity", steps);
	right_use("sim,check=1,coherent=0,swiotlb=64M", steps);
	unsetenv("DMAMAP_CHECK");
}

/* ---- reports and threads ---- */

static struct device *dev_of_callback;

static void maps_itself(const struct dmamap_report *r, void *arg)
{
	void *p = kmalloc(64, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(dev_of_callback, p, 64, DMA_TO_DEVICE);

	__atomic_fetch_add(&reports, 1, __ATOMIC_RELAXED);
	/* a misuse by the callback is counted and not reported */
	dma_unmap_single(dev_of_callback, addr, 32, DMA_TO_DEVICE);
	kfree(p);
}

static void *misuse(void *arg)
{
	for (int i = 0; i < 50; i++)
		dma_unmap_single(dev_of_callback, 0x10000 + (u64)i * 4096, 64, DMA_TO_DEVICE);
	return NULL;
}

static void test_reports_hold_up_nobody(void **state)
{
	u64 before = dmamap_check_count(DMAMAP_CHECK_UNMAP_SIZE);
	pthread_t thread[4];

	dev_of_callback = open_checked("sim,check=1");
	dmamap_check_on_report(maps_itself, NULL);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, misuse, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	dmamap_check_on_report(on_report, NULL);
	assert_int_equal(reports, 200);
	assert_int_equal(dmamap_check_count(DMAMAP_CHECK_UNMAP_SIZE), before + 200);
	dmamap_close(dev_of_callback);
}

static void *map_and_unmap(void *p)
{
	dma_addr_t addr = dma_map_single(dev_of_callback, p, 4096, DMA_BIDIRECTIONAL);

	assert_int_equal(dma_mapping_error(dev_of_callback, addr), 0);
	dma_unmap_single(dev_of_callback, addr, 4096, DMA_BIDIRECTIONAL);
	return NULL;
}

/*
 * A mapping that another thread has unmapped overlaps nothing, although its shadow is freed only by
 * that thread's next call.
 */
static void test_memory_goes_between_threads(void **state)
{
	void *p = kmalloc(4096, GFP_KERNEL);
	dma_addr_t addr;

	dev_of_callback = open_checked("sim,check=1,iommu=0");
	for (int i = 0; i < 100; i++) {
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, map_and_unmap, p), 0);
		pthread_join(thread, NULL);
		map_and_unmap(p);
	}
	assert_int_equal(reports, 0);
	/* and a real overlap is still reported */
	addr = dma_map_single(dev_of_callback, p, 64, DMA_BIDIRECTIONAL);
	assert_int_equal(dma_mapping_error(dev_of_callback, addr), 0);
	map_and_unmap(p);
	assert_int_equal(reports, 1);
	assert_non_null(strstr(last, "map-overlap"));
	dma_unmap_single(dev_of_callback, addr, 64, DMA_BIDIRECTIONAL);
	kfree(p);
	dmamap_close(dev_of_callback);
}

static int last_kind;

static void note_kind(const struct dmamap_report *r, void *arg)
{
	last_kind = r->kind;
	on_report(r, arg);
}

static void fault_in_page(struct device *dev, dma_addr_t addr, enum dmamap_fault_reason reason,
			  int kind)
{
	reports = 0;
	device_fault(dev, addr & ~4095ull, 0, true, reason);
	assert_int_equal(reports, 1);
	assert_int_equal(last_kind, kind);
	assert_non_null(strstr(last, "write in the page at 0x"));
}

/* An IOMMU reports the page of a fault: a mapping that begins inside it is found. */
static void test_faults_of_a_page(void **state)
{
	struct device *dev = open_checked("sim,check=1,iommu=0");
	u8 *p = kmalloc(8192, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(dev, p + 512, 256, DMA_TO_DEVICE);

	assert_int_equal(dma_mapping_error(dev, addr), 0);
	dmamap_check_on_report(note_kind, NULL);
	fault_in_page(dev, addr, DMAMAP_FAULT_NO_WRITE, DMAMAP_CHECK_DEVICE_DIRECTION);
	assert_non_null(strstr(last, "\n  mapped:"));
	fault_in_page(dev, addr + 4096, DMAMAP_FAULT_NOT_MAPPED, DMAMAP_CHECK_DEVICE_FAULT);
	dma_unmap_single(dev, addr, 256, DMA_TO_DEVICE);
	fault_in_page(dev, addr, DMAMAP_FAULT_NOT_MAPPED, DMAMAP_CHECK_DEVICE_AFTER_UNMAP);
	assert_non_null(strstr(last, "\n  unmapped:"));
	fault_in_page(dev, addr + 4096, DMAMAP_FAULT_NOT_MAPPED, DMAMAP_CHECK_DEVICE_FAULT);
	kfree(p);
	dmamap_close(dev);
}

static void test_many_leaks_are_one_report(void **state)
{
	struct device *dev = open_checked("sim,check=1");
	static u8 memory[3000][64] __attribute__((aligned(64)));

	for (int i = 0; i < 3000; i++)
		assert_int_equal(
			dma_mapping_error(dev, dma_map_single(dev, memory[i], 64, DMA_TO_DEVICE)),
			0);
	assert_int_equal(reports, 0);
	dmamap_close(dev);
	assert_int_equal(reports, 1);
	assert_non_null(strstr(last, "3000 by dma_map_single"));
}

/* Without memory the checker detects less; the driver observes no difference. */
static void test_no_memory(void **state)
{
	struct device *dev = open_checked("sim,check=1,iommu=0");
	const struct fail_rule all = {.every = 1};
	void *p = kmalloc(4096, GFP_KERNEL);
	dma_addr_t addr;

	fail_set(FAIL_MEMORY, &all);
	addr = dma_map_single(dev, p, 4096, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	fail_set(FAIL_MEMORY, NULL);
	dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	assert_int_equal(reports, 0);
	/* that was the report: the next stray unmap is detected again */
	dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	assert_int_equal(reports, 1);
	kfree(p);
	dmamap_close(dev);
}

/* ---- the environment ---- */

static void refused(const char *name, const char *value, const char *word)
{
	setenv(name, value, 1);
	errno = 0;
	assert_null(dmamap_open("sim"));
	assert_int_equal(errno, EINVAL);
	if (!strstr(dmamap_strerror(), word))
		fail_msg("%s=%s: \"%s\" does not say \"%s\"", name, value, dmamap_strerror(), word);
	unsetenv(name);
}

static void write_file(char *path, const char *text)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void test_words(void **state)
{
	char bad[] = "/tmp/check-XXXXXX", text[128];

	refused("DMAMAP_CHECK", "owm", "unknown word \"owm\"");
	refused("DMAMAP_CHECK", "1,colour=red", "unknown word \"colour=red\"");
	refused("DMAMAP_CHECK", "stacks=65", "\"65\" is not a valid value for stacks");
	refused("DMAMAP_CHECK", "stacks=", "no value");
	refused("DMAMAP_CHECK", "exitcode=256", "exitcode");
	refused("DMAMAP_CHECK", "first=-1", "first");
	refused("DMAMAP_CHECK", "suppress=/nonexistent", "/nonexistent");
	refused("DMAMAP_CHECK", "suppress=/tmp", "Is a directory");
	refused("DMAMAP_CHECK", "json=/nonexistent/x", "/nonexistent/x");
	refused("DMAMAP_CHECK", "json=/tmp", "Is a directory");
	write_file(bad, "# fine\nleak * *\nleak *\n");
	snprintf(text, sizeof(text), "suppress=%s", bad);
	refused("DMAMAP_CHECK", text, ":3:");
	unlink(bad);
}

static void two_leaks(void)
{
	static u8 memory[2][64] __attribute__((aligned(64)));
	struct device *dev = open_checked("sim");

	for (int i = 0; i < 2; i++)
		assert_int_equal(
			dma_mapping_error(dev, dma_map_single(dev, memory[i], 64, DMA_TO_DEVICE)),
			0);
	dmamap_close(dev);
}

static void test_suppressed_and_first(void **state)
{
	char path[] = "/tmp/check-XXXXXX", text[128];
	u64 before = dmamap_check_count(DMAMAP_CHECK_LEAK);

	write_file(path, "lea? * sim* # known\n");
	snprintf(text, sizeof(text), "suppress=%s", path);
	setenv("DMAMAP_CHECK", text, 1);
	two_leaks();
	assert_int_equal(reports, 0);
	assert_int_equal(dmamap_check_count(DMAMAP_CHECK_LEAK), before);
	setenv("DMAMAP_CHECK", "first=1", 1);
	two_leaks();
	assert_int_equal(reports, 1);
	assert_int_equal(dmamap_check_count(DMAMAP_CHECK_LEAK), before + 2);
	unlink(path);
	unsetenv("DMAMAP_CHECK");
}

static void leave_pool(void)
{
	struct device *dev = open_checked("sim");

	assert_non_null(dma_pool_create("a\xff\xc3\xa4\xed\xa0\x80\xe2\x82z", dev, 64, 64, 0));
	dmamap_close(dev);
}

#define NONE "\xef\xbf\xbd" /* the replacement for a byte that is not UTF-8 */

/* In a child, because the test examines its exit. */
static void test_json_and_exit(void **state)
{
	char path[] = "/tmp/check-XXXXXX", text[160], line[8192] = "";
	int status;
	pid_t pid;
	FILE *f;

	write_file(path, "");
	snprintf(text, sizeof(text), "exitcode=3,json=%s", path);
	setenv("DMAMAP_CHECK", text, 1);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		two_leaks();
		leave_pool();
		exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	assert_non_null(strstr(line, "{\"kind\":\"leak\",\"device\":\"sim0\",\"address\":"));
	assert_non_null(strstr(line, "\"stacks\":[{\"what\":\"made\",\"calls\":[\""));
	assert_non_null(strstr(line, "]}]}\n"));
	assert_non_null(fgets(line, sizeof(line), f));
	/* a name may contain bytes that are not UTF-8, and JSON may not */
	assert_non_null(fgets(line, sizeof(line), f));
	assert_non_null(strstr(line, "a" NONE "\xc3\xa4" NONE NONE NONE NONE NONE "z"));
	assert_null(fgets(line, sizeof(line), f));
	fclose(f);
	unlink(path);
	unsetenv("DMAMAP_CHECK");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right_use),
		cmocka_unit_test(test_reports_hold_up_nobody),
		cmocka_unit_test(test_memory_goes_between_threads),
		cmocka_unit_test(test_faults_of_a_page),
		cmocka_unit_test(test_many_leaks_are_one_report),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_suppressed_and_first),
		cmocka_unit_test(test_json_and_exit),
	};

	unsetenv("DMAMAP_CHECK");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
