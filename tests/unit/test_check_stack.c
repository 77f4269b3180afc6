/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stack and the checker: how much of a driver's stack it needs, which memory it regards as the
 * stack, and where the stack of a report begins.
 */
#include "base/fail.h"
#include "check_rig.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#ifdef HAVE_VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#define PAINT	    0xc3
#define STACK_LARGE (4u << 20)

/* ---- how much the checker takes ---- */

static char *stack_base;
static size_t stack_used; /* below the frame of the thread's first function */
static void (*stack_body)(void);

static void *measured(void *arg)
{
	char *frame = __builtin_frame_address(0);
	size_t low = 0;

	stack_body();
	while (stack_base[low] == (char)PAINT)
		low++;
	stack_used = (size_t)(frame - (stack_base + low));
	return NULL;
}

static void in_thread_of(size_t size, void (*body)(void))
{
	pthread_attr_t attr;
	pthread_t t;

	stack_body = body;
	stack_base = aligned_alloc(4096, size);
	memset(stack_base, PAINT, size);
	pthread_attr_init(&attr);
	assert_int_equal(pthread_attr_setstack(&attr, stack_base, size), 0);
	assert_int_equal(pthread_create(&t, &attr, measured, NULL), 0);
	pthread_join(t, NULL);
	pthread_attr_destroy(&attr);
	free(stack_base);
}

static void unmap_wrong(void)
{
	void *p = kmalloc(4096, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(dev, p, 4096, DMA_TO_DEVICE);

	dma_unmap_single(dev, addr, 4096, DMA_BIDIRECTIONAL);
	kfree(p);
}

static void free_wrong(void)
{
	char *p = kmalloc(4096, GFP_KERNEL);
	dma_addr_t addr = map_single(dev, p, 4096, DMA_TO_DEVICE);

	kfree(p + 64);
	dmamap_bus_write(dev, addr, p, 8);
	dmamap_bus_read(dev, addr + 4090, p, 8);
	kfree(p);
	dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	dma_sync_single_for_cpu(dev, addr, 64, DMA_TO_DEVICE);
	dma_map_single(dev, p, 64, DMA_NONE);
}

static char *live_object;

/* Mistakes that are detected without a record of a mapping. */
static void argument_wrong(void)
{
	dma_map_single(dev, live_object, 64, DMA_NONE);
	dma_unmap_single(dev, DMA_MAPPING_ERROR, 4096, DMA_TO_DEVICE);
}

static void free_object_inside(void)
{
	kfree(live_object + 64);
}

/* The device reads what was never synced, page by page. */
static void sync_missing(void)
{
	static char bytes[4096];
	char *p = kzalloc(4096, GFP_KERNEL);
	dma_addr_t addr = map_single(dev, p, 4096, DMA_TO_DEVICE);

	p[4000] = 1;
	dmamap_bus_read(dev, addr, bytes, 4096);
	dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	kfree(p);
}

static void right(void)
{
	static char bytes[4096];
	char *p = kzalloc(4096, GFP_KERNEL);
	dma_addr_t addr = map_single(dev, p, 4096, DMA_BIDIRECTIONAL);

	dmamap_bus_read(dev, addr, bytes, 4096);
	dmamap_bus_write(dev, addr, bytes, 4096);
	dma_sync_single_for_cpu(dev, addr, 4096, DMA_BIDIRECTIONAL);
	dma_sync_single_for_device(dev, addr, 4096, DMA_BIDIRECTIONAL);
	dma_unmap_single(dev, addr, 4096, DMA_BIDIRECTIONAL);
	kfree(p);
}

/* Sanitizers have larger frames and checks of their own. */
static bool is_plain(void)
{
#if defined(BUILT_WITH_ASAN) || defined(BUILT_WITH_TSAN)
	return false;
#else
	return true;
#endif
}

static void test_a_report_takes_8_KiB(void **state)
{
	static const char *const specs[] = {"sim,check=1", "sim,check=1,coherent=0,iommu=0"};
	static void (*const bodies[])(void) = {unmap_wrong, free_wrong, sync_missing, right};

	if (!is_plain())
		return;
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++)
		for (size_t k = 0; k < ARRAY_SIZE(bodies); k++) {
			check_begin(specs[i], false);
			in_thread_of(STACK_LARGE, bodies[k]);
			check_finish();
			if (stack_used > 8192)
				fail_msg("%s, program %zu: %zu bytes of stack", specs[i], k,
					 stack_used);
		}
}

/* Without memory, and without a thread that reads debug information. */
static void test_a_report_without_memory(void **state)
{
	const struct fail_rule always = {.every = 1};

	check_begin("sim,check=1,iommu=0", false);
	live_object = kmalloc(4096, GFP_KERNEL);
	fail_set(FAIL_MEMORY, &always);
	in_thread_of(STACK_LARGE, argument_wrong);
	fail_set(FAIL_MEMORY, NULL);
	assert_int_equal(check_reports, 2);
	kfree(live_object);
	/* the mapping is not recorded, so neither is a missing call of dma_mapping_error() */
	in_thread_of(STACK_LARGE, free_wrong);
	assert_true(check_reports > 8);
	check_reports = 0;
	live_object = kmalloc(4096, GFP_KERNEL);
	fail_set(FAIL_MEMORY, &always);
	in_thread_of(STACK_LARGE, free_object_inside);
	fail_set(FAIL_MEMORY, NULL);
	assert_int_equal(check_reports, 1);
	assert_int_equal(check_kind, DMAMAP_CHECK_FREE_WRONG);
	assert_non_null(strstr(check_text, "\n  here:\n    "));
	if (is_plain() && stack_used > 8192)
		fail_msg("%zu bytes of stack", stack_used);
	kfree(live_object);
	check_finish();
}

/* The smallest stack that a thread can have, without a callback and with one. */
static void test_in_a_thread_of_16_KiB(void **state)
{
	if (!is_plain())
		return;
	check_begin("sim,check=1,coherent=0", false);
	in_thread_of(16384, right);
	assert_int_equal(check_reports, 0);
	in_thread_of(16384, unmap_wrong);
	assert_int_equal(check_reports, 2);
	in_thread_of(16384, sync_missing);
	assert_int_equal(check_reports, 3);
	in_thread_of(16384, free_wrong);
	assert_true(check_reports > 8);
	check_finish();
}

/* ---- what the reporting thread may hold ---- */

/*
 * Prints a page that the device owns while the stream is locked; ends within 20 seconds in any
 * case.
 */
static void print_what_the_device_owns(void)
{
	char *p = (char *)__get_free_pages(GFP_KERNEL, 0);
	dma_addr_t addr;

	alarm(20);
	check_begin("sim,check=1", true);
	dmamap_check_on_report(NULL, NULL);
	strcpy(p, "of the device");
	addr = map_single(dev, p, 4096, DMA_FROM_DEVICE);
	fprintf(stderr, "printed: %s\n", p);
	dma_unmap_single(dev, addr, 4096, DMA_FROM_DEVICE);
	free_pages((unsigned long)(uintptr_t)p, 0);
	check_finish();
	_exit(dmamap_check_count(DMAMAP_CHECK_OWN_CPU_READ) == 1 ? 0 : 1);
}

static void test_a_report_while_a_stream_is_locked(void **state)
{
	static char said[4096];
	FILE *out = tmpfile();
	int status;
	pid_t pid;

	/* they report the access themselves, or permit no handler of a fault to allocate memory */
	if (!is_plain() || RUNNING_ON_VALGRIND)
		return;
	assert_non_null(out);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(fileno(out), 2);
		print_what_the_device_owns();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	rewind(out);
	said[fread(said, 1, sizeof(said) - 1, out)] = 0;
	fclose(out);
	if (!WIFEXITED(status) || WEXITSTATUS(status) || !strstr(said, "own-cpu-read") ||
	    !strstr(said, "printed: of the device"))
		fail_msg("status %#x: %s", status, said);
}

/* ---- what is on the stack ---- */

static ucontext_t back, routine;
static char *buffer;
static char *routine_stack;
static size_t routine_size;
static bool map_local;
static _Thread_local char of_thread[64] __attribute__((aligned(64)));

static void map_and_unmap(void *p, size_t size)
{
	dma_addr_t addr = map_single(dev, p, size, DMA_TO_DEVICE);

	device_reads(dev, addr, size);
	dma_unmap_single(dev, addr, size, DMA_TO_DEVICE);
}

static void coroutine(void)
{
	char local[64] __attribute__((aligned(64))) = "";

	map_and_unmap(map_local ? local : buffer, 64);
	/* memory of the same block that is in no frame */
	if (!map_local)
		map_and_unmap(routine_stack, 64);
}

static void on_coroutine(void)
{
	/* a stack below the buffer, where malloc and mmap place them */
	routine_size = 1 << 16;
	routine_stack = malloc(routine_size);
	buffer = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(buffer != MAP_FAILED);
	memset(routine_stack, 0, 64);
	getcontext(&routine);
	routine.uc_stack.ss_sp = routine_stack;
	routine.uc_stack.ss_size = routine_size;
	routine.uc_link = &back;
	makecontext(&routine, coroutine, 0);
	swapcontext(&back, &routine);
	munmap(buffer, 4096);
	free(routine_stack);
}

static void *thread_variable(void *arg)
{
	map_and_unmap(of_thread, 64);
	return NULL;
}

static void right_places(void)
{
	char *name = getenv("PATH");
	pthread_t t;

	map_local = false;
	on_coroutine();
	assert_int_equal(pthread_create(&t, NULL, thread_variable, NULL), 0);
	pthread_join(t, NULL);
	map_and_unmap(of_thread, 64);
	if (name)
		map_and_unmap(name, 1);
}

static void *thread_local_frame(void *arg)
{
	char local[64] __attribute__((aligned(64))) = "";

	map_and_unmap(local, 64);
	return NULL;
}

static void wrong_in_thread(void)
{
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, thread_local_frame, NULL), 0);
	pthread_join(t, NULL);
}

static void wrong_here(void)
{
	thread_local_frame(NULL);
}

static void wrong_in_coroutine(void)
{
	map_local = true;
	on_coroutine();
}

static void test_memory_on_the_stack(void **state)
{
	check_right("right_places", right_places);
	check_wrong("sim,check=1", DMAMAP_CHECK_MAP_STACK, wrong_here);
	check_wrong("sim,check=1", DMAMAP_CHECK_MAP_STACK, wrong_in_thread);
	check_wrong("sim,check=1", DMAMAP_CHECK_MAP_STACK, wrong_in_coroutine);
}

/* ---- where a report begins ---- */

/* After each heading there is a frame of this file, or of the rig, if its lines are known. */
static void expect_border(const char *name)
{
	const char *p = check_text;
	int stacks = 0;

	while ((p = strstr(p, "\n  "))) {
		p += 3;
		if (*p == ' ')
			continue;
		p = strstr(p, "\n    ");
		if (!p)
			break; /* the rig truncated the text */
		stacks++;
		if (!strstr(p, "test_check_stack.c") && !strstr(p, "check_rig.h"))
			break;
		if (strstr(p, "(../src/") &&
		    strcspn(p + 1, "\n") > (size_t)(strstr(p, "(../src/") - p))
			fail_msg("%s: %s", name, check_text);
	}
	if (!stacks)
		fail_msg("%s has no stack: %s", name, check_text);
}

/* Calls that reach a report through another function of the library. */
static void by_the_library_itself(void)
{
	struct sg_table *t = dma_alloc_noncontiguous(dev, 4096, DMA_TO_DEVICE, GFP_KERNEL, 0);
	dma_addr_t addr, b;
	void *p = dmam_alloc_coherent(dev, 4096, &addr, GFP_KERNEL);

	assert_non_null(t);
	b = map_single(dev, p, 64, DMA_TO_DEVICE);
	expect_border("dmam_alloc_coherent");
	dma_unmap_single(dev, b, 64, DMA_TO_DEVICE);
	dma_free_noncontiguous(dev, 8192, t, DMA_TO_DEVICE);
	expect_border("dma_free_noncontiguous");
	dma_free_noncontiguous(dev, 4096, t, DMA_TO_DEVICE);
	kfree_sensitive((char *)p + 64);
	expect_border("kfree_sensitive");
}

static void test_reports_end_at_the_border(void **state)
{
	static void (*const bodies[])(void) = {unmap_wrong, free_wrong, by_the_library_itself};

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		check_begin("sim,check=1,iommu=0", false);
		bodies[i]();
		expect_border("the last");
		check_finish();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_report_takes_8_KiB),
		cmocka_unit_test(test_a_report_without_memory),
		cmocka_unit_test(test_in_a_thread_of_16_KiB),
		cmocka_unit_test(test_a_report_while_a_stream_is_locked),
		cmocka_unit_test(test_memory_on_the_stack),
		cmocka_unit_test(test_reports_end_at_the_border),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
